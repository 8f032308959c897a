// SPDX-License-Identifier: GPL-2.0-or-later
//
// Decodes a stream to raw I420 on standard output, with the keys of a key file if one is named:
//
//     cc decode.c -lVeilC -o decode
//     ./decode out.hevc keys.json >out.yuv
#include <stdio.h>
#include <stdlib.h>
#include <veil.h>

static int fail(void) {
    fprintf(stderr, "decode: %s\n", veil_last_error());
    return 1;
}

/// Writes all pictures that are ready.
static int drain(veil_decoder *decoder) {
    veil_picture p;
    int got = veil_picture_init(&p, sizeof p);
    while (got >= 0 && (got = veil_decoder_picture(decoder, &p)) > 0) {
        size_t sample = p.bit_depth > 8 ? 2 : 1;
        for (int c = 0; c < 3; c++) {
            int width = c ? (p.width + 1) / 2 : p.width, height = c ? (p.height + 1) / 2 : p.height;
            for (int y = 0; y < height; y++)
                fwrite((const char *)p.planes[c] + y * p.strides[c], sample, width, stdout);
        }
    }
    return got;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: decode STREAM [KEYS] >OUT.yuv\n");
        return 64;
    }
    FILE *in = fopen(argv[1], "rb");
    if (!in) {
        perror(argv[1]);
        return 1;
    }
    veil_keys *keys = NULL;
    if (argc > 2 && veil_keys_open(&keys, argv[2])) return fail();
    veil_decoder_settings settings;
    if (veil_decoder_settings_init(&settings, sizeof settings)) return fail();
    settings.keys = keys;
    settings.threads = 2;
    veil_decoder *decoder;
    if (veil_decoder_open(&decoder, &settings)) return fail();
    static unsigned char buffer[65536];
    size_t n;
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        if (veil_decoder_push(decoder, buffer, n) || drain(decoder)) return fail();
    }
    if (veil_decoder_finish(decoder) || drain(decoder)) return fail();
    veil_decoder_close(decoder);
    veil_keys_close(keys);
    fclose(in);
    return fflush(stdout) ? 1 : 0;
}
