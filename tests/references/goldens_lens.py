#!/usr/bin/env python3
"""Golden cases of the lens: readings of the residual stream, what its end is the sum of, and where a direction is written.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 tests/references/goldens_lens.py --tiny models/tiny

In float64, without any formula for the direction that is read: the model's own code runs with its last residual stream replaced and the
scale of its last norm set to the clean run's (`held`) or left to follow. A summand c adds metric(c) - metric(0). A head's part is its
attention with the other heads' outputs zeroed, the scale of a norm behind it held. Reads the models that goldens.py and
goldens_architectures.py leave.
"""
import argparse
import os

import numpy as np
import torch

import goldens_architectures
import goldens_sites
from goldens import Model, clear_prompt, plain_case

MODELS = ["random2", "random2-kinds", "random2-sites", "llama2", "neox2", "gemma2"]
TINY = "Copyright (C"


class Lens:
    def __init__(self, model, text):
        self.model, self.gpt, self.ids = model, model.gpt, model.tokens(text)
        self.cap = getattr(self.gpt, "logit_cap", None)
        self.gpt.logit_cap = None                            # everything lies below a soft cap
        self.seen, self.logits = self.gpt.activations(self.ids)
        self.layers, self.last = self.gpt.layers, f"blocks.{self.gpt.layers - 1}.hook_resid_post"
        names = [n for l in range(self.layers) for n in (f"blocks.{l}.hook_resid_pre", f"blocks.{l}.hook_resid_mid")]
        self.halves = [n for n in names if n in self.seen] + [self.last]
        order = self.logits[-1].argsort(descending=True).tolist()
        self.target, self.foil = order[0], order[3]
        self.measures = {"logit": lambda v: v[..., self.target] - v.mean(-1),
                         "logit-diff": lambda v: v[..., self.target] - v[..., self.foil]}
        z = self.seen["blocks.0.attn.hook_z"]
        self.heads = self.seen["blocks.0.attn.hook_q"].shape[-2]
        self.width = z.shape[-1] if z.dim() == 3 else z.shape[-1] // self.heads

    def read(self, x, held=True):
        """Logits [T, V] of streams [T, d] in the place of the last one."""
        def at(name, v):
            return x if name == self.last else self.seen[name] if held and name == "ln_final.hook_scale" else v
        with torch.no_grad():
            return self.gpt.run(self.ids, at)

    def attention(self, l, z):
        """What attention writes of other outputs of its heads, [T, d]; the scale of a norm behind it held."""
        def at(name, v):
            return z.reshape(v.shape) if name.endswith(f"{l}.attn.hook_z") else self.seen[name] if name.endswith("post.hook_scale") else v
        with torch.no_grad():
            return self.gpt.attention(l, self.seen[f"blocks.{l}.hook_resid_pre"], at)

    def written(self, l):
        """What each head of a layer writes, [H, T, d], and the rest, [T, d]."""
        z, T = self.seen[f"blocks.{l}.attn.hook_z"], len(self.ids)
        z = z.reshape(T, self.heads, self.width)
        none = self.attention(l, torch.zeros_like(z))
        heads = []
        for h in range(self.heads):
            alone = torch.zeros_like(z)
            alone[:, h] = z[:, h]
            heads.append(self.attention(l, alone) - none)
        return torch.stack(heads), none

    def entering(self):
        w = self.gpt.w
        if "wpe.weight" in w:
            return {"embed": w["wte.weight"][self.ids], "pos_embed": w["wpe.weight"][:len(self.ids)]}
        return {"embed": self.seen["blocks.0.hook_resid_pre"]}

    def parts(self, site):
        """Active features at the last position, and what each, the error and the bias add to the site: [n], [n + 2, d]."""
        dictionary, x = self.model.dictionaries[site], self.seen[site]
        f, (mean, scale, _) = dictionary.encode(x), dictionary.moments(x)
        active = (f[-1] > 0).nonzero()[:, 0]
        rows = f[-1][active][:, None] * dictionary.rows(x)[-1][active]
        bias = dictionary.w["b_dec"] * scale[-1] + mean[-1]
        return active, torch.cat([rows, (x - dictionary.decode(f, x))[-1:], bias[None]])

    def stream(self, site, parts):
        """Parts of a site at the last position as parts of the stream."""
        if not site.endswith("hook_z"):
            return parts
        l, T = int(site.split(".")[1]), len(self.ids)
        none = self.attention(l, torch.zeros(T, parts.shape[-1]))
        return torch.stack([(self.attention(l, p.expand(T, -1)) - none)[-1] for p in parts])


