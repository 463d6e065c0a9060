"""The tasks that can be trained: `task` of a config, its LightningModule, its data, and what follows from them.

A task of another package registers itself with `TASKS.register` in a module that a config names under `import`, or by
an entry point of the group `sspvs.tasks`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache, partial
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
from jsonargparse import Namespace
from pytorch_lightning.cli import LightningArgumentParser

from sspvs.data.pretrain import PretrainDataModule
from sspvs.data.refine import RefineDataModule
from sspvs.data.summarize import SummarizeDataModule
from sspvs.models.summarizer import SummarizerSettings
from sspvs.registry import Registry
from sspvs.table.text import TextSettings
from sspvs.tasks.checkpoint import PRETRAIN, REFINE, SUMMARIZE, Checkpoint
from sspvs.tasks.handover import KINDS
from sspvs.tasks.objectives import LossSettings
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.saved_task import SavedTask
from sspvs.tasks.summarize import SummarizeTask
from sspvs.training.given import Given, config_of, import_named, last_set, options
from sspvs.training.predictions import WriteEmbeddings, WriteScores
from sspvs.training.run import RunSettings
from sspvs.training.samples import RefinedSamples, Samples, ScoreSamples

DEFAULT = "pretrain"

_TEXT_FIELDS = tuple(field.name for field in fields(TextSettings))
_HEAD, _STAGES = "model.summarizer.head", "model.summarizer.num_stages"


class TrainingTask:
    """A LightningModule and its data, and what stands around them: one for each `task` of a config.

    Attributes:
        name: As in configs.
        kind: What a checkpoint folder states it is.
        module: `model` of the config.
        data: `data` of the config.
        run: The defaults of `--run.*`.
        new_in_fit: Settings of the model that a new training from a folder's weights takes from its own config.
        own_facts: Settings of the model that state where it came from: no difference from the config's is reported.
        data_facts: Settings of the model that come from the data, by group; the group that has `feature_dim` is first.
        written: What `sspvs predict --out` writes, in words.
        rule: What chooses the weights in a cross-validation by default.
        samples: Makes a callback that shows after each validation what the model does, in so many videos.
        writer: Makes a callback that writes predictions to a file, of the checkpoint that is named second.
        fold_writer: Likewise for the scores of a fold in a cross-validation; `writer` where it is None.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    module: ClassVar[type[SavedTask]]
    data: ClassVar[type[pl.LightningDataModule]]
    run: ClassVar[RunSettings]
    new_in_fit: ClassVar[tuple[str, ...]]
    own_facts: ClassVar[tuple[str, ...]] = ("feature_fingerprint",)
    data_facts: ClassVar[Mapping[str, tuple[str, ...]]] = {"video": ("feature_dim", "stream_widths", "trained_length")}
    written: ClassVar[str]
    rule: ClassVar[Literal["val", "last"]] = "val"
    samples: ClassVar[Any]  # number of videos -> callback
    writer: ClassVar[Any]  # path, checkpoint -> callback
    fold_writer: ClassVar[Any] = None

    def link(self, parser: LightningArgumentParser) -> None:
        """Link settings of the model to facts of the data, the widths of the features here, and the other way round."""
        group, facts = next(iter(self.data_facts.items()))
        parser.link_arguments("data.feature_dim", f"model.{group}.feature_dim", apply_on="instantiate")
        if "stream_widths" in facts:
            target = f"model.{group}.stream_widths"
            parser.link_arguments("data", target, compute_fn=_stream_widths, apply_on="instantiate")

    def check(self, settings: Namespace) -> None:
        """Refuse settings of a verb (`model`, `data`, `trainer`) that cannot be trained, before anything is made."""

    def settle(self, settings: Namespace, sources: Given) -> None:
        """Change settings of a verb that follow others; `sources` is what each config file and the command line set."""

    def prepare(self, settings: Namespace) -> None:
        """Change settings of a verb that depend on other files, where no checkpoint of this task is given."""

    def take_over(self, settings: Namespace, known: Mapping[str, Any]) -> None:
        """Put the facts that a checkpoint has of its data in the place of the settings of a verb."""

    def chooses(self, settings: Namespace) -> bool:
        """Whether there is anything to choose the best checkpoint by: videos held out, or tested."""
        return bool(settings.data.get("validate_on") != "nothing")

    def feature_dim(self, settings: Mapping[str, Any]) -> int:
        """D of the features that a module made with such settings takes."""
        return int(settings[next(iter(self.data_facts))]["feature_dim"])


TASKS: Registry[type[TrainingTask]] = Registry("task")  # the tasks by name


def task_named(name: object) -> TrainingTask:
    """A task by name."""
    if not isinstance(name, str) or name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}, got {name!r}")
    return _instance(name)


@cache
def _instance(name: str) -> TrainingTask:
    return TASKS[name]()


def task_of_kind(kind: object) -> TrainingTask | None:
    """The task whose checkpoint folders are of a kind; None when there is none."""
    return next((task for task in map(task_named, TASKS) if task.kind == kind), None)


def chosen_task(arguments: Sequence[str]) -> TrainingTask:
    """The last task that configs and `--task` name; modules under `import` come first, as they may register it."""
    import_named(arguments)
    name: object = DEFAULT
    for option, value in options(arguments):
        if option == "--task":
            name = value
        elif option == "--config":
            name = config_of(value).get("task", name)
    return task_named(name)


