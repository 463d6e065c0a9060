"""What each objective of pretraining is worth: one run for each that is off and each seed, one table.

    python tools/world/ablate.py --out ablation                       # the drawn world of synthetic.yaml, 3 seeds
    python tools/world/ablate.py --out clips --set data.world.settings.clips=../shared/data/footage/footage.h5
    python tools/world/ablate.py --out ablation --variants all no-fine --seeds 5 --jobs 2

Each run is `sspvs fit` in a process of its own. What is done is kept in OUT/results.json, and a run that is not done
starts again from its last checkpoint: the same command goes on where it stopped. Figures are those of the last
validation, on clips never seen in training; `seed` seeds the weights and the world alike. Means over seeds, standard
deviations in brackets.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sspvs.atomic import write_text

CONFIG = Path(__file__).parents[2] / "configs" / "pretrain" / "synthetic.yaml"
VARIANTS = {
    "all": {},
    "no-coarse": {"model.losses.coarse": "none"},
    "no-fine": {"model.losses.fine": "none"},
    "no-mask": {"model.losses.mask": "false"},
    "shuffled": {"data.world.settings.wording.shuffled": "pretrain"},
    # The published objectives: mismatched texts come from the data.
    "published": {
        "model.losses.coarse": "matching", "model.losses.fine": "hausdorff", "data.negative_probability": "0.5",
        "data.masks.kind": "one",
    },
}  # fmt: skip
COLUMNS = {
    "text_to_video_r1": "R@1",
    "text_to_video_r10": "R@10",
    "text_to_video_median_rank": "median rank",
    "masked_error_ratio": "masked error / copying",
    "late_interaction_matched": "fit of own text",
    "late_interaction_mismatched": "of another's",
    "hausdorff_matched": "HD of own text",
    "hausdorff_mismatched": "HD of another's",
    "matching_accuracy": "matching accuracy",
    "text_effective_rank": "rank of texts",
}


def last_figures(metrics: Path) -> dict[str, float]:
    """The newest value of each validation figure in a CSV log."""
    figures: dict[str, float] = {}
    with metrics.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            figures |= {name[4:]: float(value) for name, value in row.items() if name.startswith("val/") and value}
    return figures


def train(variant: str, seed: int, args: argparse.Namespace) -> dict[str, float]:
    name = f"{variant}-{seed}"
    out = Path(args.out).resolve()
    settings = {
        "seed_everything": seed, "data.world.seed": seed, "data.seed": seed, "data.world.folder": out / "worlds",
        "run.root": out, "run.name": name, "run.samples": 0, "ckpt_path": "last", **VARIANTS[variant],
    }  # fmt: skip
    flags = [f"--{key}={value}" for key, value in settings.items()] + [f"--{change}" for change in args.set]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    command = [sys.executable, "-m", "sspvs", "fit", "--config", str(args.config), *flags]
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise RuntimeError(f"ended with status {done.returncode}: {last}")
    logs = sorted((out / name).glob("version_*/metrics.csv"), key=lambda path: path.stat().st_mtime)
    figures: dict[str, float] = {}
    for log in logs:
        figures |= last_figures(log)
    return figures


def table(results: dict[str, dict[str, float]], variants: list[str]) -> str:
    lines = ["| | " + " | ".join(COLUMNS.values()) + " | seeds |", "|---" * (len(COLUMNS) + 2) + "|"]
    for variant in variants:
        runs = [figures for name, figures in sorted(results.items()) if name.rpartition("-")[0] == variant]
        cells = []
        for column in COLUMNS:
            values = [figures[column] for figures in runs if column in figures]
            spread = f" ({np.std(values, ddof=1):.3g})" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3g}{spread}" if values else "")
        lines.append(f"| {variant} | " + " | ".join(cells) + f" | {len(runs)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of the runs, the worlds and the results")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=3, help="0, 1, ... (default: 3)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of `sspvs fit`")
    args = parser.parse_args()
    kept = Path(args.out) / "results.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.is_file() else {}
    todo = [(v, s) for s in range(args.seeds) for v in args.variants if f"{v}-{s}" not in results]

    def work(one: tuple[str, int]) -> bool:
        name = "{}-{}".format(*one)
        try:
            results[name] = train(*one, args)
        except RuntimeError as error:
            print(f"{name}: {error}; the same command goes on with it", file=sys.stderr, flush=True)
            return False
        write_text(kept, json.dumps(dict(results), indent=1) + "\n")
        print(f"{name} done", file=sys.stderr, flush=True)
        return True

    with ThreadPoolExecutor(args.jobs) as pool:
        done = list(pool.map(work, todo))
    print(table(results, args.variants))
    raise SystemExit(0 if all(done) else 1)


if __name__ == "__main__":
    main()
