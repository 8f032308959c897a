// SPDX-License-Identifier: GPL-2.0-or-later
// Sample adaptive offset (8.7.3.2), AVX2. Offsets are looked up by a byte shuffle: of samples of two bytes a control of
// 0x0100 + 0x0202 * i takes the i-th of 8 words. Samples of one byte stay bytes, their highest bit turned over: so
// comparisons are right, and sums with signed saturation are clipped to 8 bits.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

typedef struct {
    __m256i table, position, maximum;
    __m128i shift;
} band_constants;

#if VEIL_SAMPLE_BITS == 8
#define TURNED(v) _mm256_xor_si256(v, _mm256_set1_epi8(-128))

// `v` already turned.
VEIL_INLINE __m256i with_offset(__m256i v, __m256i table, __m256i index) {
    return TURNED(_mm256_adds_epi8(v, _mm256_shuffle_epi8(table, index)));
}

VEIL_INLINE __m256i band_of(__m256i v, const band_constants *c) {
    __m256i most = _mm256_set1_epi8(31);
    __m256i k = _mm256_sub_epi8(_mm256_and_si256(_mm256_srl_epi16(v, c->shift), most), c->position);
    // Bands outside the four take byte 4, which is 0.
    k = _mm256_min_epu8(_mm256_and_si256(k, most), _mm256_set1_epi8(4));
    return with_offset(TURNED(v), c->table, k);
}

VEIL_INLINE __m256i edge_of(__m256i v, __m256i a, __m256i b, __m256i table, __m256i maximum) {
    (void)maximum;
    v = TURNED(v);
    a = TURNED(a);
    b = TURNED(b);
    __m256i more = _mm256_add_epi8(_mm256_cmpgt_epi8(v, a), _mm256_cmpgt_epi8(v, b));
    __m256i less = _mm256_add_epi8(_mm256_cmpgt_epi8(a, v), _mm256_cmpgt_epi8(b, v));
    return with_offset(v, table, _mm256_add_epi8(_mm256_sub_epi8(less, more), _mm256_set1_epi8(2)));
}

#define SAME(v) _mm256_set1_epi8((int8_t)(v))
#define TABLE(words) _mm256_broadcastsi128_si256(_mm_packs_epi16(words, _mm_setzero_si128()))
#else
VEIL_INLINE __m256i with_offset(__m256i v, __m256i table, __m256i index, __m256i maximum) {
    __m256i control = _mm256_add_epi16(_mm256_mullo_epi16(index, _mm256_set1_epi16(0x0202)), _mm256_set1_epi16(0x0100));
    return clip_samples(_mm256_add_epi16(v, _mm256_shuffle_epi8(table, control)), maximum);
}

VEIL_INLINE __m256i band_of(__m256i v, const band_constants *c) {
    __m256i k = _mm256_sub_epi16(_mm256_srl_epi16(v, c->shift), c->position);
    // Bands outside the four take word 4, which is 0.
    k = _mm256_min_epu16(_mm256_and_si256(k, _mm256_set1_epi16(31)), _mm256_set1_epi16(4));
    return with_offset(v, c->table, k, c->maximum);
}

VEIL_INLINE __m256i edge_of(__m256i v, __m256i a, __m256i b, __m256i table, __m256i maximum) {
    __m256i factor = _mm256_set1_epi16(0x0202);
    __m256i signs = _mm256_add_epi16(
        _mm256_sign_epi16(factor, _mm256_sub_epi16(v, a)), _mm256_sign_epi16(factor, _mm256_sub_epi16(v, b)));
    __m256i offset = _mm256_shuffle_epi8(table, _mm256_add_epi16(signs, _mm256_set1_epi16(0x0504)));
    return clip_samples(_mm256_add_epi16(v, offset), maximum);
}

#define SAME(v) _mm256_set1_epi16((int16_t)(v))
#define TABLE(words) _mm256_broadcastsi128_si256(words)
#endif

#define WIDER(v) _mm256_castsi128_si256(v)
enum { ALL = 32 / (int)sizeof(sample) };

static void band(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    int bandPosition, const int16_t *offsets, int bitDepth) {
    band_constants c;
    c.table = TABLE(LOAD64(offsets));
    c.position = SAME(bandPosition);
    c.maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    c.shift = _mm_cvtsi32_si128(bitDepth - 5);
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        int x = 0;
        for (; x + ALL <= w; x += ALL) STORE(dst + x, band_of(LOAD(src + x), &c));
        if (x + ALL / 2 <= w) {
            STORE128(dst + x, LOW(band_of(WIDER(LOAD128(src + x)), &c)));
            x += ALL / 2;
        }
        if (x + ALL / 4 <= w) {
            STORE64(dst + x, LOW(band_of(WIDER(LOAD64(src + x)), &c)));
            x += ALL / 4;
        }
        if (x < w) {
            sample rest[ALL / 4] = {0};
            memcpy(rest, src + x, (size_t)(w - x) * sizeof *dst);
            STORE64(rest, LOW(band_of(WIDER(LOAD64(rest)), &c)));
            memcpy(dst + x, rest, (size_t)(w - x) * sizeof *dst);
        }
    }
}

static void edge(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, int eoClass,
    const int16_t *offsets, int bitDepth) {
    static const int8_t hPos[4] = {-1, 0, -1, 1}, vPos[4] = {0, -1, -1, -1};
    ptrdiff_t n = vPos[eoClass] * srcStride + hPos[eoClass];
    // By the sum of both signs, from -2.
    __m256i table = TABLE(_mm_setr_epi16(offsets[0], offsets[1], 0, offsets[2], offsets[3], 0, 0, 0));
    __m256i maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        int x = 0;
        for (; x + ALL <= w; x += ALL) {
            const sample *s = src + x;
            STORE(dst + x, edge_of(LOAD(s), LOAD(s + n), LOAD(s - n), table, maximum));
        }
        if (x + ALL / 2 <= w) {
            const sample *s = src + x;
            __m256i v = edge_of(WIDER(LOAD128(s)), WIDER(LOAD128(s + n)), WIDER(LOAD128(s - n)), table, maximum);
            STORE128(dst + x, LOW(v));
            x += ALL / 2;
        }
        if (x + ALL / 4 <= w) {
            const sample *s = src + x;
            __m256i v = edge_of(WIDER(LOAD64(s)), WIDER(LOAD64(s + n)), WIDER(LOAD64(s - n)), table, maximum);
            STORE64(dst + x, LOW(v));
            x += ALL / 4;
        }
        if (x < w) {
            sample rest[3][ALL / 4] = {{0}};
            size_t bytes = (size_t)(w - x) * sizeof *dst;
            memcpy(rest[0], src + x, bytes);
            memcpy(rest[1], src + x + n, bytes);
            memcpy(rest[2], src + x - n, bytes);
            __m256i v = edge_of(WIDER(LOAD64(rest[0])), WIDER(LOAD64(rest[1])), WIDER(LOAD64(rest[2])), table, maximum);
            STORE64(rest[0], LOW(v));
            memcpy(dst + x, rest[0], bytes);
        }
    }
}

void SIZED(veil_fill_sao_avx2)(sample_kernels *k) {
    k->sao_band = band;
    k->sao_edge = edge;
}

#pragma clang attribute pop
#endif
