// SPDX-License-Identifier: GPL-2.0-or-later
//
// veilencrypt and veildecrypt: finished streams, without decoding. Access units go in and come out one to one and in
// order; one is held back, as only the next one tells where it ends.
#include "veilgst.h"
#include <string.h>

typedef struct {
    GstClockTime pts, dts, duration;
    guint flags;
} unit_times;

typedef struct {
    GstElement element;
    GstPad *sink, *source;
    veil_transcoder *transcoder;
    /// Of access units that went in and did not come out.
    GQueue times;
    GstClockTime frame;
    char *keys, *scheme, *cipher, *profile;
    gboolean authenticate, partial, require_authentication, keys_changed;
    guint threads;
} VeilTranscode;

typedef struct {
    GstElementClass parent;
    int operation;
} VeilTranscodeClass;

typedef VeilTranscode VeilEncrypt, VeilDecrypt;
typedef VeilTranscodeClass VeilEncryptClass, VeilDecryptClass;

enum { P_KEYS = 1, P_THREADS, P_SCHEME, P_CIPHER, P_PROFILE, P_AUTHENTICATE, P_PARTIAL, P_REQUIRE };

GType veil_transcode_get_type(void);
G_DEFINE_ABSTRACT_TYPE(VeilTranscode, veil_transcode, GST_TYPE_ELEMENT)
G_DEFINE_TYPE(VeilEncrypt, veil_encrypt, veil_transcode_get_type())
G_DEFINE_TYPE(VeilDecrypt, veil_decrypt, veil_transcode_get_type())

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(VEIL_H265_CAPS));
static GstStaticPadTemplate source_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(VEIL_H265_CAPS));

static void close_transcoder(VeilTranscode *self) {
    veil_transcoder_close(self->transcoder);
    self->transcoder = NULL;
    g_queue_clear_full(&self->times, g_free);
}

static gboolean open_transcoder(VeilTranscode *self) {
    veil_transcoder_settings s;
    veil_keys *keys;
    gboolean opened = FALSE;
    GST_OBJECT_LOCK(self);
    char *reference = g_strdup(self->keys);
    // Set while playing, these are freed: the transcoder gets copies.
    char *scheme = g_strdup(self->scheme), *cipher = g_strdup(self->cipher), *profile = g_strdup(self->profile);
    self->keys_changed = FALSE;
    GST_OBJECT_UNLOCK(self);
    if (reference == NULL) {
        GST_ELEMENT_ERROR(self, LIBRARY, SETTINGS, ("the property keys names no key file"), (NULL));
        goto freed;
    }
    opened = veil_gst_open_keys(GST_ELEMENT(self), reference, &keys);
    if (!opened) goto freed;
    veil_transcoder_settings_init(&s, sizeof s);
    s.operation = ((VeilTranscodeClass *)G_OBJECT_GET_CLASS(self))->operation;
    s.threads = (int32_t)self->threads;
    s.keys = keys;
    if (s.operation == VEIL_ENCRYPT) {
        s.protection.scheme = scheme;
        s.protection.cipher = cipher;
        s.protection.profile = profile;
        s.protection.authenticate = self->authenticate;
    } else {
        s.partial = self->partial;
        s.require_authentication = self->require_authentication;
    }
    opened = veil_transcoder_open(&self->transcoder, &s) == VEIL_OK;
    if (!opened) veil_gst_post_error(GST_ELEMENT(self));
    veil_keys_close(keys);
freed:
    g_free(reference);
    g_free(scheme);
    g_free(cipher);
    g_free(profile);
    return opened;
}

/// Sends on what is ready.
static GstFlowReturn drain(VeilTranscode *self) {
    veil_packet packet;
    veil_packet_init(&packet, sizeof packet);
    GstFlowReturn flow = GST_FLOW_OK;
    int got = 0;
    while (flow == GST_FLOW_OK && (got = veil_transcoder_packet(self->transcoder, &packet)) > 0) {
        GstBuffer *buffer = gst_buffer_new_memdup(packet.data, packet.size);
        unit_times *times = g_queue_pop_head(&self->times);
        if (times != NULL) {
            GST_BUFFER_PTS(buffer) = times->pts;
            GST_BUFFER_DTS(buffer) = times->dts;
            GST_BUFFER_DURATION(buffer) = times->duration;
            GST_BUFFER_FLAGS(buffer) = times->flags;
            g_free(times);
        }
        if (packet.is_random_access)
            GST_BUFFER_FLAG_UNSET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
        else
            GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
        flow = gst_pad_push(self->source, buffer);
    }
    if (got < 0) {
        veil_gst_post_error(GST_ELEMENT(self));
        return GST_FLOW_ERROR;
    }
    return flow;
}

