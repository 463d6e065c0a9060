"""The demo's table, and the sentences under it, which say what the figures show, whatever that is."""

from __future__ import annotations

from dataclasses import replace

from sspvs.atomic import together, write_text
from sspvs.benchmark import Benchmark, write_evaluation
from sspvs.benchmark.refined import CONTRASTIVE_ALONE
from sspvs.demo.folder import DemoFolder
from sspvs.demo.settings import ROWS, DemoSettings
from sspvs.evaluation.compare import compare
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL
from sspvs.evaluation.results import Comparison, Evaluation, MethodResult
from sspvs.report.evaluation_page import write_evaluation_page
from sspvs.report.evaluation_table import comparison_table, render_text

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
