// SPDX-License-Identifier: GPL-2.0-or-later
// Making sources smaller, AVX2.
#include "../kernels_internal.h"
#ifdef VEIL_X86
#include "avx2.h"

// What a filter comes to: pairs of rows with the same factor, of which the first may stand alone (the middle one), or
// single rows; rows whose factor is 0 are left out. 16 bits hold a sum of two samples of at most 10.
struct row_filter {
    const uint16_t *row[256], *mirrored[256];
    int16_t factors[256];
    int count, symmetric, odd;
};

static void make_filter(struct row_filter *f, const uint16_t *const *rows, const int16_t *weights, int taps) {
    while (taps > 1 && !weights[taps - 1]) taps--;
    while (taps > 1 && !weights[0]) taps--, weights++, rows++;
    f->symmetric = 1;
    for (int k = 0; k < taps / 2; k++) f->symmetric &= weights[k] == weights[taps - 1 - k];
    f->odd = taps & 1;
    f->count = 0;
    for (int k = f->symmetric ? taps / 2 : 0; k < taps; k++) {
        if (!weights[k] && f->count) continue;
        f->row[f->count] = rows[k];
        f->mirrored[f->count] = rows[taps - 1 - k];
        f->factors[f->count++] = weights[k];
    }
    if (f->count & 1) {
        f->row[f->count] = f->mirrored[f->count] = f->row[f->count - 1];
        f->factors[f->count++] = 0;
    }
}

VEIL_INLINE __m256i row_sum(const struct row_filter *f, int k, int x, int paired) {
    return paired ? _mm256_add_epi16(LOAD(f->row[k] + x), LOAD(f->mirrored[k] + x)) : LOAD(f->row[k] + x);
}

VEIL_INLINE int filter_rows(int16_t *dst, const struct row_filter *f, int w, int symmetric, int odd) {
    int x = 0;
    for (; x + 16 <= w; x += 16) {
        __m256i low = _mm256_set1_epi32(512), high = low;
        for (int k = 0; k < f->count; k += 2) {
            const __m256i a = row_sum(f, k, x, symmetric && !(odd && k == 0)), b = row_sum(f, k + 1, x, symmetric);
            const __m256i factors = pair_of(f->factors + k);
            low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), factors));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), factors));
        }
        STORE(dst + x, _mm256_packs_epi32(_mm256_srai_epi32(low, 10), _mm256_srai_epi32(high, 10)));
    }
    return x;
}

static void scale_v(int16_t *dst, const uint16_t *const *rows, const int16_t *weights, int taps, int w) {
    int x = 0;
    if (taps < 256) {
        struct row_filter f;
        make_filter(&f, rows, weights, taps);
        x = !f.symmetric ? filter_rows(dst, &f, w, 0, 0)
            : f.odd      ? filter_rows(dst, &f, w, 1, 1)
                         : filter_rows(dst, &f, w, 1, 0);
    }
    for (; x < w; x++) {
        int sum = 512;
        for (int k = 0; k < taps; k++) sum += weights[k] * rows[k][x];
        dst[x] = (int16_t)(sum >> 10);
    }
}

// Four partial sums of one output sample.
static inline __m128i partial(const int16_t *src, const int16_t *weights, int taps) {
    __m128i sum = _mm_setzero_si128();
    for (int k = 0; k < taps; k += 8)
        sum = _mm_add_epi32(sum,
            _mm_madd_epi16(
                _mm_loadu_si128((const __m128i *)(src + k)), _mm_loadu_si128((const __m128i *)(weights + k))));
    return sum;
}

// Sixteen products of one output sample, added by twos.
static inline __m256i sixteen(const int16_t *src, const int16_t *weights) {
    return _mm256_madd_epi16(LOAD(src), LOAD(weights));
}

// Four output samples: what the lower lane has of each, then what the upper lane has.
static inline __m256i four_sums(const int16_t *src, const int32_t *first, const int16_t *c) {
    return _mm256_hadd_epi32(_mm256_hadd_epi32(sixteen(src + first[0], c), sixteen(src + first[1], c + 16)),
        _mm256_hadd_epi32(sixteen(src + first[2], c + 32), sixteen(src + first[3], c + 48)));
}

static void scale_h(
    uint16_t *dst, const int16_t *src, const int32_t *first, const int16_t *weights, int taps, int w, int limit) {
    const __m128i round = _mm_set1_epi32(1 << 17), most = _mm_set1_epi32(limit);
    int x = 0;
    // Factors from 1 to 2.5.
    for (; taps == 16 && x + 8 <= w; x += 8) {
        const int16_t *c = weights + (ptrdiff_t)x * 16;
        const __m256i a = four_sums(src, first + x, c), b = four_sums(src, first + x + 4, c + 64);
        const __m256i sum =
            _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
        const __m256i rounded = _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << 17)), 18);
        const __m256i clipped =
            _mm256_min_epi32(_mm256_max_epi32(rounded, _mm256_setzero_si256()), _mm256_set1_epi32(limit));
        STORE128(dst + x, _mm_packus_epi32(LOW(clipped), HIGH(clipped)));
    }
    for (; x + 4 <= w; x += 4) {
        const int16_t *c = weights + (ptrdiff_t)x * taps;
        const __m128i ab =
            _mm_hadd_epi32(partial(src + first[x], c, taps), partial(src + first[x + 1], c + taps, taps));
        const __m128i cd = _mm_hadd_epi32(
            partial(src + first[x + 2], c + 2 * taps, taps), partial(src + first[x + 3], c + 3 * taps, taps));
        const __m128i sum = _mm_srai_epi32(_mm_add_epi32(_mm_hadd_epi32(ab, cd), round), 18);
        const __m128i clipped = _mm_min_epi32(_mm_max_epi32(sum, _mm_setzero_si128()), most);
        _mm_storel_epi64((__m128i *)(dst + x), _mm_packus_epi32(clipped, clipped));
    }
    for (; x < w; x++) {
        int sum = 1 << 17;
        for (int k = 0; k < taps; k++) sum += weights[x * taps + k] * src[first[x] + k];
        sum >>= 18;
        dst[x] = (uint16_t)(sum < 0 ? 0 : sum > limit ? limit : sum);
    }
}

void veil_fill_scale_avx2(veil_kernels *k) {
    k->scale_v = scale_v;
    k->scale_h = scale_h;
}

#pragma clang attribute pop
#endif
