"""A second opinion on what the program computes: the definition of ARCHITECTURE.md in PyTorch, float64, by autograd.

It shares no code with the C# side and takes the slow, obvious way everywhere:
1. Gpt2 runs the model; `at(name, x)` sees every hook tensor under its TransformerLens name and may replace it.
2. Dictionary encodes and decodes as SAELens does; the derivative of a feature is autograd's, through any normalisation.
3. nodes_of lists the nodes of a site with the vector that each one's change adds to the site.
4. gradients: one backward pass of the unmodified model. mean_gradients: the same along the path of integrated gradients.
   exact_logits: real patching.
5. cut replaces every selected site by a leaf, so that autograd from a site's computed value to the leaves IS the direct Jacobian.
"""
import json
import math
import os
from dataclasses import dataclass

import numpy as np
import regex
import torch

from safetensors_io import read_safetensors

END = "<|endoftext|>"
ERROR = -1
SHARES = {"q": 0.25, "k": 0.25, "v": 0.5}
METRICS = ["logit", "logit-diff", "logprob", "loss", "prob", "kl"]
PIECES = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


# ---------------------------------------------------------------- tokens

def byte_symbols():
    """GPT-2's printable stand-ins of the 256 bytes, in the order of its vocabulary: byte -> character."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(other)}}


def encode(folder, text):
    """Token ids of a text under a folder's vocab.json and merges.txt (byte-level BPE); no BOS."""
    with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as f:
        vocab = json.load(f)
    with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as f:
        rank = {tuple(line.split(" ")): i for i, line in enumerate(f.read().split("\n")[1:]) if line}
    symbol, ids = byte_symbols(), []
    for piece in PIECES.findall(text):
        parts = [symbol[b] for b in piece.encode()]
        while True:
            ranked = [(rank[p], i) for i, p in enumerate(zip(parts, parts[1:])) if p in rank]
            if not ranked:
                break
            i = min(ranked)[1]
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        ids += [vocab[p] for p in parts]
    return ids


# ---------------------------------------------------------------- model

def site_names(layers):
    """The 3 L + 1 sites in the order in which the model computes them."""
    names = [f"blocks.{l}.hook_{kind}" for l in range(layers) for kind in ("resid_pre", "attn_out", "mlp_out")]
    return names + [f"blocks.{layers - 1}.hook_resid_post"]


def layer_norm(x, weight, bias, eps, at, name, fixed=False):
    x = x - x.mean(-1, keepdim=True)
    scale = at(f"{name}.hook_scale", (x.pow(2).mean(-1, keepdim=True) + eps).sqrt())
    return x / (scale.detach() if fixed else scale) * weight + bias


class Tempered(torch.autograd.Function):
    """GIM's softmax over the last axis: its value is softmax(x), its derivative s2 * (g - sum g s2) with s2 = softmax(x / 2)."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.softmax(-1)

    @staticmethod
    def backward(ctx, g):
        s = (ctx.saved_tensors[0] / 2).softmax(-1)
        return s * (g - (g * s).sum(-1, keepdim=True))


class Scaled(torch.autograd.Function):
    """x itself, of whose gradient only a share goes on."""

    @staticmethod
    def forward(ctx, x, share):
        ctx.share = share
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return ctx.share * g, None


def shared(estimator, x, share):
    """Under gim: an activation that is multiplied with another one; share says how much of its gradient counts."""
    return Scaled.apply(x, share) if estimator == "gim" else x


def attention_pattern(estimator, scores):
    """Under gim the softmax has another derivative, under frozen none; its value is always softmax's."""
    return Tempered.apply(scores) if estimator == "gim" else scores.softmax(-1)


