"""An evaluation as JSON, with where its figures come from: dataset, split, repairs, package versions."""

import json
import math
import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.annotations.splits import Splits
from sspvs.atomic import write_text
from sspvs.evaluation.comparison import Evaluation
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.rank_correlation import mean_of_defined
from sspvs.evaluation.results import MethodResult
from sspvs.machine import package_version
from sspvs.report.tables import plain
from sspvs.table import DatasetStore
from sspvs.types import Annotations
from sspvs.weights.digest import file_digest

_PACKAGES = ("sspvs", "numpy", "scipy", "h5py")
_F1 = "mean over users (avg) and best user (max), both given"
_HASHED_BYTES = 4 << 30  # a larger file is named by its size: hashing it would take longer than evaluating


def versions(*more: str) -> dict[str, str]:
    """Versions of Python and of the packages that made the figures: those that evaluate, and `more`."""
    found = {package: package_version(package, "unknown") for package in (*_PACKAGES, *more)}
    return {"python": platform.python_version(), **found}


def dataset_facts(store: DatasetStore) -> dict[str, Any]:
    """The dataset file's name and hash, how it was made, and what made its features."""
    fingerprint = store.features.fingerprint
    return {
        "dataset_file": store.path.name,
        **{f"dataset_{name}": value for name, value in file_facts(store.path).items()},
        "dataset_made_by": dict(store.made_by),
        "feature_fingerprint": None if fingerprint is None else {**fingerprint.as_dict(), "digest": fingerprint.digest},
    }


def file_facts(path: Path) -> dict[str, Any]:
    """What tells a file from others: `sha256`; of one that would take too long to read, its size in `bytes`."""
    size = path.stat().st_size
    return {"sha256": file_digest(path)} if size <= _HASHED_BYTES else {"bytes": size}


def coverage_facts(
    split: Splits | None, annotations: Mapping[str, Annotations], tested: Sequence[str]
) -> dict[str, Any]:
    """How much of the whole dataset the tested videos are, and which (resolved) split says so."""
    facts: dict[str, Any] = {"n_dataset": len(annotations), "n_tested": len(tested)}
    if split is not None:
        facts |= {f"split_{name}": value for name, value in split.as_dict().items()}
        facts["split_setting"] = split.setting
    evaluated = set(tested)
    left_out = [key for key in annotations if key not in evaluated]
    if left_out:
        facts["not_tested"] = left_out
    return facts


def repairs_of(videos: Mapping[str, Annotations]) -> list[str]:
    """What was repaired while reading the annotations, each kind once with the number of videos."""
    counts = Counter(sentence for video in videos.values() for sentence in video.repairs)
    return [f"repaired in {count} of {len(videos)} videos: {sentence}" for sentence, count in counts.items()]


def write_evaluation(path: str | os.PathLike[str], evaluation: Evaluation) -> None:
    """Write an evaluation as strict JSON, atomically."""
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
    reduced: dict[str, Any] = plain(document)
    return reduced


def _method(results: Mapping[str, MethodResult], evaluation: Evaluation, several: bool) -> dict[str, Any]:
    entries = {name: _entry(result, evaluation) for name, result in results.items()}
    if not several:
        return next(iter(entries.values()))
    return {"method": next(iter(results.values())).method, "protocols": entries}


def _entry(result: MethodResult, evaluation: Evaluation) -> dict[str, Any]:
    shared = Counter(video.name for video in result.videos)
    names = [video.name if shared[video.name] == 1 else f"{video.name} ({video.key})" for video in result.videos]
    known = result.as_dict()
    del known["videos"]
    entry = {
        "method": result.method,
        "protocol": result.protocol,
        "dataset": evaluation.dataset,
        **known,
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
        means = {metric: mean_of_defined(result.values(metric)[inside]) for metric in result.metrics}
        rows.append({"fold": number, "n_videos": len(inside), **means})
    over = {metric: np.array([row[metric] for row in rows]) for metric in result.metrics}
    return {
        "folds": rows,
        "over_folds": {
            metric: {"mean": mean_of_defined(values), "std": _std(values)} for metric, values in over.items()
        },
    }


def _std(values: Any) -> float:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else math.nan
