#!/usr/bin/env python3
"""Writes small random checkpoints of every architecture but GPT-2's, dictionaries at some sites, and their golden cases.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 tests/references/goldens_architectures.py

Sizes are odd where they may be: heads that do not add up to the width, part of a head turned, heads that share keys and values.
The references are reference_neox.py, reference_llama.py and reference_opt.py. What has dictionaries has nodes, edges, estimators and exact
effects; neox2, llama2, qwen3 and gemma2 all that goldens.py writes for GPT-2, AtP*, exact edges and naive ablation among it. Every model
has all of its hooks.
"""
import argparse
import os
import shutil

import numpy as np
import torch

import goldens_ablation
import goldens_atpstar
import goldens_estimators
from goldens import MARGIN, Case, Model, clear_prompt, kind, plain_case
from random_models import write_json
from reference import END, Dictionary, byte_symbols
from reference_llama import Gemma, Llama, Olmo2
from reference_neox import Neox
from reference_opt import GptNeo, Opt, Phi
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
    "qwen3": {
        "model_type": "qwen3", "hidden_size": 18, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
        "intermediate_size": 22, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 40.0, "attention_bias": False,
        "use_sliding_window": False, "sliding_window": None, "max_window_layers": 2, "tie_word_embeddings": True},
    "gemma2": {
        "model_type": "gemma2", "hidden_size": 20, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
        "intermediate_size": 26, "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "rope_theta": 30.0,
        "query_pre_attn_scalar": 10, "sliding_window": 3, "attn_logit_softcapping": 1.5, "final_logit_softcapping": 12.0,
        "attention_bias": False, "tie_word_embeddings": True},
    "gemma3": {
        "model_type": "gemma3_text", "hidden_size": 16, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 8,
        "intermediate_size": 22, "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "rope_theta": 100.0,
        "rope_local_base_freq": 10.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "query_pre_attn_scalar": 5,
        "sliding_window": 3, "sliding_window_pattern": 2, "attn_logit_softcapping": None, "final_logit_softcapping": None,
        "attention_bias": False, "tie_word_embeddings": False},
    "gpt-neo": {
        "model_type": "gpt_neo", "hidden_size": 20, "num_heads": 5, "num_layers": 2, "intermediate_size": 26,
        "activation_function": "gelu_new", "attention_types": [[["global", "local"], 1]], "attention_layers": ["global", "local"],
        "window_size": 3, "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True},
    "olmo2": {
        "model_type": "olmo2", "hidden_size": 18, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6,
        "intermediate_size": 22, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 50.0, "attention_bias": False,
        "tie_word_embeddings": False},
    "opt": {
        "model_type": "opt", "hidden_size": 20, "num_attention_heads": 5, "ffn_dim": 26, "word_embed_proj_dim": 20,
        "activation_function": "relu", "do_layer_norm_before": True, "_remove_final_layer_norm": False, "enable_bias": True,
        "layer_norm_elementwise_affine": True, "tie_word_embeddings": True},
    "phi": {
        "model_type": "phi", "hidden_size": 24, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 22,
        "hidden_act": "gelu_new", "partial_rotary_factor": 0.7, "rope_theta": 20.0, "layer_norm_eps": 1e-5,
        "qk_layernorm": False, "tie_word_embeddings": False},
    "qwen3-yarn": {
        "model_type": "qwen3", "hidden_size": 14, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
        "intermediate_size": 12, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10.0, "attention_bias": True,
        "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 2, "beta_slow": 0.25},
        "tie_word_embeddings": False},
}

