"""SSPVS' ablations on any dataset: one to five stages, and each objective of pretraining off; one table.

    python tools/ablations.py --out runs/ablations --pretrain configs/pretrain/synthetic.yaml \
        --finetune configs/finetune/synthetic.yaml
    python tools/ablations.py --out runs/ablations_tvsum --pretrain configs/pretrain/ytvt_paper.yaml \
        --finetune configs/finetune/tvsum_canonical.yaml --checkpoint-rule best-test
    python tools/ablations.py --out runs/stages --pretrained checkpoints/sspvs --finetune configs/finetune/own.yaml \
        --set data.dataset=mine.h5 --rows "1 stage" "3 stages" "from scratch"

Rows with a number of stages start from the whole pretraining; the others have the stages of the config, and start from
a pretraining without one objective, or from none. Each pretraining is `sspvs fit`, each row `sspvs crossval`, on the
same folds and seeds; all are held against the first row, and it against ridge regression, by a paired bootstrap over
videos. What is done stays in OUT: the same command goes on where it stopped, and prints the table, which is also
OUT/table.html and, by video, OUT/result.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sspvs.atomic import write_text
from sspvs.commands.evaluate import show
from sspvs.crossval import cross_validate, side_by_side

PRETRAININGS = {
    "all": {},
    "no coarse": {"model.losses.coarse": "none"},
    "no fine": {"model.losses.fine": "none"},
    "no mask": {"model.losses.mask": "false"},
}  # fmt: skip


class Row(NamedTuple):
    """Which pretraining it starts from (None: from none), and how many stages it has (None: as in the config)."""

    pretraining: str | None
    stages: int | None = None


ROWS = {
    **{f"{number} stage{'s'[: number - 1]}": Row("all", number) for number in range(1, 6)},
    **{f"pretrained with {name}": Row(name) for name in PRETRAININGS if name != "all"},
    "from scratch": Row(None),
}
HOW = {"seeds": int, "checkpoint_rule": str, "protocol": str, "rule": str, "jobs": int}


def pretrain(name: str, args: argparse.Namespace) -> str:
    """The checkpoint of a pretraining, which is made unless it is there."""
    if name == "all" and args.pretrained:
        return str(args.pretrained)
    kept = args.out / "pretrained.json"
    done: dict[str, str] = json.loads(kept.read_text()) if kept.is_file() else {}
    if name not in done:
        root, run = args.out.resolve() / "pretraining", name.replace(" ", "_")
        settings = {"run.root": root, "run.name": run, "ckpt_path": "last", **PRETRAININGS[name]}
        words = [f"--{key}={value}" for key, value in settings.items()] + [
            f"--{change}" for change in args.set_pretrain
        ]
        fit = [sys.executable, "-m", "sspvs", "fit", "--config", str(args.pretrain), *words]
        if subprocess.run(fit).returncode:  # a process of its own, which may start others for several GPUs
            raise SystemExit(f"pretraining '{name}' failed; the same command goes on with it")
        found = [path for one in ("best", "last") for path in sorted((root / run).glob(f"version_*/pretrained/{one}"))]
        done[name] = str(found[0].relative_to(args.out.resolve()))
        write_text(kept, json.dumps(done, indent=1) + "\n")
    return str(args.out / done[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of everything")
    parser.add_argument("--finetune", type=Path, required=True, help="config of `task: summarize`")
    parser.add_argument("--pretrain", type=Path, help="config of the pretraining")
    parser.add_argument("--pretrained", type=Path, help="a checkpoint in place of the whole pretraining")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of fine-tuning")
    parser.add_argument("--set-pretrain", action="append", default=[], metavar="KEY=VALUE", help="of pretraining")
    parser.add_argument("--published", action="store_true", help="published rows beside")
    for name, kind in HOW.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="as of `sspvs crossval`")
    args = parser.parse_args()
    needed = {ROWS[name].pretraining for name in args.rows} - {None, "all" if args.pretrained else None}
    if needed and args.pretrain is None:
        parser.error(f"give --pretrain CONFIG: the rows need pretraining {', '.join(sorted(map(str, needed)))}")
    how: dict[str, Any] = {name: value for name in HOW if (value := getattr(args, name)) is not None}
    args.out.mkdir(parents=True, exist_ok=True)
    runs = {}
    for name in args.rows:
        row = ROWS[name]
        start = "null" if row.pretraining is None else pretrain(row.pretraining, args)
        words = [f"--model.pretrained={start}", *(f"--{change}" for change in args.set)]
        words += [] if row.stages is None else [f"--model.summarizer.num_stages={row.stages}"]
        folder = args.out / name.replace(" ", "_")
        runs[name] = cross_validate(
            args.finetune, folder, overrides=words, keep="none", name=name, with_ridge=not runs, progress=True, **how
        )
    table, report = side_by_side(runs), args.out / "table.html"
    first = [one for one in table.evaluation.comparisons if args.rows[0] in (one.first, one.second)]
    table = replace(table, evaluation=replace(table.evaluation, comparisons=tuple(first)))
    show(table, published=args.published, out=args.out / "result.json", report=report)


if __name__ == "__main__":
    main()
