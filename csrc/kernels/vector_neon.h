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

/* A bit for every byte that is not ASCII. */
FWS_INLINE uint64_t v_high_bits(vec v) { return q_bits(vcltzq_s8(vreinterpretq_s8_u8(v))); }

/* 0xFF where a is the lesser byte, signed: 0xC0 is greater than continuation bytes only. */
FWS_INLINE vec v_less(vec a, vec b) { return vcltq_s8(vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)); }

/* Bits moved within their bytes; the others are 0. */
FWS_INLINE vec v_left(vec v, int by) { return vshlq_u8(v, vdupq_n_s8((int8_t)by)); }
FWS_INLINE vec v_right(vec v, int by) { return vshlq_u8(v, vdupq_n_s8((int8_t)-by)); }

/* The i-th 16 bytes: there are no others. */
FWS_INLINE quad v_quad(vec v, int i) { return (void)i, v; }

FWS_INLINE uint8_t v_highest(vec v) { return vmaxvq_u8(v); }

FWS_INLINE quad q_load(const void *p) { return v_load(p); }
FWS_INLINE void q_store(void *p, quad v) { v_store(p, v); }
FWS_INLINE void q_store_low(void *p, quad v) { vst1_u8((uint8_t *)p, vget_low_u8(v)); }
FWS_INLINE quad q_splat_key(uint32_t key) { return v_splat_key(key); }
FWS_INLINE quad q_xor(quad a, quad b) { return veorq_u8(a, b); }
FWS_INLINE quad q_or(quad a, quad b) { return vorrq_u8(a, b); }
FWS_INLINE quad q_shuffle(quad v, quad index) { return vqtbl1q_u8(v, index); }
FWS_INLINE int q_is_ascii(quad v) { return v_is_ascii(v); }

/* Bytes of a and b by turns, from their first or their last 8. */
FWS_INLINE quad q_zip_low(quad a, quad b) { return vzip1q_u8(a, b); }
FWS_INLINE quad q_zip_high(quad a, quad b) { return vzip2q_u8(a, b); }

/* The same with pairs of bytes, all 8 of each. */
FWS_INLINE void q_store_zipped16(void *p, quad a, quad b) {
    const uint16x8x2_t zipped = vzipq_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b));
    vst1q_u16((uint16_t *)p, zipped.val[0]);
    vst1q_u16((uint16_t *)p + 8, zipped.val[1]);
}

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

/* Code points of 2 bytes, one to a 16-bit unit, the last byte low.
 *   110aaaaa 10bbbbbb  ->  00000aaa aabbbbbb */
FWS_INLINE quad q_join2(quad v) {
    const uint16x8_t units = vreinterpretq_u16_u8(v);
    const uint16x8_t low = vandq_u16(units, vdupq_n_u16(0x7F));
    const uint16x8_t high = vandq_u16(units, vdupq_n_u16(0x1F00));
    return vreinterpretq_u8_u16(vorrq_u16(low, vshrq_n_u16(high, 2)));
}

/* Code points of 3 bytes, one to a 32-bit unit, the last byte lowest.
 *   1110aaaa 10bbbbbb 10cccccc  ->  aaaabbbb bbcccccc */
FWS_INLINE quad q_join3(quad v) {
    const uint32x4_t middle = vshrq_n_u32(q_and32(v, 0x3F00), 2);
    const uint32x4_t high = vshrq_n_u32(q_and32(v, 0x0F0000), 4);
    return vreinterpretq_u8_u32(vorrq_u32(vorrq_u32(q_and32(v, 0x7F), middle), high));
}

/* Code points of 4 bytes, likewise.
 *   11110aaa 10bbbbbb 10cccccc 10dddddd  ->  aaabb bbbbcccc ccdddddd */
