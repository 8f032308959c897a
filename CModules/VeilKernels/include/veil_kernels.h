// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sample kernels: a table of functions, filled once before main() with the fastest path that the processor has.
//
// Common terms. A sample is a uint16_t whatever the bit depth (8 to 12), or a uint8_t of 8 bits. Strides count elements
// of the array they belong to, not bytes. `w` and `h` are in samples of the component at hand. Residuals and transform
// coefficients are int16_t. Blocks of coefficients are dense and row-major (entry [y * size + x], x the horizontal
// frequency); 32-byte alignment of dense arrays helps and is not required. Unless said otherwise a kernel writes
// exactly w x h elements and source and destination must not overlap. Clauses are those of ITU-T H.265.
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

typedef void veil_inverse_fn(
    int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int maxX, int maxY, int bitDepth);
typedef void veil_forward_fn(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth);

// Kernels that there are for samples of one byte and of two: inter prediction, inverse transforms, intra prediction,
// in-loop filters, resampling, work on blocks, costs. What each does is said at the wrapper of the same name below.
// clang-format off
#define VEIL_SAMPLE_KERNELS(sample) \
    void (*luma_pred)(int16_t *pred, const sample *src, ptrdiff_t srcStride, int w, int h, int mx, int my, \
        int bitDepth); \
    void (*chroma_pred)(int16_t *pred, const sample *src, ptrdiff_t srcStride, int w, int h, int mx, int my, \
        int bitDepth); \
    void (*luma_put)(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, int mx, \
        int my, int bitDepth); \
    void (*chroma_put)(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, \
        int mx, int my, int bitDepth); \
    void (*luma_bi)(sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const sample *src, ptrdiff_t srcStride, \
        int w, int h, int mx, int my, int bitDepth); \
    void (*chroma_bi)(sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const sample *src, \
        ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth); \
    void (*pred_put)(sample *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int bitDepth); \
    void (*pred_avg)(sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1, int w, int h, \
        int bitDepth); \
    void (*pred_weighted)(sample *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int log2WD, int w0, \
        int o0, int bitDepth); \
    void (*pred_weighted_bi)(sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1, int w, \
        int h, int log2WD, int w0, int w1, int o0, int o1, int bitDepth); \
    void (*idct_add[4])(sample *dst, ptrdiff_t dstStride, const int16_t *coeffs, int maxX, int maxY, int bitDepth); \
    void (*idst4_add)(sample *dst, ptrdiff_t dstStride, const int16_t *coeffs, int maxX, int maxY, int bitDepth); \
    void (*idct_dc_add)(sample *dst, ptrdiff_t dstStride, int dc, int size, int bitDepth); \
    void (*add_residual)(sample *dst, ptrdiff_t dstStride, const int16_t *residual, ptrdiff_t stride, int w, int h, \
        int bitDepth); \
    void (*intra_planar)(sample *dst, ptrdiff_t stride, const sample *left, const sample *top, int log2Size); \
    void (*intra_dc)(sample *dst, ptrdiff_t stride, const sample *left, const sample *top, int log2Size, int edge); \
    void (*intra_angular)(sample *dst, ptrdiff_t stride, const sample *left, const sample *top, int log2Size, \
        int mode, int edge, int bitDepth); \
    void (*intra_filter)(sample *outLeft, sample *outTop, const sample *left, const sample *top, int log2Size, \
        int strong, int bitDepth); \
    void (*deblock_luma_v)(sample *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth); \
    void (*deblock_luma_h)(sample *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth); \
    void (*deblock_chroma_v)(sample *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth); \
    void (*deblock_chroma_h)(sample *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth); \
    void (*sao_band)(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, \
        int bandPosition, const int16_t *offsets, int bitDepth); \
    void (*sao_edge)(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, \
        int eoClass, const int16_t *offsets, int bitDepth); \
    void (*resample_h_luma)(int16_t *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, \
        const int32_t *position, const uint8_t *phase, int shift1); \
    void (*resample_h_chroma)(int16_t *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, \
        int h, const int32_t *position, const uint8_t *phase, int shift1); \
    void (*resample_v_luma)(sample *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride, int w, int h, \
        const int32_t *position, const uint8_t *phase, int bitDepth); \
    void (*resample_v_chroma)(sample *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride, int w, \
        int h, const int32_t *position, const uint8_t *phase, int bitDepth); \
    void (*average)(sample *dst, ptrdiff_t dstStride, const sample *a, ptrdiff_t aStride, const sample *b, \
        ptrdiff_t bStride, int w, int h); \
    void (*copy)(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h); \
    void (*fill)(sample *dst, ptrdiff_t dstStride, int value, int w, int h); \
    void (*residual)(int16_t *dst, ptrdiff_t dstStride, const sample *a, ptrdiff_t aStride, const sample *b, \
        ptrdiff_t bStride, int w, int h); \
    uint32_t (*sad)(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h); \
    void (*sad_x4)(uint32_t *out, const sample *a, ptrdiff_t aStride, const sample *const *b, ptrdiff_t bStride, \
        int w, int h); \
    uint32_t (*satd)(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h); \
    uint64_t (*sse)(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h); \
    void (*sao_edge_statistics)(int32_t *sum, int32_t *count, const sample *source, ptrdiff_t sourceStride, \
        const sample *rec, ptrdiff_t recStride, int w, int h, int eoClass); \
    void (*sao_band_statistics)(int32_t *sum, int32_t *count, const sample *source, ptrdiff_t sourceStride, \
        const sample *rec, ptrdiff_t recStride, int w, int h, int bitDepth);
