/* portability.h: what differs between compilers and CPUs, and nothing else. */
#ifndef FASTWS_PORTABILITY_H
#define FASTWS_PORTABILITY_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define FWS_X86_64 1
#else
#define FWS_X86_64 0
#endif

/* Little-endian only: the lane order of the NEON kernel is that of memory. */
#if defined(__aarch64__) && !defined(__AARCH64EB__)
#define FWS_AARCH64 1
#else
#define FWS_AARCH64 0
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define FWS_BIG_ENDIAN 1
#else
#define FWS_BIG_ENDIAN 0
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define FWS_INLINE static __forceinline
#define FWS_LIKELY(x) (x)
#define FWS_UNLIKELY(x) (x)
#else
#define FWS_INLINE static inline __attribute__((always_inline))
#define FWS_LIKELY(x) __builtin_expect(!!(x), 1)
#define FWS_UNLIKELY(x) __builtin_expect(!!(x), 0)
#endif

/* A region whose functions may use more of the CPU than the rest of the file. MSVC needs no permission. */
#define FWS_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define FWS_TARGET_BEGIN(isa) FWS_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define FWS_TARGET_END FWS_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
#define FWS_TARGET_BEGIN(isa) FWS_PRAGMA(GCC push_options) FWS_PRAGMA(GCC target(isa))
#define FWS_TARGET_END FWS_PRAGMA(GCC pop_options)
#else
#define FWS_TARGET_BEGIN(isa)
#define FWS_TARGET_END
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define FWS_ALIGN16 __declspec(align(16))
#define FWS_BIT_COUNT(bits) ((unsigned)__popcnt64(bits))
#else
#define FWS_ALIGN16 __attribute__((aligned(16)))
#define FWS_BIT_COUNT(bits) ((unsigned)__builtin_popcountll(bits))
#endif

/* Unaligned access: memcpy of a constant size is one instruction wherever the CPU has one. */
FWS_INLINE uint16_t fws_load16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

FWS_INLINE uint32_t fws_load32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

FWS_INLINE uint64_t fws_load64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

FWS_INLINE void fws_store32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); }

FWS_INLINE void fws_store64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }

/* A key of four bytes, loaded as it stands in memory, for data that starts r bytes later (r 0 to 3). */
FWS_INLINE uint32_t fws_rotate_key(uint32_t key, unsigned r) {
    unsigned bits = 8 * (r & 3);
#if FWS_BIG_ENDIAN
    return (key << bits) | (key >> ((32 - bits) & 31));
#else
    return (key >> bits) | (key << ((32 - bits) & 31));
#endif
}

#endif
