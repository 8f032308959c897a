// SPDX-License-Identifier: GPL-2.0-or-later
// Checks of the kernels that there are for samples of both sizes.
//
// Outputs lie in areas that are compared as a whole, hence also what a kernel must leave alone. Inputs of the NEON
// kernels lie in memory that faults beyond what their contracts let them read.
#include "check.h"

#include <stdio.h>

static const sample_kernels *plain, *fast;
static unsigned char compared[sizeof(sample_kernels) / sizeof(veil_entry)];

static sample a[AREA], b[AREA], out0[AREA], out1[AREA];
static int16_t pred[64 * 72], mid0[64 * 72], mid1[64 * 72], coeffs[1024];

// Rows -top ... bottom and columns -left ... right around `from`, bounded.
static sample *window(int region, const sample *from, int left, int top, int right, int bottom) {
    return bounded(region, from, -top * STRIDE - left, bottom * STRIDE + right, sizeof *from);
}

// What has become of such a window, for kernels that work in place.
static void put_back(sample *to, const sample *window, int left, int top, int right, int bottom) {
    ptrdiff_t first = -top * STRIDE - left;
    memcpy(to + first, window + first, (size_t)(bottom * STRIDE + right - first + 1) * sizeof *to);
}

// Round by round anything, only the ends of the range, or little differences.
static void fill(sample *p, int bitDepth, int kind) {
    int maximum = (1 << bitDepth) - 1;
    for (int i = 0; i < AREA; i++) {
        int v = (int)(next() & 0xffff);
        p[i] = (sample)(kind == 0 ? v & maximum : kind == 1 ? (v & 1) * maximum : maximum / 2 + v % 8);
    }
}

static void clear(void) { memset(out0, 77, sizeof out0), memset(out1, 77, sizeof out1); }
static void begin_with_samples(void) { memcpy(out0, a, sizeof a), memcpy(out1, a, sizeof a); }
static void expect_same(int w, int h, int bitDepth) { expect(!memcmp(out0, out1, sizeof out0), doing, w, h, bitDepth); }

static void clear_preds(void) { memset(mid0, 77, sizeof mid0), memset(mid1, 77, sizeof mid1); }
static void expect_same_preds(int w, int h, int bitDepth) {
    expect(!memcmp(mid0, mid1, sizeof mid0), doing, w, h, bitDepth);
}

// Some place in an area.
static int somewhere(void) { return 20 * STRIDE + 20 + (int)(next() % 32); }

static void check_inter(int bitDepth, int luma, int w, int h, int mx, int my) {
    int before = luma ? 3 : 1, after = before + 1, wide = (w + 7) & ~7, at = somewhere();
    const sample *src = a + somewhere();
    const sample *bound = window(0, src, before, before, w - 1 + after + 8, h - 1 + after);

    doing = luma ? "luma_pred" : "chroma_pred";
    __typeof__(fast->luma_pred) p0 = luma ? PLAIN(luma_pred) : PLAIN(chroma_pred),
                                p1 = luma ? fast->luma_pred : fast->chroma_pred;
    clear_preds();
    p0(mid0, src, STRIDE, w, h, mx, my, bitDepth);
    p1(mid1, bound, STRIDE, w, h, mx, my, bitDepth);
    // Up to a multiple of eight columns they may write more.
    for (int y = 0; y < h; y++) {
        for (int x = w; x < wide; x++) mid1[y * 64 + x] = mid0[y * 64 + x];
    }
    expect_same_preds(w, h, bitDepth);

    doing = luma ? "luma_put" : "chroma_put";
    __typeof__(fast->luma_put) u0 = luma ? PLAIN(luma_put) : PLAIN(chroma_put),
                               u1 = luma ? fast->luma_put : fast->chroma_put;
    clear();
    u0(out0 + at, STRIDE, src, STRIDE, w, h, mx, my, bitDepth);
    u1(out1 + at, STRIDE, bound, STRIDE, w, h, mx, my, bitDepth);
    expect_same(w, h, bitDepth);

    doing = luma ? "luma_bi" : "chroma_bi";
    __typeof__(fast->luma_bi) b0 = luma ? PLAIN(luma_bi) : PLAIN(chroma_bi),
                              b1 = luma ? fast->luma_bi : fast->chroma_bi;
    PLAIN(luma_pred)(pred, b + somewhere(), STRIDE, 64, h < 64 ? h + 1 : 64, mx & 3, my & 3, bitDepth);
    const int16_t *other = bounded(1, pred, 0, (h - 1) * 64 + wide - 1, sizeof *pred);
    clear();
    b0(out0 + at, STRIDE, pred, src, STRIDE, w, h, mx, my, bitDepth);
    b1(out1 + at, STRIDE, other, bound, STRIDE, w, h, mx, my, bitDepth);
    expect_same(w, h, bitDepth);
}

