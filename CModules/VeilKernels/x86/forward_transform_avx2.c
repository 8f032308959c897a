// SPDX-License-Identifier: GPL-2.0-or-later
// Forward transformation, AVX2.
//
// A pass takes 8 rows at a time, transposes them into one vector a column, and leaves the transposed result: two passes
// make the transform. Columns are added and subtracted in 16 bits before they are multiplied, which the first pass
// always allows (three additions of 13 bits) and the second one where its input is small enough; else all products are
// taken one by one.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

// Columns 0...7 of 8 rows, a vector each.
VEIL_INLINE void transpose_8x8(__m128i *v, const int16_t *in, ptrdiff_t step) {
    __m128i a = LOAD128(in), b = LOAD128(in + step), c = LOAD128(in + 2 * step), d = LOAD128(in + 3 * step);
    __m128i e = LOAD128(in + 4 * step), f = LOAD128(in + 5 * step), g = LOAD128(in + 6 * step),
            h = LOAD128(in + 7 * step);
    __m128i ab = _mm_unpacklo_epi16(a, b), cd = _mm_unpacklo_epi16(c, d);
    __m128i ef = _mm_unpacklo_epi16(e, f), gh = _mm_unpacklo_epi16(g, h);
    __m128i p = _mm_unpacklo_epi32(ab, cd), q = _mm_unpackhi_epi32(ab, cd);
    __m128i r = _mm_unpacklo_epi32(ef, gh), s = _mm_unpackhi_epi32(ef, gh);
    v[0] = _mm_unpacklo_epi64(p, r), v[1] = _mm_unpackhi_epi64(p, r);
    v[2] = _mm_unpacklo_epi64(q, s), v[3] = _mm_unpackhi_epi64(q, s);
    ab = _mm_unpackhi_epi16(a, b), cd = _mm_unpackhi_epi16(c, d);
    ef = _mm_unpackhi_epi16(e, f), gh = _mm_unpackhi_epi16(g, h);
    p = _mm_unpacklo_epi32(ab, cd), q = _mm_unpackhi_epi32(ab, cd);
    r = _mm_unpacklo_epi32(ef, gh), s = _mm_unpackhi_epi32(ef, gh);
    v[4] = _mm_unpacklo_epi64(p, r), v[5] = _mm_unpackhi_epi64(p, r);
    v[6] = _mm_unpacklo_epi64(q, s), v[7] = _mm_unpackhi_epi64(q, s);
}

// Two columns beside each other, for _mm256_madd_epi16: rows 0...3 in the low lane, 4...7 in the high lane.
VEIL_INLINE __m256i pairs(__m128i a, __m128i b) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_unpacklo_epi16(a, b)), _mm_unpackhi_epi16(a, b), 1);
}

VEIL_INLINE void put_pair(int16_t *at, ptrdiff_t step, __m256i a, __m256i b, __m256i round, __m128i down) {
    a = _mm256_sra_epi32(_mm256_add_epi32(a, round), down);
    b = _mm256_sra_epi32(_mm256_add_epi32(b, round), down);
    __m256i v = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
    store_2x8(at, at + step, v);
}

// Outputs k = first, first + step... (count of them, even) of `terms` columns (even) with the factors of the matrix
// rows of a transform of size n.
VEIL_INLINE void outputs(int16_t *out, ptrdiff_t outStep, const __m128i *v, int terms, int first, int kStep, int count,
    int n, __m256i round, __m128i down) {
    __m256i p[16];
    for (int i = 0; i < terms / 2; i++) p[i] = pairs(v[2 * i], v[2 * i + 1]);
    for (int i = 0; i < count; i += 2) {
        int k = first + i * kStep;
        const int16_t *m = veil_dct_matrix[k * (32 / n)], *m2 = veil_dct_matrix[(k + kStep) * (32 / n)];
        __m256i a = _mm256_madd_epi16(p[0], pair_of(m)), b = _mm256_madd_epi16(p[0], pair_of(m2));
        for (int j = 1; j < terms / 2; j++) {
            a = _mm256_add_epi32(a, _mm256_madd_epi16(p[j], pair_of(m + 2 * j)));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(p[j], pair_of(m2 + 2 * j)));
        }
        put_pair(out + k * outStep, kStep * outStep, a, b, round, down);
    }
}

// Sums of the first half of n columns with the mirrored second half go to the front, differences behind them.
VEIL_INLINE void fold(__m128i *v, int n) {
    __m128i t[16];
    for (int i = 0; i < n / 2; i++) {
        t[i] = _mm_sub_epi16(v[i], v[n - 1 - i]);
        v[i] = _mm_add_epi16(v[i], v[n - 1 - i]);
    }
    for (int i = 0; i < n / 2; i++) v[n / 2 + i] = t[i];
}

