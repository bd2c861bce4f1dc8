"""Golden cases of AtP* (Kramár et al. 2024): node effects. Called by goldens.py and goldens_architectures.py.

The slow, obvious way, node by node, from the model's own attention:
1. gradients at sites and patterns by autograd, once as the model is and once per block with what the block adds detached (GradDrop);
2. for a node of the residual stream before block l: the linear share of its effect through queries and keys of block l, by autograd, is
   taken off, and sum G * (A' - A) put in its place, with A' the pattern after its queries, then after its keys alone were computed from
   the moved stream;
3. the effect's size is the mean of these passes' sizes, without those that drop the node itself; its sign is that of no drop.
"""
import torch

NOTES = ["method atpstar: AtP* of Kramár et al. 2024; edges are those of atp."]


def case(case, metrics):
    case.about["methods"]["atpstar"] = metrics
    for m in metrics:
        effects = node_effects(case, case.measure[m])
        for s, (gradient, effect) in effects.items():
            case.put(f"atpstar/{m}/gradient/{s}", gradient)
            case.put(f"atpstar/{m}/effect/{s}", effect)
    case.write()


def node_effects(case, measure):
    """{site: (gradient, effect)}, [N] each."""
    layers, passes = case.gpt.layers, []
    for drop in [None, *range(layers)]:
        gradients, patterns = backward(case, measure, drop)
        passes.append({s: estimates(case, s, gradients[s], patterns) for s in case.sites})
    found = {}
    for s, n in case.nodes.items():
        plain, dropped = passes[0][s], torch.stack([p[s].abs() for p in passes[1:]])
        if not ("resid_pre" in s or "resid_post" in s or "resid_mid" in s):
            own = int(s.split(".")[1])
            dropped = dropped[[l for l in range(layers) if l != own]]
        size = dropped.mean(0) if len(dropped) else plain.abs()
        gradients, _ = backward(case, measure, None)
        found[s] = (gradients[s][n.position] * n.row).sum(-1), plain.sign() * size
    return found


def backward(case, measure, drop):
    """Gradients at sites and at every pattern, of a backward pass that drops what a block adds."""
    seen = {}
    def at(name, x):
        if name.endswith("hook_pattern") or name in case.sites:
            seen[name] = x if x.requires_grad else x.requires_grad_()
        return x.detach() if name in (f"blocks.{drop}.hook_attn_out", f"blocks.{drop}.hook_mlp_out") else x
    m = measure(case.gpt.run(case.ids, at))
    grads = torch.autograd.grad(m, list(seen.values()), allow_unused=True)
    found = {k: torch.zeros_like(v) if g is None else g for (k, v), g in zip(seen.items(), grads)}
    return found, {k: g for k, g in found.items() if k.endswith("hook_pattern")}


def estimates(case, site, gradient, patterns):
    n = case.nodes[site]
    linear = (gradient[n.position] * n.move).sum(-1)
    if "resid_pre" not in site:
        return linear
    layer, clean = int(site.split(".")[1]), case.x[site].detach()
    block = f"blocks.{layer}.attn.hook_"
    G = patterns[f"{block}pattern"]
    moves = torch.zeros(len(n.position), *clean.shape, dtype=clean.dtype)
    moves[torch.arange(len(moves)), n.position] = n.move

    def hooks(x, replaced=None):
        seen = {}
        def at(name, v):
            seen[name] = (replaced or {}).get(name, v)
            return seen[name]
        case.gpt.attention(layer, x, at)
        return seen

    still = clean.expand_as(moves)
    sides = (f"{block}q", f"{block}k")
    before = hooks(still)
    def moved_pattern(side):
        return hooks(still, {side: hooks(still + moves)[side]})[f"{block}pattern"]
    def share(side):
        leaf = clean.clone().requires_grad_()
        along = hooks(clean, {side: hooks(leaf)[side]})[f"{block}pattern"]
        g, = torch.autograd.grad((G * along).sum(), leaf)
        return (g[n.position] * n.move).sum(-1)
    for side in sides:
        exact = (G * (moved_pattern(side) - before[f"{block}pattern"])).sum((-3, -2, -1))
        linear = linear - share(side) + exact
    return linear.detach()
