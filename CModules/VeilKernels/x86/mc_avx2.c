// SPDX-License-Identifier: GPL-2.0-or-later
// Fractional sample interpolation (8.5.3.3.3), AVX2. `taps` is 8 for luma, 4 for chroma.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

typedef enum { TO_PRED, TO_SAMPLES, TO_AVERAGE } destination;

// Where results go, and the constants of their rounding.
typedef struct {
    int16_t *pred;  // for TO_PRED
    sample *dst;  // otherwise
    ptrdiff_t stride;
    const int16_t *pred0;
    __m256i scale, bias, maximum;
} output;

// Rounding shifts are done by _mm256_mulhrs_epi16: (v * 2^(15 - s) + 2^14) >> 15 == (v + 2^(s - 1)) >> s. Saturation of
// a sum of two predictions to 16 bits changes no sample, for it lies beyond what is clipped. `offset` is what has been
// subtracted from the value rounded.
VEIL_INLINE output output_of(
    destination to, void *dst, ptrdiff_t stride, const int16_t *pred0, int offset, int bitDepth) {
    output o = {.pred = dst, .dst = dst, .stride = stride, .pred0 = pred0};
    int shift = (to == TO_AVERAGE ? 15 : 14) - bitDepth;
    if (to == TO_AVERAGE) offset += VEIL_PRED_OFFSET;
    o.scale = _mm256_set1_epi16((int16_t)(1 << (15 - shift)));
    o.bias = _mm256_set1_epi16((int16_t)(to == TO_PRED ? VEIL_PRED_OFFSET - offset : offset >> shift));
    o.maximum = _mm256_set1_epi16((int16_t)((1 << bitDepth) - 1));
    return o;
}

// `v`: predSamples, less 8192 where `biased`.
VEIL_INLINE __m256i finish(destination to, const output *o, __m256i v, __m256i other, int biased) {
    if (to == TO_PRED) return biased ? v : _mm256_sub_epi16(v, o->bias);
    if (to == TO_AVERAGE) v = _mm256_adds_epi16(v, other);
    v = _mm256_mulhrs_epi16(v, o->scale);
    if (biased || to == TO_AVERAGE) v = _mm256_add_epi16(v, o->bias);
    return clip_samples(v, o->maximum);
}

VEIL_INLINE void emit_16(destination to, const output *o, int x, int y, __m256i v, int biased) {
    __m256i other = to == TO_AVERAGE ? LOAD(o->pred0 + y * VEIL_PRED_STRIDE + x) : v;
    v = finish(to, o, v, other, biased);
    if (to == TO_PRED) {
        STORE(o->pred + y * o->stride + x, v);
    } else {
        store_samples_16(o->dst + y * o->stride + x, v);
    }
}

// Rows y and y + 1, 8 columns; n of them to be stored.
VEIL_INLINE void emit_2x8(destination to, const output *o, int x, int y, __m256i v, int n, int biased) {
    __m256i other = v;
    if (to == TO_AVERAGE) {
        const int16_t *p = o->pred0 + y * VEIL_PRED_STRIDE + x;
        other = load_2x8(p, p + VEIL_PRED_STRIDE);
    }
    v = finish(to, o, v, other, biased);
    if (to == TO_PRED) {
        int16_t *p = o->pred + y * o->stride + x;
        store_2x8(p, p + o->stride, v);
        return;
    }
    sample *d = o->dst + y * o->stride + x;
    if (n == 8) {
        store_samples_2x8(d, d + o->stride, v);
    } else {
        store_part(d, LOW(v), n);
        store_part(d + o->stride, HIGH(v), n);
    }
}

#if VEIL_SAMPLE_BITS == 8
#include "mc_eight.h"
#else
// Pairs of neighbours lie in memory as the multiplication wants them: sums for even columns come from even offsets, for
// odd columns from odd ones; shifting them against each other and blending puts all 16 in order.
VEIL_INLINE __m256i join(__m256i even, __m256i odd, __m256i right, __m256i left) {
    return _mm256_blend_epi16(_mm256_srlv_epi32(even, right), _mm256_sllv_epi32(odd, left), 0xaa);
}

#define SUM_H(LOADER) \
    do { \
        even = _mm256_madd_epi16(LOADER(0), c[0]); \
        odd = _mm256_madd_epi16(LOADER(1), c[0]); \
        for (int i = 1; i < taps / 2; i++) { \
            even = _mm256_add_epi32(even, _mm256_madd_epi16(LOADER(2 * i), c[i])); \
            odd = _mm256_add_epi32(odd, _mm256_madd_epi16(LOADER(2 * i + 1), c[i])); \
        } \
    } while (0)

