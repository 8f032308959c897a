// SPDX-License-Identifier: GPL-2.0-or-later
// Resampling (H.8.1.4), AVX2. The horizontal pass gathers the taps of eight outputs at a time, whatever their
// positions, and keeps the filters of these columns in registers over all rows.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

VEIL_INLINE int16_t one(const int16_t *c, const sample *s, int taps, int shift1) {
    int sum = 0;
    for (int i = 0; i < taps; i++) sum += c[i] * s[i];
    return (int16_t)(sum >> shift1);
}

VEIL_INLINE void store_8(int16_t *dst, __m256i sums, __m128i shift1) {
    sums = _mm256_sra_epi32(sums, shift1);
    STORE128(dst, _mm_packs_epi32(LOW(sums), HIGH(sums)));
}

#if VEIL_SAMPLE_BITS == 8
// Whether columns lie on samples and half-way between them by turns, as they do at twice the size.
static int is_doubled(const int32_t *position, const uint8_t *phase, int w) {
    const __m256i half = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    for (int x = 0; x < w; x += 8) {
        uint64_t phases;
        memcpy(&phases, phase + x, 8);
        const __m256i wanted = _mm256_add_epi32(half, _mm256_set1_epi32(position[0] + x / 2));
        const __m256i equal = _mm256_cmpeq_epi32(LOAD(position + x), wanted);
        if (phases != 0x0800080008000800 || _mm256_movemask_epi8(equal) != -1) return 0;
    }
    return 1;
}

// What lies half-way between 16 samples from s[0] on and their right neighbours. Sums stay within 16 bits.
VEIL_INLINE __m256i half_way(const sample *s, int taps) {
#define AROUND(k) _mm256_add_epi16(load_samples_16(s - (k)), load_samples_16(s + 1 + (k)))
    const __m256i inner = AROUND(0), next = AROUND(1);
    if (taps == 4)
        return _mm256_sub_epi16(
            _mm256_mullo_epi16(inner, _mm256_set1_epi16(36)), _mm256_slli_epi16(next, 2));
    const __m256i sum = _mm256_sub_epi16(
        _mm256_mullo_epi16(inner, _mm256_set1_epi16(40)), _mm256_mullo_epi16(next, _mm256_set1_epi16(11)));
    return _mm256_add_epi16(sum, _mm256_sub_epi16(_mm256_slli_epi16(AROUND(2), 2), AROUND(3)));
#undef AROUND
}

// Rows of a multiple of 16 columns at twice the size, of samples of 8 bits.
VEIL_INLINE void doubled(int16_t *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    int taps) {
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        for (int x = 0; x < w; x += 32) {
            const __m256i whole = _mm256_slli_epi16(load_samples_16(src + x / 2), 6);
            const __m256i between = half_way(src + x / 2, taps);
            const __m256i low = _mm256_unpacklo_epi16(whole, between), high = _mm256_unpackhi_epi16(whole, between);
            STORE(dst + x, _mm256_permute2x128_si256(low, high, 0x20));
            if (x + 16 < w) STORE(dst + x + 16, _mm256_permute2x128_si256(low, high, 0x31));
        }
    }
}
#endif

static void h_luma(int16_t *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int shift1) {
#if VEIL_SAMPLE_BITS == 8
    if (w % 16 == 0 && is_doubled(position, phase, w)) {
        doubled(dst, dstStride, src + position[0], srcStride, w, h, 8);
        return;
    }
#endif
    __m128i shift = _mm_cvtsi32_si128(shift1);
    int x = 0;
    for (; x < w && w >= 8; x += 8) {
        // The last columns overlap those before.
        if (x + 8 > w) x = w - 8;
        const sample *s[8];
        __m256i c[4];
        for (int i = 0; i < 8; i++) s[i] = src + position[x + i] - 3;
        // Columns i and i + 4 share a register: the horizontal additions then leave the outputs in order.
        for (int i = 0; i < 4; i++)
            c[i] = load_2x8(veil_resample_taps_luma[phase[x + i]], veil_resample_taps_luma[phase[x + i + 4]]);
        int16_t *to = dst + x;
        ptrdiff_t at = 0;
        for (int y = 0; y < h; y++, to += dstStride, at += srcStride) {
            __m256i p0 = _mm256_madd_epi16(load_samples_2x8(s[0] + at, s[4] + at), c[0]);
            __m256i p1 = _mm256_madd_epi16(load_samples_2x8(s[1] + at, s[5] + at), c[1]);
            __m256i p2 = _mm256_madd_epi16(load_samples_2x8(s[2] + at, s[6] + at), c[2]);
            __m256i p3 = _mm256_madd_epi16(load_samples_2x8(s[3] + at, s[7] + at), c[3]);
            store_8(to, _mm256_hadd_epi32(_mm256_hadd_epi32(p0, p1), _mm256_hadd_epi32(p2, p3)), shift);
        }
    }
    for (; x < w; x++)
        for (int y = 0; y < h; y++)
            dst[y * dstStride + x] =
                one(veil_resample_taps_luma[phase[x]], src + y * srcStride + position[x] - 3, 8, shift1);
}

VEIL_INLINE __m128i load_4_4(const void *a, const void *b) { return _mm_unpacklo_epi64(LOAD64(a), LOAD64(b)); }

VEIL_INLINE __m256i load_4x4(const void *a, const void *b, const void *c, const void *d) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(load_4_4(a, b)), load_4_4(c, d), 1);
}

