"""What the page of an evaluation draws from: one JSON document, small enough for a whole dataset.

Curves and users' scores are means over at most `COLUMNS` stretches of a video, stretched to their own range: what is
drawn is a picture; every figure comes from all frames.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from sspvs.atomic import write_text
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.published import PublishedResult
from sspvs.evaluation.results import METRICS, Evaluation, MethodResult
from sspvs.evaluation.summary_rule import RULES, SummaryRule
from sspvs.report.evaluation_columns import F1, SHORT, in_words
from sspvs.report.evaluation_html import apart_html, blocks_html
from sspvs.report.evaluation_table import Table, comparison_table, dataset_title, drawn_metrics, own_rows
from sspvs.report.page import definition_rows, escape, json_island, notice, part, policy, script_of, style_of
from sspvs.report.tables import generated_by, plain
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


_LONGEST_SETTING = 160
_SCRIPTS = ("evaluation_spread.js", "evaluation_video.js", "evaluation_page.js")


def write_evaluation_page(
    path: Path,
    evaluation: Evaluation,
    dataset: Mapping[str, Annotations],
    predictions: Mapping[str, Mapping[str, Prediction]],
    published: Iterable[PublishedResult] = (),
    *,
    rule: SummaryRule | None = None,
) -> None:
    """Write the page.

    Args:
        path: The HTML file to write.
        evaluation: What was found.
        dataset: Key -> annotations, of the evaluated videos at least.
        predictions: Method -> key -> its scores, drawn beside what users gave; methods without any have figures only.
        published: Results to put beside; those on other datasets are left out.
        rule: How summaries are made from scores; what the results say when None.

    Raises:
        OutputError: The file cannot be written.
    """
    table = comparison_table(evaluation, published)
    rule = _rule_of(evaluation) if rule is None else rule
    document = evaluation_document(evaluation, table, dataset, predictions, rule)
    style, script = style_of("evaluation_page.css"), script_of(*_SCRIPTS)
    page = Template(part("evaluation_page.html")).substitute(
        policy=policy(script, style),
        style=style,
        script=script,
        data=json_island(document),
        blocks=blocks_html(table, drawn_metrics(evaluation.dataset)),
        apart=apart_html(table),
        **_texts(evaluation, table, dataset, len(document["videos"])),
    )
    write_text(path, page)


def _rule_of(evaluation: Evaluation) -> SummaryRule:
    """The rule that the results name; the default one where they name none."""
    named = [evaluation.settings.get("rule")]
    named += [result.settings.get("rule") for by_name in evaluation.methods.values() for result in by_name.values()]
    for known in named:
        if isinstance(known, str) and known in RULES:
            return RULES[known]
        if isinstance(known, Mapping) and set(known) <= {"fraction", "rounding", "values"}:
            return SummaryRule(**known)
    return SummaryRule()


def _texts(evaluation: Evaluation, table: Table, dataset: Mapping[str, Annotations], n_drawn: int) -> dict[str, str]:
    """Everything that stands in the page as text, escaped."""
    names = tested_names(evaluation)
    n_tested, n_dataset = len(names), evaluation.coverage.get("n_dataset", len(dataset))
    users = sorted({dataset[key].n_users for key in names if key in dataset})
    groups = [(name, *_short_and_long(values)) for name, values in _made(evaluation)]
    drawn = ""
    if n_drawn < n_tested:
        drawn = (
            f"{n_drawn} of the {n_tested} videos are drawn, evenly spread (at most {MAX_VIDEOS}); figures are of all. "
        )
    return {
        "title": escape(dataset_title(evaluation.dataset)),
        "methods": escape(", ".join(evaluation.methods)),
        "videos": str(n_tested),
        "of_videos": f" of {escape(n_dataset)}" if n_dataset != n_tested else "",
        "users": _span(users) if users and users[-1] else "none",
        "protocols": str(sum(block.measure in evaluation.protocols for block in table.blocks)),
        "warnings": notice(evaluation.warnings),
        "drawn": escape(drawn),
        "columns": str(COLUMNS),
        "made": "\n".join(_definitions(name, short) for name, short, _ in groups if short),
        "long": "\n".join(_folded(name, long) for name, _, long in groups if long),
        "generated": escape(generated_by()),
    }


def _made(evaluation: Evaluation) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What made the figures, by heading: of all, and of each method."""
    yield "Settings", evaluation.settings
    for method, results in evaluation.methods.items():
        yield method, next(iter(results.values())).settings if results else {}
    yield "Coverage", evaluation.coverage
    yield "Versions", evaluation.versions


def _short_and_long(values: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """What fits into a list of settings, and what is to be unfolded."""
    short: dict[str, str] = {}
    long: dict[str, Any] = {}
    for name, value in values.items():
        words = in_words(value)
        if len(words) <= _LONGEST_SETTING:
            short[name.replace("_", " ")] = words
        else:
            long[name.replace("_", " ")] = value
    return short, long


def _definitions(name: str, values: Mapping[str, Any]) -> str:
    return f'<div><h3 dir="auto">{escape(name)}</h3><dl class="table">{definition_rows(values)}</dl></div>'


def _folded(heading: str, values: Mapping[str, Any]) -> str:
    title, blocks = escape(heading), []
    for name, value in values.items():
        text = json.dumps(plain(value), indent=1, ensure_ascii=False)
        blocks.append(f"<details><summary>{title}: {escape(name)}</summary><pre>{escape(text)}</pre></details>")
    return "\n".join(blocks)


def _span(counts: list[int]) -> str:
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
