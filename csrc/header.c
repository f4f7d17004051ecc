/* Frame headers from and to bytes (RFC 6455 §5.2), both directions side by side. */
#include "fastws.h"
#include "portability.h"

enum { FIN = 0x80, RSV = 0x70, RSV1 = 0x40, OPCODE = 0x0F, CONTROL = 0x08, MASK = 0x80, LENGTH = 0x7F };

/* 7-bit lengths that announce a 16-bit and a 64-bit one. */
enum { LENGTH16 = 126, LENGTH64 = 127 };

enum { MAX_CONTROL_PAYLOAD = 125 };

static uint64_t load_big_endian(const uint8_t *src, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value = value << 8 | src[i];
    }
    return value;
}

static void store_big_endian(uint8_t *dst, uint64_t value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0; value >>= 8) {
        dst[i] = (uint8_t)value;
    }
}

fws_fault fws_parse_header(const uint8_t *src, size_t n, int minimal_length, fws_header *h) {
    h->has_length = 0;
    if (n < 2) {
        return FWS_SHORT;
    }
    h->first = src[0];
    h->second = src[1];
    h->length = src[1] & LENGTH;
    size_t size = 2;
    if (h->length >= LENGTH16) {
        const unsigned bytes = h->length == LENGTH16 ? 2 : 8;
        const uint64_t smallest = h->length == LENGTH16 ? 126 : 65536;
        size += bytes;
        if (n < size) {
            return FWS_SHORT;
        }
        h->length = load_big_endian(src + 2, bytes);
        if (h->length >> 63) {
            return FWS_ERR_LENGTH_TOP_BIT;
        }
        if (minimal_length && h->length < smallest) {
            return FWS_ERR_LENGTH_NOT_MINIMAL;
        }
    }
    h->has_length = 1;
    if (src[1] & MASK) {
        size += 4;
        if (n < size) {
            return FWS_SHORT;
        }
        memcpy(h->key, src + size - 4, 4);
    } else {
        memset(h->key, 0, 4);
    }
    h->size = (uint8_t)size;
    return FWS_OK;
}

/* Opcodes 0 to 2 and 8 to 10, a bit each. */
static const unsigned known_opcodes = 0x0707;

fws_fault fws_check_start(uint8_t first, uint8_t second, const fws_rules *rules) {
    const unsigned opcode = first & OPCODE;
    if (first & RSV) {
        /* Control frames carry none, and RSV1 marks where a compressed message starts (RFC 7692 §6). */
        unsigned allowed = rules->reserved;
        if (opcode & CONTROL) {
            allowed = 0;
        } else if (opcode == 0) {
            allowed &= ~(unsigned)RSV1;
        }
        if (first & RSV & ~allowed) {
            return FWS_ERR_RESERVED_BITS;
        }
    }
    if (!(known_opcodes >> opcode & 1)) {
        return FWS_ERR_RESERVED_OPCODE;
    }
    if (opcode & CONTROL) {
        if (!(first & FIN)) {
            return FWS_ERR_CONTROL_FRAGMENTED;
        }
        if ((second & LENGTH) > MAX_CONTROL_PAYLOAD) {
            return FWS_ERR_CONTROL_TOO_LONG;
        }
    }
    if ((second & MASK) != rules->masked) {
        return rules->masked ? FWS_ERR_FRAME_UNMASKED : FWS_ERR_FRAME_MASKED;
    }
    if (opcode == 0) {
        if (!rules->in_message) {
            return FWS_ERR_NOTHING_TO_CONTINUE;
        }
    } else if (!(opcode & CONTROL) && rules->in_message) {
        return FWS_ERR_MESSAGE_UNFINISHED;
    }
    return FWS_OK;
}

size_t fws_header_size(uint64_t length, int masked) {
    size_t size = length < LENGTH16 ? 2 : length < 65536 ? 4 : 10;
    return masked ? size + 4 : size;
}

size_t fws_format_header(uint8_t *dst, uint8_t first, uint64_t length, const uint8_t *key) {
    const uint8_t mask = key != NULL ? MASK : 0;
    size_t size = 2;
    dst[0] = first;
    if (length < LENGTH16) {
        dst[1] = (uint8_t)(mask | length);
    } else if (length < 65536) {
        dst[1] = mask | LENGTH16;
        store_big_endian(dst + 2, length, 2);
        size = 4;
    } else {
        dst[1] = mask | LENGTH64;
        store_big_endian(dst + 2, length, 8);
        size = 10;
    }
    if (key != NULL) {
        memcpy(dst + size, key, 4);
        size += 4;
    }
    return size;
}
