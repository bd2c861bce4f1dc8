#!/usr/bin/env python3
"""src/OnnxAttribution/Verification/expected.json: what `verify` expects. Needs no PyTorch.

    python3 tests/references/expected_numbers.py

It also writes Goldens/verify-random2.json: the same kinds of steps on a small checkpoint with dictionaries.
models/tiny: numbers of the goldens, which PyTorch made in float64. GPT-2 and res-jb: numbers of public texts, as they print them:
U is Udell, Causal Graphs of GPT-2-Small's Residual Stream (2024); T is TransformerLens's exploratory analysis demo.
"""
import json
import math
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDENS = os.path.join(HERE, "../OnnxAttribution.Tests/Goldens")
OUT = os.path.join(HERE, "../../src/OnnxAttribution/Verification/expected.json")
PROMPT = ["--prompt", "Copyright (C", "--target", ")"]
SHORT = {"hook_resid_pre": "", "hook_attn_out": ".attn", "hook_mlp_out": ".mlp", "hook_resid_post": ".resid_post"}


class Golden:
    def __init__(self, name):
        with open(os.path.join(GOLDENS, name, "case.json")) as f:
            self.about = json.load(f)
        with open(os.path.join(GOLDENS, name, "golden.safetensors"), "rb") as f:
            data = f.read()
        size = struct.unpack("<Q", data[:8])[0]
        self.head, self.data = json.loads(data[8:8 + size]), data[8 + size:]

    def __getitem__(self, name):
        begin, end = self.head[name]["data_offsets"]
        return struct.unpack(f"<{(end - begin) // 8}d", self.data[begin:end])

    def shape(self, name):
        return self.head[name]["shape"]


def number(what, path, value, tolerance):
    return {"what": what, "path": path, "value": float(f"{value:.9g}"), "tolerance": float(f"{tolerance:.3g}")}


def text(what, path, value):
    return {"what": what, "path": path, "text": value}


def bound(what, path, least=None, most=None):
    return {"what": what, "path": path, **({} if least is None else {"at_least": least}), **({} if most is None else {"at_most": most})}


def step(name, source, command, *values):
    writes = {"writes": command[command.index("--out") + 1]} if "--out" in command else {}
    return {"id": name, "source": source, "command": command, **writes, "values": list(values)}


def node(site, position, feature):
    layer, kind = site.split(".")[1], SHORT[site.split(".", 2)[2]]
    return f"{layer}{kind}:{'error' if feature < 0 else feature}@{position}"


# ---------------------------------------------------------------- models/tiny

def effects(golden, key, count):
    """The strongest nodes: [(site, position, feature, effect)]."""
    found = [(s, int(p), int(f), e) for s in golden.about["sites"]
             for p, f, e in zip(golden[f"nodes/position/{s}"], golden[f"nodes/feature/{s}"], golden[f"{key}/effect/{s}"])]
    return sorted(found, key=lambda n: -abs(n[3]))[:count]


def queried(run, nodes, tolerance, source, name):
    where = " OR ".join(f"(site = '{s}' AND position = {p} AND feature = {f})" for s, p, f, _ in nodes)
    return step(name, source, ["query", run, f"SELECT site, position, feature, effect FROM nodes WHERE {where}", "--json"],
                *(number(f"effect of {node(s, p, f)}", [{"site": s, "position": p, "feature": f}, "effect"], e, tolerance * abs(e))
                  for s, p, f, e in nodes))


def edges(golden, count):
    found = []
    for up, down in golden.about["edges"]["pairs"]:
        key = f"atp/logit/edge/{up}->{down}"
        rows, columns = golden.shape(key)
        values = golden[key]
        at = {s: [int(i) for i in golden[f"edge_nodes/{s}"]] for s in (up, down)}
        ends = {s: list(zip(golden[f"nodes/position/{s}"], golden[f"nodes/feature/{s}"])) for s in (up, down)}
        for d in range(rows):
            for u in range(columns):
                found.append(((up, *map(int, ends[up][at[up][u]])), (down, *map(int, ends[down][at[down][d]])), values[d * columns + u]))
    return sorted((e for e in found if e[0][2] >= 0 and e[1][2] >= 0), key=lambda e: -abs(e[2]))[:count]


