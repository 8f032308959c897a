# SPDX-License-Identifier: GPL-2.0-or-later
"""Reference decryptor for Veil streams, written from Docs/Format.md and H.265 alone. Slow and plain on purpose.

    python3 Docs/reference/veil_decrypt IN.hevc OUT.hevc --keys keys.json
    python3 Docs/reference/veil_decrypt --vectors            # the test vectors of Docs/Format.md

Parses the slice data of every encrypted layer (H.265 7.3.8, 9.3), decrypts the encryptable bins, and writes the arithmetic code again.
The result is the clear stream, byte for byte. Needs nothing but Python 3.8.
"""
import struct
import sys

from bits import FormatError, escape, unescape
from hidden import HiddenPictures
from keystreams import vectors
from message import TAG_UUID, UUID, Message, Unlocked, load_keys, sei_messages
from parameter_sets import ParameterSets
from sealed import follow_sealed, is_sealed, open_sealed, vectors as seal_vectors
from slice_data import Picture, SliceData
from slice_header import Positions, parse_header, rewrite_header
from tags import AccessUnit, TaggedPicture, Tags, all_references, lower_digest, sha, vectors as tag_vectors


def decrypt(stream, keys):
    """The clear stream, and what is missing of an authenticated one."""
    sets, unlocked, out, header, picture = ParameterSets(), {}, bytearray(), {}, {}
    # Where pictures stand, those counted that sealed slices belong to; and for tags, without them.
    positions, seen = Positions(), Positions()
    tags, tagged, access_unit, sealed, ended = Tags(), None, AccessUnit(), {}, set()

    def begin(h, nal_type, layer, tid):
        known = unlocked.get(layer)
        position = positions.next(h, nal_type, layer, tid, known)[1:]
        picture[layer] = (Picture(h, tid, 16 <= nal_type <= 23), position)

    hidden = HiddenPictures(keys)
    units = list(hidden.opened(stream))

    def protected(layer):
        return unlocked[layer].message.layers if layer in unlocked else -1

    def enter(i, layer):
        """Where a stream is entered, the message whose key the tags of a layer are under stands behind its slices."""
        for _, unit, _ in units[i + 1:]:
            nal_type, other = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3 if len(unit) > 1 else 0
            if len(unit) < 3 or nal_type < 32 and other <= layer and unit[2] & 0x80:
                return
            if nal_type == 39:
                for kind, p in sei_messages(unescape(unit[2:])):
                    m = Message(p) if kind == 5 and p.startswith(UUID) else None
                    if m and m.tags_lower and m.layer > layer and m.layer not in unlocked and m.key_id in keys:
                        unlocked[m.layer] = Unlocked(m, keys[m.key_id])

    for number, (code, unit, trailing) in enumerate(units):
        if len(unit) < 2 or unit[0] & 0x80 or not unit[1] & 7:
            out += code + unit + trailing
            continue
        nal_type, layer, tid = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3, (unit[1] & 7) - 1
        if is_sealed(unit):
            key_layer = unescape(unit[2:])[4]
            is_within = bool(tagged and tagged.layer == layer)
            place = len(tagged.slices) if is_within else 0
            message = unlocked[key_layer].message if key_layer in unlocked else None
            references = all_references(sets.any_vps(), layer, protected(layer))
            around = unit + struct.pack(">I", place) + sets.around_sealed(layer)
            places = access_unit.seal(unit, layer, is_within, references, message)
            sealed.setdefault(key_layer, []).append([sha(around + place) for place in places])
            if key_layer in unlocked:
                unit = open_sealed(unit, unlocked[key_layer])
                follow_sealed(unit, sets, header, begin)
            out += code + unit + trailing
            continue
        # A picture of an authenticated layer ends with its tag.
        begins = nal_type < 32 and unit[2] & 0x80
        if tagged and (begins or layer != tagged.layer or 32 <= nal_type != 40):
            raise FormatError("layer %d: a picture without a tag" % tagged.layer)
        if nal_type in (32, 33, 34, 35, 39) and layer == 0:
            positions.last_layer = seen.last_layer = 64
        if nal_type in (35, 36, 37):
            access_unit.end()
        if nal_type in (32, 33, 34):
            sets.take(nal_type, layer, unescape(unit[2:]), sha(unit))
        elif nal_type in (36, 37):
            positions.end_of_sequence(layer)
            seen.end_of_sequence(layer)
            ended.update(range(layer, 63))
            access_unit.ended.update(range(layer, 63))
        elif nal_type == 39:
            found = [Message(p) for kind, p in sei_messages(unescape(unit[2:])) if kind == 5 and p.startswith(UUID)]
            for m in found:
                known = unlocked.get(m.layer)
                if not known or (known.message.nonce, known.message.key_id) != (m.nonce, m.key_id):
                    if m.key_id not in keys:
                        raise FormatError("layer %d is encrypted with key id %s, which is not there" % (m.layer, m.key_id))
                    unlocked[m.layer] = Unlocked(m, keys[m.key_id])
                else:
                    known.check(m)
                # Another run, which need not protect all that the last one did.
                for i in [i for i, u in unlocked.items() if u.message.nonce != m.nonce]:
                    if m.version == 2 and not m.layers >> i & 1:
                        del unlocked[i]
                positions.told[m.layer] = seen.told[m.layer] = m.told
                if m.version == 2 and m.tagged and tags.follow(m.nonce):
                    access_unit.placed.clear()
            if found:
                continue
        elif nal_type == 40:
            found = [p for kind, p in sei_messages(unescape(unit[2:])) if kind == 5 and p.startswith(TAG_UUID)]
            found = [p for p in found if p[17] in unlocked]
            for payload in found:
                # Those of version 1 are for those who want to check them.
                if unlocked[payload[17]].message.version == 2:
                    if tags.take(payload, unlocked[payload[17]], tagged, sealed):
                        tagged = None
            if found:
                continue
        elif nal_type < 32:
            rbsp = unescape(unit[2:])
            h = parse_header(rbsp, nal_type, layer, tid, sets, header.get(layer))
            header[layer] = h
            known = unlocked.get(layer)
            if not known and h.first:
                enter(number, layer)
            tagging = next((u for _, u in sorted(unlocked.items()) if u.message.version == 2 and u.message.tags(layer)), None)
            if h.first:
                begin(h, nal_type, layer, tid)
                opens, period, delta = seen.next(h, nal_type, layer, tid, known)
                access_unit.begin(layer, opens, (nal_type, tid))
                access_unit.layers[layer] = sets.in_use(h.pps)[1:3]
                follows_end = layer in ended
                ended.discard(layer)
                if tagging:
                    lower = lower_digest(all_references(sets.vps_of(h.pps), layer, protected(layer)), access_unit.layers)
                    tagged = TaggedPicture(layer, tagging, period, delta, sets.in_use(h.pps), lower, follows_end)
            if tagged:
                tagged.slices.append(sha(unit))
            elif tagging:
                raise FormatError("layer %d: a slice of no picture with a tag" % layer)
            access_unit.layers.setdefault(layer, []).append(sha(unit))
            if known:
                pic, position = picture[layer]
                end = len(rbsp.rstrip(b"\0"))
                data, ends = SliceData(rbsp[:end], h, pic, unlocked[layer].cipher, position).recode()
                unit = unit[:2] + escape(rewrite_header(rbsp, h, data, ends) + data + rbsp[end:])
        out += code + unit + trailing
    if tagged:
        raise FormatError("layer %d: a picture without a tag" % tagged.layer)
    return bytes(out), tags.finish() + hidden.losses


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
        clear, losses = decrypt(stream, load_keys(keys))
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
