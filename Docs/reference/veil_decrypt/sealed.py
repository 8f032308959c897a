# SPDX-License-Identifier: GPL-2.0-or-later
"""Sealed units (Format.md, "Sealed units"): AES-256-GCM (SP 800-38D), plain and slow."""
import hmac
import struct

from bits import FormatError, unescape
from keystreams import aes_block, aes_schedule, hkdf

MARK = bytes.fromhex("56656953")


def is_sealed(unit):
    return unit[0] >> 1 & 63 == 60 and unit[2:6] == MARK


def counter(unit):
    return int.from_bytes(unescape(unit[2:])[5:13], "big")


def _times(x, h):
    """The product in GF(2^128), most significant bit first (6.3)."""
    z = 0
    for i in range(127, -1, -1):
        if x >> i & 1:
            z ^= h
        h = h >> 1 ^ (0xE1 << 120 if h & 1 else 0)
    return z


def gcm_open(key, nonce, text, tag, additional):
    """The clear text, or None where the tag does not fit."""
    rounds = aes_schedule(key)
    h = int.from_bytes(aes_block(rounds, bytes(16)), "big")
    y = 0
    lengths = struct.pack(">2Q", 8 * len(additional), 8 * len(text))
    for data in (additional, text, lengths):
        for i in range(0, len(data), 16):
            y = _times(y ^ int.from_bytes(data[i:i + 16].ljust(16, b"\0"), "big"), h)
    first = aes_block(rounds, nonce + struct.pack(">I", 1))
    made = bytes(a ^ b for a, b in zip(y.to_bytes(16, "big"), first))
    if not hmac.compare_digest(made, tag):
        return None
    stream = b"".join(aes_block(rounds, nonce + struct.pack(">I", 2 + i)) for i in range((len(text) + 15) // 16))
    return bytes(a ^ b for a, b in zip(text, stream))


def unsealed(unit, key):
    """What was sealed, None where that is not it any more."""
    data = unescape(unit[2:])
    if len(data) < 30 or data[-1] != 0x80:
        return None
    return gcm_open(key, bytes(4) + data[5:13], data[13:-17], data[-17:-1], unit[:2] + data[:13])


def open_sealed(unit, unlocked):
    clear = unsealed(unit, hkdf(unlocked.key, unlocked.message.nonce, b"Veil seal 2" + unit[6:7], 32))
    if clear is None:
        raise FormatError("a sealed unit was changed")
    return clear


def vectors():
    """The test vector of Format.md: a made-up unit of layer 1, sealed under the key and nonce of the others."""
    key, nonce = bytes(range(32)), bytes(range(16))
    head = MARK + bytes([1]) + struct.pack(">Q", 3)
    sealing = hkdf(key, nonce, b"Veil seal 2" + bytes([1]), 32)
    rounds = aes_schedule(sealing)
    first = aes_block(rounds, bytes(4) + head[5:] + struct.pack(">I", 2))
    unit = bytes.fromhex("0209a1b2c3")
    yield "| sealing key | %s |" % sealing.hex()
    yield "| ciphertext of `0209a1b2c3`, counter 3 | %s |" % bytes(a ^ b for a, b in zip(unit, first)).hex()
