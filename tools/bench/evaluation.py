"""Evaluation of TVSum against the usual loop over users, and everything that one table takes: seconds and ratios.

    python tools/bench/evaluation.py
    python tools/bench/evaluation.py --annotations ydata-tvsum50.mat --rounds 5

The loop calls scipy's `kendalltau` and `spearmanr` for each user of each video, as published evaluators do. Both get
the same random scores, and the figures must agree to 1e-10. "One fold" is what a validation in training costs: ten
videos, correlations at the picks and F1, against the same loop, with each F1 by its definition.

The annotations are the official ones where they are found, else ratings of the same size (50 videos, 20 users, 1 to 5,
constant over 2 seconds). Shots are drawn, about 50 a video, since the official file has none, and the users' summaries
are made from their ratings over those.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import h5py
import numpy as np
from measure import take_turns
from scipy.stats import kendalltau, spearmanr

from sspvs.data.fold_data import judge
from sspvs.evaluation.baselines import BASELINES, evaluate_baseline
from sspvs.evaluation.evaluate import evaluate
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import PROTOCOLS, Protocol
from sspvs.evaluation.summary_rule import SummaryRule
from sspvs.types import Annotations, Shots

OFFICIAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "annotations" / "ydata-tvsum50.mat"
FRAMES_A_SHOT = 145


def official_ratings(path: Path) -> list[np.ndarray]:
    """(20, N) ratings of each video."""
    with h5py.File(path) as file:
        return [file[reference][()].astype(np.float32) for reference in file["tvsum50/user_anno"][:, 0]]


def drawn_ratings() -> list[np.ndarray]:
    """Random ratings of the same size."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2500, 11_600, 50)
    return [np.repeat(rng.integers(1, 6, (20, n // 55 + 1)), 55, axis=1)[:, :n].astype(np.float32) for n in lengths]


def as_dataset(ratings: list[np.ndarray]) -> dict[str, Annotations]:
    rng = np.random.default_rng(0)
    rule, dataset = SummaryRule(), {}
    for place, scores in enumerate(ratings, start=1):
        n_frames = scores.shape[1]
        cuts = np.sort(rng.choice(np.arange(1, n_frames), n_frames // FRAMES_A_SHOT, replace=False))
        shots = Shots.from_starts(np.concatenate([[0], cuts]), n_frames)
        picks = np.arange(0, n_frames, 15)
        dataset[f"video_{place}"] = Annotations(
            key=f"video_{place}",
            video_name=f"video_{place}",
            n_frames=n_frames,
            picks=picks,
            user_summaries=np.stack([rule.summarize(user, shots) for user in scores]),
            user_scores=scores,
            gtscore=((scores[:, picks].mean(axis=0, dtype=np.float64) - 1) / 4).astype(np.float32),
            shots=shots,
        )
    return dataset


def usual_loop(dataset: dict[str, Annotations], predictions: dict[str, Prediction], protocol: str) -> np.ndarray:
    """Mean tau and rho over users, then over videos."""
    videos = []
    for key, video in dataset.items():
        prediction, users = predictions[key].at_frames, video.user_scores
        if protocol == "per-user":
            prediction, users = predictions[key].at_picks, users[:, video.picks]
        videos.append(np.mean([(kendalltau(prediction, u)[0], spearmanr(prediction, u)[0]) for u in users], axis=0))
    return np.mean(videos, axis=0)


def loop_with_summaries(dataset: dict[str, Annotations], predictions: dict[str, Prediction]) -> np.ndarray:
    """Mean tau and rho as `usual_loop`, and the mean over users of F1 of a 15 % summary, user by user."""
    rule, f_scores = SummaryRule(), []
    for key, video in dataset.items():
        summary = rule.summarize(predictions[key].at_frames, video.shots)
        overlaps = [(np.logical_and(summary, user).sum(), user.sum()) for user in video.user_summaries]
        f_scores.append(np.mean([2 * both / (summary.sum() + size) for both, size in overlaps]))
    return np.append(usual_loop(dataset, predictions, "per-user"), np.mean(f_scores))


def one_fold(dataset: dict[str, Annotations], rounds: int) -> None:
    fold = {key: dataset[key] for key in list(dataset)[:10]}
    rng = np.random.default_rng(2)
    scores = {key: rng.random(len(video.picks)) for key, video in fold.items()}
    predictions = {key: Prediction.of(scores[key], video) for key, video in fold.items()}
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        figures = judge(fold, scores)
        found["ours"] = np.array([figures[name] for name in ("kendall_tau", "spearman_rho", "f_score_avg")])

    def loop() -> None:
        found["loop"] = loop_with_summaries(fold, predictions)

    seconds = take_turns({"ours": ours, "loop": loop}, rounds)
    difference = np.abs(found["ours"] - found["loop"]).max()
    assert difference < 1e-10, found
    ratio = seconds["loop"] / seconds["ours"]
    print(f"{'one fold':18}{seconds['loop']:9.2f}{seconds['ours']:9.2f}{ratio:8.1f}{difference:13.0e}", flush=True)


def against_the_loop(dataset: dict[str, Annotations], protocol: Protocol, rounds: int) -> None:
    rng = np.random.default_rng(1)
    predictions = {key: Prediction.of(rng.random(len(video.picks)), video) for key, video in dataset.items()}
    without_shots = {key: Annotations(**{**vars(video), "shots": None}) for key, video in dataset.items()}  # no F1
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        spreads = evaluate(without_shots, predictions, method="random", protocols=[protocol])[protocol.name].spreads
        found["ours"] = np.array([spreads["kendall_tau"].mean, spreads["spearman_rho"].mean])

    def loop() -> None:
        found["loop"] = usual_loop(dataset, predictions, protocol.name)

    seconds = take_turns({"ours": ours, "loop": loop}, rounds)
    difference = np.abs(found["ours"] - found["loop"]).max()
    assert difference < 1e-10, found
    ratio = seconds["loop"] / seconds["ours"]
    print(f"{protocol.name:18}{seconds['loop']:9.2f}{seconds['ours']:9.2f}{ratio:8.0f}{difference:13.0e}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=Path, default=OFFICIAL, help="ydata-tvsum50.mat")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=100, help="of the random baseline")
    args = parser.parse_args()
    official = args.annotations.is_file()
    dataset = as_dataset(official_ratings(args.annotations) if official else drawn_ratings())
    print("official TVSum ratings" if official else "drawn ratings, as many as TVSum's")
    print(f"{'protocol':18}{'loop s':>9}{'ours s':>9}{'ratio':>8}{'difference':>13}")
    for name in ("per-user", "per-user-frames"):
        against_the_loop(dataset, PROTOCOLS[name], args.rounds)
    one_fold(dataset, args.rounds)

    protocols, total = list(PROTOCOLS.values()), 0.0
    consensus = {key: Prediction.of(video.gtscore, video) for key, video in dataset.items()}
    rows = {name: lambda name=name: evaluate_baseline(dataset, name, protocols=protocols, draws=args.draws)
            for name in BASELINES}  # fmt: skip
    rows["a method"] = lambda: evaluate(dataset, consensus, method="consensus", protocols=protocols)
    print(f"\nall four protocols and F1, with intervals over videos; {args.draws} random draws")
    for name, work in rows.items():
        started = time.perf_counter()
        for result in work().values():
            result.spreads  # noqa: B018  the intervals are part of it
        seconds = time.perf_counter() - started
        total += seconds
        print(f"{name:18}{seconds:9.2f} s")
    print(f"{'together':18}{total:9.2f} s")


if __name__ == "__main__":
    main()
