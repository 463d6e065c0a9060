"""Manifests of raw videos: their features are extracted once, into a store beside the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sspvs.annotations.record import Problems
from sspvs.data.pretrain.items import Entry, FeatureRef
from sspvs.features.backbones import load_backbone
from sspvs.features.extract import Sampling, extract_to_file
from sspvs.table import FeatureStore, SourceStamp


@dataclass(frozen=True)
class ExtractionSettings:
    """How raw videos are looked at."""

    backbone: str = "auto"
    """Frame encoder by name; see `sspvs doctor`."""
    rate_hz: float = 2.0
    """Frames looked at per second."""
    device: str = "auto"
    """`auto`, `cpu` or `cuda`."""
    download: bool = False
    """Fetch the backbone's weights when they are not on this machine."""


def store_of(manifest: Path) -> Path:
    """Where the features of a manifest's raw videos are kept."""
    return manifest.with_name(f"{manifest.stem}.features.h5")


def with_features(
    entries: Sequence[Entry],
    manifest: Path,
    settings: ExtractionSettings,
    *,
    progress: bool = False,
    problems: Problems | None = None,
) -> list[Entry]:
    """The entries, raw videos replaced by their features; what is not in the store yet is extracted.

    An interrupted extraction goes on where it stopped. A video that has changed since is extracted again.

    Args:
        entries: Of the manifest.
        manifest: Their file.
        settings: How the videos are looked at.
        progress: Show a progress bar; quiet when stderr is no terminal.
        problems: Takes those about videos that cannot be used, which are then left out; None: they are raised.

    Raises:
        DatasetError: Videos that cannot be used, all of them named; the others' features are kept.
        FingerprintMismatchError: The store has features of another backbone or rate.
    """
    if not any(isinstance(entry.source, Path) for entry in entries):
        return list(entries)
    store = store_of(manifest)
    videos = [entry.source for entry in entries if isinstance(entry.source, Path)]
    made, found = _Made(store), Problems(manifest) if problems is None else problems
    failed: dict[Path, str] = {}
    if any(made.group(video) is None for video in videos):
        backbone = load_backbone(settings.backbone, device=settings.device, download=settings.download)
        report = extract_to_file(videos, store, backbone, Sampling(rate_hz=settings.rate_hz), progress=progress)
        failed = dict(report.failed)
        made = _Made(store)
    ready: list[Entry] = []
    for entry in entries:
        if not isinstance(entry.source, Path):
            ready.append(entry)
        elif (group := made.group(entry.source)) is not None:
            ready.append(replace(entry, source=FeatureRef(store, group)))
        else:
            found.add(entry.where, f"{entry.id}: {failed.get(entry.source, 'no features were made')}")
    if problems is None:
        found.raise_any()
    return ready


class _Made:
    """Which video each group of a store was made from; a video that was only moved is still known."""

    def __init__(self, store: Path) -> None:
        self._by_path: dict[SourceStamp, str] = {}
        self._by_name: dict[tuple[str, int, int], str] = {}
        if not store.exists():
            return
        with FeatureStore(store) as features:
            for name in features:
                stamp = features.source_of(name)
                if stamp is not None:
                    self._by_path[stamp] = name
                    self._by_name[stamp.content] = name

    def group(self, video: Path) -> str | None:
        """The group of a video as it is now; None when there is none."""
        try:
            stamp = SourceStamp.of(video)
        except OSError:
            return None
        return self._by_path.get(stamp, self._by_name.get(stamp.content))
