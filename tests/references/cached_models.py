#!/usr/bin/env python3
"""Writes the models of foreign_models.py to tests/OnnxAttribution.Tests/Goldens/onnx as exporters write them for generation.

    OMP_WAIT_POLICY=passive /usr/bin/python3 tests/references/cached_models.py

Environment as for foreign_models.py, whose weights, site names and goldens those with past in their names share: keys and values of
earlier tokens come in and go out, named as optimum names them (past_key_values.0.key, present.0.key). llama-past takes a mask and positions
too, llama-mask-past makes its mask as newer versions of transformers do, by assigning to a part of it, and gpt2-past counts positions from
how many tokens have passed; all are traced by PyTorch's exporter. llama-merged has both of optimum's
decoders as branches of one If. fp16-llama and bf16-neox are what half precision makes of such graphs: weights, constants, inputs and
outputs of 16 bits, softmax in float32, as Hugging Face's models have it. Their goldens are of the rounded weights, in float64.
"""
import json
import os
import sys

import numpy as np
import onnx
import onnx.helper as h
import torch
from onnx import TensorProto, numpy_helper

import foreign_models as fm
from foreign_models import FOLDER, LAYERS, MAPS, POSITIONS, VOCAB, rotate_half

sys.path.insert(0, os.path.join(fm.HERE, "..", "..", "export-scripts"))
from export_torch import site_map, watch

KINDS = ("resid_pre", "attn_out", "mlp_out", "resid_post")


# ---------------------------------------------------------------- models that remember

