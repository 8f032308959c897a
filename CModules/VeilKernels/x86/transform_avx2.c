// SPDX-License-Identifier: GPL-2.0-or-later
// Inverse transformation (8.6.4) and picture construction (8.6.5), AVX2.
//
// A pass transforms 8 columns at a time, all sums in 32 bits, and leaves its result transposed; two passes make the
// transform. Coefficients are multiplied in pairs of rows by _mm256_madd_epi16.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

// Odd rows of the matrices by output: oddN[j][i] is the factor of row 2i + 1 in output j.
static const int16_t odd8[4][4] = {
    {89, 75, 50, 18},
    {75, -18, -89, -50},
    {50, -89, 18, 75},
    {18, -50, 75, -89},
};
static const int16_t odd16[8][8] = {
    {90, 87, 80, 70, 57, 43, 25, 9},
    {87, 57, 9, -43, -80, -90, -70, -25},
    {80, 9, -70, -87, -25, 57, 90, 43},
    {70, -43, -87, 9, 90, 25, -80, -57},
    {57, -80, -25, 90, -9, -87, 43, 70},
    {43, -90, 57, 25, -87, 70, 9, -80},
    {25, -70, 90, -80, 43, 9, -57, 87},
    {9, -25, 43, -57, 70, -80, 87, -90},
};
static const int16_t odd32[16][16] = {
    {90, 90, 88, 85, 82, 78, 73, 67, 61, 54, 46, 38, 31, 22, 13, 4},
    {90, 82, 67, 46, 22, -4, -31, -54, -73, -85, -90, -88, -78, -61, -38, -13},
    {88, 67, 31, -13, -54, -82, -90, -78, -46, -4, 38, 73, 90, 85, 61, 22},
    {85, 46, -13, -67, -90, -73, -22, 38, 82, 88, 54, -4, -61, -90, -78, -31},
    {82, 22, -54, -90, -61, 13, 78, 85, 31, -46, -90, -67, 4, 73, 88, 38},
    {78, -4, -82, -73, 13, 85, 67, -22, -88, -61, 31, 90, 54, -38, -90, -46},
    {73, -31, -90, -22, 78, 67, -38, -90, -13, 82, 61, -46, -88, -4, 85, 54},
    {67, -54, -78, 38, 85, -22, -90, 4, 90, 13, -88, -31, 82, 46, -73, -61},
    {61, -73, -46, 82, 31, -88, -13, 90, -4, -90, 22, 85, -38, -78, 54, 67},
    {54, -85, -4, 88, -46, -61, 82, 13, -90, 38, 67, -78, -22, 90, -31, -73},
    {46, -90, 38, 54, -90, 31, 61, -88, 22, 67, -85, 13, 73, -82, 4, 78},
    {38, -88, 73, -4, -67, 90, -46, -31, 85, -78, 13, 61, -90, 54, 22, -82},
    {31, -78, 90, -61, 4, 54, -88, 82, -38, -22, 73, -90, 67, -13, -46, 85},
    {22, -61, 85, -90, 73, -38, -4, 46, -78, 90, -82, 54, -13, -31, 67, -88},
    {13, -38, 61, -78, 88, -90, 85, -73, 54, -31, 4, 22, -46, 67, -82, 90},
    {4, -13, 22, -31, 38, -46, 54, -61, 67, -73, 78, -82, 85, -88, 90, -90},
};

// Rows a and b of 8 columns, interleaved: columns 0...3 in the low lane, 4...7 in the high lane.
VEIL_INLINE __m256i rows_of(const int16_t *a, const int16_t *b) {
    __m128i x = LOAD128(a), y = LOAD128(b);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi16(x, y)), _mm_unpackhi_epi16(x, y), 1);
}

VEIL_INLINE __m256i factors(int a, int b) {
    return _mm256_set1_epi32((int)((uint32_t)(a & 0xffff) | (uint32_t)b << 16));
}

