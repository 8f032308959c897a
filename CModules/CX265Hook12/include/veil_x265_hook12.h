// SPDX-License-Identifier: GPL-2.0-or-later
//
// The bin hook of libx265's 12-bit entropy coder: the same as the 8-bit one's, of a second compilation.
#ifndef VEIL_X265_HOOK12_H
#define VEIL_X265_HOOK12_H
#include "../../CX265Hook/include/veil_x265_hook.h"

#ifdef __cplusplus
extern "C" {
#endif

/// As the functions without a 12, of encoders opened with 12 bits.
int veil_x265_set_hooks12(void *encoder, const veil_x265_hooks *hooks);
void veil_x265_remove_hooks12(void *encoder);
int veil_x265_bin_sites12(void);

#ifdef __cplusplus
}
#endif
#endif
