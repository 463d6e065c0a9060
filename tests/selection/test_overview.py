"""Pieces that show what a video is about: rules that hold for every video, and the choice against all choices."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.selection.material import Material
from sspvs.selection.overview import HIGHLIGHTS, OVERVIEW, select_pieces
from sspvs.selection.pauses import Speech
from sspvs.selection.summary import Budget
from sspvs.selection.worth import Weights, Worth, lazy_greedy
from sspvs.types import Shots, Timeline

FPS = 25.0


def material(lengths, *, seed=0, alike=(), avoid=(), step=12, width=16):
    """A video of shots of so many frames; those of `alike` look like the first, frames of `avoid` are avoided."""
    rng = np.random.default_rng(seed)
    shots = Shots.from_starts(np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64), int(sum(lengths)))
    picks = np.arange(0, shots.n_frames, step)
    looks = rng.normal(size=(len(lengths), width))
    for shot in alike:
        looks[shot] = looks[0]
    owner = np.searchsorted(shots.bounds[:, 0], picks, side="right") - 1
    features = looks[owner] + 0.1 * rng.normal(size=(len(picks), width))
    avoided = np.zeros(shots.n_frames, np.bool_)
    for start, end in avoid:
        avoided[start:end] = True
    timeline = Timeline(np.arange(shots.n_frames) / FPS, shots.n_frames / FPS)
    return Material(features, rng.random(len(picks)), picks, shots, timeline, avoided)


def seconds(chosen):
    return float((chosen.segments[:, 1] - chosen.segments[:, 0]).sum()) / FPS


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=30),
    ratio=st.floats(0.02, 0.9),
    seed=st.integers(0, 9),
    weights=st.sampled_from([OVERVIEW, HIGHLIGHTS]),
)
def test_within_the_budget_in_order_and_apart(lengths, ratio, seed, weights):
    video = material(lengths, seed=seed)
    chosen = select_pieces(video, Budget(ratio=ratio), weights)
    segments, total = chosen.segments, sum(lengths) / FPS
    assert len(segments) >= 1
    assert (segments[:, 1] > segments[:, 0]).all()
    assert (segments[1:, 0] >= segments[:-1, 1]).all()
    assert seconds(chosen) <= max(ratio * total, 1 / FPS) + 1e-6
    for shot, (start, end) in enumerate(video.shots):
        assert chosen.selected[shot] == any(a < end and b > start for a, b in segments)


@settings(deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(60, 500), min_size=3, max_size=20), ratio=st.floats(0.1, 0.5), seed=st.integers(0, 9)
)
def test_no_piece_crosses_a_cut_and_the_length_is_reached(lengths, ratio, seed):
    video = material(lengths, seed=seed)
    total = sum(lengths) / FPS
    chosen = select_pieces(video, Budget(ratio=ratio))
    starts = video.shots.bounds[:, 0]
    first = np.searchsorted(starts, chosen.segments[:, 0], side="right")
    last = np.searchsorted(starts, chosen.segments[:, 1] - 1, side="right")
    assert (first == last).all()
    if ratio * total >= 1.5:
        assert seconds(chosen) >= 0.9 * ratio * total
        assert np.diff(chosen.segments).max() / FPS <= max(6.0, 0.5 * ratio * total) + 1e-6


def test_shots_a_little_longer_than_a_piece_are_cut_where_the_length_needs_it():
    assert seconds(select_pieces(material((60, 60, 60)), Budget(ratio=0.5))) == pytest.approx(3.6)


def test_every_scene_of_a_video_of_three():
    for lengths in ((600, 900, 325), (1500, 150, 175), (100, 1600, 125)):
        chosen = select_pieces(material(lengths), Budget(ratio=0.15))
        assert chosen.selected.all()
        assert seconds(chosen) >= 0.9 * 0.15 * sum(lengths) / FPS


def test_a_scene_that_comes_back_is_shown_once_while_others_are_not_seen():
    video = material((250, 250, 250, 250, 250), alike=(2, 4))
    chosen = select_pieces(video, Budget(duration_seconds=7))
    assert chosen.selected[[0, 2, 4]].sum() == 1
    assert chosen.selected[[1, 3]].all()


def test_what_is_avoided_is_shown_only_where_there_is_nothing_else():
    avoid = ((0, 300), (900, 1200))
    chosen = select_pieces(material((300, 300, 300, 300), avoid=avoid), Budget(ratio=0.4))
    assert not chosen.selected[[0, 3]].any()
    assert seconds(chosen) >= 0.9 * 0.4 * 48
    everything = select_pieces(material((300, 300), avoid=((0, 600),)), Budget(ratio=0.3))
    assert seconds(everything) >= 0.9 * 0.3 * 24


@pytest.mark.parametrize("frames_a_shot", [1, 2, 5, 20])
def test_cuts_faster_than_a_piece(frames_a_shot):
    video = material([frames_a_shot] * (1500 // frames_a_shot))
    chosen = select_pieces(video, Budget(ratio=0.15))
    assert 0.9 * 9 <= seconds(chosen) <= 9
    assert len(chosen.segments) >= 3
    if frames_a_shot > 2:
        assert set(chosen.segments.ravel()) <= set(video.shots.bounds.ravel())  # at cuts


@pytest.mark.parametrize("budget", [Budget(duration_seconds=0.1), Budget(duration_seconds=0.01), Budget(ratio=0.001)])
def test_a_budget_shorter_than_a_piece_is_one_piece_of_its_length(budget):
    chosen = select_pieces(material((500, 500)), budget)
    assert len(chosen.segments) == 1
    assert 1 <= np.diff(chosen.segments)[0] <= max(1, 0.1 * FPS)


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_number_of_shots_is_a_number_of_pieces_of_a_sensible_length(count):
    chosen = select_pieces(material([400] * 10), Budget(max_shots=count))
    assert len(chosen.segments) == count
    assert (np.diff(chosen.segments) >= 1.5 * FPS).all()
    assert (np.diff(chosen.segments) <= 6.0 * FPS).all()


def test_one_take_is_shown_in_pieces():
    chosen = select_pieces(material([1500]), Budget(ratio=0.15))
    assert len(chosen.segments) >= 2
    assert (chosen.segments[1:, 0] - chosen.segments[:-1, 1] >= FPS).all()


def test_highlights_prefer_importance():
    video = material([200] * 12, seed=3)
    both = [select_pieces(video, Budget(ratio=0.2), weights).segments for weights in (OVERVIEW, HIGHLIGHTS)]
    means = [np.concatenate([video.frame_scores[a:b] for a, b in segments]).mean() for segments in both]
    assert means[1] > means[0]


def test_the_whole_video_and_wrong_lengths():
    video = material((50, 60))
    assert select_pieces(video, Budget(ratio=1)).segments.tolist() == [[0, 110]]
    for shortest, longest in ((0, 6), (3, 2)):
        with pytest.raises(ValueError, match="shortest piece"):
            select_pieces(video, Budget(), shortest=shortest, longest=longest)


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 90), min_size=1, max_size=8),
    spoken=st.lists(st.booleans(), min_size=1, max_size=40),
    ratio=st.floats(0.05, 0.9),
    seed=st.integers(0, 9),
)
def test_pauses_of_speech_leave_a_summary_within_the_budget(lengths, spoken, ratio, seed):
    speech = Speech(np.repeat(np.array(spoken, np.float32), 10), 0.032)
    video = material(lengths, seed=seed)
    video = replace(video, pause_costs=speech.costs(video.timeline.edges))
    chosen = select_pieces(video, Budget(ratio=ratio))
    assert (chosen.segments[:, 1] > chosen.segments[:, 0]).all()
    assert 0 < seconds(chosen) <= max(ratio * sum(lengths) / FPS, 1 / FPS) + 1e-6


def value_of(video, weights, candidates, chosen, wanted, count):
    """F by the formula of the module, in loops."""
    covered = 0.0
    times = video.picks / FPS
    for pick in range(len(video.picks)):
        best = 0.0
        for start, end in candidates[list(chosen)]:
            inside = np.flatnonzero((video.picks >= start) & (video.picks < end))
            alike = max(0.0, *(float(video.centred[i] @ video.centred[pick]) for i in inside))
            near = math.exp(-abs(times[pick] - times[inside].mean()) / (video.shots.n_frames / FPS / 16))
            best = max(best, 0.75 * alike + 0.25 * near)
        end = video.picks[pick + 1] if pick + 1 < len(video.picks) else video.shots.n_frames
        covered += best * (end - video.picks[pick]) / video.shots.n_frames
    important = sum(video.frame_scores[a:b].sum() / FPS for a, b in candidates[list(chosen)]) / wanted
    scenes = {}
    for start, end in candidates[list(chosen)]:
        shot = int(np.searchsorted(video.shots.bounds[:, 0], start, side="right")) - 1
        scene = int(video.scenes[shot])
        scenes[scene] = scenes.get(scene, 0.0) + (end - start) / FPS
    n_scenes = len(set(video.scenes.tolist()))
    various = sum(math.sqrt(length) for length in scenes.values()) / math.sqrt(min(n_scenes, count) * wanted)
    return weights.coverage * covered + weights.importance * important + weights.variety * various


@pytest.mark.parametrize("seed", range(6))
def test_the_lazy_greedy_choice_against_all_choices(seed):
    weights, size, count = Weights(1.0, 0.5, 0.5), 3, 3.0
    video = material([60] * 8, seed=seed, alike=(3, 5))
    candidates = video.shots.bounds
    wanted = size * 60 / FPS
    worth = Worth(video, weights, wanted, count)
    pieces = worth.candidates(candidates)
    chosen = []

    def take(index):
        if len(chosen) == size:
            return False
        gained = value_of(video, weights, candidates, [*chosen, index], wanted, count)
        gained -= value_of(video, weights, candidates, chosen, wanted, count) if chosen else 0.0
        assert worth.gain(pieces, index) == pytest.approx(gained, rel=1e-4)
        others = set(range(len(candidates))) - {*chosen, index}
        best_other = max((worth.gain(pieces, other) for other in others), default=0.0)
        assert best_other <= worth.gain(pieces, index) + 1e-9  # lazy as it is, the best one
        chosen.append(index)
        return True

    lazy_greedy(worth, pieces, np.ones(len(candidates), np.bool_), take)
    found = value_of(video, weights, candidates, chosen, wanted, count)
    best = max(
        value_of(video, weights, candidates, some, wanted, count) for some in itertools.combinations(range(8), size)
    )
    assert (1 - 1 / math.e) * best <= found <= best + 1e-9
