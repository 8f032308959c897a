# SPDX-License-Identifier: GPL-2.0-or-later
"""The tags of authenticated streams of version 2 (Format.md, "Tags")."""
import hashlib
import hmac
import itertools
import struct

from bits import FormatError
from keystreams import hkdf
from message import UUID, Message, Unlocked
from parameter_sets import references

EMPTY = hashlib.sha256(b"").digest()


def sha(data):
    return hashlib.sha256(data).digest()


class TaggedPicture:
    """What a picture is decoded from. unlocked: the key that its tag is under, which may be that of a layer above."""

    def __init__(self, layer, unlocked, period, delta, sets, lower, follows_end):
        self.layer, self.unlocked, self.period, self.delta = layer, unlocked, period, delta
        self.sets, self.slices, self.lower, self.follows_end = sets, [], lower, follows_end

    def tag(self, index, count, lower, sealed=()):
        message = self.unlocked.message
        sets = (bytes(32) if self.layer == 0 else self.sets[0]) + self.sets[1] + self.sets[2]
        if self.layer == message.layer:
            text = b"Veil picture 2" + struct.pack(">4I", self.period, self.delta & 0xFFFFFFFF, index, count) + lower
            text += message.hash + sets + b"".join([*self.slices, *sealed])
        else:
            text = b"Veil lower picture 2" + bytes([self.layer]) + struct.pack(">2I", index, count) + lower + sets
            text += b"".join(self.slices)
        return hmac.new(self.unlocked.tag_key, text, hashlib.sha256).digest()[:16]


def end_tag(unlocked, kind, index, lower, sealed):
    label = b"Veil " + (b"run " if kind == 3 else b"") + (b"lower " if lower is not None else b"") + b"end 2"
    text = label + (bytes([lower]) if lower is not None else b"") + struct.pack(">I", index)
    text += b"".join(sealed) if lower is None else b""
    return hmac.new(unlocked.tag_key, text, hashlib.sha256).digest()[:16]


class AccessUnit:
    """What lower digests are of: digests of SPS, PPS, slices and sealed units, by layer."""

    def __init__(self):
        # Headers (type, sub-layer) of first slices; whether it began with a sealed unit; the layer of the last unit;
        # layers whose next slice or sealed unit follows an end of sequence; layers of which one came in this stream.
        self.layers, self.headers, self.began_sealed, self.last, self.ended, self.placed = {}, {}, False, 64, set(), set()

    def end(self):
        self.began_sealed, self.last = False, 64

    def seal(self, unit, layer, is_within, references, message):
        """Takes a sealed unit; returns the lower digest at its place, and whether an end of sequence came before: as it is,
        and where nobody can know, as it might have been."""
        if not is_within and layer <= self.last:
            self.layers, self.headers, self.began_sealed = {}, {}, True
        below = [i for i in references if not (message and message.version == 2 and message.layers >> i & 1
                                               and i in self.headers and message.hides(*self.headers[i]))]
        lower = lower_digest(below, self.layers)
        self.layers.setdefault(layer, []).append(sha(unit))
        self.last = layer
        follows_end, is_first = layer in self.ended, layer not in self.placed
        self.ended.discard(layer)
        self.placed.add(layer)
        return [lower + bytes([end]) for end in ((follows_end, not follows_end) if is_first else (follows_end,))]

    def goes_on(self, layer, first):
        """Whether a picture belongs to an access unit that a sealed unit began."""
        return self.began_sealed and (layer > self.last or layer == self.last and not first)

    def begin(self, layer, opens, header):
        """A picture begins with its first slice."""
        if opens and not self.goes_on(layer, True):
            self.layers, self.headers, self.began_sealed = {}, {}, False
        self.ended.discard(layer)
        self.placed.add(layer)
        self.headers[layer], self.last = header, layer


def all_references(vps, layer, protected):
    """The direct reference layers, and theirs where they are not protected, ascending."""
    found, waiting = set(), references(vps, layer)
    while waiting:
        i = waiting.pop()
        if i not in found:
            found.add(i)
            if not protected >> i & 1:
                waiting += references(vps, i)
    return sorted(found)


def lower_digest(references, slices):
    """Of what there is of the access unit in the layers that a layer refers to; zeros where there is nothing."""
    text = b"".join(bytes([i]) + b"".join(slices[i]) for i in references if i in slices)
    return sha(text)[:16] if text else bytes(16)


