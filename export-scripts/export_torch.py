#!/usr/bin/env python3
"""Any Hugging Face causal language model -> model.onnx with named sites, and sites.json, for `onnx-attribution export --onnx`.

    python3 export-scripts/export_torch.py --model gpt2 --out exported/gpt2
    onnx-attribution export --onnx exported/gpt2/model.onnx --sites exported/gpt2/sites.json --out models/gpt2-torch

Needs torch and transformers (the model's own code runs; nothing of it is copied).

Steps:
1. A map says which modules of the model make which TransformerLens hook (MAPS, or --sites-map for a model that is not in it).
2. Forward hooks on these modules collect their tensors while the exporter traces; as further outputs of the graph, under the
   hooks' names, the tensors that the model itself goes on with keep these names.
3. torch.onnx.export writes the graph (with dynamo=True where torch has it), sites.json says which tensor is which site.
"""
import argparse
import inspect
import json
import os
import sys

# Where a model keeps what makes its hooks. blocks: the list of blocks. In a block: attn and mlp, modules whose output is what the
# sublayer adds; z, the module whose input is the heads' output; mid, the module whose input is the residual stream between the
# sublayers (absent where these run in parallel). final: the module whose input is the last residual stream.
MAPS = {
    "gpt2": {"blocks": "transformer.h", "attn": "attn", "mlp": "mlp", "z": "attn.c_proj", "mid": "ln_2", "final": "transformer.ln_f"},
    "gptj": {"blocks": "transformer.h", "attn": "attn", "mlp": "mlp", "z": "attn.out_proj", "final": "transformer.ln_f"},
    "gpt_neox": {
        "blocks": "gpt_neox.layers", "attn": "attention", "mlp": "mlp", "z": "attention.dense", "final": "gpt_neox.final_layer_norm"},
    "llama": {
        "blocks": "model.layers", "attn": "self_attn", "mlp": "mlp", "z": "self_attn.o_proj", "mid": "post_attention_layernorm",
        "final": "model.norm"},
    "gemma2": {
        "blocks": "model.layers", "attn": "post_attention_layernorm", "mlp": "post_feedforward_layernorm", "z": "self_attn.o_proj",
        "mid": "pre_feedforward_layernorm", "final": "model.norm"},
    "phi": {"blocks": "model.layers", "attn": "self_attn", "mlp": "mlp", "z": "self_attn.dense", "final": "model.final_layernorm"},
}
for name in ("mistral", "qwen2", "qwen3", "gemma", "smollm3", "olmo"):
    MAPS[name] = MAPS["llama"]
MAPS["gemma3_text"] = MAPS["gemma2"]
REQUIRED, OPTIONAL = ("blocks", "attn", "mlp", "final"), ("z", "mid")
KEYS = f"{', '.join(REQUIRED)} and optionally {', '.join(OPTIONAL)}"
KINDS = ("resid_pre", "attn_out", "mlp_out", "resid_post", "resid_mid", "z")


class Failure(Exception):
    """What is wrong and how to fix it, in one line."""


def module_at(root, path, what):
    module = root
    for part in path.split("."):
        if not hasattr(module, part):
            raise Failure(f"{type(root).__name__} has no module '{path}' ({what}); give --sites-map a JSON file with keys {KEYS}")
        module = getattr(module, part)
    return module


def first(value):
    """What a module takes or yields first: modules pass tuples on."""
    return value[0] if isinstance(value, (tuple, list)) else value


def incoming(record, name):
    """A pre-hook; the tensor may come by name."""
    def hook(module, arguments, keywords):
        record[name] = arguments[0] if arguments else keywords.get("hidden_states", next(iter(keywords.values()), None))
    return hook


def watch_input(module, record, name):
    hook = incoming(record, name)
    if "with_kwargs" in inspect.signature(module.register_forward_pre_hook).parameters:
        return module.register_forward_pre_hook(hook, with_kwargs=True)
    return module.register_forward_pre_hook(lambda m, arguments: hook(m, arguments, {}))   # torch 1.13: positional arguments only


