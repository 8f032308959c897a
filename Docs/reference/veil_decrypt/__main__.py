# SPDX-License-Identifier: GPL-2.0-or-later
"""Reference decryptor for Veil streams, written from Docs/Format.md and H.265 alone. Slow and plain on purpose.

    python3 Docs/reference/veil_decrypt IN.hevc OUT.hevc --keys keys.json
    python3 Docs/reference/veil_decrypt --vectors            # the test vectors of Docs/Format.md

Parses the slice data of every encrypted layer (H.265 7.3.8, 9.3), decrypts the encryptable bins, and writes the arithmetic code again.
The result is the clear stream, byte for byte. Needs nothing but Python 3.8.
"""
import sys

from bits import FormatError, begins, escape, header, is_malformed, unescape
from following import Following
from hidden import HiddenPictures
from keystreams import vectors
from message import TAG_UUID, Unlocked, load_keys, message_of, own_payload
from parameter_sets import ParameterSets
from sealed import counter, is_sealed, open_sealed, vectors as seal_vectors
from slice_data import SliceData
from slice_header import is_slice, rewrite_header
from tags import Seen, Tags, sha, vectors as tag_vectors


class Decryptor:
    def __init__(self, keys, key_layers):
        self.keys, self.key_layers, self.sets = keys, key_layers, ParameterSets()
        # What messages are in force, by layer, and unlocked; pictures, with what was sealed; and for tags, without it.
        self.messages, self.unlocked = {}, {}
        self.following, self.seen, self.tags, self.runs = Following(self.sets), Seen(), Tags(), set()
        # Slices that could not be decrypted, by layer; layers of which some came that no tag is of; the last message of
        # all, and before the next access unit may have begun; layers of the access unit that no message covers, and that
        # of its last picture.
        self.left, self.untagged, self.statement, self.before = {}, set(), None, []
        self.uncovered, self.last_layer, self.nonce = set(), -1, None
        # Slices came in an access unit before any message; and at all.
        self.unclaimed = self.has_pictures = False

    def decrypt(self, stream):
        """The clear stream, and what is missing of an authenticated one or could not be decrypted."""
        out, hidden = bytearray(), HiddenPictures(self.keys)
        self.units = list(hidden.opened(stream))
        for number, (code, unit, trailing) in enumerate(self.units):
            unit = self.take(unit, number)
            out += b"\0" * max(len(code) - 4, 0) if unit is None else code + unit
            out += trailing
        self.end_picture()
        self.end_access_unit(self.statement)
        losses = self.tags.finish(self.seen.sealed) + hidden.losses
        if not self.messages:
            raise FormatError("no layer is encrypted")
        for layer, count in sorted(self.left.items()):
            losses.append("layer %d: %d slices could not be read and are as they were" % (layer, count))
        return bytes(out), losses

    def take(self, unit, number):
        """What becomes of a unit; None for messages and tags."""
        if is_malformed(unit):
            if self.tags.message:
                raise FormatError("what is no NAL unit, in an authenticated stream")
            self.unclaimed = self.unclaimed or not self.statement
            return unit
        if self.seen.ends(unit):
            self.end_picture()
        nal_type, layer, _ = header(unit)
        if not self.unlocked and (nal_type < 32 or nal_type in (40, 60)):
            self.enter(number)
        if layer == 0 and (32 <= nal_type <= 35 or nal_type == 39 or 41 <= nal_type <= 44 or 48 <= nal_type <= 55):
            self.before = self.before or [self.statement]
        if is_sealed(unit):
            return self.take_sealed(unit)
        if nal_type < 32:
            self.has_pictures = True
            return self.take_slice(unit)
        if nal_type in (32, 33, 34):
            for take in (self.sets.take, self.seen.take_set):
                take(nal_type, layer, unescape(unit[2:]), sha(unit))
        elif nal_type in (35, 36, 37):
            self.following.positions.boundary()
            self.seen.positions.boundary()
            self.seen.access_unit.end()
            self.last_layer = 64 if layer == 0 or nal_type != 35 else self.last_layer
            if nal_type != 35:
                if self.has_pictures and self.statement and self.statement.is_foreign(layer):
                    self.tags.losses.append("layer %d: an end of sequence of a layer that is not known" % layer)
                self.following.positions.end_of_sequence(layer)
                self.seen.end_of_sequence(layer)
        elif nal_type == 39:
            message = message_of(unit)
            if message:
                self.take_message(message)
                return None
        elif nal_type == 40:
            payload = own_payload(unit, TAG_UUID)
            known = self.unlocked.get(payload[17]) if payload and len(payload) > 18 else None
            if known:
                # Those of version 1 are for those who want to check them.
                is_checked = known.message.version == 2 and known.message.tagged
                if is_checked and self.tags.take(payload, known, self.seen.open, self.seen.sealed):
                    anew = self.seen.open.follows_end or self.seen.open.nal_type in (16, 17, 18, 19, 20)
                    self.tags.join(layer, anew)
                    self.seen.exchanges.check(self.seen.open.exchanges, layer, self.tags.losses)
                    self.seen.open = None
                return None
        return unit

    def take_message(self, m):
        known = self.unlocked.get(m.layer)
        was_tagged = known and known.message.tagged and known.message.version == 2
        is_new = not known or (known.message.nonce, known.message.key_id) != (m.nonce, m.key_id)
        periods = (0,) if is_new else (known.message.period, known.message.period + 1)
        if m.chain and m.version == 2 and m.period not in periods:
            raise FormatError("layer %d: something is missing, and its keystream never restarts" % m.layer)
        if is_new:
            if m.key_id not in self.keys:
                raise FormatError("layer %d is encrypted with key id %s, which is not there" % (m.layer, m.key_id))
            self.unlocked[m.layer] = Unlocked(m, self.keys[m.key_id])
        else:
            known.check(m)
        self.messages[m.layer] = self.statement = m
        # Another run, which need not protect all that the last one did.
        for i in [i for i, u in self.unlocked.items() if u.message.nonce != m.nonce]:
            if m.version == 2 and not m.layers >> i & 1:
                del self.unlocked[i]
        # No picture goes on from one run to the next.
        if m.nonce != self.nonce:
            self.nonce, self.seen.exchanges.seen = m.nonce, None
        if self.runs and m.nonce not in self.runs:
            self.following.end()
        self.runs.add(m.nonce)
        self.following.positions.told[m.layer] = self.seen.positions.told[m.layer] = m.told
        if m.tags_lower and any(i != m.layer and m.tags(i) for i in self.untagged):
            raise FormatError("layer %d: tells of tags of layers below, of which some came without" % m.layer)
        if m.version == 2 and self.tags.follow(m, was_tagged):
            self.seen.access_unit.placed.clear()

    def tagging(self, layer):
        """Under whose key pictures of a layer have tags."""
        known = (u for _, u in sorted(self.unlocked.items()))
        return next((u for u in known if u.message.version == 2 and u.message.tags(layer)), None)

    def end_picture(self):
        """The slices of a picture are over, and no tag came."""
        if self.seen.open and self.tagging(self.seen.open.layer):
            raise FormatError("layer %d: a picture without a tag" % self.seen.open.layer)
        self.seen.open = None

    def end_access_unit(self, statement):
        """What is clear and has a key is a forgery, unless a message says that it is left alone."""
        for layer in sorted(self.uncovered):
            if statement and statement.leaves_clear(layer):
                continue
            if layer in self.key_layers:
                raise FormatError("layer %d: is in the clear, though there is a key for it" % layer)
            if statement and statement.tagged and statement.version == 2:
                raise FormatError("layer %d: is in the clear, though the encryption protects it" % layer)
        if self.uncovered and not statement:
            self.unclaimed = True
        self.uncovered.clear()
        if self.unclaimed and self.statement:
            if self.statement.tagged:
                raise FormatError("pictures were put in front: they come before all messages")
            self.unclaimed = False

    def enter(self, number):
        """Where a stream is entered, the message whose key the tags of a layer are under stands behind its slices."""
        last = -1
        for _, unit, _ in self.units[number:]:
            if is_malformed(unit):
                continue
            nal_type, layer, _ = header(unit)
            if nal_type in (35, 36, 37) or nal_type < 32 and begins(unit) and layer <= last:
                return
            if nal_type < 32 and begins(unit):
                last = layer
            message = message_of(unit)
            if message:
                if message.tags_lower:
                    self.take_message(message)
                return

    def take_sealed(self, unit):
        self.has_pictures = True
        key_layer = unit[6] if len(unit) > 6 else None
        known = self.unlocked.get(key_layer)
        if known and known.message.tagged:
            self.tags.count(key_layer, known.message.nonce, counter(unit))
            self.tags.join(header(unit)[1], header(unit)[1] in self.seen.access_unit.ended)
        # In front of the first message that tells of tags no tag is about it.
        if self.tags.message and key_layer is not None:
            self.seen.seal(unit, key_layer, self.messages)
        if not known:
            raise FormatError("a sealed unit whose message is not there")
        unit = open_sealed(unit, known)
        if not is_malformed(unit):
            nal_type, layer, tid = header(unit)
            try:
                # A slice whose header can be read counts, whatever follows; a dependent one cannot go on behind it.
                _, picture = self.following.take(unescape(unit[2:]), nal_type, layer, tid, self.unlocked.get(layer))
                if picture:
                    picture.next = None
            except FormatError:
                pass
        return unit

    def take_slice(self, unit):
        nal_type, layer, tid = header(unit)
        before, self.before = self.before or [self.statement], []
        if begins(unit):
            if layer <= self.last_layer or self.last_layer < 0:
                self.end_access_unit(before[0])
            self.last_layer = layer
        known, tagging = self.unlocked.get(layer), self.tagging(layer)
        if self.statement and self.statement.is_foreign(layer):
            raise FormatError("layer %d: was put in: the encryption knew no such layer" % layer)
        if not known and not tagging:
            self.untagged.add(layer)
            if not self.statement or not self.statement.leaves_clear(layer):
                self.uncovered.add(layer)
        if is_slice(nal_type):
            try:
                self.seen.slice(unit, tagging, known, self.messages)
                self.tags.vps_layers = self.seen.open.vps_layers
            except FormatError as error:
                if tagging:
                    raise FormatError("layer %d: a picture that cannot be checked: %s" % (layer, error))
        elif tagging:
            raise FormatError("layer %d: a slice of no picture with a tag" % layer)
        rbsp = unescape(unit[2:])
        is_selected = known and known.message.selects(tid, 16 <= nal_type <= 23)
        # What an encryptor gave a tag it had encrypted, or sealed.
        is_tagged = is_selected and known.message.tagged and known.message.version == 2
        try:
            h, picture = self.following.take(rbsp, nal_type, layer, tid, known)
            # What is not selected, or of no picture that is known, is as it was.
            if picture and picture.cipher:
                return unit[:2] + self.recode(unit[2:], rbsp, h, picture)
            if not picture and is_tagged:
                raise FormatError("it belongs to no picture that is known")
        except (FormatError, IndexError, KeyError, ValueError) as error:
            if is_tagged:
                raise FormatError("layer %d: the tag is right, but it cannot be decrypted: %s" % (layer, error))
            if is_selected:
                self.left[layer] = self.left.get(layer, 0) + 1
        return unit

    def recode(self, payload, rbsp, h, picture):
        """The payload of a slice segment's unit, decrypted."""
        goes_on, picture.next = picture.next, None
        if escape(rbsp) != payload:
            raise FormatError("emulation prevention bytes stand where none belong")
        start = picture.layout.ts[h.address]
        if h.dependent and goes_on != start:
            raise FormatError("the slice segment before it is missing")
        end = len(rbsp.rstrip(b"\0"))
        data, ends = SliceData(rbsp[:end], h, picture).recode()
        payload = escape(rewrite_header(rbsp, h, data, ends) + data + rbsp[end:])
        if start < picture.covered:
            raise FormatError("it repeats coding tree units of a slice before it")
        picture.covered = picture.next
        return payload


def main(arguments):
    if arguments == ["--vectors"]:
        print("\n".join([*vectors(), *tag_vectors(), *seal_vectors()]))
        return
    if len(arguments) != 4 or arguments[2] != "--keys":
        sys.exit(__doc__.strip())
    source, target, _, keys = arguments
    try:
        with open(source, "rb") as f:
            stream = f.read()
        clear, losses = Decryptor(*load_keys(keys)).decrypt(stream)
        with open(target, "wb") as f:
            f.write(clear)
        for line in losses:
            print("veil_decrypt: %s" % line, file=sys.stderr)
        if losses:
            sys.exit(2)
    except (FormatError, OSError) as error:
        sys.exit("veil_decrypt: %s" % error)


if __name__ == "__main__":
    main(sys.argv[1:])
