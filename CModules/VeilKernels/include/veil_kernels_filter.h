// SPDX-License-Identifier: GPL-2.0-or-later
// In-loop filters: deblocking (8.7.2) and sample adaptive offset (8.7.3). Include veil_kernels.h.
#ifndef VEIL_KERNELS_FILTER_H
#define VEIL_KERNELS_FILTER_H
#include "veil_kernels.h"

/// Decides and filters 8 lines of a vertical luma edge (8.7.2.5.3, .6, .7): two segments of 4 lines with `tc0` and
/// `tc1` (0 leaves the segment as it is). `at` is sample q0 of the first line; 4 samples on each side of the edge are
/// read, 3 changed at most. `beta`, `tc`: the variables of 8.7.2.5.3, scaled to the bit depth. `noP`, `noQ`: nDp or nDq
/// is forced to 0 on that side (pcm_loop_filter_disabled_flag, cu_transquant_bypass_flag).
static inline void veil_deblock_luma_v(
    uint16_t *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    veil_kernels_active.deblock_luma_v(at, stride, beta, tc0, tc1, noP, noQ, bitDepth);
}

/// The same for 8 columns of a horizontal edge; `at` is sample q0 of the first column.
static inline void veil_deblock_luma_h(
    uint16_t *at, ptrdiff_t stride, int beta, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    veil_kernels_active.deblock_luma_h(at, stride, beta, tc0, tc1, noP, noQ, bitDepth);
}

/// Filters 4 lines of a vertical chroma edge (8.7.2.5.5, .8): `tc0` for the first 2 lines, `tc1` for the other 2 (0:
/// unchanged). `at` is sample q0 of the first line.
static inline void veil_deblock_chroma_v(
    uint16_t *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    veil_kernels_active.deblock_chroma_v(at, stride, tc0, tc1, noP, noQ, bitDepth);
}

/// The same for 4 columns of a horizontal chroma edge.
static inline void veil_deblock_chroma_h(
    uint16_t *at, ptrdiff_t stride, int tc0, int tc1, int noP, int noQ, int bitDepth) {
    veil_kernels_active.deblock_chroma_h(at, stride, tc0, tc1, noP, noQ, bitDepth);
}

/// Band offset (8.7.3.2) of a w x h rectangle, any size. `bandPosition`: sao_band_position; `offsets`:
/// SaoOffsetVal[1...4]. `src` may be `dst`.
static inline void veil_sao_band(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w,
    int h, int bandPosition, const int16_t *offsets, int bitDepth) {
    veil_kernels_active.sao_band(dst, dstStride, src, srcStride, w, h, bandPosition, offsets, bitDepth);
}

/// Edge offset (8.7.3.2) of a w x h rectangle, any size, from deblocked samples `src`; one sample around the rectangle
/// is read on the sides that the class needs. `eoClass`: SaoEoClass 0...3 (0 horizontal, 1 vertical, 2 135 degrees, 3
/// 45 degrees); `offsets`: SaoOffsetVal[1...4]. Samples whose neighbours may not be used (picture, slice, tile borders)
/// are the caller's: leave them out or restore them.
static inline void veil_sao_edge(uint16_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w,
    int h, int eoClass, const int16_t *offsets, int bitDepth) {
    veil_kernels_active.sao_edge(dst, dstStride, src, srcStride, w, h, eoClass, offsets, bitDepth);
}

/// For an encoder: adds, for each of the four kinds of edge of a class (edgeIdx 1...4), the differences source - rec of
/// its samples to sum[4] and their number to count[4]. Neighbours are read as by veil_sao_edge.
static inline void veil_sao_edge_statistics(int32_t *sum, int32_t *count, const uint16_t *source,
    ptrdiff_t sourceStride, const uint16_t *rec, ptrdiff_t recStride, int w, int h, int eoClass) {
    veil_kernels_active.sao_edge_statistics(sum, count, source, sourceStride, rec, recStride, w, h, eoClass);
}

/// The same for the 32 bands: sum[32], count[32].
static inline void veil_sao_band_statistics(int32_t *sum, int32_t *count, const uint16_t *source,
    ptrdiff_t sourceStride, const uint16_t *rec, ptrdiff_t recStride, int w, int h, int bitDepth) {
    veil_kernels_active.sao_band_statistics(sum, count, source, sourceStride, rec, recStride, w, h, bitDepth);
}

#endif
