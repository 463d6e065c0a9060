"""The data module of fine-tuning: batches, restarts under Lightning's own trainer, ranks, figures, what it refuses."""

from __future__ import annotations

import json
import logging
import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from helpers.drawn_dataset import drawn_video
from helpers.naive_protocols import naive_f_score, naive_hold, naive_pair, naive_summary
from helpers.recorder import Recorder, restarted
from helpers.summarization_material import features_for, fingerprint_of, small_world, write_annotated
from helpers.two_ranks import run_two_ranks

from sspvs.data.batch import SummarizeBatch
from sspvs.data.fold_data import judge
from sspvs.data.summarize import SummarizeDataModule
from sspvs.errors import DatasetError, FeatureFileError, FingerprintMismatchError
from sspvs.models.tokenizers import load_tokenizer
from sspvs.table import FeatureMemory, StreamReader, VideoTable
from sspvs.table.text import TextSettings
from sspvs.training.saving import KeepPlace

VIDEOS = [drawn_video(number, name=f"Big_dog_{number}", ratings=True) for number in range(1, 16)]
PICKS = {f"summe/{video.key}": len(video.picks) for video in VIDEOS}


@pytest.fixture(scope="module")
def summe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen videos of 6 to 14 picks."""
    return write_annotated(tmp_path_factory.mktemp("sets") / "summe.h5", VIDEOS)


def module(path: Path, **how: Any) -> SummarizeDataModule:
    return SummarizeDataModule(str(path), **{"max_frames": 8, "batch_size": 3, **how})


def ready(path: Path, **how: Any) -> SummarizeDataModule:
    data = module(path, **how)
    data.setup()
    return data


def same(a: SummarizeBatch, b: SummarizeBatch) -> bool:
    return all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in zip(a, b, strict=True))


# Batches -------------------------------------------------------------------------------------------------------------


def test_frames_and_importance_belong_together(summe: Path) -> None:
    """The first feature says video and pick: what stands beside it is that pick's normalised gtscore."""
    data, starts = ready(summe, repeats=4), set()
    loader = data.train_dataloader()
    assert len(loader) == 10 * 4 // 3  # of 15 videos 3 are tested, and 2 of the other 12 held out
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        for batch in loader:
            assert batch.tokens is batch.token_mask is batch.has_text is None
            for row, name in enumerate(batch.ids):
                length = int(batch.frame_mask[row].sum())
                number = int(name.rpartition("_")[2])
                video = VIDEOS[number - 1]
                assert length == min(8, PICKS[name])
                assert not batch.frame_mask[row, length:].any()
                assert not batch.frames[row, length:].any()
                assert not batch.target[row, length:].any()
                picks = batch.frames[row, :length, 0].numpy() - 1000 * number
                assert picks.tolist() == list(range(int(picks[0]), int(picks[0]) + length))
                starts.add((name, int(picks[0])))
                whole = features_for(video, number).features
                np.testing.assert_array_equal(batch.frames[row, :length], whole[int(picks[0]) :][:length])
                gtscore = video.gtscore
                expected = (gtscore - gtscore.min()) / max(gtscore.max() - gtscore.min(), 1e-9)
                np.testing.assert_allclose(batch.target[row, :length], expected[picks.astype(int)], atol=1e-6)
    long = {name for name, _ in starts if PICKS[name] > 8}
    assert long
    assert any(len({start for other, start in starts if other == name}) > 2 for name in long)  # runs are drawn


def test_another_seed_draws_otherwise(summe: Path) -> None:
    one, again, other = ([batch.ids for batch in ready(summe, seed=seed).train_dataloader()] for seed in (0, 0, 1))
    assert one == again
    assert one != other
    first, second = (ready(summe, seed=seed, split_seed=0) for seed in (0, 1))
    assert first.fold_videos == second.fold_videos  # only training is drawn by it
    runs = [
        [data.dataset("train", mode="train")[place].frames[0, 0] for place in range(10)] for data in (first, second)
    ]
    assert runs[0] != runs[1]


