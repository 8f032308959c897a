// SPDX-License-Identifier: GPL-2.0-or-later
//
// The patched entropy coder once more, with the defines of libx265's 12-bit objects.
#include "../../CX265Hook/vendor/entropy.cpp"
