# SPDX-License-Identifier: GPL-2.0-or-later
"""The tags of authenticated streams of version 2 (Format.md, "Tags")."""
import hashlib
import hmac
import itertools
import struct

from bits import FormatError, begins, header, unescape
from exchanges import Exchanges
from keystreams import hkdf
from message import UUID, Message, Unlocked
from parameter_sets import ParameterSets, references
from sealed import is_sealed
from slice_header import Positions, is_slice, parse_header

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

    def clear(self, began_sealed):
        self.layers, self.headers, self.began_sealed = {}, {}, began_sealed

    def seal(self, unit, layer, is_within, references, message):
        """Takes a sealed unit; returns the lower digest at its place, and whether an end of sequence came before: as it is,
        and where nobody can know, as it might have been."""
        if not is_within and layer <= self.last:
            self.clear(True)
        below = [i for i in references if not (message and message.version == 2 and message.layers >> i & 1
                                               and i in self.headers and message.hides(*self.headers[i]))]
        lower = lower_digest(below, self.layers)
        self.layers.setdefault(layer, []).append(sha(unit))
        self.last = layer
        follows_end, is_first = layer in self.ended, layer not in self.placed
        self.place(layer)
        return [lower + bytes([end]) for end in ((follows_end, not follows_end) if is_first else (follows_end,))]

    def place(self, layer):
        self.ended.discard(layer)
        self.placed.add(layer)

    def goes_on(self, layer, first):
        """Whether a picture belongs to an access unit that a sealed unit began."""
        return self.began_sealed and (layer > self.last or layer == self.last and not first)


class Seen:
    """Follows a stream as it is, for tags: sealed units belong to no picture."""

    def __init__(self):
        self.sets, self.positions, self.access_unit = ParameterSets(), Positions(), AccessUnit()
        # Layers whose next picture follows an end of sequence; hashes of sealed units under the key of a layer since
        # its last tag; the picture whose slices come.
        self.ended, self.sealed, self.open, self.exchanges = set(), {}, None, Exchanges()

    def take_set(self, nal_type, layer, rbsp, digest):
        self.exchanges.take(nal_type, layer, rbsp, digest)
        self.sets.take(nal_type, layer, rbsp, digest)

    def ends(self, unit):
        """Whether the picture whose slices come is over before this unit."""
        nal_type, layer, _ = header(unit)
        if self.open and layer == self.open.layer:
            return not (nal_type == 40 or is_sealed(unit) or is_slice(nal_type) and not begins(unit))
        return bool(self.open)

    def end_of_sequence(self, layer):
        self.positions.end_of_sequence(layer)
        self.ended.update(range(layer, 63))
        self.access_unit.ended.update(range(layer, 63))

    def seal(self, unit, key_layer, messages):
        layer = header(unit)[1]
        self.exchanges.use()
        is_within = self.open is not None and self.open.layer == layer
        place = len(self.open.slices) if is_within else 0
        around = unit + struct.pack(">I", place) + self.sets.around_sealed(layer)
        references = all_references(self.sets.any_vps(), layer, messages.get(layer))
        places = self.access_unit.seal(unit, layer, is_within, references, messages.get(key_layer))
        self.sealed.setdefault(key_layer, []).append([sha(around + place) for place in places])

    def slice(self, unit, tagging, known, messages):
        """A slice segment; FormatError where it begins a picture and cannot be read. tagging: whose key is for tags."""
        layer = header(unit)[1]
        # Where the first slice segment was sealed, another one begins what there is of the picture.
        if begins(unit) or self.open is None or self.open.layer != layer:
            self.begin(unit, tagging, known, messages)
        self.open.slices.append(sha(unit))
        self.access_unit.layers[layer].append(sha(unit))
        self.access_unit.headers.setdefault(layer, (header(unit)[0], header(unit)[2]))

    def begin(self, unit, tagging, known, messages):
        nal_type, layer, tid = header(unit)
        access_unit, self.open = self.access_unit, None
        goes_on = access_unit.goes_on(layer, begins(unit))
        before = access_unit.layers.pop(layer, [])
        access_unit.headers.pop(layer, None)
        access_unit.place(layer)
        h = parse_header(unescape(unit[2:]), nal_type, layer, tid, self.sets, None)
        self.exchanges.use((34, h.pps.id), (33, h.pps.sps))
        opens, period, delta = self.positions.next(h, nal_type, layer, tid, known)
        if opens and not goes_on:
            access_unit.clear(False)
        if not goes_on or layer != access_unit.last:
            before = []
        access_unit.last = layer
        vps, sets = self.sets.vps_of(h.pps), self.sets.in_use(h.pps, layer)
        lower = lower_digest(all_references(vps, layer, messages.get(layer)), access_unit.layers)
        access_unit.layers[layer] = sets[1:] + before
        self.open = TaggedPicture(layer, tagging, period, delta, sets, lower, layer in self.ended)
        self.open.exchanges = self.exchanges.counts
        self.open.nal_type = nal_type
        vps = vps or self.sets.any_vps()
        self.open.vps_layers = vps.layers if vps else [0]
        self.ended.discard(layer)


