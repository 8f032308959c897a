// SPDX-License-Identifier: GPL-2.0-or-later
//
// Veil for C: encode, encrypt, decrypt and decode scalable HEVC (SHVC). Link with -lVeilC.
//
// Streams go in and out as byte streams (Annex B), cut anywhere on the way in, one access unit at a time on the way
// out. Every object serves one stream, and one thread at a time. Nothing is ever written to standard output or error.
//
// Functions that can fail return VEIL_OK or a negative veil_status; veil_last_error() then says why in one line. After
// an error of push or finish an object can only be closed. NULL, a structure of a wrong size, a push after finish and
// values out of range are errors like others (VEIL_ERROR_USAGE).
//
// Structures begin with their size, which their _init function sets with all defaults:
//
//     veil_encoder_settings settings;
//     veil_encoder_settings_init(&settings, sizeof settings);
//
// A later version of the library may know more fields, in the place of those that are reserved or behind them: programs
// built with this header go on working with it. Reserved fields stay as _init leaves them.
#ifndef VEIL_H
#define VEIL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The binary interface that this header describes: the number in libVeilC.so's soname. It changes when programs must
/// be built again.
#define VEIL_ABI_VERSION 1

/// Layers of one stream, at most, when encoding.
#define VEIL_MAX_LAYERS 8

typedef enum veil_status {
    VEIL_OK = 0,
    /// Anything that has no number of its own.
    VEIL_ERROR = -1,
    /// The call itself is wrong: NULL, a structure's size, a value out of range, a call out of turn.
    VEIL_ERROR_USAGE = -2,
    /// Encoder settings that cannot be met.
    VEIL_ERROR_SETTINGS = -3,
    /// A key is missing, wrong or malformed.
    VEIL_ERROR_KEYS = -4,
    /// The stream was changed since it was encrypted, or is not protected as it should be.
    VEIL_ERROR_PROTECTION = -5,
    /// The input is no byte stream, or asks for what Veil does not support.
    VEIL_ERROR_STREAM = -6,
    /// A file cannot be read or written.
    VEIL_ERROR_FILE = -7,
    /// This build has no encoder (libx265 was not there).
    VEIL_ERROR_UNAVAILABLE = -8
} veil_status;

typedef struct veil_keys veil_keys;
typedef struct veil_decoder veil_decoder;
typedef struct veil_transcoder veil_transcoder;
typedef struct veil_encoder veil_encoder;

/// The library's version, as "0.1.0".
const char *veil_version(void);
/// VEIL_ABI_VERSION of the library.
int veil_abi_version(void);
/// What went wrong last in this thread, in one line; "" when nothing has. Valid until the next failure in the thread.
const char *veil_last_error(void);
/// Its number; VEIL_OK when nothing has gone wrong.
int veil_last_status(void);

// Pictures and packets

/// Which chroma samples there are.
typedef enum veil_chroma_format {
    VEIL_CHROMA_420 = 0,
    VEIL_CHROMA_422 = 1,
    VEIL_CHROMA_444 = 2,
    /// Luma alone: the other two planes are NULL.
    VEIL_CHROMA_NONE = 3
} veil_chroma_format;

/// A picture: 4:2:0, unless an encoder or a decoder was told that others are welcome.
typedef struct veil_picture {
    /// sizeof(veil_picture), set by veil_picture_init().
    size_t struct_size;
    /// Luma samples; may be odd. 4:2:0 chroma planes have half the width and height, rounded up.
    int32_t width, height;
    /// Bits a sample of all planes. Samples are bytes for 8 bits, else 16-bit words in the machine's order.
    int32_t bit_depth;
    /// Of decoded pictures: bits a sample that luma and chroma have in the stream. The smaller one is scaled to
    /// bit_depth, which is the larger.
    int32_t bit_depth_luma, bit_depth_chroma;
    /// Of decoded pictures: nuh_layer_id.
    int32_t layer;
    /// Of decoded pictures: PicOrderCntVal.
    int64_t order;
    /// Y, Cb, Cr.
    const void *planes[3];
    /// Bytes from one row to the next, no fewer than a row has.
    size_t strides[3];
    /// Of decoded pictures: frames a second as a fraction; 0/0 when the stream does not tell.
    int32_t fps_num, fps_den;
    /// A veil_chroma_format; of pictures to encode the encoder's.
    int32_t chroma_format;
    int32_t reserved_field;
    uint64_t reserved[7];
} veil_picture;