FWS_INLINE quad q_join4(quad v) {
    const uint32x4_t middle = vshrq_n_u32(q_and32(v, 0x3F00), 2);
    const uint32x4_t high = vshrq_n_u32(q_and32(v, 0x3F0000), 4);
    const uint32x4_t top = vshrq_n_u32(q_and32(v, 0x07000000), 6);
    return vreinterpretq_u8_u32(vorrq_u32(vorrq_u32(q_and32(v, 0x7F), middle), vorrq_u32(high, top)));
}

/* Four 32-bit units below 0x10000 from each of two vectors to eight 16-bit ones. */
FWS_INLINE quad q_narrow(quad a, quad b) {
    return vreinterpretq_u8_u16(vuzp1q_u16(vreinterpretq_u16_u8(a), vreinterpretq_u16_u8(b)));
}

/* The other way: units to UTF-8. */

FWS_INLINE int q_is_below_80(quad v) { return vmaxvq_u16(vreinterpretq_u16_u8(v)) < 0x80; }
FWS_INLINE int q_is_below_800(quad v) { return vmaxvq_u16(vreinterpretq_u16_u8(v)) < 0x800; }
FWS_INLINE quad q_narrow_to_bytes(quad a, quad b) { return vuzp1q_u8(a, b); }

/* Eight 16-bit units below 0x800 to pairs: a lead, for which `twos` has a bit if it is needed, and the last byte.
 *   00000aaa aabbbbbb  ->  110aaaaa 10bbbbbb        0 0ccccccc  ->  ........ 0ccccccc */
FWS_INLINE quad q_pair_up(quad units, unsigned *twos) {
    const uint16x8_t c = vreinterpretq_u16_u8(units);
    const uint16x8_t from2 = vcgtq_u16(c, vdupq_n_u16(0x7F));
    const uint16x8_t moved = vshlq_n_u16(c, 8);
    const uint16x8_t six_bits = vorrq_u16(vshrq_n_u16(c, 6), vandq_u16(moved, vdupq_n_u16(0x3F00)));
    *twos = q_bits(vcombine_u8(vmovn_u16(from2), vdup_n_u8(0)));
    return vreinterpretq_u8_u16(vbslq_u16(from2, vorrq_u16(six_bits, vdupq_n_u16(0x80C0)), moved));
}

/* Eight 16-bit units, each spread over 4 bytes like those of q_spread_code_points. */
typedef struct {
    quad first, second;
} spread_eight;

FWS_INLINE spread_eight q_spread_eight(quad units, unsigned *lengths1, unsigned *lengths2) {
    const uint16x8_t c = vreinterpretq_u16_u8(units);
    const uint16x8_t from2 = vcgtq_u16(c, vdupq_n_u16(0x7F)), from3 = vcgtq_u16(c, vdupq_n_u16(0x7FF));
    const uint16x8_t six_bits =
        vorrq_u16(vandq_u16(c, vdupq_n_u16(0x3F)), vandq_u16(vshlq_n_u16(c, 2), vdupq_n_u16(0x3F00)));
    const uint16x8_t marks = veorq_u16(vandq_u16(from3, vdupq_n_u16(0x4000)), vdupq_n_u16(0xC080));
    const uint16x8_t low = vbslq_u16(from2, vorrq_u16(six_bits, marks), c);
    const uint16x8_t high = vorrq_u16(vshrq_n_u16(c, 12), vdupq_n_u16(0xE0));
    /* A length less one is 01 where a unit is below 0x800 and not below 0x80, and 10 from there. */
    const unsigned bits = q_bits(vcombine_u8(vmovn_u16(veorq_u16(from2, from3)), vmovn_u16(from3)));
    *lengths1 = (bits & 0x0F) | (bits >> 4 & 0xF0);
    *lengths2 = (bits >> 4 & 0x0F) | (bits >> 8 & 0xF0);
    return (spread_eight){vreinterpretq_u8_u16(vzip1q_u16(low, high)), vreinterpretq_u8_u16(vzip2q_u16(low, high))};
}

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