@pytest.mark.parametrize("part", ["val", "test"])
def test_whole_videos_each_once(part: str, summe: Path) -> None:
    data = ready(summe)
    loader = {"val": data.val_dataloader, "test": data.test_dataloader}[part]()
    first, second = list(loader), list(loader)
    assert sorted(name for batch in first for name in batch.ids) == sorted(getattr(data.fold_videos, part))
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    for batch in first:
        assert batch.frame_mask.sum(dim=1).tolist() == [PICKS[name] for name in batch.ids]
    predicted = [batch.ids for batch in data.predict_dataloader()]
    assert predicted == [batch.ids for batch in data.test_dataloader()]


def test_nothing_to_validate_on(summe: Path) -> None:
    data = ready(summe, validate_on="nothing")
    assert data.val_dataloader() == []
    assert set(data.annotations) == set(data.fold_videos.test)
    assert len(data.dataset("train")) == 12


def test_the_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_annotated(tmp_path / "summe.h5", VIDEOS)
    data = ready(path)
    loaders = [data.train_dataloader(), data.val_dataloader(), data.test_dataloader()]
    first = [list(loader) for loader in loaders]
    data.train_dataloader().dataset[list(range(9))]  # also those that did not fill a batch

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the file is read again")

    monkeypatch.setattr(StreamReader, "stored", refuse)
    monkeypatch.setattr(h5py, "File", refuse)
    again = [list(loader) for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())]
    assert all(same(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True))


def test_memory_has_its_limit_and_is_left_behind(summe: Path) -> None:
    data = ready(summe)
    items = data.dataset("train").items
    table = VideoTable(items, FeatureMemory(room=2 * 16 * 4 * max(PICKS.values())))
    for item in items:
        assert table.features(item).shape == (item.n_picks, 16)
    kept = [item for item in items if np.shares_memory(table.features(item), table.features(item))]
    assert 2 <= len(kept) < len(items)
    assert len(pickle.dumps(table.memory)) < 2000
    assert pickle.loads(pickle.dumps(table)).features(items[0]).shape[1] == 16
    with pytest.raises(ValueError, match="read-only"):
        table.features(kept[0])[0] = 1


def test_workers_and_pickling_do_not_change_the_batches(summe: Path) -> None:
    alone, helped = (ready(summe, num_workers=workers).train_dataloader() for workers in (0, 2))
    assert all(same(a, b) for a, b in zip(alone, helped, strict=True))
    again = pickle.loads(pickle.dumps(alone.dataset))
    assert again[0].frames.tolist() == alone.dataset[0].frames.tolist()


# Text ----------------------------------------------------------------------------------------------------------------


def test_tokens_of_names_titles_and_categories(tmp_path: Path) -> None:
    rows = [replace(VIDEOS[0], title="a dog in deep snow", category="pets"), *VIDEOS[1:7]]
    rows[6] = replace(rows[6], video_name=rows[6].key)
    text = TextSettings(category=1, query=3, title=2, description=0)
    data = ready(
        write_annotated(tmp_path / "d.h5", rows), use_text="added", text=text, validate_on="test", vocab_size=999
    )
    encode = load_tokenizer("small", vocab_size=999).encode
    found = {}
    for part in ("train", "test"):
        examples = data.dataset(part)[list(range(len(data.dataset(part))))]  # type: ignore[arg-type]
        found |= {example.id: example for example in examples}
    titled, named, bare = (found[f"summe/video_{number}"] for number in (1, 2, 7))
    one, two, pad = 1, 2, 0  # [CLS], [SEP], [PAD]
    assert titled.text[0].tolist() == [
        one, *encode("pets"), two, pad, pad, pad, two, *encode("a dog"), two, two,
    ]  # fmt: skip
    assert named.text[0].tolist() == [one, pad, two, *encode("big dog 2"), two, pad, pad, two, two]
    assert (named.text[1] == (named.text[0] != pad)).all()
    assert [example.has_text for example in (titled, named, bare)] == [True, True, False]
    batch = next(iter(data.test_dataloader()))
    assert batch.tokens is not None
    assert batch.tokens.shape == batch.token_mask.shape  # type: ignore[union-attr]
    assert batch.has_text.tolist() == [name != "summe/video_7" for name in batch.ids]  # type: ignore[union-attr]


