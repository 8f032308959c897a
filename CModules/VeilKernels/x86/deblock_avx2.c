// SPDX-License-Identifier: GPL-2.0-or-later
// Edge filtering (8.7.2.5), AVX2 instruction set: 8 lines of luma or 4 of chroma at a time, one line in each 16-bit
// element.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

VEIL_INLINE void transpose_8x8(__m128i *r) {
    __m128i a0 = _mm_unpacklo_epi16(r[0], r[1]), a1 = _mm_unpackhi_epi16(r[0], r[1]);
    __m128i a2 = _mm_unpacklo_epi16(r[2], r[3]), a3 = _mm_unpackhi_epi16(r[2], r[3]);
    __m128i a4 = _mm_unpacklo_epi16(r[4], r[5]), a5 = _mm_unpackhi_epi16(r[4], r[5]);
    __m128i a6 = _mm_unpacklo_epi16(r[6], r[7]), a7 = _mm_unpackhi_epi16(r[6], r[7]);
    __m128i b0 = _mm_unpacklo_epi32(a0, a2), b1 = _mm_unpackhi_epi32(a0, a2);
    __m128i b2 = _mm_unpacklo_epi32(a1, a3), b3 = _mm_unpackhi_epi32(a1, a3);
    __m128i b4 = _mm_unpacklo_epi32(a4, a6), b5 = _mm_unpackhi_epi32(a4, a6);
    __m128i b6 = _mm_unpacklo_epi32(a5, a7), b7 = _mm_unpackhi_epi32(a5, a7);
    r[0] = _mm_unpacklo_epi64(b0, b4), r[1] = _mm_unpackhi_epi64(b0, b4);
    r[2] = _mm_unpacklo_epi64(b1, b5), r[3] = _mm_unpackhi_epi64(b1, b5);
    r[4] = _mm_unpacklo_epi64(b2, b6), r[5] = _mm_unpackhi_epi64(b2, b6);
    r[6] = _mm_unpacklo_epi64(b3, b7), r[7] = _mm_unpackhi_epi64(b3, b7);
}

VEIL_INLINE __m128i clip(__m128i v, __m128i low, __m128i high) { return _mm_min_epi16(_mm_max_epi16(v, low), high); }

VEIL_INLINE __m128i negative(__m128i v) { return _mm_sub_epi16(_mm_setzero_si128(), v); }

// Lines 0 and 3 of each segment, for all lines of it.
VEIL_INLINE __m128i first_lines(__m128i v) {
    return _mm_shuffle_epi8(v, _mm_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 8, 9, 8, 9, 8, 9, 8, 9));
}
VEIL_INLINE __m128i last_lines(__m128i v) {
    return _mm_shuffle_epi8(v, _mm_setr_epi8(6, 7, 6, 7, 6, 7, 6, 7, 14, 15, 14, 15, 14, 15, 14, 15));
}

VEIL_INLINE __m128i twos(int a, int b) {
    return _mm_unpacklo_epi64(_mm_set1_epi16((int16_t)a), _mm_set1_epi16((int16_t)b));
}

// |a - 2b + c|
VEIL_INLINE __m128i bend(__m128i a, __m128i b, __m128i c) {
    return _mm_abs_epi16(_mm_sub_epi16(_mm_add_epi16(a, c), _mm_add_epi16(b, b)));
}

