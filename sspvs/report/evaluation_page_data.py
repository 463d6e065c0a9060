"""What the page of an evaluation draws from: one JSON document, small enough for a whole dataset.

Curves and users' scores are means over at most `COLUMNS` stretches of a video, stretched to their own range: what is
drawn is a picture; every figure comes from all frames.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.results import METRICS, Evaluation, MethodResult
from sspvs.evaluation.summary_rule import SummaryRule
from sspvs.report.evaluation_columns import F1
from sspvs.report.evaluation_table import Table, own_rows
from sspvs.report.evaluation_words import SHORT
from sspvs.report.tables import plain
from sspvs.selection.summary import hold_scores
from sspvs.types import Annotations, BoolArray, FloatArray

COLUMNS = 320
MAX_VIDEOS = 300
LEVELS = 5
MAX_USERS = 40


def evaluation_document(
    evaluation: Evaluation,
    table: Table,
    dataset: Mapping[str, Annotations],
    predictions: Mapping[str, Mapping[str, Prediction]],
    rule: SummaryRule,
) -> dict[str, Any]:
    """Collect what the page's script needs.

    Args:
        evaluation: What was found.
        table: Its table: the order of the rows.
        dataset: Key -> annotations, of the videos evaluated at least.
        predictions: Method -> key -> its scores; methods without any have figures only.
        rule: How summaries are made from scores.

    Returns:
        Plain types only; figures rounded to four digits.
    """
    rows = _rows(evaluation)
    names = _names(rows)
    keys = drawn_keys(list(names))
    protocols = [block.measure for block in table.blocks if block.measure in evaluation.protocols]
    labels = [{"name": name, "own": name in evaluation.methods} for name in rows]
    document = {
        "dataset": evaluation.dataset,
        "nVideos": len(names),
        "protocols": protocols,
        "metrics": {metric: SHORT[metric] for metric in METRICS},
        "rows": labels,
        "values": {
            protocol: {name: _values(results.get(protocol), keys) for name, results in rows.items()}
            for protocol in protocols
        },
        "columns": COLUMNS,
        "levels": LEVELS,
        "videos": [video_document(dataset[key], key, names[key], predictions, rule) for key in keys if key in dataset],
    }
    reduced = plain(document)
    assert isinstance(reduced, dict)
    return reduced


def drawn_keys(keys: Sequence[str]) -> list[str]:
    """The videos to draw: all, or `MAX_VIDEOS` of them, evenly spread."""
    if len(keys) <= MAX_VIDEOS:
        return list(keys)
    return [keys[index] for index in np.linspace(0, len(keys) - 1, MAX_VIDEOS).round().astype(np.int64)]


def tested_names(evaluation: Evaluation) -> dict[str, str]:
    """Key -> name of every video that has a result, in order."""
    return _names(_rows(evaluation))


def _rows(evaluation: Evaluation) -> dict[str, Mapping[str, MethodResult]]:
    """Methods, then baselines that are no method, in the order of the tables."""
    return {row.label: results for row, results in own_rows(evaluation, F1)}


def _names(rows: Mapping[str, Mapping[str, MethodResult]]) -> dict[str, str]:
    results = [result for by_protocol in rows.values() for result in by_protocol.values()]
    return {video.key: video.name for result in results for video in result.videos}


def _values(result: MethodResult | None, keys: Sequence[str]) -> dict[str, list[float | None]] | None:
    """Each metric of each video that is drawn; None where there is none."""
    if result is None:
        return None
    by_key = {video.key: video for video in result.videos}
    return {
        metric: [_digits(getattr(by_key[key], metric)) if key in by_key else None for key in keys] for metric in METRICS
    }


def video_document(
    annotations: Annotations,
    key: str,
    name: str,
    predictions: Mapping[str, Mapping[str, Prediction]],
    rule: SummaryRule,
) -> dict[str, Any]:
    """One video's curves, users and shots.

    Args:
        annotations: The video.
        key: Its key.
        name: Its name.
        predictions: Method -> key -> scores.
        rule: How summaries are made from scores.
    """
    n_frames, fps = annotations.n_frames, annotations.fps
    mean = annotations.gtscore
    scores, kind = _user_rows(annotations)
    return {
        "key": key,
        "name": name,
        "title": annotations.title,
        "category": annotations.category,
        "frames": n_frames,
        "fps": fps if fps is not None and math.isfinite(fps) and fps > 0 else None,
        "mean": None if mean is None else _curve(hold_scores(mean, annotations.picks, n_frames)),
        "users": None if scores is None else {"kind": kind, "count": annotations.n_users, "rows": _level_rows(scores)},
        "agreement": _agreement(annotations, kind),
        "shots": [] if annotations.shots is None else _shares([start for start, _ in annotations.shots], n_frames),
        "methods": [
            _method_document(method, by_key[key], annotations, rule)
            for method, by_key in predictions.items()
            if key in by_key
        ],
    }


def _method_document(
    method: str, prediction: Prediction, annotations: Annotations, rule: SummaryRule
) -> dict[str, Any]:
    summary = prediction.summary
    if summary is None and annotations.shots is not None:
        summary = rule.summarize(prediction.at_frames, annotations.shots)
    n_frames = annotations.n_frames
    return {
        "name": method,
        "curve": _curve(prediction.at_frames),
        "segments": None if summary is None else [_shares(pair, n_frames) for pair in _runs(summary)],
        "share": None if summary is None else _digits(float(np.mean(summary))),
    }


def _user_rows(annotations: Annotations) -> tuple[FloatArray | None, str]:
    """(U, N) what users gave, in 0..1, and its kind: `ratings` or `summaries`."""
    scores = annotations.user_scores_at_frames
    if scores is None and annotations.user_scores_at_picks is not None:
        rows = annotations.user_scores_at_picks
        scores = np.stack([hold_scores(row, annotations.picks, annotations.n_frames) for row in rows])
    if scores is None and annotations.user_summaries is not None:
        scores = annotations.user_summaries.astype(np.float32)
    if scores is None or len(scores) == 0:
        return None, ""
    low, high = float(scores.min()), float(scores.max())
    binary = bool(np.isin(scores, (0, 1)).all())
    unit = np.asarray(scores if binary else (scores - low) / ((high - low) or 1.0), dtype=np.float64)
    return unit, "summaries" if binary else "ratings"


def _level_rows(unit: FloatArray) -> list[list[list[int]]]:
    """For each user and column a level 0..LEVELS - 1, as runs [column, length, level]; level 0 is left out."""
    rows = []
    for user in unit[:MAX_USERS]:
        levels = np.rint(_binned(user) * (LEVELS - 1)).astype(np.int64)
        starts = np.flatnonzero(np.diff(levels, prepend=-1))
        ends = np.append(starts[1:], len(levels))
        rows.append([[int(a), int(b - a), int(levels[a])] for a, b in zip(starts, ends, strict=True) if levels[a]])
    return rows


def _agreement(annotations: Annotations, kind: str) -> str | None:
    """Share of the users' summaries that have each stretch, where the users' rows do not show it already."""
    if kind != "ratings" or annotations.user_summaries is None or len(annotations.user_summaries) == 0:
        return None
    return _packed(_binned(annotations.user_summaries.mean(axis=0)))


def _binned(values: FloatArray) -> FloatArray:
    """(min(N, COLUMNS),) means over equal stretches."""
    n_columns = min(len(values), COLUMNS)
    edges = np.floor(np.linspace(0, len(values), n_columns + 1)).astype(np.int64)
    sums: FloatArray = np.add.reduceat(np.asarray(values, dtype=np.float64), edges[:-1])
    return sums / np.diff(edges)


def _curve(values: FloatArray) -> str:
    """Stretched to its own range, so that what is highest is 1; a constant is at the middle."""
    means = _binned(values)
    low, span = float(means.min()), float(np.ptp(means))
    return _packed((means - low) / span if span > 0 else np.full(len(means), 0.5))


def _packed(unit: FloatArray) -> str:
    """Values in 0..1 as base64 of bytes."""
    return base64.b64encode(np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8).tobytes()).decode("ascii")


def _runs(mask: BoolArray) -> list[tuple[int, int]]:
    """Half-open runs of True."""
    edges = np.flatnonzero(np.diff(np.asarray(mask, dtype=np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _shares(frames: Sequence[int], n_frames: int) -> list[float]:
    """Frames as shares of the video, to a ten thousandth."""
    return [round(frame / n_frames, 4) for frame in frames]


def _digits(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None
