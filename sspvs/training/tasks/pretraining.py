"""`task: pretrain`: multimodal self-supervised pretraining."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.cli import LightningArgumentParser

from sspvs.data.pretrain import PretrainDataModule
from sspvs.tasks.pretrain import KIND, PretrainTask
from sspvs.tasks.settings import LossSettings
from sspvs.training.predictions import WriteEmbeddings
from sspvs.training.run import RunSettings
from sspvs.training.samples import Samples
from sspvs.training.tasks.base import TrainingTask, vocab_size


class Pretraining(TrainingTask):
    """Videos with text, towers that learn from both."""

    name = "pretrain"
    kind = KIND
    run = RunSettings()
    new_in_fit = ("optim", "compile_model", "retrieval_candidates")
    written = "h5 file for the embeddings"

    @property
    def module(self) -> type[PretrainTask]:
        """As in configs."""
        return PretrainTask

    @property
    def data(self) -> type[PretrainDataModule]:
        """As in configs."""
        return PretrainDataModule

    def link(self, parser: LightningArgumentParser) -> None:
        """Width and length of the videos, and the tokenizer."""
        parser.link_arguments("data.feature_dim", "model.video.feature_dim", apply_on="instantiate")
        parser.link_arguments("data.max_frames", "model.video.trained_length")
        parser.link_arguments("model.text.encoder", "data.encoder")
        parser.link_arguments("model.text.small", "data.vocab_size", compute_fn=vocab_size)

    def check(self, settings: Namespace) -> None:
        """What tells matched from mismatched pairs learns nothing where all are matched."""
        losses = LossSettings(**settings.model.losses.as_dict())
        drawn = losses.drawing
        if drawn and not losses.contrastive and settings.data.negative_probability == 0:
            raise ValueError(
                f"data.negative_probability is 0: {' and '.join(drawn)} would see matching texts only and learn "
                "nothing; set it to 0.5, or model.losses.coarse to infonce or sigmoid, which take the batch's other "
                "texts"
            )

    def take_over(self, settings: Namespace, known: Mapping[str, Any]) -> None:
        """The text tower's tokenizer, and the length that positions count to."""
        settings.model.video.trained_length = known["video"]["trained_length"]
        settings.data.encoder = known["text"]["encoder"]
        settings.data.vocab_size = vocab_size(known["text"].get("small"))

    def samples(self, count: int) -> Callback:
        """The retrieval table, attention and alignment."""
        return Samples(count)

    def writer(self, path: Path, source: str) -> Callback:
        """Embeddings of videos and texts."""
        return WriteEmbeddings(path, source)


TASK = Pretraining()
