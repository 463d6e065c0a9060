"""Captions and subtitles as a stream of sentence vectors, from files people have, and the command that builds them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from helpers.drawn_videos import regular, write_video

from sspvs.annotations.captions import Caption, CaptionSource, Sentences, caption_stream, read_captions
from sspvs.cli import main
from sspvs.errors import DatasetError
from sspvs.features.text import embed_sentences
from sspvs.table import VideoTable, read_features, write_features
from sspvs.types import Fingerprint, FrameFeatures, Timeline

SRT = """1
00:00:00,000 --> 00:00:01,000
A dog runs

2
00:00:01,000 --> 00:00:02,000
on the beach.

3
00:00:03,000 --> 00:00:04,000
The end.
"""
DOG, END = "A dog runs on the beach.", "The end."
MADE = Fingerprint("net", "00", "resize", "none", 2.0)


def video(n_picks: int = 8, fps: float = 10.0) -> FrameFeatures:
    """A pick each half second."""
    n_frames = round(n_picks * fps / 2)
    timeline = Timeline(np.arange(n_frames) / fps, n_frames / fps)
    picks = np.round(np.arange(n_picks) * fps / 2).astype(np.int64)
    return FrameFeatures("v", np.ones((n_picks, 2), np.float32), picks, n_frames, timeline, MADE)


def naive_stream(captions: list[Caption], features: FrameFeatures, fps: float) -> np.ndarray:
    """Each pick's sentences looked for one by one."""
    at, rows = features.picks, []
    for number, pick in enumerate(at):
        begin = -1.0 if number == 0 else (at[number - 1] + pick) / 2
        end = float(features.n_frames) if number == len(at) - 1 else (pick + at[number + 1]) / 2
        found = []
        for start, stop, text, in_frames in captions:
            first, last = (start, stop) if in_frames else (start * fps, stop * fps)
            if begin <= first < end or (first < end and last > begin):
                found.append(embed_sentences([text])[0])
        rows.append(np.mean(found, axis=0) if found else np.zeros(384))
    return np.array(rows)


def test_each_pick_has_the_mean_of_its_sentences() -> None:
    captions = [
        Caption(0, 0, "a dog", in_frames=True),
        Caption(2, 2, "a cat", in_frames=True),
        Caption(0.0, 1.1, "a beach"),
        Caption(2.0, 2.0, "the sea"),
        Caption(999, 999, "long after the end", in_frames=True),
    ]
    stream = caption_stream(captions, video(), video().timeline, Sentences(), "v")
    expected = naive_stream(captions[:-1], video(), 10.0)
    assert stream.features.dtype == np.float32
    np.testing.assert_allclose(stream.features, expected, atol=1e-5)
    assert [bool(row.any()) for row in stream.features] == [True, True, True, False, True, False, False, False]
    assert stream.fingerprint is not None
    assert (stream.fingerprint.backbone, stream.fingerprint.rate_hz) == ("minilm", 2.0)
    with pytest.raises(DatasetError, match="v: captions in seconds, but the frame rate is unknown; give --fps"):
        caption_stream(captions, video(), None, Sentences(), "v")


