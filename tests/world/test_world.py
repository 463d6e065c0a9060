"""The video-text world: importance, annotators, texts, and that it is possible to fail on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from sspvs.importance.contrastive import contrastive_importance
from sspvs.world import SyntheticVideo, World, WorldSettings

SMALL: dict[str, Any] = {
    "pretrain_train": 30,
    "pretrain_val": 10,
    "annotated": 20,
    "drawn": {"feature_dim": 32, "categories": 4, "concepts_per_category": 4, "clips_per_concept": 24},
    "annotators": {"people": 6},
}


def _settings(**changes: Any) -> WorldSettings:
    values = {name: dict(value) if isinstance(value, dict) else value for name, value in SMALL.items()}
    for name, value in changes.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    return WorldSettings.from_dict(values)


def _taus(videos: Iterable[SyntheticVideo], score: Callable[[SyntheticVideo], Any]) -> np.ndarray:
    """Per video, the mean over people of tau at the picks, by scipy."""
    rows = []
    for video in videos:
        assert video.annotations is not None
        people = video.annotations.user_scores_at_picks
        assert people is not None
        given = score(video)  # a title of unknown words carries no information: 0
        rows.append(np.nanmean([kendalltau(given, person).statistic for person in people]) if np.ptp(given) else 0.0)
    return np.array(rows)


def _above(values: np.ndarray, sigmas: float = 2.5) -> float:
    """The lower end of an interval around the mean."""
    return float(values.mean() - sigmas * values.std(ddof=1) / np.sqrt(len(values)))


def test_rules_above_contrastive_above_random() -> None:
    """Over worlds, as differences video by video, so that no lucky seed decides."""
    rules, contrastive, chance, early = [], [], [], []
    for seed in range(4):
        world = World(WorldSettings.from_dict({"annotated": 25, "annotators": {"people": 10}}), seed)
        videos = list(world.annotated_videos())
        generator = np.random.default_rng(seed)
        rules.append(_taus(videos, lambda video: video.importance_at_picks))
        contrastive.append(_taus(videos, lambda video: contrastive_importance(video.features.features).scores))
        chance.append(_taus(videos, lambda video: generator.random(video.plan.n_picks)))  # noqa: B023
        early.append(_taus(videos, lambda video: -np.arange(video.plan.n_picks)))
    by_rules, by_contrast, by_chance = map(np.concatenate, (rules, contrastive, chance))
    assert _above(by_rules - by_contrast) > 0.1
    assert _above(by_contrast - by_chance) > 0
    assert by_contrast.mean() < 0.12
    assert abs(by_chance.mean()) < 0.015
    assert abs(np.concatenate(early).mean()) < 0.04  # position carries no information


@pytest.mark.parametrize("kind", ["ratings", "summaries"])
def test_people_agree_about_as_real_ones_do(kind: str) -> None:
    world = World(WorldSettings.from_dict({"annotated": 15, "annotators": {"kind": kind, "people": 8}}), 3)
    taus = []
    for video in world.annotated_videos():
        assert video.annotations is not None
        people = video.annotations.user_scores_at_picks
        assert people is not None
        taus += [kendalltau(a, b).statistic for i, a in enumerate(people) for b in people[:i]]
    assert 0.13 < np.nanmean(taus) < 0.3  # TVSum .177, SumMe .210


@pytest.mark.slow
def test_words_learned_from_other_clips_find_what_matters_and_shuffled_ones_do_not() -> None:
    """A linear map from frames to the words of their videos, trained on no frame's label and no annotated clip."""
    true, shuffled = (
        np.concatenate([_taus_of_words(words, seed) for seed in (1, 2)]) for words in ("none", "pretrain")
    )
    assert _above(true - shuffled) > 0.03
    assert _above(true) > 0.03
    assert abs(shuffled.mean()) < 0.04


