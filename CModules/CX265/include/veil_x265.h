// SPDX-License-Identifier: GPL-2.0-or-later
//
// A narrow view of libx265 for the base layer encoder: open with named options, push pictures, pull access units with
// their reconstruction.
#ifndef VEIL_X265_H
#define VEIL_X265_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct veil_x265 veil_x265;

/// One encoded picture. Pointers are valid until the next call.
typedef struct veil_x265_output {
    /// Annex B bytes of the access unit's NAL units.
    const uint8_t *bytes;
    size_t size;
    /// POC as libx265 counts it: it runs on across IDR pictures, in display order from 0.
    int poc;
    /// X265_TYPE_*: 1 IDR, 2 I, 3 P, 4 BREF, 5 B.
    int sliceType;
    /// Reconstruction: planes (of monochrome the first) of uint8_t (8 bit) or uint16_t samples, strides in bytes.
    const void *planes[3];
    int strides[3];
} veil_x265_output;

/// Version string of the library.
const char *veil_x265_version(void);

/// Opens an encoder. `names` and `values` are `count` options as the command line tool names them (without dashes); a
/// NULL value is an empty one. `chromaFormat` is chroma_format_idc: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
/// `pyramidLevels` are the levels of referenced B pictures: more than one takes a patched
/// libx265. On failure NULL, with the reason in `error` (`errorSize` bytes).
veil_x265 *veil_x265_open(int width, int height, int fpsNum, int fpsDenom, int bitDepth, int chromaFormat,
    const char *preset, const char *tune, int pyramidLevels, const char *const *names, const char *const *values,
    int count, char *error, size_t errorSize);

/// The `x265_encoder *` inside.
void *veil_x265_handle(veil_x265 *encoder);

/// VPS, SPS and PPS in Annex B form; the pointer is valid until the next call. Returns 0 or a negative number.
int veil_x265_headers(veil_x265 *encoder, const uint8_t **bytes, size_t *size);

/// Pushes a picture (`planes` NULL to flush). Returns 1 when `out` was filled, 0 when the encoder needs more input (or,
/// flushing, is empty), a negative number on failure. `planes` (of monochrome the first) are of uint8_t or uint16_t
/// samples by the bit depth, `strides` in bytes.
int veil_x265_encode(veil_x265 *encoder, const void *const planes[3], const int strides[3], veil_x265_output *out);

void veil_x265_close(veil_x265 *encoder);

#ifdef __cplusplus
}
#endif
#endif
