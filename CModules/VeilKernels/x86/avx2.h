// SPDX-License-Identifier: GPL-2.0-or-later
// Begins an AVX2 source: everything after it is compiled for AVX2, up to the `pop` that ends the file. Include it last.
#include <immintrin.h>
#include <string.h>

#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define LOAD128(p) _mm_loadu_si128((const __m128i *)(p))
#define STORE128(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define LOAD64(p) _mm_loadl_epi64((const __m128i *)(p))
#define STORE64(p, v) _mm_storel_epi64((__m128i *)(p), v)
#define LOW(v) _mm256_castsi256_si128(v)
#define HIGH(v) _mm256_extracti128_si256(v, 1)

#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt"))), apply_to = function)

// Two rows of 8: the first in the low lane.
VEIL_INLINE __m256i load_2x8(const void *row0, const void *row1) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(LOAD128(row0)), LOAD128(row1), 1);
}

// Two rows of 4: in the low halves of the lanes.
VEIL_INLINE __m256i load_2x4(const void *row0, const void *row1) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(LOAD64(row0)), LOAD64(row1), 1);
}

VEIL_INLINE void store_2x8(void *row0, void *row1, __m256i v) {
    STORE128(row0, LOW(v));
    STORE128(row1, HIGH(v));
}

VEIL_INLINE __m128i load_32(const void *p) {
    int32_t v;
    memcpy(&v, p, 4);
    return _mm_cvtsi32_si128(v);
}

VEIL_INLINE void store_32(void *p, __m128i v) {
    int32_t i = _mm_cvtsi128_si32(v);
    memcpy(p, &i, 4);
}

// A pair of 16-bit factors for _mm256_madd_epi16.
VEIL_INLINE __m256i pair_of(const int16_t *c) {
    int32_t v;
    memcpy(&v, c, 4);
    return _mm256_set1_epi32(v);
}

VEIL_INLINE __m256i clip_16(__m256i v, __m256i maximum) {
    return _mm256_max_epi16(_mm256_min_epi16(v, maximum), _mm256_setzero_si256());
}

VEIL_INLINE __m128i clip_8(__m128i v, __m128i maximum) {
    return _mm_max_epi16(_mm_min_epi16(v, maximum), _mm_setzero_si128());
}

// Samples, as 16-bit elements in registers. What is stored must fit a sample, or be clipped by clip_samples before:
// where samples have one byte, storing clips them to their 8 bits.
#if VEIL_SAMPLE_BITS == 8
VEIL_INLINE __m256i load_samples_16(const sample *p) { return _mm256_cvtepu8_epi16(LOAD128(p)); }
VEIL_INLINE __m128i load_samples_8(const sample *p) { return _mm_cvtepu8_epi16(LOAD64(p)); }
VEIL_INLINE __m128i load_samples_4(const sample *p) { return _mm_cvtepu8_epi16(load_32(p)); }
VEIL_INLINE __m128i load_samples_2(const sample *p) {
    uint16_t two;
    memcpy(&two, p, 2);
    return _mm_cvtepu8_epi16(_mm_cvtsi32_si128(two));
}
VEIL_INLINE __m256i load_samples_2x8(const sample *row0, const sample *row1) {
    return _mm256_cvtepu8_epi16(_mm_unpacklo_epi64(LOAD64(row0), LOAD64(row1)));
}

VEIL_INLINE void store_samples_16(sample *p, __m256i v) { STORE128(p, _mm_packus_epi16(LOW(v), HIGH(v))); }
VEIL_INLINE void store_samples_8(sample *p, __m128i v) { STORE64(p, _mm_packus_epi16(v, v)); }
VEIL_INLINE void store_samples_4(sample *p, __m128i v) { store_32(p, _mm_packus_epi16(v, v)); }
VEIL_INLINE void store_samples_2(sample *p, __m128i v) {
    uint16_t two = (uint16_t)_mm_cvtsi128_si32(_mm_packus_epi16(v, v));
    memcpy(p, &two, 2);
}
VEIL_INLINE void store_samples_2x8(sample *row0, sample *row1, __m256i v) {
    __m128i both = _mm_packus_epi16(LOW(v), HIGH(v));
    STORE64(row0, both);
    STORE64(row1, _mm_unpackhi_epi64(both, both));
}

VEIL_INLINE __m256i clip_samples(__m256i v, __m256i maximum) { return (void)maximum, v; }
VEIL_INLINE __m128i clip_samples_8(__m128i v, __m128i maximum) { return (void)maximum, v; }
#else
VEIL_INLINE __m256i load_samples_16(const sample *p) { return LOAD(p); }
VEIL_INLINE __m128i load_samples_8(const sample *p) { return LOAD128(p); }
VEIL_INLINE __m128i load_samples_4(const sample *p) { return LOAD64(p); }
VEIL_INLINE __m128i load_samples_2(const sample *p) { return load_32(p); }
VEIL_INLINE __m256i load_samples_2x8(const sample *row0, const sample *row1) { return load_2x8(row0, row1); }

VEIL_INLINE void store_samples_16(sample *p, __m256i v) { STORE(p, v); }
VEIL_INLINE void store_samples_8(sample *p, __m128i v) { STORE128(p, v); }
VEIL_INLINE void store_samples_4(sample *p, __m128i v) { STORE64(p, v); }
VEIL_INLINE void store_samples_2(sample *p, __m128i v) { store_32(p, v); }
VEIL_INLINE void store_samples_2x8(sample *row0, sample *row1, __m256i v) { store_2x8(row0, row1, v); }

VEIL_INLINE __m256i clip_samples(__m256i v, __m256i maximum) { return clip_16(v, maximum); }
VEIL_INLINE __m128i clip_samples_8(__m128i v, __m128i maximum) { return clip_8(v, maximum); }
#endif

// The first n (2, 4 or 6) of 8.
VEIL_INLINE void store_part(sample *p, __m128i v, int n) {
    if (n & 4) {
        store_samples_4(p, v);
        p += 4;
        v = _mm_unpackhi_epi64(v, v);
    }
    if (n & 2) store_samples_2(p, v);
}
