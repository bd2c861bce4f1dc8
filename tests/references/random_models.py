"""Small random GPT-2 checkpoints with dictionaries, for tests: Hugging Face and SAELens directories, float32, from seeds."""
import json
import os

import numpy as np
import torch

from reference import END, Dictionary, Gpt2, byte_symbols, site_names
from safetensors_io import write_safetensors

LAYERS, WIDTH, HEADS, VOCAB, POSITIONS, FEATURES = 2, 16, 4, 257, 32, 40
BOS = VOCAB - 1

# What each site's dictionary is. b_dec False: apply_b_dec_to_input false. flat: a cfg.json as SAELens wrote it before 6.0.
# factor: norm_scaling_factor. rescale: rescale_acts_by_decoder_norm. finetuned: finetuning_scaling_factor, and the tensor scaling_factor.
DICTIONARIES = {
    "random2": {
        "blocks.0.hook_resid_pre": {"kind": "standard"},
        "blocks.0.hook_attn_out": {"kind": "topk", "norm": "layer_norm"},
        "blocks.0.hook_mlp_out": {"kind": "standard", "b_dec": False},
        "blocks.1.hook_resid_pre": {"kind": "topk"},
        "blocks.1.hook_attn_out": {"kind": "standard", "norm": "layer_norm"},
        "blocks.1.hook_mlp_out": {"kind": "standard"},
        "blocks.1.hook_resid_post": {"kind": "topk", "norm": "layer_norm"},
    },
    "random2-kinds": {
        "blocks.0.hook_resid_pre": {"kind": "jumprelu"},
        "blocks.0.hook_attn_out": {"kind": "gated"},
        "blocks.0.hook_mlp_out": {"kind": "standard", "norm": "constant_norm_rescale"},
        "blocks.1.hook_resid_pre": {"kind": "gated", "norm": "layer_norm"},
        "blocks.1.hook_attn_out": {"kind": "jumprelu", "b_dec": False, "norm": "expected_average_only_in", "factor": 1.75},
        "blocks.1.hook_mlp_out": {"kind": "topk", "rescale": True},
        "blocks.1.hook_resid_post": {"kind": "standard", "flat": True, "finetuned": True},
    },
}


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, indent=1)
        f.write("\n")


def write_checkpoint(folder, seed):
    rng = np.random.RandomState(seed)
    normal = lambda mean, std, *shape: (mean + std * rng.standard_normal(shape)).astype(np.float32)
    t = {"wte.weight": normal(0, 0.6, VOCAB, WIDTH), "wpe.weight": normal(0.3, 0.3, POSITIONS, WIDTH)}
    for l in range(LAYERS):
        p = f"h.{l}."
        t[p + "ln_1.weight"], t[p + "ln_1.bias"] = normal(1, 0.2, WIDTH), normal(0, 0.15, WIDTH)
        t[p + "attn.c_attn.weight"], t[p + "attn.c_attn.bias"] = normal(0, 0.3, WIDTH, 3 * WIDTH), normal(0, 0.2, 3 * WIDTH)
        t[p + "attn.c_proj.weight"], t[p + "attn.c_proj.bias"] = normal(0, 0.25, WIDTH, WIDTH), normal(0.25, 0.2, WIDTH)
        t[p + "ln_2.weight"], t[p + "ln_2.bias"] = normal(1, 0.2, WIDTH), normal(0, 0.15, WIDTH)
        t[p + "mlp.c_fc.weight"], t[p + "mlp.c_fc.bias"] = normal(0, 0.3, WIDTH, 4 * WIDTH), normal(0, 0.2, 4 * WIDTH)
        t[p + "mlp.c_proj.weight"], t[p + "mlp.c_proj.bias"] = normal(0, 0.15, 4 * WIDTH, WIDTH), normal(-0.2, 0.2, WIDTH)
    t["ln_f.weight"], t["ln_f.bias"] = normal(1, 0.2, WIDTH), normal(0, 0.15, WIDTH)
    os.makedirs(folder, exist_ok=True)
    write_safetensors(os.path.join(folder, "model.safetensors"), t, {"format": "pt"})
    write_json(os.path.join(folder, "config.json"), {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": VOCAB, "n_positions": POSITIONS, "n_ctx": POSITIONS,
        "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_inner": None, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
        "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "tie_word_embeddings": True,
        "bos_token_id": BOS, "eos_token_id": BOS, "torch_dtype": "float32"})
    write_json(os.path.join(folder, "vocab.json"), {s: i for i, s in enumerate([*byte_symbols().values(), END])})
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n")


