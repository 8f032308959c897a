// SPDX-License-Identifier: GPL-2.0-or-later
// Resampling (H.8.1.4), plain path.
#include "../kernels_internal.h"

#if VEIL_SAMPLE_BITS == 16
const int16_t veil_resample_taps_luma[16][8] = {
    {0, 0, 0, 64, 0, 0, 0, 0},
    {0, 1, -3, 63, 4, -2, 1, 0},
    {-1, 2, -5, 62, 8, -3, 1, 0},
    {-1, 3, -8, 60, 13, -4, 1, 0},
    {-1, 4, -10, 58, 17, -5, 1, 0},
    {-1, 4, -11, 52, 26, -8, 3, -1},
    {-1, 3, -9, 47, 31, -10, 4, -1},
    {-1, 4, -11, 45, 34, -10, 4, -1},
    {-1, 4, -11, 40, 40, -11, 4, -1},
    {-1, 4, -10, 34, 45, -11, 4, -1},
    {-1, 4, -10, 31, 47, -9, 3, -1},
    {-1, 3, -8, 26, 52, -11, 4, -1},
    {0, 1, -5, 17, 58, -10, 4, -1},
    {0, 1, -4, 13, 60, -8, 3, -1},
    {0, 1, -3, 8, 62, -5, 2, -1},
    {0, 1, -2, 4, 63, -3, 1, 0},
};

const int16_t veil_resample_taps_chroma[16][4] = {
    {0, 64, 0, 0},
    {-2, 62, 4, 0},
    {-2, 58, 10, -2},
    {-4, 56, 14, -2},
    {-4, 54, 16, -2},
    {-6, 52, 20, -2},
    {-6, 46, 28, -4},
    {-4, 42, 30, -4},
    {-4, 36, 36, -4},
    {-4, 30, 42, -4},
    {-4, 28, 46, -6},
    {-2, 20, 52, -6},
    {-2, 16, 54, -4},
    {-2, 14, 56, -4},
    {-2, 10, 58, -2},
    {0, 4, 62, -2},
};
#endif

VEIL_INLINE void horizontal(int16_t *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int shift1, const int16_t *table, int taps) {
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        for (int x = 0; x < w; x++) {
            const int16_t *c = table + phase[x] * taps;
            const sample *s = src + position[x] - (taps / 2 - 1);
            int sum = 0;
            for (int i = 0; i < taps; i++) sum += c[i] * s[i];
            dst[x] = (int16_t)(sum >> shift1);
        }
    }
}

VEIL_INLINE void vertical(sample *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int bitDepth, const int16_t *table, int taps) {
    for (int y = 0; y < h; y++, dst += dstStride) {
        const int16_t *c = table + phase[y] * taps;
        const int16_t *s = src + (position[y] - (taps / 2 - 1)) * srcStride;
        for (int x = 0; x < w; x++) dst[x] = veil_resample_sample(s + x, srcStride, c, taps, bitDepth);
    }
}

static void h_luma(int16_t *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int shift1) {
    horizontal(dst, dstStride, src, srcStride, w, h, position, phase, shift1, veil_resample_taps_luma[0], 8);
}

static void h_chroma(int16_t *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int shift1) {
    horizontal(dst, dstStride, src, srcStride, w, h, position, phase, shift1, veil_resample_taps_chroma[0], 4);
}

static void v_luma(sample *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int bitDepth) {
    vertical(dst, dstStride, src, srcStride, w, h, position, phase, bitDepth, veil_resample_taps_luma[0], 8);
}

static void v_chroma(sample *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int bitDepth) {
    vertical(dst, dstStride, src, srcStride, w, h, position, phase, bitDepth, veil_resample_taps_chroma[0], 4);
}

void SIZED(veil_fill_resample)(sample_kernels *k) {
    k->resample_h_luma = h_luma;
    k->resample_h_chroma = h_chroma;
    k->resample_v_luma = v_luma;
    k->resample_v_chroma = v_chroma;
}
