// SPDX-License-Identifier: GPL-2.0-or-later
//
// GStreamer elements over libVeilC: veilenc, veildec, veilencrypt and veildecrypt.
#include "veilgst.h"

GST_DEBUG_CATEGORY(veil_debug);

void veil_gst_post_error(GstElement *element) {
    const char *why = veil_last_error();
    switch (veil_last_status()) {
    case VEIL_ERROR_KEYS:
    case VEIL_ERROR_PROTECTION: GST_ELEMENT_ERROR(element, STREAM, DECRYPT, ("%s", why), (NULL)); break;
    case VEIL_ERROR_SETTINGS:
    case VEIL_ERROR_USAGE:
    case VEIL_ERROR_UNAVAILABLE: GST_ELEMENT_ERROR(element, LIBRARY, SETTINGS, ("%s", why), (NULL)); break;
    default: GST_ELEMENT_ERROR(element, STREAM, FAILED, ("%s", why), (NULL));
    }
}

gboolean veil_gst_open_keys(GstElement *element, const char *reference, veil_keys **keys) {
    *keys = NULL;
    if (reference == NULL || *reference == 0 || veil_keys_open(keys, reference) == VEIL_OK) return TRUE;
    veil_gst_post_error(element);
    return FALSE;
}

void veil_gst_install_text(GObjectClass *type, guint id, const char *name, const char *blurb, const char *value) {
    g_object_class_install_property(
        type, id, g_param_spec_string(name, name, blurb, value, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
}

static gboolean plugin_init(GstPlugin *plugin) {
    GST_DEBUG_CATEGORY_INIT(veil_debug, "veil", 0, "Veil");
    return gst_element_register(plugin, "veilenc", GST_RANK_NONE, veil_enc_get_type()) &&
        gst_element_register(plugin, "veildec", GST_RANK_NONE, veil_dec_get_type()) &&
        gst_element_register(plugin, "veilencrypt", GST_RANK_NONE, veil_encrypt_get_type()) &&
        gst_element_register(plugin, "veildecrypt", GST_RANK_NONE, veil_decrypt_get_type());
}

#ifndef PACKAGE
#define PACKAGE "veil"
#endif
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, veil, "Selectively encrypted scalable HEVC", plugin_init,
    VEIL_VERSION, "GPL", "Veil", "https://gstreamer.freedesktop.org/")
