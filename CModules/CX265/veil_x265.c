// SPDX-License-Identifier: GPL-2.0-or-later
#include "veil_x265.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x265.h>

struct veil_x265 {
    const x265_api *api;
    x265_param *param;
    x265_encoder *encoder;
    x265_picture in;
    x265_picture recon;
    int64_t frames;
    uint8_t *bytes;
    size_t capacity;
};

const char *veil_x265_version(void) { return x265_version_str; }

// Puts all NAL units of one call into one buffer.
static int gather(veil_x265 *e, const x265_nal *nals, uint32_t count, size_t *size) {
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) total += nals[i].sizeBytes;
    if (total > e->capacity) {
        uint8_t *more = realloc(e->bytes, total * 2);
        if (!more) return -1;
        e->bytes = more;
        e->capacity = total * 2;
    }
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(e->bytes + at, nals[i].payload, nals[i].sizeBytes);
        at += nals[i].sizeBytes;
    }
    *size = total;
    return 0;
}

// Halves the CTU; 0 where it is the smallest already.
static int shrink_ctu(x265_param *p) {
    if (p->maxCUSize <= 16) return 0;
    p->maxCUSize /= 2;
    if (p->maxTUSize > p->maxCUSize) p->maxTUSize = p->maxCUSize;
    return 1;
}

static int columns(const x265_param *p, int width) { return (width + (int)p->maxCUSize - 1) / (int)p->maxCUSize; }

// CTUs that suit pictures of few columns, whatever preset and options say.
static void suit_width(x265_param *p, int width) {
    // Of a picture one CTU wide libx265 3.5 copies its top and bottom rows into the left corners of the margin only
    // (FrameFilter, processPostCu): vectors into the right ones find whatever the memory held before, and what it
    // reconstructs is not what it codes.
    while (columns(p, width) < 2 && shrink_ctu(p)) {}
    // No CTU is small enough for 16 samples: nothing may be predicted from other pictures.
    if (columns(p, width) < 2) {
        p->keyframeMax = 1;
        p->bframes = 0;
    }
    // Below three columns libx265 leaves out wavefronts, and then writes slices that nobody can decode.
    if (p->maxSlices > 1)
        while (columns(p, width) < 3 && shrink_ctu(p)) {}
}

// What libx265 says against the settings it has just refused: on standard error only, which is ours for that long.
static void reason(const x265_api *api, x265_param *param, char *error, size_t size) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    FILE *said = tmpfile();
    fflush(stderr);
    int before = dup(2);
    if (said && before >= 0 && dup2(fileno(said), 2) >= 0) {
        param->logLevel = X265_LOG_ERROR;
        x265_encoder *encoder = api->encoder_open(param);
        if (encoder) api->encoder_close(encoder);
        fflush(stderr);
        dup2(before, 2);
        char line[256];
        rewind(said);
        if (fgets(line, sizeof line, said)) {
            line[strcspn(line, "\n")] = 0;
            const char *text = strstr(line, "]: ");
            size_t used = strlen(error);
            snprintf(error + used, size - used, ": %s", text ? text + 3 : line);
        }
    }
    if (before >= 0) close(before);
    if (said) fclose(said);
    pthread_mutex_unlock(&one);
}

