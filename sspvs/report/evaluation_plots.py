"""An evaluation as one picture: means, intervals and single videos, a panel a protocol."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.atomic import atomic_stream
from sspvs.evaluation.published import PublishedResult
from sspvs.evaluation.results import Evaluation, MethodResult
from sspvs.report.evaluation_columns import SHORT, Block, number
from sspvs.report.evaluation_table import comparison_table, dataset_title, drawn_metrics
from sspvs.report.plots import INK, MUTED, PAPER, RULE
from sspvs.report.tables import generated_by
from sspvs.types import FloatArray

COLOURS = ("#c2440c", "#0072b2", "#00845f", "#a8508a", "#a87800", "#4a7fa5")
_ROW, _HEAD, _FOOT, _LABELS = 0.34, 0.62, 0.42, 2.7  # inches


def write_evaluation_png(path: Path, evaluation: Evaluation, published: Iterable[PublishedResult] = ()) -> None:
    """Draw the overview: for each protocol and for F1, every row's mean, interval and videos.

    Args:
        path: The PNG file to write.
        evaluation: What was found.
        published: Results to put beside, each under its own protocol.

    Raises:
        OutputError: The file cannot be written.
    """
    figure = draw_evaluation(evaluation, published)
    with warnings.catch_warnings(), atomic_stream(path) as stream:
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a name in a script without font
        figure.savefig(stream, format="png", dpi=150, facecolor=PAPER, metadata={"Software": generated_by()})


def draw_evaluation(evaluation: Evaluation, published: Iterable[PublishedResult] = ()) -> Any:
    """The figure behind `write_evaluation_png`, made without pyplot's global state.

    Returns:
        A `matplotlib.figure.Figure` with an axes a protocol, and one of F1.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table = comparison_table(evaluation, published)
    heights = [_HEAD + _ROW * len(block.rows) + _FOOT for block in table.blocks]
    width, top = 9.0, 0.75
    height = top + (sum(heights) or 0.5)
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    FigureCanvasAgg(figure)
    figure.text(
        0.2 / width,
        1 - 0.35 / height,
        _cut(dataset_title(table.dataset), 60),
        fontsize=15,
        fontweight="bold",
        color=INK,
        parse_math=False,
    )
    videos = table.facts.get("videos", "")
    note = f"videos: {videos}; dots are videos, marks are means with 95 % intervals"
    if table.has_best_test:
        note += "; hollow diamonds: epoch chosen on the test videos"
    figure.text(0.2 / width, 1 - 0.6 / height, note, fontsize=8.5, color=MUTED, parse_math=False)
    below = height - top
    for block, tall in zip(table.blocks, heights, strict=True):
        below -= tall
        plot = (
            _LABELS / width,
            (below + _FOOT) / height,
            1 - (_LABELS + 1.1) / width,
            _ROW * len(block.rows) / height,
        )
        axes = figure.add_axes(plot)
        where = below + _FOOT + _ROW * len(block.rows)
        _draw_block(axes, block, evaluation, table.methods)
        figure.text(0.2 / width, (where + 0.3) / height, block.measure, fontsize=11, fontweight="bold", color=INK)
        figure.text(0.2 / width, (where + 0.12) / height, block.sentence, fontsize=8, color=MUTED)
    return figure


def _draw_block(axes: Any, block: Block, evaluation: Evaluation, methods: tuple[str, ...]) -> None:
    held = {column.metric for column in block.columns}
    metric = next(metric for metric in drawn_metrics(evaluation.dataset) if metric in held)
    columns = [column for column in block.columns if column.metric == metric]
    for index, row in enumerate(block.rows):
        y = len(block.rows) - 1 - index
        colour = COLOURS[methods.index(row.label) % len(COLOURS)] if row.group == "methods" else MUTED
        result = _result(evaluation, row.label, block.measure)
        if result is not None and row.group != "published":
            _draw_videos(axes, result.values(metric), y, colour)
        for column in columns:
            figure = column.get(row.label)
            if figure is None or not math.isfinite(figure.value):
                continue
            if figure.ci95 is not None and figure.has_interval:
                axes.plot(figure.ci95, [y, y], color=colour, lw=2, solid_capstyle="butt", zorder=4)
            hollow = (
                {"marker": "D", "mfc": PAPER, "ms": 6}
                if column.best_test
                else {"marker": "o", "mfc": colour, "ms": 6.5}
            )
            axes.plot(
                [figure.value], [y], ls="", mec=colour if column.best_test else PAPER, mew=1.2, zorder=5, **hollow
            )
            text = f"{number(figure.value, 4 if figure.ci95 else 3)}{'*' if column.best_test else ''}"
            place = (1.115 if column.best_test else 1.02, y)
            axes.annotate(text, place, xycoords=("axes fraction", "data"), va="center", fontsize=8.5, color=INK)
    axes.set_yticks(range(len(block.rows)), [_cut(row.label, 34) for row in block.rows][::-1])
    for tick, row in zip(axes.get_yticklabels(), block.rows[::-1], strict=True):
        tick.set(color=INK if row.group != "published" else MUTED, parse_math=False)
        tick.set_fontweight("bold" if row.group == "methods" else "normal")
    axes.set_ylim(-0.6, len(block.rows) - 0.4)
    axes.set_xlabel(SHORT[metric], fontsize=8.5, color=MUTED, labelpad=1)
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.tick_params(axis="x", length=0, labelsize=8, colors=MUTED)
    axes.grid(axis="x", color=RULE, lw=0.8)
    axes.axvline(0, color=MUTED, lw=0.8, zorder=1)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_videos(axes: Any, values: FloatArray, y: float, colour: str) -> None:
    """A dot a video, spread a little so that neighbours do not hide each other; always the same picture."""
    known = np.sort(values[np.isfinite(values)])
    offsets = 0.3 * ((np.arange(len(known)) * 0.618034) % 1 - 0.5)
    axes.plot(known, y + offsets, ls="", marker="o", ms=3, color=colour, alpha=0.3, mew=0, zorder=3)


def _result(evaluation: Evaluation, label: str, measure: str) -> MethodResult | None:
    """A row's result: of F1 that of any protocol, since all have the same."""
    results = evaluation.methods.get(label) or evaluation.baselines.get(label) or {}
    return results.get(measure) or next((results[name] for name in evaluation.protocols if name in results), None)


def _cut(text: str, longest: int) -> str:
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"
