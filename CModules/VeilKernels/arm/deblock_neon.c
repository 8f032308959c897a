// SPDX-License-Identifier: GPL-2.0-or-later
// Edge filtering (8.7.2.5), NEON: 8 lines of luma or 4 of chroma at a time, one line in each 16-bit element.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

VEIL_INLINE int16x8_t clip(int16x8_t v, int16x8_t low, int16x8_t high) { return vminq_s16(vmaxq_s16(v, low), high); }

// Lines 0 and 3 of each segment, for all lines of it.
VEIL_INLINE int16x8_t first_lines(int16x8_t v) { return vcombine_s16(vdup_laneq_s16(v, 0), vdup_laneq_s16(v, 4)); }
VEIL_INLINE int16x8_t last_lines(int16x8_t v) { return vcombine_s16(vdup_laneq_s16(v, 3), vdup_laneq_s16(v, 7)); }
VEIL_INLINE int16x8_t both_lines(int16x8_t v) { return vqaddq_s16(first_lines(v), last_lines(v)); }

VEIL_INLINE int16x8_t twos(int a, int b) { return vcombine_s16(vdup_n_s16((int16_t)a), vdup_n_s16((int16_t)b)); }

// |a - 2b + c|
VEIL_INLINE int16x8_t bend(int16x8_t a, int16x8_t b, int16x8_t c) {
    return vabsq_s16(vsubq_s16(vaddq_s16(a, c), vaddq_s16(b, b)));
}

// One side of the normal filter: n0, n1, n2 from the edge outwards; `delta` is what n0 gains.
VEIL_INLINE void normal_side(
    int16x8_t *n0, int16x8_t *n1, int16x8_t n2, int16x8_t delta, uint16x8_t far, int16x8_t half, int bitDepth) {
    int16x8_t v = vshrq_n_s16(vaddq_s16(vsubq_s16(vrhaddq_s16(n2, *n0), *n1), delta), 1);
    v = vandq_s16(clip(v, vnegq_s16(half), half), vreinterpretq_s16_u16(far));
    *n1 = clip_samples(vaddq_s16(*n1, v), bitDepth);
    *n0 = clip_samples(vaddq_s16(*n0, delta), bitDepth);
}

VEIL_INLINE int16x8_t changed(int16x8_t to, int16x8_t old, int16x8_t otherwise, int16x8_t limit, uint16x8_t mask) {
    return vbslq_s16(mask, clip(to, vsubq_s16(old, limit), vaddq_s16(old, limit)), otherwise);
}

// One side of the strong filter: n0...n3 from the edge outwards, f0 and f1 across it; changes s[0], s[step] and s[2 *
// step].
VEIL_INLINE void strong_side(int16x8_t *s, int step, int16x8_t n0, int16x8_t n1, int16x8_t n2, int16x8_t n3,
    int16x8_t f0, int16x8_t f1, int16x8_t limit, uint16x8_t mask) {
    int16x8_t middle = vaddq_s16(n0, f0), sum = vaddq_s16(vaddq_s16(n2, n1), middle), outer = vaddq_s16(n3, n2);
    s[0] = changed(vrshrq_n_s16(vaddq_s16(vaddq_s16(sum, vaddq_s16(n1, middle)), f1), 3), n0, s[0], limit, mask);
    s[step] = changed(vrshrq_n_s16(sum, 2), n1, s[step], limit, mask);
    s[2 * step] = changed(vrshrq_n_s16(vaddq_s16(sum, vaddq_s16(outer, outer)), 3), n2, s[2 * step], limit, mask);
}