veil_x265 *veil_x265_open(int width, int height, int fpsNum, int fpsDenom, int bitDepth, int chromaFormat,
    const char *preset, const char *tune, int pyramidLevels, const char *const *names, const char *const *values,
    int count, char *error, size_t errorSize) {
    const x265_api *api = x265_api_get(bitDepth);
    if (!api) {
        snprintf(error, errorSize, "libx265 has no %d-bit encoder", bitDepth);
        return NULL;
    }
    veil_x265 *e = calloc(1, sizeof *e);
    if (!e) {
        snprintf(error, errorSize, "out of memory");
        return NULL;
    }
    e->api = api;
    e->param = api->param_alloc();
    if (!e->param || api->param_default_preset(e->param, preset, tune) < 0) {
        snprintf(error, errorSize, "libx265 does not know preset '%s'%s%s", preset, tune ? " or tune " : "",
            tune ? tune : "");
        veil_x265_close(e);
        return NULL;
    }
    e->param->logLevel = X265_LOG_NONE;
    e->param->sourceWidth = width;
    e->param->sourceHeight = height;
    e->param->fpsNum = (uint32_t)fpsNum;
    e->param->fpsDenom = (uint32_t)fpsDenom;
    // X265_CSP_I400 and the next ones are numbered as chroma_format_idc.
    e->param->internalCsp = chromaFormat;
    e->param->bAnnexB = 1;
    e->param->bRepeatHeaders = 1;
    e->param->bEmitInfoSEI = 0;
    // Pictures smaller than the preset's CTU are refused: take a smaller one.
    while (height < (int)e->param->maxCUSize && shrink_ctu(e->param)) {}
    for (int i = 0; i < count; i++) {
        if (api->param_parse(e->param, names[i], values[i]) != 0) {
            snprintf(error, errorSize, "libx265 refuses option %s=%s", names[i], values[i] ? values[i] : "");
            veil_x265_close(e);
            return NULL;
        }
    }
    // Whatever an option says that nobody knew of: the memory handed over is of this size and format.
    const x265_param *p = e->param;
    if (p->sourceWidth != width || p->sourceHeight != height || p->internalCsp != chromaFormat || p->interlaceMode ||
        p->fpsNum != (uint32_t)fpsNum || p->fpsDenom != (uint32_t)fpsDenom) {
        snprintf(error, errorSize, "options of libx265 change size, format or rate of the source");
        veil_x265_close(e);
        return NULL;
    }
    e->param->bAnnexB = 1;
    e->param->bRepeatHeaders = 1;
    e->param->bCopyPicToFrame = 1;
    e->param->bCTUInfo = 0;
    suit_width(e->param, width);
    if (e->param->maxSlices > 1 && columns(e->param, width) < 3) {
        snprintf(error, errorSize,
            "libx265 makes slices of wavefronts only, for which pictures of %d samples are too narrow", width);
        veil_x265_close(e);
        return NULL;
    }
    // Patched, libx265 takes it for a number.
    if (e->param->bBPyramid && e->param->bframes > 2) e->param->bBPyramid = pyramidLevels;
    e->encoder = api->encoder_open(e->param);
    if (!e->encoder) {
        snprintf(error, errorSize, "libx265 refuses these settings (%dx%d)", width, height);
        reason(api, e->param, error, errorSize);
        veil_x265_close(e);
        return NULL;
    }
    x265_param used;
    api->encoder_parameters(e->encoder, &used);
    if (used.maxSlices > 1 && !used.bEnableWavefront) {
        snprintf(error, errorSize,
            "libx265 makes slices of wavefronts only, which these settings leave out (no threads: pools)");
        veil_x265_close(e);
        return NULL;
    }
    // With these settings two rows wait for each other for ever.
    int rows = (height + (int)used.maxCUSize - 1) / (int)used.maxCUSize;
    if (rows == 2 && used.bEnableWavefront && used.bEnableSAO && !used.bEnableLoopFilter) {
        snprintf(error, errorSize,
            "libx265 never ends on pictures of two CTU rows with SAO, without deblocking: no-sao, or no-wpp");
        veil_x265_close(e);
        return NULL;
    }
    // libx265 divides by how many of them there are.
    if (used.bIntraRefresh && used.keyframeMax <= used.bframes) {
        snprintf(error, errorSize, "libx265's intra-refresh takes intervals (--keyint, %d) above --bframes (%d)",
            used.keyframeMax, used.bframes);
        veil_x265_close(e);
        return NULL;
    }
    api->picture_init(e->param, &e->in);
    api->picture_init(e->param, &e->recon);
    e->in.bitDepth = bitDepth;
    return e;
}

void *veil_x265_handle(veil_x265 *e) { return e->encoder; }

int veil_x265_headers(veil_x265 *e, const uint8_t **bytes, size_t *size) {
    x265_nal *nals;
    uint32_t count;
    if (e->api->encoder_headers(e->encoder, &nals, &count) < 0) return -1;
    if (gather(e, nals, count, size) < 0) return -1;
    *bytes = e->bytes;
    return 0;
}

int veil_x265_encode(veil_x265 *e, const void *const planes[3], const int strides[3], veil_x265_output *out) {
    x265_nal *nals;
    uint32_t count = 0;
    x265_picture *in = NULL;
    if (planes) {
        in = &e->in;
        for (int i = 0; i < 3; i++) {
            in->planes[i] = (void *)planes[i];
            in->stride[i] = strides[i];
        }
        in->pts = e->frames++;
    }
    int got = e->api->encoder_encode(e->encoder, &nals, &count, in, &e->recon);
    if (got < 0) return -1;
    if (got == 0 || count == 0) return 0;
    if (gather(e, nals, count, &out->size) < 0) return -1;
    out->bytes = e->bytes;
    out->poc = e->recon.poc;
    out->sliceType = e->recon.sliceType;
    for (int i = 0; i < 3; i++) {
        out->planes[i] = e->recon.planes[i];
        out->strides[i] = e->recon.stride[i];
    }
    return 1;
}

void veil_x265_close(veil_x265 *e) {
    if (!e) return;
    if (e->encoder) e->api->encoder_close(e->encoder);
    if (e->param) e->api->param_free(e->param);
    free(e->bytes);
    free(e);
}
