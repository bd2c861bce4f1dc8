#!/usr/bin/env python3
"""Writes small random GPT-NeoX, Llama, Mistral and Qwen2 checkpoints, dictionaries at some sites, and their golden cases.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 tests/references/goldens_architectures.py

Sizes are odd where they may be: heads that do not add up to the width, part of a head turned, heads that share keys and values.
The references are reference_neox.py and reference_llama.py. neox2 and llama2 have what goldens.py writes for GPT-2: nodes, edges,
estimators, exact effects and edges, naive ablation. Every model has all of its hooks.
"""
import argparse
import os
import shutil

import numpy as np
import torch

import goldens_ablation
import goldens_atpstar
import goldens_estimators
from goldens import Case, Model, clear_prompt, kind, plain_case
from random_models import write_json
from reference import END, Dictionary, byte_symbols
from reference_llama import Llama
from reference_neox import Neox
from safetensors_io import write_safetensors

VOCAB, BOS, POSITIONS, FEATURES, SEED = 257, 256, 24, 24, 5
COMMON = {"num_hidden_layers": 2, "vocab_size": VOCAB, "max_position_embeddings": POSITIONS, "bos_token_id": BOS,
          "eos_token_id": BOS, "torch_dtype": "float32"}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 2.0, "original_max_position_embeddings": 16}

MODELS = {
    "neox2": {
        "model_type": "gpt_neox", "hidden_size": 24, "num_attention_heads": 4, "intermediate_size": 28,
        "rotary_pct": 0.75, "rotary_emb_base": 50.0, "layer_norm_eps": 1e-5,
        "use_parallel_residual": True, "hidden_act": "gelu", "attention_bias": True, "tie_word_embeddings": False},
    "neox-sequential": {
        "model_type": "gpt_neox", "hidden_size": 18, "num_attention_heads": 3, "intermediate_size": 22, "layer_norm_eps": 1e-4,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.4},
        "use_parallel_residual": False, "hidden_act": "gelu_fast", "attention_bias": False, "tie_word_embeddings": True},
    "llama2": {
        "model_type": "llama", "hidden_size": 20, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
        "intermediate_size": 26, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 6.0, "rope_scaling": LLAMA3,
        "attention_bias": False, "mlp_bias": True, "tie_word_embeddings": False},
    "qwen2": {
        "model_type": "qwen2", "hidden_size": 12, "num_attention_heads": 3, "num_key_value_heads": 1,
        "intermediate_size": 22, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1000.0,
        "use_sliding_window": False, "sliding_window": 4, "tie_word_embeddings": True},
    "mistral": {
        "model_type": "mistral", "hidden_size": 16, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 2,
        "intermediate_size": 14, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 30.0,
        "rope_scaling": {"rope_type": "linear", "factor": 2.0}, "sliding_window": 3, "tie_word_embeddings": False},
}

DICTIONARIES = {
    "neox2": {
        "blocks.0.hook_resid_pre": "standard", "blocks.0.hook_attn_out": "topk", "blocks.0.hook_mlp_out": "standard",
        "blocks.1.hook_mlp_out": "standard", "blocks.1.hook_resid_post": "topk"},
    "llama2": {
        "blocks.0.hook_mlp_out": "topk", "blocks.1.hook_resid_pre": "standard",
        "blocks.1.hook_attn_out": "standard", "blocks.1.hook_resid_post": "standard"},
}


def reader(config):
    return Neox if config["model_type"] == "gpt_neox" else Llama


def linear(t, normal, name, out, inner, std, bias):
    t[f"{name}.weight"] = normal(0, std, out, inner)
    if bias:
        t[f"{name}.bias"] = normal(0.1, 0.2, out)


def tensors(c, normal):
    t, d, inner, H = {}, c["hidden_size"], c["intermediate_size"], c["num_attention_heads"]
    neox = c["model_type"] == "gpt_neox"
    body, last, head = ("gpt_neox.", "final_layer_norm", "embed_out") if neox else ("model.", "norm", "lm_head")
    t[body + ("embed_in" if neox else "embed_tokens") + ".weight"] = normal(0.1, 0.7, VOCAB, d)
    def norm(name):
        t[f"{body}{name}.weight"] = normal(1, 0.2, d)
        if neox:
            t[f"{body}{name}.bias"] = normal(0, 0.15, d)
    for l in range(c["num_hidden_layers"]):
        p = f"{body}layers.{l}."
        norm(f"layers.{l}.input_layernorm")
        norm(f"layers.{l}.post_attention_layernorm")
        if neox:
            linear(t, normal, p + "attention.query_key_value", 3 * d, d, 0.35, c["attention_bias"])
            linear(t, normal, p + "attention.dense", d, d, 0.3, c["attention_bias"])
            linear(t, normal, p + "mlp.dense_h_to_4h", inner, d, 0.3, True)
            linear(t, normal, p + "mlp.dense_4h_to_h", d, inner, 0.25, True)
        else:
            dh, kv = c.get("head_dim") or d // H, c["num_key_value_heads"]
            biased = c["model_type"] == "qwen2" or c.get("attention_bias", False)
            for n, heads in (("q", H), ("k", kv), ("v", kv)):
                linear(t, normal, f"{p}self_attn.{n}_proj", heads * dh, d, 0.35, biased)
            linear(t, normal, p + "self_attn.o_proj", d, H * dh, 0.3, c.get("attention_bias", False))
            linear(t, normal, p + "mlp.gate_proj", inner, d, 0.3, c.get("mlp_bias", False))
            linear(t, normal, p + "mlp.up_proj", inner, d, 0.3, c.get("mlp_bias", False))
            linear(t, normal, p + "mlp.down_proj", d, inner, 0.3, c.get("mlp_bias", False))
    norm(last)
    if not c["tie_word_embeddings"]:
        t[f"{head}.weight"] = normal(0, 0.5, VOCAB, d)
    return t