/// An empty picture. `struct_size`: sizeof(veil_picture).
int veil_picture_init(veil_picture *picture, size_t struct_size);

/// An access unit: bytes that belong to one instant, in byte stream format.
typedef struct veil_packet {
    /// sizeof(veil_packet), set by veil_packet_init().
    size_t struct_size;
    const uint8_t *data;
    /// Bytes of data.
    size_t size;
    /// 1: decoding can begin here.
    int32_t is_random_access;
    /// nuh_temporal_id_plus1 - 1 of its pictures.
    int32_t temporal_id;
    /// Bit i: it has a picture of layer i.
    uint64_t layers;
    /// Of an encoder: the place of its pictures in display order, from 0; else -1.
    int64_t display_index;
    uint64_t reserved[4];
} veil_packet;

/// An empty packet. `struct_size`: sizeof(veil_packet).
int veil_packet_init(veil_packet *packet, size_t struct_size);

// Keys

/// Opens a key file, "env:NAME" (a variable that holds its text) or "fd:N" (a descriptor to read it from).
int veil_keys_open(veil_keys **keys, const char *reference);
/// Fresh keys for layers 0 to layers - 1, which are 1 to 63. `cipher`: "chaotic", "aes-128-ctr", "aes-256-ctr" or
/// "chacha20".
int veil_keys_generate(veil_keys **keys, int layers, const char *cipher);
/// Writes a new key file that only its owner can read. A file that is there is an error.
int veil_keys_write(const veil_keys *keys, const char *path);
/// May be called as soon as what was opened with the keys is open. NULL does nothing.
void veil_keys_close(veil_keys *keys);

// Encryption, of encoders and transcoders

/// How layers are to be encrypted. Texts that are NULL leave it to the key file, or to the default.
typedef struct veil_protection {
    /// Which layers: "none", "bl" (the lowest), "all" or "el" (the highest). NULL: "all" where there are keys, else
    /// those that have keys of their own; of VEIL_REKEY as it was.
    const char *scheme;
    /// "chaotic", "aes-128-ctr", "aes-256-ctr" or "chacha20".
    const char *cipher;
    /// "paper" or "maximal".
    const char *profile;
    /// Syntax elements by name, comma separated, as `veil encrypt --elements` takes them.
    const char *elements;
    /// 1: add an authentication tag to each picture of each encrypted layer. Default 0.
    int32_t authenticate;
    /// 1: encrypt IRAP pictures only. Default 0.
    int32_t irap_only;
    /// Encrypt this temporal sub-layer and above only, 0 to 6. Default 0.
    int32_t min_temporal_id;
    /// 1: keystreams never restart (the paper's single chain over a layer). Default 0: with every substream.
    int32_t chained;
    /// Pictures to seal whole: 0 none, 1 IRAP pictures, 2 those of the lowest temporal sub-layer too, 3 all. Default 0,
    /// which for VEIL_REKEY means as it was; -1: none, then too. Refused where it would hide pictures that irap_only or
    /// min_temporal_id leave clear.
    int32_t hide;
    int32_t reserved_flags;
    uint64_t reserved[7];
} veil_protection;

// Decoding

/// Which pictures a decoder puts out.
typedef enum veil_output {
    /// Those of the highest layer that the VPS names; of several views the highest of the base layer's.
    VEIL_OUTPUT_HIGHEST = 0,
    /// Those of the layer `output_index`.
    VEIL_OUTPUT_LAYER = 1,
    /// Those of the output layers of the VPS's output layer set `output_index`.
    VEIL_OUTPUT_LAYER_SET = 2,
    /// Those of all layers.
    VEIL_OUTPUT_ALL = 3
} veil_output;

typedef struct veil_decoder_settings {
    /// sizeof(veil_decoder_settings), set by veil_decoder_settings_init().
    size_t struct_size;
    /// A veil_output. Default VEIL_OUTPUT_HIGHEST.
    int32_t output;
    /// The layer (0 to 62) or output layer set. Default 0.
    int32_t output_index;
    /// Worker threads, 1 or more; pictures do not depend on it. Default 1.
    int32_t threads;
    /// 1: check picture hash messages; see veil_decoder_report. Default 0.
    int32_t verify;
    /// Ignore temporal sub-layers above this one, 0 to 6. Default 6.
    int32_t max_temporal_id;
    /// 1: pictures of every chroma format are given out, which veil_picture.chroma_format tells; 0: others than 4:2:0
    /// are an error. Default 0.
    int32_t all_chroma_formats;
    /// NULL decodes to what someone without keys sees. Default NULL.
    const veil_keys *keys;
    /// With keys, as of veil_transcoder_settings: 1 lets clear slices through of layers whose keys are there, takes
    /// authenticated streams that were joined as one, makes anything that is missing of an authenticated stream an
    /// error, refuses streams that are not authenticated. Default 0.
    int32_t allow_clear, allow_joined, strict, require_authentication;
    uint64_t reserved[14];
} veil_decoder_settings;