// Size 8, from rows 0, step, 2 * step...; those from `rows` on are 0.
VEIL_INLINE void sums_8(const int16_t *in, ptrdiff_t step, int rows, __m256i round, __m256i *out) {
    __m256i p04, p26, p13, p57;
    if (rows > 4) {
        p04 = rows_of(in, in + 4 * step);
        p26 = rows_of(in + 2 * step, in + 6 * step);
        p57 = rows_of(in + 5 * step, in + 7 * step);
    } else {
        __m128i zero = _mm_setzero_si128(), x = LOAD128(in);
        p04 = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_unpacklo_epi16(x, zero)), _mm_unpackhi_epi16(x, zero), 1);
        if (rows > 2) {
            x = LOAD128(in + 2 * step);
            p26 = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_unpacklo_epi16(x, zero)), _mm_unpackhi_epi16(x, zero), 1);
        }
    }
    if (rows > 2) {
        p13 = rows_of(in + step, in + 3 * step);
    } else {
        __m128i zero = _mm_setzero_si128(), x = LOAD128(in + step);
        p13 = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_unpacklo_epi16(x, zero)), _mm_unpackhi_epi16(x, zero), 1);
    }
    __m256i e0 = _mm256_add_epi32(_mm256_madd_epi16(p04, factors(64, 64)), round);
    __m256i e1 = _mm256_add_epi32(_mm256_madd_epi16(p04, factors(64, -64)), round), e2 = e1, e3 = e0;
    if (rows > 2) {
        __m256i o0 = _mm256_madd_epi16(p26, factors(83, 36)), o1 = _mm256_madd_epi16(p26, factors(36, -83));
        e3 = _mm256_sub_epi32(e0, o0);
        e0 = _mm256_add_epi32(e0, o0);
        e2 = _mm256_sub_epi32(e1, o1);
        e1 = _mm256_add_epi32(e1, o1);
    }
#define ODD(j, e) \
    do { \
        __m256i o = _mm256_madd_epi16(p13, pair_of(odd8[j])); \
        if (rows > 4) o = _mm256_add_epi32(o, _mm256_madd_epi16(p57, pair_of(odd8[j] + 2))); \
        out[j] = _mm256_add_epi32(e, o); \
        out[7 - j] = _mm256_sub_epi32(e, o); \
    } while (0)
    ODD(0, e0);
    ODD(1, e1);
    ODD(2, e2);
    ODD(3, e3);
#undef ODD
}

VEIL_INLINE void sums_16(const int16_t *in, ptrdiff_t step, int rows, __m256i round, __m256i *out) {
    __m256i even[8], p0, p1, p2, p3;
    sums_8(in, 2 * step, rows / 2, round, even);
    p0 = rows_of(in + step, in + 3 * step);
    if (rows > 4) p1 = rows_of(in + 5 * step, in + 7 * step);
    if (rows > 8) p2 = rows_of(in + 9 * step, in + 11 * step), p3 = rows_of(in + 13 * step, in + 15 * step);
#pragma clang loop unroll(full)
    for (int j = 0; j < 8; j++) {
        __m256i o = _mm256_madd_epi16(p0, pair_of(odd16[j]));
        if (rows > 4) o = _mm256_add_epi32(o, _mm256_madd_epi16(p1, pair_of(odd16[j] + 2)));
        if (rows > 8) {
            o = _mm256_add_epi32(o, _mm256_madd_epi16(p2, pair_of(odd16[j] + 4)));
            o = _mm256_add_epi32(o, _mm256_madd_epi16(p3, pair_of(odd16[j] + 6)));
        }
        out[j] = _mm256_add_epi32(even[j], o);
        out[15 - j] = _mm256_sub_epi32(even[j], o);
    }
}

