"""Fixtures of the report's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.browser_window import Driver, start_browser
from helpers.summary_builder import COLOURS, SummaryBuilder, build_summary, write_colours


@pytest.fixture(scope="session")
def make_summary() -> SummaryBuilder:
    return build_summary


@pytest.fixture(scope="session")
def colour_videos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(original, summary) of `build_summary()`: each shot has its own colour."""
    folder = tmp_path_factory.mktemp("videos")
    summary = build_summary(thumbnails=False)
    colours = [COLOURS[i] for i, (a, b) in enumerate(summary.shots) for _ in range(a, b)]
    write_colours(folder / "holiday.mp4", colours)
    write_colours(folder / "summary.mp4", [c for a, b in summary.segments for c in colours[a:b]])
    return folder / "holiday.mp4", folder / "summary.mp4"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    driver = start_browser(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()
