# SPDX-License-Identifier: GPL-2.0-or-later
"""Hidden pictures (Format.md, "Hidden pictures"): opens sealed units and leaves their stand-ins out."""
from bits import FormatError, nal_units, unescape
from keystreams import hkdf
from message import UUID, Message, sei_messages
from sealed import gcm_open

MARK = b"\x56\x65\x69\x48"


def opened(stream, keys):
    """nal_units of the stream as it was before pictures were hidden."""
    sealing, held = {}, None
    for code, unit, trailing in nal_units(stream):
        if len(unit) < 3 or unit[0] & 0x80 or not unit[1] & 7:
            if held:
                yield held[:3]
                held = None
            yield code, unit, trailing
            continue
        nal_type, layer = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3
        if nal_type == 60 and unit[2:6] == MARK:
            if layer not in sealing:
                raise FormatError("layer %d: a hidden picture whose message is not there" % layer)
            payload = unescape(unit[2:])
            clear = gcm_open(
                sealing[layer], bytes(4) + payload[5:13], payload[13:-17], payload[-17:-1], unit[:2] + payload[:13])
            if clear is None or payload[-1] != 0x80:
                raise FormatError("layer %d: a hidden picture was changed" % layer)
            if held and held[3] == layer:
                held = None
            unit = clear
        if held:
            yield held[:3]
            held = None
        if nal_type == 39:
            for kind, payload in sei_messages(unescape(unit[2:])):
                if kind == 5 and payload.startswith(UUID):
                    m = Message(payload)
                    if m.key_id in keys:
                        sealing[m.layer] = hkdf(keys[m.key_id], m.nonce, b"Veil seal 2" + bytes([m.layer]), 32)
        if nal_type < 32 and layer in sealing:
            held = code, unit, trailing, layer
        else:
            yield code, unit, trailing
    if held:
        yield held[:3]
