"""`sspvs crossval`: every fold of a config's split under several seeds, and one table."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sspvs.commands.arguments import VerbParser, add_manner_arguments, check_outputs, file_name, options_for
from sspvs.commands.evaluate import show
from sspvs.errors import UnknownOptionError
from sspvs.evaluation.protocol import protocol_names
from sspvs.overwriting import EVALUATION_PAGE
from sspvs.training.signals import exit_status, interruptible_imports

DESCRIPTION = (
    "Train and test every fold of a config's split (`task: summarize`, such as configs/finetune/tvsum.yaml, or `task: "
    "refine`, such as configs/refine/tvsum.yaml) under several seeds, and compare with contrastive importance, random "
    "scores and people. Everything is written into --out, result.json among it; the same command goes on where "
    "it was interrupted, by whatever. Any --model.*, --data.*, --trainer.* or --import of `sspvs fit` may follow."
)


def parser() -> argparse.ArgumentParser:
    """Its own options; all others are for the folds."""
    out = VerbParser(prog="sspvs crossval", description=DESCRIPTION, allow_abbrev=False)
    out.add_argument(
        "-c",
        "--config",
        type=file_name,
        required=True,
        action="append",
        metavar="C.yaml",
        help="later ones come on top",
    )
    out.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of this experiment")
    out.add_argument(
        "--seeds", type=int, metavar="N", help="0 to N - 1 (default: 3, or the seed of a config that is `published`)"
    )
    out.add_argument(
        "--checkpoint-rule",
        choices=("val", "last", "best-test"),
        help="what chooses the weights of a fold: val, videos held out of training (default), last, the last epoch "
        "(default of `task: refine`), or best-test, the tested videos, as old tables have it: those figures stand in a "
        "column of their own",
    )
    out.add_argument(
        "--protocol", choices=protocol_names(), metavar="NAME", help="or all (default: the config's, or per-user)"
    )
    out.add_argument("--rule", metavar="NAME", help="of summaries (default: the config's): see `sspvs evaluate`")
    out.add_argument("--published", action="store_true", help="show published results beside, each in its protocol")
    out.add_argument("--report", type=Path, metavar="PAGE.html", help="write a page with the table and plots")
    out.add_argument("--name", help="of the method in the table (default: run.name, or refined A*G*H)")
    out.add_argument("--jobs", type=int, metavar="N", help="processes, each with folds of its own")
    out.add_argument("--devices", default="", metavar="0,1", help="GPUs for the processes, in turn")
    out.add_argument(
        "--keep",
        choices=("none", "chosen"),
        default="chosen",
        help="keep the weights of the first seed's folds as checkpoint folders (default), or none",
    )
    out.add_argument("--wandb", choices=("off", "offline", "online"), default="off", help="a run a fold, in one group")
    out.add_argument("--wandb_project", default="sspvs", help="its project")
    add_manner_arguments(out)
    return out


def run_verb(verb: str, arguments: Sequence[str]) -> int:  # noqa: ARG001
    """Run it with the arguments that follow it; 0 when all folds are finished, else see `exit_status`."""
    own = parser()
    try:
        args, overrides = own.parse_known_args(list(arguments))
    except SystemExit as ended:  # --help
        return int(ended.code or 0)
    check_outputs(args, report=EVALUATION_PAGE)
    try:
        return exit_status(
            lambda: _run(args, overrides), stopped="finished folds are kept: the same command makes the rest"
        )
    except UnknownOptionError as error:  # of the folds, or of this verb
        raise UnknownOptionError(error.option, (*error.known, *own._option_string_actions), own.prog) from error


def _run(args: argparse.Namespace, overrides: Sequence[str]) -> None:
    with interruptible_imports():
        from sspvs.crossval.folder import RESULT
        from sspvs.crossval.running import cross_validate, is_first_process
    args.devices = _numbers(args.devices)
    result = cross_validate(overrides=overrides, progress=not args.quiet, **options_for(cross_validate, args))
    if is_first_process():
        show(result.benchmark, published=args.published, written=[args.out / RESULT], report=args.report)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise ValueError(f"--devices: expected numbers of GPUs such as 0,1, got {text!r}") from error
