/* The vectors of SSSE3 for the templates: 16 bytes. To be included in its target region. */
#include "vector_sse.h"

#define V_BYTES 16

typedef __m128i vec;

FWS_INLINE vec v_load(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
FWS_INLINE void v_store(void *p, vec v) { _mm_storeu_si128((__m128i *)p, v); }
FWS_INLINE vec v_zero(void) { return _mm_setzero_si128(); }
FWS_INLINE vec v_splat(uint8_t byte) { return _mm_set1_epi8((char)byte); }
FWS_INLINE vec v_splat_key(uint32_t key) { return _mm_set1_epi32((int)key); }
FWS_INLINE vec v_xor(vec a, vec b) { return _mm_xor_si128(a, b); }
FWS_INLINE vec v_or(vec a, vec b) { return _mm_or_si128(a, b); }
FWS_INLINE vec v_and(vec a, vec b) { return _mm_and_si128(a, b); }
FWS_INLINE vec v_and_not(vec a, vec b) { return _mm_andnot_si128(a, b); } /* ~a & b */
FWS_INLINE vec v_equal(vec a, vec b) { return _mm_cmpeq_epi8(a, b); }
FWS_INLINE vec v_double(vec v) { return _mm_add_epi8(v, v); }
FWS_INLINE vec v_max(vec a, vec b) { return _mm_max_epu8(a, b); }
FWS_INLINE vec v_subtract_saturated(vec a, vec b) { return _mm_subs_epu8(a, b); }
FWS_INLINE int v_is_ascii(vec v) { return _mm_movemask_epi8(v) == 0; }
FWS_INLINE int v_is_zero(vec v) { return _mm_movemask_epi8(_mm_cmpeq_epi8(v, v_zero())) == 0xFFFF; }

/* Look every byte (0 to 15) up in a table of 16. */
FWS_INLINE vec v_lookup(const uint8_t *table, vec index) {
    return _mm_shuffle_epi8(_mm_load_si128((const __m128i *)table), index);
}

/* The bytes that stand 1, 2 or 3 places before those of `v`, where `before` is the vector before it. */
FWS_INLINE vec v_previous1(vec before, vec v) { return _mm_alignr_epi8(v, before, 15); }
FWS_INLINE vec v_previous2(vec before, vec v) { return _mm_alignr_epi8(v, before, 14); }
FWS_INLINE vec v_previous3(vec before, vec v) { return _mm_alignr_epi8(v, before, 13); }

/* A bit for every byte that is not a continuation byte: signed, those are the ones up to 0xBF = -65. */
FWS_INLINE uint64_t v_lead_bits(vec v) { return (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(v, v_splat(0xBF))); }

/* A bit for every byte that is not ASCII. */
FWS_INLINE uint64_t v_high_bits(vec v) { return (unsigned)_mm_movemask_epi8(v); }

/* 0xFF where a is the lesser byte, signed: 0xC0 is greater than continuation bytes only. */
FWS_INLINE vec v_less(vec a, vec b) { return _mm_cmplt_epi8(a, b); }

/* Bits moved within their bytes; the others are 0. */
FWS_INLINE vec v_left(vec v, int by) { return _mm_and_si128(_mm_slli_epi16(v, by), v_splat((uint8_t)(0xFF << by))); }
FWS_INLINE vec v_right(vec v, int by) { return _mm_and_si128(_mm_srli_epi16(v, by), v_splat((uint8_t)(0xFF >> by))); }

/* The i-th 16 bytes: there are no others. */
FWS_INLINE quad v_quad(vec v, int i) { return (void)i, v; }

FWS_INLINE uint8_t v_highest(vec v) { return q_highest(v); }
