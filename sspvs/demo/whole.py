"""The whole demo: paint clips, compose a world, pretrain, fine-tune, compare, summarise; what is there is used."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from pytorch_lightning.callbacks import Callback

from sspvs.atomic import atomic_folder, together, write_text
from sspvs.benchmark import Benchmark, write_evaluation
from sspvs.benchmark.rows import CONTRASTIVE_ALONE
from sspvs.crossval import CrossValidation, cross_validate, side_by_side
from sspvs.crossval.fold_run import FoldProgress
from sspvs.crossval.folder import PRETRAINED as CHECKPOINT
from sspvs.demo.folder import (
    BACKBONE,
    FINETUNE,
    PRETRAIN,
    ROWS,
    TEXT,
    DemoFolder,
    DemoSettings,
    Row,
    draw_film,
    seconds_named,
    share_named,
)
from sspvs.evaluation.comparison import Evaluation
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL
from sspvs.evaluation.results import Comparison, MethodResult, compare
from sspvs.features.backbones import load_backbone
from sspvs.machine import environment
from sspvs.models.fast_linear import CPU_KERNELS
from sspvs.pipeline import VideoSummary, summarize
from sspvs.report.evaluation_page import write_evaluation_page
from sspvs.table.text import TextFields
from sspvs.training.command_line import TrainingCLI
from sspvs.training.saving import DrawByStep
from sspvs.training.signals import quieten
from sspvs.world import write_world
from sspvs.world.painted import write_painted_clips
from sspvs.world.things import THINGS
from sspvs.world.writing import DATASET, DATASET_TEXTS, SPLITS, TRUTH
from sspvs.world.writing import PRETRAIN as PAIRS


@dataclass(frozen=True)
class WholeDemo:
    """The results of the demo."""

    folder: DemoFolder
    benchmark: Benchmark  # the figures
    table: str  # the table and its sentences, as text
    trained: VideoSummary  # the summary by the trained model
    contrastive: VideoSummary  # the summary without training


def run_whole(
    settings: DemoSettings, *, show: Callable[[str], None] = lambda _: None, progress: bool = False
) -> WholeDemo:
    """Pretrain, fine-tune, compare, summarise a video; what is there already is used.

    Args:
        settings: How much of everything, and where.
        show: Called with a line where a step begins and where it ends.
        progress: Show progress bars.

    Returns:
        The results; the files are written.

    Raises:
        OutputError: The folder cannot be written to, or has a folder `training` that is not of a demo.
    """
    folder, numbers = DemoFolder(settings.out), iter(range(1, 7))

    @contextmanager
    def step(what: str) -> Iterator[None]:
        show(f"[{next(numbers)}/6] {what} ...")
        started = time.perf_counter()
        yield
        show(f"      {time.perf_counter() - started:.0f} s")

    folder.identify(settings.identity)
    world, painted = settings.world, settings.painted
    with step(f"painting {len(THINGS) * painted.variants} clips of {len(THINGS)} things, looking at them ({BACKBONE})"):
        if not folder.clips.is_file():
            folder.forget_from(folder.clips)
            write_painted_clips(folder.clips, load_backbone(BACKBONE, device="cpu"), painted, progress=progress)
    with step(f"composing {world.pretrain_train} videos with text to pretrain on, {world.annotated} with annotators"):
        if not (folder.world / TRUTH).is_file():
            folder.forget_from(folder.world)
            clips = str(folder.clips)
            write_world(folder.world, replace(world, clips=clips), settings.world_seed, progress=progress)
    with step("pretraining: which words go with which video, which frames with which words, what a hidden frame was"):
        _pretrain(settings, folder, progress=progress)
    with step(f"fine-tuning the summarizer in {len(ROWS)} ways, {world.folds} folds each, and comparing them"):
        runs = {}
        for row in ROWS:
            show(f"      {row.name}")
            runs[row.name] = _fine_tune(row, settings, folder, progress=progress)
        benchmark = side_by_side(runs)
        table = table_text(benchmark, settings)
        with together():
            write_text(folder.comparison("txt"), table)
            write_evaluation(folder.comparison("json"), benchmark.evaluation)
            drawn = benchmark.evaluation.table()
            write_evaluation_page(folder.comparison("html"), drawn, benchmark.videos, benchmark.predictions)
    with step("drawing a video of the same things in variants that nothing was trained on, with sound"):
        draw_film(folder.video, painted.seed, progress=progress)
    with step(f"summarising it: without training, and by the trained model with its title, '{TEXT.title}'"):
        trained, contrastive = summarize_film(folder, settings.ratio, TEXT, progress=progress)
        contrastive.save(folder.contrastive, progress=progress)
        trained = replace(trained, warnings=(what_is_shown(trained, contrastive), *trained.warnings))
        trained.save(folder.out, progress=progress)
    return WholeDemo(folder, benchmark, table, trained, contrastive)


def summarize_film(
    folder: DemoFolder, ratio: float, text: TextFields, video: Path | None = None, *, progress: bool = False
) -> tuple[VideoSummary, VideoSummary]:
    """Summaries of the demo's film, or of another one: by the trained model with its text, and without both."""
    # An overview shows all scenes whatever they are; pieces of some seconds are chosen by what many frames have in
    # common, so that a frame that fits by accident brings in nothing.
    choose = partial(
        summarize,
        video or folder.video,
        ratio=ratio,
        select="highlights",
        piece_seconds=(3.0, 6.0),
        device="cpu",
        progress=progress,
    )
    scorer = folder.crossval / ROWS[0].folder / "seed_0" / "fold_0" / CHECKPOINT
    return choose(scorer=scorer, title=text.title, category=text.category), choose(backbone=BACKBONE)