def lens_tensors(lens):
    out, T = {}, len(lens.ids)
    for name, measure in lens.measures.items():
        for kind in ("final", "own"):
            out[f"{name}/{kind}"] = torch.stack([measure(lens.read(lens.seen[s], kind == "final")) for s in lens.halves])
        zero = measure(lens.read(torch.zeros(T, lens.gpt.width)))[-1]
        adds = lambda c: (measure(lens.read(c.expand(T, -1) if c.dim() == 1 else c)) - zero).__getitem__(-1)
        values = [adds(c) for c in lens.entering().values()]
        for l in range(lens.layers):
            values += [adds(lens.seen[f"blocks.{l}.hook_attn_out"]), adds(lens.seen[f"blocks.{l}.hook_mlp_out"])]
        out[f"{name}/summands"] = torch.stack([*values, zero])
        assert abs(sum(values) + zero - measure(lens.logits)[-1]) < 1e-10, "summands do not add up"
        split = [lens.written(l) for l in range(lens.layers)]
        out[f"{name}/heads"] = torch.stack([torch.stack([adds(c) for c in heads]) for heads, _ in split])
        out[f"{name}/head_bias"] = torch.stack([adds(rest) for _, rest in split])
        for site in lens.model.dictionaries:
            active, parts = lens.parts(site)
            out[f"features/{site}"] = active
            out[f"{name}/parts/{site}"] = torch.stack([adds(p) for p in lens.stream(site, parts)])
    top = [lens.read(lens.seen[s])[-1].topk(5) for s in lens.halves]
    out["top/tokens"], out["top/logits"] = (torch.stack([getattr(t, k) for t in top]) for k in ("indices", "values"))
    capped = lambda v: lens.cap * torch.tanh(v / lens.cap) if lens.cap else v
    logits = torch.stack([capped(lens.read(lens.seen[s])[-1]).softmax(-1) for s in lens.halves])
    out["top/probabilities"] = logits.gather(-1, out["top/tokens"])
    return out


def reads_mean(lens):
    """Whether a constant added to the stream changes what is read of it."""
    x = lens.seen[lens.last]
    return (lens.read(x + 1, held=False) - lens.read(x, held=False)).abs().max().item() > 1e-6


def directions(lens):
    """A feature's decoder row, and what the metric reads; of unit length, less the mean where the stream's is not read."""
    site = next(s for s in lens.model.dictionaries if "1.hook_resid" in s)
    feature = int(lens.model.dictionaries[site].encode(lens.seen[site])[-1].argmax())
    x = lens.seen[lens.last].clone().requires_grad_()
    def at(name, v):
        return x if name == lens.last else lens.seen[name] if name == "ln_final.hook_scale" else v
    read = torch.autograd.grad(lens.measures["logit-diff"](lens.gpt.run(lens.ids, at)[-1]), x)[0][-1]
    unit = lambda d: (d if reads_mean(lens) else d - d.mean()) / (d if reads_mean(lens) else d - d.mean()).norm()
    return (site, feature), {"feature": unit(lens.model.dictionaries[site].decoder()[feature]), "token": unit(read)}


def trace_tensors(lens, name, u):
    out, seen = {f"{name}/direction": u}, lens.seen
    ends = [f"blocks.{l}.hook_resid_pre" for l in range(lens.layers)] + [lens.last]
    out[f"{name}/h"] = torch.stack([seen[s] @ u for s in ends])
    for kind in ("attn", "mlp"):
        out[f"{name}/{kind}"] = torch.stack([seen[f"blocks.{l}.hook_{kind}_out"] @ u for l in range(lens.layers)])
    change = out[f"{name}/attn"] + out[f"{name}/mlp"]
    assert (out[f"{name}/h"][1:] - out[f"{name}/h"][:-1] - change).abs().max() < 1e-10, "a trace does not add up"
    split = [lens.written(l) for l in range(lens.layers)]
    out[f"{name}/heads"] = torch.stack([heads @ u for heads, _ in split])                              # [L, H, T]
    out[f"{name}/head_bias"] = torch.stack([rest @ u for _, rest in split])
    for site, dictionary in lens.model.dictionaries.items():
        if not site.endswith("hook_z"):
            rows = dictionary.decoder()
            rows = rows if reads_mean(lens) else rows - rows.mean(-1, keepdim=True)
            out[f"{name}/cosines/{site}"] = rows @ u / rows.norm(dim=-1)
            out[f"activations/{site}"] = dictionary.encode(seen[site])                                 # [T, n]
    return out


def case(out, model, text):
    lens = Lens(model, text)
    (site, feature), found = directions(lens)
    tensors = lens_tensors(lens)
    for name, u in found.items():
        tensors.update({f"trace/{k}" if not k.startswith("activations") else k: v for k, v in trace_tensors(lens, name, u).items()})
    if model.name == "tiny":       # dense, and 24 dictionaries of it
        tensors = {k: v for k, v in tensors.items() if not k.startswith("activations") and "/cosines/" not in k}
    plain_case(out, f"{model.name}-lens", model, text, tensors, lens={"site": site, "feature": feature}, target=lens.target, foil=lens.foil,
               halves=lens.halves, entering=list(lens.entering()), dictionaries={s: d.describe() for s, d in model.dictionaries.items()},
               soft_cap=lens.cap,
               notes=["M/final, M/own: [halves, T]; M/summands: what enters, attn and mlp of each layer, the bias of the last norm; "
                      "M/parts/S: features ascending, the error, b_dec; trace/*/h: [L + 1, T]."])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", default=os.path.join(here, "../OnnxAttribution.Tests/Goldens"), help="where the models are and cases go")
    p.add_argument("--tiny", metavar="DIR", help="models/tiny: writes its case as well")
    p.add_argument("--only", nargs="*", metavar="MODEL", help="leave the cases of other models as they are")
    args = p.parse_args()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    for i, name in enumerate(MODELS):
        if args.only is not None and name not in args.only:
            continue
        folder = os.path.join(args.out, "models", name)
        known = goldens_architectures.MODELS.get(name)
        model = Model(folder, name, goldens_architectures.reader(known)) if known \
            else goldens_sites.Model(folder, name) if name == "random2-sites" else Model(folder, name)
        case(args.out, model, clear_prompt(model, np.random.RandomState(900 + i), 4))
    if args.tiny:
        case(args.out, Model(args.tiny, "tiny"), TINY)


if __name__ == "__main__":
    main()
