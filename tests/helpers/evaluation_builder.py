"""Evaluations, datasets and predictions made by hand: plausible figures, nothing computed by the evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sspvs.evaluation.comparison import Evaluation
from sspvs.evaluation.results import METRICS, Comparison, MethodResult, VideoResult
from sspvs.types import Annotations, Shots

ALL = ("per-user", "per-user-frames", "summary-vs-mean", "mean-annotator")
LEVELS = {"contrastive": 0.08, "consensus": 0.38, "human": 0.177, "random": 0.0}
VERSIONS = {"sspvs": "0.1.0", "numpy": "2.0.0", "scipy": "1.14.0"}


def build_result(
    method: str,
    protocol: str = "per-user",
    *,
    names: Sequence[str] = ("Air_Force_One", "Base jumping", "Cockpit_Landing"),
    level: float = 0.15,
    taus: Sequence[float] | None = None,
    f_score: float | None = 0.45,
    undefined: int = 0,
    **settings: Any,
) -> MethodResult:
    """One method under one protocol; tau spreads around `level` unless given."""
    rng = np.random.default_rng([*method.encode(), *protocol.encode(), 7])
    values = level + 0.1 * rng.standard_normal(len(names)) if taus is None else np.array(taus)
    videos = tuple(
        VideoResult(
            key=f"video_{index + 1}",
            name=name,
            kendall_tau=float(tau),
            spearman_rho=float(tau) * 1.25,
            f_score_avg=np.nan if f_score is None else f_score - 0.1 + 0.02 * index / len(names),
            f_score_max=np.nan if f_score is None else f_score + 0.02 * index / len(names),
            undefined_pairs=undefined if index == 0 else 0,
            n_pairs=20,
        )
        for index, (name, tau) in enumerate(zip(names, values, strict=True))
    )
    return MethodResult(method, protocol, videos, settings)


def build_evaluation(
    methods: Mapping[str, float] | Sequence[str] = ("mine",),
    *,
    dataset: str = "summe",
    protocols: Sequence[str] = ("per-user",),
    names: Sequence[str] = ("Air_Force_One", "Base jumping", "Cockpit_Landing"),
    baselines: Sequence[str] = ("random", "human", "consensus", "contrastive"),
    f_score: float | None = 0.45,
    compare: bool = True,
    **changes: Any,
) -> Evaluation:
    """An evaluation of `methods` (name -> level of tau) with baselines; `changes` replace fields."""
    if not isinstance(methods, Mapping):
        methods = {name: 0.15 - 0.02 * index for index, name in enumerate(methods)}
    computed = [name for name in protocols if name not in changes.get("unavailable", {})]

    def results(method: str, level: float) -> dict[str, MethodResult]:
        extra = {"draws": 100} if method == "random" else {}
        return {
            protocol: build_result(method, protocol, names=names, level=level, f_score=f_score, **extra)
            for protocol in computed
        }

    pairs = list(zip(methods, list(methods)[1:], strict=False)) if compare else []
    comparisons = tuple(
        Comparison(first, second, protocol, metric, 0.012, (-0.003, 0.027), 0.12, len(names))
        for first, second in pairs
        for protocol in computed
        for metric in METRICS
    )
    fields: dict[str, Any] = {
        "dataset": dataset,
        "protocols": tuple(protocols),
        "methods": {name: results(name, level) for name, level in methods.items()},
        "baselines": {name: results(name, LEVELS[name]) for name in baselines},
        "comparisons": comparisons,
        "coverage": {"n_dataset": len(names), "n_tested": len(names)},
        "settings": {"rule": "default", "seed": 0},
        "versions": VERSIONS,
    }
    return Evaluation(**{**fields, **changes})


def build_annotations(
    key: str = "video_1",
    name: str = "Air_Force_One",
    *,
    n_frames: int = 900,
    n_users: int = 5,
    step: int = 15,
    kind: str = "summaries",
    **changes: Any,
) -> Annotations:
    """A video with users who summarise (`summaries`, as SumMe), rate (`ratings`, as TVSum), or none (`none`)."""
    rng = np.random.default_rng([*key.encode(), n_frames])
    picks = np.arange(0, n_frames, step, dtype=np.int64)
    starts = np.unique(np.concatenate([[0], rng.integers(1, n_frames, max(1, n_frames // 150))]))
    shots = Shots.from_starts(starts.astype(np.int64), n_frames)
    time = np.linspace(0, 1, n_frames)
    truth = np.sin(9 * time + rng.uniform(0, 6)) + np.sin(23 * time + rng.uniform(0, 6))
    summaries = scores = None
    mean = (truth - truth.min()) / np.ptp(truth)
    if kind != "none":
        noisy = truth + 0.9 * np.repeat(rng.standard_normal((n_users, n_frames // 60 + 1)), 60, axis=1)[:, :n_frames]
        summaries = noisy >= np.quantile(noisy, 0.85, axis=1, keepdims=True)
        ratings = 1 + np.clip(np.round(noisy + 2), 0, 4)
        scores = (summaries if kind == "summaries" else ratings).astype(np.float32)
        mean = summaries.mean(axis=0) if kind == "summaries" else (ratings.mean(axis=0) - 1) / 4
    fields: dict[str, Any] = {
        "key": key,
        "video_name": name,
        "n_frames": n_frames,
        "picks": picks,
        "user_summaries": summaries,
        "user_scores": scores,
        "gtscore": mean[picks].astype(np.float32),
        "shots": shots,
        "fps": 25.0,
    }
    return Annotations(**{**fields, **changes})
