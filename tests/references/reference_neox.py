"""GPT-NeoX (Pythia) in PyTorch, float64, as reference.py has GPT-2.

Written from the paper (Black et al. 2022) and Hugging Face's semantics.
Rotary positions are multiplication of complex numbers here: entry i of a head and its fellow half the rotated width further are one number.
"""
import json
import math
import os

import numpy as np
import torch

from reference import SHARES, Gpt2, attention_pattern, layer_norm, shared, site_names
from safetensors_io import read_safetensors


def rotate(x, width, frequencies):
    """x [..., T, H, dh]: the first `width` entries of each head turned by position times frequency."""
    half, T = width // 2, x.shape[-3]
    angles = torch.arange(T, dtype=x.dtype)[:, None] * frequencies.to(x.dtype)
    turn = torch.polar(torch.ones((), dtype=x.dtype), angles)[:, None]                            # [T, 1, half]
    y = torch.complex(x[..., :half], x[..., half:width]) * turn
    return torch.cat([y.real, y.imag, x[..., width:]], -1)


def frequencies(width, theta):
    """[width / 2], as Hugging Face computes them: in float32."""
    return 1.0 / (theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width))


def activation(kind, h):
    if kind == "relu":
        return h.clamp(min=0)
    if kind == "gelu":
        return 0.5 * h * (1 + torch.erf(h / math.sqrt(2)))
    assert kind in ("gelu_new", "gelu_fast", "gelu_pytorch_tanh"), kind
    return 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h.pow(3))))


def capped(x, cap):
    """A soft cap: nearly x where it is small, never beyond the cap."""
    return cap * torch.tanh(x / cap) if cap else x


def attend(q, k, v, at, block, estimator, window=None, scale=None, cap=None):
    """q [..., T, H, dh], k and v [..., T, Hkv, dh]: z [..., T, H dh]; head h reads keys and values h // (H / Hkv).

    Scores are q k scale (1 / sqrt(dh) unless given), and lie between -cap and cap where there is one.
    """
    q, k, v = (shared(estimator, t, SHARES[n]).transpose(-3, -2) for n, t in (("q", q), ("k", k), ("v", v)))
    repeat = q.shape[-3] // k.shape[-3]
    share = torch.arange(q.shape[-3]) // repeat
    scores = q @ k[..., share, :, :].transpose(-2, -1)                                            # [..., H, T, T]
    scores = scores / math.sqrt(q.shape[-1]) if scale is None else scores * scale
    scores = capped(scores, cap)
    ahead = torch.arange(scores.shape[-1]) - torch.arange(scores.shape[-1])[:, None]              # key - query
    blind = (ahead > 0) | (ahead <= -window if window else torch.zeros_like(ahead, dtype=torch.bool))
    pattern = at(f"{block}.attn.hook_pattern", attention_pattern(estimator, scores.masked_fill(blind, -math.inf)))
    z = (pattern.detach() if estimator == "frozen" else pattern) @ v[..., share, :, :]
    return at(f"{block}.attn.hook_z", z.transpose(-3, -2)).flatten(-2)


class Neox:
    estimator = "gradient"

    def __init__(self, folder, dtype=torch.float64):
        with open(os.path.join(folder, "config.json")) as f:
            c = json.load(f)
        self.layers, self.heads = c["num_hidden_layers"], c["num_attention_heads"]
        self.width, self.eps = c["hidden_size"], c["layer_norm_eps"]
        self.parallel, self.act = c["use_parallel_residual"], c["hidden_act"]
        rope = c.get("rope_parameters") or {"rope_theta": c.get("rotary_emb_base"), "partial_rotary_factor": c.get("rotary_pct")}
        self.turned = int(self.width // self.heads * rope["partial_rotary_factor"])
        self.frequencies = frequencies(self.turned, rope["rope_theta"])
        self.sites = site_names(self.layers)
        raw = read_safetensors(os.path.join(folder, "model.safetensors"))
        self.w = {k.removeprefix("gpt_neox."): torch.from_numpy(v.astype(np.float64)).to(dtype) for k, v in raw.items()}
        self.tied = c.get("tie_word_embeddings", False)

    def linear(self, name, x):
        y = x @ self.w[f"{name}.weight"].T
        return y + self.w[f"{name}.bias"] if f"{name}.bias" in self.w else y

    def norm(self, x, name, at, hook):
        return layer_norm(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"], self.eps, at, hook, self.estimator != "gradient")

    def run(self, ids, at=lambda name, x: x):
        """Logits [..., T, V]."""
        x = self.w["embed_in.weight"][ids]
        for l in range(self.layers):
            block = f"blocks.{l}"
            x = at(f"{block}.hook_resid_pre", x)
            a = at(f"{block}.hook_attn_out", self.attention(l, x, at))
            if self.parallel:
                x = x + a + at(f"{block}.hook_mlp_out", self.mlp(l, x, at))
            else:
                x = at(f"{block}.hook_resid_mid", x + a)
                x = x + at(f"{block}.hook_mlp_out", self.mlp(l, x, at))
        x = at(f"blocks.{self.layers - 1}.hook_resid_post", x)
        return self.norm(x, "final_layer_norm", at, "ln_final") @ self.w["embed_in.weight" if self.tied else "embed_out.weight"].T

    def attention(self, l, x, at):
        block, name = f"blocks.{l}", f"layers.{l}.attention"
        qkv = self.linear(f"{name}.query_key_value", self.norm(x, f"layers.{l}.input_layernorm", at, f"{block}.ln1"))
        qkv = qkv.reshape(*qkv.shape[:-1], self.heads, 3, -1)                          # each head: its q, its k, its v
        q, k, v = (at(f"{block}.attn.hook_{n}", t) for n, t in zip("qkv", qkv.unbind(-2)))
        q, k = (at(f"{block}.attn.hook_rot_{n}", rotate(t, self.turned, self.frequencies)) for n, t in (("q", q), ("k", k)))
        return self.linear(f"{name}.dense", attend(q, k, v, at, block, self.estimator))

    def mlp(self, l, x, at):
        h = self.linear(f"layers.{l}.mlp.dense_h_to_4h", self.norm(x, f"layers.{l}.post_attention_layernorm", at, f"blocks.{l}.ln2"))
        a = activation(self.act, h)
        return self.linear(f"layers.{l}.mlp.dense_4h_to_h", h * (a / h).detach() if self.estimator == "relp" else a)

    activations = Gpt2.activations
