// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sample kernels: a table of functions, filled once before main() with the fastest path that the processor has.
//
// Common terms. A sample is a uint16_t whatever the bit depth (8 to 12). Strides count elements of the array they
// belong to, not bytes. `w` and `h` are in samples of the component at hand. Residuals and transform coefficients are
// int16_t. Blocks of coefficients are dense and row-major (entry [y * size + x], x the horizontal frequency); 32-byte
// alignment of dense arrays helps and is not required. Unless said otherwise a kernel writes exactly w x h elements and
// source and destination must not overlap. Clauses are those of ITU-T H.265.
#ifndef VEIL_KERNELS_H
#define VEIL_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Paths a table can hold. VEIL_SIMD=plain in the environment keeps the plain path.
typedef enum { VEIL_SIMD_PLAIN = 0, VEIL_SIMD_AVX2 = 1, VEIL_SIMD_NEON = 2 } veil_simd_level;
#define VEIL_SIMD_LEVELS 3

// Row length of the arrays of intermediate predictions ("pred" below): 64 columns, up to 64 rows; 32-byte aligned.
#define VEIL_PRED_STRIDE 64

typedef void veil_mc_pred_fn(
    int16_t *pred, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth);
typedef void veil_mc_put_fn(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h,
    int mx, int my, int bitDepth);
typedef void veil_mc_bi_fn(uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred0, const uint16_t *src,
    ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth);
typedef void veil_inverse_add_fn(
    uint16_t *dst, ptrdiff_t dstStride, const int16_t *coeffs, int maxX, int maxY, int bitDepth);
typedef void veil_inverse_fn(
    int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int maxX, int maxY, int bitDepth);
typedef void veil_forward_fn(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth);
typedef void veil_deblock_luma_fn(
    uint16_t *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth);
typedef void veil_deblock_chroma_fn(uint16_t *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth);
typedef void veil_resample_h_fn(int16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w,
    int h, const int32_t *position, const uint8_t *phase, int shift1);
typedef void veil_resample_v_fn(uint16_t *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride, int w,
    int h, const int32_t *position, const uint8_t *phase, int bitDepth);