// s: p3, p2, p1, p0, q0, q1, q2, q3. Filters s[1...6]; returns 0 if nothing changes. No sum leaves 16 bits with 12-bit
// samples, save those that saturate, whose size does not matter.
VEIL_INLINE int luma(int16x8_t *s, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    int16x8_t p3 = s[0], p2 = s[1], p1 = s[2], p0 = s[3], q0 = s[4], q1 = s[5], q2 = s[6], q3 = s[7];
    int16x8_t dp = bend(p2, p1, p0), dq = bend(q2, q1, q0), dpq = vaddq_s16(dp, dq), tc = twos(tc0, tc1);
    uint16x8_t on = vandq_u16(vcltq_s16(both_lines(dpq), vdupq_n_s16((int16_t)beta)), vcgtzq_s16(tc));
    if (!vmaxvq_u16(on)) return 0;

    // dSam of lines 0 and 3 (8.7.2.5.6).
    uint16x8_t flat = vcltq_s16(vqaddq_s16(dpq, dpq), vdupq_n_s16((int16_t)(beta >> 2)));
    int16x8_t slope = vaddq_s16(vabdq_s16(p3, p0), vabdq_s16(q0, q3));
    flat = vandq_u16(flat, vcltq_s16(slope, vdupq_n_s16((int16_t)(beta >> 3))));
    flat = vandq_u16(flat, vcltq_s16(vabdq_s16(p0, q0), twos((5 * tc0 + 1) >> 1, (5 * tc1 + 1) >> 1)));
    int16x8_t lines = vreinterpretq_s16_u16(flat);
    uint16x8_t strong = vandq_u16(vreinterpretq_u16_s16(vandq_s16(first_lines(lines), last_lines(lines))), on);

    if (!vminvq_u16(strong)) {
        // (9 * (q0 - p0) - 3 * (q1 - p1) + 8) >> 4, as (3 * x + 8) >> 4 by a rounding multiplication that cannot
        // overflow.
        int16x8_t x = vsubq_s16(vmulq_n_s16(vsubq_s16(q0, p0), 3), vsubq_s16(q1, p1));
        int16x8_t delta = vqrdmulhq_n_s16(x, 3 << 11);
        uint16x8_t mask = vbicq_u16(vandq_u16(vcltq_s16(vabsq_s16(delta), twos(10 * tc0, 10 * tc1)), on), strong);
        delta = vandq_s16(clip(delta, vnegq_s16(tc), tc), vreinterpretq_s16_u16(mask));
        int16x8_t half = vshrq_n_s16(tc, 1), side = vdupq_n_s16((int16_t)((beta + (beta >> 1)) >> 3));
        if (!noP)
            normal_side(&s[3], &s[2], p2, delta, vandq_u16(mask, vcltq_s16(both_lines(dp), side)), half, bitDepth);
        if (!noQ)
            normal_side(
                &s[4], &s[5], q2, vnegq_s16(delta), vandq_u16(mask, vcltq_s16(both_lines(dq), side)), half, bitDepth);
    }
    if (vmaxvq_u16(strong)) {
        int16x8_t limit = vaddq_s16(tc, tc);
        if (!noP) strong_side(s + 3, -1, p0, p1, p2, p3, q0, q1, limit, strong);
        if (!noQ) strong_side(s + 4, 1, q0, q1, q2, q3, p0, p1, limit, strong);
    }
    return 1;
}

static void luma_v(sample *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    int16x8_t s[8];
    at -= 4;
    for (int i = 0; i < 8; i++) s[i] = load_samples_8(at + i * stride);
    transpose_8x8(s);
    if (!luma(s, beta, tc0, tc1, noP, noQ, bitDepth)) return;
    transpose_8x8(s);
    for (int i = 0; i < 8; i++) store_samples_8(at + i * stride, s[i]);
}

static void luma_h(sample *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    int16x8_t s[8];
    at -= 4 * stride;
    for (int i = 0; i < 8; i++) s[i] = load_samples_8(at + i * stride);
    if (!luma(s, beta, tc0, tc1, noP, noQ, bitDepth)) return;
    for (int i = 1; i < 7; i++) store_samples_8(at + i * stride, s[i]);
}

// s: p1, p0, q0, q1 of four lines; lines 0, 1 have tc0; 2, 3 tc1. Changes p0 and q0.
VEIL_INLINE void chroma(int16x4_t *s, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    int16x4_t tc = vset_lane_s16((int16_t)tc0, vset_lane_s16((int16_t)tc0, vdup_n_s16((int16_t)tc1), 0), 1);
    int16x4_t delta = vadd_s16(vshl_n_s16(vsub_s16(s[2], s[1]), 2), vsub_s16(s[0], s[3]));
    delta = vmin_s16(vmax_s16(vrshr_n_s16(delta, 3), vneg_s16(tc)), tc);
    if (!noP) s[1] = clip_samples_4(vadd_s16(s[1], delta), bitDepth);
    if (!noQ) s[2] = clip_samples_4(vsub_s16(s[2], delta), bitDepth);
}

static void chroma_v(sample *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    int16x4_t s[4];
    at -= 2;
    for (int i = 0; i < 4; i++) s[i] = load_samples_4(at + i * stride);
    transpose_4x4(s);
    chroma(s, tc0, tc1, noP, noQ, bitDepth);
    transpose_4x4(s);
    for (int i = 0; i < 4; i++) store_samples_4(at + i * stride, s[i]);
}

static void chroma_h(sample *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    int16x4_t s[4];
    at -= 2 * stride;
    for (int i = 0; i < 4; i++) s[i] = load_samples_4(at + i * stride);
    chroma(s, tc0, tc1, noP, noQ, bitDepth);
    store_samples_4(at + stride, s[1]);
    store_samples_4(at + 2 * stride, s[2]);
}

void SIZED(veil_fill_deblock_neon)(sample_kernels *k) {
    k->deblock_luma_v = luma_v, k->deblock_luma_h = luma_h;
    k->deblock_chroma_v = chroma_v, k->deblock_chroma_h = chroma_h;
}
#endif
