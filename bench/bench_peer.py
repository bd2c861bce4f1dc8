#!/usr/bin/env python3
"""What the same edges cost in PyTorch (float32, CPU) on GPT-2-small's shape with random weights: the figures to compare with.

    python3 bench/bench_peer.py --json

Sites: hook_resid_pre, hook_attn_out and hook_mlp_out of every block and the last hook_resid_post; 64 downstream nodes at each.
Measured, medians after a warm-up:
1. forward; forward and backward with gradients at every site.
2. (a) feature-circuits' way: one unbatched backward through the whole model per downstream feature and pair of modules, weights frozen.
   A sample over all blocks and pairs is timed and extrapolated. Its product with all decoder rows upstream is a row of its own.
3. (b) One backward per downstream node on the graph cut at the sites. Sampled per kind of site and extrapolated.
4. (c) Batched VJPs written out by hand in torch ops, every site timed for real, with the products with the upstream nodes' decoder
   rows that give the edges. `rows`: cotangents of the attention stay on the query's row until keys and values spread them, and later
   rows are left out. `dense`: attention on [nodes, T, d] throughout. Both are checked against autograd before anything is timed.
   A further row is the whole of what the program times as cotangents and edges: an error node per position beside the features, and
   cotangents made from W_enc within the time. Every site has a W_enc of its own, since reading them is the cost.
Elsewhere dictionary rows are drawn at random and gathered beforehand; which features are active does not change the cost.
"""
import argparse
import json
import math
import os
import platform
import resource
import statistics
import time


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("layers", 12), ("width", 768), ("heads", 12), ("vocab", 50257), ("tokens", 16), ("features", 24576),
                          ("nodes", 64), ("threads", 2), ("sample", 24), ("repeats", 7), ("seed", 0)):
        p.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    p.add_argument("--active", type=int, default=60, help="features active per position and site, default 60")
    p.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    return p.parse_args()


class Model:
    """GPT-2 with random weights. Weights ask for no gradient."""

    def __init__(self, a):
        g = torch.Generator().manual_seed(a.seed)
        normal = lambda *shape: torch.randn(*shape, generator=g).mul_(0.02)
        d = a.width
        self.layers, self.heads, self.dh = a.layers, a.heads, d // a.heads
        self.wte, self.wpe, self.lnf = normal(a.vocab, d), normal(a.tokens, d), (torch.ones(d), torch.zeros(d))
        self.blocks = [dict(ln1=(1 + normal(d), normal(d)), W_QKV=normal(d, 3 * d), b_QKV=normal(3 * d), W_O=normal(d, d), b_O=normal(d),
                            ln2=(1 + normal(d), normal(d)), W_in=normal(d, 4 * d), b_in=normal(4 * d),
                            W_out=normal(4 * d, d), b_out=normal(d))
                       for _ in range(a.layers)]
        self.ids = torch.randint(a.vocab, (a.tokens,), generator=g)
        self.future = torch.ones(a.tokens, a.tokens, dtype=torch.bool).triu(1)

    def attention(self, b, x):
        T, d = x.shape
        q, k, v = (F.layer_norm(x, (d,), *b["ln1"]) @ b["W_QKV"] + b["b_QKV"]).view(T, 3, self.heads, self.dh).permute(1, 2, 0, 3)
        pattern = (q @ k.transpose(1, 2) / math.sqrt(self.dh)).masked_fill(self.future, -math.inf).softmax(-1)
        return (pattern @ v).transpose(0, 1).reshape(T, d) @ b["W_O"] + b["b_O"]

    def mlp(self, b, x):
        return F.gelu(F.layer_norm(x, x.shape[-1:], *b["ln2"]) @ b["W_in"] + b["b_in"], approximate="tanh") @ b["W_out"] + b["b_out"]

    def run(self, at=lambda site, x: x):
        """Last token's logits; `at` sees and may replace each site, named (kind, block)."""
        x = self.wte[self.ids] + self.wpe
        for l, b in enumerate(self.blocks):
            x = at(("resid", l), x)
            attn = at(("attn", l), self.attention(b, x))
            x = x + attn
            x = x + at(("mlp", l), self.mlp(b, x))
        x = at(("resid", self.layers), x)
        return F.layer_norm(x[-1], x.shape[-1:], *self.lnf) @ self.wte.T


# ---------------------------------------------------------------- (c): the primal once, then VJPs by hand

