/* The kernel for x86-64 CPUs with SSSE3. */
#include "kernels.h"

#if FWS_X86_64
#include <immintrin.h>

#define KERNEL ssse3

FWS_TARGET_BEGIN("ssse3,popcnt")
#include "vector_ssse3.h"

#include "kernel_tpl.h"
FWS_TARGET_END
#endif