def test_long_texts_are_cut_at_random_while_training(tmp_path: Path) -> None:
    title = "one two three four five six seven eight"
    path = write_annotated(tmp_path / "d.h5", 6, title=title)
    text = TextSettings(category=0, query=0, title=3, description=0)
    data = ready(path, use_text="gate", text=text, validate_on="nothing", repeats=5)
    seen = {tuple(row.tolist()) for batch in data.train_dataloader() for row in batch.tokens}  # type: ignore[union-attr]
    assert len(seen) > 2
    assert len({tuple(row.tolist()) for batch in data.test_dataloader() for row in batch.tokens}) == 1  # type: ignore[union-attr]


def test_guidance_without_any_text_is_refused(tmp_path: Path) -> None:
    path = write_annotated(tmp_path / "d.h5", 6)  # no titles, and names that are keys
    assert ready(path, validate_on="nothing").train_dataloader()
    with pytest.raises(DatasetError, match=r"text guidance \(gate\) needs text, and nothing is written about the 4"):
        ready(path, use_text="gate", validate_on="nothing").train_dataloader()
    texts = tmp_path / "t.csv"
    texts.write_text("id,description\n" + "".join(f"video_{n},words\n" for n in range(1, 7)))
    with pytest.raises(DatasetError, match=r"in the fields that data\.text gives tokens to"):
        ready(path, use_text="gate", texts=str(texts), validate_on="nothing").train_dataloader()
    text = TextSettings(description=2)
    data = ready(path, use_text="gate", texts=str(texts), text=text, validate_on="nothing")
    assert all(batch.has_text.all() for batch in data.train_dataloader())  # type: ignore[union-attr]


def test_a_world_gives_all_four_fields(tmp_path: Path) -> None:
    source = small_world(tmp_path)
    data = SummarizeDataModule(world=source, use_text="gate")
    data.setup()
    lines = next((tmp_path / "worlds").glob("*/summarization.jsonl")).read_text().splitlines()
    texts = {f"synthetic/{line['id']}": line for line in map(json.loads, lines)}
    for item in data.dataset("train").items:
        assert item.text._asdict() == {field: texts[item.id][field] for field in item.text._fields}
    assert data.feature_fingerprint is not None
    assert data.feature_fingerprint.backbone == "synthetic:drawn"


# Restarts and ranks --------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("stop", [2, 6, 9])
def test_a_restart_goes_on_where_it_stopped(summe: Path, tmp_path: Path, stop: int) -> None:
    """Six batches an epoch: stopped within the first, at its end, within the second."""
    data = partial(module, summe, repeats=2, use_text="added")
    recorder = partial(Recorder, "frames", "target", "tokens")
    whole, first, second = restarted(tmp_path, recorder, data, stop, callbacks=[KeepPlace])
    assert len(whole.seen) == 18
    assert first.seen + second.seen == whole.seen
    assert len(first.seen) == stop


@pytest.mark.parametrize("ranks", [2, 3])
def test_no_video_is_on_two_ranks(summe: Path, ranks: int) -> None:
    seen: dict[str, list[list[str]]] = {"train": [], "test": []}
    for rank in range(ranks):
        data = ready(summe, batch_size=2, val_batch_size=1, repeats=2)
        data.trainer = SimpleNamespace(world_size=ranks, global_rank=rank)  # type: ignore[assignment]
        seen["train"].append([name for batch in data.train_dataloader() for name in batch.ids])
        seen["test"].append([name for batch in data.test_dataloader() for name in batch.ids])
    assert len({len(names) for names in seen["train"]}) == len({len(names) for names in seen["test"]}) == 1
    trained = [name for names in seen["train"] for name in names]
    assert max(trained.count(name) for name in trained) <= 2  # twice in the list, by `repeats`
    assert len(trained) == 20 // (2 * ranks) * 2 * ranks
    assert {name for names in seen["test"] for name in names} == set(data.fold_videos.test)


@pytest.mark.slow
def test_two_ranks_of_lightning_share_the_epoch(tmp_path: Path) -> None:
    path = write_annotated(tmp_path / "summe.h5", VIDEOS)
    one, two = run_two_ranks("summarize", path, tmp_path)
    train, val, test = map(set, one["fold"])
    trained = [[name for ids in rank["train"] for name in ids] for rank in (one, two)]
    assert [len(names) for names in trained] == [3, 3]
    assert len({*trained[0], *trained[1]}) == 6
    assert {*trained[0], *trained[1]} <= train
    assert {name for rank in (one, two) for ids in rank["val"] for name in ids} == val
    assert {name for rank in (one, two) for ids in rank["test"] for name in ids} == test


