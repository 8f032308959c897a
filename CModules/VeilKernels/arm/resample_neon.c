// SPDX-License-Identifier: GPL-2.0-or-later
// Horizontal resampling (H.8.1.4), NEON: eight outputs at a time, whatever their positions, whose filters stay in
// registers over all rows. The vertical pass is the plain one, which compilers vectorize.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

// Eight outputs: `s[i] + at` is the first input of the i-th, `c[i]` its filter.
#if VEIL_SAMPLE_BITS == 8
// Sums fit 16 bits, in whatever order they are added up: 88 * 255 at most.
VEIL_INLINE int16x8_t sums_of_4(const int16x8_t *p) {
    return vpaddq_s16(vpaddq_s16(p[0], p[1]), vpaddq_s16(p[2], p[3]));
}

VEIL_INLINE int16x8_t luma_sums(const sample *const *s, ptrdiff_t at, const int16x8_t *c, int shift1) {
    (void)shift1;  // 0 for 8 bits
    int16x8_t p[8];
    for (int i = 0; i < 8; i++) p[i] = vmulq_s16(load_samples_8(s[i] + at), c[i]);
    return vpaddq_s16(sums_of_4(p), sums_of_4(p + 4));
}

// Two outputs in a register.
VEIL_INLINE int16x8_t chroma_sums(const sample *const *s, ptrdiff_t at, const int16x4_t *c, int shift1) {
    (void)shift1;
    int16x8_t p[4];
    for (int i = 0; i < 8; i += 2) {
        uint32_t four[2];
        memcpy(&four[0], s[i] + at, 4);
        memcpy(&four[1], s[i + 1] + at, 4);
        uint32x2_t both = vset_lane_u32(four[1], vdup_n_u32(four[0]), 1);
        int16x8_t v = vreinterpretq_s16_u16(vmovl_u8(vreinterpret_u8_u32(both)));
        p[i / 2] = vmulq_s16(v, vcombine_s16(c[i], c[i + 1]));
    }
    return sums_of_4(p);
}
#else
VEIL_INLINE int16x4_t sums_of_4(const int32x4_t *p, int shift1) {
    int32x4_t sums = vpaddq_s32(vpaddq_s32(p[0], p[1]), vpaddq_s32(p[2], p[3]));
    return vmovn_s32(vshlq_s32(sums, vdupq_n_s32(-shift1)));
}

VEIL_INLINE int16x8_t luma_sums(const sample *const *s, ptrdiff_t at, const int16x8_t *c, int shift1) {
    int32x4_t p[8];
    for (int i = 0; i < 8; i++) {
        int16x8_t v = load_samples_8(s[i] + at);
        p[i] = vmlal_high_s16(vmull_s16(vget_low_s16(v), vget_low_s16(c[i])), v, c[i]);
    }
    return vcombine_s16(sums_of_4(p, shift1), sums_of_4(p + 4, shift1));
}

VEIL_INLINE int16x8_t chroma_sums(const sample *const *s, ptrdiff_t at, const int16x4_t *c, int shift1) {
    int32x4_t p[8];
    for (int i = 0; i < 8; i++) p[i] = vmull_s16(load_samples_4(s[i] + at), c[i]);
    return vcombine_s16(sums_of_4(p, shift1), sums_of_4(p + 4, shift1));
}
#endif

#define HORIZONTAL(name, taps, factors, load_factors) \
    static void h_##name(int16_t *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, \
        const int32_t *position, const uint8_t *phase, int shift1) { \
        const int before = taps / 2 - 1; \
        int x = 0; \
        for (; x + 8 <= w; x += 8) { \
            const sample *s[8]; \
            factors c[8]; \
            for (int i = 0; i < 8; i++) { \
                s[i] = src + position[x + i] - before; \
                c[i] = load_factors(veil_resample_taps_##name[phase[x + i]]); \
            } \
            for (int y = 0; y < h; y++) vst1q_s16(dst + y * dstStride + x, name##_sums(s, y * srcStride, c, shift1)); \
        } \
        for (; x < w; x++) { \
            const int16_t *c = veil_resample_taps_##name[phase[x]]; \
            const sample *s = src + position[x] - before; \
            for (int y = 0; y < h; y++, s += srcStride) { \
                int sum = 0; \
                for (int i = 0; i < taps; i++) sum += c[i] * s[i]; \
                dst[y * dstStride + x] = (int16_t)(sum >> shift1); \
            } \
        } \
    }
HORIZONTAL(luma, 8, int16x8_t, vld1q_s16)
HORIZONTAL(chroma, 4, int16x4_t, vld1_s16)

void SIZED(veil_fill_resample_neon)(sample_kernels *k) {
    k->resample_h_luma = h_luma;
    k->resample_h_chroma = h_chroma;
}
#endif
