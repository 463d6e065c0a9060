"""Contrastive importance against the plain T x T formula: seconds, peak memory, and the largest difference.

    python tools/bench/contrastive.py                           # 1,000 to 8,000 frames, width 1280
    python tools/bench/contrastive.py --frames 100000 --width 128      # ours alone (the plain formula needs 240 GB)
    python tools/bench/contrastive.py --frames 100000 --device cuda

Each run has a process of its own; peak memory holds the interpreter and the features too, and the features' share is
printed beside it (float32 as given, float64 inside).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from measure import own_peak_mb

from sspvs.importance.contrastive import contrastive_importance

PLAIN_LIMIT = 10_000


def plain_importance(features: np.ndarray) -> np.ndarray:
    """The formula with all T x T distances at once: importance before mapping and smoothing."""
    unit = features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit.T
    distances = 2 - 2 * cosines
    nearest = np.argsort(-cosines, axis=1)[:, : max(len(unit) // 10, 1)]
    dissimilarity = np.take_along_axis(distances, nearest, axis=1).mean(axis=1)
    consistency = np.log(np.exp(-2 * distances).mean(axis=1))
    product = np.ones(len(unit))
    for term in (dissimilarity, consistency):
        product *= (term - term.min()) / (term.max() - term.min())
    return product


def drawn(frames: int, width: int) -> np.ndarray:
    """(T, D) float32 features with scenes of 50 frames."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.standard_normal((frames // 50 + 1, width), dtype=np.float32), 50, axis=0)[:frames]
    features += 0.7 * rng.standard_normal(features.shape, dtype=np.float32) + 0.3
    return features


def once(which: str, frames: int, width: int, device: str) -> None:
    """One run, reported as JSON."""
    features = drawn(frames, width)
    if device.startswith("cuda"):
        contrastive_importance(features[:100], device=device)  # wake it
    start = time.perf_counter()
    if which == "plain":
        scores = plain_importance(features)
    else:
        scores = contrastive_importance(features, post="none", device=device).scores
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": own_peak_mb(), "scores": scores.tolist()}))


def run_once(which: str, frames: int, args: argparse.Namespace) -> dict:
    command = [sys.executable, __file__, "--once", which, "--frames", str(frames), "--width", str(args.width)]
    command += ["--device", args.device]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 4000, 8000])
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--once", choices=("plain", "ours"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        once(args.once, args.frames[0], args.width, args.device)
        return
    print(
        f"{'frames':>8}{'width':>7}{'ours s':>9}{'peak MB':>9}{'features MB':>13}{'plain s':>9}{'peak MB':>9}", end=""
    )
    print(f"{'time ratio':>12}{'memory ratio':>14}{'difference':>12}")
    for frames in args.frames:
        ours = run_once("ours", frames, args)
        features_mb = frames * args.width * 12 / 2**20
        row = f"{frames:8}{args.width:7}{ours['seconds']:9.2f}{ours['peak_mb']:9.0f}{features_mb:13.0f}"
        if frames <= PLAIN_LIMIT:
            plain = run_once("plain", frames, args)
            difference = np.abs(np.array(ours["scores"]) - np.array(plain["scores"])).max()
            row += f"{plain['seconds']:9.2f}{plain['peak_mb']:9.0f}{plain['seconds'] / ours['seconds']:12.1f}"
            row += f"{plain['peak_mb'] / ours['peak_mb']:14.1f}{difference:12.1e}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