# Figures -------------------------------------------------------------------------------------------------------------


def scores_of(names: Any, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.random(PICKS[name], np.float32) for name in names}


def test_figures_against_scipy_and_loops(summe: Path) -> None:
    data = ready(summe)
    scores = scores_of(data.fold_videos.test)
    pairs, f_scores = [], []
    for name, given in scores.items():
        video = data.annotations[name]
        users = video.user_scores[:, video.picks]
        each = np.array([naive_pair(given, user) for user in users])
        pairs.append(np.nanmean(each, axis=0))
        frames = naive_hold(given.astype(np.float64), video.picks, video.n_frames)
        summary = naive_summary(frames, video.shots, int(0.15 * video.n_frames))
        f_scores.append([naive_f_score(summary, user) for user in video.user_summaries])
    tau, rho = np.nanmean(pairs, axis=0)
    expected = {
        "kendall_tau": tau,
        "spearman_rho": rho,
        "f_score_avg": np.mean([np.mean(each) for each in f_scores]),
        "f_score_max": np.mean([max(each) for each in f_scores]),
    }
    assert data.judge(scores) == pytest.approx(expected, abs=1e-9)
    assert data.judge({}) == {}


def test_the_mean_annotator_where_users_are_unknown() -> None:
    users = {"a": VIDEOS[0], "b": VIDEOS[1]}
    scores = {"a": np.random.default_rng(0).random(len(VIDEOS[0].picks)), "b": np.arange(len(VIDEOS[1].picks))}
    without = {name: replace(video, user_scores=None, user_summaries=None) for name, video in users.items()}
    expected = np.nanmean([naive_pair(scores[name], users[name].gtscore) for name in users], axis=0)
    figures = judge(without, scores)
    assert figures == pytest.approx({"kendall_tau": expected[0], "spearman_rho": expected[1]}, abs=1e-9)
    mixed = judge({"a": users["a"], "b": without["b"]}, scores)  # one rule for all of them
    assert mixed["kendall_tau"] == pytest.approx(expected[0], abs=1e-9)
    assert set(mixed) == {"kendall_tau", "spearman_rho", "f_score_avg", "f_score_max"}
    bare = {name: replace(video, user_scores=None, gtscore=None) for name, video in users.items()}
    mean = np.nanmean(
        [naive_pair(scores[n], v.user_summaries[:, v.picks].mean(axis=0)) for n, v in bare.items()], axis=0
    )
    assert judge(bare, scores)["kendall_tau"] == pytest.approx(mean[0], abs=1e-9)


def test_constant_scores_have_no_correlation() -> None:
    users = {"a": VIDEOS[0], "b": VIDEOS[1]}
    flat = {name: np.ones(len(video.picks)) for name, video in users.items()}
    rising = np.arange(len(VIDEOS[1].picks))
    assert np.isnan(judge(users, flat)["kendall_tau"])
    half = judge(users, {**flat, "b": rising})
    assert half["kendall_tau"] == judge({"b": VIDEOS[1]}, {"b": rising})["kendall_tau"]
    with pytest.raises(ValueError, match="scores of c, which is not among the 2 videos"):
        judge(users, {"c": rising})
    with pytest.raises(ValueError, match="expected"):
        judge(users, {"a": np.arange(3)})


# What is refused -----------------------------------------------------------------------------------------------------


def test_videos_without_features(tmp_path: Path) -> None:
    some = write_annotated(tmp_path / "d.h5", VIDEOS[:6], features=["video_1", "video_2", "video_3", "video_4"])
    with pytest.raises(
        DatasetError, match=r"d\.h5: no features of 2 of 6 videos \(video_\d, video_\d\); build"
    ) as reported:
        ready(some)
    assert "`sspvs data build ... --features FEATURES.h5`" in str(reported.value)
    assert module(some).feature_dim == 16  # before anything is looked at
    none = write_annotated(tmp_path / "n.h5", VIDEOS[:6], features=False)
    with pytest.raises(DatasetError, match="no features of 6 of 6 videos"):
        _ = module(none).feature_dim