VEIL_INLINE void columns_h(destination to, const output *o, const sample *src, ptrdiff_t stride, int x, int h, int n,
    int taps, const __m256i *c, __m256i right, __m256i left) {
    for (int y = 0; y < h; y += 2) {
        const sample *s = src + y * stride + x;
        // An odd number of rows comes only from the first of two filters, to an array with room for one more.
        const sample *t = y + 1 < h ? s + stride : s;
        __m256i even, odd;
#define BOTH(i) load_2x8(s + (i), t + (i))
        SUM_H(BOTH);
#undef BOTH
        emit_2x8(to, o, x, y, join(even, odd, right, left), n, 0);
    }
}

VEIL_INLINE void filter_h(destination to, const output *o, const sample *src, ptrdiff_t stride, int w, int h, int taps,
    const int16_t *coeffs, int shift) {
    __m256i c[4];
    for (int i = 0; i < taps / 2; i++) c[i] = pair_of(coeffs + 2 * i);
    __m256i right = _mm256_set1_epi32(shift), left = _mm256_set1_epi32(16 - shift);
    src -= taps / 2 - 1;
    int x = 0;
    for (; x + 16 <= w; x += 16) {
        const sample *s = src + x;
        for (int y = 0; y < h; y++, s += stride) {
            __m256i even, odd;
#define ONE(i) LOAD(s + (i))
            SUM_H(ONE);
#undef ONE
            emit_16(to, o, x, y, join(even, odd, right, left), 0);
        }
    }
    if (x + 8 <= w) {
        columns_h(to, o, src, stride, x, h, 8, taps, c, right, left);
        x += 8;
    }
    if (x < w) columns_h(to, o, src, stride, x, h, w - x, taps, c, right, left);
}
#endif

