// SPDX-License-Identifier: GPL-2.0-or-later
// Weighted sample prediction (8.5.3.3.4), AVX2.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

// Goes over a block in steps of 16 columns, then of 8 columns by 2 rows. INPUT(p) gives the intermediate values at row
// y, column x of array p; the body leaves samples in `v`.
#define BLOCK_16(...) \
    int x = 0; \
    for (; x + 16 <= w; x += 16) { \
        for (int y = 0; y < h; y++) { \
            __VA_ARGS__ \
            store_samples_16(dst + y * dstStride + x, clip_samples(v, maximum)); \
        } \
    }
#define BLOCK_8(...) \
    for (; x < w; x += 8) { \
        int n = w - x < 8 ? w - x : 8; \
        for (int y = 0; y < h; y += 2) { \
            __VA_ARGS__ \
            v = clip_samples(v, maximum); \
            sample *d = dst + y * dstStride + x; \
            if (n == 8) { \
                store_samples_2x8(d, d + dstStride, v); \
            } else { \
                store_part(d, LOW(v), n); \
                store_part(d + dstStride, HIGH(v), n); \
            } \
        } \
    }

#define ROW(p) LOAD((p) + y * VEIL_PRED_STRIDE + x)
#define ROWS(p) load_2x8((p) + y * VEIL_PRED_STRIDE + x, (p) + (y + 1) * VEIL_PRED_STRIDE + x)

// For the rounding by multiplication see mc_avx2.c.
static void put(sample *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int bitDepth) {
    __m256i maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    __m256i scale = _mm256_set1_epi16((int16_t)(2 << bitDepth)),
            bias = _mm256_set1_epi16((int16_t)(1 << (bitDepth - 1)));
#define BODY(input) __m256i v = _mm256_add_epi16(_mm256_mulhrs_epi16(input(pred), scale), bias);
    BLOCK_16(BODY(ROW))
    BLOCK_8(BODY(ROWS))
#undef BODY
}

static void avg(
    sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1, int w, int h, int bitDepth) {
    __m256i maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    __m256i scale = _mm256_set1_epi16((int16_t)(1 << bitDepth)),
            bias = _mm256_set1_epi16((int16_t)(1 << (bitDepth - 1)));
#define BODY(input) \
    __m256i v = _mm256_adds_epi16(input(pred0), input(pred1)); \
    v = _mm256_add_epi16(_mm256_mulhrs_epi16(v, scale), bias);
    BLOCK_16(BODY(ROW))
    BLOCK_8(BODY(ROWS))
#undef BODY
}

// Both explicit forms are ((a * w0 + b * w1 + round) >> shift) + offset, with b = 0 for one prediction.
VEIL_INLINE __m256i weigh(__m256i a, __m256i b, __m256i weights, __m256i round, __m128i shift, __m256i offset) {
    __m256i low = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), weights), round);
    __m256i high = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), weights), round);
    low = _mm256_add_epi32(_mm256_sra_epi32(low, shift), offset);
    high = _mm256_add_epi32(_mm256_sra_epi32(high, shift), offset);
    return _mm256_packs_epi32(low, high);
}

static void weighted(
    sample *dst, ptrdiff_t dstStride, const int16_t *pred, int w, int h, int log2WD, int w0, int o0, int bitDepth) {
    __m256i maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    __m256i weights = _mm256_set1_epi32(w0 & 0xffff), offset = _mm256_set1_epi32(o0), zero = _mm256_setzero_si256();
    __m256i round = _mm256_set1_epi32(VEIL_PRED_OFFSET * w0 + (1 << (log2WD - 1)));
    __m128i shift = _mm_cvtsi32_si128(log2WD);
#define BODY(input) __m256i v = weigh(input(pred), zero, weights, round, shift, offset);
    BLOCK_16(BODY(ROW))
    BLOCK_8(BODY(ROWS))
#undef BODY
}

static void weighted_bi(sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const int16_t *pred1, int w, int h,
    int log2WD, int w0, int w1, int o0, int o1, int bitDepth) {
    __m256i maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    __m256i weights = _mm256_set1_epi32((int)((uint32_t)(w0 & 0xffff) | (uint32_t)w1 << 16)),
            zero = _mm256_setzero_si256();
    __m256i round = _mm256_set1_epi32(VEIL_PRED_OFFSET * (w0 + w1) + (o0 + o1 + 1) * (1 << log2WD));
    __m128i shift = _mm_cvtsi32_si128(log2WD + 1);
#define BODY(input) __m256i v = weigh(input(pred0), input(pred1), weights, round, shift, zero);
    BLOCK_16(BODY(ROW))
    BLOCK_8(BODY(ROWS))
#undef BODY
}

void SIZED(veil_fill_weighted_avx2)(sample_kernels *k) {
    k->pred_put = put;
    k->pred_avg = avg;
    k->pred_weighted = weighted;
    k->pred_weighted_bi = weighted_bi;
}

#pragma clang attribute pop
#endif
