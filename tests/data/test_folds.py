"""Folds of fine-tuning: who trains, chooses and tests, by the published split files and by drawn ones; no leak."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import pytest
from helpers.drawn_dataset import drawn_video
from helpers.summarization_material import small_world, write_annotated
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.annotations import read_summe, read_tvsum
from sspvs.annotations.dataset import build_dataset
from sspvs.annotations.shots import ShotRule
from sspvs.annotations.video_names import short_name
from sspvs.data.folds import FoldVideos, Stores, ValidateOn, plan_fold, split_of
from sspvs.data.summarize import SummarizeDataModule
from sspvs.errors import DatasetError

CHOICES = get_args(ValidateOn)
SPLITS = [f"{tested}{kind}_splits" for tested in ("summe", "tvsum") for kind in ("", "_aug", "_trans")]
EVER_TESTED = {"summe": 25, "tvsum": 50, "summe_aug": 15, "tvsum_aug": 34, "summe_trans": 25, "tvsum_trans": 50}


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SumMe and TVSum from the official annotations, with drawn features; OVP and YouTube drawn, without users."""
    folder = tmp_path_factory.mktemp("real")
    paths = {name: folder / f"eccv16_dataset_{name}_google_pool5.h5" for name in ("summe", "tvsum", "ovp", "youtube")}
    official = {
        "summe": read_summe(shared_data / "annotations" / "summe_gt"),
        "tvsum": read_tvsum(shared_data / "annotations" / "ydata-tvsum50.mat"),
    }
    for name, source in official.items():
        features = folder / f"{name}_features.h5"
        with h5py.File(features, "w") as file:
            for video in source.videos:
                picks = np.arange(0, video.n_frames or 0, 15)
                file[f"{video.key}/picks"], file[f"{video.key}/n_frames"] = picks, video.n_frames
                file[f"{video.key}/features"] = np.random.default_rng(1).random((len(picks), 4), np.float32)
        build_dataset(replace(source, name=paths[name].stem), paths[name], features=features, shots=ShotRule("uniform"))
    for name in ("ovp", "youtube"):
        videos = [drawn_video(number) for number in range(1, 51)]
        write_annotated(paths[name], videos, name=name, width=4, user_summaries=None, user_scores=None)
    return paths


def stores_of(paths: dict[str, Path], tested: str) -> Stores:
    return Stores(paths[tested], [path for name, path in paths.items() if name != tested])


def no_leak(fold: FoldVideos, validate_on: str) -> None:
    train, val, test = map(set, fold)
    assert [len(part) for part in (train, val, test)] == [len(part) for part in fold]  # each once
    assert not train & test
    assert not train & val
    assert train
    assert test
    assert val == (test if validate_on == "test" else val)
    if validate_on == "held-out":
        assert val
        assert not val & test
    if validate_on == "nothing":
        assert not val


@pytest.mark.parametrize("name", SPLITS)
def test_the_published_files(name: str, real: dict[str, Path], shared_data: Path) -> None:
    """Against the files as JSON: the parts are theirs, and what is held out comes out of training alone."""
    file = shared_data / "splits" / f"{name}.json"
    written = json.loads(file.read_text())
    tested = name.split("_")[0]
    stores = stores_of(real, tested)
    split = split_of(stores, file, setting="canonical", seed=0)
    assert len(split.folds) == len(written)
    assert split.name == file.name

    def named(keys: list[str]) -> set[str]:
        parts = [key.rpartition("/") for key in keys]
        own = {short_name(store.name): store.name for store in stores.values()}
        return {f"{own[short_name(dataset) if dataset else tested]}/{key}" for dataset, _, key in parts}

    counts: Counter[str] = Counter()
    for number, keys in enumerate(written):
        for validate_on in CHOICES:
            fold = plan_fold(split, number, stores, validate_on=validate_on, val_share=0.2, seed=0)
            no_leak(fold, validate_on)
            assert set(fold.test) == named(keys["test_keys"])
            held = set(fold.val) if validate_on == "held-out" else set()
            assert set(fold.train) | held == named(keys["train_keys"])
            own = [video for video in named(keys["train_keys"]) if video.startswith(f"{stores.tested.name}/")]
            assert len(held) == (round(0.2 * len(own or keys["train_keys"])) if held else 0)
            assert not own or held <= set(own)
        counts.update(fold.test)
    assert len(counts) == EVER_TESTED[name.removesuffix("_splits")]
    if not name.endswith("aug_splits"):
        assert set(counts.values()) == {1}


