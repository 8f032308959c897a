// SPDX-License-Identifier: GPL-2.0-or-later
// Making sources smaller, plain path.
#include "../kernels_internal.h"

static void scale_v(int16_t *dst, const uint16_t *const *rows, const int16_t *weights, int taps, int w) {
    for (int x = 0; x < w; x++) {
        int sum = 512;
        for (int k = 0; k < taps; k++) sum += weights[k] * rows[k][x];
        dst[x] = (int16_t)(sum >> 10);
    }
}

static void scale_h(
    uint16_t *dst, const int16_t *src, const int32_t *first, const int16_t *weights, int taps, int w, int limit) {
    for (int x = 0; x < w; x++) {
        int sum = 1 << 17;
        for (int k = 0; k < taps; k++) sum += weights[x * taps + k] * src[first[x] + k];
        sum >>= 18;
        dst[x] = (uint16_t)(sum < 0 ? 0 : sum > limit ? limit : sum);
    }
}

void veil_fill_scale(veil_kernels *k) {
    k->scale_v = scale_v;
    k->scale_h = scale_h;
}
