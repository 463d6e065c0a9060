"""Dataset files of anybody: read, repaired where there is one way to read them, refused with a reason where not."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.errors import DatasetError, FeatureFileError
from sspvs.formats.scores import score_problems, scored_videos
from sspvs.table import FeatureStore, natural_order, read_dataset, read_scores, write_dataset
from sspvs.table.annotation_group import half_open
from sspvs.types import Annotations, FrameFeatures, Shots

N, T, U = 100, 7, 3
STARTS = np.array([0, 30, 59, 99])  # the last shot has one frame
Group = dict[str, Any]


def summe_like() -> Group:
    """A group as the community's SumMe file has them: the mean of the summaries is the gtscore."""
    rng = np.random.default_rng(5)
    users = (rng.random((U, N)) < 0.3).astype(np.float32)
    picks = np.arange(0, N, 15)
    ends = np.append(STARTS[1:], N)
    return {
        "features": rng.random((T, 4), dtype=np.float32),
        "gtscore": users[:, picks].mean(axis=0),
        "gtsummary": np.zeros(T, dtype=np.float32),
        "user_summary": users,
        "change_points": np.stack([STARTS, ends - 1], axis=1).astype(np.int32),
        "n_frame_per_seg": (ends - STARTS).astype(np.int32),
        "n_frames": np.array(N),
        "n_steps": np.array(T),
        "picks": picks.astype(np.int64),
        "video_name": np.bytes_("Base jumping"),
    }


def write(path: Path, *groups: Group, names: tuple[str, ...] = ("video_1",)) -> Path:
    with h5py.File(path, "w") as file:
        for name, datasets in zip(names, groups, strict=True):
            group = file.create_group(name)
            for key, value in datasets.items():
                group[key] = value
    return path


@pytest.fixture
def video(tmp_path: Path) -> Callable[..., Annotations]:
    """Reads the usual group with some keys changed; None takes a key away."""

    def read(**changes: Any) -> Annotations:
        group = {key: value for key, value in {**summe_like(), **changes}.items() if value is not None}
        with read_dataset(write(tmp_path / "d.h5", group)) as dataset:
            return dataset["video_1"]

    return read


STORED: dict[str, Group] = {
    "arrays of one": {"n_frames": [N], "n_steps": [T], "fps": [25.0], "end_seconds": [4.0]},
    "arrays of one by one": {"n_frames": [[N]], "n_steps": [[T]], "fps": [[25]], "end_seconds": [[4]]},
    "floats": {"n_frames": float(N), "n_steps": np.float32(T), "picks": np.arange(0, N, 15.0)},
    "columns": {
        "picks": np.arange(0, N, 15)[:, None],
        "score": np.linspace(0, 1, T)[:, None],
        "machine_summary": (np.arange(N) < 9.0)[:, None],
        "frame_seconds": np.arange(N)[None] / 25,
        "n_frame_per_seg": np.diff(np.append(STARTS, N))[:, None],
    },
    "float shots": {"change_points": np.stack([STARTS, np.append(STARTS[1:], N) - 1], axis=1).astype(float)},
    "bytes in an array": {"video_name": np.array([b"Base jumping"]), "title": np.array([[b"Off a cliff"]])},
    "text": {"video_name": "Base jumping", "title": np.array(["Off a cliff"], dtype=object)},
    "character codes": {"video_name": np.array([[ord(c)] for c in "Base jumping"], dtype=np.uint16)},
}


