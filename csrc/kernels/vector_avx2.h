/* The vectors of AVX2 for the templates: 32 bytes, in two lanes of 16. To be included in its target region. */
#include "vector_sse.h"

#define V_BYTES 32

typedef __m256i vec;

FWS_INLINE vec v_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
FWS_INLINE void v_store(void *p, vec v) { _mm256_storeu_si256((__m256i *)p, v); }
FWS_INLINE vec v_zero(void) { return _mm256_setzero_si256(); }
FWS_INLINE vec v_splat(uint8_t byte) { return _mm256_set1_epi8((char)byte); }
FWS_INLINE vec v_splat_key(uint32_t key) { return _mm256_set1_epi32((int)key); }
FWS_INLINE vec v_xor(vec a, vec b) { return _mm256_xor_si256(a, b); }
FWS_INLINE vec v_or(vec a, vec b) { return _mm256_or_si256(a, b); }
FWS_INLINE vec v_and(vec a, vec b) { return _mm256_and_si256(a, b); }
FWS_INLINE vec v_and_not(vec a, vec b) { return _mm256_andnot_si256(a, b); } /* ~a & b */
FWS_INLINE vec v_equal(vec a, vec b) { return _mm256_cmpeq_epi8(a, b); }
FWS_INLINE vec v_double(vec v) { return _mm256_add_epi8(v, v); }
FWS_INLINE vec v_max(vec a, vec b) { return _mm256_max_epu8(a, b); }
FWS_INLINE vec v_subtract_saturated(vec a, vec b) { return _mm256_subs_epu8(a, b); }
FWS_INLINE int v_is_ascii(vec v) { return _mm256_movemask_epi8(v) == 0; }
FWS_INLINE int v_is_zero(vec v) { return _mm256_testz_si256(v, v); }

/* Look every byte (0 to 15) up in a table of 16. */
FWS_INLINE vec v_lookup(const uint8_t *table, vec index) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)table)), index);
}

/* The bytes that stand 1, 2 or 3 places before those of `v`, where `before` is the vector before it. The lanes have
 * to be crossed: `bridge` is the upper half of `before` and the lower half of `v`. */
FWS_INLINE vec v_bridge(vec before, vec v) { return _mm256_permute2x128_si256(before, v, 0x21); }
FWS_INLINE vec v_previous1(vec before, vec v) { return _mm256_alignr_epi8(v, v_bridge(before, v), 15); }
FWS_INLINE vec v_previous2(vec before, vec v) { return _mm256_alignr_epi8(v, v_bridge(before, v), 14); }
FWS_INLINE vec v_previous3(vec before, vec v) { return _mm256_alignr_epi8(v, v_bridge(before, v), 13); }

/* A bit for every byte that is not a continuation byte: signed, those are the ones up to 0xBF = -65. */
FWS_INLINE uint64_t v_lead_bits(vec v) { return (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(v, v_splat(0xBF))); }

/* A bit for every byte that is not ASCII. */
FWS_INLINE uint64_t v_high_bits(vec v) { return (uint32_t)_mm256_movemask_epi8(v); }

/* 0xFF where a is the lesser byte, signed: 0xC0 is greater than continuation bytes only. */
FWS_INLINE vec v_less(vec a, vec b) { return _mm256_cmpgt_epi8(b, a); }

/* Bits moved within their bytes; the others are 0. */
FWS_INLINE vec v_left(vec v, int by) {
    return _mm256_and_si256(_mm256_slli_epi16(v, by), v_splat((uint8_t)(0xFF << by)));
}
FWS_INLINE vec v_right(vec v, int by) {
    return _mm256_and_si256(_mm256_srli_epi16(v, by), v_splat((uint8_t)(0xFF >> by)));
}

/* The i-th 16 bytes. */
FWS_INLINE quad v_quad(vec v, int i) { return i ? _mm256_extracti128_si256(v, 1) : _mm256_castsi256_si128(v); }

FWS_INLINE uint8_t v_highest(vec v) {
    return q_highest(_mm_max_epu8(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}
