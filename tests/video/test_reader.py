from __future__ import annotations

import struct
from fractions import Fraction
from itertools import combinations, pairwise, product
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.drawn_videos import (
    BARS,
    bars_of,
    glued,
    number_of,
    numbered_picture,
    picks_by_hand,
    read_all,
    regular,
    remux,
    uneven,
    write_bars,
    write_video,
)
from hypothesis import example, given
from hypothesis import strategies as st

from sspvs.errors import VideoError
from sspvs.types import IntArray
from sspvs.video import FrameChunk, Resize, VideoReader, open_video
from sspvs.video.pyav_stream import open_container
from sspvs.video.stream_clock import StreamClock, frames_before_gaps, longest_rise

WAYS = ["pyav here", "pyav apart", "decord apart"]
FULL = Resize("none")


def opened(path: Path, way: str = "pyav here") -> VideoReader:
    decoder, place = way.split()
    if decoder == "decord":
        pytest.importorskip("decord")
    return open_video(path, decoder=decoder, isolated=place == "apart", time_limit_seconds=30)


def gathered(chunks: list[FrameChunk]) -> tuple[list[int], IntArray]:
    return [number_of(frame) for chunk in chunks for frame in chunk.frames], np.concatenate(
        [chunk.picks for chunk in chunks]
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rate", [0.7, 2.0, 1000.0, None])
def test_picks_of_variable_frame_rate(vfr_video: tuple[Path, list[float]], way: str, rate: float | None) -> None:
    path, seconds = vfr_video
    with opened(path, way) as reader:
        chunks = list(reader.sample(rate, FULL, chunk_frames=7))
        timeline = reader.timeline
    numbers, picks = gathered(chunks)
    end = timeline.end_seconds
    expected = picks_by_hand(seconds, end, rate) if rate else list(range(len(seconds)))
    assert picks.tolist() == expected
    assert numbers == expected  # the pictures, not only the indices
    assert all(len(chunk.picks) == 7 for chunk in chunks[:-1])
    np.testing.assert_allclose(np.concatenate([chunk.seconds for chunk in chunks]), np.array(seconds)[picks])
    np.testing.assert_allclose(timeline.frame_seconds, seconds, atol=1e-5)
    assert seconds[-1] < end < seconds[-1] + 0.3


@pytest.mark.parametrize("way", WAYS)
def test_frames_at_are_exact(vfr_video: tuple[Path, list[float]], way: str) -> None:
    path, _ = vfr_video
    reference = read_all(path)[0]
    wanted = [119, 0, 37, 38, 38, 60, 5, 61]
    with opened(path, way) as reader:
        frames = reader.frames_at(wanted, FULL)
        assert [number_of(frame) for frame in frames] == wanted
        if way != "decord apart":
            np.testing.assert_array_equal(frames, np.stack([reference[index] for index in wanted]))
        assert reader.frames_at([], FULL).shape == (0, 48, 64, 3)
        with pytest.raises(ValueError, match="frames 0 to 119"):
            reader.frames_at([120], FULL)


@pytest.mark.parametrize("isolated", [True, False])
def test_frames_at_are_exact_without_a_pass(vfr_video: tuple[Path, list[float]], isolated: bool) -> None:
    path, _ = vfr_video
    with opened(path) as reader:
        reader.scan()
        timeline = reader.timeline
    wanted = [119, 0, 37, 38, 38, 60, 5, 61]
    with open_video(path, isolated=isolated, timeline=timeline) as reader:
        assert [number_of(frame) for frame in reader.frames_at(wanted, FULL)] == wanted
        with pytest.raises(ValueError, match="decode_report"):
            _ = reader.decode_report  # no pass was made


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".ts", ".webm", ".h264"])
def test_any_frame_of_any_container(tmp_path: Path, suffix: str) -> None:
    codec = {".webm": "libvpx-vp9", ".avi": "mpeg4"}.get(suffix, "libx264")
    time_base = Fraction(1, 25)
    path = write_video(tmp_path / f"v{suffix}", regular(60), codec=codec, time_base=time_base, gop=10, b_frames=3)
    with opened(path) as reader:
        numbers, _ = gathered(list(reader.sample(None, FULL)))
        assert numbers == list(range(60))
        np.testing.assert_allclose(reader.timeline.frame_seconds, regular(60), atol=2e-3)
        assert reader.timeline.end_seconds == pytest.approx(2.4, abs=0.01)
        wanted = np.random.default_rng(0).permutation(60).tolist()
        assert [number_of(frame) for frame in reader.frames_at(wanted, FULL)] == wanted


