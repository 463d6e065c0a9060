"""The importance curve as a picture: `scores.png`."""

from __future__ import annotations

import warnings
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.atomic import atomic_stream
from sspvs.errors import printable
from sspvs.types import FloatArray, Summary

ACCENT = "#d04a12"
INK, MUTED, RULE, PAPER = "#1d1c1a", "#7a766f", "#e4e1db", "#ffffff"
CURVE_COLOURS = ("#5b7aa6", "#6f9b7c", "#9a7fae", "#b59a56", "#4f9aa3", "#a86f7c")
_TICK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


def clock_text(seconds: float) -> str:
    """Seconds as people write times: `0:07`, `12:30`, `1:02:03`; tenths only when there are some below a minute.

    Args:
        seconds: Not negative.
    """
    tenths = round(seconds * 10)
    whole, rest = divmod(tenths, 10)
    hours, minutes, secs = whole // 3600, whole // 60 % 60, whole % 60
    text = f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"
    return f"{text}.{rest}" if rest and whole < 60 else text


def write_scores_png(summary: Summary, path: Path) -> None:
    """Draw the importance over time with shots, selection and the curves behind it.

    Args:
        summary: What to draw.
        path: The PNG file to write.

    Raises:
        OutputError: The file cannot be written.
    """
    figure = draw_scores(summary)
    with warnings.catch_warnings(), atomic_stream(path) as stream:
        # A title in a script that the bundled font lacks is drawn with boxes; that is no news to the user.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        figure.savefig(stream, format="png", dpi=150, facecolor=PAPER)


def draw_scores(summary: Summary) -> Any:
    """The figure behind `write_scores_png`, made without pyplot's global state.

    Args:
        summary: What to draw.

    Returns:
        A `matplotlib.figure.Figure` whose first axes hold the importance.
    """
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
    """Title, axes and legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    end = summary.timeline.end_seconds
    axes.set_xlim(0, end if end > 0 else 1)
    axes.set_ylim(*_limits(summary.scores))
    step = next((step for step in _TICK_STEPS if end / step <= 14), _TICK_STEPS[-1])
    axes.set_xticks(np.arange(0, end + 1e-9, step))
    axes.xaxis.set_major_formatter(lambda value, _: clock_text(value))
    axes.set_ylabel("importance", color=MUTED, fontsize=10)
    axes.tick_params(colors=MUTED, labelsize=9, length=0, pad=6)
    axes.grid(axis="y", color=RULE, lw=0.8, zorder=0.5)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    count = int(np.asarray(summary.selected).sum())
    kept, share = summary.selected_seconds, summary.selected_seconds / end if end > 0 else 0.0
    shots = f"{count} of {len(summary.shots)} shots"
    facts = f"{clock_text(kept)} of {clock_text(end)} ({share:.1%}), {shots}, {summary.scorer}"
    # parse_math off: a dollar sign in a file name is no formula.
    name = printable(Path(summary.info.path).name)
    name = name if len(name) <= 80 else name[:79] + "…"
    figure.text(0.055, 0.92, name, fontsize=15, fontweight="bold", color=INK, parse_math=False)
    figure.text(0.055, 0.855, facts, fontsize=10.5, color=MUTED, parse_math=False)
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