def what_is_shown(trained: VideoSummary, contrastive: VideoSummary) -> str:
    """How much of the summaries and of the video shows what the title names."""
    whole = trained.timeline.end_seconds
    return (
        f"{share_named(trained):.0%} of its {trained.selected_seconds:.1f} s show what the title '{TEXT.title}' names, "
        f"{seconds_named([(0.0, whole)]) / whole:.0%} of the video's {whole:.1f} s, and {share_named(contrastive):.0%} "
        "of the summary that is made without training and title"
    )


def table_text(benchmark: Benchmark, settings: DemoSettings) -> str:
    """The table with its sentences."""
    evaluation = benchmark.evaluation
    # Pairs of rows stand in the other files; the sentences say which of them matter.
    table = str(replace(evaluation, settings={}, comparisons=()))
    return f"{table.rstrip()}\n\n" + "\n".join(sentences(evaluation, settings)) + "\n"


def sentences(evaluation: Evaluation, settings: DemoSettings) -> list[str]:
    """What the figures are of, and their answer to each question."""
    reads, blind, fresh, fresh_blind = (_result(evaluation, row.name) for row in ROWS)
    questions = (
        ("pretraining", reads, fresh),
        ("pretraining, where no text is read", blind, fresh_blind),
        ("reading text", reads, blind),
        ("training, against contrastive importance", reads, _result(evaluation, "contrastive")),
        ("training, against its first term alone", reads, _result(evaluation, CONTRASTIVE_ALONE)),
        ("training, against random", reads, _result(evaluation, "random")),
    )
    lines = [
        f"What the figures are of: {len(reads.videos)} videos made of painted clips, in {len(evaluation.folds)} folds, "
        f"one world (seed {settings.world_seed}) and one seed of training.",
        "No clip that anything was trained on is in a tested video. Weights are those of the last epoch. Intervals are",
        "over videos; other seeds would move the figures as well. Painted pictures are no films: the figures show that",
        "the parts work together, and not how well they do elsewhere.",
        "",
        "What each is worth in tau, with the interval of the difference on the same videos:",
    ]
    return lines + [
        f"  {what:<42}{_verdict(compare(first, second, 'kendall_tau'))}" for what, first, second in questions
    ]


def _result(evaluation: Evaluation, name: str) -> MethodResult:
    rows = {**evaluation.methods, **evaluation.baselines}
    return rows[name][DEFAULT_PROTOCOL]


def _verdict(found: Comparison) -> str:
    low, high = found.ci95
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference found on these videos"
    return f"{found.difference:+.3f} [{low:+.3f}, {high:+.3f}]  {verdict}"


class _Pretraining(TrainingCLI):
    """A pretraining of which the last weights are kept, and nothing else."""

    def __init__(self, arguments: Sequence[str], *, shown: bool) -> None:
        self.progress = FoldProgress("pretraining", "val/loss", shown=shown)
        super().__init__("fit", arguments)

    def _callbacks(self, trained: bool, saved: bool, *, has_logger: bool) -> list[Callback]:  # noqa: ARG002
        return [DrawByStep(int(self.settings.seed_everything)), self.progress]


def _pretrain(settings: DemoSettings, folder: DemoFolder, *, progress: bool) -> None:
    """Pretrain both towers."""
    if folder.pretrained.is_dir():  # it got its name when it was whole
        return
    folder.forget_from(folder.pretrained)
    quieten()
    pairs = folder.world / PAIRS
    words = ["--config", str(PRETRAIN), *settings.pretraining]
    words += ["--data.train", str(pairs / "train.jsonl"), "--data.val", str(pairs / "val.jsonl")]
    words += ["--run.root", str(folder.training), "--trainer.enable_progress_bar", "false"]
    words += ["--trainer.enable_checkpointing", "false", "--trainer.logger", "false"]
    with _one_thread():
        run = _Pretraining(words, shown=progress)
    with atomic_folder(folder.pretrained) as made:
        run.model.save_pretrained(made)


def _fine_tune(row: Row, settings: DemoSettings, folder: DemoFolder, *, progress: bool) -> CrossValidation:
    """Train and test all folds of one way; what is finished is not made again."""
    words = list(settings.fine_tuning)
    words += ["--data.dataset", str(folder.world / DATASET), "--data.splits", str(folder.world / SPLITS)]
    words += ["--data.texts", str(folder.world / DATASET_TEXTS), "--model.summarizer.text_guidance", row.guidance]
    if row.pretrained:
        words += ["--model.pretrained", str(folder.pretrained)]
    else:  # no pretrained weights to keep close to
        for part in ("encoder", "text", "projection"):
            words += [f"--model.optim.{part}_lr", "null"]
    with _one_thread():
        return cross_validate(
            FINETUNE,
            folder.crossval / row.folder,
            overrides=words,
            seeds=1,
            checkpoint_rule="last",
            keep="chosen" if row == ROWS[0] else "none",
            name=row.name,
            progress=progress,
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Train with one thread and torch's own kernels, which are faster for models as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with environment(CPU_KERNELS, os.environ.get(CPU_KERNELS) or "torch"):
            yield
    finally:
        torch.set_num_threads(before)
