"""A second opinion on interventions: what really happens when nodes are changed, in PyTorch, float64, on top of reference.py.

Nothing here is linear and nothing is estimated: activations are changed, the model (or the segment between two sites) is run,
values are read.
1. frozen_run moves one site and holds all other selected sites at their clean values: what a site computes then is the direct consequence.
2. exact_edges turns that into one number per pair of nodes; naive ablation (Udell 2024) into the change of every feature downstream.
3. whole_run moves one site and lets everything after it follow.
4. joint_run scales many features at many sites in one forward pass, each on the activation that the earlier ones left.
5. circuit_run sets everything outside a circuit to given values in one forward pass (Marks et al. 2024, section 4).
Tensors with a leading [N]: N interventions side by side, each on its own.
"""
import math

import torch


def frozen_run(model, ids, x, sites, up, moved):
    """moved [N, T, d] stands at `up`, x (clean) at all other sites.

    Returns ({down: [N, T, d] for each site that reads up directly}, logits or None).
    """
    values = {}
    def at(name, v):
        if name not in sites:
            return v
        values[name] = v
        return moved if name == up else x[name]
    with torch.no_grad():
        logits = model.run(ids, at)
    # what does not depend on `moved` has no axis of interventions
    return {s: v for s, v in values.items() if v.dim() == 3 and s != up}, logits if logits.dim() == 3 else None


def whole_run(model, ids, site, moved):
    """moved [N, T, d] stands at the site, everything after it follows: logits [N, T, V]."""
    with torch.no_grad():
        return model.run(ids, lambda name, v: moved if name == site else v)


def moved_by_nodes(x, nodes):
    """Every node's move on its own: [N, T, d]."""
    moved = x.repeat(len(nodes.position), 1, 1)
    for n, (position, move) in enumerate(zip(nodes.position, nodes.move)):
        moved[n, position] += move
    return moved


def exact_edges(dictionary, nodes, x, value, g):
    """(change, effect) [D, U] of the nodes of a site, clean x [T, d], when it becomes value [U, T, d].

    g [T, d] = ∂m/∂x of the unmodified model.
    """
    U, T, d = value.shape
    error, change, effect = value - x, torch.full((len(nodes.position), U), math.nan), torch.zeros(len(nodes.position), U)
    if dictionary is not None:
        df = dictionary.encode(value) - dictionary.encode(x)                            # [U, T, n]: of all features, nodes or not
        error = error - torch.einsum("utn,tnd->utd", df, dictionary.rows(x))
    for i, (position, feature) in enumerate(zip(nodes.position, nodes.feature)):
        if feature < 0:
            effect[i] = error[:, position] @ g[position]
        else:
            change[i] = df[:, position, feature]
            effect[i] = (g[position] @ nodes.row[i]) * change[i]
    return change, effect


def scaled_features(dictionary, x, features, c, positions=None):
    """Each feature's activation times c, on its own, at the given positions (None: at all): [K, T, d]."""
    f, rows = dictionary.encode(x), dictionary.rows(x)
    moved = x.repeat(len(features), 1, 1)
    for k, i in enumerate(features):
        for p in range(len(x)) if positions is None else positions:
            moved[k, p] += (c - 1) * f[p, i] * rows[p, i]
    return moved


def scaled_nodes(dictionary, x, nodes, c):
    """Each feature node's activation times c, on its own: [N_f, T, d]."""
    places = zip(nodes.position.tolist(), nodes.feature.tolist())
    return torch.cat([scaled_features(dictionary, x, [i], c, [p]) for p, i in places if i >= 0])


def joint_run(model, ids, sites, dictionaries, factor, reached=lambda site, x: None):
    """factor {site: [T, n]} multiplies the activations that each site has when it is reached; errors stay.

    Returns (logits [T, V], {site: [T, d] after its own intervention}). `reached` sees each such site before its intervention.
    """
    seen = {}
    def at(name, x):
        if name in factor:
            reached(name, x)
            f, rows = dictionaries[name].encode(x), dictionaries[name].rows(x)
            x = x + (((factor[name] - 1) * f)[..., None] * rows).sum(-2)
        if name in sites:
            seen[name] = x
        return x
    with torch.no_grad():
        logits = model.run(ids, at)
    return logits, seen


def parts(dictionary, x):
    """(f [T, n], ε [T, d]) of a site's activation."""
    if dictionary is None:
        return torch.zeros(len(x), 0), x
    f = dictionary.encode(x)
    return f, x - dictionary.decode(f, x)


def circuit_run(model, ids, dictionaries, kept, ablated, reached=lambda site, x: None):
    """Logits [T, V] with everything outside a circuit at its ablated value.

    kept {site: (features [T, n], errors [T])}: what is in the circuit, bool; ablated {site: (f [T, n], ε [T, d])}: the values of all else.
    """
    def at(name, x):
        if name not in kept:
            return x
        reached(name, x)
        (f, error), (a, a_error), (features, errors) = parts(dictionaries[name], x), ablated[name], kept[name]
        if dictionaries[name] is not None:
            x = x + (((a - f) * ~features)[..., None] * dictionaries[name].rows(x)).sum(-2)
        return x + (a_error - error) * ~errors[:, None]
    with torch.no_grad():
        return model.run(ids, at)


def topk_gap(dictionary, x):
    """How far apart the last chosen and the first refused feature are, [N] of x [N, T, d].

    Infinite where activations are continuous in x.
    """
    if dictionary is None or dictionary.kind != "topk":
        return torch.full(x.shape[:1], math.inf)
    top = (dictionary.input(x) @ dictionary.w["W_enc"] + dictionary.w["b_enc"]).topk(dictionary.k + 1, -1).values
    return (top[..., -2] - top[..., -1]).amin(-1)