def test_lines_of_captions_are_read_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    rows = [
        {"id": "a", "frame": 15, "caption": " a dog  runs "},
        {"id": "b", "seconds": 1.5, "caption": "x"},
        {"id": "a", "start": 1, "end": 2.5, "caption": "y"},
        {"id": "a", "frame": 30, "caption": ""},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert read_captions(path) == {
        "a": [Caption(15, 15, "a dog runs", in_frames=True), Caption(1, 2.5, "y")],
        "b": [Caption(1.5, 1.5, "x")],
    }
    for wrong, words in [
        ('{"id": "a", "caption": "x"}', "expected JSON lines of id, caption and frame, seconds, or start and end"),
        ('{"id": "a", "caption": "x", "frame": 1, "seconds": 2}', "found id, caption, frame, seconds"),
        ('{"id": "a", "caption": "x", "start": 3, "end": 2}', "expected start before end, found 3 and 2"),
        ('{"id": "a", "caption": "x", "frame": -1}', "expected frame as numbers from 0 on, found -1"),
        ('{"id": "a", "caption": "x", "seconds": NaN}', "as numbers from 0 on, found nan"),
        ('{"id": "a", "caption": 3, "frame": 1}', "expected JSON lines"),
        ("[1]", "expected JSON lines"),
        ("nonsense", "is no JSON"),
    ]:
        path.write_text(f'{{"id": "a", "frame": 1, "caption": "x"}}\n{wrong}\n')
        with pytest.raises(DatasetError, match="line 2") as error:
            read_captions(path)
        assert words in str(error.value)
    path.write_text("")
    with pytest.raises(DatasetError, match=r"c\.jsonl: "):
        read_captions(path)


@pytest.mark.parametrize(("name", "encoding"), [("v.srt", "utf-8"), ("v.en.srt", "utf-16")])
def test_a_folder_of_subtitles(tmp_path: Path, name: str, encoding: str) -> None:
    (tmp_path / name).write_bytes(SRT.encode(encoding))
    source = CaptionSource.open(tmp_path)
    found, warnings = source.of(("V.mp4", "video_1"), video().timeline)
    assert [(caption.start, caption.end, caption.text) for caption in found or ()] == [(0.0, 2.0, DOG), (3.0, 4.0, END)]
    assert warnings == ()
    assert source.of(("other",), video().timeline) == (None, ())
    one = CaptionSource.open(tmp_path / name)  # a file of subtitles is of whatever video it is given for
    assert one.of(("other",), video().timeline)[0] == found
    with pytest.raises(DatasetError, match="no subtitles"):
        CaptionSource.open(_made(tmp_path / "empty"))


@pytest.mark.skipif(which("ffmpeg") is None, reason="needs the ffmpeg program to write a subtitle track")
def test_a_folder_of_videos_with_subtitles_inside(tmp_path: Path) -> None:
    write_video(tmp_path / "plain.mp4", regular(40, 10))
    (tmp_path / "s.srt").write_text(SRT)
    inside = _made(tmp_path / "videos") / "v.mp4"
    command = ["ffmpeg", "-v", "error", "-i", tmp_path / "plain.mp4", "-i", tmp_path / "s.srt", "-c", "copy"]
    subprocess.run([*command, "-c:s", "mov_text", inside], check=True, timeout=60)
    found, _ = CaptionSource.open(inside.parent).of(("v",), video().timeline)
    assert [caption.text for caption in found or ()] == [DOG, END]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_dataset_with_captions_and_a_second_feature_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = {"v": {"fps": 10, "annotators": {"a": {"intervals": [[0, 1]]}}}}
    people |= {"w": {"fps": 10, "annotators": {"a": {"intervals": [[1, 2]]}}}}
    (tmp_path / "people.json").write_text(json.dumps(people))
    (tmp_path / "c.jsonl").write_text('{"id": "v", "seconds": 0.1, "caption": "a dog"}\n')
    first = [FrameFeatures(name, video().features, video().picks, 40) for name in "vw"]
    sound = np.arange(20, dtype=np.float32)[:, None]  # a row each second frame
    write_features(tmp_path / "f.h5", first, fingerprint=MADE)
    write_features(tmp_path / "g.h5", [FrameFeatures("v", sound, np.arange(0, 40, 2), 40)])
    files = ["--features", str(tmp_path / "f.h5"), "--features", f"sound={tmp_path / 'g.h5'}"]
    build = ["data", "build", "custom", "--annotations", str(tmp_path / "people.json"), "--out", str(tmp_path / "d.h5")]
    captions = ["--captions", str(tmp_path / "c.jsonl")]
    assert main([*build, *files, *captions]) == 0
    printed = capsys.readouterr()
    assert "1 captions of 1 videos, in the stream `captions`" in printed.out
    assert "no captions of 1 of 2 videos (w)" in printed.err
    with read_features(tmp_path / "d.h5") as store:
        streams = store["video_1"].streams
        np.testing.assert_allclose(streams["captions"].features[0], embed_sentences(["a dog"])[0], atol=1e-6)
        assert not streams["captions"].features[1:].any()
        near = [
            [row for row, frame in enumerate(range(0, 40, 2)) if np.abs(frame - video().picks).argmin() == pick]
            for pick in range(8)
        ]
        expected = [np.mean(sound[rows]) for rows in near]
        np.testing.assert_allclose(streams["sound"].features[:, 0], expected, atol=1e-6)
        assert set(store["video_2"].streams) == {"captions"}
    assert VideoTable.open(tmp_path / "d.h5", streams=["features", "captions"]).stream_widths == (2, 384)
    for wrong, words in [
        ([*files[:2], "--features", str(tmp_path / "g.h5")], "a further --features is NAME=FILE"),
        (captions, "--captions needs --features or --videos"),
        ([*files, "--captions", str(tmp_path / "gone.jsonl")], "gone.jsonl: cannot be read"),
    ]:
        assert main([*build, *wrong]) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith("error: ")
        assert words in printed.err
    (tmp_path / "c.jsonl").write_text('{"id": "x", "frame": 1, "caption": "a dog"}\n')
    assert main([*build, *files, *captions]) == 2
    assert "no captions of any of the videos" in capsys.readouterr().err
