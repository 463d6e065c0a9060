"""An evaluation as JSON: one entry a method and protocol, each of which tells a stranger how it came about.

One method under one protocol:

    {method, protocol, dataset, n_videos, kendall_tau {mean, std, ci95}, spearman_rho {...}, f_score_avg {...},
     f_score_max {...}, undefined_pairs, settings, versions, videos {name: {key, kendall_tau, ...}}, folds, baselines,
     coverage, warnings, unavailable}

Several protocols: {dataset, protocols {name: such an entry}, ...}. Several methods: {dataset, methods {name: either of
these}, comparisons, ...}. Undefined figures are null.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.atomic import write_text
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.results import METRICS, Evaluation, MethodResult

_F1 = "mean over users (avg) and best user (max), both given"


def write_evaluation(path: str | os.PathLike[str], evaluation: Evaluation) -> None:
    """Write an evaluation as strict JSON, atomically.

    Args:
        path: File to write.
        evaluation: What to write.

    Raises:
        OutputError: When the file cannot be written.
    """
    write_text(Path(path), json.dumps(as_json(evaluation), indent=2, allow_nan=False) + "\n")


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as plain types; undefined is None."""
    several = len(evaluation.protocols) > 1
    methods = {name: _method(results, evaluation, several) for name, results in evaluation.methods.items()}
    baselines = {name: _method(results, evaluation, several) for name, results in evaluation.baselines.items()}
    document: dict[str, Any] = {"dataset": evaluation.dataset, "n_videos": evaluation.coverage.get("n_tested")}
    if len(methods) == 1:
        document |= next(iter(methods.values()))
    else:
        document["protocol"] = evaluation.protocols[0] if not several else "all"
        document["methods"] = methods
        document["comparisons"] = [comparison.as_dict() for comparison in evaluation.comparisons]
    document |= {
        "baselines": baselines,
        "coverage": dict(evaluation.coverage),
        "unavailable": dict(evaluation.unavailable),
        "settings": {**evaluation.settings, **document.get("settings", {})},
        "versions": dict(evaluation.versions),
        "warnings": list(evaluation.warnings),
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def _method(results: Mapping[str, MethodResult], evaluation: Evaluation, several: bool) -> dict[str, Any]:
    """One method: its entry, or one a protocol."""
    entries = {name: _entry(result, evaluation) for name, result in results.items()}
    if not several:
        return next(iter(entries.values()))
    return {"method": next(iter(results.values())).method, "protocols": entries}


def _entry(result: MethodResult, evaluation: Evaluation) -> dict[str, Any]:
    """One method under one protocol."""
    shared = Counter(video.name for video in result.videos)
    names = [video.name if shared[video.name] == 1 else f"{video.name} ({video.key})" for video in result.videos]
    known = result.as_dict()
    entry = {
        "method": result.method,
        "protocol": result.protocol,
        "dataset": evaluation.dataset,
        "n_videos": len(result.videos),
        **{metric: known[metric] for metric in METRICS},
        "undefined_pairs": known["undefined_pairs"],
        "settings": {
            **evaluation.settings,
            **result.settings,
            "rule": {"name": evaluation.settings.get("rule"), **result.settings.get("rule", {})},
            "protocol_sentence": PROTOCOLS[result.protocol].sentence,
            "f_score_reduction": _F1,
        },
        "versions": dict(evaluation.versions),
        "videos": {name: video.as_dict() for name, video in zip(names, result.videos, strict=True)},
    }
    if evaluation.folds:
        entry |= _folds(result, evaluation.folds)
    return entry


def _folds(result: MethodResult, folds: tuple[tuple[str, ...], ...]) -> dict[str, Any]:
    """Each fold's means over its videos, and their mean and standard deviation over folds."""
    place = {video.key: index for index, video in enumerate(result.videos)}
    rows: list[dict[str, Any]] = []
    for number, keys in enumerate(folds):
        inside = [place[key] for key in keys]
        means = {metric: _mean(result.values(metric)[inside]) for metric in METRICS}
        rows.append({"fold": number, "n_videos": len(inside), **means})
    over = {metric: np.array([row[metric] for row in rows]) for metric in METRICS}
    return {
        "folds": rows,
        "over_folds": {metric: {"mean": _mean(values), "std": _std(values)} for metric, values in over.items()},
    }


def _mean(values: Any) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _std(values: Any) -> float:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else math.nan


def _plain(value: Any) -> Any:
    """Types that strict JSON has; undefined is None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
