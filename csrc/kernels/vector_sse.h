/* Vectors of 16 bytes on x86-64 (SSSE3), which both of its kernels use where code points are moved about. */
#ifndef FASTWS_VECTOR_SSE_H
#define FASTWS_VECTOR_SSE_H

typedef __m128i quad;

FWS_INLINE quad q_load(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
FWS_INLINE void q_store(void *p, quad v) { _mm_storeu_si128((__m128i *)p, v); }
FWS_INLINE void q_store_low(void *p, quad v) { _mm_storel_epi64((__m128i *)p, v); }
FWS_INLINE quad q_splat_key(uint32_t key) { return _mm_set1_epi32((int)key); }
FWS_INLINE quad q_xor(quad a, quad b) { return _mm_xor_si128(a, b); }
FWS_INLINE quad q_or(quad a, quad b) { return _mm_or_si128(a, b); }
FWS_INLINE quad q_shuffle(quad v, quad index) { return _mm_shuffle_epi8(v, index); }
FWS_INLINE int q_is_ascii(quad v) { return _mm_movemask_epi8(v) == 0; }

FWS_INLINE uint8_t q_highest(quad v) {
    v = _mm_max_epu8(v, _mm_srli_si128(v, 8));
    v = _mm_max_epu8(v, _mm_srli_si128(v, 4));
    v = _mm_max_epu8(v, _mm_srli_si128(v, 2));
    v = _mm_max_epu8(v, _mm_srli_si128(v, 1));
    return (uint8_t)_mm_cvtsi128_si32(v);
}

/* Bytes of a and b by turns, from their first or their last 8. */
FWS_INLINE quad q_zip_low(quad a, quad b) { return _mm_unpacklo_epi8(a, b); }
FWS_INLINE quad q_zip_high(quad a, quad b) { return _mm_unpackhi_epi8(a, b); }

/* The same with pairs of bytes, all 8 of each. */
FWS_INLINE void q_store_zipped16(void *p, quad a, quad b) {
    q_store(p, _mm_unpacklo_epi16(a, b));
    q_store((quad *)p + 1, _mm_unpackhi_epi16(a, b));
}

/* 16 bytes to 16 units. */
FWS_INLINE void q_widen_to_ucs2(uint16_t *dst, quad v) {
    q_store(dst, _mm_unpacklo_epi8(v, _mm_setzero_si128()));
    q_store(dst + 8, _mm_unpackhi_epi8(v, _mm_setzero_si128()));
}

/* 8 units of 2 bytes to 8 of 4. */
FWS_INLINE void q_widen_to_ucs4(uint32_t *dst, quad v) {
    q_store(dst, _mm_unpacklo_epi16(v, _mm_setzero_si128()));
    q_store(dst + 4, _mm_unpackhi_epi16(v, _mm_setzero_si128()));
}

FWS_INLINE void q_widen_bytes_to_ucs4(uint32_t *dst, quad v) {
    q_widen_to_ucs4(dst, _mm_unpacklo_epi8(v, _mm_setzero_si128()));
    q_widen_to_ucs4(dst + 8, _mm_unpackhi_epi8(v, _mm_setzero_si128()));
}

/* Code points of 2 bytes, one to a 16-bit unit, the last byte low.
 *   110aaaaa 10bbbbbb  ->  00000aaa aabbbbbb */
FWS_INLINE quad q_join2(quad v) {
    const quad low = _mm_and_si128(v, _mm_set1_epi16(0x7F));
    const quad high = _mm_and_si128(v, _mm_set1_epi16(0x1F00));
    return _mm_or_si128(low, _mm_srli_epi16(high, 2));
}

/* Code points of 3 bytes, one to a 32-bit unit, the last byte lowest.
 *   1110aaaa 10bbbbbb 10cccccc  ->  aaaabbbb bbcccccc */
FWS_INLINE quad q_join3(quad v) {
    const quad ascii = _mm_and_si128(v, _mm_set1_epi32(0x7F));
    const quad middle = _mm_srli_epi32(_mm_and_si128(v, _mm_set1_epi32(0x3F00)), 2);
    const quad high = _mm_srli_epi32(_mm_and_si128(v, _mm_set1_epi32(0x0F0000)), 4);
    return _mm_or_si128(_mm_or_si128(ascii, middle), high);
}

/* Code points of 4 bytes, likewise.
 *   11110aaa 10bbbbbb 10cccccc 10dddddd  ->  aaabb bbbbcccc ccdddddd */
FWS_INLINE quad q_join4(quad v) {
    const quad ascii = _mm_and_si128(v, _mm_set1_epi32(0x7F));
    const quad middle = _mm_srli_epi32(_mm_and_si128(v, _mm_set1_epi32(0x3F00)), 2);
    const quad high = _mm_srli_epi32(_mm_and_si128(v, _mm_set1_epi32(0x3F0000)), 4);
    const quad top = _mm_srli_epi32(_mm_and_si128(v, _mm_set1_epi32(0x07000000)), 6);
    return _mm_or_si128(_mm_or_si128(ascii, middle), _mm_or_si128(high, top));
}

/* Four 32-bit units below 0x10000 from each of two vectors to eight 16-bit ones. SSE4.1 has packus for this; SSSE3
 * shuffles. */
FWS_INLINE quad q_narrow(quad a, quad b) {
    const quad low = _mm_set_epi8(-1, -1, -1, -1, -1, -1, -1, -1, 13, 12, 9, 8, 5, 4, 1, 0);
    return _mm_unpacklo_epi64(_mm_shuffle_epi8(a, low), _mm_shuffle_epi8(b, low));
}

/* The other way: units to UTF-8. */

/* Whether none of these bits is set in any 16-bit unit. */
FWS_INLINE int q_lacks16(quad v, int bits) {
    const quad found = _mm_and_si128(v, _mm_set1_epi16((short)bits));
    return _mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_setzero_si128())) == 0xFFFF;
}
FWS_INLINE int q_is_below_80(quad v) { return q_lacks16(v, 0xFF80); }
FWS_INLINE int q_is_below_800(quad v) { return q_lacks16(v, 0xF800); }
FWS_INLINE quad q_narrow_to_bytes(quad a, quad b) { return _mm_packus_epi16(a, b); }