static void check_costs(int bitDepth, int w, int h) {
    const sample *p = a + somewhere(), *q = b + somewhere(), *p1 = window(0, p, 0, 0, w - 1, h - 1);
    const sample *candidates[4] = {q, b + somewhere(), b + somewhere(), b + somewhere()}, *bound[4];
    for (int i = 0; i < 4; i++) bound[i] = window(1 + i, candidates[i], 0, 0, w - 1, h - 1);
    doing = "sad";
    expect(
        PLAIN(sad)(p, STRIDE, q, STRIDE, w, h) == fast->sad(p1, STRIDE, bound[0], STRIDE, w, h), doing, w, h, bitDepth);
    uint32_t sums[2][4];
    doing = "sad_x4";
    PLAIN(sad_x4)(sums[0], p, STRIDE, candidates, STRIDE, w, h);
    fast->sad_x4(sums[1], p1, STRIDE, bound, STRIDE, w, h);
    expect(!memcmp(sums[0], sums[1], sizeof sums[0]), doing, w, h, bitDepth);
    doing = "satd";
    if (bitDepth <= 10 && !(h & 3)) {
        uint32_t sum = PLAIN(satd)(p, STRIDE, q, STRIDE, w, h);
        expect(sum == fast->satd(p1, STRIDE, bound[0], STRIDE, w, h), doing, w, h, bitDepth);
    }
}

static void check_sse(int bitDepth, int w, int h) {
    doing = "sse";
    const sample *p = a + somewhere(), *q = b + somewhere();
    const sample *p1 = window(0, p, 0, 0, w - 1, h - 1), *q1 = window(1, q, 0, 0, w - 1, h - 1);
    expect(PLAIN(sse)(p, STRIDE, q, STRIDE, w, h) == fast->sse(p1, STRIDE, q1, STRIDE, w, h), doing, w, h, bitDepth);
}

static void check_transform(int bitDepth, int kind, int log2) {
    int n = 1 << log2, maxX = next() % n, maxY = next() % n, at = somewhere();
    memset(coeffs, 0, sizeof coeffs);
    for (int y = 0; y <= maxY; y++) {
        for (int x = 0; x <= maxX; x++) {
            int v = (int)next();
            coeffs[y * n + x] = (int16_t)(kind == 0 ? v % 2000 : kind == 1 ? v : v % 32);
        }
    }
    const int16_t *c = bounded(0, coeffs, 0, n * n - 1, sizeof *c);
    for (int isDST = 0; isDST <= (log2 == 2); isDST++) {
        doing = isDST ? "idst4_add" : "idct_add";
        begin_with_samples();
        sample *bound = window(1, out1 + at, 0, 0, n - 1, n - 1);
        __typeof__(fast->idst4_add) add0 = isDST ? PLAIN(idst4_add) : PLAIN(idct_add[log2 - 2]),
                                    add1 = isDST ? fast->idst4_add : fast->idct_add[log2 - 2];
        add0(out0 + at, STRIDE, coeffs, maxX, maxY, bitDepth);
        add1(bound, STRIDE, c, maxX, maxY, bitDepth);
        put_back(out1 + at, bound, 0, 0, n - 1, n - 1);
        expect_same(n, n, bitDepth);
#if VEIL_SAMPLE_BITS == 16
        doing = isDST ? "idst4" : "idct";
        veil_inverse_fn *inverse0 = isDST ? PLAIN(idst4) : PLAIN(idct[log2 - 2]),
                        *inverse1 = isDST ? fast->idst4 : fast->idct[log2 - 2];
        clear_preds();
        inverse0(mid0, 64, coeffs, maxX, maxY, bitDepth);
        inverse1(mid1, 64, c, maxX, maxY, bitDepth);
        expect_same_preds(n, n, bitDepth);
#endif
    }
}

