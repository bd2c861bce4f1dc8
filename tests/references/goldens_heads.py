#!/usr/bin/env python3
"""Golden cases of attention explained: edges split by head and way, and scores split into pairs of features.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 tests/references/goldens_heads.py

A path belongs to the last attention that it passes. In float64, by autograd through models of which parts are detached: with every later
attention's outputs detached, and of attention l everything but one head's values (or queries, or keys), the derivative is that of the
paths that pass this head last in this way, and of those that do not pass attention l at all; the latter are taken off. A score's parts are
the queries and keys of single decoder rows, run through the model's own code with the norm's scale held. Reads the models that
goldens.py and goldens_architectures.py leave.
"""
import argparse
import math
import os

import numpy as np
import torch

import goldens_architectures
import goldens_exact  # noqa: F401, it adds mistral2 to the models
import goldens_sites
from goldens import Case, Model, clear_prompt, kind, plain_case
from goldens_estimators import begin, under
from reference import direct_jacobians, direct_metric_gradients, edge_effects, gradients
from reference_neox import capped

WAYS = {"value": "v", "query": "q", "key": "k"}
METRIC, SUM = "logit-diff", 1e-10
GAP = ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_post"]
EARLY = ["blocks.0.hook_resid_pre", "blocks.0.hook_mlp_out"]
Z = ["blocks.0.attn.hook_z", "blocks.1.hook_resid_pre", "blocks.1.attn.hook_z", "blocks.1.hook_resid_post"]

# model: case, sites (None: all; a word: of that kind), whether there is a patch prompt, estimators
CASES = {
    "random2": [("resid", "resid", False, ["gradient", "relp", "frozen"]), ("all", None, True, ["gradient"]),
                ("gap", GAP, False, ["gradient"]), ("early", EARLY, True, ["gradient", "frozen"])],
    "random2-sites": [("z", Z, False, ["gradient"])],
    "llama2": [("all", None, False, ["gradient"]), ("gap", GAP, True, ["gradient", "frozen"]), ("early", EARLY, False, ["gradient"])],
    "neox2": [("resid", "resid", True, ["gradient"]), ("gap", GAP, False, ["gradient"])],
    "mistral2": [("gap", GAP, False, ["gradient"])],
    "qwen3": [("gap", GAP, False, ["gradient"])],
    "gemma2": [("gap", GAP, True, ["gradient", "frozen", "gim"]), ("all", None, False, ["gradient"])],
    "olmo2": [("gap", GAP, False, ["gradient"])],
}

# model: layer, head, query, key of a prompt of five tokens
SCORES = {
    "random2": [(0, 1, 3, 1), (1, 2, 4, 4)],
    "random2-kinds": [(0, 0, 4, 2), (1, 3, 2, 0)],
    "llama2": [(1, 0, 4, 1), (1, 3, 3, 0)],
    "neox2": [(0, 2, 4, 3)],
    "qwen3": [(1, 3, 4, 2), (0, 1, 3, 3)],
    "gemma2": [(0, 2, 4, 3), (1, 1, 4, 0)],
    "gpt-neo": [(1, 4, 3, 2)],
}

# each has its own random numbers, so new ones come last
MODELS = ["random2", "random2-sites", "llama2", "neox2", "mistral2", "random2-kinds", "qwen3", "gemma2", "gpt-neo", "olmo2"]


