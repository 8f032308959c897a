// SPDX-License-Identifier: GPL-2.0-or-later
//
// veilenc: raw video to scalable HEVC, encrypted in the coding loop where it has keys.
#include "veilgst.h"
#include <gst/video/gstvideoencoder.h>
#include <gst/video/video.h>

typedef struct {
    GstVideoEncoder parent;
    veil_encoder *encoder;
    GstVideoCodecState *state;
    /// system_frame_number of the pictures that are in the encoder, by their display index there: pictures that come
    /// too late do not go in.
    GHashTable *held;
    gint64 pushed;
    /// Pictures that the latency stands for, and whether one came out, which shows how many there are.
    guint delay;
    gboolean started, measured;
    char *keys, *scheme, *cipher, *layers, *qp, *preset, *x265_options;
    gboolean authenticate, zero_latency;
    guint threads, keyint;
} VeilEnc;
typedef GstVideoEncoderClass VeilEncClass;

enum {
    P_KEYS = 1,
    P_SCHEME,
    P_CIPHER,
    P_LAYERS,
    P_QP,
    P_PRESET,
    P_OPTIONS,
    P_AUTHENTICATE,
    P_ZERO,
    P_THREADS,
    P_KEYINT
};

G_DEFINE_TYPE(VeilEnc, veil_enc, GST_TYPE_VIDEO_ENCODER)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE("{ I420, I420_10LE }")));
static GstStaticPadTemplate source_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(VEIL_H265_CAPS));

static void close_encoder(VeilEnc *self) {
    veil_encoder_close(self->encoder);
    self->encoder = NULL;
    self->started = self->measured = FALSE;
    self->pushed = 0;
    g_hash_table_remove_all(self->held);
}

/// Tells the pipeline how long pictures stay here. It is said anew when it changes, and the pipeline asks again.
static void set_delay(VeilEnc *self, guint pictures) {
    const GstVideoInfo *info = &self->state->info;
    if (pictures == self->delay || GST_VIDEO_INFO_FPS_N(info) <= 0) return;
    self->delay = pictures;
    GstClockTime latency = gst_util_uint64_scale(
        pictures * GST_SECOND, (guint64)GST_VIDEO_INFO_FPS_D(info), (guint64)GST_VIDEO_INFO_FPS_N(info));
    gst_video_encoder_set_latency(GST_VIDEO_ENCODER(self), latency, latency);
}

/// QPs of the layers, comma separated.
static gboolean parse_qps(VeilEnc *self, veil_encoder_settings *s) {
    char **values = g_strsplit(self->qp, ",", -1), *end;
    gboolean good = g_strv_length(values) <= VEIL_MAX_LAYERS;
    for (int i = 0; good && values[i] != NULL; i++) {
        s->layer[i].rate_mode = VEIL_RATE_QP;
        s->layer[i].rate = g_ascii_strtod(values[i], &end);
        good = end != values[i] && *end == 0;
    }
    g_strfreev(values);
    if (!good) GST_ELEMENT_ERROR(self, LIBRARY, SETTINGS, ("qp takes a number a layer, not '%s'", self->qp), (NULL));
    return good;
}

static gboolean open_encoder(VeilEnc *self) {
    GstVideoInfo *info = &self->state->info;
    veil_encoder_settings s;
    veil_keys *keys;
    veil_encoder_settings_init(&s, sizeof s);
    s.width = GST_VIDEO_INFO_WIDTH(info);
    s.height = GST_VIDEO_INFO_HEIGHT(info);
    s.bit_depth = (int32_t)GST_VIDEO_INFO_COMP_DEPTH(info, 0);
    if (GST_VIDEO_INFO_FPS_N(info) > 0) {
        s.fps_num = GST_VIDEO_INFO_FPS_N(info);
        s.fps_den = GST_VIDEO_INFO_FPS_D(info);
    }
    s.threads = (int32_t)self->threads;
    s.keyint = (int32_t)self->keyint;
    s.layers = self->layers;
    s.preset = self->preset;
    // Who joins a live stream needs the parameter sets.
    s.repeat_headers = 1;
    char *options = NULL;
    if (self->zero_latency) {
        s.bframes = 0;
        options =
            g_strconcat("rc-lookahead=0:frame-threads=1", self->x265_options ? ":" : NULL, self->x265_options, NULL);
    } else
        options = g_strdup(self->x265_options);
    s.x265_options = options;
    s.protection.scheme = self->scheme;
    s.protection.cipher = self->cipher;
    s.protection.authenticate = self->authenticate;
    gboolean opened =
        (self->qp == NULL || parse_qps(self, &s)) && veil_gst_open_keys(GST_ELEMENT(self), self->keys, &keys);
    if (opened) {
        s.keys = keys;
        opened = veil_encoder_open(&self->encoder, &s) == VEIL_OK;
        if (!opened) veil_gst_post_error(GST_ELEMENT(self));
        veil_keys_close(keys);
    }
    g_free(options);
    return opened;
}