// Residuals of any size added to samples, up to where the sums leave the range of samples.
static void check_add(int bitDepth, int w, int h) {
    doing = "add_residual";
    int at = somewhere();
    for (int i = 0; i < 64 * 72; i++) pred[i] = (int16_t)(next() % 3 ? (int)(next() % 2048) - 1024 : (int)next());
    begin_with_samples();
    sample *bound = window(0, out1 + at, 0, 0, w - 1, h - 1);
    const int16_t *residual = bounded(1, pred, 0, (h - 1) * 64 + w - 1, sizeof *pred);
    PLAIN(add_residual)(out0 + at, STRIDE, pred, 64, w, h, bitDepth);
    fast->add_residual(bound, STRIDE, residual, 64, w, h, bitDepth);
    put_back(out1 + at, bound, 0, 0, w - 1, h - 1);
    expect_same(w, h, bitDepth);
}

// Eight lines across a step of the size that the filters take up, in the middle of a square.
static void check_deblocking(int bitDepth) {
    int maximum = (1 << bitDepth) - 1, scale = 1 << (bitDepth - 8), place = somewhere();
    int level = next() % (maximum + 1), step = (int)(next() % 24) - 12, noise = next() % 6,
        slope = (int)(next() % 5) - 2;
    clear();
    for (int y = 0; y < 64; y++) {
        for (int x = 0; x < 64; x++) {
            int v = level + scale * (((x >= 32) + (y >= 32)) * step + slope * x + (int)(next() % (noise + 1)));
            out0[place + y * STRIDE + x] = out1[place + y * STRIDE + x] = (sample)veil_clip3(0, maximum, v);
        }
    }
    int beta = next() % 65 * scale, tc0 = next() % 25 * scale, tc1 = next() % 4 ? (int)(next() % 25) * scale : 0;
    int noP = next() % 5 == 0, noQ = next() % 5 == 0;
#define DEBLOCK(kernel, x, y, left, top, right, bottom, ...) \
    do { \
        doing = #kernel; \
        int at = place + (y) * STRIDE + (x); \
        sample *bound = window(0, out1 + at, left, top, right, bottom); \
        PLAIN(kernel)(out0 + at, STRIDE, __VA_ARGS__); \
        fast->kernel(bound, STRIDE, __VA_ARGS__); \
        put_back(out1 + at, bound, left, top, right, bottom); \
        expect_same(tc0, tc1, bitDepth); \
    } while (0)
    DEBLOCK(deblock_luma_v, 32, 32, 4, 0, 3, 7, beta, tc0, tc1, noP, noQ, bitDepth);
    DEBLOCK(deblock_luma_h, 32, 32, 0, 4, 7, 3, beta, tc0, tc1, noP, noQ, bitDepth);
    DEBLOCK(deblock_chroma_v, 32, 16, 2, 0, 1, 3, tc0, tc1, noP, noQ, bitDepth);
    DEBLOCK(deblock_chroma_h, 16, 32, 0, 2, 3, 1, tc0, tc1, noP, noQ, bitDepth);
#undef DEBLOCK
}

static void check_offsets(int bitDepth, int w, int h) {
    const sample *src = a + somewhere();
    int at = somewhere(), position = next() % 32;
    int16_t offsets[4];
    for (int i = 0; i < 4; i++)
        offsets[i] = (int16_t)(((int)(next() % 15) - 7) * (1 << ((bitDepth < 10 ? bitDepth : 10) - 5)));
    for (int eoClass = 0; eoClass < 4; eoClass++) {
        doing = "sao_edge";
        int x = eoClass != 1, y = eoClass != 0;
        clear();
        PLAIN(sao_edge)(out0 + at, STRIDE, src, STRIDE, w, h, eoClass, offsets, bitDepth);
        const sample *bound = window(0, src, x, y, w - 1 + x, h - 1 + y);
        fast->sao_edge(out1 + at, STRIDE, bound, STRIDE, w, h, eoClass, offsets, bitDepth);
        expect_same(w, h, bitDepth);
    }
    doing = "sao_band";
    begin_with_samples();
    PLAIN(sao_band)(out0 + at, STRIDE, out0 + at, STRIDE, w, h, position, offsets, bitDepth);
    sample *bound = window(0, out1 + at, 0, 0, w - 1, h - 1);
    fast->sao_band(bound, STRIDE, bound, STRIDE, w, h, position, offsets, bitDepth);
    put_back(out1 + at, bound, 0, 0, w - 1, h - 1);
    expect_same(w, h, bitDepth);
}