def watch_output(module, record, name):
    def hook(module, arguments, output):
        record[name] = first(output)
    return module.register_forward_hook(hook)


def watch(model, places, kinds, record):
    """Registers the hooks; returns the names of the hooks in the order of computation, and the handles."""
    names, handles = [], []
    blocks = module_at(model, places["blocks"], "blocks")
    for l, block in enumerate(blocks):
        wanted = {
            "resid_pre": lambda n: watch_input(block, record, n),
            "z": lambda n: watch_input(module_at(block, places["z"], "z"), record, n),
            "attn_out": lambda n: watch_output(module_at(block, places["attn"], "attn"), record, n),
            "resid_mid": lambda n: watch_input(module_at(block, places["mid"], "mid"), record, n),
            "mlp_out": lambda n: watch_output(module_at(block, places["mlp"], "mlp"), record, n),
        }
        for kind, register in wanted.items():
            if kind not in kinds or (kind == "z" and "z" not in places) or (kind == "resid_mid" and "mid" not in places):
                continue
            names.append(f"blocks.{l}.attn.hook_z" if kind == "z" else f"blocks.{l}.hook_{kind}")
            handles.append(register(names[-1]))
    if "resid_post" in kinds:
        names.append(f"blocks.{len(blocks) - 1}.hook_resid_post")
        handles.append(watch_input(module_at(model, places["final"], "final"), record, names[-1]))
    return names, handles


def logits_of(output):
    return output.logits if hasattr(output, "logits") else first(output)


