# SPDX-License-Identifier: GPL-2.0-or-later
"""Encoders, decoders and transcoders over the C library."""

from __future__ import annotations

import ctypes
import itertools
import warnings
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Sequence

import numpy as np

from . import _library as c
from ._library import check, fresh, lib
from .keys import Keys


@dataclass
class Picture:
    """A 4:2:0 picture: Y, Cb and Cr as arrays of rows, uint8 for 8 bits and uint16 above."""

    planes: "list[np.ndarray]"
    bit_depth: int = 8
    #: Of decoded pictures: nuh_layer_id and PicOrderCntVal.
    layer: int = 0
    order: int = 0
    #: Frames a second as a fraction; 0/0 when the stream does not tell.
    fps: "tuple[int, int]" = (0, 0)

    @property
    def width(self) -> int:
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        return int(self.planes[0].shape[0])


@dataclass(frozen=True)
class Packet:
    """An access unit in byte stream format."""

    data: bytes
    #: Decoding can begin here.
    is_random_access: bool
    temporal_id: int
    #: nuh_layer_id of the pictures that are in it.
    layers: "tuple[int, ...]"
    #: Of an encoder: the place in display order, from 0; else -1.
    display_index: int


_PROTECTION = {field[0] for field in c.Protection._fields_}


def _set(structure: Any, values: "dict[str, Any]") -> None:
    """Sets fields by their names in veil.h; those of veil_protection without saying so."""
    known = {field[0] for field in structure._fields_} - {"struct_size", "reserved", "reserved_flags", "layer"}
    for name, value in values.items():
        target = structure
        if name not in known and name in _PROTECTION and "protection" in known:
            target = structure.protection
        elif name not in known:
            raise TypeError(f"unknown setting {name!r}")
        if isinstance(value, Keys):
            value = value._handle
        setattr(target, name, value.encode() if isinstance(value, str) else value)


class _Coder:
    """What encoders, decoders and transcoders share: a handle that is closed once."""

    _name = ""

    def __init__(self, settings: Any) -> None:
        self._handle = ctypes.c_void_p()
        check(self._function("open")(ctypes.byref(self._handle), ctypes.byref(settings)))

    def _function(self, name: str) -> Any:
        return getattr(lib, f"veil_{self._name}_{name}")

    def _packets(self) -> "Iterator[Packet]":
        packet = fresh(c.Packet, lib.veil_packet_init)
        while check(self._function("packet")(self._handle, ctypes.byref(packet))):
            layers = tuple(i for i in range(64) if packet.layers >> i & 1)
            yield Packet(
                ctypes.string_at(packet.data, packet.size), bool(packet.is_random_access), packet.temporal_id, layers,
                packet.display_index)

    def close(self) -> None:
        if getattr(self, "_handle", None):
            self._function("close")(self._handle)
            self._handle = None

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


