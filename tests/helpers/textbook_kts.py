"""Kernel temporal segmentation as the textbook has it: a reference, slow and plain. Also run by tools/bench/kts.py."""

from __future__ import annotations

import itertools
import math

import numpy as np


def unit_rows(features):
    """Rows of length 1; rows of zeros stay."""
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(norms > 0, norms, 1)


def scatter_matrix(features):
    """(T, T) scatter of the picks i .. j, both included, from cumulative sums of the Gram matrix."""
    gram = features @ features.T
    squares = np.cumsum(np.append(0, np.diag(gram)))
    sums = np.zeros((len(gram) + 1, len(gram) + 1))
    sums[1:, 1:] = np.cumsum(np.cumsum(gram, axis=0), axis=1)
    diagonal = np.diag(sums)
    first, last = np.arange(len(gram))[:, None], np.arange(len(gram))
    block = diagonal[None, 1:] + diagonal[:-1, None] - sums[1:, :-1].T - sums[:-1, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        return squares[None, 1:] - squares[:-1, None] - block / (last - first + 1)


def textbook_partitions(scatter, most_changes, min_picks=1):
    """Least scatter for 0 .. most_changes changes, and the starts of each: O(m T) steps of O(T)."""
    count = len(scatter)
    least = np.full((most_changes + 1, count + 1), np.inf)
    back = np.zeros((most_changes + 1, count + 1), dtype=int)
    for end in range(min_picks, count + 1):
        least[0, end] = scatter[0, end - 1]
    for changes in range(1, most_changes + 1):
        for end in range((changes + 1) * min_picks, count + 1):
            starts = np.arange(changes * min_picks, end - min_picks + 1)
            totals = least[changes - 1, starts] + scatter[starts, end - 1]
            best = int(totals.argmin())
            least[changes, end] = totals[best]
            back[changes, end] = starts[best]
    partitions = []
    for changes in range(most_changes + 1):
        starts, end = [], count
        for level in range(changes, 0, -1):
            end = back[level, end]
            starts.append(end)
        partitions.append(np.array([0, *starts[::-1]]))
    return least[:, count], partitions


def textbook_kts(features, penalty, most_changes, min_picks=1):
    """The starts that minimise scatter / T + penalty m / (2 T) (log(T / m) + 1) over 0 .. most_changes changes."""
    count = len(features)
    least, partitions = textbook_partitions(scatter_matrix(unit_rows(features)), most_changes, min_picks)
    changes = np.arange(1, most_changes + 1)
    costs = least / count
    costs[1:] += penalty * changes / (2 * count) * (np.log(count / changes) + 1)
    return partitions[int(costs.argmin())]


def objective(features, starts, penalty):
    """The textbook's objective, from its definition."""
    points, count = unit_rows(np.asarray(features, dtype=np.float64)), len(features)
    scatter = 0.0
    for start, end in itertools.pairwise([*starts, count]):
        centre = sum(points[start:end]) / (end - start)
        scatter += sum(((point - centre) ** 2).sum() for point in points[start:end])
    changes = len(starts) - 1
    term = 0.0 if changes == 0 else penalty * changes / (2 * count) * (math.log(count / changes) + 1)
    return scatter / count + term
