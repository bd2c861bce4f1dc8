"""Llama and its kin (Mistral, Qwen2, Qwen3, OLMo 2, Gemma 2 and 3) in PyTorch, float64, as reference.py has GPT-2.

Written from the papers and Hugging Face's semantics.

Estimators: relp detaches RMSNorm's scale, f(x)/x of SiLU or GELU, and half of the gated product (½ a·[y] + ½ [a]·y);
frozen detaches scales and patterns; gim detaches scales, tempers the softmax and takes a share of what activations multiplied with
each other get: q and k a quarter, v, gate and up a half.
"""
import json
import math
import os

import numpy as np
import torch

from reference import shared, site_names
from reference_neox import Neox, activation, attend, capped, frequencies, rotate
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


def yarn(f, rope, theta, longest):
    """Peng et al. 2023 with Hugging Face's rounding: entries that turn often are left, those that turn rarely are stretched."""
    old, width = rope.get("original_max_position_embeddings", longest), 2 * len(f)
    def entry(turns):                                   # that turns so many times in the old context
        return width * math.log(old / (turns * 2 * math.pi)) / (2 * math.log(theta))
    low, high = entry(rope.get("beta_fast", 32)), entry(rope.get("beta_slow", 1))
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    stretched = ((torch.arange(len(f)) - low) / (high - low)).clamp(0, 1)
    strength = rope.get("attention_factor") or 1 + 0.1 * math.log(rope["factor"])
    return f / rope["factor"] * stretched + f * (1 - stretched), strength


