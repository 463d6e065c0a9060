from __future__ import annotations

import math
import os
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from helpers.drawn_videos import (
    BARS,
    bars_of,
    bars_seen,
    glued,
    number_of,
    numbered_picture,
    read_all,
    read_sound,
    regular,
    remux,
    uneven,
    write_bars,
    write_video,
    yuv_of,
)

from sspvs.errors import OutputError, VideoError
from sspvs.video import Resize, open_video, tracks, write_clips

RATE = 44_100


def tone(seconds: float, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate, dtype=np.float64)


def beeps(seconds: float, rate: int = RATE, at: float = 0.0) -> np.ndarray:
    """A 50 ms beep of 1 kHz at every full second, on both channels, for a track that starts at `at`."""
    time = np.arange(round(seconds * rate)) / rate + at
    on = (time % 1.0 < 0.05) & (time >= 0.5)
    sound = np.where(on, 0.8 * np.sin(2 * np.pi * 1000 * time), 0.0)
    return np.stack([sound, sound]).astype(np.float32)


def flashes(fps: float) -> object:
    """White for 0.1 s at every full second, else black."""
    white, black = np.full((48, 64, 3), 255, np.uint8), np.zeros((48, 64, 3), np.uint8)
    return lambda number: white if number / fps % 1.0 < 0.1 - 1e-6 and number > 0 else black


def rises(on: np.ndarray, times: np.ndarray, quiet: float = 0.2) -> np.ndarray:
    """Times at which something begins after at least `quiet` seconds of nothing."""
    hits = times[on]
    return hits[np.diff(hits, prepend=-np.inf) > quiet]


@pytest.mark.parametrize(
    ("suffix", "fps", "rate", "sound_codec", "start"),
    [
        (".mp4", 25.0, 44_100, "aac", 0.0),
        (".mkv", 30.0, 48_000, "ac3", 0.0),
        (".mkv", 24.0, 22_050, "aac", 0.0),
        (".ts", 25.0, 44_100, "libmp3lame", 1.7),
    ],
)
def test_sound_stays_in_sync_over_many_cuts(
    tmp_path: Path, suffix: str, fps: float, rate: int, sound_codec: str, start: float
) -> None:
    length = 36
    source = write_video(
        tmp_path / f"source{suffix}",
        regular(int(length * fps), fps, start),
        picture=flashes(fps),  # type: ignore[arg-type]
        gop=50,
        sound=beeps(length, rate),
        sound_rate=rate,
        sound_codec=sound_codec,
        sound_start=start,
    )
    # Each holds the flash of one full second, at another place and of another, crooked length.
    segments = [(k + 0.3 + 0.01 * k, k + 1.2 + 0.0037 * k) for k in range(34)]
    clip = write_clips(source, segments, tmp_path / "out.mp4")
    pictures, times, video_end = read_all(clip.path)
    sound, out_rate, first = read_sound(clip.path)

    brightness = np.array([picture.mean() for picture in pictures])
    seen = rises(brightness > 128, np.array(times))
    heard = rises(np.abs(sound) > 0.1, first + np.arange(len(sound)) / out_rate)
    assert len(seen) == len(heard) == len(segments)
    # The cut may show a flash's first frame late by up to a frame, never early; 20 ms cannot be heard.
    assert np.abs(seen - heard).max() < 0.02

    wanted = sum(end - start for start, end in segments)
    assert clip.seconds == pytest.approx(wanted, abs=1e-6)
    assert video_end == pytest.approx(wanted, abs=0.001)
    assert first + len(sound) / out_rate == pytest.approx(wanted, abs=1.0 / fps)
    assert first == pytest.approx(0, abs=0.001)


