// SPDX-License-Identifier: GPL-2.0-or-later
// Making sources smaller, NEON.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

static void scale_v(int16_t *dst, const uint16_t *const *rows, const int16_t *weights, int taps, int w) {
    int x = 0;
    for (; x + 8 <= w; x += 8) {
        int32x4_t low = vdupq_n_s32(0), high = low;
        for (int k = 0; k < taps; k++) {
            int16x8_t v = vreinterpretq_s16_u16(vld1q_u16(rows[k] + x));
            low = vmlal_n_s16(low, vget_low_s16(v), weights[k]);
            high = vmlal_high_n_s16(high, v, weights[k]);
        }
        vst1q_s16(dst + x, vcombine_s16(vrshrn_n_s32(low, 10), vrshrn_n_s32(high, 10)));
    }
    for (; x < w; x++) {
        int sum = 512;
        for (int k = 0; k < taps; k++) sum += weights[k] * rows[k][x];
        dst[x] = (int16_t)(sum >> 10);
    }
}

static void scale_h(
    uint16_t *dst, const int16_t *src, const int32_t *first, const int16_t *weights, int taps, int w, int limit) {
    for (int x = 0; x < w; x++, weights += taps) {
        const int16_t *s = src + first[x];
        int32x4_t sum = vdupq_n_s32(0);
        for (int k = 0; k < taps; k += 8) {
            int16x8_t v = vld1q_s16(s + k), c = vld1q_s16(weights + k);
            sum = vmlal_high_s16(vmlal_s16(sum, vget_low_s16(v), vget_low_s16(c)), v, c);
        }
        dst[x] = (uint16_t)veil_clip3(0, limit, (vaddvq_s32(sum) + (1 << 17)) >> 18);
    }
}

void veil_fill_scale_neon(veil_kernels *k) {
    k->scale_v = scale_v;
    k->scale_h = scale_h;
}
#endif