def all_references(vps, layer, message):
    """The direct reference layers, and theirs where the layer's message does not name them, ascending."""
    found, waiting = set(), references(vps, layer)
    protected = message.layers if message and message.version == 2 else -1
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
        # By run and layer; and by layer over all runs of an encryption.
        self.next, self.reached, self.ended, self.counters, self.losses = {}, {}, {}, {}, []
        # Layers and runs of which a picture came before; the run at hand; the last message that tells of tags; layers
        # of the VPS.
        self.started, self.nonce, self.message, self.vps_layers = set(), None, None, [0]
        # Behind a joint: layers of which something came.
        self.joined = set(range(64))

    def begin(self, layer, nonce):
        if (layer, nonce) not in self.next:
            self.next[layer, nonce] = self.reached.get(layer, 0)
            if self.next[layer, nonce]:
                self.started.add((layer, nonce))

    def follow(self, m, was_tagged):
        """A message came; was_tagged: the last one of its layer told of tags. Returns whether the stream is joined with
        another here: the run is not a next one of the same encryption."""
        joined = False
        if not m.tagged and (was_tagged or self.message and m.nonce != self.nonce):
            raise FormatError("layer %d: goes on without tags, which it had before" % m.layer)
        if self.nonce not in (None, m.nonce) and m.tagged:
            self.lose_layers()
            following = self.nonce
            for missing in range(64):
                following = hashlib.sha256(b"Veil run 2" + following).digest()[:16]
                if following == m.nonce:
                    if missing:
                        self.losses.append("%d runs are missing" % missing)
                    break
            else:
                self.lose_runs()
                self.reached, self.joined = {}, set()
                self.losses.append("streams were joined")
                joined = True
        self.nonce = m.nonce
        if m.tagged:
            self.message = m
            self.begin(m.layer, m.nonce)
        return joined

    def lose_runs(self):
        if any(run[1] == self.nonce and kind == 3 for run, kind in self.ended.items()):
            self.losses.append("what followed the last run was cut off")

    def lose_layers(self):
        """Each layer of a run has a message or a tag, an end at least. Of the clear ones below the base layer is always
        there, others where the VPS names them."""
        m = self.message
        for layer in range(63) if m else ():
            is_below = m.tags(layer) and layer != m.layer and layer in [0] + self.vps_layers
            if (m.layers >> layer & 1 or is_below) and (layer, m.nonce) not in self.next:
                self.losses.append("layer %d: what follows picture %d is missing" % (layer, self.reached.get(layer, 0)))

    def join(self, layer, anew):
        """A picture or sealed unit came. After a joint decoders go on with the stream before, unless it begins anew."""
        if layer not in self.joined and not anew:
            raise FormatError("layer %d: begins behind another stream without an end of sequence" % layer)
        self.joined.add(layer)

    def count(self, layer, nonce, counter):
        """A sealed unit under the key of a layer: they come in order."""
        if (layer, nonce) in self.next:
            if counter <= self.counters.get((layer, nonce), -1):
                raise FormatError("layer %d: a sealed unit was repeated or moved" % layer)
            self.counters[layer, nonce] = counter

    def take(self, payload, unlocked, picture, sealed):
        """payload: of the suffix SEI message; sealed: hashes of the units sealed since the layer's last tag, which are
        taken out. Returns whether it was the picture's."""
        version, kind, at = payload[16], payload[18] & 127, 23
        lower_layer = payload[23] if payload[18] & 128 and len(payload) > 23 else None
        layer = payload[17] if lower_layer is None else lower_layer
        at += lower_layer is not None
        run = (layer, unlocked.message.nonce)
        if version != 2 or not 1 <= kind <= 3 or len(payload) != at + (36 if kind == 1 else 16):
            raise FormatError("layer %d: a tag of another version" % layer)
        if not unlocked.message.tags(layer):
            raise FormatError("layer %d: a tag under another layer's key" % layer)
        index, = struct.unpack(">I", payload[19:23])
        self.begin(*run)
        expected = self.next[run]
        # What stands behind a picture that is lost tells nothing.
        if kind == 1 and (picture is None or picture.layer != layer):
            return False
        choices = [()]
        if lower_layer is None:
            choices = list(itertools.product(*sealed.pop(layer, [])))
        if kind != 1:
            made = [end_tag(unlocked, kind, index, lower_layer, s) for s in choices]
            if payload[at:at + 16] not in made or index < expected or run in self.ended:
                raise FormatError("layer %d: the end was made up" % layer)
            self.ended[run] = kind
        else:
            count, lower = struct.unpack(">I", payload[at:at + 4])[0], payload[at + 4:at + 20]
            follows_end = count >> 31
            made = [picture.tag(index, count, lower, s) for s in choices]
            if count & 0x3FFFFFFF != len(picture.slices) or payload[at + 20:at + 36] not in made:
                raise FormatError("layer %d: a picture was changed" % layer)
            if any(unlocked.message.is_foreign(i) for i in picture.vps_layers):
                raise FormatError("layer %d: its VPS names a layer that the encryption did not know" % layer)
            if lower != picture.lower:
                if picture.lower != bytes(16):
                    raise FormatError("layer %d: the layer below was exchanged" % layer)
                self.losses.append("layer %d: a picture is there without the one below" % layer)
            if index < expected or run in self.ended:
                raise FormatError("layer %d: a picture was repeated or moved" % layer)
            if run in self.started and follows_end != picture.follows_end:
                if follows_end:
                    raise FormatError("layer %d: an end of sequence was taken out" % layer)
                self.losses.append("layer %d: an end of sequence was put in" % layer)
            self.started.add(run)
        if index > expected and unlocked.message.chain and lower_layer is None:
            raise FormatError("layer %d: pictures are missing, and its keystream never restarts" % layer)
        if index > expected:
            self.losses.append("layer %d: %d pictures are missing" % (layer, index - expected))
        self.next[run] = self.reached[layer] = index + (kind == 1)
        return kind == 1

    def finish(self, sealed):
        for layer, nonce in self.ended:
            if nonce == self.nonce and sealed.get(layer):
                raise FormatError("layer %d: a sealed unit came after its end" % layer)
        self.losses += ["layer %d: the end is missing" % run[0] for run in self.next if run not in self.ended]
        self.lose_runs()
        self.lose_layers()
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
