"""The golden files of real interventions: exact edges, naive ablation, circuits, faithfulness, response curves. Called by goldens.py.

Each case searches its own prompt: on it, and after every intervention of the case, no feature that is compared lies within CLEAR of its threshold.
In the cases of models/tiny, whose 1024 features leave no such prompt, the same is asked of TopK's last place, where activations jump;
there the interventions are the strongest ones that keep clear of it.
"""
import math

import numpy as np
import torch

from goldens import Case, clear_prompt, kind
from reference import cut, direct_jacobians, edge_effects, exact_logits, gradients
from reference_ablation import exact_edges, frozen_run, moved_by_nodes, scaled_features, scaled_nodes, topk_gap, whole_run

CLEAR = 1e-5
LINEAR = 1e-6     # moves scaled by this have linear consequences, to about this
METRICS = ["logit-diff", "logprob"]
TINY_METRICS = ["logit", "logit-diff"]
TINY_NODES, TINY_FEATURES = 12, 5


class TooClose(Exception):
    """A feature lies too close to its threshold: another prompt, please."""


class AblationCase(Case):
    """A case whose nodes are really changed; `after` is the smallest margin met after an intervention."""

    def __init__(self, *args, metrics=METRICS, **more):
        super().__init__(*args, **more)
        self.metrics, self.after = metrics, math.inf
        for k in ("ig_steps", "methods", "edges", "explained", "conservation"):
            del self.about[k]

    def clear(self, site, x):
        """Counts the margin of site's dictionary at x."""
        if self.dictionaries[site] is not None:
            self.after = min(self.after, self.dictionaries[site].margin(x))
            if self.after < CLEAR:
                raise TooClose

    def gradients(self, m):
        return gradients(self.gpt, self.ids, self.sites, self.measure[m])

    def write(self):
        if math.isfinite(self.after):
            self.about["margins"]["after_interventions"] = self.after
        super().write()


def on_clear_prompts(model, seed, lengths, build):
    """build(text, ...) on the first random texts that are clear before and after its interventions."""
    rng = np.random.RandomState(seed)
    while True:
        texts = []
        for length in lengths:
            texts.append(clear_prompt(model, rng, length, texts[0] if texts else None))
        try:
            return build(*texts)
        except TooClose:
            continue


# ---------------------------------------------------------------- exact edges

def exact_edge_part(c, chosen=None):
    """chosen {site: indices into its nodes}: store these only (and let their margins be the caller's affair)."""
    pairs, linear = [], direct_jacobians(*cut(c.gpt, c.ids, c.x, c.sites)[:2])
    g = {m: c.gradients(m) for m in c.metrics}
    part = lambda s, v: v if chosen is None else v[chosen[s]]
    for up, n in c.nodes.items():
        values, logits = frozen_run(c.gpt, c.ids, c.x, c.sites, up, moved_by_nodes(c.x[up], n))
        small = frozen_run(c.gpt, c.ids, c.x, c.sites, up, c.x[up] + LINEAR * (moved_by_nodes(c.x[up], n) - c.x[up]))[0]
        for down, value in values.items():
            if chosen is None:
                c.clear(down, value)
            pairs.append([up, down])
            for m in c.metrics:
                change, effect = exact_edges(c.dictionaries[down], c.nodes[down], c.x[down], value, g[m][down])
                check_linear(c, up, down, m, exact_edges(c.dictionaries[down], c.nodes[down], c.x[down], small[down], g[m][down])[1] / LINEAR,
                             edge_effects(c.nodes[down], n, g[m][down], linear[up, down]))
                c.put(f"exact_edge/{m}/effect/{up}->{down}", part(down, part(up, effect.T).T))
            c.put(f"exact_edge/change/{up}->{down}", part(down, part(up, change.T).T))
        for m in c.metrics:
            measure = c.measure[m]
            effect = torch.zeros(len(n.position)) if logits is None else measure(logits) - measure(c.logits)
            c.put(f"exact_edge/{m}/metric/{up}", part(up, effect))
    assert {tuple(p) for p in pairs} == set(linear)
    c.about["edges"] = {"pairs": pairs}
    c.about["exact_edge"] = c.metrics


def check_linear(c, up, down, m, small, linear):
    """A thousandth of a thousandth of each move, really made, has the effect that the Jacobian says."""
    worst, largest = (small - linear).abs().max().item(), linear.abs().max().item()
    assert worst < 1e-3 * largest, f"{c.name}: {up}->{down}, {m}: small moves disagree with the Jacobian by {worst} of {largest}"


# ---------------------------------------------------------------- naive ablation

