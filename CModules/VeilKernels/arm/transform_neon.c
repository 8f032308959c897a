// SPDX-License-Identifier: GPL-2.0-or-later
// Inverse transformation (8.6.4) and picture construction (8.6.5), NEON.
//
// A pass transforms four columns at a time and writes them as rows: two passes bring the block back the right way
// round.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

VEIL_INLINE void inverse_4(int32x4_t *out, const int16_t *in, ptrdiff_t step, int rows) {
    int16x4_t x0 = vld1_s16(in), zero = vdup_n_s16(0);
    int16x4_t x1 = rows > 1 ? vld1_s16(in + step) : zero;
    int16x4_t x2 = rows > 2 ? vld1_s16(in + 2 * step) : zero;
    int16x4_t x3 = rows > 3 ? vld1_s16(in + 3 * step) : zero;
    int32x4_t a = vshll_n_s16(x0, 6), b = vshll_n_s16(x2, 6);
    int32x4_t o0 = vmlal_n_s16(vmull_n_s16(x1, 83), x3, 36), o1 = vmlsl_n_s16(vmull_n_s16(x1, 36), x3, 83);
    int32x4_t e0 = vaddq_s32(a, b), e1 = vsubq_s32(a, b);
    out[0] = vaddq_s32(e0, o0), out[1] = vaddq_s32(e1, o1), out[2] = vsubq_s32(e1, o1), out[3] = vsubq_s32(e0, o0);
}

// Size n from the even rows' transform of size n / 2.
#define INVERSE_1D(n, half) \
    VEIL_INLINE void inverse_##n(int32x4_t *out, const int16_t *in, ptrdiff_t step, int rows) { \
        int32x4_t even[half], odd[half]; \
        inverse_##half(even, in, 2 * step, (rows + 1) / 2); \
        for (int j = 0; j < half; j++) odd[j] = vdupq_n_s32(0); \
        for (int k = 1; k < rows; k += 2) { \
            int16x4_t c = vld1_s16(in + k * step); \
            const int16_t *m = veil_dct_matrix[k * (32 / n)]; \
            for (int j = 0; j < half; j++) odd[j] = vmlal_n_s16(odd[j], c, m[j]); \
        } \
        for (int j = 0; j < half; j++) { \
            out[j] = vaddq_s32(even[j], odd[j]); \
            out[n - 1 - j] = vsubq_s32(even[j], odd[j]); \
        } \
    }
INVERSE_1D(8, 4)
INVERSE_1D(16, 8)
INVERSE_1D(32, 16)

VEIL_INLINE void inverse_dst(int32x4_t *out, const int16_t *in, ptrdiff_t step) {
    for (int j = 0; j < 4; j++) {
        out[j] = vmull_n_s16(vld1_s16(in), veil_dst_matrix[0][j]);
        for (int k = 1; k < 4; k++) out[j] = vmlal_n_s16(out[j], vld1_s16(in + k * step), veil_dst_matrix[k][j]);
    }
}

// Rounded, shifted right by 7 in the first pass, by 20 - bitDepth in the second, and clipped to 16 bits.
VEIL_INLINE int16x4_t round_down(int32x4_t v, int shift) {
    if (shift == 7) return vqrshrn_n_s32(v, 7);
    return VEIL_SAMPLE_BITS == 8 ? vqrshrn_n_s32(v, 12) : vqmovn_s32(vrshlq_s32(v, vdupq_n_s32(-shift)));
}

// Columns 0 ... columns - 1 of `in` (row length n), at least one, to rows of `out` (row length n), rounded and shifted
// right.
VEIL_INLINE void pass(int16_t *out, const int16_t *in, int n, int isDST, int columns, int rows, int shift) {
    int x = 0;
    do {
        int32x4_t line[32];
        if (isDST)
            inverse_dst(line, in + x, n);
        else if (n == 4)
            inverse_4(line, in + x, n, rows);
        else if (n == 8)
            inverse_8(line, in + x, n, rows);
        else if (n == 16)
            inverse_16(line, in + x, n, rows);
        else
            inverse_32(line, in + x, n, rows);
        for (int y = 0; y < n; y += 4) {
            int16x4_t r[4];
            for (int i = 0; i < 4; i++) r[i] = round_down(line[y + i], shift);
            transpose_4x4(r);
            for (int i = 0; i < 4; i++) vst1_s16(out + (x + i) * n + y, r[i]);
        }
    } while ((x += 4) < columns);
}

// `residual`: n x n, dense.
VEIL_INLINE void inverse(int16_t *residual, const int16_t *coeffs, int n, int isDST, int maxX, int maxY, int bitDepth) {
    int16_t columns[32 * 32];
    // The DST takes all four inputs.
    int width = isDST ? 4 : maxX + 1;
    pass(columns, coeffs, n, isDST, width, maxY + 1, 7);
    pass(residual, columns, n, isDST, n, width, 20 - bitDepth);
}

static void add_residual(
    sample *dst, ptrdiff_t dstStride, const int16_t *residual, ptrdiff_t stride, int w, int h, int bitDepth) {
    for (int y = 0; y < h; y++, dst += dstStride, residual += stride) {
        int x = 0;
        for (; x + 8 <= w; x += 8) {
            int16x8_t sum = vqaddq_s16(load_samples_8(dst + x), vld1q_s16(residual + x));
            store_samples_8(dst + x, clip_samples(sum, bitDepth));
        }
        if (x + 4 <= w) {
            int16x4_t sum = vqadd_s16(load_samples_4(dst + x), vld1_s16(residual + x));
            store_samples_4(dst + x, clip_samples_4(sum, bitDepth));
            x += 4;
        }
        for (; x < w; x++) dst[x] = veil_clip_sample(dst[x] + residual[x], bitDepth);
    }
}

#if VEIL_SAMPLE_BITS == 16
#define RESIDUAL(name, n, isDST) \
    static void name(int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) { \
        int16_t block[n * n]; \
        inverse(block, coeffs, n, isDST, maxX, maxY, bitDepth); \
        for (int y = 0; y < n; y++) memcpy(residual + y * stride, block + y * n, n * sizeof *block); \
    }
#else
#define RESIDUAL(name, n, isDST)
#endif
#define INVERSE(name, n, isDST) \
    RESIDUAL(name, n, isDST) \
    static void name##_add( \
        sample *dst, ptrdiff_t dstStride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) { \
        int16_t block[n * n]; \
        inverse(block, coeffs, n, isDST, maxX, maxY, bitDepth); \
        add_residual(dst, dstStride, block, n, n, n, bitDepth); \
    }
INVERSE(idct4, 4, 0)
INVERSE(idct8, 8, 0)
INVERSE(idct16, 16, 0)
INVERSE(idct32, 32, 0)
INVERSE(idst4, 4, 1)

void SIZED(veil_fill_transform_neon)(sample_kernels *k) {
    k->idct_add[0] = idct4_add, k->idct_add[1] = idct8_add, k->idct_add[2] = idct16_add, k->idct_add[3] = idct32_add;
    k->idst4_add = idst4_add;
    k->add_residual = add_residual;
#if VEIL_SAMPLE_BITS == 16
    k->idct[0] = idct4, k->idct[1] = idct8, k->idct[2] = idct16, k->idct[3] = idct32;
    k->idst4 = idst4;
#endif
}
#endif
