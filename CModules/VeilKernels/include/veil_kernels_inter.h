// SPDX-License-Identifier: GPL-2.0-or-later
// Inter prediction (8.5.3.3.3, 8.5.3.3.4). Include veil_kernels.h.
//
// An intermediate prediction is predSamples of 8.5.3.3.3 (14 bits) minus 8192, which makes every value fit 16 bits,
// also where both filters overshoot. Only the kernels of this file need to know. Kernels may write up to the next
// multiple of 8 columns of an intermediate array.
//
// `src` points at the reference sample that the integer part of the vector names for the block's first sample; the rows
// and columns of the filter around the block (luma 3 before and 4 after, chroma 1 and 2) must be readable, and 8
// samples to the right of those. w and h: luma multiples of 4, 4 to 64; chroma multiples of 2, 2 to 64. `mx`, `my`:
// fractional vector, quarter samples for luma (0...3), eighths for chroma (0...7).
#ifndef VEIL_KERNELS_INTER_H
#define VEIL_KERNELS_INTER_H
#include "veil_kernels.h"

/// Fractional luma sample interpolation (8.5.3.3.3.1) to an intermediate prediction.
static inline void veil_luma_pred(
    int16_t *pred, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    veil_kernels_active.luma_pred(pred, src, srcStride, w, h, mx, my, bitDepth);
}

/// Fractional chroma sample interpolation (8.5.3.3.3.2) to an intermediate prediction.
static inline void veil_chroma_pred(
    int16_t *pred, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    veil_kernels_active.chroma_pred(pred, src, srcStride, w, h, mx, my, bitDepth);
}

/// Luma prediction from one picture without explicit weights, straight to samples: veil_luma_pred and veil_pred_put in
/// one.
static inline void veil_luma_put(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w,
    int h, int mx, int my, int bitDepth) {
    veil_kernels_active.luma_put(dst, dstStride, src, srcStride, w, h, mx, my, bitDepth);
}

/// Chroma prediction from one picture without explicit weights, straight to samples.
static inline void veil_chroma_put(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w,
    int h, int mx, int my, int bitDepth) {
    veil_kernels_active.chroma_put(dst, dstStride, src, srcStride, w, h, mx, my, bitDepth);
}

/// The second luma prediction of a bi-predicted block and its average with the first (`pred0`): veil_luma_pred and
/// veil_pred_avg in one.
static inline void veil_luma_bi(uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred0, const uint16_t *src,
    ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    veil_kernels_active.luma_bi(dst, dstStride, pred0, src, srcStride, w, h, mx, my, bitDepth);
}

/// The second chroma prediction of a bi-predicted block and its average with the first (`pred0`).
static inline void veil_chroma_bi(uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred0, const uint16_t *src,
    ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    veil_kernels_active.chroma_bi(dst, dstStride, pred0, src, srcStride, w, h, mx, my, bitDepth);
}

/// Default weighted prediction from one intermediate prediction (8.5.3.3.4.2).
static inline void veil_pred_put(uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int bitDepth) {
    veil_kernels_active.pred_put(dst, dstStride, pred, w, h, bitDepth);
}

/// Default weighted prediction from two intermediate predictions (8.5.3.3.4.2).
static inline void veil_pred_avg(
    uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1, int w, int h, int bitDepth) {
    veil_kernels_active.pred_avg(dst, dstStride, pred0, pred1, w, h, bitDepth);
}

/// Explicit weighted prediction from one intermediate prediction (8.5.3.3.4.3). `log2WD` = weight denominator + 14 -
/// bitDepth, at least 1; `w0` in -128...255; `o0` already multiplied by 1 << (bitDepth - 8).
static inline void veil_pred_weighted(
    uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int log2WD, int w0, int o0, int bitDepth) {
    veil_kernels_active.pred_weighted(dst, dstStride, pred, w, h, log2WD, w0, o0, bitDepth);
}

/// Explicit weighted prediction from two intermediate predictions (8.5.3.3.4.3); parameters as for one.
static inline void veil_pred_weighted_bi(uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1,
    int w, int h, int log2WD, int w0, int w1, int o0, int o1, int bitDepth) {
    veil_kernels_active.pred_weighted_bi(dst, dstStride, pred0, pred1, w, h, log2WD, w0, w1, o0, o1, bitDepth);
}

#endif