DICTIONARIES = {
    "neox2": {
        "blocks.0.hook_resid_pre": "standard", "blocks.0.hook_attn_out": "topk", "blocks.0.hook_mlp_out": "standard",
        "blocks.1.hook_mlp_out": "standard", "blocks.1.hook_resid_post": "topk"},
    "llama2": {
        "blocks.0.hook_mlp_out": "topk", "blocks.1.hook_resid_pre": "standard",
        "blocks.1.hook_attn_out": "standard", "blocks.1.hook_resid_post": "standard"},
    **{name: {"blocks.0.hook_resid_pre": "standard", "blocks.0.hook_mlp_out": "jumprelu", "blocks.1.hook_resid_pre": "standard",
              "blocks.1.hook_attn_out": "topk", "blocks.1.hook_resid_post": "standard"}
       for name in ("qwen3", "gemma2", "gemma3", "gpt-neo", "olmo2", "opt", "phi")},
}

READERS = {"gpt_neox": Neox, "olmo2": Olmo2, "gemma2": Gemma, "gemma3_text": Gemma, "gpt_neo": GptNeo, "opt": Opt, "phi": Phi}


def reader(config):
    return READERS.get(config["model_type"], Llama)


class Tensors(dict):
    """Random weights by name; norms vary around 1, or around 0 where they scale by 1 + w."""

    def __init__(self, c, normal):
        super().__init__()
        self.normal, self.d, self.offset = normal, c["hidden_size"], 1 if c["model_type"].startswith("gemma") else 0

    def linear(self, name, out, inner, std, bias):
        self[f"{name}.weight"] = self.normal(0, std, out, inner)
        if bias:
            self[f"{name}.bias"] = self.normal(0.1, 0.2, out)

    def norm(self, name, width=None, bias=False):
        self[f"{name}.weight"] = self.normal(1 - self.offset, 0.2, width or self.d)
        if bias:
            self[f"{name}.bias"] = self.normal(0, 0.15, width or self.d)


def tensors(c, normal):
    t = Tensors(c, normal)
    {"gpt_neox": neox, "gpt_neo": separate, "opt": separate, "phi": separate}.get(c["model_type"], llama)(t, c)
    return t


def neox(t, c):
    d, inner = c["hidden_size"], c["intermediate_size"]
    t["gpt_neox.embed_in.weight"] = t.normal(0.1, 0.7, VOCAB, d)
    for l in range(c["num_hidden_layers"]):
        p = f"gpt_neox.layers.{l}."
        t.norm(p + "input_layernorm", bias=True)
        t.norm(p + "post_attention_layernorm", bias=True)
        t.linear(p + "attention.query_key_value", 3 * d, d, 0.35, c["attention_bias"])
        t.linear(p + "attention.dense", d, d, 0.3, c["attention_bias"])
        t.linear(p + "mlp.dense_h_to_4h", inner, d, 0.3, True)
        t.linear(p + "mlp.dense_4h_to_h", d, inner, 0.25, True)
    t.norm("gpt_neox.final_layer_norm", bias=True)
    if not c["tie_word_embeddings"]:
        t["embed_out.weight"] = t.normal(0, 0.5, VOCAB, d)


def llama(t, c):
    d, inner, H = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"]
    dh, kv = c.get("head_dim") or d // H, c["num_key_value_heads"]
    biased = c["model_type"] == "qwen2" or c.get("attention_bias", False)
    model = reader(c)
    t["model.embed_tokens.weight"] = t.normal(0.1, 0.7, VOCAB, d)
    for l in range(c["num_hidden_layers"]):
        p = f"model.layers.{l}."
        for name in model.norms.values():
            t.norm(p + name)
        for n, heads in (("q", H), ("k", kv), ("v", kv)):
            t.linear(f"{p}self_attn.{n}_proj", heads * dh, d, 0.35, biased)
        t.linear(p + "self_attn.o_proj", d, H * dh, 0.3, c.get("attention_bias", False))
        for n, heads in (("q", H), ("k", kv)) if c["model_type"] in ("qwen3", "olmo2", "gemma3_text") else ():
            t.norm(f"{p}self_attn.{n}_norm", heads * dh if model is Olmo2 else dh)
        t.linear(p + "mlp.gate_proj", inner, d, 0.3, c.get("mlp_bias", False))
        t.linear(p + "mlp.up_proj", inner, d, 0.3, c.get("mlp_bias", False))
        t.linear(p + "mlp.down_proj", d, inner, 0.3, c.get("mlp_bias", False))
    t.norm("model.norm")
    if not c["tie_word_embeddings"]:
        t["lm_head.weight"] = t.normal(0, 0.5, VOCAB, d)


