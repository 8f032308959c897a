// SPDX-License-Identifier: GPL-2.0-or-later
// The choice of a path.
#include "kernels_internal.h"

#include <stdlib.h>
#include <string.h>

veil_kernels veil_kernels_active;
veil_kernels_8 veil_kernels_8_active;

static veil_kernels tables[VEIL_SIMD_LEVELS];
static veil_kernels_8 tables8[VEIL_SIMD_LEVELS];
static int best;

// Before main(), hence before any thread could read a table.
__attribute__((constructor)) static void fill_tables(void) {
    for (int level = 0; level < VEIL_SIMD_LEVELS; level++) {
        veil_kernels *k = &tables[level];
        k->level = level;
        veil_fill_mc_luma(k);
        veil_fill_mc_chroma(k);
        veil_fill_weighted(k);
        veil_fill_transform(k);
        veil_fill_forward_transform(k);
        veil_fill_quant(k);
        veil_fill_intra(k);
        veil_fill_deblock(k);
        veil_fill_sao(k);
        veil_fill_sao_statistics(k);
        veil_fill_resample(k);
        veil_fill_cost(k);
        veil_fill_block(k);
        veil_fill_scale(k);
        veil_kernels_8 *k8 = &tables8[level];
        veil_fill_mc_luma_8(k8);
        veil_fill_mc_chroma_8(k8);
        veil_fill_weighted_8(k8);
        veil_fill_transform_8(k8);
        veil_fill_intra_8(k8);
        veil_fill_deblock_8(k8);
        veil_fill_sao_8(k8);
        veil_fill_resample_8(k8);
        veil_fill_block_8(k8);
        veil_fill_cost_8(k8);
        veil_fill_sao_statistics_8(k8);
    }
#ifdef VEIL_X86
    veil_fill_mc_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_weighted_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_transform_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_forward_transform_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_quant_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_deblock_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_sao_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_sao_statistics_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_resample_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_cost_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_block_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_scale_avx2(&tables[VEIL_SIMD_AVX2]);
    veil_fill_mc_avx2_8(&tables8[VEIL_SIMD_AVX2]);
    veil_fill_weighted_avx2_8(&tables8[VEIL_SIMD_AVX2]);
    veil_fill_transform_avx2_8(&tables8[VEIL_SIMD_AVX2]);
    veil_fill_deblock_avx2_8(&tables8[VEIL_SIMD_AVX2]);
    veil_fill_sao_avx2_8(&tables8[VEIL_SIMD_AVX2]);
    veil_fill_resample_avx2_8(&tables8[VEIL_SIMD_AVX2]);
    veil_fill_block_avx2_8(&tables8[VEIL_SIMD_AVX2]);
    veil_fill_cost_avx2_8(&tables8[VEIL_SIMD_AVX2]);
    veil_fill_sao_statistics_avx2_8(&tables8[VEIL_SIMD_AVX2]);
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) best = VEIL_SIMD_AVX2;
#endif
#ifdef VEIL_NEON
    veil_fill_mc_neon(&tables[VEIL_SIMD_NEON]);
    veil_fill_transform_neon(&tables[VEIL_SIMD_NEON]);
    veil_fill_forward_transform_neon(&tables[VEIL_SIMD_NEON]);
    veil_fill_deblock_neon(&tables[VEIL_SIMD_NEON]);
    veil_fill_sao_neon(&tables[VEIL_SIMD_NEON]);
    veil_fill_resample_neon(&tables[VEIL_SIMD_NEON]);
    veil_fill_cost_neon(&tables[VEIL_SIMD_NEON]);
    veil_fill_quant_neon(&tables[VEIL_SIMD_NEON]);
    veil_fill_scale_neon(&tables[VEIL_SIMD_NEON]);
    veil_fill_mc_neon_8(&tables8[VEIL_SIMD_NEON]);
    veil_fill_transform_neon_8(&tables8[VEIL_SIMD_NEON]);
    veil_fill_deblock_neon_8(&tables8[VEIL_SIMD_NEON]);
    veil_fill_sao_neon_8(&tables8[VEIL_SIMD_NEON]);
    veil_fill_resample_neon_8(&tables8[VEIL_SIMD_NEON]);
    veil_fill_cost_neon_8(&tables8[VEIL_SIMD_NEON]);
    best = VEIL_SIMD_NEON;
#endif
    const char *wish = getenv("VEIL_SIMD");
    int level = wish && !strcmp(wish, "plain") ? VEIL_SIMD_PLAIN : best;
    veil_kernels_active = tables[level];
    veil_kernels_8_active = tables8[level];
}

const veil_kernels *veil_kernels_get(void) { return &veil_kernels_active; }

const veil_kernels *veil_kernels_of(veil_simd_level level) {
    return level == VEIL_SIMD_PLAIN || (int)level == best ? &tables[level] : NULL;
}

const veil_kernels_8 *veil_kernels_8_of(veil_simd_level level) {
    return veil_kernels_of(level) ? &tables8[level] : NULL;
}

int veil_kernels_select(veil_simd_level level) {
    const veil_kernels *k = veil_kernels_of(level);
    if (!k) return -1;
    veil_kernels_active = *k;
    veil_kernels_8_active = *veil_kernels_8_of(level);
    return 0;
}
