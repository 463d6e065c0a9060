"""Subtitles beside videos and inside them: odd encodings, damage, and what PyAV and FFmpeg write."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from helpers.drawn_videos import regular, write_video

from sspvs.types import Cue, Timeline, VideoInfo
from sspvs.video import open_video
from sspvs.video.subtitles import Spoken, beside, decoded, digest, parse, read_spoken, usable

SRT = """1
00:00:00,500 --> 00:00:01,000
{}

2
00:00:01,000 --> 00:00:02,000
{}
"""
TEXTS = {
    "western": ("Schöne Grüße aus München, sagte sie.", "C'est déjà l'été, où êtes-vous allés ?"),
    "russian": ("Привет, сегодня мы говорим о собаках.", "Это очень интересно, спасибо за внимание!"),
    "chinese": ("你好，今天我们来谈谈小狗。", "这是一个很有趣的话题，谢谢大家的关注！"),
}
ENCODINGS = [
    *[(encoding, "western") for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")],
    *[(encoding, "russian") for encoding in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1251")],
    *[(encoding, "chinese") for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gbk", "gb18030")],
]


@pytest.mark.parametrize(("encoding", "language"), ENCODINGS)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_encoding_gives_the_same_cues(encoding: str, language: str, ending: str) -> None:
    written = SRT.format(*TEXTS[language]).replace("\n", ending).encode(encoding)
    assert [cue.text for cue in parse(decoded(written))] == list(TEXTS[language])


def test_the_western_letters_of_windows() -> None:
    text = SRT.format("“It’s a ‘nice’ day” — he said…", "Ça coûte 5 €")
    assert [cue.text for cue in parse(decoded(text.encode("cp1252")))] == [
        "“It’s a ‘nice’ day” — he said…",
        "Ça coûte 5 €",
    ]


def test_markup_is_no_text() -> None:
    srt = SRT.format("{\\an8}<i>Hello</i> <font color='red'>there</font> &amp; here", "two\nlines &lt;3")
    assert [cue.text for cue in parse(srt)] == ["Hello there & here", "two\nlines <3"]


def test_webvtt_ends_a_cue_with_a_blank_line() -> None:
    vtt = """WEBVTT

STYLE
::cue { color: red }

intro
00:00.500 --> 00:01.000 align:start
<v Anna>Hello<00:00:00.700> <c>there</c>

NOTE a note
of two lines

00:00:01.000 --> 00:00:02.000
Second
"""
    assert parse(vtt) == [Cue(0.5, 1.0, "Hello there"), Cue(1.0, 2.0, "Second")]


def test_ass_has_comments_drawings_and_overrides() -> None:
    ass = """[Script Info]
