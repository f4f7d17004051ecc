/* XOR with a repeated key, over the vectors of the kernel that includes this.
 *
 * The end is done with a vector (or word) that reaches back over what is done already:
 *
 *     |----vector----|----vector----|
 *                         |-----last-----|
 *
 * It is loaded before anything is stored, so it is right in place as well, and nothing outside of n is touched. */

FWS_INLINE void mask_short(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key) {
    if (n >= 8) {
        const uint64_t key64 = (uint64_t)key << 32 | key;
        const uint32_t key_last = fws_rotate_key(key, n & 3);
        const uint64_t first = fws_load64(src) ^ key64;
        const uint64_t last = fws_load64(src + n - 8) ^ ((uint64_t)key_last << 32 | key_last);
        fws_store64(dst, first);
        fws_store64(dst + n - 8, last);
    } else if (n >= 4) {
        const uint32_t first = fws_load32(src) ^ key;
        const uint32_t last = fws_load32(src + n - 4) ^ fws_rotate_key(key, n & 3);
        fws_store32(dst, first);
        fws_store32(dst + n - 4, last);
    } else {
        uint8_t bytes[4];
        fws_store32(bytes, key);
        for (size_t i = 0; i < n; i++) {
            dst[i] = src[i] ^ bytes[i];
        }
    }
}

static void mask_vector(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key) {
    if (n < 16) {
        mask_short(dst, src, n, key);
        return;
    }
    if (n <= 32) {
        const quad first = q_xor(q_load(src), q_splat_key(key));
        const quad last = q_xor(q_load(src + n - 16), q_splat_key(fws_rotate_key(key, n & 3)));
        q_store(dst, first);
        q_store(dst + n - 16, last);
        return;
    }
    const vec keys = v_splat_key(key);
    const vec last = v_xor(v_load(src + n - V_BYTES), v_splat_key(fws_rotate_key(key, n & 3)));
    size_t i = 0;
    for (; n - i >= 4 * V_BYTES; i += 4 * V_BYTES) {
        const vec a = v_load(src + i), b = v_load(src + i + V_BYTES);
        const vec c = v_load(src + i + 2 * V_BYTES), d = v_load(src + i + 3 * V_BYTES);
        v_store(dst + i, v_xor(a, keys));
        v_store(dst + i + V_BYTES, v_xor(b, keys));
        v_store(dst + i + 2 * V_BYTES, v_xor(c, keys));
        v_store(dst + i + 3 * V_BYTES, v_xor(d, keys));
    }
    for (; n - i >= V_BYTES; i += V_BYTES) {
        v_store(dst + i, v_xor(v_load(src + i), keys));
    }
    v_store(dst + n - V_BYTES, last);
}

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Fewer than 16 bytes: all of them, or none. */
FWS_INLINE size_t mask_ascii_short(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key) {
    if (n >= 8) {
        const uint64_t key64 = (uint64_t)key << 32 | key;
        const uint32_t key_last = fws_rotate_key(key, n & 3);
        const uint64_t first = fws_load64(src) ^ key64;
        const uint64_t last = fws_load64(src + n - 8) ^ ((uint64_t)key_last << 32 | key_last);
        if ((first | last) & HIGH_BITS) {
            return 0;
        }
        fws_store64(dst, first);
        fws_store64(dst + n - 8, last);
    } else if (n >= 4) {
        const uint32_t first = fws_load32(src) ^ key;
        const uint32_t last = fws_load32(src + n - 4) ^ fws_rotate_key(key, n & 3);
        if ((first | last) & (uint32_t)HIGH_BITS) {
            return 0;
        }
        fws_store32(dst, first);
        fws_store32(dst + n - 4, last);
    } else {
        return fws_mask_ascii_scalar(dst, src, n, key);
    }
    return n;
}

static size_t mask_ascii_vector(uint8_t *dst, const uint8_t *src, size_t n, uint32_t key) {
    if (n < 16) {
        return mask_ascii_short(dst, src, n, key);
    }
    if (n <= 32) {
        const quad first = q_xor(q_load(src), q_splat_key(key));
        const quad last = q_xor(q_load(src + n - 16), q_splat_key(fws_rotate_key(key, n & 3)));
        if (!q_is_ascii(q_or(first, last))) {
            return 0;
        }
        q_store(dst, first);
        q_store(dst + n - 16, last);
        return n;
    }
    const vec keys = v_splat_key(key);
    const vec last = v_xor(v_load(src + n - V_BYTES), v_splat_key(fws_rotate_key(key, n & 3)));
    size_t i = 0;
    for (; n - i >= 4 * V_BYTES; i += 4 * V_BYTES) {
        const vec a = v_xor(v_load(src + i), keys), b = v_xor(v_load(src + i + V_BYTES), keys);
        const vec c = v_xor(v_load(src + i + 2 * V_BYTES), keys), d = v_xor(v_load(src + i + 3 * V_BYTES), keys);
        if (FWS_UNLIKELY(!v_is_ascii(v_or(v_or(a, b), v_or(c, d))))) {
            return i;
        }
        v_store(dst + i, a);
        v_store(dst + i + V_BYTES, b);
        v_store(dst + i + 2 * V_BYTES, c);
        v_store(dst + i + 3 * V_BYTES, d);
    }
    for (; n - i >= V_BYTES; i += V_BYTES) {
        const vec v = v_xor(v_load(src + i), keys);
        if (FWS_UNLIKELY(!v_is_ascii(v))) {
            return i;
        }
        v_store(dst + i, v);
    }
    if (FWS_UNLIKELY(!v_is_ascii(last))) {
        return i;
    }
    v_store(dst + n - V_BYTES, last);
    return n;
}
