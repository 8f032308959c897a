// SPDX-License-Identifier: GPL-2.0-or-later
// Intra sample prediction (8.4.4.2.3 to 8.4.4.2.6), plain path.
#include "../kernels_internal.h"

#include <string.h>

#if VEIL_SAMPLE_BITS == 16
// Table 8-5: intraPredAngle by mode.
const int8_t veil_intra_angles[35] = {0, 0, 32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32, -26,
    -21, -17, -13, -9, -5, -2, 0, 2, 5, 9, 13, 17, 21, 26, 32};
// Table 8-6: invAngle of modes 11...25.
const int16_t veil_intra_inverse_angles[15] = {
    -4096, -1638, -910, -630, -482, -390, -315, -256, -315, -390, -482, -630, -910, -1638, -4096};
#endif

// What sums of products with 32 fit: so compilers keep as many samples in a register as can be.
#if VEIL_SAMPLE_BITS == 8
typedef uint16_t product;
#else
typedef uint32_t product;
#endif

// Of a size that is known when this is compiled.
VEIL_INLINE void planar_of(sample *dst, ptrdiff_t stride, const sample *left, const sample *top, int log2Size) {
    const int n = 1 << log2Size;
    for (int y = 0; y < n; y++, dst += stride) {
        product first = (product)((y + 1) * left[n] + n), l = left[y], right = top[n], down = (product)(n - 1 - y);
        for (int x = 0; x < n; x++) {
            product sum = (product)(first + (product)((product)(n - 1 - x) * l));
            sum = (product)(sum + (product)((product)(x + 1) * right));
            sum = (product)(sum + (product)(down * top[x]));
            dst[x] = (sample)(sum >> (log2Size + 1));
        }
    }
}

static void planar(sample *dst, ptrdiff_t stride, const sample *left, const sample *top, int log2Size) {
    switch (log2Size) {
    case 2: planar_of(dst, stride, left, top, 2); break;
    case 3: planar_of(dst, stride, left, top, 3); break;
    case 4: planar_of(dst, stride, left, top, 4); break;
    default: planar_of(dst, stride, left, top, 5); break;
    }
}

static void dc(sample *dst, ptrdiff_t stride, const sample *left, const sample *top, int log2Size, int edge) {
    int n = 1 << log2Size;
    int sum = n;
    for (int i = 0; i < n; i++) sum += left[i] + top[i];
    int value = sum >> (log2Size + 1);
    for (int y = 0; y < n; y++) {
        for (int x = 0; x < n; x++) dst[y * stride + x] = (sample)value;
    }
    if (!edge) return;
    dst[0] = (sample)((left[0] + 2 * value + top[0] + 2) >> 2);
    for (int i = 1; i < n; i++) {
        dst[i] = (sample)((top[i] + 3 * value + 2) >> 2);
        dst[i * stride] = (sample)((left[i] + 3 * value + 2) >> 2);
    }
}

// A block whose rows lie along `ref`, of a size that is known when this is compiled.
VEIL_INLINE void project(sample *dst, ptrdiff_t stride, const sample *ref, int angle, int n) {
    for (int j = 0; j < n; j++, dst += stride) {
        int sum = (j + 1) * angle;
        product b = sum & 31, a = (product)(32 - b);
        const sample *r = ref + (sum >> 5) + 1;
        if (!b) {
            memcpy(dst, r, (size_t)n * sizeof *dst);
            continue;
        }
        for (int i = 0; i < n; i++) {
            dst[i] = (sample)((product)((product)(a * r[i]) + (product)(b * r[i + 1]) + 16) >> 5);
        }
    }
}

VEIL_INLINE void project_of(sample *dst, ptrdiff_t stride, const sample *ref, int angle, int n, int vertical) {
    if (vertical) {
        project(dst, stride, ref, angle, n);
        return;
    }
    sample turned[32 * 32];
    project(turned, n, ref, angle, n);
    for (int y = 0; y < n; y++, dst += stride) {
        for (int x = 0; x < n; x++) dst[x] = turned[x * n + y];
    }
}

static void angular(sample *dst, ptrdiff_t stride, const sample *left, const sample *top, int log2Size, int mode,
    int edge, int bitDepth) {
    int n = 1 << log2Size;
    int angle = veil_intra_angles[mode];
    int vertical = mode >= 18;
    const sample *main = vertical ? top : left, *side = vertical ? left : top;
    // ref[x] of the standard is ref[x] here, x from -n to 2n.
    sample memory[32 + 65];
    sample *ref = memory + 32;
    for (int x = 0; x <= 2 * n; x++) ref[x] = main[x - 1];
    if (angle < 0) {
        int inverse = veil_intra_inverse_angles[mode - 11];
        int first = (n * angle) >> 5;
        for (int x = first < -1 ? first : 0; x < 0; x++) ref[x] = side[-1 + ((x * inverse + 128) >> 8)];
    }
    switch (log2Size) {
    case 2: project_of(dst, stride, ref, angle, 4, vertical); break;
    case 3: project_of(dst, stride, ref, angle, 8, vertical); break;
    case 4: project_of(dst, stride, ref, angle, 16, vertical); break;
    default: project_of(dst, stride, ref, angle, 32, vertical); break;
    }
    if (angle == 0 && edge) {
        ptrdiff_t across = vertical ? stride : 1;
        for (int j = 0; j < n; j++) {
            dst[j * across] = veil_clip_sample(main[0] + ((side[j] - side[-1]) >> 1), bitDepth);
        }
    }
}

static void smooth(sample *out, const sample *in, int last) {
    for (int i = 0; i < last; i++) out[i] = (sample)((in[i - 1] + 2 * in[i] + in[i + 1] + 2) >> 2);
    out[last] = in[last];
}

static void filter(
    sample *outLeft, sample *outTop, const sample *left, const sample *top, int log2Size, int strong, int bitDepth) {
    int last = (2 << log2Size) - 1;
    int corner = top[-1];
    if (strong && log2Size == 5 && veil_abs(corner + top[63] - 2 * top[31]) < 1 << (bitDepth - 5) &&
        veil_abs(corner + left[63] - 2 * left[31]) < 1 << (bitDepth - 5)) {
        for (int i = 0; i < 63; i++) {
            outLeft[i] = (sample)(((63 - i) * corner + (i + 1) * left[63] + 32) >> 6);
            outTop[i] = (sample)(((63 - i) * corner + (i + 1) * top[63] + 32) >> 6);
        }
        outLeft[63] = left[63];
        outTop[63] = top[63];
        outLeft[-1] = outTop[-1] = (sample)corner;
        return;
    }
    smooth(outLeft, left, last);
    smooth(outTop, top, last);
    outLeft[-1] = outTop[-1] = (sample)((left[0] + 2 * corner + top[0] + 2) >> 2);
}

void SIZED(veil_fill_intra)(sample_kernels *k) {
    k->intra_planar = planar;
    k->intra_dc = dc;
    k->intra_angular = angular;
    k->intra_filter = filter;
}
