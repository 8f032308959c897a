// SPDX-License-Identifier: GPL-2.0-or-later
// Fractional sample interpolation (8.5.3.3.3) with TAPS taps, plain path; included by mc_luma.c and mc_chroma.c, which
// define TAPS, BEFORE (taps before the sample) and `taps_of`.

// Where a result goes.
typedef enum { TO_PRED, TO_SAMPLES, TO_AVERAGE } destination;

VEIL_INLINE void emit(destination to, int16_t *pred, sample *dst, const int16_t *pred0, int x, int v, int bitDepth) {
    // v: predSamples
    if (to == TO_PRED) {
        pred[x] = (int16_t)(v - VEIL_PRED_OFFSET);
    } else if (to == TO_SAMPLES) {
        int shift = 14 - bitDepth;
        dst[x] = veil_clip_sample((v + (1 << (shift - 1))) >> shift, bitDepth);
    } else {
        int shift = 15 - bitDepth;
        dst[x] = veil_clip_sample((v + pred0[x] + VEIL_PRED_OFFSET + (1 << (shift - 1))) >> shift, bitDepth);
    }
}

VEIL_INLINE int filter_samples(const sample *s, ptrdiff_t step, const int16_t *c) {
    int sum = 0;
    for (int i = 0; i < TAPS; i++) sum += c[i] * s[i * step];
    return sum;
}
VEIL_INLINE int filter_signed(const int16_t *s, ptrdiff_t step, const int16_t *c) {
    int sum = 0;
    for (int i = 0; i < TAPS; i++) sum += c[i] * s[i * step];
    return sum;
}

// Only arrays that take part move: the others are NULL.
#define ADVANCE \
    do { \
        if (to == TO_PRED) pred += VEIL_PRED_STRIDE; \
        if (to == TO_AVERAGE) pred0 += VEIL_PRED_STRIDE; \
        if (to != TO_PRED) dst += dstStride; \
    } while (0)

VEIL_INLINE void interpolate(destination to, int16_t *pred, sample *dst, ptrdiff_t dstStride, const int16_t *pred0,
    const sample *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    const int16_t *cx = taps_of(mx), *cy = taps_of(my);
    int shift1 = veil_min(4, bitDepth - 8);
    int shift3 = 14 - bitDepth;
    if (mx && my) {
        int16_t rows[(64 + TAPS - 1) * VEIL_PRED_STRIDE];
        src -= BEFORE * srcStride + BEFORE;
        for (int y = 0; y < h + TAPS - 1; y++, src += srcStride) {
            for (int x = 0; x < w; x++)
                rows[y * VEIL_PRED_STRIDE + x] = (int16_t)(filter_samples(src + x, 1, cx) >> shift1);
        }
        for (int y = 0; y < h; y++) {
            const int16_t *r = rows + y * VEIL_PRED_STRIDE;
            for (int x = 0; x < w; x++)
                emit(to, pred, dst, pred0, x, filter_signed(r + x, VEIL_PRED_STRIDE, cy) >> 6, bitDepth);
            ADVANCE;
        }
        return;
    }
    // One loop for each case, so that compilers vectorize them.
    if (mx) {
        src -= BEFORE;
        for (int y = 0; y < h; y++, src += srcStride) {
            for (int x = 0; x < w; x++)
                emit(to, pred, dst, pred0, x, filter_samples(src + x, 1, cx) >> shift1, bitDepth);
            ADVANCE;
        }
    } else if (my) {
        src -= BEFORE * srcStride;
        for (int y = 0; y < h; y++, src += srcStride) {
            for (int x = 0; x < w; x++)
                emit(to, pred, dst, pred0, x, filter_samples(src + x, srcStride, cy) >> shift1, bitDepth);
            ADVANCE;
        }
    } else {
        for (int y = 0; y < h; y++, src += srcStride) {
            for (int x = 0; x < w; x++) emit(to, pred, dst, pred0, x, src[x] << shift3, bitDepth);
            ADVANCE;
        }
    }
}

static void pred(int16_t *pred, const sample *src, ptrdiff_t srcStride, int w, int h, int mx, int my, int bitDepth) {
    interpolate(TO_PRED, pred, NULL, 0, NULL, src, srcStride, w, h, mx, my, bitDepth);
}

static void put(sample *dst, ptrdiff_t dstStride, const sample *src, ptrdiff_t srcStride, int w, int h, int mx, int my,
    int bitDepth) {
    if (!(mx | my)) {
        KERNELS_OF(VEIL_SIMD_PLAIN)->copy(dst, dstStride, src, srcStride, w, h);
        return;
    }
    interpolate(TO_SAMPLES, NULL, dst, dstStride, NULL, src, srcStride, w, h, mx, my, bitDepth);
}

static void bi(sample *dst, ptrdiff_t dstStride, const int16_t *pred0, const sample *src, ptrdiff_t srcStride, int w,
    int h, int mx, int my, int bitDepth) {
    interpolate(TO_AVERAGE, NULL, dst, dstStride, pred0, src, srcStride, w, h, mx, my, bitDepth);
}
