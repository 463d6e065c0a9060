"""What a summary says about itself, against hand-made summaries whose facts are known, and against naive counts."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from helpers.summary_builder import SummaryBuilder, build_summary
from hypothesis import given
from hypothesis import strategies as st

from sspvs.report.sentences import about, headline, lasting, left_out, pieces, scenes_shown, settings_in_words
from sspvs.types import Shots, Summary

OVERVIEW = {"select": "overview", "segmenter": "auto"}


def pieces_summary(**changes: Any) -> Summary:
    """12 s at 25 Hz in six shots of three scenes: two pieces of 1 s from the first scene, one of the second."""
    fields: dict[str, Any] = {
        "chosen": (0, 2, 4),
        "scenes": np.array([0, 1, 0, 1, 1, 2]),
        "segments": np.array([[10, 35], [110, 135], [210, 235]]),
        "budget_frames": 90,
        "settings": OVERVIEW,
    }
    return build_summary(**{**fields, **changes})


def test_an_overview_in_plain_words() -> None:
    summary = pieces_summary(
        avoided=(
            (160, 185, "titles"),
            (240, 248, "fades"),
            (140, 146, "dissolves"),
            (147, 150, "dissolves"),
            (60, 85, "black frames"),
            (170, 205, "blank frames"),  # of which 15 frames are of the card
            (90, 95, "blurred moments"),  # a fifth of a second
        )
    )
    assert about(summary) == [
        "This video of 0:12 has 3 scenes in 6 shots.",
        "The summary, 3 s of at most 3.6 s, shows 3 pieces from 2 scenes.",
        "Left out: 1 title card, 1 fade, 2 dissolves, 1 s of black, 0.8 s of blank picture.",
    ]
    assert headline(summary) == f"holiday.mp4: {' '.join(about(summary))}"


def test_cards_at_the_ends_are_named_and_others_counted() -> None:
    cards = ((0, 8, "titles"), (60, 80, "titles"), (140, 160, "titles"), (270, 300, "titles"))
    assert left_out(pieces_summary(avoided=cards)) == ["the card at the end (0:10-0:12)", "2 title cards"]
    assert left_out(pieces_summary(segments=np.array([[100, 110]]), avoided=((0, 30, "titles"),))) == [
        "the title card at the start (0:00-0:01)"
    ]


def test_a_scene_that_is_mostly_black_is_no_scene() -> None:
    assert scenes_shown(pieces_summary(avoided=((250, 270, "black frames"),))) == (2, 3)
    summary = pieces_summary(avoided=((250, 290, "black frames"),))  # of 50 frames, the only shot of the third scene
    assert scenes_shown(summary) == (2, 2)
    assert "from both scenes" in about(summary)[1]


def test_what_is_shown_for_want_of_anything_else() -> None:
    black = pieces_summary(avoided=((100, 200, "black frames"),))
    assert about(black)[2:] == [
        "Left out: 3 s of black.",
        "Shown only because there was not enough else: 1 s of black.",
    ]
    assert pieces(black)[1].why.startswith("there was not enough else")
    assert not any("not enough" in piece.why for piece in (pieces(black)[0], pieces(black)[2]))
    all_black = pieces_summary(avoided=((0, 300, "black frames"),))
    assert about(all_black)[2:] == ["Everything in it is usually left out; shown all the same: 3 s of black."]


@pytest.mark.parametrize(
    ("changes", "has", "shows"),
    [
        ({"settings": {"select": "knapsack"}, "scenes": None}, "has 6 shots", "shows a part of one"),
        (
            {"settings": {}, "scenes": None, "segments": np.array([[0, 50], [100, 150], [200, 250]])},
            "has 6 shots",
            "shows 3 of them",
        ),
        ({"scenes": np.zeros(6, np.int64)}, "is one scene in 6 shots", "shows 3 pieces of it"),
        (
            {"settings": {**OVERVIEW, "segmenter": "uniform"}},
            "has 3 scenes in 6 stretches",
            "shows 3 pieces from 2 scenes",
        ),
        (
            {"starts": (0,), "chosen": (0,), "scenes": np.array([0])},
            "is one shot without a cut",
            "shows 3 pieces of it",
        ),
        (
            {"starts": (0,), "chosen": (0,), "scenes": np.array([0]), "segments": np.array([[0, 300]])},
            "is one shot without a cut",
            "is the whole video",
        ),
    ],
)
def test_what_kind_of_video_and_summary_it_is(changes: dict[str, Any], has: str, shows: str) -> None:
    first, second = about(pieces_summary(**changes))
    assert first == f"This video of 0:12 {has}."
    assert second.startswith("The summary, ")
    assert second.endswith(f", {shows}.")


def test_a_piece_says_what_distinguishes_it() -> None:
    scores = np.full(25, 0.1)
    scores[[1, 2, 9, 10, 11]] = 0.2, 0.2, 0.4, 0.9, 0.4
    first, second, third = pieces(pieces_summary(scores=scores))
    assert (first.name, first.start, first.end) == ("Piece 1", 0.4, 1.4)
    assert first.why == "one of 2 pieces of scene 1, more important than 80 % of the video"
    assert second.why == "one of 2 pieces of scene 1, the most important moment"
    assert third.why == "the only piece of scene 2"
    assert second.score == pytest.approx((0.9 + 0.4) / 2)
    constant = pieces(pieces_summary(scores=np.full(25, 0.3), scenes=np.zeros(6, np.int64)))
    assert [piece.why for piece in constant] == ["", "", ""]


def test_the_pieces_of_a_knapsack_are_its_shots(make_summary: SummaryBuilder) -> None:
    summary = make_summary()
    assert [piece.name for piece in pieces(summary)] == ["Shot 2", "Shot 4", "Shot 5"]
    assert [piece.key for piece in pieces(summary)] == summary.keyframes[summary.selected].tolist()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0 s"), (0.96, "1 s"), (4.54, "4.5 s"), (9.94, "9.9 s"), (9.96, "0:10"), (59.6, "1:00"), (3723, "1:02:03")],
)
def test_lengths_as_people_write_them(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_settings_in_words() -> None:
    used = {**OVERVIEW, "ratio": 0.15, "piece_seconds": (1.5, 6.0), "keep_titles": False, "rate_hz": 2.0, "post": "x"}
    assert settings_in_words(pieces_summary(settings=used)) == {
        "Length": "at most 15 % of the video",
        "Choice": "an overview: pieces that show all the video has",
        "Pieces": "1.5 to 6 s",
        "Title, logo and end cards": "left out",
        "Cut into shots by": "cuts, fades and dissolves; long takes by KTS",
        "Looked at": "2 frames of each second",
        "Importance from": "contrast within the video, without training",
    }
    assert settings_in_words(pieces_summary(settings={"max_shots": 1}))["Length"] == "at most 1 piece"
    assert settings_in_words(pieces_summary(settings={"duration": 90.0}))["Length"] == "at most 1:30"


REASONS = ("titles", "fades", "dissolves", "black frames", "blurred moments", "loading screens")


@st.composite
def summaries(draw: st.DrawFn) -> Summary:
    n_frames = draw(st.integers(4, 120))
    starts = sorted({0, *draw(st.lists(st.integers(1, n_frames - 1), max_size=8))})
    ends = sorted(set(draw(st.lists(st.integers(0, n_frames), min_size=2, max_size=8))) | {0, n_frames})
    segments = np.array(list(pairwise(ends))[:: draw(st.integers(1, 2))], np.int64)
    shots = Shots.from_starts(np.array(starts), n_frames)
    selected = [bool(((segments[:, 0] < end) & (segments[:, 1] > start)).any()) for start, end in shots]
    spans = st.tuples(st.integers(0, n_frames - 1), st.integers(1, 40), st.sampled_from(REASONS))
    summary = build_summary(n_frames=n_frames, fps=2.0, starts=tuple(starts), step=3, thumbnails=False)
    return replace(
        summary,
        selected=np.array(selected),
        segments=segments,
        scenes=np.array(draw(st.lists(st.integers(0, 3), min_size=len(starts), max_size=len(starts)))),
        avoided=tuple(
            (a, min(a + length, n_frames), reason) for a, length, reason in draw(st.lists(spans, max_size=6))
        ),
        budget_frames=n_frames,
        settings=OVERVIEW,
    )


@given(summaries())
def test_the_numbers_are_those_that_one_counts(summary: Summary) -> None:
    n_frames = summary.shots.n_frames
    played = {frame for start, end in summary.segments for frame in range(start, end)}
    why: dict[int, str] = {}
    for reason in REASONS:
        for start, end, named in summary.avoided:
            for frame in range(start, end):
                if named == reason:
                    why.setdefault(frame, reason)
    assert summary.scenes is not None
    shown, free = set(), dict[int, list[bool]]()
    for scene, (start, end) in zip(summary.scenes, summary.shots, strict=True):
        if any(frame in played for frame in range(start, end)):
            shown.add(int(scene))
        free.setdefault(int(scene), []).extend(frame not in why for frame in range(start, end))
    worth = {scene for scene, frames in free.items() if sum(frames) >= len(frames) / 2}
    assert scenes_shown(summary) == (len(shown), len(shown | worth))
    for out, wanted in ((left_out(summary), False), (left_out(summary, played=True), True)):
        text = ", ".join(out)
        for reason, noun in (("fades", "fade"), ("dissolves", "dissolve")):
            count = 0
            for frame in range(n_frames):
                if why.get(frame) == reason and why.get(frame - 1) != reason:
                    run = [frame]
                    while why.get(run[-1] + 1) == reason:
                        run.append(run[-1] + 1)
                    count += any(each in played for each in run) == wanted
            found = re.search(rf"(\d+) {noun}", text)
            assert (0 if found is None else int(found[1])) == count
        for reason, noun in (("black frames", "black"), ("blurred moments", "blur"), ("loading screens", "loading")):
            seconds = sum(why.get(frame) == reason and (frame in played) == wanted for frame in range(n_frames)) / 2
            amount = re.search(rf"([\d.]+) s of {noun}", text)
            assert (0.0 if amount is None else float(amount[1])) == pytest.approx(seconds, abs=0.5 * (seconds >= 9.95))
    numbers = [piece.why for piece in pieces(summary)]
    assert len(numbers) == len(summary.segments)
    assert all(
        first <= piece.key < last for piece, (first, last) in zip(pieces(summary), summary.segments, strict=True)
    )
