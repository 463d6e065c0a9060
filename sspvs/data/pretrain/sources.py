"""From a path to pairs: a release folder, a folder of shards, or a manifest of features or raw videos."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sspvs.data.manifest_rows import Problems
from sspvs.data.pretrain.items import Entry, FeatureRef, PretrainItem
from sspvs.data.pretrain.manifest import read_manifest
from sspvs.data.pretrain.negatives import same_text_groups
from sspvs.data.pretrain.raw_videos import ExtractionSettings, store_of, with_features
from sspvs.data.pretrain.release import LISTS, is_release, read_release
from sspvs.data.pretrain.shards.index import INDEX, is_shards, read_index
from sspvs.data.pretrain.survey import common_fingerprint, survey
from sspvs.errors import DatasetError
from sspvs.types import Fingerprint

_LEAST = 2  # groups of videos on either side, to tell their texts apart


@dataclass(frozen=True)
class Pairs:
    """Pairs that were looked at.

    Attributes:
        items: In the order of their file.
        fingerprint: What made their features; None when unknown.
        left_out: A sentence about each that cannot be used, where such are left out.
    """

    items: tuple[PretrainItem, ...]
    fingerprint: Fingerprint | None
    left_out: tuple[str, ...] = ()

    @property
    def feature_dim(self) -> int:
        """D, of all of them."""
        return self.items[0].feature_dim


def load_pairs(
    path: Path, extraction: ExtractionSettings | None = None, *, skip_bad: bool = False, progress: bool = False
) -> Pairs:
    """All pairs of a release folder, a folder of shards, or a manifest.

    Raw videos are extracted first, and all features are looked at; both only as far as no earlier run did.

    Args:
        path: The folder or file.
        extraction: How raw videos are looked at.
        skip_bad: Leave out videos that cannot be used, as long as there are others.
        progress: Show progress bars; quiet when stderr is no terminal.

    Raises:
        DatasetError: All that is wrong with it.
    """
    if path.is_dir() and is_shards(path):
        index = read_index(path)
        return Pairs(index.items, index.fingerprint)
    entries, where = _entries(path)
    problems = Problems(where)
    ready = with_features(
        entries, where, extraction or ExtractionSettings(), progress=progress, problems=problems if skip_bad else None
    )
    items, found = survey(ready, where, progress=progress)
    problems.extend(found.found)
    if not (skip_bad and items):
        problems.raise_any()
    left_out = tuple(f"{where}: {place}: {said}" for place, said in problems.found)
    return Pairs(tuple(items), common_fingerprint(items), left_out)


def feature_dim_of(path: Path, extraction: ExtractionSettings | None = None) -> int:
    """D, from the first video alone; of raw videos that have no features yet, from the backbone."""
    if path.is_dir() and is_shards(path):
        return read_index(path).items[0].feature_dim
    entries, where = _entries(path)
    return _width_of(entries[0], where, extraction or ExtractionSettings())


def split_pairs(items: Sequence[PretrainItem], val_share: float) -> tuple[list[PretrainItem], list[PretrainItem]]:
    """Training and validation pairs of one file.

    As the file says, where it does. Otherwise `val_share` of the videos are held out, chosen by their ids: the same in
    every run, and a video stays on its side when others are added. Videos with the same title or text stay together.
    Of four such groups or more at least two are on either side, since a text is told from others; of fewer none is
    held out.

    Raises:
        DatasetError: Nothing would be left to train on.
    """
    if any(item.part == "val" for item in items):
        train = [item for item in items if item.part != "val"]
        val = [item for item in items if item.part == "val"]
    else:
        ordered = sorted(items, key=lambda item: item.id)
        chances = [_chance(ordered[group].id) for group in same_text_groups([item.text for item in ordered])]
        limit = _limit(sorted(set(chances)), val_share)
        held_out = {item.id for item, chance in zip(ordered, chances, strict=True) if chance < limit}
        train = [item for item in items if item.id not in held_out]
        val = [item for item in items if item.id in held_out]
    if not train:
        raise DatasetError(f"none of the {len(items)} videos is left to train on; lower val_share, or give val")
    return train, val


def _entries(path: Path) -> tuple[list[Entry], Path]:
    """What stands in the lists of a release or in a manifest, and the file it comes from."""
    if path.is_dir() and is_release(path):
        entries = read_release(path, "train")
        if (path / LISTS["val"]).is_file():
            entries += read_release(path, "val")
        shared = sorted(name for name, count in Counter(entry.id for entry in entries).items() if count > 1)
        if shared:
            raise DatasetError(f"{path}: {', '.join(shared[:8])}: in the training and in the validation list")
        return entries, path / LISTS["train"]
    if path.is_dir():
        raise DatasetError(
            f"{path}: expected an SSPVS release ({LISTS['train']}, features/, info_embed/) or shards ({INDEX}), or the "
            "path of a manifest"
        )
    return read_manifest(path), path


def _width_of(entry: Entry, where: Path, extraction: ExtractionSettings) -> int:
    if isinstance(entry.source, FeatureRef):
        from sspvs.data.pretrain.reading import FeatureReader

        return FeatureReader().shape(entry.source)[1]
    if store_of(where).exists():
        return _width_of(with_features([entry], where, extraction)[0], where, extraction)
    from sspvs.features.backbones import load_backbone

    return load_backbone(extraction.backbone, device="cpu", download=extraction.download).feature_dim


def _limit(chances: Sequence[float], val_share: float) -> float:
    """Groups whose chance is below it are held out; see `split_pairs`.

    Args:
        chances: Of all groups, rising.
        val_share: About the share that is held out.
    """
    if not val_share or len(chances) < 2 * _LEAST:
        return 0.0
    return min(max(val_share, chances[_LEAST]), chances[-_LEAST])


def _chance(name: str) -> float:
    """A number in [0, 1) that an id always has."""
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8, person=b"held out").digest()
    return int.from_bytes(digest, "little") / 2**64
