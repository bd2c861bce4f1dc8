#!/usr/bin/env python3
"""Writes the models of foreign_models.py once more to tests/OnnxAttribution.Tests/Goldens/onnx, in operators that optimisers write.

    OMP_WAIT_POLICY=passive /usr/bin/python3 tests/references/fused_models.py

Environment as for foreign_models.py, whose weights, site names and goldens these share. Those named ort have operators of com.microsoft
(Attention, SkipLayerNormalization, FastGelu; RotaryEmbedding, SkipSimplifiedLayerNormalization; MultiHeadAttention, BiasGelu),
llama-23 the standard's of operator set 23 (Attention, RotaryEmbedding, RMSNormalization). groups-ort has GroupQueryAttention, whose kernel
takes no head as narrow as theirs, so that it is a Llama of its own with its golden from PyTorch in float64. Those with past in their names
take keys and values of earlier tokens too: gpt2-ort-past all of a layer in one tensor (past_0), groups-ort-past and neox-ort-past apart.
"""
import json
import os

import numpy as np
import onnx
import onnx.helper as h
import torch
from onnx import TensorProto, numpy_helper

import foreign_models as fm
from foreign_models import FOLDER, LAYERS, MAPS, POSITIONS, VOCAB

ORT = "com.microsoft"


class Graph:
    """Nodes and constants, each named by its tensor."""

    def __init__(self, model, opset):
        self.weights, self.opset = {k: v.detach().numpy() for k, v in model.state_dict().items()}, opset
        self.nodes, self.constants, self.past, self.presents = [], {}, [], []

    def constant(self, name, value):
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def weight(self, name, transposed=False):
        """A parameter by its name in the module; a Linear's is [out, in], and a product reads [in, out]."""
        return self.constant(name, self.weights[name].T if transposed else self.weights[name])

    def node(self, kind, inputs, outputs, domain="", **attributes):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(h.make_node(kind, inputs, outputs, name=f"node/{outputs[0]}", domain=domain, **attributes))
        return outputs[0]

    def linear(self, x, name, output, bias=True):
        product = self.node("MatMul", [x, self.weight(f"{name}.weight", True)], f"{output}.product" if bias else output)
        return self.node("Add", [product, self.weight(f"{name}.bias")], output) if bias else output

    def cache(self, names, presents, before, heads, width):
        """Inputs for keys and values of earlier tokens, [*before, batch, heads, past, width], and what comes out in their place."""
        info = lambda n, positions: h.make_tensor_value_info(n, TensorProto.FLOAT, [*before, "batch", heads, positions, width])
        self.past += [info(n, "past_sequence") for n in names]
        self.presents += [info(n, "total_sequence") for n in presents]

    def length(self):
        """The number of positions, [1], and of all prompts and positions, [2]."""
        shape = self.node("Shape", ["input_ids"], "shape")
        return self.node("Slice", [shape, self.constant("one", np.array([1])), self.constant("two", np.array([2]))], "length"), shape

    def positions(self):
        """0, 1, ... for each prompt, [batch, position]."""
        length, shape = self.length()
        scalar = self.node("Squeeze", [length], "length0")
        first = self.constant("first", np.array(0))
        if self.past:   # counted on from what has passed
            axis = self.constant("past_axis", np.array(len(self.past[0].type.tensor_type.shape.dim) - 2))
            first = self.node("Gather", [self.node("Shape", [self.past[0].name], "past_shape"), axis], "passed")
            scalar = self.node("Add", [scalar, first], "total_length")
        steps = self.node("Range", [first, scalar, self.constant("step", np.array(1))], "steps")
        return self.node("Expand", [steps, shape], "places")

    def write(self, name):
        info = h.make_tensor_value_info
        graph = h.make_graph(self.nodes, name, [info("input_ids", TensorProto.INT64, ["batch", "sequence"]), *self.past],
                             [info("logits", TensorProto.FLOAT, ["batch", "sequence", VOCAB]), *self.presents],
                             [numpy_helper.from_array(v, k) for k, v in self.constants.items()])
        model = h.make_model(graph, opset_imports=[h.make_opsetid("", self.opset), h.make_opsetid(ORT, 1)])
        model.ir_version = 10 if self.opset > 21 else 8
        path = os.path.join(FOLDER, f"{name}.onnx")
        onnx.save(model, path)
        print(path, os.path.getsize(path))


