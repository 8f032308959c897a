// SPDX-License-Identifier: GPL-2.0-or-later
// Making sources smaller: both passes of a separable filter with weights of 14 bits. Include veil_kernels.h.
#ifndef VEIL_KERNELS_SCALE_H
#define VEIL_KERNELS_SCALE_H
#include "veil_kernels.h"

/// One row of the vertical pass: dst[x] = (sum(weights[k] * rows[k][x]) + 512) >> 10, k < taps; taps even, samples of
/// at most 10 bits.
static inline void veil_scale_v(int16_t *dst, const uint16_t *const *rows, const int16_t *weights, int taps, int w) {
    veil_kernels_active.scale_v(dst, rows, weights, taps, w);
}

/// One row of the horizontal pass: dst[x] = (sum(weights[x * taps + k] * src[first[x] + k]) + 131072) >> 18, k < taps,
/// clipped to 0 ... limit; taps a multiple of 8.
static inline void veil_scale_h(
    uint16_t *dst, const int16_t *src, const int32_t *first, const int16_t *weights, int taps, int w, int limit) {
    veil_kernels_active.scale_h(dst, src, first, weights, taps, w, limit);
}

#endif
