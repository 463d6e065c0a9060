"""The world as files: the same bytes, read back by what will read them, and a truth that can be checked by hand."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sspvs.annotations.splits import read_splits
from sspvs.cli import main
from sspvs.errors import OutputError
from sspvs.formats.manifest import read_manifest
from sspvs.table import read_dataset, read_features
from sspvs.world import World, WorldSettings, write_world
from sspvs.world.settings import knobs

VALUES: dict[str, Any] = {
    "pretrain_train": 12,
    "pretrain_val": 5,
    "annotated": 11,
    "drawn": {"feature_dim": 16, "categories": 3, "concepts_per_category": 3, "clips_per_concept": 24},
    "annotators": {"people": 4},
}
SETTINGS = WorldSettings.from_dict(VALUES)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "made" / "here"
    write_world(folder, SETTINGS, 3)
    return folder


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_same_seed_gives_the_same_bytes_in_another_process_and_second(written: Path, tmp_path: Path) -> None:
    time.sleep(1.1)  # time stamps in h5 files count seconds
    code = (
        "import json, sys; from sspvs.world import *; "
        "write_world(sys.argv[1], WorldSettings.from_dict(json.loads(sys.argv[2])), 3)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "again"), json.dumps(VALUES)]
    subprocess.run(arguments, check=True, timeout=120, env={**os.environ, "PYTHONHASHSEED": "17"})
    assert _digests(tmp_path / "again") == _digests(written)
    write_world(tmp_path / "other", SETTINGS, 4)
    assert not set(_digests(tmp_path / "other").values()) & set(_digests(written).values())


def test_everything_is_there_and_nothing_else(written: Path) -> None:
    assert set(_digests(written)) == {
        "pretrain/train.jsonl",
        "pretrain/val.jsonl",
        "pretrain/features.h5",
        "summarization.h5",
        "summarization.jsonl",
        "splits.json",
        "world.json",
    }


def test_manifests_lead_to_the_features_of_the_world(written: Path) -> None:
    world = World(SETTINGS, 3)
    for part in ("train", "val"):
        videos = list(world.pretraining_videos(part=part))
        lines = _lines(written / "pretrain" / f"{part}.jsonl")
        assert [line["id"] for line in lines] == [video.name for video in videos]
        for line, video in zip(lines, videos, strict=True):
            file, group = line["path"].split("#")
            found = read_features(written / "pretrain" / file)[group]
            assert np.allclose(found.features, video.features.features, rtol=1e-3, atol=1e-3)
            assert (found.n_frames, found.picks[1]) == (15 * video.plan.n_picks, 15)
            assert {name: line[name] for name in video.texts._fields} == video.texts._asdict()
    with h5py.File(written / "pretrain" / "features.h5") as file:
        assert file["train_00000/features"].dtype == np.float16


def test_our_own_reader_of_manifests_takes_them(written: Path) -> None:
    entries = read_manifest(written / "pretrain" / "train.jsonl")
    assert [entry.id for entry in entries] == [f"train_{number:05d}" for number in range(12)]
    assert len(read_manifest(written / "summarization.jsonl")) == 11


def test_the_dataset_reads_back_as_the_community_writes_them(written: Path) -> None:
    dataset = read_dataset(written / "summarization.h5")
    videos = {video.name: video for video in World(SETTINGS, 3).annotated_videos()}
    assert list(dataset) == list(videos)
    assert dataset.name == "synthetic"
    assert dataset.made_by["synthetic"] is True
    texts = {line["id"]: line for line in _lines(written / "summarization.jsonl")}
    for key, video in videos.items():
        found, made = dataset[key], video.annotations
        assert made is not None
        assert found.repairs == ()
        for field in ("picks", "user_scores", "user_summaries", "gtscore"):
            assert np.array_equal(getattr(found, field), getattr(made, field)), field
        assert found.shots is not None
        assert made.shots is not None
        assert np.array_equal(found.shots.bounds, made.shots.bounds)
        assert (found.title, found.category, found.fps) == (made.title, made.category, 30.0)
        assert (texts[key]["title"], texts[key]["category"]) == (found.title, found.category)
        assert np.array_equal(dataset.features[key].features, video.features.features)


def test_fingerprints_say_synthetic_and_agree(written: Path) -> None:
    of_pretraining = read_features(written / "pretrain" / "features.h5").fingerprint
    of_dataset = read_dataset(written / "summarization.h5").features.fingerprint
    assert of_pretraining is not None
    assert of_pretraining == of_dataset
    assert of_pretraining.backbone.startswith("synthetic")
    other = World(SETTINGS, 4).source.fingerprint
    assert other.digest != of_pretraining.digest
    more = WorldSettings.from_dict({**VALUES, "annotated": 20, "rules": {"rare": 2.0}})
    assert World(more, 3).source.fingerprint == of_pretraining  # the features are the same


def test_splits_test_every_video_once_and_share_no_clip(written: Path) -> None:
    dataset = read_dataset(written / "summarization.h5")
    splits = read_splits(written / "splits.json").resolve(dataset, dataset.name)
    assert len(splits.folds) == 5
    assert splits.setting == "canonical"
    assert set(splits.coverage(dataset, dataset.name).tested.values()) == {1}
    assert not splits.coverage(dataset, dataset.name).untested
    truth = {video["id"]: video for video in json.loads((written / "world.json").read_text())["videos"]}

    def clips(keys: Any) -> set[str]:
        return {segment["clip"] for key in keys for segment in truth[key]["segments"]}

    pretraining = clips(key for key in truth if not key.startswith("video_"))
    for fold in splits.folds:
        train, val, test = (clips(ref.key for ref in refs) for refs in (fold.train, fold.val, fold.test))
        assert train
        assert val
        assert test
        assert not train & val
        assert not test & (train | val | pretraining)


def test_importance_follows_from_the_truth_by_hand(written: Path) -> None:
    """The rules again, in plain loops over world.json."""
    world = json.loads((written / "world.json").read_text())
    rules = world["settings"]["rules"]
    for video in world["videos"]:
        named = [(item["concept"], item["category"]) for item in video["named"]]
        seconds: dict[tuple[str, str], float] = {}
        showings: dict[tuple[str, str], int] = {}
        for segment in video["segments"]:
            what = (segment["concept"], segment["category"])
            seconds[what] = seconds.get(what, 0) + segment["end_seconds"] - segment["start_seconds"]
            showings[what] = showings.get(what, 0) + 1
        for segment in video["segments"]:
            what = (segment["concept"], segment["category"])
            value = rules["rare"] * (1 - seconds[what] / max(seconds.values()))
            if what in named:
                value += rules["title"]
            if segment["category"] == video["category"]:
                value += rules["topic"]
            for _ in range(showings[what] - 1):
                value *= rules["repeat"]
            assert segment["importance"] == pytest.approx(value, abs=2e-6)
        for second, importance in enumerate(video.get("importance_per_second", [])):
            at = [s for s in video["segments"] if s["start_seconds"] <= second < s["end_seconds"]]
            assert [importance] == [segment["importance"] for segment in at]
        assert all(a["end_seconds"] == b["start_seconds"] for a, b in zip(video["segments"], video["segments"][1:]))  # noqa: B905
    assert sum("importance_per_second" in video for video in world["videos"]) == 11
    assert {tuple(item.values())[:2] for item in world["concepts"]} >= {
        (segment["concept"], segment["category"]) for video in world["videos"] for segment in video["segments"]
    }


def test_truth_and_texts_fit(written: Path) -> None:
    world = json.loads((written / "world.json").read_text())
    manifests = [written / "pretrain" / "train.jsonl", written / "pretrain" / "val.jsonl"]
    lines = [line for path in (*manifests, written / "summarization.jsonl") for line in _lines(path)]
    assert [video["id"] for video in world["videos"]] == [line["id"] for line in lines]
    for video, line in zip(world["videos"], lines, strict=True):
        assert video["texts"] == {name: line[name] for name in ("category", "query", "title", "description")}
    assert world["digest"] == World(SETTINGS, 3).digest
    assert WorldSettings.from_dict(world["settings"]) == SETTINGS
    assert world["parts"]["train"]["clips"] > world["parts"]["fold_0"]["clips"] > 0


def test_a_smaller_world_over_a_larger_one_leaves_nothing_of_it(tmp_path: Path) -> None:
    write_world(tmp_path, SETTINGS, 0)
    write_world(tmp_path, WorldSettings.from_dict({**VALUES, "annotated": 0, "pretrain_val": 0}), 0)
    assert set(_digests(tmp_path)) == {"pretrain/train.jsonl", "pretrain/features.h5", "world.json"}


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_world(tmp_path / "file" / "world", SETTINGS)


def test_the_command_writes_the_same_and_says_what(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "w"
    arguments = ["--pretrain", "12", "--val", "5", "--annotated", "11", "--seed", "3", "--set", "annotators.people=4"]
    for knob in ("feature_dim=16", "categories=3", "concepts_per_category=3", "clips_per_concept=24"):
        arguments += ["--set", f"drawn.{knob}"]
    assert main(["data", "world", "--out", str(out), *arguments]) == 0
    assert _digests(out) == _digests(written)
    printed = capsys.readouterr().out
    assert "12 + 5 videos" in printed
    assert "11 videos, 4 people each (ratings)" in printed


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        ([], "give --out"),
        (["--out", str(tmp_path / "w"), "--set", "rules.titel=1"], "unknown world setting 'rules.titel'"),
        (["--out", str(tmp_path / "w"), "--set", "rules"], "expected KNOB=VALUE"),
        (["--out", str(tmp_path / "w"), "--set", "folds=1"], "folds must be at least 2, got 1"),
        (["--out", str(tmp_path / "w"), "--clips", str(tmp_path / "none.h5")], "no such file or folder"),
    ):
        assert main(["data", "world", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error:")
        assert error.count("\n") == 1
        assert message in error
    assert not (tmp_path / "w").exists()


def test_every_knob_is_explained_by_the_command_and_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "world", "--knobs"]) == 0
    printed = capsys.readouterr().out
    page = (Path(__file__).parents[2] / "sspvs" / "world" / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)` \| `([^`]+)` \|", page, flags=re.MULTILINE))
    assert len(knobs()) > 40
    for knob in knobs():
        assert f"{knob.name} = {knob.default}\n" in printed
        assert len(knob.doc) > 10
        assert rows.pop(knob.name).replace(" ", "") == knob.default.replace(" ", ""), knob.name
    assert not rows
