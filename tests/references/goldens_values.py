"""Golden case of fold_value_biases: attn.hook_z and the activations of a dictionary there.

Three plans: the model as it is, after TransformerLens's whole weight processing, and after fold_value_biases alone.
Called by goldens.py; alone, `python3 tests/references/goldens_values.py` writes this case and nothing else.
"""
import os

import torch

import goldens
from goldens_sites import Model, WithFurtherSites
from reference import center_unembed, center_writing_weights, fold_layer_norm

DICTIONARY = "blocks.0.attn.hook_z"


def fold_value_biases(model):
    """Attention patterns sum to 1: what the values' biases add is added behind attention instead."""
    d = model.w["wte.weight"].shape[1]
    for l in range(model.layers):
        qkv, out = f"h.{l}.attn.c_attn.bias", f"h.{l}.attn.c_proj"
        model.w[f"{out}.bias"] = model.w[f"{out}.bias"] + model.w[qkv][2 * d:] @ model.w[f"{out}.weight"]
        model.w[qkv] = model.w[qkv].clone()
        model.w[qkv][2 * d:] = 0


PLANS = {"none": [], "whole": [fold_layer_norm, center_writing_weights, center_unembed, fold_value_biases], "values": [fold_value_biases]}


def write(out, name="random2-sites"):
    model = Model(os.path.join(out, "models", name), name)
    text, tensors = "She went", {}
    ids = model.tokens(text)
    plain = model.gpt.activations(ids)[1].log_softmax(-1)
    for plan, steps in PLANS.items():
        gpt = WithFurtherSites(model.folder)
        for step in steps:
            step(gpt)
        seen, logits = gpt.activations(ids)
        assert (logits.log_softmax(-1) - plain).abs().max() < 1e-12
        for l in range(gpt.layers):
            tensors[f"{plan}/activation/blocks.{l}.attn.hook_z"] = seen[f"blocks.{l}.attn.hook_z"]
        dictionary = model.dictionaries[DICTIONARY]
        tensors[f"{plan}/features/{DICTIONARY}"] = dictionary.pre(dictionary.input(seen[DICTIONARY])).relu()
    goldens.plain_case(out, "random2-values", model, text, tensors, plans=list(PLANS),
                       notes=["<plan>/activation/<site>: z, heads side by side; "
                              "<plan>/features/<site>: what the dictionary there (standard) makes of it.",
                              "whole: fold_ln, center_writing_weights, center_unembed, fold_value_biases, in this order; "
                              "values: fold_value_biases alone."])


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../OnnxAttribution.Tests/Goldens"))
