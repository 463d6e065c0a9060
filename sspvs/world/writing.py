"""The world as files: what pretraining, fine-tuning and evaluation read, and the truth beside them.

pretrain/train.jsonl val.jsonl    manifests: id, path, title, description, category, query
pretrain/features.h5              features of both, half precision
summarization.h5                  annotated videos in the community's layout
summarization.jsonl               their texts, as a manifest
splits.json                       their folds, by clip
world.json                        settings, seed, digest, concepts, and the truth of every video; written last
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import sspvs
from sspvs.annotations.splits import write_splits
from sspvs.atomic import sweep, temporary_folder, write_text
from sspvs.errors import OutputError
from sspvs.files import read_json
from sspvs.table import write_dataset, write_features
from sspvs.types import Annotations, FrameFeatures
from sspvs.world.clips import TRAIN, VAL
from sspvs.world.composition import SyntheticVideo
from sspvs.world.settings import WorldSettings
from sspvs.world.world import World

PRETRAIN, FEATURES = "pretrain", "features.h5"
DATASET, DATASET_TEXTS, SPLITS, TRUTH = "summarization.h5", "summarization.jsonl", "splits.json", "world.json"
DATASET_NAME = "synthetic"
_TOOL, _MAKING = "sspvs data world", ".making"


def write_world(
    folder: str | Path, settings: WorldSettings | None = None, seed: int = 0, *, progress: bool = False
) -> World:
    """Write a world: the same bytes for the same settings and seed.

    Videos are made one at a time. Files of a world that was there before are replaced when all of the new one is
    written; `world.json` comes last, so a folder with it is whole.

    Args:
        folder: Where; made when it does not exist.
        settings: The knobs.
        seed: Of everything that is drawn.
        progress: Show a progress bar.

    Returns:
        The world that was written.

    Raises:
        ValueError: As `World`.
        DatasetError: As `World`.
        OutputError: When the folder cannot be written to.
    """
    world, folder = World(settings, seed), Path(folder)
    places = _places(folder)
    truth: list[dict[str, Any]] = []
    total = world.settings.pretrain_train + world.settings.pretrain_val + world.settings.annotated
    from tqdm import tqdm

    bar = tqdm(total=total, unit="video", disable=None if progress else True, leave=False)
    with temporary_folder(folder) as new, bar:
        (new / PRETRAIN).mkdir()
        if world.settings.pretrain_train + world.settings.pretrain_val:
            _write_pretraining(world, new / PRETRAIN, truth, bar)
        if world.settings.annotated:
            _write_annotated(world, new, truth, bar)
        write_text(new / TRUTH, _truth_text(world, truth))
        write_text(folder / _MAKING, "")  # from here on, what is there is known as part of a world
        for path in places:
            path.unlink(missing_ok=True)
        (folder / PRETRAIN).mkdir(exist_ok=True)
        for path in places:
            made = new / path.relative_to(folder)
            if made.exists():
                made.replace(path)
        (folder / _MAKING).unlink()
    return world


def _truth_text(world: World, truth: list[dict[str, Any]]) -> str:
    """What `world.json` says."""
    content = {
        "digest": world.digest,
        "seed": world.seed,
        "made_by": {"tool": _TOOL, "version": sspvs.__version__},
        **world.facts,
        "fingerprint": world.source.fingerprint.as_dict(),
        "concepts": _concepts(world),
        "parts": _parts(world),
    }
    lines = ",\n".join(json.dumps(video) for video in truth)
    return json.dumps(content, indent=1)[:-2] + f',\n "videos": [\n{lines}\n ]\n}}\n'


def _places(folder: Path) -> list[Path]:
    """Every file that a world may have, the last one last; what is there must be of a world."""
    of_pretraining = (f"{TRAIN}.jsonl", f"{VAL}.jsonl", FEATURES)
    places = [folder / PRETRAIN / name for name in of_pretraining]
    places += [folder / name for name in (DATASET, DATASET_TEXTS, SPLITS, TRUTH)]
    found = [path for path in reversed(places) if os.path.lexists(path)]
    if found and not _is_ours(folder):
        raise OutputError(f"cannot write {found[0]}: it exists and is not part of a world; choose another folder")
    return places


def _is_ours(folder: Path) -> bool:
    """Whether a world is there, or one that was interrupted."""
    if (folder / _MAKING).is_file():
        return True
    try:
        return bool(read_json(folder / TRUTH)["made_by"]["tool"] == _TOOL)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_pretraining(world: World, folder: Path, truth: list[dict[str, Any]], bar: Any) -> None:
    manifests: dict[str, list[str]] = {}

    def features() -> Iterator[FrameFeatures]:
        for part, count in ((TRAIN, world.settings.pretrain_train), (VAL, world.settings.pretrain_val)):
            for video in world.pretraining_videos(count, part):
                manifests.setdefault(part, []).append(_manifest_line(video, FEATURES))
                truth.append(_truth(video, world))
                bar.update()
                yield video.features

    write_features(folder / FEATURES, features(), fingerprint=world.source.fingerprint, half_precision=True)
    for part, lines in manifests.items():
        write_text(folder / f"{part}.jsonl", "".join(lines))


def _write_annotated(world: World, folder: Path, truth: list[dict[str, Any]], bar: Any) -> None:
    lines: list[str] = []

    def videos() -> Iterator[tuple[Annotations, FrameFeatures]]:
        for video in world.annotated_videos():
            assert video.annotations is not None
            lines.append(_manifest_line(video, DATASET))
            truth.append(_truth(video, world))
            bar.update()
            yield video.annotations, replace(video.features, fingerprint=None)  # the file says it once

    made_by = {
        "tool": _TOOL,
        "world": world.digest,
        "seed": world.seed,
        "users": world.settings.annotators.kind,
        "shots": world.settings.shots,
        "synthetic": True,
    }
    fingerprint = world.source.fingerprint
    write_dataset(folder / DATASET, videos(), name=DATASET_NAME, made_by=made_by, fingerprint=fingerprint)
    write_text(folder / DATASET_TEXTS, "".join(lines))
    write_splits(folder / SPLITS, world.splits())


def _manifest_line(video: SyntheticVideo, file: str) -> str:
    line = {"id": video.name, "path": f"{file}#{video.name}", **video.texts._asdict()}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _truth(video: SyntheticVideo, world: World) -> dict[str, Any]:
    """What there is to know about a video, in seconds, by names."""
    source, plan, rate = world.source, video.plan, world.source.rate_hz
    edges = [start / rate for start in (*plan.starts, plan.n_picks)]
    segments = [
        {
            "clip": source.clips[segment.clip].name,
            "concept": source.concepts[segment.concept].name,
            "category": source.concepts[segment.concept].category,
            "start_seconds": start,
            "end_seconds": end,
            "clip_start_seconds": segment.start / rate,
            "fade_seconds": 2 * segment.fade / rate,
            "importance": round(float(value), 6),
        }
        for (start, end), segment, value in zip(pairwise(edges), plan.segments, video.importance, strict=True)
    ]
    truth: dict[str, Any] = {
        "id": video.name,
        "part": video.part,
        "category": plan.category,
        "named": [{"concept": source.concepts[c].name, "category": source.concepts[c].category} for c in plan.named],
        "texts": video.texts._asdict(),
        "segments": segments,
    }
    if video.annotations is not None:
        at_picks = video.importance_at_picks
        seconds = np.arange(int(np.ceil(len(at_picks) / rate)))
        picks = np.minimum((seconds * rate).astype(np.int64), len(at_picks) - 1)
        truth["importance_per_second"] = [round(float(value), 6) for value in at_picks[picks]]
    return truth


def _concepts(world: World) -> list[dict[str, Any]]:
    return [
        {
            "name": concept.name,
            "category": concept.category,
            "names": concept.names,
            "salience": round(float(weight), 6),
        }
        for concept, weight in zip(world.source.concepts, world.salience, strict=True)
    ]


def _parts(world: World) -> dict[str, Any]:
    """How many clips and concepts each part has, and how many of the concepts pretraining knows."""
    return {
        part: {
            "clips": sum(map(len, pool.values())),
            "concepts": len(pool),
            "concepts_shared_with_train": world.shared_concepts(part, TRAIN),
        }
        for part, pool in world.pools.items()
    }


@dataclass(frozen=True)
class WorldSource:
    """Which world; see `sspvs data world --knobs`.

    Pretraining and fine-tuning share a world when they name the same settings and seed, `annotated` included: then no
    clip is in the videos of both.
    """

    settings: WorldSettings = field(default_factory=lambda: WorldSettings(annotated=0))
    """The knobs."""
    seed: int = 0
    """Another seed is another world."""
    folder: str = "runs/worlds"
    """Worlds are kept here, each under its digest, and made once."""


class WorldDataset(NamedTuple):
    """The annotated videos of a world.

    Attributes:
        dataset: The dataset file.
        splits: Their folds, by clip.
        texts: The four text fields of each, as a manifest.
    """

    dataset: Path
    splits: Path
    texts: Path


def manifests_of_world(source: WorldSource) -> tuple[Path, Path]:
    """The manifests to train and to validate on, of a world that is made unless it is there."""
    folder = folder_of_world(source)
    return folder / PRETRAIN / "train.jsonl", folder / PRETRAIN / "val.jsonl"


def unlabelled_of_world(source: WorldSource) -> Path:
    """The feature file of the pretraining videos, of a world that is made unless it is there."""
    return folder_of_world(source) / PRETRAIN / FEATURES


def dataset_of_world(source: WorldSource) -> WorldDataset:
    """The annotated videos of a world that is made unless it is there."""
    if not source.settings.annotated:
        raise ValueError("the world has no annotated videos to train on; set world.settings.annotated, such as 60")
    folder = folder_of_world(source)
    return WorldDataset(folder / DATASET, folder / SPLITS, folder / DATASET_TEXTS)


def folder_of_world(source: WorldSource) -> Path:
    """Where a world lies; it is made unless it is there.

    The same settings and seed give the same bytes. Several processes may ask at once: each makes its own, and the first
    that is done gives it its name.
    """
    from sspvs.world.world import World

    folder = Path(source.folder) / World(source.settings, source.seed).digest[:16]
    sweep(folder.parent)
    if not (folder / TRUTH).is_file():
        with temporary_folder(folder.parent, folder) as making:
            write_world(making, source.settings, source.seed, progress=True)
            try:
                making.rename(folder)
            except OSError:
                if not (folder / TRUTH).is_file():  # no other process made it meanwhile
                    raise
    return folder