/// Ends the stream so far; the next access unit begins another.
static GstFlowReturn finish(VeilTranscode *self) {
    if (self->transcoder == NULL) return GST_FLOW_OK;
    GstFlowReturn flow = GST_FLOW_ERROR;
    if (veil_transcoder_finish(self->transcoder) == VEIL_OK)
        flow = drain(self);
    else
        veil_gst_post_error(GST_ELEMENT(self));
    close_transcoder(self);
    return flow;
}

static GstFlowReturn chain(GstPad *pad, GstObject *parent, GstBuffer *buffer) {
    (void)pad;
    VeilTranscode *self = (VeilTranscode *)parent;
    GstFlowReturn flow = GST_FLOW_OK;
    GST_OBJECT_LOCK(self);
    // Other keys are good from the next picture on at which decoding can begin.
    gboolean changes = self->keys_changed && !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    GST_OBJECT_UNLOCK(self);
    if (changes) flow = finish(self);
    GstMapInfo map;
    if (flow == GST_FLOW_OK && self->transcoder == NULL && !open_transcoder(self)) flow = GST_FLOW_ERROR;
    if (flow == GST_FLOW_OK && !gst_buffer_map(buffer, &map, GST_MAP_READ)) flow = GST_FLOW_ERROR;
    if (flow != GST_FLOW_OK) {
        gst_buffer_unref(buffer);
        return flow;
    }
    unit_times *times = g_new0(unit_times, 1);
    times->pts = GST_BUFFER_PTS(buffer);
    times->dts = GST_BUFFER_DTS(buffer);
    times->duration = GST_BUFFER_DURATION(buffer);
    times->flags = GST_BUFFER_FLAGS(buffer) & (GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_MARKER);
    g_queue_push_tail(&self->times, times);
    int status = veil_transcoder_push(self->transcoder, map.data, map.size);
    gst_buffer_unmap(buffer, &map);
    gst_buffer_unref(buffer);
    if (status != VEIL_OK) {
        veil_gst_post_error(GST_ELEMENT(self));
        return GST_FLOW_ERROR;
    }
    return drain(self);
}

static gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event) {
    VeilTranscode *self = (VeilTranscode *)parent;
    switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS: {
        GstCaps *caps;
        int numerator, denominator;
        gst_event_parse_caps(event, &caps);
        if (finish(self) == GST_FLOW_ERROR) goto refuse;
        self->frame = 0;
        if (gst_structure_get_fraction(gst_caps_get_structure(caps, 0), "framerate", &numerator, &denominator) &&
            numerator > 0)
            self->frame = gst_util_uint64_scale(GST_SECOND, (guint64)denominator, (guint64)numerator);
        break;
    }
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT:
    case GST_EVENT_STREAM_START:
        // What is held back belongs in front of it. A broken end is an error, and no end that looks whole.
        if (finish(self) == GST_FLOW_ERROR) goto refuse;
        break;
    case GST_EVENT_FLUSH_STOP: close_transcoder(self); break;
    default: break;
    }
    return gst_pad_event_default(pad, parent, event);
refuse:
    gst_event_unref(event);
    return FALSE;
}

static gboolean source_query(GstPad *pad, GstObject *parent, GstQuery *query) {
    VeilTranscode *self = (VeilTranscode *)parent;
    if (!gst_pad_query_default(pad, parent, query)) return FALSE;
    if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY) {
        gboolean live;
        GstClockTime least, most;
        gst_query_parse_latency(query, &live, &least, &most);
        least += self->frame;
        if (GST_CLOCK_TIME_IS_VALID(most)) most += self->frame;
        gst_query_set_latency(query, live, least, most);
    }
    return TRUE;
}

static GstStateChangeReturn change_state(GstElement *element, GstStateChange change) {
    GstStateChangeReturn result = GST_ELEMENT_CLASS(veil_transcode_parent_class)->change_state(element, change);
    if (change == GST_STATE_CHANGE_PAUSED_TO_READY) close_transcoder((VeilTranscode *)element);
    return result;
}

static char **text_of(VeilTranscode *self, guint id) {
    switch (id) {
    case P_KEYS: return &self->keys;
    case P_SCHEME: return &self->scheme;
    case P_CIPHER: return &self->cipher;
    case P_PROFILE: return &self->profile;
    default: return NULL;
    }
}

