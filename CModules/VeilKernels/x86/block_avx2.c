// SPDX-License-Identifier: GPL-2.0-or-later
// Plain work on blocks, AVX2.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

// Goes over a block in strips of 32, 16, 8 and 4 bytes, and single samples, a short loop over the rows in each. V256,
// V128, V64, V32 and ONE compute what goes to dst[y * dstStride + x].
#define STRIPS(V256, V128, V64, V32, ONE) \
    do { \
        int x = 0, all = 32 / (int)sizeof *dst; \
        for (; x + all <= w; x += all) { \
            for (int y = 0; y < h; y++) STORE(dst + y * dstStride + x, V256); \
        } \
        if (x + all / 2 <= w) { \
            for (int y = 0; y < h; y++) STORE128(dst + y * dstStride + x, V128); \
            x += all / 2; \
        } \
        if (x + all / 4 <= w) { \
            for (int y = 0; y < h; y++) STORE64(dst + y * dstStride + x, V64); \
            x += all / 4; \
        } \
        if (x + all / 8 <= w) { \
            for (int y = 0; y < h; y++) store_32(dst + y * dstStride + x, V32); \
            x += all / 8; \
        } \
        for (; x < w; x++) { \
            for (int y = 0; y < h; y++) dst[y * dstStride + x] = ONE; \
        } \
    } while (0)

#if VEIL_SAMPLE_BITS == 8
#define AVERAGE_256 _mm256_avg_epu8
#define AVERAGE_128 _mm_avg_epu8
#define SAME(v) _mm256_set1_epi8((int8_t)(v))
#else
#define AVERAGE_256 _mm256_avg_epu16
#define AVERAGE_128 _mm_avg_epu16
#define SAME(v) _mm256_set1_epi16((int16_t)(v))
#endif

#define A (a + y * aStride + x)
#define B (b + y * bStride + x)
static void average(sample *dst, ptrdiff_t dstStride, const sample *a, ptrdiff_t aStride, const sample *b,
    ptrdiff_t bStride, int w, int h) {
    STRIPS(AVERAGE_256(LOAD(A), LOAD(B)), AVERAGE_128(LOAD128(A), LOAD128(B)), AVERAGE_128(LOAD64(A), LOAD64(B)),
        AVERAGE_128(load_32(A), load_32(B)), (sample)((*A + *B + 1) >> 1));
}

static void residual(int16_t *dst, ptrdiff_t dstStride, const sample *a, ptrdiff_t aStride, const sample *b,
    ptrdiff_t bStride, int w, int h) {
    STRIPS(_mm256_sub_epi16(load_samples_16(A), load_samples_16(B)),
        _mm_sub_epi16(load_samples_8(A), load_samples_8(B)), _mm_sub_epi16(load_samples_4(A), load_samples_4(B)),
        _mm_sub_epi16(load_samples_2(A), load_samples_2(B)), (int16_t)(*A - *B));
}
#undef A
#undef B

static void copy(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h) {
    if (w > 64) {
        for (int y = 0; y < h; y++) memcpy(dst + y * dstStride, src + y * srcStride, (size_t)w * sizeof *dst);
        return;
    }
#define S (src + y * srcStride + x)
    STRIPS(LOAD(S), LOAD128(S), LOAD64(S), load_32(S), *S);
#undef S
}

static void fill(sample *dst, ptrdiff_t dstStride, int value, int w, int h) {
    __m256i v = SAME(value);
    STRIPS(v, LOW(v), LOW(v), LOW(v), (sample)value);
}

#if VEIL_SAMPLE_BITS == 16
static void narrow(
    uint8_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int shift) {
    __m128i right = _mm_cvtsi32_si128(shift);
    __m256i most = _mm256_set1_epi16(255);
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        int x = 0;
        for (; x + 32 <= w; x += 32) {
            __m256i a = _mm256_min_epu16(_mm256_srl_epi16(LOAD(src + x), right), most);
            __m256i b = _mm256_min_epu16(_mm256_srl_epi16(LOAD(src + x + 16), right), most);
            STORE(dst + x, _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8));
        }
        for (; x + 8 <= w; x += 8) {
            __m128i a = _mm_min_epu16(_mm_srl_epi16(LOAD128(src + x), right), LOW(most));
            STORE64(dst + x, _mm_packus_epi16(a, a));
        }
        for (; x < w; x++) dst[x] = (uint8_t)veil_min(255, src[x] >> shift);
    }
}

static void widen(uint16_t *dst, ptrdiff_t dstStride, const uint8_t *src, ptrdiff_t srcStride, int w, int h) {
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        int x = 0;
        for (; x + 16 <= w; x += 16) STORE(dst + x, _mm256_cvtepu8_epi16(LOAD128(src + x)));
        for (; x < w; x++) dst[x] = src[x];
    }
}
#endif

void SIZED(veil_fill_block_avx2)(sample_kernels *k) {
    k->average = average;
    k->copy = copy;
    k->fill = fill;
    k->residual = residual;
#if VEIL_SAMPLE_BITS == 16
    k->narrow = narrow;
    k->widen = widen;
#endif
}

#pragma clang attribute pop
#endif
