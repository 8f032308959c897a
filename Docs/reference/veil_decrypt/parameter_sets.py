# SPDX-License-Identifier: GPL-2.0-or-later
"""Parameter sets, as far as slices depend on them (7.3.2, F.7.3.2)."""
import hashlib

from bits import Bits, FormatError, bits_for, within


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


def hrd(b, common, sub_layers):
    nal = vcl = 0
    pic = 0
    if common:
        nal, vcl = b.u(1), b.u(1)
        if nal or vcl:
            pic = b.u(1)
            if pic:
                b.u(19)
            b.u(8)
            if pic:
                b.u(4)
            b.u(15)
    for _ in range(sub_layers + 1):
        fixed = b.u(1)
        within = 1 if fixed else b.u(1)
        low_delay, count = 0, 1
        if within:
            b.ue()
        else:
            low_delay = b.u(1)
        if not low_delay:
            count = b.ue() + 1
        for _ in range((nal + vcl) * count):
            b.ue(), b.ue()
            if pic:
                b.ue(), b.ue()
            b.u(1)


def chroma_format(b, chroma):
    """0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4."""
    if chroma == 3 and b.u(1):
        raise FormatError("separate colour planes are not encrypted")
    return chroma


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


def parse_vps(rbsp):
    b, v = Bits(rbsp), Struct()
    v.id = b.u(4)
    internal = b.u(1)
    b.u(1)
    v.max_layers = b.u(6)
    v.sub_layers = b.u(3)
    b.u(17)
    profile_tier_level(b, True, v.sub_layers)
    for _ in range(0 if b.u(1) else v.sub_layers, v.sub_layers + 1):
        b.ue(), b.ue(), b.ue()
    max_id = b.u(6)
    sets = [[0]]
    for _ in range(b.ue()):
        sets.append([i for i in range(max_id + 1) if b.u(1)])
    if b.u(1):
        b.u(64)
        if b.u(1):
            b.ue()
        for i in range(b.ue()):
            b.ue()
            hrd(b, 1 if i == 0 else b.u(1), v.sub_layers)
    v.layers, v.formats = [0], {}
    v.direct = [[]]
    v.default_active = v.max_one = 0
    v.lsb_absent = {}
    v.sub_max, v.tid_ref = None, None
    if not b.u(1) or v.max_layers == 0:
        return v
    b.at = b.at + 7 & ~7
    if internal:
        profile_tier_level(b, False, v.sub_layers)
    splitting = b.u(1)
    mask = [b.u(1) for _ in range(16)]
    types = sum(mask)
    lengths = [b.u(3) + 1 for _ in range(types - splitting)]
    ids = b.u(1)
    dimensions = [[0] * types]
    for i in range(1, v.max_layers + 1):
        v.layers.append(b.u(6) if ids else i)
        dimensions.append([0] * types if splitting else [b.u(n) for n in lengths])
    # ViewOrderIdx is the dimension behind the first one, where that is there.
    views = len({d[mask[0]] for d in dimensions}) if mask[1] else 1
    view = b.u(4)
    if view:
        b.u(view * views)
    for i in range(1, v.max_layers + 1):
        v.direct.append([j for j in range(i) if b.u(1)])
    if sum(not d for d in v.direct) > 1:
        raise FormatError("independent enhancement layers are beyond this decryptor")
    if b.u(1):
        v.sub_max = [b.u(3) for _ in range(v.max_layers + 1)]
    if b.u(1):
        v.tid_ref = {(i, j): b.u(3) for i in range(v.max_layers) for j in range(i + 1, v.max_layers + 1) if i in v.direct[j]}
    v.default_active = b.u(1)
    ptls = b.ue() + 1
    for _ in range(2 if internal else 1, ptls):
        profile_tier_level(b, b.u(1), v.sub_layers)
    added = output_idc = 0
    if len(sets) > 1:
        added, output_idc = b.ue(), b.u(2)

    def needs(i, j):
        return i == j or any(needs(k, j) for k in v.direct[i])

    outputs = [None]
    for i in range(1, len(sets) + added):
        index = b.u(bits_for(len(sets) - 1)) + 1 if len(sets) > 2 and i >= len(sets) else min(i, len(sets) - 1) if i < len(sets) else 1
        layers = [v.layers.index(x) for x in sets[index]]
        if i >= len(sets) or output_idc == 2:
            flags = [b.u(1) for _ in layers]
        else:
            flags = [output_idc == 0 or k == len(layers) - 1 for k in range(len(layers))]
        out = [x for x, f in zip(layers, flags) if f]
        needed = [x for x in layers if any(needs(o, x) for o in out) and (internal or x)]
        if ptls > 1:
            b.u(bits_for(ptls) * len(needed))
        if len(out) == 1 and v.direct[out[0]]:
            b.u(1)
        outputs.append((layers, needed))
    formats = []
    for _ in range(b.ue() + 1):
        w, h = b.u(16), b.u(16)
        depth = formats[-1][2:] if formats else (8, 8, 1)
        if b.u(1):
            chroma = chroma_format(b, b.u(2))
            depth = (b.u(4) + 8, b.u(4) + 8, chroma)
        if b.u(1):
            b.ue(), b.ue(), b.ue(), b.ue()
        formats.append((w, h) + depth)
    index = None
    if len(formats) > 1 and b.u(1):
        index = ([0] if internal else []) + [b.u(bits_for(len(formats))) for _ in range(1 if internal else 0, v.max_layers + 1)]
    v.all_formats = formats
    for i, layer in enumerate(v.layers):
        v.formats[layer] = formats[index[i] if index else min(i, len(formats) - 1)]
    v.max_one = b.u(1)
    b.u(1)
    for i in range(1, v.max_layers + 1):
        if not v.direct[i]:
            v.lsb_absent[v.layers[i]] = b.u(1)
    return v


