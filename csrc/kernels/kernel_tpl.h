/* A vector kernel: the templates over the vectors of the file that includes this, and their table. KERNEL is its name,
 * as in fws_kernel_<KERNEL>. */
#include "mask_tpl.h"
#include "utf8_tpl.h"
#include "latin1_tpl.h"
#include "transcode_tpl.h"
#include "size_tpl.h"

#define FWS_JOIN_NAMES(a, b) a##b
#define FWS_JOIN(a, b) FWS_JOIN_NAMES(a, b)
#define FWS_TEXT_OF(name) #name
#define FWS_TEXT(name) FWS_TEXT_OF(name)

const fws_kernel FWS_JOIN(fws_kernel_, KERNEL) = {
    .name = FWS_TEXT(KERNEL),
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