VEIL_INLINE void sums_32(const int16_t *in, ptrdiff_t step, int rows, __m256i round, __m256i *out) {
    __m256i even[16], p0, p1, p2, p3, p4, p5, p6, p7;
    sums_16(in, 2 * step, rows / 2, round, even);
#define PAIR(i) p##i = rows_of(in + (4 * i + 1) * step, in + (4 * i + 3) * step)
    PAIR(0);
    if (rows > 4) PAIR(1);
    if (rows > 8) {
        PAIR(2);
        PAIR(3);
    }
    if (rows > 16) {
        PAIR(4);
        PAIR(5);
        PAIR(6);
        PAIR(7);
    }
#undef PAIR
    for (int j = 0; j < 16; j++) {
        const int16_t *c = odd32[j];
#define ADD(i) o = _mm256_add_epi32(o, _mm256_madd_epi16(p##i, pair_of(c + 2 * i)))
        __m256i o = _mm256_madd_epi16(p0, pair_of(c));
        if (rows > 4) ADD(1);
        if (rows > 8) {
            ADD(2);
            ADD(3);
        }
        if (rows > 16) {
            ADD(4);
            ADD(5);
            ADD(6);
            ADD(7);
        }
#undef ADD
        out[j] = _mm256_add_epi32(even[j], o);
        out[31 - j] = _mm256_sub_epi32(even[j], o);
    }
}

// Where a pass leaves its result: in an array, or added to samples.
typedef enum { STORE_RESULT, ADD_RESULT } ending;

// Rows 0 and 4 of the place `at` elements into `out`.
VEIL_INLINE void finish(void *out, ptrdiff_t at, ptrdiff_t stride, __m256i v, ending end, __m256i maximum) {
    if (end == ADD_RESULT) {
        sample *low = (sample *)out + at, *high = low + 4 * stride;
        store_samples_2x8(low, high, clip_samples(_mm256_adds_epi16(load_samples_2x8(low, high), v), maximum));
    } else {
        int16_t *low = (int16_t *)out + at;
        store_2x8(low, low + 4 * stride, v);
    }
}

// One pass over `columns` columns (a multiple of 8) of `in`, whose rows from `rows` on are 0 and not read. Output row x
// holds the n results of column x.
VEIL_INLINE void pass(const int16_t *in, ptrdiff_t step, void *out, ptrdiff_t stride, int n, int rows, int columns,
    int shift, ending end, int bitDepth) {
    __m256i round = _mm256_set1_epi32(1 << (shift - 1)), maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    __m128i down = _mm_cvtsi32_si128(shift);
    for (int x = 0; x < columns; x += 8) {
        __m256i sums[32];
        if (n == 8) sums_8(in + x, step, rows, round, sums);
        if (n == 16) sums_16(in + x, step, rows, round, sums);
        if (n == 32) sums_32(in + x, step, rows, round, sums);
        for (int g = 0; g < n; g += 8) {
            const __m256i *s = sums + g;
#define PACK(i) _mm256_packs_epi32(_mm256_sra_epi32(s[i], down), _mm256_sra_epi32(s[i + 1], down))
            __m256i a = PACK(0), b = PACK(2), c = PACK(4), d = PACK(6);
#undef PACK
            // Every lane transposes 4 columns.
            __m256i e = _mm256_unpacklo_epi16(a, b), f = _mm256_unpackhi_epi16(a, b);
            __m256i h = _mm256_unpacklo_epi16(c, d), i = _mm256_unpackhi_epi16(c, d);
            a = _mm256_unpacklo_epi16(e, f), b = _mm256_unpackhi_epi16(e, f);
            c = _mm256_unpacklo_epi16(h, i), d = _mm256_unpackhi_epi16(h, i);
            ptrdiff_t at = x * stride + g;
            finish(out, at, stride, _mm256_unpacklo_epi64(a, c), end, maximum);
            finish(out, at + stride, stride, _mm256_unpackhi_epi64(a, c), end, maximum);
            finish(out, at + 2 * stride, stride, _mm256_unpacklo_epi64(b, d), end, maximum);
            finish(out, at + 3 * stride, stride, _mm256_unpackhi_epi64(b, d), end, maximum);
        }
    }
}

typedef void pass_fn(
    const int16_t *in, ptrdiff_t step, void *out, ptrdiff_t stride, int columns, int shift, ending end, int bitDepth);

// Passes for the number of rows that may differ from 0.
#define PASS(n, rows) \
    static void pass_##n##_##rows(const int16_t *in, ptrdiff_t step, void *out, ptrdiff_t stride, int columns, \
        int shift, ending end, int bitDepth) { \
        if (end == STORE_RESULT) { \
            pass(in, step, out, stride, n, rows, columns, shift, STORE_RESULT, bitDepth); \
        } else { \
            pass(in, step, out, stride, n, rows, columns, shift, ADD_RESULT, bitDepth); \
        } \
    }