def ablate_part(c, features=None, whole=True, *, plans):
    """Every active feature of every site on its own. features {site: [K]}: these only; whole False: downstream at the last position, and no logits."""
    stored = {}
    for up, dictionary in c.dictionaries.items():
        if dictionary is None:
            continue
        active = (dictionary.encode(c.x[up]) > 0).any(0).nonzero()[:, 0].tolist() if features is None else features[up]
        c.put(f"ablate/features/{up}", torch.tensor(active))
        for where, factor in plans:
            key = f"ablate/{where}/{factor}"
            if where == "each":
                moved = scaled_nodes(dictionary, c.x[up], c.nodes[up], factor)
            else:
                moved = scaled_features(dictionary, c.x[up], active, factor, [len(c.ids) - 1] if where == "last" else None)
            stored[where] = sorted({*stored.get(where, []), factor})
            for down, value in frozen_run(c.gpt, c.ids, c.x, c.sites, up, moved)[0].items():
                if c.dictionaries[down] is not None:
                    if features is None:
                        c.clear(down, value)
                    delta = c.dictionaries[down].encode(value) - c.dictionaries[down].encode(c.x[down])
                    c.put(f"{key}/delta/{up}->{down}", delta if whole else delta[:, -1:])
            logits = whole_run(c.gpt, c.ids, up, moved)
            if where == "all" and whole:
                c.put(f"{key}/logits/{up}", logits[:, c.position])
            for m in c.metrics:
                c.put(f"{key}/metric/{m}/{up}", c.measure[m](logits) - c.measure[m](c.logits))
            if where == "each" and c.patch_ids is None and factor == 0:
                known = exact_logits(c.gpt, c.ids, up, c.x[up], c.nodes[up])[~c.nodes[up].is_error]
                assert (known - logits).abs().max() < 1e-12
    c.about["ablate"] = {"metrics": c.metrics, "coefficients": stored, "delta_positions": "all" if whole else "last"}


# ---------------------------------------------------------------- cases

def random_cases(out, model, prefix):
    resid = kind(model, "resid")

    def ablation(name, sites, naive=None, **more):
        def build(*texts):
            c = AblationCase(out, f"{prefix}-ablation-{name}", model, *texts, sites=sites, **more).runs()
            exact_edge_part(c)
            if naive:
                ablate_part(c, plans=naive)
            c.write()
        return build

    plans = (("all", 0), ("last", 0), ("each", 0))
    on_clear_prompts(model, 20, [4], ablation("resid-zero", resid, (("all", 0.5), *plans)))
    on_clear_prompts(model, 21, [3, 3], ablation("resid-patch", resid))
    on_clear_prompts(model, 22, [3], ablation("all-zero", None, plans))
    on_clear_prompts(model, 23, [3, 3], ablation("all-patch", None))
    bare = ["blocks.0.hook_attn_out", "blocks.1.hook_resid_pre"]
    on_clear_prompts(model, 24, [3], ablation("bare-zero", resid + bare, (("all", 0),), without=bare))
    on_clear_prompts(model, 25, [4], ablation("position-zero", kind(model, "attn") + resid[-1:], (("all", 0), ("last", 0)), position=2))


def strongest(c, m, count, fits=lambda site, n: True):
    """{site: indices of its `count` strongest feature nodes by attribution patching, among those that fit}."""
    g, found = c.gradients(m), {}
    for s, n in c.nodes.items():
        effect = (g[s][n.position] * n.move).sum(-1).abs().masked_fill(n.is_error, -1)
        ranked = [i for i in effect.argsort(descending=True).tolist() if not n.is_error[i] and fits(s, i)]
        found[s] = ranked[:count]
    return found


def tiny_cases(out, model, text, target):
    c = AblationCase(out, "tiny-ablation-resid-zero", model, text, sites=kind(model, "resid"), target=target, metrics=TINY_METRICS)
    c.runs(logits=False, features=False)
    c.tensors = {k: v for k, v in c.tensors.items() if "activation/" not in k or k.startswith("nodes/")}
    x = c.x

    def gaps(up, moved):
        values = frozen_run(c.gpt, c.ids, x, c.sites, up, moved)[0]
        return torch.stack([topk_gap(c.dictionaries[s], v) for s, v in values.items()] or [torch.full((len(moved),), math.inf)]).amin(0)

    gap = {s: gaps(s, moved_by_nodes(x[s], n)) for s, n in c.nodes.items()}
    found = strongest(c, TINY_METRICS[0], TINY_NODES, lambda s, i: gap[s][i] > CLEAR)
    chosen, features = {}, {}
    for s, n in c.nodes.items():
        errors = (n.is_error & (gap[s] > CLEAR)).nonzero()[:, 0].tolist()
        chosen[s] = torch.tensor(sorted(found[s] + errors))
        c.put(f"edge_nodes/{s}", chosen[s])
        ranked = list(dict.fromkeys(n.feature[found[s]].tolist()))
        plans = [scaled_features(c.dictionaries[s], x[s], ranked, 0, p) for p in (None, [len(c.ids) - 1])]
        fit = torch.stack([gaps(s, p) for p in plans]).amin(0) > CLEAR
        features[s] = sorted(i for i, f in zip(ranked, fit) if f)[:TINY_FEATURES]
    exact_edge_part(c, chosen)
    ablate_part(c, features, whole=False, plans=(("all", 0), ("last", 0)))
    c.about["notes"] = ["Only nodes and features after whose change no TopK dictionary downstream has its last chosen and its first refused "
                        f"feature within {CLEAR} of each other."]
    c.write()