@pytest.mark.parametrize("name", ["tvsum_aug_splits", "summe_trans_splits"])
def test_a_published_fold_is_read(name: str, real: dict[str, Path], shared_data: Path) -> None:
    tested = name.split("_")[0]
    others = [str(path) for key, path in real.items() if key != tested]
    data = SummarizeDataModule(str(real[tested]), others, str(shared_data / "splits" / f"{name}.json"), batch_size=16)
    data.setup()
    fold = data.fold_videos
    seen = [video for batch in data.test_dataloader() for video in batch.ids]
    assert sorted(seen) == sorted(fold.test)
    for batch in data.train_dataloader():
        assert set(batch.ids) <= set(fold.train)
        assert batch.target.amax(dim=1).ge(0).all()
    assert set(data.annotations) == {*fold.val, *fold.test}
    assert data.split.setting == {"tvsum_aug_splits": "augmented", "summe_trans_splits": "transfer"}[name]


# Drawn ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sets")
    sizes = {"summe": 7, "ovp": 6, "youtube": 4}
    return {name: write_annotated(folder / f"{name}.h5", size, name=name, width=3) for name, size in sizes.items()}


@settings(deadline=None)
@given(
    setting=st.sampled_from(["canonical", "augmented", "transfer"]),
    validate_on=st.sampled_from(CHOICES),
    share=st.floats(0.01, 0.95),
    seed=st.integers(0, 1000),
)
def test_drawn_folds(sets: dict[str, Path], setting: Any, validate_on: Any, share: float, seed: int) -> None:
    stores = Stores(sets["summe"]) if setting == "canonical" else stores_of(sets, "summe")
    split = split_of(stores, None, setting=setting, seed=seed)
    everyone = {f"{store.name}/{key}" for store in stores.values() for key in store}
    tested: Counter[str] = Counter()
    for number in range(len(split.folds)):
        fold = plan_fold(split, number, stores, validate_on=validate_on, val_share=share, seed=seed)
        no_leak(fold, validate_on)
        assert {*fold.train, *fold.val, *fold.test} == everyone
        tested.update(fold.test)
        again = plan_fold(split, number, stores, validate_on=validate_on, val_share=share, seed=seed)
        assert again == fold
        if validate_on == "held-out" and setting != "transfer":
            assert {video.split("/")[0] for video in fold.val} == {"summe"}
    assert tested == {f"summe/video_{number}": 1 for number in range(1, 8)}
    assert split.setting == setting
    assert len(split.sha256) == 64


def test_another_seed_holds_out_others(sets: dict[str, Path]) -> None:
    stores = Stores(sets["summe"])
    split = split_of(stores, None, setting="canonical", seed=0)
    held = {
        plan_fold(split, 0, stores, validate_on="held-out", val_share=0.2, seed=seed).val for seed in range(12)
    }  # fmt: skip
    assert len(held) > 2
    assert len({split_of(stores, None, setting="canonical", seed=seed).sha256 for seed in range(4)}) == 4


def written(path: Path, *folds: dict[str, list[str]]) -> Path:
    path.write_text(json.dumps([{f"{part}_keys": keys for part, keys in fold.items()} for fold in folds]))
    return path


