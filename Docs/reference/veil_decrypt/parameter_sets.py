# SPDX-License-Identifier: GPL-2.0-or-later
"""SPS and PPS, as far as slices depend on them (7.3.2, F.7.3.2), and which are in force. What cannot be read, and why:
Format.md, "What cannot be read"."""
import hashlib

from bits import Bits, FormatError, within
from set_parts import Struct, profile_tier_level, ref_pic_set, scaling_list, sub_layer_ordering, vui
from vps import parse_vps

# The largest picture of any level: MaxLumaPs of level 6.2 (Table A.8).
MOST_SAMPLES = 35651584


def sps_head(b, layer):
    """VPS identifier, whether the VPS has sizes and limits, sps_max_sub_layers_minus1, and the SPS's own identifier."""
    vps, sub_layers = b.u(4), b.u(3)
    multilayer = layer > 0 and sub_layers == 7
    if multilayer:
        sub_layers = 0
    else:
        b.u(1)
        profile_tier_level(b, True, within(sub_layers, 0, 6))
    return vps, multilayer, sub_layers, b.ue(15)


def parse_sps(rbsp, layer):
    b, s = Bits(rbsp), Struct()
    s.vps, s.multilayer, sub_layers, s.id = sps_head(b, layer)
    s.format = s.format_index = None
    if not s.multilayer:
        s.format = sps_format(b)
    elif b.u(1):
        s.format_index = b.u(8)
    s.lsb_bits = b.ue(12) + 4
    if not s.multilayer:
        sub_layer_ordering(b, sub_layers)
    block_sizes(b, s)
    if b.u(1):
        if s.multilayer and b.u(1):
            b.u(6)
        elif b.u(1):
            scaling_list(b)
    s.amp, s.sao, s.pcm = b.u(1), b.u(1), b.u(1)
    if s.pcm:
        s.pcm_bits = (b.u(4) + 1, b.u(4) + 1)
        s.min_pcm = within(b.ue(2) + 3, s.min_cb, 5)
        s.max_pcm = s.min_pcm + b.ue(5 - s.min_pcm)
        b.u(1)
    s.sets = []
    for _ in range(b.ue(64)):
        s.sets.append(ref_pic_set(b, s.sets))
    s.long_term, s.lt_used = b.u(1), []
    if s.long_term:
        for _ in range(b.ue(32)):
            b.u(s.lsb_bits)
            s.lt_used.append(b.u(1))
    s.temporal_mvp = b.u(1)
    b.u(1)
    if b.u(1):
        vui(b, sub_layers)
    sps_extensions(b, s)
    if s.format:
        check_depths(s, s.format)
        check_window(s.format)
    return s


def sps_format(b):
    """Width, height, bit depths, chroma format (0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4) and conformance window."""
    chroma = b.ue(3)
    if chroma == 3 and b.u(1):
        raise FormatError("separate colour planes are not encrypted")
    size = within(b.ue(), 1, 16384), within(b.ue(), 1, 16384)
    window = tuple(b.ue(8191) for _ in range(4)) if b.u(1) else (0, 0, 0, 0)
    return size + (b.ue(8) + 8, b.ue(8) + 8, chroma, window)


def block_sizes(b, s):
    s.min_cb = b.ue(3) + 3
    s.ctb = within(s.min_cb + b.ue(3), 4, 6)
    s.min_tb = b.ue(s.min_cb - 3) + 2
    s.max_tb = s.min_tb + b.ue(min(5, s.ctb) - s.min_tb)
    s.depth_inter, s.depth_intra = b.ue(s.ctb - s.min_tb), b.ue(s.ctb - s.min_tb)


def sps_extensions(b, s):
    s.one_context = s.implicit_rdpcm = s.explicit_rdpcm = s.extended = s.rice = s.align = s.precise = 0
    if not b.u(1):
        return
    has_range, multilayer, others = b.u(1), b.u(1), b.u(2)
    b.u(4)
    if has_range:
        b.u(1)
        s.one_context, s.implicit_rdpcm, s.explicit_rdpcm, s.extended = b.u(1), b.u(1), b.u(1), b.u(1)
        b.u(1)
        s.precise, s.rice, s.align = b.u(1), b.u(1), b.u(1)
    b.u(multilayer)
    if others:
        raise FormatError("3D and screen content extensions are not encrypted")


