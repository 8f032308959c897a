// SPDX-License-Identifier: GPL-2.0-or-later
#include "veil_kernels.h"
