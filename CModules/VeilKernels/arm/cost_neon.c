// SPDX-License-Identifier: GPL-2.0-or-later
// Block costs, NEON.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

#if VEIL_SAMPLE_BITS == 8
static uint32_t sad(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    uint32x4_t sum = vdupq_n_u32(0);
    for (int y = 0; y < h; y++, a += aStride, b += bStride) {
        int x = 0;
        for (; x + 16 <= w; x += 16) sum = vpadalq_u16(sum, vpaddlq_u8(vabdq_u8(vld1q_u8(a + x), vld1q_u8(b + x))));
        if (x + 8 <= w) {
            sum = vpadalq_u16(sum, vabdl_u8(vld1_u8(a + x), vld1_u8(b + x)));
            x += 8;
        }
        if (x < w) {
            uint32_t p, q;
            memcpy(&p, a + x, 4);
            memcpy(&q, b + x, 4);
            sum = vpadalq_u16(sum, vabdl_u8(vcreate_u8(p), vcreate_u8(q)));
        }
    }
    return vaddvq_u32(sum);
}

// The sums of squares of a row fit 32 bits.
static uint64_t sse(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    uint64x2_t sum = vdupq_n_u64(0);
    uint64_t rest = 0;
    for (int y = 0; y < h; y++, a += aStride, b += bStride) {
        uint32x4_t row = vdupq_n_u32(0);
        int x = 0;
        for (; x + 16 <= w; x += 16) {
            uint8x16_t d = vabdq_u8(vld1q_u8(a + x), vld1q_u8(b + x));
            row = vpadalq_u16(row, vmull_u8(vget_low_u8(d), vget_low_u8(d)));
            row = vpadalq_u16(row, vmull_high_u8(d, d));
        }
        if (x + 8 <= w) {
            uint8x8_t d = vabd_u8(vld1_u8(a + x), vld1_u8(b + x));
            row = vpadalq_u16(row, vmull_u8(d, d));
            x += 8;
        }
        for (; x < w; x++) {
            int d = a[x] - b[x];
            rest += (uint32_t)(d * d);
        }
        sum = vpadalq_u32(sum, row);
    }
    return vaddvq_u64(sum) + rest;
}
#else
static uint32_t sad(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    uint32x4_t sum = vdupq_n_u32(0);
    for (int y = 0; y < h; y++, a += aStride, b += bStride) {
        int x = 0;
        for (; x + 8 <= w; x += 8) sum = vpadalq_u16(sum, vabdq_u16(vld1q_u16(a + x), vld1q_u16(b + x)));
        if (x < w) sum = vaddw_u16(sum, vabd_u16(vld1_u16(a + x), vld1_u16(b + x)));
    }
    return vaddvq_u32(sum);
}

static uint64_t sse(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    uint64x2_t sum = vdupq_n_u64(0);
    uint64_t rest = 0;
    for (int y = 0; y < h; y++, a += aStride, b += bStride) {
        int x = 0;
        for (; x + 8 <= w; x += 8) {
            uint16x8_t d = vabdq_u16(vld1q_u16(a + x), vld1q_u16(b + x));
            sum = vpadalq_u32(sum, vmull_u16(vget_low_u16(d), vget_low_u16(d)));
            sum = vpadalq_u32(sum, vmull_high_u16(d, d));
        }
        for (; x < w; x++) {
            int d = a[x] - b[x];
            rest += (uint32_t)(d * d);
        }
    }
    return vaddvq_u64(sum) + rest;
}
#endif

static void sad_x4(
    uint32_t *out, const sample *a, ptrdiff_t aStride, const sample *const *b, ptrdiff_t bStride, int w, int h) {
    for (int i = 0; i < 4; i++) out[i] = sad(a, aStride, b[i], bStride, w, h);
}

VEIL_INLINE void butterfly(int16x8_t *a, int16x8_t *b) {
    int16x8_t s = vaddq_s16(*a, *b);
    *b = vsubq_s16(*a, *b);
    *a = s;
}

// Of the six stages the last is left to the sum: |a + b| + |a - b| = 2 max(|a|, |b|). Ten-bit differences then fit 16
// bits.
VEIL_INLINE uint32_t satd_8x8(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride) {
    int16x8_t r[8];
    for (int i = 0; i < 8; i++) { r[i] = vsubq_s16(load_samples_8(a + i * aStride), load_samples_8(b + i * bStride)); }
    for (int span = 4; span; span /= 2) {
        for (int i = 0; i < 8; i++) {
            if (!(i & span)) butterfly(&r[i], &r[i + span]);
        }
    }
    transpose_8x8(r);
    for (int span = 4; span > 1; span /= 2) {
        for (int i = 0; i < 8; i++) {
            if (!(i & span)) butterfly(&r[i], &r[i + span]);
        }
    }
    uint32x4_t sum = vdupq_n_u32(0);
    for (int i = 0; i < 8; i += 2) {
        sum = vpadalq_u16(
            sum, vmaxq_u16(vreinterpretq_u16_s16(vabsq_s16(r[i])), vreinterpretq_u16_s16(vabsq_s16(r[i + 1]))));
    }
    return (2 * vaddvq_u32(sum) + 2) >> 2;
}

VEIL_INLINE uint32_t satd_4x4(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride) {
    int16x4_t r[4], s[4];
    for (int i = 0; i < 4; i++) { r[i] = vsub_s16(load_samples_4(a + i * aStride), load_samples_4(b + i * bStride)); }
    s[0] = vadd_s16(r[0], r[2]), s[1] = vadd_s16(r[1], r[3]), s[2] = vsub_s16(r[0], r[2]), s[3] = vsub_s16(r[1], r[3]);
    r[0] = vadd_s16(s[0], s[1]), r[1] = vsub_s16(s[0], s[1]), r[2] = vadd_s16(s[2], s[3]), r[3] = vsub_s16(s[2], s[3]);
    transpose_4x4(r);
    s[0] = vadd_s16(r[0], r[2]), s[1] = vadd_s16(r[1], r[3]), s[2] = vsub_s16(r[0], r[2]), s[3] = vsub_s16(r[1], r[3]);
    int16x4_t low = vmax_s16(vabs_s16(s[0]), vabs_s16(s[1])), high = vmax_s16(vabs_s16(s[2]), vabs_s16(s[3]));
    return (2 * vaddvq_u32(vaddl_u16(vreinterpret_u16_s16(low), vreinterpret_u16_s16(high))) + 1) >> 1;
}

static uint32_t satd(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    uint32_t sum = 0;
    if ((w | h) & 7) {
        for (int y = 0; y < h; y += 4) {
            for (int x = 0; x < w; x += 4) sum += satd_4x4(a + y * aStride + x, aStride, b + y * bStride + x, bStride);
        }
    } else {
        for (int y = 0; y < h; y += 8) {
            for (int x = 0; x < w; x += 8) sum += satd_8x8(a + y * aStride + x, aStride, b + y * bStride + x, bStride);
        }
    }
    return sum;
}

void SIZED(veil_fill_cost_neon)(sample_kernels *k) {
    k->sad = sad, k->sad_x4 = sad_x4;
    k->satd = satd;
    k->sse = sse;
}
#endif