def test_a_late_start_counts_from_the_first_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "late.mkv", regular(50, start=3.2))
    with opened(path) as reader:
        assert reader.info.start_seconds == pytest.approx(3.2, abs=1e-3)
        _, picks = gathered(list(reader.sample(2.0, FULL)))
        assert picks.tolist() == picks_by_hand(list(reader.timeline.frame_seconds), 2.0, 2.0)
        assert reader.timeline.frame_seconds[0] == 0
        assert number_of(reader.frames_at([40], FULL)[0]) == 40


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_rotation_is_applied(tmp_path: Path, degrees: int) -> None:
    picture = numbered_picture(0b0001_0010_0011_0100)
    path = write_video(tmp_path / "r.mp4", regular(3), picture=lambda _: picture, rotation=degrees)
    with opened(path) as reader:
        frame = next(reader.sample(None, FULL)).frames[0]
        small = next(reader.sample(None, Resize("long_side", 32))).frames[0]
        # FFmpeg counts display rotation counterclockwise, as np.rot90 does.
        upright = np.rot90(picture, degrees // 90)
        assert frame.shape == upright.shape == (reader.info.height, reader.info.width, 3)
        assert np.abs(frame.astype(int) - upright).mean() < 10
        assert number_of(small) == number_of(upright)
        assert reader.info.rotation == -degrees % 360


def test_rotation_of_a_phone_video(shared_data: Path) -> None:
    with opened(shared_data / "videos" / "video_90.mov") as reader:
        assert (reader.info.width, reader.info.height, reader.info.rotation) == (320, 568, 90)
        assert next(reader.sample(None, FULL)).frames.shape == (3, 568, 320, 3)


@pytest.mark.parametrize(("width", "height"), [(63, 47), (65, 49), (17, 64)])
@pytest.mark.parametrize("way", WAYS[::2])
def test_odd_sizes(tmp_path: Path, width: int, height: int, way: str) -> None:
    path = write_video(
        tmp_path / "odd.mkv",
        regular(5),
        picture=lambda k: numbered_picture(k, width, height),
        codec="ffv1",
        pix_fmt="bgr0",
    )
    with opened(path, way) as reader:
        frames = next(reader.sample(None, FULL)).frames
        assert frames.shape == (5, height, width, 3)
        assert [number_of(frame) for frame in frames] == [0, 1, 2, 3, 4]
        small = Resize("short_side", 20)
        assert next(reader.sample(None, small)).frames.shape[2:0:-1] == small.target_size(width, height)


@pytest.mark.parametrize("way", WAYS[:2])
def test_untagged_hd_is_shown_as_bt709_and_its_features_stay(tmp_path: Path, way: str) -> None:
    """Networks are given what they always were; thumbnails and key frames have the colours that players show."""
    path = write_bars(tmp_path / "hd.mkv", matrix=1, height=720)
    with opened(path, way) as reader:
        (chunk,) = reader.sample(None, Resize("squash", 224))
        keyframe = reader.frames_at([1], FULL)[0]
    as_ever = read_all(path)[0][0]  # FFmpeg reads what is untagged as BT.601
    assert np.abs(bars_of(chunk.frames[1]) - bars_of(as_ever)).max() <= 3
    assert np.abs(bars_of(chunk.frames[1]) - BARS).max() > 15
    for picture in (chunk.pictures[1], keyframe):
        assert np.abs(bars_of(picture) - BARS).max() <= 4  # swscale rounds down
    with opened(write_bars(tmp_path / "sd.mkv", matrix=6), way) as reader:
        (chunk,) = reader.sample(None, Resize("squash", 224))
    assert chunk.pictures is chunk.frames
    assert np.abs(bars_of(chunk.frames[1]) - BARS).max() <= 3


def test_grey_with_limited_range(tmp_path: Path) -> None:
    greys = np.arange(16, 240, 32)[:, None].repeat(3, axis=1)
    for full, name in ((False, "limited.mkv"), (True, "full.mkv")):
        path = write_bars(tmp_path / name, greys, tags=(1, 1, 1), full=full, pix_fmt="gray", codec="rawvideo")
        with opened(path) as reader:
            assert np.abs(bars_of(reader.frames_at([2], FULL)[0]) - greys).max() <= 3


def test_decord_refuses_hdr(tmp_path: Path) -> None:
    pytest.importorskip("decord")
    path = write_bars(tmp_path / "hdr.mkv", matrix=9, tags=(9, 9, 16), pix_fmt="yuv420p10le")
    with pytest.raises(VideoError, match=r"HDR.*use pyav"):
        opened(path, "decord apart")


def test_area_filter_averages(tmp_path: Path) -> None:
    """A fine checkerboard becomes grey, not stripes."""
    board = (np.indices((48, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    path = write_video(tmp_path / "b.mkv", regular(2), picture=lambda _: board, codec="ffv1", pix_fmt="bgr0")
    with opened(path) as reader:
        frame = next(reader.sample(None, Resize("squash", 8))).frames[0].astype(int)
    assert np.abs(frame - 127).max() < 12


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le", "yuv422p"])
def test_frame_change_is_the_luma_difference(tmp_path: Path, pix_fmt: str) -> None:
    levels = [20, 20, 60, 200, 190, 190, 35]
    path = write_video(
        tmp_path / "grey.mkv",
        regular(len(levels)),
        picture=lambda k: np.full((48, 64, 3), levels[k], dtype=np.uint8),
        codec="ffv1",
        pix_fmt=pix_fmt,
    )
    with opened(path) as reader:
        assert reader.frame_change is None
        reader.scan()
        change = reader.frame_change
    assert change is not None
    # Grey level g is luma 16 + g * 219 / 255 in video range.
    expected = np.abs(np.diff(levels, prepend=levels[0])) * 219 / 255
    np.testing.assert_allclose(change, expected, atol=1.01)
    assert change.dtype == np.float32


def test_frame_change_of_odd_formats_falls_back(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "rgb.mkv",
        regular(3),
        picture=lambda k: np.full((48, 64, 3), 100 * k, dtype=np.uint8),
        codec="ffv1",
        pix_fmt="bgr0",
    )
    with opened(path) as reader:
        reader.scan()
        np.testing.assert_allclose(reader.frame_change, [0, 100, 100], atol=3)  # RGB has the full range


def test_frame_change_peaks_at_true_cuts(shared_data: Path) -> None:
    import json

    cuts = json.loads((shared_data / "videos" / "montage.json").read_text())["cut_frames"]
    with opened(shared_data / "videos" / "montage.mp4") as reader:
        reader.scan()
        assert reader.frame_change is not None
        assert sorted(np.argsort(reader.frame_change)[-len(cuts) :].tolist()) == sorted(cuts)


def test_decoders_agree_on_real_videos(shared_data: Path) -> None:
    pytest.importorskip("decord")
    for name in ("charades.mp4", "pancake.mkv", "sample_demo_3.mp4"):
        path = shared_data / "videos" / name
        with opened(path) as first, opened(path, "decord apart") as second:
            one, two = list(first.sample(3.0)), list(second.sample(3.0))
            np.testing.assert_array_equal(gathered(one)[1], gathered(two)[1])
            np.testing.assert_allclose(first.timeline.frame_seconds, second.timeline.frame_seconds, atol=1e-6)
            for a, b in zip(one, two, strict=True):
                difference = np.abs(a.frames.astype(int) - b.frames)
                assert difference.mean(axis=(1, 2, 3)).max() < 3  # neighbours differ by 5 to 30
            random = np.random.default_rng(0).integers(first.timeline.n_frames, size=6)
            a, b = first.frames_at(random.tolist()), second.frames_at(random.tolist())
            assert np.abs(a.astype(int) - b).mean(axis=(1, 2, 3)).max() < 3


def test_decord_refuses_turned_videos(tmp_path: Path) -> None:
    pytest.importorskip("decord")
    path = write_video(tmp_path / "r.mp4", regular(3), rotation=90)
    with pytest.raises(VideoError, match="use pyav"):
        opened(path, "decord apart")


def test_facts_before_the_pass_are_refused(vfr_video: tuple[Path, list[float]]) -> None:
    with opened(vfr_video[0]) as reader:
        next(reader.sample(2.0, chunk_frames=1))
        with pytest.raises(ValueError, match="has run to its end"):
            reader.timeline  # noqa: B018
        with pytest.raises(ValueError, match="has run to its end"):
            reader.decode_report  # noqa: B018


@pytest.mark.parametrize("way", WAYS[:2])
def test_nonsense_is_refused_at_once(vfr_video: tuple[Path, list[float]], way: str) -> None:
    with opened(vfr_video[0], way) as reader:
        for rate, size in ((0.0, 1), (-1.0, 1), (float("inf"), 1), (float("nan"), 1), (1.0, 0)):
            with pytest.raises(ValueError, match="must be"):
                reader.sample(rate, chunk_frames=size)
    with pytest.raises(ValueError, match="decoder"):
        open_video(vfr_video[0], decoder="opencv")
    with pytest.raises(ValueError, match="time_limit"):
        open_video(vfr_video[0], time_limit_seconds=0)


@pytest.mark.parametrize("way", WAYS)
def test_one_frame(tmp_path: Path, way: str) -> None:
    path = write_video(tmp_path / "one.mp4", [0.0])
    with opened(path, way) as reader:
        (chunk,) = reader.sample(2.0, FULL)
        assert chunk.picks.tolist() == [0]
        assert reader.timeline.n_frames == 1
        assert reader.timeline.end_seconds > 0
        assert reader.frames_at([0]).shape == (1, 224, 224, 3)


class TestStreamClock:
    """Times are strictly increasing whatever the packets say."""

    @staticmethod
    def run(stamps: list[int | None], fps: float = 10.0) -> tuple[list[float], int]:
        clock = StreamClock(Fraction(1, 1000), fps)
        times = [seconds for seconds, _ in clock.times(stamps, lambda stamp: stamp)]
        return times, clock.guessed + len(clock.origins) - 1

    def test_good_stamps_are_kept(self) -> None:
        times, repaired = self.run([500, 533, 900])
        assert times == pytest.approx([0, 0.033, 0.4])
        assert repaired == 0

    def test_missing_stamps_follow_the_frame_rate(self) -> None:
        assert self.run([None, None, None]) == (pytest.approx([0, 0.1, 0.2]), 3)

    def test_a_repeated_stamp_moves_nothing_else(self) -> None:
        assert self.run([0, 100, 100, 200]) == (pytest.approx([0, 0.1, 0.15, 0.2]), 1)

    def test_a_restarted_clock_goes_on(self) -> None:
        assert self.run([0, 100, 60_000, 0, 100, 200]) == (
            pytest.approx([0, 0.1, 60.0, 60.1, 60.2, 60.3]),
            1,
        )


def exact_longest_rise(values: list[float | None]) -> int:
    known = [value for value in values if value is not None]
    return max(
        (
            len(some)
            for size in range(len(known) + 1)
            for some in combinations(known, size)
            if all(a < b for a, b in pairwise(some))
        ),
        default=0,
    )


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), max_size=9))
def test_longest_rise(values: list[float | None]) -> None:
    rise = longest_rise(values)
    chosen = [values[index] for index in rise]
    assert rise == sorted(rise)
    assert all(a is not None and b is not None and a < b for a, b in pairwise(chosen))
    assert len(rise) == exact_longest_rise(values)


GLITCHES: dict[str, dict[int, int | None]] = {
    "equal": {40: 39 * 40},
    "missing": dict.fromkeys(range(40, 44)),
    "backward": {40: 35 * 40, 41: 36 * 40},
    "far ahead": {40: 99_000},
    "first one missing": {0: None},
    "first one ahead": {0: 50_000},
    "many": {number: (number - 1) * 40 for number in range(20, 80, 2)},
}


@pytest.mark.parametrize("glitches", GLITCHES.values(), ids=GLITCHES)
@pytest.mark.parametrize("fps", [25.0, 3.0])  # the true rate, and one that guesses far too long steps
def test_only_frames_without_a_usable_time_move(glitches: dict[int, int | None], fps: float) -> None:
    stamps = [glitches.get(number, 40 * number) for number in range(100)]
    clock = StreamClock(Fraction(1, 1000), fps)
    times = np.array([seconds for seconds, _ in clock.times(stamps, lambda stamp: stamp)])
    moved = np.flatnonzero(np.abs(times - 0.04 * np.arange(100)) > 1e-9)
    assert (np.diff(times) > 0).all()
    assert set(moved) <= set(glitches)
    assert clock.guessed == len(glitches)
    assert len(clock.origins) == 1


@given(st.lists(st.one_of(st.none(), st.integers(-3000, 3000), st.integers(0, 5)), min_size=1, max_size=50))
@example([None, None, 0, 1])
@example([2, None, 83, 2, 160, 2, -1733, 2, None, None, 3, None, 1, -902, None, 5, 641, 680, 720, -1522, 3])
def test_times_of_anything_increase(stamps: list[int | None]) -> None:
    clock = StreamClock(Fraction(1, 1000), 25.0)
    shown = list(clock.times(stamps, lambda stamp: stamp))
    assert [stamp for _, stamp in shown] == stamps
    assert shown[0][0] == 0
    assert (np.diff([seconds for seconds, _ in shown]) > 0).all()


def test_frames_of_glued_streams(tmp_path: Path) -> None:
    first, second = (
        write_video(tmp_path / f"{start}.ts", regular(60), picture=lambda k, start=start: numbered_picture(start + k))
        for start in (0, 60)
    )
    with opened(glued(tmp_path / "glued.ts", first, second)) as reader:
        numbers, _ = gathered(list(reader.sample(None, FULL)))
        assert numbers == list(range(120))
        np.testing.assert_allclose(reader.timeline.frame_seconds, regular(120), atol=1e-9)
        assert [seconds for seconds, _ in reader.timeline.origins] == pytest.approx([0, 2.4])
        assert [number_of(frame) for frame in reader.frames_at([119, 60, 59, 0], FULL)] == [119, 60, 59, 0]
        assert any("starts again at 2.4 s" in warning for warning in reader.decode_report.warnings)


def test_an_hour_between_two_frames_is_a_gap(tmp_path: Path) -> None:
    path = write_video(tmp_path / "paused.mkv", [*regular(50), *regular(50, start=3602)])
    with opened(path) as reader:
        reader.scan()
        timeline = reader.timeline
    assert timeline.gaps == (49,)
    assert timeline.end_of(49) == pytest.approx(2.0, abs=2e-3)
    assert timeline.end_seconds == pytest.approx(3604, abs=0.01)
    assert timeline.shown_seconds[[49, 50, 100]] == pytest.approx([1.96, 2.0, 4.0], abs=5e-3)
    with pytest.raises(ValueError, match="decode_report"):
        _ = open_video(path, isolated=False, timeline=timeline).decode_report


def test_which_still_pictures_are_gaps() -> None:
    def gaps(times: list[float], sound: list[float]) -> list[int]:
        return frames_before_gaps(np.array(times), lambda: np.array(sound)).tolist()

    hour = [*regular(50), *regular(50, start=3602)]
    talk = np.arange(0, 3604, 0.02).tolist()
    assert gaps(hour, []) == [49]
    assert gaps(hour, talk) == []  # speech while a slide stands
    assert gaps(hour, [t for t in talk if not 2 < t < 3602]) == [49]
    assert gaps([10.0 * number for number in range(12)], []) == []  # slides
    three = [*regular(50), *regular(50, start=5)]
    assert gaps(three, []) == []  # a screen recording may stand still for three seconds
    assert gaps(three, [t for t in talk if t < 2 or 5 < t < 7]) == [49]


class TestDamage:
    def test_damage_is_counted_and_the_rest_used(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "v.mp4", regular(200), gop=20)
        raw = bytearray(path.read_bytes())
        media = raw.index(b"mdat")
        middle = media + (len(raw) - media) // 2
        raw[middle : middle + 300] = bytes(range(250, 0, -5)) * 6
        path.write_bytes(raw)
        with opened(path) as reader:
            numbers, picks = gathered(list(reader.sample(None, FULL)))
            report = reader.decode_report
        assert report.corrupt_frames > 0
        assert any("damaged" in warning for warning in report.warnings)
        assert 150 < report.decoded_frames == len(picks) <= 200
        assert numbers[:40] == list(range(40))
        assert numbers[-1] == 199

    def test_a_file_that_was_cut_off(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "v.mp4", regular(200))
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * 0.6)])
        with opened(path) as reader:
            numbers, _ = gathered(list(reader.sample(None, FULL)))
            report = reader.decode_report
        assert report.declared_frames == 200
        assert 50 < report.decoded_frames < 190
        assert numbers[:50] == list(range(50))
        assert any("could be decoded" in warning or "damaged" in warning for warning in report.warnings)

    def test_real_damage(self, shared_data: Path) -> None:
        with opened(shared_data / "videos" / "corrupted.mp4") as reader:
            reader.scan()
            report = reader.decode_report
        assert report.decoded_frames < report.declared_frames
        # One packet is broken, the 31st of one group of pictures of fifty: it and the nineteen behind it.
        assert report.corrupt_frames == 20

    def test_no_more_frames_are_damaged_than_there_are(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "v.mp4", regular(100), gop=100, b_frames=0)
        raw = bytearray(path.read_bytes())
        with av.open(str(path)) as container:
            for number, packet in enumerate(container.demux(container.streams.video[0])):
                if number >= 3 and packet.size:
                    raw[packet.pos + 4 : packet.pos + packet.size] = b"\xfe" * (packet.size - 4)
        path.write_bytes(raw)
        with opened(path) as reader:
            reader.scan()
            report = reader.decode_report
        assert 3 <= report.decoded_frames < 100 == report.all_frames
        assert report.corrupt_frames == 97
        assert report.refused_frames == 100 - report.decoded_frames

    def test_an_encrypted_file_is_named_so(self, tmp_path: Path) -> None:
        cipher = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "7" * 32, "encryption_kid": "a" * 32}
        source = write_video(tmp_path / "v.mp4", regular(60), b_frames=0)
        path = remux(source, tmp_path / "locked.mp4", lambda _, old: old, cipher)
        with pytest.raises(VideoError, match=r"locked\.mp4 is encrypted"):
            open_video(path, isolated=False)


