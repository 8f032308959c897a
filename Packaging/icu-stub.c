// SPDX-License-Identifier: GPL-2.0-or-later
//
// Foundation brings 31 MB of ICU's tables of languages, of which Veil uses none: it formats nothing by locale. In their
// place programs that are linked statically get this: ICU's common data with an empty table of contents, whose readers
// then answer that nothing is there.
#include <stdint.h>

#ifndef ICU_DATA
#error "ICU_DATA is the name of the tables in the toolchain's lib_FoundationICU.a"
#endif

const struct {
    // The header (ICU's "udata.h"): its size, two magic bytes, and what the data are.
    uint16_t header_size;
    uint8_t magic1, magic2;
    uint16_t info_size, reserved_word;
    uint8_t is_big_endian, charset_family, size_of_uchar, reserved_byte;
    uint8_t data_format[4], format_version[4], data_version[4];
    // Padding to a multiple of 16.
    uint8_t padding[8];
    // No entries.
    uint32_t count, unused[3];
} ICU_DATA __attribute__((aligned(16))) = {
    32,
    0xda,
    0x27,
    20,
    0,
    0,
    0,
    2,
    0,
    {'C', 'm', 'n', 'D'},
    {1, 0, 0, 0},
    {0, 0, 0, 0},
    {0},
    0,
    {0},
};
