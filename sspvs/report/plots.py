"""Pictures by matplotlib: the importance of a summary (`scores.png`), and an evaluation."""

import math
import warnings
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.atomic import atomic_stream
from sspvs.errors import printable
from sspvs.evaluation.table import SHORT, Block, Table
from sspvs.report.sentences import about, clock_text
from sspvs.report.tables import generated_by
from sspvs.types import FloatArray, Summary

ACCENT = "#d04a12"
INK, MUTED, RULE, PAPER = "#1d1c1a", "#7a766f", "#e4e1db", "#ffffff"
CURVE_COLOURS = ("#5b7aa6", "#6f9b7c", "#9a7fae", "#b59a56", "#4f9aa3", "#a86f7c")
_TICK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
COLOURS = ("#c2440c", "#0072b2", "#00845f", "#a8508a", "#a87800", "#4a7fa5")
_ROW, _HEAD, _FOOT, _LABELS = 0.34, 0.62, 0.42, 2.7  # inches


def write_scores_png(summary: Summary, path: Path) -> None:
    """Draw the importance over time with shots, selection and the curves behind it.

    Args:
        summary: What to draw.
        path: The PNG file to write.

    Raises:
        OutputError: The file cannot be written.
    """
    _save(draw_scores(summary), path)


def _save(figure: Any, path: Path, **how: Any) -> None:
    with warnings.catch_warnings(), atomic_stream(path) as stream:
        # A title in a script that the bundled font lacks is drawn with boxes; that is no news to the user.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure.savefig(stream, format="png", dpi=150, facecolor=PAPER, **how)


def draw_scores(summary: Summary) -> Any:
    """The figure behind `write_scores_png`, made without pyplot's global state; its first axes hold the importance."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.4), facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.055, 0.17, 0.92, 0.64))
    seconds = np.array([summary.timeline.seconds_of(int(pick)) for pick in summary.picks])
    _draw_shots(axes, summary)
    _draw_curves(axes, summary, seconds)
    _draw_importance(axes, summary, seconds)
    _dress(figure, axes, summary)
    return figure


def _draw_shots(axes: Any, summary: Summary) -> None:
    """Shots as quiet alternating bands, the played segments in the accent colour."""
    timeline = summary.timeline
    for index, (start, end) in enumerate(summary.shots):
        if index % 2 == 0 and not summary.selected[index]:
            axes.axvspan(timeline.seconds_of(start), timeline.end_of(end - 1), color="#f4f2ee", lw=0, zorder=0)
    for start_seconds, end_seconds in summary.segment_seconds:
        axes.axvline(start_seconds, color=PAPER, lw=1.5, zorder=1.5)  # neighbours stay two
        axes.axvspan(start_seconds, end_seconds, color=ACCENT, alpha=0.15, lw=0, zorder=1, label="_segment")
        axes.axvspan(start_seconds, end_seconds, ymax=0.018, color=ACCENT, lw=0, zorder=5)


def _draw_curves(axes: Any, summary: Summary, seconds: FloatArray) -> None:
    """The curves behind the score, each stretched to the height of the picture: their shape matters here."""
    low, high = _limits(summary.scores)
    for colour, (name, curve) in zip(cycle(CURVE_COLOURS), summary.curves.items(), strict=False):
        values = np.asarray(curve, dtype=np.float64)
        span = np.ptp(values)
        unit = (values - values.min()) / span if span > 0 else np.full(len(values), 0.5)
        label = name.replace("_", " ")
        axes.plot(seconds, low + unit * (high - low) * 0.94, color=colour, lw=1, alpha=0.5, zorder=2, label=label)


def _draw_importance(axes: Any, summary: Summary, seconds: FloatArray) -> None:
    """The score, dark, and again in the accent colour where the summary plays; each shot's mean as a step."""
    scores = np.asarray(summary.scores, dtype=np.float64)
    marker = "o" if len(scores) == 1 else None
    axes.plot(seconds, scores, color=INK, lw=1.6, zorder=4, label="importance", marker=marker, solid_joinstyle="round")
    for start, end in summary.segment_seconds:
        inside = (seconds > start) & (seconds < end)
        grid = np.concatenate([[start], seconds[inside], [end]])
        axes.plot(grid, np.interp(grid, seconds, scores), color=ACCENT, lw=2.2, zorder=4.5, label="_selected")
    for (start_frame, end_frame), mean in zip(summary.shots, summary.shot_scores, strict=True):
        bounds = [summary.timeline.seconds_of(start_frame), summary.timeline.end_of(end_frame - 1)]
        axes.plot(bounds, [mean, mean], color=MUTED, lw=0.9, ls=(0, (1, 1.5)), zorder=3, label="_mean")