PASS(8, 4)
PASS(8, 8)
PASS(16, 4)
PASS(16, 8)
PASS(16, 16)
PASS(32, 4)
PASS(32, 8)
PASS(32, 16)
PASS(32, 32)

// By size and by the last row in use.
static pass_fn *const passes[3][4] = {
    {pass_8_4, pass_8_8, pass_8_8, pass_8_8},
    {pass_16_4, pass_16_8, pass_16_16, pass_16_16},
    {pass_32_4, pass_32_8, pass_32_16, pass_32_32},
};

// 0 for rows 0...3, 1 for 0...7, 2 for 0...15, 3 for more.
VEIL_INLINE int extent(int last) { return (last > 3) + (last > 7) + (last > 15); }

VEIL_INLINE void inverse(
    void *out, ptrdiff_t stride, const int16_t *coeffs, int n, int maxX, int maxY, ending end, int bitDepth) {
    __attribute__((aligned(32))) int16_t columns[32 * 32];
    int across = extent(maxX);
    pass_fn *const *of = passes[n == 8 ? 0 : n == 16 ? 1 : 2];
    // The second pass reads as many rows as the first has made: 8 at least.
    of[extent(maxY)](coeffs, n, columns, n, veil_min(n, across ? 4 << across : 8), 7, STORE_RESULT, 8);
    of[across](columns, n, out, stride, n, 20 - bitDepth, end, bitDepth);
}

static void idct_dc_add(sample *dst, ptrdiff_t stride, int dc, int size, int bitDepth) {
    int shift = 20 - bitDepth;
    int column = veil_clip16((64 * dc + 64) >> 7);
    __m256i r = _mm256_set1_epi16(veil_clip16((64 * column + (1 << (shift - 1))) >> shift));
    __m256i maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    if (size >= 16) {
        for (int y = 0; y < size; y++, dst += stride) {
            store_samples_16(dst, clip_samples(_mm256_adds_epi16(load_samples_16(dst), r), maximum));
            if (size == 32)
                store_samples_16(dst + 16, clip_samples(_mm256_adds_epi16(load_samples_16(dst + 16), r), maximum));
        }
    } else if (size == 8) {
        for (int y = 0; y < 8; y += 2, dst += 2 * stride) {
            store_samples_2x8(
                dst, dst + stride, clip_samples(_mm256_adds_epi16(load_samples_2x8(dst, dst + stride), r), maximum));
        }
    } else {
        for (int y = 0; y < 4; y++, dst += stride) {
            store_samples_4(dst, clip_samples_8(_mm_adds_epi16(load_samples_4(dst), LOW(r)), LOW(maximum)));
        }
    }
}

// 4x4: the whole block in one register. Pairs of rows stand in both lanes, the factors of two outputs in one lane each.
VEIL_INLINE __m256i both(__m128i v) { return _mm256_broadcastsi128_si256(v); }

VEIL_INLINE __m256i lanes(int a0, int b0, int a1, int b1) {
    return _mm256_inserti128_si256(factors(a0, b0), LOW(factors(a1, b1)), 1);
}

