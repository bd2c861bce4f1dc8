#!/usr/bin/env python3
"""Trains the sparse autoencoders of models/tiny or models/deep, one per site, all at once, and saves them in SAELens's layout.

    export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 OPENBLAS_NUM_THREADS=2
    python3 models/tiny/training/train_dictionaries.py --work WORK --model models/tiny

The model's README.md has the options that were used.

Environment and WORK (tokens, checkpoints) as in train_tiny_gpt2.py, which runs first.

Steps:
1. Scale: each site's mean, and its RMS about it; training sees activations of unit variance per dimension.
2. Training: one forward pass of the frozen model feeds several steps of every dictionary. TopK (Gao et al. 2024, arXiv:2406.04093)
   or ReLU with a saturating sparsity penalty whose weight is steered until L0 is at its target; what is saved is a plain ReLU.
   A feature that has not fired for a while gets its bias raised until it does; one that still hardly fires is made anew from
   what the dictionary misses (as in Bricken et al. 2023). Without the former, half of the features at hook_attn_out died.
3. Export: the scale is folded into the biases (both activations are homogeneous), weights are rounded to F16.
4. Figures on the validation text with the rounded weights: L0, variance explained, dead features, cross-entropy recovered.

Position 0 is always <|endoftext|>, so each site holds one constant vector there. It is left out of all figures and statistics;
training sees it once per forward pass, so that its error stays small (it is not longer than other vectors by more than 2.6 times).
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch

from train_tiny_gpt2 import Log, evaluate, evaluation_batches, load_model, read_safetensors, windows, write_safetensors


class Dictionary:
    """f = phi((x - b_dec) W_enc + b_enc), x_hat = f W_dec + b_dec; phi is TopK where k is given, else ReLU."""

    NAMES = ("W_enc", "b_enc", "W_dec", "b_dec")

    def __init__(self, d, features, k, seed):
        rows = torch.randn(features, d, generator=torch.Generator().manual_seed(seed))
        rows /= rows.norm(dim=1, keepdim=True)
        self.k = k
        # Encoder rows start short: a TopK needs no more, and a ReLU starts at a modest L0 and error.
        self.W_enc, self.W_dec = rows.t().contiguous() * 0.5, rows
        self.b_enc, self.b_dec = torch.zeros(features), torch.zeros(d)

    def parameters(self):
        return [getattr(self, n) for n in self.NAMES]

    def encode(self, x):
        pre = torch.addmm(self.b_enc, x - self.b_dec, self.W_enc)  # [n, features]
        if self.k is None:
            return pre.relu()
        values, at = pre.topk(self.k, dim=1, sorted=False)
        return torch.zeros_like(pre).scatter(1, at, values.relu())

    def decode(self, f):
        return torch.addmm(self.b_dec, f, self.W_dec)

    @torch.no_grad()
    def unit_rows(self):
        self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)


def site_names(layers):
    per_layer = [f"blocks.{l}.hook_{s}" for l in range(layers) for s in ("resid_pre", "attn_out", "mlp_out")]
    return per_layer + [f"blocks.{layers - 1}.hook_resid_post"]


@torch.no_grad()
def activations(model, ids, sites):
    """Every site's activations of one batch of windows, [b, t, d]."""
    kept = {}

    def keep(site, x):
        if site in sites:
            kept[site] = x
        return x
    model(ids, keep)
    return kept


def training_windows(stream, n, batch, context, bos, seed):
    """Batch n of the training text; another cut and another order in each pass."""
    per_pass = (len(stream) - 2 * context) // context // batch
    epoch, i = divmod(n, per_pass)
    rng = np.random.default_rng([seed, 1, epoch])
    offset, order = rng.integers(context), rng.permutation(per_pass * batch)
    starts = offset + order[i * batch:(i + 1) * batch] * context
    return windows(stream, starts, context, bos)[0]


def statistics(model, stream, sites, args):
    """Mean [d], scale (RMS per dimension about the mean) and the vector at position 0, of each site."""
    rows = {s: [] for s in sites}
    first = {}
    for n in range(16):
        ids = training_windows(stream, n, args.batch, model.config["n_positions"], model.config["bos_token_id"], args.seed + 1)
        for s, x in activations(model, ids, sites).items():
            rows[s].append(x[:, 1:].flatten(0, 1))
            first[s] = x[0, 0]
    result = {}
    for s in sites:
        x = torch.cat(rows[s])
        mean = x.mean(0)
        result[s] = (mean, (x - mean).square().mean().sqrt(), first[s])
    return result


