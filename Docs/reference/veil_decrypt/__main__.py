# SPDX-License-Identifier: GPL-2.0-or-later
"""Reference decryptor for Veil streams, written from Docs/Format.md and H.265 alone. Slow and plain on purpose.

    python3 Docs/reference/veil_decrypt IN.hevc OUT.hevc --keys keys.json
    python3 Docs/reference/veil_decrypt --vectors            # the test vectors of Docs/Format.md

Parses the slice data of every encrypted layer (H.265 7.3.8, 9.3), decrypts the encryptable bins, and writes the arithmetic code again.
The result is the clear stream, byte for byte. Needs nothing but Python 3.8.
"""
import sys

from bits import FormatError, escape, nal_units, unescape
from keystreams import vectors
from message import TAG_UUID, UUID, Message, Unlocked, load_keys, sei_messages
from parameter_sets import ParameterSets
from slice_data import Picture, SliceData
from slice_header import Order, parse_header, rewrite_header
from tags import TaggedPicture, Tags, lower_digest, sha, vectors as tag_vectors


def decrypt(stream, keys):
    """The clear stream, and what is missing of an authenticated one."""
    sets, orders, unlocked, told = ParameterSets(), {}, {}, {}
    out, last_layer, shared, picture, header = bytearray(), -1, None, {}, {}
    tags, tagged, slices = Tags(), None, {}
    for code, unit, trailing in nal_units(stream):
        if len(unit) < 2:
            continue
        nal_type, layer, tid = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3, (unit[1] & 7) - 1
        # A picture of an authenticated layer ends with its tag.
        begins = nal_type < 32 and unit[2] & 0x80
        if tagged and (begins or layer != tagged.layer or 32 <= nal_type != 40):
            raise FormatError("layer %d: a picture without a tag" % tagged.layer)
        if nal_type in (32, 33, 34, 35, 39) and layer == 0:
            last_layer = 64
        if nal_type in (32, 33, 34):
            sets.take(nal_type, layer, unescape(unit[2:]), sha(unit))
        elif nal_type in (36, 37):
            last_layer = 64
            for i in orders:
                if i >= layer:
                    orders[i].begins = True
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
                told[m.layer] = m.told
            if found:
                continue
        elif nal_type == 40 and layer in unlocked:
            found = [p for kind, p in sei_messages(unescape(unit[2:])) if kind == 5 and p.startswith(TAG_UUID)]
            for payload in found:
                # Those of version 1 are for those who want to check them.
                if unlocked[layer].message.version == 2 and tags.take(payload, unlocked[layer], tagged):
                    tagged = None
            if found:
                continue
        elif nal_type < 32:
            rbsp = unescape(unit[2:])
            h = parse_header(rbsp, nal_type, layer, tid, sets, header.get(layer))
            header[layer] = h
            if h.first:
                if layer <= last_layer or last_layer < 0:
                    shared, slices = None, {}
                last_layer = layer
                order = orders.setdefault(layer, Order())
                irap = 16 <= nal_type <= 23
                # Version 1 announces IRAP pictures only.
                known = unlocked.get(layer)
                start = told.pop(layer, None) if irap or (known and known.message.version == 2) else None
                poc, period, delta = order.next(h, nal_type, tid, shared, start)
                shared = poc if shared is None else shared
                picture[layer] = (Picture(h, tid, irap), (period, delta))
                slices[layer] = []
                if known and known.message.version == 2 and known.message.tagged:
                    lower = lower_digest(sets.references(h.pps, layer), slices)
                    tagged = TaggedPicture(layer, known.message, period, delta, sets.in_use(h.pps), lower)
            if tagged:
                tagged.slices.append(sha(unit))
            elif layer in unlocked and unlocked[layer].message.version == 2 and unlocked[layer].message.tagged:
                raise FormatError("layer %d: a slice of no picture with a tag" % layer)
            slices[layer].append(sha(unit))
            if layer in unlocked:
                pic, position = picture[layer]
                end = len(rbsp.rstrip(b"\0"))
                data, ends = SliceData(rbsp[:end], h, pic, unlocked[layer].cipher, position).recode()
                unit = unit[:2] + escape(rewrite_header(rbsp, h, data, ends) + data + rbsp[end:])
        out += code + unit + trailing
    if tagged:
        raise FormatError("layer %d: a picture without a tag" % tagged.layer)
    return bytes(out), tags.finish()


def main(arguments):
    if arguments == ["--vectors"]:
        print("\n".join([*vectors(), *tag_vectors()]))
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
