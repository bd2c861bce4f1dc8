"""Llama, Mistral and Qwen2 in PyTorch, float64, as reference.py has GPT-2: written from the papers and Hugging Face's semantics.

Estimators: relp detaches RMSNorm's scale, σ(x) of SiLU, and half of the gated product (½ a·[y] + ½ [a]·y);
frozen detaches scales and patterns; gim detaches scales, tempers the softmax and takes a share of what activations multiplied with
each other get: q and k a quarter, v, gate and up a half.
"""
import json
import math
import os

import numpy as np
import torch

from reference import shared, site_names
from reference_neox import Neox, attend, frequencies, rotate
from safetensors_io import read_safetensors


def llama3(f, rope):
    """Dubey et al. 2024: waves longer than the old context / low are stretched, those shorter than the old context / high are left.

    Those between are mixed.
    """
    old, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
    out = []
    for x in f.tolist():
        turns = old * x / (2 * math.pi)                 # of the old context
        share = min(1, max(0, (turns - low) / (high - low)))
        out.append(share * x + (1 - share) * x / rope["factor"])
    return torch.tensor(out)


class Llama(Neox):
    def __init__(self, folder, dtype=torch.float64):
        with open(os.path.join(folder, "config.json")) as f:
            c = json.load(f)
        self.layers, self.heads = c["num_hidden_layers"], c["num_attention_heads"]
        self.width, self.eps = c["hidden_size"], c["rms_norm_eps"]
        self.shared, self.d_head = c["num_key_value_heads"], c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
        self.window = c.get("sliding_window") if c["model_type"] == "mistral" else None
        self.frequencies = frequencies(self.d_head, c["rope_theta"])
        rope = c.get("rope_scaling") or {"rope_type": "default"}
        if rope["rope_type"] == "linear":
            self.frequencies = self.frequencies / rope["factor"]
        elif rope["rope_type"] == "llama3":
            self.frequencies = llama3(self.frequencies, rope)
        self.sites, self.tied = site_names(self.layers), c["tie_word_embeddings"]
        raw = read_safetensors(os.path.join(folder, "model.safetensors"))
        self.w = {k.removeprefix("model."): torch.from_numpy(v.astype(np.float64)).to(dtype) for k, v in raw.items()}

    def norm(self, x, name, at, hook):
        scale = at(f"{hook}.hook_scale", (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt())
        return x / (scale if self.estimator == "gradient" else scale.detach()) * self.w[f"{name}.weight"]

    def run(self, ids, at=lambda name, x: x):
        """Logits [..., T, V]."""
        x = self.w["embed_tokens.weight"][ids]
        for l in range(self.layers):
            block = f"blocks.{l}"
            x = at(f"{block}.hook_resid_pre", x)
            x = at(f"{block}.hook_resid_mid", x + at(f"{block}.hook_attn_out", self.attention(l, x, at)))
            x = x + at(f"{block}.hook_mlp_out", self.mlp(l, x, at))
        x = at(f"blocks.{self.layers - 1}.hook_resid_post", x)
        return self.norm(x, "norm", at, "ln_final") @ self.w["embed_tokens.weight" if self.tied else "lm_head.weight"].T

    def attention(self, l, x, at):
        block, name = f"blocks.{l}", f"layers.{l}.self_attn"
        y = self.norm(x, f"layers.{l}.input_layernorm", at, f"{block}.ln1")
        heads = lambda n: at(f"{block}.attn.hook_{n}", (t := self.linear(f"{name}.{n}_proj", y)).reshape(*t.shape[:-1], -1, self.d_head))
        q, k, v = heads("q"), heads("k"), heads("v")
        q, k = (at(f"{block}.attn.hook_rot_{n}", rotate(t, self.d_head, self.frequencies)) for n, t in (("q", q), ("k", k)))
        return self.linear(f"{name}.o_proj", attend(q, k, v, at, block, self.estimator, self.window))

    def mlp(self, l, x, at):
        name = f"layers.{l}.mlp"
        y = self.norm(x, f"layers.{l}.post_attention_layernorm", at, f"blocks.{l}.ln2")
        h, up = self.linear(f"{name}.gate_proj", y), self.linear(f"{name}.up_proj", y)
        if self.estimator == "relp":
            a = h * torch.sigmoid(h).detach()
            inner = 0.5 * a * up.detach() + 0.5 * a.detach() * up
        else:
            inner = shared(self.estimator, h * torch.sigmoid(h), 0.5) * shared(self.estimator, up, 0.5)
        return self.linear(f"{name}.down_proj", inner)