VEIL_INLINE __m256i load_samples_4x4(const sample *a, const sample *b, const sample *c, const sample *d) {
#if VEIL_SAMPLE_BITS == 8
    __m128i low = _mm_unpacklo_epi32(load_32(a), load_32(b)), high = _mm_unpacklo_epi32(load_32(c), load_32(d));
    return _mm256_cvtepu8_epi16(_mm_unpacklo_epi64(low, high));
#else
    return load_4x4(a, b, c, d);
#endif
}

static void h_chroma(int16_t *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int shift1) {
#if VEIL_SAMPLE_BITS == 8
    if (w % 16 == 0 && is_doubled(position, phase, w)) {
        doubled(dst, dstStride, src + position[0], srcStride, w, h, 4);
        return;
    }
#endif
    __m128i shift = _mm_cvtsi32_si128(shift1);
    int x = 0;
    for (; x < w && w >= 8; x += 8) {
        // The last columns overlap those before.
        if (x + 8 > w) x = w - 8;
        const sample *s[8];
        const int16_t *t[8];
        for (int i = 0; i < 8; i++) {
            s[i] = src + position[x + i] - 1;
            t[i] = veil_resample_taps_chroma[phase[x + i]];
        }
        __m256i c0 = load_4x4(t[0], t[1], t[4], t[5]);
        __m256i c1 = load_4x4(t[2], t[3], t[6], t[7]);
        int16_t *to = dst + x;
        ptrdiff_t at = 0;
        for (int y = 0; y < h; y++, to += dstStride, at += srcStride) {
            __m256i p0 = _mm256_madd_epi16(load_samples_4x4(s[0] + at, s[1] + at, s[4] + at, s[5] + at), c0);
            __m256i p1 = _mm256_madd_epi16(load_samples_4x4(s[2] + at, s[3] + at, s[6] + at, s[7] + at), c1);
            store_8(to, _mm256_hadd_epi32(p0, p1), shift);
        }
    }
    for (; x < w; x++)
        for (int y = 0; y < h; y++)
            dst[y * dstStride + x] =
                one(veil_resample_taps_chroma[phase[x]], src + y * srcStride + position[x] - 1, 4, shift1);
}

VEIL_INLINE void vertical(sample *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int bitDepth, const int16_t *table, int taps) {
    int shift2 = 20 - bitDepth;
    __m128i shift = _mm_cvtsi32_si128(shift2), shiftWhole = _mm_cvtsi32_si128(shift2 - 6);
    __m256i round = _mm256_set1_epi32(1 << (shift2 - 1)), roundWhole = _mm256_set1_epi16((int16_t)(1 << (shift2 - 7)));
    __m256i maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    for (int y = 0; y < h; y++, dst += dstStride) {
        const int16_t *c = table + phase[y] * taps;
        const int16_t *s = src + (position[y] - (taps / 2 - 1)) * srcStride;
        int x = 0;
        if (phase[y] == 0) {
            // 64 * v: what saturates here is clipped below.
            const int16_t *v = src + position[y] * srcStride;
            for (; x < w && w >= 16; x += 16) {
                if (x + 16 > w) x = w - 16;
                store_samples_16(dst + x,
                    clip_samples(_mm256_sra_epi16(_mm256_adds_epi16(LOAD(v + x), roundWhole), shiftWhole), maximum));
            }
        } else {
            __m256i c0 = pair_of(c), c1 = pair_of(c + 2), c2 = round, c3 = round;
            if (taps == 8) {
                c2 = pair_of(c + 4);
                c3 = pair_of(c + 6);
            }
            for (; x < w && w >= 16; x += 16) {
                if (x + 16 > w) x = w - 16;
                const int16_t *p = s + x;
                __m256i a = LOAD(p), b = LOAD(p + srcStride);
                __m256i low = _mm256_add_epi32(round, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), c0));
                __m256i high = _mm256_add_epi32(round, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), c0));
                a = LOAD(p + 2 * srcStride), b = LOAD(p + 3 * srcStride);
                low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), c1));
                high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), c1));
                if (taps == 8) {
                    a = LOAD(p + 4 * srcStride), b = LOAD(p + 5 * srcStride);
                    low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), c2));
                    high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), c2));
                    a = LOAD(p + 6 * srcStride), b = LOAD(p + 7 * srcStride);
                    low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), c3));
                    high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), c3));
                }
                low = _mm256_sra_epi32(low, shift);
                high = _mm256_sra_epi32(high, shift);
                store_samples_16(dst + x, _mm256_min_epu16(_mm256_packus_epi32(low, high), maximum));
            }
        }
        for (; x < w; x++) dst[x] = veil_resample_sample(s + x, srcStride, c, taps, bitDepth);
    }
}

static void v_luma(sample *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int bitDepth) {
    vertical(dst, dstStride, src, srcStride, w, h, position, phase, bitDepth, veil_resample_taps_luma[0], 8);
}

static void v_chroma(sample *dst, ptrdiff_t dstStride, const int16_t *src, ptrdiff_t srcStride, int w, int h,
    const int32_t *position, const uint8_t *phase, int bitDepth) {
    vertical(dst, dstStride, src, srcStride, w, h, position, phase, bitDepth, veil_resample_taps_chroma[0], 4);
}

void SIZED(veil_fill_resample_avx2)(sample_kernels *k) {
    k->resample_h_luma = h_luma;
    k->resample_h_chroma = h_chroma;
    k->resample_v_luma = v_luma;
    k->resample_v_chroma = v_chroma;
}

#pragma clang attribute pop
#endif