def separate(t, c):
    model, d = reader(c), c["hidden_size"]
    inner, H = c.get("intermediate_size") or c["ffn_dim"], c.get("num_heads") or c["num_attention_heads"]
    dh, kv, neo = d // H, c.get("num_key_value_heads", H), c["model_type"] == "gpt_neo"
    t[f"{model.before}{model.embedding}.weight"] = t.normal(0.1, 0.7, VOCAB, d)
    if model.positions:
        t[f"{model.before}{model.positions}.weight"] = t.normal(0, 0.4, POSITIONS + model.offset, d)
    for l in range(c["num_hidden_layers"]):
        p = f"{model.before}{model.blocks}.{l}."
        for name in dict.fromkeys((model.ln1, model.ln2)):
            t.norm(p + name, bias=True)
        for n, heads in (("q", H), ("k", kv), ("v", kv)):
            t.linear(f"{p}{model.attn}.{n}_proj", heads * dh, d, 0.35, not neo)
        t.linear(f"{p}{model.attn}.{model.out}", d, H * dh, 0.3, True)
        t.linear(p + model.mlp_in, inner, d, 0.3, True)
        t.linear(p + model.mlp_out, d, inner, 0.25, True)
    t.norm(model.before + model.last, bias=True)
    if not c["tie_word_embeddings"]:
        t.linear(model.head, VOCAB, d, 0.5, True)


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
    estimators(out, model, zero, diff)
    star = goldens_estimators.begin(Case(out, f"{model.name}-atpstar-zero", model, *zero, notes=goldens_atpstar.NOTES))
    goldens_atpstar.case(star, diff)

    def ablation(text):
        c = goldens_ablation.AblationCase(out, f"{model.name}-ablation-all-zero", model, text, metrics=diff).runs(features=True)
        goldens_ablation.exact_edge_part(c)
        goldens_ablation.ablate_part(c, plans=(("all", 0), ("each", 0)))
        c.write()
    goldens_ablation.on_clear_prompts(model, 22, [3], ablation)


def estimators(out, model, zero, diff):
    c = goldens_estimators.begin(Case(out, f"{model.name}-estimators-zero", model, *zero, notes=NOTES))
    for estimator in goldens_estimators.ESTIMATORS:
        goldens_estimators.node_effects(c, estimator, diff)
        goldens_estimators.edges(c, estimator, diff, jacobians=False)
    c.write()
    gim = goldens_estimators.begin(Case(out, f"{model.name}-gim-zero", model, *zero, notes=goldens_estimators.GIM_NOTES))
    goldens_estimators.gim_case(gim, diff)


NOTES = ["methods are estimators, as in random2-estimators-*; relp also holds σ(x) of SiLU fixed and takes half of each "
         "derivative of a gated product."]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(here, "../OnnxAttribution.Tests/Goldens"), help="where models and cases go")
    p.add_argument("--only", nargs="*", metavar="MODEL", help="leave the other models and their cases as they are")
    args = p.parse_args()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    for i, name in enumerate(MODELS):
        if args.only and name not in args.only:
            continue
        seed = SEED + 10 * i
        model = write_model(os.path.join(args.out, "models"), name, seed)
        while min(model.margins([BOS]).values(), default=1) < MARGIN:                   # every prompt begins with it
            seed += 1
            model = write_model(os.path.join(args.out, "models"), name, seed)
        hooks(args.out, model, "Tokens &c")
        if name in DICTIONARIES:
            full_cases(args.out, model)


if __name__ == "__main__":
    main()
