"""What the comparisons on drawn worlds share: a cross-validation that is made once, its figures, a table line."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sspvs.evaluation.results import bootstrap_ci95


def folder_of(out: str | Path, row: str, seed: int) -> Path:
    """Where a row's cross-validation on a world lies."""
    return Path(out).resolve() / row.replace(", ", "-").replace(" ", "_") / f"world_{seed}"


def crossval(config: Path, folder: Path, settings: Mapping[str, str], args: argparse.Namespace) -> None:
    """`sspvs crossval` as a process, with `args.trainings` seeds and `args.set` changed; nothing where it is done.

    Raises:
        RuntimeError: It failed; the message is its last line.
    """
    command = [sys.executable, "-m", "sspvs", "crossval", "--config", str(config), "--out", str(folder)]
    command += ["--seeds", str(args.trainings), "--keep", "none"]
    command += [f"--{key}={value}" for key, value in settings.items()] + [f"--{change}" for change in args.set]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise RuntimeError(f"{folder.parent.name}, {folder.name}: ended with status {done.returncode}: {last}")
    print(f"{folder.parent.name}, {folder.name} done", file=sys.stderr, flush=True)


def make_all(make: Callable[[str, int], None], rows: Sequence[str], args: argparse.Namespace) -> bool:
    """Every row on every world, `args.jobs` at a time; whether all went well."""

    def one(row_and_seed: tuple[str, int]) -> bool:
        try:
            make(*row_and_seed)
        except RuntimeError as error:
            print(f"{error}; the same command goes on with it", file=sys.stderr, flush=True)
            return False
        return True

    with ThreadPoolExecutor(args.jobs) as pool:
        return all(list(pool.map(one, [(row, seed) for seed in range(args.seeds) for row in rows])))


def taus(folders: Sequence[Path], baseline: str | None = None) -> list[np.ndarray]:
    """(videos,) tau under `per-user` of each world that is done: of the method, or of a row beside it."""
    found = []
    for folder in folders:
        path = folder / "result.json"
        if not path.is_file():
            continue
        result = json.loads(path.read_text(encoding="utf-8"))
        result = result if baseline is None else result["baselines"][baseline]
        videos = result["videos"] if "videos" in result else result["per-user"]["videos"]
        values = [videos[video]["kendall_tau"] for video in sorted(videos)]
        found.append(np.array([np.nan if value is None else value for value in values], dtype=np.float64))
    return found


def line(name: str, worlds: Sequence[np.ndarray], other: Sequence[np.ndarray] = ()) -> str:
    """A row of the table; `other` is what its videos are held against."""
    every = np.concatenate(worlds)
    low, high = bootstrap_ci95(every)
    spread = f"{np.std([np.nanmean(world) for world in worlds], ddof=1):.3f}" if len(worlds) > 1 else ""
    against = ""
    if other:  # worlds are made in order: those that both have are the first ones
        both = min(len(worlds), len(other))
        difference = np.concatenate(worlds[:both]) - np.concatenate(other[:both])
        left, right = bootstrap_ci95(difference)
        against = f"{np.nanmean(difference):+.3f} [{left:+.3f}, {right:+.3f}]"
    return f"| {name} | {np.nanmean(every):.3f} | [{low:.3f}, {high:.3f}] | {spread} | {against} | {len(worlds)} |"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of both."""
    parser.add_argument("--out", required=True, help="folder of the cross-validations")
    parser.add_argument("--seeds", type=int, default=3, help="worlds 0, 1, ... (default: 3)")
    parser.add_argument("--trainings", type=int, default=1, help="seeds of training on each (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="cross-validations at a time (default: 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting of `sspvs fit`")
