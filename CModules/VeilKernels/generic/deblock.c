// SPDX-License-Identifier: GPL-2.0-or-later
// Edge filtering (8.7.2.5), plain path. `step` leads across the edge, `along` to the next line.
#include "../kernels_internal.h"

VEIL_INLINE void luma_line_strong(sample *s, ptrdiff_t step, int tc, int noP, int noQ) {
    int p0 = s[-step], p1 = s[-2 * step], p2 = s[-3 * step], p3 = s[-4 * step];
    int q0 = s[0], q1 = s[step], q2 = s[2 * step], q3 = s[3 * step];
    int limit = 2 * tc;
    if (!noP) {
        s[-step] = (sample)veil_clip3(p0 - limit, p0 + limit, (p2 + 2 * p1 + 2 * p0 + 2 * q0 + q1 + 4) >> 3);
        s[-2 * step] = (sample)veil_clip3(p1 - limit, p1 + limit, (p2 + p1 + p0 + q0 + 2) >> 2);
        s[-3 * step] = (sample)veil_clip3(p2 - limit, p2 + limit, (2 * p3 + 3 * p2 + p1 + p0 + q0 + 4) >> 3);
    }
    if (!noQ) {
        s[0] = (sample)veil_clip3(q0 - limit, q0 + limit, (p1 + 2 * p0 + 2 * q0 + 2 * q1 + q2 + 4) >> 3);
        s[step] = (sample)veil_clip3(q1 - limit, q1 + limit, (p0 + q0 + q1 + q2 + 2) >> 2);
        s[2 * step] = (sample)veil_clip3(q2 - limit, q2 + limit, (p0 + q0 + q1 + 3 * q2 + 2 * q3 + 4) >> 3);
    }
}

VEIL_INLINE void luma_line_normal(
    sample *s, ptrdiff_t step, int tc, int sideP, int sideQ, int noP, int noQ, int bitDepth) {
    int p0 = s[-step], p1 = s[-2 * step], p2 = s[-3 * step];
    int q0 = s[0], q1 = s[step], q2 = s[2 * step];
    int delta = (9 * (q0 - p0) - 3 * (q1 - p1) + 8) >> 4;
    if (veil_abs(delta) >= tc * 10) return;
    delta = veil_clip3(-tc, tc, delta);
    int half = tc >> 1;
    if (!noP) {
        s[-step] = veil_clip_sample(p0 + delta, bitDepth);
        if (sideP) {
            s[-2 * step] =
                veil_clip_sample(p1 + veil_clip3(-half, half, (((p2 + p0 + 1) >> 1) - p1 + delta) >> 1), bitDepth);
        }
    }
    if (!noQ) {
        s[0] = veil_clip_sample(q0 - delta, bitDepth);
        if (sideQ) {
            s[step] =
                veil_clip_sample(q1 + veil_clip3(-half, half, (((q2 + q0 + 1) >> 1) - q1 - delta) >> 1), bitDepth);
        }
    }
}

// dSam of a line (8.7.2.5.6).
VEIL_INLINE int is_flat(const sample *s, ptrdiff_t step, int dpq, int beta, int tc) {
    return dpq < beta >> 2 && veil_abs(s[-4 * step] - s[-step]) + veil_abs(s[0] - s[3 * step]) < beta >> 3 &&
        veil_abs(s[-step] - s[0]) < (5 * tc + 1) >> 1;
}

VEIL_INLINE void luma_segment(
    sample *s, ptrdiff_t step, ptrdiff_t along, int beta, int tc, int noP, int noQ, int bitDepth) {
    const sample *t = s + 3 * along;
    int dp0 = veil_abs(s[-3 * step] - 2 * s[-2 * step] + s[-step]),
        dp3 = veil_abs(t[-3 * step] - 2 * t[-2 * step] + t[-step]);
    int dq0 = veil_abs(s[2 * step] - 2 * s[step] + s[0]), dq3 = veil_abs(t[2 * step] - 2 * t[step] + t[0]);
    if (dp0 + dq0 + dp3 + dq3 >= beta) return;
    if (is_flat(s, step, 2 * (dp0 + dq0), beta, tc) && is_flat(t, step, 2 * (dp3 + dq3), beta, tc)) {
        for (int i = 0; i < 4; i++, s += along) luma_line_strong(s, step, tc, noP, noQ);
        return;
    }
    int sideP = dp0 + dp3 < (beta + (beta >> 1)) >> 3, sideQ = dq0 + dq3 < (beta + (beta >> 1)) >> 3;
    for (int i = 0; i < 4; i++, s += along) luma_line_normal(s, step, tc, sideP, sideQ, noP, noQ, bitDepth);
}

VEIL_INLINE void chroma_lines(sample *s, ptrdiff_t step, ptrdiff_t along, int tc, int noP, int noQ, int bitDepth) {
    for (int i = 0; i < 2; i++, s += along) {
        int p0 = s[-step], q0 = s[0];
        int delta = veil_clip3(-tc, tc, ((q0 - p0) * 4 + s[-2 * step] - s[step] + 4) >> 3);
        if (!noP) s[-step] = veil_clip_sample(p0 + delta, bitDepth);
        if (!noQ) s[0] = veil_clip_sample(q0 - delta, bitDepth);
    }
}

static void luma_v(sample *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    if (tc0) luma_segment(at, 1, stride, beta, tc0, noP, noQ, bitDepth);
    if (tc1) luma_segment(at + 4 * stride, 1, stride, beta, tc1, noP, noQ, bitDepth);
}

static void luma_h(sample *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    if (tc0) luma_segment(at, stride, 1, beta, tc0, noP, noQ, bitDepth);
    if (tc1) luma_segment(at + 4, stride, 1, beta, tc1, noP, noQ, bitDepth);
}

static void chroma_v(sample *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    if (tc0) chroma_lines(at, 1, stride, tc0, noP, noQ, bitDepth);
    if (tc1) chroma_lines(at + 2 * stride, 1, stride, tc1, noP, noQ, bitDepth);
}

static void chroma_h(sample *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    if (tc0) chroma_lines(at, stride, 1, tc0, noP, noQ, bitDepth);
    if (tc1) chroma_lines(at + 2, stride, 1, tc1, noP, noQ, bitDepth);
}

void SIZED(veil_fill_deblock)(sample_kernels *k) {
    k->deblock_luma_v = luma_v;
    k->deblock_luma_h = luma_h;
    k->deblock_chroma_v = chroma_v;
    k->deblock_chroma_h = chroma_h;
}
