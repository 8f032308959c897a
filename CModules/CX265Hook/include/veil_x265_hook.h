// SPDX-License-Identifier: GPL-2.0-or-later
//
// The bin hook of libx265's entropy coder: what the patched entropy.cpp hands over, and what it gets back. It decides
// nothing: which bins change is the business of whoever is called.
#ifndef VEIL_X265_HOOK_H
#define VEIL_X265_HOOK_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Elements, numbered as Veil's BinElement.
enum {
    VEIL_BIN_MVD_SUFFIX = 0,
    VEIL_BIN_MVD_SIGN = 1,
    VEIL_BIN_COEFF_SIGN = 2,
    VEIL_BIN_COEFF_SUFFIX = 3,
    VEIL_BIN_DQP_SIGN = 4,
    VEIL_BIN_SAO_OFFSET_SIGN = 6,
    VEIL_BIN_SAO_BAND_POSITION = 7,
    VEIL_BIN_SAO_EO_CLASS = 8,
    VEIL_BIN_SAO_OFFSET = 10,
    VEIL_BIN_INTRA_CHROMA_MODE = 11,
    VEIL_BIN_MERGE_IDX = 12,
    VEIL_BIN_REF_IDX = 13,
    VEIL_BIN_PART_MODE = 14,
    VEIL_BIN_DQP_SUFFIX = 15,
};

/// A run of bypass bins of one element; the fields are those of Veil's BinRun.
typedef struct veil_bin_run {
    uint8_t element;
    uint8_t count;
    uint8_t rice_param;
    uint8_t base_level;
    uint8_t prefix;
    uint8_t last_in_sub_block;
    int32_t value;
    uint32_t bins;
    uint32_t frozen;
} veil_bin_run;

/// Where a CTU that is being written stands.
typedef struct veil_x265_ctu {
    /// libx265's own count of pictures in display order, which runs on across IDR pictures.
    int poc;
    int nal_unit_type;
    int address;
    /// Luma position.
    int x, y;
    /// Which of the substreams that are written at the same time it belongs to: the CTU row with WPP, otherwise 0.
    int lane;
    /// It begins a substream.
    int begins;
} veil_x265_ctu;

/// Motion of a 16x16 luma block, in quarter samples: that of its first 4x4 block. A reference index of -1 is a list not
/// used.
typedef struct veil_x265_motion {
    int16_t mv[2][2];
    int8_t ref_idx[2];
} veil_x265_motion;

/// Called from libx265's threads, several at once.
typedef struct veil_x265_hooks {
    void *user;
    /// A picture's coding begins: before any of its CTUs is written.
    void (*begin_picture)(void *user, int poc, int nal_unit_type);
    /// A CTU is about to be written. Returns what `replace` is to be called with, or NULL to leave the CTU's bins
    /// alone.
    void *(*begin_ctu)(void *user, const veil_x265_ctu *ctu);
    /// The motion of a CTU that is about to be written, if it has any: `blocks` a side, in raster order; parts outside
    /// the picture hold nothing of use. NULL when motion is not wanted.
    void (*motion)(void *user, const veil_x265_ctu *ctu, int blocks, const veil_x265_motion *motion);
    /// The bins to write in place of the run's.
    uint32_t (*replace)(void *bins, const veil_bin_run *run);
} veil_x265_hooks;

/// By an encoder's parameters (`x265_param *`), which is what libx265's threads know it by.
int veil_x265_add_hooks(const void *param, const veil_x265_hooks *hooks);
void veil_x265_drop_hooks(const void *param);

/// Sets the hooks of an open encoder (`x265_encoder *`), before its first picture; they are copied. Returns 0, or -1
/// when too many encoders have hooks.
int veil_x265_set_hooks(void *encoder, const veil_x265_hooks *hooks);

/// What the entropy coder was patched to show: 1 the first five elements, 2 all.
int veil_x265_bin_sites(void);

/// Takes the hooks of an encoder away, before it is closed.
void veil_x265_remove_hooks(void *encoder);

#ifdef __cplusplus
}
#endif
#endif
