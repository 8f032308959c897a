// SPDX-License-Identifier: GPL-2.0-or-later
// Resampling of inter-layer reference pictures (H.8.1.4). Include veil_kernels.h.
//
// Both passes take, for each output column (or row), the position of the reference sample (xRef, yRef: xRef16 >> 4) and
// the phase (xRef16 & 15). Taps cover position - 3 ... position + 4 for luma, position - 1 ... position + 2 for chroma,
// and must be readable (margins filled with the border samples), and 16 samples to the right of the last. Positions
// must not decrease.
#ifndef VEIL_KERNELS_RESAMPLE_H
#define VEIL_KERNELS_RESAMPLE_H
#include "veil_kernels.h"

/// Filters of H.8.1.4.1.3 and H.8.1.4.2.3: [phase][tap].
extern const int16_t veil_resample_taps_luma[16][8];
extern const int16_t veil_resample_taps_chroma[16][4];

/// Horizontal luma pass over h reference rows: dst[y][x] = sum(taps[phase[x]][i] * src[y][position[x] + i - 3]) >>
/// shift1, with shift1 = reference bit depth - 8. `src` is column 0 of the reference.
static inline void veil_resample_h_luma(int16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride,
    int w, int h, const int32_t *position, const uint8_t *phase, int shift1) {
    veil_kernels_active.resample_h_luma(dst, dstStride, src, srcStride, w, h, position, phase, shift1);
}

/// Horizontal chroma pass.
static inline void veil_resample_h_chroma(int16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride,
    int w, int h, const int32_t *position, const uint8_t *phase, int shift1) {
    veil_kernels_active.resample_h_chroma(dst, dstStride, src, srcStride, w, h, position, phase, shift1);
}

/// Vertical luma pass: h output rows of w samples from rows of the horizontal pass; row position[y] + i of the
/// reference lies at src + (position[y] + i) * srcStride. Rounding shift 20 - bitDepth (of the current layer), clipped.
/// All rows that taps reach must be there (clamp by giving copies of the border rows).
static inline void veil_resample_v_luma(uint16_t *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride,
    int w, int h, const int32_t *position, const uint8_t *phase, int bitDepth) {
    veil_kernels_active.resample_v_luma(dst, dstStride, src, srcStride, w, h, position, phase, bitDepth);
}

/// Vertical chroma pass.
static inline void veil_resample_v_chroma(uint16_t *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride,
    int w, int h, const int32_t *position, const uint8_t *phase, int bitDepth) {
    veil_kernels_active.resample_v_chroma(dst, dstStride, src, srcStride, w, h, position, phase, bitDepth);
}

#endif
