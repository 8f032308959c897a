# SPDX-License-Identifier: GPL-2.0-or-later
"""Parameter sets that took each other's places (Format.md, "Tags": the exchanges that an encryptor begins a run for)."""
from bits import FormatError
from parameter_sets import identifier


class Exchanges:
    def __init__(self):
        # By type and identifier: digest, whether a picture used it, whether it replaced one that was in use.
        self.sets = {}
        # How often a VPS was replaced; and an SPS or PPS that no picture used, in the place of one that was used.
        self.vps = self.unused = 0
        # Of the run at hand: both as they were at its last picture with a tag.
        self.seen = None

    def take(self, nal_type, layer, rbsp, digest):
        try:
            key = nal_type, identifier(nal_type, layer, rbsp)
        except (FormatError, IndexError):
            return
        before = self.sets.get(key)
        if before and before[0] == digest:
            return
        if before and nal_type == 32:
            self.vps += 1
        elif before:
            self.unused += before[2] and not before[1]
        self.sets[key] = [digest, False, bool(before) and (before[1] or before[2])]

    def use(self, *keys):
        """A picture is decoded with these; without any: something that may be decoded with all."""
        for key in keys or self.sets:
            if key in self.sets:
                self.sets[key][1] = True

    @property
    def counts(self):
        return self.vps, self.unused

    def check(self, counts, layer, losses):
        """A tag is right, of a picture at whose first slice segment the counts were these."""
        before, self.seen = self.seen or counts, counts
        if before[0] != counts[0]:
            raise FormatError("layer %d: a VPS was put in" % layer)
        if before[1] != counts[1]:
            losses.append("layer %d: parameter sets were replaced that no picture used" % layer)
