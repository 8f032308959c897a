# SPDX-License-Identifier: GPL-2.0-or-later
"""Slice data, from the substream down to the transform unit (7.3.8): parsed, decrypted, coded again."""
from bits import Bits, BitSink, FormatError, within
from cabac import AT, INIT, Recoder
from residual import Residual
from rule import DQP_SIGN, LUMA_MODE, MERGE, PART, PCM, REF, SAO_BAND, SAO_CLASS, SAO_OFFSET, SAO_SIGN
from slice_header import B, I, P, Layout


# The modes of 4:2:2 chroma (Table 8-3).
MODES_422 = [0, 1, 2, 2, 2, 2, 3, 5, 7, 8, 10, 12, 13, 15, 17, 18, 19, 20, 21, 22, 23, 23, 24, 24, 25, 25, 26, 27, 27, 28, 28, 29, 29, 30, 31]


class Picture:
    """What slice segments of one picture share. position: period and count; known: what is unlocked of the layer."""

    def __init__(self, h, tid, irap, position, known):
        self.layout = Layout(h.ctbs[0], h.ctbs[1], h.pps)
        self.rows, self.dependent_states = {}, None
        self.skip, self.depth, self.modes = {}, {}, {}
        self.tid, self.irap, self.position = tid, irap, position
        self.cipher = known.cipher if known and known.message.selects(tid, irap) else None
        # Tile-scan addresses: where a dependent segment goes on, and up to where there are slices.
        self.next, self.covered = None, 0


