"""Stretches that are blended: against plain numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_videos import number_of, read_all, read_sound, regular, uneven, write_video
from scipy.signal import correlate

from sspvs.video import Footage, write_clips, write_film
from sspvs.video.footage import Stretch

RATE = 44_100


def noise(seconds: float, seed: int, channels: int = 1) -> np.ndarray:
    """Noise below 4 kHz, which AAC keeps."""
    samples = np.random.default_rng(seed).normal(0, 0.1, (channels, round(seconds * RATE)))
    return np.stack([np.convolve(one, np.hanning(11) / 5, "same") for one in samples]).astype(np.float32)


def gray(level: Callable[[int], float]) -> Callable[[int], np.ndarray]:
    return lambda number: np.full((48, 64, 3), level(number), np.uint8)


def sound_by_hand(sound: np.ndarray, segments: list[tuple[float, float]], fade: float, overlap: bool) -> np.ndarray:
    """(samples,) stretches laid over each other with sine ramps, sample by sample on the film's clock."""
    reach = 0.0 if overlap else fade / 2
    total = sum(end - start for start, end in segments) - (fade * (len(segments) - 1) if overlap else 0)
    film = np.zeros(round(total * RATE) + RATE)
    at = 0.0
    for number, (start, end) in enumerate(segments):
        before, after = (0.0 if number == 0 else reach), (0.0 if number == len(segments) - 1 else reach)
        first, last = round((start - before) * RATE), round((end + after) * RATE)
        part = sound[first:last].astype(float)
        ramp = np.sin((np.arange(round(fade * RATE)) + 0.5) / round(fade * RATE) * np.pi / 2)
        if number:
            part[: len(ramp)] *= ramp
        if number < len(segments) - 1:
            part[-len(ramp) :] *= ramp[::-1]
        place = round((at - before) * RATE)
        film[place : place + len(part)] += part
        at += end - start - (fade if overlap else 0)
    return film[: round(total * RATE)]


