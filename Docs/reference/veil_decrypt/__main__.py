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


def decrypt(stream, keys):
    """The clear stream."""
    sets, orders, unlocked, told = ParameterSets(), {}, {}, {}
    out, last_layer, shared, picture, header = bytearray(), -1, None, {}, {}
    for code, unit, trailing in nal_units(stream):
        if len(unit) < 2:
            continue
        nal_type, layer, tid = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3, (unit[1] & 7) - 1
        if nal_type in (32, 33, 34, 35, 39) and layer == 0:
            last_layer = 64
        if nal_type in (32, 33, 34):
            sets.take(nal_type, layer, unescape(unit[2:]))
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
                told[m.layer] = m.irap_index
            if found:
                continue
        elif nal_type == 40 and layer in unlocked:
            # Tags are checked by those who want to (Format.md, "Tags"); the clear stream has none.
            if any(kind == 5 and p.startswith(TAG_UUID) for kind, p in sei_messages(unescape(unit[2:]))):
                continue
        elif nal_type < 32:
            rbsp = unescape(unit[2:])
            h = parse_header(rbsp, nal_type, layer, tid, sets, header.get(layer))
            header[layer] = h
            if h.first:
                if layer <= last_layer:
                    shared = None
                last_layer = layer
                order = orders.setdefault(layer, Order())
                irap = 16 <= nal_type <= 23
                poc, index, delta = order.next(h, nal_type, tid, shared, told.pop(layer, None) if irap else None)
                shared = poc if shared is None else shared
                picture[layer] = (Picture(h, tid, irap), (index, delta))
            if layer in unlocked:
                pic, position = picture[layer]
                end = len(rbsp.rstrip(b"\0"))
                data, ends = SliceData(rbsp[:end], h, pic, unlocked[layer].cipher, position).recode()
                unit = unit[:2] + escape(rewrite_header(rbsp, h, data, ends) + data + rbsp[end:])
        out += code + unit + trailing
    return bytes(out)


def main(arguments):
    if arguments == ["--vectors"]:
        print("\n".join(vectors()))
        return
    if len(arguments) != 4 or arguments[2] != "--keys":
        sys.exit(__doc__.strip())
    source, target, _, keys = arguments
    try:
        with open(source, "rb") as f:
            stream = f.read()
        clear = decrypt(stream, load_keys(keys))
        with open(target, "wb") as f:
            f.write(clear)
    except (FormatError, OSError) as error:
        sys.exit("veil_decrypt: %s" % error)


if __name__ == "__main__":
    main(sys.argv[1:])
