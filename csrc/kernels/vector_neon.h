/* The vectors of NEON for the templates: 16 bytes, whole and as the quads that move code points about. */

#define V_BYTES 16

typedef uint8x16_t vec;
typedef uint8x16_t quad;

FWS_INLINE vec v_load(const void *p) { return vld1q_u8((const uint8_t *)p); }
FWS_INLINE void v_store(void *p, vec v) { vst1q_u8((uint8_t *)p, v); }
FWS_INLINE vec v_zero(void) { return vdupq_n_u8(0); }
FWS_INLINE vec v_splat(uint8_t byte) { return vdupq_n_u8(byte); }
FWS_INLINE vec v_splat_key(uint32_t key) { return vreinterpretq_u8_u32(vdupq_n_u32(key)); }
FWS_INLINE vec v_xor(vec a, vec b) { return veorq_u8(a, b); }
FWS_INLINE vec v_or(vec a, vec b) { return vorrq_u8(a, b); }
FWS_INLINE vec v_and(vec a, vec b) { return vandq_u8(a, b); }
FWS_INLINE vec v_and_not(vec a, vec b) { return vbicq_u8(b, a); } /* ~a & b */
FWS_INLINE vec v_equal(vec a, vec b) { return vceqq_u8(a, b); }
FWS_INLINE vec v_double(vec v) { return vaddq_u8(v, v); }
FWS_INLINE vec v_max(vec a, vec b) { return vmaxq_u8(a, b); }
FWS_INLINE vec v_subtract_saturated(vec a, vec b) { return vqsubq_u8(a, b); }
FWS_INLINE vec v_high_nibbles(vec v) { return vshrq_n_u8(v, 4); }
FWS_INLINE int v_is_ascii(vec v) { return vmaxvq_u8(v) < 0x80; }
FWS_INLINE int v_is_zero(vec v) { return vmaxvq_u8(v) == 0; }

/* Look every byte (0 to 15) up in a table of 16. */
FWS_INLINE vec v_lookup(const uint8_t *table, vec index) { return vqtbl1q_u8(vld1q_u8(table), index); }

/* The bytes that stand 1, 2 or 3 places before those of `v`, where `before` is the vector before it. */
FWS_INLINE vec v_previous1(vec before, vec v) { return vextq_u8(before, v, 15); }
FWS_INLINE vec v_previous2(vec before, vec v) { return vextq_u8(before, v, 14); }
FWS_INLINE vec v_previous3(vec before, vec v) { return vextq_u8(before, v, 13); }

/* A bit for every byte that is 0xFF; the others are 0. Each keeps its own bit, and three additions of neighbours
 * gather eight of them into one byte. */
FWS_INLINE unsigned q_bits(uint8x16_t mask) {
    static const uint8_t own_bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bits = vandq_u8(mask, vld1q_u8(own_bit));
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    bits = vpaddq_u8(bits, bits);
    return vgetq_lane_u16(vreinterpretq_u16_u8(bits), 0);
}

/* A bit for every byte that is not a continuation byte: signed, those are the ones up to 0xBF = -65. */
FWS_INLINE uint64_t v_lead_bits(vec v) { return q_bits(vcgtq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8(-65))); }

FWS_INLINE uint8_t v_highest(vec v) { return vmaxvq_u8(v); }

FWS_INLINE quad q_load(const void *p) { return v_load(p); }
FWS_INLINE quad q_load_low(const void *p) { return vcombine_u8(vld1_u8((const uint8_t *)p), vdup_n_u8(0)); }
FWS_INLINE void q_store(void *p, quad v) { v_store(p, v); }
FWS_INLINE void q_store_low(void *p, quad v) { vst1_u8((uint8_t *)p, vget_low_u8(v)); }
FWS_INLINE quad q_splat_key(uint32_t key) { return v_splat_key(key); }
FWS_INLINE quad q_xor(quad a, quad b) { return veorq_u8(a, b); }
FWS_INLINE quad q_or(quad a, quad b) { return vorrq_u8(a, b); }
FWS_INLINE quad q_shuffle(quad v, quad index) { return vqtbl1q_u8(v, index); }
FWS_INLINE int q_is_ascii(quad v) { return v_is_ascii(v); }
FWS_INLINE quad q_high_half(quad v) { return vextq_u8(v, vdupq_n_u8(0), 8); }

/* The bytes one place earlier: `last` comes first. */
FWS_INLINE quad q_shift_in(quad v, uint8_t last) { return vextq_u8(vdupq_n_u8(last), v, 15); }

/* 16 bytes to 16 units. */
FWS_INLINE void q_widen_to_ucs2(uint16_t *dst, quad v) {
    vst1q_u16(dst, vmovl_u8(vget_low_u8(v)));
    vst1q_u16(dst + 8, vmovl_high_u8(v));
}

/* 8 units of 2 bytes to 8 of 4. */
FWS_INLINE void q_widen_to_ucs4(uint32_t *dst, quad v) {
    const uint16x8_t units = vreinterpretq_u16_u8(v);
    vst1q_u32(dst, vmovl_u16(vget_low_u16(units)));
    vst1q_u32(dst + 4, vmovl_high_u16(units));
}

FWS_INLINE void q_widen_bytes_to_ucs4(uint32_t *dst, quad v) {
    q_widen_to_ucs4(dst, vreinterpretq_u8_u16(vmovl_u8(vget_low_u8(v))));
    q_widen_to_ucs4(dst + 8, vreinterpretq_u8_u16(vmovl_high_u8(v)));
}

FWS_INLINE uint32x4_t q_and32(quad v, uint32_t bits) { return vandq_u32(vreinterpretq_u32_u8(v), vdupq_n_u32(bits)); }

