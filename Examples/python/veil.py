#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Veil from Python, through ctypes: encodes a few drawn pictures encrypted, decrypts the stream, and decodes it again.

    VEIL_LIBRARY=/usr/local/lib/libVeilC.so python3 veil.py
"""
import ctypes
import os


i32, i64, f64, size, text, handle = (ctypes.c_int32, ctypes.c_int64, ctypes.c_double, ctypes.c_size_t, ctypes.c_char_p,
                                     ctypes.c_void_p)


# The structures of veil.h, field by field.
class Picture(ctypes.Structure):
    _fields_ = [("struct_size", size), ("width", i32), ("height", i32), ("bit_depth", i32), ("bit_depth_luma", i32),
                ("bit_depth_chroma", i32), ("layer", i32), ("order", i64), ("planes", handle * 3), ("strides", size * 3),
                ("fps_num", i32), ("fps_den", i32), ("reserved", i64 * 8)]


class Packet(ctypes.Structure):
    _fields_ = [("struct_size", size), ("data", ctypes.POINTER(ctypes.c_uint8)), ("size", size), ("is_random_access", i32),
                ("temporal_id", i32), ("layers", i64), ("display_index", i64), ("reserved", i64 * 4)]


class Protection(ctypes.Structure):
    _fields_ = [("scheme", text), ("cipher", text), ("profile", text), ("elements", text), ("authenticate", i32),
                ("irap_only", i32), ("min_temporal_id", i32), ("chained", i32),
                ("hide", i32), ("reserved_flags", i32), ("reserved", i64 * 7)]


class DecoderSettings(ctypes.Structure):
    _fields_ = [("struct_size", size), ("output", i32), ("output_index", i32), ("threads", i32), ("verify", i32),
                ("max_temporal_id", i32), ("reserved_flags", i32), ("keys", handle), ("reserved", i64 * 16)]


class TranscoderSettings(ctypes.Structure):
    _fields_ = [("struct_size", size), ("operation", i32), ("threads", i32), ("partial", i32), ("reserved_flags", i32),
                ("keys", handle), ("protection", Protection), ("reserved", i64 * 16)]


class LayerSettings(ctypes.Structure):
    _fields_ = [("width", i32), ("height", i32), ("bit_depth", i32), ("rate_mode", i32), ("rate", f64),
                ("vbv_maxrate", f64), ("vbv_bufsize", f64), ("preset", text), ("references", ctypes.c_uint32),
                ("own_source", i32), ("keys", handle), ("reserved", i64 * 8)]


class EncoderSettings(ctypes.Structure):
    _fields_ = [("struct_size", size), ("width", i32), ("height", i32), ("fps_num", i32), ("fps_den", i32),
                ("bit_depth", i32), ("threads", i32), ("layers", text), ("layer", LayerSettings * 8), ("preset", text),
                ("enhancement_preset", text), ("tune", text), ("x265_options", text), ("stats", text), ("pass_", i32),
                ("keyint", i32), ("bframes", i32), ("pyramid", i32), ("slices", i32), ("wavefront", i32), ("hashes", i32),
                ("repeat_headers", i32), ("aq_mode", i32), ("hierarchy", i32), ("aq_strength", f64),
                ("inter_layer_prediction", i32), ("signal_encryption", i32), ("keys", handle),
                ("protection", Protection), ("reserved", i64 * 32)]


RATE_QP, DECRYPT = 1, 2

lib = ctypes.CDLL(os.environ.get("VEIL_LIBRARY", "libVeilC.so.1"))
out, pointer = ctypes.POINTER(handle), ctypes.POINTER
for name, result, arguments in [
        ("last_error", text, []),
        ("picture_init", i32, [pointer(Picture), size]), ("packet_init", i32, [pointer(Packet), size]),
        ("keys_generate", i32, [out, i32, text]), ("keys_close", None, [handle]),
        ("encoder_settings_init", i32, [pointer(EncoderSettings), size]),
        ("encoder_open", i32, [out, pointer(EncoderSettings)]), ("encoder_push", i32, [handle, pointer(Picture)]),
        ("encoder_finish", i32, [handle]), ("encoder_packet", i32, [handle, pointer(Packet)]),
        ("encoder_close", None, [handle]),
        ("transcoder_settings_init", i32, [pointer(TranscoderSettings), size]),
        ("transcoder_open", i32, [out, pointer(TranscoderSettings)]), ("transcoder_push", i32, [handle, text, size]),
        ("transcoder_finish", i32, [handle]), ("transcoder_packet", i32, [handle, pointer(Packet)]),
        ("transcoder_close", None, [handle]),
        ("decoder_settings_init", i32, [pointer(DecoderSettings), size]),
        ("decoder_open", i32, [out, pointer(DecoderSettings)]), ("decoder_push", i32, [handle, text, size]),
        ("decoder_finish", i32, [handle]), ("decoder_picture", i32, [handle, pointer(Picture)]),
        ("decoder_close", None, [handle])]:
    function = getattr(lib, "veil_" + name)
    function.restype, function.argtypes = result, arguments


def check(status):
    if status < 0:
        raise RuntimeError(lib.veil_last_error().decode())
    return status


def fresh(kind, initialize, **fields):
    """A structure with its defaults, and some fields set."""
    structure = kind()
    check(initialize(structure, ctypes.sizeof(structure)))
    for name, value in fields.items():
        setattr(structure, name, value)
    return structure


def opened(function, *arguments):
    result = handle()
    check(function(ctypes.byref(result), *arguments))
    return result


def packets(function, source):
    packet = fresh(Packet, lib.veil_packet_init)
    while check(function(source, packet)):
        yield ctypes.string_at(packet.data, packet.size)


def encode(frames, width, height, keys):
    settings = fresh(EncoderSettings, lib.veil_encoder_settings_init, width=width, height=height, layers=b"2x", keys=keys)
    settings.layer[0].rate_mode, settings.layer[0].rate = RATE_QP, 24
    encoder = opened(lib.veil_encoder_open, settings)
    stream = b""
    for frame in frames:
        planes = [ctypes.create_string_buffer(plane, len(plane)) for plane in frame]
        picture = fresh(Picture, lib.veil_picture_init, width=width, height=height, bit_depth=8,
                        planes=(handle * 3)(*[ctypes.addressof(p) for p in planes]),
                        strides=(size * 3)(width, width // 2, width // 2))
        check(lib.veil_encoder_push(encoder, picture))
        stream += b"".join(packets(lib.veil_encoder_packet, encoder))
    check(lib.veil_encoder_finish(encoder))
    stream += b"".join(packets(lib.veil_encoder_packet, encoder))
    lib.veil_encoder_close(encoder)
    return stream


def decrypt(stream, keys):
    settings = fresh(TranscoderSettings, lib.veil_transcoder_settings_init, operation=DECRYPT, keys=keys)
    transcoder = opened(lib.veil_transcoder_open, settings)
    try:
        check(lib.veil_transcoder_push(transcoder, stream, len(stream)))
        check(lib.veil_transcoder_finish(transcoder))
        return b"".join(packets(lib.veil_transcoder_packet, transcoder))
    finally:
        lib.veil_transcoder_close(transcoder)


def decode(stream, keys=None):
    """Luma planes in output order."""
    decoder = opened(lib.veil_decoder_open, fresh(DecoderSettings, lib.veil_decoder_settings_init, keys=keys))
    check(lib.veil_decoder_push(decoder, stream, len(stream)))
    check(lib.veil_decoder_finish(decoder))
    picture, frames = fresh(Picture, lib.veil_picture_init), []
    while check(lib.veil_decoder_picture(decoder, picture)):
        frames.append(ctypes.string_at(picture.planes[0], picture.width * picture.height))
    lib.veil_decoder_close(decoder)
    return frames


def main():
    width, height = 128, 96
    frames = []
    for n in range(5):
        luma = bytes(200 if abs(x - 20 - 5 * n) < 9 else 40 + x // 2 + y // 3 for y in range(height) for x in range(width))
        frames.append([luma, bytes([128]) * (width * height // 4), bytes([128]) * (width * height // 4)])
    keys = opened(lib.veil_keys_generate, 2, b"chacha20")
    encrypted = encode(frames, width, height, keys)
    clear = encode(frames, width, height, None)
    print("decrypted equals clear:", decrypt(encrypted, keys) == clear)
    print("decoded with keys equals clear:", decode(encrypted, keys) == decode(clear))
    print("decoded without keys equals clear:", decode(encrypted) == decode(clear))
    lib.veil_keys_close(keys)
    try:
        decrypt(encrypted, opened(lib.veil_keys_generate, 2, b"chacha20"))
        print("other keys: accepted")
    except RuntimeError:
        print("other keys: refused")


if __name__ == "__main__":
    main()
