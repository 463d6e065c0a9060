"""Scores of every kind that methods leave behind: read alike, or refused with the reason."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.drawn_dataset import NAMES, drawn_video

from sspvs.benchmark.matching import read_score_input
from sspvs.errors import DatasetError
from sspvs.table import VideoScores, write_scores
from sspvs.types import Fingerprint

SUMME = {f"video_{n}": drawn_video(n, name=name) for n, name in enumerate(NAMES, start=1)}
SCORES = {key: np.random.default_rng(len(key)).random(len(video.picks)) for key, video in SUMME.items()}
Writer = Callable[[Path], Path]


def _held(key: str) -> np.ndarray:
    """Scores at every frame, from the definition: that of the last pick at or before the frame."""
    picks, frames = SUMME[key].picks, range(SUMME[key].n_frames)
    return np.array([SCORES[key][max(i for i, pick in enumerate(picks) if pick <= frame)] for frame in frames])


def _json(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _ours(folder: Path) -> Path:
    path = folder / "s.h5"
    rows = [VideoScores(k, SCORES[k], v.picks, v.n_frames, v.video_name) for k, v in SUMME.items()]
    fingerprint = Fingerprint("net", "ab" * 32, "t", "n", 2.0)
    write_scores(path, rows, scorer="contrastive", settings={"combine": "ag"}, fingerprint=fingerprint)
    return path


def _peers(folder: Path) -> Path:
    path = folder / "peer.h5"
    with h5py.File(path, "w") as file:
        for key, video in SUMME.items():
            file[f"{key}/score"] = SCORES[key].astype(np.float32)
            file[f"{key}/machine_summary"] = (np.arange(video.n_frames) % 7 == 0).astype(np.float32)
            file[f"{key}/fm"] = 0.5
    return path


def _ours_by_file_name(folder: Path) -> Path:
    path = folder / "s.h5"
    write_scores(path, [VideoScores(f"{v.video_name}.mp4", SCORES[k]) for k, v in SUMME.items()], scorer="x")
    return path


def _other_rate(folder: Path) -> Path:
    rows = {}
    for key, video in SUMME.items():
        frames = np.arange(0, video.n_frames, 5)
        rows[key] = {"scores": _held(key)[frames].tolist(), "picks": frames.tolist()}
    return _json(folder / "s.json", rows)


def _npz(folder: Path) -> Path:
    np.savez(folder / "s.npz", **SCORES)
    return folder / "s.npz"


def _csv(folder: Path, clock: str) -> Path:
    lines = [f"Video, {clock}, Score"]
    for key, video in SUMME.items():
        values = _held(key) if clock == "frame" else SCORES[key]
        lines += [f"{video.video_name},{place},{value!r}" for place, value in enumerate(values.tolist())][::-1]
    (folder / "s.csv").write_text("\n".join(lines) + "\n")
    return folder / "s.csv"


def _by(name: Callable[[str], str], values: Callable[[str], Any]) -> Writer:
    return lambda folder: _json(folder / "s.json", {name(key): values(key) for key in SUMME})


KINDS: dict[str, Writer] = {
    "our score file": _ours,
    "our score file, by file name": _ours_by_file_name,
    "a peer's score file": _peers,
    "JSON by key, a pick": _by(str, lambda key: SCORES[key].tolist()),
    "JSON by key, a frame": _by(str, lambda key: _held(key).tolist()),
    "JSON by name": _by(lambda key: SUMME[key].video_name, lambda key: SCORES[key].tolist()),
    "JSON, underscores": _by(lambda key: SUMME[key].video_name.replace(" ", "_"), lambda key: SCORES[key].tolist()),
    "JSON, spaces": _by(lambda key: SUMME[key].video_name.replace("_", " "), lambda key: SCORES[key].tolist()),
    "JSON, file names": _by(lambda key: f"{SUMME[key].video_name}.mp4", lambda key: {"scores": SCORES[key].tolist()}),
    "JSON, dataset before the key": _by(lambda key: f"summe/{key}", lambda key: SCORES[key].tolist()),
    "JSON at another rate": _other_rate,
    "npz": _npz,
    "CSV of picks": lambda folder: _csv(folder, "pick"),
    "CSV of frames": lambda folder: _csv(folder, "frame"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_the_same(kind: str, tmp_path: Path) -> None:
    found = read_score_input(KINDS[kind](tmp_path), SUMME)
    assert list(found.predictions) == list(SUMME)
    assert found.missing == ()
    assert found.warnings == ()
    for key, prediction in found.predictions.items():
        np.testing.assert_allclose(prediction.at_frames, _held(key), rtol=1e-6)
        np.testing.assert_allclose(prediction.at_picks, SCORES[key], rtol=1e-6)
        assert prediction.summary is None


def test_a_mapping_of_arrays_will_do() -> None:
    found = read_score_input(SCORES, SUMME)
    np.testing.assert_array_equal(found.predictions["video_3"].at_picks, SCORES["video_3"])


def test_what_a_score_file_says_of_itself_is_kept(tmp_path: Path) -> None:
    source = read_score_input(_ours(tmp_path), SUMME).source
    assert source["file"] == "s.h5"
    assert len(source["sha256"]) == 64
    assert source["scorer"] == "contrastive"
    assert source["settings"] == {"combine": "ag"}
    assert source["feature_fingerprint"]["backbone"] == "net"


def test_recorded_summaries_are_taken_on_demand(tmp_path: Path) -> None:
    found = read_score_input(_peers(tmp_path), SUMME, recorded_summaries=True)
    for key, prediction in found.predictions.items():
        assert prediction.summary is not None
        np.testing.assert_array_equal(np.flatnonzero(prediction.summary), np.arange(0, SUMME[key].n_frames, 7))
    with pytest.raises(DatasetError, match=r"'Air_Force_One\.mp4': no recorded summary"):
        read_score_input(_ours_by_file_name(tmp_path), SUMME, recorded_summaries=True)


def _first(value: Any, **others: Any) -> dict[str, Any]:
    return {**{key: scores.tolist() for key, scores in SCORES.items()}, "video_1": value, **others}


T1, N1 = len(SUMME["video_1"].picks), SUMME["video_1"].n_frames
REFUSED: dict[str, tuple[Any, str]] = {
    "too few": (_first([0.5, 0.5]), f"expected {T1} scores (one a pick) or {N1} (one a frame), got 2"),
    "NaN": (_first([float("nan")] * T1), "nan"),
    "infinite": (_first([float("inf")] * T1), "inf"),
    "too large": (_first([1e308] * T1), "scores must be finite and at most 3.4e+38, got 1e+308"),
    "a whole number too large": (_first([10**400] * T1), "a whole number of 401 digits"),
    "a whole number of too many digits": ('{"video_1": [' + "9" * 5000 + "]}", "s.json"),
    "picks too large": (_first({"scores": [0.1, 0.2], "picks": [0, 1e300]}), "whole frame numbers"),
    "nested": (_first([[0.5] * T1]), f"expected one list of numbers (one a pick or a frame), found shape (1, {T1})"),
    "ragged": (_first([[0.5], [0.5, 1]]), "lists of different lengths"),
    "texts": (_first(["0.5"] * T1), "expected numbers, found '0.5'"),
    "nulls": (_first([None] * T1), "expected numbers, found None"),
    "a number": (_first(0.5), "expected one list of numbers"),
    "empty list": (_first([]), "at least one value, got shape (0,)"),
    "unknown field": (_first({"scores": [0.1] * T1, "pick": [1]}), "expected 'scores' (and 'picks', 'summary')"),
    "picks too many": (_first({"scores": [0.1], "picks": [0, 1, 2]}), "picks"),
    "picks between frames": (_first({"scores": [0.1], "picks": [0.5]}), "whole frame numbers"),
    "picks backwards": (_first({"scores": [0.1, 0.2], "picks": [20, 10]}), "increase"),
    "twice under two names": (
        _first([0.5] * T1, Air_Force_One=[0.5] * T1),
        "'video_1' and 'Air_Force_One' are both video 'video_1'",
    ),
    "twice under one name": ('{"video_1": [1], "video_1": [1]}', "'video_1' occurs twice in one object"),
    "a list": ([1, 2], "found a list of 2"),
    "nothing": ({}, "found a dict of nothing"),
    "an empty file": ("", "the file is empty"),
    "half a file": ('{"video_1": [0.5, ', "no whole JSON file"),
    "nested without end": ("[" * 100_000, "s.json"),
    "another dataset": ({"video_91": [1, 2]}, "no scores of any of the 7 videos"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    content, message = REFUSED[case]
    with pytest.raises(DatasetError) as caught:
        read_score_input(_json(tmp_path / "s.json", content), SUMME)
    assert message in str(caught.value)
    assert "s.json" in str(caught.value)


BROKEN: dict[str, tuple[str, Callable[[Path], bytes], str]] = {
    "pickle": ("s.json", lambda _: pickle.dumps({"video_1": [1.0]}), "a pickle, which is never opened"),
    "pickle called h5": ("s.h5", lambda _: pickle.dumps({}), "cannot read scores"),
    "truncated h5": ("s.h5", lambda folder: _ours(folder).read_bytes()[:3000], "cannot read scores"),
    "noise": ("s.json", lambda _: bytes(range(129, 255)), "of no known kind"),
    "one array": ("s.npy", lambda folder: _saved(folder, np.ones(3)), "one array of no named video"),
    "zip of something": ("s.npz", lambda folder: _zipped(folder), "not of arrays"),
    "truncated npz": (
        "s.npz",
        lambda folder: _npz(folder).read_bytes()[:900],
        "a zip archive (.npz, PyTorch) that is cut short",
    ),
    "npz of objects": ("s.npz", lambda folder: _objects(folder), "never opened"),
    "CSV without header": ("s.csv", lambda _: b"video_1,0,0.5\n", "expected a first line with video, pick"),
    "CSV with a gap": ("s.csv", lambda _: b"video,pick,score\nvideo_1,0,1\nvideo_1,2,1\n", "without a gap"),
    "CSV with a double": ("s.csv", lambda _: b"video,pick,score\nvideo_1,0,1\nvideo_1,0,1\n", "line 3: pick 0"),
    "CSV with a text": ("s.csv", lambda _: b"video,pick,score\nvideo_1,0,high\n", "line 2: expected"),
    "CSV with a frame too large": ("s.csv", lambda _: b"video,frame,score\nvideo_1," + b"9" * 30 + b",1\n", "line 2"),
    "complex npz": ("s.npz", lambda folder: _complex(folder), "expected numbers, found 1j"),
    "CSV with a short line": ("s.csv", lambda _: b"video,pick,score\nvideo_1\n", "line 2: expected"),
}


def _saved(folder: Path, array: np.ndarray) -> bytes:
    np.save(folder / "a.npy", array)
    return (folder / "a.npy").read_bytes()


def _complex(folder: Path) -> bytes:
    np.savez(folder / "a.npz", video_1=np.ones(3) * 1j)
    return (folder / "a.npz").read_bytes()


def _objects(folder: Path) -> bytes:
    np.savez(folder / "a.npz", video_1=np.array([{"a": 1}], dtype=object))
    return (folder / "a.npz").read_bytes()


def _zipped(folder: Path) -> bytes:
    import zipfile

    with zipfile.ZipFile(folder / "a.zip", "w") as file:
        file.writestr("model/data.pkl", b"\x80\x04")
    return (folder / "a.zip").read_bytes()


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused_by_name(case: str, tmp_path: Path) -> None:
    name, make, message = BROKEN[case]
    content = make(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        read_score_input(tmp_path / name, SUMME)
    assert message in str(caught.value)
    assert name in str(caught.value)


def test_an_h5_file_with_something_else_says_what_it_has(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["video_1/features"] = np.zeros((3, 4))
    with pytest.raises(DatasetError, match=r"expected a dataset 'scores' \(T,\) in group 'video_1', found features"):
        read_score_input(tmp_path / "d.h5", SUMME)


@pytest.mark.parametrize("path", ["gone.json", "gone.h5", "."])
def test_a_missing_file_is_named(path: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone|cannot read"):
        read_score_input(tmp_path / path, SUMME)


def test_missing_videos_are_listed_with_their_names() -> None:
    some = {key: SCORES[key] for key in ("video_1", "video_3")}
    with pytest.raises(DatasetError, match=r"no scores of 5 of 7 videos: 'video_2' \(Base jumping\), 'video_4'"):
        read_score_input(some, SUMME)
    found = read_score_input(some, SUMME, allow_missing=True)
    assert list(found.predictions) == ["video_1", "video_3"]
    assert found.missing == ("video_2", "video_4", "video_5", "video_6", "video_7")
    assert "2 videos are evaluated" in found.warnings[0]


def test_only_what_is_tested_is_needed() -> None:
    some = {key: SCORES[key] for key in ("video_1", "video_3")}
    assert list(read_score_input(some, SUMME, keys=["video_3"]).predictions) == ["video_3"]


def test_videos_that_the_dataset_has_not_are_a_warning() -> None:
    found = read_score_input({**SCORES, "Holiday": [1.0]}, SUMME)
    assert list(found.predictions) == list(SUMME)
    assert found.warnings == ("scores: no such video in the dataset: 'Holiday'; left out",)


def _carrying(folder: Path, names: dict[str, str]) -> Path:
    path = folder / "s.h5"
    rows = [VideoScores(k, SCORES[k], None, None, names.get(k, v.video_name)) for k, v in SUMME.items()]
    write_scores(path, rows, scorer="x")
    return path


@pytest.mark.parametrize("carried", ["AwmHb44_ouw", "Base jumping"])
def test_scores_that_carry_another_videos_name_are_refused(carried: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"these are scores of '{carried}', but 'video_1' of the dataset is"):
        read_score_input(_carrying(tmp_path, {"video_1": carried}), SUMME)


def test_another_spelling_of_the_name_is_fine(tmp_path: Path) -> None:
    assert read_score_input(_carrying(tmp_path, {"video_2": "base_jumping.mp4"}), SUMME).warnings == ()


def test_a_frame_more_is_a_warning_and_many_are_another_video(tmp_path: Path) -> None:
    video = SUMME["video_1"]
    for more, picks in ((2, [0, 40, N1 + 1]), (50, [0, 40, 80])):
        path = tmp_path / f"{more}.h5"
        write_scores(path, [VideoScores("video_1", np.arange(3.0), np.array(picks), N1 + more)], scorer="x")
    found = read_score_input(tmp_path / "2.h5", {"video_1": video})
    assert f"made for {N1 + 2} frames, but the dataset's video has {N1}" in found.warnings[0]
    assert found.predictions["video_1"].at_frames[-1] == 1
    with pytest.raises(DatasetError, match="another video, or another frame rate"):
        read_score_input(tmp_path / "50.h5", {"video_1": video})


def test_names_that_two_videos_share_find_neither() -> None:
    twins = {f"video_{n}": drawn_video(n, name="Jumps") for n in (1, 2)}
    with pytest.raises(DatasetError, match="no scores of any"):
        read_score_input({"Jumps": SCORES["video_1"]}, twins)


def test_a_peers_published_file_is_read(shared_data: Path) -> None:
    from sspvs.formats.scores import read_score_file

    for path in sorted((shared_data / "peer_scores").glob("*.h5")):
        videos = read_score_file(path)
        assert len(videos) == 5
        for video in videos.values():
            assert video.summary is not None
            assert len(video.scores) == -(-len(video.summary) // 15)
