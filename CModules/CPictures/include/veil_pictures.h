// SPDX-License-Identifier: GPL-2.0-or-later
//
// A narrow view of libpng and libjpeg-turbo for pictures of reports: one 8-bit RGB picture in, a file's bytes out.
#ifndef VEIL_PICTURES_H
#define VEIL_PICTURES_H
#include <stddef.h>
#include <stdint.h>

enum {
    VEIL_PICTURE_OK = 0,
    /// The picture has no samples, or memory ran out.
    VEIL_PICTURE_FAILED = -1,
    /// Built without the library.
    VEIL_PICTURE_MISSING = -2,
};

/// `rgb`: rows of R, G, B without gaps. Gives the bytes of a PNG file (ISO/IEC 15948), for `veil_picture_free`.
int veil_png(const uint8_t *rgb, int width, int height, uint8_t **bytes, size_t *size);

/// The same as JPEG (ITU-T T.81) with 4:2:0; `quality` 1 ... 100.
int veil_jpeg(const uint8_t *rgb, int width, int height, int quality, uint8_t **bytes, size_t *size);

void veil_picture_free(uint8_t *bytes);

#endif
