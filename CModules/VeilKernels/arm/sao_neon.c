// SPDX-License-Identifier: GPL-2.0-or-later
// Sample adaptive offset (8.7.3.2), NEON. Offsets are looked up by bytes: an index of 0x0100 + 0x0202 * i takes the
// i-th of 8 words.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

typedef struct {
    uint8x16_t table;
    int16x8_t maximum;
} offset_table;

VEIL_INLINE offset_table table_of(int a, int b, int c, int d, int e, int bitDepth) {
    int16_t words[8] = {(int16_t)a, (int16_t)b, (int16_t)c, (int16_t)d, (int16_t)e};
    offset_table t = {vreinterpretq_u8_s16(vld1q_s16(words)), vdupq_n_s16((int16_t)((1 << bitDepth) - 1))};
    return t;
}

// v + table[index], clipped.
VEIL_INLINE uint16x8_t add_offset(uint16x8_t v, uint16x8_t index, const offset_table *t) {
    uint8x16_t bytes = vreinterpretq_u8_u16(vmlaq_n_u16(vdupq_n_u16(0x0100), index, 0x0202));
    int16x8_t sum = vaddq_s16(vreinterpretq_s16_u16(v), vreinterpretq_s16_u8(vqtbl1q_u8(t->table, bytes)));
    return vreinterpretq_u16_s16(vmaxq_s16(vminq_s16(sum, t->maximum), vdupq_n_s16(0)));
}

// Up to eight samples.
VEIL_INLINE uint16x8_t load_some(const uint16_t *p, int n) {
    if (n >= 8) return vld1q_u16(p);
    uint16_t some[8] = {0};
    memcpy(some, p, (size_t)n * 2);
    return vld1q_u16(some);
}

VEIL_INLINE void store_some(uint16_t *p, uint16x8_t v, int n) {
    if (n >= 8) {
        vst1q_u16(p, v);
        return;
    }
    uint16_t some[8];
    vst1q_u16(some, v);
    memcpy(p, some, (size_t)n * 2);
}

static void band(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h,
    int bandPosition, const int16_t *offsets, int bitDepth) {
    // Bands outside the four take word 4, which is 0.
    offset_table t = table_of(offsets[0], offsets[1], offsets[2], offsets[3], 0, bitDepth);
    int16x8_t down = vdupq_n_s16((int16_t)(5 - bitDepth));
    uint16x8_t position = vdupq_n_u16((uint16_t)bandPosition);
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        for (int x = 0; x < w; x += 8) {
            uint16x8_t v = load_some(src + x, w - x);
            uint16x8_t k = vandq_u16(vsubq_u16(vshlq_u16(v, down), position), vdupq_n_u16(31));
            store_some(dst + x, add_offset(v, vminq_u16(k, vdupq_n_u16(4)), &t), w - x);
        }
    }
}

// 2 + sign(v - a) + sign(v - b); all ones are -1.
VEIL_INLINE uint16x8_t edge_index(uint16x8_t v, uint16x8_t a, uint16x8_t b) {
    uint16x8_t less = vaddq_u16(vcltq_u16(v, a), vcltq_u16(v, b)), more = vaddq_u16(vcgtq_u16(v, a), vcgtq_u16(v, b));
    return vaddq_u16(vdupq_n_u16(2), vsubq_u16(less, more));
}

static void edge(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h,
    int eoClass, const int16_t *offsets, int bitDepth) {
    static const int8_t hPos[4] = {-1, 0, -1, 1}, vPos[4] = {0, -1, -1, -1};
    ptrdiff_t n = vPos[eoClass] * srcStride + hPos[eoClass];
    offset_table t = table_of(offsets[0], offsets[1], 0, offsets[2], offsets[3], bitDepth);
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        for (int x = 0; x < w; x += 8) {
            const uint16_t *s = src + x;
            uint16x8_t v = load_some(s, w - x), index = edge_index(v, load_some(s + n, w - x), load_some(s - n, w - x));
            store_some(dst + x, add_offset(v, index, &t), w - x);
        }
    }
}

void veil_fill_sao_neon(veil_kernels *k) {
    k->sao_band = band;
    k->sao_edge = edge;
}
#endif
