# SPDX-License-Identifier: GPL-2.0-or-later
"""The encryption messages of a stream and the key file (Format.md, "The message" and "Keys")."""
import hashlib
import hmac
import json
import struct

from bits import FormatError, escape, unescape
from keystreams import KEYSTREAMS, hkdf
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
        if self.cipher not in KEYSTREAMS or self.scheme not in (1, 2, 3) or self.profile not in (1, 2):
            raise FormatError("unknown fields of the encryption message")
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

    def leaves_clear(self, layer):
        """Whether the run does not protect a layer."""
        if self.version == 2:
            return not self.layers >> layer & 1
        return layer != self.layer and self.scheme in (1, 3)

    def is_foreign(self, layer):
        """Whether the run cannot have known a layer."""
        above = self.scheme == 3 and self.layers < 1 << layer
        return self.version == 2 and self.tagged and self.leaves_clear(layer) and (self.scheme == 2 or above)

    def hides(self, nal_type, tid):
        """Whether VCL NAL units of this type and TemporalId are of hidden pictures."""
        irap = 16 <= nal_type <= 23
        if nal_type > 31 or self.irap_only and not irap or tid < self.min_tid:
            return False
        return self.hiding == 3 or self.hiding > 0 and irap or self.hiding == 2 and tid == 0

    def selects(self, tid, irap):
        """Whether a picture is encrypted at all."""
        return tid >= self.min_tid and (irap or not self.irap_only)

    @property
    def told(self):
        """What it says of the picture it stands before."""
        return self.period, self.lsb


def load_keys(path):
    """Key id to key, and the layers that there are keys for."""
    try:
        with open(path, "rb") as f:
            return keys_of(json.load(f))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FormatError("%s is not a key file" % path)


def keys_of(data):
    keys = {e["id"]: bytes.fromhex(e["key"]) for e in data.get("layers") or []}
    layers = {e["layer"] for e in data.get("layers") or []}
    master = data.get("master")
    if master:
        for layer in range(master["layers"]):
            keys["%s/%d" % (master["id"], layer)] = hkdf(
                bytes.fromhex(master["key"]), b"", b"Veil layer key 1" + bytes([layer]), 32)
            layers.add(layer)
    return keys, layers


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


def own_payload(unit, uuid):
    """Of an SEI unit that holds a message or tag and nothing else, as an encryptor writes it; None of others."""
    rbsp = unescape(unit[2:])
    at = rbsp.find(uuid)
    payload = rbsp[at:-1]
    size = len(payload)
    whole = bytes([5] + [255] * (size // 255) + [size % 255]) + payload + b"\x80"
    return payload if at > 0 and escape(whole) == unit[2:] else None


def message_of(unit):
    """The encryption message in a NAL unit, if it is one."""
    payload = own_payload(unit, UUID) if unit[0] >> 1 & 63 == 39 else None
    try:
        return Message(payload) if payload else None
    except (IndexError, struct.error, UnicodeDecodeError):
        raise FormatError("the encryption message is cut short")
