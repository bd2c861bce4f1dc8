#!/usr/bin/env python3
"""Golden cases of effects by depth: a node is really moved, K blocks are run, and the linear step is taken there.

    python3 tests/references/goldens_depth.py     # reads the models and prompts of the other cases, writes these and nothing else
    python3 tests/references/goldens_depth.py opt-all-zero      # of that case alone

For a node of layer l (the number in the hook name, the number of blocks for the final hook_resid_post):
1. The node's change is added to its site at its position, and the model is run with it.
2. R is the residual stream before block l + K, g the metric's gradient there in the clean run: effect = Σ g · (R' − R), over all
   positions. Where l + K reaches the number of blocks, the effect is m(moved) − m(clean).
K = 0 is checked to be the gradient times the change, K = the number of blocks to be real patching, and the step to be the derivative
of the whole where the node moves by a millionth: three numbers that come from elsewhere.
"""
import json
import os
import sys

import torch

import goldens
import goldens_architectures
import goldens_sites
from reference import exact_logits, gradients

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../OnnxAttribution.Tests/Goldens")
BASES = ["random2-all-zero", "random2-all-patch", "random2-kinds-patch", "llama2-all-patch", "neox2-all-zero", "random2-sites-all-zero",
         "tiny-resid-zero", "gemma2-all-patch", "qwen3-all-patch", "gemma3-all-zero", "gpt-neo-all-zero", "olmo2-all-zero", "opt-all-zero",
         "phi-all-zero"]
TINY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models/tiny")
METRICS = ["logit-diff", "logprob"]


def open_model(name):
    if name == "tiny":
        return goldens.Model(TINY, name)
    folder = os.path.join(OUT, "models", name)
    if name == "random2-sites":
        return goldens_sites.Model(folder, name)
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    if config["model_type"] == "gpt2":
        return goldens.Model(folder, name)
    return goldens.Model(folder, name, goldens_architectures.reader(config))


def layer_of(site, layers):
    return layers if site.endswith("resid_post") else int(site.split(".")[1])


def landing(site, depth, layers):
    """Where the linear step is taken; None: behind the head."""
    to = layer_of(site, layers) + depth
    return None if to >= layers else f"blocks.{to}.hook_resid_pre"


def effects(case, site, depth, m, scale=1):
    """[N]: of every node of a site."""
    n, measure, to = case.nodes[site], case.measure[m], landing(site, depth, case.gpt.layers)
    moved = case.x[site].repeat(len(n.position), 1, 1)
    moved[torch.arange(len(moved)), n.position] += scale * n.move
    if to is None:
        with torch.no_grad():
            return measure(case.gpt.run(case.ids, lambda name, v: moved if name == site else v)) - measure(case.logits)
    seen = {}
    def at(name, v):
        if name == to:
            seen["there"] = v
        return moved if name == site else v
    with torch.no_grad():
        case.gpt.run(case.ids, at)
    change = seen["there"] - case.gpt.activations(case.ids)[0][to]
    g = gradients(case.gpt, case.ids, [to], measure)[to]
    return (g * change).sum((-2, -1))


def check(case, m):
    g = gradients(case.gpt, case.ids, case.sites, case.measure[m])
    layers = case.gpt.layers
    for s, n in case.nodes.items():
        linear = (g[s][n.position] * n.move).sum(-1)
        whole = case.measure[m](exact_logits(case.gpt, case.ids, s, case.x[s], n)) - case.measure[m](case.logits)
        largest = 1e-3 + linear.abs().max()
        assert (effects(case, s, layers, m) - whole).abs().max() < 1e-12 * largest, f"{s}: all blocks are not real patching"
        for depth in range(1, layers + 1):
            step = 1e-6
            nudged = effects(case, s, depth, m, step) / step
            assert (nudged - linear).abs().max() < 1e-4 * largest, f"{s}: depth {depth} of a small step is not linear"


def write(base):
    with open(os.path.join(OUT, base, "case.json")) as f:
        about = json.load(f)
    kinds = ("-all-", "-depth-"), ("-resid-", "-depth-"), ("-kinds-", "-kinds-depth-")
    name = next(base.replace(*k) for k in kinds if k[0] in base)
    model = open_model(about["model"])
    case = goldens.Case(OUT, name, model, about["prompt"], about["patch_prompt"], sites=about["sites"], target=about["target"],
                        notes=["depth-K/METRIC/effect/SITE: really moved, K blocks run, then the linear step; see goldens_depth.py."])
    case.runs(logits=False, features=False)
    case.tensors = {k: v for k, v in case.tensors.items() if k.startswith("nodes/")}
    depths = list(range(1, case.gpt.layers + 1))
    case.about.update({"methods": None, "depths": {str(k): METRICS for k in depths}})
    for m in METRICS:
        check(case, m)
        for k in depths:
            for s in case.sites:
                case.put(f"depth-{k}/{m}/effect/{s}", effects(case, s, k, m))
    case.write()


if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    for b in sys.argv[1:] or BASES:
        write(b)
