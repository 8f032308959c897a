# SPDX-License-Identifier: GPL-2.0-or-later
"""The C library's structures and functions, as veil.h has them. Nothing here is for users of the package."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path

MAX_LAYERS = 8
RATE_DEFAULT, RATE_QP, RATE_CRF, RATE_BITRATE = range(4)
ENCRYPT, DECRYPT, REKEY = 1, 2, 3
OUTPUT_HIGHEST, OUTPUT_LAYER, OUTPUT_LAYER_SET, OUTPUT_ALL = range(4)
CHROMA_NONE = 3


def _fields(text: str) -> list:
    """`name:type` pairs; types are the letters below, with `*n` for arrays."""
    kinds = {"i": c_int32, "q": c_int64, "u": c_uint32, "U": c_uint64, "z": c_size_t, "d": c_double, "s": c_char_p,
             "p": c_void_p}
    result = []
    for item in text.split():
        name, kind = item.split(":")
        letter, _, count = kind.partition("*")
        result.append((name, kinds[letter] * int(count) if count else kinds[letter]))
    return result


class Picture(Structure):
    _fields_ = _fields(
        "struct_size:z width:i height:i bit_depth:i bit_depth_luma:i bit_depth_chroma:i layer:i order:q planes:p*3 "
        "strides:z*3 fps_num:i fps_den:i chroma_format:i reserved_field:i reserved:U*7")


class Packet(Structure):
    _fields_ = _fields(
        "struct_size:z data:p size:z is_random_access:i temporal_id:i layers:U display_index:q reserved:U*4")


class Protection(Structure):
    _fields_ = _fields(
        "scheme:s cipher:s profile:s elements:s authenticate:i irap_only:i min_temporal_id:i chained:i hide:i "
        "reserved_flags:i reserved:U*7")


class DecoderSettings(Structure):
    _fields_ = _fields(
        "struct_size:z output:i output_index:i threads:i verify:i max_temporal_id:i all_chroma_formats:i keys:p "
        "allow_clear:i allow_joined:i strict:i require_authentication:i reserved:U*14")


class DecoderReport(Structure):
    _fields_ = _fields(
        "struct_size:z pictures_decoded:q hashes_checked:q hash_mismatches:q concealed_ctus:q missing_references:q "
        "concealed_pictures:q is_clean:i reserved_flags:i verified_pictures:q missing_pictures:q joins:q reserved:U*5")


class TranscoderSettings(Structure):
    _fields_ = (
        _fields("struct_size:z operation:i threads:i partial:i damaged:i keys:p") + [("protection", Protection)]
        + _fields("old_keys:p allow_clear:i allow_joined:i strict:i require_authentication:i reserved:U*13"))


class TranscoderReport(Structure):
    _fields_ = _fields(
        "struct_size:z pictures:q passed:q dropped:q sealed:q unchanged:q verified_pictures:q missing_pictures:q "
        "joins:q is_whole:i reserved_flags:i reserved:U*8")


class LayerSettings(Structure):
    _fields_ = _fields(
        "width:i height:i bit_depth:i rate_mode:i rate:d vbv_maxrate:d vbv_bufsize:d preset:s references:u own_source:i "
        "keys:p reserved:U*8")


class EncoderSettings(Structure):
    _fields_ = (
        _fields("struct_size:z width:i height:i fps_num:i fps_den:i bit_depth:i threads:i layers:s")
        + [("layer", LayerSettings * MAX_LAYERS)]
        + _fields(
            "preset:s enhancement_preset:s tune:s x265_options:s stats:s pass:i keyint:i bframes:i pyramid:i slices:i "
            "wavefront:i hashes:i repeat_headers:i aq_mode:i hierarchy:i aq_strength:d inter_layer_prediction:i "
            "signal_encryption:i keys:p")
        + [("protection", Protection)] + _fields("chroma_format:i reserved_field:i reserved:U*31"))


class VeilError(RuntimeError):
    """What the library refuses, in one line. `status` is its number, a veil_status of veil.h."""

    def __init__(self, message: str, status: int = -1) -> None:
        super().__init__(message)
        self.status = status


class KeyFileError(VeilError):
    """A key is missing, wrong or malformed."""


class ProtectionError(VeilError):
    """The stream was changed since it was encrypted, or is not protected as it should be."""


class StreamError(VeilError):
    """The input is no byte stream, or asks for what Veil does not support."""


_KINDS = {-4: KeyFileError, -5: ProtectionError, -6: StreamError}


def _load() -> ctypes.CDLL:
    # VEIL_LIBRARY names another library than one beside this file, or than the system's.
    named = os.environ.get("VEIL_LIBRARY")
    inside = Path(__file__).with_name("libVeilC.so.1")
    return ctypes.CDLL(named or (str(inside) if inside.exists() else "libVeilC.so.1"))


lib = _load()


def _declare() -> None:
    handle, out = c_void_p, POINTER(c_void_p)
    functions = {
        "version": (c_char_p, []), "abi_version": (c_int32, []), "last_error": (c_char_p, []),
        "picture_init": (c_int32, [POINTER(Picture), c_size_t]), "packet_init": (c_int32, [POINTER(Packet), c_size_t]),
        "keys_open": (c_int32, [out, c_char_p]), "keys_generate": (c_int32, [out, c_int32, c_char_p]),
        "keys_write": (c_int32, [handle, c_char_p]), "keys_close": (None, [handle]),
        "decoder_get_report": (c_int32, [handle, POINTER(DecoderReport)]),
        "transcoder_get_report": (c_int32, [handle, POINTER(TranscoderReport)]),
        "decoder_picture": (c_int32, [handle, POINTER(Picture)]),
        "transcoder_packet": (c_int32, [handle, POINTER(Packet)]),
        "encoder_packet": (c_int32, [handle, POINTER(Packet)]), "encoder_push": (c_int32, [handle, POINTER(Picture)]),
        "encoder_push_layers": (c_int32, [handle, POINTER(Picture), POINTER(POINTER(Picture)), c_int32]),
    }
    for name, settings in [("decoder", DecoderSettings), ("transcoder", TranscoderSettings), ("encoder", EncoderSettings)]:
        functions[name + "_settings_init"] = (c_int32, [POINTER(settings), c_size_t])
        functions[name + "_open"] = (c_int32, [out, POINTER(settings)])
        functions[name + "_finish"] = (c_int32, [handle])
        functions[name + "_close"] = (None, [handle])
        if name != "encoder":
            functions[name + "_push"] = (c_int32, [handle, c_char_p, c_size_t])
    for name, (result, arguments) in functions.items():
        function = getattr(lib, "veil_" + name)
        function.restype, function.argtypes = result, arguments


_declare()
if lib.veil_abi_version() != 1:
    raise ImportError(f"libVeilC has the binary interface {lib.veil_abi_version()}; this package needs 1")


def check(status: int) -> int:
    if status < 0:
        raise _KINDS.get(status, VeilError)(lib.veil_last_error().decode(), status)
    return status


def fresh(kind, initialize=None):
    """A structure with the library's defaults."""
    structure = kind()
    if initialize is None:
        structure.struct_size = ctypes.sizeof(structure)
    else:
        check(initialize(ctypes.byref(structure), ctypes.sizeof(structure)))
    return structure
