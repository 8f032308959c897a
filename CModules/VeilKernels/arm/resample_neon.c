// SPDX-License-Identifier: GPL-2.0-or-later
// Horizontal resampling (H.8.1.4), NEON. The vertical pass is the plain one, which compilers vectorize.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

VEIL_INLINE int32x4_t luma_products(const uint16_t *s, const int16_t *c) {
    int16x8_t v = vreinterpretq_s16_u16(vld1q_u16(s - 3)), taps = vld1q_s16(c);
    return vmlal_high_s16(vmull_s16(vget_low_s16(v), vget_low_s16(taps)), v, taps);
}

VEIL_INLINE int32x4_t chroma_products(const uint16_t *s, const int16_t *c) {
    return vmull_s16(vreinterpret_s16_u16(vld1_u16(s - 1)), vld1_s16(c));
}

#define HORIZONTAL(name, table) \
    static void h_##name(int16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h, \
        const int32_t *position, const uint8_t *phase, int shift1) { \
        int32x4_t by = vdupq_n_s32(-shift1); \
        for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) { \
            int x = 0; \
            for (; x + 4 <= w; x += 4) { \
                int32x4_t p[4]; \
                for (int i = 0; i < 4; i++) p[i] = name##_products(src + position[x + i], table[phase[x + i]]); \
                int32x4_t sum = vpaddq_s32(vpaddq_s32(p[0], p[1]), vpaddq_s32(p[2], p[3])); \
                vst1_s16(dst + x, vmovn_s32(vshlq_s32(sum, by))); \
            } \
            for (; x < w; x++) { \
                dst[x] = (int16_t)(vaddvq_s32(name##_products(src + position[x], table[phase[x]])) >> shift1); \
            } \
        } \
    }
HORIZONTAL(luma, veil_resample_taps_luma)
HORIZONTAL(chroma, veil_resample_taps_chroma)

void veil_fill_resample_neon(veil_kernels *k) {
    k->resample_h_luma = h_luma;
    k->resample_h_chroma = h_chroma;
}
#endif