// s: p3, p2, p1, p0, q0, q1, q2, q3. Filters s[1...6]; returns 0 if nothing changes. No sum leaves 16 bits with 12-bit
// samples, save those that saturate, whose size does not matter.
VEIL_INLINE int luma(__m128i *s, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    __m128i p3 = s[0], p2 = s[1], p1 = s[2], p0 = s[3], q0 = s[4], q1 = s[5], q2 = s[6], q3 = s[7];
    __m128i dp = bend(p2, p1, p0), dq = bend(q2, q1, q0), dpq = _mm_add_epi16(dp, dq);
    __m128i d = _mm_adds_epi16(first_lines(dpq), last_lines(dpq));
    __m128i on = _mm_cmpgt_epi16(_mm_set1_epi16((int16_t)beta), d);
    __m128i tc = twos(tc0, tc1), zero = _mm_setzero_si128();
    on = _mm_andnot_si128(_mm_cmpeq_epi16(tc, zero), on);
    if (!_mm_movemask_epi8(on)) return 0;

    // dSam of lines 0 and 3 (8.7.2.5.6).
    __m128i flat = _mm_cmpgt_epi16(_mm_set1_epi16((int16_t)(beta >> 2)), _mm_adds_epi16(dpq, dpq));
    __m128i slope = _mm_add_epi16(_mm_abs_epi16(_mm_sub_epi16(p3, p0)), _mm_abs_epi16(_mm_sub_epi16(q0, q3)));
    flat = _mm_and_si128(flat, _mm_cmpgt_epi16(_mm_set1_epi16((int16_t)(beta >> 3)), slope));
    __m128i step = _mm_abs_epi16(_mm_sub_epi16(p0, q0));
    flat = _mm_and_si128(flat, _mm_cmpgt_epi16(twos((5 * tc0 + 1) >> 1, (5 * tc1 + 1) >> 1), step));
    __m128i strong = _mm_and_si128(_mm_and_si128(first_lines(flat), last_lines(flat)), on);
    int strongBits = _mm_movemask_epi8(strong);

    if (strongBits != 0xffff) {
        // (9 * (q0 - p0) - 3 * (q1 - p1) + 8) >> 4, as (3 * x + 8) >> 4 by a rounding multiplication that cannot
        // overflow.
        __m128i a = _mm_sub_epi16(q0, p0);
        __m128i x = _mm_sub_epi16(_mm_add_epi16(_mm_add_epi16(a, a), a), _mm_sub_epi16(q1, p1));
        __m128i delta = _mm_mulhrs_epi16(x, _mm_set1_epi16(3 << 11));
        __m128i mask = _mm_cmpgt_epi16(twos(10 * tc0, 10 * tc1), _mm_abs_epi16(delta));
        mask = _mm_andnot_si128(strong, _mm_and_si128(mask, on));
        delta = _mm_and_si128(clip(delta, negative(tc), tc), mask);
        __m128i maximum = _mm_set1_epi16((int16_t)((1 << bitDepth) - 1)), half = _mm_srli_epi16(tc, 1);
        __m128i side = _mm_set1_epi16((int16_t)((beta + (beta >> 1)) >> 3));
        if (!noP) {
            s[3] = clip(_mm_add_epi16(p0, delta), zero, maximum);
            __m128i far = _mm_and_si128(mask, _mm_cmpgt_epi16(side, _mm_adds_epi16(first_lines(dp), last_lines(dp))));
            __m128i v = _mm_srai_epi16(_mm_add_epi16(_mm_sub_epi16(_mm_avg_epu16(p2, p0), p1), delta), 1);
            s[2] = clip(_mm_add_epi16(p1, _mm_and_si128(clip(v, negative(half), half), far)), zero, maximum);
        }
        if (!noQ) {
            s[4] = clip(_mm_sub_epi16(q0, delta), zero, maximum);
            __m128i far = _mm_and_si128(mask, _mm_cmpgt_epi16(side, _mm_adds_epi16(first_lines(dq), last_lines(dq))));
            __m128i v = _mm_srai_epi16(_mm_sub_epi16(_mm_sub_epi16(_mm_avg_epu16(q2, q0), q1), delta), 1);
            s[5] = clip(_mm_add_epi16(q1, _mm_and_si128(clip(v, negative(half), half), far)), zero, maximum);
        }
    }
    if (strongBits) {
        __m128i limit = _mm_add_epi16(tc, tc), two = _mm_set1_epi16(2), four = _mm_set1_epi16(4);
        __m128i middle = _mm_add_epi16(p0, q0);
#define LIMITED(new, old) clip(new, _mm_sub_epi16(old, limit), _mm_add_epi16(old, limit))
#define CHANGE(i, new, old) s[i] = _mm_blendv_epi8(s[i], LIMITED(new, old), strong)
        if (!noP) {
            __m128i sum = _mm_add_epi16(_mm_add_epi16(p2, p1), middle);  // p2 + p1 + p0 + q0
            CHANGE(2, _mm_srli_epi16(_mm_add_epi16(sum, two), 2), p1);
            __m128i v = _mm_add_epi16(_mm_add_epi16(sum, _mm_add_epi16(p1, middle)), _mm_add_epi16(q1, four));
            CHANGE(3, _mm_srli_epi16(v, 3), p0);
            v = _mm_add_epi16(_mm_add_epi16(p3, p2), _mm_add_epi16(p3, p2));
            CHANGE(1, _mm_srli_epi16(_mm_add_epi16(_mm_add_epi16(sum, v), four), 3), p2);
        }
        if (!noQ) {
            __m128i sum = _mm_add_epi16(_mm_add_epi16(q2, q1), middle);  // p0 + q0 + q1 + q2
            CHANGE(5, _mm_srli_epi16(_mm_add_epi16(sum, two), 2), q1);
            __m128i v = _mm_add_epi16(_mm_add_epi16(sum, _mm_add_epi16(q1, middle)), _mm_add_epi16(p1, four));
            CHANGE(4, _mm_srli_epi16(v, 3), q0);
            v = _mm_add_epi16(_mm_add_epi16(q3, q2), _mm_add_epi16(q3, q2));
            CHANGE(6, _mm_srli_epi16(_mm_add_epi16(_mm_add_epi16(sum, v), four), 3), q2);
        }
    }
    return 1;
}

