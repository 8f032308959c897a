// SPDX-License-Identifier: GPL-2.0-or-later
// Sample adaptive offset (8.7.3.2), plain path.
#include "../kernels_internal.h"

static void band(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    int bandPosition, const int16_t *offsets, int bitDepth) {
    int table[32] = {0};  // bandTable, holding the offset instead of its index
    for (int k = 0; k < 4; k++) table[(k + bandPosition) & 31] = offsets[k];
    int shift = bitDepth - 5;
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        for (int x = 0; x < w; x++) dst[x] = veil_clip_sample(src[x] + table[(src[x] >> shift) & 31], bitDepth);
    }
}

static void edge(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, int eoClass,
    const int16_t *offsets, int bitDepth) {
    // hPos, vPos of Table 8-13, first neighbour; the second lies opposite.
    static const int8_t hPos[4] = {-1, 0, -1, 1}, vPos[4] = {0, -1, -1, -1};
    ptrdiff_t neighbour = vPos[eoClass] * srcStride + hPos[eoClass];
    int table[5] = {offsets[0], offsets[1], 0, offsets[2], offsets[3]};
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        for (int x = 0; x < w; x++) {
            int v = src[x], a = src[x + neighbour], b = src[x - neighbour];
            int index = 2 + (v > a) - (v < a) + (v > b) - (v < b);
            dst[x] = veil_clip_sample(v + table[index], bitDepth);
        }
    }
}

void SIZED(veil_fill_sao)(sample_kernels *k) {
    k->sao_band = band;
    k->sao_edge = edge;
}
