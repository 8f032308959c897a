// SPDX-License-Identifier: GPL-2.0-or-later
// Inverse transformation (8.6.4) and picture construction (8.6.5), plain path.
#include "../kernels_internal.h"

#include <string.h>

// One 1-D inverse DCT of size n by even-odd decomposition. `in` has a step; `rows` is how many of the inputs may differ
// from 0.
static void inverse_1d(int *out, const int16_t *in, ptrdiff_t step, int n, int rows) {
    int even[16], odd[16];
    if (n == 4) {
        int a = 64 * in[0], b = rows > 2 ? 64 * in[2 * step] : 0;
        int x1 = rows > 1 ? in[step] : 0, x3 = rows > 3 ? in[3 * step] : 0;
        int o0 = 83 * x1 + 36 * x3, o1 = 36 * x1 - 83 * x3;
        out[0] = a + b + o0;
        out[1] = a - b + o1;
        out[2] = a - b - o1;
        out[3] = a + b - o0;
        return;
    }
    int half = n / 2;
    for (int j = 0; j < half; j++) odd[j] = 0;
    for (int k = 1; k < rows; k += 2) {
        int c = in[k * step];
        if (!c) continue;
        const int16_t *m = veil_dct_matrix[k * (32 / n)];
        for (int j = 0; j < half; j++) odd[j] += m[j] * c;
    }
    inverse_1d(even, in, 2 * step, half, (rows + 1) / 2);
    for (int j = 0; j < half; j++) {
        out[j] = even[j] + odd[j];
        out[n - 1 - j] = even[j] - odd[j];
    }
}

static void inverse_dst(int *out, const int16_t *in, ptrdiff_t step) {
    for (int j = 0; j < 4; j++) {
        out[j] = 0;
        for (int k = 0; k < 4; k++) out[j] += veil_dst_matrix[k][j] * in[k * step];
    }
}

VEIL_INLINE void inverse(
    int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int n, int isDST, int maxX, int maxY, int bitDepth) {
    int16_t columns[32 * 32];
    int line[32];
    for (int x = 0; x <= maxX; x++) {
        if (isDST) {
            inverse_dst(line, coeffs + x, n);
        } else {
            inverse_1d(line, coeffs + x, n, n, maxY + 1);
        }
        for (int y = 0; y < n; y++) columns[y * n + x] = veil_clip16((line[y] + 64) >> 7);
    }
    int shift = 20 - bitDepth;
    for (int y = 0; y < n; y++, residual += stride) {
        if (isDST) {
            for (int x = maxX + 1; x < 4; x++) columns[y * n + x] = 0;
            inverse_dst(line, columns + y * n, 1);
        } else {
            inverse_1d(line, columns + y * n, 1, n, maxX + 1);
        }
        // With coefficients that no encoder makes a residual can leave 16 bits; clipping it there changes no sample.
        for (int x = 0; x < n; x++) residual[x] = veil_clip16((line[x] + (1 << (shift - 1))) >> shift);
    }
}

static void add_residual(
    sample *dst, ptrdiff_t dstStride, const int16_t *residual, ptrdiff_t stride, int w, int h, int bitDepth) {
    for (int y = 0; y < h; y++, dst += dstStride, residual += stride) {
        for (int x = 0; x < w; x++) dst[x] = veil_clip_sample(dst[x] + residual[x], bitDepth);
    }
}

#if VEIL_SAMPLE_BITS == 16
#define RESIDUAL(name, n, isDST) \
    static void name(int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) { \
        inverse(residual, stride, coeffs, n, isDST, maxX, maxY, bitDepth); \
    }
#else
#define RESIDUAL(name, n, isDST)
#endif
#define INVERSE(name, n, isDST) \
    RESIDUAL(name, n, isDST) \
    static void name##_add( \
        sample *dst, ptrdiff_t dstStride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) { \
        int16_t residual[n * n]; \
        inverse(residual, n, coeffs, n, isDST, maxX, maxY, bitDepth); \
        add_residual(dst, dstStride, residual, n, n, n, bitDepth); \
    }
INVERSE(idct4, 4, 0)
INVERSE(idct8, 8, 0)
INVERSE(idct16, 16, 0)
INVERSE(idct32, 32, 0)
INVERSE(idst4, 4, 1)

static void idct_dc_add(sample *dst, ptrdiff_t dstStride, int dc, int size, int bitDepth) {
    int shift = 20 - bitDepth;
    int column = veil_clip16((64 * dc + 64) >> 7);
    int r = (64 * column + (1 << (shift - 1))) >> shift;
    for (int y = 0; y < size; y++, dst += dstStride) {
        for (int x = 0; x < size; x++) dst[x] = veil_clip_sample(dst[x] + r, bitDepth);
    }
}

#if VEIL_SAMPLE_BITS == 16
static void skip_residual(int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int size, int bitDepth) {
    // << tsShift and the rounding >> bdShift in one, exactly: bdShift = 20 - bitDepth > tsShift only by what remains.
    int up = 5 + (size == 4 ? 2 : size == 8 ? 3 : size == 16 ? 4 : 5);
    int down = 20 - bitDepth;
    for (int y = 0; y < size; y++, residual += stride, coeffs += size) {
        for (int x = 0; x < size; x++) {
            residual[x] = veil_clip16((coeffs[x] * (1 << up) + (1 << (down - 1))) >> down);
        }
    }
}
#endif

void SIZED(veil_fill_transform)(sample_kernels *k) {
    k->idct_add[0] = idct4_add, k->idct_add[1] = idct8_add, k->idct_add[2] = idct16_add, k->idct_add[3] = idct32_add;
    k->idst4_add = idst4_add;
    k->idct_dc_add = idct_dc_add;
    k->add_residual = add_residual;
#if VEIL_SAMPLE_BITS == 16
    k->idct[0] = idct4, k->idct[1] = idct8, k->idct[2] = idct16, k->idct[3] = idct32;
    k->idst4 = idst4;
    k->skip_residual = skip_residual;
#endif
}
