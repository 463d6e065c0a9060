"""Datasets built from annotations: the published rules, features and shots from elsewhere, everything written down."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sspvs.annotations import read_summe, read_tvsum
from sspvs.annotations.dataset import BuildReport, build_dataset
from sspvs.annotations.record import (
    AnnotatedVideo,
    AnnotationSet,
    FrameChoices,
    FrameRatings,
    SecondScores,
    TimeIntervals,
)
from sspvs.annotations.shots import ShotRule, read_given_shots
from sspvs.errors import DatasetError, FeatureFileError
from sspvs.table import read_dataset
from sspvs.types import Annotations

N, T = 300, 20


def rated(name: str = "abc", key: str = "video_1", seed: int = 0, n_frames: int = N) -> AnnotatedVideo:
    ratings = np.random.default_rng(seed).integers(1, 6, (4, n_frames // 30)).repeat(30, axis=1)
    return AnnotatedVideo(
        key, name, FrameRatings(ratings.astype(np.float32)), n_frames, fps=15.0, where=f"anno.mat, video '{name}'"
    )


def chosen(name: str = "Base jumping", key: str = "video_1", seed: int = 0) -> AnnotatedVideo:
    users = np.random.default_rng(seed).random((5, N // 10)).repeat(10, axis=1) < 0.2
    return AnnotatedVideo(key, name, FrameChoices(users), N, fps=15.0, where=f"GT/{name}.mat")


def source(*videos: AnnotatedVideo, community_keys: bool = False) -> AnnotationSet:
    return AnnotationSet("mine", videos, (), {"gtscore": "a rule"}, community_keys=community_keys)


def feature_file(path: Path, groups: dict[str, dict[str, Any]]) -> Path:
    """Features that jump at frames 90 and 210, in the community's layout."""
    with h5py.File(path, "w") as file:
        for key, changes in groups.items():
            picks = np.arange(0, N, 15)
            features = np.zeros((len(picks), 6), dtype=np.float32)
            features[:6, 0] = features[6:14, 1] = features[14:, 2] = 1
            content = {"features": features, "picks": picks, "n_frames": N, **changes}
            for name, value in content.items():
                if value is not None:
                    file[f"{key}/{name}"] = value
    return path


def build(tmp_path: Path, annotations: AnnotationSet, **options: Any) -> tuple[Annotations, BuildReport]:
    """The first video of what was built."""
    report = build_dataset(annotations, tmp_path / "d.h5", **options)
    with read_dataset(report.out) as dataset:
        assert all(dataset[key].repairs == () for key in dataset)  # what we write needs no repair
        return dataset[annotations.videos[0].key], report


def naive_knapsack(values: list[float], weights: list[int], capacity: int) -> float:
    """The largest worth, over all subsets."""
    items = range(len(values))
    return max(
        sum(values[i] for i in subset)
        for size in range(len(values) + 1)
        for subset in combinations(items, size)
        if sum(weights[i] for i in subset) <= capacity
    )


# Rules ---------------------------------------------------------------------------------------------------------------


def test_choices_become_summaries_scores_and_their_mean(tmp_path: Path) -> None:
    video = chosen()
    assert isinstance(video.opinions, FrameChoices)
    built, report = build(tmp_path, source(video))
    users = video.opinions.chosen
    np.testing.assert_array_equal(built.user_summaries, users)
    np.testing.assert_array_equal(built.user_scores, users)
    expected = [sum(bool(user[pick]) for user in users) / len(users) for pick in range(0, N, 15)]
    np.testing.assert_allclose(built.gtscore, expected, atol=1e-7)
    np.testing.assert_array_equal(built.picks, range(0, N, 15))
    assert (built.video_name, built.fps, report.n_users, report.n_with_features) == ("Base jumping", 15.0, (5, 5), 0)