def test_the_splits_own_validation_videos(
    sets: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = written(
        tmp_path / "s.json", {"train": ["video_1", "video_2", "video_3"], "val": ["video_3"], "test": ["video_4"]}
    )
    stores = Stores(sets["summe"])
    split = split_of(stores, path, setting="canonical", seed=0)
    folds = {
        choice: plan_fold(split, 0, stores, validate_on=choice, val_share=0.5, seed=0)
        for choice in CHOICES
    }  # fmt: skip
    one, two, three, four = (f"summe/video_{number}" for number in (1, 2, 3, 4))
    assert folds["held-out"] == ((one, two), (three,), (four,))  # it stood in both lists
    assert folds["test"] == ((one, two, three), (four,), (four,))
    assert folds["nothing"] == ((one, two, three), (), (four,))
    assert "s.json, fold 0: its 1 validation videos are trained on (validate_on test)" in caplog.text


def test_datasets_that_are_missing_are_named(sets: dict[str, Path], tmp_path: Path) -> None:
    path = written(
        tmp_path / "s.json",
        {"train": ["summe/video_1", "summe/video_2"], "test": ["summe/video_3"]},
        {
            "train": ["summe/video_1", "eccv16_dataset_ovp_google_pool5/video_2", "x/ovp.h5/video_1"],
            "test": ["video_4"],
        },
        {"train": ["tvsum/video_1", "ovp/video_2"], "val": ["youtube/video_1"], "test": ["summe/video_4"]},
    )
    plan: dict[str, Any] = {"validate_on": "held-out", "val_share": 0.2, "seed": 0}
    stores = Stores(sets["summe"])
    split = split_of(stores, path, setting="canonical", seed=0)
    assert len(plan_fold(split, 0, stores, **plan).train) == 1  # a fold that needs no other dataset
    with pytest.raises(
        DatasetError, match=r"fold 1: trains on 'ovp' \(2 videos\), which was not given \(given: 'summe'\)"
    ):
        plan_fold(split, 1, stores, **plan)
    listed = r"'ovp' \(1 video\) and 'tvsum' \(1 video\) and 'youtube' \(1 video\), which were not"
    with pytest.raises(DatasetError, match=listed) as reported:
        plan_fold(split, 2, stores, **plan)
    assert "data.others" in str(reported.value)
    assert "data.setting" in str(reported.value)
    stores = stores_of(sets, "summe")
    split = split_of(stores, path, setting="canonical", seed=0)
    fold = plan_fold(split, 1, stores, **{**plan, "validate_on": "nothing"})
    assert fold.train == ("summe/video_1", "ovp/video_2", "ovp/video_1")


@pytest.mark.parametrize(
    ("fold", "sentence"),
    [
        (
            {"train": ["ovp/video_60"], "test": ["video_1"]},
            "'ovp/video_60' not in the datasets 'summe', 'ovp', 'youtube'",
        ),
        ({"train": ["video_60"], "test": ["video_1"]}, "'video_60' not in dataset 'summe'"),
        ({"train": ["video_2"], "test": ["video_1"]}, "two training videos or more"),
        ({"train": [], "val": ["video_2"], "test": ["video_1"]}, "expected videos to train on, found none"),
    ],
)
def test_folds_that_cannot_be_used(
    fold: dict[str, list[str]], sentence: str, sets: dict[str, Path], tmp_path: Path
) -> None:
    path = written(tmp_path / "s.json", fold)
    with pytest.raises(DatasetError, match=sentence):
        _ = SummarizeDataModule(
            str(sets["summe"]), [str(sets["ovp"]), str(sets["youtube"])], str(path), val_share=0.5
        ).fold_videos


def test_arguments_that_do_not_go_together(sets: dict[str, Path], tmp_path: Path) -> None:
    summe, ovp = str(sets["summe"]), str(sets["ovp"])
    with pytest.raises(ValueError, match="fold must be from 0 to 4, as the drawn split has, got 5"):
        _ = SummarizeDataModule(summe, fold=5).fold_videos
    with pytest.raises(ValueError, match="canonical splits use one dataset"):
        _ = SummarizeDataModule(summe, [ovp]).split
    with pytest.raises(ValueError, match="two of the datasets have the same name"):
        _ = SummarizeDataModule(summe, [ovp, ovp], setting="augmented").split
    with pytest.raises(ValueError, match="validate_on must be one of held-out, test, nothing, got 'val'"):
        _ = SummarizeDataModule(summe, validate_on="val").fold_videos  # type: ignore[arg-type]
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="val_share must be above 0 and below 1"):
            SummarizeDataModule(summe, val_share=share)
    for given_both in ({}, {"dataset": summe, "world": small_world(tmp_path)}):
        with pytest.raises(ValueError, match=r"give data\.dataset"):
            SummarizeDataModule(**given_both)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"no annotated videos to train on; set world\.settings\.annotated"):
        SummarizeDataModule(world=small_world(tmp_path, annotated=0))


