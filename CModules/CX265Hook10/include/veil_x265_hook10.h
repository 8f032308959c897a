// SPDX-License-Identifier: GPL-2.0-or-later
//
// The bin hook of libx265's 10-bit entropy coder: the same as the 8-bit one's, of a second compilation.
#ifndef VEIL_X265_HOOK10_H
#define VEIL_X265_HOOK10_H
#include "../../CX265Hook/include/veil_x265_hook.h"

#ifdef __cplusplus
extern "C" {
#endif

/// As the functions without a 10, of encoders opened with 10 bits.
int veil_x265_set_hooks10(void *encoder, const veil_x265_hooks *hooks);
void veil_x265_remove_hooks10(void *encoder);
int veil_x265_bin_sites10(void);

#ifdef __cplusplus
}
#endif
#endif
