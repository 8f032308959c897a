// SPDX-License-Identifier: GPL-2.0-or-later
// Sample adaptive offset (8.7.3.2), AVX2. Offsets are looked up by a byte shuffle: a control of 0x0100 + 0x0202 * i
// takes the i-th of 8 words.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

typedef struct {
    __m256i table, base, factor, position, maximum;
    __m128i shift;
} band_constants;

VEIL_INLINE __m256i band_of(__m256i v, const band_constants *c) {
    __m256i k = _mm256_sub_epi16(_mm256_srl_epi16(v, c->shift), c->position);
    // Bands outside the four take word 4, which is 0.
    k = _mm256_min_epu16(_mm256_and_si256(k, _mm256_set1_epi16(31)), _mm256_set1_epi16(4));
    __m256i control = _mm256_add_epi16(_mm256_mullo_epi16(k, c->factor), c->base);
    return clip_samples(_mm256_add_epi16(v, _mm256_shuffle_epi8(c->table, control)), c->maximum);
}

static void band(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    int bandPosition, const int16_t *offsets, int bitDepth) {
    band_constants c;
    c.table = _mm256_broadcastsi128_si256(LOAD64(offsets));
    c.base = _mm256_set1_epi16(0x0100);
    c.factor = _mm256_set1_epi16(0x0202);
    c.position = _mm256_set1_epi16((int16_t)bandPosition);
    c.maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    c.shift = _mm_cvtsi32_si128(bitDepth - 5);
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        int x = 0;
        for (; x + 16 <= w; x += 16) store_samples_16(dst + x, band_of(load_samples_16(src + x), &c));
        if (x + 8 <= w) {
            store_samples_8(dst + x, LOW(band_of(_mm256_castsi128_si256(load_samples_8(src + x)), &c)));
            x += 8;
        }
        if (x < w) {
            sample rest[8] = {0};
            memcpy(rest, src + x, (size_t)(w - x) * sizeof *dst);
            store_samples_8(rest, LOW(band_of(_mm256_castsi128_si256(load_samples_8(rest)), &c)));
            memcpy(dst + x, rest, (size_t)(w - x) * sizeof *dst);
        }
    }
}

VEIL_INLINE __m256i edge_of(__m256i v, __m256i a, __m256i b, __m256i table, __m256i maximum) {
    __m256i factor = _mm256_set1_epi16(0x0202);
    __m256i signs = _mm256_add_epi16(
        _mm256_sign_epi16(factor, _mm256_sub_epi16(v, a)), _mm256_sign_epi16(factor, _mm256_sub_epi16(v, b)));
    __m256i offset = _mm256_shuffle_epi8(table, _mm256_add_epi16(signs, _mm256_set1_epi16(0x0504)));
    return clip_samples(_mm256_add_epi16(v, offset), maximum);
}

static void edge(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, int eoClass,
    const int16_t *offsets, int bitDepth) {
    static const int8_t hPos[4] = {-1, 0, -1, 1}, vPos[4] = {0, -1, -1, -1};
    ptrdiff_t n = vPos[eoClass] * srcStride + hPos[eoClass];
    // By the sum of both signs, from -2.
    __m256i table =
        _mm256_broadcastsi128_si256(_mm_setr_epi16(offsets[0], offsets[1], 0, offsets[2], offsets[3], 0, 0, 0));
    __m256i maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        int x = 0;
        for (; x + 16 <= w; x += 16) {
            store_samples_16(dst + x,
                edge_of(load_samples_16(src + x), load_samples_16(src + x + n), load_samples_16(src + x - n), table,
                    maximum));
        }
#define WIDER(v) _mm256_castsi128_si256(v)
        if (x + 8 <= w) {
            const sample *s = src + x;
            store_samples_8(dst + x,
                LOW(edge_of(WIDER(load_samples_8(s)), WIDER(load_samples_8(s + n)), WIDER(load_samples_8(s - n)), table,
                    maximum)));
            x += 8;
        }
        if (x < w) {
            sample rest[3][8] = {{0}};
            size_t bytes = (size_t)(w - x) * sizeof *dst;
            memcpy(rest[0], src + x, bytes);
            memcpy(rest[1], src + x + n, bytes);
            memcpy(rest[2], src + x - n, bytes);
            __m256i v = edge_of(WIDER(load_samples_8(rest[0])), WIDER(load_samples_8(rest[1])),
                WIDER(load_samples_8(rest[2])), table, maximum);
            store_samples_8(rest[0], LOW(v));
            memcpy(dst + x, rest[0], bytes);
        }
#undef WIDER
    }
}

void SIZED(veil_fill_sao_avx2)(sample_kernels *k) {
    k->sao_band = band;
    k->sao_edge = edge;
}

#pragma clang attribute pop
#endif