static GstFlowReturn drain(VeilEnc *self, gboolean finishing) {
    GstVideoEncoder *base = GST_VIDEO_ENCODER(self);
    veil_packet packet;
    veil_packet_init(&packet, sizeof packet);
    int got;
    while ((got = veil_encoder_packet(self->encoder, &packet)) > 0) {
        // With what is in the encoder now the first packet came: so many it holds from here on. More are seen when its
        // groups of pictures grow.
        guint holds = g_hash_table_size(self->held);
        if (!finishing && (!self->measured || holds > self->delay)) set_delay(self, holds);
        self->measured = TRUE;
        gpointer number;
        GstVideoCodecFrame *frame = NULL;
        if (g_hash_table_steal_extended(self->held, &packet.display_index, NULL, &number))
            frame = gst_video_encoder_get_frame(base, (int)GPOINTER_TO_UINT(number));
        if (frame == NULL) {
            GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("no picture %" G_GINT64_FORMAT, packet.display_index), (NULL));
            return GST_FLOW_ERROR;
        }
        frame->output_buffer = gst_buffer_new_memdup(packet.data, packet.size);
        if (packet.is_random_access) GST_VIDEO_CODEC_FRAME_SET_SYNC_POINT(frame);
        GstFlowReturn flow = gst_video_encoder_finish_frame(base, frame);
        if (flow != GST_FLOW_OK) return flow;
    }
    if (got < 0) {
        veil_gst_post_error(GST_ELEMENT(self));
        return GST_FLOW_ERROR;
    }
    return GST_FLOW_OK;
}

static GstFlowReturn finish(GstVideoEncoder *base) {
    VeilEnc *self = (VeilEnc *)base;
    if (self->encoder == NULL) return GST_FLOW_OK;
    GstFlowReturn flow = GST_FLOW_ERROR;
    // Nothing went in: nothing comes out.
    if (!self->started)
        flow = GST_FLOW_OK;
    else if (veil_encoder_finish(self->encoder) == VEIL_OK)
        flow = drain(self, TRUE);
    else
        veil_gst_post_error(GST_ELEMENT(self));
    close_encoder(self);
    return flow;
}

static gboolean set_format(GstVideoEncoder *base, GstVideoCodecState *state) {
    VeilEnc *self = (VeilEnc *)base;
    if (finish(base) == GST_FLOW_ERROR) return FALSE;
    if (self->state != NULL) gst_video_codec_state_unref(self->state);
    self->state = gst_video_codec_state_ref(state);
    if (!open_encoder(self)) return FALSE;
    GstVideoCodecState *output = gst_video_encoder_set_output_state(base, gst_caps_from_string(VEIL_H265_CAPS), state);
    gst_video_codec_state_unref(output);
    // x265's lookahead, its B pictures and the pictures that it works at, until the first packet shows how many they
    // are; without them each goes out at once.
    self->delay = 0;
    set_delay(self, self->zero_latency ? 1 : 48);
    return gst_video_encoder_negotiate(base);
}

static GstFlowReturn handle_frame(GstVideoEncoder *base, GstVideoCodecFrame *frame) {
    VeilEnc *self = (VeilEnc *)base;
    GstVideoFrame video;
    // With the property qos: what would be shown too late is not worth the time of those behind it.
    if (gst_video_encoder_is_qos_enabled(base) && gst_video_encoder_get_max_encode_time(base, frame) < 0)
        return gst_video_encoder_finish_frame(base, frame);
    if ((self->encoder == NULL && !open_encoder(self)) ||
        !gst_video_frame_map(&video, &self->state->info, frame->input_buffer, GST_MAP_READ)) {
        gst_video_codec_frame_unref(frame);
        return GST_FLOW_ERROR;
    }
    self->started = TRUE;
    gint64 *index = g_new(gint64, 1);
    *index = self->pushed++;
    g_hash_table_insert(self->held, index, GUINT_TO_POINTER(frame->system_frame_number));
    veil_picture picture;
    veil_picture_init(&picture, sizeof picture);
    picture.width = GST_VIDEO_FRAME_WIDTH(&video);
    picture.height = GST_VIDEO_FRAME_HEIGHT(&video);
    picture.bit_depth = (int32_t)GST_VIDEO_FRAME_COMP_DEPTH(&video, 0);
    for (guint c = 0; c < 3; c++) {
        picture.planes[c] = GST_VIDEO_FRAME_COMP_DATA(&video, c);
        picture.strides[c] = (size_t)GST_VIDEO_FRAME_COMP_STRIDE(&video, c);
    }
    int status = veil_encoder_push(self->encoder, &picture);
    gst_video_frame_unmap(&video);
    gst_video_codec_frame_unref(frame);
    if (status != VEIL_OK) {
        veil_gst_post_error(GST_ELEMENT(self));
        return GST_FLOW_ERROR;
    }
    return drain(self, FALSE);
}