// One path. Index [k] of an array is for blocks of size 4 << k. What each does is said at the wrapper of the same name
// below.
typedef struct veil_kernels {
    int level;  // veil_simd_level
    // Inter prediction
    veil_mc_pred_fn *luma_pred, *chroma_pred;
    veil_mc_put_fn *luma_put, *chroma_put;
    veil_mc_bi_fn *luma_bi, *chroma_bi;
    void (*pred_put)(uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int bitDepth);
    void (*pred_avg)(
        uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1, int w, int h, int bitDepth);
    void (*pred_weighted)(uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int log2WD, int w0,
        int o0, int bitDepth);
    void (*pred_weighted_bi)(uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1, int w,
        int h, int log2WD, int w0, int w1, int o0, int o1, int bitDepth);
    // Inverse transforms
    veil_inverse_add_fn *idct_add[4], *idst4_add;
    veil_inverse_fn *idct[4], *idst4;
    void (*idct_dc_add)(uint16_t *dst, ptrdiff_t dstStride, int dc, int size, int bitDepth);
    void (*skip_residual)(int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int size, int bitDepth);
    void (*add_residual)(
        uint16_t *dst, ptrdiff_t dstStride, const int16_t *residual, ptrdiff_t stride, int w, int h, int bitDepth);
    // Forward transforms and quantization
    veil_forward_fn *fdct[4], *fdst4;
    void (*forward_skip)(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int size, int bitDepth);
    int (*quant)(int16_t *levels, int32_t *remainder, const int16_t *coeffs, int n, int scale, int offset, int shift);
    void (*dequant)(int16_t *coeffs, const int16_t *levels, int n, int scale, int shift);
    // Intra prediction
    void (*intra_planar)(uint16_t *dst, ptrdiff_t stride, const uint16_t *left, const uint16_t *top, int log2Size);
    void (*intra_dc)(
        uint16_t *dst, ptrdiff_t stride, const uint16_t *left, const uint16_t *top, int log2Size, int edge);
    void (*intra_angular)(uint16_t *dst, ptrdiff_t stride, const uint16_t *left, const uint16_t *top, int log2Size,
        int mode, int edge, int bitDepth);
    void (*intra_filter)(uint16_t *outLeft, uint16_t *outTop, const uint16_t *left, const uint16_t *top, int log2Size,
        int strong, int bitDepth);
    // In-loop filters
    veil_deblock_luma_fn *deblock_luma_v, *deblock_luma_h;
    veil_deblock_chroma_fn *deblock_chroma_v, *deblock_chroma_h;
    void (*sao_band)(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h,
        int bandPosition, const int16_t *offsets, int bitDepth);
    void (*sao_edge)(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h,
        int eoClass, const int16_t *offsets, int bitDepth);
    void (*sao_edge_statistics)(int32_t *sum, int32_t *count, const uint16_t *source, ptrdiff_t sourceStride,
        const uint16_t *rec, ptrdiff_t recStride, int w, int h, int eoClass);
    void (*sao_band_statistics)(int32_t *sum, int32_t *count, const uint16_t *source, ptrdiff_t sourceStride,
        const uint16_t *rec, ptrdiff_t recStride, int w, int h, int bitDepth);
    // Resampling
    veil_resample_h_fn *resample_h_luma, *resample_h_chroma;
    veil_resample_v_fn *resample_v_luma, *resample_v_chroma;
    // Costs
    uint32_t (*sad)(const uint16_t *a, ptrdiff_t aStride, const uint16_t *b, ptrdiff_t bStride, int w, int h);
    void (*sad_x4)(
        uint32_t *out, const uint16_t *a, ptrdiff_t aStride, const uint16_t *const *b, ptrdiff_t bStride, int w, int h);
    uint32_t (*satd)(const uint16_t *a, ptrdiff_t aStride, const uint16_t *b, ptrdiff_t bStride, int w, int h);
    uint64_t (*sse)(const uint16_t *a, ptrdiff_t aStride, const uint16_t *b, ptrdiff_t bStride, int w, int h);
    uint32_t (*sad8)(const uint8_t *a, ptrdiff_t aStride, const uint8_t *b, ptrdiff_t bStride, int w, int h);
    void (*sad8_x4)(
        uint32_t *out, const uint8_t *a, ptrdiff_t aStride, const uint8_t *const *b, ptrdiff_t bStride, int w, int h);
    // Blocks and planes
    void (*residual)(int16_t *dst, ptrdiff_t dstStride, const uint16_t *a, ptrdiff_t aStride, const uint16_t *b,
        ptrdiff_t bStride, int w, int h);
    void (*average)(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *a, ptrdiff_t aStride, const uint16_t *b,
        ptrdiff_t bStride, int w, int h);
    void (*copy)(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h);
    void (*fill)(uint16_t *dst, ptrdiff_t dstStride, int value, int w, int h);
    void (*narrow)(
        uint8_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int shift);
    void (*widen)(uint16_t *dst, ptrdiff_t dstStride, const uint8_t *src, ptrdiff_t srcStride, int w, int h);
    // Making sources smaller
    void (*scale_v)(int16_t *dst, const uint16_t *const *rows, const int16_t *weights, int taps, int w);
    void (*scale_h)(
        uint16_t *dst, const int16_t *src, const int32_t *first, const int16_t *weights, int taps, int w, int limit);
} veil_kernels;

// The table in use. Read it through the wrappers.
extern veil_kernels veil_kernels_active;

/// The table in use.
const veil_kernels *veil_kernels_get(void);
/// The table of one path, or NULL where the processor lacks it. For tests and measurements.
const veil_kernels *veil_kernels_of(veil_simd_level level);
/// Makes the process use one path; returns 0, or -1 where the processor lacks it. Not while kernels run on other
/// threads.
int veil_kernels_select(veil_simd_level level);

/// Tells the processor that this thread is only waiting: the other one on its core goes faster.
static inline void veil_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#include "veil_kernels_inter.h"
#include "veil_kernels_residual.h"
#include "veil_kernels_intra.h"
#include "veil_kernels_filter.h"
#include "veil_kernels_resample.h"
#include "veil_kernels_cost.h"
#include "veil_kernels_scale.h"

#ifdef __cplusplus
}
#endif
#endif
