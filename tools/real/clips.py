"""Texts of real clips: does pretraining find the clip of a held-back text, beside ridge regression? One table.

    python tools/real/clips.py --real REAL --out OUT [--folds 5] [--sets relations,vines] [--rows ridge,clips,...]

REAL holds a folder for each set with `pairs.jsonl`, a manifest, and the features that it names. Each row is trained on
all but one of the folds (drawn over the clips, seed 0) and retrieves among the clips of that one, each text of all its
clips; figures are those of the last epoch, means over the folds. `ridge` is in closed form: the mean frame to a bag of
words weighted by their rarity (`ridge-minilm`: to MiniLM's vector), lambda chosen on held-out training clips. `clips`
is configs/pretrain/clips.yaml, the other rows change one thing in it; `shuffled` gives the training clips each other's
texts. OUT/table.json keeps what is done: the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import sspvs
from sspvs.atomic import write_text
from sspvs.evaluation.retrieval import retrieval_metrics
from sspvs.features.text import embed_sentences
from sspvs.formats.manifest import read_manifest
from sspvs.models.settings import TextEncoderSettings
from sspvs.table import VideoTable
from sspvs.tasks import pretrain

CONFIG = Path(__file__).parents[2] / "configs" / "pretrain" / "clips.yaml"
LAMBDAS = (0.3, 1.0, 3.0, 10.0, 30.0)  # in mean variances of a direction
FIGURES = ("text_to_video_r1", "text_to_video_r10", "text_to_video_median_rank", "video_to_text_r10")
ROWS: dict[str, dict[str, Any]] = {
    "clips": {},
    "shuffled": {},
    "random-start": {"model.losses.linear_path": "drawn"},
    "tower-alone": {"model.losses.linear_path": "none"},
    "trained-text": {"model.text.frozen": False, "model.optim.text_lr": 2e-5},
    "little-shrinkage": {"model.losses.video_shrinkage": 0.1, "model.losses.text_shrinkage": 0.1},
    "captions-joined": {"data.captions": "all"},
    "masked-alignment": {"model.losses.aligned_video": "masked"},
    "duplicates-negative": {"model.losses.duplicates": "negatives"},
    "no-masks": {"model.losses.mask": False},
}


def folds_of(count: int, folds: int) -> list[list[int]]:
    order = np.random.default_rng(0).permutation(count)
    return [sorted(order[fold::folds].tolist()) for fold in range(folds)]


@lru_cache(maxsize=1)
def embedded(texts: tuple[str, ...]) -> Any:
    return embed_sentences(texts)


def ridge(table: VideoTable, tested: list[int], minilm: bool) -> dict[str, float]:
    features = np.stack([table.features(video).mean(axis=0) for video in table.videos])
    texts = [" ".join(filter(None, video.text)) for video in table.videos]
    train = np.setdiff1d(np.arange(len(texts)), tested)
    if minilm:
        targets = embedded(tuple(texts))
    else:
        words = [set(re.findall(r"\w+", text.lower())) for text in texts]
        count = Counter(word for index in train for word in words[index])
        targets = np.array([[np.log(len(train) / n) * (word in own) for word, n in count.items()] for own in words])
    held_out = train[::5]
    chosen = [
        solved(features, targets, np.setdiff1d(train, held_out), held_out, strength)["text_to_video_r10"]
        for strength in LAMBDAS
    ]
    return solved(features, targets, train, np.array(tested), LAMBDAS[int(np.argmax(chosen))])


def solved(features: Any, targets: Any, train: Any, tested: Any, strength: float) -> dict[str, float]:
    centre, middle = features[train].mean(axis=0), targets[train].mean(axis=0)
    x, seen = features[train] - centre, targets[tested] - middle
    gram = x @ x.T
    weights = np.linalg.solve(gram + strength * np.trace(gram) / len(gram) * np.eye(len(gram)), targets[train] - middle)
    made = (features[tested] - centre) @ x.T @ weights
    units = [one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-9) for one in (made, seen)]
    return retrieval_metrics(units[0] @ units[1].T)


def shared_towers() -> None:
    """One frozen text tower for all runs, which keeps the texts that it has encoded."""
    towers, build = dict[str, Any](), pretrain.build_text_encoder

    def shared(settings: TextEncoderSettings) -> Any:
        if not settings.frozen:
            return build(settings)
        if settings.encoder not in towers:
            towers[settings.encoder] = build(settings)
        return towers[settings.encoder]

    pretrain.build_text_encoder = shared


def network(row: str, lines: list[dict[str, Any]], tested: list[int], out: Path) -> dict[str, float]:
    train = [line for index, line in enumerate(lines) if index not in set(tested)]
    if row == "shuffled":
        order = np.random.default_rng(0).permutation(len(train))
        train = [
            {**line, **{name: train[other].get(name, "") for name in ("title", "description")}}
            for line, other in zip(train, order, strict=True)
        ]
    parts = {"train": train, "val": [lines[index] for index in tested]}
    for part, own in parts.items():
        write_text(out / f"{part}.jsonl", "".join(json.dumps(line) + "\n" for line in own))
    given = {f"data.{part}": str(out / f"{part}.jsonl") for part in parts}
    run = sspvs.fit(CONFIG, {**ROWS[row], **given, "run.root": str(out), "run.name": row})
    return {name.removeprefix("val/"): value for name, value in run.metrics.items() if name.startswith("val/")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--sets", default="relations,vines")
    parser.add_argument("--rows", default=",".join(("ridge", "ridge-minilm", *ROWS)))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    shared_towers()
    kept = arguments.out / "table.json"
    table: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for row in arguments.rows.split(","):
        for name in arguments.sets.split(","):
            manifest = arguments.real / name / "pairs.jsonl"
            lines = [json.loads(line) for line in manifest.read_text().splitlines()]
            lines = [{**line, "path": str((manifest.parent / line["path"]).resolve())} for line in lines]
            found = table.setdefault(name, {}).setdefault(row, [])
            for fold, tested in list(enumerate(folds_of(len(lines), arguments.folds)))[len(found) :]:
                if row.startswith("ridge"):
                    videos = VideoTable(tuple(read_manifest(manifest)), checked=True)
                    found.append(ridge(videos, tested, row == "ridge-minilm"))
                else:
                    out = arguments.out / f"{name}-{fold}"
                    out.mkdir(exist_ok=True)
                    found.append(network(row, lines, tested, out))
                write_text(kept, json.dumps(table, indent=1))
            means = {figure: float(np.mean([one[figure] for one in found])) for figure in FIGURES}
            ratio = np.mean([one.get("masked_error_ratio", np.nan) for one in found])
            print(
                f"{name:10} {row:20}",
                *(f"{figure} {mean:.3f}" for figure, mean in means.items()),
                f"masked {ratio:.3f}",
            )


if __name__ == "__main__":
    main()