def vocab_size(small: Any) -> int | None:
    """Ids of the text tower `small`, where its sizes include them."""
    found = small.get("vocab_size") if hasattr(small, "get") else None
    return None if found is None else int(found)


def _stream_widths(data: Any) -> tuple[int, ...] | None:
    """Of the streams that a data module joins; None of one that does not have the fact."""
    return getattr(data, "stream_widths", None)


def _link_tokenizer(parser: LightningArgumentParser) -> None:
    """The data reads texts with the tokenizer of the model's text tower."""
    parser.link_arguments("model.text.encoder", "data.encoder")
    parser.link_arguments("model.text.small", "data.vocab_size", compute_fn=vocab_size)


def _take_tokenizer(data: Namespace, text: Mapping[str, Any]) -> None:
    """The same, of a checkpoint's text tower."""
    data.encoder, data.vocab_size = text["encoder"], vocab_size(text.get("small"))


@TASKS.register("pretrain")
class Pretraining(TrainingTask):
    """Multimodal self-supervised pretraining: videos with text, towers that learn from both."""

    name = "pretrain"
    kind = PRETRAIN
    module = PretrainTask
    data = PretrainDataModule
    run = RunSettings()
    new_in_fit = ("optim", "compile_model", "retrieval_candidates")
    written = "h5 file for the embeddings"
    samples, writer = Samples, WriteEmbeddings

    def link(self, parser: LightningArgumentParser) -> None:
        """Width and length of the videos, and the tokenizer."""
        super().link(parser)
        parser.link_arguments("data.max_frames", "model.video.trained_length")
        _link_tokenizer(parser)

    def check(self, settings: Namespace) -> None:
        """Objectives that separate matched from mismatched pairs learn nothing where all are matched."""
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
        _take_tokenizer(settings.data, known["text"])


@TASKS.register("summarize")
class Summarization(TrainingTask):
    """The summarizer, fine-tuned on annotated videos: frames in, scores after people's importance out."""

    name = "summarize"
    kind = SUMMARIZE
    module = SummarizeTask
    data = SummarizeDataModule
    run = RunSettings(name="summarize", monitor="val/kendall_tau", mode="max")
    new_in_fit = ("losses", "optim", "freeze_encoder", "train_text", "text_dropout", "compile_model")
    own_facts = ("feature_fingerprint", "pretrained", "initialised_from")
    written = "h5 file for the scores of the fold's test videos"
    samples, writer = ScoreSamples, WriteScores

    def link(self, parser: LightningArgumentParser) -> None:
        """Width and length of the videos; whether there is text, its fields and its tokenizer."""
        super().link(parser)
        _link_tokenizer(parser)
        parser.link_arguments("model.summarizer.text_guidance", "data.use_text")
        parser.link_arguments("data.title_as_query", "model.title_as_query")
        for name in _TEXT_FIELDS:
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
            start = Checkpoint.open(model.pretrained, KINDS, download=download).checked(download=download)
            length = start.settings["video"]["trained_length"]
            if start.reads_text:
                _take_tokenizer(data, start.settings["text"])
        if model.video.trained_length is None:
            model.video.trained_length = length

    def take_over(self, settings: Namespace, known: Mapping[str, Any]) -> None:
        """Whether there is text, its fields and its tokenizer, and positions; nothing is pretrained again."""
        settings.model.video.trained_length = known["video"]["trained_length"]
        settings.model.pretrained = None
        _take_tokenizer(settings.data, known["text"])
        settings.data.use_text = known["summarizer"]["text_guidance"]
        settings.data.title_as_query = known["title_as_query"]
        for name in _TEXT_FIELDS:
            settings.data.text[name] = known["text_fields"][name]


@TASKS.register("refine")
class Refinement(TrainingTask):
    """Contrastive refinement, without labels: features whose contrastive importance is more informative."""

    name = "refine"
    kind = REFINE
    module = RefineTask
    data = RefineDataModule
    run = RunSettings(name="refine", monitor="val/loss", mode="min")
    new_in_fit = ("losses", "optim", "combine", "post", "compile_model")
    own_facts = ("feature_fingerprint", "unit_length")
    data_facts = {"refiner": ("feature_dim",)}  # noqa: RUF012  as in the base
    written = "h5 file for the scores of the fold's test videos"
    rule = "last"  # as published: without labels there is no figure to choose an epoch by
    samples, writer = RefinedSamples, partial(WriteScores, scorer="refine")
    fold_writer = partial(WriteScores, scorer="refine", beside=True)

    def settle(self, settings: Namespace, sources: Given) -> None:
        """Without the uniqueness head, what belongs to it is off, unless it is set later all the same."""
        model = settings.model
        if model.refiner.uniqueness:
            return
        without = last_set(sources, "model.refiner.uniqueness")
        for name in ("commonness", "uniqueness"):
            if last_set(sources, f"model.losses.{name}") < without:
                model.losses[name] = 0.0
        if last_set(sources, "model.combine") < without and model.combine.isalpha():  # as `agh`, no expression
            model.combine = model.combine.replace("h", "") or model.combine
