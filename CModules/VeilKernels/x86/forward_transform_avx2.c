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

// A loop of few rounds, known beforehand, without a counter.
#define EACH(i, count) _Pragma("clang loop unroll(full)") for (int i = 0; i < (count); i++)

// 8 rows in the low lanes, the 8 rows behind them, or none (8x8 blocks), in the high ones.
VEIL_INLINE __m256i load_rows(const int16_t *in, ptrdiff_t step, int rows) {
    __m256i v = _mm256_castsi128_si256(LOAD128(in));
    return rows == 16 ? _mm256_inserti128_si256(v, LOAD128(in + 8 * step), 1) : v;
}

// Columns 0...7 of the rows, a vector each.
VEIL_INLINE void transpose(__m256i *v, const int16_t *in, ptrdiff_t step, int rows) {
    __m256i r[8];
    EACH(i, 8) r[i] = load_rows(in + i * step, step, rows);
    for (int half = 0; half < 2; half++) {
        __m256i ab, cd, ef, gh;
        if (half == 0) {
            ab = _mm256_unpacklo_epi16(r[0], r[1]), cd = _mm256_unpacklo_epi16(r[2], r[3]);
            ef = _mm256_unpacklo_epi16(r[4], r[5]), gh = _mm256_unpacklo_epi16(r[6], r[7]);
        } else {
            ab = _mm256_unpackhi_epi16(r[0], r[1]), cd = _mm256_unpackhi_epi16(r[2], r[3]);
            ef = _mm256_unpackhi_epi16(r[4], r[5]), gh = _mm256_unpackhi_epi16(r[6], r[7]);
        }
        const __m256i p = _mm256_unpacklo_epi32(ab, cd), q = _mm256_unpackhi_epi32(ab, cd);
        const __m256i s = _mm256_unpacklo_epi32(ef, gh), t = _mm256_unpackhi_epi32(ef, gh);
        v[4 * half] = _mm256_unpacklo_epi64(p, s), v[4 * half + 1] = _mm256_unpackhi_epi64(p, s);
        v[4 * half + 2] = _mm256_unpacklo_epi64(q, t), v[4 * half + 3] = _mm256_unpackhi_epi64(q, t);
    }
}

VEIL_INLINE __m256i product_sum(const __m256i *pairs, const int16_t *factors, int terms, __m256i sum) {
    EACH(j, terms / 2) sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs[j], pair_of(factors + 2 * j)));
    return sum;
}

// Outputs k = first, first + kStep... (count of them, even) of `terms` columns (even) with the factors of the matrix
// rows of a transform of size n. Two columns beside each other make _mm256_madd_epi16's pairs: rows 0...3 and 8...11 of
// the lower halves, 4...7 and 12...15 of the upper ones, which packing puts in order again. Of 8 rows two outputs go
// through it at once.
VEIL_INLINE void outputs(int16_t *out, const __m256i *v, int terms, int first, int kStep, int count, int n,
    __m256i round, __m128i down) {
    __m256i low[16], high[16];
    EACH(i, terms / 2) {
        low[i] = _mm256_unpacklo_epi16(v[2 * i], v[2 * i + 1]);
        high[i] = _mm256_unpackhi_epi16(v[2 * i], v[2 * i + 1]);
        if (n == 8) low[i] = _mm256_inserti128_si256(low[i], LOW(high[i]), 1);
    }
    const int16_t(*m)[32] = veil_dct_matrix + first * (32 / n);
    const int step = kStep * (32 / n);
    out += first * n;
    for (int i = 0; i < count; i += n == 8 ? 2 : 1) {
        __m256i a = product_sum(low, *m, terms, round);
        __m256i b = n == 8 ? product_sum(low, m[step], terms, round) : product_sum(high, *m, terms, round);
        a = _mm256_packs_epi32(_mm256_sra_epi32(a, down), _mm256_sra_epi32(b, down));
        if (n == 8) {
            store_2x8(out, out + kStep * n, _mm256_permute4x64_epi64(a, 0xd8));
        } else {
            STORE(out, a);
        }
        m += n == 8 ? 2 * step : step;
        out += (n == 8 ? 2 * kStep : kStep) * n;
    }
}

// Sums of the first half of n columns with the mirrored second half go to the front, differences behind them.
VEIL_INLINE void fold(__m256i *v, int n) {
    __m256i t[16];
    EACH(i, n / 2) {
        t[i] = _mm256_sub_epi16(v[i], v[n - 1 - i]);
        v[i] = _mm256_add_epi16(v[i], v[n - 1 - i]);
    }
    EACH(i, n / 2) v[n / 2 + i] = t[i];
}

VEIL_INLINE void pass(int16_t *out, const int16_t *in, ptrdiff_t step, int n, int shift, int folded) {
    const int rows = n > 8 ? 16 : 8;
    const __m256i round = _mm256_set1_epi32(1 << (shift - 1));
    const __m128i down = _mm_cvtsi32_si128(shift);
    for (int y = 0; y < n; y += rows, in += rows * step, out += rows) {
        __m256i v[32];
        for (int x = 0; x < n; x += 8) transpose(v + x, in + x, step, rows);
        if (!folded) {
            outputs(out, v, n, 0, 1, n, n, round, down);
            continue;
        }
        if (n == 32) {
            fold(v, 32);
            outputs(out, v + 16, 16, 1, 2, 16, n, round, down);
        }
        if (n >= 16) {
            fold(v, 16);
            outputs(out, v + 8, 8, n / 16, n / 8, 8, n, round, down);
        }
        fold(v, 8);
        outputs(out, v + 4, 4, n / 8, n / 4, 4, n, round, down);
        outputs(out, v, 4, 0, n / 4, 4, n, round, down);
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