class Gpt2:
    """A Hugging Face GPT-2 checkpoint. Tensors: [..., T, d]; leading dimensions are a batch.

    `estimator` says what autograd is not to see: relp, LayerNorm scales and gelu(x)/x; frozen, LayerNorm scales and patterns.
    gim: LayerNorm scales; softmax's derivative is at temperature 2, gradients of q and k count a quarter, those of v a half.
    """
    estimator = "gradient"

    def __init__(self, folder, dtype=torch.float64):
        with open(os.path.join(folder, "config.json")) as f:
            c = json.load(f)
        self.layers, self.heads, self.eps, self.width = c["n_layer"], c["n_head"], c["layer_norm_epsilon"], c["n_embd"]
        self.sites = site_names(self.layers)
        raw = read_safetensors(os.path.join(folder, "model.safetensors"))
        self.w = {k.removeprefix("transformer."): torch.from_numpy(v.astype(np.float64)).to(dtype) for k, v in raw.items()}
        self.w["W_U"] = self.w.get("lm_head.weight", self.w["wte.weight"]).T.clone()   # [d, V]
        self.w["b_U"] = torch.zeros(self.w["W_U"].shape[1], dtype=dtype)

    def run(self, ids, at=lambda name, x: x):
        """Logits [..., T, V]."""
        w = self.w
        x = w["wte.weight"][ids] + w["wpe.weight"][:len(ids)]
        for l in range(self.layers):
            x = at(f"blocks.{l}.hook_resid_pre", x)
            a = at(f"blocks.{l}.hook_attn_out", self.attention(l, x, at))
            x = at(f"blocks.{l}.hook_resid_mid", x + a)
            x = x + at(f"blocks.{l}.hook_mlp_out", self.mlp(l, x, at))
        x = at(f"blocks.{self.layers - 1}.hook_resid_post", x)
        return self.norm(x, "ln_f", at, "ln_final") @ w["W_U"] + w["b_U"]

    def norm(self, x, name, at, hook):
        return layer_norm(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"], self.eps, at, hook, self.estimator != "gradient")

    def attention(self, l, x, at):
        w, block = self.w, f"blocks.{l}"
        y = self.norm(x, f"h.{l}.ln_1", at, f"{block}.ln1")
        qkv = y @ w[f"h.{l}.attn.c_attn.weight"] + w[f"h.{l}.attn.c_attn.bias"]
        split = lambda t: t.reshape(*t.shape[:-1], self.heads, -1)                    # [..., T, H, dh]
        q, k, v = (shared(self.estimator, at(f"{block}.attn.hook_{n}", split(t)), SHARES[n]).transpose(-3, -2)
                   for n, t in zip("qkv", qkv.chunk(3, -1)))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])                      # [..., H, T, T]
        future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        pattern = at(f"{block}.attn.hook_pattern", attention_pattern(self.estimator, scores.masked_fill(future, -math.inf)))
        pattern = pattern.detach() if self.estimator == "frozen" else pattern
        z = at(f"{block}.attn.hook_z", (pattern @ v).transpose(-3, -2))                # [..., T, H, dh]
        return z.flatten(-2) @ w[f"h.{l}.attn.c_proj.weight"] + w[f"h.{l}.attn.c_proj.bias"]

    def mlp(self, l, x, at):
        w = self.w
        y = self.norm(x, f"h.{l}.ln_2", at, f"blocks.{l}.ln2")
        h = y @ w[f"h.{l}.mlp.c_fc.weight"] + w[f"h.{l}.mlp.c_fc.bias"]
        a = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h.pow(3))))   # gelu_new
        h = h * torch.where(h == 0, torch.full_like(h, 0.5), a / h).detach() if self.estimator == "relp" else a
        return h @ w[f"h.{l}.mlp.c_proj.weight"] + w[f"h.{l}.mlp.c_proj.bias"]

    def activations(self, ids):
        """Every hook tensor by name, and the logits."""
        seen = {}
        def at(name, x):
            seen[name] = x
            return x
        with torch.no_grad():
            logits = self.run(ids, at)
        return seen, logits


# ---------------------------------------------------------------- weight processing, as in TransformerLens

def fold_layer_norm(model):
    """LayerNorm weights and biases move into the linear maps that read it, which lose their mean over the width."""
    w = model.w
    def fold(norm, weight, bias):
        w[bias] = w[bias] + w[f"{norm}.bias"] @ w[weight]
        w[weight] = w[f"{norm}.weight"][:, None] * w[weight]
        w[weight] = w[weight] - w[weight].mean(0, keepdim=True)
        w[f"{norm}.weight"], w[f"{norm}.bias"] = torch.ones_like(w[f"{norm}.weight"]), torch.zeros_like(w[f"{norm}.bias"])
    for l in range(model.layers):
        fold(f"h.{l}.ln_1", f"h.{l}.attn.c_attn.weight", f"h.{l}.attn.c_attn.bias")
        fold(f"h.{l}.ln_2", f"h.{l}.mlp.c_fc.weight", f"h.{l}.mlp.c_fc.bias")
    fold("ln_f", "W_U", "b_U")