/// Defaults. `struct_size`: sizeof(veil_decoder_settings).
int veil_decoder_settings_init(veil_decoder_settings *settings, size_t struct_size);

/// Opens a decoder. `settings`: NULL for the defaults; not needed afterwards.
int veil_decoder_open(veil_decoder **decoder, const veil_decoder_settings *settings);
/// Takes the next `size` bytes of the stream; `data` may be NULL when there are none. All pictures that they complete
/// wait to be fetched: where the stream is not trusted, hand over some kilobytes at a time and fetch in between, as a
/// few bytes may make a large picture.
int veil_decoder_push(veil_decoder *decoder, const uint8_t *data, size_t size);
/// Ends the stream. Pictures are left to be fetched.
int veil_decoder_finish(veil_decoder *decoder);
/// 1: the next picture in output order, whose planes are valid until the next call with this decoder; 0: none is ready;
/// negative: an error. `picture` must have been through veil_picture_init().
int veil_decoder_picture(veil_decoder *decoder, veil_picture *picture);

/// What happened so far.
typedef struct veil_decoder_report {
    /// sizeof(veil_decoder_report), set by the caller.
    size_t struct_size;
    int64_t pictures_decoded, hashes_checked, hash_mismatches;
    /// CTUs, reference pictures and whole pictures that were lost and made up.
    int64_t concealed_ctus, missing_references, concealed_pictures;
    /// 1: nothing was lost, damaged or concealed, and of an authenticated stream nothing is missing or joined.
    int32_t is_clean;
    int32_t reserved_flags;
    /// Of an authenticated stream: pictures whose tag was right, pictures that are missing, and how many times another
    /// stream was joined.
    int64_t verified_pictures, missing_pictures, joins;
    uint64_t reserved[5];
} veil_decoder_report;

int veil_decoder_get_report(veil_decoder *decoder, veil_decoder_report *report);
/// NULL does nothing.
void veil_decoder_close(veil_decoder *decoder);

// Encrypting and decrypting finished streams, without decoding

typedef enum veil_operation {
    VEIL_ENCRYPT = 1,
    VEIL_DECRYPT = 2,
    /// Decrypt with `old_keys` and encrypt with `keys`, in one pass.
    VEIL_REKEY = 3
} veil_operation;

/// What becomes of slices that cannot be encrypted, being damaged or of a kind that is not understood.
typedef enum veil_damage {
    /// An error, and nothing more comes out.
    VEIL_DAMAGE_ERROR = 0,
    /// Left out.
    VEIL_DAMAGE_DROP = 1,
    /// Replaced by a unit that decoders ignore and decryption opens.
    VEIL_DAMAGE_SEAL = 2,
    /// Left in the clear.
    VEIL_DAMAGE_PASS = 3
} veil_damage;

typedef struct veil_transcoder_settings {
    /// sizeof(veil_transcoder_settings), set by veil_transcoder_settings_init().
    size_t struct_size;
    /// A veil_operation; there is no default.
    int32_t operation;
    /// Worker threads, 1 or more; the stream does not depend on it. Default 1.
    int32_t threads;
    /// Decrypting: 1 leaves layers encrypted for which keys are missing; 0, the default, makes that an error.
    int32_t partial;
    /// Encrypting: a veil_damage. Default VEIL_DAMAGE_ERROR.
    int32_t damaged;
    /// Keys to encrypt or decrypt with; there is no default.
    const veil_keys *keys;
    /// Of an encryption.
    veil_protection protection;
    /// Of VEIL_REKEY: the keys of the stream as it is.
    const veil_keys *old_keys;
    /// Decrypting: 1 lets clear slices through of layers whose keys are there. Default 0: they are a forgery.
    int32_t allow_clear;
    /// Decrypting: 1 takes authenticated streams that were joined as one. Default 0: they are reported.
    int32_t allow_joined;
    /// Decrypting: 1 makes anything that is missing of an authenticated stream an error. Default 0: it is reported.
    int32_t strict;
    /// Decrypting: 1 refuses streams that are not authenticated. Default 0.
    int32_t require_authentication;
    uint64_t reserved[13];
} veil_transcoder_settings;

