"""`sspvs evaluate`: scores against what people chose, by named protocols, beside human, random and consensus rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from sspvs.commands.arguments import add_importance_arguments, check_outputs, file_name, options_for
from sspvs.evaluation.protocol import protocol_names
from sspvs.overwriting import EVALUATION, EVALUATION_PAGE, EVALUATION_PICTURE

if TYPE_CHECKING:
    from sspvs.benchmark import Benchmark
    from sspvs.evaluation.comparison import Evaluation
    from sspvs.evaluation.published import PublishedResult

DESCRIPTION = (
    "Evaluate scores of any method on a dataset file, or a baseline. Scores: our score h5, a peer's h5 (`score`, "
    "`machine_summary`), JSON {video: [numbers]}, npz or CSV, by video key or name, one a pick or one a frame. Human, "
    "random and consensus rows always stand beside; every figure is given with its protocol."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--dataset", required=True, type=Path, metavar="D.h5", help="dataset file, ours or the field's")
    judged = parser.add_mutually_exclusive_group(required=True)
    judged.add_argument(
        "--scores",
        type=file_name,
        nargs="+",
        action="append",
        metavar="[NAME=]S",
        help="a method's score file, or all files of its folds, which are joined; give it again for another method: "
        "methods are compared by a paired bootstrap",
    )
    judged.add_argument(
        "--baseline", choices=("human", "random", "consensus", "contrastive", "ridge"), help="in their place"
    )
    parser.add_argument(
        "--protocol",
        default="per-user",
        choices=protocol_names(),
        metavar="NAME",
        help=f"{', '.join(protocol_names())} (default: per-user)",
    )
    parser.add_argument("--splits", type=Path, metavar="J", help="split file: evaluate the videos that it tests")
    parser.add_argument("--out", type=Path, metavar="R.json", help="write all figures, per video too")
    parser.add_argument("--report", type=Path, metavar="R.html", help="write a page with the table and plots")
    parser.add_argument("--picture", type=Path, metavar="R.png", help="draw every row's mean, interval and videos")
    parser.add_argument("--published", action="store_true", help="show published results beside, each in its protocol")
    _add_details(parser.add_argument_group("details"))
    parser.add_argument(
        "--ridge",
        action="store_true",
        help="put a row of ridge regression beside, each video scored by what the other folds teach, and what it makes "
        "of shuffled labels; folds of --splits, or five that are drawn (needs features in the dataset; seconds)",
    )
    parser.add_argument(
        "--save-ridge",
        type=Path,
        metavar="DIR",
        help="write ridge regression fitted to all videos of the dataset as a checkpoint, for `sspvs score --scorer` "
        "and `sspvs summarize --scorer`",
    )
    contrastive = parser.add_argument_group("contrastive baseline (needs features in the dataset)")
    contrastive.add_argument("--contrastive", action="store_true", help="put its row beside the others")
    contrastive.add_argument(
        "--scorer",
        type=file_name,
        metavar="CHECKPOINT",
        help="with --baseline contrastive: of features that this checkpoint refines",
    )
    add_importance_arguments(contrastive)


def _add_details(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--rule",
        default="default",
        metavar="NAME",
        help="budget and values of the 15 %% summary: default (floor, exact), vasnet, pgl-sum, a2summ, sspvs, ...",
    )
    group.add_argument("--draws", type=int, default=100, help="of the random row (default: 100)")
    group.add_argument("--seed", type=int, default=0, help="of the random row (default: 0)")
    group.add_argument(
        "--recorded-summaries",
        action="store_true",
        help="judge the summaries that the score file records, not ones made from its scores",
    )
    group.add_argument("--allow-missing", action="store_true", help="evaluate the videos that there are scores of")
    group.add_argument(
        "--checkpoint-rule",
        nargs="+",
        action="extend",
        default=[],
        metavar="[NAME=]RULE",
        help="what chose the weights: val, last, train-loss, best-test or none; stated in the result",
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate, write, show; 0 when all went well."""
    from sspvs.benchmark import EvaluationSettings, run_benchmark

    if args.scores is not None:
        args.scores = _named_scores(args.scores)
    check_outputs(args, out=EVALUATION, report=EVALUATION_PAGE, picture=EVALUATION_PICTURE)
    args.checkpoint_rule = _checkpoint_rules(args.checkpoint_rule)
    settings = EvaluationSettings(**options_for(EvaluationSettings, args))
    benchmark = run_benchmark(args.dataset, args.scores, splits=args.splits, settings=settings, progress=True)
    written = []
    if args.save_ridge is not None:
        from sspvs.benchmark.ridge import ridge_summarizer
        from sspvs.data.folds import Stores

        written = [ridge_summarizer(Stores(args.dataset)).save_pretrained(args.save_ridge)]
    outputs = {name: getattr(args, name) for name in ("out", "report", "picture")}
    show(benchmark, published=args.published, written=written, **outputs)
    return 0


