"""Checkpoints out and in again: folders, Lightning files, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_pretraining import QUIET, VIDEO, loader, terms_of, tiny_batch, tiny_task

from sspvs.errors import CheckpointError, FingerprintMismatchError, WeightsNotFoundError
from sspvs.models.settings import TextEncoderSettings
from sspvs.tasks import checkpoint
from sspvs.tasks.checkpoint import PRETRAIN as KIND
from sspvs.tasks.checkpoint import save_folder
from sspvs.tasks.pretrain import PretrainTask
from sspvs.types import Fingerprint


def same(one: PretrainTask, other: PretrainTask) -> None:
    """The same weights, and the same losses: to round-off, because training may have chosen other kernels."""
    weights = other.state_dict()
    assert list(weights) == list(one.state_dict())
    assert all(torch.equal(weights[name], weight) for name, weight in one.state_dict().items())
    batch = tiny_batch()
    first, second = terms_of(one.eval(), batch), terms_of(other.eval(), batch)
    assert first
    assert {n: float(t.detach()) for n, t in first.items()} == pytest.approx(
        {n: float(t.detach()) for n, t in second.items()}, rel=1e-5
    )


@pytest.mark.parametrize("losses", [{}, {"coarse": "sigmoid", "fine": "late-interaction", "temperature": 0.2}], ids=str)
def test_a_folder_gives_the_same_task(tmp_path: Path, losses: dict) -> None:
    task = tiny_task(5, **losses)
    folder = task.save_pretrained(tmp_path / "new" / "folder")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    again = PretrainTask.from_pretrained(folder)
    same(task, again)
    assert not again.training
    assert dict(again.hparams) == dict(task.hparams)
    assert again.load_report.missing == again.load_report.unexpected == ()
    assert len(again.load_report.loaded) == len(task.state_dict())


def test_a_hugging_face_tower_is_built_again_without_its_weights(tmp_path: Path) -> None:
    sizes = {
        "model_type": "bert", "vocab_size": 50, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 20,
    }  # fmt: skip
    task = PretrainTask(VIDEO, TextEncoderSettings(encoder="nobody/has-this", config=sizes))
    same(task, PretrainTask.from_pretrained(task.save_pretrained(tmp_path)))


def test_a_lightning_checkpoint_restores_everything_safely(tmp_path: Path) -> None:
    task = tiny_task(4, coarse="infonce")
    trainer = pl.Trainer(max_steps=2, **QUIET)
    trainer.fit(task, loader([tiny_batch(matches=True)] * 2))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = PretrainTask.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    same(task, again)
    assert dict(again.hparams) == dict(task.hparams)
    assert (again.losses, again.optim) == (task.losses, task.optim)
    same(task, PretrainTask.from_pretrained(tmp_path / "last.ckpt"))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_an_interrupted_save_leaves_the_checkpoint_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    task = tiny_task(1)
    task.save_pretrained(tmp_path)

    def breaks(path: Path, content: object) -> None:
        if path.name == name:
            raise KeyboardInterrupt
        write(path, content)

    function = "write_bytes" if name.endswith("safetensors") else "write_text"
    write = getattr(checkpoint, function)
    monkeypatch.setattr(checkpoint, function, breaks)
    with pytest.raises(KeyboardInterrupt):
        tiny_task(2).save_pretrained(tmp_path)
    same(task, PretrainTask.from_pretrained(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    task = tiny_task()
    state = dict(task.state_dict())
    settings = dict(task.hparams)
    del state["model.mask_vector"]
    save_folder(tmp_path / "less", KIND, settings, state)
    with pytest.raises(CheckpointError, match=r"1 missing \(model\.mask_vector\)"):
        PretrainTask.from_pretrained(tmp_path / "less")
    loose = PretrainTask.from_pretrained(tmp_path / "less", strict=False)
    assert loose.load_report.missing == ("model.mask_vector",)
    save_folder(tmp_path / "more", KIND, settings, {**task.state_dict(), "extra": torch.ones(2)})
    with pytest.raises(CheckpointError, match=r"1 unexpected \(extra\)"):
        PretrainTask.from_pretrained(tmp_path / "more")
    state["model.mask_vector"] = torch.ones(3)
    save_folder(tmp_path / "other", KIND, settings, state)
    with pytest.raises(CheckpointError, match=r"misshapen \(model\.mask_vector \(3,\) for \(16,\)\)"):
        PretrainTask.from_pretrained(tmp_path / "other", strict=False)


def test_loading_nothing_is_refused(tmp_path: Path) -> None:
    save_folder(tmp_path, KIND, dict(tiny_task().hparams), {"something.else": torch.ones(2)})
    with pytest.raises(CheckpointError, match="0 tensors loaded"):
        PretrainTask.from_pretrained(tmp_path, strict=False)


def test_tied_tensors_are_written_once(tmp_path: Path) -> None:
    task = tiny_task()
    state = task.state_dict()
    first, second = "model.video_encoder.transformer.layers.0.norm1.bias", "model.mask_vector"
    save_folder(tmp_path, KIND, dict(task.hparams), {**state, second: state[first]})
    again = PretrainTask.from_pretrained(tmp_path)
    assert torch.equal(again.state_dict()[second], state[first])
    tied = json.loads((tmp_path / "config.json").read_text())["tied"]
    assert {frozenset(pair) for pair in tied.items()} == {frozenset((first, second))}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "no JSON"),
        ("[]", "expected a checkpoint of kind"),
        ('{"kind": "sspvs.summarizer"}', "kind 'sspvs.pretrain', got 'sspvs.summarizer'"),
        ('{"kind": "sspvs.pretrain", "version": 7, "settings": {}}', "version 7"),
    ],
)
def test_configs_of_others(tmp_path: Path, config: str, message: str) -> None:
    tiny_task().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(CheckpointError, match=message):
        PretrainTask.from_pretrained(tmp_path)


def test_cut_and_missing_weights(tmp_path: Path) -> None:
    folder = tiny_task().save_pretrained(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="no whole safetensors file"):
        PretrainTask.from_pretrained(folder)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        PretrainTask.from_pretrained(folder)


@pytest.mark.parametrize("name", ["nobody/has-this-model", "/no/such/folder", "not an id at all"])
def test_what_is_not_here_is_not_fetched(name: str) -> None:
    with pytest.raises(WeightsNotFoundError, match="neither a checkpoint folder nor a hub model"):
        PretrainTask.from_pretrained(name)


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "was-here",))

    torch.save({"state_dict": {}, "hyper_parameters": {"a": Evil()}}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match="read safely"):
        PretrainTask.from_pretrained(tmp_path / "evil.ckpt")
    assert not (tmp_path / "was-here").exists()


def test_the_fingerprint_of_the_data_is_kept_and_held_against(tmp_path: Path) -> None:
    fingerprint = Fingerprint("efficientnet-lite0", "ab" * 32, "resize", "none", 2.0)

    class Data(pl.LightningDataModule):
        feature_fingerprint = fingerprint

        def train_dataloader(self):
            return loader([tiny_batch()])

    task = tiny_task()
    trainer = pl.Trainer(max_steps=1, **QUIET)
    trainer.fit(task, datamodule=Data())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    folder = task.save_pretrained(tmp_path / "folder")
    assert json.loads((folder / "config.json").read_text())["feature_fingerprint"] == fingerprint.as_dict()
    for again in (PretrainTask.from_pretrained(folder), PretrainTask.from_pretrained(tmp_path / "last.ckpt")):
        assert again.feature_fingerprint == fingerprint.as_dict()
        Data.feature_fingerprint = Fingerprint("googlenet", "cd" * 32, "resize", "none", 2.0)
        with pytest.raises(FingerprintMismatchError, match="backbone is googlenet, expected efficientnet-lite0"):
            pl.Trainer(max_steps=1, **QUIET).fit(again, datamodule=Data())