class Trainer:
    """Owns the dictionaries, their optimizer and what it takes to resume."""

    def __init__(self, model, sites, stats, args):
        self.model, self.sites, self.stats, self.args = model, sites, stats, args
        d = model.config["n_embd"]
        seeds = {s: args.seed + i for i, s in enumerate(site_names(model.config["n_layer"]))}
        self.sae = {s: Dictionary(d, args.features, None if s in args.relu.split(",") else args.k, seeds[s]) for s in sites}
        for s in sites:
            mean, scale, _ = stats[s]
            self.sae[s].b_dec.copy_(mean / scale)
        params = [p.requires_grad_() for s in sites for p in self.sae[s].parameters()]
        self.opt = torch.optim.Adam(params, lr=args.lr, betas=(0.9, 0.99), foreach=True)
        self.penalty = {s: 1e-3 for s in sites}
        self.fired = {s: torch.zeros(args.features) for s in sites}
        self.quiet = {s: torch.zeros(args.features) for s in sites}  # rows since a feature last fired
        self.rows_seen, self.step, self.l0, self.error = 0, 0, {}, {}

    def state(self):
        return {"sae": {s: self.sae[s].parameters() for s in self.sites}, "opt": self.opt.state_dict(), "step": self.step,
                "penalty": self.penalty, "fired": self.fired, "quiet": self.quiet,
                "rows_seen": self.rows_seen, "l0": self.l0, "error": self.error}

    @torch.no_grad()
    def load(self, state):
        for s in self.sites:
            for p, q in zip(self.sae[s].parameters(), state["sae"][s]):
                p.copy_(q)
        self.opt.load_state_dict(state["opt"])
        for name in ("step", "penalty", "fired", "quiet", "rows_seen", "l0", "error"):
            setattr(self, name, state[name])

    def rows(self, stream, n):
        """Scaled rows of every site from one forward pass, in one random order; position 0's vector comes last, once."""
        ids = training_windows(stream, n, self.args.batch, self.model.config["n_positions"],
                               self.model.config["bos_token_id"], self.args.seed)
        acts, out = activations(self.model, ids, self.sites), {}
        order = torch.randperm(self.args.batch * (ids.shape[1] - 1), generator=torch.Generator().manual_seed(n))
        for s, x in acts.items():
            _, scale, first = self.stats[s]
            out[s] = torch.cat([x[:, 1:].flatten(0, 1)[order], first[None]]) / scale
        return out

    def site_loss(self, s, x):
        sae = self.sae[s]
        f = sae.encode(x)
        error = (sae.decode(f) - x).square().sum(1).mean() / x.shape[1]  # share of variance missed
        with torch.no_grad():
            active = f > 0
            self.fired[s] += active.sum(0)
            self.quiet[s] = (self.quiet[s] + len(x)) * ~active.any(0)
            self.l0[s] = 0.95 * self.l0.get(s, float(active.sum(1).float().mean())) + 0.05 * float(active.sum(1).float().mean())
            self.error[s] = 0.98 * self.error.get(s, 1.0) + 0.02 * float(error)
        if sae.k is not None:
            return error
        # f/(f+1) saturates: features are told apart by being on or off, and strong ones are hardly shrunk as L1 would.
        self.penalty[s] *= 1 + 0.01 * max(-1.0, min(1.0, self.l0[s] / self.args.l0 - 1))
        return error + self.penalty[s] * (f / (f + 1)).sum(1).mean()

    def rate(self):
        a, total = self.args, self.args.steps
        return a.lr * min(1.0, (self.step + 1) / 50, (total - self.step) / (0.35 * total))

    def train_step(self, rows):
        for group in self.opt.param_groups:
            group["lr"] = self.rate()
        self.opt.zero_grad()
        for s in self.sites:
            self.site_loss(s, rows[s]).backward()
        self.opt.step()
        for s in self.sites:
            self.sae[s].unit_rows()
            with torch.no_grad():
                self.sae[s].b_enc += self.args.lift * self.rate() * (self.quiet[s] > self.args.quiet)
        self.rows_seen += len(next(iter(rows.values())))
        self.step += 1

    @torch.no_grad()
    def renew(self, rows):
        """Points features that hardly fire at what their dictionary misses. Returns how many there were."""
        renewed = 0
        for s in self.sites:
            sae, x = self.sae[s], rows[s]
            idle = (self.fired[s] < self.args.idle * self.rows_seen).nonzero().flatten()
            if not len(idle):
                continue
            missed = x - sae.decode(sae.encode(x))
            weight = missed.square().sum(1).square()
            weight[-1] = 0
            # Few at a time, with short encoders: many new features in one direction would overshoot together and never recover.
            at = torch.multinomial(weight, min(len(idle), self.args.features // 10), generator=torch.Generator().manual_seed(self.step))
            idle = idle[:len(at)]
            rows_new = missed[at] / missed[at].norm(dim=1, keepdim=True)
            sae.W_dec[idle], sae.W_enc[:, idle], sae.b_enc[idle] = rows_new, rows_new.t() * 0.4, 0.0
            for p, part in ((sae.W_dec, (idle,)), (sae.W_enc, (slice(None), idle)), (sae.b_enc, (idle,))):
                for moment in ("exp_avg", "exp_avg_sq"):
                    self.opt.state[p][moment][part] = 0
            renewed += len(idle)
        for s in self.sites:
            self.fired[s].zero_()
        self.rows_seen = 0
        return renewed

    def run(self, stream, path, log):
        a, t0 = self.args, time.time()
        started = self.step
        times = {int(a.steps * share) // a.split * a.split for share in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)}
        while self.step < a.steps:
            rows = self.rows(stream, self.step // a.split)
            if self.step in times and self.rows_seen:
                log(f"step {self.step}: {self.renew(rows)} idle features renewed")
            size = math.ceil(len(rows[self.sites[0]]) / a.split)
            for i in range(a.split):
                self.train_step({s: x[i * size:(i + 1) * size] for s, x in rows.items()})
            if self.step % a.every < a.split or self.step >= a.steps:
                self.report(log, (self.step - started) / (time.time() - t0))
                torch.save(self.state(), path + ".part")
                os.replace(path + ".part", path)

    def report(self, log, speed):
        tokens = self.step * self.args.batch * (self.model.config["n_positions"] - 1) // self.args.split
        sites = " ".join(f"{1 - self.error[s]:.3f}/{self.l0[s]:.0f}" for s in self.sites)
        log(f"step {self.step}/{self.args.steps} tokens {tokens} {speed:.1f} steps/s; explained/L0 by site: {sites}")


# ---------------------------------------------------------------- export

def folded(sae, scale):
    """The dictionary for raw activations: TopK and ReLU are homogeneous, so the scale moves into the biases."""
    W_enc, b_enc, W_dec, b_dec = (p.detach() for p in sae.parameters())
    return {"W_enc": W_enc, "b_enc": b_enc * scale, "W_dec": W_dec, "b_dec": b_dec * scale}


def config(site, sae, model, name):
    kind = {"architecture": "standard"} if sae.k is None else {"architecture": "topk", "k": sae.k, "rescale_acts_by_decoder_norm": False}
    return {
        **kind, "d_in": model.config["n_embd"], "d_sae": len(sae.b_enc), "dtype": "float16", "device": "cpu",
        "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {
            "model_name": name, "model_class_name": "HookedTransformer", "hook_name": site, "hook_head_index": None, "prepend_bos": True,
            "context_size": model.config["n_positions"], "dataset_path": f"see models/{name}/README.md", "sae_lens_version": "6.18.0",
        },
    }


def save_dictionary(folder, site, sae, scale, model):
    name = os.path.basename(os.path.abspath(folder))
    folder = os.path.join(folder, "dictionaries", site)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "cfg.json"), "w") as f:
        json.dump(config(site, sae, model, name), f, indent=2)
        f.write("\n")
    write_safetensors(os.path.join(folder, "sae_weights.safetensors"), folded(sae, scale))


def read_dictionary(folder, site):
    folder = os.path.join(folder, "dictionaries", site)
    with open(os.path.join(folder, "cfg.json")) as f:
        cfg = json.load(f)
    sae = Dictionary(cfg["d_in"], cfg["d_sae"], cfg.get("k"), 0)
    for name, value in read_safetensors(os.path.join(folder, "sae_weights.safetensors")).items():
        setattr(sae, name, value)
    return sae


# ---------------------------------------------------------------- figures

@torch.no_grad()
def fit(model, stream, saes):
    """L0, share of variance explained, share of dead features and the mean activation, per site, without position 0."""
    sums = {s: dict(n=0, l0=0.0, missed=0.0, square=0.0, total=0.0, fired=0.0) for s in saes}
    for ids, _ in evaluation_batches(stream, model.config["n_positions"], model.config["bos_token_id"]):
        for s, x in activations(model, ids, saes).items():
            x = x[:, 1:].flatten(0, 1)
            f = saes[s].encode(x)
            a, centred = sums[s], x.double()
            a["n"] += len(x)
            a["l0"] += float((f > 0).sum())
            a["fired"] = a["fired"] + (f > 0).sum(0)
            a["missed"] += float((x - saes[s].decode(f)).double().square().sum())
            a["square"] += float(centred.square().sum())
            a["total"] = a["total"] + centred.sum(0)
    result = {}
    for s, a in sums.items():
        mean = a["total"] / a["n"]
        variance = a["square"] - a["n"] * float(mean.square().sum())
        dead = float((a["fired"] == 0).float().mean())
        result[s] = (a["l0"] / a["n"], 1 - a["missed"] / variance, dead, mean.float())
    return result


def spliced(model, stream, site, replace, limit):
    """Loss with the site's rows replaced at every position but 0."""
    def hook(name, x):
        if name != site:
            return x
        return torch.cat([x[:, :1], replace(x[:, 1:].flatten(0, 1)).view(len(x), -1, x.shape[2])], 1)
    return evaluate(model, stream, limit, hook)


def table(folder, stream, sites, limit, log):
    model, saes = load_model(folder), {s: read_dictionary(folder, s) for s in sites}
    figures, clean = fit(model, stream, saes), evaluate(model, stream, limit)
    log(f"held-out text: {len(stream)} tokens for the fit, {limit or len(stream)} for the losses; clean loss {clean:.4f}")
    log("| site | kind | L0 | variance explained | dead | loss, mean-ablated | loss, spliced | recovered | meets targets |")
    log("|---|---|---|---|---|---|---|---|---|")
    short = []
    for s in sites:
        l0, explained, dead, mean = figures[s]
        ablated = spliced(model, stream, s, lambda x: mean.expand_as(x), limit)
        ours = spliced(model, stream, s, lambda x: saes[s].decode(saes[s].encode(x)), limit)
        recovered = (ablated - ours) / (ablated - clean)
        kind = "ReLU" if saes[s].k is None else f"TopK {saes[s].k}"
        good = 8 <= l0 <= 40 and explained >= 0.85 and dead <= 0.30 and recovered >= 0.90
        log(f"| `{s}` | {kind} | {l0:.1f} | {explained:.3f} | {dead:.1%} | {ablated:.3f} | {ours:.3f} | {recovered:.3f} "
            f"| {'yes' if good else 'no'} |")
        short += [] if good else [s]
    log("all sites meet the targets" if not short else f"short of a target: {', '.join(short)}")


def parse():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--work", required=True, help="folder of train_tiny_gpt2.py's tokens; checkpoints go there too")
    p.add_argument("--model", default="models/tiny")
    p.add_argument("--resume", action="store_true")
    p.add_argument("--figures-only", action="store_true", help="measure the saved dictionaries again")
    p.add_argument("--sites", help="comma-separated; default: all. The log is then added to")
    p.add_argument("--relu", default="blocks.0.hook_mlp_out,blocks.1.hook_resid_pre,blocks.3.hook_attn_out",
                   help="comma-separated sites whose dictionary is a plain ReLU; the others are TopK")
    for name, default in dict(seed=0, features=1024, k=32, batch=32, split=4, steps=4000, every=200, limit=110_000, threads=2).items():
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--lr", type=float, default=1.5e-3)
    p.add_argument("--l0", type=float, default=32.0, help="L0 that ReLU dictionaries are steered to")
    p.add_argument("--lift", type=float, default=10.0, help="bias that a quiet feature gains in each step, in units of the learning rate")
    p.add_argument("--quiet", type=float, default=10_000, help="rows without firing after which a feature is quiet")
    p.add_argument("--idle", type=float, default=2e-5, help="features firing on a smaller share of rows are renewed")
    return p.parse_args()


def main():
    args = parse()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = load_model(args.model).requires_grad_(False)
    sites = args.sites.split(",") if args.sites else site_names(model.config["n_layer"])
    train, valid = (np.load(os.path.join(args.work, n)) for n in ("train.npy", "valid.npy"))
    log = Log(os.path.join(args.model, "dictionaries.log"), append=args.resume or args.figures_only or args.sites)
    if not args.figures_only:
        t0, path = time.time(), os.path.join(args.work, "dictionaries.pt")
        stats = statistics(model, train, sites, args)
        trainer = Trainer(model, sites, stats, args)
        options = {n: v for n, v in vars(args).items() if n not in ("work", "model", "sites")}
        log(f"sites, in the order of the figures: {' '.join(sites)}; options {options}")
        if args.resume and os.path.exists(path):
            trainer.load(torch.load(path))
            log(f"resumed at step {trainer.step}")
        trainer.run(train, path, log)
        for s in sites:
            save_dictionary(args.model, s, trainer.sae[s], stats[s][1], model)
        log(f"trained in {(time.time() - t0) / 60:.1f} min")
    table(args.model, valid, sites, args.limit, log)


if __name__ == "__main__":
    main()
