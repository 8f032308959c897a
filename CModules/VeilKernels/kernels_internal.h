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

// Sources of kernels for both sizes of samples are compiled twice: as they are for samples of two bytes, and from a
// source of the directory `eight`, which defines VEIL_SAMPLE_BITS as 8, for samples of one.
#ifndef VEIL_SAMPLE_BITS
#define VEIL_SAMPLE_BITS 16
#endif
#if VEIL_SAMPLE_BITS == 8
typedef uint8_t sample;
typedef veil_kernels_8 sample_kernels;
#define SIZED(name) name##_8
#define KERNELS_ACTIVE veil_kernels_8_active
#define KERNELS_OF veil_kernels_8_of
#else
typedef uint16_t sample;
typedef veil_kernels sample_kernels;
#define SIZED(name) name
#define KERNELS_ACTIVE veil_kernels_active
#define KERNELS_OF veil_kernels_of
#endif

extern const int16_t veil_luma_taps[4][8];
extern const int16_t veil_chroma_taps[8][4];
extern const int16_t veil_dct_matrix[32][32];
extern const int16_t veil_dst_matrix[4][4];
extern const int8_t veil_intra_angles[35];
extern const int16_t veil_intra_inverse_angles[15];

// Each source fills its part of a table; those of both sizes of samples also one for the smaller.
#define VEIL_FILLS(name) \
    void veil_fill_##name(veil_kernels *k); \
    void veil_fill_##name##_8(veil_kernels_8 *k);
VEIL_FILLS(mc_luma)
VEIL_FILLS(mc_chroma)
VEIL_FILLS(weighted)
VEIL_FILLS(transform)
void veil_fill_forward_transform(veil_kernels *k);
void veil_fill_quant(veil_kernels *k);
VEIL_FILLS(intra)
VEIL_FILLS(deblock)
VEIL_FILLS(sao)
VEIL_FILLS(sao_statistics)
VEIL_FILLS(resample)
VEIL_FILLS(cost)
VEIL_FILLS(block)
void veil_fill_scale(veil_kernels *k);

// And its AVX2 kernels, over the plain ones.
VEIL_FILLS(mc_avx2)
VEIL_FILLS(weighted_avx2)
VEIL_FILLS(transform_avx2)
void veil_fill_forward_transform_avx2(veil_kernels *k);
void veil_fill_quant_avx2(veil_kernels *k);
VEIL_FILLS(deblock_avx2)
VEIL_FILLS(sao_avx2)
VEIL_FILLS(sao_statistics_avx2)
// What vectors leave at the end of rows.
void SIZED(veil_sao_edge_statistics_plain)(int32_t *sum, int32_t *count, const sample *source, ptrdiff_t sourceStride,
    const sample *rec, ptrdiff_t recStride, int w, int h, int eoClass);
VEIL_FILLS(resample_avx2)
VEIL_FILLS(cost_avx2)
VEIL_FILLS(satd_avx2)
VEIL_FILLS(block_avx2)
void veil_fill_scale_avx2(veil_kernels *k);

// And those NEON kernels that compilers do not make of the plain ones.
VEIL_FILLS(mc_neon)
VEIL_FILLS(transform_neon)
void veil_fill_forward_transform_neon(veil_kernels *k);
VEIL_FILLS(deblock_neon)
VEIL_FILLS(sao_neon)
VEIL_FILLS(resample_neon)
VEIL_FILLS(cost_neon)
void veil_fill_quant_neon(veil_kernels *k);
void veil_fill_scale_neon(veil_kernels *k);

VEIL_INLINE int veil_min(int a, int b) { return a < b ? a : b; }
VEIL_INLINE int veil_max(int a, int b) { return a > b ? a : b; }
VEIL_INLINE int veil_abs(int a) { return a < 0 ? -a : a; }
VEIL_INLINE int veil_clip3(int low, int high, int v) { return v < low ? low : v > high ? high : v; }
VEIL_INLINE int16_t veil_clip16(int v) { return (int16_t)veil_clip3(-32768, 32767, v); }
VEIL_INLINE sample veil_clip_sample(int v, int bitDepth) { return (sample)veil_clip3(0, (1 << bitDepth) - 1, v); }

// One sample of the vertical pass (H.8.1.4.1.3): `s` is the first of its `taps` input samples, `stride` apart.
VEIL_INLINE sample veil_resample_sample(const int16_t *s, ptrdiff_t stride, const int16_t *c, int taps, int bitDepth) {
    int shift2 = 20 - bitDepth;
    int sum = 1 << (shift2 - 1);
    for (int i = 0; i < taps; i++) sum += c[i] * s[i * stride];
    return veil_clip_sample(sum >> shift2, bitDepth);
}

#endif