@pytest.mark.parametrize("isolated", [False, True])
class TestBadFiles:
    @staticmethod
    def refused(path: Path, isolated: bool, why: str) -> None:
        with pytest.raises(VideoError, match=why) as caught:
            open_video(path, isolated=isolated)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)

    def test_missing(self, tmp_path: Path, isolated: bool) -> None:
        self.refused(tmp_path / "none.mp4", isolated, "no such file")

    def test_folder(self, tmp_path: Path, isolated: bool) -> None:
        self.refused(tmp_path, isolated, "folder")

    def test_empty(self, tmp_path: Path, isolated: bool) -> None:
        path = tmp_path / "e.mp4"
        path.touch()
        self.refused(path, isolated, "empty")

    @pytest.mark.parametrize("name", ["t.mp4", "t.txt", "t.avi"])
    def test_text(self, tmp_path: Path, isolated: bool, name: str) -> None:
        path = tmp_path / name
        path.write_text("Dear diary,\n" * 50)
        self.refused(path, isolated, "not a video|no video")

    def test_audio_only(self, tmp_path: Path, isolated: bool) -> None:
        path = tmp_path / "a.m4a"
        with av.open(str(path), "w") as output:
            stream = output.add_stream("aac", rate=44_100)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44_100, 0
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        self.refused(path, isolated, "no video")

    def test_unknown_codec(self, tmp_path: Path, isolated: bool) -> None:
        path = write_video(tmp_path / "v.mkv", regular(3))
        path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
        self.refused(path, isolated, "FFmpeg cannot read")

    def test_nothing_decodable(self, tmp_path: Path, isolated: bool) -> None:
        path = write_video(tmp_path / "v.mp4", regular(20), gop=100)
        raw = bytearray(path.read_bytes())
        start = raw.index(b"mdat") + 4
        raw[start:] = b"\xa5" * (len(raw) - start)
        path.write_bytes(raw)
        self.refused(path, isolated, "can be decoded")


