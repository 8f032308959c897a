// SPDX-License-Identifier: GPL-2.0-or-later
// Luma sample interpolation (8.5.3.3.3.1), plain path.
#include "../kernels_internal.h"

#if VEIL_SAMPLE_BITS == 16
// Table 8-11: fL[fraction][tap], and no change for fraction 0.
const int16_t veil_luma_taps[4][8] = {
    {0, 0, 0, 64, 0, 0, 0, 0},
    {-1, 4, -10, 58, 17, -5, 1, 0},
    {-1, 4, -11, 40, 40, -11, 4, -1},
    {0, 1, -5, 17, 58, -10, 4, -1},
};
#endif

#define TAPS 8
#define BEFORE 3
#define taps_of(fraction) veil_luma_taps[fraction]
#include "mc_plain.h"

void SIZED(veil_fill_mc_luma)(sample_kernels *k) {
    k->luma_pred = pred;
    k->luma_put = put;
    k->luma_bi = bi;
}