// `m`: the matrix, m[k][j] for row k. Returns rows 0 and 2 of the residual in the low lane, 1 and 3 in the high lane.
VEIL_INLINE __m256i residual_4(const int16_t *coeffs, const int m[4][4], int bitDepth) {
    __m128i r01 = LOAD128(coeffs), r23 = LOAD128(coeffs + 8);
    __m256i a = both(_mm_unpacklo_epi16(r01, _mm_unpackhi_epi64(r01, r01)));
    __m256i b = both(_mm_unpacklo_epi16(r23, _mm_unpackhi_epi64(r23, r23)));
    __m256i round = _mm256_set1_epi32(64);
    __m256i y01 = _mm256_add_epi32(_mm256_madd_epi16(a, lanes(m[0][0], m[1][0], m[0][1], m[1][1])),
        _mm256_madd_epi16(b, lanes(m[2][0], m[3][0], m[2][1], m[3][1])));
    __m256i y23 = _mm256_add_epi32(_mm256_madd_epi16(a, lanes(m[0][2], m[1][2], m[0][3], m[1][3])),
        _mm256_madd_epi16(b, lanes(m[2][2], m[3][2], m[2][3], m[3][3])));
    y01 = _mm256_srai_epi32(_mm256_add_epi32(y01, round), 7);
    y23 = _mm256_srai_epi32(_mm256_add_epi32(y23, round), 7);
    __m256i t = _mm256_packs_epi32(y01, y23);
    // Now every row's pairs of neighbours against the factors of its 4 outputs.
    int shift = 20 - bitDepth;
    round = _mm256_set1_epi32(1 << (shift - 1));
    __m128i down = _mm_cvtsi32_si128(shift);
    __m256i c = both(_mm_setr_epi16((int16_t)m[0][0], (int16_t)m[1][0], (int16_t)m[0][1], (int16_t)m[1][1],
        (int16_t)m[0][2], (int16_t)m[1][2], (int16_t)m[0][3], (int16_t)m[1][3]));
    __m256i d = both(_mm_setr_epi16((int16_t)m[2][0], (int16_t)m[3][0], (int16_t)m[2][1], (int16_t)m[3][1],
        (int16_t)m[2][2], (int16_t)m[3][2], (int16_t)m[2][3], (int16_t)m[3][3]));
    y01 = _mm256_add_epi32(
        _mm256_madd_epi16(_mm256_shuffle_epi32(t, 0x00), c), _mm256_madd_epi16(_mm256_shuffle_epi32(t, 0x55), d));
    y23 = _mm256_add_epi32(
        _mm256_madd_epi16(_mm256_shuffle_epi32(t, 0xaa), c), _mm256_madd_epi16(_mm256_shuffle_epi32(t, 0xff), d));
    y01 = _mm256_sra_epi32(_mm256_add_epi32(y01, round), down);
    y23 = _mm256_sra_epi32(_mm256_add_epi32(y23, round), down);
    return _mm256_packs_epi32(y01, y23);
}

VEIL_INLINE void inverse_4_add(sample *dst, ptrdiff_t stride, const int16_t *coeffs, const int m[4][4], int bitDepth) {
    __m256i r = residual_4(coeffs, m, bitDepth);
    __m128i low = _mm_unpacklo_epi64(load_samples_4(dst), load_samples_4(dst + 2 * stride));
    __m128i high = _mm_unpacklo_epi64(load_samples_4(dst + stride), load_samples_4(dst + 3 * stride));
    __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    v = clip_samples(_mm256_adds_epi16(v, r), _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1)));
    low = LOW(v), high = HIGH(v);
    store_samples_4(dst, low);
    store_samples_4(dst + stride, high);
    store_samples_4(dst + 2 * stride, _mm_unpackhi_epi64(low, low));
    store_samples_4(dst + 3 * stride, _mm_unpackhi_epi64(high, high));
}

static const int dct4[4][4] = {{64, 64, 64, 64}, {83, 36, -36, -83}, {64, -64, -64, 64}, {36, -83, 83, -36}};
static const int dst4[4][4] = {{29, 55, 74, 84}, {74, 74, 0, -74}, {84, -29, -74, 55}, {55, -84, 74, -29}};

#define INVERSE_4(name, matrix) \
    static void name##_add(sample *dst, ptrdiff_t stride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) { \
        (void)maxX, (void)maxY; \
        inverse_4_add(dst, stride, coeffs, matrix, bitDepth); \
    }
INVERSE_4(idct4, dct4)
INVERSE_4(idst4, dst4)

#define INVERSE(n) \
    static void idct##n##_add( \
        sample *dst, ptrdiff_t stride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) { \
        if (maxX | maxY) { \
            inverse(dst, stride, coeffs, n, maxX, maxY, ADD_RESULT, bitDepth); \
        } else { \
            idct_dc_add(dst, stride, coeffs[0], n, bitDepth); \
        } \
    }
INVERSE(8)
INVERSE(16)
INVERSE(32)