/// Defaults. `struct_size`: sizeof(veil_transcoder_settings).
int veil_transcoder_settings_init(veil_transcoder_settings *settings, size_t struct_size);

/// Opens a transcoder. `settings` are not needed afterwards.
int veil_transcoder_open(veil_transcoder **transcoder, const veil_transcoder_settings *settings);
/// Takes the next `size` bytes of the stream; `data` may be NULL when there are none.
int veil_transcoder_push(veil_transcoder *transcoder, const uint8_t *data, size_t size);
/// Ends the stream. Packets are left to be fetched.
int veil_transcoder_finish(veil_transcoder *transcoder);
/// 1: the next access unit, valid until the next call with this transcoder; 0: none is ready; negative: an error.
int veil_transcoder_packet(veil_transcoder *transcoder, veil_packet *packet);

/// What happened so far.
typedef struct veil_transcoder_report {
    /// sizeof(veil_transcoder_report), set by the caller.
    size_t struct_size;
    int64_t pictures;
    /// Slices that could not be encrypted: left in the clear (VEIL_DAMAGE_PASS), left out, sealed. Decrypting, `passed`
    /// are slices that could not be decrypted.
    int64_t passed, dropped, sealed;
    /// Slices to be encrypted in which nothing can be, or so little that they are as before.
    int64_t unchanged;
    /// Decrypting an authenticated stream: pictures whose tag was right, pictures that are missing, and how many times
    /// another stream was joined.
    int64_t verified_pictures, missing_pictures, joins;
    /// 1: nothing of the above was found that VEIL_OK alone would hide.
    int32_t is_whole;
    int32_t reserved_flags;
    uint64_t reserved[8];
} veil_transcoder_report;

int veil_transcoder_get_report(veil_transcoder *transcoder, veil_transcoder_report *report);
/// NULL does nothing.
void veil_transcoder_close(veil_transcoder *transcoder);

// Encoding

/// How the rate of a layer is set.
typedef enum veil_rate {
    /// QP 28 for the base layer; the base layer's for the others.
    VEIL_RATE_DEFAULT = 0,
    /// `rate` is the QP of P pictures, 0 to 51.
    VEIL_RATE_QP = 1,
    /// `rate` is a constant rate factor, 0 to 51.
    VEIL_RATE_CRF = 2,
    /// `rate` is an average bit rate in kbit/s.
    VEIL_RATE_BITRATE = 3
} veil_rate;

/// What one layer is to be. Zeros are defaults.
typedef struct veil_layer_settings {
    /// Luma size; 0 for what `layers` of the encoder's settings says.
    int32_t width, height;
    /// Bits a sample, 8 or 10 (12 of a single layer), no fewer than lower layers have; 0 for the source's.
    int32_t bit_depth;
    /// A veil_rate.
    int32_t rate_mode;
    double rate;
    /// The decoder's buffer, with a CRF or bit rate: most kbit/s that flow in, and its size in kbit; both 0 for none.
    double vbv_maxrate, vbv_bufsize;
    /// Of an enhancement layer, where it is not the encoder's; NULL.
    const char *preset;
    /// Bit i: it is predicted from layer i, which is a lower one; 0 for the layer below.
    uint32_t references;
    /// 1: its pictures are pushed with veil_encoder_push_layers().
    int32_t own_source;
    /// In place of the encoder's keys, for this layer; NULL.
    const veil_keys *keys;
    uint64_t reserved[8];
} veil_layer_settings;

