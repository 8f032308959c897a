// SPDX-License-Identifier: GPL-2.0-or-later
// What the NEON sources share. Every AArch64 processor has NEON.
#include <arm_neon.h>
#include <string.h>

// The first n (2, 4, 6 or, when more, 8) of eight.
VEIL_INLINE void store_first(uint16_t *p, uint16x8_t v, int n) {
    if (n >= 8) {
        vst1q_u16(p, v);
        return;
    }
    uint16x4_t low = vget_low_u16(v);
    if (n & 4) {
        vst1_u16(p, low);
        p += 4;
        low = vget_high_u16(v);
    }
    if (n & 2) {
        uint32_t pair = vget_lane_u32(vreinterpret_u32_u16(low), 0);
        memcpy(p, &pair, sizeof pair);
    }
}

// Rows become columns.
VEIL_INLINE void transpose_4x4(int16x4_t *r) {
    int16x4x2_t a = vtrn_s16(r[0], r[1]), b = vtrn_s16(r[2], r[3]);
    int32x2x2_t even = vtrn_s32(vreinterpret_s32_s16(a.val[0]), vreinterpret_s32_s16(b.val[0]));
    int32x2x2_t odd = vtrn_s32(vreinterpret_s32_s16(a.val[1]), vreinterpret_s32_s16(b.val[1]));
    r[0] = vreinterpret_s16_s32(even.val[0]);
    r[1] = vreinterpret_s16_s32(odd.val[0]);
    r[2] = vreinterpret_s16_s32(even.val[1]);
    r[3] = vreinterpret_s16_s32(odd.val[1]);
}

VEIL_INLINE void transpose_8x8(int16x8_t *r) {
    int16x4_t q[4][4];
    for (int i = 0; i < 4; i++) {
        q[0][i] = vget_low_s16(r[i]), q[1][i] = vget_high_s16(r[i]);
        q[2][i] = vget_low_s16(r[i + 4]), q[3][i] = vget_high_s16(r[i + 4]);
    }
    for (int i = 0; i < 4; i++) transpose_4x4(q[i]);
    for (int i = 0; i < 4; i++) {
        r[i] = vcombine_s16(q[0][i], q[2][i]);
        r[i + 4] = vcombine_s16(q[1][i], q[3][i]);
    }
}
