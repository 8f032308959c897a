# SPDX-License-Identifier: GPL-2.0-or-later
"""What parameter sets are made of (7.3.3, 7.3.4, 7.3.7, E.2). Values that H.265 does not allow are refused."""
from bits import within


class Struct:
    pass


def profile_tier_level(b, present, sub_layers):
    if present:
        b.u(88)
    b.u(8)
    flags = [(b.u(1), b.u(1)) for _ in range(sub_layers)]
    if sub_layers:
        b.u(2 * (8 - sub_layers))
    for profile, level in flags:
        b.u(88 * profile + 8 * level)


def sub_layer_ordering(b, sub_layers):
    for _ in range(0 if b.u(1) else sub_layers, sub_layers + 1):
        b.ue(15), b.ue(15), b.ue()


def hrd(b, common, sub_layers):
    nal = vcl = pic = 0
    if common:
        nal, vcl = b.u(1), b.u(1)
        if nal or vcl:
            pic = b.u(1)
            b.u(19 * pic + 8 + 4 * pic + 15)
    for _ in range(sub_layers + 1):
        fixed = b.u(1) or b.u(1)
        low_delay = 0
        if fixed:
            b.ue()
        else:
            low_delay = b.u(1)
        count = 1 if low_delay else b.ue(31) + 1
        for _ in range((nal + vcl) * count):
            b.ue(), b.ue()
            if pic:
                b.ue(), b.ue()
            b.u(1)


def vui(b, sub_layers):
    if b.u(1) and b.u(8) == 255:
        b.u(32)
    if b.u(1):
        b.u(1)
    if b.u(1):
        b.u(4)
        if b.u(1):
            b.u(24)
    if b.u(1):
        b.ue(), b.ue()
    b.u(3)
    if b.u(1):
        b.ue(), b.ue(), b.ue(), b.ue()
    if b.u(1):
        b.u(64)
        if b.u(1):
            b.ue()
        if b.u(1):
            hrd(b, 1, sub_layers)
    if b.u(1):
        b.u(3)
        b.ue(), b.ue(), b.ue(), b.ue(), b.ue()


def scaling_list(b):
    for size in range(4):
        for matrix in range(2 if size == 3 else 6):
            if not b.u(1):
                b.ue(matrix)
                continue
            last = b.se(-7, 247) + 8 if size > 1 else 8
            for _ in range(16 if size == 0 else 64):
                last = within((last + b.se(-128, 127)) % 256, 1, 255)


def ref_pic_set(b, sets, in_header=False):
    """(S0, S1) as lists of (delta POC, used), after the sets before it."""
    index = len(sets)
    if index and b.u(1):
        delta = b.ue(index - 1) + 1 if in_header else 1
        sign, magnitude = b.u(1), b.ue(32767) + 1
        delta_rps = -magnitude if sign else magnitude
        ref0, ref1 = sets[index - delta]
        flags = []
        for _ in range(len(ref0) + len(ref1) + 1):
            used = b.u(1)
            flags.append((used, used or b.u(1)))
        entries = [(d + delta_rps, f) for (d, _), f in zip(ref0 + ref1 + [(0, 0)], flags)]
        kept = [(d, used) for d, (used, use) in entries if use and d != 0]
        within(len(kept), 0, 16)
        kept.sort(key=lambda e: abs(e[0]))
        return [e for e in kept if e[0] < 0], [e for e in kept if e[0] > 0]
    n0 = b.ue(15)
    n1 = b.ue(15 - n0)
    result = ([], [])
    for side, count, sign in ((0, n0, -1), (1, n1, 1)):
        poc = 0
        for _ in range(count):
            poc += sign * (b.ue(32767) + 1)
            result[side].append((poc, b.u(1)))
    return result
