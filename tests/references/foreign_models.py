#!/usr/bin/env python3
"""Writes tests/OnnxAttribution.Tests/Goldens/onnx: small graphs by PyTorch's own exporter, and their effects and edges in float64.

    OMP_WAIT_POLICY=passive /usr/bin/python3 tests/references/foreign_models.py

Environment: Debian 12, python3-torch 1.13, python3-onnx 1.12, python3-numpy. Deterministic.

hand.onnx is put together with onnx.helper instead: a mask and positions as inputs, heads apart, its MLP in a function of the file.

The modules are hand-written and named as transformers names them, so that export_torch.py's own maps and hooks mark their sites:
a GPT-2 (learned positions, Conv1D, a mask in a buffer, tanh GELU), a Llama (RMSNorm, rotary embedding, grouped-query attention, SwiGLU) and
a GPT-NeoX (parallel sublayers, rotary embedding on a part of the head, exact GELU).

A golden holds, for one prompt and the metric logit[target] - logit[foil] at the last position, under zero ablation of whole sites
(no dictionaries): logits at the last position, the effect of each node (site, position), and every direct edge with all sites selected.
"""
import json
import math
import os
import sys

import numpy as np
import onnx
import onnx.helper as h
import torch
from onnx import numpy_helper
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "export-scripts"))
from export_torch import MAPS, export, hooked, site_map

LAYERS, WIDTH, HEADS, VOCAB, POSITIONS = 2, 8, 4, 257, 24
TOKENS, TARGET, FOIL = [256, 72, 101, 33, 72, 108], 111, 97
FOLDER = os.path.join(HERE, "..", "OnnxAttribution.Tests", "Goldens", "onnx")


class Config:
    num_attention_heads, max_position_embeddings = HEADS, POSITIONS


# ---------------------------------------------------------------- GPT-2

class Conv1D(nn.Module):
    def __init__(self, n_out, n_in):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(n_in, n_out)), nn.Parameter(torch.empty(n_out))

    def forward(self, x):
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(x.size()[:-1] + (self.bias.size(0),))


