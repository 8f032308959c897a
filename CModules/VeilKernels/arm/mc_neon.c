// SPDX-License-Identifier: GPL-2.0-or-later
// Fractional sample interpolation (8.5.3.3.3), NEON. `taps` is 8 for luma, 4 for chroma, and known when compiled.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

typedef enum { TO_PRED, TO_SAMPLES, TO_AVERAGE } destination;

// Where results go.
typedef struct {
    int16_t *pred;  // for TO_PRED
    sample *dst;  // otherwise
    ptrdiff_t stride;
    const int16_t *pred0;
    int bitDepth;
} output;

// Sums of filters begin at -8192, so that all predictions here are less 8192. Saturation of a sum of two of them to 16
// bits changes no sample, for it lies beyond what is clipped.
#if VEIL_SAMPLE_BITS == 8
// Narrowed with saturation to signed bytes, less 128, they are clipped; turning the highest bit over adds the 128.
VEIL_INLINE uint8x8_t samples_of(destination to, int16x8_t v, int16x8_t other, int bitDepth) {
    (void)bitDepth;
    int8x8_t s = to == TO_AVERAGE ? vqrshrn_n_s16(vqaddq_s16(v, other), 7) : vqrshrn_n_s16(v, 6);
    return veor_u8(vreinterpret_u8_s8(s), vdup_n_u8(128));
}

// The sign of a tap's factor is the same for all fractions: -+-++-+- or -++-. So bytes are multiplied without signs.
typedef uint8x16_t factor;
VEIL_INLINE factor factor_of(int c) { return vdupq_n_u8((uint8_t)veil_abs(c)); }
VEIL_INLINE int is_negative(int i, int taps) { return (taps == 8 ? 0xa5 : 9) >> i & 1; }

// Eight results. The inputs of a tap lie `step` after those of the one before. Sums fit 16 bits: 88 * 255 at most.
VEIL_INLINE int16x8_t filter_8(const sample *s, ptrdiff_t step, const factor *c, int taps, int bitDepth) {
    (void)bitDepth;
    uint16x8_t sum = vdupq_n_u16((uint16_t)-VEIL_PRED_OFFSET);
    for (int i = 0; i < taps; i++, s += step) {
        uint8x8_t v = vld1_u8(s), by = vget_low_u8(c[i]);
        sum = is_negative(i, taps) ? vmlsl_u8(sum, v, by) : vmlal_u8(sum, v, by);
    }
    return vreinterpretq_s16_u16(sum);
}

VEIL_INLINE int16x8x2_t filter_16(const sample *s, ptrdiff_t step, const factor *c, int taps) {
    uint16x8_t low = vdupq_n_u16((uint16_t)-VEIL_PRED_OFFSET), high = low;
    for (int i = 0; i < taps; i++, s += step) {
        uint8x16_t v = vld1q_u8(s);
        if (is_negative(i, taps)) {
            low = vmlsl_u8(low, vget_low_u8(v), vget_low_u8(c[i]));
            high = vmlsl_high_u8(high, v, c[i]);
        } else {
            low = vmlal_u8(low, vget_low_u8(v), vget_low_u8(c[i]));
            high = vmlal_high_u8(high, v, c[i]);
        }
    }
    int16x8x2_t both = {{vreinterpretq_s16_u16(low), vreinterpretq_s16_u16(high)}};
    return both;
}
#else
VEIL_INLINE uint16x8_t samples_of(destination to, int16x8_t v, int16x8_t other, int bitDepth) {
    int shift = (to == TO_AVERAGE ? 15 : 14) - bitDepth;
    if (to == TO_AVERAGE) v = vqaddq_s16(v, other);
    v = vaddq_s16(vrshlq_s16(v, vdupq_n_s16((int16_t)-shift)), vdupq_n_s16((int16_t)(1 << (bitDepth - 1))));
    return vreinterpretq_u16_s16(clip_samples(v, bitDepth));
}

typedef int16_t factor;
VEIL_INLINE factor factor_of(int c) { return (factor)c; }

// Eight results. The inputs of a tap lie `step` after those of the one before.
VEIL_INLINE int16x8_t filter_8(const sample *s, ptrdiff_t step, const factor *c, int taps, int bitDepth) {
    if (bitDepth == 8) {
        // Sums fit 16 bits: 88 * 255 at most.
        int16x8_t sum = vdupq_n_s16(-VEIL_PRED_OFFSET);
        for (int i = 0; i < taps; i++) sum = vmlaq_n_s16(sum, load_samples_8(s + i * step), c[i]);
        return sum;
    }
    int32x4_t low = vdupq_n_s32(-VEIL_PRED_OFFSET * (1 << (bitDepth - 8))), high = low;
    int32x4_t down = vdupq_n_s32(8 - bitDepth);
    for (int i = 0; i < taps; i++) {
        int16x8_t v = load_samples_8(s + i * step);
        low = vmlal_n_s16(low, vget_low_s16(v), c[i]);
        high = vmlal_n_s16(high, vget_high_s16(v), c[i]);
    }
    return vcombine_s16(vmovn_s32(vshlq_s32(low, down)), vmovn_s32(vshlq_s32(high, down)));
}
#endif

