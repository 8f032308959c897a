// SPDX-License-Identifier: GPL-2.0-or-later
// Fractional sample interpolation (8.5.3.3.3), NEON. `taps` is 8 for luma, 4 for chroma, and known when compiled.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

typedef enum { TO_PRED, TO_SAMPLES, TO_AVERAGE } destination;

// Where results go. `dst` is also the intermediate array, for TO_PRED.
typedef struct {
    uint16_t *dst;
    ptrdiff_t stride;
    const int16_t *pred0;
    int bitDepth;
} output;

// `v`: eight predSamples less 8192, of which the first n are wanted.
VEIL_INLINE void emit(destination to, const output *o, int x, int y, int16x8_t v, int n) {
    uint16_t *at = o->dst + y * o->stride + x;
    if (to == TO_PRED) {
        vst1q_s16((int16_t *)at, v);
        return;
    }
    int16x8_t maximum = vdupq_n_s16((int16_t)((1 << o->bitDepth) - 1));
    if (to == TO_SAMPLES) {
        int shift = 14 - o->bitDepth;
        v = vaddq_s16(vrshlq_s16(v, vdupq_n_s16((int16_t)-shift)), vdupq_n_s16((int16_t)(VEIL_PRED_OFFSET >> shift)));
    } else {
        int32x4_t shift = vdupq_n_s32(o->bitDepth - 15), offset = vdupq_n_s32(2 * VEIL_PRED_OFFSET);
        int16x8_t other = vld1q_s16(o->pred0 + y * VEIL_PRED_STRIDE + x);
        int32x4_t low = vrshlq_s32(vaddq_s32(vaddl_s16(vget_low_s16(v), vget_low_s16(other)), offset), shift);
        int32x4_t high = vrshlq_s32(vaddq_s32(vaddl_s16(vget_high_s16(v), vget_high_s16(other)), offset), shift);
        v = vcombine_s16(vqmovn_s32(low), vqmovn_s32(high));
    }
    store_first(at, vreinterpretq_u16_s16(vmaxq_s16(vminq_s16(v, maximum), vdupq_n_s16(0))), n);
}

// Eight sums of products, shifted right by `shift`, less `offset`. `s`: the inputs of each tap.
VEIL_INLINE int16x8_t sum_of(const int16x8_t *s, const int16_t *c, int taps, int shift, int offset) {
    int32x4_t low = vdupq_n_s32(0), high = low;
    for (int i = 0; i < taps; i++) {
        low = vmlal_n_s16(low, vget_low_s16(s[i]), c[i]);
        high = vmlal_n_s16(high, vget_high_s16(s[i]), c[i]);
    }
    int32x4_t by = vdupq_n_s32(-shift), less = vdupq_n_s32(offset);
    low = vsubq_s32(vshlq_s32(low, by), less);
    high = vsubq_s32(vshlq_s32(high, by), less);
    return vcombine_s16(vmovn_s32(low), vmovn_s32(high));
}

// The sums of 8-bit samples fit 16 bits: at most 88 * 255.
VEIL_INLINE int16x8_t narrow_sum_of(const int16x8_t *s, const int16_t *c, int taps, int offset) {
    int16x8_t sum = vmulq_n_s16(s[0], c[0]);
    for (int i = 1; i < taps; i++) sum = vmlaq_n_s16(sum, s[i], c[i]);
    return offset ? vsubq_s16(sum, vdupq_n_s16((int16_t)offset)) : sum;
}

// Along a row.
VEIL_INLINE int16x8_t across(const uint16_t *s, const int16_t *c, int taps, int bitDepth, int offset) {
    int16x8_t v[8];
    for (int i = 0; i < taps; i++) v[i] = vreinterpretq_s16_u16(vld1q_u16(s + i));
    return bitDepth == 8 ? narrow_sum_of(v, c, taps, offset) : sum_of(v, c, taps, bitDepth - 8, offset);
}