def hooked(model, places, kinds):
    """A module from token ids to (logits, every hook's tensor)."""
    import torch

    class Hooked(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model
            self.record = {}
            self.names, self.handles = watch(model, places, kinds, self.record)
            self.options = {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}

        def forward(self, input_ids):
            self.record.clear()
            logits = logits_of(self.model(input_ids, **self.options))
            missing = [n for n in self.names if n not in self.record]
            if missing:
                raise Failure(f"no tensor was seen for {missing[0]}: its module does not run; fix --sites-map")
            return (logits, *(self.record[n] for n in self.names))

    return Hooked()


def export(model, places, path, kinds=("resid_pre", "attn_out", "mlp_out", "resid_post"), opset=None, dynamo=None, length=6):
    """Writes the ONNX file; returns the hooks' names."""
    import torch

    module = hooked(model, places, kinds).eval()   # the exporter restores the mode it finds
    tokens = torch.arange(2 * length).reshape(2, length)
    outputs = ["logits", *module.names]
    parameters = inspect.signature(torch.onnx.export).parameters
    if dynamo is None:
        dynamo = "dynamo" in parameters
    arguments = {"input_names": ["input_ids"], "output_names": outputs}
    if dynamo:
        batch, position = torch.export.Dim("batch"), torch.export.Dim("position")
        arguments |= {"dynamo": True, "dynamic_shapes": {"input_ids": {0: batch, 1: position}}, "opset_version": opset or 18}
        if "external_data" in parameters:
            arguments["external_data"] = True
    else:
        if "dynamo" in parameters:
            arguments["dynamo"] = False
        # 1.13 writes 17 at most; opset 14 is the first with triu
        newest = getattr(getattr(torch.onnx, "_constants", None), "ONNX_MAX_OPSET", 17)
        arguments |= {"dynamic_axes": {n: {0: "batch", 1: "position"} for n in ["input_ids", *outputs]}, "opset_version": opset or newest}
    try:
        with torch.no_grad():
            torch.onnx.export(module, (tokens,), path, **arguments)
    except RuntimeError as e:   # which the exporter's own errors are; Failure is none
        reason = next((line.strip() for line in str(e).splitlines() if line.strip()), type(e).__name__).rstrip(".")
        other = "--torchscript" if dynamo else "a newer torch"
        raise Failure(f"torch {torch.__version__} cannot export the model ({reason}); try another --opset, {other}, "
                      "or attention and activations of plain operators") from e
    finally:
        for handle in module.handles:
            handle.remove()
    return module.names


def site_map(names, config):
    """The content of sites.json."""
    get = lambda *keys: next((getattr(config, k) for k in keys if getattr(config, k, None) is not None), None)
    content = {"tokens": "input_ids", "logits": "logits", "sites": {n: n for n in names}}
    for key, value in (("n_heads", get("num_attention_heads", "n_head")), ("n_ctx", get("max_position_embeddings", "n_positions"))):
        if value is not None:
            content[key] = int(value)
    return content


def write_json(path, content):
    with open(path + ".part", "w", encoding="utf-8") as f:
        json.dump(content, f, indent=1)
        f.write("\n")
    os.replace(path + ".part", path)


def read_map(path):
    try:
        with open(path, encoding="utf-8") as f:
            places = json.load(f)
    except (OSError, ValueError) as e:
        raise Failure(f"{path} cannot be read as JSON ({e})") from e
    unknown = sorted(set(places) - set(REQUIRED) - set(OPTIONAL)) if isinstance(places, dict) else []
    missing = [k for k in REQUIRED if not isinstance(places, dict) or not isinstance(places.get(k), str)]
    if unknown or missing:
        wrong = f"has the unknown key '{unknown[0]}'" if unknown else f"lacks the key '{missing[0]}'"
        raise Failure(f"{path} {wrong}; its keys are {KEYS}")
    return places


def main():
    parser = argparse.ArgumentParser(
        description="Export a Hugging Face causal language model to ONNX with named sites, for 'onnx-attribution export --onnx'.",
        epilog="example: export_torch.py --model gpt2 --out exported/gpt2")
    parser.add_argument("--model", required=True, help="name on the Hugging Face hub, or a directory with config.json and weights")
    parser.add_argument("--out", required=True, help="directory for model.onnx, sites.json and the tokenizer's files")
    parser.add_argument("--sites-map", help=f"JSON file: where the model keeps its modules ({KEYS}); "
                        f"known without: {', '.join(sorted(MAPS))}")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["resid_pre", "attn_out", "mlp_out", "resid_post"],
                        help="which hooks become sites")
    parser.add_argument("--opset", type=int, help="ONNX operator set; default: 18, or 17 with torch 1.13")
    parser.add_argument("--torchscript", action="store_true", help="use the older exporter, by tracing, where torch has both")
    options = parser.parse_args()
    try:
        try:
            import torch  # noqa: F401
        except ImportError as e:
            raise Failure("torch is not installed; install it with 'pip install torch'") from e
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as e:
            raise Failure("transformers is not installed; install it with 'pip install transformers'") from e
        places = read_map(options.sites_map) if options.sites_map else None
        try:
            model = AutoModelForCausalLM.from_pretrained(options.model, attn_implementation="eager").float()
        except (OSError, ValueError) as e:
            raise Failure(f"{options.model} cannot be loaded ({str(e).splitlines()[0]}); "
                          "give --model a hub name or a directory with config.json and weights") from e
        places = places or MAPS.get(model.config.model_type)
        if places is None:
            raise Failure(f"models of type '{model.config.model_type}' are not known here ({', '.join(sorted(MAPS))}); give --sites-map")
        try:
            os.makedirs(options.out, exist_ok=True)
        except OSError as e:
            raise Failure(f"--out '{options.out}' cannot be made ({e.strerror}); choose a directory that is writable") from e
        path, dynamo = os.path.join(options.out, "model.onnx"), False if options.torchscript else None
        names = export(model, places, path, options.kinds, options.opset, dynamo)
        write_json(os.path.join(options.out, "sites.json"), site_map(names, model.config))
        try:
            AutoTokenizer.from_pretrained(options.model).save_pretrained(options.out)
        except (OSError, ValueError):
            print("no tokenizer was found; give 'onnx-attribution export --tokenizer DIR' one", file=sys.stderr)
        print(f"wrote {path} with {len(names)} sites")
    except Failure as e:
        print(f"export_torch.py: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
