/* The kernel for x86-64 CPUs with SSSE3. */
#include "kernels.h"

#if FWS_X86_64
#include <immintrin.h>

FWS_TARGET_BEGIN("ssse3,popcnt")
#include "vector_ssse3.h"

#include "mask_tpl.h"
#include "utf8_tpl.h"
#include "transcode_tpl.h"
#include "size_tpl.h"
FWS_TARGET_END

const fws_kernel fws_kernel_ssse3 = {
    .name = "ssse3",
    .mask = mask_vector,
    .mask_ascii = mask_ascii_vector,
    .utf8_check = utf8_check_vector,
    .utf8_to_ucs1 = utf8_to_ucs1_vector,
    .utf8_to_ucs2 = utf8_to_ucs2_vector,
    .utf8_to_ucs4 = utf8_to_ucs4_vector,
    .ucs1_size = ucs1_size,
    .ucs2_size = ucs2_size,
    .ucs4_size = ucs4_size,
    .ucs1_to_utf8 = ucs1_to_utf8_vector,
    .ucs2_to_utf8 = ucs2_to_utf8_vector,
    .ucs4_to_utf8 = ucs4_to_utf8_vector,
};
#endif
