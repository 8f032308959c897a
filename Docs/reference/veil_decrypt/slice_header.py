# SPDX-License-Identifier: GPL-2.0-or-later
"""Slice segment headers and what follows from them: CTB scans and picture order (7.3.6.1, F.7.3.6.1, 6.5.1, 8.3.1)."""
from bits import BitSink, Bits, FormatError, escape, within
from parameter_sets import references
from set_parts import Struct, ref_pic_set

I, P, B = 2, 1, 0


def tile_bounds(p, width, height):
    """Where columns and rows of tiles begin and end, in CTBs."""
    def bounds(total, n, sizes):
        within(n, 1, total)
        if sizes is None:
            return [i * total // n for i in range(n + 1)]
        within(sum(sizes), 0, total - 1)
        return [sum(sizes[:i]) for i in range(n)] + [total]
    return bounds(width, p.n_columns, p.columns), bounds(height, p.n_rows, p.rows)


class Layout:
    """CTB scans (6.5.1)."""

    def __init__(self, width, height, p):
        columns, rows = tile_bounds(p, width, height)
        self.rs, self.tile, self.column_start = [], [], [0] * width
        tile = 0
        for r in range(len(rows) - 1):
            for c in range(len(columns) - 1):
                for y in range(rows[r], rows[r + 1]):
                    for x in range(columns[c], columns[c + 1]):
                        self.rs.append(y * width + x)
                        self.tile.append(tile)
                        self.column_start[x] = columns[c]
                tile += 1
        self.ts = [0] * len(self.rs)
        for t, r in enumerate(self.rs):
            self.ts[r] = t


def parse_header(rbsp, nal_type, layer, tid, sets, previous):
    """previous: the header before it in the layer's picture. FormatError where a value is none that H.265 allows."""
    if not is_slice(nal_type):
        raise FormatError("no slice")
    b, h = Bits(rbsp), Struct()
    h.first = b.u(1)
    if 16 <= nal_type <= 23:
        b.u(1)
    pps, sps, vps, (width, height, depth_y, depth_c, chroma_format, _) = sets.of(b.ue(63), layer)
    ctbs = ((width + (1 << sps.ctb) - 1) >> sps.ctb, (height + (1 << sps.ctb) - 1) >> sps.ctb)
    dependent = address = 0
    if not h.first:
        dependent = b.u(1) if pps.dependent else 0
        address = b.below(ctbs[0] * ctbs[1])
    if dependent:
        if previous is None or previous.pps.id != pps.id:
            raise FormatError("a dependent slice segment without its slice")
        first = h.first
        h.__dict__.update(previous.__dict__)
        h.first = first
    h.dependent, h.address = dependent, address
    h.pps, h.sps, h.size, h.ctbs, h.depth = pps, sps, (width, height), ctbs, (depth_y, depth_c)
    h.chroma = chroma_format
    if not dependent:
        h.slice_address = address
        slice_fields(b, h, nal_type, layer, tid, vps)
    entry_points(b, h)
    if pps.header_extension:
        header_extension(b, h, nal_type, layer, vps)
    h.end = b.at
    if not b.u(1):
        raise FormatError("slice header does not end where it should")
    h.bytes = b.at + 7 >> 3
    return h


def slice_fields(b, h, nal_type, layer, tid, vps):
    """What dependent slice segments have from their slice."""
    pps, sps = h.pps, h.sps
    b.u(pps.extra_bits)
    h.type = b.ue(2)
    if 16 <= nal_type <= 23 and layer == 0 and h.type != I:
        raise FormatError("an IRAP picture that is not intra")
    if pps.output_flag:
        b.u(1)
    idr = nal_type in (19, 20)
    index = vps.layers.index(layer) if vps and layer in vps.layers else None
    h.lsb = h.temporal_mvp = before = after = long_term = inter_layer = 0
    if (layer > 0 and not (vps and vps.lsb_absent.get(index))) or not idr:
        h.lsb = b.u(sps.lsb_bits)
    if not idr:
        before, after, long_term = reference_pictures(b, sps)
        h.temporal_mvp = b.u(1) if sps.temporal_mvp else 0
    if layer > 0 and index is not None:
        inter_layer = inter_layer_pictures(b, vps, index, tid)
    h.sao = (b.u(1), b.u(1) if h.chroma else 0) if sps.sao else (0, 0)
    h.refs, h.long, h.mvd_l1_zero, h.merge_candidates, h.init_swap = (0, 0), ([], []), 0, 5, 0
    if h.type != I:
        inter_fields(b, h, before, after, long_term, inter_layer)
    h.qp = within(pps.qp + b.se(-100, 100), 6 * (8 - h.depth[0]), 51)
    if pps.chroma_offsets:
        b.se(-12, 12), b.se(-12, 12)
    h.chroma_qp = b.u(1) if pps.chroma_list else 0
    off = pps.deblocking_off
    if pps.override and b.u(1):
        off = b.u(1)
        if not off:
            b.se(-6, 6), b.se(-6, 6)
    if pps.filter_across and (h.sao[0] or h.sao[1] or not off):
        b.u(1)
    h.poc_reset = h.poc_period = h.full_reset = h.reset_lsb = 0
    h.poc_cycle = None


def reference_pictures(b, sps):
    """How many pictures before and after, and long-term ones, may be predicted from."""
    if b.u(1):
        rps = sps.sets[b.below(len(sps.sets))]
    else:
        rps = ref_pic_set(b, sps.sets, True)
    before, after = (sum(u for _, u in side) for side in rps)
    long_term = 0
    if sps.long_term:
        n_sps = b.ue(32) if sps.lt_used else 0
        n = n_sps + b.ue(32)
        within(n + len(rps[0]) + len(rps[1]), 0, 16)
        for i in range(n):
            if i < n_sps:
                long_term += sps.lt_used[b.below(len(sps.lt_used))]
            else:
                b.u(sps.lsb_bits)
                long_term += b.u(1)
            if b.u(1):
                b.ue(1 << 28)
    return before, after, long_term


def inter_layer_pictures(b, vps, index, tid):
    """How many pictures of layers below may be predicted from."""
    direct = vps.direct[index]
    available = [j for j in direct if (vps.sub_max[j] if vps.sub_max else vps.sub_layers) >= tid
                 and (tid == 0 or (vps.tid_ref[(j, index)] if vps.tid_ref else 7) > tid)]
    if direct and vps.default_active:
        return len(available)
    if not direct or not b.u(1):
        return 0
    count = b.below(len(direct)) + 1 if len(direct) > 1 and not vps.max_one else 1
    if count == len(direct):
        return len(available)
    chosen = [b.below(len(direct)) for _ in range(count)]
    if chosen != sorted(set(chosen)):
        raise FormatError("layers do not ascend")
    return count


def inter_fields(b, h, before, after, long_term, inter_layer):
    """What P and B slices have."""
    pps, lists = h.pps, 2 if h.type == B else 1
    h.refs = (pps.refs[0], pps.refs[1] if h.type == B else 0)
    if b.u(1):
        h.refs = (b.ue(14) + 1, b.ue(14) + 1 if h.type == B else 0)
    total = before + after + long_term + inter_layer
    if not total:
        raise FormatError("no picture to predict from")
    # Which entries of the initial lists are long-term pictures; those of other layers count as such (F.8.3.4).
    initial = ([0] * before + [1] * inter_layer + [0] * after + [1] * long_term,
               [0] * (after + before) + [1] * (long_term + inter_layer))
    entries = [None, None]
    if pps.list_changes and total > 1:
        for x in range(lists):
            if b.u(1):
                entries[x] = [b.below(total) for _ in range(h.refs[x])]
    h.long = tuple([initial[x][j % total] for j in entries[x] or range(h.refs[x])] for x in (0, 1))
    if h.type == B:
        h.mvd_l1_zero = b.u(1)
    if pps.cabac_init:
        h.init_swap = b.u(1)
    if h.temporal_mvp:
        count = h.refs[0 if h.type == P or b.u(1) else 1]
        if count > 1:
            b.ue(count - 1)
    if pps.weighted[lists - 1]:
        weights(b, h, lists)
    h.merge_candidates = 5 - b.ue(4)


def weights(b, h, lists):
    halves = [1 << (depth - 1 if h.sps.precise else 7) for depth in h.depth]
    denominator = b.ue(7)
    if h.chroma:
        within(denominator + b.se(-7, 7), 0, 7)
    for count in h.refs[:lists]:
        luma = [b.u(1) for _ in range(count)]
        chroma = [b.u(1) if h.chroma else 0 for _ in range(count)]
        for i in range(count):
            if luma[i]:
                b.se(-128, 127), b.se(-halves[0], halves[0] - 1)
            for _ in range(2 * chroma[i]):
                b.se(-128, 127), b.se(-4 * halves[1], 4 * halves[1] - 1)


def entry_points(b, h):
    pps = h.pps
    h.entry_at = b.at
    h.entries, h.entry_bits = [], 0
    if pps.tiles or pps.wpp:
        count = b.ue(pps.n_columns * h.ctbs[1] - 1 if pps.wpp else pps.n_columns * pps.n_rows - 1)
        if count:
            h.entry_bits = b.ue(31) + 1
            h.entries = [b.u(h.entry_bits) + 1 for _ in range(count)]
    h.after_entries = b.at


def header_extension(b, h, nal_type, layer, vps):
    length = b.ue(256)
    end = b.at + 8 * length
    if h.pps.poc_reset and end - b.at >= 2:
        h.poc_reset = b.u(2)
        if h.poc_reset:
            h.poc_period = b.u(6)
        if h.poc_reset == 3:
            h.full_reset, h.reset_lsb = b.u(1), b.u(h.sps.lsb_bits)
    if (layer or h.pps.poc_reset) and vps and vps.extended and b.at < end:
        present = 16 <= nal_type <= 18 or nal_type == 21
        if not present or vps.lsb_aligned and references(vps, layer):
            present = b.u(1) if vps.lsb_aligned else 0
        if present and b.at < end:
            h.poc_cycle = b.ue(1 << 28)
    if b.at > end:
        raise FormatError("a slice header extension that is too short")
    b.u(end - b.at)


def is_slice(nal_type):
    return nal_type <= 9 or 16 <= nal_type <= 21


def nearest(other, lsb, most):
    """The count with the low bits lsb that is nearest to another one (8.3.1)."""
    low = other % most
    high = other - low
    if lsb < low and low - lsb >= most // 2:
        high += most
    elif lsb > low and lsb - low > most // 2:
        high -= most
    return high + lsb


class Order:
    """PicOrderCntVal (8.3.1) and the period of the pictures of one layer."""

    def __init__(self):
        self.previous = self.period_poc = 0
        self.period, self.begins, self.reset_period = -1, True, None

    def count(self, h, nal_type, layer, resets):
        """PicOrderCntVal of a picture by itself, and what a POC reset takes off those before (F.8.3.1)."""
        most = 1 << h.sps.lsb_bits
        if h.poc_reset:
            is_first, self.reset_period = self.reset_period != h.poc_period, h.poc_period
            if is_first or h.poc_reset < 3:
                lsb = h.reset_lsb if h.poc_reset == 3 else h.lsb
                plain = nearest(self.previous, lsb, most) if h.poc_cycle is None else h.poc_cycle * most + lsb
                is_full = h.poc_reset == 2 or h.poc_reset == 3 and h.full_reset
                after = h.lsb if h.poc_reset == 1 else 0
                if h.poc_reset == 3:
                    after = nearest(0 if is_full else lsb, h.lsb, most)
                return after, plain if is_full else plain - lsb
        if h.poc_cycle is not None and layer:
            return h.poc_cycle * most + h.lsb, 0
        return h.lsb if resets else nearest(self.previous, h.lsb, most), 0

    def next(self, h, nal_type, layer, tid, shared, told):
        """told: period and POC LSBs (or None) of the message that stands before the picture, or None."""
        irap = 16 <= nal_type <= 23
        resets = irap and (nal_type in (19, 20) or nal_type <= 18 or self.begins)
        most = 1 << h.sps.lsb_bits
        poc, decrement = self.count(h, nal_type, layer, resets)
        self.period_poc -= decrement
        if shared is not None:
            poc = shared
        if tid == 0 and nal_type not in (6, 7, 8, 9) and not (nal_type <= 14 and nal_type % 2 == 0):
            self.previous = poc
        elif h.poc_reset == 3:
            self.previous = 0 if h.full_reset else h.reset_lsb
        if irap:
            self.begins = False
        if told is not None:
            self.period, lsb = told
            # Where the picture that was told of is lost, the period is still its.
            self.period_poc = poc if lsb is None or lsb == h.lsb else nearest(poc, lsb, most)
        elif irap or self.period < 0:
            self.period, self.period_poc = self.period + 1, poc
        return poc, self.period, poc - self.period_poc


class Positions:
    """Orders of all layers, and what messages told of pictures to come."""

    def __init__(self):
        self.orders, self.told, self.last_layer, self.shared = {}, {}, -1, None

    def boundary(self):
        """Nothing of the access unit before follows."""
        self.last_layer = 64

    def end_of_sequence(self, layer):
        for i in self.orders:
            if i >= layer:
                self.orders[i].begins = True

    def next(self, h, nal_type, layer, tid, known):
        """known: what is unlocked of the layer. Returns whether an access unit begins; period and count."""
        opens = layer <= self.last_layer or self.last_layer < 0
        # All pictures of an access unit have one count: another one's lower pictures were sealed or lost.
        resets = nal_type in (19, 20) or h.poc_reset
        if self.shared is not None and layer > 0 and not resets and self.shared % (1 << h.sps.lsb_bits) != h.lsb:
            opens = True
        if opens:
            self.shared = None
        self.last_layer = layer
        # Version 1 announces IRAP pictures only.
        takes = 16 <= nal_type <= 23 or (known and known.message.version == 2)
        start = self.told.pop(layer, None) if takes else None
        poc, period, delta = self.orders.setdefault(layer, Order()).next(h, nal_type, layer, tid, self.shared, start)
        self.shared = poc if self.shared is None else self.shared
        return opens, period, delta


def lengths_of(data, ends):
    """What entry points say of substreams: how long all but the last are, with emulation prevention."""
    return [len(escape(data[start:end])) for start, end in zip([0] + ends, ends[:-1])]


def shortest(lengths):
    return max((max(lengths) - 1).bit_length(), 1)


def rewrite_header(rbsp, h, data, ends):
    """The header with the entry points of the new data, where they changed (emulation prevention moves them)."""
    true, new = lengths_of(rbsp[h.bytes:], ends), lengths_of(data, ends)
    if h.entries and h.entries != true and h.entries == new:
        raise FormatError("its entry points were not encrypted")
    # Those that are not true stay.
    if not h.entries or h.entries != true or new == true:
        return rbsp[:h.bytes]
    # offset_len_minus1 stays, or is the shortest where it was.
    n = shortest(new)
    if h.entry_bits != shortest(true):
        n = max(n, h.entry_bits)
    w = BitSink()
    w.copy(rbsp, 0, h.entry_at)
    w.ue(len(new))
    w.ue(n - 1)
    for length in new:
        w.u(length - 1, n)
    w.copy(rbsp, h.after_entries, h.end)
    w.u(1, 1)
    return w.data()
