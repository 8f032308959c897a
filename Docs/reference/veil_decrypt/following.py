# SPDX-License-Identifier: GPL-2.0-or-later
"""Which picture a slice segment is of, and where that stands (Format.md, "Slices that are not encrypted")."""
from bits import FormatError
from slice_data import Picture
from slice_header import Positions, parse_header, tile_bounds


class Following:
    """Follows slice segments, those that were sealed too."""

    def __init__(self, sets):
        self.sets, self.positions = sets, Positions()
        self.end()

    def end(self):
        """No picture goes on."""
        self.layer = self.header = self.picture = self.kind = self.sets_count = None

    def take(self, rbsp, nal_type, layer, tid, known):
        """known: what is unlocked of the layer. The header and the picture, None where that is not known; FormatError
        where it cannot be read."""
        h = parse_header(rbsp, nal_type, layer, tid, self.sets, self.header if layer == self.layer else None)
        tile_bounds(h.pps, *h.ctbs)
        kind = layer, h.lsb, nal_type, tid
        # Where the first slice segment of a picture is lost, any may begin it.
        if h.first or kind != self.kind:
            self.layer, self.kind, self.sets_count, self.picture = layer, kind, self.sets.count, None
            if not h.dependent:
                position = self.positions.next(h, nal_type, layer, tid, known)[1:]
                self.picture = Picture(h, tid, 16 <= nal_type <= 23, position, known)
        elif self.sets_count != self.sets.count or h.pps.id != self.header.pps.id:
            raise FormatError("its parameter sets are not those of its picture")
        self.header = h
        return h, self.picture