def _taus_of_words(shuffled: str, seed: int) -> np.ndarray:
    values = {"pretrain_train": 300, "annotated": 60, "wording": {"shuffled": shuffled}}
    world = World(WorldSettings.from_dict({**values, "annotators": {"people": 4}}), seed)
    texts, sums, gram = [], [], 0.0
    for video in world.pretraining_videos():
        texts.append(set(re.findall(r"\w+", f"{video.texts.title} {video.texts.description}")))
        frames = _with_one(video)
        sums.append(frames.sum(axis=0))
        gram = gram + frames.T @ frames
    counts = Counter(word for text in texts for word in text)
    known = sorted(word for word, count in counts.items() if 3 <= count <= 90)
    present = np.array([[word in text for word in known] for text in texts], dtype=float)
    weights = np.linalg.solve(gram + 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram)), np.array(sums).T @ present)
    rarity = np.log(300 / present.sum(axis=0))

    def score(video: SyntheticVideo) -> np.ndarray:
        named = rarity * np.isin(known, re.findall(r"\w+", video.texts.title))
        return np.asarray(_with_one(video) @ weights @ named)

    return _taus(world.annotated_videos(), score)


def _with_one(video: SyntheticVideo) -> Any:
    return np.hstack([video.features.features, np.ones((video.plan.n_picks, 1))]).astype(np.float64)


def test_each_video_is_the_same_whichever_others_are_made() -> None:
    world = World(_settings(), 5)
    forward = [video.features.features for video in world.pretraining_videos(6)]
    other = World(_settings(), 5)
    list(other.annotated_videos(3))
    again = [video.features.features for video in other.pretraining_videos(3)]
    assert all(np.array_equal(a, b) for a, b in zip(forward, again, strict=False))
    assert not np.array_equal(forward[0][:10], next(World(_settings(), 6).pretraining_videos(1)).features.features[:10])


def test_titles_name_what_matters() -> None:
    world = World(_settings(wording={"title_vague": 0.0, "title_distractors": 0.0}), 0)
    synonyms = own = 0
    for video in world.pretraining_videos():
        for concept in video.plan.named:
            assert concept in video.plan.seen
            names = world.source.concepts[concept].names
            found = [name for name in names if re.search(rf"\b{name}\b", video.texts.title)]
            assert found, (names, video.texts.title)
            own += names[0] in found
            synonyms += names[0] not in found
    assert own
    assert synonyms


def test_titles_are_at_times_vague_and_at_times_wrong() -> None:
    def named(video: SyntheticVideo) -> list[int]:
        words = set(re.findall(r"\w+", video.texts.title))
        return [i for i, concept in enumerate(world.source.concepts) if words & set(concept.names)]

    world = World(_settings(wording={"title_vague": 1.0}), 0)
    assert not any(named(video) for video in world.pretraining_videos())
    world = World(_settings(wording={"title_vague": 0.0, "title_distractors": 1.0}), 0)
    for video in world.pretraining_videos():
        assert set(video.plan.named) < set(named(video))
        assert set(named(video)) - set(video.plan.seen)


@pytest.mark.parametrize("dropped", [0.0, 0.5, 1.0])
def test_descriptions_list_what_is_seen(dropped: float) -> None:
    world = World(_settings(wording={"description_dropped": dropped, "description_distractors": 0.0}), 0)
    listed = shown = 0
    for video in world.pretraining_videos():
        firsts = {segment.concept: segment.clip for segment in reversed(video.plan.segments)}
        listed += sum(world.source.clips[clip].caption in video.texts.description for clip in firsts.values())
        shown += len(firsts)
        for number, concept in enumerate(world.source.concepts):
            if number not in video.plan.seen:
                assert not set(concept.names) & set(re.findall(r"\w+", video.texts.description))
    assert listed / shown == pytest.approx(1 - dropped, abs=0.12)


