// SPDX-License-Identifier: GPL-2.0-or-later
// Hadamard costs, AVX2. With samples of 10 bits 5 of the 6 butterflies of an 8x8 transform stay within 16 bits; the
// last one is replaced by |a + b| + |a - b| = 2 * max(|a|, |b|).
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

#define BUTTERFLY(add, sub, a, b) \
    do { \
        t = sub(a, b); \
        a = add(a, b); \
        b = t; \
    } while (0)
#define BUTTERFLY_16(a, b) BUTTERFLY(_mm256_add_epi16, _mm256_sub_epi16, a, b)
#define BUTTERFLY_8(a, b) BUTTERFLY(_mm_add_epi16, _mm_sub_epi16, a, b)

// Two 8x8 blocks of differences, one in each lane of 8 rows. Returns (sum + 2) >> 2 of each, in every
// element of its lane.
VEIL_INLINE __m256i cost_8x8(__m256i *d) {
    __m256i t;
    __m256i a = d[0], b = d[1], c = d[2], e = d[3], f = d[4], g = d[5], h = d[6], i = d[7];
    BUTTERFLY_16(a, f);
    BUTTERFLY_16(b, g);
    BUTTERFLY_16(c, h);
    BUTTERFLY_16(e, i);
    BUTTERFLY_16(a, c);
    BUTTERFLY_16(b, e);
    BUTTERFLY_16(f, h);
    BUTTERFLY_16(g, i);
    BUTTERFLY_16(a, b);
    BUTTERFLY_16(c, e);
    BUTTERFLY_16(f, g);
    BUTTERFLY_16(h, i);
    // The horizontal butterflies follow interleavings that set the columns in question against each other; where they
    // come from otherwise does not matter to a sum.
#define INTERLEAVE_64(a, b) \
    do { \
        t = _mm256_unpacklo_epi64(a, b); \
        b = _mm256_unpackhi_epi64(a, b); \
        a = t; \
    } while (0)
    INTERLEAVE_64(a, f);  // columns 0...3 of two rows; 4...7
    INTERLEAVE_64(b, g);
    INTERLEAVE_64(c, h);
    INTERLEAVE_64(e, i);
    BUTTERFLY_16(a, f);
    BUTTERFLY_16(b, g);
    BUTTERFLY_16(c, h);
    BUTTERFLY_16(e, i);
#define SHUFFLE_32(a, b, control) \
    _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), control))
#define INTERLEAVE_32(a, b) \
    do { \
        t = SHUFFLE_32(a, b, 0x88); \
        b = SHUFFLE_32(a, b, 0xdd); \
        a = t; \
    } while (0)
    INTERLEAVE_32(a, c);  // even pairs of columns; odd ones
    INTERLEAVE_32(b, e);
    INTERLEAVE_32(f, h);
    INTERLEAVE_32(g, i);
    BUTTERFLY_16(a, c);
    BUTTERFLY_16(b, e);
    BUTTERFLY_16(f, h);
    BUTTERFLY_16(g, i);
    // Neighbouring words: the last butterfly, by the maximum of each pair.
#define LAST(a, b) \
    do { \
        a = _mm256_abs_epi16(a); \
        b = _mm256_abs_epi16(b); \
        t = _mm256_max_epi16(_mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa), \
            _mm256_blend_epi16(_mm256_srli_epi32(a, 16), b, 0xaa)); \
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(t, _mm256_set1_epi16(1))); \
    } while (0)
    __m256i sum = _mm256_setzero_si256();
    LAST(a, b);
    LAST(c, e);
    LAST(f, g);
    LAST(h, i);
    // Half of the sum s of each lane, everywhere in it; (2s + 2) >> 2 == (s + 1) >> 1.
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0x4e));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0xb1));
    return _mm256_srli_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(1)), 1);
}

