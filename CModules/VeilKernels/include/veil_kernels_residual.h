// SPDX-License-Identifier: GPL-2.0-or-later
// Scaling, transformation and quantization (8.6). Include veil_kernels.h.
#ifndef VEIL_KERNELS_RESIDUAL_H
#define VEIL_KERNELS_RESIDUAL_H
#include "veil_kernels.h"

/// Inverse DCT (8.6.4.2) of a block of size 1 << log2Size (2...5), added to the prediction at `dst` and clipped
/// (8.6.5). `coeffs`: d[][] after scaling, dense. `maxX`, `maxY`: no coefficient right of column maxX or below row maxY
/// differs from 0 (size - 1 when unknown); those inside may be anything, those outside must be 0.
static inline void veil_idct_add(
    uint16_t *dst, ptrdiff_t dstStride, const int16_t *coeffs, int log2Size, int maxX, int maxY, int bitDepth) {
    veil_kernels_active.idct_add[log2Size - 2](dst, dstStride, coeffs, maxX, maxY, bitDepth);
}

/// Inverse DST of a 4x4 intra luma block (8.6.4.2), added to the prediction and clipped.
static inline void veil_idst4_add(
    uint16_t *dst, ptrdiff_t dstStride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) {
    veil_kernels_active.idst4_add(dst, dstStride, coeffs, maxX, maxY, bitDepth);
}

/// Inverse DCT to residual samples r[][] (after bdShift).
static inline void veil_idct(
    int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int log2Size, int maxX, int maxY, int bitDepth) {
    veil_kernels_active.idct[log2Size - 2](residual, stride, coeffs, maxX, maxY, bitDepth);
}

/// Inverse 4x4 DST to residual samples.
static inline void veil_idst4(
    int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) {
    veil_kernels_active.idst4(residual, stride, coeffs, maxX, maxY, bitDepth);
}

/// Inverse DCT of a block whose only coefficient is the first, `dc`, added to the prediction; `size` 4...32.
static inline void veil_idct_dc_add(uint16_t *dst, ptrdiff_t dstStride, int dc, int size, int bitDepth) {
    veil_kernels_active.idct_dc_add(dst, dstStride, dc, size, bitDepth);
}

/// Residual of a block with transform_skip_flag (8.6.4.2, tsShift = 5 + log2(size)), after bdShift; `size` 4...32.
static inline void veil_skip_residual(
    int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int size, int bitDepth) {
    veil_kernels_active.skip_residual(residual, stride, coeffs, size, bitDepth);
}

/// Picture construction (8.6.5): adds a residual to the prediction at `dst` and clips. Also for cu_transquant_bypass.
static inline void veil_add_residual(
    uint16_t *dst, ptrdiff_t dstStride, const int16_t *residual, ptrdiff_t stride, int w, int h, int bitDepth) {
    veil_kernels_active.add_residual(dst, dstStride, residual, stride, w, h, bitDepth);
}

/// Forward DCT: the transpose of the inverse one, scaled to 16 bits after each stage as the reference encoder does
/// (shifts log2Size + bitDepth - 9 and log2Size + 6). `residual` must lie in -(2^bitDepth - 1)...2^bitDepth - 1.
static inline void veil_fdct(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int log2Size, int bitDepth) {
    veil_kernels_active.fdct[log2Size - 2](coeffs, residual, stride, bitDepth);
}

/// Forward 4x4 DST.
static inline void veil_fdst4(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth) {
    veil_kernels_active.fdst4(coeffs, residual, stride, bitDepth);
}

/// Coefficients of a block coded with transform_skip_flag: residual << (15 - bitDepth - log2(size)), a rounded right
/// shift where that is negative.
static inline void veil_forward_skip(
    int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int size, int bitDepth) {
    veil_kernels_active.forward_skip(coeffs, residual, stride, size, bitDepth);
}

/// Quantization of n coefficients (n a multiple of 16): levels[i] = sign(c) * ((|c| * scale + offset) >> shift),
/// clipped to 16 bits. `scale` at most 26214, `offset` < 1 << shift, shift 9...29. Returns the number of levels that
/// are not 0. `remainder` may be NULL; else remainder[i] = (|c| * scale - (|level| << shift)) >> (shift - 8), how much
/// of the coefficient the level leaves, in 1/256 of a quantization step (negative when rounded up).
static inline int veil_quant(
    int16_t *levels, int32_t *remainder, const int16_t *coeffs, int n, int scale, int offset, int shift) {
    return veil_kernels_active.quant(levels, remainder, coeffs, n, scale, offset, shift);
}

/// Scaling (8.6.3) with a flat matrix, n a multiple of 16: coeffs[i] = Clip16((levels[i] * scale + round) >> shift).
/// Factors of two common to the standard's m * levelScale << (qP / 6) and 1 << bdShift are to be cancelled by the
/// caller: `scale` is levelScale[qP % 6], `shift` = bdShift - 4 - qP / 6 with bdShift = bitDepth + log2(size) - 5;
/// where negative (to -9) it is a left shift. May work in place.
static inline void veil_dequant(int16_t *coeffs, const int16_t *levels, int n, int scale, int shift) {
    veil_kernels_active.dequant(coeffs, levels, n, scale, shift);
}

#endif