def primal(model, sites):
    """What the VJPs need of the clean run, per block."""
    kept = []
    for l, b in enumerate(model.blocks):
        x, mid = sites["resid", l], sites["resid", l] + sites["attn", l]
        T, d = x.shape
        def norm(x):
            centred = x - x.mean(-1, keepdim=True)
            inverse = (centred.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt()
            return centred * inverse, inverse
        y1, inverse1 = norm(x)
        qkv = (y1 * b["ln1"][0] + b["ln1"][1]) @ b["W_QKV"] + b["b_QKV"]
        q, k, v = qkv.view(T, 3, model.heads, model.dh).permute(1, 2, 0, 3).contiguous()
        q = q / math.sqrt(model.dh)
        pattern = (q @ k.transpose(1, 2)).masked_fill(model.future, -math.inf).softmax(-1)
        y2, inverse2 = norm(mid)
        h = (y2 * b["ln2"][0] + b["ln2"][1]) @ b["W_in"] + b["b_in"]
        c = math.sqrt(2 / math.pi)
        t = torch.tanh(c * (h + 0.044715 * h.pow(3)))
        slope = 0.5 * (1 + t) + 0.5 * h * (1 - t * t) * c * (1 + 3 * 0.044715 * h * h)
        kept.append(dict(y1=y1, inverse1=inverse1, q=q, k=k / math.sqrt(model.dh), v=v, pattern=pattern,
                         y2=y2, inverse2=inverse2, slope=slope))
    return kept


def norm_vjp(zBar, weight, y, inverse):
    u = zBar * weight
    return (u - u.mean(-1, keepdim=True) - y * (u * y).mean(-1, keepdim=True)) * inverse


def attention_vjp_dense(model, l, p, zBar):
    """[B, T, d] -> [B, T, d]."""
    b, (B, T, d), H, dh = model.blocks[l], zBar.shape, model.heads, model.dh
    oBar = (zBar.reshape(B * T, d) @ b["W_O"].T).view(B, T, H, dh).permute(2, 0, 1, 3).reshape(H, B * T, dh)
    pBar = (oBar @ p["v"].transpose(1, 2)).view(H, B, T, T)
    pattern = p["pattern"][:, None]
    sBar = pattern * (pBar - (pBar * pattern).sum(-1, keepdim=True))
    qkvBar = torch.empty(B, T, 3, H, dh)
    qkvBar[:, :, 0] = (sBar.view(H, B * T, T) @ p["k"]).view(H, B, T, dh).permute(1, 2, 0, 3)
    qkvBar[:, :, 1] = (sBar.transpose(2, 3).reshape(H, B * T, T) @ p["q"]).view(H, B, T, dh).permute(1, 2, 0, 3)
    spread = p["pattern"].transpose(1, 2) @ oBar.view(H, B, T, dh).transpose(1, 2).reshape(H, T, B * dh)
    qkvBar[:, :, 2] = spread.view(H, T, B, dh).permute(2, 1, 0, 3)
    yBar = (qkvBar.view(B * T, 3 * d) @ b["W_QKV"].T).view(B, T, d)
    return norm_vjp(yBar, b["ln1"][0], p["y1"], p["inverse1"])


def attention_vjp_rows(model, l, p, zBar, position, causal):
    """zBar [B, d] at positions [B] -> [n, d] on the n pairs (b, t <= position of b) that `causal` lists."""
    b, (B, d), H, dh = model.blocks[l], zBar.shape, model.heads, model.dh
    row, time_, own = causal
    oBar = (zBar @ b["W_O"].T).view(B, H, dh)
    pattern = p["pattern"][:, position]                                                   # [H, B, T]
    pBar = oBar.transpose(0, 1) @ p["v"].transpose(1, 2)                                  # [H, B, T]
    sBar = pattern * (pBar - (pBar * pattern).sum(-1, keepdim=True))
    qBar = (sBar @ p["k"]).transpose(0, 1).reshape(B, d)
    kvBar = torch.empty(len(row), 2, H, dh)
    pick = lambda m: m[:, row, time_].T[..., None]                                        # [n, H, 1]
    torch.mul(pick(sBar), p["q"].transpose(0, 1)[position][row], out=kvBar[:, 0])
    torch.mul(pick(pattern), oBar[row], out=kvBar[:, 1])
    yBar = kvBar.view(-1, 2 * d) @ b["W_QKV"][:, d:].T
    yBar[own] += qBar @ b["W_QKV"][:, :d].T
    return norm_vjp(yBar, b["ln1"][0], p["y1"][time_], p["inverse1"][time_])


def mlp_vjp(model, l, p, zBar, position):
    """zBar [B, d] at positions [B] -> [B, d], the same positions."""
    b = model.blocks[l]
    hBar = (zBar @ b["W_out"].T) * p["slope"][position]
    return norm_vjp(hBar @ b["W_in"].T, b["ln2"][0], p["y2"][position], p["inverse2"][position])


class Nodes:
    """N nodes of a site, ordered by position: encoder columns scaled by g, decoder rows."""

    def __init__(self, a, g, errors=False):
        self.position = torch.randint(a.tokens, (a.nodes,), generator=g)
        if errors:
            self.position = torch.cat([self.position, torch.arange(a.tokens)])
        self.position, order = self.position.sort()
        self.is_error, count = order >= a.nodes, len(order)
        self.cotangent, self.row = torch.randn(count, a.width, generator=g), torch.randn(count, a.width, generator=g)
        self.counts = torch.bincount(self.position, minlength=a.tokens).tolist()
        row, time_ = (torch.arange(a.tokens) <= self.position[:, None]).nonzero(as_tuple=True)
        order = time_.argsort(stable=True)                       # pairs (node, t <= its position) by t, so that each t's are one slice
        row, time_ = row[order], time_[order]
        own = (time_ == self.position[row]).nonzero()[:, 0]      # where t is the node's own position, by node
        self.causal = row, time_, own[row[own].argsort()]
        self.pairs = torch.bincount(time_, minlength=a.tokens).tolist()


class Encoder:
    """W_enc of a site, its active features and their decoder rows, and the metric's gradient: what cotangents are made from."""

    def __init__(self, a, g):
        self.weights = torch.empty(a.width, a.features).uniform_(-1, 1)
        active = a.active * a.tokens
        self.features = torch.randperm(a.features, generator=g)[:min(active, a.features)].sort().values
        self.at = torch.randint(a.tokens, (len(self.features),), generator=g)
        self.rows, self.gradient = torch.randn(len(self.features), a.width, generator=g), torch.randn(a.tokens, a.width, generator=g)
        self.chosen = torch.randperm(len(self.features), generator=g)[:a.nodes]

    def fill(self, nodes):
        """Features: their columns. Errors: g minus the columns of the features active there, each with its own gradient."""
        columns = self.weights[:, self.features].T.contiguous()                               # [A, d]
        carried = (self.gradient[self.at] * self.rows).sum(-1, keepdim=True) * columns
        nodes.cotangent[~nodes.is_error] = columns[self.chosen]
        nodes.cotangent[nodes.is_error] = self.gradient - torch.zeros_like(self.gradient).index_add_(0, self.at, carried)


def edges_same_position(zBar, down, ups):
    """[D, U] for every up: a product where positions agree."""
    e = zBar @ torch.cat([u.row for u in ups]).T
    return e * (down.position[:, None] == torch.cat([u.position for u in ups])[None])


def all_edges(model, kept, nodes, dense):
    """Every edge of the graph between the nodes of all sites."""
    out = []
    for l, p in enumerate(kept):
        resid, attn, mlp, next_ = nodes["resid", l], nodes["attn", l], nodes["mlp", l], nodes["resid", l + 1]
        B, T = len(attn.position), len(p["y1"])
        e = torch.zeros(B, len(resid.position))
        if dense:
            zBar = torch.zeros(B, T, p["y1"].shape[1])
            zBar[torch.arange(B), attn.position] = attn.cotangent
            xBar, start = attention_vjp_dense(model, l, p, zBar), 0
            for t, n in enumerate(resid.counts):
                e[:, start:start + n] = xBar[:, t] @ resid.row[start:start + n].T
                start += n
        else:
            xBar, start, first = attention_vjp_rows(model, l, p, attn.cotangent, attn.position, attn.causal), 0, 0
            for n, pairs in zip(resid.counts, attn.pairs):
                e[attn.causal[0][first:first + pairs], start:start + n] = xBar[first:first + pairs] @ resid.row[start:start + n].T
                start, first = start + n, first + pairs
        out.append(e)
        out.append(edges_same_position(mlp_vjp(model, l, p, mlp.cotangent, mlp.position), mlp, [resid, attn]))
        out.append(edges_same_position(next_.cotangent, next_, [resid, attn, mlp]))
    return out


def edges_by_autograd(model, leaves, values, nodes, l):
    """Block l's edges, one backward per node: what both variants must agree with."""
    out = []
    for down, ups in ((("attn", l), [("resid", l)]), (("mlp", l), [("resid", l), ("attn", l)]),
                      (("resid", l + 1), [("resid", l), ("attn", l), ("mlp", l)])):
        d, rows = nodes[down], []
        for i, q in enumerate(d.position):
            grads = torch.autograd.grad(values[down][q] @ d.cotangent[i], [leaves[u] for u in ups], retain_graph=True)
            rows.append(torch.cat([(g[nodes[u].position] * nodes[u].row).sum(-1) for g, u in zip(grads, ups)]))
        out.append(torch.stack(rows))
    return out


# ---------------------------------------------------------------- clocks

def clock(f, repeats, warm=2):
    for _ in range(warm):
        f()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return times


def summary(times, **more):
    return {"median_s": statistics.median(times), "min_s": min(times), "max_s": max(times), "samples": len(times), **more}


def sampled(times, total):
    """The sample is spread evenly over what is extrapolated to, so its mean is what scales; the median is given beside it."""
    return summary(times, mean_s=statistics.mean(times), calls=total, extrapolated_s=statistics.mean(times) * total)


def measure(a):
    model, g = Model(a), torch.Generator().manual_seed(a.seed + 1)
    kinds = [("resid", "attn"), ("resid", "mlp"), ("attn", "mlp"), ("resid", "next"), ("attn", "next"), ("mlp", "next")]
    names = [(k, l) for l in range(a.layers) for k in ("resid", "attn", "mlp")] + [("resid", a.layers)]
    nodes = {s: Nodes(a, g) for s in names}
    result = {}

    with torch.no_grad():
        result["forward"] = summary(clock(model.run, a.repeats))

    def traced(cut):
        """The sites of one pass: as computed, and as read on. Uncut, the embedding is the one leaf."""
        values, leaves = {}, {}
        def at(site, x):
            values[site] = x
            leaves[site] = x.detach().requires_grad_() if cut or site == ("resid", 0) else x
            return leaves[site]
        return values, leaves, model.run(at)

    def both_ways():
        values, leaves, logits = traced(False)
        torch.autograd.grad(logits[0], list(leaves.values()))
    result["forward and backward, gradients at every site"] = summary(clock(both_ways, a.repeats))

    # (a): one backward per downstream feature and pair of modules, through the model down to its embedding
    _, sites, _ = traced(False)
    pairs = [(l, up, down) for l in range(a.layers) for up, down in kinds]
    times = []
    chosen = [pairs[int((i + 0.5) * len(pairs) / a.sample)] for i in range(a.sample)]
    for i, (l, up, down) in enumerate(chosen[:2] + chosen):
        site = ("resid", l + 1) if down == "next" else (down, l)
        n, which = nodes[site], i % a.nodes
        def one():
            scalar = sites[site][n.position[which]] @ n.cotangent[which]
            return torch.autograd.grad(scalar, [sites[up, l], sites["resid", 0]], retain_graph=True, allow_unused=True)
        start = time.perf_counter()
        one()
        times.append(time.perf_counter() - start)
    result["(a) one backward per node and pair, whole model"] = sampled(times[2:], a.nodes * len(pairs))
    decoder, gradient = torch.randn(a.features, a.width, generator=g), torch.randn(a.tokens, a.width, generator=g)
    times = clock(lambda: gradient @ decoder.T, a.repeats)
    result["    and its product with all decoder rows upstream"] = sampled(times, a.nodes * len(pairs))
    del decoder, sites

    # (b): one backward per node on the cut graph
    values, leaves, _ = traced(True)
    total = 0
    for kind, ups in (("attn", ("resid",)), ("mlp", ("resid", "attn")), ("next", ("resid", "attn", "mlp"))):
        times, count = [], max(a.sample // 3, 2)
        for i in [0, 0, *range(count)]:
            l = int((i + 0.5) * a.layers / count)
            site = ("resid", l + 1) if kind == "next" else (kind, l)
            n, parents = nodes[site], [leaves[u, l] for u in ups]
            start = time.perf_counter()
            grads = torch.autograd.grad(values[site][n.position[i]] @ n.cotangent[i], parents, retain_graph=True)
            for u, grad in zip(ups, grads):
                (grad[nodes[u, l].position] * nodes[u, l].row).sum(-1)
            times.append(time.perf_counter() - start)
        row = sampled(times[2:], a.nodes * a.layers)
        result[f"(b) one backward per node, cut graph: {'resid' if kind == 'next' else kind}"] = row
        total += row["extrapolated_s"]
    result["(b) one backward per node, cut graph: all sites"] = {"extrapolated_s": total, "calls": 3 * a.nodes * a.layers}

    # (c): batched by hand; checked against (b) first
    with torch.no_grad():
        kept = primal(model, {s: x.detach() for s, x in leaves.items()})
        variants = {name: all_edges(model, kept, nodes, name == "dense") for name in ("dense", "rows")}
    worst = 0.0
    for l in {0, a.layers - 1}:
        for i, true in enumerate(edges_by_autograd(model, leaves, values, nodes, l)):
            for e in variants.values():
                worst = max(worst, ((e[3 * l + i] - true).abs().max() / true.abs().max()).item())
    assert worst < 1e-4, f"the hand-written VJPs disagree with autograd by {worst}"
    result["(c) largest disagreement with autograd, of the largest edge"] = {"relative": worst}
    del values, leaves, variants
    with torch.no_grad():
        l = a.layers // 2
        p, attn, mlp = kept[l], nodes["attn", l], nodes["mlp", l]
        zBar = torch.zeros(a.nodes, a.tokens, a.width)
        zBar[torch.arange(a.nodes), attn.position] = attn.cotangent
        clean = {s: torch.randn(a.tokens, a.width) for s in names}
        result["(c) primal of all blocks, once"] = summary(clock(lambda: primal(model, clean), a.repeats))
        parts = {
            "(c) one attention VJP, dense": lambda: attention_vjp_dense(model, l, p, zBar),
            "(c) one attention VJP, rows": lambda: attention_vjp_rows(model, l, p, attn.cotangent, attn.position, attn.causal),
            "(c) one MLP VJP, rows": lambda: mlp_vjp(model, l, p, mlp.cotangent, mlp.position),
            "(c) all edges of all sites, attention dense": lambda: all_edges(model, kept, nodes, dense=True),
            "(c) all edges of all sites, attention rows": lambda: all_edges(model, kept, nodes, dense=False),
        }
        for name, part in parts.items():
            result[name] = summary(clock(part, a.repeats))
        del zBar
        full, encoders = {s: Nodes(a, g, errors=True) for s in names}, {s: Encoder(a, g) for s in names}
        def cotangents():
            for s in names:
                encoders[s].fill(full[s])
        def everything():
            cotangents()
            all_edges(model, kept, full, dense=False)
        result["(c) cotangents of features and errors, from W_enc"] = summary(clock(cotangents, a.repeats))
        result["(c) all edges of all sites, attention rows, errors and cotangents"] = summary(clock(everything, a.repeats))
    return result


def show(result):
    print(f"{'what':<62} {'median':>10} {'min':>10} {'max':>10} {'calls':>6} {'extrapolated':>13}")
    ms = lambda r, k: f"{r[k] * 1000:.1f} ms" if k in r else ""
    for name, r in result.items():
        if "relative" in r:
            print(f"{name:<62} {r['relative']:>10.1e}")
            continue
        extra = f"{r['extrapolated_s']:.2f} s" if "extrapolated_s" in r else ""
        print(f"{name:<62} {ms(r, 'median_s'):>10} {ms(r, 'min_s'):>10} {ms(r, 'max_s'):>10} {r.get('calls', ''):>6} {extra:>13}")


def main():
    a = parse()
    # Before torch is loaded: OpenMP's and OpenBLAS's threads spin against each other otherwise.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(a.threads)
    global torch, F
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(a.threads)
    before = os.getloadavg()[0]
    result = measure(a)
    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "cores": os.cpu_count(), "machine": platform.machine(),
             "load_before": before, "load_after": os.getloadavg()[0],
             "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
             **{k: getattr(a, k) for k in ("layers", "width", "heads", "vocab", "tokens", "features", "nodes",
                                           "sample", "repeats", "seed")}}
    if a.json:
        print(json.dumps({**about, "results": result}))
        return
    show(result)
    print(f"\nPyTorch {about['torch']}, {about['threads']} threads on {about['cores']} cores, float32, T={a.tokens}, "
          f"{a.nodes} nodes at each of {3 * a.layers + 1} sites; load {before:.1f} before and {about['load_after']:.1f} after; "
          f"peak {about['peak_bytes'] / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
