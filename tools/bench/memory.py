"""Peak memory (RSS) of whole commands, all their processes together, as what they read grows.

Drawn videos of more and more minutes, folders of more and more tiny videos, datasets and manifests of more and more
entries: what is printed is how much more the larger ones take.

    python tools/bench/memory.py                                 # everything; an hour on two cores
    python tools/bench/memory.py summarize extract               # some of it
    python tools/bench/memory.py manifest --share 0.1            # all numbers a tenth
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import repeat_video, run_measured

from sspvs.table import VideoScores, write_dataset, write_features, write_scores
from sspvs.types import Annotations, Fingerprint, FrameFeatures, Shots
from sspvs.world.film import SCENES, draw_video

DRAWN = Fingerprint("drawn", "0" * 64, "none", "none", 2.0)
FRAMES, USERS, STEP = 3_000, 10, 15
"""Of each video that is evaluated."""
PICKS, WIDTH, GROUPS = 30, 64, 1_000
"""Of each video of a manifest; and how many are in one feature file."""

Command = tuple[str, list[str]]


def summarized(folder: Path, share: float) -> Iterator[Command]:
    """A video of 1, 10 and 30 minutes, 640x360 at 25 fps."""
    clip = draw_video(folder / "clip.mp4", width=640, height=360)
    for minutes in (1, 10, 30):
        video = repeat_video(clip, minutes * 60 * share, folder / f"{minutes}.mp4")
        yield f"summarize, {minutes * share:g} min", ["summarize", str(video), "--out", f"{folder}/out-{minutes}"]


def extracted(folder: Path, share: float) -> Iterator[Command]:
    """A folder of tiny videos."""
    clip = draw_video(folder / "clip.mp4", scenes=SCENES[:1], width=64, height=48)
    for number in (round(100 * share), round(1_000 * share)):
        videos = folder / str(number)
        videos.mkdir()
        for place in range(number):
            shutil.copyfile(clip, videos / f"{place}.mp4")
        yield f"extract, {number:,} videos", ["extract", str(videos), "--out", f"{folder}/{number}.h5"]


def evaluated(folder: Path, share: float) -> Iterator[Command]:
    """Scores of a dataset's videos, each of 3,000 frames and with 10 people."""
    for number in (round(500 * share), round(5_000 * share)):
        dataset, scores = folder / f"{number}.h5", folder / f"{number}-scores.h5"
        write_dataset(dataset, ((_annotated(place), None) for place in range(number)), name="drawn", made_by={})
        drawn = np.random.default_rng(0)
        picks = np.arange(0, FRAMES, STEP)
        rows = (VideoScores(f"video_{place}", drawn.random(len(picks)), picks, FRAMES) for place in range(number))
        write_scores(scores, rows, scorer="drawn")
        words = ["--dataset", str(dataset), "--scores", str(scores), "--draws", "2", "--out", f"{folder}/{number}.json"]
        yield f"evaluate, {number:,} videos", ["evaluate", *words]


def _annotated(place: int) -> Annotations:
    drawn = np.random.default_rng(place)
    scores = np.repeat(drawn.integers(1, 6, (USERS, FRAMES // 50)), 50, axis=1).astype(np.float32)
    picks = np.arange(0, FRAMES, STEP)
    return Annotations(
        key=f"video_{place}",
        video_name=f"video_{place}",
        n_frames=FRAMES,
        picks=picks,
        user_summaries=scores > 4,
        user_scores=scores,
        gtscore=((scores[:, picks].mean(axis=0) - 1) / 4).astype(np.float32),
        shots=Shots.from_starts(np.arange(0, FRAMES, 125), FRAMES),
    )


def listed(folder: Path, share: float) -> Iterator[Command]:
    """Manifests of pairs, a thousand videos in each feature file: looked at, sharded, and the start of a training."""
    drawn = folder / "drawn.h5"
    write_features(drawn, (_featured(f"v{place}") for place in range(GROUPS)), fingerprint=DRAWN, half_precision=True)
    for number in (round(20_000 * share), round(200_000 * share)):
        manifest = folder / f"{number}.jsonl"
        with manifest.open("w", encoding="utf-8") as file:
            for first in range(0, number, GROUPS):
                features = folder / f"{number}-{first}.h5"
                os.link(drawn, features)  # as any other file, by its name
                for place in range(min(GROUPS, number - first)):
                    texts = {"title": f"Drawn video {first + place}", "description": "what is seen " * 8}
                    line = {"id": f"v{first + place}", "path": f"{features.name}#v{place}", **texts}
                    file.write(json.dumps(line) + "\n")
        yield f"data inspect, {number:,} lines", ["data", "inspect", str(manifest)]
        yield f"data shard, {number:,} lines", ["data", "shard", str(manifest), "--out", f"{folder}/{number}"]
        for name, train in (("manifest", manifest), ("shards", folder / str(number))):
            yield f"fit, two steps, {name} of {number:,}", _training(folder, train, f"{name}-{number}")


def _featured(name: str) -> FrameFeatures:
    features = np.random.default_rng(len(name)).random((PICKS, WIDTH), np.float32)
    return FrameFeatures(name, features, np.arange(0, PICKS * STEP, STEP), PICKS * STEP)


def _training(folder: Path, train: Path, name: str) -> list[str]:
    small = ["--model.video.embed_dim", "32", "--model.video.num_heads", "2", "--model.video.num_layers", "1"]
    short = ["--trainer.max_steps", "2", "--trainer.limit_val_batches", "2", "--trainer.accelerator", "cpu"]
    where = ["--run.root", str(folder / "runs"), "--run.name", name, "--run.samples", "0"]
    return ["fit", "--data.train", str(train), "--model.text.encoder", "small", *small, *short, *where]


PARTS = {"summarize": summarized, "extract": extracted, "evaluate": evaluated, "manifest": listed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--share", type=float, default=1.0, help="of all lengths and numbers")
    parser.add_argument("--folder", type=Path, help="for what is drawn and written; removed at the end")
    args = parser.parse_args()
    print(f"{'command':<44}{'seconds':>9}{'peak MB':>9}", flush=True)
    for part in args.parts:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            for name, words in PARTS[part](Path(folder), args.share):
                done = run_measured([sys.executable, "-m", "sspvs", *words], kind="Rss")
                print(f"{name:<44}{done.seconds:>9.1f}{done.peak_mb:>9.0f}", flush=True)


if __name__ == "__main__":
    main()
