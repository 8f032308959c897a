// SPDX-License-Identifier: GPL-2.0-or-later
//
// Veil for C: encode, encrypt, decrypt and decode scalable HEVC. Link with -lVeilC.
//
// Streams go in and out as byte streams (Annex B), cut anywhere on the way in, one access unit at a time on the way
// out. Every object serves one stream and one thread at a time. Functions that can fail return 0 or a pointer on
// success, and -1 or NULL otherwise; veil_last_error() then says why in one line. Nothing is ever written to standard
// output or error.
#ifndef VEIL_H
#define VEIL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VEIL_API_VERSION 1

typedef struct veil_keys veil_keys;
typedef struct veil_decoder veil_decoder;
typedef struct veil_transcoder veil_transcoder;
typedef struct veil_encoder veil_encoder;

/// A 4:2:0 picture. Samples are bytes for 8 bits, 16-bit words in the machine's order for 10.
typedef struct veil_picture {
    int32_t width, height;
    int32_t bit_depth;
    /// nuh_layer_id; not used for pictures to encode.
    int32_t layer;
    /// PicOrderCntVal; not used for pictures to encode.
    int64_t order;
    /// Y, Cb, Cr; chroma planes have half the width and height, rounded up.
    const void *planes[3];
    /// Bytes from one row to the next.
    size_t strides[3];
    /// Frames a second as a fraction; 0/0 when the stream does not tell. Not used for pictures to encode.
    int32_t fps_num, fps_den;
} veil_picture;

/// An access unit: bytes that belong to one instant, in byte stream format.
typedef struct veil_packet {
    const uint8_t *data;
    size_t size;
    /// Decoding can begin here.
    int32_t is_random_access;
} veil_packet;

/// VEIL_API_VERSION of the library.
int veil_api_version(void);

/// What went wrong last in this thread. Valid until the next failure in the thread.
const char *veil_last_error(void);

// Keys

/// Opens a key file, "env:NAME" (a variable that holds its text) or "fd:N".
veil_keys *veil_keys_open(const char *reference);
/// Fresh keys for layers 0 ... layers - 1. `cipher`: "chaotic", "aes-128-ctr", "aes-256-ctr", "chacha20".
veil_keys *veil_keys_generate(int layers, const char *cipher);
/// Writes a new key file that only its owner can read.
int veil_keys_write(const veil_keys *keys, const char *path);
void veil_keys_close(veil_keys *keys);

// Decoding

/// `keys`: NULL decodes to what someone without keys sees. `layer`: nuh_layer_id, or -1 for the highest. `threads`: 1
/// or more.
veil_decoder *veil_decoder_open(const veil_keys *keys, int layer, int threads);
int veil_decoder_push(veil_decoder *decoder, const uint8_t *data, size_t size);
/// Ends the stream.
int veil_decoder_finish(veil_decoder *decoder);
/// 1: the next picture in output order, valid until the next call with this decoder; 0: none is ready.
int veil_decoder_picture(veil_decoder *decoder, veil_picture *picture);
void veil_decoder_close(veil_decoder *decoder);

// Encrypting and decrypting finished streams, without decoding

/// `scheme`: "bl", "all" or "el".
veil_transcoder *veil_encryptor_open(const veil_keys *keys, const char *scheme, int threads);
veil_transcoder *veil_decryptor_open(const veil_keys *keys, int threads);
int veil_transcoder_push(veil_transcoder *transcoder, const uint8_t *data, size_t size);
int veil_transcoder_finish(veil_transcoder *transcoder);
/// 1: the next access unit, valid until the next call with this transcoder; 0: none is ready.
int veil_transcoder_packet(veil_transcoder *transcoder, veil_packet *packet);
void veil_transcoder_close(veil_transcoder *transcoder);

// Encoding

typedef struct veil_encoder_settings {
    int32_t width, height;
    int32_t fps_num, fps_den;
    /// 8 or 10.
    int32_t bit_depth;
    /// The ratio of each enhancement layer to the layer below it, bottom up: "2x", "1.5x", "snr" for the same size,
    /// "2x,snr" for three layers, up to eight; "1" for a single layer. NULL for "2x".
    const char *layers;
    /// QPs of the base layer and of all enhancement layers, 0 ... 51.
    int32_t base_qp, enhancement_qp;
    /// Of x265; NULL for "medium".
    const char *preset;
    int32_t threads;
    /// "bl", "all" or "el"; NULL for "all". Without keys nothing is encrypted.
    const char *scheme;
    /// Adaptive quantisation of the enhancement layers: 0 off, 1 by variance, 2 by variance and picture; and its
    /// strength, 0 to 3, where 1 is usual.
    int32_t aq_mode;
    double aq_strength;
} veil_encoder_settings;

/// `keys`: NULL writes a clear stream.
veil_encoder *veil_encoder_open(const veil_encoder_settings *settings, const veil_keys *keys);
/// The next picture in display order; it is copied.
int veil_encoder_push(veil_encoder *encoder, const veil_picture *picture);
int veil_encoder_finish(veil_encoder *encoder);
/// 1: the next access unit in decoding order, valid until the next call with this encoder; 0: none is ready.
int veil_encoder_packet(veil_encoder *encoder, veil_packet *packet);
void veil_encoder_close(veil_encoder *encoder);

#ifdef __cplusplus
}
#endif

#endif
