"""Golden cases of the estimators other than true derivatives: relp, frozen and gim. Called by goldens.py.

Autograd sees a model whose LayerNorm scales, GELU ratios or attention patterns are detached (Gpt2.estimator in reference.py);
its numbers are those of the plain model, its derivatives the estimator's. Everything is stored under the estimator's name where
goldens.py has `atp`; Jacobians as well, since they differ between estimators.
Conservation is checked for every case and metric; a violation ends the script.
"""
import copy

import torch

import goldens_atpstar
from reference import cut, direct_jacobians, direct_metric_gradients, edge_effects, edge_jacobians, gradients

ESTIMATORS = ["relp", "frozen"]
GIM_NOTES = ["the method gim is an estimator: it holds LayerNorm's scale fixed, takes s2 (g - sum g s2), s2 = softmax(x/2), for "
             "the derivative of attention's softmax, a quarter of the gradients of q and k, a half of those of v, gate and up. "
             "Activations and logits are those of the other cases with this prompt."]
METRICS = ["logit-diff", "logprob"]
CONSERVED = 1e-9
NOTES = ["methods are estimators: relp holds LayerNorm's scale fixed and takes gelu(x)/x for GELU's derivative, "
         "frozen holds LayerNorm's scale and the attention pattern fixed. "
         "Activations and logits are those of the other cases with this prompt."]


def random_cases(Case, out, prefix, model, zero, patch, resid):
    """The prompts of the other cases; all sites, and residual sites alone, where one segment is a whole block."""
    for name, pair, sites in (("zero", zero, None), ("patch", patch, None), ("resid-zero", zero, resid)):
        case = begin(Case(out, f"{prefix}-estimators-{name}", model, *pair, sites=sites, notes=NOTES))
        for estimator in ESTIMATORS:
            node_effects(case, estimator, METRICS)
            edges(case, estimator, METRICS, jacobians=name != "patch")
        case.write()
    for name, pair, sites in (("zero", zero, None), ("resid-patch", patch, resid)):
        gim_case(begin(Case(out, f"{prefix}-gim-{name}", model, *pair, sites=sites, notes=GIM_NOTES)), METRICS)
    for name, pair, sites in (("zero", zero, None), ("resid-patch", patch, resid)):
        goldens_atpstar.case(begin(Case(out, f"{prefix}-atpstar-{name}", model, *pair, sites=sites, notes=goldens_atpstar.NOTES)), METRICS)


def gim_case(case, metrics):
    node_effects(case, "gim", metrics)
    edges(case, "gim", metrics, jacobians=True)
    case.write()


def tiny_case(Case, out, model, text, target):
    """Edges among the nodes that are strongest under either estimator."""
    case = begin(Case(out, "tiny-estimators-zero", model, text, target=target, notes=NOTES))
    for estimator in ESTIMATORS:
        node_effects(case, estimator, ["logit"])
    strength = {s: torch.stack([case.known[e, "logit"][1][s].abs() for e in ESTIMATORS]).amax(0) for s in case.sites}
    case.known["either", "logit"] = None, strength
    case.keep_strongest("either", "logit")
    for estimator in ESTIMATORS:
        edges(case, estimator, ["logit"], jacobians=False)
    case.write()
    goldens_atpstar.case(begin(Case(out, "tiny-atpstar-zero", model, text, target=target, notes=goldens_atpstar.NOTES)), ["logit"])


def begin(case):
    """The nodes; what the other cases of the prompt hold is not stored again."""
    case.runs(logits=False, features=False)
    case.tensors = {k: v for k, v in case.tensors.items() if k.startswith("nodes/")}
    return case


def under(gpt, estimator):
    other = copy.copy(gpt)
    other.estimator = estimator
    return other


def node_effects(case, estimator, metrics):
    case.about["methods"][estimator] = metrics
    for m in metrics:
        key, effects = f"{estimator}/{m}", {}
        g = gradients(under(case.gpt, estimator), case.ids, case.sites, case.measure[m])
        for s, n in case.nodes.items():
            effects[s] = (g[s][n.position] * n.move).sum(-1)
            case.put(f"{key}/gradient/{s}", (g[s][n.position] * n.row).sum(-1))
            case.put(f"{key}/effect/{s}", effects[s])
        case.known[estimator, m] = g, effects


def edges(case, estimator, metrics, jacobians):
    leaves, values, logits = cut(under(case.gpt, estimator), case.ids, case.x, case.sites)
    assert (logits - case.logits).abs().max() < 1e-12, "the estimator changed the model"
    assert all((values[s] - case.x[s]).abs().max() < 1e-12 for s in case.sites), "the estimator changed the model"
    pairs = direct_jacobians(leaves, values)
    case.about["edges"].update({estimator: metrics, "pairs": [list(p) for p in pairs]})
    for (up, down), J in pairs.items() if jacobians else ():
        case.put(f"{estimator}/jacobian/{up}->{down}", case._part(edge_jacobians(case.nodes[down], case.nodes[up], J), up, down))
    for m in metrics:
        key, (g, effects) = f"{estimator}/{m}", case.known[estimator, m]
        direct = direct_metric_gradients(leaves, case.measure[m](logits))
        outflow, inflow = {}, {}
        for up, n in case.nodes.items():
            outflow[up] = (direct.get(up, torch.zeros_like(case.x[up]))[n.position] * n.move).sum(-1)
            case.put(f"{key}/metric_edge/{up}", outflow[up])
        for (up, down), J in pairs.items():
            e = edge_effects(case.nodes[down], case.nodes[up], g[down], J)
            outflow[up] = outflow[up] + e.sum(0)
            inflow[down] = inflow.get(down, 0) + e.sum(1)
            case.put(f"{key}/edge/{up}->{down}", case._part(e, up, down))
        for s in inflow if case.kept is not None else ():
            case.put(f"{key}/inflow/{s}", inflow[s])
        worst = max((outflow[s] - effects[s]).abs().max().item() for s in case.sites)
        largest = max(e.abs().max().item() for e in effects.values())
        case.about["conservation"][key] = worst / largest
        print(f"  {case.name}: conservation {key}: {worst / largest:.1e} of the largest effect {largest:.3g}", flush=True)
        assert worst < CONSERVED * largest, "conservation is violated"
