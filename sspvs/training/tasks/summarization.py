"""`task: summarize`: the summarizer, fine-tuned on annotated videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.cli import LightningArgumentParser

from sspvs.data.summarization import SummarizeDataModule
from sspvs.models.settings import SummarizerSettings
from sspvs.table.text import TextSettings
from sspvs.tasks.checkpoint import Checkpoint
from sspvs.tasks.handover import KINDS
from sspvs.tasks.summarize import KIND, SummarizeTask
from sspvs.training.given import Given
from sspvs.training.predictions import WriteScores
from sspvs.training.run import RunSettings
from sspvs.training.score_samples import ScoreSamples
from sspvs.training.tasks.base import TrainingTask, vocab_size

_FIELDS = tuple(field.name for field in fields(TextSettings))
_HEAD, _STAGES = "model.summarizer.head", "model.summarizer.num_stages"


class Summarization(TrainingTask):
    """Frames of annotated videos, scores after people's importance."""

    name = "summarize"
    kind = KIND
    run = RunSettings(name="summarize", monitor="val/kendall_tau", mode="max")
    new_in_fit = ("losses", "optim", "freeze_encoder", "train_text", "compile_model")
    own_facts = ("feature_fingerprint", "pretrained", "initialised_from")
    written = "h5 file for the scores of the fold's test videos"

    @property
    def module(self) -> type[SummarizeTask]:
        """As in configs."""
        return SummarizeTask

    @property
    def data(self) -> type[SummarizeDataModule]:
        """As in configs."""
        return SummarizeDataModule

    def link(self, parser: LightningArgumentParser) -> None:
        """Width and length of the videos; whether there is text, its fields and its tokenizer."""
        parser.link_arguments("data.feature_dim", "model.video.feature_dim", apply_on="instantiate")
        parser.link_arguments("model.text.encoder", "data.encoder")
        parser.link_arguments("model.text.small", "data.vocab_size", compute_fn=vocab_size)
        parser.link_arguments("model.summarizer.text_guidance", "data.use_text")
        parser.link_arguments("data.title_as_query", "model.title_as_query")
        for name in _FIELDS:
            parser.link_arguments(f"data.text.{name}", f"model.text_fields.{name}")

    def settle(self, settings: Namespace, sources: Given) -> None:
        """Stages that were set for another kind of head are not those of one that is chosen later."""
        chosen = settings.model.summarizer
        progressive, meant = True, True  # the head so far; whether the stages are set for it
        for source in sources:
            if _HEAD in source:
                meant &= progressive == (source[_HEAD] == "progressive")
                progressive = source[_HEAD] == "progressive"
            meant |= _STAGES in source
        if chosen.num_stages is None or not meant:
            chosen.num_stages = None
            chosen.num_stages = SummarizerSettings(**chosen.as_dict()).num_stages

    def prepare(self, settings: Namespace) -> None:
        """The tokenizer is that of what was pretrained; positions count one by one as far as it was trained."""
        model, data = settings.model, settings.data
        length = data.max_frames
        if model.pretrained is not None:
            download = model.text.download
            known = Checkpoint.open(model.pretrained, KINDS, download=download).checked(download=download).settings
            length = known["video"]["trained_length"]
            if known.get("summarizer", {}).get("text_guidance") != "none":
                data.encoder, data.vocab_size = known["text"]["encoder"], vocab_size(known["text"].get("small"))
        if model.video.trained_length is None:
            model.video.trained_length = length

    def take_over(self, settings: Namespace, known: Mapping[str, Any]) -> None:
        """Whether there is text, its fields and its tokenizer, and positions; nothing is pretrained again."""
        settings.model.video.trained_length = known["video"]["trained_length"]
        settings.model.pretrained = None
        settings.data.encoder = known["text"]["encoder"]
        settings.data.vocab_size = vocab_size(known["text"].get("small"))
        settings.data.use_text = known["summarizer"]["text_guidance"]
        settings.data.title_as_query = known["title_as_query"]
        for name in _FIELDS:
            settings.data.text[name] = known["text_fields"][name]

    def chooses(self, settings: Namespace) -> bool:
        """By the videos held out, or tested; there may be none."""
        return bool(settings.data.validate_on != "nothing")

    def samples(self, count: int) -> Callback:
        """Scores against people's importance."""
        return ScoreSamples(count)

    def writer(self, path: Path, source: str) -> Callback:
        """A score file."""
        return WriteScores(path, source)


TASK = Summarization()
