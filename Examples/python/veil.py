#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Veil from Python, through ctypes: encodes a few drawn pictures encrypted, decrypts the stream, and decodes it again.

    VEIL_LIBRARY=/usr/local/lib/libVeilC.so python3 veil.py
"""
import ctypes
import os


class Picture(ctypes.Structure):
    _fields_ = [("width", ctypes.c_int32), ("height", ctypes.c_int32), ("bit_depth", ctypes.c_int32), ("layer", ctypes.c_int32),
                ("order", ctypes.c_int64), ("planes", ctypes.c_void_p * 3), ("strides", ctypes.c_size_t * 3),
                ("fps_num", ctypes.c_int32), ("fps_den", ctypes.c_int32)]


class Packet(ctypes.Structure):
    _fields_ = [("data", ctypes.POINTER(ctypes.c_uint8)), ("size", ctypes.c_size_t), ("is_random_access", ctypes.c_int32)]


class Settings(ctypes.Structure):
    _fields_ = [("width", ctypes.c_int32), ("height", ctypes.c_int32), ("fps_num", ctypes.c_int32), ("fps_den", ctypes.c_int32),
                ("bit_depth", ctypes.c_int32), ("layers", ctypes.c_char_p), ("base_qp", ctypes.c_int32),
                ("enhancement_qp", ctypes.c_int32), ("preset", ctypes.c_char_p), ("threads", ctypes.c_int32), ("scheme", ctypes.c_char_p),
                ("aq_mode", ctypes.c_int32), ("aq_strength", ctypes.c_double)]


lib = ctypes.CDLL(os.environ.get("VEIL_LIBRARY", "libVeilC.so"))
handle = ctypes.c_void_p
for name, result, arguments in [
        ("last_error", ctypes.c_char_p, []),
        ("keys_generate", handle, [ctypes.c_int, ctypes.c_char_p]), ("keys_close", None, [handle]),
        ("encoder_open", handle, [ctypes.POINTER(Settings), handle]), ("encoder_push", ctypes.c_int, [handle, ctypes.POINTER(Picture)]),
        ("encoder_finish", ctypes.c_int, [handle]), ("encoder_packet", ctypes.c_int, [handle, ctypes.POINTER(Packet)]),
        ("encoder_close", None, [handle]),
        ("decryptor_open", handle, [handle, ctypes.c_int]),
        ("transcoder_push", ctypes.c_int, [handle, ctypes.c_char_p, ctypes.c_size_t]), ("transcoder_finish", ctypes.c_int, [handle]),
        ("transcoder_packet", ctypes.c_int, [handle, ctypes.POINTER(Packet)]), ("transcoder_close", None, [handle]),
        ("decoder_open", handle, [handle, ctypes.c_int, ctypes.c_int]),
        ("decoder_push", ctypes.c_int, [handle, ctypes.c_char_p, ctypes.c_size_t]), ("decoder_finish", ctypes.c_int, [handle]),
        ("decoder_picture", ctypes.c_int, [handle, ctypes.POINTER(Picture)]), ("decoder_close", None, [handle])]:
    function = getattr(lib, "veil_" + name)
    function.restype, function.argtypes = result, arguments


def check(value):
    """A handle, or the status 0 of a call."""
    if value is None or (isinstance(value, int) and value < 0):
        raise RuntimeError(lib.veil_last_error().decode())
    return value


def packets(take, source):
    packet = Packet()
    while take(source, packet):
        yield ctypes.string_at(packet.data, packet.size)


def encode(frames, width, height, keys):
    encoder = check(lib.veil_encoder_open(Settings(width, height, 25, 1, 8, b"2x", 24, 24, b"medium", 1, b"all"), keys))
    stream = b""
    for frame in frames:
        planes = [ctypes.create_string_buffer(plane, len(plane)) for plane in frame]
        picture = Picture(width, height, 8, 0, 0, (ctypes.c_void_p * 3)(*[ctypes.addressof(p) for p in planes]),
                          (ctypes.c_size_t * 3)(width, width // 2, width // 2), 25, 1)
        check(lib.veil_encoder_push(encoder, picture))
        stream += b"".join(packets(lib.veil_encoder_packet, encoder))
    check(lib.veil_encoder_finish(encoder))
    stream += b"".join(packets(lib.veil_encoder_packet, encoder))
    lib.veil_encoder_close(encoder)
    return stream


def decrypt(stream, keys):
    transcoder = check(lib.veil_decryptor_open(keys, 1))
    check(lib.veil_transcoder_push(transcoder, stream, len(stream)))
    check(lib.veil_transcoder_finish(transcoder))
    clear = b"".join(packets(lib.veil_transcoder_packet, transcoder))
    lib.veil_transcoder_close(transcoder)
    return clear


def decode(stream, keys=None):
    """Luma planes in output order."""
    decoder = check(lib.veil_decoder_open(keys, -1, 1))
    check(lib.veil_decoder_push(decoder, stream, len(stream)))
    check(lib.veil_decoder_finish(decoder))
    picture, frames = Picture(), []
    while lib.veil_decoder_picture(decoder, picture):
        frames.append(ctypes.string_at(picture.planes[0], picture.width * picture.height))
    lib.veil_decoder_close(decoder)
    return frames


def main():
    width, height = 128, 96
    frames = []
    for n in range(5):
        luma = bytes(200 if abs(x - 20 - 5 * n) < 9 else 40 + x // 2 + y // 3 for y in range(height) for x in range(width))
        frames.append([luma, bytes([128]) * (width * height // 4), bytes([128]) * (width * height // 4)])
    keys = check(lib.veil_keys_generate(2, b"chacha20"))
    encrypted = encode(frames, width, height, keys)
    clear = encode(frames, width, height, None)
    print("decrypted equals clear:", decrypt(encrypted, keys) == clear)
    print("decoded with keys equals clear:", decode(encrypted, keys) == decode(clear))
    print("decoded without keys equals clear:", decode(encrypted) == decode(clear))
    lib.veil_keys_close(keys)
    try:
        decrypt(encrypted, check(lib.veil_keys_generate(2, b"chacha20")))
        print("other keys: accepted")
    except RuntimeError:
        print("other keys: refused")


if __name__ == "__main__":
    main()
