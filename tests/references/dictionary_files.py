"""Writes tests/OnnxAttribution.Tests/Checkpoints/Formats/Files: tiny dictionaries in every format that the program converts.

    OMP_WAIT_POLICY=passive python3 tests/references/dictionary_files.py

They have the layouts that they are published in, are written by PyTorch and NumPy themselves, and come with what each project's own
formula makes of a few inputs, in float64.
"""
import collections
import json
import os
import shutil

import numpy as np
import torch
from torch import nn

from safetensors_io import write_safetensors

D, N, K, ROWS = 6, 10, 3, 8
relu = torch.relu


class Written:
    """Writes files under a root and keeps, by the path of their weights, what they make of their inputs."""

    def __init__(self, root):
        self.root, self.golden, self.count = root, {}, 0
        shutil.rmtree(root, ignore_errors=True)

    def path(self, *parts):
        path = os.path.join(self.root, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def json(self, value, *parts):
        with open(self.path(*parts), "w", encoding="utf-8") as f:
            json.dump(value, f, indent=1)
            f.write("\n")

    def random(self):
        self.count += 1
        g = torch.Generator().manual_seed(self.count)
        return lambda *shape, scale=1.0: (scale * torch.randn(*shape, generator=g)).float()

    def keep(self, source, encode, decode):
        x = self.random()(ROWS, D, scale=2.0).double()
        f, info = encode(x)
        self.golden[f"{source}/x"], self.golden[f"{source}/f"], self.golden[f"{source}/reconstruction"] = x, f, decode(f, info)


def double(state):
    return {k: v.detach().double() for k, v in state.items() if isinstance(v, torch.Tensor)}


def top(pre, k):
    values, indices = pre.topk(k, -1)
    return torch.zeros_like(pre).scatter(-1, indices, relu(values))


def state_of(**tensors):
    """As nn.Module.state_dict() gives it: ordered, with _metadata."""
    state = collections.OrderedDict(tensors)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state


def dictionary_learning(out, folder, kind, state, encode, decode, config=True, **trainer):
    torch.save(state, out.path(folder, "ae.pt"))
    if config:
        about = {"trainer_class": kind, "dict_class": kind, "activation_dim": D, "dict_size": N,
                 "lm_name": "EleutherAI/pythia-70m-deduped", "device": "cuda:0", **trainer}
        out.json({"trainer": about, "buffer": {"d_submodule": D, "io": "out", "ctx_len": 128}}, folder, "config.json")
    w = double(state)
    out.keep(f"{folder}/ae.pt", lambda x: (encode(w, x), None), lambda f, _: decode(w, f))


def auto_encoders(out):
    def normalised(w):
        norms = w["decoder.weight"].norm(dim=0)
        if torch.allclose(norms, torch.ones_like(norms)):
            return w
        return {**w, "decoder.weight": w["decoder.weight"] / norms, "encoder.weight": w["encoder.weight"] * norms[:, None],
                "encoder.bias": w["encoder.bias"] * norms}

    def encode(w, x):
        w = normalised(w)
        return relu((x - w["bias"]) @ w["encoder.weight"].T + w["encoder.bias"])

    def decode(w, f):
        return f @ normalised(w)["decoder.weight"].T + w["bias"]

    for site, unit, config in (("resid_out_layer3", False, True), ("embed", True, False)):
        r = out.random()
        decoder = r(D, N)
        if unit:
            decoder = decoder / decoder.norm(dim=0)
        state = state_of(**{"bias": r(D), "encoder.weight": r(N, D), "encoder.bias": r(N), "decoder.weight": decoder})
        dictionary_learning(out, f"dictionaries/pythia-70m-deduped/{site}/10_32768", "AutoEncoder", state, encode, decode, config,
                            submodule_name=site, layer=3)
    r = out.random()
    state = state_of(**{"encoder.weight": r(N, D), "encoder.bias": r(N), "decoder.weight": r(D, N), "decoder.bias": r(D)})
    dictionary_learning(out, "april_update/mlp_out_layer4/trainer_0", "AutoEncoderNew", state,
                        lambda w, x: relu(x @ w["encoder.weight"].T + w["encoder.bias"]),
                        lambda w, f: f @ w["decoder.weight"].T + w["decoder.bias"], submodule_name="mlp_out_layer4", layer=4)


def thresholded(out):
    r = out.random()
    state = state_of(**{"decoder_bias": r(D), "r_mag": r(N, scale=0.5), "gate_bias": r(N), "mag_bias": r(N),
                        "encoder.weight": r(N, D), "decoder.weight": r(D, N)})

    def gated(w, x):
        x_enc = (x - w["decoder_bias"]) @ w["encoder.weight"].T
        return (x_enc + w["gate_bias"] > 0).double() * relu(w["r_mag"].exp() * x_enc + w["mag_bias"])

    dictionary_learning(out, "pythia70m_sweep_gated_ctx128_0730/resid_post_layer_4/trainer_0", "GatedAutoEncoder", state, gated,
                        lambda w, f: f @ w["decoder.weight"].T + w["decoder_bias"], submodule_name=None, layer=4)
    r = out.random()
    state = state_of(W_enc=r(D, N), b_enc=r(N), W_dec=r(N, D), b_dec=r(D), threshold=r(N).abs())

    def jump(w, x):
        pre = x @ w["W_enc"] + w["b_enc"]
        return relu(pre * (pre > w["threshold"]))

    dictionary_learning(out, "jumprelu/mlp_out_layer2/trainer_1", "JumpReluAutoEncoder", state, jump,
                        lambda w, f: f @ w["W_dec"] + w["b_dec"], submodule_name="mlp_out_layer2", layer=2)
    decode = lambda w, f: f @ w["decoder.weight"].T + w["b_dec"]
    for kind, folder, threshold in (("AutoEncoderTopK", "attn_out_layer1", -1.0), ("BatchTopKSAE", "resid_post_layer_1", 1.25)):
        r = out.random()
        state = state_of(**{"b_dec": r(D), "k": torch.tensor(K, dtype=torch.int), "threshold": torch.tensor(threshold),
                            "decoder.weight": r(D, N), "encoder.weight": r(N, D), "encoder.bias": r(N)})
        post = lambda w, x: relu((x - w["b_dec"]) @ w["encoder.weight"].T + w["encoder.bias"])
        if kind == "AutoEncoderTopK":
            encode = lambda w, x, post=post: top(post(w, x), K)
        else:
            encode = lambda w, x, post=post: post(w, x) * (post(w, x) > w["threshold"])
        dictionary_learning(out, f"top_k/{folder}/trainer_0", kind, state, encode, decode, submodule_name=folder, layer=1, k=K)
    r = out.random()
    state = state_of(W_enc=r(D, N).half(), b_enc=r(N).half(), W_dec=r(N, D).half(), b_dec=r(D).half(),
                     k=torch.tensor(K, dtype=torch.int), threshold=torch.tensor(0.75), group_sizes=torch.tensor([4, N - 4]))

    def matryoshka(w, x):
        post = relu((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"])
        return post * (post > w["threshold"])

    dictionary_learning(out, "matryoshka/mlp_out_layer5/trainer_0", "MatryoshkaBatchTopKSAE", state, matryoshka,
                        lambda w, f: f @ w["W_dec"] + w["b_dec"], submodule_name="mlp_out_layer5", layer=5, k=K, group_sizes=[4, N - 4])


class Autoencoder(nn.Module):
    """The parameters of openai/sparse_autoencoder's model.py, in its order."""

    def __init__(self, r):
        super().__init__()
        self.pre_bias = nn.Parameter(r(D))
        self.encoder = nn.Linear(D, N, bias=False)
        self.latent_bias = nn.Parameter(r(N))
        self.decoder = nn.Linear(N, D, bias=False)
        self.register_buffer("stats_last_nonzero", torch.zeros(N, dtype=torch.long))
        self.register_buffer("latents_activation_frequency", torch.ones(N))
        self.register_buffer("latents_mean_square", torch.zeros(N))
        self.encoder.weight.data, self.decoder.weight.data = r(N, D), r(N, D).T    # a view, as their trained decoder is


def openai(out):
    def norm(x, on):
        if not on:
            return x, None
        mu = x.mean(-1, keepdim=True)
        std = (x - mu).std(-1, keepdim=True)
        return (x - mu) / (std + 1e-5), (mu, std)

    for place, activation in (("resid_post_mlp_v5_32k/autoencoders/5.pt", "TopK"),
                              ("resid_post_attn_v5_128k/autoencoders/7.pt", "TopK"),
                              ("resid_delta_mlp/autoencoders/0.pt", "ReLU")):
        state = Autoencoder(out.random()).state_dict()
        state["activation"] = activation
        state["activation_state_dict"] = {"k": K, "postact_fn": "ReLU"} if activation == "TopK" else nn.ReLU().state_dict()
        torch.save(state, out.path(place))
        w, on = double(state), activation == "TopK"

        def encode(x, w=w, on=on):
            x, info = norm(x, on)
            pre = (x - w["pre_bias"]) @ w["encoder.weight"].T + w["latent_bias"]
            return (top(pre, K) if on else relu(pre)), info

        def decode(f, info, w=w):
            y = f @ w["decoder.weight"].T + w["pre_bias"]
            return y * info[1] + info[0] if info else y

        out.keep(place, encode, decode)


def others(out):
    for place in ("gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz",
                  "gemma-scope-2b-pt-mlp/layer_3/width_16k/average_l0_60/params.npz"):
        r = out.random()
        w = {"W_dec": r(N, D), "W_enc": r(D, N), "b_dec": r(D), "b_enc": r(N), "threshold": r(N).abs()}
        np.savez(out.path(place), **{k: (np.asfortranarray(v.numpy()) if k == "W_enc" else v.numpy()) for k, v in w.items()})
        w = double(w)

        def encode(x, w=w):
            pre = x @ w["W_enc"] + w["b_enc"]
            return relu(pre) * (pre > w["threshold"]), None

        out.keep(place, encode, lambda f, _, w=w: f @ w["W_dec"] + w["b_dec"])
    for folder in ("layers.9", "layers.9.mlp"):
        r = out.random()
        w = {"encoder.weight": r(N, D), "encoder.bias": r(N), "W_dec": r(N, D), "b_dec": r(D)}
        write_safetensors(out.path(folder, "sae.safetensors"), {k: v.numpy() for k, v in w.items()}, {"format": "pt"})
        out.json({"expansion_factor": 32, "normalize_decoder": True, "num_latents": N, "k": K, "multi_topk": folder == "layers.9",
                  "d_in": D}, folder, "cfg.json")
        w = double(w)
        post = lambda x, w=w: relu((x - w["b_dec"]) @ w["encoder.weight"].T + w["encoder.bias"])
        out.keep(f"{folder}/sae.safetensors", lambda x, post=post: (top(post(x), K), None),
                 lambda f, _, w=w: f @ w["W_dec"] + w["b_dec"])
    name, r = "gpt2-small_L0_Hcat_z_lr1.20e-03_l11.80e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9", out.random()
    state = state_of(W_enc=r(D, N), W_dec=r(N, D), b_enc=r(N), b_dec=r(D))
    torch.save(state, out.path(name + ".pt"))
    out.json({"seed": 49, "lr": 0.0012, "l1_coeff": 1.8, "site": "z", "layer": 0, "head": "cat", "concat_heads": True,
              "act_name": "blocks.0.attn.hook_z", "act_size": D, "dict_size": N, "model_name": "gpt2-small",
              "name": f"gpt2-small_0_{N}_z"}, name + "_cfg.json")
    w = double(state)
    out.keep(name + ".pt", lambda x: (relu((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]), None), lambda f, _: f @ w["W_dec"] + w["b_dec"])


def main():
    files = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../OnnxAttribution.Tests/Checkpoints/Formats/Files")
    out = Written(os.path.join(files, "published"))
    auto_encoders(out)
    thresholded(out)
    openai(out)
    others(out)
    # what PyTorch wrote before 1.6
    torch.save(state_of(pre_bias=torch.zeros(D)), os.path.join(files, "legacy.pt"), _use_new_zipfile_serialization=False)
    write_safetensors(os.path.join(files, "golden.safetensors"), {k: v.numpy() for k, v in out.golden.items()})
    print(f"{len(out.golden) // 3} dictionaries")


if __name__ == "__main__":
    main()
