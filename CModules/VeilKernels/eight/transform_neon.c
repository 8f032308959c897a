// SPDX-License-Identifier: GPL-2.0-or-later
// The same kernels for samples of one byte.
#define VEIL_SAMPLE_BITS 8
#include "../arm/transform_neon.c"
