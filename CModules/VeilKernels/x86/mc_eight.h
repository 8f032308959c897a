// SPDX-License-Identifier: GPL-2.0-or-later
// Interpolation of samples of one byte: products of unsigned samples and signed factors, in pairs; every sum of a
// filter fits 16 bits (-6120 to 22440), whatever order it is added up in. Part of mc_avx2.c.

// A pair of 8-bit factors for _mm256_maddubs_epi16.
VEIL_INLINE __m256i pair_of_bytes(const int16_t *c) { return _mm256_set1_epi16((int16_t)((c[0] & 0xff) | c[1] * 256)); }

// The filter at 8 places of each lane, which holds 16 samples from the first tap of the first place on.
VEIL_INLINE __m256i sums_h(__m256i v, int taps, const __m256i *c) {
    __m256i pairs = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8));
    __m256i sum = _mm256_maddubs_epi16(_mm256_shuffle_epi8(v, pairs), c[0]);
    for (int i = 1; i < taps / 2; i++) {
        __m256i at = _mm256_add_epi8(pairs, _mm256_set1_epi8((int8_t)(2 * i)));
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(_mm256_shuffle_epi8(v, at), c[i]));
    }
    return sum;
}

VEIL_INLINE void columns_h(destination to, const output *o, const sample *src, ptrdiff_t stride, int x, int h, int n,
    int taps, const __m256i *c) {
    for (int y = 0; y < h; y += 2) {
        const sample *s = src + y * stride + x;
        // An odd number of rows comes only from the first of two filters, to an array with room for one more.
        const sample *t = y + 1 < h ? s + stride : s;
        emit_2x8(to, o, x, y, sums_h(load_2x8(s, t), taps, c), n, 0);
    }
}

VEIL_INLINE void filter_h(destination to, const output *o, const sample *src, ptrdiff_t stride, int w, int h, int taps,
    const int16_t *coeffs, int shift) {
    (void)shift;  // 0 for 8 bits
    __m256i c[4];
    for (int i = 0; i < taps / 2; i++) c[i] = pair_of_bytes(coeffs + 2 * i);
    src -= taps / 2 - 1;
    int x = 0;
    for (; x + 16 <= w; x += 16) {
        const sample *s = src + x;
        for (int y = 0; y < h; y++, s += stride) emit_16(to, o, x, y, sums_h(load_2x8(s, s + 8), taps, c), 0);
    }
    if (x + 8 <= w) {
        columns_h(to, o, src, stride, x, h, 8, taps, c);
        x += 8;
    }
    if (x < w) columns_h(to, o, src, stride, x, h, w - x, taps, c);
}

// Two rows, interleaved: columns 0...7 in the low lane, 8...15 in the high lane.
VEIL_INLINE __m256i rows_of_16(__m128i a, __m128i b) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi8(a, b)), _mm_unpackhi_epi8(a, b), 1);
}

// Pairs of rows that begin at an even row serve even output rows, the others odd ones. (Single variables instead of
// arrays: arrays would live in memory.)
VEIL_INLINE void columns_v_16(
    destination to, const output *o, const sample *src, ptrdiff_t stride, int x, int h, int taps, const __m256i *c) {
    const sample *s = src + x;
    __m128i last = LOAD128(s), row;
    __m256i even0, even1, even2, even3, odd0, odd1, odd2, odd3;
#define NEXT(pair) \
    do { \
        s += stride; \
        row = LOAD128(s); \
        pair = rows_of_16(last, row); \
        last = row; \
    } while (0)
#define SUM(p) \
    (taps == 8 \
            ? _mm256_add_epi16(_mm256_add_epi16(_mm256_maddubs_epi16(p##0, c[0]), _mm256_maddubs_epi16(p##1, c[1])), \
                  _mm256_add_epi16(_mm256_maddubs_epi16(p##2, c[2]), _mm256_maddubs_epi16(p##3, c[3]))) \
            : _mm256_add_epi16(_mm256_maddubs_epi16(p##0, c[0]), _mm256_maddubs_epi16(p##1, c[1])))
    NEXT(even0);
    NEXT(odd0);
    if (taps == 8) {
        NEXT(even1);
        NEXT(odd1);
        NEXT(even2);
        NEXT(odd2);
    }
    for (int y = 0; y < h; y += 2) {
        if (taps == 8) {
            NEXT(even3);
            NEXT(odd3);
        } else {
            NEXT(even1);
            NEXT(odd1);
        }
        emit_16(to, o, x, y, SUM(even), 0);
        emit_16(to, o, x, y + 1, SUM(odd), 0);
        even0 = even1, odd0 = odd1;
        if (taps == 8) even1 = even2, odd1 = odd2, even2 = even3, odd2 = odd3;
    }
#undef NEXT
#undef SUM
}

// Rows k and k + 1 lie in the lanes of one register, so every pair of rows serves two output rows.
VEIL_INLINE void columns_v_8(destination to, const output *o, const sample *src, ptrdiff_t stride, int x, int h, int n,
    int taps, const __m256i *c) {
    const sample *s = src + x;
    __m256i p0, p1, p2, p3, sum;
#define PAIR(p) \
    do { \
        __m128i middle = LOAD64(s + stride); \
        p = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi8(LOAD64(s), middle)), \
            _mm_unpacklo_epi8(middle, LOAD64(s + 2 * stride)), 1); \
        s += 2 * stride; \
    } while (0)
    PAIR(p0);
    if (taps == 8) {
        PAIR(p1);
        PAIR(p2);
    }
    for (int y = 0; y < h; y += 2) {
        if (taps == 8) {
            PAIR(p3);
        } else {
            PAIR(p1);
        }
        sum = _mm256_add_epi16(_mm256_maddubs_epi16(p0, c[0]), _mm256_maddubs_epi16(p1, c[1]));
        p0 = p1;
        if (taps == 8) {
            sum =
                _mm256_add_epi16(sum, _mm256_add_epi16(_mm256_maddubs_epi16(p2, c[2]), _mm256_maddubs_epi16(p3, c[3])));
            p1 = p2, p2 = p3;
        }
        emit_2x8(to, o, x, y, sum, n, 0);
    }
#undef PAIR
}

VEIL_INLINE void filter_v_samples(destination to, const output *o, const sample *src, ptrdiff_t stride, int w, int h,
    int taps, const int16_t *coeffs, int shift) {
    (void)shift;  // 0 for 8 bits
    __m256i c[4];
    for (int i = 0; i < taps / 2; i++) c[i] = pair_of_bytes(coeffs + 2 * i);
    src -= (taps / 2 - 1) * stride;
    int x = 0;
    for (; x + 16 <= w; x += 16) columns_v_16(to, o, src, stride, x, h, taps, c);
    for (; x < w; x += 8) columns_v_8(to, o, src, stride, x, h, w - x < 8 ? w - x : 8, taps, c);
}
