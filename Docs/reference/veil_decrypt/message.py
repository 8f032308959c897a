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
        self.version = data[16]
        if self.version not in (1, 2):
            raise FormatError("unknown version of the encryption message")
        (self.scheme, self.layer, self.cipher, self.profile, self.flags, self.elements, self.min_tid,
         self.period) = struct.unpack(">5BHBI", data[17:29])
        # Hidden pictures: 0 none, 1 IRAP pictures, 2 those of TemporalId 0 too, 3 all.
        self.hiding = self.flags >> 5 & 3
        # The layers below that the run does not protect have tags under this layer's key.
        self.tags_lower = bool(self.flags & 128)
        if self.version == 1 and self.flags >= 32 or self.tags_lower and not self.flags & 16:
            raise FormatError("unknown flags of the encryption message")
        at, self.lsb, self.layers, check = 29, None, None, 8
        if self.version == 2:
            self.lsb, self.layers = struct.unpack(">HQ", data[29:39])
            self.lsb = None if self.lsb == 0xFFFF else self.lsb
            at, check = 39, 32
        self.nonce, self.check = data[at:at + 16], data[at + 16:at + 16 + check]
        end = at + 17 + check + data[at + 16 + check]
        self.key_id = data[at + 17 + check:end].decode()
        self.feedback, self.chain = bool(self.flags & 1), bool(self.flags & 2)
        self.irap_only, self.tagged = bool(self.flags & 4), bool(self.flags & 16)
        self.regions = []
        if self.flags & 8:
            self.regions = [struct.unpack(">4H", data[end + 1 + 8 * i:end + 9 + 8 * i]) for i in range(data[end])]
            end += 1 + 8 * data[end]
        if self.version == 2 and end != len(data):
            raise FormatError("the encryption message has bytes that nothing covers")
        self.hash = hashlib.sha256(data).digest()
        period = data[25:at] if self.version == 2 else bytes(4)
        self.checked_fields = data[:25] + period + data[at:at + 16] + bytes(check) + data[at + 16 + check:end]

    def tags(self, layer):
        """Whether pictures of a layer have tags under this one's key."""
        return self.tagged and (layer == self.layer or self.tags_lower and layer < self.layer and not self.layers >> layer & 1)

    def hides(self, nal_type, tid):
        """Whether VCL NAL units of this type and TemporalId are of hidden pictures."""
        irap = 16 <= nal_type <= 23
        if nal_type > 31 or self.irap_only and not irap or tid < self.min_tid:
            return False
        return self.hiding == 3 or self.hiding > 0 and irap or self.hiding == 2 and tid == 0

    @property
    def told(self):
        """What it says of the picture it stands before."""
        return self.period, self.lsb


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
        self.key = key
        self.check(message)
        self.message = message
        self.cipher = LayerCipher(message, self.derive("keystream"))
        self.tag_key = self.derive("authentication")

    def derive(self, label):
        m = self.message
        return hkdf(self.key, m.nonce, b"Veil %s %d" % (label.encode(), m.version) + bytes([m.layer, m.cipher]), 32)

    def check(self, message):
        """Whether a message was made under the key; it is the one in force then."""
        self.message = message
        mac = hmac.new(self.derive("key check"), message.checked_fields, hashlib.sha256).digest()
        if mac[:len(message.check)] != message.check:
            raise FormatError("layer %d: wrong key for key id %s" % (message.layer, message.key_id))


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
