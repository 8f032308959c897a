// SPDX-License-Identifier: GPL-2.0-or-later
// What sample adaptive offset would have to correct (8.7.3 seen from an encoder), plain path.
#include "../kernels_internal.h"

VEIL_INLINE int sign_of(int v) { return (v > 0) - (v < 0); }

void SIZED(veil_sao_edge_statistics_plain)(int32_t *sum, int32_t *count, const sample *source, ptrdiff_t sourceStride,
    const sample *rec, ptrdiff_t recStride, int w, int h, int eoClass) {
    ptrdiff_t step = eoClass == 0 ? 1 : eoClass == 1 ? recStride : eoClass == 2 ? recStride + 1 : recStride - 1;
    // By 2 + both signs: edgeIdx 1, 2, none, 3, 4.
    int32_t sums[5] = {0}, counts[5] = {0};
    for (int y = 0; y < h; y++, source += sourceStride, rec += recStride) {
        for (int x = 0; x < w; x++) {
            int kind = 2 + sign_of(rec[x] - rec[x - step]) + sign_of(rec[x] - rec[x + step]);
            sums[kind] += source[x] - rec[x];
            counts[kind]++;
        }
    }
    for (int i = 0; i < 4; i++) {
        sum[i] += sums[i < 2 ? i : i + 1];
        count[i] += counts[i < 2 ? i : i + 1];
    }
}

static void sao_band_statistics(int32_t *sum, int32_t *count, const sample *source, ptrdiff_t sourceStride,
    const sample *rec, ptrdiff_t recStride, int w, int h, int bitDepth) {
    int shift = bitDepth - 5;
    // Sum and count in one word, and four tables: neighbours mostly share a band, and would wait for each other.
    int64_t both[4][32] = {{0}};
    for (int y = 0; y < h; y++, source += sourceStride, rec += recStride) {
        int x = 0;
        for (; x + 4 <= w; x += 4) {
            for (int i = 0; i < 4; i++) both[i][rec[x + i] >> shift & 31] += (source[x + i] - rec[x + i]) * 65536LL + 1;
        }
        for (; x < w; x++) both[0][rec[x] >> shift & 31] += (source[x] - rec[x]) * 65536LL + 1;
    }
    for (int band = 0; band < 32; band++) {
        int64_t all = both[0][band] + both[1][band] + both[2][band] + both[3][band];
        int n = (int)(all & 65535);
        count[band] += n;
        sum[band] += (int32_t)((all - n) / 65536);
    }
}

void SIZED(veil_fill_sao_statistics)(sample_kernels *k) {
    k->sao_edge_statistics = SIZED(veil_sao_edge_statistics_plain);
    k->sao_band_statistics = sao_band_statistics;
}
