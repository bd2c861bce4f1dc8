#!/usr/bin/env python3
"""Writes the golden files of tests/OnnxAttribution.Tests/Goldens: every quantity of the definition, in float64, by autograd.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 tests/references/goldens.py                       # the random models and their cases
    python3 tests/references/goldens.py --tiny models/tiny    # these, and the cases of models/tiny

Environment: Debian 12, python3-torch 1.13, python3-numpy, python3-regex. Deterministic: the same inputs make the same files.

Steps:
1. Random models (random_models.py) are written, and prompts searched on which no feature lies within 1e-4 of its threshold.
2. Each case runs the reference (reference.py) and stores what README.md beside the cases lists.
3. Conservation, IE(u) = Σ_d effect(u→d) + metric edge, is checked for every case and metric of attribution patching;
   a violation ends the script.
4. goldens_ablation.py adds the cases of real interventions.
"""
import argparse
import hashlib
import json
import math
import os
import shutil
import string

import numpy as np
import torch

import goldens_estimators
import random_models
from reference import (METRICS, Dictionary, Gpt2, center_unembed, center_writing_weights, cotangents, cut, direct_jacobians,
                       direct_metric_gradients, edge_effects, edge_jacobians, encode, exact_logits, fold_layer_norm, gradients,
                       mean_gradients, metric, nodes_of)
from safetensors_io import write_safetensors

STEPS = 10
MARGIN = 1e-4
CONSERVED = 1e-9
STRONGEST = 12


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Model:
    """A model directory with its dictionaries, in float64 and (for margins) float32."""

    def __init__(self, folder, name, read=Gpt2):
        self.folder, self.name = folder, name
        self.gpt = read(folder)
        self.sites = self.gpt.sites
        place = lambda s: os.path.join(folder, "dictionaries", s)
        self.dictionaries = {s: Dictionary(place(s)) for s in self.sites if os.path.isdir(place(s))}
        self.single = read(folder, torch.float32), {s: Dictionary(place(s), torch.float32) for s in self.dictionaries}
        files = ["model.safetensors"] + [f"dictionaries/{s}/sae_weights.safetensors" for s in self.dictionaries]
        self.hashes = {f: sha256(os.path.join(folder, f)) for f in files}
        with open(os.path.join(folder, "config.json")) as f:
            self.bos = json.load(f)["bos_token_id"]

    def tokens(self, text):
        return [self.bos, *encode(self.folder, text)]

    def margins(self, ids):
        """{site: distance of the feature nearest to its threshold}."""
        seen, _ = self.gpt.activations(ids)
        return {s: d.margin(seen[s]) for s, d in self.dictionaries.items()}

    def active_differently(self, ids):
        """How many (site, position, feature) are active in float32 or in float64 but not in both."""
        gpt, dictionaries = self.single
        a, b = self.gpt.activations(ids)[0], gpt.activations(ids)[0]
        return sum(int(((d.encode(a[s]) > 0) != (dictionaries[s].encode(b[s]) > 0)).sum()) for s, d in self.dictionaries.items())


def rows_of(f):
    """Active features [n, 3]: position, feature, activation."""
    at = (f > 0).nonzero()
    return torch.cat([at.to(f.dtype), f[f > 0][:, None]], 1)


