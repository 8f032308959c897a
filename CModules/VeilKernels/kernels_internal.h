// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel sources share.
#ifndef VEIL_KERNELS_INTERNAL_H
#define VEIL_KERNELS_INTERNAL_H

#include "veil_kernels.h"

// Subtracted from predSamples in intermediate predictions.
#define VEIL_PRED_OFFSET 8192

#if defined(__x86_64__)
#define VEIL_X86 1
#elif defined(__aarch64__)
#define VEIL_NEON 1
#endif

#define VEIL_INLINE static inline __attribute__((always_inline))

extern const int16_t veil_luma_taps[4][8];
extern const int16_t veil_chroma_taps[8][4];
extern const int16_t veil_dct_matrix[32][32];
extern const int16_t veil_dst_matrix[4][4];
extern const int8_t veil_intra_angles[35];
extern const int16_t veil_intra_inverse_angles[15];

// Each source fills its part of a table.
void veil_fill_mc_luma(veil_kernels *k);
void veil_fill_mc_chroma(veil_kernels *k);
void veil_fill_weighted(veil_kernels *k);
void veil_fill_transform(veil_kernels *k);
void veil_fill_forward_transform(veil_kernels *k);
void veil_fill_quant(veil_kernels *k);
void veil_fill_intra(veil_kernels *k);
void veil_fill_deblock(veil_kernels *k);
void veil_fill_sao(veil_kernels *k);
void veil_fill_sao_statistics(veil_kernels *k);
void veil_fill_resample(veil_kernels *k);
void veil_fill_cost(veil_kernels *k);
void veil_fill_block(veil_kernels *k);
void veil_fill_scale(veil_kernels *k);

// And its AVX2 kernels, over the plain ones.
void veil_fill_mc_avx2(veil_kernels *k);
void veil_fill_weighted_avx2(veil_kernels *k);
void veil_fill_transform_avx2(veil_kernels *k);
void veil_fill_forward_transform_avx2(veil_kernels *k);
void veil_fill_quant_avx2(veil_kernels *k);
void veil_fill_deblock_avx2(veil_kernels *k);
void veil_fill_sao_avx2(veil_kernels *k);
void veil_fill_sao_statistics_avx2(veil_kernels *k);
// What vectors leave at the end of rows.
void veil_sao_edge_statistics_plain(int32_t *sum, int32_t *count, const uint16_t *source, ptrdiff_t sourceStride,
    const uint16_t *rec, ptrdiff_t recStride, int w, int h, int eoClass);
void veil_fill_resample_avx2(veil_kernels *k);
void veil_fill_cost_avx2(veil_kernels *k);
void veil_fill_satd_avx2(veil_kernels *k);
void veil_fill_block_avx2(veil_kernels *k);
void veil_fill_scale_avx2(veil_kernels *k);

// And those NEON kernels that compilers do not make of the plain ones.
void veil_fill_mc_neon(veil_kernels *k);
void veil_fill_transform_neon(veil_kernels *k);
void veil_fill_forward_transform_neon(veil_kernels *k);
void veil_fill_deblock_neon(veil_kernels *k);
void veil_fill_sao_neon(veil_kernels *k);
void veil_fill_resample_neon(veil_kernels *k);
void veil_fill_cost_neon(veil_kernels *k);
void veil_fill_quant_neon(veil_kernels *k);
void veil_fill_scale_neon(veil_kernels *k);

VEIL_INLINE int veil_min(int a, int b) { return a < b ? a : b; }
VEIL_INLINE int veil_max(int a, int b) { return a > b ? a : b; }
VEIL_INLINE int veil_abs(int a) { return a < 0 ? -a : a; }
VEIL_INLINE int veil_clip3(int low, int high, int v) { return v < low ? low : v > high ? high : v; }
VEIL_INLINE int16_t veil_clip16(int v) { return (int16_t)veil_clip3(-32768, 32767, v); }
VEIL_INLINE uint16_t veil_clip_sample(int v, int bitDepth) { return (uint16_t)veil_clip3(0, (1 << bitDepth) - 1, v); }

// One sample of the vertical pass (H.8.1.4.1.3): `s` is the first of its `taps` input samples, `stride` apart.
VEIL_INLINE uint16_t veil_resample_sample(
    const int16_t *s, ptrdiff_t stride, const int16_t *c, int taps, int bitDepth) {
    int shift2 = 20 - bitDepth;
    int sum = 1 << (shift2 - 1);
    for (int i = 0; i < taps; i++) sum += c[i] * s[i * stride];
    return veil_clip_sample(sum >> shift2, bitDepth);
}

#endif
