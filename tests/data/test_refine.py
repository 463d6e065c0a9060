"""The data module of refinement: a fold, unlabelled videos, both; restarts, ranks, what it refuses."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from helpers.drawn_dataset import drawn_video
from helpers.format_material import frame_bytes, sequence_example, tfrecord
from helpers.pair_sets import features_of
from helpers.recorder import Recorder, restarted
from helpers.summarization_material import WIDTH, features_for, fingerprint_of, small_world, write_annotated

from sspvs.data.batch import RefineBatch
from sspvs.data.loader import Pick
from sspvs.data.refine import RefineDataModule
from sspvs.data.summarize import SummarizeDataModule
from sspvs.data.unlabelled import held_out
from sspvs.errors import DatasetError, FeatureFileError, FingerprintMismatchError
from sspvs.table import FeatureMemory, write_dataset, write_features
from sspvs.table.reader import dequantise
from sspvs.training.saving import KeepPlace
from sspvs.types import FrameFeatures

VIDEOS = [drawn_video(number, name=f"Big_dog_{number}", ratings=True) for number in range(1, 16)]
PICKS = {f"summe/{video.key}": len(video.picks) for video in VIDEOS}


@pytest.fixture(scope="module")
def summe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen videos of 6 to 14 picks."""
    return write_annotated(tmp_path_factory.mktemp("sets") / "summe.h5", VIDEOS, fingerprint=fingerprint_of())


def archive(path: Path, count: int = 10, width: int = WIDTH, **how: Any) -> Path:
    """Unlabelled videos of 20 to 29 frames."""
    rows = [
        FrameFeatures(f"v{number}", features_of(number, 20 + number, width), np.arange(20 + number), 20 + number)
        for number in range(count)
    ]
    write_features(path, rows, fingerprint=how.get("fingerprint", fingerprint_of()))
    return path


def ready(path: Path | None = None, features: Path | None = None, **how: Any) -> RefineDataModule:
    data = RefineDataModule(
        None if features is None else [str(features)],
        None if path is None else str(path),
        **{"clip_frames": 8, "batch_size": 3, **how},
    )
    data.setup()
    return data


# A fold --------------------------------------------------------------------------------------------------------------


def test_clips_of_the_training_videos_and_whole_tested_ones(summe: Path) -> None:
    data = ready(summe, repeats=3, validate_on="held-out", val_batch_size=2)
    same_fold = SummarizeDataModule(str(summe))
    assert data.fold_videos == same_fold.fold_videos
    assert (data.n_folds, data.feature_dim, data.feature_fingerprint) == (5, WIDTH, fingerprint_of())
    trained = list(data.train_dataloader())
    assert {name for batch in trained for name in batch.ids} <= set(data.fold_videos.train)
    for batch in trained:
        assert isinstance(batch, RefineBatch)
        assert batch.frames.shape == (3, 8, WIDTH)
        assert batch.frame_mask.all()
        for row, name in enumerate(batch.ids):
            number = int(name.rpartition("_")[2])
            rows = (batch.frames[row, :, 0].numpy() - 1000 * number).astype(int)
            whole = features_for(VIDEOS[number - 1], number).features
            np.testing.assert_array_equal(batch.frames[row], whole[rows])
            assert (np.diff(rows) >= (PICKS[name] >= 8)).all()
    for part, loader in (("val", data.val_dataloader()), ("test", data.predict_dataloader())):
        found = list(loader)
        names = [name for batch in found for name in batch.ids]
        assert sorted(names) == sorted(getattr(data.fold_videos, part))
        for batch in found:
            assert batch.frame_mask.sum(dim=1).tolist() == [PICKS[name] for name in batch.ids]
            for row, name in enumerate(batch.ids):
                assert not batch.frames[row, PICKS[name] :].any()


def test_it_judges_as_fine_tuning_does(summe: Path) -> None:
    mine, other = ready(summe), SummarizeDataModule(str(summe))
    assert mine.val_dataloader() == []  # the last epoch is taken, as published
    generator = np.random.default_rng(0)
    scores = {name: generator.random(PICKS[name]) for name in mine.fold_videos.test}
    other.setup()
    assert mine.judge(scores) == other.judge(scores)
    assert mine.judge(scores)["kendall_tau"] != 0
    assert set(mine.annotations) == set(mine.fold_videos.test)