class Gpt2Attention(fm.Gpt2Attention):
    def forward(self, x, past):
        width = x.size(-1)
        q, k, v = self.c_attn(x).split(width, dim=2)
        heads = lambda t: t.view(t.size()[:-1] + (fm.HEADS, width // fm.HEADS)).permute(0, 2, 1, 3)
        q, k, v = heads(q), torch.cat((past[0], heads(k)), dim=-2), torch.cat((past[1], heads(v)), dim=-2)
        scores = torch.matmul(q, k.transpose(-1, -2)) / (width // fm.HEADS) ** 0.5
        t_q, t_k = q.size(-2), k.size(-2)
        mask = self.bias[:, :, t_k - t_q:t_k, :t_k].to(torch.bool)
        scores = torch.where(mask, scores, torch.full([], torch.finfo(scores.dtype).min, dtype=scores.dtype))
        z = torch.matmul(scores.softmax(-1), v).permute(0, 2, 1, 3).contiguous()
        return self.resid_dropout(self.c_proj(z.view(z.size()[:-2] + (width,)))), (k, v)


class Gpt2Block(fm.Gpt2Block):
    def __init__(self):
        super().__init__()
        self.attn = Gpt2Attention()

    def forward(self, x, past):
        attn, present = self.attn(self.ln_1(x), past)
        x = attn + x
        return x + self.mlp(self.ln_2(x)), present


class Gpt2(fm.Gpt2):
    def __init__(self):
        super().__init__()
        for l in range(LAYERS):
            self.transformer["h"][l] = Gpt2Block()

    def forward(self, input_ids, past):
        passed = past[0][0].size(-2)
        positions = torch.arange(passed, input_ids.size(-1) + passed, dtype=torch.long).unsqueeze(0)
        x = self.transformer["wte"](input_ids) + self.transformer["wpe"](positions)
        presents = []
        for block, p in zip(self.transformer["h"], past):
            x, present = block(x, p)
            presents.append(present)
        return self.lm_head(self.transformer["ln_f"](x)), presents


class LlamaAttention(fm.LlamaAttention):
    def forward(self, x, mask, cos, sin, past):
        width = fm.WIDTH // fm.HEADS
        b, t, _ = x.size()
        heads = lambda y: y.view(b, t, -1, width).transpose(1, 2)
        turn = lambda y: y * cos + rotate_half(y) * sin
        q, k, v = heads(self.q_proj(x)), heads(self.k_proj(x)), heads(self.v_proj(x))
        k, v = torch.cat((past[0], turn(k)), dim=2), torch.cat((past[1], v), dim=2)
        n, groups = k.size(2), fm.HEADS // self.KEYS
        spread = lambda y: y[:, :, None, :, :].expand(b, self.KEYS, groups, n, width).reshape(b, fm.HEADS, n, width)
        scores = torch.matmul(turn(q), spread(k).transpose(2, 3)) / width ** 0.5 + mask
        z = torch.matmul(scores.softmax(-1), spread(v)).transpose(1, 2).contiguous().reshape(b, t, fm.WIDTH)
        return self.o_proj(z), (k, v)


class LlamaBlock(fm.LlamaBlock):
    def __init__(self):
        super().__init__()
        self.self_attn = LlamaAttention()

    def forward(self, x, mask, cos, sin, past):
        attn, present = self.self_attn(self.input_layernorm(x), mask, cos, sin, past)
        x = x + attn
        return x + self.mlp(self.post_attention_layernorm(x)), present


class Llama(fm.Llama):
    def __init__(self):
        super().__init__()
        for l in range(LAYERS):
            self.model.layers[l] = LlamaBlock()
        cos, sin = fm.angles(POSITIONS, fm.WIDTH // fm.HEADS)
        self.register_buffer("cos", cos)
        self.register_buffer("sin", sin)

    def forward(self, input_ids, attention_mask, position_ids, past):
        x = self.model.embed_tokens(input_ids)
        mask = self.mask(x, attention_mask, past[0][0].size(2))
        cos, sin = self.cos[position_ids].unsqueeze(1), self.sin[position_ids].unsqueeze(1)
        presents = []
        for block, p in zip(self.model.layers, past):
            x, present = block(x, mask, cos, sin, p)
            presents.append(present)
        return self.lm_head(self.model.norm(x)), presents

    def mask(self, x, attention_mask, passed):
        t, least = x.size(1), torch.finfo(x.dtype).min
        # what comes later, behind columns for what has passed; and what the mask leaves out
        later = torch.triu(torch.full((t, t), least, dtype=x.dtype), diagonal=1)
        later = torch.cat((torch.zeros(t, passed, dtype=x.dtype), later), dim=-1)[None, None, :, :]
        hidden = 1.0 - attention_mask[:, None, None, :].expand(x.size(0), 1, t, passed + t).to(x.dtype)
        return later.masked_fill(hidden.to(torch.bool), least)


class MaskedLlama(Llama):
    def mask(self, x, attention_mask, passed):
        t, total, least = x.size(1), attention_mask.size(-1), torch.finfo(x.dtype).min
        mask = torch.triu(torch.full((t, total), least, dtype=x.dtype), diagonal=1)
        mask = mask * (torch.arange(total) > torch.arange(passed, passed + t).reshape(-1, 1))
        mask = mask[None, None, :, :].expand(x.size(0), 1, -1, -1).clone()
        hidden = mask[:, :, :, :total] + attention_mask[:, None, None, :]
        mask[:, :, :, :total] = mask[:, :, :, :total].masked_fill(hidden == 0, least)
        return mask[:, :, :, :passed + t]


class Remembering(torch.nn.Module):
    """From token ids and what goes with them to (logits, presents, every hook's tensor)."""

    def __init__(self, model, places):
        super().__init__()
        self.model, self.record = model, {}
        self.names, self.handles = watch(model, places, KINDS, self.record)

    def forward(self, *inputs):
        self.record.clear()
        further, past = inputs[:-2 * LAYERS], inputs[-2 * LAYERS:]
        logits, presents = self.model(*further, list(zip(past[::2], past[1::2])))
        return (logits, *(p for pair in presents for p in pair), *(self.record[n] for n in self.names))


def export(model, places, name, inputs, heads):
    """inputs: names besides the past's, of integers [batch, position]."""
    module = Remembering(model, places).eval()
    width, passed, t = fm.WIDTH // fm.HEADS, 3, 4
    past = [f"past_key_values.{l}.{kind}" for l in range(LAYERS) for kind in ("key", "value")]
    presents = [p.replace("past_key_values", "present") for p in past]
    values = {"input_ids": torch.arange(2 * t).reshape(2, t), "attention_mask": torch.ones(2, passed + t, dtype=torch.long),
              "position_ids": torch.arange(passed, passed + t).repeat(2, 1)}
    arguments = (*(values[n] for n in inputs), *(torch.randn(2, heads, passed, width) for _ in past))
    axes = {n: {0: "batch_size", 1: "past_sequence_length + 1" if n == "attention_mask" else "sequence_length"} for n in inputs}
    axes |= {p: {0: "batch_size", 2: "past_sequence_length"} for p in past}
    axes |= {p: {0: "batch_size", 2: "past_sequence_length + 1"} for p in presents}
    axes |= {n: {0: "batch_size", 1: "sequence_length"} for n in ["logits", *module.names]}
    path = os.path.join(FOLDER, f"{name}.onnx")
    with torch.no_grad():
        torch.onnx.export(module, arguments, path, input_names=[*inputs, *past], output_names=["logits", *presents, *module.names],
                          dynamic_axes=axes, opset_version=16)
    for handle in module.handles:
        handle.remove()
    graph = onnx.load(path)
    for output in [o for o in graph.graph.output if o.name in module.names]:
        graph.graph.output.remove(output)   # no exporter gives these; the tensors keep their names
    save(graph, path)
    return module.names


def save(model, path):
    onnx.save(model, path)
    print(path, os.path.getsize(path))


# ---------------------------------------------------------------- both decoders in one graph

def merged():
    """As optimum merges decoder_model.onnx and decoder_with_past_model.onnx: shared weights, two branches with names of their own."""
    plain, past = (onnx.load(os.path.join(FOLDER, f"llama-{n}.onnx")) for n in ("17", "past"))
    tensors, branches = {}, []
    outputs = [o.name for o in past.graph.output]
    for model, prefix in ((past, "with_past/"), (plain, "no_past/")):
        renamed = {t.name: t.name if t.name in dict(past_weights(past)) else prefix + t.name for t in model.graph.initializer}
        for t in model.graph.initializer:
            tensors[renamed[t.name]] = t
        nodes = []
        for node in model.graph.node:
            node.input[:] = [renamed.get(i, i) for i in node.input]
            nodes.append(node)
        if model is plain:   # what it does not make, it makes up: keys and values of no tokens
            for name in outputs[1:]:
                constant = numpy_helper.from_array(np.zeros((1, 2, 0, 2), np.float32), f"{name}/none")
                nodes.append(h.make_node("Constant", [], [name], name=f"{name}/none", value=constant))
        branches.append(h.make_graph(nodes, prefix.strip("/"), [], [o for o in past.graph.output]))
    node = h.make_node("If", ["use_cache_branch"], outputs, name="optimum::if", then_branch=branches[0], else_branch=branches[1])
    for name, tensor in tensors.items():
        tensor.name = name
    inputs = [*past.graph.input, h.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])]
    graph = h.make_graph([node], "merged", inputs, list(past.graph.output), list(tensors.values()))
    save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), os.path.join(FOLDER, "llama-merged.onnx"))


