# SPDX-License-Identifier: GPL-2.0-or-later
"""The arithmetic code: context variables, decoding, and coding again (9.3)."""
from bits import FormatError

RANGE_LPS = bytes([
    128, 176, 208, 240, 128, 167, 197, 227, 128, 158, 187, 216, 123, 150, 178, 205, 116, 142, 169, 195, 111, 135, 160, 185, 105, 128,
    152, 175, 100, 122, 144, 166, 95, 116, 137, 158, 90, 110, 130, 150, 85, 104, 123, 142, 81, 99, 117, 135, 77, 94, 111, 128, 73, 89,
    105, 122, 69, 85, 100, 116, 66, 80, 95, 110, 62, 76, 90, 104, 59, 72, 86, 99, 56, 69, 81, 94, 53, 65, 77, 89, 51, 62, 73, 85, 48,
    59, 69, 80, 46, 56, 66, 76, 43, 53, 63, 72, 41, 50, 59, 69, 39, 48, 56, 65, 37, 45, 54, 62, 35, 43, 51, 59, 33, 41, 48, 56, 32, 39,
    46, 53, 30, 37, 43, 50, 29, 35, 41, 48, 27, 33, 39, 45, 26, 31, 37, 43, 24, 30, 35, 41, 23, 28, 33, 39, 22, 27, 32, 37, 21, 26, 30,
    35, 20, 24, 29, 33, 19, 23, 27, 31, 18, 22, 26, 30, 17, 21, 25, 28, 16, 20, 23, 27, 15, 19, 22, 25, 14, 18, 21, 24, 14, 17, 20, 23,
    13, 16, 19, 22, 12, 15, 18, 21, 12, 14, 17, 20, 11, 14, 16, 19, 11, 13, 15, 18, 10, 12, 15, 17, 10, 12, 14, 16, 9, 11, 13, 15, 9,
    11, 12, 14, 8, 10, 12, 14, 8, 9, 11, 13, 7, 9, 11, 12, 7, 9, 10, 12, 7, 8, 10, 11, 6, 8, 9, 11, 6, 7, 9, 10, 6, 7, 8, 9, 2, 2, 2, 2])
NEXT_LPS = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24, 24, 25, 26, 26,
    27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63]

# Context variables: where an element's stand, and their initial values for initType 0, 1 and 2 (Tables 9-5 to 9-37).
CONTEXTS = [
    ("sao_merge", [153], [153], [153]),
    ("sao_type", [200], [185], [160]),
    ("split_cu", [139, 141, 157], [107, 139, 126], [107, 139, 126]),
    ("bypass", [154], [154], [154]),
    ("skip", [154] * 3, [197, 185, 201], [197, 185, 201]),
    ("pred_mode", [154], [149], [134]),
    ("part_mode", [184, 154, 154, 154], [154, 139, 154, 154], [154, 139, 154, 154]),
    ("prev_intra", [184], [154], [183]),
    ("chroma_mode", [63], [152], [152]),
    ("root_cbf", [154], [79], [79]),
    ("merge_flag", [154], [110], [154]),
    ("merge_idx", [154], [122], [137]),
    ("inter_pred", [154] * 5, [95, 79, 63, 31, 31], [95, 79, 63, 31, 31]),
    ("ref_idx", [154] * 2, [153, 153], [153, 153]),
    ("mvp", [154], [168], [168]),
    ("split_transform", [153, 138, 138], [124, 138, 94], [224, 167, 122]),
    ("cbf_luma", [111, 141], [153, 111], [153, 111]),
    ("cbf_chroma", [94, 138, 182, 154], [149, 107, 167, 154], [149, 92, 167, 154]),
    ("mvd0", [154], [140], [169]),
    ("mvd1", [154], [198], [198]),
    ("dqp", [154] * 2, [154] * 2, [154] * 2),
    ("transform_skip", [139] * 2, [139] * 2, [139] * 2),
    ("last_x", *3 * [None]), ("last_y", *3 * [None]),
    ("coded_sub_block", [91, 171, 134, 141], [121, 140, 61, 154], [121, 140, 61, 154]),
    ("sig",
     [111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153,
      125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111],
     [155, 154, 139, 153, 139, 123, 123, 63, 153, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153,
      154, 170, 153, 123, 123, 107, 121, 107, 121, 167, 151, 183, 140, 151, 183, 140],
     [170, 154, 139, 153, 139, 123, 123, 63, 124, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153, 154, 166, 183, 140, 136, 153,
      154, 170, 153, 138, 138, 122, 121, 122, 121, 167, 151, 183, 140, 151, 183, 140]),
    ("greater1",
     [140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140, 227, 122, 197],
     [154, 196, 196, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 137, 169, 194, 166, 167, 154, 167, 137, 182],
     [154, 196, 167, 167, 154, 152, 167, 182, 182, 134, 149, 136, 153, 121, 136, 122, 169, 208, 166, 167, 154, 152, 167, 182]),
    ("greater2", [138, 153, 136, 167, 152, 152], [107, 167, 91, 122, 107, 167], [107, 167, 91, 107, 107, 167]),
    # Range extensions.
    ("cbf_chroma_4", [154], [154], [154]),
    ("sig_skipped", [141, 111], [140, 140], [140, 140]),
    ("chroma_qp_flag", [154], [154], [154]),
    ("chroma_qp_index", [154], [154], [154]),
    ("cross_size", [154] * 8, [154] * 8, [154] * 8),
    ("cross_sign", [154] * 2, [154] * 2, [154] * 2),
    ("rdpcm", [139] * 2, [139] * 2, [139] * 2),
    ("rdpcm_direction", [139] * 2, [139] * 2, [139] * 2),
]
LAST_PREFIX = (
    [110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63],
    [125, 110, 94, 110, 95, 79, 125, 111, 110, 78, 110, 111, 111, 95, 94, 108, 123, 108],
    [125, 110, 124, 110, 95, 94, 125, 111, 111, 79, 125, 126, 111, 111, 79, 108, 123, 93])