@pytest.mark.parametrize("how", STORED)
def test_every_reader_reads_a_value_however_it_is_stored(how: str, tmp_path: Path) -> None:
    """Annotations, features, scores, labels and names out of one group: nothing depends on the shape or type."""
    plain: Group = {
        **summe_like(),
        "fps": 25.0,
        "title": "Off a cliff",
        "end_seconds": 4.0,
        "frame_seconds": np.arange(N) / 25,
        "score": np.linspace(0, 1, T),
        "machine_summary": (np.arange(N) < 9.0),
    }
    path = write(tmp_path / "d.h5", {**plain, **STORED[how]})
    with read_dataset(path) as dataset:
        found = dataset["video_1"]
        assert dataset.video_names() == {"video_1": "Base jumping"}
    assert (found.n_frames, found.video_name, found.title, found.fps) == (N, "Base jumping", "Off a cliff", 25)
    assert found.picks.tolist() == list(range(0, N, 15))
    assert found.repairs == ()
    assert found.shots is not None
    assert found.shots.bounds[:, 0].tolist() == STARTS.tolist()
    with FeatureStore(path) as store:
        features = store["video_1"]
    assert (features.n_frames, features.name, features.picks.tolist()) == (N, "Base jumping", list(range(0, N, 15)))
    assert features.timeline is not None
    assert features.timeline.end_seconds == 4
    np.testing.assert_array_equal(features.timeline.frame_seconds, np.arange(N) / 25)
    scores = read_scores(path)["video_1"]
    assert (scores.n_frames, scores.video_name) == (N, "Base jumping")
    assert scores.picks is not None
    assert scores.picks.tolist() == list(range(0, N, 15))
    np.testing.assert_array_equal(scores.scores, np.linspace(0, 1, T))
    np.testing.assert_array_equal(scores.summary, np.arange(N) < 9)
    assert list(score_problems(path)) == []
    assert scored_videos(path) == {"video_1": "Base jumping"}
    with FeatureStore(path) as store:
        loaded = store.load("video_1")
    assert (loaded.text.title, loaded.text.category, loaded.frame_rate) == ("Off a cliff", "", 25)


def test_the_community_layout_needs_no_repair(video: Callable[..., Annotations]) -> None:
    found, group = video(), summe_like()
    assert found.repairs == ()
    assert (found.n_frames, found.n_users, found.video_name, found.key) == (N, U, "Base jumping", "video_1")
    assert found.shots is not None
    assert found.shots.bounds.tolist() == [[0, 30], [30, 59], [59, 99], [99, 100]]
    np.testing.assert_array_equal(found.user_summaries, group["user_summary"] > 0)
    np.testing.assert_array_equal(found.user_scores, group["user_summary"])  # as on SumMe
    np.testing.assert_array_equal(found.gtscore, group["gtscore"])


def test_summaries_stand_for_scores_only_where_their_mean_is_the_gtscore(video: Callable[..., Annotations]) -> None:
    assert video(gtscore=np.linspace(0, 1, T)).user_scores is None  # TVSum without the ratings
    assert video(gtscore=None).user_scores is None


# Conventions of shots ------------------------------------------------------------------------------------------------

ENDS = np.append(STARTS[1:], N)


@pytest.mark.parametrize(
    ("ends", "lengths", "sentence"),
    [
        (ENDS - 1, None, None),
        (ENDS, ENDS - STARTS, "half-open ends"),
        (ENDS - 1, ENDS - 1 - STARTS, "'n_frame_per_seg' was end - start (sums to 96, not N = 100)"),
        (np.append(ENDS[:-1], N - 1), None, "the last frame was added"),
        (np.append(ENDS[:-1] - 1, N), None, "the last one is N = 100"),
        (ENDS - 1, np.array([1, 2, 3, 4]), "did not fit the shots (sums to 10 of N = 100)"),
    ],
    ids=["inclusive", "half-open", "off by one lengths", "off by one end", "one too far", "wrong lengths"],
)
def test_every_convention_gives_the_same_shots(
    ends: np.ndarray, lengths: np.ndarray | None, sentence: str | None, video: Callable[..., Annotations]
) -> None:
    found = video(change_points=np.stack([STARTS, ends], axis=1), n_frame_per_seg=lengths)
    assert found.shots is not None
    np.testing.assert_array_equal(found.shots.bounds, np.stack([STARTS, ENDS], axis=1))
    assert found.repairs == () if sentence is None else any(sentence in repair for repair in found.repairs)


