"""The whole demo, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sspvs.benchmark import Benchmark
from sspvs.crossval import side_by_side
from sspvs.demo.comparison import table_text, write_comparison
from sspvs.demo.film import TEXT, draw_film
from sspvs.demo.folder import DemoFolder
from sspvs.demo.settings import BACKBONE, ROWS, DemoSettings
from sspvs.demo.training import fine_tune, make_clips, make_world, pretrain, trained_model
from sspvs.pipeline import VideoSummary, summarize
from sspvs.video.drawing import THINGS

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