def check_depths(s, f):
    if s.pcm:
        within(s.pcm_bits[0], 1, f[2]), within(s.pcm_bits[1], 1, f[3])


def check_window(f):
    width, height, _, _, chroma, (left, right, top, bottom) = f
    within((2 if chroma in (1, 2) else 1) * (left + right), 0, width - 1)
    within((2 if chroma == 1 else 1) * (top + bottom), 0, height - 1)


def check_format(s, f):
    """What a slice asks of the size and depths it is coded with, wherever they come from."""
    for size in f[:2]:
        if not 1 <= size <= 16384 or size % (1 << s.min_cb):
            raise FormatError("a picture size that does not suit the coding blocks")
    within(f[0] * f[1], 1, MOST_SAMPLES)
    within(f[2], 8, 16), within(f[3], 8, 16)
    check_depths(s, f)
    check_window(f)
    return f


def parse_pps(rbsp):
    b, p = Bits(rbsp), Struct()
    p.id, p.sps = b.ue(63), b.ue(15)
    p.dependent, p.output_flag = b.u(1), b.u(1)
    p.extra_bits = b.u(3)
    p.sign_hiding, p.cabac_init = b.u(1), b.u(1)
    p.refs = (b.ue(14) + 1, b.ue(14) + 1)
    p.qp = 26 + b.se(-74, 25)
    b.u(1)
    p.transform_skip, p.dqp = b.u(1), b.u(1)
    p.dqp_depth = b.ue(3) if p.dqp else 0
    b.se(-12, 12), b.se(-12, 12)
    p.chroma_offsets = b.u(1)
    p.weighted = (b.u(1), b.u(1))
    p.bypass, p.tiles, p.wpp = b.u(1), b.u(1), b.u(1)
    p.columns = p.rows = None
    p.n_columns = p.n_rows = 1
    if p.tiles:
        p.n_columns, p.n_rows = b.ue(1023) + 1, b.ue(1023) + 1
        if not b.u(1):
            p.columns = [b.ue(1023) + 1 for _ in range(p.n_columns - 1)]
            p.rows = [b.ue(1023) + 1 for _ in range(p.n_rows - 1)]
        b.u(1)
    p.filter_across = b.u(1)
    p.override, p.deblocking_off = 0, 0
    if b.u(1):
        p.override, p.deblocking_off = b.u(1), b.u(1)
        if not p.deblocking_off:
            b.se(-6, 6), b.se(-6, 6)
    if b.u(1):
        scaling_list(b)
    p.list_changes, p.merge_level = b.u(1), b.ue(4) + 2
    p.header_extension = b.u(1)
    pps_extensions(b, p)
    return p


def pps_extensions(b, p):
    p.max_skip, p.cross, p.chroma_list, p.chroma_depth, p.poc_reset = 2, 0, 0, 0, 0
    if not b.u(1):
        return
    has_range, multilayer, others = b.u(1), b.u(1), b.u(2)
    b.u(4)
    if has_range:
        if p.transform_skip:
            p.max_skip = b.ue(3) + 2
        p.cross = b.u(1)
        if b.u(1):
            p.chroma_depth, p.chroma_list = b.ue(3), b.ue(5) + 1
            for _ in range(2 * p.chroma_list):
                b.se(-12, 12)
        b.ue(6), b.ue(6)
    if multilayer:
        pps_multilayer(b, p)
    if others:
        raise FormatError("3D and screen content extensions are not encrypted")


def pps_multilayer(b, p):
    p.poc_reset = b.u(1)
    if b.u(1):
        b.u(6)
    for _ in range(b.ue(62)):
        b.u(6)
        for _ in range(2):
            if b.u(1):
                for _ in range(4):
                    b.se(-16384, 16383)
        if b.u(1):
            b.ue(31), b.ue(31), b.ue(63), b.ue(63)
    if b.u(1):
        raise FormatError("colour mapping is not encrypted")


def check_pair(p, s, f):
    """What the SPS of a PPS must allow."""
    within(p.dqp_depth, 0, s.ctb - s.min_cb), within(p.chroma_depth, 0, s.ctb - s.min_cb)
    within(p.merge_level, 2, s.ctb), within(p.max_skip, 2, s.max_tb)
    within(p.qp, 6 * (8 - f[2]), 51)
    if p.cross and f[4] != 3 or p.chroma_list and f[4] == 0:
        raise FormatError("chroma tools without such chroma")


