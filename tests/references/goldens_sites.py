"""Golden cases of two sites that few dictionaries are trained on: hook_resid_mid, and attn.hook_z with all heads side by side.

attn.hook_z is [T, heads · d_head] here.

Called by goldens.py; alone, `python3 tests/references/goldens_sites.py` writes these cases and nothing else.
"""
import os

import numpy as np
import torch

import goldens
import random_models
from reference import Dictionary, Gpt2

# What there is at each site; a site that is missing has error nodes only where it is selected.
DICTIONARIES = {
    "blocks.0.hook_resid_pre": {"kind": "standard"},
    "blocks.0.attn.hook_z": {"kind": "standard"},
    "blocks.0.hook_resid_mid": {"kind": "topk", "norm": "layer_norm"},
    "blocks.0.hook_mlp_out": {"kind": "standard"},
    "blocks.1.attn.hook_z": {"kind": "topk"},
    "blocks.1.hook_attn_out": {"kind": "standard"},
    "blocks.1.hook_resid_mid": {"kind": "standard", "b_dec": False},
}
MIXTURES = {"all": None, "z": ["hook_z"], "mid": ["hook_resid_mid"], "z-mid-post": ["hook_z", "hook_resid_mid", "hook_resid_post"]}


class WithFurtherSites(Gpt2):
    """Every site of every kind; z is seen with its heads side by side."""

    def __init__(self, folder, dtype=torch.float64):
        super().__init__(folder, dtype)
        kinds = ("hook_resid_pre", "attn.hook_z", "hook_attn_out", "hook_resid_mid", "hook_mlp_out")
        self.sites = [f"blocks.{l}.{k}" for l in range(self.layers) for k in kinds] + [f"blocks.{self.layers - 1}.hook_resid_post"]

    def attention(self, l, x, at):
        def flat(name, v):
            return at(name, v.flatten(-2)).unflatten(-1, v.shape[-2:]) if name.endswith("hook_z") else at(name, v)
        return super().attention(l, x, flat)


class Model(goldens.Model):
    def __init__(self, folder, name):
        super().__init__(folder, name)
        self.gpt = WithFurtherSites(folder)
        self.sites = self.gpt.sites
        place = lambda s: os.path.join(folder, "dictionaries", s)
        self.dictionaries = {s: Dictionary(place(s)) for s in DICTIONARIES}
        self.single = WithFurtherSites(folder, torch.float32), {s: Dictionary(place(s), torch.float32) for s in DICTIONARIES}
        files = ["model.safetensors"] + [f"dictionaries/{s}/sae_weights.safetensors" for s in DICTIONARIES]
        self.hashes = {f: goldens.sha256(os.path.join(folder, f)) for f in files}


def write(out, seed=52, name="random2-sites"):
    folder = os.path.join(out, "models", name)
    random_models.write_checkpoint(folder, seed)
    rng = np.random.RandomState(seed + 1)
    gpt = WithFurtherSites(folder)
    samples = [gpt.activations([random_models.BOS, *rng.randint(0, 256, 7)])[0] for _ in range(64)]
    for site, spec in DICTIONARIES.items():
        random_models.write_dictionary(folder, name, site, spec, torch.cat([s[site][1:] for s in samples]), rng)
        config = {**random_models.config(name, site, spec), "reshape_activations": "hook_z" if site.endswith("hook_z") else "none"}
        random_models.write_json(os.path.join(folder, "dictionaries", site, "cfg.json"), config)
    model = Model(folder, name)
    text = goldens.clear_prompt(model, rng, 4)
    other = goldens.clear_prompt(model, rng, 4, text)
    for mixture, kinds in MIXTURES.items():
        sites = None if kinds is None else [s for s in model.sites if any(s.endswith(k) for k in kinds)]
        for ablation, pair in (("zero", (text,)), ("patch", (text, other))):
            if mixture != "all" and ablation == "patch":
                continue
            c = goldens.Case(out, f"{name}-{mixture}-{ablation}", model, *pair, sites=sites).runs()
            # which sites exist is settled by their dictionaries: all of a kind, or those that have one
            c.node_effects("atp", ["logit", "logit-diff"]).node_effects("exact", ["logit"])
            c.jacobians().edges("atp", ["logit"]).write()


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../OnnxAttribution.Tests/Goldens"))
