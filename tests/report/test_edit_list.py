"""Edit lists, read back: by OpenTimelineIO's own CMX 3600 reader where it is installed, and by hand."""

from __future__ import annotations

import builtins
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from helpers.summary_builder import SummaryBuilder
from hypothesis import given
from hypothesis import strategies as st

from sspvs.errors import MissingExtraError
from sspvs.report import write_edl, write_otio
from sspvs.report.edit_list import edit_clock, timecode, write_film_edl, write_film_otio
from sspvs.types import Summary
from sspvs.video.pyav_reader import PyAVReader

EVENT = re.compile(r"^(\d{3,})  ([A-Z0-9_]{1,8}) +(V|AA/V) +C +(\d\d:\d\d:\d\d[:;]\d\d) (\S+) (\S+) (\S+)$")


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
            assert otio.url_utils.filepath_from_url(clip.media_reference.target_url) == source.name
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


NTSC, NTSC_60 = Fraction(30000, 1001), Fraction(60000, 1001)


def write_tagged(path: Path, rate: Fraction, tag: str, codec: str, *, on_stream: bool) -> Path:
    """Sixty plain pictures in a file with a timecode, of the reel "Card 7"."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        holder = stream if on_stream else output
        holder.metadata["timecode"], holder.metadata["reel_name"] = tag, "Card 7"
        for number in range(60):
            picture = np.full((48, 64, 3), 4 * number, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def summary_of(path: Path, make_summary: SummaryBuilder) -> Summary:
    """The first and third quarter of a real file."""
    with PyAVReader(path) as reader:
        reader.scan()
        n, info, timeline = reader.timeline.n_frames, reader.info, reader.timeline
    summary = make_summary(n_frames=n, starts=(0, n // 4, n // 2, 3 * n // 4), chosen=(0, 2), thumbnails=False)
    return replace(summary, info=info, timeline=timeline)


def read_back(summary: Summary, folder: Path, clip_name: str, rate: float) -> tuple[str, Any, Any]:
    """The edit list's text, and both lists as OpenTimelineIO reads them."""
    otio = pytest.importorskip("opentimelineio")
    if "cmx_3600" not in otio.adapters.available_adapter_names():
        pytest.skip("needs the package otio-cmx3600-adapter, an independent reader of edit lists")
    write_edl(summary, folder / "summary.edl", clip_name)
    write_otio(summary, folder / "summary.otio", folder / clip_name)
    edl = otio.adapters.read_from_file(str(folder / "summary.edl"), rate=rate)
    return (folder / "summary.edl").read_text(), edl, otio.adapters.read_from_file(str(folder / "summary.otio"))


def bounds(track: Any) -> list[list[int]]:
    """Source in and out of a track's clips in frames since 00:00:00:00."""
    spans = [clip.source_range for clip in track]
    return [[round(span.start_time.value), round(span.end_time_exclusive().value)] for span in spans]


@pytest.mark.parametrize(
    ("name", "codec", "rate", "tag", "on_stream", "reel"),
    [
        ("camera.mov", "libx264", Fraction(25), "01:00:00:00", True, "CARD_7"),
        ("camera.mp4", "libx264", NTSC, "00:59:59;20", True, "CAMERA"),
        ("camera.mov", "libx264", NTSC, "00:59:59:20", False, "CAMERA"),
        ("camera.mov", "libx264", NTSC_60, "10:09:59;58", False, "CAMERA"),
        ("camera.mp4", "libx264", Fraction(24000, 1001), "23:10:01:23", True, "CAMERA"),
        ("camera.mov", "libx264", Fraction(50), "09:59:59:49", False, "CAMERA"),
        ("camera.mxf", "mpeg2video", NTSC, "00:01:00;02", False, "CARD_7"),
        ("camera.mkv", "libx264", Fraction(30), "01:02:03:29", False, "CARD_7"),
        ("camera.avi", "mpeg4", Fraction(24), "01:02:03:04", False, "CAMERA"),
    ],
)
def test_source_ranges_are_in_the_timecode_of_the_file(
    name: str,
    codec: str,
    rate: Fraction,
    tag: str,
    on_stream: bool,
    reel: str,
    make_summary: SummaryBuilder,
    tmp_path: Path,
) -> None:
    path = write_tagged(tmp_path / name, rate, tag, codec, on_stream=on_stream)
    summary = summary_of(path, make_summary)
    assert (summary.info.timecode, summary.as_dict()["video"]["timecode"]) == (tag, tag)
    text, edl, timeline = read_back(summary, tmp_path, name, float(rate))
    assert text.splitlines()[1] == ("FCM: DROP FRAME" if ";" in tag else "FCM: NON-DROP FRAME")
    first = EVENT.match(text.splitlines()[3])
    assert first is not None
    assert (first[2], first[4]) == (reel, tag)
    start = pytest.importorskip("opentimelineio").opentime.from_timecode(tag, float(rate)).value
    chosen = (summary.segments + round(start)).tolist()
    for track in (*edl.tracks, *timeline.tracks):
        assert bounds(track) == chosen
    for clip in timeline.tracks[0]:
        media = clip.available_range()
        assert (media.start_time.value, media.duration.value) == (start, 60)
        assert media.start_time.rate == pytest.approx(float(rate))


