#!/usr/bin/env python3
"""Golden cases of graphs in which transcoders stand for MLPs: circuit-tracer's adjacency, from the published definition.

    python3 tests/references/goldens_transcoders.py    # writes Goldens/transcoders-*, models/random3 and the transcoders; nothing else

The local replacement model of a prompt (Ameisen et al. 2025, "Circuit Tracing"; skips: Paulo et al. 2025, arXiv:2501.18823):
1. The model runs; a transcoder reads its layer's input (ln2.hook_normalized before gain and bias, mlp.hook_in behind them, or
   hook_resid_mid) and gives activations f, none at the first `zero` positions.
2. written = MLP output - skip; error = written - b_dec - what all features write. Sources: features (f times their decoder row, of a
   cross-layer transcoder at its own and every later MLP's output), errors, tokens (rows of the embedding).
3. Every MLP's output is a leaf plus the skip of what it reads now. Autograd from a feature's pre-activation, or from a logit minus the
   mean over the vocabulary, before a soft cap of logits (circuit-tracer takes unembedding vectors), to the leaves, times the sources'
   vectors, is the adjacency: weight[target, source].
   gradient: true derivatives of norms and attention. relp: norms' scales are constants. frozen: patterns too, as circuit-tracer has it.
4. effect: what a node's removal does for the metric, soft cap and all, in the replacement model, features switched as in the clean run.
5. exact: a node really removed. replacement: every feature is encoded again, errors are held. real: the vectors are taken away from what
   the model's own MLPs give, and everything behind runs. change, metric: all other features held, what a later feature's activation and
   the metric do then: exact edges.
Checked here, and asserted: effects are the sums of edges; under frozen a source that is really doubled, with patterns and scales held,
moves every later pre-activation and logit by its column; small removals (central differences) move the metric by the gradient's effect.
"""
import json
import os
import shutil

import numpy as np
import torch

import random_models
from reference import Gpt2
from reference_llama import Gemma, Llama
from reference_neox import Neox, capped
from reference_opt import Phi
from safetensors_io import read_safetensors, write_safetensors

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../OnnxAttribution.Tests/Goldens")
ESTIMATORS = ["gradient", "relp", "frozen"]
LENGTH, FEATURES, K = 5, 24, 6
# layout: circuit-tracer's per layer (plt) or cross-layer (clt), or SAELens's
CASES = {
    "transcoders-plt": dict(model="random3", reads="ln2.hook_normalized", kind="relu", layout="plt"),
    "transcoders-skip-topk": dict(model="random3", reads="mlp.hook_in", kind="topk", skip=True, layout="plt"),
    "transcoders-saelens": dict(model="llama2", reads="mlp.hook_in", kind="jump_relu", skip=True, layout="saelens"),
    "transcoders-rms": dict(model="llama2", reads="ln2.hook_normalized", kind="jump_relu", layout="plt"),
    "transcoders-clt": dict(model="random3", reads="hook_resid_mid", kind="jump_relu", layout="clt"),
    "transcoders-clt-rms": dict(model="llama2", reads="ln2.hook_normalized", kind="relu", layout="clt"),
    # sublayers in parallel; norms behind the MLP, embeddings scaled, soft caps
    "transcoders-neox": dict(model="neox2", reads="ln2.hook_normalized", kind="jump_relu", layout="plt"),
    "transcoders-phi": dict(model="phi", reads="mlp.hook_in", kind="relu", layout="clt"),
    "transcoders-gemma2": dict(model="gemma2", reads="ln2.hook_normalized", kind="jump_relu", layout="plt", seed=208),
    "transcoders-gemma2-clt": dict(model="gemma2", reads="mlp.hook_in", kind="relu", layout="clt"),
    "transcoders-gemma3": dict(model="gemma3", reads="ln2.hook_normalized", kind="jump_relu", skip=True, layout="plt"),
}
double = lambda x: torch.from_numpy(np.asarray(x, np.float64))


# ---------------------------------------------------------------- the model, its MLPs replaceable