def test_videos_without_annotations(tmp_path: Path) -> None:
    bare = [replace(video, gtscore=None, user_scores=None, user_summaries=None) for video in VIDEOS[:2]]
    with pytest.raises(DatasetError, match=r"2 of 6 videos cannot be used: Big_dog_\d \(video_\d\): expected gtscore"):
        ready(write_annotated(tmp_path / "d.h5", [*bare, *VIDEOS[2:6]]))
    alone = [replace(video, user_scores=None, user_summaries=None) for video in VIDEOS[:6]]  # as OVP and YouTube
    data = ready(write_annotated(tmp_path / "e.h5", alone))
    assert list(data.train_dataloader())
    assert set(data.judge(scores_of(data.fold_videos.test))) == {"kendall_tau", "spearman_rho"}


def test_features_that_are_not_finite_or_do_not_fit(tmp_path: Path) -> None:
    path = write_annotated(tmp_path / "d.h5", VIDEOS[:6])
    with h5py.File(path, "r+") as file:
        for key in file:
            file[key]["features"][3, 1] = np.nan
    with pytest.raises(FeatureFileError, match=r"d\.h5#video_\d: NaN or infinite features, first at pick 3"):
        list(ready(path).train_dataloader())
    with h5py.File(path, "r+") as file:
        del file["video_2/features"]
        file["video_2/features"] = np.zeros((3, 16), np.float32)
    with pytest.raises(DatasetError, match=r"summe/video_2: 3 features, but \d+ picks"):
        ready(path)


def test_features_that_were_not_made_alike(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    how: dict[str, Any] = {"setting": "augmented"}
    paths = {
        name: write_annotated(tmp_path / f"{name}.h5", VIDEOS[:6], name=name, width=width, fingerprint=made)
        for name, width, made in (
            ("own", 16, fingerprint_of("one")),
            ("other", 16, fingerprint_of("two")),
            ("wide", 17, fingerprint_of("one")),
            ("unknown", 16, None),
        )
    }
    with pytest.raises(
        FingerprintMismatchError, match=r"other/video_\d: features of another extractor than others .*backbone"
    ):
        ready(paths["own"], others=[str(paths["other"])], **how)
    with pytest.raises(DatasetError, match=r"wide/video_\d: features 17 wide, others 16"):
        ready(paths["own"], others=[str(paths["wide"])], **how)
    data = module(paths["own"], others=[str(paths["unknown"])], **how)
    for stage in ("fit", "validate", "test"):
        data.setup(stage)
    assert data.feature_fingerprint == fingerprint_of("one")
    reported = [record.message for record in caplog.records if "fingerprint" in record.message]
    assert len(reported) == 1
    assert reported[0].startswith("no feature fingerprint in unknown:")


def test_datasets_that_are_not_used_are_named(summe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    other = write_annotated(tmp_path / "ovp.h5", 3, name="ovp")
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"train_keys": ["video_1", "video_2"], "test_keys": ["video_3"]}))
    ready(summe, others=[str(other)], splits=str(path))
    assert "s.json, fold 0: nothing of ovp is trained on" in caplog.text
    assert "s.json, fold 0 of 1: train 1, val 1, test 1 videos" in caplog.text


@pytest.mark.parametrize(("how", "sentence"), [({"num_workers": -1}, "num_workers"), ({"max_frames": 0}, "max_frames")])
def test_settings_out_of_range(summe: Path, how: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ready(summe, **how).train_dataloader()
    with pytest.raises(ValueError, match=r"lower data\.batch_size, or raise data\.repeats"):
        ready(summe, batch_size=64).train_dataloader()


def test_judged_videos_among_other_datasets_are_named(
    summe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = write_annotated(tmp_path / "copy.h5", VIDEOS, name="copy")
    data = ready(summe, others=[str(copy)], setting="augmented")
    judged = len(data.fold_videos.test) + len(data.fold_videos.val)
    sentence = "of the training videos of data.others have the features of videos that are tested or validated on"
    assert f"{judged} {sentence}: copy/video_" in caplog.text
    caplog.clear()
    with h5py.File(copy, "r+") as file:
        for number, video in enumerate(VIDEOS, start=1):
            file[f"{video.key}/features"][...] = features_for(video, 100 + number).features
    ready(summe, others=[str(copy)], setting="augmented")
    assert sentence not in caplog.text
