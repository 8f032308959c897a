# SPDX-License-Identifier: GPL-2.0-or-later
"""Which bins are encrypted, and how they are turned back (Format.md, "Which bins")."""
import struct

from keystreams import KEYSTREAMS, M32

MVD, MVD_SIGN, COEFF_SIGN, COEFF, DQP_SIGN, LUMA_MODE, SAO_SIGN, SAO_BAND, SAO_CLASS = range(9)
PCM, SAO_OFFSET, CHROMA_MODE, MERGE, REF, PART, DQP = range(9, 16)


class LayerCipher:
    """Undoes equations (3) and (4) on the runs of one layer."""

    def __init__(self, message, key):
        self.m, self.key = message, key
        self.started = False

    def begin(self, irap_index, poc_delta, address, tid, is_irap):
        m = self.m
        self.active = self.unit_active = m.selects(tid, is_irap)
        if m.chain:
            if not self.started:
                self.restart(bytes(12))
            self.started = True
        elif self.unit_active:
            self.restart(struct.pack(">3I", irap_index & M32, poc_delta & M32, address & M32))

    def restart(self, nonce):
        self.words = KEYSTREAMS[self.m.cipher](self.key, nonce)
        self.pool = self.available = 0
        self.previous = self.take(32)

    def ctu(self, x, y, size):
        if self.m.regions:
            self.active = self.unit_active and any(
                x + size > rx and x < rx + rw and y + size > ry and y < ry + rh for rx, ry, rw, rh in self.m.regions)

    def take(self, count):
        if self.available < count:
            self.pool |= next(self.words) << self.available
            self.available += 32
        bits = self.pool & ((1 << count) - 1)
        self.pool >>= count
        self.available -= count
        return bits

    def allows(self, element):
        return self.active and self.m.elements >> element & 1

    def mask(self, bins, mask):
        """A run whose bins in `mask` are free."""
        if mask == 0:
            return bins
        places = [i for i in range(32) if mask >> i & 1]
        count = len(places)
        key = self.take(count)
        if self.m.feedback:
            key = (key + self.previous) & ((1 << count) - 1)
        cipher = sum((bins >> at & 1) << i for i, at in enumerate(places))
        plain = cipher ^ key
        self.previous = cipher
        return bins & ~mask | sum((plain >> i & 1) << at for i, at in enumerate(places))

    def permute(self, bins, first, size):
        """A number that stays in first ..< first + size."""
        step = self.take(32) * size >> 32
        if self.m.feedback:
            step += self.previous % size
        value = bins - first
        self.previous = value
        return first + (value - step) % size

    # The rule (Format.md, "Which bins").

    def flag(self, element, bins, count, frozen=0):
        """A run whose bins are free, but those in `frozen`."""
        return self.mask(bins, (1 << count) - 1 & ~frozen) if self.allows(element) else bins

    def suffix(self, bins, count, p, base, prefix, last, fixed, rice, extended):
        """fixed: bins that must stay; rice: p grows without a limit; extended: levels may have more than 16 bits."""
        every = (1 << count) - 1
        if count == 0 or fixed == every or not self.allows(COEFF):
            return bins
        if prefix > 3:
            start = ((1 << prefix - 3) + 2) << p
            return bins if base + start + every > 32767 and not extended else self.mask(bins, every)
        rem = (prefix << p) + bins
        if self.m.profile == 1:
            return self.mask(bins, algorithm31(p, base, rem) & ~fixed)
        if last or (p == 4 and not rice) or prefix == 0:
            return self.mask(bins, every & ~fixed)
        size = 1 << p
        threshold = 3 * size - base + 1 - (prefix << p)
        if threshold <= 0 or threshold >= size:
            return self.mask(bins, every)
        first, n = (0, threshold) if bins < threshold else (threshold, size - threshold)
        return bins if n < 2 else self.permute(bins, first, n)

    def mvd(self, bins, count, long_term):
        return bins if count >= 15 or long_term else self.flag(MVD, bins, count)

    def mvd_sign(self, bin_, magnitude, long_term):
        return bin_ if magnitude >= 32768 or long_term else self.flag(MVD_SIGN, bin_, 1)

    def chroma_mode(self, bins, scans_depend):
        """Planar and DC are exchanged; all four modes, where no scan depends on them."""
        if not self.allows(CHROMA_MODE):
            return bins
        if not scans_depend:
            return self.mask(bins, 3)
        if bins in (1, 2):
            return bins
        key = self.take(1) ^ (self.previous & 1 if self.m.feedback else 0)
        self.previous = bins & 1
        return bins ^ 3 if key else bins

    def dqp(self, bins, count, least, limit):
        """The suffix of cu_qp_delta_abs, whose prefix begins at `least`; up to `limit` both signs exist."""
        if not self.allows(DQP):
            return bins
        if least + (1 << count) - 1 <= limit:
            return self.mask(bins, (1 << count) - 1)
        n = limit - least + 1
        return bins if least + bins > limit or n < 2 else self.permute(bins, 0, n)


def algorithm31(p, base, rem):
    """Algorithm 3.1: which of the p suffix bins are free, as a mask."""
    every = (1 << p) - 1
    if p == 0 or base == 1:
        return every
    if p == 1:
        return 0 if base == 2 and rem in (4, 5) else 1
    low, high = 2 << p, 3 << p
    if rem < low or rem >= high:
        return every
    if p == 2:
        return 0 if base == 2 and rem in (10, 11) else 1
    if p == 3:
        return 3 if rem <= 19 else 0 if base == 2 and rem in (22, 23) else 1
    if p > 4:
        # Persistent Rice adaptation, which the paper does not know.
        half = 1 << p - 1
        return half - 1 if rem < 5 * half else 0
    return 7 if rem <= 39 else 3 if rem <= 43 else 0 if base == 2 and rem in (46, 47) else 1
