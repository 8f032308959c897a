// SPDX-License-Identifier: GPL-2.0-or-later
//
// veildec: scalable HEVC to raw video; with keys as the owner sees it, without as everybody else does.
#include "veilgst.h"
#include <gst/video/gstvideodecoder.h>
#include <gst/video/video.h>
#include <string.h>

typedef struct {
    GstVideoDecoder parent;
    veil_decoder *decoder;
    GstVideoCodecState *input;
    int width, height, depth;
    char *keys;
    int layer;
    guint threads;
} VeilDec;
typedef GstVideoDecoderClass VeilDecClass;

enum { P_KEYS = 1, P_LAYER, P_THREADS };

G_DEFINE_TYPE(VeilDec, veil_dec, GST_TYPE_VIDEO_DECODER)

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(VEIL_H265_CAPS));
static GstStaticPadTemplate source_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE("{ I420, I420_10LE }")));

static void close_decoder(VeilDec *self) {
    veil_decoder_close(self->decoder);
    self->decoder = NULL;
}

static gboolean open_decoder(VeilDec *self) {
    veil_decoder_settings s;
    veil_keys *keys;
    if (!veil_gst_open_keys(GST_ELEMENT(self), self->keys, &keys)) return FALSE;
    veil_decoder_settings_init(&s, sizeof s);
    s.threads = (int32_t)self->threads;
    s.keys = keys;
    if (self->layer >= 0) {
        s.output = VEIL_OUTPUT_LAYER;
        s.output_index = self->layer;
    }
    gboolean opened = veil_decoder_open(&self->decoder, &s) == VEIL_OK;
    if (!opened) veil_gst_post_error(GST_ELEMENT(self));
    veil_keys_close(keys);
    return opened;
}

/// The frame whose picture comes out next: pictures come in output order, which is that of presentation times.
static GstVideoCodecFrame *next_frame(GstVideoDecoder *base) {
    GList *frames = gst_video_decoder_get_frames(base);
    GstVideoCodecFrame *first = NULL;
    for (GList *l = frames; l != NULL; l = l->next) {
        GstVideoCodecFrame *frame = l->data;
        if (first == NULL ||
            (GST_CLOCK_TIME_IS_VALID(frame->pts) && GST_CLOCK_TIME_IS_VALID(first->pts) && frame->pts < first->pts))
            first = frame;
    }
    if (first != NULL) gst_video_codec_frame_ref(first);
    g_list_free_full(frames, (GDestroyNotify)gst_video_codec_frame_unref);
    return first;
}

static gboolean set_output(VeilDec *self, const veil_picture *picture) {
    GstVideoDecoder *base = GST_VIDEO_DECODER(self);
    if (self->width == picture->width && self->height == picture->height && self->depth == picture->bit_depth)
        return TRUE;
    if (picture->bit_depth != 8 && picture->bit_depth != 10) {
        GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("%d bits a sample", picture->bit_depth), (NULL));
        return FALSE;
    }
    GstVideoFormat format = picture->bit_depth > 8 ? GST_VIDEO_FORMAT_I420_10LE : GST_VIDEO_FORMAT_I420;
    GstVideoCodecState *state =
        gst_video_decoder_set_output_state(base, format, (guint)picture->width, (guint)picture->height, self->input);
    gst_video_codec_state_unref(state);
    self->width = picture->width;
    self->height = picture->height;
    self->depth = picture->bit_depth;
    return gst_video_decoder_negotiate(base);
}

static GstFlowReturn output(VeilDec *self, GstVideoCodecFrame *frame, const veil_picture *picture) {
    GstVideoDecoder *base = GST_VIDEO_DECODER(self);
    GstFlowReturn flow = gst_video_decoder_allocate_output_frame(base, frame);
    if (flow != GST_FLOW_OK) {
        gst_video_codec_frame_unref(frame);
        return flow;
    }
    GstVideoCodecState *state = gst_video_decoder_get_output_state(base);
    GstVideoFrame video;
    gboolean mapped = gst_video_frame_map(&video, &state->info, frame->output_buffer, GST_MAP_WRITE);
    gst_video_codec_state_unref(state);
    if (!mapped) {
        gst_video_codec_frame_unref(frame);
        return GST_FLOW_ERROR;
    }
    size_t sample = picture->bit_depth > 8 ? 2 : 1;
    for (guint c = 0; c < 3; c++) {
        size_t width = (size_t)(c ? (picture->width + 1) / 2 : picture->width);
        int height = c ? (picture->height + 1) / 2 : picture->height;
        for (int y = 0; y < height; y++)
            memcpy((guint8 *)GST_VIDEO_FRAME_COMP_DATA(&video, c) + y * GST_VIDEO_FRAME_COMP_STRIDE(&video, c),
                (const guint8 *)picture->planes[c] + (size_t)y * picture->strides[c], width * sample);
    }
    gst_video_frame_unmap(&video);
    return gst_video_decoder_finish_frame(base, frame);
}

static GstFlowReturn drain_pictures(VeilDec *self) {
    veil_picture picture;
    veil_picture_init(&picture, sizeof picture);
    int got;
    while ((got = veil_decoder_picture(self->decoder, &picture)) > 0) {
        GstVideoCodecFrame *frame = next_frame(GST_VIDEO_DECODER(self));
        // More pictures than access units: there is no time at which to show it.
        if (frame == NULL) continue;
        if (!set_output(self, &picture)) {
            gst_video_codec_frame_unref(frame);
            return GST_FLOW_NOT_NEGOTIATED;
        }
        GstFlowReturn flow = output(self, frame, &picture);
        if (flow != GST_FLOW_OK) return flow;
    }
    if (got < 0) {
        veil_gst_post_error(GST_ELEMENT(self));
        return GST_FLOW_ERROR;
    }
    return GST_FLOW_OK;
}