class Gpt2Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("bias", torch.tril(torch.ones(POSITIONS, POSITIONS, dtype=torch.uint8)).view(1, 1, POSITIONS, POSITIONS))
        self.c_attn, self.c_proj, self.resid_dropout = Conv1D(3 * WIDTH, WIDTH), Conv1D(WIDTH, WIDTH), nn.Dropout(0.1)

    def forward(self, x):
        q, k, v = self.c_attn(x).split(WIDTH, dim=2)
        heads = lambda t: t.view(t.size()[:-1] + (HEADS, WIDTH // HEADS)).permute(0, 2, 1, 3)
        q, k, v = heads(q), heads(k), heads(v)
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(WIDTH // HEADS)
        t_q, t_k = q.size(-2), k.size(-2)
        mask = self.bias[:, :, t_k - t_q:t_k, :t_k].to(torch.bool)
        scores = torch.where(mask, scores, torch.full([], torch.finfo(scores.dtype).min, dtype=scores.dtype))
        z = torch.matmul(scores.softmax(-1), v).permute(0, 2, 1, 3).contiguous()
        return self.resid_dropout(self.c_proj(z.view(z.size()[:-2] + (WIDTH,)))), None


class Gpt2Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_fc, self.c_proj = Conv1D(4 * WIDTH, WIDTH), Conv1D(WIDTH, 4 * WIDTH)

    def forward(self, x):
        h = self.c_fc(x)
        h = 0.5 * h * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (h + 0.044715 * torch.pow(h, 3.0))))
        return self.c_proj(h)


class Gpt2Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.attn, self.ln_2, self.mlp = nn.LayerNorm(WIDTH), Gpt2Attention(), nn.LayerNorm(WIDTH), Gpt2Mlp()

    def forward(self, x):
        x = self.attn(self.ln_1(x))[0] + x
        return (x + self.mlp(self.ln_2(x)),)


class Gpt2(nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer = nn.ModuleDict({"wte": nn.Embedding(VOCAB, WIDTH), "wpe": nn.Embedding(POSITIONS, WIDTH),
                                          "h": nn.ModuleList(Gpt2Block() for _ in range(LAYERS)), "ln_f": nn.LayerNorm(WIDTH)})
        for name, module in self.transformer.items():
            setattr(self.transformer, name, module)
        self.lm_head = nn.Linear(WIDTH, VOCAB, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight

    def forward(self, input_ids):
        shape = input_ids.size()
        input_ids = input_ids.view(-1, shape[-1])
        positions = torch.arange(0, shape[-1], dtype=torch.long).unsqueeze(0).view(-1, shape[-1])
        x = self.transformer["wte"](input_ids) + self.transformer["wpe"](positions)
        for block in self.transformer["h"]:
            x = block(x)[0]
        x = self.transformer["ln_f"](x).view(shape + (x.size(-1),))
        return self.lm_head(x)


# ---------------------------------------------------------------- Llama

def rotate_half(x):
    return torch.cat((-x[..., x.shape[-1] // 2:], x[..., :x.shape[-1] // 2]), dim=-1)


def angles(length, width):
    frequencies = 1.0 / (100.0 ** (torch.arange(0, width, 2, dtype=torch.float32) / width))
    a = torch.arange(length)[:, None].to(frequencies.dtype) * frequencies[None, :]
    a = torch.cat((a, a), dim=-1)
    return a.cos(), a.sin()


def causal(x, length):
    mask = torch.full((length, length), torch.finfo(torch.float32).min)
    return torch.triu(mask, diagonal=1).to(x.dtype)[None, None, :, :]


class RmsNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(WIDTH))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class LlamaAttention(nn.Module):
    KEYS = 2

    def __init__(self):
        super().__init__()
        d = WIDTH // HEADS
        self.q_proj = nn.Linear(WIDTH, HEADS * d, bias=False)
        self.k_proj = nn.Linear(WIDTH, self.KEYS * d, bias=False)
        self.v_proj = nn.Linear(WIDTH, self.KEYS * d, bias=False)
        self.o_proj = nn.Linear(HEADS * d, WIDTH, bias=False)

    def forward(self, hidden_states, mask, cos, sin):
        x, d = hidden_states, WIDTH // HEADS
        b, t, _ = x.size()
        q = self.q_proj(x).view(b, t, HEADS, d).transpose(1, 2)
        k = self.k_proj(x).view(b, t, self.KEYS, d).transpose(1, 2)
        v = self.v_proj(x).view(b, t, self.KEYS, d).transpose(1, 2)
        turn = lambda y: y * cos + rotate_half(y) * sin
        spread = lambda y: y[:, :, None, :, :].expand(b, self.KEYS, HEADS // self.KEYS, t, d).reshape(b, HEADS, t, d)
        scores = torch.matmul(turn(q), spread(turn(k)).transpose(2, 3)) / math.sqrt(d) + mask
        pattern = nn.functional.softmax(scores, dim=-1)
        z = torch.matmul(pattern, spread(v)).transpose(1, 2).contiguous().reshape(b, t, HEADS * d)
        return self.o_proj(z), pattern


class LlamaMlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(WIDTH, 20, bias=False), nn.Linear(WIDTH, 20, bias=False)
        self.down_proj = nn.Linear(20, WIDTH, bias=False)

    def forward(self, x):
        return self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))


class LlamaBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layernorm, self.self_attn, self.post_attention_layernorm, self.mlp = RmsNorm(), LlamaAttention(), RmsNorm(), LlamaMlp()

    def forward(self, hidden_states, mask, cos, sin):
        x = hidden_states + self.self_attn(self.input_layernorm(hidden_states), mask, cos, sin)[0]
        return (x + self.mlp(self.post_attention_layernorm(x)),)


class Stack(nn.Module):
    """Embedding, blocks and last norm, under the family's names."""

    def __init__(self, embedding, layers, norm, block, make_norm, rotary):
        super().__init__()
        self.names, self.rotary = (embedding, layers, norm), rotary
        setattr(self, embedding, nn.Embedding(VOCAB, WIDTH))
        setattr(self, layers, nn.ModuleList(block() for _ in range(LAYERS)))
        setattr(self, norm, make_norm())

    def forward(self, input_ids):
        embedding, layers, norm = (getattr(self, n) for n in self.names)
        x = embedding(input_ids)
        cos, sin = angles(input_ids.shape[1], self.rotary)
        mask = causal(x, input_ids.shape[1])
        for block in layers:
            x = block(x, mask, cos.to(x.dtype), sin.to(x.dtype))[0]
        return norm(x)


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = Stack("embed_tokens", "layers", "norm", LlamaBlock, RmsNorm, WIDTH // HEADS)
        self.lm_head = nn.Linear(WIDTH, VOCAB, bias=False)

    def forward(self, input_ids):
        return self.lm_head(self.model(input_ids))


# ---------------------------------------------------------------- GPT-NeoX

class NeoXAttention(nn.Module):
    HEADS, TURNED = 2, 2

    def __init__(self):
        super().__init__()
        self.query_key_value, self.dense = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x, mask, cos, sin):
        d = WIDTH // self.HEADS
        qkv = self.query_key_value(x)
        qkv = qkv.view(*qkv.size()[:-1], self.HEADS, 3 * d)
        q, k, v = (qkv[..., i * d:(i + 1) * d].permute(0, 2, 1, 3) for i in range(3))
        turn = lambda y: torch.cat((y[..., :self.TURNED] * cos + rotate_half(y[..., :self.TURNED]) * sin, y[..., self.TURNED:]), dim=-1)
        scores = torch.einsum("bhqd,bhkd->bhqk", turn(q), turn(k)) * d ** -0.5 + mask
        z = torch.matmul(scores.softmax(-1), v).permute(0, 2, 1, 3).contiguous()
        return self.dense(z.view(z.size(0), z.size(1), WIDTH)), None


class NeoXMlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense_h_to_4h, self.dense_4h_to_h = nn.Linear(WIDTH, 24), nn.Linear(24, WIDTH)

    def forward(self, x):
        return self.dense_4h_to_h(nn.functional.gelu(self.dense_h_to_4h(x)))


class NeoXBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention, self.mlp = NeoXAttention(), NeoXMlp()

    def forward(self, x, mask, cos, sin):
        attention = self.attention(self.input_layernorm(x), mask, cos, sin)[0]
        return (self.mlp(self.post_attention_layernorm(x)) + attention + x,)


class NeoX(nn.Module):
    def __init__(self):
        super().__init__()
        self.gpt_neox = Stack("embed_in", "layers", "final_layer_norm", NeoXBlock, lambda: nn.LayerNorm(WIDTH), NeoXAttention.TURNED)
        self.embed_out = nn.Linear(WIDTH, VOCAB, bias=False)

    def forward(self, input_ids):
        return self.embed_out(self.gpt_neox(input_ids))


# ---------------------------------------------------------------- a graph by onnx.helper

def hand(path):
    """One block of two heads and an MLP in a function, operator set 15, with a mask and positions as inputs."""
    d, heads, n = WIDTH, 2, 20
    rng = np.random.RandomState(4)
    weights = {"W_E": (VOCAB, d), "W_pos": (POSITIONS, d), "W_Q": (d, d), "W_K": (d, d), "W_V": (d, d), "W_O": (d, d), "b_O": (d,),
               "W_in": (d, n), "b_in": (n,), "W_out": (n, d), "b_out": (d,), "W_U": (d, VOCAB)}
    constants = {name: (0.5 * rng.standard_normal(shape)).astype(np.float32) for name, shape in weights.items()}
    constants |= {"split": np.array([0, 0, heads, d // heads]), "join": np.array([0, 0, d]),
                  "zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "axes12": np.array([1, 2]),
                  "root": np.float32((d // heads) ** 0.5), "unit": np.float32(1), "least": np.float32(-1e9)}
    node = lambda op, inputs, output, **attributes: h.make_node(op, inputs, [output], name=f"node/{output}", **attributes)
    heads_of = lambda name: [
        node("MatMul", ["normal", f"W_{name}"], f"{name}_all"),
        node("Reshape", [f"{name}_all", "split"], f"{name}_split"),
        node("Transpose", [f"{name}_split"], name, perm=[0, 2, 1, 3]),
    ]
    nodes = [
        node("Gather", ["W_E", "input_ids"], "embed"), node("Gather", ["W_pos", "position_ids"], "pos"),
        node("Add", ["embed", "pos"], "x0"),
        node("ReduceL2", ["x0"], "norm", axes=[-1]), node("Div", ["x0", "norm"], "normal"),
        *heads_of("Q"), *heads_of("K"), *heads_of("V"),
        node("Einsum", ["Q", "K"], "dots", equation="bhqd,bhkd->bhqk"), node("Div", ["dots", "root"], "scores"),
        # the causal part of the mask from the positions, the rest as it is given
        node("Unsqueeze", ["position_ids", "two"], "queries"), node("Unsqueeze", ["position_ids", "one"], "keys"),
        node("Greater", ["keys", "queries"], "later"), node("Unsqueeze", ["later", "one"], "later4"),
        node("Cast", ["attention_mask"], "seen", to=1), node("Sub", ["unit", "seen"], "hidden"),
        node("Unsqueeze", ["hidden", "axes12"], "hidden4"), node("Mul", ["hidden4", "least"], "bias"),
        node("Where", ["later4", "least", "bias"], "mask"), node("Add", ["scores", "mask"], "masked"),
        node("Softmax", ["masked"], "pattern", axis=-1),
        node("MatMul", ["pattern", "V"], "z_heads"), node("Transpose", ["z_heads"], "z", perm=[0, 2, 1, 3]),
        node("Reshape", ["z", "join"], "z_all"),
        node("MatMul", ["z_all", "W_O"], "projected"), node("Add", ["projected", "b_O"], "attn"), node("Sum", ["x0", "attn"], "x1"),
        h.make_node("Mlp", ["x1", "W_in", "b_in", "W_out", "b_out"], ["mlp"], name="node/mlp", domain="hand", alpha=0.1),
        node("Add", ["x1", "mlp"], "x2"), node("MatMul", ["x2", "W_U"], "logits"),
    ]
    leaky = h.make_node("LeakyRelu", ["inner"], ["active"], name="leaky")
    leaky.attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT))
    inner = [
        h.make_node("MatMul", ["x", "W_i"], ["h"]), h.make_node("Add", ["h", "b_i"], ["inner"]), leaky,
        h.make_node("MatMul", ["active", "W_o"], ["o"]), h.make_node("Add", ["o", "b_o"], ["y"]),
    ]
    mlp = h.make_function("hand", "Mlp", ["x", "W_i", "b_i", "W_o", "b_o"], ["y"], inner, [h.make_opsetid("", 15)], ["alpha"])
    tokens = lambda name: h.make_tensor_value_info(name, onnx.TensorProto.INT64, ["b", "t"])
    graph = h.make_graph(nodes, "hand", [tokens("input_ids"), tokens("attention_mask"), tokens("position_ids")],
                         [h.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["b", "t", VOCAB])],
                         [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 15), h.make_opsetid("hand", 1)], functions=[mlp], ir_version=8)
    onnx.save(model, path)


# ---------------------------------------------------------------- weights and goldens

def randomize(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            scale, mean = (0.3, 1.0) if p.dim() == 1 and name.endswith("weight") else (0.2, 0.1) if p.dim() == 1 else (0.7, 0.0)
            p.copy_(mean + scale * torch.randn(p.shape, generator=generator))
    return model


class Cut:
    """Runs a hooked model with some sites replaced: leaves to differentiate by, or values."""

    def __init__(self, model, places, names):
        self.model, self.values, self.seen = model, {}, {}
        modules = dict(model.named_modules())
        blocks = modules[places["blocks"]]
        def replace(name, x):
            self.seen[name] = x
            return self.values.get(name, x)
        def before(module, name):
            module.register_forward_pre_hook(lambda m, a: (replace(name, a[0]), *a[1:]))
        def behind(module, name):
            module.register_forward_hook(lambda m, a, y: (replace(name, y[0]), *y[1:]) if isinstance(y, tuple) else replace(name, y))
        for l, block in enumerate(blocks):
            before(block, f"blocks.{l}.hook_resid_pre")
            behind(block.get_submodule(places["attn"]), f"blocks.{l}.hook_attn_out")
            behind(block.get_submodule(places["mlp"]), f"blocks.{l}.hook_mlp_out")
        before(modules[places["final"]], f"blocks.{len(blocks) - 1}.hook_resid_post")
        self.names = names

    def run(self, **values):
        self.values, self.seen = values, {}
        return self.model(torch.tensor([TOKENS]))


def golden(model, places, names):
    """Node effects and direct edges of whole sites under zero ablation, by autograd."""
    cut = Cut(model.double(), places, names)
    metric = lambda logits: logits[0, -1, TARGET] - logits[0, -1, FOIL]
    logits = cut.run()
    clean = {n: cut.seen[n] for n in names}
    gradients = dict(zip(names, torch.autograd.grad(metric(logits), [clean[n] for n in names])))
    effects = {n: (-(gradients[n] * clean[n]).sum(-1)[0]).tolist() for n in names}
    leaves = {n: clean[n].detach().requires_grad_() for n in names}
    cut_logits = cut.run(**leaves)
    edges = []
    def add(down, q, value):
        by = torch.autograd.grad(value, list(leaves.values()), retain_graph=True, allow_unused=True)
        for up, g in zip(names, by):
            if g is None:
                continue
            for p, e in enumerate((-(g * clean[up]).sum(-1)[0]).tolist()):
                if abs(e) > 1e-12:
                    edges.append([up, p, down, q, e])
    for down in names:
        raw = cut.seen[down]
        if not raw.requires_grad:
            continue
        for q in range(len(TOKENS)):
            add(down, q, (raw[0, q] * gradients[down][0, q]).sum())
    add("metric", len(TOKENS) - 1, metric(cut_logits))
    for up in names:   # conservation, before anything is written
        for p, effect in enumerate(effects[up]):
            total = sum(e[4] for e in edges if e[0] == up and e[1] == p)
            assert abs(total - effect) < 1e-10, (up, p, total, effect)
    return {"tokens": TOKENS, "target": TARGET, "foil": FOIL, "metric": metric(logits).item(), "logits": logits[0, -1].tolist(),
            "effects": effects, "edges": edges}


def rounded(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


def main():
    os.makedirs(FOLDER, exist_ok=True)
    torch.set_num_threads(1)
    hand(os.path.join(FOLDER, "hand.onnx"))
    with open(os.path.join(FOLDER, "hand.sites.json"), "w") as f:
        sites = {"hook_resid_pre": "x0", "attn.hook_z": "z", "hook_attn_out": "attn", "hook_resid_mid": "x1", "hook_mlp_out": "mlp",
                 "hook_resid_post": "x2"}
        content = {"sites": {f"blocks.0.{k}": v for k, v in sites.items()}, "hooks": {"blocks.0.attn.hook_pattern": "pattern"}}
        json.dump(content, f, indent=1)
        f.write("\n")
    models = (("gpt2", Gpt2, MAPS["gpt2"], (13, 17), 1), ("llama", Llama, MAPS["llama"], (17,), 2),
              ("neox", NeoX, MAPS["gpt_neox"], (16,), 3))
    for name, make, places, opsets, seed in models:
        model = randomize(make(), seed)
        for opset in opsets:
            path = os.path.join(FOLDER, f"{name}-{opset}.onnx")
            names = export(model, places, path, opset=opset, dynamo=False)
            print(path, os.path.getsize(path))
        with open(os.path.join(FOLDER, f"{name}.sites.json"), "w") as f:
            json.dump(site_map(names, Config), f, indent=1)
            f.write("\n")
        with open(os.path.join(FOLDER, f"{name}.golden.json"), "w") as f:
            content = rounded(golden(model, places, names))
            f.write("{\n" + ",\n".join(f' "{k}": {json.dumps(v)}' for k, v in content.items()) + "\n}\n")


if __name__ == "__main__":
    main()
