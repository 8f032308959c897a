// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the plugin's elements share.
#ifndef VEIL_GST_H
#define VEIL_GST_H

#include <gst/gst.h>
#include <veil.h>

#define VEIL_H265_CAPS "video/x-h265, stream-format=(string)byte-stream, alignment=(string)au"

GST_DEBUG_CATEGORY_EXTERN(veil_debug);

GType veil_enc_get_type(void);
GType veil_dec_get_type(void);
GType veil_encrypt_get_type(void);
GType veil_decrypt_get_type(void);

/// Opens a key file, "env:NAME" or "fd:N"; NULL stands for no keys. Posts an error and returns FALSE where it cannot.
gboolean veil_gst_open_keys(GstElement *element, const char *reference, veil_keys **keys);

/// Posts the library's last error.
void veil_gst_post_error(GstElement *element);

/// A property of kind text.
void veil_gst_install_text(GObjectClass *type, guint id, const char *name, const char *blurb, const char *value);

#endif