def write_dictionary(folder, name, site, kind, sample, rng):
    """sample [n, d]: activations of the site; biases leave a fifth of the features active on it."""
    d = sample.shape[-1]
    W_dec = rng.standard_normal((FEATURES, d))
    W_dec *= (rng.uniform(0.7, 1.3, FEATURES) / np.linalg.norm(W_dec, axis=1))[:, None]
    W_enc, b_dec = 0.8 * W_dec.T + 0.05 * rng.standard_normal((d, FEATURES)), sample.mean(0).numpy()
    cutoff = np.quantile((sample.numpy() - b_dec) @ W_enc, 0.8, axis=0)
    where = os.path.join(folder, "dictionaries", site)
    os.makedirs(where)
    topk = {"k": 4, "rescale_acts_by_decoder_norm": False} if kind == "topk" else {}
    write_json(os.path.join(where, "cfg.json"), {
        "architecture": kind, **topk, "d_in": d, "d_sae": FEATURES, "dtype": "float32", "apply_b_dec_to_input": True,
        "normalize_activations": "none", "device": "cpu", "reshape_activations": "none",
        "metadata": {"model_name": name, "hook_name": site, "prepend_bos": True, "context_size": POSITIONS}})
    b_enc = 0.1 * rng.standard_normal(FEATURES) if kind == "topk" else -cutoff
    weights = dict(W_enc=W_enc, b_enc=b_enc, W_dec=W_dec, b_dec=b_dec)
    if kind == "jumprelu":
        weights["threshold"] = rng.uniform(0.1, 0.5, FEATURES)
        weights["b_enc"] = b_enc + weights["threshold"]
    write_safetensors(os.path.join(where, "sae_weights.safetensors"), {k: np.asarray(v, np.float32) for k, v in weights.items()})


def write_model(root, name, seed):
    folder, config = os.path.join(root, name), {**MODELS[name], **COMMON}
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    rng = np.random.RandomState(seed)
    normal = lambda mean, std, *shape: (mean + std * rng.standard_normal(shape)).astype(np.float32)
    write_safetensors(os.path.join(folder, "model.safetensors"), tensors(config, normal), {"format": "pt"})
    write_json(os.path.join(folder, "config.json"), config)
    write_json(os.path.join(folder, "vocab.json"), {s: i for i, s in enumerate([*byte_symbols().values(), END])})
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n")
    model = reader(config)(folder)
    samples = [model.activations([BOS, *rng.randint(0, 256, 7)])[0] for _ in range(64)]
    for site, sort in DICTIONARIES.get(name, {}).items():
        write_dictionary(folder, name, site, sort, torch.cat([s[site][1:] for s in samples]), rng)
    return Model(folder, name, reader(config))


def hooks(out, model, text):
    seen, logits = model.gpt.activations(model.tokens(text))
    plain_case(out, f"{model.name}-hooks", model, text, {"logits": logits, **{f"hook/{k}": v for k, v in seen.items()}}, hooks=list(seen),
               notes=["Every hook tensor of the model, shaped as in TransformerLens without its batch axis; "
                      "k and v have as many heads as there are keys and values."])


def full_cases(out, model):
    rng, diff = np.random.RandomState(7), ["logit-diff"]
    text, a = clear_prompt(model, rng, 4), clear_prompt(model, rng, 3)
    zero, patch, resid = (text, None), (a, clear_prompt(model, rng, 3, a)), kind(model, "resid")
    def case(name, pair, sites=None):
        return Case(out, f"{model.name}-{name}", model, *pair, sites=sites).runs(features=False)
    case("all-zero", zero).node_effects("atp", ["logit-diff", "logprob"]).node_effects("exact", diff).jacobians().edges("atp", diff).write()
    case("all-patch", patch).node_effects("atp", diff).node_effects("ig", diff).node_effects("exact", diff).edges("atp", diff).write()
    case("resid-zero", zero, resid).node_effects("atp", diff).jacobians().edges("atp", diff).write()
    c = goldens_estimators.begin(Case(out, f"{model.name}-estimators-zero", model, *zero, notes=NOTES))
    for estimator in goldens_estimators.ESTIMATORS:
        goldens_estimators.node_effects(c, estimator, diff)
        goldens_estimators.edges(c, estimator, diff, jacobians=False)
    c.write()
    gim = goldens_estimators.begin(Case(out, f"{model.name}-gim-zero", model, *zero, notes=goldens_estimators.GIM_NOTES))
    goldens_estimators.gim_case(gim, diff)
    star = goldens_estimators.begin(Case(out, f"{model.name}-atpstar-zero", model, *zero, notes=goldens_atpstar.NOTES))
    goldens_atpstar.case(star, diff)

    def ablation(text):
        c = goldens_ablation.AblationCase(out, f"{model.name}-ablation-all-zero", model, text, metrics=diff).runs(features=True)
        goldens_ablation.exact_edge_part(c)
        goldens_ablation.ablate_part(c, plans=(("all", 0), ("each", 0)))
        c.write()
    goldens_ablation.on_clear_prompts(model, 22, [3], ablation)


NOTES = ["methods are estimators, as in random2-estimators-*; relp also holds σ(x) of SiLU fixed and takes half of each "
         "derivative of a gated product."]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(here, "../OnnxAttribution.Tests/Goldens"), help="where models and cases go")
    args = p.parse_args()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    for i, name in enumerate(MODELS):
        model = write_model(os.path.join(args.out, "models"), name, SEED + 10 * i)
        hooks(args.out, model, "Tokens &c")
        if name in DICTIONARIES:
            full_cases(args.out, model)


if __name__ == "__main__":
    main()