def split_at(l, way, head, heads):
    """Detaches what is not of the paths that pass attention l last, by one way of one head; way None: not at all."""
    def at(name, x):
        parts = name.split(".")
        if len(parts) != 4 or parts[2] != "attn":
            return x
        layer, hook = int(parts[1]), parts[3]
        if hook == "hook_z" and (layer > l or (layer == l and way is None)):
            return x.detach()
        if layer == l and way is not None and hook in ("hook_q", "hook_k", "hook_v"):
            return x if hook[-1] == WAYS[way] else x.detach()
        if layer == l and hook == "hook_z":
            mask = torch.zeros(heads, 1)
            mask[head] = 1
            if x.dim() == 2:       # the model of goldens_sites.py has all heads side by side
                mask = mask[:, 0].repeat_interleave(x.shape[-1] // heads)
            return x * mask + x.detach() * (1 - mask)
        return x
    return at


def cut_with(gpt, ids, x, sites, split):
    leaves, values = {}, {}
    def at(name, v):
        v = split(name, v)
        if name not in sites:
            return v
        values[name], leaves[name] = v, x[name].detach().requires_grad_()
        return leaves[name]
    return leaves, values, gpt.run(ids, at)


class Heads(Case):
    def derivatives(self, gpt, split):
        leaves, values, logits = cut_with(gpt, self.ids, self.x, self.sites, split)
        assert (logits - self.logits).abs().max() < 1e-12
        edges = direct_jacobians(leaves, values)
        measured = self.measure[METRIC](logits)
        return edges, direct_metric_gradients(leaves, measured) if measured.requires_grad else {}

    def part(self, estimator, name, g, derivatives, less):
        """Effects of a part: those of its derivatives, less those of the paths that do not pass its attention."""
        found = {}
        for (up, down), J in derivatives[0].items():
            J = J - less[0].get((up, down), 0)
            found[up, down] = edge_effects(self.nodes[down], self.nodes[up], g[down], J)
        for up, G in derivatives[1].items():
            n = self.nodes[up]
            found[up, "metric"] = ((G - less[1].get(up, 0))[n.position] * n.move).sum(-1)
        for (up, down), effect in found.items():
            if effect.abs().max() > 1e-14:
                self.put(f"heads/{estimator}/{up}->{down}/{name}", effect)
        return found

    def split(self, estimator):
        gpt = under(self.gpt, estimator)
        g = gradients(gpt, self.ids, self.sites, self.measure[METRIC])
        layers, heads = gpt.layers, self.x["blocks.0.attn.hook_q"].shape[-2]
        whole = self.part(estimator, "whole", g, self.derivatives(gpt, lambda name, v: v), ({}, {}))
        none = self.derivatives(gpt, split_at(-1, None, 0, heads))
        total = self.part(estimator, "around", g, none, ({}, {}))
        for l in range(layers):
            without = self.derivatives(gpt, split_at(l, None, 0, heads))
            for h in range(heads):
                for way in WAYS:
                    derivatives = self.derivatives(gpt, split_at(l, way, h, heads))
                    for ends, effect in self.part(estimator, f"{l}.{h}.{way}", g, derivatives, without).items():
                        total[ends] = total.get(ends, 0) + effect
        largest = max(e.abs().max().item() for e in whole.values())
        worst = max((e - total[ends]).abs().max().item() for ends, e in whole.items())
        print(f"  {self.name}: {estimator}: parts add up to {worst / largest:.0e} of the largest edge", flush=True)
        assert worst < SUM * largest, "parts do not add up to edges"


def head_cases(out, model, seed):
    rng = np.random.RandomState(seed)
    for name, sites, patched, estimators in CASES[model.name]:
        text = clear_prompt(model, rng, 2)
        patch = clear_prompt(model, rng, 2, text) if patched else None
        sites = kind(model, sites) if isinstance(sites, str) else sites
        c = begin(Heads(out, f"{model.name}-heads-{name}", model, text, patch, sites=sites))
        del c.about["methods"]
        c.about["heads"] = {e: METRIC for e in estimators}
        for e in estimators:
            c.split(e)
        c.write()


def score_case(out, model, seed):
    """Both sides of a score: features ascending, the error, and all that is no part of the stream's content as one bias."""
    text = clear_prompt(model, np.random.RandomState(seed), 4)
    ids, tensors = model.tokens(text), {}
    seen, _ = model.gpt.activations(ids)
    for l, h, query, key in SCORES[model.name]:
        block, at = f"blocks.{l}", f"{l}.{h}.{query}.{key}"
        dictionary, x = model.dictionaries[f"{block}.hook_resid_pre"], seen[f"{block}.hook_resid_pre"]
        rotated = f"{block}.attn.hook_rot_q" in seen

        def sides(y):
            """Queries and keys of streams y [n, T, d] with the clean run's norm scale, [n, T, H, dh] each."""
            found = {}
            def hold(name, v):
                found[name] = v
                return seen[name] if name.startswith(block) and name.endswith("hook_scale") else v
            model.gpt.attention(l, y, hold)
            return tuple(found[f"{block}.attn.hook_{'rot_' if rotated else ''}{n}"] for n in "qk")

        def parts(position, which):
            f, row, scale = dictionary.encode(x)[position], dictionary.rows(x)[position], dictionary.moments(x)
            features = (f > 0).nonzero()[:, 0]
            mean, spread = scale[0][position], scale[1][position]
            bias = dictionary.w["b_dec"] * spread + mean
            error = x[position] - dictionary.decode(dictionary.encode(x), x)[position]
            content = torch.stack([*(f[features, None] * row[features]), error, bias, torch.zeros_like(error)])
            y = torch.zeros(len(content), *x.shape)
            y[:, position] = content
            side = sides(y)[which][:, position]
            side = side[:, h if which == 0 else h * side.shape[1] // seen[f"{block}.attn.hook_q"].shape[-2]]
            side, nothing = side[:-1], side[-1]
            return features, torch.cat([side[:-1] - nothing, side[-1:]])
        (queries, q), (keys, k) = parts(query, 0), parts(key, 1)
        # norms of queries and keys are affine too, with their scales held
        by = getattr(model.gpt, "score_scale", None) or getattr(model.gpt, "scale", None) or 1 / math.sqrt(q.shape[-1])
        pairs = q @ k.T * by
        whole = sides(x[None])
        kv = h * whole[1].shape[2] // whole[0].shape[2]
        score = whole[0][0, query, h] @ whole[1][0, key, kv] * by
        assert abs(pairs.sum() - score) < 1e-10
        # the pattern has the differences of the scores below their cap
        other = whole[0][0, query, h] @ whole[1][0, query, kv] * by
        pattern, cap = seen[f"{block}.attn.hook_pattern"][h, query], getattr(model.gpt, "score_cap", None)
        assert abs((pattern[key] / pattern[query]).log() - (capped(score, cap) - capped(other, cap))) < 1e-10 or pattern[key] == 0
        tensors.update({f"{at}/query_features": queries, f"{at}/key_features": keys, f"{at}/pairs": pairs, f"{at}/score": score[None],
                        f"{at}/pattern": pattern[key][None]})
    plain_case(out, f"{model.name}-scores", model, text, tensors, scores=[list(s) for s in SCORES[model.name]],
               notes=["L.H.query.key/pairs: rows are the query's features ascending, its error and its bias; columns the key's."])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(here, "../OnnxAttribution.Tests/Goldens"), help="where the models are and cases go")
    p.add_argument("--only", nargs="*", metavar="MODEL", help="leave the cases of other models as they are")
    args = p.parse_args()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    for i, name in enumerate(MODELS):
        if args.only and name not in args.only:
            continue
        folder = os.path.join(args.out, "models", name)
        known = goldens_architectures.MODELS.get(name)
        model = Model(folder, name, goldens_architectures.reader(known)) if known \
            else goldens_sites.Model(folder, name) if name == "random2-sites" else Model(folder, name)
        if name in CASES:
            head_cases(args.out, model, 500 + i)
        if name in SCORES:
            score_case(args.out, model, 600 + i)


if __name__ == "__main__":
    main()
