"""scores.png: what the axes hold, and that the file is a picture."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.summary_builder import SummaryBuilder
from matplotlib.colors import to_hex
from PIL import Image

from sspvs.report import write_scores_png
from sspvs.report.plots import ACCENT, clock_text, draw_scores

ROOT = Path(__file__).parents[2]


def test_the_axes_hold_the_scores_and_the_segments(make_summary: SummaryBuilder) -> None:
    summary = make_summary()
    axes = draw_scores(summary).axes[0]
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["importance"].get_ydata(), summary.scores)
    np.testing.assert_allclose(lines["importance"].get_xdata(), summary.picks / 25.0)
    assert {"local dissimilarity", "global consistency"} <= set(lines)
    spans = [patch for patch in axes.patches if patch.get_label() == "_segment"]
    extents = [(span.get_x(), span.get_x() + span.get_width()) for span in spans]
    np.testing.assert_allclose(extents, summary.segment_seconds)


def test_the_selected_part_of_the_picture_is_coloured_and_the_rest_is_not(
    make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    summary = make_summary()
    figure = draw_scores(summary)
    write_scores_png(summary, tmp_path / "scores.png")
    with Image.open(tmp_path / "scores.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    figure.set_dpi(150)
    axes = figure.axes[0]
    height, width = pixels.shape[:2]
    assert (width, height) == (1800, 660)
    # Just above the bottom of the axes lies the foot of each segment in the accent colour.
    row = height - 1 - int(axes.transAxes.transform((0, 0.009))[1])
    for start, end in summary.shots:
        column = int(axes.transData.transform(((start + end) / 50, 0))[0])
        colour = to_hex(pixels[row, column] / 255)
        played = any(a <= start and end <= b for a, b in summary.segments)
        assert (colour == ACCENT) == played


@pytest.mark.filterwarnings("error")
def test_odd_videos_draw_without_a_warning(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    one = make_summary(n_frames=1, starts=(0,), chosen=(0,))
    write_scores_png(one, tmp_path / "one.png")
    flat = make_summary()
    flat = replace(flat, scores=np.full(len(flat.picks), 0.3), curves={"flat": np.zeros(len(flat.picks))})
    name = "$\\frac{1}{$ 映画 & <b> " + "long " * 60 + ".mp4"
    flat = replace(flat, info=replace(flat.info, path=name))
    write_scores_png(flat, tmp_path / "flat.png")
    for path in ("one.png", "flat.png"):
        with Image.open(tmp_path / path) as picture:
            assert picture.size == (1800, 660)


def test_importing_the_report_loads_neither_matplotlib_nor_pillow_nor_torch() -> None:
    code = (
        "import sys, sspvs.report; "
        "heavy = {'matplotlib', 'PIL', 'torch', 'av', 'decord', 'opentimelineio', 'sspvs.video'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


def test_drawing_does_not_touch_pyplot() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); "
        "from helpers.summary_builder import build_summary; "
        "from sspvs.report.plots import draw_scores; draw_scores(build_summary(thumbnails=False)); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.04, "0:07"), (7.25, "0:07.2"), (59.96, "1:00"), (750.4, "12:30"), (3723, "1:02:03")],
)
def test_times_are_written_as_people_write_them(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text
