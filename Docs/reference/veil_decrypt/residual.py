# SPDX-License-Identifier: GPL-2.0-or-later
"""Residuals: significance, levels and signs (7.3.8.11, 9.3.4.2)."""
from bits import FormatError, within
from cabac import AT
from rule import COEFF_SIGN


def scan(kind, size):
    if kind == 0:
        return [(x, s - x) for s in range(2 * size - 1) for x in range(s + 1) if x < size and s - x < size]
    if kind == 1:
        return [(x, y) for y in range(size) for x in range(size)]
    return [(x, y) for x in range(size) for y in range(size)]


SCANS = [[scan(k, 1 << n) for n in range(4)] for k in range(3)]
SIG_4X4 = [0, 1, 4, 5, 2, 3, 4, 5, 6, 6, 8, 8, 7, 7, 8, 8]


class Residual:
    """The part of slice data that holds transform coefficients: `c` recodes, `cipher` turns bins, `pps` and `bypass` say how."""

    def residual(self, log2, component, kind, mode):
        """residual_coding() (7.3.8.11). mode: of intra blocks."""
        c, chroma = self.c, component > 0
        skipped = 0
        if self.pps.transform_skip and not self.bypass and log2 <= self.pps.max_skip:
            skipped = c.decision(AT["transform_skip"] + chroma)
        plain = skipped or self.bypass
        rdpcm = 0
        if not self.intra and self.sps.explicit_rdpcm and plain:
            rdpcm = c.decision(AT["rdpcm"] + chroma)
            if rdpcm:
                c.decision(AT["rdpcm_direction"] + chroma)
        elif self.intra and self.sps.implicit_rdpcm and plain:
            rdpcm = mode in (10, 26)
        one_context = self.sps.one_context and plain
        # How many bits levels have, and where their StatCoeff is.
        self.range = max(15, self.h.depth[1 if chroma else 0] + 6) if self.sps.extended else 15
        self.statistic = len(c.states) - 4 + (0 if chroma else 2) + (1 if plain else 0)
        offset, shift = (15, log2 - 2) if chroma else (3 * (log2 - 2) + (log2 - 1 >> 2), log2 + 1 >> 2)
        prefixes = []
        for name in ("last_x", "last_y"):
            n = 0
            while n < 2 * log2 - 1 and c.decision(AT[name] + offset + (n >> shift)):
                n += 1
            prefixes.append(n)
        last = []
        for n in prefixes:
            if n > 3:
                bits = (n >> 1) - 1
                n = ((2 + (n & 1)) << bits) + c.bypass(bits)
            last.append(n)
        if kind == 2:
            last.reverse()
        blocks, places = SCANS[kind][log2 - 2], SCANS[kind][2]
        last_block = blocks.index((last[0] >> 2, last[1] >> 2))
        last_place = places.index((last[0] & 3, last[1] & 3))
        coded = set()
        greater1_context = 1
        for i in range(last_block, -1, -1):
            xs, ys = blocks[i]
            right, below = (xs + 1, ys) in coded, (xs, ys + 1) in coded
            is_coded, infer = True, False
            if 0 < i < last_block:
                is_coded = c.decision(AT["coded_sub_block"] + (right or below) + 2 * chroma)
                infer = True
            if not is_coded:
                continue
            coded.add((xs, ys))
            found, n = [], 15
            if i == last_block:
                found, n = [last_place], last_place - 1
            for n in range(n, -1, -1):
                x, y = places[n]
                if n == 0 and infer and not found:
                    found.append(0)
                    continue
                if one_context:
                    inc = AT["sig_skipped"] - AT["sig"] + chroma
                elif x == y == 0 and i == 0:
                    inc = 27 if chroma else 0
                elif log2 == 2:
                    inc = SIG_4X4[y << 2 | x] + (27 if chroma else 0)
                else:
                    if right and below:
                        inc = 2
                    elif right:
                        inc = 2 if y == 0 else 1 if y == 1 else 0
                    elif below:
                        inc = 2 if x == 0 else 1 if x == 1 else 0
                    else:
                        inc = 2 if x + y == 0 else 1 if x + y < 3 else 0
                    if chroma:
                        inc += 27 + (9 if log2 == 3 else 12)
                    else:
                        inc += (3 if i else 0) + ((9 if kind == 0 else 15) if log2 == 3 else 21)
                if c.decision(AT["sig"] + inc):
                    found.append(n)
            if not found:
                continue
            context_set = 0 if i == 0 or chroma else 2
            if i != last_block and greater1_context == 0:
                context_set += 1
            greater1_context = 1
            levels, first = [1] * len(found), -1
            for k in range(min(8, len(found))):
                if c.decision(AT["greater1"] + 4 * context_set + greater1_context + 16 * chroma):
                    levels[k] = 2
                    if first < 0:
                        first = k
                    greater1_context = 0
                elif 0 < greater1_context < 3:
                    greater1_context += 1
            if first >= 0:
                levels[first] += c.decision(AT["greater2"] + context_set + 4 * chroma)
            hidden = self.pps.sign_hiding and not self.bypass and not rdpcm and found[0] - found[-1] > 3
            if self.sps.align and any(v == self.base(k, first) for k, v in enumerate(levels)):
                c.align()
            self.levels(levels, first, len(found) - (1 if hidden else 0))

    @staticmethod
    def base(k, first):
        """What the flags can say at most of the k-th level of a sub-block."""
        return (3 if k == first else 2) if k < 8 else 1

    def levels(self, levels, first, sign_count):
        """Signs and coeff_abs_level_remaining: everything is read before anything is decrypted, as a sign may depend on a level."""
        c = self.c
        signs = c.take(sign_count)
        rest, frozen, p = [], 0, 0
        rice, extended = self.sps.rice, self.sps.extended
        if rice:
            p = c.states[self.statistic] >> 2
        longest = 32 - self.range if extended else 32
        for k, level in enumerate(levels):
            base = self.base(k, first)
            if level != base:
                continue
            prefix = 0
            while prefix < longest and c.take(1):
                prefix += 1
            if prefix > 31 and not extended:
                raise FormatError("coeff_abs_level_remaining is too long")
            bits = within(p if prefix <= 3 else prefix - 3 + p, 0, 32)
            ends = 1
            if extended and prefix == longest:
                bits, ends = self.range, 0
            start = prefix << p if prefix <= 3 else ((1 << prefix - 3) + 2) << p
            suffix = c.take(bits)
            level = base + start + suffix
            if level >= 1 << self.range and k < sign_count:
                frozen |= 1 << sign_count - 1 - k
            # What must stay: levels of classes that reach too far, and what StatCoeff depends on.
            fixed = 0
            if base + start + (1 << bits) - 1 >= 1 << self.range:
                fixed = (1 << bits) - 1
            elif rice and not rest and prefix == 0 and bits:
                fixed = 1 << bits - 1
            if rice and not rest:
                s = c.states[self.statistic]
                if start + suffix >= 3 << (s >> 2):
                    c.states[self.statistic] = min(s + 1, 96)
                elif 2 * (start + suffix) < 1 << (s >> 2) and s:
                    c.states[self.statistic] = s - 1
            rest.append((prefix, bits, suffix, p, base, ends, fixed))
            if level > 3 << p:
                p = p + 1 if rice else min(p + 1, 4)
        if sign_count:
            c.put(self.cipher.flag(COEFF_SIGN, signs, sign_count, frozen), sign_count)
        for j, (prefix, bits, suffix, p, base, ends, fixed) in enumerate(rest):
            c.put(((1 << prefix) - 1) << ends, prefix + ends)
            c.put(self.cipher.suffix(suffix, bits, p, base, prefix, j == len(rest) - 1, fixed, rice, extended), bits)
