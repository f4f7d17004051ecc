/* The kernel for AArch64, whose CPUs all have NEON: no target region is needed. */
#include "kernels.h"

#if FWS_AARCH64
#include <arm_neon.h>

#define KERNEL neon

#include "vector_neon.h"

#include "kernel_tpl.h"
#endif
