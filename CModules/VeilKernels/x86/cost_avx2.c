// SPDX-License-Identifier: GPL-2.0-or-later
// SAD and SSE, AVX2. Hadamard costs are in satd_avx2.c.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

VEIL_INLINE uint32_t sum_32(__m256i v) {
    __m128i s = _mm_add_epi32(LOW(v), HIGH(v));
    s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
    return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

#if VEIL_SAMPLE_BITS == 8
VEIL_INLINE __m256i load_4x4_bytes(const sample *p, ptrdiff_t stride) {
    __m128i a = _mm_unpacklo_epi32(load_32(p), load_32(p + stride));
    __m128i b = _mm_unpacklo_epi32(load_32(p + 2 * stride), load_32(p + 3 * stride));
    return _mm256_zextsi128_si256(_mm_unpacklo_epi64(a, b));
}
#endif

// Four rows of 4.
VEIL_INLINE __m256i load_4x4(const sample *p, ptrdiff_t stride) {
#if VEIL_SAMPLE_BITS == 8
    return _mm256_cvtepu8_epi16(LOW(load_4x4_bytes(p, stride)));
#else
    __m128i a = _mm_unpacklo_epi64(LOAD64(p), LOAD64(p + stride));
    __m128i b = _mm_unpacklo_epi64(LOAD64(p + 2 * stride), LOAD64(p + 3 * stride));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
#endif
}

#if VEIL_SAMPLE_BITS == 8
// Bytes: two rows of 16; four rows of 8; four rows of 4.
VEIL_INLINE __m256i load_4x8_bytes(const sample *p, ptrdiff_t stride) {
    __m128i a = _mm_unpacklo_epi64(LOAD64(p), LOAD64(p + stride));
    __m128i b = _mm_unpacklo_epi64(LOAD64(p + 2 * stride), LOAD64(p + 3 * stride));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}
VEIL_INLINE void sad_of(
    uint32_t *out, const sample *a, ptrdiff_t aStride, const sample *const *b, ptrdiff_t bStride, int w, int h, int n) {
    __m256i total[4];
    for (int i = 0; i < n; i++) total[i] = _mm256_setzero_si256();
    int x = 0;
    for (; x + 32 <= w; x += 32) {
        for (int y = 0; y < h; y++) {
            __m256i v = LOAD(a + y * aStride + x);
            for (int i = 0; i < n; i++)
                total[i] = _mm256_add_epi32(total[i], _mm256_sad_epu8(v, LOAD(b[i] + y * bStride + x)));
        }
    }
    // Rows in groups, then what is left of them one by one.
#define STRIP(width, rows, GROUP, SINGLE) \
    if (x + width <= w) { \
        int y = 0; \
        for (; y + rows <= h; y += rows) { \
            __m256i v = GROUP(a + y * aStride + x, aStride); \
            for (int i = 0; i < n; i++) { \
                total[i] = _mm256_add_epi32(total[i], _mm256_sad_epu8(v, GROUP(b[i] + y * bStride + x, bStride))); \
            } \
        } \
        for (; y < h; y++) { \
            for (int i = 0; i < n; i++) { \
                __m128i v = _mm_sad_epu8(SINGLE(a + y * aStride + x), SINGLE(b[i] + y * bStride + x)); \
                total[i] = _mm256_add_epi32(total[i], _mm256_zextsi128_si256(v)); \
            } \
        } \
        x += width; \
    }
#define TWO_ROWS(p, stride) load_2x8(p, (p) + stride)
    STRIP(16, 2, TWO_ROWS, LOAD128)
    STRIP(8, 4, load_4x8_bytes, LOAD64)
    STRIP(4, 4, load_4x4_bytes, load_32)
    for (int i = 0; i < n; i++) out[i] = sum_32(total[i]);
}
#else
VEIL_INLINE __m256i difference(__m256i a, __m256i b) { return _mm256_abs_epi16(_mm256_sub_epi16(a, b)); }

// Adds 16-bit sums (of at most 8 differences of 12 bits each) to 32-bit ones.
VEIL_INLINE __m256i gather(__m256i total, __m256i v) {
    return _mm256_add_epi32(total, _mm256_madd_epi16(v, _mm256_set1_epi16(1)));
}

// n candidates against one block: the block's samples are loaded once.
VEIL_INLINE void sad_of(uint32_t *out, const uint16_t *a, ptrdiff_t aStride, const uint16_t *const *b,
    ptrdiff_t bStride, int w, int h, int n) {
    __m256i total[4];
    for (int i = 0; i < n; i++) total[i] = _mm256_setzero_si256();
    int x = 0;
    for (; x + 16 <= w; x += 16) {
        int y = 0;
        for (; y + 4 <= h; y += 4) {
            const uint16_t *s = a + y * aStride + x;
            __m256i a0 = LOAD(s), a1 = LOAD(s + aStride), a2 = LOAD(s + 2 * aStride), a3 = LOAD(s + 3 * aStride);
            for (int i = 0; i < n; i++) {
                const uint16_t *t = b[i] + y * bStride + x;
                __m256i v = _mm256_add_epi16(difference(a0, LOAD(t)), difference(a1, LOAD(t + bStride)));
                __m256i u =
                    _mm256_add_epi16(difference(a2, LOAD(t + 2 * bStride)), difference(a3, LOAD(t + 3 * bStride)));
                total[i] = gather(total[i], _mm256_add_epi16(u, v));
            }
        }
        for (; y < h; y++) {
            for (int i = 0; i < n; i++) {
                total[i] = gather(total[i], difference(LOAD(a + y * aStride + x), LOAD(b[i] + y * bStride + x)));
            }
        }
    }
    if (x + 8 <= w) {
        int y = 0;
        for (; y + 4 <= h; y += 4) {
            const uint16_t *s = a + y * aStride + x;
            __m256i a0 = load_2x8(s, s + aStride), a1 = load_2x8(s + 2 * aStride, s + 3 * aStride);
            for (int i = 0; i < n; i++) {
                const uint16_t *t = b[i] + y * bStride + x;
                __m256i v = difference(a0, load_2x8(t, t + bStride));
                __m256i u = difference(a1, load_2x8(t + 2 * bStride, t + 3 * bStride));
                total[i] = gather(total[i], _mm256_add_epi16(u, v));
            }
        }
        for (; y < h; y++) {
            for (int i = 0; i < n; i++) {
                __m128i v = _mm_abs_epi16(_mm_sub_epi16(LOAD128(a + y * aStride + x), LOAD128(b[i] + y * bStride + x)));
                total[i] = gather(total[i], _mm256_zextsi128_si256(v));
            }
        }
        x += 8;
    }
    if (x + 4 <= w) {
        int y = 0;
        for (; y + 4 <= h; y += 4) {
            __m256i a0 = load_4x4(a + y * aStride + x, aStride);
            for (int i = 0; i < n; i++) {
                total[i] = gather(total[i], difference(a0, load_4x4(b[i] + y * bStride + x, bStride)));
            }
        }
        for (; y < h; y++) {
            for (int i = 0; i < n; i++) {
                __m128i v = _mm_abs_epi16(_mm_sub_epi16(LOAD64(a + y * aStride + x), LOAD64(b[i] + y * bStride + x)));
                total[i] = gather(total[i], _mm256_zextsi128_si256(v));
            }
        }
    }
    for (int i = 0; i < n; i++) out[i] = sum_32(total[i]);
}
#endif

static uint32_t sad(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    uint32_t out;
    sad_of(&out, a, aStride, &b, bStride, w, h, 1);
    return out;
}

static void sad_x4(
    uint32_t *out, const sample *a, ptrdiff_t aStride, const sample *const *b, ptrdiff_t bStride, int w, int h) {
    sad_of(out, a, aStride, b, bStride, w, h, 4);
}

VEIL_INLINE __m256i square(__m256i a, __m256i b) {
    __m256i d = _mm256_sub_epi16(a, b);
    return _mm256_madd_epi16(d, d);
}

VEIL_INLINE __m256i widen(__m256i total, __m256i v) {
    __m256i zero = _mm256_setzero_si256();
    return _mm256_add_epi64(total, _mm256_add_epi64(_mm256_unpacklo_epi32(v, zero), _mm256_unpackhi_epi32(v, zero)));
}

VEIL_INLINE uint64_t sum_64(__m256i total) {
    __m128i s = _mm_add_epi64(LOW(total), HIGH(total));
    return (uint64_t)_mm_cvtsi128_si64(_mm_add_epi64(s, _mm_unpackhi_epi64(s, s)));
}

static uint64_t sse(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    __m256i total = _mm256_setzero_si256();
    // 32-bit sums hold 64 pairs of squares of 12 bits. Blocks go by strips of 64 rows at most, wider areas by rows.
    if (w <= 64 && h <= 64 && !(w & 3) && !(h & 3)) {
        int x = 0;
        for (; x + 16 <= w; x += 16) {
            __m256i sum = _mm256_setzero_si256(), other = sum;
            const sample *s = a + x, *t = b + x;
            for (int y = 0; y < h; y += 2, s += 2 * aStride, t += 2 * bStride) {
                sum = _mm256_add_epi32(sum, square(load_samples_16(s), load_samples_16(t)));
                other = _mm256_add_epi32(other, square(load_samples_16(s + aStride), load_samples_16(t + bStride)));
            }
            total = widen(total, _mm256_add_epi32(sum, other));
        }
        if (x + 8 <= w) {
            __m256i sum = _mm256_setzero_si256();
            const sample *s = a + x, *t = b + x;
            for (int y = 0; y < h; y += 2, s += 2 * aStride, t += 2 * bStride) {
                sum = _mm256_add_epi32(sum, square(load_samples_2x8(s, s + aStride), load_samples_2x8(t, t + bStride)));
            }
            total = widen(total, sum);
            x += 8;
        }
        if (x < w) {
            __m256i sum = _mm256_setzero_si256();
            for (int y = 0; y < h; y += 4) {
                sum = _mm256_add_epi32(
                    sum, square(load_4x4(a + y * aStride + x, aStride), load_4x4(b + y * bStride + x, bStride)));
            }
            total = widen(total, sum);
        }
        return sum_64(total);
    }
    uint64_t rest = 0;
    __m256i sum = _mm256_setzero_si256();
    int pending = 0;
    for (int y = 0; y < h; y++, a += aStride, b += bStride) {
        int x = 0;
        while (x + 16 <= w) {
            for (; pending < 64 && x + 16 <= w; x += 16, pending++)
                sum = _mm256_add_epi32(sum, square(load_samples_16(a + x), load_samples_16(b + x)));
            if (pending == 64) {
                total = widen(total, sum);
                sum = _mm256_setzero_si256();
                pending = 0;
            }
        }
        for (; x < w; x++) {
            int d = a[x] - b[x];
            rest += (uint32_t)(d * d);
        }
    }
    total = widen(total, sum);
    return rest + sum_64(total);
}

void SIZED(veil_fill_cost_avx2)(sample_kernels *k) {
    k->sad = sad;
    k->sad_x4 = sad_x4;
    k->sse = sse;
    SIZED(veil_fill_satd_avx2)(k);
}

#pragma clang attribute pop
#endif
