#!/usr/bin/env python3
"""Goldens of comparisons: two made-up graphs, joined with pandas by node and by edge, with Spearman's correlation by scipy, in float64.
Effects are multiples of 1/16, so that many are equal and sums in float32 are exact. Debian 12: python3-pandas 1.5, python3-scipy 1.10.

    python3 tests/references/goldens_comparison.py [--out tests/OnnxAttribution.Tests/Goldens/comparison]
"""
import argparse
import json
import os

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

SITES = ["blocks.0.hook_resid_pre", "blocks.1.hook_mlp_out", "blocks.2.hook_resid_pre"]
POSITIONS, FEATURES = 4, 9
NODE, EDGE = ["site", "position", "feature"], [f"{end}_{name}" for end in ("up", "down") for name in ("site", "position", "feature")]


def grid(rng, most):
    return float(rng.integers(-most, most + 1)) / 16


def graph(rng, base):
    """Nodes and edges; of a base graph the same with other effects, some of them gone and some new."""
    nodes, edges = {}, {}
    for site in SITES:
        for position in range(POSITIONS):
            for feature in [-1, *map(int, rng.choice(FEATURES, 5, replace=False))]:
                nodes[site, position, feature] = (grid(rng, 40), bool(rng.random() < 0.7))
    if base is not None:
        for key, (effect, kept) in base[0].items():
            if rng.random() < 0.8:
                nodes[key] = (effect + grid(rng, 32), kept if rng.random() < 0.8 else not kept)
    kept = [key for key, (_, is_kept) in nodes.items() if is_kept]
    for up in kept:
        for down in [*kept, ("metric", -1, -1)]:
            later = down[0] == "metric" or (SITES.index(down[0]) > SITES.index(up[0]) and down[1] >= up[1])
            if later and rng.random() < 0.35:
                former = None if base is None else base[1].get((*up, *down))
                edges[(*up, *down)] = grid(rng, 24) if former is None else former + grid(rng, 20)
    return nodes, edges


def summed(nodes, edges):
    """Over positions: a feature's kept nodes, or where none is kept all of them; every edge."""
    table = pd.DataFrame([(*key, effect, kept) for key, (effect, kept) in nodes.items()], columns=[*NODE, "effect", "kept"])
    some = table.groupby(["site", "feature"]).kept.transform("any")
    table = table[table.kept | ~some].assign(position=-1)
    by_node = table.groupby(NODE).agg(effect=("effect", "sum"), kept=("kept", "any"))
    lines = pd.DataFrame([(*key, effect) for key, effect in edges.items()], columns=[*EDGE, "effect"])
    by_edge = lines.assign(up_position=-1, down_position=-1).groupby(EDGE).effect.sum()
    return {key: (float(row.effect), bool(row.kept)) for key, row in by_node.iterrows()}, by_edge.to_dict()


def compared(a, b, names):
    """Rows of what either has, strongest first, and counts: effects, and whether each has it."""
    tables = [pd.DataFrame([(*key, *value) for key, value in side.items()], columns=[*names, f"effect_{s}", f"in_{s}"])
              for side, s in ((a, "a"), (b, "b"))]
    rows = tables[0].merge(tables[1], how="outer", on=names)
    for s in "ab":
        rows[f"in_{s}"] = rows[f"in_{s}"].fillna(False).astype(bool)
    rows = rows[rows.in_a | rows.in_b]
    both = rows.in_a & rows.in_b
    opposite = both & (rows.effect_a * rows.effect_b < 0)
    rows = rows.assign(presence=np.select([opposite, both, rows.in_a], ["opposite", "both", "a"], "b"),
                       size=rows[["effect_a", "effect_b"]].abs().max(axis=1))
    rows = rows.sort_values(["size", *names], ascending=[False, *[True] * len(names)])
    shared = rows[both.reindex(rows.index)]
    counts = rows.presence.value_counts()
    return {
        "rows": [[*(row[name] for name in names), row.presence, *(None if np.isnan(row[e]) else row[e] for e in ("effect_a", "effect_b"))]
                 for _, row in rows.iterrows()],
        "counts": [int(counts.get(name, 0)) for name in ("both", "opposite", "a", "b")],
        "spearman": float(spearmanr(shared.effect_a, shared.effect_b).correlation),
    }


def comparison(a, b):
    edges = [{key: (effect, True) for key, effect in side[1].items()} for side in (a, b)]
    return {"nodes": compared(a[0], b[0], NODE), "edges": compared(*edges, EDGE)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="tests/OnnxAttribution.Tests/Goldens/comparison")
    out = parser.parse_args().out
    rng = np.random.default_rng(16)
    a = graph(rng, None)
    b = graph(rng, a)
    golden = {
        "runs": [{"nodes": [[*key, *value] for key, value in nodes.items()], "edges": [[*key, effect] for key, effect in edges.items()]}
                 for nodes, edges in (a, b)],
        "position": comparison(a, b),
        "feature": comparison(summed(*a), summed(*b)),
    }
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "comparison.json"), "w", encoding="utf-8") as file:
        text = json.dumps(golden, separators=(",", ":"))
        file.write(text.replace("],[", "],\n["))
        file.write("\n")
    for align in ("position", "feature"):
        for kind in ("nodes", "edges"):
            print(align, kind, golden[align][kind]["counts"], golden[align][kind]["spearman"])


main()
