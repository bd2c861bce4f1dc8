"""The golden files of real interventions: exact edges, naive ablation, circuits, faithfulness, response curves. Called by goldens.py.

Each case searches its own prompt: on it, and after every intervention of the case, no feature that is compared lies within
CLEAR of its threshold. In the cases of models/tiny, whose 1024 features leave no such prompt, the same is asked of TopK's last
place, where activations jump; there the interventions are the strongest ones that keep clear of it.
"""
import math

import numpy as np
import torch

from goldens import Case, clear_prompt, kind
from reference import ERROR, cut, direct_jacobians, edge_effects, edge_jacobians, exact_logits, gradients
from reference_ablation import (circuit_run, exact_edges, frozen_run, joint_run, moved_by_nodes, parts, scaled_features,
                                scaled_nodes, topk_gap, whole_run)

CLEAR = 1e-5
LINEAR = 1e-6     # moves scaled by this have linear consequences, to about this
METRICS = ["logit-diff", "logprob"]
TINY_METRICS = ["logit", "logit-diff"]
TINY_NODES, TINY_FEATURES = 12, 5
CIRCUIT = 10      # feature nodes of a circuit whose faithfulness is measured
DENOMINATOR = 0.1
MEAN_TEXTS = ["the cat", "A dog; so", "Yes, it is"]
COEFFICIENTS = [-0.5, 0, 0.25, 0.5, 0.75, 1, 1.5, 2]


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
        d = self.dictionaries[site]
        if d is not None:
            self.after = min(self.after, topk_gap(d, x[None]).item() if self.model.name == "tiny" else d.margin(x))
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
                nudged = exact_edges(c.dictionaries[down], c.nodes[down], c.x[down], small[down], g[m][down])[1]
                check_linear(c, up, down, m, nudged / LINEAR, edge_effects(c.nodes[down], n, g[m][down], linear[up, down]))
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
    """Every active feature of every site on its own.

    features {site: [K]}: these only; whole False: downstream at the last position, and no logits.
    """
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


# ---------------------------------------------------------------- circuits

def circuit_part(c, per_site, plans):
    """The circuit of every selected site's strongest features, scaled together; plans: (nodes?, keep?, c) each."""
    nodes, features = [], []
    for s, chosen in strongest(c, c.metrics[0], per_site).items():
        nodes += [[s, c.nodes[s].position[i].item(), c.nodes[s].feature[i].item()] for i in sorted(chosen)]
        features += [[s, i] for i in sorted({c.nodes[s].feature[i].item() for i in chosen})]
    c.about["circuit"] = {"features": features, "nodes": nodes, "plans": {}, "metrics": c.metrics}
    for by_node, keep, factor in plans:
        member = {s: torch.zeros(len(c.ids), d.w["W_dec"].shape[0], dtype=torch.bool) for s, d in c.dictionaries.items()}
        for s, p, i in nodes if by_node else [[s, slice(None), i] for s, i in features]:
            member[s][p, i] = True
        changed = {s: ~m if keep else m for s, m in member.items()}
        plan = f"{'keep-' if keep else ''}{'nodes' if by_node else 'features'}-{factor}"
        factors = {s: 1 + (factor - 1) * m.to(c.logits.dtype) for s, m in changed.items() if m.any()}
        logits, seen = joint_run(c.gpt, c.ids, c.sites, c.dictionaries, factors, c.clear)
        c.put(f"circuit/{plan}/logits", logits if c.model.name != "tiny" else logits[c.position])
        for s, x in seen.items() if c.model.name != "tiny" else ():
            c.put(f"circuit/{plan}/activation/{s}", x)
        values = {m: c.measure[m](logits).item() for m in c.metrics}
        listed = "nodes" if by_node else "features"
        c.about["circuit"]["plans"][plan] = {"listed": listed, "keep": keep, "coefficient": factor, "metric_values": values}


# ---------------------------------------------------------------- faithfulness

def mean_values(c):
    """{site: (f [T, n], ε [T, d])}: BOS's own values at position 0, elsewhere the mean over the other positions of MEAN_TEXTS."""
    texts, found = [c.model.tokens(t) for t in MEAN_TEXTS], {}
    seen = [c.gpt.activations(ids)[0] for ids in texts]
    c.about["mean_texts"] = [{"text": t, "tokens": ids} for t, ids in zip(MEAN_TEXTS, texts)]
    for s, d in c.dictionaries.items():
        here, there = parts(d, c.x[s][:1]), [parts(d, x[s][1:]) for x in seen]
        found[s] = tuple(torch.cat([h, torch.cat(t).mean(0, keepdim=True).repeat(len(c.ids) - 1, 1)]) for h, t in zip(here, zip(*there)))
    return found