ScriptType: v4.00+

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.50,0:00:01.00,Default,,0,0,0,,{\\i1}Hello,{\\i0} you\\Nthere
Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,not shown
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100
"""
    assert parse(ass) == [Cue(0.5, 1.0, "Hello, you\nthere")]


def test_a_missing_blank_line_and_missing_numbers() -> None:
    start = "00:00:00,500 --> 00:00:01,000\nOne\n2\n"
    srt = start + "00:00:01,000 --> 00:00:02,000\nTwo\n\n00:00:02,000 --> 00:00:03,000\n3"
    assert [cue.text for cue in parse(srt)] == ["One", "Two", "3"]


def test_what_cannot_be_used_is_counted_in_one_sentence() -> None:
    cues = [
        Cue(-2, -1, "before"),
        Cue(-1, 1, "over the start"),
        Cue(2, 3, "twice"),
        Cue(2, 3, "twice"),
        Cue(4, 3, "reversed"),
        Cue(5, 5, "no time"),
        Cue(6, 7, ""),
        Cue(9, 12, "over the end"),
        Cue(10, 11, "after"),
        Cue(3, 4, "out of order"),
    ]
    kept, sentences = usable(cues, 10.0, "talk.srt")
    assert kept == (
        Cue(0, 1, "over the start"),
        Cue(2, 3, "twice"),
        Cue(3, 4, "out of order"),
        Cue(9, 10, "over the end"),
    )
    assert sentences == (
        "of 10 cues of talk.srt, 2 are outside the video and 4 are empty, reversed or repeated: ignored",
    )


def test_rolling_lines_are_read_once() -> None:
    cues = [Cue(0, 1, "one"), Cue(1, 2, "one\ntwo"), Cue(2, 3, "two\nthree"), Cue(9, 10, "three")]
    assert [cue.text for cue in usable(cues, 20.0, "x")[0]] == ["one", "two", "three", "three"]


@pytest.fixture
def video(tmp_path: Path) -> tuple[VideoInfo, Timeline]:
    path = write_video(tmp_path / "talk.mp4", regular(75, 25))
    with open_video(path) as reader:
        reader.scan()
        return reader.info, reader.timeline


def test_the_likeliest_file_beside_a_video(video: tuple[VideoInfo, Timeline], tmp_path: Path) -> None:
    path = Path(video[0].path)
    names = ["talk.SRT", "talk.vtt", "talk.en.srt", "talk.de.ass", "talk.en.forced.srt"]
    for name in [*names, "talks.srt", "other.srt", "talk.txt"]:
        (tmp_path / name).write_text("x")
    assert [found.name for found in beside(path)] == names
    assert digest(path, "none") == ""
    assert len(digest(path, None)) == 64


def test_a_page_in_place_of_subtitles_leaves_the_next_file(video: tuple[VideoInfo, Timeline], tmp_path: Path) -> None:
    (tmp_path / "talk.srt").write_text("<!DOCTYPE html><html><body>Not found</body></html>")
    (tmp_path / "talk.vtt").write_text("no subtitles at all")
    (tmp_path / "talk.en.srt").write_text(SRT.format("One.", "Two."))
    spoken = read_spoken(*video)
    assert spoken.cues == (Cue(0.5, 1.0, "One."), Cue(1.0, 2.0, "Two."))
    assert len(spoken.warnings) == 2
    assert "talk.srt is left aside: it is" in spoken.warnings[0]
    assert read_spoken(*video, "none") == Spoken()
    (tmp_path / "mine.txt").write_text(SRT.format("Mine.", "Yours."))
    assert read_spoken(*video, tmp_path / "mine.txt").cues[0].text == "Mine."


def test_no_bytes_end_a_summary(video: tuple[VideoInfo, Timeline], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = SRT.format(*TEXTS["russian"]).encode("utf-16")
    for number in range(60):
        content = bytearray(whole if number % 2 else rng.bytes(400))
        for place in rng.integers(0, len(content), 8):
            content[place] = rng.integers(256)
        (tmp_path / "talk.srt").write_bytes(content[: rng.integers(len(content))])
        for cue in read_spoken(*video).cues:
            assert 0 <= cue.start < cue.end <= video[1].end_seconds
            assert cue.text


KINDS = [("mov_text", "mp4"), ("subrip", "mkv"), ("ass", "mkv"), ("webvtt", "mkv")]


@pytest.mark.skipif(which("ffmpeg") is None, reason="needs ffmpeg, which writes streams of subtitles")
@pytest.mark.parametrize(("codec", "container"), KINDS)
@pytest.mark.parametrize("offset", [0.0, 7.0])
def test_streams_are_on_the_clock_of_the_pictures(
    codec: str, container: str, offset: float, video: tuple[VideoInfo, Timeline], tmp_path: Path
) -> None:
    srt, path = tmp_path / "words.txt.srt", tmp_path / f"inside.{container}"
    srt.write_text(SRT.format("<i>Hello</i> there,", "this is\nthe end."))
    command = ["ffmpeg", "-v", "error", "-i", video[0].path, "-i", str(srt), "-map", "0", "-map", "1", "-c", "copy"]
    subprocess.run([*command, "-c:s", codec, "-output_ts_offset", str(offset), str(path)], check=True)
    with open_video(path) as reader:
        reader.scan()
        info, timeline = reader.info, reader.timeline
    assert len(info.subtitle_codecs.split()) == 1
    spoken = read_spoken(info, timeline)
    assert spoken.warnings == ()
    assert [cue.text for cue in spoken.cues] == ["Hello there,", "this is\nthe end."]
    np.testing.assert_allclose([cue[:2] for cue in spoken.cues], [(0.5, 1), (1, 2)], atol=0.05)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])  # damage is no error
    assert len(read_spoken(info, timeline).cues) <= 2


def test_pictures_and_unreadable_streams_are_named(video: tuple[VideoInfo, Timeline], tmp_path: Path) -> None:
    info, timeline = video
    pictures = read_spoken(replace(info, subtitle_codecs="hdmv_pgs_subtitle"), timeline)
    assert "are pictures (hdmv_pgs_subtitle)" in pictures.warnings[0]
    gone = read_spoken(replace(info, path=str(tmp_path / "gone.mp4"), subtitle_codecs="subrip"), timeline)
    assert gone.cues == ()
    assert "cannot be read and are left aside" in gone.warnings[0]