// clang-format on

// One path for samples of one byte, which have 8 bits: `bitDepth` is 8 for each of them. Index [k] of an array is for
// blocks of size 4 << k.
typedef struct veil_kernels_8 {
    VEIL_SAMPLE_KERNELS(uint8_t)
} veil_kernels_8;

// One path: the same for samples of two bytes, and what there is for them alone or needs no samples.
typedef struct veil_kernels {
    int level;  // veil_simd_level
    VEIL_SAMPLE_KERNELS(uint16_t)
    // Inverse transforms to residuals
    veil_inverse_fn *idct[4], *idst4;
    void (*skip_residual)(int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int size, int bitDepth);
    // Forward transforms and quantization
    veil_forward_fn *fdct[4], *fdst4;
    void (*forward_skip)(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int size, int bitDepth);
    int (*quant)(int16_t *levels, int32_t *remainder, const int16_t *coeffs, int n, int scale, int offset, int shift);
    void (*dequant)(int16_t *coeffs, const int16_t *levels, int n, int scale, int shift);
    // Blocks and planes
    void (*narrow)(
        uint8_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int shift);
    void (*widen)(uint16_t *dst, ptrdiff_t dstStride, const uint8_t *src, ptrdiff_t srcStride, int w, int h);
    // Making sources smaller
    void (*scale_v)(int16_t *dst, const uint16_t *const *rows, const int16_t *weights, int taps, int w);
    void (*scale_h)(
        uint16_t *dst, const int16_t *src, const int32_t *first, const int16_t *weights, int taps, int w, int limit);
} veil_kernels;

// The tables in use. Read them through the wrappers.
extern veil_kernels veil_kernels_active;
extern veil_kernels_8 veil_kernels_8_active;

/// The table in use.
const veil_kernels *veil_kernels_get(void);
/// The table of one path, or NULL where the processor lacks it. For tests and measurements.
const veil_kernels *veil_kernels_of(veil_simd_level level);
/// The same of the table for samples of one byte.
const veil_kernels_8 *veil_kernels_8_of(veil_simd_level level);
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
#include "veil_kernels_any.h"

#ifdef __cplusplus
}
#endif
#endif