def test_ratings_become_scores_and_the_best_shots_of_each_user(tmp_path: Path) -> None:
    video = rated()
    assert isinstance(video.opinions, FrameRatings)
    built, _ = build(tmp_path, source(video))
    ratings = video.opinions.ratings
    np.testing.assert_array_equal(built.user_scores, ratings)
    np.testing.assert_allclose(built.gtscore, (ratings[:, ::15].mean(axis=0) - 1) / 4, atol=1e-6)
    assert built.shots is not None
    assert built.user_summaries is not None
    assert built.shots.lengths.tolist() == [30] * 10  # two seconds at 15 per second
    for user, summary in zip(ratings, built.user_summaries, strict=True):
        taken = [bool(summary[start]) for start, _ in built.shots]
        assert all((summary[start:end] == summary[start]).all() for start, end in built.shots)
        values = [float(user[start:end].mean()) for start, end in built.shots]
        best = naive_knapsack(values, [30] * 10, int(0.15 * N))
        assert sum(value for value, yes in zip(values, taken, strict=True) if yes) == pytest.approx(best)


def test_seconds_become_frames(tmp_path: Path) -> None:
    times = TimeIntervals({"x": np.array([[1.0, 2.0]]), "y": np.array([[1.5, 3.0]])})
    scores = SecondScores({"x": np.arange(20.0), "y": np.arange(20.0)[::-1]})
    first = AnnotatedVideo("video_1", "a/b.mp4", times, n_frames=N, fps=15.0)
    second = AnnotatedVideo("video_2", "c", scores, n_frames=N, fps=15.0)
    built, _ = build(tmp_path, source(first, second))
    assert built.video_name == "a/b.mp4"
    assert built.user_summaries is not None
    assert [np.flatnonzero(user)[[0, -1]].tolist() for user in built.user_summaries] == [[15, 29], [23, 44]]
    assert built.gtscore is not None
    assert built.gtscore[:4].tolist() == [0.0, 0.5, 0.5, 0.0]  # frames 0, 15, 30, 45
    with read_dataset(tmp_path / "d.h5") as dataset:
        other = dataset["video_2"]
    assert other.user_scores is not None
    assert other.user_scores[0, ::15].tolist() == list(range(20))
    np.testing.assert_allclose(other.gtscore, np.full(T, 9.5))


def test_users_of_a_video_where_no_shot_fits_keep_the_best_part(tmp_path: Path) -> None:
    built, report = build(tmp_path, source(rated()), shots=ShotRule("uniform", 10.0))
    assert built.user_summaries is not None
    assert built.user_summaries.sum(axis=1).tolist() == [45] * 4
    assert any("no shot fits into 15%" in sentence for _, sentence in report.repairs)


def test_picks_of_another_distance(tmp_path: Path) -> None:
    built, _ = build(tmp_path, source(rated()), every=7)
    np.testing.assert_array_equal(built.picks, range(0, N, 7))
    with pytest.raises(ValueError, match="every must be at least 1"):
        build(tmp_path, source(rated()), every=0)


# Features ------------------------------------------------------------------------------------------------------------


