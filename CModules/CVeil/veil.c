// SPDX-License-Identifier: GPL-2.0-or-later
// The functions of veil.h are Swift's (Sources/VeilC); here it is checked that the header stands alone.
#include "veil.h"