def queried_edges(run, found):
    ends = ["up_site", "up_position", "up_feature", "down_site", "down_position", "down_feature"]
    literal = lambda x: f"'{x}'" if isinstance(x, str) else str(x)
    where = " OR ".join("(" + " AND ".join(f"{c} = {literal(v)}" for c, v in zip(ends, [*u, *d])) + ")" for u, d, _ in found)
    return step("edges", "PyTorch, float64", ["query", run, f"SELECT {', '.join(ends)}, effect FROM edges WHERE {where}", "--json"],
                *(number(f"edge {node(*u)} to {node(*d)}", [dict(zip(ends, [*u, *d])), "effect"], e, 1e-3 * abs(e)) for u, d, e in found))


def tiny():
    whole, circuit, curve = Golden("tiny-all-zero"), Golden("tiny-circuit"), Golden("tiny-curve")
    given, active, estimators = Golden("tiny-set"), Golden("tiny-active"), Golden("tiny-estimators-zero")
    clean = whole.about["metric_values"]["logit"]["clean"]
    torch = "PyTorch, float64"
    graph = ["graph", "--model", "{work}/tiny", *PROMPT, "--refine", "off", "--all", "--no-page", "--json"]
    steps = [
        step("export", "models/tiny", ["export", "--checkpoint", "{model}", "--out", "{work}/tiny", "--json"],
             text("architecture", ["manifest", "architecture"], "gpt2"), number("layers", ["manifest", "n_layers"], 4, 0),
             number("sites", ["manifest", "sites", "#"], len(whole.about["sites"]), 0)),
        step("graph", torch, [*graph, "--heads", "--out", "{work}/graph"],
             *(number(f"token {i}", ["tokens", i], t, 0) for i, t in enumerate(whole.about["tokens"])),
             number("logit of ')'", ["clean_metric"], clean, 2e-4),
             number("its probability", ["target_probability"], whole.about["metric_values"]["prob"]["clean"], 1e-5),
             number("nodes", ["nodes"], sum(len(whole[f"nodes/position/{s}"]) for s in whole.about["sites"]), 0),
             bound("conservation: largest miss", ["conservation_violation"], most=1e-4)),
        queried("{work}/graph", effects(whole, "atp/logit", 6), 2e-4, torch, "nodes"),
        queried_edges("{work}/graph", edges(whole, 6)),
        step("exact", torch, [*graph, "--method", "exact", "--out", "{work}/exact"], number("logit of ')'", ["clean_metric"], clean, 2e-4)),
        queried("{work}/exact", effects(whole, "exact/logit", 6), 2e-4, torch, "exact-nodes"),
    ]
    for estimator in ("relp", "frozen"):
        steps += [step(estimator, torch, [*graph, "--estimator", estimator, "--out", f"{{work}}/{estimator}"],
                       bound("conservation: largest miss", ["conservation_violation"], most=1e-4)),
                  queried(f"{{work}}/{estimator}", effects(estimators, f"{estimator}/logit", 3), 5e-4, torch, f"{estimator}-nodes")]
    plan = circuit.about["circuit"]["plans"]["nodes-0"]["metric_values"]["logit"]
    nodes = ";".join(node(s, p, f) for s, p, f in circuit.about["circuit"]["nodes"])
    resid = ["--sites", ",".join(circuit.about["sites"])]
    ablate = ["ablate", "--model", "{work}/tiny", *PROMPT, "--controls", "1", "--json"]
    steps += [
        step("circuit", torch, [*ablate, "--circuit", nodes, *resid], number("logit with it ablated", ["prompts", 0, "ablated_metric"],
                                                                            plan, 5e-4)),
        step("set", torch, ["ablate", "--model", "{work}/tiny", *PROMPT, "--controls", "1", "--json", "--metric", "logprob", "--set",
                            ";".join(f"{s}:{f}={v}{'' if p is None else f'@{p}'}" for s, p, f, v in given.about["set"])],
             number("log-probability with features set", ["prompts", 0, "ablated_metric"], given.about["set_metrics"]["logprob"], 5e-4)),
    ]
    up, down = curve.about["curve"]["up"], curve.about["curve"]["down"]
    value = Golden("tiny-curve")
    steps += [curve_step(value, up, down), lens_step(), patch_step()]
    last, site = len(active.about["tokens"]) - 1, "blocks.3.hook_resid_pre"
    rows = [active[f"active/{site}"][i:i + 5] for i in range(0, len(active[f"active/{site}"]), 5)]
    top = sorted((r for r in rows if r[0] == last), key=lambda r: -r[3])[:3]
    steps += [
        step("active", torch, ["features", "--model", "{work}/tiny", "--prompt", active.about["prompt"], "--sites", "3.resid", "--json"],
             *(number(f"activation of 3:{int(r[1])}", ["features", {"feature": int(r[1])}, "activation"], r[2], 1e-4 * r[2]) for r in top),
             *(number(f"length of what 3:{int(r[1])} writes", ["features", {"feature": int(r[1])}, "norm"], r[3], 1e-4 * r[3])
               for r in top)),
        step("validate", "with every node exact, nothing is left", ["validate", "{work}/exact", "--sample", "20", "--json"],
             bound("Pearson of nodes", ["validation", "nodes", "pearson"], least=0.9999)),
        step("faithfulness", "definition: everything kept is the model",
             ["ablate", "--model", "{work}/tiny", *PROMPT, "--faithfulness", "{work}/graph", "--controls", "1", "--json"],
             number("faithfulness of all nodes", ["curves", -1, "faithfulness"], 1, 1e-3)),
        step("ablate", torch, ["ablate", "--model", "{work}/tiny", *PROMPT, "--sites", "resid", "--no-page", "--out", "{work}/ablated",
                               "--json"], number("logit of ')'", ["clean_metric"], clean, 2e-4)),
        step("heads", "definition: heads share an edge out", ["heads", "{work}/graph", "--json"], bound("heads", ["heads", "#"], least=1)),
        step("compare", "definition: a run with itself", ["compare", "{work}/graph", "{work}/graph", "--json"],
             number("Spearman of nodes", ["nodes", "spearman"], 1, 1e-9), number("nodes in one only", ["nodes", "only_a"], 0, 0)),
        step("view", "it draws", ["view", "{work}/graph", "--format", "svg", "--out", "{work}/graph.svg"]),
        step("sae-check", "models/tiny/README.md", ["sae", "check", "--model", "{work}/tiny", "--sites", "3.resid", "--loss-tokens", "0",
                                                    "--json"],
             number("L0 of TopK 32", ["sites", 0, "fit", "l0"], 32, 0),
             bound("variance explained", ["sites", 0, "fit", "variance_explained"], least=0.9)),
        step("dataset", "three prompts", ["graph", "--model", "{work}/tiny", "--prompts", "{work}/prompts.jsonl", "--refine", "off",
                                          "--out", "{work}/dataset", "--json"],
             text("state", ["state"], "whole"), number("prompts", ["prompts"], 3, 0)),
        step("cluster", "three prompts", ["cluster", "{work}/dataset", "--clusters", "2", "--json"],
             number("clusters", ["cluster_count"], 2, 0)),
        step("merge", "three prompts", ["merge", "{work}/dataset", "--out", "{work}/merged", "--json"], number("parts", ["parts"], 1, 0)),
    ]
    prompts = [{"prompt": "Copyright (C", "target": ")", "id": "a"}, {"prompt": "Copyright [C", "target": "]", "id": "b"},
               {"prompt": "see (a", "target": ")", "id": "c"}]
    return {"name": "tiny", "needs": ["model"], "files": {"prompts.jsonl": "".join(json.dumps(p) + "\n" for p in prompts)}, "steps": steps}