static void check_resampling(int bitDepth, int w) {
    static int16_t to0[AREA], to1[AREA];
    int32_t position[128];
    uint8_t phase[128];
    uint32_t step = next() % (1 << 16) + 20000, at = next() % 65536;
    for (int x = 0; x < w; x++, at += step) position[x] = (int32_t)(at >> 16), phase[x] = (uint8_t)(at >> 12 & 15);
    const sample *src = a + somewhere();
    for (int luma = 0; luma < 2; luma++) {
        doing = luma ? "resample_h_luma" : "resample_h_chroma";
        int before = luma ? 3 : 1;
        const sample *bound = window(0, src + position[0], before, 0, position[w - 1] - position[0] + before + 17, 4);
        bound -= position[0];
        memset(to0, 77, sizeof to0), memset(to1, 77, sizeof to1);
        __typeof__(fast->resample_h_luma) h0 = luma ? PLAIN(resample_h_luma) : PLAIN(resample_h_chroma),
                                          h1 = luma ? fast->resample_h_luma : fast->resample_h_chroma;
        h0(to0 + 99, STRIDE, src, STRIDE, w, 5, position, phase, bitDepth - 8);
        h1(to1 + 99, STRIDE, bound, STRIDE, w, 5, position, phase, bitDepth - 8);
        expect(!memcmp(to0, to1, sizeof to0), doing, w, 5, bitDepth);
    }
}

static void check_statistics(int bitDepth, int w, int h) {
    doing = "sao_edge_statistics";
    const sample *source = a + somewhere(), *rec = b + somewhere();
    for (int eoClass = 0; eoClass < 4; eoClass++) {
        int32_t sums[2][4] = {{0}}, counts[2][4] = {{0}};
        PLAIN(sao_edge_statistics)(sums[0], counts[0], source, STRIDE, rec, STRIDE, w, h, eoClass);
        fast->sao_edge_statistics(sums[1], counts[1], source, STRIDE, rec, STRIDE, w, h, eoClass);
        int same = !memcmp(sums[0], sums[1], sizeof sums[0]) && !memcmp(counts[0], counts[1], sizeof counts[0]);
        expect(same, doing, w, h, bitDepth);
    }
}

void SIZED(check_samples)(int round, int bitDepth, int kind) {
    plain = KERNELS_OF(VEIL_SIMD_PLAIN), fast = KERNELS_OF(VEIL_SIMD_NEON);
    fill(a, bitDepth, kind), fill(b, bitDepth, kind);
    for (int w = 1; w <= 64; w++) {
        int h = 1 + (int)(next() % 64);
        check_add(bitDepth, w, h), check_sse(bitDepth, w, h);
        check_offsets(bitDepth, w, h), check_statistics(bitDepth, w, h);
    }
    for (int i = 0; i < 400; i++) check_transform(bitDepth, kind, 2 + i % 4);
    for (int i = 0; i < 2000; i++) check_deblocking(bitDepth);
    for (int w = 1; w <= 100; w++) check_resampling(bitDepth, w);
    for (int w = 2; w <= 64; w += 2) {
        for (int h = 2; h <= 64; h += h < 4 ? 2 : 12) {
            for (int f = 0; f < 64; f++) {
                if (w % 4 == 0 && h % 4 == 0 && f < 16) check_inter(bitDepth, 1, w, h, f & 3, f >> 2);
                if ((f + w / 2 + h / 4) % 5 == round % 5) check_inter(bitDepth, 0, w, h, f & 7, f >> 3);
            }
            if (w % 4 == 0) check_costs(bitDepth, w, h);
        }
    }
}

void SIZED(expect_all_compared)(const unsigned char *others) {
    const veil_entry *plainEntries = (const veil_entry *)plain, *fastEntries = (const veil_entry *)fast;
    // The first entry of the wider table is no kernel.
    for (size_t i = VEIL_SAMPLE_BITS == 16; i < sizeof compared; i++) {
        if (plainEntries[i] == fastEntries[i] || compared[i] || (others && others[i])) continue;
        printf("the kernel at entry %zu of the table for samples of %d bits is compared by no check\n", i,
            VEIL_SAMPLE_BITS);
        expect(0, "table", 0, 0, VEIL_SAMPLE_BITS);
    }
}
