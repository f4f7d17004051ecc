/* UTF-8 bytes that code units need. Plain loops that a compiler widens by itself; included into each kernel's target
 * region, so that it may.
 *
 * Counts within a block are as narrow as the units allow, since that is what the loop's vectors hold: in 16 bits it must
 * be short enough not to overflow. */

enum { SIZE_BLOCK = 1 << 14 };

static size_t ucs1_size(const uint8_t *src, size_t n) {
    size_t size = n;
    while (n > 0) {
        const size_t block = n < SIZE_BLOCK ? n : SIZE_BLOCK;
        uint16_t extra = 0;
        for (size_t i = 0; i < block; i++) {
            extra = (uint16_t)(extra + (src[i] >> 7));
        }
        size += extra;
        src += block;
        n -= block;
    }
    return size;
}

static size_t ucs2_size(const uint16_t *src, size_t n) {
    size_t size = n;
    while (n > 0) {
        const size_t block = n < SIZE_BLOCK ? n : SIZE_BLOCK;
        uint16_t extra = 0, surrogates = 0;
        for (size_t i = 0; i < block; i++) {
            const uint16_t c = src[i];
            extra = (uint16_t)(extra + (c >= 0x80) + (c >= 0x800));
            surrogates |= (uint16_t)((c & 0xF800) == 0xD800);
        }
        if (surrogates) {
            return FWS_SURROGATE;
        }
        size += extra;
        src += block;
        n -= block;
    }
    return size;
}

static size_t ucs4_size(const uint32_t *src, size_t n) {
    size_t size = n;
    while (n > 0) {
        const size_t block = n < SIZE_BLOCK ? n : SIZE_BLOCK;
        uint32_t extra = 0, surrogates = 0;
        for (size_t i = 0; i < block; i++) {
            const uint32_t c = src[i];
            extra += (uint32_t)(c >= 0x80) + (uint32_t)(c >= 0x800) + (uint32_t)(c >= 0x10000);
            surrogates |= (uint32_t)((c & 0xFFFFF800) == 0xD800);
        }
        if (surrogates) {
            return FWS_SURROGATE;
        }
        size += extra;
        src += block;
        n -= block;
    }
    return size;
}
