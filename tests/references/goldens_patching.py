#!/usr/bin/env python3
"""Golden cases of activation patching at every kind of hook, of its linear estimate, and of edits of hooks.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 tests/references/goldens_patching.py

The clean prompt's and the corrupted one's run are cached; then one of the two is run again with one slice of one hook tensor taken
from the other: the slow way, a whole forward pass per number, in float64. Estimates are autograd's gradient at the run that is patched
times the difference. Reads the models that goldens.py and goldens_architectures.py leave, and models/tiny.
"""
import argparse
import os

import numpy as np
import torch

import goldens_architectures
from goldens import Model, clear_prompt, plain_case
from reference import encode, metric

HERE = os.path.dirname(os.path.abspath(__file__))
METRIC = "logit-diff"
STREAMS = {"resid": "hook_resid_pre", "attn": "hook_attn_out", "mlp": "hook_mlp_out"}
HEADS = ["z", "q", "k", "v", "pattern"]
RANDOM = ["llama2", "neox2"]


def hook_of(kind, layer):
    return f"blocks.{layer}.{STREAMS[kind]}" if kind in STREAMS else f"blocks.{layer}.attn.hook_{kind}"


def slice_of(kind, head, position):
    """Of a tensor [T, d], [T, heads, d_head] or, of a pattern, [heads, query, key]."""
    at = slice(None) if position is None else position
    if kind in STREAMS:
        return (at,)
    return (head, at) if kind == "pattern" else (at, head)


def patched(model, ids, name, index, source):
    def at(n, x):
        if n != name:
            return x
        x = x.clone()
        x[index] = source[index]
        return x
    with torch.no_grad():
        return model.gpt.run(ids, at)


def gradients_at(model, ids, measure):
    seen = {}
    def at(name, x):
        seen[name] = x.detach().requires_grad_() if not x.requires_grad else x
        if seen[name].requires_grad and not seen[name].is_leaf:
            seen[name].retain_grad()
        return seen[name]
    measure(model.gpt.run(ids, at)).backward()
    return {n: x.grad for n, x in seen.items()}


def sweep(model, base_ids, base, source, measure, put):
    """Every place of every kind: the metric of the patched run, and what the linear estimate says of its change."""
    grads = gradients_at(model, base_ids, measure)
    positions = len(base_ids)
    for kind in [*STREAMS, *HEADS]:
        found = {"": [], "by-position/": []}
        for l in range(model.gpt.layers):
            name = hook_of(kind, l)
            heads = [None] if kind in STREAMS else range(base[name].shape[0 if kind == "pattern" else 1])
            def one(head, position):
                index = slice_of(kind, head, position)
                exact = measure(patched(model, base_ids, name, index, source[name])).item()
                return exact, (grads[name][index] * (source[name] - base[name])[index]).sum().item()
            if kind in STREAMS:
                found[""].append([one(None, t) for t in range(positions)])
            else:
                found[""].append([one(h, None) for h in heads])
                found["by-position/"].append([[one(h, t) for t in range(positions)] for h in heads])
        for where, rows in found.items():
            if rows:
                put(f"{kind}/{where}metric", torch.tensor(rows)[..., 0])
                put(f"{kind}/{where}estimate", torch.tensor(rows)[..., 1])


def edits_of(model, seen):
    """Edits of every kind of hook: each a row, a list of (hook, what, value, head, position)."""
    last = model.gpt.layers - 1
    names = ["blocks.0.hook_resid_pre", "blocks.0.hook_attn_out", f"blocks.{last}.hook_mlp_out", f"blocks.{last}.hook_resid_post",
             "blocks.0.hook_resid_mid", "blocks.1.ln1.hook_scale", "blocks.0.ln2.hook_scale", "ln_final.hook_scale"]
    rows = [[[n, "scale", 1.5, None, 2]] for n in names if n in seen]
    for n in ["q", "k", "v", "z", "pattern"]:
        rows += [[[f"blocks.1.attn.hook_{n}", "scale", 0.5, 1, None]], [[f"blocks.0.attn.hook_{n}", "add", 0.25, 0, 2]],
                 [[f"blocks.0.attn.hook_{n}", "set", 0.125, None, None]]]
    rows.append([["blocks.0.attn.hook_q", "scale", 2.0, 0, None], ["blocks.0.attn.hook_pattern", "scale", 0.5, 1, None],
                 ["blocks.1.hook_resid_pre", "add", 0.1, None, 1], ["blocks.1.attn.hook_z", "set", 0.0, 0, 2]])
    return rows


