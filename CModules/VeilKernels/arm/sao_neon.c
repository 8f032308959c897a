// SPDX-License-Identifier: GPL-2.0-or-later
// Sample adaptive offset (8.7.3.2), NEON. Offsets are looked up by bytes: of samples of two bytes an index of 0x0100 +
// 0x0202 * i takes the i-th of 8 words.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

typedef struct {
    uint8x16_t table;
    int bandPosition, bitDepth;  // of band offset
    ptrdiff_t neighbour;  // of edge offset
} offset_filter;

// A register of samples. OP adds their type to the name of an instruction.
#if VEIL_SAMPLE_BITS == 8
typedef uint8x16_t samples;
#define OP(name) name##_u8

VEIL_INLINE uint8x16_t table_of(int16x8_t words) {
    int8x8_t bytes = vqmovn_s16(words);
    return vreinterpretq_u8_s8(vcombine_s8(bytes, bytes));
}

VEIL_INLINE samples band_of(samples v, int bitDepth) { return (void)bitDepth, vshrq_n_u8(v, 3); }

// v + table[index], clipped.
VEIL_INLINE samples add_offset(samples v, samples index, const offset_filter *f) {
    return vsqaddq_u8(v, vreinterpretq_s8_u8(vqtbl1q_u8(f->table, index)));
}
#else
typedef uint16x8_t samples;
#define OP(name) name##_u16

VEIL_INLINE uint8x16_t table_of(int16x8_t words) { return vreinterpretq_u8_s16(words); }

VEIL_INLINE samples band_of(samples v, int bitDepth) { return vshlq_u16(v, vdupq_n_s16((int16_t)(5 - bitDepth))); }

// v + table[index], clipped.
VEIL_INLINE samples add_offset(samples v, samples index, const offset_filter *f) {
    uint8x16_t bytes = vreinterpretq_u8_u16(vmlaq_n_u16(vdupq_n_u16(0x0100), index, 0x0202));
    int16x8_t sum = vaddq_s16(vreinterpretq_s16_u16(v), vreinterpretq_s16_u8(vqtbl1q_u8(f->table, bytes)));
    return vreinterpretq_u16_s16(clip_samples(sum, f->bitDepth));
}
#endif

enum { ALL = sizeof(samples) / sizeof(sample) };

// Fewer than 16 bytes.
VEIL_INLINE void copy_some(uint8_t *to, const uint8_t *from, size_t n) {
    if (n & 8) memcpy(to, from, 8), to += 8, from += 8;
    if (n & 4) memcpy(to, from, 4), to += 4, from += 4;
    if (n & 2) memcpy(to, from, 2), to += 2, from += 2;
    if (n & 1) *to = *from;
}

VEIL_INLINE samples load_some(const sample *p, int n) {
    if (n >= ALL) return OP(vld1q)(p);
    sample some[ALL] = {0};
    copy_some((uint8_t *)some, (const uint8_t *)p, (size_t)n * sizeof *p);
    return OP(vld1q)(some);
}

VEIL_INLINE void store_some(sample *p, samples v, int n) {
    if (n >= ALL) {
        OP(vst1q)(p, v);
        return;
    }
    sample some[ALL];
    OP(vst1q)(some, v);
    copy_some((uint8_t *)p, (const uint8_t *)some, (size_t)n * sizeof *p);
}

// Bands outside the four take entry 4, which is 0.
VEIL_INLINE samples band_index(samples v, const offset_filter *f) {
    samples k = OP(vsubq)(band_of(v, f->bitDepth), OP(vdupq_n)((sample)f->bandPosition));
    return OP(vminq)(OP(vandq)(k, OP(vdupq_n)(31)), OP(vdupq_n)(4));
}

// 2 + sign(v - a) + sign(v - b); all ones are -1.
VEIL_INLINE samples edge_index(samples v, samples a, samples b) {
    samples less = OP(vaddq)(OP(vcltq)(v, a), OP(vcltq)(v, b)), more = OP(vaddq)(OP(vcgtq)(v, a), OP(vcgtq)(v, b));
    return OP(vaddq)(OP(vdupq_n)(2), OP(vsubq)(less, more));
}

VEIL_INLINE samples filtered(const sample *s, int n, int isEdge, const offset_filter *f) {
    samples v = load_some(s, n);
    if (!isEdge) return add_offset(v, band_index(v, f), f);
    return add_offset(v, edge_index(v, load_some(s + f->neighbour, n), load_some(s - f->neighbour, n)), f);
}

// The last samples of a row are taken from before anything of it is stored, for `src` may be `dst`, and stored last,
// some of them a second time.
VEIL_INLINE void filter(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    int isEdge, const offset_filter *f) {
    int last = veil_max(w - ALL, 0);
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        samples end = filtered(src + last, w, isEdge, f);
        for (int x = 0; x < last; x += ALL) OP(vst1q)(dst + x, filtered(src + x, ALL, isEdge, f));
        store_some(dst + last, end, w);
    }
}

static void band(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h,
    int bandPosition, const int16_t *offsets, int bitDepth) {
    int16_t words[8] = {offsets[0], offsets[1], offsets[2], offsets[3]};
    offset_filter f = {.table = table_of(vld1q_s16(words)), .bandPosition = bandPosition, .bitDepth = bitDepth};
    filter(dst, dstStride, src, srcStride, w, h, 0, &f);
}

static void edge(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, int eoClass,
    const int16_t *offsets, int bitDepth) {
    static const int8_t hPos[4] = {-1, 0, -1, 1}, vPos[4] = {0, -1, -1, -1};
    int16_t words[8] = {offsets[0], offsets[1], 0, offsets[2], offsets[3]};
    offset_filter f = {.table = table_of(vld1q_s16(words)), .bitDepth = bitDepth};
    f.neighbour = vPos[eoClass] * srcStride + hPos[eoClass];
    filter(dst, dstStride, src, srcStride, w, h, 1, &f);
}

void SIZED(veil_fill_sao_neon)(sample_kernels *k) {
    k->sao_band = band;
    k->sao_edge = edge;
}
#endif
