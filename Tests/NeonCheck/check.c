// SPDX-License-Identifier: GPL-2.0-or-later
// Holds the NEON kernels against the plain ones where the Swift tests cannot run: cross-compiled and emulated (make
// check-neon).
#include "veil_kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STRIDE = 192, ROWS = 160, AREA = STRIDE * ROWS };

static uint64_t state = 1;
static uint32_t next(void) {
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

static const veil_kernels *plain, *fast;

// Which entries of the tables have been compared: PLAIN(entry) is the plain path's, and notes it.
typedef void (*veil_entry)(void);
static unsigned char compared[sizeof(veil_kernels) / sizeof(veil_entry)];
static void note(const void *entry) { compared[((const char *)entry - (const char *)plain) / sizeof(veil_entry)] = 1; }
#define PLAIN(entry) (note(&plain->entry), plain->entry)

static uint16_t a[AREA], b[AREA], out0[AREA], out1[AREA];
static uint8_t a8[AREA], b8[AREA];
static int16_t pred[64 * 72], mid0[64 * 72], mid1[64 * 72], coeffs[1024];
static long checks, failures;

static void expect(int same, const char *what, int w, int h, int bitDepth) {
    checks++;
    if (same) return;
    if (failures++ < 20) printf("%s differs: %dx%d, %d bit\n", what, w, h, bitDepth);
}

// Round by round anything, only the ends of the range, or little differences.
static void fill(uint16_t *p, int bitDepth, int kind) {
    int maximum = (1 << bitDepth) - 1;
    for (int i = 0; i < AREA; i++)
        p[i] = kind == 0 ? next() & maximum : kind == 1 ? (next() & 1) * maximum : maximum / 2 + next() % 8;
}

static void clear(void) { memset(out0, 0, sizeof out0), memset(out1, 0, sizeof out1); }
static int same_samples(void) { return !memcmp(out0, out1, sizeof out0); }
static int same_preds(int w, int h) {
    for (int y = 0; y < h; y++) {
        if (memcmp(mid0 + y * 64, mid1 + y * 64, (size_t)w * 2)) return 0;
    }
    return 1;
}

static void check_inter(int bitDepth, int luma, int w, int h, int mx, int my) {
    const uint16_t *src = a + 20 * STRIDE + 20;
    const char *name = luma ? "luma" : "chroma";
    __typeof__(fast->luma_pred) p0 = luma ? PLAIN(luma_pred) : PLAIN(chroma_pred),
                                p1 = luma ? fast->luma_pred : fast->chroma_pred;
    p0(mid0, src, STRIDE, w, h, mx, my, bitDepth), p1(mid1, src, STRIDE, w, h, mx, my, bitDepth);
    expect(same_preds(w, h), name, w, h, bitDepth);
    __typeof__(fast->luma_put) u0 = luma ? PLAIN(luma_put) : PLAIN(chroma_put),
                               u1 = luma ? fast->luma_put : fast->chroma_put;
    clear(), u0(out0, STRIDE, src, STRIDE, w, h, mx, my, bitDepth),
        u1(out1, STRIDE, src, STRIDE, w, h, mx, my, bitDepth);
    expect(same_samples(), name, w, h, bitDepth);
    PLAIN(luma_pred)(pred, b + 20 * STRIDE + 20, STRIDE, 64, 64, mx & 3, my & 3, bitDepth);
    __typeof__(fast->luma_bi) b0 = luma ? PLAIN(luma_bi) : PLAIN(chroma_bi),
                              b1 = luma ? fast->luma_bi : fast->chroma_bi;
    clear(), b0(out0, STRIDE, pred, src, STRIDE, w, h, mx, my, bitDepth);
    b1(out1, STRIDE, pred, src, STRIDE, w, h, mx, my, bitDepth);
    expect(same_samples(), name, w, h, bitDepth);
}

static void check_costs(int bitDepth, int w, int h) {
    const uint16_t *p = a + 5 * STRIDE + 3, *q = b + 7 * STRIDE + 9;
    expect(PLAIN(sad)(p, STRIDE, q, STRIDE, w, h) == fast->sad(p, STRIDE, q, STRIDE, w, h), "sad", w, h, bitDepth);
    uint32_t sums[2][4];
    const uint16_t *candidates[4];
    const uint8_t *candidates8[4];
    for (int i = 0; i < 4; i++)
        candidates[i] = b + next() % (60 * STRIDE), candidates8[i] = b8 + next() % (60 * STRIDE);
    PLAIN(sad_x4)
    (sums[0], p, STRIDE, candidates, STRIDE, w, h), fast->sad_x4(sums[1], p, STRIDE, candidates, STRIDE, w, h);
    expect(!memcmp(sums[0], sums[1], sizeof sums[0]), "sad_x4", w, h, bitDepth);
    // Of the kernels for samples of one byte NEON has these alone.
    const veil_kernels_8 *plain8 = veil_kernels_8_of(VEIL_SIMD_PLAIN), *fast8 = veil_kernels_8_of(VEIL_SIMD_NEON);
    plain8->sad_x4(sums[0], a8 + 3, STRIDE, candidates8, STRIDE, w, h);
    fast8->sad_x4(sums[1], a8 + 3, STRIDE, candidates8, STRIDE, w, h);
    expect(!memcmp(sums[0], sums[1], sizeof sums[0]), "sad_x4 of bytes", w, h, 8);
    expect(plain8->sad(a8 + 3, STRIDE, b8 + 9, STRIDE, w, h) == fast8->sad(a8 + 3, STRIDE, b8 + 9, STRIDE, w, h),
        "sad of bytes", w, h, 8);
    if (bitDepth <= 10 && !(h & 3)) {
        expect(
            PLAIN(satd)(p, STRIDE, q, STRIDE, w, h) == fast->satd(p, STRIDE, q, STRIDE, w, h), "satd", w, h, bitDepth);
    }
    expect(PLAIN(sse)(p, STRIDE, q, STRIDE, w - 1, h) == fast->sse(p, STRIDE, q, STRIDE, w - 1, h), "sse", w - 1, h,
        bitDepth);
}

static void check_transform(int bitDepth, int kind, int log2) {
    int n = 1 << log2, maxX = next() % n, maxY = next() % n;
    memset(coeffs, 0, sizeof coeffs);
    for (int y = 0; y <= maxY; y++) {
        for (int x = 0; x <= maxX; x++)
            coeffs[y * n + x] = kind == 0 ? (int16_t)(next() % 4000 - 2000) : (int16_t)(next() % 64 - 32);
    }
    memcpy(out0, a, sizeof a), memcpy(out1, a, sizeof a);
    PLAIN(idct_add[log2 - 2])(out0 + 8, STRIDE, coeffs, maxX, maxY, bitDepth);
    fast->idct_add[log2 - 2](out1 + 8, STRIDE, coeffs, maxX, maxY, bitDepth);
    expect(same_samples(), "idct_add", n, n, bitDepth);
    PLAIN(idct[log2 - 2])
    (mid0, 64, coeffs, maxX, maxY, bitDepth), fast->idct[log2 - 2](mid1, 64, coeffs, maxX, maxY, bitDepth);
    expect(same_preds(n, n), "idct", n, n, bitDepth);
    if (log2 == 2) {
        PLAIN(idst4_add)
        (out0, STRIDE, coeffs, maxX, maxY, bitDepth), fast->idst4_add(out1, STRIDE, coeffs, maxX, maxY, bitDepth);
        expect(same_samples(), "idst4_add", 4, 4, bitDepth);
        PLAIN(idst4)(mid0, 64, coeffs, maxX, maxY, bitDepth), fast->idst4(mid1, 64, coeffs, maxX, maxY, bitDepth);
        expect(same_preds(4, 4), "idst4", 4, 4, bitDepth);
    }
}

// Residuals of any size added to samples, up to where the sums leave the range of samples.
static void check_add(int bitDepth, int w, int h) {
    for (int i = 0; i < 64 * 72; i++) pred[i] = (int16_t)(next() % 3 ? (int)(next() % 2048) - 1024 : (int)next());
    memcpy(out0, a, sizeof a), memcpy(out1, a, sizeof a);
    PLAIN(add_residual)(out0 + 7, STRIDE, pred, 64, w, h, bitDepth);
    fast->add_residual(out1 + 7, STRIDE, pred, 64, w, h, bitDepth);
    expect(same_samples(), "add_residual", w, h, bitDepth);
}

// Residuals of any kind: single signs make the sums as great as they become.
static void check_forward(int bitDepth, int kind, int log2) {
    int n = 1 << log2, maximum = (1 << bitDepth) - 1;
    static int16_t residual[32 * 40], result[2][1024];
    for (int i = 0; i < 32 * 40; i++) {
        int r = (int)(next() % (2 * maximum + 1)) - maximum;
        residual[i] = (int16_t)(kind == 0 ? r : kind == 1 ? (r < 0 ? -maximum : maximum) : kind == 2 ? maximum : r % 8);
    }
    PLAIN(fdct[log2 - 2])(result[0], residual, 40, bitDepth), fast->fdct[log2 - 2](result[1], residual, 40, bitDepth);
    expect(!memcmp(result[0], result[1], 2 * n * n), "fdct", n, n, bitDepth);
    if (log2 == 2) {
        PLAIN(fdst4)(result[0], residual, 40, bitDepth), fast->fdst4(result[1], residual, 40, bitDepth);
        expect(!memcmp(result[0], result[1], 32), "fdst4", n, n, bitDepth);
    }
}

// Eight lines across a step of the size that the filters take up, at x = 32, y = 32.
static void check_deblocking(int bitDepth) {
    int maximum = (1 << bitDepth) - 1, scale = 1 << (bitDepth - 8);
    int level = next() % (maximum + 1), step = (int)(next() % 24) - 12, noise = next() % 6,
        slope = (int)(next() % 5) - 2;
    for (int y = 0; y < 64; y++) {
        for (int x = 0; x < 64; x++) {
            int v = level + scale * (((x >= 32) + (y >= 32)) * step + slope * x + (int)(next() % (noise + 1)));
            out0[y * STRIDE + x] = out1[y * STRIDE + x] = (uint16_t)(v < 0 ? 0 : v > maximum ? maximum : v);
        }
    }
    int beta = next() % 65 * scale, tc0 = next() % 25 * scale, tc1 = next() % 4 ? (int)(next() % 25) * scale : 0;
    int noP = next() % 5 == 0, noQ = next() % 5 == 0, at = 32 * STRIDE + 32;
    PLAIN(deblock_luma_v)(out0 + at, STRIDE, beta, tc0, tc1, noP, noQ, bitDepth);
    fast->deblock_luma_v(out1 + at, STRIDE, beta, tc0, tc1, noP, noQ, bitDepth);
    expect(same_samples(), "deblock_luma_v", beta, tc0, bitDepth);
    PLAIN(deblock_luma_h)(out0 + at, STRIDE, beta, tc0, tc1, noP, noQ, bitDepth);
    fast->deblock_luma_h(out1 + at, STRIDE, beta, tc0, tc1, noP, noQ, bitDepth);
    expect(same_samples(), "deblock_luma_h", beta, tc0, bitDepth);
    at = 16 * STRIDE + 32;
    PLAIN(deblock_chroma_v)(out0 + at, STRIDE, tc0, tc1, noP, noQ, bitDepth);
    fast->deblock_chroma_v(out1 + at, STRIDE, tc0, tc1, noP, noQ, bitDepth);
    expect(same_samples(), "deblock_chroma_v", tc0, tc1, bitDepth);
    at = 32 * STRIDE + 16;
    PLAIN(deblock_chroma_h)(out0 + at, STRIDE, tc0, tc1, noP, noQ, bitDepth);
    fast->deblock_chroma_h(out1 + at, STRIDE, tc0, tc1, noP, noQ, bitDepth);
    expect(same_samples(), "deblock_chroma_h", tc0, tc1, bitDepth);
}

static void check_offsets(int bitDepth, int w, int h) {
    const uint16_t *src = a + 3 * STRIDE + 5;
    int16_t offsets[4];
    for (int i = 0; i < 4; i++)
        offsets[i] = (int16_t)(((int)(next() % 15) - 7) * (1 << ((bitDepth < 10 ? bitDepth : 10) - 5)));
    for (int eoClass = 0; eoClass < 4; eoClass++) {
        clear(), PLAIN(sao_edge)(out0, STRIDE, src, STRIDE, w, h, eoClass, offsets, bitDepth);
        fast->sao_edge(out1, STRIDE, src, STRIDE, w, h, eoClass, offsets, bitDepth);
        expect(same_samples(), "sao_edge", w, h, bitDepth);
    }
    int band = next() % 32;
    memcpy(out0, a, sizeof a), memcpy(out1, a, sizeof a);
    PLAIN(sao_band)(out0 + 9, STRIDE, out0 + 9, STRIDE, w, h, band, offsets, bitDepth);
    fast->sao_band(out1 + 9, STRIDE, out1 + 9, STRIDE, w, h, band, offsets, bitDepth);
    expect(same_samples(), "sao_band", w, h, bitDepth);
}

static void check_scaling(int bitDepth, int w) {
    enum { TAPS = 16 };
    static int16_t weights[128 * TAPS];
    static int32_t first[128];
    const uint16_t *rows[TAPS];
    int maximum = (1 << bitDepth) - 1;
    for (int i = 0; i < TAPS; i++) rows[i] = a + i * STRIDE + 1;
    for (int i = 0; i < 128 * TAPS; i++) weights[i] = (int16_t)((int)(next() % 3000) - 600);
    for (int x = 0; x < w; x++) first[x] = x + (int)(next() % 16);
    clear(), PLAIN(scale_v)((int16_t *)out0, rows, weights, TAPS, w),
        fast->scale_v((int16_t *)out1, rows, weights, TAPS, w);
    expect(same_samples(), "scale_v", w, 1, bitDepth);
    const int16_t *src = (const int16_t *)a;
    clear(), PLAIN(scale_h)(out0, src, first, weights, TAPS, w, maximum),
        fast->scale_h(out1, src, first, weights, TAPS, w, maximum);
    expect(same_samples(), "scale_h", w, 1, bitDepth);
}

static void check_resampling(int bitDepth, int w) {
    int32_t position[128];
    uint8_t phase[128];
    uint32_t step = next() % (1 << 16) + 20000, at = next() % 65536;
    for (int x = 0; x < w; x++, at += step) position[x] = (int32_t)(at >> 16), phase[x] = (uint8_t)(at >> 12 & 15);
    int16_t *to0 = (int16_t *)out0, *to1 = (int16_t *)out1;
    clear(), PLAIN(resample_h_luma)(to0, STRIDE, a + 20, STRIDE, w, 5, position, phase, bitDepth - 8);
    fast->resample_h_luma(to1, STRIDE, a + 20, STRIDE, w, 5, position, phase, bitDepth - 8);
    expect(same_samples(), "resample_h_luma", w, 5, bitDepth);
    clear(), PLAIN(resample_h_chroma)(to0, STRIDE, a + 20, STRIDE, w, 5, position, phase, bitDepth - 8);
    fast->resample_h_chroma(to1, STRIDE, a + 20, STRIDE, w, 5, position, phase, bitDepth - 8);
    expect(same_samples(), "resample_h_chroma", w, 5, bitDepth);
}

static void check_quant(int kind, int log2) {
    int n = 1 << (2 * log2), shift = 14 + next() % 12, scale = 14564 + next() % 11651;
    int offset = (1 << (shift - 1)) - next() % (1 << (shift - 2));
    static int16_t levels[2][1024], scaled[2][1024];
    static int32_t remainders[2][1024];
    for (int i = 0; i < n; i++) coeffs[i] = (int16_t)(kind == 0 ? next() : next() % 600 - 300);
    if (kind == 0) coeffs[0] = -32768;
    int found = PLAIN(quant)(levels[0], remainders[0], coeffs, n, scale, offset, shift);
    expect(found == fast->quant(levels[1], remainders[1], coeffs, n, scale, offset, shift), "quant count", 1 << log2,
        1 << log2, shift);
    expect(!memcmp(levels[0], levels[1], 2 * n) && !memcmp(remainders[0], remainders[1], 4 * n), "quant", 1 << log2,
        1 << log2, shift);
    memset(levels[1], 0, sizeof levels[1]);
    fast->quant(levels[1], 0, coeffs, n, scale, offset, shift);
    expect(!memcmp(levels[0], levels[1], 2 * n), "quant without remainders", 1 << log2, 1 << log2, shift);
    int down = (int)(next() % 12) - 3;
    for (int factor = 40; factor <= 72; factor += 16) {
        PLAIN(dequant)(scaled[0], levels[0], n, factor, down), fast->dequant(scaled[1], levels[0], n, factor, down);
        expect(!memcmp(scaled[0], scaled[1], 2 * n), "dequant", 1 << log2, 1 << log2, down);
    }
}

static void check_statistics(int bitDepth, int w, int h) {
    for (int eoClass = 0; eoClass < 4; eoClass++) {
        int32_t sums[2][4] = {{0}}, counts[2][4] = {{0}};
        PLAIN(sao_edge_statistics)(sums[0], counts[0], a + STRIDE + 9, STRIDE, b + STRIDE + 9, STRIDE, w, h, eoClass);
        fast->sao_edge_statistics(sums[1], counts[1], a + STRIDE + 9, STRIDE, b + STRIDE + 9, STRIDE, w, h, eoClass);
        int same = !memcmp(sums[0], sums[1], sizeof sums[0]) && !memcmp(counts[0], counts[1], sizeof counts[0]);
        expect(same, "sao_edge_statistics", w, h, bitDepth);
    }
}

int main(void) {
    plain = veil_kernels_of(VEIL_SIMD_PLAIN), fast = veil_kernels_of(VEIL_SIMD_NEON);
    if (!fast) return fputs("built without NEON\n", stderr), 2;
    static const int depths[] = {8, 9, 10, 12};
    for (int round = 0; round < 12; round++) {
        int bitDepth = depths[round % 4], kind = round / 4;
        fill(a, bitDepth, kind), fill(b, bitDepth, kind);
        for (int i = 0; i < AREA; i++) a8[i] = (uint8_t)next(), b8[i] = (uint8_t)next();
        for (int w = 2; w <= 64; w += w < 16 ? 2 : 8) {
            for (int h = 2; h <= 64; h *= 2) {
                for (int f = 0; f < 64; f++) {
                    if (w % 4 == 0 && f < 16) check_inter(bitDepth, 1, w, h, f & 3, f >> 2);
                    if (f % 5 == round % 5) check_inter(bitDepth, 0, w, h, f & 7, f >> 3);
                }
                if (w % 4 == 0) check_costs(bitDepth, w, h);
            }
        }
        for (int w = 4; w <= 64; w += 4) check_add(bitDepth, w, 1 + (int)(next() % 64));
        for (int i = 0; i < 400; i++) check_transform(bitDepth, kind, 2 + i % 4);
        for (int i = 0; i < 400; i++) check_quant(i / 4 % 2, 2 + i % 4);
        for (int w = 1; w <= 64; w += w < 20 ? 1 : 11) check_statistics(bitDepth, w, 1 + (int)(next() % 64));
        for (int i = 0; i < 400; i++) check_forward(bitDepth, i / 4 % 4, 2 + i % 4);
        for (int i = 0; i < 2000; i++) check_deblocking(bitDepth);
        for (int w = 1; w <= 64; w += w < 20 ? 1 : 11) check_offsets(bitDepth, w, 1 + (int)(next() % 64));
        for (int w = 1; w <= 100; w++) check_resampling(bitDepth, w);
        for (int w = 1; bitDepth <= 10 && w <= 100; w++) check_scaling(bitDepth, w);
    }
    // Whatever NEON has of its own is compared above.
    const veil_entry *plainEntries = (const veil_entry *)plain, *fastEntries = (const veil_entry *)fast;
    for (size_t i = 1; i < sizeof compared; i++) {
        if (plainEntries[i] != fastEntries[i] && !compared[i]) {
            failures++, printf("the kernel at entry %zu of the table is compared by no check\n", i);
        }
    }
    printf("%ld checks of NEON kernels, %ld failed\n", checks, failures);
    return failures ? 1 : 0;
}