class Tags:
    """Checks the tags of a stream; says what is missing."""

    def __init__(self):
        # By run and layer; and by layer over all runs.
        self.next, self.reached, self.ended, self.losses = {}, {}, {}, []
        self.started, self.nonce = set(), None

    def follow(self, nonce):
        """A message of a run came: the next one of the same encryption, or the stream is joined with another. Returns
        whether it is."""
        joined = False
        if self.nonce not in (None, nonce):
            following = self.nonce
            for missing in range(64):
                following = hashlib.sha256(b"Veil run 2" + following).digest()[:16]
                if following == nonce:
                    break
            else:
                self.lose_runs()
                self.reached = {}
                self.losses.append("streams were joined")
                joined = True
        self.nonce = nonce
        return joined

    def lose_runs(self):
        if any(run[1] == self.nonce and kind == 3 for run, kind in self.ended.items()):
            self.losses.append("what followed the last run was cut off")

    def take(self, payload, unlocked, picture, sealed):
        """payload: of the suffix SEI message; sealed: hashes of the units sealed since the layer's last tag, which are
        taken out. Returns whether it was the picture's."""
        version, kind, at = payload[16], payload[18] & 127, 23
        lower_layer = payload[23] if payload[18] & 128 else None
        layer = payload[17] if lower_layer is None else lower_layer
        at += lower_layer is not None
        run = (layer, unlocked.message.nonce)
        if version != 2 or not 1 <= kind <= 3:
            raise FormatError("layer %d: a tag of another version" % layer)
        if not unlocked.message.tags(layer):
            raise FormatError("layer %d: a tag under another layer's key" % layer)
        choices = [()]
        if lower_layer is None:
            choices = list(itertools.product(*sealed.pop(layer, [])))
        index, = struct.unpack(">I", payload[19:23])
        expected = self.next.get(run, self.reached.get(layer, 0))
        if kind != 1:
            made = [end_tag(unlocked, kind, index, lower_layer, s) for s in choices]
            if payload[at:at + 16] not in made or index < expected or run in self.ended:
                raise FormatError("layer %d: the end was made up" % layer)
            self.ended[run] = kind
        else:
            if picture is None or picture.layer != layer:
                return False
            count, lower = struct.unpack(">I", payload[at:at + 4])[0], payload[at + 4:at + 20]
            follows_end = count >> 31
            made = [picture.tag(index, count, lower, s) for s in choices]
            if count & 0x3FFFFFFF != len(picture.slices) or payload[at + 20:at + 36] not in made:
                raise FormatError("layer %d: a picture was changed" % layer)
            if lower != picture.lower:
                raise FormatError("layer %d: the layer below was exchanged, or is missing" % layer)
            if index < expected or run in self.ended:
                raise FormatError("layer %d: a picture was repeated or moved" % layer)
            if run in self.started and follows_end != picture.follows_end:
                if follows_end:
                    raise FormatError("layer %d: an end of sequence was taken out" % layer)
                self.losses.append("layer %d: an end of sequence was put in" % layer)
            self.started.add(run)
        if index > expected:
            self.losses.append("layer %d: %d pictures are missing" % (layer, index - expected))
        self.next[run] = self.reached[layer] = index + (kind == 1)
        return kind == 1

    def finish(self):
        self.losses += ["layer %d: the end is missing" % run[0] for run in self.next if run not in self.ended]
        self.lose_runs()
        return self.losses


def vectors():
    """The test vectors of Format.md: commitment and tags of a made-up message, picture and end."""
    key, nonce = bytes(range(32)), bytes(range(16))
    start = UUID + bytes([2, 2, 1, 1, 1, 17]) + struct.pack(">HBIHQ", 0x1F, 0, 3, 5, 3) + nonce
    check = hkdf(key, nonce, b"Veil key check 2" + bytes([1, 1]), 32)
    commitment = hmac.new(check, start + bytes(32) + b"\1k", hashlib.sha256).digest()
    message = Unlocked(Message(start + commitment + b"\1k"), key)
    picture = TaggedPicture(1, message, 3, 2, [sha(b"vps"), sha(b"sps"), sha(b"pps")], bytes(16), False)
    below = TaggedPicture(0, message, 3, 2, [sha(b"vps"), sha(b"sps"), sha(b"pps")], bytes(16), False)
    picture.slices = below.slices = [sha(b"slice")]
    yield "| commitment | %s |" % commitment.hex()
    yield "| tag of a picture | %s |" % picture.tag(7, 1, bytes(16)).hex()
    yield "| tag of a picture of layer 0 below, after an end of sequence | %s |" % below.tag(7, 1 << 31 | 1, bytes(16)).hex()
    yield "| tag of an end | %s |" % end_tag(message, 2, 9, None, ()).hex()
    yield "| tag of a run's end in layer 0 below | %s |" % end_tag(message, 3, 9, 0, ()).hex()
