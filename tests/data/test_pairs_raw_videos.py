"""Real videos with captions written for them: through extraction and shards to a checkpoint that can be loaded."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from sspvs.cli import main
from sspvs.data.batch import PretrainBatch
from sspvs.data.pairs import load_pairs
from sspvs.data.pretrain import PretrainDataModule, collate
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.settings import OptimSettings

CAPTIONS = {
    "charades.mp4": {
        "title": "A cup of something hot",
        "description": "A young woman in a red hooded sweater comes through a door, drinks from a cup and sits down "
        "close to the camera. Pictures of the sea hang on the light blue walls of her room.",
        "category": "people",
        "query": "woman drinking at home",
    },
    "pancake.mkv": {
        "title": "Tossing a pancake",
        "description": "Someone in a striped jumper tosses a pancake with a frying pan in a yellow kitchen, while a "
        "child sits at the table behind.",
        "category": "food",
        "query": "how to flip a pancake",
    },
    "sample_demo_1.mp4": {
        "title": "The little reader",
        "description": "A toddler with large black glasses sits on a bed and turns the pages of a book.",
        "category": "people",
        "query": "",
    },
    "sample_demo_3.mp4": {
        "title": "",
        "description": "A small child plays with a toy car on the rug of a living room with a fireplace, a sofa, a "
        "balloon and a basket of laundry.",
        "category": "people",
        "query": "child alone in living room",
        "split": "val",
    },
    "video_90.mov": {
        "title": "Keys of a keyboard",
        "description": "",
        "category": "things",
        "query": "laptop keyboard",
    },
    "montage.mp4": {
        "title": "At home",
        "description": "Scenes from several homes in turn: a pancake is tossed, a woman drinks, a toddler reads.",
        "category": "people",
        "query": "",
        "split": "val",
    },
}
PICKS = {"charades": 62, "pancake": 21, "sample_demo_1": 20, "sample_demo_3": 13, "video_90": 1, "montage": 129}
"""Frames of each video at 2 Hz."""

QUIET: dict[str, Any] = {
    "accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_checkpointing": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features by `sspvs extract`, a manifest of them, shards; a manifest of the videos themselves, and its shards."""
    folder = tmp_path_factory.mktemp("real")
    videos = [str(shared_data / "videos" / name) for name in CAPTIONS]
    assert main(["extract", *videos, "--out", str(folder / "features.h5"), "--backbone", "efficientnet-lite0"]) == 0
    rows = {
        "features.jsonl": [{"path": f"features.h5#{Path(name).stem}"} for name in CAPTIONS],
        "videos.jsonl": [{"path": video} for video in videos],
    }
    for manifest, paths in rows.items():
        lines = [
            {"id": Path(name).stem, **path, **text} for path, (name, text) in zip(paths, CAPTIONS.items(), strict=True)
        ]
        (folder / manifest).write_text("\n".join(map(json.dumps, lines)) + "\n")
        command = ["data", "shard", str(folder / manifest), "--out", str(folder / f"shards-{manifest}")]
        assert main([*command, "--shard-size", "4", "--backbone", "efficientnet-lite0"]) == 0
    return folder


def test_the_shards_hold_what_was_extracted(folder: Path) -> None:
    """From extracted features and from the videos themselves alike; in half precision, to its last digit."""
    found = [load_pairs(folder / f"shards-{name}") for name in ("features.jsonl", "videos.jsonl")]
    assert [{item.id: item.n_picks for item in pairs.videos} for pairs in found] == [PICKS, PICKS]
    with h5py.File(folder / "features.h5") as file:
        for pairs in found:
            assert pairs.fingerprint is not None
            assert (pairs.fingerprint.backbone, pairs.feature_dim) == ("efficientnet-lite0", 1280)
            assert {item.id for item in pairs.videos if item.part == "val"} == {"montage", "sample_demo_3"}
            for item in pairs.videos:
                extracted = np.asarray(file[f"{item.id}/features"])
                assert np.abs(extracted).max() > 0.1
                np.testing.assert_array_equal(pairs.features(item), extracted.astype(np.float16))


class Losses(pl.Callback):
    """The training losses of every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: object) -> None:
        self.seen.append(float(trainer.callback_metrics["train/loss"]))


def terms_of(task: PretrainTask, data: PretrainDataModule) -> dict[str, Tensor]:
    """The objectives on the training videos, drawn once and for all, each with its own text and with another's."""
    torch.manual_seed(0)
    dataset = data.dataset("train")
    dataset.mode = "val"
    batch = collate(dataset[list(range(len(dataset)))])
    assert batch.own_tokens is not None
    assert batch.own_token_mask is not None
    several = torch.arange(len(batch.ids)).repeat(2)
    turned = torch.cat([torch.arange(len(batch.ids)), torch.arange(len(batch.ids)).roll(1)])
    with torch.no_grad():
        return task.eval().batch_terms(
            PretrainBatch(
                frames=batch.frames[several],
                frame_mask=batch.frame_mask[several],
                tokens=batch.own_tokens[turned],
                token_mask=batch.own_token_mask[turned],
                masked_index=batch.masked_index[several],
                masked_counted=batch.masked_counted[several],
                is_match=several == turned,
                ids=batch.ids * 2,
            )
        )


def test_from_raw_video_to_a_checkpoint(folder: Path, tmp_path: Path) -> None:
    """Four videos are soon known by heart: that is what 288 steps must show, no more."""
    pl.seed_everything(0)
    torch.set_num_threads(1)
    data = PretrainDataModule(
        str(folder / "shards-features.jsonl"), encoder="small", batch_size=4, max_frames=48, repeats=16, num_workers=0
    )
    video = VideoEncoderSettings(data.feature_dim, 64, num_heads=4, num_layers=1, feedforward_dim=128, dropout=0.0)
    text = TextEncoderSettings("small", small={"text_dim": 64, "num_layers": 1, "dropout": 0.0})
    task = PretrainTask(video, text, optim=OptimSettings(lr=2e-3, warmup_steps=4), dropout=0.0)
    losses = Losses()
    trainer = pl.Trainer(max_epochs=18, callbacks=[losses], enable_model_summary=False, **QUIET)
    trainer.fit(task, datamodule=data)
    assert len(losses.seen) == trainer.global_step == 288
    assert all(map(math.isfinite, losses.seen))
    before, after = terms_of(PretrainTask(video, text), data), terms_of(task, data)
    assert before["coarse_loss"] > 0.68, "a new head has learned nothing: log 2"
    assert after["coarse_loss"] < 0.62
    assert after["fine_loss"] < 0.5 * before["fine_loss"]
    assert after["mask_loss"] < 0.6 * before["mask_loss"]
    assert all(math.isfinite(trainer.callback_metrics[name]) for name in ("val/loss", "val/mask_loss"))

    task.save_pretrained(tmp_path / "checkpoint")
    assert {path.name for path in (tmp_path / "checkpoint").iterdir()} >= {"config.json", "model.safetensors"}
    loaded = PretrainTask.from_pretrained(tmp_path / "checkpoint")
    assert loaded.feature_fingerprint is not None
    assert loaded.feature_fingerprint["backbone"] == "efficientnet-lite0"
    assert loaded.model.video_encoder.settings.feature_dim == 1280
    torch.testing.assert_close(terms_of(loaded, data), after, rtol=1e-5, atol=1e-6)
    embeddings = pl.Trainer(**QUIET).predict(loaded, datamodule=data)
    assert embeddings is not None
    assert [name for batch in embeddings for name in batch.ids] == ["montage", "sample_demo_3"]  # type: ignore[union-attr]