def center_writing_weights(model):
    """Everything that writes to the residual stream loses its mean over the width."""
    names = ["wte.weight", "wpe.weight"]
    names += [f"h.{l}.{m}.c_proj.{t}" for l in range(model.layers) for m in ("attn", "mlp") for t in ("weight", "bias")]
    for n in names:
        model.w[n] = model.w[n] - model.w[n].mean(-1, keepdim=True)


def center_unembed(model):
    """The unembedding loses its mean over the vocabulary: logits move by one number per position."""
    for n in ("W_U", "b_U"):
        model.w[n] = model.w[n] - model.w[n].mean(-1, keepdim=True)


# ---------------------------------------------------------------- dictionaries

class Dictionary:
    """A SAELens directory. x [..., d] -> f [..., n] -> x̂ [..., d]."""

    def __init__(self, folder, dtype=torch.float64):
        with open(os.path.join(folder, "cfg.json")) as f:
            c = json.load(f)
        kind, activation = c.get("architecture", "standard"), c.get("activation_fn", c.get("activation_fn_str", "relu"))
        self.kind = "topk" if activation == "topk" else kind
        self.k = c.get("k", c.get("activation_fn_kwargs", {}).get("k"))
        self.norm = c.get("normalize_activations", "none")
        self.subtract = c.get("apply_b_dec_to_input", True)
        self.rescale, self.finetuned = c.get("rescale_acts_by_decoder_norm", False), c.get("finetuning_scaling_factor", False)
        self.factor = c.get("metadata", {}).get("norm_scaling_factor")
        self.w = {k: torch.from_numpy(v.astype(np.float64)).to(dtype)
                  for k, v in read_safetensors(os.path.join(folder, "sae_weights.safetensors")).items()}

    def describe(self):
        return {"kind": self.kind, "k": self.k if self.kind == "topk" else None, "features": self.w["W_dec"].shape[0],
                "normalize_activations": self.norm, "apply_b_dec_to_input": self.subtract,
                **({"rescale_acts_by_decoder_norm": True} if self.rescale else {}),
                **({"finetuning_scaling_factor": True} if self.finetuned else {}),
                **({"norm_scaling_factor": self.factor} if self.factor else {})}

    def moments(self, x):
        """What decode adds, multiplies by, and what encode divides by: [..., 1] each."""
        if self.norm == "layer_norm":
            mean = x.mean(-1, keepdim=True)
            std = (x - mean).std(-1, unbiased=True, keepdim=True)
            return mean, std, std + 1e-5
        if self.norm == "constant_norm_rescale":
            scale = x.norm(dim=-1, keepdim=True) / math.sqrt(x.shape[-1])
            return torch.zeros_like(scale), scale, scale
        one = torch.ones_like(x[..., :1])
        if self.norm == "expected_average_only_in":
            return 0 * one, one / self.factor, one / self.factor
        assert self.norm == "none", self.norm
        return 0 * one, one, one

    def input(self, x):
        mean, _, divisor = self.moments(x)
        return (x - mean) / divisor - (self.w["b_dec"] if self.subtract else 0)

    def pre(self, y):
        pre = y @ self.w["W_enc"] + self.w["b_enc"]
        return pre * self.w["W_dec"].norm(dim=-1) if self.rescale else pre

    def decoder(self):
        """What an activation of 1 adds, before the output's scale: [n, d]."""
        W = self.w["W_dec"]
        if self.rescale:
            W = W / W.norm(dim=-1, keepdim=True)
        return W * self.w["scaling_factor"][:, None] if self.finetuned else W

    def encode(self, x):
        w, y = self.w, self.input(x)
        if self.kind == "gated":
            return torch.relu(y @ (w["W_enc"] * w["r_mag"].exp()) + w["b_mag"]) * (y @ w["W_enc"] + w["b_gate"] > 0)
        pre = self.pre(y)
        if self.kind == "topk":
            top = pre.topk(self.k, -1)
            return torch.zeros_like(pre).scatter(-1, top.indices, torch.relu(top.values))
        if self.kind == "jumprelu":
            return torch.relu(pre) * (pre > w["threshold"])
        assert self.kind == "standard", self.kind
        return torch.relu(pre)

    def margin(self, x):
        """How far the feature nearest to its threshold is from it."""
        w, y = self.w, self.input(x)
        if self.kind == "gated":
            gate, magnitude = y @ w["W_enc"] + w["b_gate"], y @ (w["W_enc"] * w["r_mag"].exp()) + w["b_mag"]
            return min(gate.abs().min().item(), magnitude[gate > 0].abs().min().item())
        pre = self.pre(y)
        if self.kind == "topk":
            top = pre.topk(self.k + 1, -1).values
            return min((top[..., -2] - top[..., -1]).min().item(), top[..., :-1].abs().min().item())
        return (pre - (w["threshold"] if self.kind == "jumprelu" else 0)).abs().min().item()

    def decode(self, f, x):
        """x̂ with the normalisation of x."""
        mean, scale, _ = self.moments(x)
        return (f @ self.decoder() + self.w["b_dec"]) * scale + mean

    def rows(self, x):
        """Decoder rows as they count at x: [T, n, d]."""
        return self.moments(x)[1][..., None] * self.decoder()

    def slopes(self, x):
        """∂f_i/∂x at each position of x [T, d], by autograd: [T, n, d], zero where the feature is not active."""
        x = x.detach().requires_grad_()
        f = self.encode(x)
        return torch.stack([torch.autograd.grad(f[:, i].sum(), x, retain_graph=True)[0] for i in range(f.shape[-1])], 1)