def show(
    benchmark: Benchmark,
    *,
    published: bool,
    written: Iterable[Path] = (),
    out: Path | None = None,
    report: Path | None = None,
    picture: Path | None = None,
) -> None:
    """Write what has a place, together; print the table and where everything is, `written` first."""
    from sspvs.atomic import together
    from sspvs.benchmark import write_evaluation
    from sspvs.evaluation.text import render_text

    evaluation = benchmark.evaluation
    table = evaluation.table(_published_beside(evaluation) if published else ())
    with together():
        if out is not None:
            write_evaluation(out, evaluation)
        if report is not None:
            from sspvs.report.evaluation_page import write_evaluation_page

            write_evaluation_page(report, table, benchmark.videos, benchmark.predictions)
        if picture is not None:
            from sspvs.report.plots import write_evaluation_png

            write_evaluation_png(picture, table)
    print(render_text(table))
    for path in (*written, out, report, picture):
        if path is not None:
            print(f"written: {path}")


def _published_beside(evaluation: Evaluation) -> tuple[PublishedResult, ...]:
    """Published results on this dataset; of the split's setting, where there is one."""
    from sspvs.evaluation.published import published_results

    setting = evaluation.coverage.get("split_setting")
    found = published_results(evaluation.dataset, setting=None if setting == "unrecognised" else setting)
    if not found:
        sys.stderr.write(f"warning: no published results on dataset '{evaluation.dataset}'\n")
    return found


def _named_scores(given: Iterable[Sequence[str]]) -> dict[str, list[Path]]:
    """Method -> its files: those of one option, up to the next `NAME=`, which begins another method."""
    from sspvs.benchmark.evaluating import name_of

    methods: list[tuple[str, list[Path]]] = []
    for option in given:
        methods.append(("", []))
        for text in option:
            name, equals, path = text.partition("=")
            if not equals or Path(text).exists():
                methods[-1][1].extend(_files(text))
            elif name and path:
                methods.append((name, _files(path)))
            else:
                raise ValueError(f"--scores {text}: expected PATH or NAME=PATH")
    named: dict[str, list[Path]] = {}
    for name, files in methods:
        if files:
            name = name or name_of(files)
            if name in named:
                raise ValueError(f"--scores: two methods would be called '{name}'; name them: --scores NAME=PATH")
            named[name] = files
    return named


def _files(pattern: str) -> list[Path]:
    """A file, or those that a pattern such as `folds/*.h5` means where the shell left it as it is."""
    found = [] if Path(pattern).exists() else sorted(glob(pattern))  # noqa: PTH207 (patterns from the root too)
    return [Path(path) for path in found] or [Path(pattern)]


def _checkpoint_rules(given: Iterable[str]) -> str | dict[str, str] | None:
    rules = [text.rpartition("=") for text in given]
    if not rules:
        return None
    if len(rules) == 1 and not rules[0][1]:
        return rules[0][2]
    if any(not name for name, _, _ in rules):
        raise ValueError("--checkpoint-rule: give one RULE for all methods, or NAME=RULE for each")
    return {name: rule for name, _, rule in rules}