AT, INIT = {}, ([], [], [])
for _name, *_rows in CONTEXTS:
    AT[_name] = len(INIT[0])
    for _t in range(3):
        INIT[_t].extend(LAST_PREFIX[_t] if _name.startswith("last") else _rows[_t])


class Recoder:
    """Decodes bins of one substream and codes them again. Replaceable bins are read with `take` and coded with `put`."""

    def __init__(self, data, start):
        self.data, self.states = data, None
        self.out = bytearray()
        self.begin(start)

    def begin(self, start):
        """The arithmetic decoder (9.3.2.5) and an encoder begin."""
        self.bit = 8 * start + 9
        self.range = 510
        if start + 2 > len(self.data):
            raise FormatError("the slice data ends early")
        self.offset = (self.data[start] << 8 | self.data[start + 1]) >> 7
        if self.offset >= 510:
            raise FormatError("no arithmetic code")
        self.low, self.pending, self.out_range = 0, 0, 510

    def read(self):
        at = self.bit >> 3
        if at >= len(self.data):
            raise FormatError("the slice data ends early")
        bit = self.data[at] >> (7 - (self.bit & 7)) & 1
        self.bit += 1
        return bit

    def shift_out(self, n):
        """n bits leave the encoder's register of nine bits; they wait in `low` until some bytes have gathered."""
        self.low <<= n
        self.pending += n
        if self.pending > 256:
            keep = self.pending % 8 + 8
            self.write(self.low >> (9 + keep), self.pending - keep)
            self.low &= (1 << 9 + keep) - 1
            self.pending = keep

    def write(self, bits, count):
        """Whole bytes; what is above them is a carry into those written before."""
        if bits >> count:
            i = len(self.out) - 1
            while self.out[i] == 255:
                self.out[i] = 0
                i -= 1
            self.out[i] += 1
            bits &= (1 << count) - 1
        self.out += bits.to_bytes(count // 8, "big")

    def decision(self, context):
        state = self.states[context]
        p, mps = state >> 1, state & 1
        lps = RANGE_LPS[p << 2 | self.range >> 6 & 3]
        self.range -= lps
        if self.offset >= self.range:
            self.low += self.range
            self.offset -= self.range
            self.range = lps
            self.states[context] = NEXT_LPS[p] << 1 | (1 - mps if p == 0 else mps)
            bin_ = 1 - mps
        else:
            if p < 62:
                self.states[context] = state + 2
            bin_ = mps
        n = 9 - self.range.bit_length()
        if n > 0:
            self.range <<= n
            for _ in range(n):
                self.offset = self.offset << 1 | self.read()
            self.shift_out(n)
        return bin_

    # The encoder's range is the decoder's: both code the same decisions, and bypass bins do not change it.

    def take(self, count):
        v = 0
        for _ in range(count):
            self.offset = self.offset << 1 | self.read()
            v <<= 1
            if self.offset >= self.range:
                self.offset -= self.range
                v |= 1
        return v

    def put(self, bins, count):
        for i in range(count - 1, -1, -1):
            self.shift_out(1)
            if bins >> i & 1:
                self.low += self.range
        return bins

    def bypass(self, count=1):
        return self.put(self.take(count), count)

    def align(self):
        """Before bypass bins (9.3.4.3.6)."""
        self.range = 256
        if self.offset >= 256:
            raise FormatError("no arithmetic code")

    def terminate(self):
        self.range -= 2
        if self.offset >= self.range:
            self.low += self.range
            self.low <<= 7
            self.pending += 7
            # A one (rbsp_stop_one_bit, bit_equal_to_one), as an encoder ends its code, and what stands behind it.
            last = self.data[self.bit - 1 >> 3]
            if not last >> (-self.bit & 7) & 1:
                raise FormatError("the arithmetic code does not end as an encoder ends it")
            bits, count = self.low >> 7 | 1, self.pending + 2
            pad = -count % 8
            self.write(bits << pad | last & (1 << pad) - 1, count + pad)
            self.low = self.pending = 0
            return 1
        if self.range < 256:
            self.range <<= 1
            self.offset = self.offset << 1 | self.read()
            self.shift_out(1)
        return 0

    def next_byte(self):
        """Where in the data what follows a terminating bin begins."""
        return self.bit + 7 >> 3