def lens_step():
    lens = Golden("tiny-lens")
    halves, last = lens.about["halves"], len(lens.about["tokens"]) - 1
    readings, summands = lens["logit/final"], lens["logit/summands"]
    strongest = sorted(range(len(summands)), key=lambda i: -abs(summands[i]))[:3]
    names = [*lens.about["entering"], *(f"{l}.{kind}" for l in range(4) for kind in ("attn", "mlp")), "norm_bias"]
    assert len(names) == len(summands)
    return step("lens", "PyTorch, float64", ["lens", "--model", "{work}/tiny", "--prompt", lens.about["prompt"], "--target", ")", "--json"],
                *(number(f"logit less its mean at {s}", ["readings", {"site": s, "position": last}, "value"],
                         readings[i * (last + 1) + last], 2e-4) for i, s in enumerate(halves)),
                *(number(f"of it {names[i]}", ["summands", {"name": names[i]}, "value"], summands[i], 2e-4) for i in strongest),
                bound("sum less metric", ["miss"], least=-1e-4, most=1e-4))


def patch_step():
    golden = Golden("tiny-patching")
    tokens, clean, corrupted = len(golden.about["tokens"]), golden["clean"][0], golden["corrupted"][0]
    values = []
    for what, hook in (("resid", "hook_resid_pre"), ("z", "attn.hook_z")):
        found, estimates = golden[f"denoising/{what}/metric"], golden[f"denoising/{what}/estimate"]
        width = golden.shape(f"denoising/{what}/metric")[1]
        for i in sorted(range(len(found)), key=lambda i: -abs(found[i] - corrupted))[:3]:
            layer, place = divmod(i, width)
            at = {"what": what, "layer": layer, "position" if what == "resid" else "head": place}
            score = lambda m: (m - corrupted) / (clean - corrupted)
            name = f"{what} of layer {layer} at {place}" if what == "resid" else f"z of head {layer}.{place}"
            values += [number(f"score, {name}", ["strongest", at, "score"], score(found[i]), 1e-4),
                       number(f"estimate, {name}", ["strongest", at, "estimated_score"], estimates[i] / (clean - corrupted), 1e-4)]
    return step("patch", "PyTorch, float64",
                ["patch", "--model", "{work}/tiny", "--prompt", golden.about["prompt"], "--patch-prompt", golden.about["patch_prompt"],
                 "--target", ")", "--foil", "O", "--what", "resid,z", "--estimate", "--top", str(8 * tokens), "--json"],
                number("clean", ["clean_metric"], clean, 2e-4), number("corrupted", ["corrupted_metric"], corrupted, 2e-4), *values)


