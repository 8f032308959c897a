// SPDX-License-Identifier: GPL-2.0-or-later
// Block costs, plain path.
#include "../kernels_internal.h"

static uint32_t sad(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    uint32_t sum = 0;
    for (int y = 0; y < h; y++, a += aStride, b += bStride) {
        for (int x = 0; x < w; x++) sum += (uint32_t)veil_abs(a[x] - b[x]);
    }
    return sum;
}

static void sad_x4(
    uint32_t *out, const sample *a, ptrdiff_t aStride, const sample *const *b, ptrdiff_t bStride, int w, int h) {
    for (int i = 0; i < 4; i++) out[i] = sad(a, aStride, b[i], bStride, w, h);
}

// Hadamard transform of n (4 or 8) values with a step, in place.
VEIL_INLINE void hadamard(int *v, int step, int n) {
    for (int span = 1; span < n; span *= 2) {
        for (int i = 0; i < n; i++) {
            if (i & span) continue;
            int a = v[i * step], b = v[(i + span) * step];
            v[i * step] = a + b;
            v[(i + span) * step] = a - b;
        }
    }
}

VEIL_INLINE uint32_t satd_block(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int n) {
    int d[64];
    for (int y = 0; y < n; y++) {
        for (int x = 0; x < n; x++) d[y * n + x] = a[y * aStride + x] - b[y * bStride + x];
        hadamard(d + y * n, 1, n);
    }
    uint32_t sum = 0;
    for (int x = 0; x < n; x++) {
        hadamard(d + x, n, n);
        for (int y = 0; y < n; y++) sum += (uint32_t)veil_abs(d[y * n + x]);
    }
    return n == 4 ? (sum + 1) >> 1 : (sum + 2) >> 2;
}

static uint32_t satd(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    uint32_t sum = 0;
    if ((w | h) & 7) {
        for (int y = 0; y < h; y += 4) {
            for (int x = 0; x < w; x += 4)
                sum += satd_block(a + y * aStride + x, aStride, b + y * bStride + x, bStride, 4);
        }
    } else {
        for (int y = 0; y < h; y += 8) {
            for (int x = 0; x < w; x += 8)
                sum += satd_block(a + y * aStride + x, aStride, b + y * bStride + x, bStride, 8);
        }
    }
    return sum;
}

void SIZED(veil_sums)(const sample *a, ptrdiff_t stride, int w, int h, uint32_t *sum, uint32_t *squares) {
    uint32_t s = 0, q = 0;
    for (int y = 0; y < h; y++, a += stride) {
        for (int x = 0; x < w; x++) {
            s += a[x];
            q += (uint32_t)a[x] * a[x];
        }
    }
    *sum = s;
    *squares = q;
}

static uint64_t sse(const sample *a, ptrdiff_t aStride, const sample *b, ptrdiff_t bStride, int w, int h) {
    uint64_t sum = 0;
    for (int y = 0; y < h; y++, a += aStride, b += bStride) {
        for (int x = 0; x < w; x++) {
            int d = a[x] - b[x];
            sum += (uint32_t)(d * d);
        }
    }
    return sum;
}

void SIZED(veil_fill_cost)(sample_kernels *k) {
    k->sad = sad;
    k->sad_x4 = sad_x4;
    k->satd = satd;
    k->sse = sse;
}