def test_frames_are_the_right_ones_and_keep_their_timing(tmp_path: Path) -> None:
    seconds = uneven(200, seed=5)
    source = write_video(tmp_path / "vfr.mp4", seconds, gop=30)
    ranges = [(10, 25), (90, 91), (140, 200), (3, 12)]
    segments = [
        (seconds[a], seconds[b] if b < len(seconds) else seconds[-1] + 9.0) for a, b in ranges
    ]  # the last one reaches over the end
    clip = write_clips(source, segments, tmp_path / "out.mp4")
    pictures, times, end = read_all(clip.path)
    expected = [number for a, b in ranges for number in range(a, b)]
    assert [number_of(picture) for picture in pictures] == expected
    with open_video(source, isolated=False) as reader:
        reader.scan()
        true_end = reader.timeline.end_seconds
    starts, written = [], 0.0
    for a, b in ranges:
        starts += [written + seconds[number] - seconds[a] for number in range(a, b)]
        written += (seconds[b] if b < len(seconds) else true_end) - seconds[a]
    np.testing.assert_allclose(times, starts, atol=2e-3)
    assert clip.seconds == pytest.approx(written, abs=1e-6)
    assert end == pytest.approx(written, abs=2e-3)
    assert clip.n_frames == len(expected)
    assert not clip.has_audio


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("suffix", [".ts", ".mkv"])
def test_sound_of_glued_streams_follows_the_pictures(tmp_path: Path, suffix: str, known: bool) -> None:
    first, second = (
        write_video(
            tmp_path / f"{start}{suffix}",
            regular(75),
            picture=lambda number, start=start: numbered_picture(start + number),
            sound=beeps(3.0, at=1.0),
        )
        for start in (0, 75)
    )
    source = glued(tmp_path / f"glued{suffix}", first, second)
    with open_video(source, isolated=False) as reader:
        reader.scan()
        timeline = reader.timeline
    segments = [(0.8, 1.6), (3.8, 4.6), (2.8, 3.2)]  # of the first part, of the second, over the joint
    clip = write_clips(source, segments, tmp_path / "out.mp4", timeline=timeline if known else None)
    pictures, _, _ = read_all(clip.path)
    assert [number_of(picture) for picture in pictures] == [*range(20, 40), *range(95, 115), *range(70, 80)]
    heard, rate, start = read_sound(clip.path)
    on = rises(np.abs(heard) > 0.2, np.arange(len(heard)) / rate + start)
    # Beeps begin with each second of either part.
    np.testing.assert_allclose(on, [0.2, 1.0, 1.8], atol=0.02)


@pytest.mark.parametrize("known", [True, False])
def test_exactly_the_chosen_frames_of_unusable_times(tmp_path: Path, known: bool) -> None:
    seconds = uneven(90)
    ticks = [round(1000 * second) for second in seconds]
    glitches = {30: ticks[29], 31: ticks[28], 60: ticks[60] + 9000, **{k: ticks[k - 1] for k in range(64, 80, 2)}}
    plain = write_video(tmp_path / "v.mkv", seconds, b_frames=0, time_base=Fraction(1, 1000))
    source = remux(plain, tmp_path / "bad.mkv", lambda number, old: glitches.get(number, old) + 1000)
    with open_video(source, isolated=False) as reader:
        reader.scan()
        timeline = reader.timeline
    assert timeline.guessed_frames == len(glitches)
    usable = sorted(set(range(90)) - set(glitches))
    np.testing.assert_allclose(timeline.frame_seconds[usable], np.array(seconds)[usable], atol=1e-3)
    ranges = [(29, 33), (59, 62), (65, 77)]
    segments = [(timeline.seconds_of(first), timeline.seconds_of(last)) for first, last in ranges]
    clip = write_clips(source, segments, tmp_path / "out.mp4", timeline=timeline if known else None)
    pictures, _, _ = read_all(clip.path)
    assert [number_of(picture) for picture in pictures] == [k for first, last in ranges for k in range(first, last)]


