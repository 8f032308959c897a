# SPDX-License-Identifier: GPL-2.0-or-later
"""The VPS, which says what layers there are (7.3.2.1, F.7.3.2.1). Layers go by their index, not by nuh_layer_id."""
from bits import Bits, FormatError, bits_for, within
from set_parts import Struct, hrd, profile_tier_level, sub_layer_ordering


def parse_vps(rbsp):
    b, v = Bits(rbsp), Struct()
    v.id = b.u(4)
    if not b.u(1):
        raise FormatError("the base layer is not in the stream")
    b.u(1)
    v.max_layers, v.sub_layers = within(b.u(6), 0, 62), within(b.u(3), 0, 6)
    b.u(17)
    profile_tier_level(b, True, v.sub_layers)
    sub_layer_ordering(b, v.sub_layers)
    max_id, more = within(b.u(6), 0, 62), b.ue(1023)
    sets = [[0]] + [[i for i in range(max_id + 1) if b.u(1)] for _ in range(more)]
    if b.u(1):
        timing(b, v, more)
    # Without an extension there is the base layer alone.
    v.extended, v.layers, v.direct, v.needs, v.formats = b.u(1), [0], [[]], [{0}], []
    v.sub_max = v.tid_ref = v.format_index = None
    v.default_active, v.max_one, v.lsb_aligned, v.lsb_absent = 0, 1, 0, {}
    if v.extended:
        b.at = b.at + 7 & ~7
        extension(b, v, sets)
    return v


def timing(b, v, more):
    b.u(64)
    if b.u(1):
        b.ue()
    for i in range(b.ue(1024)):
        b.ue(more)
        hrd(b, 1 if i == 0 else b.u(1), v.sub_layers)


def extension(b, v, sets):
    if v.max_layers:
        profile_tier_level(b, False, v.sub_layers)
    layers(b, v)
    above = range(1, v.max_layers + 1)
    v.direct += [[j for j in range(i) if b.u(1)] for i in above]
    for i in above:
        v.needs.append({i}.union(*(v.needs[j] for j in v.direct[i])))
    own = len(sets)
    trees = independent_trees(v.direct)
    if len(trees) > 1:
        sets = sets + [added_set(b, v, trees) for _ in range(b.ue(1023))]
    if b.u(1):
        v.sub_max = [b.u(3) for _ in v.layers]
    if b.u(1):
        v.tid_ref = {(i, j): b.u(3) for i in range(v.max_layers) for j in above if i in v.direct[j]}
    v.default_active = b.u(1)
    levels = b.ue(63) + 1
    for _ in range(2, levels):
        profile_tier_level(b, b.u(1), v.sub_layers)
    outputs = output_layer_sets(b, v, sets, own, levels)
    try:
        formats_and_dependencies(b, v, outputs)
    except FormatError:
        if any(v.direct):
            raise
        # Of independent layers, whose SPS say all, what follows need not be readable.
        v.formats, v.format_index, v.max_one, v.lsb_aligned = [], None, 1, 0
        v.lsb_absent = {i: 1 for i in above}


def layers(b, v):
    splitting, mask = b.u(1), [b.u(1) for _ in range(16)]
    if v.max_layers and not any(mask):
        raise FormatError("layers that differ in nothing")
    lengths = [b.u(3) + 1 for _ in range(sum(mask) - splitting)]
    has_ids, views = b.u(1), {0}
    for i in range(1, v.max_layers + 1):
        v.layers.append(within(b.u(6) if has_ids else i, v.layers[-1] + 1, 62))
        dimensions = [] if splitting else [b.u(n) for n in lengths]
        if mask[1]:
            views.add(dimensions[mask[0]] if mask[0] < len(dimensions) else 0)
    b.u(b.u(4) * len(views))


def independent_trees(direct):
    """Layers that refer to none, each with those that refer to it and are in no tree before."""
    seen, trees = set(), []
    for root in range(len(direct)):
        if not direct[root]:
            tree = [root]
            for i in range(root + 1, len(direct)):
                if i not in seen and set(tree) & set(direct[i]):
                    seen.add(i)
                    tree.append(i)
            trees.append(tree)
    return trees


def added_set(b, v, trees):
    chosen = [tree[:b.u(bits_for(len(tree) + 1))] for tree in trees[1:]]
    return sorted(v.layers[i] for tree in chosen for i in tree)


def output_layer_sets(b, v, sets, own, levels):
    """Of each set but the first its layers, by nuh_layer_id, and how many of them decoding takes."""
    added = output = 0
    if len(sets) > 1:
        added, output = b.ue(1023), b.u(2)
    result = []
    for i in range(1, len(sets) + added):
        index = i if i < len(sets) else 1
        if len(sets) > 2 and i >= len(sets):
            index = 1 + b.below(len(sets) - 1)
        ids = sets[index]
        if i >= own or output >= 2:
            flags = [b.u(1) for _ in ids]
        else:
            flags = [output == 0 or k == len(ids) - 1 for k in range(len(ids))]
        shown = [id for id, flag in zip(ids, flags) if flag]
        indices = [v.layers.index(id) for id in shown if id in v.layers]
        needed = {v.layers[j] for k in indices for j in v.needs[k]}.intersection(ids)
        if levels > 1:
            b.u(bits_for(levels) * len(needed))
        if len(shown) == 1 and indices and v.direct[indices[0]]:
            b.u(1)
        result.append((ids, len(needed)))
    return result


def formats_and_dependencies(b, v, outputs):
    count = b.ue(255) + 1
    for _ in range(count):
        v.formats.append(representation_format(b, v.formats))
    if count > 1 and b.u(1):
        v.format_index = [0] + [b.below(count) for _ in range(v.max_layers)]
    v.max_one, v.lsb_aligned = b.u(1), b.u(1)
    for i in range(1, v.max_layers + 1):
        if not v.direct[i]:
            v.lsb_absent[i] = b.u(1)
    for ids, needed in outputs:
        buffer_sizes(b, v, ids, needed)
    length = b.ue(30) + 2
    b.u(length if b.u(1) else length * sum(len(d) for d in v.direct))


def representation_format(b, before):
    """Width, height, bit depths, chroma format, conformance window."""
    size = b.u(16), b.u(16)
    if b.u(1):
        chroma = b.u(2)
        if chroma == 3:
            b.u(1)
        depths = b.u(4) + 8, b.u(4) + 8, chroma
    elif before:
        depths = before[-1][2:5]
    else:
        raise FormatError("a representation format without bit depths")
    return size + depths + (tuple(b.ue(8192) for _ in range(4)) if b.u(1) else (0, 0, 0, 0),)


def buffer_sizes(b, v, ids, needed):
    if v.sub_max:
        most = max([v.sub_max[v.layers.index(id) if id in v.layers else 0] for id in ids], default=0)
    else:
        most = v.sub_layers if ids else 0
    by_sub_layer = b.u(1)
    for j in range(min(most, 6) + 1):
        if j == 0 or by_sub_layer and b.u(1):
            for _ in range(needed + 2):
                b.ue()