def ablated_values(c, ablations):
    """{name: {site: (f [T, n], ε [T, d])}}: what everything outside a circuit is set to."""
    values = {"zero": {s: tuple(torch.zeros_like(v) for v in parts(d, c.x[s])) for s, d in c.dictionaries.items()}}
    if "patch" in ablations:
        values["patch"] = {s: parts(d, c.x_patch[s]) for s, d in c.dictionaries.items()}
    if "mean" in ablations:
        values["mean"] = mean_values(c)
    for name in [n for n in values if n != "zero"]:
        for s, (f, e) in values[name].items():
            c.put(f"ablated/{name}/features/{s}", f)
            c.put(f"ablated/{name}/error/{s}", e)
    return values


def circuits_of(c, count):
    """The strongest feature nodes by the effect of setting them to 0, and these with the error nodes of two sites."""
    effects, g = [], c.gradients(c.metrics[0])
    for s, n in c.nodes.items():
        e = (g[s][n.position] * n.row).sum(-1).mul(n.activation).abs()
        effects += [(e[i].item(), s, n.position[i].item(), n.feature[i].item()) for i in range(len(e)) if not n.is_error[i]]
    best = sorted((list(e[1:]) for e in sorted(effects, key=lambda e: -e[0])[:count]), key=lambda e: (c.sites.index(e[0]), *e[1:]))
    return {"features": best, "errors-too": best + [[s, p, ERROR] for s in (c.sites[0], c.sites[-2]) for p in range(len(c.ids))]}


def members(c, listed):
    """A circuit as {site: (features [T, n], errors [T])}, bool."""
    T, found = len(c.ids), {}
    for s, d in c.dictionaries.items():
        found[s] = torch.zeros(T, d.w["W_dec"].shape[0], dtype=torch.bool), torch.zeros(T, dtype=torch.bool)
    for s, p, i in listed:
        if i == ERROR:
            found[s][1][p] = True
        else:
            found[s][0][p, i] = True
    return found


def outside(kept):
    return {s: (~f, ~e) for s, (f, e) in kept.items()}


def faithfulness_part(c, ablations, count):
    """m(C), m of its complement and m(∅), for each circuit, ablated value and rule for errors."""
    circuits, rows = circuits_of(c, count), []

    def run(kept, rule, values):
        fixed = {"keep": torch.ones, "remove": torch.zeros}.get(rule)
        kept = {s: (f, e if fixed is None else fixed(len(e), dtype=torch.bool)) for s, (f, e) in kept.items()}
        return circuit_run(c.gpt, c.ids, c.dictionaries, kept, values, c.clear)

    def store(name, logits):
        if c.model.name != "tiny":
            c.put(f"faithfulness/{name}", logits[c.position])

    everything = outside(members(c, []))
    active = members(c, [[s, p, i] for s, n in c.nodes.items() for p, i in zip(n.position.tolist(), n.feature.tolist())])
    for name, values in ablated_values(c, ablations).items():
        # under `mean`, a feature that is active in neither run would be set to its mean: there it takes all features, nodes or not
        for kept in [everything] if name == "mean" else [everything, active]:
            for rule in ("keep", "nodes"):
                difference = (run(kept, rule, values) - c.logits).abs().max()
                assert difference < 1e-11, f"{c.name}: with everything in the circuit the model changes, {name}, {rule}"
        for rule in ("keep", "remove", "nodes"):
            empty = run(members(c, []), rule, values)
            store(f"{name}/{rule}/empty/logits", empty)
            for circuit, listed in circuits.items():
                inner, outer = (run(kept, rule, values) for kept in (members(c, listed), outside(members(c, listed))))
                store(f"{name}/{rule}/{circuit}/logits", inner)
                store(f"{name}/{rule}/{circuit}/complement_logits", outer)
                for m in c.metrics:
                    m_c, m_complement, m_empty, m_full = (c.measure[m](z).item() for z in (inner, outer, empty, c.logits))
                    if abs(m_full - m_empty) < DENOMINATOR:
                        raise TooClose
                    rows.append({"circuit": circuit, "ablated": name, "errors": rule, "metric": m,
                                 "m_circuit": m_c, "m_complement": m_complement, "m_empty": m_empty, "m_full": m_full,
                                 "faithfulness": (m_c - m_empty) / (m_full - m_empty),
                                 "completeness": (m_complement - m_empty) / (m_full - m_empty)})
    c.about["circuits"], c.about["faithfulness"] = circuits, rows


# ---------------------------------------------------------------- response curves