# ---------------------------------------------------------------- nodes

@dataclass
class Nodes:
    """The nodes of a site: position ascending, in a position features ascending, the error node last."""
    position: torch.Tensor     # [N]
    feature: torch.Tensor      # [N], -1: error node
    activation: torch.Tensor   # [N], norm for an error node
    patch: torch.Tensor        # [N], the same in the patch run
    row: torch.Tensor          # [N, d]: the decoder row as it counts in the clean run, NaN for an error node
    move: torch.Tensor         # [N, d]: what this node's change adds to the site
    slope: torch.Tensor        # [N, d]: ∂f/∂x at the clean run, NaN for an error node

    @property
    def is_error(self):
        return self.feature == ERROR


def nodes_of(dictionary, x, x_patch):
    """All nodes that are active in the clean or the patch run (x_patch None: zero ablation). x [T, d]."""
    T, d = x.shape
    if dictionary is None:
        f = f_patch = torch.zeros(T, 0, dtype=x.dtype)
        rows = slopes = torch.zeros(T, 0, d, dtype=x.dtype)
        error = x
    else:
        f, rows, slopes = dictionary.encode(x), dictionary.rows(x), dictionary.slopes(x)
        f_patch = torch.zeros_like(f) if x_patch is None else dictionary.encode(x_patch)
        error = x - dictionary.decode(f, x)
    moves = (f_patch - f)[..., None] * rows
    error_move = -error if x_patch is None else x_patch - x - moves.sum(1)
    nan = torch.full((d,), math.nan, dtype=x.dtype)
    listed = []
    for t in range(T):
        for i in ((f[t] > 0) | (f_patch[t] > 0)).nonzero()[:, 0].tolist():
            listed.append((t, i, f[t, i], f_patch[t, i], rows[t, i], moves[t, i], slopes[t, i]))
        listed.append((t, ERROR, error[t].norm(), (error[t] + error_move[t]).norm(), nan, error_move[t], nan))
    position, feature, *rest = zip(*listed)
    return Nodes(torch.tensor(position), torch.tensor(feature), *(torch.stack(r) for r in rest))


def metric(name, logits, position, target, foil, clean):
    """[...] from logits [..., T, V]; clean: the clean run's logits [T, V]."""
    at, logp = logits[..., position, :], logits[..., position, :].log_softmax(-1)
    if name == "logit":
        return at[..., target]
    if name == "logit-diff":
        return at[..., target] - at[..., foil]
    if name == "kl":                       # KL(clean ‖ now)
        base = clean[position].log_softmax(-1)
        return (base.exp() * (base - logp)).sum(-1)
    return {"logprob": logp, "loss": -logp, "prob": logp.exp()}[name][..., target]