def stream(l):
    """The residual stream before block l."""
    return f"blocks.{l}.hook_resid_pre" if l < LAYERS else f"blocks.{LAYERS - 1}.hook_resid_post"


def gpt2(model, past=False):
    g = Graph(model, 17)
    if past:
        g.cache([f"past_{l}" for l in range(LAYERS)], [f"present_{l}" for l in range(LAYERS)], [2], fm.HEADS, fm.WIDTH // fm.HEADS)
    tokens = g.node("Gather", [g.weight("transformer.wte.weight"), "input_ids"], "tokens")
    places = g.node("Gather", [g.weight("transformer.wpe.weight"), g.positions()], "pos")
    x, norm = g.node("Add", [tokens, places], stream(0)), "transformer.h.0.ln_1"
    n = g.node("LayerNormalization", [x, g.weight(f"{norm}.weight"), g.weight(f"{norm}.bias")], "n0", axis=-1)
    for l in range(LAYERS):
        block = f"transformer.h.{l}"
        read = [n, g.weight(f"{block}.attn.c_attn.weight"), g.weight(f"{block}.attn.c_attn.bias")]
        z = g.node("Attention", [*read, "", f"past_{l}"] if past else read, [f"z{l}", f"present_{l}"] if past else f"z{l}", ORT,
                   num_heads=fm.HEADS, unidirectional=1)
        product = g.node("MatMul", [z, g.weight(f"{block}.attn.c_proj.weight")], f"attn{l}")
        attn = g.node("Add", [product, g.weight(f"{block}.attn.c_proj.bias")], f"blocks.{l}.hook_attn_out")
        skip = lambda x, y, norm, outputs: g.node("SkipLayerNormalization", [x, y, g.weight(f"{norm}.weight"), g.weight(f"{norm}.bias")],
                                                  outputs, ORT, epsilon=1e-5)
        m = skip(x, attn, f"{block}.ln_2", [f"m{l}", "", "", f"mid{l}"])
        product = g.node("MatMul", [m, g.weight(f"{block}.mlp.c_fc.weight")], f"in{l}")
        active = g.node("FastGelu", [product, g.weight(f"{block}.mlp.c_fc.bias")], f"act{l}", ORT)
        product = g.node("MatMul", [active, g.weight(f"{block}.mlp.c_proj.weight")], f"out{l}")
        mlp = g.node("Add", [product, g.weight(f"{block}.mlp.c_proj.bias")], f"blocks.{l}.hook_mlp_out")
        after = f"transformer.h.{l + 1}.ln_1" if l + 1 < LAYERS else "transformer.ln_f"
        x = stream(l + 1)
        n = skip(f"mid{l}", mlp, after, [f"n{l + 1}", "", "", x])
    g.linear(n, "lm_head", "logits", bias=False)
    g.write("gpt2-ort-past" if past else "gpt2-ort")


def llama(model, name, attend, opset):
    """attend: (graph, layer, queries, keys, values, positions) to what the heads read, side by side."""
    g = Graph(model, opset)
    if name.endswith("-past"):
        names = [f"past_key_values.{l}.{kind}" for l in range(LAYERS) for kind in ("key", "value")]
        g.cache(names, [n.replace("past_key_values", "present") for n in names], [], fm.LlamaAttention.KEYS, fm.WIDTH // fm.HEADS)
    standard = name == "llama-23"
    cos, sin = fm.angles(POSITIONS, fm.WIDTH // fm.HEADS)
    half = fm.WIDTH // fm.HEADS // 2
    g.constant("cos", cos[:, :half].numpy())
    g.constant("sin", sin[:, :half].numpy())
    x = g.node("Gather", [g.weight("model.embed_tokens.weight"), "input_ids"], stream(0))
    rms = lambda x, norm, output: g.node("RMSNormalization" if standard else "SimplifiedLayerNormalization",
                                         [x, g.weight(f"{norm}.weight")], output, axis=-1, epsilon=1e-6)
    def added(x, y, norm, output, total):
        if standard:
            return rms(g.node("Add", [x, y], total), norm, output)
        return g.node("SkipSimplifiedLayerNormalization", [x, y, g.weight(f"{norm}.weight")], [output, "", "", total], ORT, epsilon=1e-6)
    n, places = rms(x, "model.layers.0.input_layernorm", "n0"), g.positions()
    for l in range(LAYERS):
        block = f"model.layers.{l}"
        q, k, v = (g.linear(n, f"{block}.self_attn.{s}_proj", f"{s}{l}", bias=False) for s in "qkv")
        z = attend(g, l, q, k, v, places)
        attn = g.linear(z, f"{block}.self_attn.o_proj", f"blocks.{l}.hook_attn_out", bias=False)
        m = added(x, attn, f"{block}.post_attention_layernorm", f"m{l}", f"mid{l}")
        gate, up = (g.linear(m, f"{block}.mlp.{s}_proj", f"{s}{l}", bias=False) for s in ("gate", "up"))
        if standard:
            active = g.node("Mul", [gate, g.node("Sigmoid", [gate], f"sigmoid{l}")], f"act{l}")
        else:
            active = g.node("QuickGelu", [gate], f"act{l}", ORT, alpha=1.0)
        mlp = g.linear(g.node("Mul", [active, up], f"gated{l}"), f"{block}.mlp.down_proj", f"blocks.{l}.hook_mlp_out", bias=False)
        x, mid = stream(l + 1), f"mid{l}"
        n = added(mid, mlp, f"model.layers.{l + 1}.input_layernorm" if l + 1 < LAYERS else "model.norm", f"n{l + 1}", x)
    g.linear(n, "lm_head", "logits", bias=False)
    g.write(name)


def standard_attention(g, l, q, k, v, places):
    keys = fm.LlamaAttention.KEYS
    turned = [g.node("RotaryEmbedding", [x, "cos", "sin", places], f"{x}.turned", num_heads=n) for x, n in ((q, fm.HEADS), (k, keys))]
    return g.node("Attention", [*turned, v], f"z{l}", q_num_heads=fm.HEADS, kv_num_heads=keys, is_causal=1)


def mixed_attention(g, l, q, k, v, places):
    keys = fm.LlamaAttention.KEYS
    turned = [g.node("RotaryEmbedding", [x, places, "cos", "sin"], f"{x}.turned", ORT, num_heads=n) for x, n in ((q, fm.HEADS), (k, keys))]
    return g.node("Attention", [*turned, v], f"z{l}", q_num_heads=fm.HEADS, kv_num_heads=keys, is_causal=1)


def group_attention(g, l, q, k, v, places):
    if l == 0:   # how long the prompts are: the last position of each, and with a past
        length = "length"
        if g.past:
            length = g.node("Unsqueeze", ["total_length", g.constant("front", np.array([0]))], "total_length1")
        total = g.node("Cast", [length], "total", to=TensorProto.INT32)
        last = g.node("Sub", [total, g.constant("one32", np.array([1], np.int32))], "last")
        batch = g.node("Slice", ["shape", g.constant("none", np.array([0])), "one"], "batch")
        g.node("Expand", [last, batch], "lasts")
        g.node("Squeeze", [total], "total0")
    past = [p.name for p in g.past[2 * l:2 * l + 2]] or ["", ""]
    made = [p.name for p in g.presents[2 * l:2 * l + 2]] or [f"pk{l}", f"pv{l}"]
    return g.node("GroupQueryAttention", [q, k, v, *past, "lasts", "total0", "cos", "sin"], [f"z{l}", *made], ORT,
                  num_heads=fm.HEADS, kv_num_heads=fm.LlamaAttention.KEYS, do_rotary=1)


def neox(model, past=False):
    g = Graph(model, 17)
    attention = fm.NeoXAttention
    if past:
        names = lambda what: [f"{what}_{kind}_{l}" for l in range(LAYERS) for kind in ("key", "value")]
        g.cache(names("past"), names("present"), [], attention.HEADS, fm.WIDTH // attention.HEADS)
    cos, sin = fm.angles(POSITIONS, attention.TURNED)
    g.constant("cos", cos[:, :1].numpy())
    g.constant("sin", sin[:, :1].numpy())
    x, places = g.node("Gather", [g.weight("gpt_neox.embed_in.weight"), "input_ids"], stream(0)), g.positions()
    apart = g.constant("apart", np.array([0, 0, attention.HEADS, 3, fm.WIDTH // attention.HEADS]))
    side, three = g.constant("side", np.array([0, 0, fm.WIDTH])), g.constant("three", np.array([1, 1, 1]))
    axis = g.constant("axis3", np.array([3]))
    norm = lambda x, name, output: g.node("LayerNormalization", [x, g.weight(f"{name}.weight"), g.weight(f"{name}.bias")], output, axis=-1)
    for l in range(LAYERS):
        block = f"gpt_neox.layers.{l}"
        all_heads = g.linear(norm(x, f"{block}.input_layernorm", f"n{l}"), f"{block}.attention.query_key_value", f"qkv{l}")
        parts = [f"{s}{l}.heads" for s in "qkv"]
        g.node("Split", [g.node("Reshape", [all_heads, apart], f"apart{l}"), three], parts, axis=3)
        q, k, v = (g.node("Reshape", [g.node("Squeeze", [p, axis], f"{p}4"), side], f"{p}3") for p in parts)
        q, k = (g.node("RotaryEmbedding", [y, places, "cos", "sin"], f"{y}.turned", ORT, num_heads=attention.HEADS,
                       rotary_embedding_dim=attention.TURNED) for y in (q, k))
        cached, made = [p.name for p in g.past[2 * l:2 * l + 2]], [p.name for p in g.presents[2 * l:2 * l + 2]]
        z = g.node("MultiHeadAttention", [q, k, v, "", "", "", *cached] if past else [q, k, v], [f"z{l}", *made], ORT,
                   num_heads=attention.HEADS, unidirectional=1)
        attn = g.linear(z, f"{block}.attention.dense", f"blocks.{l}.hook_attn_out")
        product = g.node("MatMul", [norm(x, f"{block}.post_attention_layernorm", f"m{l}"),
                                    g.weight(f"{block}.mlp.dense_h_to_4h.weight", True)], f"in{l}")
        active = g.node("BiasGelu", [product, g.weight(f"{block}.mlp.dense_h_to_4h.bias")], f"act{l}", ORT)
        mlp = g.linear(active, f"{block}.mlp.dense_4h_to_h", f"blocks.{l}.hook_mlp_out")
        x = g.node("Add", [g.node("Add", [mlp, attn], f"both{l}"), x], stream(l + 1))
    g.linear(norm(x, "gpt_neox.final_layer_norm", "final"), "embed_out", "logits", bias=False)
    g.write("neox-ort-past" if past else "neox-ort")


def main():
    torch.set_num_threads(1)
    for past in (False, True):
        gpt2(fm.randomize(fm.Gpt2(), 1), past)
        neox(fm.randomize(fm.NeoX(), 3), past)
    model = fm.randomize(fm.Llama(), 2)
    llama(model, "llama-23", standard_attention, 23)
    llama(model, "llama-ort", mixed_attention, 23)
    # heads of 16 entries, two of queries for one of keys
    fm.WIDTH, fm.HEADS, fm.LlamaAttention.KEYS = 32, 2, 1
    model = fm.randomize(fm.Llama(), 5)
    for name in ("groups-ort", "groups-ort-past"):
        llama(model, name, group_attention, 17)
    names = [n for l in range(LAYERS) for n in (stream(l), f"blocks.{l}.hook_attn_out", f"blocks.{l}.hook_mlp_out")] + [stream(LAYERS)]
    with open(os.path.join(FOLDER, "groups.sites.json"), "w") as f:
        sites = {"tokens": "input_ids", "logits": "logits", "sites": {n: n for n in names}, "n_heads": fm.HEADS, "n_ctx": POSITIONS}
        json.dump(sites, f, indent=1)
        f.write("\n")
    with open(os.path.join(FOLDER, "groups.golden.json"), "w") as f:
        content = fm.rounded(fm.golden(model, MAPS["llama"], names))
        f.write("{\n" + ",\n".join(f' "{k}": {json.dumps(v)}' for k, v in content.items()) + "\n}\n")


if __name__ == "__main__":
    main()
