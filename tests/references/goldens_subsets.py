#!/usr/bin/env python3
"""Golden cases of many nodes really moved at once, whatever their sites.

    python3 tests/references/goldens_subsets.py     # reads the models and prompts of the other cases, writes these and nothing else

Each node of a subset adds its change from its clean to its patch value to its site at its position, to whatever is there by then:
effect = m(moved) − m(clean). Subsets of one node are checked to be real patching of that node, which comes from elsewhere.
"""
import os

import numpy as np
import torch

import goldens
import goldens_depth
from reference import exact_logits

OUT = goldens_depth.OUT
BASES = ["random2-all-zero", "random2-all-patch", "random2-kinds-patch", "llama2-all-patch", "neox2-all-zero", "tiny-resid-zero"]
METRICS = ["logit-diff", "prob"]
DENSITIES = [1 / 2, 1 / 4, 1 / 16]
EACH = 8


def effect(case, members, m):
    """members: {site: bool [N]}."""
    def at(name, v):
        if name not in members:
            return v
        n = case.nodes[name]
        return v.index_add(0, n.position[members[name]], n.move[members[name]])
    with torch.no_grad():
        return (case.measure[m](case.gpt.run(case.ids, at)) - case.measure[m](case.logits)).item()


def check(case, m):
    for s, n in case.nodes.items():
        alone = case.measure[m](exact_logits(case.gpt, case.ids, s, case.x[s], n)) - case.measure[m](case.logits)
        for i in range(0, len(n.position), 7):
            one = effect(case, {s: torch.arange(len(n.position)) == i}, m)
            assert abs(one - alone[i].item()) < 1e-12 * (1 + alone.abs().max()), f"{s}: a subset of one node is not that node patched"


def write(base):
    rng = np.random.RandomState(5)
    with open(os.path.join(OUT, base, "case.json")) as f:
        about = goldens_depth.json.load(f)
    name = base.replace("-all-", "-subsets-").replace("-resid-", "-subsets-") if "-kinds-" not in base else "random2-kinds-subsets-patch"
    case = goldens.Case(OUT, name, goldens_depth.open_model(about["model"]), about["prompt"], about["patch_prompt"], sites=about["sites"],
                        target=about["target"], notes=["subsets/members [subsets, N]: 1 where a node is in, sites in their order; "
                                                       "subsets/METRIC/effect: all of them really moved; see goldens_subsets.py."])
    case.runs(logits=False, features=False)
    case.tensors = {k: v for k, v in case.tensors.items() if k.startswith("nodes/")}
    count = sum(len(n.position) for n in case.nodes.values())
    chosen = [rng.uniform(size=count) < p for p in DENSITIES for _ in range(EACH)]
    case.put("subsets/members", np.stack(chosen))
    case.about.update({"methods": None, "subsets": METRICS})
    for m in METRICS:
        check(case, m)
        effects = []
        for members in chosen:
            at, first = {}, 0
            for s, n in case.nodes.items():
                at[s] = torch.from_numpy(members[first:first + len(n.position)])
                first += len(n.position)
            effects.append(effect(case, at, m))
        case.put(f"subsets/{m}/effect", effects)
    case.write()


if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    for b in BASES:
        write(b)