def past_weights(model):
    return [(t.name, t) for t in model.graph.initializer if t.name.startswith(("model.", "lm_head."))]


# ---------------------------------------------------------------- half precision

def rounded(array, bits):
    """float32 numbers as 16 bits hold them: the bits, and their values."""
    array = np.ascontiguousarray(array, np.float32)
    if bits == TensorProto.FLOAT16:
        half = np.clip(array, -65504, 65504).astype(np.float16)
        return half.view(np.uint16), half.astype(np.float32)
    words = array.view(np.uint32).astype(np.uint64)
    upper = np.minimum((words + 0x7FFF + ((words >> 16) & 1)) >> 16, np.where(words >> 31, 0xFF7F, 0x7F7F)).astype(np.uint16)
    return upper, (upper.astype(np.uint32) << 16).view(np.float32)


def halved(model, bits):
    """Every float32 of a graph becomes one of 16 bits; softmax and what it reads stay in float32."""
    def tensor(t):
        if t.data_type != TensorProto.FLOAT:
            return
        raw, _ = rounded(numpy_helper.to_array(t), bits)
        shape, name = list(t.dims), t.name
        t.Clear()
        t.name, t.data_type, t.raw_data = name, bits, raw.tobytes()
        t.dims.extend(shape)
    graph = model.graph
    for t in graph.initializer:
        tensor(t)
    nodes = []
    for node in graph.node:
        for a in node.attribute:
            if a.HasField("t"):
                tensor(a.t)
            if node.op_type == "Cast" and a.name == "to" and a.i == TensorProto.FLOAT:
                a.i = bits
        if node.op_type != "Softmax":
            nodes.append(node)
            continue
        read, made = node.input[0], node.output[0]
        node.input[0], node.output[0] = f"{made}/in", f"{made}/out"
        nodes += [h.make_node("Cast", [read], [node.input[0]], name=f"{node.name}/single", to=TensorProto.FLOAT), node,
                  h.make_node("Cast", [node.output[0]], [made], name=f"{node.name}/half", to=bits)]
    del graph.node[:]
    graph.node.extend(nodes)
    for info in [*graph.input, *graph.output, *graph.value_info]:
        if info.type.tensor_type.elem_type == TensorProto.FLOAT:
            info.type.tensor_type.elem_type = bits
    return model


