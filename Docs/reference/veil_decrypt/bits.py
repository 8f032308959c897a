# SPDX-License-Identifier: GPL-2.0-or-later
"""Bits in and out, emulation prevention (7.4.2), and the NAL units of a byte stream (Annex B)."""


class FormatError(Exception):
    pass


def within(v, least, most):
    """v, where H.265 allows it."""
    if not least <= v <= most:
        raise FormatError("%d where %d to %d is allowed" % (v, least, most))
    return v


class Bits:
    def __init__(self, data):
        self.data, self.at = data, 0

    def u(self, n):
        if self.at + n > 8 * len(self.data):
            raise FormatError("the data ends early")
        v = 0
        for _ in range(n):
            v = v << 1 | self.data[self.at >> 3] >> (7 - (self.at & 7)) & 1
            self.at += 1
        return v

    def ue(self, most=2 ** 33 - 2):
        """At most 32 zeros come before the 1."""
        n = 0
        while not self.u(1):
            n += 1
        return within((1 << n) - 1 + self.u(n), 0, most)

    def se(self, least, most):
        k = self.ue()
        return within((k + 1) // 2 if k & 1 else -(k // 2), least, most)

    def below(self, n):
        """A number below n, in as many bits as that takes."""
        return within(self.u(bits_for(n)), 0, n - 1)


class BitSink:
    def __init__(self):
        self.bits = []

    def u(self, v, n):
        self.bits += [v >> i & 1 for i in range(n - 1, -1, -1)]

    def ue(self, v):
        n = (v + 1).bit_length()
        self.u(v + 1, 2 * n - 1)

    def copy(self, data, start, end):
        b = Bits(data)
        b.at = start
        self.bits += [b.u(1) for _ in range(end - start)]

    def data(self):
        bits = self.bits + [0] * (-len(self.bits) % 8)
        return bytes(int("".join(map(str, bits[i:i + 8])), 2) for i in range(0, len(bits), 8))


def unescape(data):
    out, zeros = bytearray(), 0
    for b in data:
        if zeros >= 2 and b == 3:
            zeros = 0
            continue
        out.append(b)
        zeros = zeros + 1 if b == 0 else 0
    return bytes(out)


def escape(data):
    out, zeros = bytearray(), 0
    for b in data:
        if zeros >= 2 and b <= 3:
            out.append(3)
            zeros = 0
        out.append(b)
        zeros = zeros + 1 if b == 0 else 0
    # An RBSP that ends in zero bytes (cabac_zero_words) gets one more.
    if data and data[-1] == 0:
        out.append(3)
    return bytes(out)


def nal_units(stream):
    """(start code, unit, zeros after it) in order."""
    at = stream.find(b"\0\0\1")
    if at < 0 or any(stream[:at]):
        raise FormatError("not an Annex B byte stream")
    code_start = 0
    while True:
        begin = at + 3
        at = stream.find(b"\0\0\1", begin)
        end = len(stream) if at < 0 else at
        stop = end
        while stop > begin and stream[stop - 1] == 0:
            stop -= 1
        yield stream[code_start:begin], stream[begin:stop], stream[stop:] if at < 0 else b""
        if at < 0:
            return
        code_start = stop


def header(unit):
    """nal_unit_type, nuh_layer_id and TemporalId."""
    return unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3, (unit[1] & 7) - 1


def begins(unit):
    """Whether a slice segment is the first of its picture."""
    return len(unit) > 2 and unit[2] & 0x80 != 0


def is_malformed(unit):
    """What is no NAL unit."""
    return len(unit) < 2 or unit[0] & 0x80 or not unit[1] & 7


def bits_for(n):
    """The bits of a number below n: Ceil(Log2(n))."""
    return (n - 1).bit_length() if n > 1 else 0