/* Eight 16-bit units below 0x800 to pairs: a lead, for which `twos` has a bit if it is needed, and the last byte.
 *   00000aaa aabbbbbb  ->  110aaaaa 10bbbbbb        0 0ccccccc  ->  ........ 0ccccccc */
FWS_INLINE quad q_pair_up(quad c, unsigned *twos) {
    const quad from2 = _mm_cmpgt_epi16(c, _mm_set1_epi16(0x7F));
    const quad moved = _mm_slli_epi16(c, 8);
    const quad six_bits = _mm_or_si128(_mm_srli_epi16(c, 6), _mm_and_si128(moved, _mm_set1_epi16(0x3F00)));
    const quad pairs = _mm_or_si128(six_bits, _mm_set1_epi16((short)0x80C0));
    *twos = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(from2, _mm_setzero_si128()));
    return _mm_or_si128(_mm_andnot_si128(from2, moved), _mm_and_si128(from2, pairs));
}

/* Eight 16-bit units, each spread over 4 bytes like those of q_spread_code_points. */
typedef struct {
    quad first, second;
} spread_eight;

FWS_INLINE spread_eight q_spread_eight(quad c, unsigned *lengths1, unsigned *lengths2) {
    const quad none = _mm_setzero_si128();
    const quad only1 = _mm_cmpeq_epi16(_mm_and_si128(c, _mm_set1_epi16((short)0xFF80)), none);
    const quad to2 = _mm_cmpeq_epi16(_mm_and_si128(c, _mm_set1_epi16((short)0xF800)), none);
    const quad six_bits = _mm_or_si128(_mm_and_si128(c, _mm_set1_epi16(0x3F)),
                                       _mm_and_si128(_mm_slli_epi16(c, 2), _mm_set1_epi16(0x3F00)));
    const quad marks = _mm_or_si128(_mm_and_si128(to2, _mm_set1_epi16(0x4000)), _mm_set1_epi16((short)0x8080));
    const quad low = _mm_or_si128(_mm_and_si128(only1, c), _mm_andnot_si128(only1, _mm_or_si128(six_bits, marks)));
    const quad high = _mm_or_si128(_mm_srli_epi16(c, 12), _mm_set1_epi16(0xE0));
    /* A length less one is 01 where a unit is below 0x800 and not below 0x80, and 10 from there. */
    const unsigned bits = (unsigned)_mm_movemask_epi8(_mm_packs_epi16(_mm_andnot_si128(only1, to2), to2)) ^ 0xFF00;
    *lengths1 = (bits & 0x0F) | (bits >> 4 & 0xF0);
    *lengths2 = (bits >> 4 & 0x0F) | (bits >> 8 & 0xF0);
    return (spread_eight){_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high)};
}

/* Four code points, each spread over the bytes of its unit, the last one lowest, with the bits that mark leads and
 * continuations. *lengths tells their lengths less one: low bits in bits 0 to 3, high bits in bits 4 to 7. */
FWS_INLINE quad q_spread_code_points(quad c, unsigned *lengths) {
    const quad from2 = _mm_cmpgt_epi32(c, _mm_set1_epi32(0x7F));
    const quad from3 = _mm_cmpgt_epi32(c, _mm_set1_epi32(0x7FF));
    const quad from4 = _mm_cmpgt_epi32(c, _mm_set1_epi32(0xFFFF));
    const quad six_bits = _mm_or_si128(_mm_or_si128(_mm_and_si128(c, _mm_set1_epi32(0x3F)),
                                                    _mm_and_si128(_mm_slli_epi32(c, 2), _mm_set1_epi32(0x3F00))),
                                       _mm_or_si128(_mm_and_si128(_mm_slli_epi32(c, 4), _mm_set1_epi32(0x3F0000)),
                                                    _mm_and_si128(_mm_slli_epi32(c, 6), _mm_set1_epi32(0x07000000))));
    /* Each length's marks replace those of the one before. */
    const quad marks2 = _mm_and_si128(from2, _mm_set1_epi32(0xC080));
    const quad marks3 = _mm_and_si128(from3, _mm_set1_epi32(0xC080 ^ 0xE08080));
    const quad marks4 = _mm_and_si128(from4, _mm_set1_epi32((int)(0xE08080u ^ 0xF0808080u)));
    const quad marks = _mm_xor_si128(marks2, _mm_xor_si128(marks3, marks4));
    const quad low = _mm_xor_si128(from2, _mm_xor_si128(from3, from4));
    *lengths = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(low)) | (unsigned)_mm_movemask_ps(_mm_castsi128_ps(from3))
                                                                      << 4;
    return _mm_or_si128(_mm_andnot_si128(from2, c), _mm_and_si128(from2, _mm_or_si128(six_bits, marks)));
}

#endif
