#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of several reports of `veil attack`, with intervals: what the strongest attack gets of each clip, and means
over the clips of each attack, of each sketch, and of what is left when more elements are replaced.

    veil attack one.mp4 -o one --layers 1 --keys 5 ... ; veil attack two.mp4 -o two --layers 1 --keys 5 ...
    python3 intervals.py one/report.json two/report.json

A cell is the share of pictures that are found, and how far the likeness of edges to the right picture's stands above
that to unrelated ones' (in brackets: lowest and highest of the keys). Means over clips have the bootstrap's interval of 95 %, clips and keys drawn again; where every clip has the same share of 0 or 1, Wilson's
interval for as many trials as there are clips.
"""
import json
import pathlib
import random
import sys

COLUMNS = [("paper", 0), ("maximal", 0), ("maximal", 1), ("maximal", 2), ("maximal", 3)]


def figures(recognition):
    return recognition["rankOne"], recognition["edges"] - recognition["unrelatedEdges"]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def attacks(report, profile, level):
    """By name, what each key gave: decoded pictures, and of pictures of both kinds the best sketches."""
    scheme = f"all, --hide {level}" if level else "all"
    found = {}
    for attempt in report["attempts"]:
        if (attempt["scheme"], attempt["profile"]) == (scheme, profile):
            found.setdefault(attempt["attack"], []).append(figures(attempt["recognition"]))
    best = {}
    for drawing in report["drawings"]:
        kind, recognition = drawing["isIntra"], drawing["recognition"]
        if drawing["hiding"] == level and recognition["rankOne"] >= best.get(kind, recognition)["rankOne"]:
            best[kind] = recognition
    count = sum(r["queries"] for r in best.values())
    found["sketches"] = [tuple(sum(r["queries"] * figures(r)[i] for r in best.values()) / count for i in (0, 1))]
    return found


def strongest(report, profile, level):
    """Figures by key of the attack that finds most pictures and, of several, is nearest to their edges."""
    return max(attacks(report, profile, level).values(), key=lambda keys: (mean(k[0] for k in keys), mean(k[1] for k in keys)))


def bootstrap(clips, index, rounds=10000):
    drawn = random.Random(1)
    means = []
    for _ in range(rounds):
        again = [clips[drawn.randrange(len(clips))] for _ in clips]
        means.append(mean(mean(keys[drawn.randrange(len(keys))][index] for _ in keys) for keys in again))
    means.sort()
    return means[rounds // 40], means[-rounds // 40]


def wilson(share, trials, z=1.959964):
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * (share * (1 - share) / trials + z * z / (4 * trials * trials)) ** 0.5 / (1 + z * z / trials)
    return max(middle - half, 0), min(middle + half, 1)


def total(clips):
    shares = [mean(k[0] for k in keys) for keys in clips]
    same = len(set(shares)) == 1 and shares[0] in (0, 1)
    low, high = wilson(shares[0], len(clips)) if same else bootstrap(clips, 0)
    edges = mean(mean(k[1] for k in keys) for keys in clips)
    return "%.2f (%.2f to %.2f); %.2f (%.2f to %.2f)" % (mean(shares), low, high, edges, *bootstrap(clips, 1))


def cell(keys):
    edges = [k[1] for k in keys]
    return "%.2f; %.2f (%.2f to %.2f)" % (mean(k[0] for k in keys), mean(edges), min(edges), max(edges))


def of_the_strongest(reports):
    table = [[strongest(r, *column) for column in COLUMNS] for r in reports]
    yield ["clip"] + [f"--hide {level}" if level else profile for profile, level in COLUMNS] + ["more bits at 1, 2, 3, %"]
    for report, row in zip(reports, table):
        bits = {h["level"]: 100 * (h["bytes"] / h["clearBytes"] - 1) for h in report["hidden"]}
        yield [report["clip"]] + list(map(cell, row)) + [", ".join("%.1f" % bits[level] for level in (1, 2, 3))]
    yield ["mean"] + [total(list(column)) for column in zip(*table)] + [""]


def of_attacks(reports):
    yield ["elements", "attack", "PSNR, dB", "SSIM", "pictures found; edges above unrelated"]
    clips = {}
    for n, report in enumerate(reports):
        for a in report["attempts"]:
            if a["scheme"] == "all":
                clips.setdefault((a["profile"], a["attack"]), {}).setdefault(n, []).append(a)
    for (profile, attack), of_clip in clips.items():
        every = list(of_clip.values())
        psnr, ssim = (mean(mean(a[name] for a in keys) for keys in every) for name in ("psnrY", "ssim"))
        text = total([[figures(a["recognition"]) for a in keys] for keys in every])
        yield [profile, attack, "%.1f" % psnr, "%.2f" % ssim, text]


def of_sketches(reports):
    yield ["drawn from", "intra pictures", "others"]
    for source in dict.fromkeys(d["source"] for r in reports for d in r["drawings"]):
        yield [source] + [
            total([[figures(d["recognition"])] for r in reports for d in r["drawings"] if
                   (d["source"], d["hiding"], d["isIntra"]) == (source, 0, is_intra)]) for is_intra in (True, False)]


def of_replaced(reports):
    yield ["replaced too", "more bits, %", "decoded", "best sketch of intra pictures", "of others"]
    for rows in zip(*(r["replaced"] for r in reports)):
        bits = [100 * (row["bytes"] / row["clearBytes"] - 1) for row in rows]
        seen = [[figures(row["seen"])] for row in rows if row.get("seen")]
        yield [rows[0]["elements"], "%.1f (%.1f to %.1f)" % (mean(bits), min(bits), max(bits)), total(seen) if seen else ""] + [
            total([[figures(row[kind]["recognition"])] for row in rows]) for kind in ("intra", "inter")]


def main():
    reports = [json.loads(pathlib.Path(path).read_text()) for path in sys.argv[1:]]
    for table in (of_the_strongest, of_attacks, of_sketches, of_replaced):
        for n, row in enumerate(table(reports)):
            print("| " + " | ".join(row) + " |" + ("\n" + "|---" * len(row) + "|" if n == 0 else ""))
        print()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