@pytest.mark.parametrize("setting", ["canonical", "augmented", "transfer"])
def test_all_settings(setting: Any, summe: Path, tmp_path: Path) -> None:
    other = write_annotated(tmp_path / "tvsum.h5", 8, name="tvsum")
    with h5py.File(other, "r+") as file:  # other videos, not those of `summe` again
        for number in range(1, 9):
            features = file[f"video_{number}/features"]
            features[...] = features_of(100 + number, *features.shape)
    others = [] if setting == "canonical" else [str(other)]
    data = ready(summe, others=others, setting=setting)
    trained = {name.partition("/")[0] for name in data.fold_videos.train}
    assert trained == {"canonical": {"summe"}, "augmented": {"summe", "tvsum"}, "transfer": {"tvsum"}}[setting]
    seen = {name for batch in data.train_dataloader() for name in batch.ids}
    assert seen <= set(data.fold_videos.train)
    assert not seen & set(data.fold_videos.test)


def test_a_world_and_all_of_it(tmp_path: Path) -> None:
    world = small_world(tmp_path)
    data = RefineDataModule(world=world, clip_frames=20, batch_size=4)
    assert (data.n_folds, data.feature_dim) == (5, WIDTH)
    data.setup()
    assert next(iter(data.train_dataloader())).frames.shape == (4, 20, WIDTH)
    everything = RefineDataModule(world=world, fold=None, batch_size=4)
    assert len(everything.clips("train")) == 15
    with pytest.raises(ValueError, match=r"data\.fold is null"):
        everything.test_dataloader()


# Unlabelled videos ---------------------------------------------------------------------------------------------------


def test_unlabelled_videos_alone(tmp_path: Path) -> None:
    data = ready(features=archive(tmp_path / "mine.h5"))
    assert (data.feature_dim, data.feature_fingerprint) == (WIDTH, fingerprint_of())
    assert len(data.clips("train")) == 10
    assert data.val_dataloader() == []
    assert data.annotations == data.judge({"mine/v0": np.zeros(20)}) == {}
    with pytest.raises(ValueError, match="unlabelled videos cannot be tested"):
        data.test_dataloader()
    with pytest.raises(ValueError, match="no annotated videos"):
        data.n_folds  # noqa: B018


def test_one_path_needs_no_list() -> None:
    one = RefineDataModule(features="clips", dataset="d.h5", others="e.h5")
    several = RefineDataModule(features=["clips"], dataset="d.h5", others=["e.h5"])
    assert one.features == several.features == ("clips",)
    assert one.paths == several.paths == (Path("d.h5"), Path("e.h5"))


def test_unlabelled_videos_held_out(tmp_path: Path) -> None:
    path = archive(tmp_path / "mine.h5", 40)
    data = ready(features=path, validate_on="held-out", val_batch_size=4)
    trained = {data.clips("train").example(place).id for place in range(len(data.clips("train")))}
    first, second = list(data.val_dataloader()), list(data.val_dataloader())
    held = {name for batch in first for name in batch.ids}
    assert not trained & held
    assert len(trained | held) == 40
    assert 3 <= len(held) <= 14
    assert all(torch.equal(a.frames, b.frames) for a, b in zip(first, second, strict=True))  # fixed clips
    assert all(batch.frames.shape[1] == 8 for batch in first)
    (tmp_path / "few").mkdir()
    fewer = ready(features=archive(tmp_path / "few" / "mine.h5", 20), validate_on="held-out")
    assert {fewer.clips("val").example(place).id for place in range(len(fewer.clips("val")))} == {
        name for name in held if int(name.partition("/v")[2]) < 20
    }


@pytest.mark.parametrize(("count", "share"), [(2, 0.01), (2, 0.99), (5, 0.01), (5, 0.999), (30, 0.2)])
def test_one_at_least_is_held_out_and_never_all(count: int, share: float, tmp_path: Path) -> None:
    (table,) = ready(features=archive(tmp_path / "mine.h5", count), batch_size=1).clips("train").tables
    for seed in range(4):
        train, val = held_out([table], share, seed)
        numbers = [sorted(name for part in parts for name in part) for parts in (train, val)]
        assert sorted(numbers[0] + numbers[1]) == sorted(table)
        assert min(map(len, numbers)) >= 1


