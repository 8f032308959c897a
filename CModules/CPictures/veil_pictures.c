// SPDX-License-Identifier: GPL-2.0-or-later
#include "veil_pictures.h"

#include <stdlib.h>
#include <string.h>

#ifdef VEIL_PNG
#include <png.h>

int veil_png(const uint8_t *rgb, int width, int height, uint8_t **bytes, size_t *size) {
    png_image image;
    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.width = (png_uint_32)width;
    image.height = (png_uint_32)height;
    image.format = PNG_FORMAT_RGB;
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *file = malloc(room);
    if (!file) return VEIL_PICTURE_FAILED;
    if (!png_image_write_to_memory(&image, file, &room, 0, rgb, 0, NULL)) {
        free(file);
        return VEIL_PICTURE_FAILED;
    }
    *bytes = file;
    *size = room;
    return VEIL_PICTURE_OK;
}
#else
int veil_png(const uint8_t *rgb, int width, int height, uint8_t **bytes, size_t *size) {
    (void)rgb, (void)width, (void)height, (void)bytes, (void)size;
    return VEIL_PICTURE_MISSING;
}
#endif

#ifdef VEIL_JPEG
#include <turbojpeg.h>

int veil_jpeg(const uint8_t *rgb, int width, int height, int quality, uint8_t **bytes, size_t *size) {
    unsigned long count = tjBufSize(width, height, TJSAMP_420);
    uint8_t *file = count == (unsigned long)-1 ? NULL : malloc(count);
    tjhandle encoder = file ? tjInitCompress() : NULL;
    if (!encoder
        || tjCompress2(encoder, rgb, width, 0, height, TJPF_RGB, &file, &count, TJSAMP_420, quality, TJFLAG_NOREALLOC)
            != 0) {
        if (encoder) tjDestroy(encoder);
        free(file);
        return VEIL_PICTURE_FAILED;
    }
    tjDestroy(encoder);
    *bytes = file;
    *size = count;
    return VEIL_PICTURE_OK;
}
#else
int veil_jpeg(const uint8_t *rgb, int width, int height, int quality, uint8_t **bytes, size_t *size) {
    (void)rgb, (void)width, (void)height, (void)quality, (void)bytes, (void)size;
    return VEIL_PICTURE_MISSING;
}
#endif

void veil_picture_free(uint8_t *bytes) { free(bytes); }
