"""From pretraining to the summarizer: what is handed over, what is said of it, and what is refused."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_pretraining import QUIET, TEXT, VIDEO, fit, loader, tiny_batch, tiny_task
from helpers.tiny_summarizing import FINE, tiny_summarizer, tiny_videos

from sspvs.errors import CheckpointError, FingerprintMismatchError, WeightsNotFoundError
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.summarizer import SummarizerSettings
from sspvs.table.table import FeatureWidthError
from sspvs.tasks.checkpoint import PRETRAIN as KIND
from sspvs.tasks.checkpoint import Checkpoint, save_folder
from sspvs.tasks.objectives import LossSettings, embed
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.summarize import SummarizeTask
from sspvs.types import Fingerprint

SHARED = ("model.video_encoder.", "model.text_encoder.", "model.text_projection.")
MADE = Fingerprint("efficientnet-lite0", "ab" * 32, "resize", "none", 2.0).as_dict()


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_task(5).save_pretrained(tmp_path_factory.mktemp("pretrained") / "folder")


def same_scores(one: SummarizeTask, other: SummarizeTask) -> None:
    batch = tiny_videos()
    for a, b in zip(one.eval().scored(batch).scores, other.eval().scored(batch).scores, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("guidance", ["none", "added", "gate"])
def test_towers_are_handed_over_by_name(pretrained: Path, guidance: str) -> None:
    source = PretrainTask.from_pretrained(pretrained).state_dict()
    torch.manual_seed(9)
    own = VideoEncoderSettings(position_weight=0.1, dropout=0.2, trained_length=50, gradient_checkpointing=True)
    task = SummarizeTask(own, SummarizerSettings(text_guidance=guidance), pretrained=str(pretrained))
    state, report = task.state_dict(), task.handover_report
    towers = SHARED[:1] if guidance == "none" else SHARED
    shared = {name for name in source if name.startswith(towers)}
    assert set(report.loaded) == shared
    assert len(shared) > 20
    for name in shared:
        assert torch.equal(state[name], source[name]), name
    assert set(report.missing) == set(state) - shared
    assert {name for name in report.missing if "head" in name} == {
        f"model.head.stages.{stage}.{part}" for stage in range(3) for part in ("weight", "bias")
    }
    assert set(report.unexpected) == set(source) - shared
    assert report.misshapen == ()
    video = task.hparams["video"]
    assert {name: video[name] for name in ("feature_dim", "embed_dim", "num_heads", "num_layers")} == {
        "feature_dim": 16, "embed_dim": 16, "num_heads": 4, "num_layers": 2,
    }  # fmt: skip
    assert (video["position_weight"], video["dropout"], video["trained_length"]) == (0.1, 0.2, 50)
    assert video["gradient_checkpointing"]
    assert task.hparams["text"]["encoder"] == "small"
    assert task.hparams["text"]["small"] == TEXT.small
    assert (task.model.text_encoder is None) == (guidance == "none")


def test_aligned_frames_fit_a_text_as_pretraining_compares_a_video_of_one_frame_with_it(tmp_path: Path) -> None:
    torch.manual_seed(5)
    how = LossSettings(coarse="infonce", linear_path="drawn", contrastive_dim=6)
    before = PretrainTask(replace(VIDEO, embed_dim=8, normalise="l2"), TEXT, how).eval()
    torch.nn.init.normal_(before.model.contrastive_frames.weight)
    source = before.save_pretrained(tmp_path / "pretrained")
    task = tiny_summarizer(1, "aligned(share=0.3)", pretrained=str(source))
    assert task.hparams["summarizer"]["text_guidance"] == "aligned(share=0.3, width=6)"
    batch = tiny_videos()
    fit(task, [batch, batch])  # the tower learns, the alignment stays
    moved, kept = (one.video_encoder.input_projection.state_dict() for one in (task.model, before.model))
    assert not any(torch.equal(moved[name], kept[name]) for name in kept)
    with torch.no_grad():
        learned = task.train().outputs(batch).log_scores  # of the head alone; it has no dropout
        blended = task.eval().outputs(batch)
        found = blended.text_fit
        for row, length in enumerate(batch.frame_mask.sum(dim=1).tolist()):
            own = (learned[row, :length] - learned[row, :length].mean()) / learned[row, :length].std(correction=0)
            if not batch.has_text[row]:
                assert not found[row].any()
                torch.testing.assert_close(blended.stage_logits[row, 0, :length], own, atol=1e-4, rtol=1e-4)
                continue
            words = batch.tokens[row : row + 1], batch.token_mask[row : row + 1]
            pairs = [
                embed(before.model, how, frame[None, None], torch.ones(1, 1).bool(), *words)
                for frame in batch.frames[row, :length]
            ]
            cosines = torch.cat([torch.cosine_similarity(video, text) for video, text in pairs])
            expected = (cosines - cosines.mean()) / cosines.std(correction=0)
            torch.testing.assert_close(found[row, :length], expected, atol=1e-4, rtol=1e-4)
            mean = 0.7 * own + 0.3 * expected
            torch.testing.assert_close(blended.stage_logits[row, 0, :length], mean, atol=1e-4, rtol=1e-4)
    same_scores(task, SummarizeTask.from_pretrained(task.save_pretrained(tmp_path / "own")))


def test_aligned_needs_a_pretraining_with_a_linear_path(pretrained: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"no linear path for text_guidance aligned; pretrain with losses\.coarse"
    ):
        tiny_summarizer(0, "aligned", pretrained=str(pretrained))
    with pytest.raises(ValueError, match=r"text_guidance aligned .* set pretrained; pretrain with"):
        tiny_summarizer(0, "aligned")


def test_what_was_loaded_is_told_and_kept(pretrained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sspvs"):
        task = tiny_summarizer(pretrained=str(pretrained))
    told = [record for record in caplog.records if "tensors loaded" in record.getMessage()]
    assert len(told) == 1
    assert told[0].levelno == logging.INFO
    assert "missing (model.head.stages.0.bias" in told[0].getMessage()
    known = task.initialised_from
    assert known["source"] == pretrained.name
    assert known["kind"] == KIND
    assert known["sha256"] == hashlib.sha256((pretrained / "model.safetensors").read_bytes()).hexdigest()
    assert known["loaded"] == len(task.handover_report.loaded)
    assert "model.head.stages.2.bias" in known["missing"]
    assert "model.mask_vector" in known["unexpected"]
    folder = task.save_pretrained(tmp_path)
    settings = json.loads((folder / "config.json").read_text())["settings"]
    assert settings["pretrained"] is None
    assert settings["initialised_from"] == known


@pytest.mark.parametrize("guidance", ["none", "cross-attention"])
def test_a_checkpoint_needs_the_pretraining_no_more(pretrained: Path, tmp_path: Path, guidance: str) -> None:
    gone = tmp_path / "gone"
    shutil.copytree(pretrained, gone)
    task = tiny_summarizer(1, guidance, pretrained=str(gone))
    trainer = pl.Trainer(max_steps=1, **QUIET)
    trainer.fit(task, loader([tiny_videos()]))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    folder = task.save_pretrained(tmp_path / "folder")
    shutil.rmtree(gone)
    for again in (
        SummarizeTask.from_pretrained(folder),
        SummarizeTask.from_pretrained(tmp_path / "last.ckpt"),
        SummarizeTask.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True),
    ):
        same_scores(task, again)
        assert dict(again.hparams) == dict(task.hparams)
        assert (again.losses, again.optim) == (task.losses, task.optim)


def test_a_lightning_file_and_a_summarizer_hand_over_too(pretrained: Path, tmp_path: Path) -> None:
    source = PretrainTask.from_pretrained(pretrained)
    trainer = pl.Trainer(max_steps=1, **QUIET)
    trainer.fit(source, loader([tiny_batch()]))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    first = tiny_summarizer(2, "added", pretrained=str(tmp_path / "last.ckpt"))
    assert first.initialised_from["kind"] == KIND
    assert torch.equal(first.model.video_encoder.cls, source.model.video_encoder.cls)
    # On from the summarizer: its heads come along as far as there are stages.
    folder = first.save_pretrained(tmp_path / "first")
    second = tiny_summarizer(3, "added", pretrained=str(folder), num_stages=4)
    assert second.handover_report.missing == ("model.head.stages.3.bias", "model.head.stages.3.weight")
    assert torch.equal(second.model.head.stages[1].weight, first.model.head.stages[1].weight)
    assert second.initialised_from["kind"] == "sspvs.summarize"
    assert second.initialised_from["initialised_from"]["source"].endswith("last.ckpt")
    # A summarizer without text has no text tower to give: the own one is built.
    mute = tiny_summarizer(4).save_pretrained(tmp_path / "mute")
    third = tiny_summarizer(5, "gate", pretrained=str(mute))
    assert any(name.startswith("model.text_encoder.") for name in third.handover_report.missing)
    assert Checkpoint.open(folder).settings["text"]["encoder"] == "small"
    assert Checkpoint.open(tmp_path / "last.ckpt").settings["video"]["num_layers"] == 2


def test_a_hugging_face_tower_needs_nobody_s_weights(tmp_path: Path) -> None:
    sizes = {
        "model_type": "bert", "vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 20,
    }  # fmt: skip
    text = TextEncoderSettings(encoder="nobody/has-this", config=sizes, attend_padding=True)
    source = PretrainTask(VIDEO, text)
    folder = source.save_pretrained(tmp_path / "source")
    task = SummarizeTask(FINE, SummarizerSettings(text_guidance="added"), pretrained=str(folder))
    assert task.hparams["text"]["attend_padding"] is True
    name = "model.text_encoder.model.pooler.dense.weight"
    assert torch.equal(task.state_dict()[name], source.state_dict()[name])
    same_scores(task, SummarizeTask.from_pretrained(task.save_pretrained(tmp_path / "task")))


def test_damaged_and_other_checkpoints_are_refused(pretrained: Path, tmp_path: Path) -> None:
    task = PretrainTask.from_pretrained(pretrained)
    settings, state = dict(task.hparams), task.state_dict()

    def start(number: int, tensors: dict, guidance: str = "none") -> SummarizeTask:
        folder = save_folder(tmp_path / str(number), KIND, settings, tensors)
        return tiny_summarizer(0, guidance, pretrained=str(folder))

    with pytest.raises(CheckpointError, match=r"lacks (\d+) of the \1 tensors of the video tower.*nothing was loaded"):
        start(0, {"something.else": torch.ones(2)})
    layer = "model.video_encoder.transformer.layers.1.linear1.bias"
    with pytest.raises(CheckpointError, match=rf"lacks 1 of the \d+ tensors of the video tower: {layer}"):
        start(1, {name: tensor for name, tensor in state.items() if name != layer})
    half = {name: tensor for name, tensor in state.items() if name != "model.text_encoder.pooler.bias"}
    start(2, half)
    with pytest.raises(CheckpointError, match=r"tensors of the text tower: model\.text_encoder\.pooler\.bias"):
        start(3, half, "added")
    with pytest.raises(CheckpointError, match=r"1 misshapen \(model\.video_encoder\.cls \(9,\) for \(16,\)\)"):
        start(4, {**state, "model.video_encoder.cls": torch.ones(9)})
    (tmp_path / "4" / "config.json").write_text('{"kind": "sspvs.refine", "version": 1, "settings": {}}')
    with pytest.raises(CheckpointError, match=r"kind 'sspvs\.pretrain' or 'sspvs\.summarize', got 'sspvs\.refine'"):
        tiny_summarizer(pretrained=str(tmp_path / "4"))
    torch.save({"hyper_parameters": {"a": 1}, "state_dict": state}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="of no task of sspvs"):
        tiny_summarizer(pretrained=str(tmp_path / "other.ckpt"))
    with pytest.raises(WeightsNotFoundError, match="neither a checkpoint folder nor a hub model"):
        tiny_summarizer(pretrained=str(tmp_path / "nothing"))


def test_a_task_reads_no_other_task_s_file(pretrained: Path, tmp_path: Path) -> None:
    task = tiny_summarizer()
    trainer = pl.Trainer(max_steps=1, **QUIET)
    trainer.fit(task, loader([tiny_videos()]))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"of kind 'sspvs\.summarize'; expected sspvs\.pretrain"):
        PretrainTask.from_pretrained(tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"kind 'sspvs\.summarize', got 'sspvs\.pretrain'"):
        SummarizeTask.from_pretrained(pretrained)


class Data(pl.LightningDataModule):
    """What a data module may say of itself."""

    def __init__(self, **facts: object) -> None:
        super().__init__()
        for name, fact in facts.items():
            setattr(self, name, fact)

    def train_dataloader(self):
        return loader([tiny_videos()])


def test_features_of_another_width_are_refused(pretrained: Path) -> None:
    with pytest.raises(FeatureWidthError, match=r"the data: features 512 wide, those of .* 16; extract"):
        SummarizeTask(VideoEncoderSettings(512), pretrained=str(pretrained))
    task = SummarizeTask(pretrained=str(pretrained))
    with pytest.raises(FeatureWidthError, match="features 1024 wide, those the model is made for 16; extract"):
        pl.Trainer(max_steps=1, **QUIET).fit(task, datamodule=Data(feature_dim=1024))


def test_features_made_otherwise_are_refused(tmp_path: Path) -> None:
    source = tiny_task()
    source.hparams["feature_fingerprint"] = MADE
    task = tiny_summarizer(pretrained=str(source.save_pretrained(tmp_path)))
    assert task.feature_fingerprint == MADE
    other = {**MADE, "backbone": "googlenet"}
    differing = "backbone is googlenet, expected efficientnet-lite0"
    with pytest.raises(FingerprintMismatchError, match=differing):
        pl.Trainer(max_steps=1, **QUIET).fit(task, datamodule=Data(feature_fingerprint=other))
    with pytest.raises(FingerprintMismatchError, match=differing):
        tiny_summarizer(pretrained=str(tmp_path), feature_fingerprint=other)
    pl.Trainer(max_steps=1, **QUIET).fit(task, datamodule=Data(feature_fingerprint=MADE, feature_dim=16))


def test_texts_of_another_tokenizer_are_refused(pretrained: Path) -> None:
    def fit(guidance: str, **facts: object) -> None:
        task = tiny_summarizer(0, guidance, pretrained=str(pretrained))
        pl.Trainer(max_steps=1, **QUIET).fit(task, datamodule=Data(**facts))

    with pytest.raises(ValueError, match=r"data\.encoder 'bert-base-uncased' tokenises for another.*'small'"):
        fit("added", encoder="bert-base-uncased")
    with pytest.raises(ValueError, match=r"data\.vocab_size is 8192, the model's text tower has 40"):
        fit("added", encoder="small", vocab_size=None)
    fit("added", encoder="small", vocab_size=40)
    fit("none", encoder="bert-base-uncased")
