"""Models with LayerNorm whose queries, keys and values are layers of their own, in PyTorch, float64: GPT-Neo, OPT and Phi.

Written from the papers (Black et al. 2021; Zhang et al. 2022; Gunasekar et al. 2023) and Hugging Face's semantics, as reference_neox.py is.
"""
import json
import os

import numpy as np
import torch

from reference import site_names
from reference_neox import Neox, activation, attend, frequencies, rotate
from safetensors_io import read_safetensors


class Separate(Neox):
    """What the three have in common; a subclass says what its tensors are called."""
    before, embedding, positions, head = "", "embed_tokens", None, "lm_head"
    ln1, ln2, last = "input_layernorm", "post_attention_layernorm", "final_layernorm"
    attn, out, mlp_in, mlp_out = "self_attn", "out_proj", "fc1", "fc2"
    blocks, offset, scale, turned, parallel = "layers", 0, None, 0, False

    def __init__(self, folder, dtype=torch.float64):
        with open(os.path.join(folder, "config.json")) as f:
            c = self.config = json.load(f)
        pairs = (("num_layers", "num_hidden_layers"), ("num_heads", "num_attention_heads"))
        self.layers, self.heads = (c.get(k) or c.get(j) for k, j in pairs)
        self.width, self.tied = c["hidden_size"], c["tie_word_embeddings"]
        self.d_head, self.act = self.width // self.heads, c.get("activation_function") or c["hidden_act"]
        self.eps = c.get("layer_norm_epsilon") or c.get("layer_norm_eps") or 1e-5
        self.windows, self.sites = [None] * self.layers, site_names(self.layers)
        raw = read_safetensors(os.path.join(folder, "model.safetensors"))
        self.w = {k.removeprefix(self.before): torch.from_numpy(v.astype(np.float64)).to(dtype) for k, v in raw.items()}

    def run(self, ids, at=lambda name, x: x):
        """Logits [..., T, V]."""
        x = self.w[f"{self.embedding}.weight"][ids]
        if self.positions:
            x = x + self.w[f"{self.positions}.weight"][self.offset:self.offset + len(ids)]
        for l in range(self.layers):
            block = f"blocks.{l}"
            x = at(f"{block}.hook_resid_pre", x)
            a = at(f"{block}.hook_attn_out", self.attention(l, x, at))
            if self.parallel:
                x = x + a + at(f"{block}.hook_mlp_out", self.mlp(l, x, at))
            else:
                x = at(f"{block}.hook_resid_mid", x + a)
                x = x + at(f"{block}.hook_mlp_out", self.mlp(l, x, at))
        x = self.norm(at(f"blocks.{self.layers - 1}.hook_resid_post", x), self.last, at, "ln_final")
        return x @ self.w[f"{self.embedding}.weight"].T if self.tied else self.linear(self.head, x)

    def attention(self, l, x, at):
        block, name = f"blocks.{l}", f"{self.blocks}.{l}.{self.attn}"
        y = self.norm(x, f"{self.blocks}.{l}.{self.ln1}", at, f"{block}.ln1")
        heads = lambda n: at(f"{block}.attn.hook_{n}", (t := self.linear(f"{name}.{n}_proj", y)).reshape(*t.shape[:-1], -1, self.d_head))
        q, k, v = heads("q"), heads("k"), heads("v")
        if self.turned:
            q, k = (at(f"{block}.attn.hook_rot_{n}", rotate(t, self.turned, self.frequencies)) for n, t in (("q", q), ("k", k)))
        return self.linear(f"{name}.{self.out}", attend(q, k, v, at, block, self.estimator, self.windows[l], self.scale))

    def mlp(self, l, x, at):
        block = f"{self.blocks}.{l}"
        h = self.linear(f"{block}.{self.mlp_in}", self.norm(x, f"{block}.{self.ln2}", at, f"blocks.{l}.ln2"))
        a = activation(self.act, h)
        return self.linear(f"{block}.{self.mlp_out}", h * (a / h).detach() if self.estimator == "relp" else a)


class GptNeo(Separate):
    """Scores are not scaled; layers alternate between all positions and the last few."""
    before, embedding, positions, blocks = "transformer.", "wte", "wpe", "h"
    ln1, ln2, last, attn, mlp_in, mlp_out = "ln_1", "ln_2", "ln_f", "attn.attention", "mlp.c_fc", "mlp.c_proj"
    scale = 1

    def __init__(self, folder, dtype=torch.float64):
        super().__init__(folder, dtype)
        kinds = [kind for repeated, times in self.config["attention_types"] for _ in range(times) for kind in repeated]
        self.windows = [self.config["window_size"] if kind == "local" else None for kind in kinds]


class Opt(Separate):
    """The first two rows of the positions are for other things."""
    before, positions, offset = "model.decoder.", "embed_positions", 2
    ln1, ln2, last = "self_attn_layer_norm", "final_layer_norm", "final_layer_norm"


class Phi(Separate):
    """One norm, which attention and MLP read in parallel; part of each head is turned; the unembedding has a bias."""
    before, ln2, out, mlp_in, mlp_out, parallel = "model.", "input_layernorm", "dense", "mlp.fc1", "mlp.fc2", True

    def __init__(self, folder, dtype=torch.float64):
        super().__init__(folder, dtype)
        self.turned = int(self.d_head * self.config["partial_rotary_factor"])
        self.frequencies = frequencies(self.turned, self.config["rope_theta"])