def test_category_and_query_are_of_the_video() -> None:
    world = World(_settings(wording={"query_names": 0.0}), 0)
    for video in world.annotated_videos():
        assert video.texts.category == video.plan.category
        names = next(c.category_names for c in world.source.concepts if c.category == video.plan.category)
        assert any(name in video.texts.query for name in names)
        assert video.annotations is not None
        assert (video.annotations.title, video.annotations.category) == (video.texts.title, video.texts.category)


@pytest.mark.parametrize("shuffled", ["pretrain", "all"])
def test_shuffled_texts_are_those_of_other_videos_and_nothing_else_changes(shuffled: str) -> None:
    true, mixed = World(_settings(), 2), World(_settings(wording={"shuffled": shuffled}), 2)
    for part in ("train", "val"):
        pairs = list(zip(true.pretraining_videos(part=part), mixed.pretraining_videos(part=part), strict=True))
        assert all(a.texts != b.texts for a, b in pairs)
        assert sorted(a.texts for a, _ in pairs) == sorted(b.texts for _, b in pairs)
        assert all(np.array_equal(a.features.features, b.features.features) for a, b in pairs)
    annotated = list(zip(true.annotated_videos(), mixed.annotated_videos(), strict=True))
    assert all((a.texts == b.texts) == (shuffled == "pretrain") for a, b in annotated)
    for a, b in annotated:
        assert a.annotations is not None
        assert b.annotations is not None
        assert np.array_equal(a.annotations.user_scores, b.annotations.user_scores)  # type: ignore[arg-type]


def test_no_clip_is_in_two_parts_and_all_are_in_one() -> None:
    world = World(_settings(), 7)
    owners: dict[int, str] = {}
    for part, pool in world.pools.items():
        for concept, clips in pool.items():
            for clip in clips:
                assert world.source.clips[clip].concept == concept
                assert owners.setdefault(clip, part) == part
    assert len(owners) == len(world.source.clips)
    videos = [*world.pretraining_videos(), *world.pretraining_videos(part="val"), *world.annotated_videos()]
    for video in videos:
        assert {owners[segment.clip] for segment in video.plan.segments} == {video.part}
    by_name = {video.name: {segment.clip for segment in video.plan.segments} for video in videos}
    for fold in world.splits().folds:
        parts = [set().union(*(by_name[ref.key] for ref in refs)) for refs in (fold.train, fold.val, fold.test)]
        assert all(parts)
        assert not parts[0] & parts[1]
        assert not (parts[0] | parts[1]) & parts[2]
    tested = [ref.key for fold in world.splits().folds for ref in fold.test]
    assert sorted(tested) == sorted(video.name for video in world.annotated_videos())


def test_videos_are_composed_as_the_settings_say() -> None:
    composition = {"segments": [6, 9], "concepts": [3, 4], "segment_seconds": [2.0, 5.0], "crossfade_share": 0.5}
    world = World(_settings(composition=composition), 1)
    fades = boundaries = 0
    for video in world.pretraining_videos():
        plan = video.plan
        assert 6 <= len(plan.segments) <= 9
        assert 3 <= len(plan.seen) <= 4
        assert all(4 <= segment.length <= 10 for segment in plan.segments)
        assert any(world.source.concepts[concept].category == plan.category for concept in plan.seen)
        assert video.features.features.shape == (plan.n_picks, 32)
        assert video.features.features.min() >= 0
        repeats = sum(a.concept == b.concept for a, b in pairwise(plan.segments))
        assert repeats <= 1
        fades += sum(segment.fade > 0 for segment in plan.segments)
        boundaries += len(plan.segments) - 1
    assert fades / boundaries == pytest.approx(0.5, abs=0.12)


