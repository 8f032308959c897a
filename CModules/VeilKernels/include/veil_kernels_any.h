// SPDX-License-Identifier: GPL-2.0-or-later
// Kernels for samples whose size is known when they run. Include veil_kernels.h.
//
// Each does what the wrapper without `any_` does, whose parameters are its own: with samples of one byte where `narrow`
// holds (all at hand then have 8 bits), and of two bytes otherwise.
#ifndef VEIL_KERNELS_ANY_H
#define VEIL_KERNELS_ANY_H
#include "veil_kernels.h"

#include <stdbool.h>

#define VEIL_ANY(kernel, ...) \
    do { \
        if (narrow) { \
            veil_kernels_8_active.kernel(__VA_ARGS__); \
        } else { \
            veil_kernels_active.kernel(__VA_ARGS__); \
        } \
    } while (0)

// Inter prediction.
static inline void veil_any_luma_pred(
    bool narrow, int16_t *pred, const void *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    VEIL_ANY(luma_pred, pred, src, srcStride, w, h, mx, my, bitDepth);
}
static inline void veil_any_chroma_pred(
    bool narrow, int16_t *pred, const void *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    VEIL_ANY(chroma_pred, pred, src, srcStride, w, h, mx, my, bitDepth);
}
static inline void veil_any_luma_put(bool narrow, void *dst, ptrdiff_t dstStride, const void *src, ptrdiff_t srcStride,
    int w, int h, int mx, int my, int bitDepth) {
    VEIL_ANY(luma_put, dst, dstStride, src, srcStride, w, h, mx, my, bitDepth);
}
static inline void veil_any_chroma_put(bool narrow, void *dst, ptrdiff_t dstStride, const void *src,
    ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    VEIL_ANY(chroma_put, dst, dstStride, src, srcStride, w, h, mx, my, bitDepth);
}
static inline void veil_any_luma_bi(bool narrow, void *dst, ptrdiff_t dstStride, const int16_t *pred0, const void *src,
    ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    VEIL_ANY(luma_bi, dst, dstStride, pred0, src, srcStride, w, h, mx, my, bitDepth);
}
static inline void veil_any_chroma_bi(bool narrow, void *dst, ptrdiff_t dstStride, const int16_t *pred0,
    const void *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    VEIL_ANY(chroma_bi, dst, dstStride, pred0, src, srcStride, w, h, mx, my, bitDepth);
}
static inline void veil_any_pred_weighted(bool narrow, void *dst, ptrdiff_t dstStride, const int16_t *pred, int w,
    int h, int log2WD, int w0, int o0, int bitDepth) {
    VEIL_ANY(pred_weighted, dst, dstStride, pred, w, h, log2WD, w0, o0, bitDepth);
}
static inline void veil_any_pred_weighted_bi(bool narrow, void *dst, ptrdiff_t dstStride, const int16_t *pred0,
    const int16_t *pred1, int w, int h, int log2WD, int w0, int w1, int o0, int o1, int bitDepth) {
    VEIL_ANY(pred_weighted_bi, dst, dstStride, pred0, pred1, w, h, log2WD, w0, w1, o0, o1, bitDepth);
}
static inline void veil_any_average(bool narrow, void *dst, ptrdiff_t dstStride, const void *a, ptrdiff_t aStride,
    const void *b, ptrdiff_t bStride, int w, int h) {
    VEIL_ANY(average, dst, dstStride, a, aStride, b, bStride, w, h);
}

// Residuals.
static inline void veil_any_idct_add(bool narrow, void *dst, ptrdiff_t dstStride, const int16_t *coeffs, int log2Size,
    int maxX, int maxY, int bitDepth) {
    VEIL_ANY(idct_add[log2Size - 2], dst, dstStride, coeffs, maxX, maxY, bitDepth);
}
static inline void veil_any_idst4_add(
    bool narrow, void *dst, ptrdiff_t dstStride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) {
    VEIL_ANY(idst4_add, dst, dstStride, coeffs, maxX, maxY, bitDepth);
}
static inline void veil_any_idct_dc_add(bool narrow, void *dst, ptrdiff_t dstStride, int dc, int size, int bitDepth) {
    VEIL_ANY(idct_dc_add, dst, dstStride, dc, size, bitDepth);
}
static inline void veil_any_add_residual(bool narrow, void *dst, ptrdiff_t dstStride, const int16_t *residual,
    ptrdiff_t stride, int w, int h, int bitDepth) {
    VEIL_ANY(add_residual, dst, dstStride, residual, stride, w, h, bitDepth);
}

