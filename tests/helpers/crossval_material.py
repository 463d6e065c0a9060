"""A cross-validation that fits into seconds: nine drawn videos in three folds, a very small summarizer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from helpers.drawn_dataset import drawn_video
from helpers.summarization_material import fingerprint_of
from sspvs.sharing import located
from sspvs.table import write_dataset
from sspvs.types import Annotations, FrameFeatures

ROOT = Path(__file__).parents[2]
N_VIDEOS, N_FOLDS = 9, 3


def write_config(folder: Path, **changes: Any) -> Path:
    """A config, its dataset and its split file.

    Args:
        folder: For all three.
        changes: Dotted settings with `__` for the dot, such as `trainer__max_epochs=1`.
    """
    dataset = folder / "drawn.h5"
    videos = [drawn_video(number, ratings=True) for number in range(1, N_VIDEOS + 1)]
    rows = [(video, drawn_features(video, number)) for number, video in enumerate(videos)]
    write_dataset(dataset, rows, name="drawn", made_by={"source": "drawn"}, fingerprint=fingerprint_of())
    config: dict[str, Any] = {
        "task": "summarize",
        "run": {"name": "tiny"},
        "trainer": {"accelerator": "cpu", "max_epochs": 3, "log_every_n_steps": 1},
        "model": {
            "video": {"embed_dim": 16, "num_heads": 2, "num_layers": 1, "feedforward_dim": 16},
            "summarizer": {"num_stages": 2},
            "optim": {"lr": 0.003},
        },
        "data": {
            "dataset": str(dataset), "splits": str(write_splits(folder)), "max_frames": 8, "batch_size": 4,
            "val_share": 0.34,
        },
    }  # fmt: skip
    for name, value in changes.items():
        *groups, last = name.split("__")
        place = config
        for group in groups:
            place = place[group]
        place[last] = value
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def drawn_features(video: Annotations, number: int) -> FrameFeatures:
    """(T, 16), drawn."""
    features = np.random.default_rng([5, number]).random((len(video.picks), 16), np.float32)
    return FrameFeatures(video.video_name, features, video.picks, video.n_frames)


def write_splits(folder: Path, tests: list[list[int]] | None = None) -> Path:
    """Folds that test videos of these numbers; every third one unless given."""
    numbers = range(1, N_VIDEOS + 1)
    tests = tests or [[number for number in numbers if number % N_FOLDS == fold] for fold in range(N_FOLDS)]
    folds = [
        {
            "train_keys": [f"video_{number}" for number in numbers if number not in test],
            "test_keys": [f"video_{number}" for number in test],
        }
        for test in tests
    ]
    path = folder / f"splits_{len(tests)}.json"
    path.write_text(json.dumps(folds))
    return path


def environment() -> dict[str, str]:
    """Of a process that computes as this one does."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def figures(out: Path) -> dict[str, Any]:
    """`result.json` without what differs between two machines."""
    content: dict[str, Any] = located(json.loads((out / "result.json").read_text()), out)
    for fold in content["crossval"]["folds"]:
        fold.pop("seconds")
    return content