def curve_part(c):
    """The pair of features of the two sites that responds most, and switches in range where one of the strongest does."""
    up, down = c.sites
    J = direct_jacobians(*cut(c.gpt, c.ids, c.x, c.sites)[:2])[up, down]
    n, far = c.nodes[up], c.nodes[down]
    features = list(dict.fromkeys(n.feature[strongest(c, c.metrics[0], TINY_NODES)[up]].tolist()))
    curves = torch.stack([activations(c, features, k) for k in COEFFICIENTS])                     # [8, K, T, n_D]
    switches = ((curves > 0).any(0) & (curves <= 0).any(0))[:, 1:].double().sum(1)                # [K, n_D]: positions, BOS not counted
    lively = (curves.amax(0) - curves.amin(0))[:, 1:].sum(1)                                      # [K, n_D]
    slopes = edge_jacobians(far, n, J)
    suited = lively * (switches > 0) * (curves[COEFFICIENTS.index(1)][:, 1:] > 0).any(1)
    for flat in suited.flatten().argsort(descending=True).tolist():
        k, d = divmod(flat, lively.shape[1])
        gap = lambda f: topk_gap(c.dictionaries[down], value(c, [features[k]], f)[0]).item()
        if c.model.name != "tiny" or all(gap(f) > CLEAR for f in COEFFICIENTS):
            break
    u, slope = features[k], torch.zeros(len(c.ids))
    for q in range(len(c.ids)):
        for i in ((far.position == q) & (far.feature == d)).nonzero()[:, 0].tolist():
            slope[q] = sum(slopes[i, j] * n.activation[j] for j in (n.feature == u).nonzero()[:, 0].tolist())
    for f in COEFFICIENTS:
        c.clear(down, value(c, [u], f)[0][0])
    step = 1e-6
    nudge = (activations(c, [u], 1 + step) - activations(c, [u], 1 - step))[0, :, d] / (2 * step)
    assert (nudge - slope).abs().max() < 1e-6 * (1 + slope.abs().max())
    c.put("curve/activation", curves[:, k, :, d])
    c.put("curve/slope", slope)
    c.about["curve"] = {"up": [up, u], "down": [down, d], "coefficients": COEFFICIENTS}


def value(c, features, factor):
    up, down = c.sites
    return frozen_run(c.gpt, c.ids, c.x, c.sites, up, scaled_features(c.dictionaries[up], c.x[up], features, factor))[0][down]


def activations(c, features, factor):
    return c.dictionaries[c.sites[1]].encode(value(c, features, factor))                          # [K, T, n_D]


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

    def circuit(name, sites, per_site):
        def build(text):
            c = AblationCase(out, f"{prefix}-circuit-{name}", model, text, sites=sites).runs(features=False)
            circuit_part(c, per_site, [(n, k, f) for n in (False, True) for k, f in ((False, 0), (False, 0.5), (False, 2), (True, 0))])
            c.write()
        return build

    def faithfulness(name, sites):
        def build(*texts):
            c = AblationCase(out, f"{prefix}-faithfulness-{name}", model, *texts, sites=sites).runs(features=False)
            faithfulness_part(c, ("zero", "patch", "mean"), CIRCUIT)
            c.write()
        return build

    def curve(text):
        c = AblationCase(out, f"{prefix}-curve", model, text, sites=[resid[0], resid[-1]]).runs(features=False)
        curve_part(c)
        c.write()

    on_clear_prompts(model, 30, [4], circuit("resid", resid, 2))
    on_clear_prompts(model, 31, [3], circuit("all", None, 2))
    on_clear_prompts(model, 40, [3, 3], faithfulness("resid", resid))
    on_clear_prompts(model, 41, [3, 3], faithfulness("all", None))
    on_clear_prompts(model, 50, [4], curve)


def strongest(c, m, count, fits=lambda site, n: True):
    """{site: indices of its `count` strongest feature nodes by attribution patching, among those that fit}."""
    g, found = c.gradients(m), {}
    for s, n in c.nodes.items():
        effect = (g[s][n.position] * n.move).sum(-1).abs().masked_fill(n.is_error, -1)
        ranked = [i for i in effect.argsort(descending=True).tolist() if not n.is_error[i] and fits(s, i)]
        found[s] = ranked[:count]
    return found


def tiny_cases(out, model, text, target):
    resid = kind(model, "resid")

    def case(name, sites):
        c = AblationCase(out, f"tiny-{name}", model, text, sites=sites, target=target, metrics=TINY_METRICS)
        c.runs(logits=False, features=False)
        c.tensors = {k: v for k, v in c.tensors.items() if "activation/" not in k or k.startswith("nodes/")}
        return c

    def first(build, numbers):
        """build(number) with the first number that is clear after its interventions."""
        for number in numbers:
            try:
                return build(number)
            except TooClose:
                continue
        raise SystemExit("goldens_ablation: everything on this prompt is too close to a threshold; try another --prompt")

    def circuit(per_site):
        c = case("circuit", resid[1:4])
        circuit_part(c, per_site, [(n, k, f) for n in (False, True) for k, f in ((False, 0), (False, 0.5), (True, 0))])
        c.write()

    def faithfulness(count):
        c = case("faithfulness-resid-zero", resid)
        faithfulness_part(c, ("zero",), count)
        c.write()

    def curve(_):
        c = case("curve", [resid[1], resid[3]])
        curve_part(c)
        c.write()

    first(circuit, range(2, 8))
    first(faithfulness, range(CIRCUIT, 30))
    first(curve, [0])
    tiny_ablation(case("ablation-resid-zero", resid))


def tiny_ablation(c):
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
    c.about["notes"] = ["Only nodes and features after whose change no TopK dictionary downstream has its last chosen and its "
                        f"first refused feature within {CLEAR} of each other."]
    c.write()
