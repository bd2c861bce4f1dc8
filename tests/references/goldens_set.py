#!/usr/bin/env python3
"""Golden cases of features that are set to values: active ones and others, at one position and at all.

    python3 tests/references/goldens_set.py     # reads the models and prompts of the other cases, writes these and nothing else

Each site in the order of computation is encoded as the earlier sites left it, and every feature that is set adds (value − f) times its
decoder row there. Checked: to set one feature of one site to c times its clean activation is to scale it (reference_ablation.py).
"""
import json
import os

import torch

import goldens_depth
from goldens_ablation import AblationCase
from reference_ablation import joint_run

OUT = goldens_depth.OUT
BASES = {"random2-circuit-all": "random2-set", "tiny-circuit": "tiny-set"}
VALUES = [3.0, 0.0, 0.5, -1.0]


def set_run(case, given, reached=lambda site, x: None):
    """given: [site, position or None, feature, value]. Logits [T, V]."""
    def at(name, x):
        listed = [g for g in given if g[0] == name]
        if not listed:
            return x
        reached(name, x)
        d = case.dictionaries[name]
        f, rows = d.encode(x), d.rows(x)
        for _, p, i, value in listed:
            for t in range(len(case.ids)) if p is None else [p]:
                x = x.index_add(0, torch.tensor([t]), ((value - f[t, i]) * rows[t, i])[None])
        return x
    with torch.no_grad():
        return case.gpt.run(case.ids, at)


def chosen(case):
    """At each site the strongest feature of the last position and one that is off there, and at every other site one at all positions."""
    given, last = [], len(case.ids) - 1
    for n, (s, d) in enumerate(case.dictionaries.items()):
        f = d.encode(case.x[s])
        off = (f.max(0).values == 0).nonzero()[:, 0]
        given.append([s, last, f[last].argmax().item(), VALUES[n % len(VALUES)]])
        given.append([s, last - 1, off[n % len(off)].item(), 2.0])
        if n % 2:
            given.append([s, None, off[(n + 1) % len(off)].item(), 0.75])
    return given


def check(case):
    s, d = next(iter(case.dictionaries.items()))
    f, last = d.encode(case.x[s]), len(case.ids) - 1
    i = f[last].argmax().item()
    factor = torch.ones_like(f)
    factor[last, i] = 0.25
    scaled, _ = joint_run(case.gpt, case.ids, case.sites, case.dictionaries, {s: factor})
    assert (set_run(case, [[s, last, i, 0.25 * f[last, i].item()]]) - scaled).abs().max() < 1e-11


def write(base, name):
    with open(os.path.join(OUT, base, "case.json")) as f:
        about = json.load(f)
    case = AblationCase(OUT, name, goldens_depth.open_model(about["model"]), about["prompt"], about["patch_prompt"], sites=about["sites"],
                        target=about["target"], notes=["set: features of one run, [site, position or null: all, feature, value]; "
                                                       "set/logits [V]: at the position; see goldens_set.py."])
    case.runs(logits=False, features=False)
    case.tensors = {}
    check(case)
    given = chosen(case)
    logits = set_run(case, given, case.clear)
    case.about.update({"set": given, "set_metrics": {m: case.measure[m](logits).item() for m in ("logit-diff", "logprob")}})
    case.put("set/logits", logits[case.position])
    case.write()


if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    for b, n in BASES.items():
        write(b, n)