// `v`: eight predictions, of which the first n are wanted.
VEIL_INLINE void emit(destination to, const output *o, int x, int y, int16x8_t v, int n) {
    if (to == TO_PRED) {
        vst1q_s16(o->pred + y * o->stride + x, v);
    } else {
        int16x8_t other = to == TO_AVERAGE ? vld1q_s16(o->pred0 + y * VEIL_PRED_STRIDE + x) : v;
        store_first(o->dst + y * o->stride + x, samples_of(to, v, other, o->bitDepth), n);
    }
}

// `src`: the input of the first tap of the block's first sample.
VEIL_INLINE void filter(destination to, const output *o, const sample *src, ptrdiff_t srcStride, int w, int h,
    ptrdiff_t step, const int16_t *coeffs, int taps) {
    factor c[8];
    for (int i = 0; i < taps; i++) c[i] = factor_of(coeffs[i]);
    for (int y = 0; y < h; y++, src += srcStride) {
        int x = 0;
#if VEIL_SAMPLE_BITS == 8
        for (; x + 16 <= w; x += 16) {
            int16x8x2_t v = filter_16(src + x, step, c, taps);
            emit(to, o, x, y, v.val[0], 8);
            emit(to, o, x + 8, y, v.val[1], 8);
        }
#endif
        for (; x < w; x += 8) emit(to, o, x, y, filter_8(src + x, step, c, taps, o->bitDepth), w - x);
    }
}

// The second of two filters, down the columns of the first one's predictions: it has unit gain, hence what they are
// less its results are less, too.
VEIL_INLINE void filter_again(
    destination to, const output *o, const int16_t *rows, int w, int h, const int16_t *c, int taps) {
    for (int y = 0; y < h; y++, rows += VEIL_PRED_STRIDE) {
        for (int x = 0; x < w; x += 8) {
            int32x4_t low = vdupq_n_s32(0), high = low;
            for (int i = 0; i < taps; i++) {
                int16x8_t v = vld1q_s16(rows + i * VEIL_PRED_STRIDE + x);
                low = vmlal_n_s16(low, vget_low_s16(v), c[i]);
                high = vmlal_n_s16(high, vget_high_s16(v), c[i]);
            }
            emit(to, o, x, y, vcombine_s16(vshrn_n_s32(low, 6), vshrn_n_s32(high, 6)), w - x);
        }
    }
}

VEIL_INLINE void interpolate(
    destination to, output o, const sample *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int taps) {
    const int16_t *cx = taps == 8 ? veil_luma_taps[mx] : veil_chroma_taps[mx];
    const int16_t *cy = taps == 8 ? veil_luma_taps[my] : veil_chroma_taps[my];
    const int before = taps / 2 - 1;
    if (mx && my) {
        int16_t rows[(64 + 7) * VEIL_PRED_STRIDE];
        output middle = {.pred = rows, .stride = VEIL_PRED_STRIDE, .bitDepth = o.bitDepth};
        filter(TO_PRED, &middle, src - before * srcStride - before, srcStride, w, h + taps - 1, 1, cx, taps);
        filter_again(to, &o, rows, w, h, cy, taps);
    } else if (mx) {
        filter(to, &o, src - before, srcStride, w, h, 1, cx, taps);
    } else if (my) {
        filter(to, &o, src - before * srcStride, srcStride, w, h, srcStride, cy, taps);
    } else {
        int16x8_t up = vdupq_n_s16((int16_t)(14 - o.bitDepth)), offset = vdupq_n_s16(VEIL_PRED_OFFSET);
        for (int y = 0; y < h; y++, src += srcStride) {
            for (int x = 0; x < w; x += 8)
                emit(to, &o, x, y, vsubq_s16(vshlq_s16(load_samples_8(src + x), up), offset), w - x);
        }
    }
}

#define KERNELS(name, taps) \
    static void name##_pred( \
        int16_t *pred, const sample *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) { \
        output o = {.pred = pred, .stride = VEIL_PRED_STRIDE, .bitDepth = bitDepth}; \
        interpolate(TO_PRED, o, src, srcStride, w, h, mx, my, taps); \
    } \
    static void name##_put(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, \
        int mx, int my, int bitDepth) { \
        if (!(mx | my)) { \
            KERNELS_ACTIVE.copy(dst, dstStride, src, srcStride, w, h); \
            return; \
        } \
        output o = {.dst = dst, .stride = dstStride, .bitDepth = bitDepth}; \
        interpolate(TO_SAMPLES, o, src, srcStride, w, h, mx, my, taps); \
    } \
    static void name##_bi(sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const sample *src, \
        ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) { \
        output o = {.dst = dst, .stride = dstStride, .pred0 = pred0, .bitDepth = bitDepth}; \
        interpolate(TO_AVERAGE, o, src, srcStride, w, h, mx, my, taps); \
    }
KERNELS(luma, 8)
KERNELS(chroma, 4)

void SIZED(veil_fill_mc_neon)(sample_kernels *k) {
    k->luma_pred = luma_pred, k->luma_put = luma_put, k->luma_bi = luma_bi;
    k->chroma_pred = chroma_pred, k->chroma_put = chroma_put, k->chroma_bi = chroma_bi;
}
#endif