@pytest.mark.parametrize(("fade", "overlap"), [(0.04, False), (0.3, True)])
def test_sound_fades_at_equal_power(tmp_path: Path, fade: float, overlap: bool) -> None:
    sound = noise(12.0, seed=1)
    source = write_video(tmp_path / "v.mkv", regular(300), sound=sound, sound_codec="pcm_s16le")
    segments = [(0.52 + 2 * k, 1.24 + 2.08 * k) for k in range(5)]
    how = {"crossfade": fade} if overlap else {"sound_crossfade": fade}
    clip = write_clips(source, segments, tmp_path / "out.mp4", isolated=False, **how)
    heard, rate, first = read_sound(clip.path)
    wanted = sound_by_hand(sound[0], segments, fade, overlap)
    assert (rate, first) == (RATE, 0.0)
    assert clip.seconds == pytest.approx(len(wanted) / RATE, abs=1e-4)
    assert len(heard) == pytest.approx(len(wanted), abs=1024)
    inner = slice(400, len(wanted) - 400)  # without the fades of the whole
    assert np.sqrt(np.mean((heard[: len(wanted)] - wanted)[inner] ** 2)) < 0.1 * np.sqrt(np.mean(wanted[inner] ** 2))
    level = 10 * np.log10(np.mean(heard[inner][: len(wanted) // 882 * 882 - 882].reshape(-1, 441) ** 2, axis=1))
    for start in clip.starts[1:]:  # no dip where one fades into the next
        middle = round((start + (fade / 2 if overlap else 0)) * RATE / 441)
        around = level[middle - 3 : middle + 3]
        assert abs(around.mean() - np.median(level)) < 1.5


def test_no_click_where_sound_fades(tmp_path: Path) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 100 * np.arange(12 * RATE) / RATE)
    source = write_video(
        tmp_path / "v.mkv", regular(300), sound=np.stack([wave] * 2).astype(np.float32), sound_codec="pcm_s16le"
    )
    segments = [(0.1237 + 1.5 * k, 0.9618 + 1.5 * k) for k in range(7)]
    write_clips(source, segments, tmp_path / "out.mp4", sound_crossfade=0.04, isolated=False)
    heard, _, _ = read_sound(tmp_path / "out.mp4")
    assert np.abs(np.diff(heard)).max() < 0.015  # 0.007 of the tone, times the square root of 2 where two meet
    assert np.abs(np.diff(heard, 2)).max() < 0.004


def test_pictures_are_blended(tmp_path: Path) -> None:
    """Evenly from one level of gray to the other, between frames of a variable and of a constant rate."""
    seconds = uneven(60, seed=3)
    one = write_video(tmp_path / "one.mp4", seconds, picture=gray(lambda _: 40))
    other = write_video(tmp_path / "other.mp4", regular(100), picture=gray(lambda _: 200))
    parts = [Footage(one, [Stretch(1.0, 3.0, after=0.2)]), Footage(other, [(1.0, 2.0)])]
    clip = write_film(parts, tmp_path / "out.mp4", crf=1, crossfade=0.5)
    pictures, times, end = read_all(clip.path)
    assert clip.starts == pytest.approx((0.0, 1.7))
    assert clip.seconds == pytest.approx(2.7)  # 0.2 s from beyond the first stretch, 0.3 s out of both
    assert end == pytest.approx(2.7, abs=0.002)
    levels = np.array([picture.mean() for picture in pictures])
    times_in = np.array(times)
    blend = (times_in >= 1.7 - 1e-3) & (times_in < 2.2 - 1e-3)
    assert levels[times_in < 1.7 - 1e-3] == pytest.approx(40, abs=3)
    assert levels[times_in >= 2.2] == pytest.approx(200, abs=3)
    steps = np.diff(times_in[blend])
    assert steps.max() < 0.06  # as often as a film of its rate shows pictures
    assert steps.min() > 0.02
    count = int(blend.sum())
    np.testing.assert_allclose(levels[blend], 39 + 161 * (np.arange(count) + 1) / (count + 1), atol=4)


def test_frames_beside_a_crossfade_are_the_right_ones(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", regular(200), gop=25)
    clip = write_clips(source, [(0.4, 1.6), (4.0, 5.2), (2.0, 2.4)], tmp_path / "out.mp4", crf=5, crossfade=0.4)
    pictures, times, _ = read_all(clip.path)
    # 1.2 + 1.2 + 0.4 s, less 0.4 s and, as the last one is no longer than that, 0.2 s
    assert clip.starts == pytest.approx((0.0, 0.8, 1.8))
    assert clip.seconds == pytest.approx(2.2)
    alone = {0.0: 10, 0.76: 29, 1.2: 110, 1.76: 124, 2.0: 55, 2.16: 59}
    for at, number in alone.items():
        index = int(np.abs(np.array(times) - at).argmin())
        assert times[index] == pytest.approx(at, abs=1e-3)
        assert number_of(pictures[index]) == number
    assert np.diff(times) == pytest.approx(0.04, abs=1e-3)


def test_fast_stretches_are_silent_and_show_frames_at_the_usual_rate(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mkv", regular(300), sound=noise(12.0, seed=2), sound_codec="pcm_s16le")
    segments = [Stretch(0.0, 1.0), Stretch(1.0, 9.0, speed=8.0), Stretch(9.0, 10.0)]
    clip = write_clips(source, segments, tmp_path / "out.mp4", crf=5, sound_crossfade=0.04)
    pictures, times, end = read_all(clip.path)
    assert clip.seconds == pytest.approx(3.0)
    assert clip.starts == pytest.approx((0.0, 1.0, 2.0))
    assert end == pytest.approx(3.0, abs=0.002)
    assert np.diff(times) == pytest.approx(0.04, abs=2e-3)
    numbers = [number_of(picture) for picture in pictures]
    assert numbers == [*range(25), *range(25, 225, 8), *range(225, 250)]
    heard, rate, _ = read_sound(clip.path)
    loud = [float(np.abs(heard[int(a * rate) : int(b * rate)]).mean()) for a, b in ((0.1, 0.9), (1.1, 1.9), (2.1, 2.9))]
    assert loud[1] < 0.001 < 0.01 < min(loud[0], loud[2])
    part = heard[round(2.1 * RATE) : round(2.9 * RATE)]
    match = correlate(noise(12.0, seed=2)[0], part, "valid", method="fft")
    assert match.argmax() / RATE == pytest.approx(9.1, abs=1e-3)  # the source has whole milliseconds
    assert match.max() == pytest.approx(float((part**2).sum()), rel=0.05)


@pytest.mark.parametrize("wrong", [{"crossfade": -0.1}, {"sound_crossfade": float("nan")}, {"crossfade": 60.0}])
def test_crossfades_out_of_range(tmp_path: Path, wrong: dict[str, float]) -> None:
    source = write_video(tmp_path / "v.mp4", regular(10))
    with pytest.raises(ValueError, match=next(iter(wrong))):
        write_clips(source, [(0, 1)], tmp_path / "out.mp4", **wrong)


@pytest.mark.parametrize("segment", [(0, 1, -0.1), (0, 1, 0, 0, 0.0), (0, 1, 0, 0, float("inf"))])
def test_stretches_that_cannot_be(tmp_path: Path, segment: tuple[float, ...]) -> None:
    source = write_video(tmp_path / "v.mp4", regular(10))
    with pytest.raises(ValueError, match="beside a segment"):
        write_clips(source, [Stretch(*segment)], tmp_path / "out.mp4")


def columns(number: int) -> np.ndarray:
    """Each column has a level of its own, changed from frame to frame."""
    row = (np.arange(128) * 1.5 + 20 + number % 3).astype(np.uint8)
    return np.repeat(np.repeat(row[None, :, None], 64, axis=0), 3, axis=2)


def test_what_is_cut_out_where_the_camera_is(tmp_path: Path) -> None:
    """Pixel for pixel where the camera stands still, between them where it moves, with a jump at the cut."""
    source = write_video(tmp_path / "v.mkv", regular(50), picture=columns, codec="ffv1")
    camera = np.array([[0.0, 0.3], [1.0 - 1e-6, 0.3], [1.0, 0.5], [1.96, 0.7]])
    part = Footage(source, [(0.0, 2.0)], camera=camera)
    clip = write_film([part], tmp_path / "out.mp4", crf=1, aspect=(1, 2), isolated=False)
    assert (clip.width, clip.height) == (32, 64)
    same = write_film([part], tmp_path / "same.mp4", crf=1, aspect=(1, 2))
    assert same.path.read_bytes() == clip.path.read_bytes()
    pictures, _, _ = read_all(clip.path)
    originals, _, _ = read_all(source)
    for number, (picture, original) in enumerate(zip(pictures, originals, strict=True)):
        middle = 0.3 if number < 25 else 0.5 + 0.2 * (number / 25 - 1) / 0.96
        at = middle * 128 - 16
        at = 2 * round(at / 2) if number < 25 else at
        wanted = [np.interp(at + np.arange(32), np.arange(128), row) for row in original[20:22, :, 1].astype(float)]
        assert np.abs(picture[20:22, :, 1] - np.array(wanted)).max() < 3.5, number
    whole = write_film([Footage(source, [(0, 2)])], tmp_path / "whole.mp4", aspect=(2, 1), isolated=False)
    plain = write_film([Footage(source, [(0, 2)])], tmp_path / "plain.mp4", isolated=False)
    assert whole.path.read_bytes() == plain.path.read_bytes()  # a shape that the picture has changes nothing


def test_sources_of_other_shapes_fill_the_cut_out(tmp_path: Path) -> None:
    white = [np.full((height, width, 3), 255, np.uint8) for width, height in ((128, 64), (62, 90), (50, 50))]
    sources = [
        write_video(tmp_path / f"{number}.mkv", regular(25), picture=lambda _, picture=picture: picture, codec="ffv1")
        for number, picture in enumerate(white)
    ]
    clip = write_film([Footage(path, [(0, 1)]) for path in sources], tmp_path / "out.mp4", aspect=(3, 4), crf=5)
    assert (clip.width, clip.height) == (48, 64)
    assert min(picture.min() for picture in read_all(clip.path)[0]) > 240  # no bars