VEIL_INLINE void pass(int16_t *out, const int16_t *in, ptrdiff_t step, int n, int shift, int folded) {
    __m256i round = _mm256_set1_epi32(1 << (shift - 1));
    __m128i down = _mm_cvtsi32_si128(shift);
    for (int y = 0; y < n; y += 8, in += 8 * step, out += 8) {
        __m128i v[32];
        for (int x = 0; x < n; x += 8) transpose_8x8(v + x, in + x, step);
        if (!folded) {
            outputs(out, n, v, n, 0, 1, n, n, round, down);
            continue;
        }
        int size = n, kStep = 1;
        for (; size > 4; size /= 2, kStep *= 2) {
            fold(v, size);
            outputs(out, n, v + size / 2, size / 2, kStep, 2 * kStep, size / 2, n, round, down);
        }
        outputs(out, n, v, 4, 0, kStep, 4, n, round, down);
    }
}

// Whether three additions of such values stay within 16 bits.
VEIL_INLINE int is_small(const int16_t *in, int count) {
    __m256i most = _mm256_setzero_si256();
    for (int i = 0; i < count; i += 16) most = _mm256_max_epu16(most, _mm256_abs_epi16(LOAD(in + i)));
    return _mm256_testz_si256(most, _mm256_set1_epi16((int16_t)0xf000));
}

VEIL_INLINE void forward(
    int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int n, int log2Size, int bitDepth) {
    __attribute__((aligned(32))) int16_t rows[32 * 32];
    pass(rows, residual, stride, n, log2Size + bitDepth - 9, 1);
    if (is_small(rows, n * n)) {
        pass(coeffs, rows, n, n, log2Size + 6, 1);
    } else {
        pass(coeffs, rows, n, n, log2Size + 6, 0);
    }
}

static void fdct8(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth) {
    forward(coeffs, residual, stride, 8, 3, bitDepth);
}
static void fdct16(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth) {
    forward(coeffs, residual, stride, 16, 4, bitDepth);
}
static void fdct32(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth) {
    forward(coeffs, residual, stride, 32, 5, bitDepth);
}

// 4x4: rows 0 and 1 in the low lane, 2 and 3 in the high lane, before and after each pass.
VEIL_INLINE __m256i pass_4(__m256i rows, const int16_t m[4][4], int shift) {
    __m256i sums[4];
    for (int k = 0; k < 4; k++) {
        int64_t factors;
        memcpy(&factors, m[k], 8);
        sums[k] = _mm256_madd_epi16(rows, _mm256_set1_epi64x(factors));
    }
    __m256i round = _mm256_set1_epi32(1 << (shift - 1));
    __m128i down = _mm_cvtsi32_si128(shift);
    __m256i a = _mm256_sra_epi32(_mm256_add_epi32(_mm256_hadd_epi32(sums[0], sums[1]), round), down);
    __m256i b = _mm256_sra_epi32(_mm256_add_epi32(_mm256_hadd_epi32(sums[2], sums[3]), round), down);
    a = _mm256_packs_epi32(a, b);
    __m128i low = LOW(a), high = HIGH(a);
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_unpacklo_epi32(low, high)), _mm_unpackhi_epi32(low, high), 1);
}

VEIL_INLINE void forward_4(
    int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, const int16_t m[4][4], int bitDepth) {
    __m128i low = _mm_unpacklo_epi64(LOAD64(residual), LOAD64(residual + stride));
    __m128i high = _mm_unpacklo_epi64(LOAD64(residual + 2 * stride), LOAD64(residual + 3 * stride));
    __m256i v = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    STORE(coeffs, pass_4(pass_4(v, m, bitDepth - 7), m, 8));
}

static const int16_t dct4[4][4] = {{64, 64, 64, 64}, {83, 36, -36, -83}, {64, -64, -64, 64}, {36, -83, 83, -36}};

static void fdct4(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth) {
    forward_4(coeffs, residual, stride, dct4, bitDepth);
}
static void fdst4(int16_t *coeffs, const int16_t *residual, ptrdiff_t stride, int bitDepth) {
    forward_4(coeffs, residual, stride, veil_dst_matrix, bitDepth);
}

void veil_fill_forward_transform_avx2(veil_kernels *k) {
    k->fdct[0] = fdct4, k->fdct[1] = fdct8, k->fdct[2] = fdct16, k->fdct[3] = fdct32;
    k->fdst4 = fdst4;
}

#pragma clang attribute pop
#endif
