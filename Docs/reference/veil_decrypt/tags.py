# SPDX-License-Identifier: GPL-2.0-or-later
"""The tags of authenticated streams of version 2 (Format.md, "Tags")."""
import hashlib
import hmac
import struct

from bits import FormatError
from keystreams import hkdf
from message import UUID, Message, Unlocked

EMPTY = hashlib.sha256(b"").digest()


def sha(data):
    return hashlib.sha256(data).digest()


class TaggedPicture:
    """What a picture is decoded from."""

    def __init__(self, layer, message, period, delta, sets, lower):
        self.layer, self.message, self.period, self.delta = layer, message, period, delta
        self.sets, self.slices, self.lower = sets, [], lower

    def tag(self, key, index, count, lower, sealed=()):
        text = b"Veil picture 2" + struct.pack(">4I", self.period, self.delta & 0xFFFFFFFF, index, count) + lower
        text += self.message.hash + (bytes(32) if self.layer == 0 else self.sets[0]) + self.sets[1] + self.sets[2]
        return hmac.new(key, text + b"".join([*self.slices, *sealed]), hashlib.sha256).digest()[:16]


def all_references(sets, pps, layer, protected):
    """The direct reference layers, and theirs where they are not protected, ascending."""
    found, waiting = set(), list(sets.references(pps, layer))
    while waiting:
        i = waiting.pop()
        if i not in found:
            found.add(i)
            if not protected >> i & 1:
                waiting += sets.references(pps, i)
    return sorted(found)


def lower_digest(references, slices):
    """Of SPS, PPS and slices of the access unit in the layers that a layer refers to; zeros where there are none."""
    text = b"".join(bytes([i]) + b"".join(slices[i]) for i in references if i in slices)
    return sha(text)[:16] if text else bytes(16)


class Tags:
    """Checks the tags of a stream; says what is missing."""

    def __init__(self):
        self.next, self.ended, self.losses = {}, set(), []

    def take(self, payload, unlocked, picture, sealed):
        """payload: of the suffix SEI message; sealed: hashes of the units sealed since the layer's last tag. Returns
        whether it was the picture's."""
        version, layer, kind = payload[16], payload[17], payload[18]
        run = (layer, unlocked.message.nonce)
        if version != 2:
            raise FormatError("layer %d: a tag of another version" % layer)
        index, = struct.unpack(">I", payload[19:23])
        expected = self.next.get(run, 0)
        if kind == 2:
            text = b"Veil end 2" + payload[19:23] + b"".join(sealed)
            made = hmac.new(unlocked.tag_key, text, hashlib.sha256).digest()[:16]
            if made != payload[23:39] or index < expected or run in self.ended:
                raise FormatError("layer %d: the end was made up" % layer)
            self.ended.add(run)
        else:
            if picture is None:
                return False
            count, lower = struct.unpack(">I", payload[23:27])[0], payload[27:43]
            if count != len(picture.slices) or picture.tag(unlocked.tag_key, index, count, lower, sealed) != payload[43:59]:
                raise FormatError("layer %d: a picture was changed" % layer)
            if lower != picture.lower:
                raise FormatError("layer %d: the layer below was exchanged, or is missing" % layer)
            if index < expected or run in self.ended:
                raise FormatError("layer %d: a picture was repeated or moved" % layer)
        if index > expected:
            self.losses.append("layer %d: %d pictures are missing" % (layer, index - expected))
        self.next[run] = index + (kind == 1)
        return kind == 1

    def finish(self):
        self.losses += ["layer %d: the end is missing" % run[0] for run in self.next if run not in self.ended]
        return self.losses


def vectors():
    """The test vectors of Format.md: commitment and tags of a made-up message, picture and end."""
    key, nonce = bytes(range(32)), bytes(range(16))
    start = UUID + bytes([2, 2, 1, 1, 1, 17]) + struct.pack(">HBIHQ", 0x1F, 0, 3, 5, 3) + nonce
    check = hkdf(key, nonce, b"Veil key check 2" + bytes([1, 1]), 32)
    commitment = hmac.new(check, start + bytes(32) + b"\1k", hashlib.sha256).digest()
    message = Unlocked(Message(start + commitment + b"\1k"), key)
    picture = TaggedPicture(1, message.message, 3, 2, [sha(b"vps"), sha(b"sps"), sha(b"pps")], bytes(16))
    picture.slices = [sha(b"slice")]
    yield "| commitment | %s |" % commitment.hex()
    yield "| tag of a picture | %s |" % picture.tag(message.tag_key, 7, 1, bytes(16)).hex()
    yield "| tag of an end | %s |" % hmac.new(
        message.tag_key, b"Veil end 2" + struct.pack(">I", 9), hashlib.sha256).digest()[:16].hex()
