"""Videos joined end to end: what was true of each is true of its part, and one choice is made from all of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.importance.contrastive import contrastive_importance
from sspvs.selection.material import Material, join
from sspvs.selection.overview import HIGHLIGHTS, OVERVIEW, select_pieces
from sspvs.selection.pauses import Speech
from sspvs.selection.summary import Budget
from sspvs.types import Shots, Timeline

STEP = 0.032


def video(lengths, *, fps=25.0, scenes=None, noise=0.05, seed=0, speech=None, gap=0.0, width=24, avoid=False):
    """Shots of so many frames, each of a scene of its own or of those of `scenes`, numbers of looks."""
    rng = np.random.default_rng(seed)
    n_frames = int(sum(lengths))
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    shots = Shots.from_starts(bounds[:-1].astype(np.int64), n_frames)
    picks = np.arange(0, n_frames, max(1, round(fps / 2)))
    owner = np.searchsorted(bounds, picks, side="right") - 1
    numbers = np.arange(len(lengths)) + 100 * seed if scenes is None else np.asarray(scenes)
    looks = np.stack([np.random.default_rng(1000 + number).normal(size=width) for number in numbers])
    features = looks[owner] + noise * rng.normal(size=(len(picks), width))
    seconds = np.arange(n_frames) / fps
    gaps = ()
    if gap:  # the recording pauses behind the first shot
        seconds[lengths[0] :] += gap
        gaps = (lengths[0] - 1,)
    timeline = Timeline(seconds, seconds[-1] + 1 / fps, gaps=gaps)
    heard = None if speech is None else Speech(np.asarray(speech, np.float32), STEP).costs(timeline.edges)
    scores = contrastive_importance(features).scores
    return Material(features, scores, picks, shots, timeline, np.full(n_frames, avoid), heard)


def seconds_of(material, chosen):
    """(V,) seconds that each video has."""
    seconds = np.diff(material.edges[chosen.segments])[:, 0]
    return np.bincount(material.videos_of(chosen.segments), seconds, len(material.begins))


@settings(deadline=None, max_examples=40)
@given(
    videos=st.lists(
        st.tuples(st.lists(st.integers(10, 120), min_size=2, max_size=4), st.sampled_from([10.0, 25.0, 30.0])),
        min_size=1,
        max_size=5,
    ),
    gap=st.sampled_from([0.0, 7.0]),
)
def test_each_part_is_as_its_video(videos, gap):
    parts = [video(lengths, fps=fps, seed=seed, gap=gap * (seed % 2)) for seed, (lengths, fps) in enumerate(videos)]
    joined = join(parts)
    assert joined.shots.n_frames == sum(part.shots.n_frames for part in parts)
    assert joined.edges[-1] == pytest.approx(sum(part.edges[-1] for part in parts))
    for number, (part, begin) in enumerate(zip(parts, joined.begins, strict=True)):
        end = begin + part.shots.n_frames
        inside = (joined.picks >= begin) & (joined.picks < end)
        assert (joined.picks[inside] - begin).tolist() == part.picks.tolist()
        assert (joined.features[inside] == part.features).all()
        assert np.allclose(np.diff(joined.edges[begin : end + 1]), np.diff(part.edges))
        assert (joined.videos_of(part.shots.bounds + begin) == number).all()
        assert (part.shots.bounds + begin).tolist() == [b for b in joined.shots.bounds.tolist() if begin <= b[0] < end]


def test_boundaries_cost_what_they_cost_in_their_video():
    rng = np.random.default_rng(0)
    speech = [(rng.random(400) < 0.3).astype(np.float32), None, (rng.random(300) < 0.3).astype(np.float32)]
    lengths, gaps = ((150, 100), (75, 60), (100, 131)), (0.0, 0.0, 3.0)
    parts = [
        video(one, seed=seed, speech=heard, gap=gap)
        for seed, (one, heard, gap) in enumerate(zip(lengths, speech, gaps, strict=True))
    ]
    joined = join(parts)
    assert joined.pause_costs.max() > 0
    for part, begin in zip(parts, joined.begins, strict=True):
        assert joined.pause_costs[begin] == 0
        for frame in range(1, part.shots.n_frames):
            assert joined.pause_costs[begin + frame] == (0 if part.pause_costs is None else part.pause_costs[frame])


def test_no_speech_where_none_is_known():
    assert join([video((100,)), video((100,), seed=1)]).pause_costs is None


@settings(deadline=None, max_examples=40)
@given(
    videos=st.lists(st.lists(st.integers(80, 300), min_size=1, max_size=6), min_size=2, max_size=8),
    total=st.floats(2.0, 40.0),
    weights=st.sampled_from([OVERVIEW, HIGHLIGHTS]),
)
def test_the_length_is_reached_and_each_video_is_shown_where_it_can_be(videos, total, weights):
    parts = [video(lengths, fps=(25.0, 30.0)[seed % 2], seed=seed) for seed, lengths in enumerate(videos)]
    joined = join(parts)
    chosen = select_pieces(joined, Budget(duration_seconds=total), weights)
    seconds, length = seconds_of(joined, chosen), min(total, joined.edges[-1])
    assert 0.9 * length - 0.04 <= seconds.sum() <= length + 1e-6
    assert (chosen.segments[1:, 0] >= chosen.segments[:-1, 1]).all()
    if total < joined.edges[-1]:  # otherwise it is one piece
        last = joined.videos_of(chosen.segments[:, ::-1] - 1)
        assert (joined.videos_of(chosen.segments) == last).all()  # each piece ends in the video that it begins in
        assert (seconds > 0).all() or total < 1.5 * len(parts) * 1.1


def test_a_video_shorter_than_a_piece_is_shown_and_one_of_avoided_frames_is_not():
    parts = [video((300, 300)), video((25,), seed=1), video((200,), seed=2, avoid=True), video((300,), seed=3)]
    joined = join(parts)
    seconds = seconds_of(joined, select_pieces(joined, Budget(duration_seconds=8.0)))
    assert seconds[1] > 0.8
    assert seconds[2] == 0
    assert seconds[0] > 1.4
    assert seconds[3] > 1.4


def test_two_videos_of_the_same_are_not_both_shown_while_there_is_something_else():
    same = {"scenes": range(6), "noise": 0.02}
    parts = [video((100,) * 6, **same), video((100,) * 6, seed=1, **same), video((100,) * 8, seed=2, noise=0.02)]
    joined = join(parts)
    chosen = select_pieces(joined, Budget(duration_seconds=21.0))
    shown = joined.scenes_of(chosen.segments)
    assert len(np.unique(joined.scenes)) == 14
    assert len(np.unique(shown)) == len(shown) >= 10  # no scene twice, of whichever video
    assert seconds_of(joined, chosen).sum() >= 0.9 * 21


def test_importance_of_all_videos_together_sees_that_one_is_dull():
    """A long take in which nothing happens beside a video of many scenes; what is worth showing is known."""
    parts = [video((1500,), noise=0.1), video((90,) * 12, seed=1, noise=0.1)]
    each = join(parts)
    together = replace(each, scores=contrastive_importance(each.features).scores)
    dull, lively = slice(0, 1500), slice(1500, None)
    alone, among = each.frame_scores, together.frame_scores
    assert among[dull].mean() < 0.1 * among[lively].mean()
    assert alone[dull].mean() > 0.5 * alone[lively].mean()  # each by itself: noise looks as important as scenes
    chosen = select_pieces(together, Budget(duration_seconds=16.0), HIGHLIGHTS)
    assert seconds_of(together, chosen)[0] <= 2.0  # one piece
