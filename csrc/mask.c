/* XOR at any key phase (RFC 6455 §5.3): rotates the key and calls the kernel. */
#include "kernels/kernels.h"

unsigned fws_mask(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase) {
    fws_active->mask(dst, src, n, fws_rotate_key(fws_load32(key), phase));
    return (unsigned)((phase + n) & 3);
}

size_t fws_mask_ascii(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t *key, unsigned phase) {
    const uint32_t rotated = key == NULL ? 0 : fws_rotate_key(fws_load32(key), phase);
    return fws_active->mask_ascii(dst, src, n, rotated);
}
