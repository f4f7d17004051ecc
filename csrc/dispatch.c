/* Which kernels this CPU and its operating system can run, and which one runs: the only file that knows CPUs. */
#include "kernels/kernels.h"

#if FWS_X86_64
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

const fws_kernel *fws_active = &fws_kernel_scalar;

enum { MAX_KERNELS = 4 };

/* Weakest first. Filled once by probe(). */
static const fws_kernel *available[MAX_KERNELS];
static size_t n_available;

#if FWS_X86_64
typedef struct {
    uint32_t eax, ebx, ecx, edx;
} cpuid_result;

static cpuid_result cpuid(uint32_t leaf, uint32_t subleaf) {
    cpuid_result r = {0, 0, 0, 0};
#if defined(_MSC_VER)
    int regs[4];
    __cpuid(regs, 0);
    if (leaf <= (uint32_t)regs[0]) {
        __cpuidex(regs, (int)leaf, (int)subleaf);
        r = (cpuid_result){(uint32_t)regs[0], (uint32_t)regs[1], (uint32_t)regs[2], (uint32_t)regs[3]};
    }
#else
    __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
    return r;
}

/* The register states that the operating system saves. Only to be asked where it has said so (OSXSAVE). */
static uint64_t saved_states(void) {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
#endif
}

enum {
    LEAF1_ECX_SSSE3 = 1 << 9,
    LEAF1_ECX_POPCNT = 1 << 23,
    LEAF1_ECX_OSXSAVE = 1 << 27,
    LEAF7_EBX_AVX2 = 1 << 5,
    STATE_SSE_AND_AVX = 0x6
};

static void probe_cpu(void) {
    const uint32_t features = cpuid(1, 0).ecx;
    if (!(features & LEAF1_ECX_SSSE3) || !(features & LEAF1_ECX_POPCNT)) {
        return;
    }
    available[n_available++] = &fws_kernel_ssse3;
    if ((features & LEAF1_ECX_OSXSAVE) && (saved_states() & STATE_SSE_AND_AVX) == STATE_SSE_AND_AVX &&
        (cpuid(7, 0).ebx & LEAF7_EBX_AVX2)) {
        available[n_available++] = &fws_kernel_avx2;
    }
}
#elif FWS_AARCH64
/* Every AArch64 CPU has NEON. */
static void probe_cpu(void) { available[n_available++] = &fws_kernel_neon; }
#else
static void probe_cpu(void) {}
#endif

static void probe(void) {
    if (n_available == 0) {
        available[n_available++] = &fws_kernel_scalar;
        probe_cpu();
        fws_build_tables();
    }
}

int fws_select_kernel(const char *name) {
    probe();
    if (name == NULL) {
        fws_active = available[n_available - 1];
        return 1;
    }
    for (size_t i = 0; i < n_available; i++) {
        if (strcmp(name, available[i]->name) == 0) {
            fws_active = available[i];
            return 1;
        }
    }
    return 0;
}

const char *fws_kernel_name(void) { return fws_active->name; }

const char *fws_available_kernel(size_t i) {
    probe();
    return i < n_available ? available[i]->name : NULL;
}
