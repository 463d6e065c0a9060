"""What pretraining, text, stages and heads are worth to the summarizer: every fold, several worlds, one table.

    python tools/world/ablate.py  --out ablation --variants all shuffled       # pretraining, a world a seed
    python tools/world/compare.py --pretraining ablation --out comparison
    python tools/world/compare.py --pretraining clips --out c --set data.world.settings.clips=clips.h5

Each row is `sspvs crossval` with configs/finetune/synthetic.yaml on world 0, 1, ... (another seed: other concepts,
videos and people), from the checkpoint that was pretrained on that world. What is done stays in OUT: the same command
goes on where it stopped. Kendall's tau under `per-user`, mean over all tested videos of all worlds with its bootstrap
95 % interval, and the standard deviation between worlds; `against` is the paired difference to the first row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sspvs.evaluation.bootstrap import bootstrap_ci95

CONFIG = Path(__file__).parents[2] / "configs" / "finetune" / "synthetic.yaml"


class Variant(NamedTuple):
    """A row: which pretraining it starts from (None: from nothing), and what it sets."""

    pretraining: str | None
    settings: dict[str, str] = {}  # noqa: RUF012  never changed


GUIDANCE, HEAD, STAGES = "model.summarizer.text_guidance", "model.summarizer.head", "model.summarizer.num_stages"
VARIANTS = {
    "pretrained": Variant("all"),
    "from scratch": Variant(None),
    "pretrained, texts shuffled": Variant("shuffled"),
    "pretrained, no text": Variant("all", {GUIDANCE: "none"}),
    "from scratch, no text": Variant(None, {GUIDANCE: "none"}),
    "pretrained, text added": Variant("all", {GUIDANCE: "added"}),
    "pretrained, cross-attention": Variant("all", {GUIDANCE: "cross-attention"}),
    "1 stage": Variant("all", {STAGES: "1"}),
    "2 stages": Variant("all", {STAGES: "2"}),
    "4 stages": Variant("all", {STAGES: "4"}),
    "mse alone": Variant("all", {"model.losses.pairwise": "0"}),
    "linear, no text": Variant(None, {HEAD: "linear", STAGES: "1", GUIDANCE: "none"}),
    "attention, no text": Variant(None, {HEAD: "attention", STAGES: "1", GUIDANCE: "none"}),
    "csta, no text": Variant(None, {HEAD: "csta", STAGES: "1", GUIDANCE: "none"}),
}
BASELINES = ("contrastive", "random", "human", "consensus")


def run(name: str, seed: int, args: argparse.Namespace) -> None:
    """One row on one world; nothing where it is there."""
    folder = Path(args.out).resolve() / name.replace(", ", "-").replace(" ", "_") / f"world_{seed}"
    variant = VARIANTS[name]
    start = "null"
    if variant.pretraining is not None:
        start = str(Path(args.pretraining).resolve() / f"{variant.pretraining}-{seed}/version_0/pretrained/last")
    settings = {
        "model.pretrained": start, "data.world.seed": str(seed),
        "data.world.folder": str(Path(args.pretraining).resolve() / "worlds"), **variant.settings,
    }  # fmt: skip
    command = [sys.executable, "-m", "sspvs", "crossval", "--config", str(args.config), "--out", str(folder)]
    command += ["--seeds", "1", "--keep", "none"]
    command += [f"--{key}={value}" for key, value in settings.items()] + [f"--{change}" for change in args.set]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise RuntimeError(f"{name}, world {seed}: ended with status {done.returncode} and said: {said}")
    print(f"{name}, world {seed} done", file=sys.stderr, flush=True)


def taus(name: str, seeds: int, out: Path) -> list[np.ndarray]:
    """(videos,) tau of each world, of a row or of a baseline beside one."""
    found = []
    for seed in range(seeds):
        row = next(iter(VARIANTS)) if name in BASELINES else name
        path = out / row.replace(", ", "-").replace(" ", "_") / f"world_{seed}" / "result.json"
        if not path.is_file():
            continue
        result = json.loads(path.read_text(encoding="utf-8"))
        result = result["baselines"][name] if name in BASELINES else result
        videos = result["videos"] if "videos" in result else result["per-user"]["videos"]
        values = [videos[video]["kendall_tau"] for video in sorted(videos)]
        found.append(np.array([np.nan if value is None else value for value in values], dtype=np.float64))
    return found


def table(names: list[str], seeds: int, out: Path) -> str:
    lines = ["| | tau | 95 % interval | between worlds | against the first row | worlds |", "|---|---|---|---|---|---|"]
    first = taus(names[0], seeds, out)
    for name in [*names, *BASELINES]:
        worlds = taus(name, seeds, out)
        if not worlds:
            continue
        every = np.concatenate(worlds)
        low, high = bootstrap_ci95(every)
        spread = f"{np.std([np.nanmean(world) for world in worlds], ddof=1):.3f}" if len(worlds) > 1 else ""
        against = ""
        if name != names[0] and len(worlds) == len(first):
            difference = every - np.concatenate(first)
            left, right = bootstrap_ci95(difference)
            against = f"{np.nanmean(difference):+.3f} [{left:+.3f}, {right:+.3f}]"
        lines.append(
            f"| {name} | {np.nanmean(every):.3f} | [{low:.3f}, {high:.3f}] | {spread} | {against} | {len(worlds)} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretraining", required=True, help="OUT of ablate.py, with the same --set of the world")
    parser.add_argument("--out", required=True, help="folder of the cross-validations")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=3, help="worlds 0, 1, ... (default: 3)")
    parser.add_argument("--jobs", type=int, default=1, help="cross-validations at a time (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of `sspvs fit`")
    args = parser.parse_args()

    def work(one: tuple[str, int]) -> bool:
        try:
            run(*one, args)
        except RuntimeError as error:
            print(f"{error}; the same command goes on with it", file=sys.stderr, flush=True)
            return False
        return True

    with ThreadPoolExecutor(args.jobs) as pool:
        done = list(pool.map(work, [(name, seed) for seed in range(args.seeds) for name in args.variants]))
    print(table(args.variants, args.seeds, Path(args.out)))
    raise SystemExit(0 if all(done) else 1)


if __name__ == "__main__":
    main()