def test_the_camera_file_of_the_issue_starts_at_one_hour(
    shared_data: Path, make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    path = shared_data / "cases" / "tc.mov"
    if not path.exists():
        pytest.skip("needs cases/tc.mov")
    text, edl, _ = read_back(summary_of(path, make_summary), tmp_path, "tc.mov", 25)
    assert bounds(edl.tracks[0]) == [[90_000, 90_100], [90_200, 90_300]]
    assert "001  TC       AA/V  C        01:00:00:00 01:00:04:00 00:00:00:00 00:00:04:00\n" in text


def tagged(summary: Summary, tag: str, fps: float | None = None) -> Summary:
    return replace(summary, info=replace(summary.info, timecode=tag, fps=fps or summary.info.fps))


@pytest.mark.parametrize("tag", ["garbage", "99:99:99:99", "24:00:00:00", "01:00:60:00", "01:00:00:25", "-01:00:00:00"])
def test_timecode_that_is_none_is_ignored_with_a_note(tag: str, make_summary: SummaryBuilder, tmp_path: Path) -> None:
    summary = make_summary()
    write_edl(summary, tmp_path / "plain.edl", "holiday.mp4")
    write_edl(tagged(summary, tag), tmp_path / "summary.edl", "holiday.mp4")
    text = (tmp_path / "summary.edl").read_text()
    note = f"; the source's timecode is ignored: '{tag}' is none at 25 fps"
    assert note in text
    assert text.replace(note, "") == (tmp_path / "plain.edl").read_text()


def test_timecode_starts_again_at_midnight(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    write_edl(tagged(make_summary(), "23:59:55:00"), tmp_path / "summary.edl", "holiday.mp4")
    rows = re.findall(r"C {8}(\S+) (\S+)", (tmp_path / "summary.edl").read_text())
    assert rows == [("23:59:57:00", "23:59:59:00"), ("00:00:01:00", "00:00:03:00"), ("00:00:03:00", "00:00:05:00")]
    drop = tagged(make_summary(fps=float(NTSC)), "23:59:58;10")  # 50 frames before midnight
    write_edl(drop, tmp_path / "summary.edl", "holiday.mp4")
    rows = re.findall(r"C {8}(\S+) (\S+)", (tmp_path / "summary.edl").read_text())
    assert rows[0] == ("00:00:00;00", "00:00:01;20")
    otio = pytest.importorskip("opentimelineio")
    write_otio(drop, tmp_path / "summary.otio", tmp_path / "holiday.mp4")  # ranges go on: clips stay within the media
    timeline = otio.adapters.read_from_file(str(tmp_path / "summary.otio"))
    day = 144 * 17_982
    assert bounds(timeline.tracks[0]) == (drop.segments + day - 50).tolist()


@pytest.mark.parametrize(
    ("fps", "tag", "rate", "exact", "start"),
    [
        (120.0, "01:00:00:100", 60, 60.0, 3600 * 60 + 50),
        (240.0, "00:00:01:00", 60, 60.0, 60),
        (120_000 / 1001, "00:10:00;00", 60, 60_000 / 1001, 35_964),
        (100.0, "00:00:01:10", 50, 50.0, 55),
    ],
)
def test_fast_sources_start_at_their_timecode_in_fewer_frames(
    fps: float, tag: str, rate: int, exact: float, start: int, make_summary: SummaryBuilder
) -> None:
    clock = edit_clock(tagged(make_summary(fps=fps), tag))
    assert (clock.rate, clock.start, clock.drop_frame) == (rate, start, ";" in tag)
    assert clock.exact_rate == pytest.approx(exact)


@pytest.mark.parametrize(
    ("fps", "tag", "rate", "exact"),
    [
        (24.9, "10:00:00:24", 25, 25.0),
        (26.3, "10:00:00:28", 30, 30.0),  # 28 cannot be a frame at 26 fps
        (28.4, "10:00:00;05", 30, 30_000 / 1001),  # only 30 and 60 count drop-frame
        (30.0, "10:00:00;05", 30, 30.0),
        (57.0, "10:00:00;05", 60, 60_000 / 1001),
    ],
)
def test_variable_frame_rate_starts_at_its_timecode(
    fps: float, tag: str, rate: int, exact: float, make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    seconds = np.concatenate([[0.0], np.cumsum(np.random.default_rng(1).uniform(0.2, 1.8, 299))]) / fps
    summary = tagged(make_summary(frame_seconds=seconds), tag, fps)
    clock = edit_clock(summary)
    assert (clock.rate, clock.counts_frames) == (rate, False)
    assert clock.exact_rate == pytest.approx(exact)
    labelled = ((10 * 60 * 60) * rate + int(tag[-2:])) - (rate // 15 * 9 * 60 if ";" in tag else 0)
    assert clock.start == labelled
    write_edl(summary, tmp_path / "summary.edl", "holiday.mp4")
    codes = re.findall(r"C {8}(\S+) (\S+)", (tmp_path / "summary.edl").read_text())
    for row, times in zip(codes, summary.segment_seconds, strict=True):
        frames = [labelled + round(time * exact) for time in times]
        assert list(row) == [timecode(frame, rate, drop_frame=";" in tag) for frame in frames]


@pytest.mark.parametrize(("fps", "start", "drop_frame"), [(25.0, 90_005, False), (30.0, 107_897, True)])
def test_drop_frame_marks_count_at_30_fps_and_not_at_rates_without_them(
    fps: float, start: int, drop_frame: bool, make_summary: SummaryBuilder
) -> None:
    clock = edit_clock(tagged(make_summary(fps=fps), "01:00:00;05"))
    assert (clock.counts_frames, clock.start, clock.drop_frame) == (True, start, drop_frame)


def test_frames_are_counted_where_the_container_states_the_rate_of_fields(make_summary: SummaryBuilder) -> None:
    clock = edit_clock(tagged(make_summary(fps=float(NTSC)), "01:00:00;02", fps=float(NTSC_60)))
    assert (clock.rate, clock.counts_frames, clock.start) == (30, True, 107_894)


@pytest.mark.parametrize(
    ("reel", "clip", "column"),
    [
        ("", "holiday.mp4", "HOLIDAY"),
        ("", "A001_C002_0101AB.mov", "A001_C00"),
        ("", "my clip-01.mov", "MY_CLIP_"),
        ("", "_DSC0001.MOV", "_DSC0001"),
        ("", "üben.mp4", "UBEN"),
        ("", "日本.mp4", "AX"),
        ("", "bl.mp4", "BL_"),  # BL is black
        ("Card 7", "holiday.mp4", "CARD_7"),
    ],
)
def test_reels_are_names_of_eight_plain_characters(
    reel: str, clip: str, column: str, make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    summary = make_summary()
    summary = replace(summary, info=replace(summary.info, reel_name=reel))
    text, edl, _ = read_back(summary, tmp_path, clip, 25)
    assert {line[5:13].rstrip() for line in text.splitlines() if line[:1].isdigit()} == {column}
    assert ("* COMMENT: reel Card 7\n" in text) == bool(reel)
    for edl_clip in edl.tracks[0]:
        assert edl_clip.name == clip
        assert edl_clip.metadata.get("cmx_3600", {}).get("reel", "AX") == column


@pytest.mark.parametrize(("rate", "dropped"), [(30, 2), (60, 4)])
def test_drop_frame_leaves_out_the_first_numbers_of_a_minute(rate: int, dropped: int) -> None:
    codes = (
        f"{minute // 60:02d}:{minute % 60:02d}:{second:02d};{frame:02d}"
        for minute in range(21)
        for second in range(60)
        for frame in range(rate)
        if second or minute % 10 == 0 or frame >= dropped
    )
    for frame, code in enumerate(codes):
        assert timecode(frame, rate, drop_frame=True) == code


@given(st.integers(0, 90 * 3600 * 24), st.integers(1, 60))
def test_timecode_counts_every_frame_once(frame: int, rate: int) -> None:
    code = timecode(frame, rate)
    if frame < 100 * 3600 * rate:
        assert frames_of(code, rate) == frame
        _, minutes, seconds, _ = (int(part) for part in code.split(":"))
        assert max(minutes, seconds) < 60


def film_of(make_summary: SummaryBuilder) -> list[Summary]:
    """Two of 25 fps with names that begin alike, one with timecode, and a silent one of 30000/1001 fps between them."""
    videos = [make_summary(), make_summary(fps=30000 / 1001, chosen=(0, 2)), make_summary(chosen=(0, 1, 5))]
    known = (
        ("a/holiday_1.mp4", True, "01:00:00:00"),
        ("beach.mp4", False, "10:00:00;00"),
        ("b/holiday_2.mp4", True, ""),
    )
    return [
        replace(video, info=replace(video.info, path=path, has_audio=sound, timecode=code))
        for video, (path, sound, code) in zip(videos, known, strict=True)
    ]


def test_a_film_has_a_reel_for_each_video_and_one_rate(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    videos = film_of(make_summary)
    write_film_edl(videos, tmp_path / "film.edl", "holiday summary")
    text = (tmp_path / "film.edl").read_text()
    rows = events(text, 25)  # each as long in the record as in the source, and none after a gap
    counts = [len(video.segments) for video in videos]
    reels = [line[5:13].strip() for line in text.splitlines() if EVENT.match(line)]
    assert reels == ["HOLIDAY_"] * counts[0] + ["BEACH"] * counts[1] + ["HOLI_2"] * counts[2]
    hour = 3600 * 25
    assert [row[:2] for row in rows[: counts[0]]] == [(hour + a, hour + b) for a, b in videos[0].segments.tolist()]
    assert [row[:2] for row in rows[-counts[2] :]] == [tuple(segment) for segment in videos[2].segments.tolist()]
    for (start, end), row in zip(videos[1].segment_seconds, rows[counts[0] :], strict=False):
        assert (row[0] / 25 - 36000, row[1] / 25 - 36000) == pytest.approx((start, end), abs=0.5 / 25 + 1e-9)
    channels = {line[5:13].strip(): line[14:19].strip() for line in text.splitlines() if EVENT.match(line)}
    assert channels == {"HOLIDAY_": "AA/V", "BEACH": "V", "HOLI_2": "AA/V"}
    assert text.startswith("TITLE: holiday summary\nFCM: NON-DROP FRAME\n")


def test_a_film_in_otio_keeps_each_rate_and_is_silent_where_a_video_is(
    make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    otio = pytest.importorskip("opentimelineio")
    videos = film_of(make_summary)
    write_film_otio(videos, tmp_path / "film.otio", "holiday summary", folder=tmp_path)
    picture, sound = otio.adapters.read_from_file(str(tmp_path / "film.otio")).tracks
    assert len(picture) == len(sound) == sum(len(video.segments) for video in videos)
    assert [one.duration() for one in picture] == [one.duration() for one in sound]
    kinds = [isinstance(one, otio.schema.Gap) for one in sound]
    assert kinds == [not video.info.has_audio for video in videos for _ in video.segments]
    seconds = [end - start for video in videos for start, end in video.segment_seconds]
    assert [one.duration().to_seconds() for one in picture] == pytest.approx(seconds, abs=1e-6)