static void luma_v(sample *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    __m128i s[8];
    at -= 4;
    for (int i = 0; i < 8; i++) s[i] = load_samples_8(at + i * stride);
    transpose_8x8(s);
    if (!luma(s, beta, tc0, tc1, noP, noQ, bitDepth)) return;
    transpose_8x8(s);
    for (int i = 0; i < 8; i++) store_samples_8(at + i * stride, s[i]);
}

static void luma_h(sample *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    __m128i s[8];
    at -= 4 * stride;
    for (int i = 0; i < 8; i++) s[i] = load_samples_8(at + i * stride);
    if (!luma(s, beta, tc0, tc1, noP, noQ, bitDepth)) return;
    for (int i = 1; i < 7; i++) store_samples_8(at + i * stride, s[i]);
}

// Lines in the low half; p0 and q0 are changed.
VEIL_INLINE void chroma(
    __m128i p1, __m128i *p0, __m128i *q0, __m128i q1, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    __m128i tc = _mm_unpacklo_epi32(_mm_set1_epi16((int16_t)tc0), _mm_set1_epi16((int16_t)tc1));
    __m128i maximum = _mm_set1_epi16((int16_t)((1 << bitDepth) - 1)), zero = _mm_setzero_si128();
    __m128i delta = _mm_add_epi16(_mm_slli_epi16(_mm_sub_epi16(*q0, *p0), 2), _mm_sub_epi16(p1, q1));
    delta = clip(_mm_srai_epi16(_mm_add_epi16(delta, _mm_set1_epi16(4)), 3), negative(tc), tc);
    if (!noP) *p0 = clip(_mm_add_epi16(*p0, delta), zero, maximum);
    if (!noQ) *q0 = clip(_mm_sub_epi16(*q0, delta), zero, maximum);
}

// Lines 0, 1 have tc0; 2, 3 tc1.
static void chroma_v(sample *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    at -= 2;
    __m128i a = _mm_unpacklo_epi16(load_samples_4(at), load_samples_4(at + stride));
    __m128i b = _mm_unpacklo_epi16(load_samples_4(at + 2 * stride), load_samples_4(at + 3 * stride));
    __m128i p = _mm_unpacklo_epi32(a, b), q = _mm_unpackhi_epi32(a, b);  // p1, p0; q0, q1
    __m128i p0 = _mm_unpackhi_epi64(p, p), q0 = q;
    chroma(p, &p0, &q0, _mm_unpackhi_epi64(q, q), tc0, tc1, noP, noQ, bitDepth);
    __m128i r = _mm_unpacklo_epi16(p0, q0);
    at += 1;
    store_samples_2(at, r);
    store_samples_2(at + stride, _mm_shuffle_epi32(r, 1));
    store_samples_2(at + 2 * stride, _mm_shuffle_epi32(r, 2));
    store_samples_2(at + 3 * stride, _mm_shuffle_epi32(r, 3));
}

static void chroma_h(sample *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    __m128i p0 = load_samples_4(at - stride), q0 = load_samples_4(at);
    chroma(load_samples_4(at - 2 * stride), &p0, &q0, load_samples_4(at + stride), tc0, tc1, noP, noQ, bitDepth);
    store_samples_4(at - stride, p0);
    store_samples_4(at, q0);
}

void SIZED(veil_fill_deblock_avx2)(sample_kernels *k) {
    k->deblock_luma_v = luma_v;
    k->deblock_luma_h = luma_h;
    k->deblock_chroma_v = chroma_v;
    k->deblock_chroma_h = chroma_h;
}

#pragma clang attribute pop
#endif
