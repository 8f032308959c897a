# SPDX-License-Identifier: GPL-2.0-or-later
"""Selectively encrypted scalable HEVC: encode, encrypt, decrypt, exchange keys and decode.

    import veil

    keys = veil.Keys.generate(layers=2)
    stream = veil.encode(pictures, layers="2x", qp=[26, 26], keys=keys)
    clear = veil.decrypt(stream, keys)
    for picture in veil.decode(stream, keys=keys):
        show(picture.planes[0])          # a NumPy array

Whole streams go through the functions; the classes `Encoder`, `Decoder` and `Transcoder` take them piece by piece.
"""

from ._library import KeyFileError, ProtectionError, StreamError, VeilError, lib
from .coding import Decoder, Encoder, IncompleteWarning, Packet, Picture, Transcoder, decode, decrypt, encode, encrypt, rekey
from .keys import Keys
from .y4m import Y4MReader, Y4MWriter

__version__: str = lib.veil_version().decode()
__all__ = [
    "Decoder", "Encoder", "IncompleteWarning", "KeyFileError", "Keys", "Packet", "Picture", "ProtectionError",
    "StreamError", "Transcoder", "VeilError", "Y4MReader", "Y4MWriter", "decode", "decrypt", "encode", "encrypt", "rekey",
]
