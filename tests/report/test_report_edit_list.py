"""Edit lists, read back: by OpenTimelineIO's own CMX 3600 reader where it is installed, and by hand."""

from __future__ import annotations

import builtins
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from summary_builder import SummaryBuilder

from sspvs.errors import MissingExtraError
from sspvs.report import write_edl, write_otio
from sspvs.report.edit_list import edit_clock, timecode

EVENT = re.compile(r"^(\d{3,})  (\S{1,8}) +(V|AA/V) +C +(\d\d:\d\d:\d\d:\d\d) (\S+) (\S+) (\S+)$")


def frames_of(code: str, rate: int) -> int:
    hours, minutes, seconds, frames = (int(part) for part in code.split(":"))
    assert frames < rate
    return ((hours * 60 + minutes) * 60 + seconds) * rate + frames


def events(text: str, rate: int) -> list[tuple[int, int, int, int]]:
    """Source in/out and record in/out of each event; the record side must run without a gap."""
    found = [match for line in text.splitlines() if (match := EVENT.match(line))]
    assert [int(match[1]) for match in found] == list(range(1, len(found) + 1))
    rows = [tuple(frames_of(match[group], rate) for group in (4, 5, 6, 7)) for match in found]
    at = 0
    for source_in, source_out, record_in, record_out in rows:
        assert record_in == at
        assert record_out - record_in == source_out - source_in > 0
        at = record_out
    return rows  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("fps", "rate"), [(25.0, 25), (24.0, 24), (30000 / 1001, 30), (24000 / 1001, 24), (29.97, 30), (15000 / 1001, 15)]
)
def test_constant_rates_count_the_frames_of_the_source(
    fps: float, rate: int, make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    summary = make_summary(fps=fps)
    write_edl(summary, tmp_path / "summary.edl", "holiday.mp4")
    text = (tmp_path / "summary.edl").read_text()
    assert [row[:2] for row in events(text, rate)] == [tuple(segment) for segment in summary.segments.tolist()]
    head = text.splitlines()
    assert head[0].startswith("TITLE: ")
    assert head[1] == "FCM: NON-DROP FRAME"
    assert text.count("* FROM CLIP NAME: holiday.mp4\n") == len(summary.segments)
    assert ("project of that rate" in text) == (fps != rate)


def test_variable_frame_rate_goes_by_the_clock(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    seconds = np.concatenate([[0.0], np.cumsum(rng.uniform(0.01, 0.12, 299))])
    summary = make_summary(frame_seconds=seconds, fps=300 / seconds[-1])
    clock = edit_clock(summary)
    assert not clock.counts_frames
    write_edl(summary, tmp_path / "summary.edl", "holiday.mp4")
    text = (tmp_path / "summary.edl").read_text()
    for row, (start, end) in zip(events(text, clock.rate), summary.segment_seconds, strict=True):
        assert abs(row[0] / clock.rate - start) <= 0.5 / clock.rate + 1e-9
        assert abs(row[1] / clock.rate - end) <= 0.5 / clock.rate + 1e-9
    assert "average" in text


@pytest.mark.parametrize(("fps", "rate"), [(120.0, 60), (240.0, 60), (100.0, 50), (12.5, 12)])
def test_rates_without_a_timecode_are_rounded_by_the_clock(
    fps: float, rate: int, make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    summary = make_summary(fps=fps)
    clock = edit_clock(summary)
    assert (clock.rate, clock.counts_frames) == (rate, False)
    write_edl(summary, tmp_path / "summary.edl", "holiday.mp4")
    rows = events((tmp_path / "summary.edl").read_text(), rate)
    total = sum(row[1] - row[0] for row in rows) / rate
    assert total == pytest.approx(summary.selected_seconds, abs=len(rows) / rate)


def test_missing_frames_in_ntsc_material_keep_the_ntsc_rate(make_summary: SummaryBuilder) -> None:
    seconds = np.delete(np.arange(320) * 1001 / 30000, np.arange(40, 60))
    clock = edit_clock(make_summary(frame_seconds=seconds, fps=30000 / 1001))
    assert clock.exact_rate == pytest.approx(30000 / 1001)
    assert not clock.counts_frames


def test_silent_video_has_no_audio_and_names_stay_on_one_line(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    summary = make_summary()
    summary = replace(summary, info=replace(summary.info, has_audio=False))
    write_edl(summary, tmp_path / "summary.edl", "bad\nTITLE: other\r\n001  X.mp4")
    text = (tmp_path / "summary.edl").read_text()
    assert "AA" not in text
    assert len(events(text, 25)) == len(summary.segments)
    assert len(re.findall("^TITLE:", text, flags=re.M)) == 1
    write_otio(summary, tmp_path / "summary.otio", Path("holiday.mp4"))
    otio = pytest.importorskip("opentimelineio")
    timeline = otio.adapters.read_from_file(str(tmp_path / "summary.otio"))
    assert [track.kind for track in timeline.tracks] == ["Video"]


def test_opentimelineio_reads_the_edl_back(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    otio = pytest.importorskip("opentimelineio")
    if "cmx_3600" not in otio.adapters.available_adapter_names():
        pytest.skip("needs the package otio-cmx3600-adapter, an independent reader of edit lists")
    summary = make_summary()
    write_edl(summary, tmp_path / "summary.edl", "holiday.mp4")
    timeline = otio.adapters.read_from_file(str(tmp_path / "summary.edl"), rate=25)
    assert sorted(track.kind for track in timeline.tracks) == ["Audio", "Audio", "Video"]
    for track in timeline.tracks:
        spans = [clip.source_range for clip in track]
        bounds = [[int(span.start_time.value), int(span.end_time_exclusive().value)] for span in spans]
        assert bounds == summary.segments.tolist()
        assert {clip.name for clip in track} == {"holiday.mp4"}


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001])
def test_otio_reads_back_with_exact_ranges(fps: float, make_summary: SummaryBuilder, tmp_path: Path) -> None:
    otio = pytest.importorskip("opentimelineio")
    summary = make_summary(fps=fps)
    source = tmp_path / "a b & ü.mp4"
    write_otio(summary, tmp_path / "summary.otio", source)
    timeline = otio.adapters.read_from_file(str(tmp_path / "summary.otio"))
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]
    for track in timeline.tracks:
        for clip, (start, end), seconds in zip(track, summary.segments, summary.segment_seconds, strict=True):
            assert clip.source_range.start_time.value == start
            assert clip.source_range.duration.value == end - start
            assert clip.source_range.start_time.to_seconds() == pytest.approx(seconds[0], abs=1e-6)
            assert Path(unquote(urlparse(clip.media_reference.target_url).path)) == source
            assert clip.available_range().duration.value == summary.timeline.n_frames
    assert timeline.duration().to_seconds() == pytest.approx(summary.selected_seconds, abs=1e-6)


def test_otio_without_its_package_says_how_to_get_it(
    make_summary: SummaryBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentimelineio"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"sspvs\[export\]"):
        write_otio(make_summary(), tmp_path / "summary.otio", Path("holiday.mp4"))
    assert not list(tmp_path.iterdir())


@given(st.integers(0, 90 * 3600 * 24), st.integers(1, 60))
def test_timecode_counts_every_frame_once(frame: int, rate: int) -> None:
    code = timecode(frame, rate)
    if frame < 100 * 3600 * rate:
        assert frames_of(code, rate) == frame
        _, minutes, seconds, _ = (int(part) for part in code.split(":"))
        assert max(minutes, seconds) < 60
