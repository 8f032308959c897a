# SPDX-License-Identifier: GPL-2.0-or-later
"""Hidden pictures (Format.md, "Hidden pictures"): opens sealed units and leaves their stand-ins out."""
from bits import FormatError, nal_units, unescape
from keystreams import hkdf
from message import UUID, Message, sei_messages
from sealed import gcm_open

MARK = b"\x56\x65\x69\x48"


class HiddenPictures:
    """What there was before pictures were hidden."""

    def __init__(self, keys):
        self.keys = keys
        # By layer: the message in force and its sealing key; stand-ins without a picture.
        self.known, self.lost = {}, {}

    def take(self, payload):
        m = Message(payload)
        if m.key_id not in self.keys:
            return
        self.known[m.layer] = m, hkdf(self.keys[m.key_id], m.nonce, b"Veil seal 2" + bytes([m.layer]), 32)
        # Another run, which need not protect all that the last one did.
        for layer, (other, _) in list(self.known.items()):
            if other.nonce != m.nonce and m.layers is not None and not m.layers >> layer & 1:
                del self.known[layer]

    def open(self, unit, layer):
        if layer not in self.known:
            raise FormatError("layer %d: a hidden picture whose message is not there" % layer)
        payload = unescape(unit[2:])
        clear = gcm_open(
            self.known[layer][1], bytes(4) + payload[5:13], payload[13:-17], payload[-17:-1], unit[:2] + payload[:13])
        if clear is None or payload[-1] != 0x80:
            raise FormatError("layer %d: a hidden picture was changed" % layer)
        return clear

    def opened(self, stream):
        """nal_units of the stream as it was."""
        held = None
        for code, unit, trailing in nal_units(stream):
            if len(unit) < 3 or unit[0] & 0x80 or not unit[1] & 7:
                held = self.lose(held)
                yield code, unit, trailing
                continue
            nal_type, layer = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3
            if nal_type == 60 and unescape(unit[2:8])[:4] == MARK:
                clear = self.open(unit, layer)
                if held != layer:
                    self.lose(held)
                held = None
                yield code, clear, trailing
                continue
            held = self.lose(held)
            if nal_type == 39:
                for kind, payload in sei_messages(unescape(unit[2:])):
                    if kind == 5 and payload.startswith(UUID):
                        self.take(payload)
            if layer in self.known and self.known[layer][0].hides(nal_type, (unit[1] & 7) - 1):
                held = layer
            else:
                yield code, unit, trailing
        self.lose(held)

    def lose(self, layer):
        if layer is not None:
            self.lost[layer] = self.lost.get(layer, 0) + 1

    @property
    def losses(self):
        return ["layer %d: %d hidden picture%s missing" % (layer, n, " is" if n == 1 else "s are")
                for layer, n in sorted(self.lost.items())]
