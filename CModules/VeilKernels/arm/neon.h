// SPDX-License-Identifier: GPL-2.0-or-later
// What the NEON sources share. Every AArch64 processor has NEON.
#include <arm_neon.h>
#include <string.h>

// Samples, as 16-bit elements in registers. What is stored must fit a sample, or be clipped by clip_samples before:
// where samples have one byte, storing clips them to their 8 bits. store_first stores the first n (2, 4, 6 or, when
// more, 8) of eight samples of their own size.
#if VEIL_SAMPLE_BITS == 8
VEIL_INLINE int16x8_t load_samples_8(const sample *p) { return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p))); }
VEIL_INLINE int16x4_t load_samples_4(const sample *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return vget_low_s16(vreinterpretq_s16_u16(vmovl_u8(vcreate_u8(four))));
}

VEIL_INLINE void store_samples_8(sample *p, int16x8_t v) { vst1_u8(p, vqmovun_s16(v)); }
VEIL_INLINE void store_samples_4(sample *p, int16x4_t v) {
    uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vqmovun_s16(vcombine_s16(v, v))), 0);
    memcpy(p, &four, 4);
}
VEIL_INLINE void store_first(sample *p, uint8x8_t v, int n) {
    if (n >= 8) {
        vst1_u8(p, v);
        return;
    }
    uint64_t samples = vget_lane_u64(vreinterpret_u64_u8(v), 0);
    if (n & 4) {
        memcpy(p, &samples, 4);
        p += 4;
        samples >>= 32;
    }
    if (n & 2) memcpy(p, &samples, 2);
}

VEIL_INLINE int16x8_t clip_samples(int16x8_t v, int bitDepth) { return (void)bitDepth, v; }
VEIL_INLINE int16x4_t clip_samples_4(int16x4_t v, int bitDepth) { return (void)bitDepth, v; }
#else
VEIL_INLINE int16x8_t load_samples_8(const sample *p) { return vreinterpretq_s16_u16(vld1q_u16(p)); }
VEIL_INLINE int16x4_t load_samples_4(const sample *p) { return vreinterpret_s16_u16(vld1_u16(p)); }

VEIL_INLINE void store_samples_8(sample *p, int16x8_t v) { vst1q_u16(p, vreinterpretq_u16_s16(v)); }
VEIL_INLINE void store_samples_4(sample *p, int16x4_t v) { vst1_u16(p, vreinterpret_u16_s16(v)); }
VEIL_INLINE void store_first(sample *p, uint16x8_t v, int n) {
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

VEIL_INLINE int16x8_t clip_samples(int16x8_t v, int bitDepth) {
    return vmaxq_s16(vminq_s16(v, vdupq_n_s16((int16_t)((1 << bitDepth) - 1))), vdupq_n_s16(0));
}
VEIL_INLINE int16x4_t clip_samples_4(int16x4_t v, int bitDepth) {
    return vmax_s16(vmin_s16(v, vdup_n_s16((int16_t)((1 << bitDepth) - 1))), vdup_n_s16(0));
}
#endif

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

// By exchanging single elements, then pairs, then halves.
VEIL_INLINE void transpose_8x8(int16x8_t *r) {
    int32x4_t p[8];
    for (int i = 0; i < 8; i += 2) {
        p[i] = vreinterpretq_s32_s16(vtrn1q_s16(r[i], r[i + 1]));
        p[i + 1] = vreinterpretq_s32_s16(vtrn2q_s16(r[i], r[i + 1]));
    }
    int64x2_t h[8];
    for (int i = 0; i < 8; i++) {
        h[i] = vreinterpretq_s64_s32(i & 2 ? vtrn2q_s32(p[i - 2], p[i]) : vtrn1q_s32(p[i], p[i + 2]));
    }
    for (int i = 0; i < 4; i++) {
        r[i] = vreinterpretq_s16_s64(vtrn1q_s64(h[i], h[i + 4]));
        r[i + 4] = vreinterpretq_s16_s64(vtrn2q_s64(h[i], h[i + 4]));
    }
}