def scaling_list(b):
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not b.u(1):
                b.ue()
            else:
                if size > 1:
                    b.se()
                for _ in range(min(64, 1 << (4 + 2 * size))):
                    b.se()


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
        return (sorted([e for e in kept if e[0] < 0], key=lambda e: -e[0]), sorted([e for e in kept if e[0] > 0], key=lambda e: e[0]))
    n0 = b.ue(15)
    n1 = b.ue(15 - n0)
    result = ([], [])
    for side, count, sign in ((0, n0, -1), (1, n1, 1)):
        poc = 0
        for _ in range(count):
            poc += sign * (b.ue(32767) + 1)
            result[side].append((poc, b.u(1)))
    return result


def parse_sps(rbsp, layer):
    b, s = Bits(rbsp), Struct()
    s.vps = b.u(4)
    sub = b.u(3)
    s.multilayer = layer > 0 and sub == 7
    if not s.multilayer:
        b.u(1)
        profile_tier_level(b, True, sub)
    s.id = b.ue()
    s.format, s.format_index = None, None
    if s.multilayer:
        if b.u(1):
            s.format_index = b.u(8)
    else:
        chroma = chroma_format(b, b.ue())
        w, h = b.ue(), b.ue()
        if b.u(1):
            b.ue(), b.ue(), b.ue(), b.ue()
        s.format = (w, h, b.ue() + 8, b.ue() + 8, chroma)
    s.lsb_bits = b.ue() + 4
    if not s.multilayer:
        for _ in range(0 if b.u(1) else sub, sub + 1):
            b.ue(), b.ue(), b.ue()
    s.min_cb = b.ue() + 3
    s.ctb = s.min_cb + b.ue()
    s.min_tb = b.ue() + 2
    s.max_tb = s.min_tb + b.ue()
    s.depth_inter, s.depth_intra = b.ue(), b.ue()
    if b.u(1):
        if s.multilayer and b.u(1):
            b.u(6)
        elif b.u(1):
            scaling_list(b)
    s.amp, s.sao, s.pcm = b.u(1), b.u(1), b.u(1)
    if s.pcm:
        s.pcm_bits = (b.u(4) + 1, b.u(4) + 1)
        s.min_pcm = b.ue() + 3
        s.max_pcm = s.min_pcm + b.ue()
        b.u(1)
    s.sets = []
    for _ in range(b.ue()):
        s.sets.append(ref_pic_set(b, s.sets))
    s.long_term, s.lt_used = b.u(1), []
    if s.long_term:
        for _ in range(b.ue()):
            b.u(s.lsb_bits)
            s.lt_used.append(b.u(1))
    s.temporal_mvp = b.u(1)
    b.u(1)
    if b.u(1):
        vui(b, sub)
    s.one_context = s.implicit_rdpcm = s.explicit_rdpcm = s.extended = s.rice = s.align = s.precise = 0
    if b.u(1):
        has_range = b.u(1)
        b.u(7)
        if has_range:
            b.u(1)
            s.one_context, s.implicit_rdpcm, s.explicit_rdpcm, s.extended = b.u(1), b.u(1), b.u(1), b.u(1)
            b.u(1)
            s.precise, s.rice, s.align = b.u(1), b.u(1), b.u(1)
    return s


