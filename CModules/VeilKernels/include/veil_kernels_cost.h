// SPDX-License-Identifier: GPL-2.0-or-later
// Costs of the encoder's decisions, and plain work on blocks and planes. Include veil_kernels.h.
#ifndef VEIL_KERNELS_COST_H
#define VEIL_KERNELS_COST_H
#include "veil_kernels.h"

/// Sum of absolute differences; w a multiple of 4, any h, w * h at most 4096.
static inline uint32_t veil_sad(
    const uint16_t *a, ptrdiff_t aStride, const uint16_t *b, ptrdiff_t bStride, int w, int h) {
    return veil_kernels_active.sad(a, aStride, b, bStride, w, h);
}

/// SADs of block `a` against four candidates b[0...3] of one stride, to out[0...3].
static inline void veil_sad_x4(
    uint32_t *out, const uint16_t *a, ptrdiff_t aStride, const uint16_t *const *b, ptrdiff_t bStride, int w, int h) {
    veil_kernels_active.sad_x4(out, a, aStride, b, bStride, w, h);
}

/// Sum of absolute Hadamard-transformed differences, in units comparable to SAD: 8x8 transforms, (sum + 2) >> 2 each,
/// where w and h are multiples of 8, else 4x4 transforms, (sum + 1) >> 1 each. w and h multiples of 4; samples of at
/// most 10 bits.
static inline uint32_t veil_satd(
    const uint16_t *a, ptrdiff_t aStride, const uint16_t *b, ptrdiff_t bStride, int w, int h) {
    return veil_kernels_active.satd(a, aStride, b, bStride, w, h);
}

/// Sum of squared differences of a rectangle of any size.
static inline uint64_t veil_sse(
    const uint16_t *a, ptrdiff_t aStride, const uint16_t *b, ptrdiff_t bStride, int w, int h) {
    return veil_kernels_active.sse(a, aStride, b, bStride, w, h);
}

/// Sum of the samples and of their squares of a block of at most 16x16.
void veil_sums(const uint16_t *a, ptrdiff_t stride, int w, int h, uint32_t *sum, uint32_t *squares);

/// dst = a - b; w a multiple of 4.
static inline void veil_residual(int16_t *dst, ptrdiff_t dstStride, const uint16_t *a, ptrdiff_t aStride,
    const uint16_t *b, ptrdiff_t bStride, int w, int h) {
    veil_kernels_active.residual(dst, dstStride, a, aStride, b, bStride, w, h);
}

/// dst = (a + b + 1) >> 1; w a multiple of 2; dst may be a or b.
static inline void veil_average(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *a, ptrdiff_t aStride,
    const uint16_t *b, ptrdiff_t bStride, int w, int h) {
    veil_kernels_active.average(dst, dstStride, a, aStride, b, bStride, w, h);
}

/// Copies a rectangle of any size.
static inline void veil_copy(
    uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h) {
    veil_kernels_active.copy(dst, dstStride, src, srcStride, w, h);
}

/// Fills a rectangle of any size.
static inline void veil_fill(uint16_t *dst, ptrdiff_t dstStride, int value, int w, int h) {
    veil_kernels_active.fill(dst, dstStride, value, w, h);
}

/// 16-bit samples to 8-bit ones: Min(255, src >> shift); any size, shift 0...8.
static inline void veil_narrow(
    uint8_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int shift) {
    veil_kernels_active.narrow(dst, dstStride, src, srcStride, w, h, shift);
}

/// 8-bit samples to 16-bit ones; any size.
static inline void veil_widen(
    uint16_t *dst, ptrdiff_t dstStride, const uint8_t *src, ptrdiff_t srcStride, int w, int h) {
    veil_kernels_active.widen(dst, dstStride, src, srcStride, w, h);
}

/// Repeats the first and last sample of `rows` rows `margin` times to the left and right. `plane` is column 0 of the
/// first row.
void veil_extend_rows(uint16_t *plane, ptrdiff_t stride, int w, int rows, int margin);
/// Repeats row 0, its side margins included, `marginY` times above.
void veil_extend_top(uint16_t *plane, ptrdiff_t stride, int w, int marginX, int marginY);
/// Repeats the last row (h - 1), its side margins included, `marginY` times below. `plane` is sample (0, 0).
void veil_extend_bottom(uint16_t *plane, ptrdiff_t stride, int w, int h, int marginX, int marginY);
/// All four sides of a plane.
void veil_extend_plane(uint16_t *plane, ptrdiff_t stride, int w, int h, int marginX, int marginY);

#endif