static gboolean *flag_of(VeilTranscode *self, guint id) {
    return id == P_AUTHENTICATE ? &self->authenticate
        : id == P_PARTIAL       ? &self->partial
                                : &self->require_authentication;
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
    (void)spec;
    VeilTranscode *self = (VeilTranscode *)object;
    char **text = text_of(self, id);
    GST_OBJECT_LOCK(self);
    if (text != NULL) {
        g_free(*text);
        *text = g_value_dup_string(value);
        self->keys_changed |= id == P_KEYS;
    } else if (id == P_THREADS)
        self->threads = g_value_get_uint(value);
    else
        *flag_of(self, id) = g_value_get_boolean(value);
    GST_OBJECT_UNLOCK(self);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
    (void)spec;
    VeilTranscode *self = (VeilTranscode *)object;
    char **text = text_of(self, id);
    GST_OBJECT_LOCK(self);
    if (text != NULL)
        g_value_set_string(value, *text);
    else if (id == P_THREADS)
        g_value_set_uint(value, self->threads);
    else
        g_value_set_boolean(value, *flag_of(self, id));
    GST_OBJECT_UNLOCK(self);
}

static void finalize(GObject *object) {
    VeilTranscode *self = (VeilTranscode *)object;
    close_transcoder(self);
    for (guint id = P_KEYS; id <= P_PROFILE; id++)
        if (text_of(self, id) != NULL) g_free(*text_of(self, id));
    G_OBJECT_CLASS(veil_transcode_parent_class)->finalize(object);
}

static void veil_transcode_init(VeilTranscode *self) {
    self->threads = 1;
    g_queue_init(&self->times);
    self->sink = gst_pad_new_from_static_template(&sink_template, "sink");
    gst_pad_set_chain_function(self->sink, chain);
    gst_pad_set_event_function(self->sink, sink_event);
    GST_PAD_SET_PROXY_CAPS(self->sink);
    gst_element_add_pad(GST_ELEMENT(self), self->sink);
    self->source = gst_pad_new_from_static_template(&source_template, "src");
    gst_pad_set_query_function(self->source, source_query);
    GST_PAD_SET_PROXY_CAPS(self->source);
    gst_element_add_pad(GST_ELEMENT(self), self->source);
}

/// GObject has every class of its own name its accessors.
static void set_accessors(GObjectClass *object) {
    object->set_property = set_property;
    object->get_property = get_property;
}

static void veil_transcode_class_init(VeilTranscodeClass *type) {
    GObjectClass *object = G_OBJECT_CLASS(type);
    GstElementClass *element = GST_ELEMENT_CLASS(type);
    set_accessors(object);
    object->finalize = finalize;
    element->change_state = change_state;
    gst_element_class_add_static_pad_template(element, &sink_template);
    gst_element_class_add_static_pad_template(element, &source_template);
    veil_gst_install_text(object, P_KEYS, "keys", "Key file, env:NAME or fd:N; may change while playing", NULL);
    g_object_class_install_property(object, P_THREADS,
        g_param_spec_uint(
            "threads", "threads", "Worker threads", 1, 256, 1, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
}

static void install_flag(GObjectClass *object, guint id, const char *name, const char *blurb) {
    g_object_class_install_property(
        object, id, g_param_spec_boolean(name, name, blurb, FALSE, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS));
}

static void veil_encrypt_init(VeilEncrypt *self) { (void)self; }
static void veil_encrypt_class_init(VeilEncryptClass *type) {
    GObjectClass *object = G_OBJECT_CLASS(type);
    type->operation = VEIL_ENCRYPT;
    set_accessors(object);
    gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(type), "Veil encryption", "Codec/Encryptor/Video",
        "Encrypts HEVC and SHVC streams selectively", "Veil");
    veil_gst_install_text(object, P_SCHEME, "scheme", "Layers to encrypt: none, bl, all or el", NULL);
    veil_gst_install_text(object, P_CIPHER, "cipher", "chaotic, aes-128-ctr, aes-256-ctr or chacha20", NULL);
    veil_gst_install_text(object, P_PROFILE, "profile", "paper or maximal", NULL);
    install_flag(object, P_AUTHENTICATE, "authenticate", "Add an authentication tag to each picture");
}

static void veil_decrypt_init(VeilDecrypt *self) { (void)self; }
static void veil_decrypt_class_init(VeilDecryptClass *type) {
    GObjectClass *object = G_OBJECT_CLASS(type);
    type->operation = VEIL_DECRYPT;
    set_accessors(object);
    gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(type), "Veil decryption", "Codec/Decryptor/Video",
        "Decrypts what veilencrypt and veilenc encrypted", "Veil");
    install_flag(object, P_PARTIAL, "partial", "Leave layers encrypted for which keys are missing");
    install_flag(object, P_REQUIRE, "require-authentication", "Refuse streams that are not authenticated");
}