def round_weights(model, bits):
    with torch.no_grad():
        for p in [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]:
            p.copy_(torch.from_numpy(rounded(p.numpy(), bits)[1].reshape(p.shape)))
    return model


def write_golden(name, model, places, names):
    class Config:
        num_attention_heads, max_position_embeddings = fm.HEADS, POSITIONS
    with open(os.path.join(FOLDER, f"{name}.sites.json"), "w") as f:
        json.dump(site_map(names, Config), f, indent=1)
        f.write("\n")
    with open(os.path.join(FOLDER, f"{name}.golden.json"), "w") as f:
        content = fm.rounded(fm.golden(model, places, names))
        f.write("{\n" + ",\n".join(f' "{k}": {json.dumps(v)}' for k, v in content.items()) + "\n}\n")


def half_llama():
    """Two heads of four entries: √4 is exact in 16 bits, as no √2 is."""
    fm.HEADS, fm.LlamaAttention.KEYS = 2, 1
    exact, places = fm.angles, MAPS["llama"]
    fm.angles = lambda length, width: tuple(torch.from_numpy(rounded(a.numpy(), TensorProto.FLOAT16)[1].reshape(a.shape))
                                            for a in exact(length, width))
    names = export(fm.randomize(Llama(), 6), places, "fp16-llama", ["input_ids", "attention_mask", "position_ids"], 1)
    path = os.path.join(FOLDER, "fp16-llama.onnx")
    save(halved(onnx.load(path), TensorProto.FLOAT16), path)
    write_golden("fp16", round_weights(fm.randomize(fm.Llama(), 6), TensorProto.FLOAT16), places, names)
    fm.HEADS, fm.LlamaAttention.KEYS, fm.angles = 4, 2, exact


def half_neox():
    exact, places = fm.angles, MAPS["gpt_neox"]
    path = os.path.join(FOLDER, "bf16-neox.onnx")
    fm.angles = lambda length, width: tuple(torch.from_numpy(rounded(a.numpy(), TensorProto.BFLOAT16)[1].reshape(a.shape))
                                            for a in exact(length, width))
    fixed = fm.angles(POSITIONS, fm.NeoXAttention.TURNED)
    # angles from a table, rounded as weights are: computed in the graph they would be in float32
    fm.angles = lambda length, width: tuple(a[:length].to(torch.float32) for a in fixed)
    model = fm.randomize(fm.NeoX(), 7)
    names = fm.export(model, places, path, kinds=KINDS, opset=16, dynamo=False)
    save(halved(onnx.load(path), TensorProto.BFLOAT16), path)
    write_golden("bf16", round_weights(model, TensorProto.BFLOAT16), places, names)
    fm.angles = exact


def main():
    torch.set_num_threads(1)
    export(fm.randomize(Gpt2(), 1), MAPS["gpt2"], "gpt2-past", ["input_ids"], fm.HEADS)
    export(fm.randomize(Llama(), 2), MAPS["llama"], "llama-past", ["input_ids", "attention_mask", "position_ids"], fm.LlamaAttention.KEYS)
    export(fm.randomize(MaskedLlama(), 2), MAPS["llama"], "llama-mask-past", ["input_ids", "attention_mask", "position_ids"],
           fm.LlamaAttention.KEYS)
    merged()
    half_llama()
    half_neox()


if __name__ == "__main__":
    main()