def test_container_and_streams_last_equally_long(tmp_path: Path, shared_data: Path) -> None:
    """Still pictures at the end, whose lengths the file does not state, beside B frames."""
    source = shared_data / "cases" / "vfr_last_frame" / "cleanb.mp4"
    clip = write_clips(source, [(2.76, 9.0), (9.0, 14.0), (44.0, 44.6), (30.0, 37.0)], tmp_path / "out.mp4")
    with av.open(str(clip.path)) as container:
        lengths = [float(stream.duration * stream.time_base) for stream in container.streams]
        lengths.append(container.duration / av.time_base)
    np.testing.assert_allclose(lengths, 6.24 + 5.0 + 0.6 + 7.0, atol=0.03)
    assert clip.seconds == pytest.approx(18.84)


def test_sound_that_does_not_decode_is_measured(tmp_path: Path) -> None:
    sound = np.stack([tone(8.0)]).astype(np.float32)
    source = write_video(tmp_path / "v.mkv", regular(200), sound=sound)
    raw = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for packet in container.demux(container.streams.audio[0]):
            data = bytes(packet)
            if len(data) > 8 and 3.0 <= packet.pts * packet.time_base < 4.0:
                at = raw.index(data)
                raw[at : at + len(data)] = b"\xff" * len(data)
    source.write_bytes(raw)
    clip = write_clips(source, [(1.0, 2.0), (2.5, 6.0)], tmp_path / "out.mp4")
    assert clip.lost_sound_seconds == pytest.approx(1.0, abs=0.05)
    assert f"{clip.lost_sound_seconds:.2f} s of the summary's 4.50 s of sound" in clip.warnings[0]
    heard, rate, _ = read_sound(clip.path)
    quiet = [np.abs(heard[int(at * rate) : int((at + 0.1) * rate)]).max() < 0.01 for at in (0.5, 1.2, 1.8, 2.2, 3.0)]
    assert quiet == [False, False, True, True, False]
    whole = write_clips(source, [(5.0, 7.0)], tmp_path / "whole.mp4")
    assert whole.lost_sound_seconds == 0
    assert not whole.warnings


def test_bounds_inside_frames(tmp_path: Path) -> None:
    """What is on screen during the segment is shown, for as long as the segment shows it."""
    source = write_video(tmp_path / "slow.mp4", regular(10, fps=1.0), rate=1)
    clip = write_clips(source, [(1.25, 3.5), (5.5, 5.75)], tmp_path / "out.mp4")
    pictures, times, end = read_all(clip.path)
    assert [number_of(picture) for picture in pictures] == [1, 2, 3, 5]
    assert times == pytest.approx([0, 0.75, 1.75, 2.25], abs=1e-3)
    assert end == pytest.approx(2.5, abs=1e-3)


def test_touching_segments_are_one(tmp_path: Path) -> None:
    sound = np.stack([tone(4.0)]).astype(np.float32)
    source = write_video(tmp_path / "v.mp4", regular(100), sound=sound)
    write_clips(source, [(0.4, 1.2), (1.2, 2.0)], tmp_path / "two.mp4")
    heard, rate, _ = read_sound(tmp_path / "two.mp4")
    middle = heard[round(0.7 * rate) : round(0.9 * rate)].reshape(-1, 147)  # 3.3 ms, over a period of 440 Hz
    assert np.abs(middle).max(axis=1).min() > 0.4  # no fade at the seam
    assert [number_of(p) for p in read_all(tmp_path / "two.mp4")[0]] == list(range(10, 50))


def test_cuts_do_not_click(tmp_path: Path) -> None:
    """Steps at the cuts are no larger than those of the tone itself."""
    sound = np.stack([tone(8.0, hertz=100)] * 2).astype(np.float32)
    source = write_video(tmp_path / "v.mkv", regular(200), sound=sound, sound_codec="pcm_s16le")
    segments = [(0.1237 + k, 0.4618 + k) for k in range(7)]
    write_clips(source, segments, tmp_path / "out.mp4")
    heard, _, _ = read_sound(tmp_path / "out.mp4")
    assert np.abs(heard).max() > 0.4
    assert np.abs(np.diff(heard)).max() < 0.03  # 0.5 * 2 pi * 100 / 44100 = 0.007; a bare cut makes up to 1


