"""Sentences from cues, and the cues of a summary: against loops over single letters and moments."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection.pauses import SHORT_PAUSE_COST, Speech
from sspvs.selection.sentences import NEAR_SECONDS, as_srt, at_ends, cut, sentences
from sspvs.types import Cue


def test_sentences_go_across_cues_and_end_within_them() -> None:
    cues = [Cue(0, 2, "Hello there. This"), Cue(2, 4, "is a talk."), Cue(4, 5, "Really? Yes!")]
    found = sentences(cues)
    assert [cue.text for cue in found] == ["Hello there.", "This is a talk.", "Really?", "Yes!"]
    assert found[0].end == pytest.approx(2 * 12 / 17)  # 12 of 17 letters
    assert (found[1].start, found[1].end) == (pytest.approx(found[0].end), 4)
    assert found[2].end == pytest.approx(4 + 7 / 12)


@pytest.mark.parametrize(
    "text",
    ["Mr. Smith met Dr. Jones.", "It costs 3.50 euros.", "He waits… and goes on.", "So e.g. this one.", "J. S. Bach."],
)
def test_marks_that_end_nothing(text: str) -> None:
    assert [cue.text for cue in sentences([Cue(0, 1, text)])] == [text]


def test_scripts_without_spaces() -> None:
    found = sentences([Cue(0, 2, "你好。今天"), Cue(2, 3, "很好！「是吗？」对。")])
    assert [cue.text for cue in found] == ["你好。", "今天很好！", "「是吗？」", "对。"]


def test_without_marks_each_cue_is_a_sentence() -> None:
    cues = [Cue(i, i + 1, f"words {i} and more") for i in range(30)]
    assert sentences(cues) == cues


def test_silence_ends_a_sentence_and_sounds_are_none() -> None:
    cues = [Cue(0, 1, "It went on"), Cue(5, 6, "[music]"), Cue(7, 8, "- and on."), Cue(8, 9, "♪ la ♪")]
    assert [cue.text for cue in sentences(cues)] == ["It went on", "and on.", "la"]


TEXTS = st.text(alphabet="ab .!?…。A\n", min_size=1, max_size=12).filter(lambda text: bool(text.strip()))
CUES = st.lists(st.tuples(st.floats(0, 3), st.floats(0.05, 4), TEXTS), max_size=12)


@given(CUES)
@settings(deadline=None, max_examples=60)
def test_nothing_is_lost_and_times_stay_in_order(steps: list[tuple[float, float, str]]) -> None:
    cues, at = [], 0.0
    for step, length, text in steps:
        at += step
        cues.append(Cue(at, at + length, text))
    found = sentences(cues)
    assert "".join("".join(cue.text.split()) for cue in found) == "".join("".join(cue.text.split()) for cue in cues)
    for cue in found:
        assert cue.start <= cue.end + 1e-9
    for one, other in pairwise(found):
        assert one.start <= other.start + 1e-9
    assert all(cues[0].start <= cue.start and cue.end <= max(c.end for c in cues) + 1e-9 for cue in found)


def test_ends_belong_to_the_nearest_pause() -> None:
    pauses = np.array([[-np.inf, 1], [2, 2.5], [4, 4.2], [6, 7], [9, np.inf]])
    ends = [2.2, 4.2 + NEAR_SECONDS - 0.01, 7 + NEAR_SECONDS + 0.01]
    assert at_ends(pauses, np.array(ends)).tolist() == [True, True, True, False, True]


def test_a_boundary_costs_least_where_a_sentence_ends() -> None:
    speech = np.ones(200)
    speech[40:50] = speech[100:110] = speech[150:152] = 0  # pauses at 4, 10 and, a short one, 15 s
    edges = np.arange(200) * 0.1
    known = Speech(speech, 0.1, ends=np.array([10.3, 15.0])).costs(edges)
    unknown = Speech(speech, 0.1).costs(edges)
    assert known[45] == SHORT_PAUSE_COST
    assert known[105] == 0
    assert 0 < known[151] <= SHORT_PAUSE_COST / 2
    assert unknown[45] == unknown[105] == 0
    np.testing.assert_array_equal(known == 1, unknown == 1)  # what is in a pause stays in one


@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0.6, 3)), max_size=8),
    st.lists(st.tuples(st.floats(0, 9), st.floats(0.6, 3), st.sampled_from([1.0, 8.0])), min_size=1, max_size=4),
)
@settings(deadline=None, max_examples=60)
def test_each_moment_of_a_film_has_the_words_of_its_source(
    cue_spans: list[tuple[float, float]], spans: list[tuple[float, float, float]]
) -> None:
    cues = [Cue(start, start + length, str(number)) for number, (start, length) in enumerate(cue_spans)]
    plays, before = [], 0.0
    for start, length, speed in spans:
        plays.append((before, start, start + length, speed))
        before += length / speed
    for (before, start, end, speed), part in zip(plays, cut(cues, plays), strict=True):
        if speed > 1:
            assert part == []
            continue
        for cue in cues:
            shown = [one for one in part if one.text == cue.text]
            inside = min(cue.end, end) - max(cue.start, start)
            assert len(shown) == (inside >= 0.5 or inside >= (cue.end - cue.start) / 2)
            if shown:
                assert shown[0].start == pytest.approx(before + max(cue.start, start) - start)
                assert shown[0].end == pytest.approx(before + min(cue.end, end) - start)


def test_a_subrip_file_is_what_its_readers_read() -> None:
    pysubs2 = pytest.importorskip("pysubs2")
    cues = [Cue(0.25, 1.0, "One\nline"), Cue(3723.5, 3724.75, "Two")]
    events = pysubs2.SSAFile.from_string(as_srt(cues), format_="srt").events
    assert [(event.start, event.end, event.plaintext) for event in events] == [
        (250, 1000, "One\nline"),
        (3_723_500, 3_724_750, "Two"),
    ]