def config(name, site, spec):
    common = {"d_in": WIDTH, "d_sae": FEATURES, "dtype": "float32", "apply_b_dec_to_input": spec.get("b_dec", True),
              "normalize_activations": spec.get("norm", "none")}
    about = {"model_name": name, "hook_name": site, "hook_head_index": None, "prepend_bos": True, "context_size": POSITIONS,
             "dataset_path": "random"}
    if spec.get("flat"):
        common["hook_point"] = about.pop("hook_name")
        common["hook_point_head_index"] = about.pop("hook_head_index")
        topk = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 6}}
        kind = topk if spec["kind"] == "topk" else {"activation_fn_str": "relu", "activation_fn_kwargs": {}}
        return {"architecture": "standard", **kind, **common, **about, "dtype": "torch.float32", "normalize_activations": "none",
                **({"finetuning_scaling_factor": True} if spec.get("finetuned") else {})}
    topk = {"k": 6, "rescale_acts_by_decoder_norm": spec.get("rescale", False)} if spec["kind"] == "topk" else {}
    if "factor" in spec:
        about["norm_scaling_factor"] = spec["factor"]
    return {"architecture": spec["kind"], **topk, **common, "device": "cpu", "reshape_activations": "none",
            "metadata": {**about, "sae_lens_version": "6.18.0"}}


def write_dictionary(folder, name, site, spec, sample, rng):
    """sample [n, d]: activations of the site; biases are set so that a fifth of the features is active on it."""
    normal = lambda mean, std, *shape: mean + std * rng.standard_normal(shape)
    W_dec = normal(0, 1, FEATURES, WIDTH)
    W_dec *= (rng.uniform(0.7, 1.3, FEATURES) / np.linalg.norm(W_dec, axis=1))[:, None]
    W_enc = 0.8 * W_dec.T + normal(0, 0.05, WIDTH, FEATURES)
    b_enc = np.zeros(FEATURES)
    where = os.path.join(folder, "dictionaries", site)
    os.makedirs(where, exist_ok=True)
    write_json(os.path.join(where, "cfg.json"), config(name, site, spec))
    path = os.path.join(where, "sae_weights.safetensors")

    def save(**tensors):
        write_safetensors(path, {k: np.asarray(v, np.float32) for k, v in tensors.items()})
        return Dictionary(where)

    # b_dec is where the normalised input lies on average; without it in the input, too, the decoder adds it.
    save(W_enc=W_enc, b_enc=b_enc, W_dec=W_dec, b_dec=np.zeros(WIDTH))
    probe = Dictionary(where)
    b_dec = probe.input(sample).mean(0).numpy() + normal(0, 0.1, WIDTH)
    pre = (probe.input(sample).numpy() - (b_dec if spec.get("b_dec", True) else 0)) @ W_enc
    common = dict(W_enc=W_enc, W_dec=W_dec, b_dec=b_dec)
    cutoff = np.quantile(pre, 0.8, axis=0) + normal(0, 0.1, FEATURES) * pre.std(0)
    if spec["kind"] == "topk":
        return save(**common, b_enc=normal(0, 0.1, FEATURES))
    if spec["kind"] == "jumprelu":
        threshold = rng.uniform(0.1, 0.5, FEATURES)
        return save(**common, b_enc=threshold - cutoff, threshold=threshold)
    if spec["kind"] == "gated":
        r_mag = normal(0, 0.3, FEATURES)
        return save(**common, b_gate=-cutoff, r_mag=r_mag, b_mag=np.exp(r_mag) * -cutoff + normal(0.2, 0.2, FEATURES))
    if spec.get("finetuned"):
        common["scaling_factor"] = rng.uniform(0.6, 1.4, FEATURES)
    return save(**common, b_enc=-cutoff)


def write_random_model(root, name, seed):
    """A whole directory; returns it."""
    folder = os.path.join(root, name)
    write_checkpoint(folder, seed)
    rng = np.random.RandomState(seed + 1)
    model = Gpt2(folder)
    samples = [model.activations([BOS, *rng.randint(0, 256, 7)])[0] for _ in range(64)]
    for site in site_names(LAYERS):
        sample = torch.cat([s[site][1:] for s in samples])
        write_dictionary(folder, name, site, DICTIONARIES[name][site], sample, rng)
    return folder
