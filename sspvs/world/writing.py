"""The world as files: what pretraining, fine-tuning and evaluation read, and the truth beside them.

pretrain/train.jsonl val.jsonl    manifests: id, path, title, description, category, query
pretrain/features.h5              features of both, half precision
summarization.h5                  annotated videos in the community's layout
summarization.jsonl               their texts, as a manifest
splits.json                       their folds, by clip
world.json                        settings, seed, digest, concepts, and the truth of every video; written last
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import sspvs
from sspvs.annotations.splits import write_splits
from sspvs.atomic import temporary_folder, write_text
from sspvs.errors import OutputError
from sspvs.files import read_json
from sspvs.table import write_dataset, write_features
from sspvs.temporaries import sweep
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
        settings: Of the world.
        seed: Of everything that is drawn.
        progress: Show a progress bar.

    Returns:
        The world that was written.

    Raises:
        ValueError: As `World`.
        DatasetError: As `World`.
        OutputError: When the folder cannot be written to.
    """
    from tqdm import tqdm

    world, folder = World(settings, seed), Path(folder)
    places = _places(folder)
    settings, fingerprint = world.settings, world.source.fingerprint
    pretraining = {TRAIN: settings.pretrain_train, VAL: settings.pretrain_val}
    total = sum(pretraining.values()) + settings.annotated
    truth: list[str] = []
    with (
        temporary_folder(folder) as new,
        tqdm(total=total, unit="video", disable=None if progress else True, leave=False) as bar,
    ):

        def recorded(videos: Iterable[SyntheticVideo], file: str, manifest: Path) -> Iterator[SyntheticVideo]:
            """Videos on their way into a file; their texts go into a manifest."""
            lines = []
            for video in videos:
                line = {"id": video.name, "path": f"{file}#{video.name}", **video.texts._asdict()}
                lines.append(json.dumps(line, ensure_ascii=False) + "\n")
                truth.append(json.dumps(_truth(video, world)))
                bar.update()
                yield video
            if lines:
                write_text(manifest, "".join(lines))

        (new / PRETRAIN).mkdir()
        if any(pretraining.values()):
            unlabelled = (
                video.features
                for part, count in pretraining.items()
                for video in recorded(world.pretraining_videos(count, part), FEATURES, new / PRETRAIN / f"{part}.jsonl")
            )
            write_features(new / PRETRAIN / FEATURES, unlabelled, fingerprint=fingerprint, half_precision=True)
        if settings.annotated:
            annotated = (
                (video.annotations, replace(video.features, fingerprint=None))  # the file states it once
                for video in recorded(world.annotated_videos(), DATASET, new / DATASET_TEXTS)
                if video.annotations is not None
            )
            made_by = {
                "tool": _TOOL,
                "world": world.digest,
                "seed": world.seed,
                "users": settings.annotators.kind,
                "shots": settings.shots,
                "synthetic": True,
            }
            write_dataset(new / DATASET, annotated, name=DATASET_NAME, made_by=made_by, fingerprint=fingerprint)
            write_splits(new / SPLITS, world.splits())
        facts = json.dumps(_facts(world), indent=1)[:-2]
        lines = ",\n".join(truth)
        write_text(new / TRUTH, f'{facts},\n "videos": [\n{lines}\n ]\n}}\n')
        _replace(folder, new, places)
    return world


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
    """The annotated videos of a world."""

    dataset: Path  # the dataset file
    splits: Path  # their folds, by clip
    texts: Path  # the four text fields of each, as a manifest


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
    """Where a world lies; it is made unless it is there, by whichever of several processes is done first."""
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


def _places(folder: Path) -> list[Path]:
    """Every file that a world may have, the last one last; what is there must be of a world."""
    of_pretraining = (f"{TRAIN}.jsonl", f"{VAL}.jsonl", FEATURES)
    places = [folder / PRETRAIN / name for name in of_pretraining]
    places += [folder / name for name in (DATASET, DATASET_TEXTS, SPLITS, TRUTH)]
    found = [path for path in reversed(places) if os.path.lexists(path)]
    if found and not _is_ours(folder):
        raise OutputError(f"cannot write {found[0]}: it exists and is not part of a world; choose another folder")
    return places


def _replace(folder: Path, new: Path, places: list[Path]) -> None:
    write_text(folder / _MAKING, "")  # from here on, what is there is recognised as part of a world
    for path in places:
        path.unlink(missing_ok=True)
    (folder / PRETRAIN).mkdir(exist_ok=True)
    for path in places:
        made = new / path.relative_to(folder)
        if made.exists():
            made.replace(path)
    (folder / _MAKING).unlink()


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds a world, or one that was interrupted."""
    if (folder / _MAKING).is_file():
        return True
    try:
        return bool(read_json(folder / TRUTH)["made_by"]["tool"] == _TOOL)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _truth(video: SyntheticVideo, world: World) -> dict[str, Any]:
    """The truth about a video, in seconds, by names."""
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


def _facts(world: World) -> dict[str, Any]:
    """What `world.json` holds, but for its videos."""
    return {
        "digest": world.digest,
        "seed": world.seed,
        "made_by": {"tool": _TOOL, "version": sspvs.__version__},
        **world.facts,
        "fingerprint": world.source.fingerprint.as_dict(),
        "concepts": [
            {
                "name": concept.name,
                "category": concept.category,
                "names": concept.names,
                "salience": round(float(weight), 6),
            }
            for concept, weight in zip(world.source.concepts, world.salience, strict=True)
        ],
        "parts": {
            part: {
                "clips": sum(map(len, pool.values())),
                "concepts": len(pool),
                "concepts_shared_with_train": world.shared_concepts(part, TRAIN),
            }
            for part, pool in world.pools.items()
        },
    }
