// SPDX-License-Identifier: GPL-2.0-or-later
// Weighted sample prediction (8.5.3.3.4), plain path.
#include "../kernels_internal.h"

static void put(sample *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int bitDepth) {
    int shift = 14 - bitDepth;
    int round = VEIL_PRED_OFFSET + (1 << (shift - 1));
    for (int y = 0; y < h; y++, dst += dstStride, pred += VEIL_PRED_STRIDE) {
        for (int x = 0; x < w; x++) dst[x] = veil_clip_sample((pred[x] + round) >> shift, bitDepth);
    }
}

static void avg(
    sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1, int w, int h, int bitDepth) {
    int shift = 15 - bitDepth;
    int round = 2 * VEIL_PRED_OFFSET + (1 << (shift - 1));
    for (int y = 0; y < h; y++, dst += dstStride, pred0 += VEIL_PRED_STRIDE, pred1 += VEIL_PRED_STRIDE) {
        for (int x = 0; x < w; x++) dst[x] = veil_clip_sample((pred0[x] + pred1[x] + round) >> shift, bitDepth);
    }
}

static void weighted(
    sample *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int log2WD, int w0, int o0, int bitDepth) {
    int round = VEIL_PRED_OFFSET * w0 + (1 << (log2WD - 1));
    for (int y = 0; y < h; y++, dst += dstStride, pred += VEIL_PRED_STRIDE) {
        for (int x = 0; x < w; x++) dst[x] = veil_clip_sample(((pred[x] * w0 + round) >> log2WD) + o0, bitDepth);
    }
}

static void weighted_bi(sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1, int w, int h,
    int log2WD, int w0, int w1, int o0, int o1, int bitDepth) {
    int round = VEIL_PRED_OFFSET * (w0 + w1) + (o0 + o1 + 1) * (1 << log2WD);
    for (int y = 0; y < h; y++, dst += dstStride, pred0 += VEIL_PRED_STRIDE, pred1 += VEIL_PRED_STRIDE) {
        for (int x = 0; x < w; x++) {
            dst[x] = veil_clip_sample((pred0[x] * w0 + pred1[x] * w1 + round) >> (log2WD + 1), bitDepth);
        }
    }
}

void SIZED(veil_fill_weighted)(sample_kernels *k) {
    k->pred_put = put;
    k->pred_avg = avg;
    k->pred_weighted = weighted;
    k->pred_weighted_bi = weighted_bi;
}