// Rows k and k + 1 lie in the lanes of one register, so every pair of rows serves two output rows. (Single variables
// instead of arrays: arrays would live in memory.)
VEIL_INLINE void columns_v(destination to, const output *o, const int16_t *src, ptrdiff_t stride, int x, int h, int n,
    int taps, const __m256i *c, __m256i shift, int biased) {
    __m256i low0, low1, low2, low3, high0, high1, high2, high3, first, second, both, next;
    const int16_t *s = src + x;
#define PAIR(i) \
    do { \
        both = load_2x8(s, s + stride); \
        next = load_2x8(s + stride, s + 2 * stride); \
        low##i = _mm256_unpacklo_epi16(both, next); \
        high##i = _mm256_unpackhi_epi16(both, next); \
        s += 2 * stride; \
    } while (0)
#define ADD(i) \
    do { \
        first = _mm256_add_epi32(first, _mm256_madd_epi16(low##i, c[i])); \
        second = _mm256_add_epi32(second, _mm256_madd_epi16(high##i, c[i])); \
    } while (0)
    PAIR(0);
    if (taps == 8) {
        PAIR(1);
        PAIR(2);
    }
    for (int y = 0; y < h; y += 2) {
        if (taps == 8) {
            PAIR(3);
        } else {
            PAIR(1);
        }
        first = _mm256_madd_epi16(low0, c[0]), second = _mm256_madd_epi16(high0, c[0]);
        ADD(1);
        low0 = low1, high0 = high1;
        if (taps == 8) {
            ADD(2);
            low1 = low2, high1 = high2;
            ADD(3);
            low2 = low3, high2 = high3;
        }
        first = _mm256_srav_epi32(first, shift);
        second = _mm256_srav_epi32(second, shift);
        emit_2x8(to, o, x, y, _mm256_packs_epi32(first, second), n, biased);
    }
#undef PAIR
#undef ADD
}

VEIL_INLINE void filter_v(destination to, const output *o, const int16_t *src, ptrdiff_t stride, int w, int h, int taps,
    const int16_t *coeffs, int shift, int biased) {
    __m256i c[4];
    for (int i = 0; i < taps / 2; i++) c[i] = pair_of(coeffs + 2 * i);
    __m256i down = _mm256_set1_epi32(shift);
    src -= (taps / 2 - 1) * stride;
    int x = 0;
    for (; x + 8 <= w; x += 8) columns_v(to, o, src, stride, x, h, 8, taps, c, down, biased);
    if (x < w) columns_v(to, o, src, stride, x, h, w - x, taps, c, down, biased);
}

#if VEIL_SAMPLE_BITS == 16
// Of samples, which as 16-bit numbers are positive.
VEIL_INLINE void filter_v_samples(destination to, const output *o, const sample *src, ptrdiff_t stride, int w, int h,
    int taps, const int16_t *coeffs, int shift) {
    filter_v(to, o, (const int16_t *)src, stride, w, h, taps, coeffs, shift, 0);
}
#endif

// Full-sample positions: << shift3.
VEIL_INLINE void full(destination to, const output *o, const sample *src, ptrdiff_t stride, int w, int h, int shift3) {
    __m128i up = _mm_cvtsi32_si128(shift3);
    int x = 0;
    for (; x + 16 <= w; x += 16) {
        for (int y = 0; y < h; y++)
            emit_16(to, o, x, y, _mm256_sll_epi16(load_samples_16(src + y * stride + x), up), 0);
    }
    for (; x < w; x += 8) {
        int n = w - x < 8 ? w - x : 8;
        for (int y = 0; y < h; y += 2) {
            const sample *s = src + y * stride + x;
            emit_2x8(to, o, x, y, _mm256_sll_epi16(load_samples_2x8(s, s + stride), up), n, 0);
        }
    }
}

VEIL_INLINE void interpolate(destination to, void *dst, ptrdiff_t dstStride, const int16_t *pred0, const sample *src,
    ptrdiff_t stride, int w, int h, int mx, int my, int bitDepth, int taps, const int16_t *table) {
    int shift1 = bitDepth - 8;
    if (mx && my) {
        // The first filter's results less 8192: the second has unit gain and carries the offset along.
        __attribute__((aligned(32))) int16_t rows[(64 + 8) * VEIL_PRED_STRIDE];
        int before = taps / 2 - 1;
        output middle = output_of(TO_PRED, rows, VEIL_PRED_STRIDE, NULL, 0, bitDepth);
        output o = output_of(to, dst, dstStride, pred0, VEIL_PRED_OFFSET, bitDepth);
        filter_h(TO_PRED, &middle, src - before * stride, stride, w, h + taps - 1, taps, table + mx * taps, shift1);
        filter_v(to, &o, rows + before * VEIL_PRED_STRIDE, VEIL_PRED_STRIDE, w, h, taps, table + my * taps, 6, 1);
        return;
    }
    output o = output_of(to, dst, dstStride, pred0, 0, bitDepth);
    if (mx) {
        filter_h(to, &o, src, stride, w, h, taps, table + mx * taps, shift1);
    } else if (my) {
        filter_v_samples(to, &o, src, stride, w, h, taps, table + my * taps, shift1);
    } else {
        full(to, &o, src, stride, w, h, 14 - bitDepth);
    }
}

#define KERNELS(name, taps, table) \
    static void name##_pred( \
        int16_t *pred, const sample *src, ptrdiff_t stride, int w, int h, int mx, int my, int bitDepth) { \
        interpolate(TO_PRED, pred, VEIL_PRED_STRIDE, NULL, src, stride, w, h, mx, my, bitDepth, taps, table); \
    } \
    static void name##_put(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t stride, int w, int h, \
        int mx, int my, int bitDepth) { \
        if (!(mx | my)) { \
            KERNELS_ACTIVE.copy(dst, dstStride, src, stride, w, h); \
            return; \
        } \
        interpolate(TO_SAMPLES, dst, dstStride, NULL, src, stride, w, h, mx, my, bitDepth, taps, table); \
    } \
    static void name##_bi(sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const sample *src, ptrdiff_t stride, \
        int w, int h, int mx, int my, int bitDepth) { \
        interpolate(TO_AVERAGE, dst, dstStride, pred0, src, stride, w, h, mx, my, bitDepth, taps, table); \
    }
KERNELS(luma, 8, veil_luma_taps[0])
KERNELS(chroma, 4, veil_chroma_taps[0])

void SIZED(veil_fill_mc_avx2)(sample_kernels *k) {
    k->luma_pred = luma_pred;
    k->luma_put = luma_put;
    k->luma_bi = luma_bi;
    k->chroma_pred = chroma_pred;
    k->chroma_put = chroma_put;
    k->chroma_bi = chroma_bi;
}

#pragma clang attribute pop
#endif