@pytest.mark.parametrize(("end", "half"), [(N - 1, False), (N, True)])
def test_the_end_of_a_single_shot_is_decided_by_n(end: int, half: bool, video: Callable[..., Annotations]) -> None:
    found = video(change_points=np.array([[0, end]]), n_frame_per_seg=None)
    assert found.shots is not None
    assert found.shots.bounds.tolist() == [[0, N]]
    assert bool(found.repairs) is half


def test_float_shots_and_missing_ones(video: Callable[..., Annotations]) -> None:
    assert len(video(change_points=summe_like()["change_points"].astype(np.float64)).shots or ()) == 4
    from_lengths = video(change_points=None)
    assert from_lengths.shots is not None
    np.testing.assert_array_equal(from_lengths.shots.bounds[:, 0], STARTS)
    assert any("made from 'n_frame_per_seg'" in repair for repair in from_lengths.repairs)
    assert video(change_points=None, n_frame_per_seg=None).shots is None


@pytest.mark.parametrize(
    ("bounds", "sentence"),
    [
        ([[0, 29], [35, 99]], "a gap between shot 0 [0, 29] and shot 1 [35, 99]"),
        ([[0, 29], [30, 49], [52, 99]], "a gap between shot 1 [30, 49] and shot 2"),
        ([[0, 40], [30, 99]], "an overlap between shot 0"),
        ([[0, 29], [29, 59], [60, 99]], "an overlap between shot 0"),
        ([[5, 29], [30, 99]], "shot 0 is [5, 29]; expected the first shot to start at frame 0"),
        ([[0, 29], [30, 90]], "shot 1 is [30, 90]"),
        ([[0, 29], [30, 150]], "shot 1 is [30, 150]"),
        ([[0, 30], [30, 30], [30, 100]], "shot 1 is [30, 30]; expected at least one frame"),
        ([[0, 49, 1], [50, 99, 1]], "(S, 2)"),
        ([0, 30, 99], "(S, 2)"),
        ([[0.0, 29.5], [30, 99]], "whole numbers"),
        ([[0, np.nan], [30, 99]], "NaN"),
    ],
)
def test_shots_that_are_no_shots_are_refused(bounds: Any, sentence: str, video: Callable[..., Annotations]) -> None:
    with pytest.raises(DatasetError) as caught:
        video(change_points=np.array(bounds))
    message = str(caught.value)
    assert sentence in message
    assert "d.h5" in message
    assert "video_1" in message
    assert "\n" not in message


@given(st.sets(st.integers(1, 199), max_size=40), st.sampled_from(["inclusive", "half-open", "short", "long"]))
def test_all_conventions_are_one_partition(cuts: set[int], convention: str) -> None:
    starts = np.array([0, *sorted(cuts)])
    ends = np.append(starts[1:], 200)
    stored = {
        "inclusive": ends - 1,
        "half-open": ends,
        "short": np.append(ends[:-1], 199),
        "long": np.append(ends[:-1] - 1, 200),
    }[convention]
    shots, repair = half_open(np.stack([starts, stored], axis=1), 200, "here")
    np.testing.assert_array_equal(shots.bounds, np.stack([starts, ends], axis=1))
    single = len(starts) == 1
    assert (repair == "") == (convention == "inclusive" or (single and convention == "short"))


@given(st.sets(st.integers(1, 199), min_size=1, max_size=40), st.data())
def test_moving_one_end_is_always_noticed(cuts: set[int], data: st.DataObject) -> None:
    starts = np.array([0, *sorted(cuts)])
    ends = np.append(starts[1:], 200) - 1
    which = data.draw(st.integers(0, len(ends) - 1))
    moved = ends.copy()
    moved[which] += data.draw(st.sampled_from([-2, -1, 2, 3]))
    with pytest.raises(DatasetError):
        half_open(np.stack([starts, moved], axis=1), 200, "here")