def test_a_world_brings_its_folds(tmp_path: Path) -> None:
    data = SummarizeDataModule(world=small_world(tmp_path), use_text="gate")
    assert data.n_folds == 5
    assert data.feature_dim == 16
    truth = json.loads(next((tmp_path / "worlds").glob("*/world.json")).read_text())
    part = {f"synthetic/{video['id']}": video["part"] for video in truth["videos"]}
    clips: dict[str, set[str]] = {}
    for video in truth["videos"]:
        clips.setdefault(f"synthetic/{video['id']}", set()).update(segment["clip"] for segment in video["segments"])
    for number in range(5):
        data = SummarizeDataModule(world=small_world(tmp_path), fold=number)
        parts = [{part[video] for video in videos} for videos in data.fold_videos]
        assert parts[1:] == [{f"fold_{(number + 1) % 5}"}, {f"fold_{number}"}] or len(parts[1]) == len(parts[2]) == 1
        shown = [set[str]().union(*(clips[video] for video in videos)) for videos in data.fold_videos]
        assert not shown[0] & shown[1]
        assert not shown[0] & shown[2]
        assert not shown[1] & shown[2]


def test_few_videos_have_few_folds(tmp_path: Path) -> None:
    path = write_annotated(tmp_path / "mine.h5", 3, name="mine", width=3)
    data = SummarizeDataModule(str(path))
    assert data.n_folds == 3
    assert [len(part) for part in data.fold_videos] == [1, 1, 1]


def test_without_a_fold_all_videos_are_trained_on(tmp_path: Path) -> None:
    own, other = (write_annotated(tmp_path / f"{name}.h5", 6, name=name) for name in ("mine", "yours"))
    how: dict[str, Any] = {"dataset": str(own), "others": [str(other)], "fold": None}
    every = {f"{name}/video_{number}" for name in ("mine", "yours") for number in range(1, 7)}
    data = SummarizeDataModule(**how, val_share=0.3)
    assert set(data.fold_videos.train) | set(data.fold_videos.val) == every
    assert not set(data.fold_videos.train) & set(data.fold_videos.val)
    assert len(data.fold_videos.val) == 2
    assert all(name.startswith("mine/") for name in data.fold_videos.val)
    assert data.fold_videos.test == ()
    with pytest.raises(ValueError, match=r"data.fold is null: .* none is tested"):
        data.test_dataloader()
    assert SummarizeDataModule(**how, val_share=0.3).fold_videos == data.fold_videos
    assert SummarizeDataModule(**how, val_share=0.3, split_seed=1).fold_videos.val != data.fold_videos.val
    nothing = SummarizeDataModule(**how, validate_on="nothing")
    assert (set(nothing.fold_videos.train), nothing.fold_videos.val) == (every, ())
    assert nothing.val_dataloader() == []
    with pytest.raises(ValueError, match="validate_on must be held-out or nothing"):
        SummarizeDataModule(**how, validate_on="test").fold_videos  # noqa: B018
    alone = write_annotated(tmp_path / "alone.h5", 1, name="alone")
    with pytest.raises(DatasetError, match="expected two videos or more"):
        SummarizeDataModule(str(alone), fold=None).fold_videos  # noqa: B018


def test_a_canonical_file_with_the_other_sets(real: dict[str, Path], shared_data: Path) -> None:
    stores, path = stores_of(real, "tvsum"), shared_data / "splits" / "tvsum_splits.json"
    canonical = split_of(stores, path, setting="canonical", seed=0)
    others = {f"{store.name}/{key}" for store in stores.others for key in store}
    assert len(others) == 25 + 50 + 50
    for setting in ("augmented", "transfer"):
        found = split_of(stores, path, setting=setting, seed=0)
        assert found.setting == setting
        assert found.sha256 == canonical.sha256
        for fold, plain in zip(found.folds, canonical.folds, strict=True):
            assert fold.test == plain.test
            own = set(map(str, plain.train)) if setting == "augmented" else set()
            assert set(map(str, fold.train)) == own | others
            assert len(fold.train) == len(own) + len(others)


def test_a_setting_that_a_split_file_cannot_have(real: dict[str, Path], shared_data: Path) -> None:
    path = shared_data / "splits" / "tvsum_trans_splits.json"
    with pytest.raises(
        ValueError, match=r"data\.setting augmented: tvsum_trans_splits\.json is transfer; give a canonical"
    ):
        split_of(stores_of(real, "tvsum"), path, setting="augmented", seed=0)
    with pytest.raises(ValueError, match=r"name at least one in data\.others"):
        split_of(Stores(real["tvsum"]), path.with_name("tvsum_splits.json"), setting="augmented", seed=0)
    assert split_of(stores_of(real, "tvsum"), path, setting="transfer", seed=0).setting == "transfer"
