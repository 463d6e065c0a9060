"""Every shipped config is understood and makes its objects; the published one says what was published."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sspvs.tasks.pretrain import PretrainTask
from sspvs.training.command_line import TrainingCLI

sys.path.insert(0, str(Path(__file__).parent / "data"))
from pair_sets import write_set

FOLDER = Path(__file__).parents[1] / "configs" / "pretrain"
CONFIGS = sorted(path.name for path in FOLDER.glob("*.yaml"))
TINY_BERT = {
    "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
    "vocab_size": 30522, "max_position_embeddings": 64,
}  # fmt: skip


class Made(TrainingCLI):
    """Everything but the run itself."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


def made(name: str, folder: Path, *more: str) -> Made:
    words = ["--config", str(FOLDER / name), "--run.root", str(folder / "runs"), *more]
    if name.startswith("ytvt"):
        data = str(write_set(folder, [9, 12, 7]))
        # What a machine without GPUs and without BERT's weights lacks.
        words += ["--data.train", data, "--model.text.config", json.dumps(TINY_BERT)]
        words += ["--model.video.embed_dim", "16", "--model.video.feedforward_dim", "32"]
        words += ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.strategy", "auto"]
    else:
        words += ["--data.world.folder", str(folder / "worlds"), "--data.world.settings.pretrain_train", "4"]
        words += ["--data.world.settings.pretrain_val", "2"]
    return Made("fit", words)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_makes_its_objects(name: str, tmp_path: Path) -> None:
    cli = made(name, tmp_path)
    assert isinstance(cli.model, PretrainTask)
    assert cli.model.hparams["video"]["feature_dim"] == cli.datamodule.feature_dim
    assert cli.model.hparams["video"]["trained_length"] == cli.datamodule.max_frames
    assert cli.datamodule.encoder == cli.model.hparams["text"]["encoder"]
    assert cli.model.losses.contrastive == (cli.datamodule.negative_probability == 0)
    text = (FOLDER / name).read_text()
    assert f"sspvs fit --config configs/pretrain/{name}" in text
    assert os.environ.get("WANDB_MODE") is None
    assert not (tmp_path / "runs").exists()  # nothing is written before training


def test_the_published_settings(tmp_path: Path) -> None:
    """Section 1 of what the paper and its code say."""
    config: dict[str, Any] = yaml.safe_load((FOLDER / "ytvt_paper.yaml").read_text())
    assert config["trainer"]["devices"] == 2
    assert config["trainer"]["max_epochs"] == 200
    video = config["model"]["video"]
    assert (video["embed_dim"], video["num_heads"], video["num_layers"], video["feedforward_dim"]) == (1024, 8, 3, 4096)
    cli = made("ytvt_paper.yaml", tmp_path)
    hparams, data = cli.model.hparams, cli.datamodule
    assert hparams["text"]["encoder"] == "bert-base-uncased"
    assert hparams["text"]["attend_padding"]
    assert not hparams["text"]["frozen"]
    assert (data.text.category, data.text.query, data.text.title, data.text.description) == (2, 2, 5, 50)
    assert data.text.pad_fields
    assert (data.batch_size, data.repeats, data.max_frames, data.negative_probability) == (8, 8, 256, 0.5)
    assert data.masks.kind == "one"
    losses, optim = cli.model.losses, cli.model.optim
    assert (losses.coarse, losses.fine, losses.mask, losses.margin) == ("matching", "hausdorff", True, 1.414)
    assert (losses.coarse_weight, losses.mask_weight, losses.fine_weight) == (1, 5, 1)
    assert (optim.name, optim.lr, optim.schedule, optim.weight_decay) == ("adam", 1e-6, "constant", 0)
    assert (hparams["dropout"], video["dropout"], hparams["local_radius"]) == (0.1, 0.1, 4)
    assert (cli.run_settings.monitor, cli.run_settings.mode) == ("val/matching_accuracy", "max")