# The clock -----------------------------------------------------------------------------------------------------------


def test_float_picks_a_closing_n_and_odd_scalars(video: Callable[..., Annotations]) -> None:
    picks = np.append(np.arange(0, N, 15), N).astype(np.float64)
    found = video(picks=picks, n_frames=np.array([[float(N)]]), n_steps=np.array(T + 1))
    np.testing.assert_array_equal(found.picks, np.arange(0, N, 15))
    assert found.picks.dtype == np.int64
    assert any("ends in N = 100" in repair for repair in found.repairs)


def test_n_comes_from_the_user_summaries_when_it_is_missing(video: Callable[..., Annotations]) -> None:
    found = video(n_frames=None)
    assert found.n_frames == N
    assert any("the 100 frames of 'user_summary'" in repair for repair in found.repairs)
    turned = video(n_frames=None, user_summary=summe_like()["user_summary"].T)
    assert (turned.n_frames, turned.n_users) == (N, U)


def test_features_of_a_file_with_turned_users_are_read_too(tmp_path: Path) -> None:
    group = {**summe_like(), "user_summary": summe_like()["user_summary"].T}
    del group["n_frames"]
    with read_dataset(write(tmp_path / "d.h5", group)) as dataset:
        assert dataset.features["video_1"].n_frames == dataset["video_1"].n_frames == N


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_frames": np.array(0)}, "'n_frames': expected one whole number above 0, found 0"),
        ({"n_frames": np.array([100, 200])}, "'n_frames'"),
        ({"n_frames": np.array(99.5)}, "'n_frames': expected whole numbers"),
        ({"n_frames": np.bytes_("many")}, "'n_frames': expected numbers, found text"),
        ({"n_frames": np.array(np.nan)}, "'n_frames': expected finite numbers"),
        ({"picks": None}, "every 15th frame would be 7 picks"),
        ({"picks": None, "n_frames": None, "user_summary": None, "gtscore": None, "features": None}, "expected 'n_fra"),
        ({"n_frames": None, "user_summary": None}, "add 'n_frames'"),
        ({"picks": np.array([0, 15, 30, 45, 60, 75, 175])}, "'picks': expected frames 0..99, found 175"),
        ({"picks": np.array([0, 15, 30, 30, 60, 75, 90])}, "found 30 before 30 at index 2"),
        ({"picks": np.arange(0, N, 15) + 0.5}, "'picks': expected whole numbers"),
        ({"picks": np.array([0, 15, np.nan, 45, 60, 75, 90])}, "the first at index 2"),
        ({"gtscore": np.zeros(T - 1)}, "'gtscore': expected (7,), one value a pick, found shape (6,)"),
        ({"gtscore": np.array([0, 1, 2, np.nan, 0, 0, 0])}, "'gtscore': expected finite numbers"),
        ({"gtscore": np.array([b"a"] * T)}, "'gtscore': expected numbers, found text"),
        ({"gtscore": np.zeros(T, dtype=np.complex64)}, "found complex numbers"),
        ({"user_summary": np.zeros((U, N - 1))}, "'user_summary': expected (U, 100)"),
        ({"user_summary": np.full((U, N), np.nan)}, "'user_summary': expected finite numbers, found 300 NaN"),
        ({"user_summary": np.full((U, N), 0.5)}, "'user_summary': expected 0/1, found values from 0.5 to 0.5"),
        ({"user_summary": np.tile([0.0, -1.0], (U, N // 2))}, "found values from -1 to 0"),
        ({"user_summary": np.tile([1, 2, 3, 5], (U, N // 4))}, "ratings or scores belong into 'user_scores'"),
        ({"user_scores": np.zeros((U, N + 3))}, "'user_scores': expected (U, 100) or (U, 7)"),
        ({"user_scores": np.zeros((U + 1, N))}, "as many annotators as in 'user_summary', 3, found 4"),
        ({"fps": np.array(-3.0)}, "'fps'"),
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(
    changes: Group, sentence: str, video: Callable[..., Annotations]
) -> None:
    with pytest.raises(DatasetError) as caught:
        video(**changes)
    assert sentence in str(caught.value)
    assert "d.h5, video 'video_1'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_transposed_users_counts_and_a_single_user_are_repaired(video: Callable[..., Annotations]) -> None:
    users = summe_like()["user_summary"]
    turned = video(user_summary=users.T)
    np.testing.assert_array_equal(turned.user_summaries, users > 0)
    assert any("transposed" in repair for repair in turned.repairs)
    counts = video(user_summary=(users * [[4], [1], [9]]).astype(np.uint8))  # SumMe's raw values
    np.testing.assert_array_equal(counts.user_summaries, users > 0)
    assert any("frames above 0" in repair for repair in counts.repairs)
    assert video(user_summary=users[0]).n_users == 1
    assert video(user_summary=users.astype(bool)).repairs == ()


def test_scores_of_users_at_every_frame_or_at_the_picks(video: Callable[..., Annotations]) -> None:
    ratings = np.random.default_rng(0).integers(1, 6, (U, N))
    every, at_picks = video(user_scores=ratings), video(user_scores=ratings[:, ::15])
    np.testing.assert_array_equal(every.user_scores_at_picks, ratings[:, ::15])
    np.testing.assert_array_equal(at_picks.user_scores_at_picks, ratings[:, ::15])
    assert at_picks.user_scores_at_frames is None
    np.testing.assert_array_equal(video(user_scores=ratings.T).user_scores, ratings)


def test_a_gtscore_of_every_frame_is_read_at_the_picks(video: Callable[..., Annotations]) -> None:
    users = summe_like()["user_summary"]
    found = video(gtscore=users.mean(axis=0))
    np.testing.assert_allclose(found.gtscore, summe_like()["gtscore"])
    assert found.user_scores is not None


def test_key_frames_that_do_not_fit_are_left_out(video: Callable[..., Annotations]) -> None:
    found = video(gtsummary=np.zeros(T + 2))
    assert found.gtsummary is None
    assert any("'gtsummary' of shape (9,)" in repair for repair in found.repairs)


@pytest.mark.parametrize("spelling", ["gt_summary", "gtsummary"])
def test_groups_of_mr_hisum(spelling: str, tmp_path: Path) -> None:
    summary = np.arange(40) % 5 == 0
    group = {
        "gtscore": np.linspace(0, 1, 40),
        spelling: summary.astype(np.float32),
        "change_points": np.array([[0, 11], [11, 40]]),
        "features": np.ones((40, 3), dtype=np.float16),
    }
    with read_dataset(write(tmp_path / "mr_hisum.h5", group)) as dataset:
        found = dataset["video_1"]
        assert dataset.features["video_1"].n_frames == found.n_frames == 40
    np.testing.assert_array_equal(found.picks, np.arange(40))
    np.testing.assert_array_equal(found.user_summaries, summary[None])
    assert found.user_scores is None
    assert found.fps == 1.0
    assert found.shots is not None
    assert found.shots.bounds.tolist() == [[0, 11], [11, 40]]
    assert len(found.repairs) == 3


def test_groups_of_ovp_have_no_users_and_perhaps_no_shots(video: Callable[..., Annotations]) -> None:
    found = video(user_summary=None, change_points=None, n_frame_per_seg=None)
    assert found.n_users == 0
    assert found.shots is None
    assert found.gtscore is not None
    empty = video(user_summary=np.zeros((0, N)))
    assert empty.n_users == 0
    assert any("'user_summary' is empty" in repair for repair in empty.repairs)


# Whole files ---------------------------------------------------------------------------------------------------------


def _pickled() -> bytes:
    return pickle.dumps({"video_1": np.zeros(3)})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (_pickled(), "Python pickle"),
        (b"video_1,0.5,0.2\n" * 40, "it is text"),
        (json.dumps({"video_1": [1, 2]}).encode(), "it is JSON"),
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>quota exceeded</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (gzip.compress(b"x" * 100, mtime=0), "gzip"),
        (b"PK\x03\x04" + b"\0" * 90, "zip archive"),
        (b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + b" " * 90, "MATLAB v5"),
        (bytes(range(128, 256)) * 4, "does not start as h5 files do"),
    ],
)
def test_files_that_are_no_h5_are_named_for_what_they_are(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "tvsum.h5"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=sentence) as caught:
        read_dataset(path)
    assert "tvsum.h5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        read_dataset(tmp_path / "none.h5")
    with pytest.raises(DatasetError, match="found a folder"):
        read_dataset(tmp_path)
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    with pytest.raises(DatasetError, match="expected a group per video, found none"):
        read_dataset(tmp_path / "empty.h5")
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["features"] = np.ones((3, 4), dtype=np.float32)
    with pytest.raises(DatasetError, match="the features of one video alone"):
        read_dataset(tmp_path / "one.h5")


def test_a_file_cut_at_any_place_is_refused_or_its_damaged_video_is(tmp_path: Path) -> None:
    names = tuple(f"video_{i}" for i in range(1, 6))
    whole = write(tmp_path / "whole.h5", *[summe_like() for _ in names], names=names).read_bytes()
    cut = tmp_path / "cut.h5"
    for share in (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DatasetError, match=r"cut\.h5") as caught:
            [read_dataset(cut)[key] for key in names]
        assert "\n" not in str(caught.value)


def test_bytes_damaged_in_the_middle_give_an_error_or_values_never_a_traceback(tmp_path: Path) -> None:
    whole = bytearray(write(tmp_path / "whole.h5", summe_like()).read_bytes())
    path, rng = tmp_path / "damaged.h5", np.random.default_rng(1)
    messages = []
    for _ in range(60):
        broken, at = bytearray(whole), int(rng.integers(200, len(whole) - 64))
        broken[at : at + 64] = rng.bytes(64)
        path.write_bytes(broken)
        try:
            with read_dataset(path) as dataset:
                [dataset[key] for key in dataset]
        except DatasetError as error:
            messages.append(str(error))
    assert len(messages) > 5
    assert all("damaged.h5" in message for message in messages)


def test_nested_names_are_explained(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["sports/video_1/gtscore"] = np.zeros(3)
    with read_dataset(tmp_path / "d.h5") as dataset, pytest.raises(DatasetError, match="names with '/'"):
        dataset["sports"]


def test_unknown_keys_are_key_errors_and_membership_reads_nothing(tmp_path: Path) -> None:
    broken = {**summe_like(), "picks": np.zeros(T)}
    with read_dataset(write(tmp_path / "d.h5", summe_like(), broken, names=("video_10", "video_2"))) as dataset:
        assert list(dataset) == ["video_2", "video_10"]
        assert "video_2" in dataset
        assert "video_3" not in dataset
        assert dataset.has_features("video_10")
        with pytest.raises(KeyError):
            dataset["video_3"]
        with pytest.raises(KeyError):
            dataset.has_features("video_3")


@given(st.lists(st.text(min_size=1, max_size=6), max_size=8))
def test_natural_order_takes_any_names(names: list[str]) -> None:
    assert sorted(natural_order(names)) == sorted(names)


def test_natural_order_counts() -> None:
    assert natural_order(["video_10", "video_9", "a²", "2", "10"]) == ["2", "10", "a²", "video_9", "video_10"]


# Round trips ---------------------------------------------------------------------------------------------------------


def full(key: str, name: str = "a name") -> Annotations:
    rng = np.random.default_rng(9)
    return Annotations(
        key=key,
        video_name=name,
        n_frames=N,
        picks=np.arange(0, N, 15),
        user_summaries=rng.random((U, N)) < 0.5,
        user_scores=rng.random((U, N), dtype=np.float32),
        gtscore=rng.random(T, dtype=np.float32),
        gtsummary=rng.random(T) < 0.5,
        shots=Shots.from_starts(STARTS, N),
        title='A "title", of two; parts',
        category="VT",
        fps=29.97,
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    names = ("Fire Domino", "Æ/ß 視頻.mp4", "con\\aux?*", " spaces ", "\udcff odd")
    videos = [full(f"video_{i}", name) for i, name in enumerate(names, 1)]
    write_dataset(tmp_path / "d.h5", ((v, None) for v in videos), name="mine", made_by={"tool": "test"})
    with read_dataset(tmp_path / "d.h5") as dataset:
        assert (dataset.name, dataset.made_by) == ("mine", {"tool": "test"})
        for video in videos:
            found = dataset[video.key]
            assert found.repairs == ()
            if video.video_name.isprintable():
                assert found.video_name == video.video_name.strip()
            for field in ("n_frames", "title", "category", "fps"):
                assert getattr(found, field) == getattr(video, field)
            for field in ("picks", "user_summaries", "user_scores", "gtscore", "gtsummary"):
                np.testing.assert_array_equal(getattr(found, field), getattr(video, field))
            assert found.shots is not None
            assert video.shots is not None
            np.testing.assert_array_equal(found.shots.bounds, video.shots.bounds)
            assert not dataset.has_features(video.key)
            with pytest.raises(FeatureFileError):
                dataset.features[video.key]


def test_the_written_file_is_the_communitys_layout(tmp_path: Path) -> None:
    write_dataset(tmp_path / "d.h5", [(full("video_1"), None)], name="mine", made_by={})
    with h5py.File(tmp_path / "d.h5") as file:
        group = file["video_1"]
        assert group["change_points"][()].tolist() == [[0, 29], [30, 58], [59, 98], [99, 99]]  # inclusive
        assert group["n_frame_per_seg"][()].sum() == N
        assert group["user_summary"].shape == (U, N)
        assert group["user_summary"].dtype == np.float32
        assert (int(group["n_frames"][()]), int(group["n_steps"][()])) == (N, T)


def test_features_go_along_and_take_the_videos_name(tmp_path: Path) -> None:
    features = FrameFeatures("stem_of_file", np.ones((T, 4), dtype=np.float32), np.arange(0, N, 15), N)
    write_dataset(tmp_path / "d.h5", [(full("video_1", "Its name"), features)], name="mine", made_by={})
    with read_dataset(tmp_path / "d.h5") as dataset:
        assert dataset["video_1"].video_name == dataset.features["video_1"].name == "Its name"
        assert dataset.has_features("video_1")


def test_what_does_not_fit_is_not_written(tmp_path: Path) -> None:
    other = FrameFeatures("x", np.ones((5, 4), dtype=np.float32), np.arange(0, 75, 15), N)
    with pytest.raises(ValueError, match="5 picks"):
        write_dataset(tmp_path / "d.h5", [(full("video_1"), other)], name="mine", made_by={})
    with pytest.raises(ValueError, match="two videos have the key 'video_1'"):
        write_dataset(tmp_path / "d.h5", [(full("video_1"), None)] * 2, name="mine", made_by={})
    assert list(tmp_path.iterdir()) == []


def test_what_others_keep_under_our_names_is_harmless(tmp_path: Path) -> None:
    path = write(tmp_path / "d.h5", summe_like())
    with h5py.File(path, "a") as file:
        file.attrs["made_by"] = "a person"
        file.attrs["dataset"] = np.bytes_("theirs")
    with read_dataset(path) as dataset:
        assert (dataset.name, dataset.made_by) == ("theirs", {"made_by": "a person"})
