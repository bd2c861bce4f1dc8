#!/usr/bin/env python3
"""Golden cases of the errors of a site in one row: all of them but the strongest move, and are read, together.

    python3 tests/references/goldens_errors.py     # reads the models and prompts of the other cases, writes these and nothing else

The row's change is one tensor [T, d], its cotangent another: what it does and what is done to it comes from these two, and not from sums
over its members' edges. What it does to features is held against central differences: the whole row is really moved in the cut graph.
"""
import json
import os

import torch

import goldens
import goldens_depth
from reference import cotangents, cut, direct_metric_gradients

OUT = goldens_depth.OUT
BASES = {"random2-all-zero": 1, "random2-all-patch": 0, "random2-resid-patch": 2, "llama2-all-patch": 1, "neox2-all-zero": 1,
         "tiny-resid-zero": 1}
METRIC = "logit-diff"


def members_of(case, top):
    """{site: bool [N]}: the errors that are not among the strongest."""
    _, effects = case.known["atp", METRIC]
    found = {}
    for s, n in case.nodes.items():
        weakest = effects[s].abs().masked_fill(~n.is_error, -1).argsort(descending=True)[top:]
        found[s] = n.is_error & torch.zeros_like(n.is_error).index_fill(0, weakest, True)
        assert found[s].sum() >= 2, "a row of one member is no row"
    return found


def spread(n, which, rows, like):
    """[T, d] of rows [N, d] at the positions of chosen nodes."""
    return torch.zeros_like(like).index_add(0, n.position[which], rows[which])


def check(case, up, down, jacobian, move):
    """All features of a site downstream, encoded anew with the row moved a little both ways."""
    if case.dictionaries[down] is None:
        return
    far, step, seen = case.nodes[down], 1e-5, []
    for sign in (1, -1):
        value = cut(case.gpt, case.ids, {**case.x, up: case.x[up] + sign * step * move}, case.sites)[1][down]
        seen.append(case.dictionaries[down].encode(value)[far.position, far.feature].detach())
    moved = torch.einsum("qipj,pj->qi", jacobian, move)
    linear = (far.slope.nan_to_num() * moved[far.position]).sum(-1)
    worst = ((seen[0] - seen[1]) / (2 * step) - linear)[~far.is_error].abs().max().item()
    assert worst < 1e-6 * (1 + move.norm().item()), f"{up}->{down}: central differences disagree by {worst}"


def write(base, top):
    with open(os.path.join(OUT, base, "case.json")) as f:
        about = json.load(f)
    case = goldens.Case(OUT, f"{base.split('-')[0]}-errors{'-resid' if '-resid-' in base else ''}-{base.split('-')[-1]}",
                        goldens_depth.open_model(about["model"]), about["prompt"], about["patch_prompt"], sites=about["sites"],
                        target=about["target"], notes=["lump/*: all errors of a site but the top_errors strongest; goldens_errors.py."])
    case.runs(logits=False, features=False).node_effects("atp", [METRIC])
    g, effects = case.known["atp", METRIC]
    members = members_of(case, top)
    pairs = case._jacobians()
    direct = direct_metric_gradients(case.leaves, case.measure[METRIC](case.cut_logits))
    case.tensors = {k: v for k, v in case.tensors.items() if k.startswith("nodes/")}
    case.about.update({"methods": None, "errors": METRIC, "top_errors": top, "pairs": [list(p) for p in pairs]})
    move = {s: spread(n, members[s], n.move, case.x[s]) for s, n in case.nodes.items()}
    pulled = {s: cotangents(n, g[s]) for s, n in case.nodes.items()}
    out = {}
    for s, n in case.nodes.items():
        case.put(f"lump/members/{s}", n.position[members[s]])
        case.put(f"lump/effect/{s}", (g[s] * move[s]).sum()[None])
        out[s] = (direct.get(s, torch.zeros_like(move[s])) * move[s]).sum()
        case.put(f"lump/metric_edge/{s}", out[s][None])
    for (up, down), J in pairs.items():
        check(case, up, down, J, move[up])
        n, far = case.nodes[up], case.nodes[down]
        moved = torch.einsum("qipj,pj->qi", J, move[up])
        field = spread(far, members[down], pulled[down], case.x[down])
        case.put(f"lump/from/{up}->{down}", (pulled[down] * moved[far.position]).sum(-1))
        case.put(f"lump/into/{up}->{down}", (torch.einsum("qi,qipj->pj", field, J)[n.position] * n.move).sum(-1))
        case.put(f"lump/both/{up}->{down}", (field * moved).sum()[None])
        out[up] = out[up] + (g[down] * moved).sum()
    for s in case.sites:
        worst, largest = (out[s] - (g[s] * move[s]).sum()).abs().item(), max(e.abs().max().item() for e in effects.values())
        assert worst < goldens.CONSERVED * largest, f"{s}: what the row does is not conserved"
    case.write()


if __name__ == "__main__":
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    for b, n in BASES.items():
        write(b, n)
