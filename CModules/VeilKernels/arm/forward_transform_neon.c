// SPDX-License-Identifier: GPL-2.0-or-later
// Forward transformation, for the encoder: the transpose of 8.6.4.2; NEON.
//
// A pass takes four rows at a time as columns and leaves the transposed result: two passes make the transform. Sums are
// those of the plain path, in 32 bits.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

VEIL_INLINE void forward_2(int32x4_t *out, int step, const int32x4_t *in) {
    out[0] = vshlq_n_s32(vaddq_s32(in[0], in[1]), 6);
    out[step] = vshlq_n_s32(vsubq_s32(in[0], in[1]), 6);
}

// Size n: the even outputs are the transform of size n / 2 of the sums of mirrored inputs.
#define FORWARD_1D(n, half) \
    VEIL_INLINE void forward_##n(int32x4_t *out, int step, const int32x4_t *in) { \
        int32x4_t even[half], odd[half]; \
        for (int j = 0; j < half; j++) { \
            even[j] = vaddq_s32(in[j], in[n - 1 - j]); \
            odd[j] = vsubq_s32(in[j], in[n - 1 - j]); \
        } \
        forward_##half(out, 2 * step, even); \
        for (int k = 1; k < n; k += 2) { \
            const int16_t *m = veil_dct_matrix[k * (32 / n)]; \
            int32x4_t sum = vmulq_n_s32(odd[0], m[0]); \
            for (int j = 1; j < half; j++) sum = vmlaq_n_s32(sum, odd[j], m[j]); \
            out[k * step] = sum; \
        } \
    }
FORWARD_1D(4, 2)
FORWARD_1D(8, 4)
FORWARD_1D(16, 8)
FORWARD_1D(32, 16)

VEIL_INLINE void forward_dst(int32x4_t *out, const int32x4_t *in) {
    for (int k = 0; k < 4; k++) {
        out[k] = vmulq_n_s32(in[0], veil_dst_matrix[k][0]);
        for (int j = 1; j < 4; j++) out[k] = vmlaq_n_s32(out[k], in[j], veil_dst_matrix[k][j]);
    }
}

// n rows of `in`, `step` apart, to columns of `out` (row length n), rounded and shifted right.
VEIL_INLINE void pass(int16_t *out, const int16_t *in, ptrdiff_t step, int n, int isDST, int shift) {
    int32x4_t by = vdupq_n_s32(-shift);
    for (int y = 0; y < n; y += 4, in += 4 * step) {
        int32x4_t line[32], sums[32];
        for (int x = 0; x < n; x += 4) {
            int16x4_t r[4];
            for (int i = 0; i < 4; i++) r[i] = vld1_s16(in + i * step + x);
            transpose_4x4(r);
            for (int i = 0; i < 4; i++) line[x + i] = vmovl_s16(r[i]);
        }
        if (isDST)
            forward_dst(sums, line);
        else if (n == 4)
            forward_4(sums, 1, line);
        else if (n == 8)
            forward_8(sums, 1, line);
        else if (n == 16)
            forward_16(sums, 1, line);
        else
            forward_32(sums, 1, line);
        for (int k = 0; k < n; k++) vst1_s16(out + k * n + y, vqmovn_s32(vrshlq_s32(sums[k], by)));
    }
}

#define FORWARD(name, log2Size, isDST) \
    static void name(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth) { \
        int16_t rows[1 << (2 * log2Size)]; \
        pass(rows, residual, stride, 1 << log2Size, isDST, log2Size + bitDepth - 9); \
        pass(coeffs, rows, 1 << log2Size, 1 << log2Size, isDST, log2Size + 6); \
    }
FORWARD(fdct4, 2, 0)
FORWARD(fdct8, 3, 0)
FORWARD(fdct16, 4, 0)
FORWARD(fdct32, 5, 0)
FORWARD(fdst4, 2, 1)

void veil_fill_forward_transform_neon(veil_kernels *k) {
    k->fdct[0] = fdct4, k->fdct[1] = fdct8, k->fdct[2] = fdct16, k->fdct[3] = fdct32;
    k->fdst4 = fdst4;
}
#endif
