/* The kernel for x86-64 CPUs with AVX2. */
#include "kernels.h"

#if FWS_X86_64
#include <immintrin.h>

#define KERNEL avx2

FWS_TARGET_BEGIN("avx2,popcnt")
#include "vector_avx2.h"

#include "kernel_tpl.h"
FWS_TARGET_END
#endif
