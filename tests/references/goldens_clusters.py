#!/usr/bin/env python3
"""Goldens of clusters: merges of average linkage (scipy), silhouettes, adjusted Rand indices and k-means (scikit-learn), over sparse
vectors by cosine, in float64. Debian 12: python3-scipy 1.10, python3-sklearn 1.2.

    python3 tests/references/goldens_clusters.py [--out tests/OnnxAttribution.Tests/Goldens/clusters]
"""
import argparse
import json
import os

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_samples


def planted(rng, groups, size, width, noise):
    """Rows of few non-zeros: a direction per group, and noise on random columns."""
    rows, labels = [], []
    for g in range(groups):
        own = rng.choice(width, 6, replace=False)
        strength = rng.normal(0, 1, 6)
        for _ in range(size + g):
            row = np.zeros(width)
            row[own] = strength * (1 + 0.3 * rng.normal(size=6))
            at = rng.choice(width, 8, replace=False)
            row[at] += noise * rng.normal(size=8)
            rows.append(row)
            labels.append(g)
    order = rng.permutation(len(rows))
    return np.array(rows)[order].astype(np.float32).astype(np.float64), np.array(labels)[order]


def objective(unit, labels):
    """What spherical k-means makes large: the lengths of the clusters' sums."""
    return float(sum(np.linalg.norm(unit[labels == c].sum(0)) for c in np.unique(labels)))


def spherical(unit, clusters, rng):
    """Spherical k-means by hand, from many random beginnings."""
    best = None
    for _ in range(200):
        labels = np.argmax(unit @ unit[rng.choice(len(unit), clusters, replace=False)].T, 1)
        for _ in range(100):
            centres = np.array([unit[labels == c].sum(0) if (labels == c).any() else unit[rng.integers(len(unit))]
                                for c in range(clusters)])
            centres /= np.linalg.norm(centres, axis=1, keepdims=True)
            moved = np.argmax(unit @ centres.T, 1)
            if (moved == labels).all():
                break
            labels = moved
        if len(np.unique(labels)) == clusters and (best is None or objective(unit, labels) > objective(unit, best)):
            best = labels
    return best


def case(seed, groups, size, width, noise):
    rng = np.random.default_rng(seed)
    rows, truth = planted(rng, groups, size, width, noise)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    merges = linkage(pdist(rows, "cosine"), "average")
    result = {
        "rows": [{"columns": np.flatnonzero(r).tolist(), "values": r[r != 0].tolist()} for r in rows],
        "truth": truth.tolist(),
        "merges": [[int(min(a, b)), int(max(a, b)), float(d), int(n)] for a, b, d, n in merges],
        "cuts": [],
        "kmeans": [],
    }
    for k in range(2, groups + 3):
        labels = fcluster(merges, k, "maxclust")
        result["cuts"].append({
            "clusters": k,
            "labels": labels.tolist(),
            "silhouettes": silhouette_samples(rows, labels, metric="cosine").tolist(),
            "objective": objective(unit, labels),
            "rand": float(adjusted_rand_score(truth, labels)),
        })
        ours, theirs = spherical(unit, k, rng), KMeans(k, n_init=50, random_state=seed).fit(unit).labels_
        result["kmeans"].append({"clusters": k, "objective": objective(unit, ours), "sklearn": objective(unit, theirs)})
    return result


def main():
    parser = argparse.ArgumentParser()
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--out", default=os.path.join(here, "..", "OnnxAttribution.Tests", "Goldens", "clusters"))
    out = parser.parse_args().out
    os.makedirs(out, exist_ok=True)
    for name, arguments in {"parted": (1, 5, 9, 60, 0.3), "blurred": (2, 4, 12, 30, 1.0)}.items():
        with open(os.path.join(out, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(case(*arguments), file, separators=(",", ":"))
            file.write("\n")


if __name__ == "__main__":
    main()
