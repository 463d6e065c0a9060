"""Every protocol and baseline from its definition, with plain loops and scipy: slow, and easy to check by eye."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
from scipy.stats import kendalltau, spearmanr


def naive_pair(one, other):
    """Tau-b and rho; NaN for a constant side."""
    if len(one) < 2:
        return math.nan, math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant input
        return kendalltau(one, other)[0], spearmanr(one, other)[0]


def naive_f_score(summary, user):
    """F1 by precision and recall over sets of frames."""
    chosen = {frame for frame, value in enumerate(summary) if value}
    wanted = {frame for frame, value in enumerate(user) if value}
    overlap = len(chosen & wanted)
    if overlap == 0:
        return 0.0
    precision, recall = overlap / len(chosen), overlap / len(wanted)
    return 2 * precision * recall / (precision + recall)


def naive_hold(scores, picks, n_frames):
    """Scores at the picks, held to every frame, one frame at a time."""
    held, current = [], 0
    for frame in range(n_frames):
        while current + 1 < len(picks) and picks[current + 1] <= frame:
            current += 1
        held.append(scores[current])
    return np.array(held)


def naive_summary(frame_scores, shots, budget, thousandths=False):
    """The best choice of shots by trying them all; of equal ones, the one without the later shot."""
    bounds = list(shots)
    values = [float(np.mean(frame_scores[start:end])) for start, end in bounds]
    if thousandths:
        values = [int(1000 * value) for value in values]
    best, best_value = [()], 0.0
    for size in range(len(bounds) + 1):
        for chosen in itertools.combinations(range(len(bounds)), size):
            length = sum(bounds[shot][1] - bounds[shot][0] for shot in chosen)
            value = sum(values[shot] for shot in chosen)
            if length > budget or value < best_value - 1e-12:
                continue
            best = [chosen] if value > best_value + 1e-12 else [*best, chosen]
            best_value = max(value, best_value)
    without_later = min(best, key=lambda chosen: [shot in chosen for shot in reversed(range(len(bounds)))])
    summary = np.zeros(len(frame_scores), dtype=bool)
    for shot in without_later:
        summary[bounds[shot][0] : bounds[shot][1]] = True
    return summary


def naive_method(video, scores, protocol):
    """A method's scores at the picks: tau, rho, F1 avg, F1 max, undefined pairs, pairs."""
    held = naive_hold(scores, video.picks, video.n_frames)
    summary = naive_summary(held, video.shots, math.floor(0.15 * video.n_frames))
    if protocol == "per-user":
        pairs = [naive_pair(scores, [user[pick] for pick in video.picks]) for user in video.user_scores]
    elif protocol == "per-user-frames":
        pairs = [naive_pair(held, user) for user in video.user_scores]
    elif protocol == "summary-vs-mean":
        pairs = [naive_pair(summary, np.mean(video.user_summaries, axis=0))]
    else:
        pairs = [naive_pair(scores, video.gtscore)]
    f_scores = [naive_f_score(summary, user) for user in video.user_summaries]
    return *_mean(pairs), float(np.mean(f_scores)), max(f_scores), _undefined(pairs), len(pairs)


def naive_human(video, protocol):
    """The users in the method's place: tau, rho, F1 avg, F1 max, undefined pairs, pairs."""
    rows = video.user_summaries if protocol == "summary-vs-mean" else video.user_scores
    rows = np.asarray(rows, dtype=float)
    if protocol in ("per-user", "mean-annotator"):
        rows = rows[:, video.picks]
    if protocol.startswith("per-user"):
        pairs = [naive_pair(one, other) for one, other in itertools.combinations(rows, 2)]
    else:
        pairs = [naive_pair(row, np.delete(rows, user, axis=0).sum(axis=0)) for user, row in enumerate(rows)]
    averages, largest = [], []
    for user, summary in enumerate(video.user_summaries):
        others = [other for place, other in enumerate(video.user_summaries) if place != user]
        averages.append(np.mean([naive_f_score(summary, other) for other in others]))
        largest.append(max(naive_f_score(summary, other) for other in others))
    return *_mean(pairs), float(np.mean(averages)), float(np.mean(largest)), _undefined(pairs), len(pairs)


def _mean(pairs):
    defined = [pair for pair in pairs if not math.isnan(pair[0])]
    return tuple(np.mean(defined, axis=0)) if defined else (math.nan, math.nan)


def _undefined(pairs):
    return sum(math.isnan(tau) for tau, _ in pairs)