def edited(model, ids, row):
    def at(name, x):
        for hook, what, value, head, position in row:
            if name == hook:
                index = slice_of("pattern" if "pattern" in name else "z" if ".attn.hook_" in name else "resid", slice(None) if head is None
                                 else head, position)
                x = x.clone()
                x[index] = {"scale": value * x[index], "add": x[index] + value, "set": torch.full_like(x[index], value)}[what]
        return x
    with torch.no_grad():
        return model.gpt.run(ids, at)


def write(out, model, texts, tokens=(None, None)):
    ids = [model.tokens(t) for t in texts]
    assert len(ids[0]) == len(ids[1]) and ids[0] != ids[1]
    (clean, logits), (corrupted, corrupted_logits) = (model.gpt.activations(i) for i in ids)
    order = logits[-1].argsort(descending=True).tolist()
    target = order[0] if tokens[0] is None else tokens[0]
    foil = next(i for i in order if i != target) if tokens[1] is None else tokens[1]
    measure = lambda x: metric(METRIC, x, len(ids[0]) - 1, target, foil, logits)
    tensors = {"clean": measure(logits)[None], "corrupted": measure(corrupted_logits)[None]}
    for direction, (base_ids, base, source) in {"denoising": (ids[1], corrupted, clean), "noising": (ids[0], clean, corrupted)}.items():
        sweep(model, base_ids, base, source, measure, lambda name, x: tensors.update({f"{direction}/{name}": x}))
    rows = edits_of(model, clean)
    tensors["edits"] = torch.stack([edited(model, ids[0], row)[-1] for row in rows])
    # of what is patched, all of a layer's stream is the other run
    for l in range(model.gpt.layers):
        whole = patched(model, ids[1], hook_of("resid", l), (slice(None),), clean[hook_of("resid", l)])
        assert (whole - logits).abs().max() < 1e-12, "the whole stream does not restore the clean run"
    plain_case(out, f"{model.name}-patching", model, texts[0], tensors, patch_prompt=texts[1], patch_tokens=ids[1],
               position=len(ids[0]) - 1, target=target, foil=foil, sites=model.gpt.sites, dictionaries={}, patching=METRIC,
               edits=[[dict(zip(("hook", "what", "value", "head", "position"), e)) for e in row] for row in rows],
               notes=["DIRECTION/KIND/metric: of the patched run, [layers, positions] or [layers, heads]; by-position: [layers, heads, "
                      "positions]; estimate: of the metric's change. edits: logits at the last position, [rows, vocabulary]."])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(HERE, "../OnnxAttribution.Tests/Goldens"), help="where the models are and cases go")
    p.add_argument("--tiny", default=os.path.join(HERE, "../../models/tiny"), help="the embedded model")
    args = p.parse_args()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    tiny = Model(args.tiny, "tiny")
    write(args.out, tiny, ("Copyright (C", "Copyright [C"), (encode(args.tiny, ")")[0], None))
    for i, name in enumerate(RANDOM):
        known = goldens_architectures.MODELS[name]
        model = Model(os.path.join(args.out, "models", name), name, goldens_architectures.reader(known))
        rng = np.random.RandomState(700 + i)
        text = clear_prompt(model, rng, 4)
        write(args.out, model, (text, clear_prompt(model, rng, 4, text)))


if __name__ == "__main__":
    main()
