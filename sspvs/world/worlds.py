"""A synthetic world as data: a config that names one needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sspvs.atomic import temporary_folder
from sspvs.temporaries import sweep
from sspvs.world.settings import WorldSettings


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
    """The manifests to train and to validate on, of a world that is made unless it is there.

    Raises:
        ValueError: The settings do not go together.
        OutputError: The folder cannot be written to.
    """
    from sspvs.world.writing import PRETRAIN

    folder = folder_of_world(source)
    return folder / PRETRAIN / "train.jsonl", folder / PRETRAIN / "val.jsonl"


def unlabelled_of_world(source: WorldSource) -> Path:
    """The feature file of the pretraining videos, of a world that is made unless it is there.

    Raises:
        ValueError: The settings do not go together.
        OutputError: The folder cannot be written to.
    """
    from sspvs.world.writing import FEATURES, PRETRAIN

    return folder_of_world(source) / PRETRAIN / FEATURES


def dataset_of_world(source: WorldSource) -> WorldDataset:
    """The annotated videos of a world that is made unless it is there.

    Raises:
        ValueError: The settings do not go together, or have no annotated videos.
        OutputError: The folder cannot be written to.
    """
    from sspvs.world.writing import DATASET, DATASET_TEXTS, SPLITS

    if not source.settings.annotated:
        raise ValueError("the world has no annotated videos to train on; set world.settings.annotated, such as 60")
    folder = folder_of_world(source)
    return WorldDataset(folder / DATASET, folder / SPLITS, folder / DATASET_TEXTS)


def folder_of_world(source: WorldSource) -> Path:
    """Where a world lies; it is made unless it is there.

    The same settings and seed give the same bytes. Several processes may ask at once: each makes its own, and the first
    that is done gives it its name.

    Raises:
        ValueError: The settings do not go together.
        OutputError: The folder cannot be written to.
    """
    from sspvs.world.world import World
    from sspvs.world.writing import TRUTH, write_world

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