class Encoder(_Coder):
    """Encodes pictures in display order: `push` each, `finish`, and take the packets that both return."""

    _name = "encoder"

    def __init__(
        self, width: int, height: int, *, fps: "tuple[int, int]" = (25, 1), bit_depth: int = 8, layers: str = "2x",
        qp: "Sequence[float] | float | None" = None, crf: "Sequence[float] | float | None" = None,
        bitrate: "Sequence[float] | float | None" = None, keys: "Keys | None" = None, **settings: Any
    ) -> None:
        """`qp`, `crf` or `bitrate` (kbit/s) take a value, or one a layer. Further settings have the names of
        veil_encoder_settings and veil_protection in veil.h: `preset`, `keyint`, `hashes`, `scheme`, `cipher`..."""
        s = fresh(c.EncoderSettings, lib.veil_encoder_settings_init)
        s.width, s.height, s.bit_depth = width, height, bit_depth
        s.fps_num, s.fps_den = fps
        if keys is not None:
            settings["keys"] = keys
        _set(s, {"layers": layers, **settings})
        rates = [(mode, rate) for mode, rate in
                 [(c.RATE_QP, qp), (c.RATE_CRF, crf), (c.RATE_BITRATE, bitrate)] if rate is not None]
        if len(rates) > 1:
            raise TypeError("qp, crf and bitrate exclude each other")
        for mode, rate in rates:
            values = [rate] if isinstance(rate, (int, float)) else list(rate)
            if len(values) > c.MAX_LAYERS:
                raise ValueError(f"{len(values)} rates; at most {c.MAX_LAYERS} layers")
            for i, value in enumerate(values):
                s.layer[i].rate_mode, s.layer[i].rate = mode, value
        self._bit_depth = bit_depth
        super().__init__(s)

    def push(
        self, picture: "Picture | Sequence[np.ndarray]",
        layers: "dict[int, Picture | Sequence[np.ndarray]] | None" = None
    ) -> "list[Packet]":
        """Takes the next picture, and those of `layers` with sources of their own (of the right eye, of alpha, which
        may be one plane), and returns what is ready."""
        own = {i: self._picture(p, one_plane=True) for i, p in (layers or {}).items()}
        p, kept = self._picture(picture)
        if not own:
            check(lib.veil_encoder_push(self._handle, ctypes.byref(p)))
        else:
            count = max(own) + 1
            table = (ctypes.POINTER(c.Picture) * count)(*[ctypes.pointer(own[i][0]) if i in own else None for i in range(count)])
            check(lib.veil_encoder_push_layers(self._handle, ctypes.byref(p), table, count))
        return list(self._packets())

    def _picture(
        self, picture: "Picture | Sequence[np.ndarray]", one_plane: bool = False
    ) -> "tuple[c.Picture, list[np.ndarray]]":
        """The library's picture, and the arrays that it points into."""
        source = picture.planes if isinstance(picture, Picture) else picture
        if isinstance(source, np.ndarray) and source.ndim == 2:
            source = [source]
        if len(source) != 3 and not (one_plane and len(source) == 1):
            raise ValueError("a picture has the planes Y, Cb and Cr")
        kind = np.uint16 if self._bit_depth > 8 else np.uint8
        planes = []
        for plane in source:
            if plane.ndim != 2 or plane.dtype != kind:
                raise ValueError(f"planes are arrays of rows of {np.dtype(kind).name}, not {plane.dtype} {plane.shape}")
            planes.append(np.ascontiguousarray(plane))
        height, width = planes[0].shape
        if any(plane.shape != ((height + 1) // 2, (width + 1) // 2) for plane in planes[1:]):
            raise ValueError("chroma planes have half the width and height, rounded up")
        p = fresh(c.Picture, lib.veil_picture_init)
        p.width, p.height, p.bit_depth = width, height, self._bit_depth
        if len(planes) == 1:
            p.chroma_format = c.CHROMA_NONE
        for i, plane in enumerate(planes):
            p.planes[i], p.strides[i] = plane.ctypes.data, plane.strides[0]
        return p, planes

    def finish(self) -> "list[Packet]":
        """Ends the stream and returns the rest."""
        check(lib.veil_encoder_finish(self._handle))
        return list(self._packets())


class Decoder(_Coder):
    """Decodes a byte stream that comes in pieces. Without keys: to what someone without keys sees."""

    _name = "decoder"

    def __init__(
        self, *, keys: "Keys | None" = None, layer: "int | None" = None, all_layers: bool = False, **settings: Any
    ) -> None:
        """Puts out the highest layer, or `layer`, or all of them. Further settings: veil_decoder_settings."""
        s = fresh(c.DecoderSettings, lib.veil_decoder_settings_init)
        if keys is not None:
            settings["keys"] = keys
        if all_layers:
            settings["output"] = c.OUTPUT_ALL
        elif layer is not None:
            settings.update(output=c.OUTPUT_LAYER, output_index=layer)
        _set(s, settings)
        super().__init__(s)

    def push(self, data: bytes) -> "list[Picture]":
        """Takes the next bytes and returns the pictures that are ready, in output order."""
        check(lib.veil_decoder_push(self._handle, data, len(data)))
        return list(self._pictures())

    def finish(self) -> "list[Picture]":
        check(lib.veil_decoder_finish(self._handle))
        return list(self._pictures())

    def _pictures(self) -> Iterator[Picture]:
        p = fresh(c.Picture, lib.veil_picture_init)
        while check(lib.veil_decoder_picture(self._handle, ctypes.byref(p))):
            kind = np.dtype(np.uint16 if p.bit_depth > 8 else np.uint8)
            planes = []
            # veil_chroma_format: 0 4:2:0, 1 4:2:2, 2 4:4:4, 3 luma alone.
            halves = (p.chroma_format < 2, p.chroma_format == 0)
            for i in range(1 if p.chroma_format == 3 else 3):
                width, height = ((size + 1) // 2 if i and half else size for size, half in zip((p.width, p.height), halves))
                rows = (ctypes.c_uint8 * (p.strides[i] * (height - 1) + width * kind.itemsize)).from_address(p.planes[i])
                view = np.ndarray((height, width), kind, rows, strides=(p.strides[i], kind.itemsize))
                planes.append(view.copy())
            yield Picture(planes, p.bit_depth, p.layer, p.order, (p.fps_num, p.fps_den))

    @property
    def report(self) -> "dict[str, int]":
        """What happened so far: the fields of veil_decoder_report."""
        return _report(c.DecoderReport, lib.veil_decoder_get_report, self._handle)


class Transcoder(_Coder):
    """Encrypts, decrypts or exchanges the keys of a byte stream that comes in pieces, without decoding it."""

    _name = "transcoder"

    def __init__(self, operation: str, keys: Keys, *, old_keys: "Keys | None" = None, **settings: Any) -> None:
        """`operation`: "encrypt", "decrypt" or "rekey". Further settings: veil_transcoder_settings, veil_protection."""
        operations = {"encrypt": c.ENCRYPT, "decrypt": c.DECRYPT, "rekey": c.REKEY}
        if operation not in operations:
            raise ValueError(f"an operation is one of {', '.join(operations)}, not {operation!r}")
        s = fresh(c.TranscoderSettings, lib.veil_transcoder_settings_init)
        if old_keys is not None:
            settings["old_keys"] = old_keys
        _set(s, {"operation": operations[operation], "keys": keys, **settings})
        super().__init__(s)

    def push(self, data: bytes) -> "list[Packet]":
        check(lib.veil_transcoder_push(self._handle, data, len(data)))
        return list(self._packets())

    def finish(self) -> "list[Packet]":
        check(lib.veil_transcoder_finish(self._handle))
        return list(self._packets())

    @property
    def report(self) -> "dict[str, int]":
        """What happened so far: the fields of veil_transcoder_report."""
        return _report(c.TranscoderReport, lib.veil_transcoder_get_report, self._handle)


def _report(kind: Any, function: Any, handle: Any) -> "dict[str, int]":
    report = fresh(kind)
    check(function(handle, ctypes.byref(report)))
    names = [field[0] for field in kind._fields_]
    return {n: getattr(report, n) for n in names if n not in ("struct_size", "reserved", "reserved_flags")}


def encode(
    pictures: "Iterable[Picture | Sequence[np.ndarray]]", *,
    right: "Iterable[Picture | Sequence[np.ndarray]] | None" = None,
    alpha: "Iterable[Picture | Sequence[np.ndarray] | np.ndarray] | None" = None, **settings: Any
) -> bytes:
    """A stream of pictures, whose size and depth are the first one's; settings as `Encoder` takes them. With `right`,
    the pictures are the left eye's and these the right eye's (`layers="view"`, or "view,2x" for both in two sizes);
    with `alpha`, those are the pictures' alpha: a plane each, or pictures of which luma is taken."""
    if right is not None and alpha is not None:
        raise TypeError("right and alpha exclude each other")
    own, layer = right if alpha is None else alpha, 0
    if own is not None:
        layers = settings.setdefault("layers", "view" if alpha is None else "alpha")
        if layers.split(",")[0] != ("view" if alpha is None else "alpha"):
            raise ValueError(f"layers={layers!r} does not go with {'right' if alpha is None else 'alpha'}")
        # Of two views in several sizes the uppermost has a source of its own.
        layer = 2 * len(layers.split(",")) - 1
    encoder, stream = None, []
    for picture, beside in _pairs(pictures, own):
        if encoder is None:
            planes = picture.planes if isinstance(picture, Picture) else picture
            if isinstance(picture, Picture):
                settings.setdefault("bit_depth", picture.bit_depth)
                if min(picture.fps) > 0:
                    settings.setdefault("fps", picture.fps)
            height, width = planes[0].shape
            encoder = Encoder(int(width), int(height), **settings)
        stream += encoder.push(picture, None if own is None else {layer: beside})
    if encoder is None:
        raise ValueError("there are no pictures")
    stream += encoder.finish()
    encoder.close()
    return b"".join(packet.data for packet in stream)


def _pairs(pictures: "Iterable[Any]", own: "Iterable[Any] | None") -> "Iterator[tuple[Any, Any]]":
    """Pictures with those that go beside them, of which there are as many."""
    if own is None:
        yield from ((picture, None) for picture in pictures)
        return
    end = object()
    for picture, beside in itertools.zip_longest(pictures, own, fillvalue=end):
        if picture is end or beside is end:
            raise ValueError("there are more pictures of one source than of the other")
        yield picture, beside


class IncompleteWarning(UserWarning):
    """Something of a stream is missing, was concealed, joined or left as it was. `strict=1` makes what is missing of an
    authenticated stream an error; `warnings.simplefilter("error", veil.IncompleteWarning)` makes all of it one."""


def _tell(what: str, report: "dict[str, int]", fields: Sequence[str]) -> None:
    found = [f"{report[field]} {field.replace('_', ' ')}" for field in fields if report[field]]
    warnings.warn(f"{what}: {', '.join(found) or 'the stream is not whole'}", IncompleteWarning, stacklevel=4)


def decode(stream: bytes, **settings: Any) -> "list[Picture]":
    """The pictures of a stream; settings as `Decoder` takes them. Warns of what is not whole (`IncompleteWarning`)."""
    with Decoder(**settings) as decoder:
        pictures = decoder.push(stream) + decoder.finish()
        report = decoder.report
    if not report["is_clean"]:
        _tell("decode", report, ("hash_mismatches", "concealed_ctus", "missing_references", "concealed_pictures",
                                 "missing_pictures", "joins"))
    return pictures


def _transcode(operation: str, stream: bytes, keys: Keys, **settings: Any) -> bytes:
    with Transcoder(operation, keys, **settings) as transcoder:
        packets = transcoder.push(stream) + transcoder.finish()
        report = transcoder.report
    if not report["is_whole"]:
        _tell(operation, report, ("passed", "dropped", "missing_pictures", "joins"))
    return b"".join(packet.data for packet in packets)


def encrypt(stream: bytes, keys: Keys, **settings: Any) -> bytes:
    """A clear stream encrypted; settings as `Transcoder` takes them. Slices left out or left clear (`damaged`) warn."""
    return _transcode("encrypt", stream, keys, **settings)


def decrypt(stream: bytes, keys: Keys, **settings: Any) -> bytes:
    """The clear stream of an encrypted one, byte for byte. A wrong key or a changed stream raises; what is
    missing or joined, or could not be decrypted, warns (`IncompleteWarning`), and raises with `strict=1`."""
    return _transcode("decrypt", stream, keys, **settings)


def rekey(stream: bytes, old_keys: Keys, keys: Keys, **settings: Any) -> bytes:
    """A stream under other keys, in one pass. Warns as `decrypt` does."""
    return _transcode("rekey", stream, keys, old_keys=old_keys, **settings)