class Replaceable:
    """What all architectures share: embeddings are a leaf where one is given, and MLPs what `instead` says."""
    instead = None      # (layer, what the transcoder reads) -> the MLP's output
    embedded = None     # [T, d]
    reads = "hook_resid_mid"
    before_cap = None   # logits before a soft cap, of the last run

    def read(self, l, x, at):
        normalized = self.normalized(l, x, at)
        seen = {"hook_resid_mid": x, "ln2.hook_normalized": normalized, "mlp.hook_in": self.scaled(l, normalized)}
        return at(f"read.{l}", seen[self.reads])

    def mlp(self, l, x, at):
        read = self.read(l, x, at)
        return super().mlp(l, x, lambda name, v: v) if self.instead is None else self.instead(l, read)


class WithLayerNorm(Replaceable):
    """A subclass says what its tensors are called."""

    def normalized(self, l, x, at):
        x = x - x.mean(-1, keepdim=True)
        scale = at(f"blocks.{l}.ln2.hook_scale", (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt())
        return x / (scale if self.estimator == "gradient" else scale.detach())

    def scaled(self, l, x):
        return x * self.w[f"{self.norm_name(l)}.weight"] + self.w[f"{self.norm_name(l)}.bias"]

    def embeddings(self, ids):
        return self.w[self.table][ids]

    def run(self, ids, at=lambda name, x: x):
        keep = self.w[self.table]
        assert not getattr(self, "tied", False)
        if self.embedded is None:
            self.before_cap = super().run(ids, at)
            return self.before_cap
        # the row of each position is that position's leaf
        self.w[self.table] = self.embedded
        try:
            self.before_cap = super().run(list(range(len(ids))), at)
            return self.before_cap
        finally:
            self.w[self.table] = keep


class ReplaceableGpt2(WithLayerNorm, Gpt2):
    table = "wte.weight"

    def norm_name(self, l):
        return f"h.{l}.ln_2"


class ReplaceableNeox(WithLayerNorm, Neox):
    table = "embed_in.weight"

    def norm_name(self, l):
        return f"layers.{l}.post_attention_layernorm"


class ReplaceablePhi(WithLayerNorm, Phi):
    table = "embed_tokens.weight"

    def norm_name(self, l):
        return f"layers.{l}.input_layernorm"


class WithRmsNorm(Replaceable):
    def normalized(self, l, x, at):
        scale = at(f"blocks.{l}.ln2.hook_scale", (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt())
        return x / (scale if self.estimator == "gradient" else scale.detach())

    def scaled(self, l, x):
        return x * (self.w[f"layers.{l}.{self.norms['ln2']}.weight"] + self.offset)

    def embeddings(self, ids):
        return super().embed(ids)

    def embed(self, ids):
        return super().embed(ids) if self.embedded is None else self.embedded

    def run(self, ids, at=lambda name, x: x):
        self.before_cap = Llama.run(self, ids, at)
        return capped(self.before_cap, getattr(self, "logit_cap", None))


class ReplaceableLlama(WithRmsNorm, Llama):
    pass


class ReplaceableGemma(WithRmsNorm, Gemma):
    pass


OPENED = {"random3": ReplaceableGpt2, "neox2": ReplaceableNeox, "phi": ReplaceablePhi, "gemma2": ReplaceableGemma,
          "gemma3": ReplaceableGemma}


def open_model(name):
    return OPENED.get(name, ReplaceableLlama)(os.path.join(OUT, "models", name))


# ---------------------------------------------------------------- transcoders

class Transcoder:
    """One layer: pre = x W_encᵀ + b_enc; W_dec [features, outputs, d], the first output its own layer's."""

    def __init__(self, tensors, kind):
        self.kind, self.w = kind, {k: double(v) for k, v in tensors.items()}

    def pre(self, x):
        return x @ self.w["W_enc"].T + self.w["b_enc"]

    def active(self, pre):
        if self.kind == "relu":
            return pre > 0
        if self.kind == "jump_relu":
            return pre > self.w["threshold"]
        best = pre.topk(K, -1).indices
        return torch.zeros_like(pre, dtype=torch.bool).scatter(-1, best, True) & (pre != 0)

    def margin(self, pre):
        if self.kind == "topk":
            sorted_ = pre.sort(-1, descending=True).values
            return float((sorted_[..., K - 1] - sorted_[..., K]).min())
        return float((pre - (self.w["threshold"] if self.kind == "jump_relu" else 0)).abs().min())

    def skip(self, x):
        return x @ self.w["W_skip"].T if "W_skip" in self.w else 0 * x


def make(model, spec, rng):
    """Transcoders of all layers, fitted roughly: float32, so that what is written is what is read."""
    samples = [seen(model, [int(i) for i in rng.randint(0, 256, 8)]) for _ in range(60)]
    layers, cross = model.layers, spec["layout"] == "clt"
    made, errors = [], [torch.cat([s[f"blocks.{l}.hook_mlp_out"] for s in samples]).numpy() for l in range(layers)]
    for l in range(layers):
        x = torch.cat([s[f"read.{l}"] for s in samples]).numpy()
        t = {"W_enc": rng.standard_normal((FEATURES, x.shape[1])) / np.sqrt(x.shape[1])}
        pre = x @ t["W_enc"].T
        share = 0.85 if spec["kind"] == "topk" else 0.8     # of TopK's, too few are above 0
        t["b_enc"] = -np.quantile(pre, share, axis=0)
        if spec["kind"] == "jump_relu":
            t["threshold"] = rng.uniform(0.05, 0.3, FEATURES)
            t["b_enc"] += t["threshold"]
        if spec.get("skip"):
            t["W_skip"] = 0.2 * rng.standard_normal((x.shape[1], x.shape[1]))
            errors[l] = errors[l] - x @ t["W_skip"].T
        t = {k: v.astype(np.float32) for k, v in t.items()}
        one = Transcoder({**t, "W_dec": 0, "b_dec": 0}, spec["kind"])
        p = one.pre(double(x))
        f = (p * one.active(p)).numpy()
        outputs = range(l, layers) if cross else [l]
        t["b_dec"] = errors[l].mean(0).astype(np.float32)
        rows = []
        for o in outputs:
            y = errors[o] - errors[o].mean(0)
            fitted = np.linalg.lstsq(f.T @ f + 3 * np.eye(FEATURES), f.T @ y, rcond=None)[0]
            rows.append(fitted + 0.05 * rng.standard_normal(fitted.shape))
            errors[o] = errors[o] - f @ rows[-1]
        t["W_dec"] = np.stack(rows, 1).astype(np.float32)
        made.append(t)
    return made


def write(folder, spec, made):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    if spec["layout"] == "saelens":
        for l, t in enumerate(made):
            where = os.path.join(folder, f"layer_{l}")
            os.makedirs(where)
            random_models.write_json(os.path.join(where, "cfg.json"), {
                "architecture": "jumprelu_skip_transcoder", "d_in": t["W_enc"].shape[1], "d_sae": FEATURES, "d_out": t["W_dec"].shape[2],
                "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": True, "normalize_activations": "none",
                "reshape_activations": "none", "metadata": {
                    "model_name": "llama2", "hook_name": f"blocks.{l}.mlp.hook_in", "hook_name_out": f"blocks.{l}.hook_mlp_out",
                    "hook_head_index": None, "prepend_bos": True, "sae_lens_version": "6.18.0"}})
            write_safetensors(os.path.join(where, "sae_weights.safetensors"), {
                **{k: t[k] for k in ("b_enc", "b_dec", "threshold", "W_skip")}, "W_enc": t["W_enc"].T, "W_dec": t["W_dec"][:, 0]})
        return
    kind = "cross_layer_transcoder" if spec["layout"] == "clt" else "transcoder_set"
    with open(os.path.join(folder, "config.yaml"), "w") as f:
        f.write(f'# as circuit-tracer has it\nmodel_name: "random/{spec["model"]}"\nmodel_kind: "{kind}"\n'
                f'feature_input_hook: "{spec["reads"]}"\nfeature_output_hook: "hook_mlp_out"\nscan: random\n')
        if spec["kind"] == "topk":
            f.write(f"activation: topk\nk: {K}\n")
    for l, t in enumerate(made):
        threshold = t.get("threshold")
        if spec["layout"] == "clt":
            write_safetensors(os.path.join(folder, f"W_dec_{l}.safetensors"), {f"W_dec_{l}": t["W_dec"]})
            write_safetensors(os.path.join(folder, f"W_enc_{l}.safetensors"), {
                f"{k}_{l}": v for k, v in {"W_enc": t["W_enc"], "b_enc": t["b_enc"], "b_dec": t["b_dec"], "threshold": threshold}.items()
                if v is not None})
        else:
            write_safetensors(os.path.join(folder, f"layer_{l}.safetensors"), {
                **{k: t[k] for k in ("W_enc", "b_enc", "b_dec")}, "W_dec": t["W_dec"][:, 0],
                **({"activation_function.threshold": threshold} if threshold is not None else {}),
                **({"W_skip": t["W_skip"]} if "W_skip" in t else {})})


# ---------------------------------------------------------------- one prompt

def seen(model, ids, **given):
    found = {}
    def at(name, x):
        found[name] = x.detach()
        return given.get(name.replace(".", "_"), x)
    with torch.no_grad():
        found["logits"] = model.run(ids, at)
    return found


class AtThreshold(Exception):
    pass


class Case:
    def __init__(self, model, transcoders, ids, zero):
        self.model, self.transcoders, self.ids, self.layers = model, transcoders, ids, model.layers
        model.estimator, model.instead, model.embedded = "gradient", None, None
        self.clean = clean = seen(model, ids)
        self.before_cap, self.zero = model.before_cap[-1], zero
        T = len(ids)
        self.f, self.written, self.error, self.mask = [], [], [], []
        for l, t in enumerate(transcoders):
            x = clean[f"read.{l}"]
            mask = t.active(t.pre(x))
            mask[:zero] = False
            self.mask.append(mask)
            self.f.append(t.pre(x) * mask)
            self.written.append(clean[f"blocks.{l}.hook_mlp_out"] - t.skip(x))
        for l in range(self.layers):
            self.error.append(self.written[l] - transcoders[l].w["b_dec"] - self.gives(self.f, l))
        self.nodes, self.vectors = [], []       # (layer, position, feature); {output: [T, d]}, -1: the embedding
        def put(node, **at):
            self.nodes.append(node)
            self.vectors.append({int(o[1:]) if o != "embed" else -1: v for o, v in at.items()})
        def one(t, v):
            x = torch.zeros(T, v.shape[-1], dtype=torch.float64)
            x[t] = v
            return x
        for t in range(T):
            put((-1, t, -1), embed=one(t, model.embeddings(ids)[t]))
        for l, tr in enumerate(transcoders):
            for t in range(zero, T):
                for j in self.mask[l][t].nonzero().flatten().tolist():
                    put((l, t, j), **{f"o{l + i}": one(t, self.f[l][t, j] * row) for i, row in enumerate(tr.w["W_dec"][j])})
                put((l, t, -1), **{f"o{l}": one(t, self.error[l][t])})

    def gives(self, f, l):
        """What all features write to the MLP's output of a layer."""
        return sum(f[i] @ self.transcoders[i].w["W_dec"][:, l - i] for i in range(l + 1) if l - i < self.transcoders[i].w["W_dec"].shape[1])

    def along(self, gradients):
        """[N]: gradients by output, along each node's vectors."""
        return torch.stack([sum((gradients[o] * v).sum() for o, v in vector.items() if gradients[o] is not None) + torch.zeros(())
                            for vector in self.vectors]).to(torch.float64)

    def rows(self, estimator, metric, targets):
        """weight [N, N], the metric's row, the logits' rows."""
        model, found = self.model, {}
        leaves = {-1: model.embeddings(self.ids).clone().requires_grad_(),
                  **{l: self.written[l].clone().requires_grad_() for l in range(self.layers)}}
        model.estimator, model.embedded = estimator, leaves[-1]
        model.instead = lambda l, read: leaves[l] + self.transcoders[l].skip(read)
        def at(name, x):
            found[name] = x
            return x
        logits = model.run(self.ids, at)[-1]
        before = model.before_cap[-1]
        def row(value):
            return self.along(dict(zip(leaves, torch.autograd.grad(value, list(leaves.values()), retain_graph=True, allow_unused=True))))
        weight = torch.zeros(len(self.nodes), len(self.nodes), dtype=torch.float64)
        for n, (l, t, j) in enumerate(self.nodes):
            if j >= 0:
                weight[n] = row(self.transcoders[l].pre(found[f"read.{l}"])[t, j])
        return weight, row(metric(logits)), torch.stack([row(before[k] - before.mean()) for k in targets])

    def effects(self, estimator, metric):
        """[N], and the metric's derivative by each feature's activation: all features recomputed, on or off as they are."""
        model = self.model
        added = {-1: model.embeddings(self.ids).clone().requires_grad_(),
                 **{l: torch.zeros_like(w).requires_grad_() for l, w in enumerate(self.written)}}
        f = {}
        def instead(l, read):
            f[l] = self.transcoders[l].pre(read) * self.mask[l]
            rest = self.written[l] - self.gives(self.f, l)
            return self.gives(f, l) + rest + self.transcoders[l].skip(read) + added[l]
        model.estimator, model.embedded, model.instead = estimator, added[-1], instead
        logits = model.run(self.ids)[-1]
        assert (logits - self.clean["logits"][-1]).abs().max() < 1e-10
        along = self.along(dict(zip(added, torch.autograd.grad(metric(logits), list(added.values())))))
        return -along

    def without(self, vector, where, share=1.0):
        """Logits and tensors with a source's vectors, or a share of them, taken away: in the replacement or the real model, or with all
        other features held (edges)."""
        model, found, f = self.model, {}, {}
        taken = lambda o: share * vector[o] if o in vector else 0
        def at(name, x):
            if where == "real" and name.endswith("hook_mlp_out"):
                x = x - taken(int(name.split(".")[1]))
            found[name] = x
            return x
        def instead(l, read):
            held = self.written[l] + self.transcoders[l].skip(read) - taken(l)
            if where == "edges":
                return held
            f[l] = self.encoded(l, read, margin=share == 1)
            return held + self.gives(f, l) - self.gives(self.f, l)
        model.estimator, model.embedded = "gradient", model.embeddings(self.ids) - taken(-1)
        model.instead = None if where == "real" else instead
        with torch.no_grad():
            logits = model.run(self.ids, at)[-1]
        return logits, found

    def encoded(self, l, read, margin):
        """Features of what a transcoder reads, with those that switch on."""
        t = self.transcoders[l]
        pre = t.pre(read)
        # where a feature switches it jumps, so float32 has to agree
        if margin and t.kind != "relu" and t.margin(pre[self.zero:]) < 2e-6:
            raise AtThreshold
        f = pre * t.active(pre)
        f[:self.zero] = 0
        return f

    def exact(self, metric, effect):
        """Every node really removed: see step 5."""
        clean, n = metric(self.clean["logits"][-1]), len(self.nodes)
        moved = {w: torch.stack([metric(self.without(v, w)[0]) - clean for v in self.vectors]) for w in ("replacement", "real")}
        change, into = torch.zeros(n, n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
        for s, vector in enumerate(self.vectors):
            logits, found = self.without(vector, "edges")
            into[s] = metric(logits) - clean
            f = [self.encoded(l, found[f"read.{l}"], margin=True) for l in range(self.layers)]
            for d, (l, t, j) in enumerate(self.nodes):
                if j >= 0:
                    change[d, s] = f[l][t, j] - self.f[l][t, j]
        h = 1e-5
        small = torch.stack([metric(self.without(v, "replacement", h)[0]) - metric(self.without(v, "replacement", -h)[0])
                             for v in self.vectors]) / (2 * h)
        assert (small - effect).abs().max() < 1e-6, "small removals are not what the gradient says"
        return {"exact/replacement": moved["replacement"].numpy(), "exact/real": moved["real"].numpy(), "exact/metric": into.numpy(),
                "exact/change": change.numpy().astype(np.float32)}

    def doubled(self, weight, targets, rows):
        """Really doubles each source with patterns and scales held."""
        held = {k: v for k, v in self.clean.items() if k.endswith("hook_pattern") or k.endswith("hook_scale")}
        model = self.model
        for n, vector in enumerate(self.vectors):
            found = {}
            def at(name, x):
                found[name] = x
                return held.get(name, x)
            model.embedded = model.embeddings(self.ids) + vector.get(-1, 0)
            model.instead = lambda l, read: self.written[l] + vector.get(l, 0) + self.transcoders[l].skip(read)
            with torch.no_grad():
                model.run(self.ids, at)
            logits = model.before_cap[-1] - self.before_cap
            moved = [self.transcoders[l].pre(found[f"read.{l}"] - self.clean[f"read.{l}"])[t, j] - self.transcoders[l].w["b_enc"][j]
                     if j >= 0 else torch.zeros((), dtype=torch.float64) for l, t, j in self.nodes]
            assert (torch.stack(moved) - weight[:, n]).abs().max() < 1e-9, self.nodes[n]
            assert ((logits - logits.mean())[targets] - rows[:, n]).abs().max() < 1e-9


def golden(name, spec, folder, seed):
    model = open_model(spec["model"])
    model.reads = spec["reads"]
    rng = np.random.RandomState(seed)
    made = make(model, spec, rng)
    write(folder, spec, made)
    transcoders = [Transcoder(t, spec["kind"]) for t in made]
    zero = 0 if spec["layout"] == "saelens" else 1
    vocabulary = seen(model, [0])["logits"].shape[-1]
    while True:
        ids = [vocabulary - 1, *(int(i) for i in rng.randint(65, 91, LENGTH - 1))]
        case = Case(model, transcoders, ids, zero)
        if min(t.margin(t.pre(case.clean[f"read.{l}"])) for l, t in enumerate(transcoders)) < 1e-4:
            continue
        logits = case.clean["logits"][-1]
        targets = logits.topk(4).indices.tolist()
        metric = lambda v: v[targets[0]] - v[targets[1]]
        try:
            tensors = {"logits": logits.numpy(), **case.exact(metric, case.effects("gradient", metric))}
            break
        except AtThreshold:
            print(f"{name}: a feature is at its threshold once a node is removed; the next prompt", flush=True)
    for i, column in enumerate(("layer", "position", "feature")):
        tensors[column] = np.asarray([n[i] for n in case.nodes], np.float64)
    tensors["activation"] = np.asarray([float(case.f[l][t, j]) if j >= 0 else float(sum(v.norm() for v in vector.values()))
                                        for (l, t, j), vector in zip(case.nodes, case.vectors)])
    for estimator in ESTIMATORS:
        weight, row, rows = case.rows(estimator, metric, targets)
        effect = case.effects(estimator, metric)
        activation = torch.from_numpy(tensors["activation"])
        is_feature = torch.from_numpy(tensors["feature"] >= 0)
        slope = torch.where(is_feature, -effect / activation, torch.zeros_like(effect))     # dm/df
        assert (effect + slope @ weight + row).abs().max() < 1e-9, "effects are not the sums of edges"
        if estimator == "frozen":
            case.doubled(weight, targets, rows)
        tensors |= {f"{estimator}/weight": weight.numpy().astype(np.float32), f"{estimator}/metric": row.numpy(),
                    f"{estimator}/logits": rows.numpy(), f"{estimator}/effect": effect.numpy()}
    where = os.path.join(OUT, name)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    write_safetensors(os.path.join(where, "golden.safetensors"), tensors)
    random_models.write_json(os.path.join(where, "case.json"), {
        "case": name, "model": spec["model"], "transcoders": os.path.basename(folder), "cross_layer": spec["layout"] == "clt",
        "zero_positions": zero, "tokens": ids, "target": targets[0], "foil": targets[1], "targets": targets,
        "notes": ["weight [target, source]: the source's vector to the target's pre-activation; rows of errors and tokens are 0.",
                  "metric: the same into the logit difference; logits: into logit - mean of each target, before a soft cap.",
                  "effect: of removal. exact: of real removal, of each node (replacement, real) and along edges (change [target, source], "
                  "metric)."]})
    negative = sum(int((f < 0).sum()) for f in case.f)
    print(f"{name}: {len(case.nodes)} nodes, {negative} of them negative", flush=True)


if __name__ == "__main__":
    folder = os.path.join(OUT, "models", "random3")
    random_models.LAYERS = 3
    random_models.write_checkpoint(folder, 31)
    for i, (name, spec) in enumerate(CASES.items()):
        golden(name, spec, os.path.join(OUT, "models", spec["model"], "transcoders", name), spec.get("seed", 100 + i))