def test_a_crossfade_is_between_its_two_sides_and_nothing_else_changes() -> None:
    plain = World(_settings(composition={"crossfade_share": 0.0}), 4)
    faded = World(_settings(composition={"crossfade_share": 1.0, "crossfade_seconds": 2.0}), 4)
    a, b = next(plain.annotated_videos(1)), next(faded.annotated_videos(1))
    assert [s.clip for s in a.plan.segments] == [s.clip for s in b.plan.segments]
    near = np.zeros(a.plan.n_picks, dtype=bool)
    for start, segment in zip(b.plan.starts[1:], b.plan.segments, strict=False):
        near[start - segment.fade : start + segment.fade] = True
        assert segment.fade == min(2, segment.length // 2) or segment.fade < 2
    changed = (a.features.features != b.features.features).any(axis=1)
    assert np.array_equal(changed, near)


def test_nuisance_hides_concepts_from_cosines_and_lies_in_few_directions() -> None:
    """Frames of one concept in different videos: near each other without nuisance, not with it."""

    def contrast(nuisance: float) -> float:
        values = {"noise": 0.1, "nuisance": nuisance, "feature_dim": 64}
        world = World(_settings(drawn=values), 0)
        vectors, concepts = [], []
        for video in world.pretraining_videos():
            for start, segment in zip(video.plan.starts, video.plan.segments, strict=True):
                vectors.append(video.features.features[start + segment.length // 2])
                concepts.append(segment.concept)
        units = np.array(vectors) - np.mean(vectors, axis=0)
        units /= np.linalg.norm(units, axis=1, keepdims=True)
        same = np.equal.outer(concepts, concepts)
        cosines = units @ units.T
        return float(cosines[same & ~np.eye(len(units), dtype=bool)].mean() - cosines[~same].mean())

    assert contrast(0.0) > 2 * contrast(3.0) > 0


EXTREMES: list[dict[str, Any]] = [
    {"composition": {"segments": [1, 1], "concepts": [1, 1], "segment_seconds": [0.1, 0.1]}},
    {"composition": {"segments": [2, 3], "concepts": [40, 60]}},
    {"composition": {"on_topic": 0.0, "repetition": 5.0, "crossfade_share": 1.0, "crossfade_seconds": 30.0}},
    {"composition": {"on_topic": 1.0, "segment_seconds": [100.0, 200.0]}},
    {"drawn": {"feature_dim": 1, "signal_dim": 1, "nuisance_dim": 1}},
    {"drawn": {"categories": 1, "concepts_per_category": 1, "clips_per_concept": 40}},
    {"drawn": {"categories": 12, "concepts_per_category": 11, "clips_per_concept": 10}},
    {"drawn": {"nuisance": 0.0, "noise": 0.0, "drift": 0.0, "clip_spread": 0.0, "nonnegative": False}},
    {"drawn": {"nuisance_style": 1.0, "nuisance_camera": 0.0, "category_share": 1.0, "rate_hz": 5.0}},
    {"wording": {"title_concepts": [9, 20], "synonyms": 0.0, "description_dropped": 1.0, "salience": 5.0}},
    {"wording": {"title_vague": 1.0, "title_distractors": 1.0, "description_distractors": 1.0, "query_names": 1.0}},
    {"rules": {"title": 0.0, "rare": 0.0, "topic": 0.0, "repeat": 0.0}},
    {"annotators": {"people": 1, "agreement": 0.0, "taste": 1.0, "unit_seconds": 1000.0}},
    {"annotators": {"agreement": 1.0, "taste": 0.0, "kind": "summaries", "summary_share": [0.0, 1.0]}},
    {"shots": "kts", "folds": 2, "train_share": 0.0, "pretrain_train": 0},
]


@pytest.mark.parametrize("changes", EXTREMES, ids=str)
def test_knobs_at_their_extremes(changes: dict[str, Any]) -> None:
    world = World(_settings(**changes), 0)
    videos = list(world.annotated_videos(5))
    videos += list(world.pretraining_videos(3)) if "pretrain_train" not in changes else []
    for video in videos:
        assert np.isfinite(video.features.features).all()
        assert np.isfinite(video.importance).all()
        assert 0 < len(video.plan.named) <= len(video.plan.seen)
        assert video.texts.title
        assert "{}" not in "".join(video.texts)
        assert (not video.texts.description) <= (world.settings.wording.description_dropped > 0)
        if video.annotations is not None:
            assert video.annotations.gtscore is not None
            assert 0 <= video.annotations.gtscore.min() <= video.annotations.gtscore.max() <= 1


def test_ratings_are_constant_over_two_seconds_and_summaries_fit_the_budget() -> None:
    for video in World(_settings(), 0).annotated_videos():
        people = video.annotations
        assert people is not None
        assert people.user_scores is not None
        assert people.user_summaries is not None
        assert people.shots is not None
        assert set(np.unique(people.user_scores)) <= {1, 2, 3, 4, 5}
        changes = np.flatnonzero((np.diff(people.user_scores, axis=1) != 0).any(axis=0)) + 1
        assert not (changes % 60).any()  # 30 frames a second
        assert (people.user_summaries.sum(axis=1) <= 0.15 * people.n_frames).all()
        starts = people.shots.bounds[:, 0]
        cuts = np.flatnonzero((np.diff(people.user_summaries.astype(int), axis=1) != 0).any(axis=0)) + 1
        assert set(cuts) <= set(starts)
        assert starts.tolist() == [15 * start for start in video.plan.starts]
        mean = (people.user_scores[:, people.picks].mean(axis=0) - 1) / 4
        assert np.allclose(people.gtscore, mean)  # type: ignore[arg-type]


def test_agreement_is_what_the_knob_says() -> None:
    """At 1 everybody feels the rules alone; at 0 the rules are not felt at all."""
    everything = World(_settings(annotators={"agreement": 1.0}), 0)
    nothing = World(_settings(annotators={"agreement": 0.0}), 0)
    assert _taus(everything.annotated_videos(), lambda v: v.importance_at_picks).min() > 0.5
    assert abs(_taus(nothing.annotated_videos(), lambda v: v.importance_at_picks).mean()) < 0.08


def test_all_values_out_of_range_are_reported_at_once() -> None:
    with pytest.raises(
        ValueError, match=r"rules\.title must be .* got -1.*annotators\.people must be at least 1, got 0"
    ):
        WorldSettings.from_dict({"rules": {"title": -1}, "annotators": {"people": 0}})
    for values, message in (
        ({"rulez": {}}, "unknown world setting 'rulez'"),
        ({"rules": 3}, "rules must be a mapping, got 3"),
        ({"composition": {"segments": 3}}, "segments must be a list of 2, got 3"),
        ({"drawn": {"feature_dim": 2.5}}, "feature_dim must be a whole number, got 2.5"),
        ({"composition": {"segments": [5, 2]}}, "in order"),
        ({"annotated": 3}, "at least folds"),
        ({"train_share": 0.9, "val_share": 0.2}, "at most 1"),
        ({"wording": {"shuffled": "yes"}}, "one of none, pretrain, all"),
        ({"drawn": {"noise": float("nan")}}, "got nan"),
    ):
        with pytest.raises(ValueError, match=message):
            WorldSettings.from_dict(values)
    for settings, message in (
        (_settings(train_share=0.8, val_share=0.2), "leave none for fold_0"),
        (_settings(pretrain_train=0, pretrain_val=0, annotated=0), "without videos"),
    ):
        with pytest.raises(ValueError, match=message):
            World(settings)
    with pytest.raises(ValueError, match="seed must be"):
        World(_settings(), -1)
    with pytest.raises(ValueError, match="no train videos"):
        next(World(_settings(pretrain_train=0)).pretraining_videos(1))


def test_settings_survive_plain_types() -> None:
    settings = _settings(wording={"title_concepts": [2, 3]}, shots="kts")
    assert WorldSettings.from_dict(settings.as_dict()) == settings
