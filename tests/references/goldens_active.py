#!/usr/bin/env python3
"""Golden cases of the features that are active on a prompt, and of what differs from another.

    python3 tests/references/goldens_active.py     # reads the models and prompts of the other cases, writes these and nothing else

Every number is the length of a vector that the dictionary really adds to its reconstruction: decode(f) with one feature of f and without
it, at that position's own normalisation.
"""
import json
import os

import torch

import goldens
import goldens_depth

OUT = goldens_depth.OUT
BASES = ["random2-kinds-patch", "llama2-all-patch", "tiny-all-patch"]


def written(dictionary, f, x, t, i):
    """What feature i adds to the reconstruction at position t: [d]."""
    without = f.clone()
    without[t, i] = 0
    return (dictionary.decode(f, x) - dictionary.decode(without, x))[t]


def rows(dictionary, x):
    """[N, 5]: position, feature, activation, length of what it adds, share of the position's activations."""
    f = dictionary.encode(x)
    return torch.tensor([[t, i, f[t, i], written(dictionary, f, x, t, i).norm(), f[t, i] / f[t].sum()]
                         for t, i in (f > 0).nonzero().tolist()])


def changes(dictionary, x, other):
    """[N, 3]: position, feature, by how much longer its addition is than in the other prompt."""
    f, g = dictionary.encode(x), dictionary.encode(other)
    return torch.tensor([[t, i, written(dictionary, f, x, t, i).norm() - written(dictionary, g, other, t, i).norm()]
                         for t, i in ((f > 0) | (g > 0)).nonzero().tolist()])


def write(base):
    with open(os.path.join(OUT, base, "case.json")) as f:
        about = json.load(f)
    model, tensors = goldens_depth.open_model(about["model"]), {}
    seen, _ = model.gpt.activations(model.tokens(about["prompt"]))
    other, _ = model.gpt.activations(model.tokens(about["patch_prompt"]))
    for s, d in model.dictionaries.items():
        tensors[f"active/{s}"], tensors[f"against/{s}"] = rows(d, seen[s]), rows(d, other[s])
        tensors[f"change/{s}"] = changes(d, seen[s], other[s])
    goldens.plain_case(OUT, f"{about['model']}-active", model, about["prompt"], tensors, patch_prompt=about["patch_prompt"],
                       sites=list(model.dictionaries), dictionaries={s: d.describe() for s, d in model.dictionaries.items()},
                       notes=["active/<site> [N, 5]: position, feature, activation, length of what it adds, share of the activations "
                              "there; against/<site>: of the patch prompt.",
                              "change/<site> [N, 3]: position, feature, how much longer than in the patch prompt."])


if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    for b in BASES:
        write(b)