def test_both_together(summe: Path, tmp_path: Path) -> None:
    data = ready(summe, archive(tmp_path / "mine.h5"), batch_size=11, repeats=2)
    seen = {name for batch in data.train_dataloader() for name in batch.ids}
    assert seen == {*data.fold_videos.train, *(f"mine/v{number}" for number in range(10))}
    assert {name for batch in data.test_dataloader() for name in batch.ids} == set(data.fold_videos.test)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_judged_videos_under_another_name_are_left_out(
    dtype: Any, summe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file that the dataset's features came from is given as the archive."""
    path = tmp_path / "extracted.h5"
    with h5py.File(path, "w") as file:
        for number, video in enumerate(VIDEOS, start=1):
            file[f"{video.video_name}/features"] = features_for(video, number).features.astype(dtype)
    data = ready(summe, path, validate_on="held-out")
    caplog.set_level(logging.WARNING)
    names = [data.clips("train").example(place).id for place in range(len(data.clips("train")))]
    judged = {*data.fold_videos.val, *data.fold_videos.test}
    expected = {f"extracted/Big_dog_{video.key[6:]}" for video in VIDEOS if f"summe/{video.key}" not in judged}
    assert set(names) == {*data.fold_videos.train, *expected}
    assert f"{len(judged)} of the unlabelled videos have the features of videos that are tested" in caplog.text


def changed(kind: str, features: np.ndarray) -> np.ndarray:
    """The same video, as somebody else may have stored it."""
    if kind == "unit":
        return features / np.linalg.norm(features, axis=1, keepdims=True)
    return {"scale": features * 7.5, "longer": np.concatenate([features, features[:1]]), "shorter": features[:-1]}[kind]


def normal_dataset(path: Path, name: str = "summe", first: int = 0) -> dict[str, np.ndarray]:
    """Ten videos that have nothing in common but their mean; returns their features by id."""
    generator, rows, found = np.random.default_rng(first), [], {}
    for number in range(1, 11):
        video = drawn_video(number)
        features = (3 + generator.normal(size=(len(video.picks), WIDTH))).astype(np.float32)
        rows.append((video, FrameFeatures(video.video_name, features, video.picks, video.n_frames)))
        found[f"{name}/{video.key}"] = features
    write_dataset(path, rows, name=name, made_by={"source": "drawn"})
    return found


@pytest.mark.parametrize("kind", ["unit", "scale", "longer", "shorter"])
def test_judged_videos_stored_otherwise_are_left_out(kind: str, tmp_path: Path) -> None:
    whole = normal_dataset(tmp_path / "summe.h5")
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        for name, features in whole.items():
            file[f"{name.partition('/')[2]}/features"] = changed(kind, features)
    data = ready(tmp_path / "summe.h5", tmp_path / "mine.h5")
    names = {data.clips("train").example(place).id for place in range(len(data.clips("train")))}
    assert names - set(whole) == {f"mine/{name.partition('/')[2]}" for name in data.fold_videos.train}
    assert 0 < len(data.fold_videos.test) < 10


def test_judged_videos_among_records_are_left_out_as_they_are_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "records").mkdir()
    names = [f"summe/video_{number}" for number in range(1, 11)]
    stored = {name: frame_bytes(number, len(drawn_video(number + 1).picks), WIDTH) for number, name in enumerate(names)}
    rows = [
        (video, FrameFeatures(video.video_name, dequantise(stored[f"summe/{video.key}"]), video.picks, video.n_frames))
        for video in (drawn_video(number) for number in range(1, 11))
    ]
    write_dataset(tmp_path / "summe.h5", rows, name="summe", made_by={"source": "drawn"})
    tfrecord(tmp_path / "records" / "r.tfrecord", [sequence_example(name, stored[name]) for name in names])
    for skip_bad in (True, False):
        caplog.clear()
        data = ready(tmp_path / "summe.h5", tmp_path / "records", skip_bad=skip_bad)
        dataset = data.clips("train", mode="train")
        seen = {dataset.example(Pick(draw, place)).id for draw in range(2) for place in range(len(dataset))}
        trained = data.fold_videos.train
        assert seen == {*trained, *(f"records/r/{names.index(name)}" for name in trained)}
        reported = [record.message for record in caplog.records if "is not trained on, another" in record.message]
        assert len(reported) == len(data.fold_videos.test) == dataset.n_unread  # once for each
        assert f"it has the features of {data.fold_videos.test[0]}, which is tested" in "".join(reported)


def test_judged_videos_among_other_datasets_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = normal_dataset(tmp_path / "summe.h5")
    normal_dataset(tmp_path / "copy.h5", "copy")
    data = ready(tmp_path / "summe.h5", others=[str(tmp_path / "copy.h5")], setting="augmented")
    names = {data.clips("train").example(place).id for place in range(len(data.clips("train")))}
    tested = {name.partition("/")[2] for name in data.fold_videos.test}
    assert names == {*set(whole) - {f"summe/{key}" for key in tested}, *(
        f"copy/{name.partition('/')[2]}" for name in whole if name.partition("/")[2] not in tested
    )}  # fmt: skip
    assert f"{len(tested)} of the training videos of data.others have the features" in caplog.text
    transfer = ready(tmp_path / "summe.h5", others=[str(tmp_path / "copy.h5")], setting="transfer")
    with pytest.raises(DatasetError, match="all training videos are tested or validated on"):
        transfer.train_dataloader()
    normal_dataset(tmp_path / "other.h5", "other", first=1)
    unlike = ready(tmp_path / "summe.h5", others=[str(tmp_path / "other.h5")], setting="augmented")
    assert len(unlike.clips("train")) == len(unlike.fold_videos.train)


