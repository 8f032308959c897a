// SPDX-License-Identifier: GPL-2.0-or-later
// Chroma sample interpolation (8.5.3.3.3.2), plain path.
#include "../kernels_internal.h"

#if VEIL_SAMPLE_BITS == 16
// Table 8-12: fC[fraction][tap], and no change for fraction 0.
const int16_t veil_chroma_taps[8][4] = {
    {0, 64, 0, 0},
    {-2, 58, 10, -2},
    {-4, 54, 16, -2},
    {-6, 46, 28, -4},
    {-4, 36, 36, -4},
    {-4, 28, 46, -6},
    {-2, 16, 54, -4},
    {-2, 10, 58, -2},
};
#endif

#define TAPS 4
#define BEFORE 1
#define taps_of(fraction) veil_chroma_taps[fraction]
#include "mc_plain.h"

void SIZED(veil_fill_mc_chroma)(sample_kernels *k) {
    k->chroma_pred = pred;
    k->chroma_put = put;
    k->chroma_bi = bi;
}