/* Code points of 1 or 2 bytes, one to a 16-bit unit: the last byte low, the lead (or 0) high.
 *   110aaaaa 10bbbbbb  ->  00000aaa aabbbbbb        0 0ccccccc  ->  00000000 0ccccccc */
FWS_INLINE quad q_join2(quad v) {
    const uint16x8_t units = vreinterpretq_u16_u8(v);
    const uint16x8_t low = vandq_u16(units, vdupq_n_u16(0x7F));
    const uint16x8_t high = vandq_u16(units, vdupq_n_u16(0x1F00));
    return vreinterpretq_u8_u16(vorrq_u16(low, vshrq_n_u16(high, 2)));
}

/* Code points of 1 to 3 bytes, one to a 32-bit unit, the last byte lowest.
 *   1110aaaa 10bbbbbb 10cccccc  ->  aaaabbbb bbcccccc */
FWS_INLINE quad q_join3(quad v) {
    const uint32x4_t middle = vshrq_n_u32(q_and32(v, 0x3F00), 2);
    const uint32x4_t high = vshrq_n_u32(q_and32(v, 0x0F0000), 4);
    return vreinterpretq_u8_u32(vorrq_u32(vorrq_u32(q_and32(v, 0x7F), middle), high));
}

/* Code points of 1 to 4 bytes, likewise. The third byte of a 3-byte code point is 1110aaaa where that of a 4-byte one
 * is 10bbbbbb: its bit 5 is dropped where bit 6 is set.
 *   11110aaa 10bbbbbb 10cccccc 10dddddd  ->  aaabb bbbbcccc ccdddddd */
FWS_INLINE quad q_join4(quad v) {
    const uint32x4_t middle = vshrq_n_u32(q_and32(v, 0x3F00), 2);
    const uint32x4_t is_lead3 = vshrq_n_u32(q_and32(v, 0x400000), 1);
    const uint32x4_t high = vshrq_n_u32(veorq_u32(q_and32(v, 0x3F0000), is_lead3), 4);
    const uint32x4_t top = vshrq_n_u32(q_and32(v, 0x07000000), 6);
    return vreinterpretq_u8_u32(vorrq_u32(vorrq_u32(q_and32(v, 0x7F), middle), vorrq_u32(high, top)));
}

/* Four 32-bit units below 0x10000 from each of two vectors to eight 16-bit ones. */
FWS_INLINE quad q_narrow(quad a, quad b) {
    return vreinterpretq_u8_u16(vuzp1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

/* Latin-1: the byte after a lead of 0xC3 stands 0x40 higher than in its continuation byte. `before` holds the bytes
 * one place earlier. */
FWS_INLINE quad q_lift_latin1(quad v, quad before) {
    return vaddq_u8(v, vandq_u8(vceqq_u8(before, vdupq_n_u8(0xC3)), vdupq_n_u8(0x40)));
}

/* The other way: units to UTF-8. */

FWS_INLINE int q_is_ascii16(quad v) { return vmaxvq_u16(vreinterpretq_u16_u8(v)) < 0x80; }
FWS_INLINE quad q_narrow_to_bytes(quad a, quad b) { return vuzp1q_u8(a, b); }
FWS_INLINE quad q_low_to_ucs4(quad v) { return vreinterpretq_u8_u32(vmovl_u16(vget_low_u16(vreinterpretq_u16_u8(v)))); }
FWS_INLINE quad q_high_to_ucs4(quad v) { return vreinterpretq_u8_u32(vmovl_high_u16(vreinterpretq_u16_u8(v))); }

/* A bit for every 32-bit unit that is all ones; the others are 0. */
FWS_INLINE unsigned q_unit_bits(uint32x4_t mask) {
    static const uint32_t own_bit[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(mask, vld1q_u32(own_bit)));
}

/* Four code points, each spread over the bytes of its unit, the last one lowest, with the bits that mark leads and
 * continuations. *lengths tells their lengths less one: low bits in bits 0 to 3, high bits in bits 4 to 7. */
FWS_INLINE quad q_spread_code_points(quad units, unsigned *lengths) {
    const uint32x4_t c = vreinterpretq_u32_u8(units);
    const uint32x4_t from2 = vcgtq_u32(c, vdupq_n_u32(0x7F));
    const uint32x4_t from3 = vcgtq_u32(c, vdupq_n_u32(0x7FF));
    const uint32x4_t from4 = vcgtq_u32(c, vdupq_n_u32(0xFFFF));
    const uint32x4_t six_bits =
        vorrq_u32(vorrq_u32(vandq_u32(c, vdupq_n_u32(0x3F)), vandq_u32(vshlq_n_u32(c, 2), vdupq_n_u32(0x3F00))),
                  vorrq_u32(vandq_u32(vshlq_n_u32(c, 4), vdupq_n_u32(0x3F0000)),
                            vandq_u32(vshlq_n_u32(c, 6), vdupq_n_u32(0x07000000))));
    /* Each length's marks replace those of the one before. */
    const uint32x4_t marks2 = vandq_u32(from2, vdupq_n_u32(0xC080));
    const uint32x4_t marks3 = vandq_u32(from3, vdupq_n_u32(0xC080 ^ 0xE08080));
    const uint32x4_t marks4 = vandq_u32(from4, vdupq_n_u32(0xE08080u ^ 0xF0808080u));
    const uint32x4_t marks = veorq_u32(marks2, veorq_u32(marks3, marks4));
    *lengths = q_unit_bits(veorq_u32(from2, veorq_u32(from3, from4))) | q_unit_bits(from3) << 4;
    return vreinterpretq_u8_u32(vbslq_u32(from2, vorrq_u32(six_bits, marks), c));
}