// Down a column.
VEIL_INLINE int16x8_t down(const uint16_t *s, ptrdiff_t stride, const int16_t *c, int taps, int bitDepth) {
    int16x8_t v[8];
    for (int i = 0; i < taps; i++) v[i] = vreinterpretq_s16_u16(vld1q_u16(s + i * stride));
    return bitDepth == 8 ? narrow_sum_of(v, c, taps, VEIL_PRED_OFFSET)
                         : sum_of(v, c, taps, bitDepth - 8, VEIL_PRED_OFFSET);
}

VEIL_INLINE void interpolate(
    destination to, output o, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int taps) {
    const int16_t *cx = taps == 8 ? veil_luma_taps[mx] : veil_chroma_taps[mx];
    const int16_t *cy = taps == 8 ? veil_luma_taps[my] : veil_chroma_taps[my];
    const int before = taps / 2 - 1;
    if (mx && my) {
        int16_t rows[(64 + 7) * VEIL_PRED_STRIDE];
        const uint16_t *s = src - before * srcStride - before;
        for (int y = 0; y < h + taps - 1; y++, s += srcStride) {
            for (int x = 0; x < w; x += 8)
                vst1q_s16(rows + y * VEIL_PRED_STRIDE + x, across(s + x, cx, taps, o.bitDepth, 0));
        }
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x += 8) {
                int16x8_t v[8];
                for (int i = 0; i < taps; i++) v[i] = vld1q_s16(rows + (y + i) * VEIL_PRED_STRIDE + x);
                emit(to, &o, x, y, sum_of(v, cy, taps, 6, VEIL_PRED_OFFSET), w - x);
            }
        }
    } else if (mx) {
        const uint16_t *s = src - before;
        for (int y = 0; y < h; y++, s += srcStride) {
            for (int x = 0; x < w; x += 8)
                emit(to, &o, x, y, across(s + x, cx, taps, o.bitDepth, VEIL_PRED_OFFSET), w - x);
        }
    } else if (my) {
        const uint16_t *s = src - before * srcStride;
        for (int y = 0; y < h; y++, s += srcStride) {
            for (int x = 0; x < w; x += 8) emit(to, &o, x, y, down(s + x, srcStride, cy, taps, o.bitDepth), w - x);
        }
    } else {
        int16x8_t up = vdupq_n_s16((int16_t)(14 - o.bitDepth)), offset = vdupq_n_s16(VEIL_PRED_OFFSET);
        for (int y = 0; y < h; y++, src += srcStride) {
            for (int x = 0; x < w; x += 8) {
                int16x8_t v = vreinterpretq_s16_u16(vld1q_u16(src + x));
                emit(to, &o, x, y, vsubq_s16(vshlq_s16(v, up), offset), w - x);
            }
        }
    }
}

#define KERNELS(name, taps) \
    static void name##_pred( \
        int16_t *pred, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) { \
        output o = {(uint16_t *)pred, VEIL_PRED_STRIDE, NULL, bitDepth}; \
        interpolate(TO_PRED, o, src, srcStride, w, h, mx, my, taps); \
    } \
    static void name##_put(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h, \
        int mx, int my, int bitDepth) { \
        if (!(mx | my)) { \
            veil_kernels_of(VEIL_SIMD_PLAIN)->copy(dst, dstStride, src, srcStride, w, h); \
            return; \
        } \
        output o = {dst, dstStride, NULL, bitDepth}; \
        interpolate(TO_SAMPLES, o, src, srcStride, w, h, mx, my, taps); \
    } \
    static void name##_bi(uint16_t *dst, ptrdiff_t dstStride, const int16_t *pred0, const uint16_t *src, \
        ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) { \
        output o = {dst, dstStride, pred0, bitDepth}; \
        interpolate(TO_AVERAGE, o, src, srcStride, w, h, mx, my, taps); \
    }
KERNELS(luma, 8)
KERNELS(chroma, 4)

void veil_fill_mc_neon(veil_kernels *k) {
    k->luma_pred = luma_pred, k->luma_put = luma_put, k->luma_bi = luma_bi;
    k->chroma_pred = chroma_pred, k->chroma_put = chroma_put, k->chroma_bi = chroma_bi;
}
#endif
