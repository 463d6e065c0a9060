"""Result files as `sspvs crossval` and `sspvs evaluate` leave them, of a method that scores at random."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import sspvs
from helpers.drawn_dataset import NAMES, drawn_video, write_drawn_dataset
from sspvs.benchmark import as_json
from sspvs.crossval.folder import Chosen, FoldRecord
from sspvs.export.source import CheckpointFacts, Exported
from sspvs.types import Fingerprint

MADE_BY = Fingerprint("efficientnet-lite0", "ab" * 32, "resize 224x224 area", "(x - 127) / 128", 2.0)
KEYS = [f"video_{number}" for number in range(1, len(NAMES) + 1)]
DIGEST = "5" * 64


def sections(card: str) -> dict[str, str]:
    """Heading -> text; the front matter, parsed, as `front`; what stands before the first heading as `head`."""
    _, front, body = card.split("---\n", 2)
    head, *rest = re.split(r"^## (.+)\n", body, flags=re.MULTILINE)
    return {"front": yaml.safe_load(front), "head": head, **dict(zip(rest[::2], rest[1::2], strict=True))}


def evaluated(folder: Path, *, protocol: str = "per-user", methods: tuple[str, ...] = ("mine",)) -> dict[str, Any]:
    """What `sspvs evaluate` writes: seven videos in two folds."""
    dataset = write_drawn_dataset(folder / "summe.h5", ratings=True)
    folds = [{"train_keys": KEYS[3:], "test_keys": KEYS[:3]}, {"train_keys": KEYS[:3], "test_keys": KEYS[3:]}]
    (folder / "folds.json").write_text(json.dumps(folds))
    scores = {
        name: {k: np.random.default_rng(n).random(len(drawn_video(n).picks)) for n, k in enumerate(KEYS, start=1)}
        for name in methods
    }
    found = sspvs.evaluate(
        dataset, scores, splits=folder / "folds.json", protocol=protocol, draws=2, checkpoint_rule="best-test"
    )
    return as_json(found)


def crossvalidated(folder: Path, task: Exported, **how: Any) -> dict[str, Any]:
    """What `sspvs crossval` writes of the same."""
    result = evaluated(folder, **how)
    entries = result["protocols"] if "protocols" in result else {result["protocol"]: result}
    for entry in entries.values():
        entry["settings"] |= {"seeds": [0, 1], "feature_fingerprint": task.feature_fingerprint}
    spread = {"kendall_tau": {"mean": 0.1, "std": 0.0123}, "spearman_rho": {"mean": 0.2, "std": None}}
    network = CheckpointFacts.of(task).network
    model = {network: dict(task.hparams[network])}
    if network == "refiner":
        model |= {"combine": task.hparams["combine"], "post": task.hparams["post"]}
        for row in ("refined A", "contrastive, A alone"):
            result["baselines"][row] = result["baselines"]["random"]
    result["crossval"] = {
        "digest": DIGEST,
        "protocols": {name: {"over_seeds": spread} for name in entries},
        "config": {"model": model},
    }
    return result


def fold_record(task: Exported, **changes: Any) -> dict[str, Any]:
    """What `fold.json` has in it."""
    chosen = Chosen(
        "val", 3, 40, "highest val/kendall_tau of 9 validations on 2 held-out videos", "val/kendall_tau", 0.2
    )
    figures = {"kendall_tau": 0.1234, "spearman_rho": 0.2345, "f_score_avg": None, "f_score_max": None}
    record = FoldRecord(
        1, 0, DIGEST, figures, chosen, 17, ("summe/video_4",), ("summe/video_1", "summe/video_2"), 1.0, "cpu",
        feature_fingerprint=task.feature_fingerprint,
    )  # fmt: skip
    return {**asdict(record), **changes}


def written(path: Path, content: object) -> Path:
    """As JSON."""
    path.write_text(json.dumps(content))
    return path