def test_features_are_found_by_key_where_keys_are_the_communitys(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.h5", {"video_1": {}, "video_2": {}})
    both = source(rated(), rated("def", "video_2", seed=1), community_keys=True)
    built, report = build(tmp_path, both, features=path)
    assert report.n_with_features == 2
    assert report.shot_sources == {"kts": 2}
    assert "no feature fingerprint" in report.warnings[0]
    with read_dataset(tmp_path / "d.h5") as dataset:
        assert dataset.features["video_2"].name == "def"
        features = dataset.features["video_1"]
        np.testing.assert_array_equal(features.picks, built.picks)
    assert built.shots is not None
    assert {83, 203} <= set(built.shots.bounds[:, 0])  # half-way between the picks 75, 90 and 195, 210


def test_keys_that_are_not_the_communitys_prove_nothing(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.h5", {"video_1": {}, "video_2": {}})
    with pytest.raises(DatasetError, match=r"no features of 1 of 1 videos \(abc\).*by number only") as caught:
        build(tmp_path, source(rated()), features=path)
    assert "--allow-missing-features" in str(caught.value)
    assert not (tmp_path / "d.h5").exists()


@pytest.mark.parametrize("name", ["Base jumping", "Base_jumping", "Base jumping.mp4", "base_Jumping"])
@pytest.mark.parametrize("as_group", [True, False])
def test_features_are_found_by_name_however_spelled(name: str, as_group: bool, tmp_path: Path) -> None:
    groups = {name: {}} if as_group else {"video_7": {"video_name": np.bytes_(name)}}
    path = feature_file(tmp_path / "f.h5", {**groups, "other": {}})
    _, report = build(tmp_path, source(chosen()), features=path)
    assert report.n_with_features == 1


def test_a_name_goes_before_a_key_and_a_key_of_another_name_is_not_taken(tmp_path: Path) -> None:
    videos = source(chosen(), community_keys=True)
    swapped = {"video_1": {"video_name": "Cooking"}, "video_2": {"video_name": "Base jumping", "n_frames": N + 1}}
    _, report = build(tmp_path, videos, features=feature_file(tmp_path / "f.h5", swapped))
    assert "features of 301 frames" in report.repairs[0][1]
    del swapped["video_2"]
    with pytest.raises(DatasetError, match="it has Cooking"):
        build(tmp_path, videos, features=feature_file(tmp_path / "g.h5", swapped))


def test_a_name_that_may_be_two_is_refused(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.h5", {"Base_jumping.mp4": {}, "Base_jumping.avi": {}})
    with pytest.raises(DatasetError, match=r"'Base jumping' may be any of Base_jumping\.avi, Base_jumping\.mp4"):
        build(tmp_path, source(chosen()), features=path)


def test_videos_without_features_when_allowed(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.h5", {"abc": {}})
    both = source(rated(), rated("def", "video_2"))
    with pytest.raises(DatasetError, match=r"no features of 1 of 2 videos \(def\)"):
        build(tmp_path, both, features=path)
    _, report = build(tmp_path, both, features=path, allow_missing_features=True)
    assert report.shot_sources == {"kts": 1, "uniform": 1}
    with read_dataset(tmp_path / "d.h5") as dataset:
        assert dataset.has_features("video_1")
        assert not dataset.has_features("video_2")
        assert dataset.made_by["shots"]["sources"] == {"kts": 1, "uniform": 1}
    nothing = feature_file(tmp_path / "g.h5", {"xyz": {}})
    with pytest.raises(DatasetError, match="no features of 2 of 2"):
        build(tmp_path, both, features=nothing, allow_missing_features=True)


@pytest.mark.parametrize(("theirs", "kept"), [(N + 3, 20), (N - 2, 20), (N + 16, 20)])
def test_a_few_frames_more_or_less_are_fitted(theirs: int, kept: int, tmp_path: Path) -> None:
    picks = np.arange(0, theirs, 15)
    features = np.random.default_rng(0).random((len(picks), 4), dtype=np.float32)
    path = feature_file(tmp_path / "f.h5", {"abc": {"picks": picks, "features": features, "n_frames": theirs}})
    if theirs == N + 16:  # more than 1 % and more than a few frames
        with pytest.raises(DatasetError, match=r"annotations of 300 frames, but features of 316"):
            build(tmp_path, source(rated()), features=path)
        return
    built, report = build(tmp_path, source(rated()), features=path)
    assert (built.n_frames, len(built.picks)) == (N, kept)
    with read_dataset(tmp_path / "d.h5") as dataset:
        np.testing.assert_array_equal(dataset.features["video_1"].features, features[:kept])
    assert report.repairs[0][0] == "abc"
    assert f"features of {theirs} frames were fitted to the annotations' {N}" in report.repairs[0][1]
    assert ("1 of 21 picks" in report.repairs[0][1]) == (theirs > N)


def test_broken_features_are_all_reported_before_anything_is_written(tmp_path: Path) -> None:
    broken = np.full((T, 6), np.nan, dtype=np.float32)
    path = feature_file(tmp_path / "f.h5", {"abc": {"features": broken}, "def": {"n_frames": 900}, "ghi": {}})
    videos = source(rated(), rated("def", "video_2"), rated("ghi", "video_3"))
    with pytest.raises(DatasetError) as caught:
        build(tmp_path, videos, features=path)
    message = str(caught.value)
    assert message.startswith("2 videos cannot be used: ")
    assert "NaN" in message
    assert "annotations of 300 frames, but features of 900" in message
    assert [p.name for p in tmp_path.iterdir()] == ["f.h5"]


# Shots ---------------------------------------------------------------------------------------------------------------

PUBLISHED = {"change_points": np.array([[0, 99], [100, 299]]), "n_frame_per_seg": np.array([100, 200])}


def test_published_shots_come_with_their_features_unless_others_are_chosen(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.h5", {"abc": {**PUBLISHED, "gtscore": np.full(3, np.nan)}})
    built, report = build(tmp_path, source(rated()), features=path)
    assert built.shots is not None
    assert built.shots.bounds.tolist() == [[0, 100], [100, 300]]
    assert report.shot_sources == {"published": 1}
    for segmenter, starts in (("kts", {83, 203}), ("uniform", set(range(0, N, 30)))):
        other, others = build(tmp_path, source(rated()), features=path, shots=ShotRule(segmenter))  # type: ignore[arg-type]
        assert other.shots is not None
        assert starts <= set(other.shots.bounds[:, 0])
        assert others.shot_sources == {segmenter: 1}
    assert "no shot fits into 15% of the video (45 frames)" in report.repairs[-1][1]
    shorter, report = build(tmp_path, source(rated()), features=path, shots=ShotRule(max_seconds=3.0))
    assert shorter.shots is not None
    assert {0, 100} <= set(shorter.shots.bounds[:, 0])
    assert shorter.shots.lengths.max() <= 45
    assert [sentence for _, sentence in report.repairs] == ["published shots longer than 3 s were divided: 2 became 8"]


def taken(seconds: float, fps: float, step: int, seed: int = 0) -> dict[str, Any]:
    """Features of one take, a row every `step` frames: they wander, and nothing is cut."""
    n_frames = round(seconds * fps)
    picks = np.arange(step // 2, n_frames, step)
    walk = np.cumsum(np.random.default_rng(seed).standard_normal((len(picks), 16)), axis=0)
    return {"features": (walk + 5).astype(np.float32), "picks": picks, "n_frames": n_frames}


@pytest.mark.parametrize(
    ("seconds", "step", "mean", "longest"),  # at 30 frames a second
    [(600, 60, 5.0, 15.0), (600, 15, 5.0, 15.0), (600, 2, 5.0, 15.0), (120, 30, 5.0, 9.0), (40, 15, 2.0, 3.0),
     (24, 60, 1.2, 1.8), (15, 15, 1.0, 1.5), (6, 180, 0.85, 0.9)],
)  # fmt: skip
def test_shots_fit_the_budget_at_any_rate_and_length(
    seconds: float, step: int, mean: float, longest: float, tmp_path: Path
) -> None:
    content = taken(seconds, 30.0, step)
    path = feature_file(tmp_path / "f.h5", {"abc": content})
    ratings = np.random.default_rng(0).random((3, content["n_frames"])).astype(np.float32)
    video = AnnotatedVideo("video_1", "abc", FrameRatings(ratings), content["n_frames"], fps=30.0)
    built, report = build(tmp_path, source(video), features=path)
    assert built.shots is not None
    lengths = built.shots.lengths / 30
    assert lengths.max() <= longest + 1 / 30
    assert 0.5 * mean <= lengths.mean() <= 1.25 * mean
    assert report.repairs == ()
    assert built.user_summaries is not None
    chosen = built.user_summaries.mean(axis=1)
    assert (chosen > 0.07).all()
    assert (chosen <= 0.15).all()
    half, _ = build(tmp_path, source(video), features=path, shots=ShotRule("kts", max_seconds=longest / 2))
    assert half.shots is not None
    assert half.shots.lengths.max() <= 15 * longest + 1
    named, _ = build(tmp_path, source(video), features=path, shots=ShotRule("kts", mean / 2))
    assert named.shots is not None
    assert named.shots.lengths.mean() < built.shots.lengths.mean() or step >= 60


def test_shots_of_an_unknown_rate_are_as_long_as_at_thirty_frames_a_second(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.h5", {"abc": taken(200, 30.0, 15)})
    unknown = AnnotatedVideo("video_1", "abc", FrameRatings(np.ones((2, 6000), np.float32)), 6000, where="anno, 'abc'")
    built, report = build(tmp_path, source(unknown), features=path)
    known, _ = build(tmp_path, source(replace(unknown, fps=30.0)), features=path)
    assert built.shots is not None
    assert known.shots is not None
    np.testing.assert_array_equal(built.shots.bounds, known.shots.bounds)
    assert [sentence for _, sentence in report.repairs] == [
        "the frame rate is unknown: shots have a length in seconds at 30 fps; give --fps"
    ]


def test_uniform_shots_are_of_two_seconds_where_these_fit(tmp_path: Path) -> None:
    for n_frames, rule, longest in (
        (300, ShotRule("uniform"), 30),
        (120, ShotRule("uniform"), 18),  # 8 s: a summary holds 18 frames
        (300, ShotRule("uniform", max_seconds=1.5), 22),
        (300, ShotRule("uniform", 5.0), 75),  # as given, although no summary holds it
        (300, ShotRule("uniform", 5.0, max_seconds=2.0), 30),
    ):
        built, report = build(tmp_path, source(rated(n_frames=n_frames)), shots=rule)
        assert built.shots is not None
        assert built.shots.lengths.max() == longest
        assert built.shots.lengths.min() >= longest - 1
        assert len(report.repairs) == (longest == 75)


def test_published_shots_move_with_n(tmp_path: Path) -> None:
    path = feature_file(
        tmp_path / "f.h5", {"abc": {**PUBLISHED, "n_frames": N + 2, "change_points": [[0, 99], [100, 301]]}}
    )
    built, report = build(tmp_path, source(rated()), features=path)
    assert built.shots is not None
    assert built.shots.bounds.tolist() == [[0, 100], [100, 300]]
    assert any("moved from 302 to 300" in sentence for _, sentence in report.repairs)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"abc": [[0, 100], [100, 300]]}, [[0, 100], [100, 300]]),
        ({"video_1": [[0, 99], [100, 299]]}, [[0, 100], [100, 300]]),
        ({"abc.mp4": [[0, 300]], "other": [[0, 1]]}, [[0, 300]]),
        ({"unit": "seconds", "videos": {"abc": [[0, 5], [5, 20]]}}, [[0, 75], [75, 300]]),
    ],
)
def test_shots_of_ones_own(content: dict[str, Any], expected: list[list[int]], tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(content))
    built, report = build(tmp_path, source(rated()), shots=ShotRule(given=read_given_shots(path)))
    assert built.shots is not None
    assert built.shots.bounds.tolist() == expected
    assert report.shot_sources == {"given": 1}
    assert any("inclusive" in sentence for _, sentence in report.repairs) == ("video_1" in content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"abc": [[0, 100], [120, 300]]}', r"video 'abc': there is a gap"),
        ('{"abc": [[0, 100]]}', "must end with the video at 300, got 100"),
        ('{"xyz": [[0, 300]]}', "no shots of 1 videos: abc; it has xyz"),
        ('{"abc": [[0, 100.5], [100.5, 300]]}', "whole numbers"),
        ("[[0, 300]]", "expected {video"),
        ("nonsense", "expected shots as JSON"),
        ('{"unit": "hours", "videos": {"abc": []}}', "frames or seconds"),
        ('{"abc": "all"}', "pairs"),
    ],
)
def test_shots_of_ones_own_that_are_no_shots(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message) as caught:
        build(tmp_path, source(rated()), shots=ShotRule(given=read_given_shots(path)))
    assert "s.json" in str(caught.value)
    assert not (tmp_path / "d.h5").exists()


def test_what_the_shots_need_and_is_not_there(tmp_path: Path) -> None:
    unknown_rate = AnnotatedVideo("video_1", "abc", FrameRatings(np.ones((2, N), np.float32)), N, where="anno, 'abc'")
    with pytest.raises(DatasetError, match="need the frame rate, which is unknown; give --fps"):
        build(tmp_path, source(unknown_rate))
    with pytest.raises(DatasetError, match="KTS needs features"):
        build(tmp_path, source(rated()), shots=ShotRule("kts"))
    with pytest.raises(ValueError, match="segmenter"):
        ShotRule("scenes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shot_seconds"):
        ShotRule("uniform", 0.0)
    with pytest.raises(ValueError, match="max_shot_seconds"):
        ShotRule("kts", max_seconds=float("inf"))


# Lengths -------------------------------------------------------------------------------------------------------------


def timed(**fields: Any) -> AnnotatedVideo:
    return AnnotatedVideo(
        "video_1", "abc", TimeIntervals({"x": np.array([[1.0, 2.0]])}), where="my.json, 'abc'", **fields
    )


def test_length_and_rate_from_any_source(tmp_path: Path) -> None:
    for fields, expected in (
        ({"n_frames": 250, "fps": 25.0}, (250, 25.0)),
        ({"duration_seconds": 10.0, "fps": 25.0}, (250, 25.0)),
        ({"duration_seconds": 10.0, "n_frames": 240}, (240, 24.0)),
    ):
        built, _ = build(tmp_path, source(timed(**fields)))
        assert (built.n_frames, built.fps) == expected
    scores = AnnotatedVideo("video_1", "abc", SecondScores({"x": np.arange(8.0)}), fps=10.0)
    assert build(tmp_path, source(scores))[0].n_frames == 80
    path = feature_file(tmp_path / "f.h5", {"abc": {}})
    assert build(tmp_path, source(timed(duration_seconds=20.0)), features=path)[0].fps == 15.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "the frame rate is unknown; add 'n_frames', or 'duration' and 'fps'"),
        ({"fps": 25.0}, "the length is unknown"),
        ({"duration_seconds": 60.0}, "the frame rate is unknown"),
        ({"duration_seconds": 1e9, "fps": 25.0}, "25000000000 frames are more than a video has"),
        ({"n_frames": 300}, "annotations in seconds, but the frame rate is unknown"),
        ({"n_frames": 300, "fps": 25.0, "duration_seconds": 60.0}, "300 frames last 12.00 s at 25 per second, but"),
    ],
)
def test_length_and_rate_that_are_unknown(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        build(tmp_path, source(timed(**fields)))
    assert message in str(caught.value)
    assert "my.json, 'abc'" in str(caught.value)


# The file's own record -----------------------------------------------------------------------------------------------


def test_the_file_says_how_it_was_made(tmp_path: Path) -> None:
    annotation_file = tmp_path / "my.json"
    annotation_file.write_text("{}")
    path = feature_file(tmp_path / "f.h5", {"abc": {"n_frames": N + 1}})
    annotations = AnnotationSet("mine", (rated(),), (annotation_file,), {"gtscore": "a rule"})
    build(tmp_path, annotations, features=path)
    with read_dataset(tmp_path / "d.h5") as dataset:
        assert dataset.name == "mine"
        made_by = dataset.made_by
    assert made_by["inputs"] == [
        {"file": p.name, "sha256": hashlib.sha256(p.read_bytes()).hexdigest()} for p in (annotation_file, path)
    ]
    assert made_by["rules"]["gtscore"] == "a rule"
    assert "never" in made_by["rules"]["gtsummary"] or "nothing" in made_by["rules"]["gtsummary"]
    assert made_by["shots"]["segmenter"] == "auto"
    assert made_by["made_with"].startswith("sspvs data build, sspvs ")
    assert str(tmp_path) not in json.dumps(made_by)
    with h5py.File(tmp_path / "d.h5") as file:
        assert "features of 301 frames" in json.loads(file["video_1"].attrs["repairs"])[0]


def test_the_input_is_never_overwritten(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "d.h5", {"abc": {}})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is one of the files that are read"):
        build(tmp_path, source(rated()), features=path)
    assert path.read_bytes() == before


def test_a_damaged_feature_file_leaves_nothing_behind(tmp_path: Path) -> None:
    path = feature_file(tmp_path / "f.h5", {"abc": {}})
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises((DatasetError, FeatureFileError), match=r"f\.h5"):
        build(tmp_path, source(rated()), features=path)
    assert [p.name for p in tmp_path.iterdir()] == ["f.h5"]


# The real annotations ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def summe(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("summe") / "summe.h5"
    build_dataset(read_summe(shared_data / "annotations" / "summe_gt"), out)
    return out


@pytest.fixture(scope="module")
def tvsum(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tvsum") / "tvsum.h5"
    build_dataset(read_tvsum(shared_data / "annotations" / "ydata-tvsum50.mat"), out)
    return out


def test_the_keys_are_the_communitys(summe: Path, tvsum: Path, shared_data: Path) -> None:
    for path in (summe, tvsum):
        names = json.loads((shared_data / "annotations" / f"{path.stem}_names.json").read_text())
        with read_dataset(path) as dataset:
            assert {dataset[key].video_name: key for key in dataset} == {
                name.replace(" ", "_"): key for name, key in names.items()
            }


def test_summes_gtscore_is_that_of_every_recorded_result(summe: Path, shared_data: Path) -> None:
    seen = set()
    with read_dataset(summe) as dataset:
        for path in sorted((shared_data / "peer_scores").glob("*.h5")):
            with h5py.File(path) as file:
                for key in file:
                    np.testing.assert_allclose(dataset[key].gtscore, file[key]["gtscore"][()], atol=1e-6)
                    assert dataset[key].n_frames == len(file[key]["machine_summary"])
                    seen.add(key)
    assert len(seen) == 25


def test_summes_users_agree_as_published(summe: Path) -> None:
    """Gygli et al. and all since: .31 on average, .54 with the nearest."""
    averages, nearest = [], []
    with read_dataset(summe) as dataset:
        for video in dataset.values():
            assert video.user_summaries is not None
            users = video.user_summaries.astype(float)
            both = users @ users.T
            sizes = users.sum(axis=1)
            pairs = 2 * both / np.maximum(sizes[:, None] + sizes[None], 1)
            others = pairs[~np.eye(len(users), dtype=bool)].reshape(len(users), -1)
            averages.append(others.mean())
            nearest.append(others.max(axis=1).mean())
    assert np.mean(averages) == pytest.approx(0.3107, abs=5e-5)
    assert np.mean(nearest) == pytest.approx(0.5433, abs=5e-5)


def test_tvsums_arrays_are_the_ratings(tvsum: Path, shared_data: Path) -> None:
    with h5py.File(shared_data / "annotations" / "ydata-tvsum50.mat") as file, read_dataset(tvsum) as dataset:
        references = file["tvsum50"]["user_anno"][:, 0]
        assert len(dataset) == len(references) == 50
        for video, reference in zip(dataset.values(), references, strict=True):
            ratings = file[reference][()]
            np.testing.assert_array_equal(video.user_scores, ratings)
            np.testing.assert_allclose(video.gtscore, (ratings.mean(axis=0)[::15] - 1) / 4, atol=1e-6)
            assert video.user_summaries is not None
            assert video.user_summaries.shape == ratings.shape
            lengths = video.user_summaries.sum(axis=1)
            assert (lengths <= int(0.15 * video.n_frames)).all()
            assert (lengths > 0.13 * video.n_frames).all()
            assert video.title
            assert video.category