def parse_pps(rbsp):
    b, p = Bits(rbsp), Struct()
    p.id, p.sps = b.ue(), b.ue()
    p.dependent, p.output_flag = b.u(1), b.u(1)
    p.extra_bits = b.u(3)
    p.sign_hiding, p.cabac_init = b.u(1), b.u(1)
    p.refs = (b.ue() + 1, b.ue() + 1)
    p.qp = 26 + b.se()
    b.u(1)
    p.transform_skip, p.dqp = b.u(1), b.u(1)
    p.dqp_depth = b.ue() if p.dqp else 0
    b.se(), b.se()
    p.chroma_offsets = b.u(1)
    p.weighted = (b.u(1), b.u(1))
    p.bypass, p.tiles, p.wpp = b.u(1), b.u(1), b.u(1)
    p.columns = p.rows = None
    p.n_columns = p.n_rows = 1
    if p.tiles:
        p.n_columns, p.n_rows = b.ue() + 1, b.ue() + 1
        if not b.u(1):
            p.columns = [b.ue() + 1 for _ in range(p.n_columns - 1)]
            p.rows = [b.ue() + 1 for _ in range(p.n_rows - 1)]
        b.u(1)
    p.filter_across = b.u(1)
    p.override, p.deblocking_off = 0, 0
    if b.u(1):
        p.override, p.deblocking_off = b.u(1), b.u(1)
        if not p.deblocking_off:
            b.se(), b.se()
    if b.u(1):
        scaling_list(b)
    p.list_changes = b.u(1)
    b.ue()
    p.header_extension = b.u(1)
    p.max_skip, p.cross, p.chroma_list, p.chroma_depth = 2, 0, 0, 0
    if b.u(1):
        has_range = b.u(1)
        b.u(7)
        if has_range:
            if p.transform_skip:
                p.max_skip = b.ue() + 2
            p.cross = b.u(1)
            if b.u(1):
                p.chroma_depth = b.ue()
                p.chroma_list = b.ue() + 1
                for _ in range(2 * p.chroma_list):
                    b.se()
    return p


def references(vps, layer):
    """The layers that a layer refers to directly."""
    if vps is None or layer not in vps.layers or vps.layers.index(layer) >= len(vps.direct):
        return []
    return sorted(vps.layers[j] for j in vps.direct[vps.layers.index(layer)])


def identifier(nal_type, layer, rbsp):
    """Of a parameter set of which nothing else need be readable."""
    b = Bits(rbsp)
    if nal_type == 33:
        b.u(4)
        sub = b.u(3)
        if layer == 0 or sub != 7:
            b.u(1)
            profile_tier_level(b, True, sub)
    return b.u(4) if nal_type == 32 else b.ue()


class ParameterSets:
    """An SPS or PPS that cannot be read takes the one of its identifier away."""

    def __init__(self):
        self.vps, self.sps, self.pps = {}, {}, {}
        self.count = 0
        # Digests of NAL units: of sets and the layer they came with; of those that cannot be read, by type and layer.
        self.hashes, self.came_with, self.unreadable = {}, {}, {}

    def take(self, nal_type, layer, rbsp, digest=None):
        """digest: of the NAL unit, for tags."""
        known, parse = {
            32: (self.vps, parse_vps), 33: (self.sps, lambda r: parse_sps(r, layer)), 34: (self.pps, parse_pps)}[nal_type]
        self.count += 1
        self.unreadable[nal_type, layer] = digest
        try:
            made = parse(rbsp)
        except (FormatError, IndexError, ValueError):
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

    def of(self, pps):
        """PPS, SPS and VPS (if there is one) of a slice."""
        if pps not in self.pps or self.pps[pps].sps not in self.sps:
            raise FormatError("a parameter set is missing")
        sps = self.sps[self.pps[pps].sps]
        return self.pps[pps], sps, self.vps.get(sps.vps)

    def vps_of(self, pps):
        return self.vps.get(self.sps[pps.sps].vps)

    def any_vps(self):
        """The VPS of the lowest identifier."""
        return self.vps[min(self.vps)] if self.vps else None

    def format(self, sps, layer):
        if sps.format:
            return sps.format
        vps = self.vps.get(sps.vps)
        if vps is None or layer not in vps.formats:
            raise FormatError("the VPS of layer %d is missing" % layer)
        return vps.all_formats[sps.format_index] if sps.format_index is not None else vps.formats[layer]