static uint32_t satd_8x8(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    __m256i total = _mm256_setzero_si256(), d[8];
    for (int y = 0; y < h; y += 8, a += 8 * aStride, b += 8 * bStride) {
        int x = 0;
        for (; x + 16 <= w; x += 16) {
            for (int i = 0; i < 8; i++)
                d[i] = _mm256_sub_epi16(load_samples_16(a + i * aStride + x), load_samples_16(b + i * bStride + x));
            total = _mm256_add_epi32(total, cost_8x8(d));
        }
        // A last column of blocks: two of it at a time, or one beside nothing.
        if (x < w && !(y & 8)) {
            const sample *s = a + x, *r = b + x;
            if (y + 8 < h) {
                for (int i = 0; i < 8; i++, s += aStride, r += bStride) {
                    d[i] = _mm256_sub_epi16(load_samples_2x8(s, s + 8 * aStride), load_samples_2x8(r, r + 8 * bStride));
                }
            } else {
                for (int i = 0; i < 8; i++, s += aStride, r += bStride) {
                    d[i] = _mm256_zextsi128_si256(_mm_sub_epi16(load_samples_8(s), load_samples_8(r)));
                }
            }
            total = _mm256_add_epi32(total, cost_8x8(d));
        }
    }
    return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(LOW(total), HIGH(total)));
}

// Two 4x4 blocks of differences side by side: half of both sums, which needs no rounding, in 4 parts.
VEIL_INLINE __m128i cost_4x4(__m128i a, __m128i b, __m128i c, __m128i d) {
    __m128i t;
    BUTTERFLY_8(a, c);
    BUTTERFLY_8(b, d);
    BUTTERFLY_8(a, b);
    BUTTERFLY_8(c, d);
    // Columns of the first block, then of the second.
    __m128i ab = _mm_unpacklo_epi16(a, b), cd = _mm_unpacklo_epi16(c, d);
    __m128i ef = _mm_unpackhi_epi16(a, b), gh = _mm_unpackhi_epi16(c, d);
    a = _mm_unpacklo_epi32(ab, cd), b = _mm_unpackhi_epi32(ab, cd);
    c = _mm_unpacklo_epi32(ef, gh), d = _mm_unpackhi_epi32(ef, gh);
    BUTTERFLY_8(a, b);
    BUTTERFLY_8(c, d);
    __m128i first = _mm_abs_epi16(_mm_unpacklo_epi64(a, b)), second = _mm_abs_epi16(_mm_unpackhi_epi64(a, b));
    __m128i third = _mm_abs_epi16(_mm_unpacklo_epi64(c, d)), fourth = _mm_abs_epi16(_mm_unpackhi_epi64(c, d));
    __m128i sum = _mm_add_epi16(_mm_max_epi16(first, second), _mm_max_epi16(third, fourth));
    return _mm_madd_epi16(sum, _mm_set1_epi16(1));
}

static uint32_t satd_4x4(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    __m128i total = _mm_setzero_si128();
    for (int y = 0; y < h; y += 4, a += 4 * aStride, b += 4 * bStride) {
        int x = 0;
#define ROW(i) _mm_sub_epi16(load_samples_8(a + i * aStride + x), load_samples_8(b + i * bStride + x))
        for (; x + 8 <= w; x += 8) total = _mm_add_epi32(total, cost_4x4(ROW(0), ROW(1), ROW(2), ROW(3)));
#undef ROW
#define ROW(i) _mm_sub_epi16(load_samples_4(a + i * aStride + x), load_samples_4(b + i * bStride + x))
        if (x < w) total = _mm_add_epi32(total, cost_4x4(ROW(0), ROW(1), ROW(2), ROW(3)));
#undef ROW
    }
    total = _mm_add_epi32(total, _mm_unpackhi_epi64(total, total));
    return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(total, _mm_shuffle_epi32(total, 1)));
}

static uint32_t satd(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    return (w | h) & 7 ? satd_4x4(a, aStride, b, bStride, w, h) : satd_8x8(a, aStride, b, bStride, w, h);
}

void SIZED(veil_fill_satd_avx2)(sample_kernels *k) { k->satd = satd; }

#pragma clang attribute pop
#endif
