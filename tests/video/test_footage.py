"""Films of several sources."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from helpers.drawn_videos import number_of, numbered_picture, read_all, read_sound, regular, write_video

from sspvs.errors import VideoError
from sspvs.video import Footage, open_video, write_film


def tone(seconds: float, rate: int, hertz: float, channels: int) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave] * channels).astype(np.float32)


def pitch(sound: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(spectrum.argmax() * rate / len(sound))


def test_sources_that_differ(tmp_path: Path) -> None:
    """Sizes, rates, rotations and sound of every kind: every frame is the right one, upright, at its time."""
    wide = write_video(tmp_path / "wide.mp4", regular(100), sound=tone(4.0, 44_100, 400, 1))
    tall = write_video(
        tmp_path / "tall.mkv",
        regular(60, fps=30.0),
        picture=lambda number: numbered_picture(number + 200, 48, 128),
        sound=tone(2.0, 48_000, 900, 2),
        sound_rate=48_000,
    )
    turned = write_video(
        tmp_path / "turned.mp4",
        regular(50),
        picture=lambda number: np.rot90(numbered_picture(number + 400), -1),  # stored on its side
        rotation=90,
    )
    parts = [Footage(wide, [(0.4, 1.2), (2.0, 3.0)]), Footage(tall, [(0.5, 1.5)]), Footage(turned, [(0.2, 9.0)])]
    clip = write_film(parts, tmp_path / "film.mp4", crf=5)
    pictures, times, end = read_all(clip.path)
    assert (clip.width, clip.height) == (64, 48)  # shown for the longest time
    starts = [0.0, 0.8, 1.8, 2.8]
    assert clip.starts == pytest.approx(starts)
    assert clip.seconds == pytest.approx(4.6)
    assert end == pytest.approx(4.6, abs=0.002)
    shown = [*range(10, 30), *range(50, 75), *range(215, 245), *range(405, 450)]
    wanted = [
        *(number / 25 for number in range(20)),
        *(0.8 + number / 25 for number in range(25)),
        *(1.8 + number / 30 for number in range(30)),
        *(2.8 + number / 25 for number in range(45)),
    ]
    np.testing.assert_allclose(times, wanted, atol=1e-3)
    inner = slice((64 - 18) // 2, (64 + 18) // 2)  # 48 x 128 in 64 x 48
    seen = [number_of(picture[:, inner] if 45 <= index < 75 else picture) for index, picture in enumerate(pictures)]
    assert seen == shown
    bars = np.stack(pictures[45:75])[:, :, [0, 10, 20, 44, 54, 63]]
    assert bars.max() < 12
    with av.open(str(clip.path)) as container:
        assert (container.streams.audio[0].rate, container.streams.audio[0].codec_context.channels) == (48_000, 2)
    heard, rate, first = read_sound(clip.path)
    assert first + len(heard) / rate == pytest.approx(4.6, abs=0.03)
    for at, hertz in ((0.1, 400), (1.0, 400), (2.0, 900)):
        assert pitch(heard[int(at * rate) : int((at + 0.6) * rate)], rate) == pytest.approx(hertz, abs=3)
    assert np.abs(heard[int(2.85 * rate) :]).max() < 0.01  # a source without sound is silent


def test_warnings_carry_the_name_of_their_source(tmp_path: Path) -> None:
    parts = []
    for name in ("one", "two"):
        path = write_video(tmp_path / f"{name}.mp4", regular(20), interlaced=name == "two")
        parts.append(Footage(path, [(0.0, 0.4)]))
    warnings = write_film(parts, tmp_path / "film.mp4", isolated=False).warnings
    assert [warning.startswith("two.mp4: the source is interlaced") for warning in warnings] == [True]


def test_one_process_or_two_and_known_times_make_the_same_file(tmp_path: Path, shared_data: Path) -> None:
    sources = [shared_data / "videos" / name for name in ("charades.mp4", "pancake.mkv")]
    timelines = []
    for source in sources:
        with open_video(source, isolated=False) as reader:
            reader.scan()
            timelines.append(reader.timeline)
    for name, known, isolated in (("a", timelines, True), ("b", timelines, False), ("c", [None, None], True)):
        parts = [Footage(path, [(1.0, 2.0)], when) for path, when in zip(sources, known, strict=True)]
        write_film(parts, tmp_path / f"{name}.mp4", isolated=isolated)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes() == (tmp_path / "c.mp4").read_bytes()


def test_chapters(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", regular(100))
    names = [(0.0, "Ein Anfang"), (0.7, 'a "b" & <c>'), (1.5, "ünïcode ☃")]
    clip = write_film([Footage(source, [(0, 1), (2, 3)])], tmp_path / "film.mp4", chapters=names)
    with av.open(str(clip.path)) as container:
        chapters = container.chapters()
        assert container.duration / av.time_base == pytest.approx(2.0, abs=0.01)
    found = [
        (float(one["start"] * one["time_base"]), float(one["end"] * one["time_base"]), one["metadata"]["title"])
        for one in chapters
    ]
    starts, titles = zip(*names, strict=True)
    assert [name for _, _, name in found] == list(titles)
    assert [start for start, _, _ in found] == pytest.approx(list(starts), abs=1e-3)
    assert [end for _, end, _ in found] == pytest.approx([0.7, 1.5, 2.0], abs=1e-3)


@pytest.mark.parametrize("wrong", [[(1.0, "b"), (0.5, "a")], [(-1.0, "a")], [(float("nan"), "a")]])
def test_chapters_out_of_order(tmp_path: Path, wrong: list[tuple[float, str]]) -> None:
    source = write_video(tmp_path / "v.mp4", regular(10))
    with pytest.raises(ValueError, match="chapters must begin"):
        write_film([Footage(source, [(0, 1)])], tmp_path / "film.mp4", chapters=wrong)


def test_a_source_that_is_none(tmp_path: Path) -> None:
    good, bad = write_video(tmp_path / "good.mp4", regular(10)), tmp_path / "bad.mp4"
    bad.write_text("hello\n" * 99)
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        write_film([Footage(good, [(0, 1)]), Footage(bad, [(0, 1)])], tmp_path / "film.mp4")
    with pytest.raises(ValueError, match="at least one segment"):
        write_film([Footage(good, [(0, 1)]), Footage(good, [])], tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()