def curve_step(golden, up, down):
    coefficients = golden.about["curve"]["coefficients"]
    key = next(k for k in golden.head if k.startswith("curve/") and "activation" in k)
    values, length = golden[key], golden.shape(key)[-1]
    name = lambda end: node(end[0], 0, end[1]).split("@")[0]
    return step("curve", "PyTorch, float64",
                ["ablate", "--model", "{work}/tiny", "--prompt", "Copyright (C", "--up", name(up), "--down", name(down), "--position",
                 str(length - 1), f"--coefficients={','.join(map(str, coefficients))}", "--json"],
                *(number(f"{name(down)} at {c} times {name(up)}", ["points", i, "activation"], values[i * length + length - 1], 1e-3)
                  for i, c in enumerate(coefficients)))


# ---------------------------------------------------------------- GPT-2-small

def shares(name, source, prompt, expected, bos, tolerance):
    command = ["graph", "--model", "{work}/gpt2", "--prompt", prompt, "--prepend-bos", bos, "--sites", "0.resid", "--refine", "off",
               "--top-nodes", "1", "--no-page", "--out", f"{{work}}/{name}", "--json"]
    return step(name, source, command, *(number(f"share of {token!r}", ["top_tokens", {"token": token}, "probability"], p / 100, tolerance)
                                         for token, p in expected.items()))


