"""The overview picture: a panel a protocol, every row's mean where it belongs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.evaluation_builder import ALL, build_evaluation, build_result
from PIL import Image

from sspvs.errors import OutputError
from sspvs.evaluation.published import published_results
from sspvs.report.plots import draw_evaluation, write_evaluation_png


def marks(axes: Any) -> dict[str, set[float]]:
    """Row -> the values of its marks of means."""
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    found: dict[str, set[float]] = {label: set() for label in labels}
    for line in axes.lines:
        if line.get_marker() in ("o", "D") and len(line.get_xdata()) == 1 and line.get_markersize() > 4:
            found[labels[round(line.get_ydata()[0])]].add(float(line.get_xdata()[0]))
    return found


def test_every_mean_is_drawn_in_its_row_under_its_protocol() -> None:
    evaluation = build_evaluation(["mine"], protocols=ALL)
    figure = draw_evaluation(evaluation.table(published_results()))
    assert len(figure.axes) == 5
    per_user, frames, summary, _, f_score = (marks(axes) for axes in figure.axes)
    assert per_user["mine"] == {evaluation.methods["mine"]["per-user"].spreads["kendall_tau"].mean}
    assert "CSTA 2024" not in per_user
    assert summary["CSTA 2024"] == {0.246, 0.108}
    assert frames["SSPVS 2023"] == {0.178}
    assert f_score["SSPVS 2023"] == {0.487}  # F1 max, as tables of SumMe have it


def test_undefined_figures_are_left_out(tmp_path: Path) -> None:
    flat = build_result("flat", taus=[np.nan] * 3)
    evaluation = replace(build_evaluation(), methods={"flat": {"per-user": flat}})
    assert marks(draw_evaluation(evaluation.table()).axes[0])["flat"] == set()
    write_evaluation_png(tmp_path / "x.png", evaluation.table())


@pytest.mark.parametrize("name", ["$x_1$ and a_long_name" * 4, "要約"])
def test_any_name_gives_a_picture(name: str, tmp_path: Path) -> None:
    evaluation = build_evaluation([name], dataset=name)
    write_evaluation_png(tmp_path / "x.png", evaluation.table(published_results()))
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.format == "PNG"
        assert picture.width == 1350


def test_nothing_to_draw_still_gives_a_picture(tmp_path: Path) -> None:
    evaluation = build_evaluation(unavailable={"per-user": "no users"}, baselines=())
    write_evaluation_png(tmp_path / "x.png", evaluation.table())
    assert (tmp_path / "x.png").is_file()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        write_evaluation_png(tmp_path / "nowhere" / "x.png", build_evaluation().table())
