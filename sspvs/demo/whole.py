"""The video that the demo summarises: things that the training knows, in variants that it never saw."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from sspvs.atomic import together, write_text
from sspvs.benchmark import Benchmark, write_evaluation
from sspvs.benchmark.rows import CONTRASTIVE_ALONE
from sspvs.crossval import side_by_side
from sspvs.demo.folder import BACKBONE, ROWS, DemoFolder, DemoSettings
from sspvs.demo.training import fine_tune, make_clips, make_world, pretrain, trained_model
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL
from sspvs.evaluation.results import Comparison, Evaluation, MethodResult, compare
from sspvs.pipeline import SummarySettings, VideoSummary, summarize
from sspvs.report.evaluation_page import write_evaluation_page
from sspvs.report.evaluation_table import comparison_table, render_text
from sspvs.table.text import TextFields
from sspvs.world.film import draw_video
from sspvs.world.painted import PLACES, THINGS, PaintedClip

_SHOTS = (
    ("sailboat", 4.0), ("fish", 3.5), ("kite", 4.0), ("sailboat", 3.0), ("lighthouse", 4.5), ("car", 3.5),
    ("fish", 4.0), ("sailboat", 4.5), ("whale", 4.5), ("lamp", 3.5), ("sailboat", 3.0), ("fish", 3.0),
    ("balloon", 4.0), ("sailboat", 3.5),
)  # fmt: skip
_NAMED = ("lighthouse", "whale")
_FPS = 24  # half seconds are whole frames
_FIRST_VARIANT = 1_000_000  # no clip file has as many


class Shown(NamedTuple):
    """A stretch of the video.

    Attributes:
        thing: What it shows.
        start: Seconds.
        end: Seconds.
    """

    thing: str
    start: float
    end: float


SHOWN = tuple(
    Shown(thing, sum(seconds for _, seconds in _SHOTS[:number]), sum(seconds for _, seconds in _SHOTS[: number + 1]))
    for number, (thing, _) in enumerate(_SHOTS)
)
"""What is seen when."""
TEXT = TextFields(category=PLACES[1].name, title=" and ".join(_NAMED))
"""What is said about the video; the title names what matters."""


def draw_film(path: Path, seed: int, *, progress: bool = False) -> Path:
    """Write the video, with sound.

    Args:
        path: The file.
        seed: Of the painting, as the clips had it.
        progress: Show a progress bar.
    """
    things = {thing.name: number for number, thing in enumerate(THINGS)}
    scenes = [
        PaintedClip(things[thing], _FIRST_VARIANT + number, seconds, seed)
        for number, (thing, seconds) in enumerate(_SHOTS)
    ]
    return draw_video(path, scenes=scenes, fps=_FPS, progress=progress)


def seconds_named(segments: Iterable[tuple[float, float]]) -> float:
    """How many seconds of stretches of the video show what its title names."""
    return sum(
        max(0.0, min(end, shown.end) - max(start, shown.start))
        for start, end in segments
        for shown in SHOWN
        if shown.thing in _NAMED
    )


def run_short(out: Path, ratio: float, *, progress: bool = False) -> VideoSummary:
    """Draw a video of different scenes with sound, summarise it, write everything.

    Args:
        out: Folder to write into; made when it does not exist.
        ratio: Longest summary as a part of the video.
        progress: Show progress bars.

    Raises:
        ValueError: The ratio is out of range.
        OutputError: The folder cannot be written to.
    """
    SummarySettings(ratio=ratio)
    out.mkdir(parents=True, exist_ok=True)
    video = draw_video(out / "demo.mp4", progress=progress)
    summary = summarize(video, ratio=ratio, backbone=BACKBONE, title="", progress=progress)
    summary.save(out, progress=progress)
    return summary


_TAU = "kendall_tau"


def table_text(benchmark: Benchmark, settings: DemoSettings) -> str:
    """The table with its sentences."""
    evaluation = benchmark.evaluation
    # Pairs of rows stand in the other files; the sentences say what of them matters.
    table = render_text(comparison_table(replace(evaluation, settings={}, comparisons=())))
    return f"{table.rstrip()}\n\n" + "\n".join(sentences(evaluation, settings)) + "\n"


def sentences(evaluation: Evaluation, settings: DemoSettings) -> list[str]:
    """What the figures are of, and what they say about each question."""
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
    return lines + [f"  {what:<42}{_told(compare(first, second, _TAU))}" for what, first, second in questions]


def write_comparison(benchmark: Benchmark, text: str, folder: DemoFolder) -> None:
    """The table as text, JSON and a page.

    Raises:
        OutputError: A file cannot be written.
    """
    with together():
        write_text(folder.comparison("txt"), text)
        write_evaluation(folder.comparison("json"), benchmark.evaluation)
        write_evaluation_page(
            folder.comparison("html"), benchmark.evaluation, benchmark.videos, benchmark.predictions, published=()
        )


def _result(evaluation: Evaluation, name: str) -> MethodResult:
    rows = {**evaluation.methods, **evaluation.baselines}
    return rows[name][DEFAULT_PROTOCOL]


def _told(found: Comparison) -> str:
    low, high = found.ci95
    verdict = "better" if low > 0 else "worse" if high < 0 else "not told apart on these videos"
    return f"{found.difference:+.3f} [{low:+.3f}, {high:+.3f}]  {verdict}"


Tell = Callable[[str], None]


@dataclass(frozen=True)
class WholeDemo:
    """What the demo found.

    Attributes:
        folder: What lies where.
        benchmark: The figures.
        table: The table and its sentences, as text.
        trained: The summary by the trained model.
        contrastive: The summary without training.
    """

    folder: DemoFolder
    benchmark: Benchmark
    table: str
    trained: VideoSummary
    contrastive: VideoSummary


def run_whole(settings: DemoSettings, *, tell: Tell = lambda _: None, progress: bool = False) -> WholeDemo:
    """Pretrain, fine-tune, compare, summarise a video; what is there already is used.

    Args:
        settings: How much of everything, and where.
        tell: Is given a line where a step begins and where it ends.
        progress: Show progress bars.

    Returns:
        What was found; the files are written.

    Raises:
        OutputError: The folder cannot be written to, or has a folder `training` that is not of a demo.
    """
    folder, step = DemoFolder(settings.out), _Steps(6, tell)
    folder.identify(settings.identity)
    world, painted = settings.world, settings.painted
    with step(f"painting {len(THINGS) * painted.variants} clips of {len(THINGS)} things, looking at them ({BACKBONE})"):
        make_clips(settings, folder, progress=progress)
    with step(f"composing {world.pretrain_train} videos with text to pretrain on, {world.annotated} with annotators"):
        make_world(settings, folder, progress=progress)
    with step("pretraining: which words go with which video, which frames with which words, what a hidden frame was"):
        pretrain(settings, folder, progress=progress)
    with step(f"fine-tuning the summarizer in {len(ROWS)} ways, {world.folds} folds each, and comparing them"):
        runs = {}
        for row in ROWS:
            tell(f"      {row.name}")
            runs[row.name] = fine_tune(row, settings, folder, progress=progress)
        benchmark = side_by_side(runs)
        table = table_text(benchmark, settings)
        write_comparison(benchmark, table, folder)
    with step("drawing a video of the same things in variants that nothing was trained on, with sound"):
        draw_film(folder.video, painted.seed, progress=progress)
    with step(f"summarising it: without training, and by the trained model with its title, '{TEXT.title}'"):
        contrastive = summarize(folder.video, ratio=settings.ratio, backbone=BACKBONE, device="cpu", progress=progress)
        contrastive.save(folder.contrastive, progress=progress)
        trained = summarize(
            folder.video,
            ratio=settings.ratio,
            scorer=trained_model(folder),
            title=TEXT.title,
            category=TEXT.category,
            device="cpu",
            progress=progress,
        )
        trained.save(folder.out, progress=progress)
    return WholeDemo(folder, benchmark, table, trained, contrastive)


class _Steps:
    """Tells which step it is, and how long it took."""

    def __init__(self, count: int, tell: Tell) -> None:
        self._count, self._tell, self._number = count, tell, 0

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        self._number += 1
        self._tell(f"[{self._number}/{self._count}] {what} ...")
        started = time.perf_counter()
        yield
        self._tell(f"      {time.perf_counter() - started:.0f} s")
