// SPDX-License-Identifier: GPL-2.0-or-later
// What sample adaptive offset would have to correct, AVX2.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

VEIL_INLINE int32_t total(__m256i v) {
    __m128i s = _mm_add_epi32(LOW(v), HIGH(v));
    s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

// Sign of a - b in 16 bits.
VEIL_INLINE __m256i sign_16(__m256i a, __m256i b) {
    return _mm256_sub_epi16(_mm256_cmpgt_epi16(b, a), _mm256_cmpgt_epi16(a, b));
}

static void sao_edge_statistics(int32_t *sum, int32_t *count, const sample *source, ptrdiff_t sourceStride,
    const sample *rec, ptrdiff_t recStride, int w, int h, int eoClass) {
    ptrdiff_t step = eoClass == 0 ? 1 : eoClass == 1 ? recStride : eoClass == 2 ? recStride + 1 : recStride - 1;
    __m256i ones = _mm256_set1_epi16(1), sums[4], parts[4], counts[4];
    const int kinds[4] = {-2, -1, 1, 2};
    for (int i = 0; i < 4; i++) sums[i] = parts[i] = counts[i] = _mm256_setzero_si256();
    int whole = w & ~15, pending = 0;
    for (int y = 0; y < h; y++) {
        const sample *s = source + y * sourceStride, *r = rec + y * recStride;
        for (int x = 0; x < whole; x += 16) {
            __m256i c = load_samples_16(r + x), d = _mm256_sub_epi16(load_samples_16(s + x), c);
            __m256i kind =
                _mm256_add_epi16(sign_16(c, load_samples_16(r + x - step)), sign_16(c, load_samples_16(r + x + step)));
            for (int i = 0; i < 4; i++) {
                __m256i mask = _mm256_cmpeq_epi16(kind, _mm256_set1_epi16((int16_t)kinds[i]));
                parts[i] = _mm256_add_epi16(parts[i], _mm256_and_si256(d, mask));
                counts[i] = _mm256_sub_epi16(counts[i], mask);
            }
            // 8 differences of 12 bits fit 16 bits. The counts do for a whole block of 64x64.
            if (++pending == 8) {
                for (int i = 0; i < 4; i++) {
                    sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(parts[i], ones));
                    parts[i] = _mm256_setzero_si256();
                }
                pending = 0;
            }
        }
    }
    for (int i = 0; i < 4; i++) {
        sum[i] += total(_mm256_add_epi32(sums[i], _mm256_madd_epi16(parts[i], ones)));
        count[i] += total(_mm256_madd_epi16(counts[i], ones));
    }
    if (whole < w) {
        SIZED(veil_sao_edge_statistics_plain)
        (sum, count, source + whole, sourceStride, rec + whole, recStride, w - whole, h, eoClass);
    }
}

void SIZED(veil_fill_sao_statistics_avx2)(sample_kernels *k) { k->sao_edge_statistics = sao_edge_statistics; }

#pragma clang attribute pop
#endif