def test_sound_is_the_same_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long stretches are read a piece at a time; a fade is not cut in two."""
    sound = np.stack([tone(8.0, hertz=100)] * 2).astype(np.float32)
    source = write_video(tmp_path / "v.mkv", regular(200), sound=sound, sound_codec="pcm_s16le")
    segments = [(0.12, 3.47), (4.0, 4.3 + 100 / RATE), (5.0, 7.0)]
    write_clips(source, segments, tmp_path / "whole.mp4", isolated=False)
    monkeypatch.setattr(tracks, "MOST_SAMPLES", RATE // 10)
    write_clips(source, segments, tmp_path / "pieces.mp4", isolated=False)
    pieces, whole = (_sound_packets(tmp_path / name) for name in ("pieces.mp4", "whole.mp4"))
    assert len(whole) > 100
    assert pieces == whole


def _sound_packets(path: Path) -> list[tuple[int | None, bytes]]:
    """When each packet of encoded sound is heard, and its bytes."""
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


def test_sound_that_starts_late_and_ends_early(tmp_path: Path) -> None:
    sound = np.stack([tone(1.0)]).astype(np.float32)
    source = write_video(tmp_path / "v.mkv", regular(100), sound=sound, sound_start=1.0)
    write_clips(source, [(0.0, 4.0)], tmp_path / "out.mp4")
    heard, rate, _ = read_sound(tmp_path / "out.mp4")
    loud = np.abs(heard) > 0.05
    assert np.flatnonzero(loud)[0] / rate == pytest.approx(1.0, abs=0.03)
    assert np.flatnonzero(loud)[-1] / rate == pytest.approx(2.0, abs=0.03)
    assert len(heard) / rate == pytest.approx(4.0, abs=0.04)


@pytest.mark.parametrize(("width", "height"), [(63, 47), (64, 49), (65, 48), (1, 1)])
def test_odd_sizes_become_even(tmp_path: Path, width: int, height: int) -> None:
    source = write_video(
        tmp_path / "odd.mkv",
        regular(6),
        picture=lambda k: numbered_picture(k, width, height),
        codec="ffv1",
        pix_fmt="yuv444p",
    )
    clip = write_clips(source, [(0, 1)], tmp_path / "out.mp4")
    assert (clip.width, clip.height) == (max(2, width // 2 * 2), max(2, height // 2 * 2))
    pictures = read_all(clip.path)[0]
    assert pictures[0].shape == (clip.height, clip.width, 3)
    if width > 1:
        assert [number_of(picture) for picture in pictures] == list(range(6))


@pytest.mark.parametrize("degrees", [90, 180, -90])
@pytest.mark.parametrize("max_height", [None, 24])
def test_rotation_is_in_the_pixels(tmp_path: Path, degrees: int, max_height: int | None) -> None:
    picture = numbered_picture(0b0001_0010_0011_0100)
    picture[:, :, 1:] //= 2  # coloured, so that the chroma planes count
    source = write_video(tmp_path / "r.mp4", regular(4), picture=lambda _: picture, rotation=degrees)
    clip = write_clips(source, [(0, 1)], tmp_path / "out.mp4", max_height=max_height)
    with av.open(str(clip.path)) as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == 0
        seen = frame.to_ndarray(format="rgb24")
    upright = np.rot90(picture, degrees // 90)
    assert seen.shape[:2] == (clip.height, clip.width)
    assert number_of(seen) == number_of(upright)
    if max_height is None:
        assert np.abs(seen.astype(int) - upright).mean() < 12
    else:
        assert clip.height == max_height


BT709, BT601, UNTAGGED = (1, 1, 1), (6, 6, 6), (2, 2, 2)


@pytest.mark.parametrize(
    ("source", "max_height", "tags"),
    [
        pytest.param({"matrix": 1, "tags": BT709, "codec": "libx264"}, None, BT709, id="bt709"),
        pytest.param({"matrix": 1, "tags": (1, 2, 2)}, None, BT709, id="matrix only"),
        pytest.param({"matrix": 6, "tags": BT601, "height": 720}, None, BT601, id="bt601 hd"),
        pytest.param({"matrix": 5, "tags": (5, 5, 6), "pix_fmt": "yuv422p"}, None, (5, 5, 6), id="pal"),
        pytest.param({"matrix": 7, "tags": (7, 7, 7), "pix_fmt": "yuv444p"}, 24, (7, 7, 7), id="smpte240m"),
        pytest.param({"matrix": 9, "tags": (9, 9, 14), "pix_fmt": "yuv422p10le"}, None, (9, 9, 14), id="bt2020 sdr"),
        pytest.param({"matrix": 8, "tags": (8, 1, 1), "pix_fmt": "yuv444p"}, 24, (8, 1, 1), id="ycgco"),
        pytest.param({"matrix": 6, "tags": (3, 2, 2), "pix_fmt": "yuv444p"}, None, UNTAGGED, id="reserved"),
        pytest.param({"matrix": 1, "tags": BT709, "full": True}, None, BT709, id="full range"),
        pytest.param({"full": True, "pix_fmt": "yuvj444p", "codec": "libx264"}, 24, UNTAGGED, id="jpeg"),
        pytest.param({"matrix": 6}, None, UNTAGGED, id="untagged sd"),
        pytest.param({"matrix": 1, "height": 720}, None, UNTAGGED, id="untagged hd"),
        pytest.param({"matrix": 1, "height": 720}, 360, BT709, id="untagged hd made sd"),
        pytest.param({"pix_fmt": "bgr0"}, None, (6, 1, 1), id="rgb sd"),
        pytest.param({"pix_fmt": "bgr0", "height": 720}, None, BT709, id="rgb hd"),
        pytest.param({"pix_fmt": "bgr0", "height": 720}, 360, (6, 1, 1), id="rgb made sd"),
    ],
)
def test_colours_look_as_in_the_source(
    tmp_path: Path, source: dict[str, Any], max_height: int | None, tags: tuple[int, int, int]
) -> None:
    path = write_bars(tmp_path / "bars.mkv", **source)
    clip = write_clips(path, [(0, 1)], tmp_path / "out.mp4", crf=1, max_height=max_height, isolated=False)
    seen, stated, _ = bars_seen(clip.path)
    assert np.abs(seen - BARS).max() <= 3
    assert stated == tags
    # The container states the same: an atom with primaries, transfer, matrix, and limited range.
    primaries, transfer, matrix = tags[1], tags[2], tags[0]
    atom = b"colrnclx" + bytes([0, primaries, 0, transfer, 0, matrix, 0])
    assert clip.path.read_bytes().count(atom) == (tags != UNTAGGED)
    with open_video(path, isolated=False) as reader:
        assert np.abs(bars_of(reader.frames_at([2], Resize("none"))[0]) - BARS).max() <= 3


def test_a_file_whose_colours_change_keeps_those_it_began_with(tmp_path: Path) -> None:
    parts = [write_bars(tmp_path / f"{m}.ts", matrix=m, tags=(m, m, m), codec="libx264", n_frames=25) for m in (1, 6)]
    source = tmp_path / "glued.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    clip = write_clips(source, [(1.2, 1.8)], tmp_path / "out.mp4", crf=1, isolated=False)
    whole = write_clips(source, [(0.2, 1.8)], tmp_path / "whole.mp4", crf=1, isolated=False)
    assert bars_seen(clip.path)[1] == BT601
    assert bars_seen(whole.path)[1] == BT709
    wanted = yuv_of(BARS, 1)
    with av.open(str(whole.path)) as container:
        for frame in container.decode(video=0):
            middles = [int(frame.width * (k + 0.5) / len(BARS)) for k in range(len(BARS))]
            luma = np.frombuffer(frame.planes[0], np.uint8).reshape(-1, frame.planes[0].line_size)[20, middles]
            assert np.abs(luma.astype(int) - wanted[:, 0]).max() <= 3


def sdr_by_hand(rgb: tuple[float, float, float], kind: str) -> list[float]:
    """One BT.2020 signal, values in [0, 1], as 8-bit BT.709: the formulas of BT.2100, BT.2390, BT.2087 and BT.1886."""

    def pq(nits: float) -> float:
        power = (nits / 10_000) ** 0.1593017578125
        return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)

    def from_pq(signal: float) -> float:
        power = signal ** (1 / 78.84375)
        return float(10_000 * (max(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125))

    if kind == "HLG":
        scene = [e * e / 3 if e <= 0.5 else (math.exp((e - 0.55991073) / 0.17883277) + 0.28466892) / 12 for e in rgb]
        luminance = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2]
        nits = [1000 * luminance**0.2 * e for e in scene]
    else:
        nits = [from_pq(e) for e in rgb]
    most, top = max(nits), pq(203) / pq(1000)
    knee, level = 1.5 * top - 0.5, min(pq(most) / pq(1000), 1)
    if level > knee:
        t = (level - knee) / (1 - knee)
        level = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * top
    r, g, b = (e * from_pq(level * pq(1000)) / most / 203 if most else 0.0 for e in nits)
    linear = (
        1.6605 * r - 0.5876 * g - 0.0728 * b,
        -0.1246 * r + 1.1329 * g - 0.0083 * b,
        -0.0182 * r - 0.1006 * g + 1.1187 * b,
    )
    return [255 * min(max(e, 0), 1) ** (1 / 2.4) for e in linear]


@pytest.mark.parametrize(("kind", "transfer"), [("HLG", 18), ("PQ", 16)])
def test_hdr_is_tone_mapped_everywhere(tmp_path: Path, kind: str, transfer: int) -> None:
    bars = np.array(
        [(128, 128, 128), (191, 191, 191), (60, 60, 60), (20, 20, 20), (150, 120, 100), (70, 75, 80), (100, 92, 85)]
    )
    path = write_bars(tmp_path / "hdr.mkv", bars, matrix=9, tags=(9, 9, transfer), pix_fmt="yuv420p10le")
    clip = write_clips(path, [(0, 1)], tmp_path / "out.mp4", crf=1)
    seen, tags, _ = bars_seen(clip.path)
    wanted = np.array([sdr_by_hand(tuple(bar / 255), kind) for bar in bars])
    assert np.abs(seen - wanted).max() <= 3
    assert tags == BT709
    assert [kind in warning and "tone-mapped" in warning for warning in clip.warnings] == [True]
    with open_video(path, isolated=False) as reader:
        pictures = [reader.frames_at([2], Resize("none"))[0], next(reader.sample(1.0, Resize("none"))).frames[0]]
        assert reader.info.hdr == kind
    for picture in pictures:
        assert np.abs(bars_of(picture) - wanted).max() <= 3


def moving(number: int) -> np.ndarray:
    """The number of the frame on the left, the same in both its fields; a bar on the right that moves in each field."""
    picture = np.full((96, 128, 3), 40, np.uint8)
    picture[:, :64] = numbered_picture(number // 2, 64, 96)
    at = 66 + number * 7 % 48
    picture[:, at : at + 10] = 220
    return picture


def two_fields(number: int) -> np.ndarray:
    picture = moving(2 * number + 1)
    picture[1::2] = moving(2 * number)[1::2]  # the bottom field comes first
    return picture


def first_fields_error(picture: np.ndarray, number: int) -> float:
    """How far a picture is from what the field of a frame that comes first shows; 15 and more with both fields."""
    return float(np.abs(picture[4:-4, 64:].astype(int) - moving(2 * number)[4:-4, 64:]).mean())


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".ts", "mpeg2video"), (".mkv", "libx264")])
def test_interlaced_video_is_deinterlaced(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_video(
        tmp_path / f"i{suffix}",
        regular(60),
        picture=two_fields,
        codec=codec,
        interlaced=True,
        time_base=Fraction(1, 25),
    )
    ranges = [(12, 20), (31, 40), (50, 60), (0, 5)]  # the first begins at a key frame
    clip = write_clips(path, [(a / 25, b / 25) for a, b in ranges], tmp_path / "out.mp4", crf=5)
    expected = [number for a, b in ranges for number in range(a, b)]
    pictures, times, _ = read_all(clip.path)
    with open_video(path) as reader:
        keys = reader.frames_at(expected[::5], Resize("none"))
    assert [number_of(picture[:, :64]) for picture in pictures] == expected
    assert times == pytest.approx([number / 25 for number in range(len(expected))], abs=1e-3)
    assert [number_of(picture[:, :64]) for picture in keys] == expected[::5]
    for picture, number in [*zip(pictures, expected, strict=True), *zip(keys, expected[::5], strict=True)]:
        assert first_fields_error(picture, number) < 6
    assert [("interlaced" in warning) for warning in clip.warnings] == [True]


def test_a_single_interlaced_frame_is_deinterlaced(tmp_path: Path) -> None:
    path = write_video(tmp_path / "one.mp4", [0.0], picture=two_fields, interlaced=True)
    clip = write_clips(path, [(0, 1)], tmp_path / "out.mp4", crf=5, isolated=False)
    (picture,) = read_all(clip.path)[0]
    assert first_fields_error(read_all(path)[0][0], 0) > 15
    assert first_fields_error(picture, 0) < 6


def test_progressive_video_flagged_as_interlaced_is_hardly_changed(tmp_path: Path, shared_data: Path) -> None:
    pictures = read_all(shared_data / "videos" / "sample_demo_1.mp4")[0][:12]
    path = write_video(tmp_path / "p.mp4", regular(12), picture=lambda number: pictures[number], interlaced=True)
    clip = write_clips(path, [(0, 1)], tmp_path / "out.mp4", crf=5)
    for seen, picture in zip(read_all(clip.path)[0], pictures, strict=True):
        assert np.abs(seen.astype(int) - picture).mean() < 4


def test_what_browsers_need(tmp_path: Path, shared_data: Path) -> None:
    clip = write_clips(shared_data / "videos" / "pancake.mkv", [(1, 2), (4, 5.5)], tmp_path / "out.mp4")
    raw = clip.path.read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")
    with av.open(str(clip.path)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, picture.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert sound.codec_context.name == "aac"
        assert float(picture.duration * picture.time_base) == pytest.approx(2.5, abs=0.001)
        assert float(sound.duration * sound.time_base) == pytest.approx(2.5, abs=0.03)
    assert clip.has_audio
    umask = os.umask(0)
    os.umask(umask)
    assert clip.path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_real_videos_cut_at_their_frames(tmp_path: Path, shared_data: Path) -> None:
    """The written frames are those of the source, by comparing pictures."""
    source = shared_data / "videos" / "charades.mp4"
    with open_video(source, isolated=False) as reader:
        reader.scan()
        times = reader.timeline.frame_seconds
    ranges = [(33, 41), (200, 204), (452, 460)]
    segments = [(float(times[a]), float(times[b]) if b < 460 else 99.0) for a, b in ranges]
    clip = write_clips(source, segments, tmp_path / "out.mp4", crf=10)
    reference, written = read_all(source)[0], read_all(clip.path)[0]
    expected = [index for a, b in ranges for index in range(a, b)]
    assert len(written) == len(expected)
    for picture, index in zip(written, expected, strict=True):
        around = range(max(0, index - 2), min(460, index + 3))
        distances = {i: np.abs(picture.astype(int) - reference[i]).mean() for i in around}
        assert min(distances, key=distances.__getitem__) == index


def test_one_frame(tmp_path: Path) -> None:
    source = write_video(tmp_path / "one.mp4", [0.0])
    clip = write_clips(source, [(0, 5)], tmp_path / "out.mp4")
    assert clip.n_frames == 1
    assert len(read_all(clip.path)[0]) == 1


@pytest.mark.parametrize("unknown", [True, False])
def test_broken_sound_is_left_out_with_a_warning(tmp_path: Path, unknown: bool) -> None:
    sound = np.stack([tone(4.0)]).astype(np.float32)
    source = write_video(tmp_path / "v.mkv", regular(100), sound=sound)
    raw = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for packet in container.demux(container.streams.audio[0]):
            data = bytes(packet)
            if len(data) > 8 and (at := raw.find(data)) >= 0:
                raw[at : at + len(data)] = b"\xff" * len(data)
    source.write_bytes(bytes(raw).replace(b"A_AAC", b"A_XYZ") if unknown else raw)
    clip = write_clips(source, [(0, 2)], tmp_path / "out.mp4")
    assert clip.n_frames == 50
    assert not clip.has_audio
    assert clip.lost_sound_seconds == 2
    assert ["cannot be decoded" in warning for warning in clip.warnings] == [True]
    with av.open(str(clip.path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


class TestRefusals:
    @pytest.mark.parametrize("segments", [[], [(1.0, 1.0)], [(2.0, 1.0)], [(-1.0, 1.0)], [(0, float("nan"))]])
    def test_segments(self, tmp_path: Path, segments: list[tuple[float, float]]) -> None:
        with pytest.raises(ValueError, match="segment"):
            write_clips(tmp_path / "v.mp4", segments, tmp_path / "out.mp4")

    @pytest.mark.parametrize("wrong", [{"crf": 52}, {"preset": "warp"}, {"max_height": 0}])
    def test_settings(self, tmp_path: Path, wrong: dict[str, int]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            write_clips(tmp_path / "v.mp4", [(0, 1)], tmp_path / "out.mp4", **wrong)  # type: ignore[arg-type]

    def test_nothing_in_the_segments(self, tmp_path: Path) -> None:
        source = write_video(tmp_path / "v.mp4", regular(10))
        with pytest.raises(VideoError, match="no frame"):
            write_clips(source, [(5, 6)], tmp_path / "out.mp4")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["v.mp4"]

    @pytest.mark.parametrize("isolated", [True, False])
    def test_a_source_that_is_none_leaves_the_old_output(self, tmp_path: Path, isolated: bool) -> None:
        (tmp_path / "v.mp4").write_text("hello\n" * 99)
        (tmp_path / "out.mp4").write_text("old")
        with pytest.raises(VideoError, match="not a video"):
            write_clips(tmp_path / "v.mp4", [(0, 1)], tmp_path / "out.mp4", isolated=isolated)
        assert (tmp_path / "out.mp4").read_text() == "old"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "v.mp4"]

    def test_outputs(self, tmp_path: Path) -> None:
        source = write_video(tmp_path / "v.mp4", regular(10))
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").touch()
        for out in ("missing/out.mp4", "folder", "file/out.mp4"):
            with pytest.raises(OutputError, match="cannot write"):
                write_clips(source, [(0, 1)], tmp_path / out)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a place that is always full")
    @pytest.mark.parametrize("isolated", [True, False])
    def test_a_full_disk(self, tmp_path: Path, isolated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        source = write_video(tmp_path / "v.mp4", regular(100))
        monkeypatch.setattr("sspvs.temporaries.secrets.token_hex", lambda _: "full")
        (tmp_path / f".sspvs-{os.getpid()}-full.tmp").symlink_to("/dev/full")
        with pytest.raises(OutputError, match="cannot write"):
            write_clips(source, [(0, 4)], tmp_path / "out.mp4", isolated=isolated)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["v.mp4"]


def test_killed_while_writing_leaves_no_process(tmp_path: Path) -> None:
    import signal
    import sys
    import time

    source = write_video(tmp_path / "v.mp4", regular(2000), time_base=Fraction(1, 25))
    root = Path(__file__).resolve().parents[2]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from sspvs.video import write_clips;"
        f"write_clips({str(source)!r}, [(0, 80)] * 50, {str(tmp_path / 'out.mp4')!r}, preset='veryslow')"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        deadline = time.monotonic() + 20
        while not list(tmp_path.glob(".sspvs-*.tmp")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while list(tmp_path.glob(".*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v.mp4"]
