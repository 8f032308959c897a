// SPDX-License-Identifier: GPL-2.0-or-later
// Holds the NEON kernels against the plain ones where the Swift tests cannot run: cross-compiled and emulated (make
// check-neon).
#include "check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t state = 1;
uint32_t next(void) {
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

const char *doing = "nothing";
static long checks, failures;

void expect(int same, const char *what, int w, int h, int bitDepth) {
    checks++;
    if (same) return;
    if (failures++ < 20) printf("%s differs: %dx%d, %d bit\n", what, w, h, bitDepth);
}

enum { REGION = 1 << 16, REGIONS = 5 };
static unsigned char *regions[REGIONS];

// Each between two that must not be touched.
static void make_regions(void) {
    for (int i = 0; i < REGIONS; i++) {
        unsigned char *p = mmap(NULL, 3 * REGION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || mprotect(p + REGION, REGION, PROT_READ | PROT_WRITE)) {
            perror("memory");
            exit(2);
        }
        regions[i] = p + REGION;
    }
}

void *bounded(int region, const void *from, ptrdiff_t first, ptrdiff_t last, size_t size) {
    ptrdiff_t offset = first * (ptrdiff_t)size, bytes = (last + 1 - first) * (ptrdiff_t)size;
    unsigned char *to = regions[region] + (next() & 1 ? REGION - bytes : 0);
    memcpy(to, (const char *)from + offset, (size_t)bytes);
    return to - offset;
}

static void fault(int signal) {
    (void)signal;
    printf("%s touches memory beyond what it may, after %ld checks\n", doing, checks);
    fflush(stdout);
    _exit(1);
}

// The kernels that need no samples, or those of two bytes.
static const veil_kernels *plain, *fast;
static unsigned char compared[sizeof(veil_kernels) / sizeof(veil_entry)];
static int16_t coeffs[1024];

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

static void check_scaling(int bitDepth, int w) {
    enum { TAPS = 16 };
    static int16_t weights[128 * TAPS];
    static uint16_t a[TAPS * STRIDE], out[2][128];
    static int32_t first[128];
    const uint16_t *rows[TAPS];
    int maximum = (1 << bitDepth) - 1;
    for (int i = 0; i < TAPS * STRIDE; i++) a[i] = next() & maximum;
    for (int i = 0; i < TAPS; i++) rows[i] = a + i * STRIDE + 1;
    for (int i = 0; i < 128 * TAPS; i++) weights[i] = (int16_t)((int)(next() % 3000) - 600);
    for (int x = 0; x < w; x++) first[x] = x + (int)(next() % 16);
    memset(out, 77, sizeof out);
    PLAIN(scale_v)((int16_t *)out[0] + 9, rows, weights, TAPS, w);
    fast->scale_v((int16_t *)out[1] + 9, rows, weights, TAPS, w);
    expect(!memcmp(out[0], out[1], sizeof out[0]), "scale_v", w, 1, bitDepth);
    memset(out, 77, sizeof out);
    const int16_t *src = (const int16_t *)a;
    PLAIN(scale_h)(out[0] + 9, src, first, weights, TAPS, w, maximum);
    fast->scale_h(out[1] + 9, src, first, weights, TAPS, w, maximum);
    expect(!memcmp(out[0], out[1], sizeof out[0]), "scale_h", w, 1, bitDepth);
}

int main(void) {
    plain = veil_kernels_of(VEIL_SIMD_PLAIN), fast = veil_kernels_of(VEIL_SIMD_NEON);
    if (!fast) return fputs("built without NEON\n", stderr), 2;
    make_regions();
    signal(SIGSEGV, fault), signal(SIGBUS, fault);
    static const int depths[] = {8, 9, 10, 12};
    for (int round = 0; round < 12; round++) {
        int bitDepth = depths[round % 4], kind = round / 4;
        check_samples(round, bitDepth, kind);
        check_samples_8(round, 8, kind);
        for (int i = 0; i < 400; i++) check_quant(i / 4 % 2, 2 + i % 4);
        for (int i = 0; i < 400; i++) check_forward(bitDepth, i / 4 % 4, 2 + i % 4);
        for (int w = 1; bitDepth <= 10 && w <= 100; w++) check_scaling(bitDepth, w);
    }
    expect_all_compared(compared), expect_all_compared_8(NULL);
    printf("%ld checks of NEON kernels, %ld failed\n", checks, failures);
    return failures ? 1 : 0;
}
