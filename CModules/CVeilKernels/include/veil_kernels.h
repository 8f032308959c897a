// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef VEIL_KERNELS_H
#define VEIL_KERNELS_H
#include <stddef.h>
#include <stdint.h>
#endif
