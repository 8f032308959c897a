// SPDX-License-Identifier: GPL-2.0-or-later
// Forward transformation, for the encoder: the transpose of 8.6.4.2; plain path.
#include "../kernels_internal.h"

// One 1-D forward DCT of size n by even-odd decomposition, from n integers to n sums.
static void forward_1d(int *out, int step, const int *in, int n) {
    if (n == 2) {
        out[0] = 64 * (in[0] + in[1]);
        out[step] = 64 * (in[0] - in[1]);
        return;
    }
    int half = n / 2;
    int even[16], odd[16];
    for (int j = 0; j < half; j++) {
        even[j] = in[j] + in[n - 1 - j];
        odd[j] = in[j] - in[n - 1 - j];
    }
    forward_1d(out, 2 * step, even, half);
    for (int k = 1; k < n; k += 2) {
        const int16_t *m = veil_dct_matrix[k * (32 / n)];
        int sum = 0;
        for (int j = 0; j < half; j++) sum += m[j] * odd[j];
        out[k * step] = sum;
    }
}

static void forward_dst(int *out, const int *in) {
    for (int k = 0; k < 4; k++) {
        out[k] = 0;
        for (int j = 0; j < 4; j++) out[k] += veil_dst_matrix[k][j] * in[j];
    }
}

VEIL_INLINE void forward(
    int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int log2Size, int isDST, int bitDepth) {
    int n = 1 << log2Size;
    int shift1 = log2Size + bitDepth - 9, shift2 = log2Size + 6;
    // With 8 bits the first stage of a 4x4 block shifts by 1; never by less.
    int16_t rows[32 * 32];  // [horizontal frequency][y]
    int in[32], out[32];
    for (int y = 0; y < n; y++, residual += stride) {
        for (int x = 0; x < n; x++) in[x] = residual[x];
        if (isDST) {
            forward_dst(out, in);
        } else {
            forward_1d(out, 1, in, n);
        }
        for (int k = 0; k < n; k++) rows[k * n + y] = veil_clip16((out[k] + (1 << (shift1 - 1))) >> shift1);
    }
    for (int x = 0; x < n; x++) {
        for (int y = 0; y < n; y++) in[y] = rows[x * n + y];
        if (isDST) {
            forward_dst(out, in);
        } else {
            forward_1d(out, 1, in, n);
        }
        for (int k = 0; k < n; k++) coeffs[k * n + x] = veil_clip16((out[k] + (1 << (shift2 - 1))) >> shift2);
    }
}

#define FORWARD(name, log2Size, isDST) \
    static void name(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth) { \
        forward(coeffs, residual, stride, log2Size, isDST, bitDepth); \
    }
FORWARD(fdct4, 2, 0)
FORWARD(fdct8, 3, 0)
FORWARD(fdct16, 4, 0)
FORWARD(fdct32, 5, 0)
FORWARD(fdst4, 2, 1)

static void forward_skip(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int size, int bitDepth) {
    int shift = 15 - bitDepth - (size == 4 ? 2 : size == 8 ? 3 : size == 16 ? 4 : 5);
    for (int y = 0; y < size; y++, residual += stride, coeffs += size) {
        for (int x = 0; x < size; x++) {
            if (shift >= 0) {
                coeffs[x] = veil_clip16(residual[x] * (1 << shift));
            } else {
                coeffs[x] = (int16_t)((residual[x] + (1 << (-shift - 1))) >> -shift);
            }
        }
    }
}

void veil_fill_forward_transform(veil_kernels *k) {
    k->fdct[0] = fdct4, k->fdct[1] = fdct8, k->fdct[2] = fdct16, k->fdct[3] = fdct32;
    k->fdst4 = fdst4;
    k->forward_skip = forward_skip;
}
