# SPDX-License-Identifier: GPL-2.0-or-later
"""The encryption messages of a stream and the key file (Format.md, "The message" and "Keys")."""
import hashlib
import hmac
import json
import struct

from bits import FormatError
from keystreams import hkdf
from rule import LayerCipher

UUID = bytes.fromhex("7665696c8b1d4e0a9c532fe760b43d11")
TAG_UUID = bytes.fromhex("7665696c51c34f7ea806921bd44a5f27")


class Message:
    """The encryption message of a layer (Format.md, "The message")."""

    def __init__(self, data):
        (self.version, self.scheme, self.layer, self.cipher, self.profile, self.flags, self.elements, self.min_tid,
         self.irap_index) = struct.unpack(">6BHBI", data[16:29])
        if self.version != 1:
            raise FormatError("unknown version of the encryption message")
        self.nonce, self.check = data[29:45], data[45:53]
        end = 54 + data[53]
        self.key_id = data[54:end].decode()
        self.feedback, self.chain = bool(self.flags & 1), bool(self.flags & 2)
        self.irap_only = bool(self.flags & 4)
        self.regions = []
        if self.flags & 8:
            self.regions = [struct.unpack(">4H", data[end + 1 + 8 * i:end + 9 + 8 * i]) for i in range(data[end])]
            end += 1 + 8 * data[end]
        self.checked_fields = data[:25] + bytes(4) + data[29:45] + bytes(8) + data[53:end]


def load_keys(path):
    """Key id to key."""
    with open(path, "rb") as f:
        data = json.load(f)
    keys = {e["id"]: bytes.fromhex(e["key"]) for e in data.get("layers") or []}
    master = data.get("master")
    if master:
        for layer in range(master["layers"]):
            keys["%s/%d" % (master["id"], layer)] = hkdf(
                bytes.fromhex(master["key"]), b"", b"Veil layer key 1" + bytes([layer]), 32)
    return keys


class Unlocked:
    """A layer's message, and its cipher once the key is known to be right."""

    def __init__(self, message, key):
        self.message = message
        info = bytes([message.layer, message.cipher])
        check_key = hkdf(key, message.nonce, b"Veil key check 1" + info, 32)
        if hmac.new(check_key, message.checked_fields, hashlib.sha256).digest()[:8] != message.check:
            raise FormatError("layer %d: wrong key for key id %s" % (message.layer, message.key_id))
        self.cipher = LayerCipher(message, hkdf(key, message.nonce, b"Veil keystream 1" + info, 32))


def sei_messages(rbsp):
    at, end = 0, len(rbsp.rstrip(b"\0"))
    if end and rbsp[end - 1] == 0x80:
        end -= 1
    while at < end:
        values = []
        for _ in range(2):
            v = 0
            while rbsp[at] == 255:
                v += 255
                at += 1
            values.append(v + rbsp[at])
            at += 1
        yield values[0], rbsp[at:at + values[1]]
        at += values[1]
