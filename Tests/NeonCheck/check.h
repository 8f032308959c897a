// SPDX-License-Identifier: GPL-2.0-or-later
// What the checks share.
#include "../../CModules/VeilKernels/kernels_internal.h"

#include <string.h>

enum { STRIDE = 192, ROWS = 160, AREA = STRIDE * ROWS };

uint32_t next(void);
// What is being compared, for the message of a fault.
extern const char *doing;
void expect(int same, const char *what, int w, int h, int bitDepth);

// Elements first ... last around `from`, of `size` bytes, in memory that faults behind them, or in front of them: by
// turns. The result is what `from` is to them.
void *bounded(int region, const void *from, ptrdiff_t first, ptrdiff_t last, size_t size);

// Entries of a table that have been compared. PLAIN is the plain path's entry, and notes it.
typedef void (*veil_entry)(void);
#define PLAIN(entry) \
    (compared[((const char *)&plain->entry - (const char *)plain) / sizeof(veil_entry)] = 1, plain->entry)

// Checks of the kernels of a round; at the end whether whatever NEON has of its own was compared, by these and others.
void check_samples(int round, int bitDepth, int kind);
void check_samples_8(int round, int bitDepth, int kind);
void expect_all_compared(const unsigned char *others);
void expect_all_compared_8(const unsigned char *others);