def ioi():
    pairs = [(" Mary", " John", "When John and Mary went to the shops,{} gave the bag to"),
             (" Tom", " James", "When Tom and James went to the park,{} gave the ball to"),
             (" Dan", " Sid", "When Dan and Sid went to the shops,{} gave an apple to"),
             (" Martin", " Amy", "After Martin and Amy went to the park,{} gave a drink to")]
    differences = iter([3.337, 3.202, 2.709, 3.797, 1.720, 5.281, 2.601, 5.767])
    for i, (a, b, template) in enumerate(pairs):
        for j, (answer, other) in enumerate([(a, b), (b, a)]):
            name = f"ioi-{2 * i + j}"
            yield step(name, "T", ["graph", "--model", "{work}/gpt2", "--prompt", template.format(other), "--prepend-bos", "true",
                                   "--metric", "logit-diff", "--target", answer, "--foil", other, "--sites", "0.resid", "--refine", "off",
                                   "--top-nodes", "1", "--no-page", "--out", f"{{work}}/{name}", "--json"],
                       number("tokens", ["tokens", "#"], 15, 0), number("logit difference", ["clean_metric"], next(differences), 0.003))


def gpt2():
    steps = [
        step("export", "Hugging Face", ["export", "--checkpoint", "{checkpoint}", "--out", "{work}/gpt2"]),
        shares("copyright", "U", "Copyright (C", {")": 82.3, "VS": .9, "AL": .6, "IR": .5, ")(": .5, "BD": .4, "SP": .4, "BN": .4},
               "false", 6e-4),
        shares("lisp", "U", "In a Lisp dialect, every expression begins with ( and ends with",
               {" )": 42.2, " ).": 14.9, " ),": 4.8, ".": 3.8, ",": 3.0, " a": 1.8, " ;": 1.8, " (": 1.7}, "false", 6e-4),
        shares("report", "U", "<|endoftext|>According to a new report from C",
               {"NET": 14.9, "iti": 10.4, "rain": 6.1, "-": 3.6, "og": 3.0, "Net": 2.8, "IO": 2.4, "Q": 2.0}, "false", 6e-4),
        shares("investment", "U", "<|endoftext|>Foreign Direct Investment (F", {"DI": 99.9}, "false", 6e-4),
        shares("bottle", "T", "After John and Mary went to the store, John gave a bottle of milk to",
               {" Mary": 70.07, " the": 4.67, " John": 4.54, " them": 4.11, " his": 2.73, " her": 1.24, " a": .74, " their": .73,
                " Jesus": .49, " him": .42}, "true", 2e-4),
        *ioi(),
    ]
    steps[5]["values"] += [number("tokens", ["tokens", "#"], 17, 0), text("likeliest", ["top_tokens", 0, "token"], " Mary")]
    return {"name": "gpt2", "needs": ["checkpoint"], "steps": steps}


# ---------------------------------------------------------------- res-jb: the controls of U, whose set-up is told by no text

CONTROLS = {
    "lisp": ("In a Lisp dialect, every expression begins with ( and ends with", range(3, 8),
             {".": 3.4, ",": 1.6, "):": .5, "\n": .5, ");": .5, ")": .4, ":": .4, ").": .4},
             {" )": -3.0, " ).": -2.3, " .)": -1.2, " ),": -.9, " (": -.4, " --": -.3, " -": -.3, " ++": -.2}),
    "report": ("<|endoftext|>According to a new report from C", range(3, 10),
               {"Q": 7.9, "red": 5.4, "AG": 5.2, "ough": 3.2, "FO": 2.7, "&": 2.2, "GA": 1.7, "RS": 1.5},
               {"NET": -14.8, "rain": -4.9, "-": -2.9, "Net": -2.7, "iti": -1.9, "IO": -1.6, "TV": -1.5, "NA": -.9}),
    "report-wide": ("<|endoftext|>According to a new report from C", range(1, 11),
                    {"AG": 11.9, "ough": 5.4, "Q": 5.1, "red": 4.2, "MA": 3.2, "uts": 3.0, "&": 2.8, "ut": 1.6},
                    {"NET": -14.9, "iti": -6.2, "rain": -5.7, "-": -3.0, "Net": -2.7, "IO": -2.1, "TV": -1.6, "oint": -.9}),
    "investment": ("<|endoftext|>Foreign Direct Investment (F", range(4, 11), {"DF": .6, "OD": .2, "ID": .2, "D": .1}, {"DI": -1.5}),
}
SETUPS = {"centred": [], "raw": ["--not-as-trained"]}


