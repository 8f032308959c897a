// SPDX-License-Identifier: GPL-2.0-or-later
// Intra sample prediction (8.4.4.2). Include veil_kernels.h.
//
// Neighbouring samples are two arrays: left[y] = p[-1][y] and top[x] = p[x][-1] for 0 <= x, y < 2 * size, and left[-1]
// = top[-1] = p[-1][-1]. 32 samples after the last and 16 before the first of each must be readable (their values do
// not matter). log2Size is 2...5.
#ifndef VEIL_KERNELS_INTRA_H
#define VEIL_KERNELS_INTRA_H
#include "veil_kernels.h"

/// INTRA_PLANAR (8.4.4.2.4).
static inline void veil_intra_planar(
    uint16_t *dst, ptrdiff_t stride, const uint16_t *left, const uint16_t *top, int log2Size) {
    veil_kernels_active.intra_planar(dst, stride, left, top, log2Size);
}

/// INTRA_DC (8.4.4.2.5). `edge`: whether the first row and column are filtered (luma, size below 32).
static inline void veil_intra_dc(
    uint16_t *dst, ptrdiff_t stride, const uint16_t *left, const uint16_t *top, int log2Size, int edge) {
    veil_kernels_active.intra_dc(dst, stride, left, top, log2Size, edge);
}

/// INTRA_ANGULAR2...34 (8.4.4.2.6). `mode` is predModeIntra; `edge`: whether modes 10 and 26 filter the edge
/// (disableIntraBoundaryFilter 0, luma, size below 32); ignored by other modes.
static inline void veil_intra_angular(uint16_t *dst, ptrdiff_t stride, const uint16_t *left, const uint16_t *top,
    int log2Size, int mode, int edge, int bitDepth) {
    veil_kernels_active.intra_angular(dst, stride, left, top, log2Size, mode, edge, bitDepth);
}

/// Filtering of the neighbouring samples (8.4.4.2.3), log2Size 3...5, to arrays of the same layout (both corners are
/// written; 16 samples past the last may be). `strong`: strong_intra_smoothing_enabled_flag and cIdx 0; whether the
/// strong filter applies (size 32, flat borders) is decided here.
static inline void veil_intra_filter(uint16_t *outLeft, uint16_t *outTop, const uint16_t *left, const uint16_t *top,
    int log2Size, int strong, int bitDepth) {
    veil_kernels_active.intra_filter(outLeft, outTop, left, top, log2Size, strong, bitDepth);
}

#endif
