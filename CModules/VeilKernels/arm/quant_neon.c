// SPDX-License-Identifier: GPL-2.0-or-later
// Quantization, flat scaling and offset statistics, NEON.
#include "../kernels_internal.h"

#ifdef VEIL_NEON
#include "neon.h"

static int quant(int16_t *levels, int32_t *remainder, const int16_t *coeffs, int n, int scale, int offset, int shift) {
    uint16x4_t factor = vdup_n_u16((uint16_t)scale);
    int32x4_t add = vdupq_n_s32(offset), down = vdupq_n_s32(-shift), up = vdupq_n_s32(shift),
              rest = vdupq_n_s32(8 - shift);
    uint32x4_t zeros = vdupq_n_u32(0);
    for (int i = 0; i < n; i += 4) {
        int16x4_t c = vld1_s16(coeffs + i);
        // |-32768| is right as an unsigned number.
        int32x4_t scaled = vreinterpretq_s32_u32(vmull_u16(vreinterpret_u16_s16(vabs_s16(c)), factor));
        int32x4_t level = vminq_s32(vshlq_s32(vaddq_s32(scaled, add), down), vdupq_n_s32(32767));
        if (remainder) vst1q_s32(remainder + i, vshlq_s32(vsubq_s32(scaled, vshlq_s32(level, up)), rest));
        int16x4_t magnitude = vmovn_s32(level), sign = vshr_n_s16(c, 15);
        vst1_s16(levels + i, vsub_s16(veor_s16(magnitude, sign), sign));
        zeros = vsubq_u32(zeros, vceqzq_s32(level));
    }
    return n - (int)vaddvq_u32(zeros);
}

static void dequant(int16_t *coeffs, const int16_t *levels, int n, int scale, int shift) {
    int32x4_t factor = vdupq_n_s32(scale), round = vdupq_n_s32(shift > 0 ? 1 << (shift - 1) : 0),
              by = vdupq_n_s32(-shift);
    for (int i = 0; i < n; i += 8) {
        int16x8_t v = vld1q_s16(levels + i);
        int32x4_t a = vshlq_s32(vmlaq_s32(round, vmovl_s16(vget_low_s16(v)), factor), by);
        int32x4_t b = vshlq_s32(vmlaq_s32(round, vmovl_high_s16(v), factor), by);
        vst1q_s16(coeffs + i, vcombine_s16(vqmovn_s32(a), vqmovn_s32(b)));
    }
}

static void sao_edge_statistics(int32_t *sum, int32_t *count, const uint16_t *source, ptrdiff_t sourceStride,
    const uint16_t *rec, ptrdiff_t recStride, int w, int h, int eoClass) {
    ptrdiff_t step = eoClass == 0 ? 1 : eoClass == 1 ? recStride : eoClass == 2 ? recStride + 1 : recStride - 1;
    static const int16_t kinds[4] = {-2, -1, 1, 2};
    int32x4_t sums[4], counts[4];
    for (int i = 0; i < 4; i++) sums[i] = counts[i] = vdupq_n_s32(0);
    int whole = w & ~7;
    for (int y = 0; y < h; y++) {
        const uint16_t *s = source + y * sourceStride, *r = rec + y * recStride;
        for (int x = 0; x < whole; x += 8) {
            uint16x8_t c = vld1q_u16(r + x), p = vld1q_u16(r + x - step), q = vld1q_u16(r + x + step);
            int16x8_t d = vreinterpretq_s16_u16(vsubq_u16(vld1q_u16(s + x), c));
            // All ones are -1: signs of c - p and c - q.
            uint16x8_t kind =
                vaddq_u16(vsubq_u16(vcltq_u16(c, p), vcgtq_u16(c, p)), vsubq_u16(vcltq_u16(c, q), vcgtq_u16(c, q)));
            for (int i = 0; i < 4; i++) {
                int16x8_t mask = vreinterpretq_s16_u16(vceqq_s16(vreinterpretq_s16_u16(kind), vdupq_n_s16(kinds[i])));
                sums[i] = vpadalq_s16(sums[i], vandq_s16(d, mask));
                counts[i] = vpadalq_s16(counts[i], mask);
            }
        }
    }
    for (int i = 0; i < 4; i++) {
        sum[i] += vaddvq_s32(sums[i]);
        count[i] -= vaddvq_s32(counts[i]);
    }
    if (whole < w) {
        veil_sao_edge_statistics_plain(
            sum, count, source + whole, sourceStride, rec + whole, recStride, w - whole, h, eoClass);
    }
}

void veil_fill_quant_neon(veil_kernels *k) {
    k->quant = quant, k->dequant = dequant;
    k->sao_edge_statistics = sao_edge_statistics;
}
#endif
