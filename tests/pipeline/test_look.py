from __future__ import annotations

import itertools
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.drawn_videos import read_all
from hypothesis import given
from hypothesis import strategies as st

import sspvs
from sspvs.cli import main
from sspvs.pipeline import ClipLook, SummarySettings, is_summarized, load_tools
from sspvs.pipeline.look import footage_of, plays_of
from sspvs.selection.material import Material
from sspvs.selection.summary import Budget
from sspvs.types import Shots, Timeline
from sspvs.video import write_film
from sspvs.video.takes import film_seconds, takes_of


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crossfade": -0.1}, "crossfade must be at least 0"),
        ({"crossfade": 11.0}, "crossfade must be at most 10"),
        ({"aspect": "0:1"}, "aspect must be width:height, such as 9:16"),
        ({"aspect": "abc"}, "aspect must be"),
        ({"aspect": "1:99"}, "aspect must be"),
        ({"speed": 0.5}, "speed must be above 1"),
        ({"speed": 1.0}, "speed must be above 1"),
        ({"speed": float("nan")}, "speed must be a finite number"),
    ],
)
def test_looks_that_cannot_be(wrong: dict[str, float | str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        ClipLook(**wrong)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"crossfade.*aspect"):
        ClipLook(crossfade=-1.0, aspect="x")


def test_a_crossfade_longer_than_a_piece() -> None:
    with pytest.raises(ValueError, match=r"a crossfade of 2 s is longer than the shortest piece, 1\.5 s"):
        load_tools(SummarySettings(), look=ClipLook(crossfade=2.0))


@given(st.floats(1.1, 60), st.floats(5, 4000), st.floats(0.02, 0.98), st.floats(0.5, 4))
def test_pieces_and_the_rest_at_speed_fill_the_length(speed: float, seconds: float, share: float, piece: float) -> None:
    budget = Budget(duration_seconds=share * seconds)
    try:
        left = ClipLook(speed=speed).budget(budget, seconds, piece).duration_seconds
    except ValueError as error:
        least = str(error).partition("at least ")[2].partition(",")[0]
        if least:
            assert float(least) > speed - 1e-6
            found = ClipLook(speed=float(least)).budget(budget, seconds, piece).duration_seconds
            assert found is not None
            assert found >= piece - 1e-6
        else:
            assert share * seconds <= piece + seconds / 1e4
        return
    assert left is not None
    assert left >= piece - 1e-6
    assert left + (seconds - left) / speed == pytest.approx(share * seconds)


@pytest.fixture(scope="module")
def summary(shared_data: Path) -> sspvs.VideoSummary:
    return sspvs.summarize(shared_data / "videos" / "charades.mp4", ratio=0.4, rate_hz=1.0)


def test_what_a_crossfade_may_show_is_of_the_same_shot(summary: sspvs.VideoSummary) -> None:
    n_frames, timeline = summary.timeline.n_frames, summary.timeline
    pieces = np.array([[10, 60], [75, 100], [199, 261], [300, n_frames]])
    shots = Shots.from_starts(np.array([0, 70, 198, 290]), n_frames)
    cut = replace(summary, segments=pieces, shots=shots, avoided=((110, 130, "blur"), (262, 280, "fade")))
    footage = footage_of(cut, ClipLook(crossfade=0.4))
    walls = [0, 70, 110, 130, 198, 262, 280, 290, n_frames]
    for number, stretch in enumerate(footage.stretches):
        start, end = pieces[number]
        shown = timeline.frame_seconds[(timeline.frame_seconds >= stretch.start - stretch.before - 1e-6)]
        first = int(np.searchsorted(timeline.frame_seconds, shown[0]))
        last = timeline.frame_at(stretch.end + stretch.after - 1e-6)
        assert all(not first < wall <= start and not end <= wall <= last for wall in walls[:-1])
        assert first <= start
    rooms = [(stretch.before > 0, stretch.after > 0) for stretch in footage.stretches]
    assert rooms == [(True, True), (True, True), (False, False), (True, False)]


def test_everything_that_is_not_avoided_is_shown_at_speed(summary: sspvs.VideoSummary) -> None:
    cut = replace(summary, avoided=((100, 130, "blur"), (400, 430, "fade")))
    seen = np.zeros(summary.timeline.n_frames, int)
    stretches = footage_of(cut, ClipLook(speed=4.0)).stretches
    for stretch in stretches:
        times = summary.timeline.frame_seconds
        seen[(times >= stretch.start - 1e-6) & (times < stretch.end - 1e-6)] += 1
    pieces = np.zeros(summary.timeline.n_frames, bool)
    for start, end in summary.segments:
        pieces[start:end] = True
    wanted = np.ones(summary.timeline.n_frames, bool)
    wanted[100:130] = wanted[400:430] = False
    assert (seen[pieces] == 1).all()
    assert (seen[~wanted & ~pieces] == 0).all()
    runs = [len(list(run)) for key, run in itertools.groupby(wanted & ~pieces & (seen == 0)) if key]
    assert max(runs, default=0) <= 0.2 * 4 * summary.info.fps + 1  # a flicker
    assert [stretch.start for stretch in stretches] == sorted(stretch.start for stretch in stretches)


def test_what_is_played_is_where_the_file_has_it(summary: sspvs.VideoSummary, tmp_path: Path) -> None:
    look = ClipLook(crossfade=0.3, speed=6.0)
    footage, film = footage_of(summary, look), look.film(summary)
    clip = write_film([footage], tmp_path / "out.mp4", isolated=False, **film)
    plays = plays_of(footage, film)
    assert [play[0] for play in plays] == pytest.approx(clip.starts, abs=0.04)
    assert replace(summary, played=plays).clip_seconds == pytest.approx(clip.seconds, abs=0.04)


@pytest.mark.parametrize("crossfade", [0.2, 0.5, 1.0])
def test_what_crossfades_take_is_filled_by_other_pieces(crossfade: float) -> None:
    rng = np.random.default_rng(0)
    n_shots, length, fps = 100, 40, 20.0  # shots of two seconds, in which hardly anything lies beyond a piece
    n_frames, picks = n_shots * length, np.arange(0, n_shots * length, 10)
    features = np.repeat(rng.normal(size=(n_shots, 16)), 4, axis=0) + 0.05 * rng.normal(size=(len(picks), 16))
    shots = Shots.from_starts(np.arange(0, n_frames, length), n_frames)
    timeline = Timeline(np.arange(n_frames) / fps, n_frames / fps)
    material = Material(features, rng.uniform(size=len(picks)), picks, shots, timeline, np.zeros(n_frames, np.bool_))
    look, settings = ClipLook(crossfade=crossfade), SummarySettings(ratio=0.15)
    chosen = look.fill(partial(settings.pieces, material), material, settings.budget(), 1.5)
    spans = [(start / fps, end / fps) for start, end in chosen.segments.tolist()]
    pieces = look.stretches(timeline, material.walls, material.avoid, chosen.segments, spans)
    seconds = film_seconds(takes_of([(0, one) for one in pieces], [200.0], crossfade, 0.04))
    assert 0.9 * 30 <= seconds <= 30
    assert chosen.budget_seconds == 30


def test_the_command(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = shared_data / "videos" / "charades.mp4"
    words = ["summarize", str(source), "--rate", "1", "--out", str(tmp_path / "out")]
    assert main([*words, "--speed", "3"]) == 2
    assert "choose a speed of at least" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*words, "--aspect", "9:16", "--speed", "12", "--crossfade", "0.2"]) == 0
    document = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert {name: document["settings"][name] for name in ("aspect", "speed", "crossfade")} == {
        "aspect": "9:16",
        "speed": 12,
        "crossfade": 0.2,
    }
    most = 0.15 * document["video"]["duration_seconds"]
    assert 0.9 * most <= document["clip"]["seconds"] <= most
    assert document["budget"]["seconds"] == pytest.approx(most)
    pictures, _, end = read_all(tmp_path / "out" / "summary.mp4")
    assert pictures[0].shape == (270, 152, 3)
    assert end == pytest.approx(document["clip"]["seconds"], abs=0.1)
    with av.open(str(tmp_path / "out" / "summary.mp4")) as container:
        kinds = [stream.type for stream in container.streams]
    assert kinds == ["video", "audio", "data"]  # the last are the chapters
    assert {"storyboard.jpg", "preview.webp"} <= set(document["files"])
    settings = SummarySettings(rate_hz=1.0)
    for look, same in ((ClipLook(0.2, "9:16", 12.0), True), (ClipLook(0.2, "9:16"), False), (ClipLook(), False)):
        assert is_summarized(source, tmp_path / "out", load_tools(settings, look=look)) == same
    assert main([*words, "--select", "knapsack"]) == 0
    assert not (tmp_path / "out" / "storyboard.jpg").exists()


def test_another_look_when_saved(summary: sspvs.VideoSummary, tmp_path: Path) -> None:
    summary.save(tmp_path / "a", look=ClipLook(aspect="1:1"))
    with av.open(str(tmp_path / "a" / "summary.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (270, 270)
    assert json.loads((tmp_path / "a" / "summary.json").read_text())["settings"]["aspect"] == "1:1"
    assert "aspect" not in summary.settings
