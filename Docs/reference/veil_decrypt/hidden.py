# SPDX-License-Identifier: GPL-2.0-or-later
"""Hidden pictures (Format.md, "Hidden pictures"): opens sealed units and leaves their stand-ins out."""
from bits import FormatError, header, is_malformed, nal_units
from keystreams import hkdf
from message import message_of
from sealed import unsealed

MARK = b"\x56\x65\x69\x48"


class HiddenPictures:
    """What there was before pictures were hidden."""

    def __init__(self, keys):
        self.keys = keys
        # By layer: the message in force and its sealing key; stand-ins without a picture.
        self.known, self.lost = {}, {}

    def take(self, m):
        if m.key_id not in self.keys:
            return
        self.known[m.layer] = m, hkdf(self.keys[m.key_id], m.nonce, b"Veil seal 2" + bytes([m.layer]), 32)
        # Another run, which need not protect all that the last one did.
        for layer, (other, _) in list(self.known.items()):
            if other.nonce != m.nonce and m.layers is not None and not m.layers >> layer & 1:
                del self.known[layer]

    def open(self, unit, layer):
        clear = unsealed(unit, self.known[layer][1])
        if clear is None:
            raise FormatError("layer %d: a hidden picture was changed" % layer)
        return clear

    def opened(self, stream):
        """nal_units of the stream as it was."""
        held = None
        for code, unit, trailing in nal_units(stream):
            if is_malformed(unit):
                held = self.lose(held)
                yield code, unit, trailing
                continue
            nal_type, layer, tid = header(unit)
            if nal_type == 60 and unit[2:6] == MARK:
                # Without the message it stays, and so does its stand-in.
                clear = self.open(unit, layer) if layer in self.known else unit
                if held != layer:
                    self.lose(held)
                held = None
                yield code, clear, trailing
                continue
            held = self.lose(held)
            message = message_of(unit)
            if message:
                self.take(message)
            if layer in self.known and self.known[layer][0].hides(nal_type, tid):
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