static GstFlowReturn finish(GstVideoDecoder *base) {
    VeilDec *self = (VeilDec *)base;
    if (self->decoder == NULL) return GST_FLOW_OK;
    GstFlowReturn flow = GST_FLOW_ERROR;
    if (veil_decoder_finish(self->decoder) == VEIL_OK)
        flow = drain_pictures(self);
    else
        veil_gst_post_error(GST_ELEMENT(self));
    close_decoder(self);
    return flow;
}

// More access units than this never wait: what a decoder holds, and what is reordered.
#define MOST_WAITING 64

/// Access units that put no picture out (leading pictures where decoding begins, layers that are not there) would be
/// kept for ever, and later pictures be shown at their times.
static void drop_stale(GstVideoDecoder *base) {
    GList *frames = gst_video_decoder_get_frames(base);
    guint count = g_list_length(frames);
    g_list_free_full(frames, (GDestroyNotify)gst_video_codec_frame_unref);
    GstVideoCodecFrame *oldest = count > MOST_WAITING ? next_frame(base) : NULL;
    if (oldest != NULL) gst_video_decoder_release_frame(base, oldest);
}

static GstFlowReturn handle_frame(GstVideoDecoder *base, GstVideoCodecFrame *frame) {
    VeilDec *self = (VeilDec *)base;
    GstMapInfo map;
    if ((self->decoder == NULL && !open_decoder(self)) || !gst_buffer_map(frame->input_buffer, &map, GST_MAP_READ)) {
        gst_video_decoder_release_frame(base, frame);
        return GST_FLOW_ERROR;
    }
    int status = veil_decoder_push(self->decoder, map.data, map.size);
    gst_buffer_unmap(frame->input_buffer, &map);
    gst_video_codec_frame_unref(frame);
    if (status != VEIL_OK) {
        veil_gst_post_error(GST_ELEMENT(self));
        return GST_FLOW_ERROR;
    }
    GstFlowReturn flow = drain_pictures(self);
    drop_stale(base);
    return flow;
}

static gboolean set_format(GstVideoDecoder *base, GstVideoCodecState *state) {
    VeilDec *self = (VeilDec *)base;
    if (self->input != NULL) gst_video_codec_state_unref(self->input);
    self->input = gst_video_codec_state_ref(state);
    GstVideoInfo *info = &state->info;
    if (GST_VIDEO_INFO_FPS_N(info) > 0) {
        // One access unit waits for the next to show its end; HEVC allows sixteen pictures of reordering.
        GstClockTime frame =
            gst_util_uint64_scale(GST_SECOND, (guint64)GST_VIDEO_INFO_FPS_D(info), (guint64)GST_VIDEO_INFO_FPS_N(info));
        gst_video_decoder_set_latency(base, frame, 17 * frame);
    }
    return TRUE;
}

static gboolean flush(GstVideoDecoder *base) {
    close_decoder((VeilDec *)base);
    return TRUE;
}

static gboolean stop(GstVideoDecoder *base) {
    VeilDec *self = (VeilDec *)base;
    close_decoder(self);
    if (self->input != NULL) gst_video_codec_state_unref(self->input);
    self->input = NULL;
    self->width = self->height = self->depth = 0;
    return TRUE;
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
    (void)spec;
    VeilDec *self = (VeilDec *)object;
    if (id == P_KEYS) {
        g_free(self->keys);
        self->keys = g_value_dup_string(value);
    } else if (id == P_LAYER)
        self->layer = g_value_get_int(value);
    else
        self->threads = g_value_get_uint(value);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
    (void)spec;
    VeilDec *self = (VeilDec *)object;
    if (id == P_KEYS)
        g_value_set_string(value, self->keys);
    else if (id == P_LAYER)
        g_value_set_int(value, self->layer);
    else
        g_value_set_uint(value, self->threads);
}

static void finalize(GObject *object) {
    g_free(((VeilDec *)object)->keys);
    G_OBJECT_CLASS(veil_dec_parent_class)->finalize(object);
}

static void veil_dec_init(VeilDec *self) {
    self->layer = -1;
    self->threads = 1;
    gst_video_decoder_set_packetized(GST_VIDEO_DECODER(self), TRUE);
}

static void veil_dec_class_init(VeilDecClass *type) {
    GObjectClass *object = G_OBJECT_CLASS(type);
    GstElementClass *element = GST_ELEMENT_CLASS(type);
    GstVideoDecoderClass *base = GST_VIDEO_DECODER_CLASS(type);
    const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
    object->set_property = set_property;
    object->get_property = get_property;
    object->finalize = finalize;
    base->set_format = set_format;
    base->handle_frame = handle_frame;
    base->finish = finish;
    base->drain = finish;
    base->flush = flush;
    base->stop = stop;
    gst_element_class_add_static_pad_template(element, &sink_template);
    gst_element_class_add_static_pad_template(element, &source_template);
    gst_element_class_set_static_metadata(
        element, "Veil decoder", "Codec/Decoder/Decryptor/Video", "Decodes scalable HEVC, encrypted or not", "Veil");
    veil_gst_install_text(object, P_KEYS, "keys", "Key file, env:NAME or fd:N; none: what others see", NULL);
    g_object_class_install_property(
        object, P_LAYER, g_param_spec_int("layer", "layer", "Layer to show; -1: the highest", -1, 62, -1, flags));
    g_object_class_install_property(
        object, P_THREADS, g_param_spec_uint("threads", "threads", "Worker threads", 1, 256, 1, flags));
}