// Intra prediction.
static inline void veil_any_intra_planar(
    bool narrow, void *dst, ptrdiff_t stride, const void *left, const void *top, int log2Size) {
    VEIL_ANY(intra_planar, dst, stride, left, top, log2Size);
}
static inline void veil_any_intra_dc(
    bool narrow, void *dst, ptrdiff_t stride, const void *left, const void *top, int log2Size, int edge) {
    VEIL_ANY(intra_dc, dst, stride, left, top, log2Size, edge);
}
static inline void veil_any_intra_angular(bool narrow, void *dst, ptrdiff_t stride, const void *left, const void *top,
    int log2Size, int mode, int edge, int bitDepth) {
    VEIL_ANY(intra_angular, dst, stride, left, top, log2Size, mode, edge, bitDepth);
}
static inline void veil_any_intra_filter(bool narrow, void *outLeft, void *outTop, const void *left, const void *top,
    int log2Size, int strong, int bitDepth) {
    VEIL_ANY(intra_filter, outLeft, outTop, left, top, log2Size, strong, bitDepth);
}

// In-loop filters.
static inline void veil_any_deblock_luma_v(
    bool narrow, void *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    VEIL_ANY(deblock_luma_v, at, stride, beta, tc0, tc1, noP, noQ, bitDepth);
}
static inline void veil_any_deblock_luma_h(
    bool narrow, void *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    VEIL_ANY(deblock_luma_h, at, stride, beta, tc0, tc1, noP, noQ, bitDepth);
}
static inline void veil_any_deblock_chroma_v(
    bool narrow, void *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    VEIL_ANY(deblock_chroma_v, at, stride, tc0, tc1, noP, noQ, bitDepth);
}
static inline void veil_any_deblock_chroma_h(
    bool narrow, void *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    VEIL_ANY(deblock_chroma_h, at, stride, tc0, tc1, noP, noQ, bitDepth);
}
static inline void veil_any_sao_band(bool narrow, void *dst, ptrdiff_t dstStride, const void *src, ptrdiff_t srcStride,
    int w, int h, int bandPosition, const int16_t *offsets, int bitDepth) {
    VEIL_ANY(sao_band, dst, dstStride, src, srcStride, w, h, bandPosition, offsets, bitDepth);
}
static inline void veil_any_sao_edge(bool narrow, void *dst, ptrdiff_t dstStride, const void *src, ptrdiff_t srcStride,
    int w, int h, int eoClass, const int16_t *offsets, int bitDepth) {
    VEIL_ANY(sao_edge, dst, dstStride, src, srcStride, w, h, eoClass, offsets, bitDepth);
}

// Resampling: the samples of the one side, which are the source of the horizontal passes and made by the vertical ones.
static inline void veil_any_resample_h_luma(bool narrow, int16_t *dst, ptrdiff_t dstStride, const void *src,
    ptrdiff_t srcStride, int w, int h, const int32_t *position, const uint8_t *phase, int shift1) {
    VEIL_ANY(resample_h_luma, dst, dstStride, src, srcStride, w, h, position, phase, shift1);
}
static inline void veil_any_resample_h_chroma(bool narrow, int16_t *dst, ptrdiff_t dstStride, const void *src,
    ptrdiff_t srcStride, int w, int h, const int32_t *position, const uint8_t *phase, int shift1) {
    VEIL_ANY(resample_h_chroma, dst, dstStride, src, srcStride, w, h, position, phase, shift1);
}
static inline void veil_any_resample_v_luma(bool narrow, void *dst, ptrdiff_t dstStride, const int16_t *src,
    ptrdiff_t srcStride, int w, int h, const int32_t *position, const uint8_t *phase, int bitDepth) {
    VEIL_ANY(resample_v_luma, dst, dstStride, src, srcStride, w, h, position, phase, bitDepth);
}
static inline void veil_any_resample_v_chroma(bool narrow, void *dst, ptrdiff_t dstStride, const int16_t *src,
    ptrdiff_t srcStride, int w, int h, const int32_t *position, const uint8_t *phase, int bitDepth) {
    VEIL_ANY(resample_v_chroma, dst, dstStride, src, srcStride, w, h, position, phase, bitDepth);
}

// Blocks and planes.
static inline void veil_any_copy(
    bool narrow, void *dst, ptrdiff_t dstStride, const void *src, ptrdiff_t srcStride, int w, int h) {
    VEIL_ANY(copy, dst, dstStride, src, srcStride, w, h);
}
static inline void veil_any_fill(bool narrow, void *dst, ptrdiff_t dstStride, int value, int w, int h) {
    VEIL_ANY(fill, dst, dstStride, value, w, h);
}

