"""The page of an evaluation: one HTML file with its table, plots of all videos, and what made the figures.

Curves and users' scores are means over at most `COLUMNS` stretches of a video, stretched to their own range: what is
drawn is a picture; every figure comes from all frames.
"""

import base64
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.atomic import write_text
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.results import EvaluationRecord, MethodResult
from sspvs.evaluation.summary_rule import RULES, SummaryRule
from sspvs.evaluation.table import SHORT, Column, Table, in_words, number
from sspvs.report.page import render
from sspvs.report.tables import plain
from sspvs.selection.shots import runs
from sspvs.selection.summary import hold_scores
from sspvs.types import Annotations, FloatArray

COLUMNS = 320
MAX_VIDEOS = 300
LEVELS = 5
MAX_USERS = 40
_SCRIPTS = ("evaluation_spread.js", "evaluation_video.js", "evaluation_page.js")
_LONGEST_SETTING = 160
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
_TICKS = 4


def write_evaluation_page(
    path: Path,
    table: Table,
    dataset: Mapping[str, Annotations],
    predictions: Mapping[str, Mapping[str, Prediction]],
) -> None:
    """Write the page of a table: `dataset` by key, `predictions` by method and key."""
    evaluation = table.evaluation
    names = {v.key: v.name for by_name in table.results.values() for r in by_name.values() for v in r.videos}
    protocols = [block.measure for block in table.blocks if block.measure in evaluation.protocols]
    document = _document(table, protocols, names, dataset, predictions, _rule_of(evaluation))
    users = sorted({dataset[key].n_users for key in names if key in dataset})
    symbols = {**SHORT, "kendall_tau": "&tau;", "spearman_rho": "&rho;"}
    page = render(
        "evaluation_page.html",
        document,
        styles=["evaluation_page.css"],
        scripts=_SCRIPTS,
        filters={"number": number, "finite": math.isfinite, "symbol": symbols.__getitem__},
        table=table,
        evaluation=evaluation,
        methods=list(evaluation.methods),
        scales={block.measure: Scale(block.drawn) for block in table.blocks},
        n_tested=len(names),
        n_dataset=evaluation.coverage.get("n_dataset", len(dataset)),
        n_drawn=len(document["videos"]),
        most_videos=MAX_VIDEOS,
        users="none" if not users or not users[-1] else " to ".join(map(str, dict.fromkeys([users[0], users[-1]]))),
        n_protocols=len(protocols),
        n_columns=COLUMNS,
        made=[(name, *_short_and_long(values)) for name, values in _made(evaluation)],
    )
    write_text(path, page)


def _document(
    table: Table,
    protocols: Sequence[str],
    names: Mapping[str, str],
    dataset: Mapping[str, Annotations],
    predictions: Mapping[str, Mapping[str, Prediction]],
    rule: SummaryRule,
) -> dict[str, Any]:
    """What the page's scripts draw: plain types, small enough for a whole dataset, figures rounded to four digits."""
    keys = drawn_keys(list(names))
    document: dict[str, Any] = {
        "dataset": table.evaluation.dataset,
        "nVideos": len(names),
        "protocols": protocols,
        "metrics": SHORT,
        "rows": [{"name": name, "own": name in table.evaluation.methods} for name in table.results],
        "values": {
            protocol: {name: _by_video(results.get(protocol), keys) for name, results in table.results.items()}
            for protocol in protocols
        },
        "columns": COLUMNS,
        "levels": LEVELS,
        "videos": [video_document(dataset[key], key, names[key], predictions, rule) for key in keys if key in dataset],
    }
    reduced: dict[str, Any] = plain(document)
    return reduced


def drawn_keys(keys: Sequence[str]) -> list[str]:
    """The videos to draw: all, or `MAX_VIDEOS` of them, evenly spread."""
    if len(keys) <= MAX_VIDEOS:
        return list(keys)
    return [keys[index] for index in np.linspace(0, len(keys) - 1, MAX_VIDEOS).round().astype(np.int64)]


def _by_video(result: MethodResult | None, keys: Sequence[str]) -> dict[str, list[float | None]] | None:
    """Each metric of each video that is drawn; None where there is none."""
    if result is None:
        return None
    by_key = {video.key: video for video in result.videos}
    return {
        metric: [_digits(getattr(by_key[key], metric)) if key in by_key else None for key in keys] for metric in SHORT
    }


def video_document(
    annotations: Annotations,
    key: str,
    name: str,
    predictions: Mapping[str, Mapping[str, Prediction]],
    rule: SummaryRule,
) -> dict[str, Any]:
    """One video's curves, users and shots; `predictions` are method -> key -> scores."""
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
        "segments": None if summary is None else [_shares(pair, n_frames) for pair in runs(summary).tolist()],
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


def _shares(frames: Sequence[int], n_frames: int) -> list[float]:
    """Frames as shares of the video, to a ten thousandth."""
    return [round(frame / n_frames, 4) for frame in frames]


def _digits(value: float) -> float | None:
    return round(float(value), 4) if math.isfinite(value) else None


def _rule_of(evaluation: EvaluationRecord) -> SummaryRule:
    """The rule that the results name; the default one where they name none."""
    named = [evaluation.settings.get("rule")]
    named += [result.settings.get("rule") for by_name in evaluation.methods.values() for result in by_name.values()]
    for known in named:
        if isinstance(known, str) and known in RULES:
            return RULES[known]
        if isinstance(known, Mapping) and set(known) <= {"fraction", "rounding", "values"}:
            return SummaryRule(**known)
    return SummaryRule()


def _made(evaluation: EvaluationRecord) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What made the figures, by heading: of all, and of each method."""
    yield "Settings", evaluation.settings
    for method, results in evaluation.methods.items():
        yield method, next(iter(results.values())).settings if results else {}
    yield "Coverage", evaluation.coverage
    yield "Versions", evaluation.versions


def _short_and_long(values: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """What fits into a list of settings, in words, and what is to be unfolded, as JSON."""
    short: dict[str, str] = {}
    long: dict[str, str] = {}
    for name, value in values.items():
        words, shown = in_words(value), name.replace("_", " ")
        if len(words) <= _LONGEST_SETTING:
            short[shown] = words
        else:
            long[shown] = json.dumps(plain(value), indent=1, ensure_ascii=False)
    return short, long


class Scale:
    """Where a value stands in the rows' pictures: from zero, or below it, to the highest end, on round ticks."""

    def __init__(self, columns: Sequence[Column]) -> None:
        figures = [figure for column in columns for figure in column.figures.values()]
        ends = [end for figure in figures for end in (figure.value, *(figure.ci95 or ())) if math.isfinite(end)]
        low, high = min(0.0, *ends, 0.0), max(0.0, *ends, 0.0)
        span = (high - low) or 0.1
        step = next((step for step in _STEPS if span / step <= _TICKS), _STEPS[-1])
        self._low, self._high = low - 0.03 * span, high + 0.03 * span
        first, last = math.ceil(self._low / step), math.floor(self._high / step)
        self.ticks = [count * step for count in range(first, last + 1)]

    def x(self, value: float) -> str:
        """Per cent of the picture's width."""
        return f"{100 * (value - self._low) / (self._high - self._low):.2f}%"

    def text(self, tick: float) -> str:
        """A tick's figure: one or two digits."""
        return number(tick, 2 if round(tick * 100) % 10 else 1) if tick else "0"