def gradients(model, ids, sites, measure):
    """∂m/∂x of the unmodified model for every site, from one backward pass: {site: [T, d]}."""
    seen = {}
    def at(name, x):
        if name in sites:
            seen[name] = x if x.requires_grad else x.requires_grad_()
        return x
    m = measure(model.run(ids, at))
    return dict(zip(seen, torch.autograd.grad(m, list(seen.values()))))


def mean_gradients(model, ids, site, x, nodes, measure, steps):
    """The mean of ∂m/∂x along the way from clean to patch, the whole site moved together, left Riemann sum."""
    way = torch.zeros_like(x).index_add(0, nodes.position, nodes.move)
    total = torch.zeros_like(x)
    for k in range(steps):
        leaf = (x + k / steps * way).detach().requires_grad_()
        m = measure(model.run(ids, lambda name, v: leaf if name == site else v))
        total += torch.autograd.grad(m, leaf)[0]
    return total / steps


def exact_logits(model, ids, site, x, nodes):
    """Logits with one node patched at a time: [N, T, V]."""
    moved = x.repeat(len(nodes.position), 1, 1)
    moved[torch.arange(len(moved)), nodes.position] += nodes.move
    with torch.no_grad():
        return torch.cat([model.run(ids, lambda name, v: part if name == site else v) for part in moved.split(64)])


# ---------------------------------------------------------------- edges

def cut(model, ids, x, sites):
    """The graph cut at the sites: (leaves, computed values, logits). x: the clean activations."""
    leaves, values = {}, {}
    def at(name, v):
        if name not in sites:
            return v
        values[name], leaves[name] = v, x[name].detach().requires_grad_()
        return leaves[name]
    return leaves, values, model.run(ids, at)


def direct_jacobians(leaves, values):
    """{(up, down): [T, d, T, d]} for every pair with a path that meets no other selected site; rows are down's."""
    found = {}
    for down, value in values.items():
        if not value.requires_grad:
            continue
        names, T, d = list(leaves), *value.shape
        rows = [torch.autograd.grad(v, list(leaves.values()), retain_graph=True, allow_unused=True) for v in value.flatten()]
        for i, up in enumerate(names):
            if rows[0][i] is not None:
                found[up, down] = torch.stack([r[i] for r in rows]).reshape(T, d, T, d)
    return found


def direct_metric_gradients(leaves, measured):
    """{up: [T, d]}: the metric's gradient along paths that meet no other selected site."""
    grads = torch.autograd.grad(measured, list(leaves.values()), retain_graph=True, allow_unused=True)
    return {up: g for up, g in zip(leaves, grads) if g is not None}


def cotangents(nodes, g):
    """[N, d]: the derivative of g·(what the node carries), g [T, d] held fixed; an error node carries what the features do not."""
    g = g[nodes.position]
    carried = torch.where(nodes.is_error[:, None], torch.zeros_like(g), (g * nodes.row).sum(-1, keepdim=True) * nodes.slope)
    same = nodes.position[:, None] == nodes.position[None]
    return torch.where(nodes.is_error[:, None], g - same.to(g.dtype) @ carried, carried)


def _pull(down, up, left, right, jacobian):
    """left [D, d] · J[q, :, p, :] · right [U, d] for all pairs: [D, U]."""
    T, d = jacobian.shape[:2]
    lifted = torch.zeros(len(left), T, d, dtype=left.dtype)
    lifted[torch.arange(len(left)), down.position] = left
    pulled = (lifted.reshape(-1, T * d) @ jacobian.reshape(T * d, T * d)).reshape(-1, T, d)
    return (pulled[:, up.position] * right).sum(-1)


def edge_effects(down, up, g_down, jacobian):
    """effect [D, U] of every edge."""
    return _pull(down, up, cotangents(down, g_down), up.move, jacobian)


def edge_jacobians(down, up, jacobian):
    """∂f_d/∂f_u [D, U], NaN where one of the two is an error node."""
    return _pull(down, up, down.slope.nan_to_num(), up.row, jacobian).masked_fill(down.is_error[:, None], math.nan)