def res_jb():
    steps = []
    for setup, options in SETUPS.items():
        steps.append(step(f"export-{setup}", "Hugging Face", ["export", "--checkpoint", "{checkpoint}", "--dictionaries", "{dictionaries}",
                                                              "--out", f"{{work}}/{setup}", "--no-check", *options]))
        for bos in ("false", "true"):
            for name, (prompt, layers, up, down) in CONTROLS.items():
                command = ["ablate", "--model", f"{{work}}/{setup}", "--prompt", prompt, "--prepend-bos", bos, "--sites", "resid",
                           "--circuit", ";".join(f"{l}:0" for l in layers), "--controls", "0", "--json"]
                values = [number(f"change of the share of {token!r}", ["prompts", 0, "circuit", side, {"token": token}, "change"],
                                 p / 100, 6e-4)
                          for side, tokens in (("up", up), ("down", down)) for token, p in tokens.items()]
                steps.append(step(f"{name}-{setup}-{'one-more-bos' if bos == 'true' else 'as-written'}", "U, footnotes 4 to 7", command,
                                  *values))
    return {"name": "res-jb", "needs": ["checkpoint", "dictionaries"], "is_reported": True, "steps": steps}


# ---------------------------------------------------------------- a small checkpoint, for the tests of what needs GPT-2's

def softmax(logits):
    most = max(logits)
    e = [math.exp(x - most) for x in logits]
    return [x / sum(e) for x in e]


def random2():
    circuit = Golden("random2-circuit-all")
    about, torch = circuit.about, "PyTorch, float64"
    vocabulary = circuit.shape("logits")[-1]
    row = lambda values: softmax(values[about["position"] * vocabulary:][:vocabulary])
    clean, plan = row(circuit["logits"]), "features-0"
    after = row(circuit[f"circuit/{plan}/logits"])
    listed = ";".join(f"{s}:{i}" for s, i in about["circuit"]["features"])
    moved = sorted(range(vocabulary), key=lambda t: -abs(after[t] - clean[t]))[:6]
    asked = ["--model", "{work}/m", "--prompt", about["prompt"]]
    return {"name": "random2", "needs": ["checkpoint", "dictionaries"], "steps": [
        step("export", "random weights", ["export", "--checkpoint", "{checkpoint}", "--dictionaries", "{dictionaries}", "--out", "{work}/m",
                                          "--no-check"]),
        step("next", torch, ["graph", *asked, "--refine", "off", "--top-nodes", "1", "--no-page", "--out", "{work}/g", "--json"],
             *(number(f"token {t}", ["top_tokens", {"id": t}, "probability"], clean[t], 1e-5) for t in about["top"])),
        step("controls", torch, ["ablate", *asked, "--circuit", listed, "--controls", "0", "--json"],
             *(number(f"change of token {t}", ["prompts", 0, "circuit", "up" if after[t] > clean[t] else "down", {"id": t}, "change"],
                      after[t] - clean[t], 2e-5) for t in moved)),
    ]}


def write(place, groups):
    assert all(math.isfinite(v.get("value", 0)) for g in groups for s in g["steps"] for v in s["values"])
    with open(place, "w", encoding="utf-8") as f:
        json.dump({"groups": groups}, f, indent=1, ensure_ascii=False)
        f.write("\n")


if __name__ == "__main__":
    write(OUT, [tiny(), gpt2(), res_jb()])
    write(os.path.join(GOLDENS, "verify-random2.json"), [random2()])