class Case:
    """One prompt (pair) on one model with one selection of sites: collects tensors and what describes them."""

    def __init__(self, out, name, model, text, patch_text=None, sites=None, position=-1, target=None, without=(), notes=()):
        self.folder, self.name, self.model, self.tensors = os.path.join(out, name), name, model, {}
        self.gpt, self.sites = model.gpt, [s for s in model.sites if sites is None or s in sites]
        self.ids = model.tokens(text)
        self.patch_ids = None if patch_text is None else model.tokens(patch_text)
        assert self.patch_ids is None or len(self.patch_ids) == len(self.ids)
        self.position = position % len(self.ids)
        self.x, self.logits = self.gpt.activations(self.ids)
        self.x_patch, self.patch_logits = (None, None) if patch_text is None else self.gpt.activations(self.patch_ids)
        order = self.logits[self.position].argsort(descending=True).tolist()
        self.target = order[0] if target is None else target
        self.foil = next(i for i in order if i != self.target)
        self.dictionaries = {s: None if s in without else model.dictionaries.get(s) for s in self.sites}
        self.nodes = {s: nodes_of(self.dictionaries[s], self.x[s], self.x_patch and self.x_patch[s]) for s in self.sites}
        self.measure = {m: self._metric(m) for m in METRICS}
        self.known, self.kept, self.pairs = {}, None, None
        self.about = {
            "case": name, "model": model.name, "files": model.hashes, "prompt": text, "patch_prompt": patch_text, "prepend_bos": True,
            "tokens": self.ids, "patch_tokens": self.patch_ids, "position": self.position, "target": self.target, "foil": self.foil,
            "top": order[:5], "ablation": "zero" if patch_text is None else "patch", "sites": self.sites,
            "dictionaries": {s: d and d.describe() for s, d in self.dictionaries.items()},
            "ig_steps": STEPS, "methods": {}, "edges": {}, "metric_values": {}, "explained": {}, "conservation": {},
            "margins": {"clean": model.margins(self.ids), "patch": self.patch_ids and model.margins(self.patch_ids)},
            "active_differently_in_float32": sum(model.active_differently(i) for i in (self.ids, self.patch_ids) if i),
            "notes": list(notes),
        }

    def _metric(self, name):
        return lambda logits: metric(name, logits, self.position, self.target, self.foil, self.logits)

    def put(self, name, value):
        self.tensors[name] = torch.as_tensor(value).detach().to(torch.float64).numpy()

    def runs(self, logits=True, features=True):
        """What the runs themselves give: logits, site activations, active features, nodes, metric values."""
        for prefix, x, z in (("", self.x, self.logits), ("patch_", self.x_patch, self.patch_logits)):
            if x is None:
                continue
            self.put(prefix + "logits", z if logits else z[self.position])
            for s in self.sites:
                self.put(f"{prefix}activation/{s}", x[s])
                if features and self.dictionaries[s] is not None:
                    f = self.dictionaries[s].encode(x[s])
                    self.put(f"{prefix}features/{s}", rows_of(f))
                if features and self.dictionaries[s] is not None and self.sites == self.model.sites:
                    self.put(f"{prefix}reconstruction/{s}", self.dictionaries[s].decode(f, x[s]))
        for s, n in self.nodes.items():
            self.put(f"nodes/position/{s}", n.position)
            self.put(f"nodes/feature/{s}", n.feature)
            self.put(f"nodes/activation/{s}", n.activation)
            self.put(f"nodes/patch_activation/{s}", n.patch)
        for m, measure in self.measure.items():
            values = [measure(self.logits).item(), None if self.x_patch is None else measure(self.patch_logits).item()]
            self.about["metric_values"][m] = {"clean": values[0], "patch": values[1]}
        return self

    def node_effects(self, method, metrics):
        """gradient and effect of every node, and the site's gradient, by `atp` or `ig`; by `exact`, effects only."""
        self.about["methods"][method] = metrics
        if method == "exact":
            outcome = {s: exact_logits(self.gpt, self.ids, s, self.x[s], n) for s, n in self.nodes.items()}
        for m in metrics:
            measure, effects, key = self.measure[m], {}, f"{method}/{m}"
            if method == "exact":
                effects = {s: measure(z) - measure(self.logits) for s, z in outcome.items()}
            else:
                if method == "atp":
                    g = gradients(self.gpt, self.ids, self.sites, measure)
                else:
                    g = {s: mean_gradients(self.gpt, self.ids, s, self.x[s], n, measure, STEPS) for s, n in self.nodes.items()}
                for s, n in self.nodes.items():
                    effects[s] = (g[s][n.position] * n.move).sum(-1)
                    self.put(f"{key}/site_gradient/{s}", g[s])
                    self.put(f"{key}/gradient/{s}", (g[s][n.position] * n.row).sum(-1))
                self.known[method, m] = g, effects
            for s, e in effects.items():
                self.put(f"{key}/effect/{s}", e)
            self.about["explained"][key] = {**{s: self._share({s: e}) for s, e in effects.items()}, "all": self._share(effects)}
        return self

    def _share(self, effects):
        """The share of Σ|effect| that features carry."""
        features = sum(e[~self.nodes[s].is_error].abs().sum().item() for s, e in effects.items())
        return features / sum(e.abs().sum().item() for e in effects.values())

    def _jacobians(self):
        if self.pairs is None:
            leaves, values, logits = cut(self.gpt, self.ids, self.x, self.sites)
            self.pairs = direct_jacobians(leaves, values)
            self.leaves, self.cut_logits = leaves, logits
        return self.pairs

    def keep_strongest(self, method, m):
        """From here on edges are stored among each site's strongest features and its error nodes only; sums stay over all."""
        self.kept = {}
        for s, e in self.known[method, m][1].items():
            n = self.nodes[s]
            strength = e.abs().masked_fill(n.is_error, -1)
            chosen = set(strength.argsort(descending=True)[:STRONGEST].tolist()) | set(n.is_error.nonzero()[:, 0].tolist())
            self.kept[s] = torch.tensor(sorted(chosen))
            self.put(f"edge_nodes/{s}", self.kept[s])
        return self

    def _part(self, matrix, up, down):
        return matrix if self.kept is None else matrix[self.kept[down]][:, self.kept[up]]

    def jacobians(self):
        """Feature to feature, activation per activation; it depends on no metric."""
        for (up, down), J in self._jacobians().items():
            jacobian = edge_jacobians(self.nodes[down], self.nodes[up], J)
            self._nudge(up, down, jacobian)
            self.put(f"jacobian/{up}->{down}", self._part(jacobian, up, down))
        return self

    def _nudge(self, up, down, jacobian):
        """Central differences: one feature upstream is really moved, and all features downstream are encoded anew."""
        n, far = self.nodes[up], self.nodes[down]
        features = (~n.is_error).nonzero()[:, 0].tolist()
        if not features or self.dictionaries[down] is None:
            return
        u, step, moved = features[len(features) // 2], 1e-5, []
        for sign in (1, -1):
            x = {**self.x, up: self.x[up].clone()}
            x[up][n.position[u]] += sign * step * n.row[u]
            value = cut(self.gpt, self.ids, x, self.sites)[1][down]
            moved.append(self.dictionaries[down].encode(value)[far.position, far.feature].detach())
        worst = ((moved[0] - moved[1]) / (2 * step) - jacobian[:, u])[~far.is_error].abs().max().item()
        assert worst < 1e-6 * (1 + n.row[u].norm().item()), f"{up}->{down}: central differences disagree by {worst}"

    def edges(self, method, metrics):
        """Edge effects, metric edges, and for `atp` the check of conservation."""
        pairs = self._jacobians()
        kept = None if self.kept is None else STRONGEST
        self.about["edges"].update({method: metrics, "pairs": [list(p) for p in pairs], "kept_features_per_site": kept})
        for m in metrics:
            key, (g, effects) = f"{method}/{m}", self.known[method, m]
            direct = direct_metric_gradients(self.leaves, self.measure[m](self.cut_logits))
            outflow, inflow = {s: torch.zeros_like(e) for s, e in effects.items()}, {}
            for up, n in self.nodes.items():
                gm = direct.get(up, torch.zeros_like(self.x[up]))[n.position]
                outflow[up] += (gm * n.move).sum(-1)
                self.put(f"{key}/metric_jacobian/{up}", (gm * n.row).sum(-1))
                self.put(f"{key}/metric_edge/{up}", (gm * n.move).sum(-1))
            for (up, down), J in pairs.items():
                e = edge_effects(self.nodes[down], self.nodes[up], g[down], J)
                outflow[up] += e.sum(0)
                self.put(f"{key}/edge/{up}->{down}", self._part(e, up, down))
                inflow[down] = inflow.get(down, 0) + e.sum(1)
            for s in inflow if self.kept is not None else ():
                self.put(f"{key}/inflow/{s}", inflow[s])
            if method == "atp":
                worst = max((outflow[s] - effects[s]).abs().max().item() for s in self.sites)
                largest = max(e.abs().max().item() for e in effects.values())
                self.about["conservation"][key] = worst / largest
                print(f"  {self.name}: conservation {key}: {worst / largest:.1e} of the largest effect {largest:.3g}", flush=True)
                assert worst < CONSERVED * largest, "conservation is violated"
        return self

    def write(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        random_models.write_json(os.path.join(self.folder, "case.json"), self.about)
        path = os.path.join(self.folder, "golden.safetensors")
        write_safetensors(path, self.tensors)
        nodes = {s: len(n.position) for s, n in self.nodes.items()}
        print(f"{self.name}: {os.path.getsize(path):,} bytes, {len(self.tensors)} tensors, nodes {list(nodes.values())}, "
              f"smallest margin {min(self.about['margins']['clean'].values()):.1e}", flush=True)


# ---------------------------------------------------------------- prompts

def words(rng, n):
    letters = string.ascii_letters + " .,;"
    return "".join(letters[rng.randint(len(letters))] for _ in range(n)).strip()


def clear_prompt(model, rng, length, other=None):
    """A random text of `length` characters on which no feature is within MARGIN of its threshold."""
    while True:
        text = words(rng, length)
        if len(text) == length and text != other and min(model.margins(model.tokens(text)).values()) > MARGIN:
            return text


def kind(model, *kinds):
    return [s for s in model.sites if any(k in s for k in kinds)]


# ---------------------------------------------------------------- cases

ALL = ["logit", "logit-diff", "logprob", "loss", "prob"]


def random_cases(out, model, prefix):
    """One chain per case: which effects, whether Jacobians, which edges."""
    rng, both, diff = np.random.RandomState(7), ["logit-diff", "logprob"], ["logit-diff"]
    text, a = clear_prompt(model, rng, 4), clear_prompt(model, rng, 3)
    b = clear_prompt(model, rng, 3, a)
    zero, patch = (text, None), (a, b)
    resid, attn, mlp = (kind(model, k) for k in ("resid", "attn", "mlp"))

    def case(name, pair, sites=None, **more):
        return Case(out, f"{prefix}-{name}", model, *pair, sites=sites, **more).runs()

    if prefix == "random2-kinds":
        case("zero", zero, model.sites[:4]).node_effects("atp", both).jacobians().edges("atp", diff).write()
        c = case("patch", patch, model.sites[3:]).node_effects("atp", both).node_effects("exact", both)
        c.jacobians().edges("atp", diff).write()
        return
    c = case("all-zero", zero).node_effects("atp", ALL).node_effects("ig", ["logit-diff", "kl"]).node_effects("exact", METRICS)
    c.jacobians().edges("atp", diff).write()
    c = case("all-patch", patch).node_effects("atp", ALL).node_effects("ig", ["logit-diff", "kl"]).node_effects("exact", METRICS)
    c.edges("atp", diff).write()
    for name, pair in (("resid-zero", zero), ("resid-patch", patch)):
        c = case(name, pair, resid, notes=[
            "ig edges: g of the downstream node is the mean gradient; Jacobians and the metric's own gradient are the clean run's."])
        c.node_effects("atp", both).node_effects("ig", both).jacobians().edges("atp", both).edges("ig", diff).write()
    case("attn-zero", zero, attn).node_effects("atp", both).jacobians().edges("atp", both).write()
    case("mlp-patch", patch, mlp).node_effects("atp", both).jacobians().edges("atp", both).write()
    c = case("attn-mlp-zero", zero, attn + mlp, notes=["Every site has all sites upstream of it as parents."])
    c.node_effects("atp", diff).jacobians().edges("atp", diff).write()
    c = case("gap-patch", patch, ["blocks.0.hook_resid_pre", "blocks.1.hook_mlp_out"],
             notes=["The one segment crosses block 0 and the attention of block 1."])
    c.node_effects("atp", ["logprob"]).jacobians().edges("atp", ["logprob"]).write()
    c = case("position-zero", zero, attn + resid[-1:], position=2,
             notes=["The metric is read at position 2; later positions have no effect."])
    c.node_effects("atp", both).node_effects("exact", both).jacobians().edges("atp", ["logprob"]).write()
    bare = ["blocks.0.hook_attn_out", "blocks.1.hook_resid_pre"]
    for name, pair in (("bare-zero", zero), ("bare-patch", patch)):
        c = case(name, pair, resid + bare, without=bare, notes=[
            f"{' and '.join(bare)} count as sites without a dictionary: an error node at every position, whose value is the activation."])
        c.node_effects("atp", both).node_effects("ig", ["logprob"]).node_effects("exact", both)
        c.jacobians().edges("atp", ["logprob"]).write()
    hooks_case(out, f"{prefix}-hooks", model, text)
    interventions_case(out, f"{prefix}-interventions", model, text)
    processing_case(out, f"{prefix}-processing", model, text)
    goldens_estimators.random_cases(Case, out, prefix, model, zero, patch, resid)


def plain_case(out, name, model, text, tensors, **about):
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    random_models.write_json(os.path.join(folder, "case.json"), {
        "case": name, "model": model.name, "files": model.hashes, "prompt": text, "prepend_bos": True,
        "tokens": model.tokens(text), **about})
    write_safetensors(os.path.join(folder, "golden.safetensors"), {k: v.detach().to(torch.float64).numpy() for k, v in tensors.items()})
    print(f"{name}: {len(tensors)} tensors", flush=True)


def hooks_case(out, name, model, text):
    seen, logits = model.gpt.activations(model.tokens(text))
    plain_case(out, name, model, text, {"logits": logits, **{f"hook/{k}": v for k, v in seen.items()}}, hooks=list(seen),
               notes=["Every hook tensor of the model, shaped as in TransformerLens without its batch axis:",
                      "q, k, v, z [T, heads, d_head]; pattern [heads, T, T]; hook_scale [T, 1]; the rest [T, d]."])


def interventions_case(out, name, model, text):
    """Logits with x' = x * scale + shift at a site."""
    rng, ids = np.random.RandomState(11), model.tokens(text)
    T, d = len(ids), model.gpt.width
    random = lambda *shape: torch.from_numpy(rng.standard_normal(shape).astype(np.float32).astype(np.float64))
    zero, one = torch.zeros(d, dtype=torch.float64), torch.ones(d, dtype=torch.float64)
    plans = {
        "mlp-zeroed": {"blocks.0.hook_mlp_out": (0 * one, zero)},
        "resid-zeroed": {"blocks.1.hook_resid_pre": (0 * one, zero)},
        "attn-shifted": {"blocks.0.hook_attn_out": (one, random(T, d))},
        "post-scaled-and-shifted": {"blocks.1.hook_resid_post": (0.5 * one + 0.1 * random(d), random(d))},
        "two-sites": {"blocks.0.hook_resid_pre": (one, random(T, d)), "blocks.1.hook_attn_out": (random(T, 1) * one, zero)},
    }
    tensors = {"logits": model.gpt.activations(ids)[1]}
    for plan, moves in plans.items():
        seen = {}
        def at(site, x):
            if site in moves:
                x = x * moves[site][0] + moves[site][1]
            if site in model.sites:
                seen[site] = x
            return x
        tensors[f"{plan}/logits"] = model.gpt.run(ids, at)
        for s, (scale, shift) in moves.items():
            tensors[f"{plan}/scale/{s}"], tensors[f"{plan}/shift/{s}"] = scale, shift
        for s, x in seen.items():
            tensors[f"{plan}/activation/{s}"] = x
    plain_case(out, name, model, text, tensors, plans={p: list(m) for p, m in plans.items()},
               notes=["x' = x * scale + shift at the sites of each plan; scale and shift broadcast against [T, d].",
                      "<plan>/logits are the logits; <plan>/activation/<site> is the site after its own intervention (x')."])


def processing_case(out, name, model, text):
    """Sites and logits of the model after each of TransformerLens's weight processings."""
    ids, tensors = model.tokens(text), {}
    plans = {"none": [], "fold_ln": [fold_layer_norm], "center_writing_weights": [center_writing_weights],
             "center_unembed": [center_unembed], "all": [fold_layer_norm, center_writing_weights, center_unembed]}
    plain = model.gpt.activations(ids)[1]
    for plan, steps in plans.items():
        gpt = Gpt2(model.folder)
        for step in steps:
            step(gpt)
        seen, logits = gpt.activations(ids)
        assert (logits.log_softmax(-1) - plain.log_softmax(-1)).abs().max() < 1e-12
        tensors[f"{plan}/logits"] = logits
        for s in model.sites:
            tensors[f"{plan}/activation/{s}"] = seen[s]
        if plan == "all":
            for k in ("W_U", "b_U", "h.0.attn.c_attn.weight", "h.0.attn.c_attn.bias", "h.0.attn.c_proj.weight",
                      "h.1.mlp.c_fc.bias", "wte.weight"):
                tensors[f"{plan}/weight/{k}"] = gpt.w[k]
    plain_case(out, name, model, text, tensors, plans=list(plans),
               notes=["Weight processing as in TransformerLens. Log-probabilities never change; "
                      "center_unembed shifts each position's logits.",
                      "center_writing_weights takes each position's mean over the width off every site. fold_ln changes no site.",
                      "all/weight/*: some processed weights, [in, out]; W_U [d, V], untied from wte, and b_U [V] from ln_f.bias."])


def tiny_cases(out, model, text, target_text, patch_text):
    target = encode(model.folder, target_text)
    assert len(target) == 1
    for name, sites in (("all", None), ("resid", kind(model, "resid"))):
        for ablation, pair in (("zero", (text,)), ("patch", (text, patch_text))):
            c = Case(out, f"tiny-{name}-{ablation}", model, *pair, sites=sites, target=target[0],
                     notes=["Weights are those of the files whose SHA-256 are listed: where they differ, this case is out of date.",
                            "Trained dictionaries: margins say how near the nearest feature is to its threshold."])
            c.runs(logits=name == "all" and ablation == "zero", features=False)
            if name == "resid":
                c.tensors = {k: v for k, v in c.tensors.items() if "activation/" not in k or k.startswith("nodes/")}
            c.node_effects("atp", ["logit"])
            if name == "all":
                c.node_effects("exact", ["logit"])
            c.keep_strongest("atp", "logit").jacobians().edges("atp", ["logit"]).write()
    goldens_estimators.tiny_case(Case, out, model, text, target[0])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(here, "../OnnxAttribution.Tests/Goldens"), help="where the cases go")
    p.add_argument("--tiny", metavar="DIR", help="models/tiny: writes its cases as well")
    p.add_argument("--only-tiny", action="store_true", help="leave the random models and their cases as they are")
    p.add_argument("--prompt", default="Copyright (C")
    p.add_argument("--target", default=")")
    p.add_argument("--patch-prompt", default="Copyright [C")
    p.add_argument("--seed", type=int, default=2)
    p.add_argument("--threads", type=int, default=2)
    args = p.parse_args()
    import goldens_ablation    # here, because they import this file
    import goldens_sites
    import goldens_values
    torch.set_num_threads(args.threads)
    torch.set_default_dtype(torch.float64)
    if not args.only_tiny:
        root = os.path.join(args.out, "models")
        for i, name in enumerate(random_models.DICTIONARIES):
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)
            model = Model(random_models.write_random_model(root, name, args.seed + 10 * i), name)
            random_cases(args.out, model, name)
            if name == "random2":
                goldens_ablation.random_cases(args.out, model, name)
        goldens_sites.write(args.out)
        goldens_values.write(args.out)
    if args.tiny:
        model = Model(args.tiny, "tiny")
        tiny_cases(args.out, model, args.prompt, args.target, args.patch_prompt)
        goldens_ablation.tiny_cases(args.out, model, args.prompt, encode(model.folder, args.target)[0])
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(args.out) for f in files)
    print(f"{size:,} bytes in all")


if __name__ == "__main__":
    main()
