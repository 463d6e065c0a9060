"""What contrastive refinement gives: every fold, several worlds, one table of the unsupervised modes.

    python tools/world/refine.py --out refinement
    python tools/world/refine.py --out r --set data.world.settings.clips=clips.h5

Each refinement is `sspvs crossval` with configs/refine/synthetic.yaml on world 0, 1, ... (another seed: other concepts,
videos and people), and gives three rows: local dissimilarity A, times global consistency G, times uniqueness H. Beside
them stand the same two of the features as they are, random scores and people. What is done stays in OUT: the same
command goes on where it stopped. Kendall's tau under `per-user`, mean over all tested videos of all worlds with its
bootstrap 95 % interval, and the standard deviation between worlds; `against` is the paired difference to the same terms
without training.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sspvs.evaluation.bootstrap import bootstrap_ci95

CONFIG = Path(__file__).parents[2] / "configs" / "refine" / "synthetic.yaml"
VARIANTS: dict[str, dict[str, str]] = {
    "as in the config": {},
    "published weights": {"model.losses.alignment": "1"},
    "without unlabelled videos": {"data.world_unlabelled": "false", "trainer.max_epochs": "40"},
}
"""What each refinement sets."""
METHOD = "refined A*G*H"
TERMS = {"refined A": "contrastive, A alone", "refined A*G": "contrastive", METHOD: "contrastive"}
"""A row of a refinement -> the row without training that it is held against."""
WITHOUT_TRAINING = ("contrastive, A alone", "contrastive", "random", "human")


def folder_of(out: str, variant: str, seed: int) -> Path:
    return Path(out).resolve() / variant.replace(" ", "_") / f"world_{seed}"


def run(variant: str, seed: int, args: argparse.Namespace) -> None:
    """One refinement on one world; nothing where it is there."""
    settings = {
        "data.world.seed": str(seed),
        "data.world.folder": str(Path(args.worlds or args.out).resolve() / "worlds"),
    }
    settings |= VARIANTS[variant]
    command = [sys.executable, "-m", "sspvs", "crossval", "--config", str(CONFIG), "--seeds", "1", "--keep", "none"]
    command += ["--out", str(folder_of(args.out, variant, seed))]
    command += [f"--{key}={value}" for key, value in settings.items()] + [f"--{change}" for change in args.set]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise RuntimeError(f"{variant}, world {seed}: ended with status {done.returncode} and said: {said}")
    print(f"{variant}, world {seed} done", file=sys.stderr, flush=True)


def taus(row: str, variant: str, args: argparse.Namespace) -> list[np.ndarray]:
    """(videos,) tau of each world that is done."""
    found = []
    for seed in range(args.seeds):
        path = folder_of(args.out, variant, seed) / "result.json"
        if not path.is_file():
            continue
        result = json.loads(path.read_text(encoding="utf-8"))
        result = result if row == METHOD else result["baselines"][row]
        videos = result["videos"] if "videos" in result else result["per-user"]["videos"]
        values = [videos[video]["kendall_tau"] for video in sorted(videos)]
        found.append(np.array([np.nan if value is None else value for value in values], dtype=np.float64))
    return found


def line(name: str, worlds: list[np.ndarray], beside: list[np.ndarray] | None) -> str:
    every = np.concatenate(worlds)
    low, high = bootstrap_ci95(every)
    spread = f"{np.std([np.nanmean(world) for world in worlds], ddof=1):.3f}" if len(worlds) > 1 else ""
    against = ""
    if beside is not None:
        difference = every - np.concatenate(beside)
        left, right = bootstrap_ci95(difference)
        against = f"{np.nanmean(difference):+.3f} [{left:+.3f}, {right:+.3f}]"
    return f"| {name} | {np.nanmean(every):.3f} | [{low:.3f}, {high:.3f}] | {spread} | {against} | {len(worlds)} |"


def table(args: argparse.Namespace) -> str:
    lines = ["| | tau | 95 % interval | between worlds | against the same without training | worlds |"]
    lines.append("|---|---|---|---|---|---|")
    done = [variant for variant in args.variants if taus(METHOD, variant, args)]
    if done:
        lines += [line(row, taus(row, done[0], args), None) for row in WITHOUT_TRAINING]
    for variant in done:
        for row, without in TERMS.items():
            lines.append(line(f"{row}, {variant}", taus(row, variant, args), taus(without, variant, args)))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of the cross-validations")
    parser.add_argument("--worlds", help="OUT of ablate.py, whose worlds are used again (default: made in --out)")
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
    print(table(args))
    raise SystemExit(0 if all(done) else 1)


if __name__ == "__main__":
    main()