def test_annotated_videos_that_are_damaged_are_refused(tmp_path: Path) -> None:
    normal_dataset(tmp_path / "summe.h5")
    with h5py.File(tmp_path / "summe.h5", "r+") as file:
        for key in ("video_2", "video_5"):
            file[f"{key}/features"][3, 1] = np.nan
    for fold in range(5):
        with pytest.raises(DatasetError, match=r"summe\.h5#video_\d: NaN .* at pick 3.*; .*h5#video_\d"):
            ready(tmp_path / "summe.h5", fold=fold)


def test_no_video_stands_in_for_an_annotated_one(tmp_path: Path) -> None:
    normal_dataset(tmp_path / "summe.h5")
    data = RefineDataModule(dataset=str(tmp_path / "summe.h5"), clip_frames=8, batch_size=3)
    data.memory = FeatureMemory(0)  # all is read again
    data.setup()
    dataset, first = data.clips("train", mode="train"), data.fold_videos.train[0]
    with h5py.File(tmp_path / "summe.h5", "r+") as file:
        file[f"{first.partition('/')[2]}/features"][3, 1] = np.nan
    assert dataset.example(1).id == data.fold_videos.train[1]
    with pytest.raises(FeatureFileError, match=f"h5#{first.partition('/')[2]}: NaN"):
        dataset.example(0)


# Restarts and ranks --------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("stop", [2, 4, 7])
def test_a_restart_goes_on_where_it_stopped(tmp_path: Path, stop: int) -> None:
    """Four batches an epoch: stopped within the first, at its end, within the second."""
    path = archive(tmp_path / "mine.h5", 12)

    module = partial(RefineDataModule, [str(path)], clip_frames=8, batch_size=3)
    whole, first, second = restarted(tmp_path, partial(Recorder, "frames"), module, stop, callbacks=[KeepPlace])
    assert len(whole.seen) == 12
    assert first.seen + second.seen == whole.seen
    assert len({figure for *_, figure in whole.seen}) == 12  # clips are drawn anew


@pytest.mark.parametrize("ranks", [2, 3])
def test_no_video_is_on_two_ranks(ranks: int, summe: Path, tmp_path: Path) -> None:
    path, trained, tested = archive(tmp_path / "mine.h5"), list[str](), set[str]()
    for rank in range(ranks):
        data = ready(summe, path, batch_size=2)
        data.trainer = SimpleNamespace(world_size=ranks, global_rank=rank)  # type: ignore[assignment]
        trained += [name for batch in data.train_dataloader() for name in batch.ids]
        tested |= {name for batch in data.test_dataloader() for name in batch.ids}
    assert len(trained) == len(set(trained)) == 22 // (2 * ranks) * 2 * ranks
    assert tested == set(data.fold_videos.test)


# Refusals ------------------------------------------------------------------------------------------------------------


def test_arguments_that_do_not_go_together(summe: Path, tmp_path: Path) -> None:
    mine = str(archive(tmp_path / "mine.h5", 3))
    for how, sentence in (
        ({}, r"give data\.features"),
        ({"dataset": str(summe), "world": small_world(tmp_path)}, "not both"),
        ({"features": [mine], "validate_on": "test"}, "are about annotated videos"),
        ({"features": [mine], "splits": "s.json"}, "are about annotated videos"),
        ({"features": [mine], "clip_frames": 0}, "clip_frames must be at least 1"),
        ({"features": [mine], "memory_bytes": -1}, "memory_bytes at least 0"),
        ({"features": [mine], "val_share": 1.0}, "val_share"),
        ({"features": [mine], "num_workers": -1}, "num_workers"),
    ):
        with pytest.raises(ValueError, match=sentence):
            RefineDataModule(**how)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"lower data\.batch_size, or raise data\.repeats"):
        ready(features=Path(mine), batch_size=4).train_dataloader()
    with pytest.raises(ValueError, match=r"mine\.h5 twice"):
        RefineDataModule([mine, str(tmp_path)]).setup()
    with pytest.raises(ValueError, match=r"among the datasets as well"):
        RefineDataModule([str(summe.parent)], str(summe)).setup()
    with pytest.raises(DatasetError, match="to hold one out"):
        ready(features=archive(tmp_path / "one.h5", 1), validate_on="held-out", batch_size=1).clips("train")


def test_features_that_do_not_fit_together(summe: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"features 5 wide, those of .* 16"):
        ready(summe, archive(tmp_path / "narrow.h5", width=5))
    with pytest.raises(FingerprintMismatchError, match="features of another extractor than those of "):
        ready(summe, archive(tmp_path / "other.h5", fingerprint=fingerprint_of("other")))
    assert ready(summe, archive(tmp_path / "unknown.h5", fingerprint=None)).feature_fingerprint == fingerprint_of()
