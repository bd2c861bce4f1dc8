#!/usr/bin/env python3
"""Golden cases of exact edges beyond those of *-ablation-*: further kinds of dictionaries and models, and what switches on.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 tests/references/goldens_exact.py

Every node of every site is moved alone and all other selected sites are held (reference_ablation.py, float64). Written from the
models that goldens.py and goldens_architectures.py leave, and from one of its own, mistral2: mistral with its window of 3 positions, and
dictionaries. Prompts are clear before and after every move, as those of goldens_ablation.py.
"""
import argparse
import os

import torch

import goldens_architectures
from goldens import Model, kind
from goldens_ablation import AblationCase, exact_edge_part, on_clear_prompts
from reference_ablation import frozen_run, moved_by_nodes

DIFF, BOTH = ["logit-diff"], ["logit-diff", "logprob"]
MISTRAL2 = {
    "blocks.0.hook_resid_pre": "jumprelu", "blocks.0.hook_attn_out": "standard", "blocks.0.hook_mlp_out": "topk",
    "blocks.1.hook_resid_pre": "jumprelu", "blocks.1.hook_resid_post": "standard"}
goldens_architectures.MODELS["mistral2"] = goldens_architectures.MODELS["mistral"]
goldens_architectures.DICTIONARIES["mistral2"] = MISTRAL2

# model: case, sites (None: all), lengths of the prompt and the patch prompt, metrics
CASES = {
    "random2": [("all-patch", None, [3, 3], DIFF), ("attn-mlp-zero", ["attn", "mlp"], [3], DIFF), ("resid-patch", ["resid"], [3, 3], BOTH)],
    "random2-kinds": [("all-zero", None, [3], DIFF), ("all-patch", None, [3, 3], DIFF), ("resid-zero", ["resid"], [3], DIFF)],
    "neox2": [("all-patch", None, [3, 3], DIFF), ("resid-zero", ["resid"], [3], BOTH)],
    "llama2": [("all-patch", None, [3, 3], DIFF), ("resid-zero", ["resid"], [3], BOTH)],
    "mistral2": [("all-zero", None, [5], DIFF), ("all-patch", None, [4, 4], DIFF), ("resid-patch", ["resid"], [4, 4], DIFF)],
    "gemma2": [("all-patch", None, [4, 4], DIFF)],
    "qwen3": [("all-patch", None, [3, 3], DIFF)],
    "gemma3": [("resid-patch", ["resid"], [4, 4], DIFF)],
    "gpt-neo": [("resid-patch", ["resid"], [4, 4], DIFF)],
    "olmo2": [("all-zero", None, [3], DIFF)],
    "opt": [("all-zero", None, [3], DIFF)],
    "phi": [("all-patch", None, [3, 3], DIFF)],
}


def switched_on(dictionary, nodes, x, value, g):
    """[U]: what features that are active after the move and no nodes do, when the site becomes value [U, T, d]; x, g [T, d]."""
    if dictionary is None:
        return torch.zeros(len(value))
    f = dictionary.encode(value)                                                            # [U, T, n]
    for position, feature in zip(nodes.position.tolist(), nodes.feature.tolist()):
        if feature >= 0:
            f[:, position, feature] = 0
    return torch.einsum("utn,tnd,td->u", f, dictionary.rows(x), g)


def switched_on_part(c):
    """Checks too that it and the effects on all nodes of a site add up to g·Δx."""
    g = {m: c.gradients(m) for m in c.metrics}
    for up, n in c.nodes.items():
        for down, value in frozen_run(c.gpt, c.ids, c.x, c.sites, up, moved_by_nodes(c.x[up], n))[0].items():
            for m in c.metrics:
                further = switched_on(c.dictionaries[down], c.nodes[down], c.x[down], value, g[m][down])
                c.put(f"exact_edge/{m}/switched_on/{up}->{down}", further)
                effects = torch.as_tensor(c.tensors[f"exact_edge/{m}/effect/{up}->{down}"])
                whole = torch.einsum("utd,td->u", value - c.x[down], g[m][down])
                worst = (effects.sum(0) + further - whole).abs().max().item()
                assert worst < 1e-9 * max(1, whole.abs().max().item()), f"{c.name}: {up}->{down}: {worst} is missing"


def write(out, model, seed):
    for i, (name, kinds, lengths, metrics) in enumerate(CASES[model.name]):
        sites = None if kinds is None else kind(model, *kinds)
        def build(text, patch=None):
            c = AblationCase(out, f"{model.name}-exact-{name}", model, text, patch, sites=sites, metrics=metrics)
            c.runs(logits=False, features=False)
            c.tensors = {k: v for k, v in c.tensors.items() if k.startswith("nodes/")}
            exact_edge_part(c)
            switched_on_part(c)
            c.write()
        on_clear_prompts(model, seed + i, lengths, build)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(here, "../OnnxAttribution.Tests/Goldens"), help="where models and cases go")
    p.add_argument("--only", nargs="*", metavar="MODEL", help="leave the other models' cases as they are")
    args = p.parse_args()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    root = os.path.join(args.out, "models")
    for i, name in enumerate(CASES):
        if args.only and name not in args.only:
            continue
        if name == "mistral2":
            model = goldens_architectures.write_model(root, name, 77)
        elif name in goldens_architectures.MODELS:
            model = Model(os.path.join(root, name), name, goldens_architectures.reader(goldens_architectures.MODELS[name]))
        else:
            model = Model(os.path.join(root, name), name)
        write(args.out, model, 300 + 10 * i)


if __name__ == "__main__":
    main()