typedef struct veil_encoder_settings {
    /// sizeof(veil_encoder_settings), set by veil_encoder_settings_init().
    size_t struct_size;
    /// Luma samples of the source's pictures; may be odd. There are no defaults.
    int32_t width, height;
    /// Frames a second as a fraction. Default 25/1.
    int32_t fps_num, fps_den;
    /// Bits a sample of the source's pictures, 8 or 10, or 12, of which a single layer is coded. Default 8.
    int32_t bit_depth;
    /// Worker threads, 1 or more. The stream depends on them with bit rates only. Default 1.
    int32_t threads;
    /// The ratio of each enhancement layer to the layer below it, bottom up: "2x", "1.5x", "snr" for the same size,
    /// "2x,snr" for three layers, up to eight; "640x360,1280x720" for the size of every layer; "1" for a single layer;
    /// "view" for two views (MV-HEVC), of which layer 1, the right eye's, is pushed with veil_encoder_push_layers();
    /// "view,2x" for both views in two sizes, the left eye's in layers 0 and 1, the right eye's, pushed as layer 3's,
    /// in 2 and 3;
    /// "alpha" for pictures and, pushed likewise as layer 1, their alpha, which is the luma of what is pushed.
    /// Default "2x".
    const char *layers;
    /// More about the layers, by nuh_layer_id.
    veil_layer_settings layer[VEIL_MAX_LAYERS];
    /// Speed against efficiency, "ultrafast" to "veryslow". Default "medium".
    const char *preset;
    /// Preset of the enhancement layers where it is another; NULL.
    const char *enhancement_preset;
    /// x265's tuning of the base layer; NULL.
    const char *tune;
    /// Further options of the base layer as x265's --NAME VALUE, written "name=value:name=value"; NULL.
    const char *x265_options;
    /// Statistics that pass 1 leaves for pass 2; x265 adds files of its own beside it. NULL.
    const char *stats;
    /// 1 or 2: a pass of two over the same pictures, with bit rates; 0 for one pass, the default.
    int32_t pass;
    /// Most pictures between IRAP pictures; 0 for x265's choice, the default.
    int32_t keyint;
    /// Most B pictures in a row, 0 to 16; -1 for what the preset or the pyramid has, the default.
    int32_t bframes;
    /// 1: groups of eight pictures with B pictures on three levels, for which libx265 must be patched; 0: x265's own;
    /// -1, the default: the former where they can be had and nothing else is said about B pictures.
    int32_t pyramid;
    /// Slices a picture, 1 to 600; 0 for one, the default.
    int32_t slices;
    /// 1: one substream a CTB row, which decoders can take at once; 0: one a slice; -1, the default: the preset's.
    int32_t wavefront;
    /// 1: end each picture of each layer with the MD5 of its samples. Default 0.
    int32_t hashes;
    /// 1: parameter sets before every IRAP picture, for receivers that join. Default 0.
    int32_t repeat_headers;
    /// Adaptive quantization: 0 off, 1 by variance, 2 by variance and picture; -1, the default: 2, but 0 at a QP.
    int32_t aq_mode;
    /// 1, the default: vary QPs and references of enhancement layers' pictures by what depends on them; 0: not.
    int32_t hierarchy;
    /// Strength of adaptive quantization, 0 to 3; negative for 1, the default.
    double aq_strength;
    /// 1, the default; 0 codes enhancement layers without inter-layer prediction, for comparison.
    int32_t inter_layer_prediction;
    /// 1, the default: messages in the stream tell decryptors what they need beside the keys; 0: nothing does.
    int32_t signal_encryption;
    /// Keys to encrypt with inside the coding loop, one a layer. NULL, the default, writes a clear stream, but for the
    /// layers with keys of their own.
    const veil_keys *keys;
    veil_protection protection;
    /// A veil_chroma_format: that of the source's pictures. Others than 4:2:0, the default, take a single layer.
    int32_t chroma_format;
    int32_t reserved_field;
    uint64_t reserved[31];
} veil_encoder_settings;

/// Defaults. `struct_size`: sizeof(veil_encoder_settings).
int veil_encoder_settings_init(veil_encoder_settings *settings, size_t struct_size);

/// Opens an encoder. `settings` are not needed afterwards.
int veil_encoder_open(veil_encoder **encoder, const veil_encoder_settings *settings);
/// The next picture in display order; it is copied.
int veil_encoder_push(veil_encoder *encoder, const veil_picture *picture);
/// The same with pictures of the layers that have own sources: `own[i]` is layer i's, of its size, or NULL.
int veil_encoder_push_layers(
    veil_encoder *encoder, const veil_picture *picture, const veil_picture *const *own, int count);
/// Ends the stream. Packets are left to be fetched.
int veil_encoder_finish(veil_encoder *encoder);
/// 1: the next access unit in decoding order, valid until the next call with this encoder; 0: none is ready; negative:
/// an error.
int veil_encoder_packet(veil_encoder *encoder, veil_packet *packet);
/// NULL does nothing.
void veil_encoder_close(veil_encoder *encoder);

#ifdef __cplusplus
}
#endif

#endif