static inline void veil_any_residual(bool narrow, int16_t *dst, ptrdiff_t dstStride, const void *a, ptrdiff_t aStride,
    const void *b, ptrdiff_t bStride, int w, int h) {
    VEIL_ANY(residual, dst, dstStride, a, aStride, b, bStride, w, h);
}

// Costs of an encoder's decisions.
static inline uint32_t veil_any_sad(
    bool narrow, const void *a, ptrdiff_t aStride, const void *b, ptrdiff_t bStride, int w, int h) {
    return narrow ? veil_kernels_8_active.sad(a, aStride, b, bStride, w, h)
                  : veil_kernels_active.sad(a, aStride, b, bStride, w, h);
}
static inline void veil_any_sad_x4(bool narrow, uint32_t *out, const void *a, ptrdiff_t aStride, const void *const *b,
    ptrdiff_t bStride, int w, int h) {
    if (narrow) {
        const uint8_t *four[4] = {b[0], b[1], b[2], b[3]};
        veil_kernels_8_active.sad_x4(out, a, aStride, four, bStride, w, h);
    } else {
        const uint16_t *four[4] = {b[0], b[1], b[2], b[3]};
        veil_kernels_active.sad_x4(out, a, aStride, four, bStride, w, h);
    }
}
static inline uint32_t veil_any_satd(
    bool narrow, const void *a, ptrdiff_t aStride, const void *b, ptrdiff_t bStride, int w, int h) {
    return narrow ? veil_kernels_8_active.satd(a, aStride, b, bStride, w, h)
                  : veil_kernels_active.satd(a, aStride, b, bStride, w, h);
}
static inline uint64_t veil_any_sse(
    bool narrow, const void *a, ptrdiff_t aStride, const void *b, ptrdiff_t bStride, int w, int h) {
    return narrow ? veil_kernels_8_active.sse(a, aStride, b, bStride, w, h)
                  : veil_kernels_active.sse(a, aStride, b, bStride, w, h);
}
static inline void veil_any_sao_edge_statistics(bool narrow, int32_t *sum, int32_t *count, const void *source,
    ptrdiff_t sourceStride, const void *rec, ptrdiff_t recStride, int w, int h, int eoClass) {
    VEIL_ANY(sao_edge_statistics, sum, count, source, sourceStride, rec, recStride, w, h, eoClass);
}
static inline void veil_any_sao_band_statistics(bool narrow, int32_t *sum, int32_t *count, const void *source,
    ptrdiff_t sourceStride, const void *rec, ptrdiff_t recStride, int w, int h, int bitDepth) {
    VEIL_ANY(sao_band_statistics, sum, count, source, sourceStride, rec, recStride, w, h, bitDepth);
}

void veil_sums_8(const uint8_t *a, ptrdiff_t stride, int w, int h, uint32_t *sum, uint32_t *squares);

static inline void veil_any_sums(
    bool narrow, const void *a, ptrdiff_t stride, int w, int h, uint32_t *sum, uint32_t *squares) {
    if (narrow) {
        veil_sums_8(a, stride, w, h, sum, squares);
    } else {
        veil_sums(a, stride, w, h, sum, squares);
    }
}

// Margins: veil_extend_rows, _top and _bottom.
void veil_extend_rows_8(uint8_t *plane, ptrdiff_t stride, int w, int rows, int margin);
void veil_extend_top_8(uint8_t *plane, ptrdiff_t stride, int w, int marginX, int marginY);
void veil_extend_bottom_8(uint8_t *plane, ptrdiff_t stride, int w, int h, int marginX, int marginY);
void veil_extend_plane_8(uint8_t *plane, ptrdiff_t stride, int w, int h, int marginX, int marginY);

static inline void veil_any_extend_rows(bool narrow, void *plane, ptrdiff_t stride, int w, int rows, int margin) {
    if (narrow) {
        veil_extend_rows_8(plane, stride, w, rows, margin);
    } else {
        veil_extend_rows(plane, stride, w, rows, margin);
    }
}
static inline void veil_any_extend_top(bool narrow, void *plane, ptrdiff_t stride, int w, int marginX, int marginY) {
    if (narrow) {
        veil_extend_top_8(plane, stride, w, marginX, marginY);
    } else {
        veil_extend_top(plane, stride, w, marginX, marginY);
    }
}
static inline void veil_any_extend_bottom(
    bool narrow, void *plane, ptrdiff_t stride, int w, int h, int marginX, int marginY) {
    if (narrow) {
        veil_extend_bottom_8(plane, stride, w, h, marginX, marginY);
    } else {
        veil_extend_bottom(plane, stride, w, h, marginX, marginY);
    }
}

#undef VEIL_ANY
#endif