def references(vps, layer):
    """The layers that a layer refers to directly."""
    if vps is None or layer not in vps.layers or vps.layers.index(layer) >= len(vps.direct):
        return []
    return sorted(vps.layers[j] for j in vps.direct[vps.layers.index(layer)])


def identifier(nal_type, layer, rbsp):
    """Of a parameter set of which nothing else need be readable."""
    b = Bits(rbsp)
    if nal_type == 33:
        return sps_head(b, layer)[3]
    return b.u(4) if nal_type == 32 else b.ue(63)


class ParameterSets:
    """An SPS or PPS that cannot be read takes the one of its identifier away."""

    def __init__(self):
        self.vps, self.sps, self.pps = {}, {}, {}
        self.count = 0
        # Digests of NAL units: of sets and the layer they came with; of those that cannot be read, by type and layer.
        self.hashes, self.came_with, self.unreadable = {}, {}, {}

    def take(self, nal_type, layer, rbsp, digest=None):
        """digest: of the NAL unit, for tags."""
        known = {32: self.vps, 33: self.sps, 34: self.pps}[nal_type]
        self.count += 1
        self.unreadable[nal_type, layer] = digest
        try:
            made = parse_sps(rbsp, layer) if nal_type == 33 else (parse_vps if nal_type == 32 else parse_pps)(rbsp)
        except FormatError:
            if nal_type != 32:
                try:
                    known.pop(identifier(nal_type, layer, rbsp), None)
                except FormatError:
                    pass
            return
        del self.unreadable[nal_type, layer]
        known[made.id] = made
        self.hashes[nal_type, made.id], self.came_with[nal_type, made.id] = digest, layer

    def around_sealed(self, layer):
        """Digest of what a sealed unit of a layer may be decoded with."""
        known = [(key, self.hashes[key]) for key in sorted(self.hashes) if self.came_with[key] in (0, layer)]
        known += [((key[0], 255), self.unreadable[key]) for key in sorted(self.unreadable) if key[1] in (0, layer)]
        text = b"".join(bytes(key) + digest for key, digest in known if layer or key[0] != 32)
        return hashlib.sha256(text).digest()

    def in_use(self, pps, layer):
        """Digests of the VPS, SPS and PPS of a picture."""
        keys = (32, self.sps[pps.sps].vps), (33, pps.sps), (34, pps.id)
        return [self.in_force(key, layer) for key in keys]

    def in_force(self, key, layer):
        own = self.hashes.get(key, hashlib.sha256(b"").digest())
        others = [other for other in sorted(self.unreadable) if other[0] == key[0] and other[1] <= layer]
        if not others:
            return own
        return hashlib.sha256(own + b"".join(self.unreadable[other] for other in others)).digest()

    def of(self, pps, layer):
        """PPS, SPS, VPS (if there is one) and format of a slice."""
        if pps not in self.pps or self.pps[pps].sps not in self.sps:
            raise FormatError("a parameter set is missing")
        pps = self.pps[pps]
        sps = self.sps[pps.sps]
        form = self.format(sps, layer)
        check_pair(pps, sps, form)
        return pps, sps, self.vps.get(sps.vps), form

    def vps_of(self, pps):
        return self.vps.get(self.sps[pps.sps].vps)

    def any_vps(self):
        """The VPS of the lowest identifier."""
        return self.vps[min(self.vps)] if self.vps else None

    def format(self, sps, layer):
        """Width, height, bit depths, chroma format and conformance window of a layer's pictures."""
        if sps.format:
            return check_format(sps, sps.format)
        vps = self.vps.get(sps.vps)
        if vps is None or not vps.extended or layer not in vps.layers:
            raise FormatError("the VPS of layer %d is missing" % layer)
        index = sps.format_index
        if index is None:
            i = vps.layers.index(layer)
            index = vps.format_index[i] if vps.format_index else min(i, len(vps.formats) - 1)
        if not 0 <= index < len(vps.formats):
            raise FormatError("the VPS has no such representation format")
        return check_format(sps, vps.formats[index])