/// Says what is wrong with the settings before there is a picture.
static gboolean start(GstVideoEncoder *base) {
    VeilEnc *self = (VeilEnc *)base;
    veil_encoder_settings s;
    veil_keys *keys;
    veil_encoder_settings_init(&s, sizeof s);
    if ((self->qp != NULL && !parse_qps(self, &s)) || !veil_gst_open_keys(GST_ELEMENT(self), self->keys, &keys))
        return FALSE;
    veil_keys_close(keys);
    return TRUE;
}

static gboolean flush(GstVideoEncoder *base) {
    close_encoder((VeilEnc *)base);
    return TRUE;
}

static gboolean stop(GstVideoEncoder *base) {
    VeilEnc *self = (VeilEnc *)base;
    close_encoder(self);
    if (self->state != NULL) gst_video_codec_state_unref(self->state);
    self->state = NULL;
    return TRUE;
}

static char **text_of(VeilEnc *self, guint id) {
    char **texts[] = {
        &self->keys, &self->scheme, &self->cipher, &self->layers, &self->qp, &self->preset, &self->x265_options};
    return id >= P_KEYS && id <= P_OPTIONS ? texts[id - P_KEYS] : NULL;
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
    (void)spec;
    VeilEnc *self = (VeilEnc *)object;
    char **text = text_of(self, id);
    if (text != NULL) {
        g_free(*text);
        *text = g_value_dup_string(value);
    } else if (id == P_AUTHENTICATE)
        self->authenticate = g_value_get_boolean(value);
    else if (id == P_ZERO)
        self->zero_latency = g_value_get_boolean(value);
    else
        *(id == P_THREADS ? &self->threads : &self->keyint) = g_value_get_uint(value);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
    (void)spec;
    VeilEnc *self = (VeilEnc *)object;
    char **text = text_of(self, id);
    if (text != NULL)
        g_value_set_string(value, *text);
    else if (id == P_AUTHENTICATE || id == P_ZERO)
        g_value_set_boolean(value, id == P_ZERO ? self->zero_latency : self->authenticate);
    else
        g_value_set_uint(value, id == P_THREADS ? self->threads : self->keyint);
}

static void finalize(GObject *object) {
    VeilEnc *self = (VeilEnc *)object;
    for (guint id = P_KEYS; id <= P_OPTIONS; id++) g_free(*text_of(self, id));
    g_hash_table_unref(self->held);
    G_OBJECT_CLASS(veil_enc_parent_class)->finalize(object);
}

static void veil_enc_init(VeilEnc *self) {
    self->threads = 1;
    self->held = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    self->layers = g_strdup("2x");
    self->preset = g_strdup("medium");
}

static void veil_enc_class_init(VeilEncClass *type) {
    GObjectClass *object = G_OBJECT_CLASS(type);
    GstElementClass *element = GST_ELEMENT_CLASS(type);
    GstVideoEncoderClass *base = GST_VIDEO_ENCODER_CLASS(type);
    const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
    object->set_property = set_property;
    object->get_property = get_property;
    object->finalize = finalize;
    base->set_format = set_format;
    base->handle_frame = handle_frame;
    base->finish = finish;
    base->flush = flush;
    base->start = start;
    base->stop = stop;
    gst_element_class_add_static_pad_template(element, &sink_template);
    gst_element_class_add_static_pad_template(element, &source_template);
    gst_element_class_set_static_metadata(element, "Veil encoder", "Codec/Encoder/Encryptor/Video",
        "Encodes scalable HEVC, encrypted where there are keys", "Veil");
    veil_gst_install_text(object, P_KEYS, "keys", "Key file, env:NAME or fd:N; none: a clear stream", NULL);
    veil_gst_install_text(object, P_SCHEME, "scheme", "Layers to encrypt: none, bl, all or el", NULL);
    veil_gst_install_text(object, P_CIPHER, "cipher", "chaotic, aes-128-ctr, aes-256-ctr or chacha20", NULL);
    veil_gst_install_text(
        object, P_LAYERS, "layers", "As encode --layers: 2x, 1.5x, snr, or the size of every layer", "2x");
    veil_gst_install_text(object, P_QP, "qp", "QP of each layer, comma separated", NULL);
    veil_gst_install_text(object, P_PRESET, "preset", "ultrafast to veryslow", "medium");
    veil_gst_install_text(
        object, P_OPTIONS, "x265-options", "More of x265 for the base layer: name=value:name=value", NULL);
    g_object_class_install_property(object, P_AUTHENTICATE,
        g_param_spec_boolean(
            "authenticate", "authenticate", "Add an authentication tag to each picture", FALSE, flags));
    g_object_class_install_property(object, P_ZERO,
        g_param_spec_boolean("zero-latency", "zero-latency", "No lookahead and no B pictures", FALSE, flags));
    g_object_class_install_property(
        object, P_THREADS, g_param_spec_uint("threads", "threads", "Worker threads", 1, 256, 1, flags));
    g_object_class_install_property(object, P_KEYINT,
        g_param_spec_uint("keyint", "keyint",
            "Most pictures between pictures at which decoding can begin; 0: x265's choice", 0, 100000, 0, flags));
}