LISTS = {
    "ffconcat": "ffconcat version 1.0\nfile secret.mp4\n",
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\nsecret.ts\n#EXT-X-ENDLIST\n",
    "DASH": '<?xml version="1.0"?>\n<MPD profiles="urn:mpeg:dash:profile:isoff-live:2011">'
    "<Period><AdaptationSet><Representation><BaseURL>secret.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_files_that_name_others_are_refused(tmp_path: Path, kind: str) -> None:
    write_video(tmp_path / "secret.mp4", regular(3))
    write_video(tmp_path / "secret.ts", regular(3))
    for name, decoder in product(("list.mp4", "list.m3u8", "list.mpd", "list"), ("pyav", "decord")):
        path = tmp_path / name
        path.write_text(LISTS[kind])
        with pytest.raises(VideoError, match=rf"{kind}.* names other files.*{path}$"):
            open_video(path, decoder=decoder)
        with pytest.raises(VideoError, match="not a video"), open_container(path):  # whatever it begins with
            pass


def test_a_pattern_of_picture_files_is_refused(tmp_path: Path) -> None:
    """One picture is a video of one frame; `%d` in its name is no sequence of files."""
    for number in range(4):
        with av.open(str(tmp_path / f"p{number}.png"), "w", format="image2", options={"update": "1"}) as output:
            stream = output.add_stream("png", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
            output.mux(stream.encode(av.VideoFrame.from_ndarray(numbered_picture(number), format="rgb24")))
            output.mux(stream.encode(None))
    with open_video(tmp_path / "p3.png", isolated=False) as reader:
        assert number_of(reader.frames_at([0], Resize("none"))[0]) == 3
        assert reader.timeline.n_frames == 1
    with pytest.raises(VideoError, match="not a video in one file"):
        open_video((tmp_path / "p3.png").rename(tmp_path / "p%d.png"), isolated=False)


def test_a_clock_of_months_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", [number * 400_000.0 for number in range(4)], time_base=Fraction(1, 1000))
    with open_video(path, isolated=False) as reader, pytest.raises(VideoError, match="4 frames claim to last 14 days"):
        reader.scan()


def test_pictures_that_claim_to_be_huge_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.gif", regular(3), codec="gif", pix_fmt="rgb8", time_base=Fraction(1, 100))
    content = bytearray(path.read_bytes())
    content[6:10] = struct.pack("<HH", 16_000, 16_000)
    path.write_bytes(content)
    with pytest.raises(VideoError, match="16000 x 16000 pixels"):
        open_video(path, isolated=False)


def test_names_that_look_like_something_else(tmp_path: Path) -> None:
    """Colons are no protocols and percent signs no patterns."""
    for name in ("concat:a.mp4", "50%03d.mp4", "ä ö\n.mp4"):
        path = write_video(tmp_path / "plain.mp4", regular(3)).rename(tmp_path / name)
        with opened(path, "pyav apart") as reader:
            assert reader.info.width == 64


def test_times_do_not_depend_on_the_frame_rate_field(tmp_path: Path) -> None:
    seconds = uneven(30, seed=3)
    path = write_video(tmp_path / "v.mkv", seconds, rate=7)
    with opened(path) as reader:
        reader.scan()
        np.testing.assert_allclose(reader.timeline.frame_seconds, seconds, atol=1e-6)