// To residuals, whatever the samples.
#if VEIL_SAMPLE_BITS == 16
#define RESIDUAL_4(name, matrix) \
    static void name(int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) { \
        (void)maxX, (void)maxY; \
        __m256i r = residual_4(coeffs, matrix, bitDepth); \
        __m128i low = LOW(r), high = HIGH(r); \
        STORE64(residual, low); \
        STORE64(residual + stride, high); \
        STORE64(residual + 2 * stride, _mm_unpackhi_epi64(low, low)); \
        STORE64(residual + 3 * stride, _mm_unpackhi_epi64(high, high)); \
    }
RESIDUAL_4(idct4, dct4)
RESIDUAL_4(idst4, dst4)

#define RESIDUAL(n) \
    static void idct##n( \
        int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int maxX, int maxY, int bitDepth) { \
        inverse(residual, stride, coeffs, n, maxX, maxY, STORE_RESULT, bitDepth); \
    }
RESIDUAL(8)
RESIDUAL(16)
RESIDUAL(32)

static void skip_residual(int16_t *residual, ptrdiff_t stride, const int16_t *coeffs, int size, int bitDepth) {
    // (c << up) rounded >> down: down >= 8, up <= 10. In 32 bits.
    int log2 = size == 4 ? 2 : size == 8 ? 3 : size == 16 ? 4 : 5, down = 20 - bitDepth;
    __m128i left = _mm_cvtsi32_si128(5 + log2), right = _mm_cvtsi32_si128(down);
    __m256i round = _mm256_set1_epi32(1 << (down - 1));
    for (int y = 0; y < size; y++, residual += stride) {
        for (int x = 0; x < size; x += 8, coeffs += 8) {
            // 4x4: two rows at a time.
            __m256i v = _mm256_sll_epi32(_mm256_cvtepi16_epi32(LOAD128(coeffs)), left);
            v = _mm256_sra_epi32(_mm256_add_epi32(v, round), right);
            __m128i r = _mm_packs_epi32(LOW(v), HIGH(v));
            if (size == 4) {
                STORE64(residual, r);
                residual += stride, y++;
                STORE64(residual, _mm_unpackhi_epi64(r, r));
            } else {
                STORE128(residual + x, r);
            }
        }
    }
}
#endif

static void add_residual(
    sample *dst, ptrdiff_t dstStride, const int16_t *residual, ptrdiff_t stride, int w, int h, int bitDepth) {
    __m256i maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    int x = 0;
    for (; x + 16 <= w; x += 16) {
        for (int y = 0; y < h; y++) {
            sample *d = dst + y * dstStride + x;
            store_samples_16(
                d, clip_samples(_mm256_adds_epi16(load_samples_16(d), LOAD(residual + y * stride + x)), maximum));
        }
    }
    if (x + 8 <= w) {
        for (int y = 0; y < h; y++) {
            sample *d = dst + y * dstStride + x;
            store_samples_8(
                d, clip_samples_8(_mm_adds_epi16(load_samples_8(d), LOAD128(residual + y * stride + x)), LOW(maximum)));
        }
        x += 8;
    }
    if (x + 4 <= w) {
        for (int y = 0; y < h; y++) {
            sample *d = dst + y * dstStride + x;
            store_samples_4(
                d, clip_samples_8(_mm_adds_epi16(load_samples_4(d), LOAD64(residual + y * stride + x)), LOW(maximum)));
        }
        x += 4;
    }
    for (; x < w; x++) {
        for (int y = 0; y < h; y++) {
            dst[y * dstStride + x] = veil_clip_sample(dst[y * dstStride + x] + residual[y * stride + x], bitDepth);
        }
    }
}

void SIZED(veil_fill_transform_avx2)(sample_kernels *k) {
    k->idct_add[0] = idct4_add, k->idct_add[1] = idct8_add, k->idct_add[2] = idct16_add, k->idct_add[3] = idct32_add;
    k->idst4_add = idst4_add;
    k->idct_dc_add = idct_dc_add;
    k->add_residual = add_residual;
#if VEIL_SAMPLE_BITS == 16
    k->idct[0] = idct4, k->idct[1] = idct8, k->idct[2] = idct16, k->idct[3] = idct32;
    k->idst4 = idst4;
    k->skip_residual = skip_residual;
#endif
}

#pragma clang attribute pop
#endif