class SliceData(Residual):
    def __init__(self, rbsp, h, picture):
        self.h, self.pic, self.cipher, self.unit = h, picture, picture.cipher, picture.position
        self.sps, self.pps = h.sps, h.pps
        self.rbsp = rbsp
        self.c = Recoder(rbsp, h.bytes)

    def initial_states(self):
        h = self.h
        kind = 0 if h.type == I else (2 if h.init_swap else 1) if h.type == P else (1 if h.init_swap else 2)
        states, qp = [], min(max(h.qp, 0), 51)
        for v in INIT[kind]:
            s = min(max(((v >> 4) * 5 - 45) * qp // 16 + ((v & 15) << 3) - 16, 1), 126)
            states.append((s - 64) << 1 | 1 if s > 63 else (63 - s) << 1)
        # StatCoeff of persistent Rice adaptation goes with the contexts.
        return states + [0] * 4

    def recode(self):
        """The new slice data and the bytes after which its substreams end."""
        h, lay, width = self.h, self.pic.layout, self.h.ctbs[0]
        ts, ends, begins, first = lay.ts[h.address], [], True, True
        slice_ts = lay.ts[h.slice_address]
        while True:
            rs = lay.rs[ts]
            column, row = rs % width, rs // width
            if begins:
                new_tile = ts == 0 or lay.tile[ts] != lay.tile[ts - 1]
                if new_tile:
                    self.c.states = self.initial_states()
                elif self.pps.wpp and column == lay.column_start[column]:
                    above = rs - width + 1
                    if row > 0 and column + 1 < width and lay.ts[above] >= slice_ts and lay.tile[lay.ts[above]] == lay.tile[ts]:
                        self.c.states = list(self.pic.rows[row - 1])
                    else:
                        self.c.states = self.initial_states()
                elif first and h.dependent:
                    self.c.states = list(self.pic.dependent_states)
                else:
                    self.c.states = self.initial_states()
                self.cipher.begin(self.unit[0], self.unit[1], rs, self.pic.tid, self.pic.irap)
                begins = first = False
            self.left = column > 0 and lay.ts[rs - 1] >= slice_ts and lay.tile[lay.ts[rs - 1]] == lay.tile[ts]
            self.up = row > 0 and lay.ts[rs - width] >= slice_ts and lay.tile[lay.ts[rs - width]] == lay.tile[ts]
            self.ctu(column << self.sps.ctb, row << self.sps.ctb)
            if self.pps.wpp and column == lay.column_start[column] + 1:
                self.pic.rows[row] = list(self.c.states)
            ts += 1
            if self.c.terminate():
                if self.pps.dependent:
                    self.pic.dependent_states = list(self.c.states)
                ends.append(len(self.c.out))
                if self.c.next_byte() != len(self.rbsp):
                    raise FormatError("there is more behind the end of the slice data")
                self.pic.next = ts
                return bytes(self.c.out), ends
            if ts >= len(lay.rs):
                raise FormatError("slice data goes on after the last CTU")
            column = lay.rs[ts] % width
            if lay.tile[ts] != lay.tile[ts - 1] or self.pps.wpp and column == lay.column_start[column]:
                if not self.c.terminate():
                    raise FormatError("no end of substream")
                ends.append(len(self.c.out))
                self.c.begin(self.c.next_byte())
                begins = True

    def ctu(self, x, y):
        self.x_ctb, self.y_ctb = x, y
        self.cipher.ctu(x, y, 1 << self.sps.ctb)
        if self.h.sao[0] or self.h.sao[1]:
            self.sao()
        self.quadtree(x, y, self.sps.ctb, 0)

    def available(self, x, y):
        """Whether a neighbour to the left or above belongs to the same slice and tile."""
        if x < 0 or y < 0:
            return False
        if x < self.x_ctb:
            return self.left
        return self.up if y < self.y_ctb else True

    def truncated_unary(self, largest, element, n=0, frozen=0):
        """A truncated unary code of which n ones were coded otherwise. Its last bin, if it gets there, may be encrypted."""
        while n < largest - 1:
            if not self.c.bypass():
                return n
            n += 1
        if n == largest:
            return n
        return n + self.c.put(self.cipher.flag(element, self.c.take(1), 1, frozen), 1)

    def pcm_chroma(self, log2):
        """How many chroma samples a PCM block has."""
        return (1 << 2 * log2) * (0, 2, 4, 8)[self.h.chroma] // 4

    def pcm_samples(self, start, end, log2):
        """The raw samples of a PCM block."""
        at, v = Bits(self.rbsp[start:end]), BitSink()
        for component in (0, 1):
            bits = self.sps.pcm_bits[component]
            for _ in range(1 << 2 * log2 if component == 0 else self.pcm_chroma(log2)):
                v.u(self.cipher.flag(PCM, at.u(bits), bits), bits)
        return v.data()

    def sao(self):
        c = self.c
        if self.left and c.decision(AT["sao_merge"]):
            return
        if self.up and c.decision(AT["sao_merge"]):
            return
        kind = 0
        for component in range(3):
            if not self.h.sao[1 if component else 0]:
                continue
            if component < 2:
                kind = 0
                if c.decision(AT["sao_type"]):
                    kind = 1 + c.bypass()
            if not kind:
                continue
            largest = (1 << min(self.h.depth[1 if component else 0], 10) - 5) - 1
            sizes = [self.truncated_unary(largest, SAO_OFFSET) for _ in range(4)]
            if kind == 1:
                for size in sizes:
                    if size:
                        c.put(self.cipher.flag(SAO_SIGN, c.take(1), 1), 1)
                c.put(self.cipher.flag(SAO_BAND, c.take(5), 5), 5)
            elif component < 2:
                c.put(self.cipher.flag(SAO_CLASS, c.take(2), 2), 2)

    def cells(self, x, y, size):
        n, x, y = size >> self.sps.min_cb, x >> self.sps.min_cb, y >> self.sps.min_cb
        return [(x + i, y + j) for j in range(n) for i in range(n)]

    def neighbours(self, table, x, y):
        n = self.sps.min_cb
        left = table.get((x - 1 >> n, y >> n), 0) if self.available(x - 1, y) else 0
        return left, table.get((x >> n, y - 1 >> n), 0) if self.available(x, y - 1) else 0

    def quadtree(self, x, y, log2, depth):
        size, (width, height) = 1 << log2, self.h.size
        if x + size <= width and y + size <= height and log2 > self.sps.min_cb:
            split = self.c.decision(AT["split_cu"] + sum(d > depth for d in self.neighbours(self.pic.depth, x, y)))
        else:
            split = log2 > self.sps.min_cb
        if self.pps.dqp and log2 >= max(self.sps.ctb - self.pps.dqp_depth, 3):
            self.dqp_coded = False
        if self.h.chroma_qp and log2 >= self.sps.ctb - self.pps.chroma_depth:
            self.chroma_qp_coded = False
        if split:
            half = size >> 1
            for dy in (0, half):
                for dx in (0, half):
                    if x + dx < width and y + dy < height:
                        self.quadtree(x + dx, y + dy, log2 - 1, depth + 1)
        else:
            self.coding_unit(x, y, log2, depth)

    def coding_unit(self, x, y, log2, depth):
        c, sps, size = self.c, self.sps, 1 << log2
        cells = self.cells(x, y, size)
        self.bypass = self.pps.bypass and c.decision(AT["bypass"])
        skip = self.h.type != I and c.decision(AT["skip"] + sum(self.neighbours(self.pic.skip, x, y)))
        for cell in cells:
            self.pic.skip[cell] = 1 if skip else 0
            self.pic.depth[cell] = depth
        self.fill_modes(x, y, size, 1)
        if skip:
            self.merge_idx()
            return
        self.intra = self.h.type == I or c.decision(AT["pred_mode"]) == 1
        self.part = "2Nx2N"
        if not self.intra or log2 == sps.min_cb:
            self.part = self.part_mode(log2)
        merged = False
        if self.intra:
            if self.part == "2Nx2N" and sps.pcm and sps.min_pcm <= log2 <= min(sps.max_pcm, 5):
                if c.terminate():
                    bits = (1 << 2 * log2) * sps.pcm_bits[0] + self.pcm_chroma(log2) * sps.pcm_bits[1]
                    start = c.next_byte()
                    end = start + (bits + 7 >> 3)
                    c.out += self.pcm_samples(start, end, log2)
                    c.begin(end)
                    return
            self.intra_modes(x, y, log2)
        else:
            merged = self.partitions(x, y, size, depth)
        root = True
        if not self.intra and not (self.part == "2Nx2N" and merged):
            root = c.decision(AT["root_cbf"])
        if root:
            self.split_intra = self.intra and self.part == "NxN"
            self.max_depth = sps.depth_intra + self.split_intra if self.intra else sps.depth_inter
            any_chroma = 1 if self.h.chroma else 0
            self.transform_tree(x, y, log2, 0, 0, any_chroma, any_chroma)

    def part_mode(self, log2):
        c = self.c
        if c.decision(AT["part_mode"]):
            return "2Nx2N"
        if self.intra:
            return "NxN"
        if log2 == self.sps.min_cb:
            if c.decision(AT["part_mode"] + 1):
                return "2NxN"
            if log2 == 3:
                return "Nx2N"
            return "Nx2N" if c.decision(AT["part_mode"] + 2) else "NxN"
        horizontal = c.decision(AT["part_mode"] + 1)
        if not self.sps.amp or c.decision(AT["part_mode"] + 3):
            return "2NxN" if horizontal else "Nx2N"
        second = c.put(self.cipher.flag(PART, c.take(1), 1), 1)
        return ("2NxnD" if second else "2NxnU") if horizontal else ("nRx2N" if second else "nLx2N")

    # Intra modes: the scan of small blocks depends on them (7.4.9.11, 8.4.2).

    def fill_modes(self, x, y, size, mode):
        for j in range(y >> 2, y + size >> 2):
            for i in range(x >> 2, x + size >> 2):
                self.pic.modes[i, j] = mode

    def candidates(self, x, y):
        a = self.pic.modes.get((x - 1 >> 2, y >> 2), 1) if self.available(x - 1, y) else 1
        # Above the CTB, DC is assumed.
        b = self.pic.modes.get((x >> 2, y - 1 >> 2), 1) if y > self.y_ctb else 1
        if a == b:
            return [0, 1, 26] if a < 2 else [a, 2 + (a + 29) % 32, 2 + (a - 1) % 32]
        return [a, b, 0 if 0 not in (a, b) else 1 if 1 not in (a, b) else 26]

    def intra_modes(self, x, y, log2):
        c = self.c
        parts = 4 if self.part == "NxN" else 1
        size = (1 << log2) // (2 if parts == 4 else 1)
        # 7.4.9.11: the scan of small blocks follows from the mode.
        scans_depend = 1 if self.sps.min_tb < 4 or self.sps.implicit_rdpcm else 0
        flags = [c.decision(AT["prev_intra"]) for _ in range(parts)]
        self.luma_modes = []
        for i, flag in enumerate(flags):
            px, py = x + (i & 1) * size, y + (i >> 1) * size
            known = self.candidates(px, py)
            if flag:
                mode = known[self.truncated_unary(2, LUMA_MODE, 0, scans_depend)]
            else:
                mode = c.put(self.cipher.flag(LUMA_MODE, c.take(5), 5, 31 if scans_depend else 0), 5)
                for k in sorted(known):
                    mode += mode >= k
            self.luma_modes.append(mode)
            self.fill_modes(px, py, size, mode)
        self.chroma_modes, self.follows = [], []
        for luma in self.luma_modes[:parts if self.h.chroma == 3 else 1] if self.h.chroma else []:
            chroma = 4
            if c.decision(AT["chroma_mode"]):
                chroma = c.put(self.cipher.chroma_mode(c.take(2), scans_depend), 2)
            explicit = [0, 26, 10, 1, luma][chroma]
            mode = 34 if chroma < 4 and explicit == luma else explicit
            self.chroma_modes.append(MODES_422[mode] if self.h.chroma == 2 else mode)
            self.follows.append(chroma == 4)

    def merge_idx(self):
        if self.h.merge_candidates > 1 and self.c.decision(AT["merge_idx"]):
            self.truncated_unary(self.h.merge_candidates - 1, MERGE, 1)

    def partitions(self, x, y, size, depth):
        half, quarter = size // 2, size // 4
        sizes = {
            "2Nx2N": [(size, size)], "2NxN": [(size, half)] * 2, "Nx2N": [(half, size)] * 2, "NxN": [(half, half)] * 4,
            "2NxnU": [(size, quarter), (size, size - quarter)], "2NxnD": [(size, size - quarter), (size, quarter)],
            "nLx2N": [(quarter, size), (size - quarter, size)], "nRx2N": [(size - quarter, size), (quarter, size)]}[self.part]
        merged = False
        for w, h in sizes:
            merged = self.prediction_unit(w, h, depth)
        return merged

    def prediction_unit(self, w, h, depth):
        c = self.c
        if c.decision(AT["merge_flag"]):
            self.merge_idx()
            return True
        direction = 0
        if self.h.type == B:
            if w + h != 12 and c.decision(AT["inter_pred"] + depth):
                direction = 2
            else:
                direction = c.decision(AT["inter_pred"] + 4)
        for x in (0, 1):
            if direction not in (x, 2):
                continue
            ref, largest = 0, self.h.refs[x] - 1
            while ref < min(largest, 2) and c.decision(AT["ref_idx"] + ref):
                ref += 1
            if ref == 2 and largest > 2:
                fixed = self.h.long[x][largest - 1] or self.h.long[x][largest]
                ref = self.truncated_unary(largest, REF, 2, 1 if fixed else 0)
            if not (x == 1 and self.h.mvd_l1_zero and direction == 2):
                self.mvd(self.h.long[x][ref])
            c.decision(AT["mvp"])
        return False

    def mvd(self, long_term):
        c = self.c
        greater0 = [c.decision(AT["mvd0"]), c.decision(AT["mvd0"])]
        greater1 = [g and c.decision(AT["mvd1"]) for g in greater0]
        for g0, g1 in zip(greater0, greater1):
            if not g0:
                continue
            magnitude = 1
            if g1:
                prefix = 0
                while c.bypass():
                    prefix = within(prefix + 1, 1, 15)
                bins = c.put(self.cipher.mvd(c.take(prefix + 1), prefix + 1, long_term), prefix + 1)
                magnitude = (1 << prefix + 1) + bins
            sign = c.put(self.cipher.mvd_sign(c.take(1), magnitude, long_term), 1)
            within(-magnitude if sign else magnitude, -32768, 32767)

    def transform_tree(self, x, y, log2, depth, block, cb, cr):
        c, sps = self.c, self.sps
        if sps.min_tb < log2 <= sps.max_tb and depth < self.max_depth and not (self.split_intra and depth == 0):
            split = c.decision(AT["split_transform"] + 5 - log2)
        else:
            inter_split = sps.depth_inter == 0 and not self.intra and self.part != "2Nx2N" and depth == 0
            split = log2 > sps.min_tb and (log2 > sps.max_tb or self.split_intra and depth == 0 or inter_split)
        if log2 > 2 or self.h.chroma == 3:
            at = AT["cbf_chroma"] + depth if depth < 4 else AT["cbf_chroma_4"]
            both = self.h.chroma == 2 and (not split or log2 == 3)
            # Bit 1: the lower block of 4:2:2.
            if cb:
                cb = c.decision(at) | (c.decision(at) << 1 if both else 0)
            if cr:
                cr = c.decision(at) | (c.decision(at) << 1 if both else 0)
        if split:
            half = 1 << log2 - 1
            for i in range(4):
                self.transform_tree(x + (i & 1) * half, y + (i >> 1) * half, log2 - 1, depth + 1, i, cb, cr)
            return
        luma = 1
        if self.intra or depth or cb or cr:
            luma = c.decision(AT["cbf_luma"] + (depth == 0))
        if not (luma or cb or cr):
            return
        if self.pps.dqp and not self.dqp_coded:
            self.qp_delta()
        if self.h.chroma_qp and (cb or cr) and not self.bypass and not self.chroma_qp_coded:
            if c.decision(AT["chroma_qp_flag"]):
                n = 0
                while n < self.pps.chroma_list - 1 and c.decision(AT["chroma_qp_index"]):
                    n += 1
            self.chroma_qp_coded = True
        part = 0
        if luma or self.h.chroma == 3:
            mode = -1
            if self.intra:
                if self.split_intra:
                    half = self.sps.min_cb - 1
                    part = (y >> half & 1) << 1 | x >> half & 1
                mode = self.luma_modes[part]
            if luma:
                self.residual(log2, 0, self.scan_of(mode) if log2 < 4 else 0, mode)
        if self.h.chroma and (log2 > 2 or block == 3 or self.h.chroma == 3):
            full = self.h.chroma == 3
            log2_c = log2 if full else max(2, log2 - 1)
            mode = -1
            if self.intra:
                mode = self.chroma_modes[part if len(self.chroma_modes) > 1 else 0]
            kind = self.scan_of(mode) if log2_c == 2 or (log2_c == 3 and full) else 0
            cross = self.pps.cross and luma and (not self.intra or self.follows[part if len(self.follows) > 1 else 0])
            for component, cbf in ((1, cb), (2, cr)):
                if cross:
                    n = 0
                    while n < 4 and c.decision(AT["cross_size"] + 4 * (component - 1) + n):
                        n += 1
                    if n:
                        c.decision(AT["cross_sign"] + component - 1)
                for i in (0, 1):
                    if cbf >> i & 1:
                        self.residual(log2_c, component, kind, mode)

    @staticmethod
    def scan_of(mode):
        return 2 if 6 <= mode <= 14 else 1 if 22 <= mode <= 30 else 0

    def qp_delta(self):
        c = self.c
        magnitude = 0
        while magnitude < 5 and c.decision(AT["dqp"] + (magnitude > 0)):
            magnitude += 1
        if magnitude == 5:
            k = 0
            while c.bypass():
                magnitude += 1 << k
                k = within(k + 1, 1, 6)
            if k:
                limit = 25 + 3 * (self.h.depth[0] - 8)
                magnitude += c.put(self.cipher.dqp(c.take(k), k, magnitude, limit), k)
        self.dqp_coded = True
        if magnitude:
            limit = 26 + 3 * (self.h.depth[0] - 8)
            sign = c.put(self.cipher.flag(DQP_SIGN, c.take(1), 1, 1 if magnitude >= limit else 0), 1)
            within(-magnitude if sign else magnitude, -limit, limit - 1)