def _dress(figure: Any, axes: Any, summary: Summary) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    end = summary.timeline.end_seconds
    axes.set_xlim(0, end if end > 0 else 1)
    axes.set_ylim(*_limits(summary.scores))
    step = next((step for step in _TICK_STEPS if end / step <= 14), _TICK_STEPS[-1])
    axes.set_xticks(np.arange(0, end + 1e-9, step))
    axes.xaxis.set_major_formatter(lambda value, _: clock_text(value))
    axes.set_ylabel("importance (higher is more)", color=MUTED, fontsize=10)
    axes.tick_params(colors=MUTED, labelsize=9, length=0, pad=6)
    axes.grid(axis="y", color=RULE, lw=0.8, zorder=0.5)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    # parse_math off: a dollar sign in a file name is no formula.
    name = printable(Path(summary.info.path).name)
    name = name if len(name) <= 80 else name[:79] + "…"
    figure.text(0.055, 0.92, name, fontsize=15, fontweight="bold", color=INK, parse_math=False)
    figure.text(0.055, 0.855, " ".join(about(summary)[:2]), fontsize=10.5, color=MUTED, parse_math=False)
    if summary.curves:
        figure.text(0.975, 0.825, "thin lines: each on its own scale", ha="right", fontsize=8.5, color=MUTED)
    means = Line2D([], [], color=MUTED, lw=0.9, ls=(0, (1, 1.5)), label="mean of the shot")
    handles = [*axes.get_legend_handles_labels()[0], means, Patch(color=ACCENT, alpha=0.3, label="in the summary")]
    legend = figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.055, 0.02),
        ncols=len(handles),
        columnspacing=1.5,
        frameon=False,
        fontsize=9,
        borderaxespad=0,
    )
    for text in legend.get_texts():
        text.set(color=MUTED, parse_math=False)


def _limits(scores: FloatArray) -> tuple[float, float]:
    """Bottom and top of the importance axis: zero is shown when all scores are positive and not far from it."""
    low, high = float(np.min(scores)), float(np.max(scores))
    low = 0.0 if 0 <= low <= 0.5 * high else low
    room = (high - low) * 0.06 or 0.5
    return low - (0 if low == 0.0 and high > 0 else room), high + room


def write_evaluation_png(path: Path, table: Table) -> None:
    """Draw the overview: for each protocol and for F1, every row's mean, interval and videos."""
    _save(draw_evaluation(table), path, metadata={"Software": generated_by()})


def draw_evaluation(table: Table) -> Any:
    """The figure behind `write_evaluation_png`, without pyplot's global state: an axes a protocol, and one of F1."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [_HEAD + _ROW * len(block.rows) + _FOOT for block in table.blocks]
    width, top = 9.0, 0.75
    height = top + (sum(heights) or 0.5)
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    FigureCanvasAgg(figure)

    def write(below_top: float, text: str, **look: Any) -> None:
        figure.text(0.2 / width, 1 - below_top / height, text, **{"color": MUTED, "parse_math": False, **look})

    write(0.35, _cut(table.title, 60), fontsize=15, fontweight="bold", color=INK)
    note = f"videos: {table.facts.get('videos', '')}; dots are videos, marks are means with 95 % intervals"
    if table.has_best_test:
        note += "; hollow diamonds: epoch chosen on the test videos"
    write(0.6, note, fontsize=8.5)
    for block, tall in zip(table.blocks, heights, strict=True):
        rows = _ROW * len(block.rows)
        write(top + _HEAD - 0.3, block.measure, fontsize=11, fontweight="bold", color=INK)
        write(top + _HEAD - 0.12, block.sentence, fontsize=8)
        top += tall
        place = (_LABELS / width, 1 - (top - _FOOT) / height, 1 - (_LABELS + 1.1) / width, rows / height)
        _draw_block(figure.add_axes(place), block, table)
    return figure


def _draw_block(axes: Any, block: Block, table: Table) -> None:
    methods, drawn = list(table.evaluation.methods), block.drawn
    metric = drawn[0].metric
    for y, row in enumerate(reversed(block.rows)):
        colour = COLOURS[methods.index(row.label) % len(COLOURS)] if row.group == "methods" else MUTED
        result = table.result(row.label, block.measure)
        if result is not None and row.group != "published":
            _draw_videos(axes, result.values(metric), y, colour)
        for column in drawn:
            figure = column.figures.get(row.label)
            if figure is None or not math.isfinite(figure.value):
                continue
            if figure.ends:
                axes.plot(figure.ends, [y, y], color=colour, lw=2, solid_capstyle="butt", zorder=4)
            look: Mapping[str, Any] = {"marker": "o", "mfc": colour, "mec": PAPER, "ms": 6.5}
            if column.best_test:
                look = {"marker": "D", "mfc": PAPER, "mec": colour, "ms": 6}
            axes.plot([figure.value], [y], ls="", mew=1.2, zorder=5, **look)
            text, place = f"{figure.text}{'*' * column.best_test}", (1.115 if column.best_test else 1.02, y)
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


def _cut(text: str, longest: int) -> str:
    half = (longest - 1) // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"
