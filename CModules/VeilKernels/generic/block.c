// SPDX-License-Identifier: GPL-2.0-or-later
// Plain work on blocks and planes.
#include "../kernels_internal.h"

#include <string.h>

static void average(sample *dst, ptrdiff_t dstStride, const sample *a, ptrdiff_t aStride, const sample *b,
    ptrdiff_t bStride, int w, int h) {
    for (int y = 0; y < h; y++, dst += dstStride, a += aStride, b += bStride) {
        for (int x = 0; x < w; x++) dst[x] = (sample)((a[x] + b[x] + 1) >> 1);
    }
}

static void copy(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h) {
    for (int y = 0; y < h; y++) memcpy(dst + y * dstStride, src + y * srcStride, (size_t)w * sizeof *dst);
}

static void fill(sample *dst, ptrdiff_t dstStride, int value, int w, int h) {
    for (int y = 0; y < h; y++, dst += dstStride) {
        for (int x = 0; x < w; x++) dst[x] = (sample)value;
    }
}

static void residual(int16_t *dst, ptrdiff_t dstStride, const sample *a, ptrdiff_t aStride, const sample *b,
    ptrdiff_t bStride, int w, int h) {
    for (int y = 0; y < h; y++, dst += dstStride, a += aStride, b += bStride) {
        for (int x = 0; x < w; x++) dst[x] = (int16_t)(a[x] - b[x]);
    }
}

#if VEIL_SAMPLE_BITS == 16
static void narrow(
    uint8_t *dst, ptrdiff_t dstStride, const uint16_t *src, ptrdiff_t srcStride, int w, int h, int shift) {
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        for (int x = 0; x < w; x++) dst[x] = (uint8_t)veil_min(255, src[x] >> shift);
    }
}

static void widen(uint16_t *dst, ptrdiff_t dstStride, const uint8_t *src, ptrdiff_t srcStride, int w, int h) {
    for (int y = 0; y < h; y++, dst += dstStride, src += srcStride) {
        for (int x = 0; x < w; x++) dst[x] = src[x];
    }
}
#endif

void SIZED(veil_extend_rows)(sample *plane, ptrdiff_t stride, int w, int rows, int margin) {
    for (int y = 0; y < rows; y++, plane += stride) {
        sample first = plane[0], last = plane[w - 1];
        for (int x = 0; x < margin; x++) plane[x - margin] = first;
        for (int x = 0; x < margin; x++) plane[w + x] = last;
    }
}

void SIZED(veil_extend_top)(sample *plane, ptrdiff_t stride, int w, int marginX, int marginY) {
    const sample *row = plane - marginX;
    for (int y = 1; y <= marginY; y++)
        memcpy(plane - marginX - y * stride, row, (size_t)(w + 2 * marginX) * sizeof *row);
}

void SIZED(veil_extend_bottom)(sample *plane, ptrdiff_t stride, int w, int h, int marginX, int marginY) {
    sample *row = plane + (h - 1) * stride - marginX;
    for (int y = 1; y <= marginY; y++) memcpy(row + y * stride, row, (size_t)(w + 2 * marginX) * sizeof *row);
}

void SIZED(veil_extend_plane)(sample *plane, ptrdiff_t stride, int w, int h, int marginX, int marginY) {
    SIZED(veil_extend_rows)(plane, stride, w, h, marginX);
    SIZED(veil_extend_top)(plane, stride, w, marginX, marginY);
    SIZED(veil_extend_bottom)(plane, stride, w, h, marginX, marginY);
}

void SIZED(veil_fill_block)(sample_kernels *k) {
    k->average = average;
    k->copy = copy;
    k->fill = fill;
    k->residual = residual;
#if VEIL_SAMPLE_BITS == 16
    k->narrow = narrow;
    k->widen = widen;
#endif
}
