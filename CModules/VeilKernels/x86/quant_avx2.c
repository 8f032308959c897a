// SPDX-License-Identifier: GPL-2.0-or-later
// Quantization and flat scaling, AVX2.
#include "../kernels_internal.h"

#ifdef VEIL_X86
#include "avx2.h"

VEIL_INLINE int quant_of(
    int16_t *levels, int32_t *remainder, const int16_t *coeffs, int n, int scale, int offset, int shift, int remains) {
    __m256i factor = _mm256_set1_epi16((int16_t)scale), add = _mm256_set1_epi32(offset), zero = _mm256_setzero_si256();
    __m128i down = _mm_cvtsi32_si128(shift), rest = _mm_cvtsi32_si128(shift - 8);
    int zeros = 0;
    for (int i = 0; i < n; i += 16) {
        __m256i c = LOAD(coeffs + i), a = _mm256_abs_epi16(c);
        // |-32768| is right as an unsigned number.
        __m256i low = _mm256_mullo_epi16(a, factor), high = _mm256_mulhi_epu16(a, factor);
        __m256i s0 = _mm256_unpacklo_epi16(low, high), s1 = _mm256_unpackhi_epi16(low, high);
        __m256i l0 = _mm256_sra_epi32(_mm256_add_epi32(s0, add), down);
        __m256i l1 = _mm256_sra_epi32(_mm256_add_epi32(s1, add), down);
        __m256i level = _mm256_packs_epi32(l0, l1);
        if (remains) {
            // Levels beyond 32767 were clipped.
            __m256i most = _mm256_set1_epi32(32767);
            l0 = _mm256_min_epi32(l0, most), l1 = _mm256_min_epi32(l1, most);
            s0 = _mm256_sra_epi32(_mm256_sub_epi32(s0, _mm256_sll_epi32(l0, down)), rest);
            s1 = _mm256_sra_epi32(_mm256_sub_epi32(s1, _mm256_sll_epi32(l1, down)), rest);
            STORE(remainder + i, _mm256_permute2x128_si256(s0, s1, 0x20));
            STORE(remainder + i + 8, _mm256_permute2x128_si256(s0, s1, 0x31));
        }
        STORE(levels + i, _mm256_sign_epi16(level, c));
        zeros += __builtin_popcount((unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi16(level, zero)));
    }
    return n - zeros / 2;
}

static int quant(int16_t *levels, int32_t *remainder, const int16_t *coeffs, int n, int scale, int offset, int shift) {
    return remainder ? quant_of(levels, remainder, coeffs, n, scale, offset, shift, 1)
                     : quant_of(levels, remainder, coeffs, n, scale, offset, shift, 0);
}

static void dequant(int16_t *coeffs, const int16_t *levels, int n, int scale, int shift) {
    __m256i factor = _mm256_set1_epi32(scale), round = _mm256_set1_epi32(shift > 0 ? 1 << (shift - 1) : 0);
    __m128i down = _mm_cvtsi32_si128(shift > 0 ? shift : 0), up = _mm_cvtsi32_si128(shift < 0 ? -shift : 0);
    for (int i = 0; i < n; i += 16) {
        __m256i v = LOAD(levels + i);
        if (_mm256_testz_si256(v, v)) {
            STORE(coeffs + i, v);
            continue;
        }
        __m256i a = _mm256_mullo_epi32(_mm256_cvtepi16_epi32(LOW(v)), factor);
        __m256i b = _mm256_mullo_epi32(_mm256_cvtepi16_epi32(HIGH(v)), factor);
        a = _mm256_sll_epi32(_mm256_sra_epi32(_mm256_add_epi32(a, round), down), up);
        b = _mm256_sll_epi32(_mm256_sra_epi32(_mm256_add_epi32(b, round), down), up);
        STORE(coeffs + i, _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8));
    }
}

void veil_fill_quant_avx2(veil_kernels *k) {
    k->quant = quant;
    k->dequant = dequant;
}

#pragma clang attribute pop
#endif
