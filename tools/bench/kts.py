"""Kernel temporal segmentation against the textbook loop, and on long videos: seconds and peak memory.

    python tools/bench/kts.py                                  # textbook at 600 and 3600 picks, ours to 14,400
    python tools/bench/kts.py --textbook 600 --picks 14400

The textbook programme solves for every number of changes up to T / 10, as peers limit it, one cell after another with
numpy inside; ours has no limit. Both get the same features, width 1280: `scenes` of 15 picks on average with noise, and
`drift`, one slow change without a cut, for which the search has to look back furthest. Each of our rows runs in a
process of its own, whose peak memory (Linux) holds the interpreter and the features too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from helpers.textbook_kts import objective, textbook_kts
from measure import own_peak_mb

from sspvs.selection.kts import DEFAULT_PENALTY, kts

WIDTH = 1280


def drawn(kind: str, picks: int) -> np.ndarray:
    """(T, 1280) float32 features of a video that changes at once (`scenes`) or slowly (`drift`)."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((picks, WIDTH), dtype=np.float32)
    if kind == "scenes":
        features *= 0.7
        scene = np.zeros(WIDTH, dtype=np.float32)
        for row in range(picks):
            if row == 0 or rng.random() < 1 / 15:
                scene = rng.standard_normal(WIDTH, dtype=np.float32)
            features[row] += scene
    else:
        features *= 0.05
        direction = 0.1 * rng.standard_normal(WIDTH, dtype=np.float32)
        for row in range(picks):
            features[row] += 1 + direction * (row / picks)
    return features


def once(kind: str, picks: int, penalty: float) -> None:
    """One run, reported as JSON."""
    features = drawn(kind, picks)
    start = time.perf_counter()
    starts = kts(features, penalty=penalty)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_mb": own_peak_mb(), "starts": starts.tolist()}))


def run_once(kind: str, picks: int, penalty: float) -> dict:
    command = [sys.executable, __file__, "--once", kind, str(picks), "--penalty", str(penalty)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--textbook", type=int, nargs="*", default=[600, 3600], help="lengths to run the textbook on")
    parser.add_argument("--picks", type=int, nargs="*", default=[7200, 14400], help="further lengths for ours alone")
    parser.add_argument("--penalty", type=float, default=DEFAULT_PENALTY)
    parser.add_argument("--once", nargs=2, metavar=("KIND", "PICKS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        once(args.once[0], int(args.once[1]), args.penalty)
        return
    print(
        f"{'features':10}{'picks':>8}{'shots':>8}{'ours s':>10}{'peak MB':>10}{'textbook s':>12}{'ratio':>8}  objective"
    )
    for picks in [*args.textbook, *args.picks]:
        for kind in ("scenes", "drift"):
            ours = run_once(kind, picks, args.penalty)
            row = f"{kind:10}{picks:8}{len(ours['starts']):8}{ours['seconds']:10.2f}{ours['peak_mb']:10.0f}"
            if picks in args.textbook and kind == "scenes":
                features = drawn(kind, picks).astype(np.float64)
                start = time.perf_counter()
                starts = textbook_kts(features, args.penalty, picks // 10)
                seconds = time.perf_counter() - start
                values = [objective(features, found, args.penalty) for found in (ours["starts"], starts)]
                row += f"{seconds:12.1f}{seconds / ours['seconds']:8.0f}  {values[0]:.9f} (textbook {values[1]:.9f})"
            print(row, flush=True)


if __name__ == "__main__":
    main()