class Llama(Neox):
    """Qwen3 besides: queries and keys are normalised head by head."""
    norms = {"ln1": "input_layernorm", "ln2": "post_attention_layernorm"}
    offset, score_scale, score_cap, act = 0, None, None, "silu"

    def __init__(self, folder, dtype=torch.float64):
        with open(os.path.join(folder, "config.json")) as f:
            c = json.load(f)
        self.layers, self.heads = c["num_hidden_layers"], c["num_attention_heads"]
        self.width, self.eps = c["hidden_size"], c["rms_norm_eps"]
        self.shared, self.d_head = c["num_key_value_heads"], c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
        self.windows = [c.get("sliding_window") if c["model_type"] == "mistral" else None] * self.layers
        self.turns = [self.rotary(c, c["rope_theta"], c.get("rope_scaling"))] * self.layers
        self.sites, self.tied = site_names(self.layers), c["tie_word_embeddings"]
        raw = read_safetensors(os.path.join(folder, "model.safetensors"))
        self.w = {k.removeprefix("model."): torch.from_numpy(v.astype(np.float64)).to(dtype) for k, v in raw.items()}

    def rotary(self, c, theta, rope):
        """Frequencies, and what turned entries are multiplied by."""
        f, kind = frequencies(self.d_head, theta), (rope or {}).get("rope_type", "default")
        if kind == "yarn":
            return yarn(f, rope, theta, c["max_position_embeddings"])
        return (f / rope["factor"] if kind == "linear" else llama3(f, rope) if kind == "llama3" else f), 1

    def norm(self, x, name, at, hook):
        scale = at(f"{hook}.hook_scale", (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt())
        return x / (scale if self.estimator == "gradient" else scale.detach()) * (self.w[f"{name}.weight"] + self.offset)

    def norm_of(self, l, hook, x, at):
        """The norm of a block that this hook is of; what has none is as it is."""
        return self.norm(x, f"layers.{l}.{self.norms[hook]}", at, f"blocks.{l}.{hook}") if hook in self.norms else x

    def embed(self, ids):
        return self.w["embed_tokens.weight"][ids]

    def run(self, ids, at=lambda name, x: x):
        """Logits [..., T, V]."""
        x = self.embed(ids)
        for l in range(self.layers):
            block = f"blocks.{l}"
            x = at(f"{block}.hook_resid_pre", x)
            x = at(f"{block}.hook_resid_mid", x + at(f"{block}.hook_attn_out", self.attention(l, x, at)))
            x = x + at(f"{block}.hook_mlp_out", self.mlp(l, x, at))
        x = at(f"blocks.{self.layers - 1}.hook_resid_post", x)
        return self.norm(x, "norm", at, "ln_final") @ self.w["embed_tokens.weight" if self.tied else "lm_head.weight"].T

    def attention(self, l, x, at):
        block, name = f"blocks.{l}", f"layers.{l}.self_attn"
        y, (f, strength) = self.norm_of(l, "ln1", x, at), self.turns[l]
        heads = lambda n: at(f"{block}.attn.hook_{n}", (t := self.linear(f"{name}.{n}_proj", y)).reshape(*t.shape[:-1], -1, self.d_head))
        q, k, v = heads("q"), heads("k"), heads("v")
        q, k = (self.norm_heads(f"{name}.{n}_norm", t, at, f"{block}.attn.{n}_norm") for n, t in (("q", q), ("k", k)))
        q, k = (at(f"{block}.attn.hook_rot_{n}", strength * rotate(t, self.d_head, f)) for n, t in (("q", q), ("k", k)))
        z = attend(q, k, v, at, block, self.estimator, self.windows[l], self.score_scale, self.score_cap)
        return self.norm_of(l, "ln1_post", self.linear(f"{name}.o_proj", z), at)

    def norm_heads(self, name, x, at, hook):
        return self.norm(x, name, at, hook) if f"{name}.weight" in self.w else x

    def mlp(self, l, x, at):
        name = f"layers.{l}.mlp"
        y = self.norm_of(l, "ln2", x, at)
        h, up = self.linear(f"{name}.gate_proj", y), self.linear(f"{name}.up_proj", y)
        safe = torch.where(h == 0, torch.ones_like(h), h)
        gelu = lambda: torch.where(h == 0, torch.full_like(h, 0.5), activation(self.act, safe) / safe)
        ratio = torch.sigmoid(h) if self.act == "silu" else gelu()
        a = h * (ratio.detach() if self.estimator == "relp" else ratio)
        if self.estimator == "relp":
            inner = 0.5 * a * up.detach() + 0.5 * a.detach() * up
        else:
            inner = shared(self.estimator, a, 0.5) * shared(self.estimator, up, 0.5)
        return self.norm_of(l, "ln2_post", self.linear(f"{name}.down_proj", inner), at)


class Olmo2(Llama):
    """Norms after the sublayers and none before, queries and keys normalised over all heads side by side."""
    norms = {"ln1_post": "post_attention_layernorm", "ln2_post": "post_feedforward_layernorm"}

    def norm_heads(self, name, x, at, hook):
        return self.norm(x.flatten(-2), name, at, hook).reshape(x.shape)


class Gemma(Llama):
    """Gemma 2 and 3: norms scale by 1 + w and stand on both sides of a sublayer, the embedding is scaled, GeGLU; windows in some layers.

    Gemma 2 has soft caps of scores and logits; Gemma 3 norms of queries and keys, and other frequencies in layers with a window.
    """
    norms = {"ln1": "input_layernorm", "ln1_post": "post_attention_layernorm",
             "ln2": "pre_feedforward_layernorm", "ln2_post": "post_feedforward_layernorm"}
    offset, act = 1, "gelu_pytorch_tanh"

    def __init__(self, folder, dtype=torch.float64):
        super().__init__(folder, dtype)
        with open(os.path.join(folder, "config.json")) as f:
            c = json.load(f)
        assert c["hidden_activation"] == self.act
        self.score_scale = c["query_pre_attn_scalar"] ** -0.5
        self.score_cap, self.logit_cap = c.get("attn_logit_softcapping"), c.get("final_logit_softcapping")
        if c["model_type"] == "gemma2":
            local = [l % 2 == 0 for l in range(self.layers)]
        else:
            local = [(l + 1) % c["sliding_window_pattern"] != 0 for l in range(self.layers)]
            near = self.rotary(c, c["rope_local_base_freq"], None)
            self.turns = [near if is_local else far for is_local, far in zip(local, self.turns)]
        self.windows = [c["sliding_window"] if is_local else None for is_local in local]

    def embed(self, ids):
        return super().embed(ids) * self.width ** 0.5

    def run(self, ids, at=lambda name, x: x):
        return capped(super().run(ids, at), self.logit_cap)
