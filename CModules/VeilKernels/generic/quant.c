// SPDX-License-Identifier: GPL-2.0-or-later
// Quantization, and scaling (8.6.3) with a flat matrix; plain path.
#include "../kernels_internal.h"

static int quant(int16_t *levels, int32_t *remainder, const int16_t *coeffs, int n, int scale, int offset, int shift) {
    int count = 0;
    for (int i = 0; i < n; i++) {
        // At most 32768 * 26214 + 2^29: fits 31 bits.
        int scaled = veil_abs(coeffs[i]) * scale;
        int level = veil_min((scaled + offset) >> shift, 32767);
        count += level != 0;
        // The level may be one more than the quotient, never so much that the difference would leave 32 bits.
        if (remainder) remainder[i] = (scaled - (int)((unsigned)level << shift)) >> (shift - 8);
        levels[i] = (int16_t)(coeffs[i] < 0 ? -level : level);
    }
    return count;
}

static void dequant(int16_t *coeffs, const int16_t *levels, int n, int scale, int shift) {
    if (shift > 0) {
        int round = 1 << (shift - 1);
        for (int i = 0; i < n; i++) coeffs[i] = veil_clip16((levels[i] * scale + round) >> shift);
    } else {
        int factor = scale * (1 << -shift);
        for (int i = 0; i < n; i++) coeffs[i] = veil_clip16(levels[i] * factor);
    }
}

void veil_fill_quant(veil_kernels *k) {
    k->quant = quant;
    k->dequant = dequant;
}
