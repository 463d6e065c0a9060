"""Feature files of videos whose features are at hand, written as they come."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sspvs.atomic import atomic_h5
from sspvs.features.store import layout
from sspvs.types import Fingerprint, FrameFeatures


def write_features(
    path: str | os.PathLike[str],
    videos: Iterable[FrameFeatures],
    *,
    fingerprint: Fingerprint | None = None,
    half_precision: bool = False,
) -> None:
    """Write a feature file atomically, one video in memory at a time.

    Args:
        path: File to write.
        videos: Features, each under its name; may come from a generator. The file's fingerprint holds for all of them.
        fingerprint: What made the features.
        half_precision: Store float16: half the space, three decimal digits. Readers get float32.

    Raises:
        OutputError: When the file cannot be written.
        ValueError: When two videos have the same name, or a fingerprint differs from the file's.
    """
    with atomic_h5(Path(path)) as file:
        layout.write_fingerprint_attrs(file.attrs, fingerprint)
        for video in videos:
            name = layout.group_name(video.name)
            if name in file:
                raise ValueError(f"two videos have the name '{name}'; every video needs its own")
            if video.fingerprint not in (None, fingerprint):
                raise ValueError(f"{video.name}: features of another fingerprint than the file's")
            group = file.create_group(name)
            layout.write_group(group, replace(video, fingerprint=None), None, half_precision=half_precision)
