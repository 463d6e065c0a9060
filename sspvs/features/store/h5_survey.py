"""What an h5 file holds, without reading its arrays: which family of files it is of, which keys in which shapes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Any, Literal

import h5py
import numpy as np

from sspvs.features.store import annotation_keys as annotation
from sspvs.features.store import layout, score_file
from sspvs.features.store.group_reader import GroupReader, text_of
from sspvs.features.store.h5_file import open_h5
from sspvs.features.store.key_guide import (
    FRAME_BYTES,
    GUIDE,
    MACHINE_SUMMARY,
    PEER_SCORE,
    TOKEN_GUIDE,
    TOKEN_KEYS,
    UNKNOWN,
    KeyGuide,
)
from sspvs.types import VideoInfo

Family = Literal["dataset", "features", "scores", "mrhisum", "tokens", "bytes", "tvsum", "matlab", "empty", "unknown"]

_ANNOTATION_KEYS = {
    annotation.GTSCORE,
    annotation.GTSUMMARY,
    annotation.USER_SUMMARY,
    annotation.USER_SCORES,
    annotation.CHANGE_POINTS,
}
_LOOKED_AT = 5  # groups that tell the family
_INFO_FIELDS = tuple(field.name for field in fields(VideoInfo))
_READ_KEYS = {
    layout.FEATURES,
    layout.PICKS,
    layout.N_FRAMES,
    layout.N_STEPS,
    layout.VIDEO_NAME,
    layout.FRAME_SECONDS,
    layout.END_SECONDS,
    layout.FRAME_CHANGE,
    annotation.CHANGE_POINTS,
    annotation.N_FRAME_PER_SEG,
    annotation.TITLE,
    annotation.CATEGORY,
    annotation.FPS,
    annotation.GT_SUMMARY,
    *_ANNOTATION_KEYS,
}
_OUR_ATTRIBUTES = ("fingerprint_", "source", "decode_", "dataset", "made_by", "scorer", "settings")


@dataclass
class KeySurvey:
    """One key over all videos of a file.

    Attributes:
        name: The key.
        count: How many videos have it.
        shapes: Smallest and largest length along each axis; empty for scalars.
        dtypes: The types it is stored in.
        n_dims: The numbers of axes it occurs with; more than one is damage.
    """

    name: str
    count: int = 0
    shapes: list[tuple[int, int]] = field(default_factory=list)
    dtypes: set[str] = field(default_factory=set)
    n_dims: set[int] = field(default_factory=set)

    def add(self, data: h5py.Dataset) -> None:
        """Count one video's dataset in."""
        shape = tuple(data.shape or ())
        if not self.n_dims:
            self.shapes = [(length, length) for length in shape]
        self.count += 1
        self.n_dims.add(len(shape))
        self.dtypes.add("text" if data.dtype.kind in "OSU" else str(data.dtype))
        self.shapes = [(min(a, n), max(b, n)) for (a, b), n in zip(self.shapes, shape, strict=False)]

    @property
    def shape_text(self) -> str:
        """The shape as one reads it: `(64..650, 1024)`; `scalar`."""
        if len(self.n_dims) > 1:
            return "different numbers of axes"
        if not self.shapes:
            return "scalar"
        axes = [str(low) if low == high else f"{low}..{high}" for low, high in self.shapes]
        return f"({axes[0]},)" if len(axes) == 1 else f"({', '.join(axes)})"


def h5_family(path: str | os.PathLike[str]) -> Family:
    """Which family an h5 file is of, told from its keys.

    Raises:
        OSError: When h5py cannot open it.
    """
    with open_h5(path) as file:
        names = list(file)
        if not names:
            return "empty"
        if "tvsum50" in names:
            return "tvsum"
        if "#refs#" in names or "#subsystem#" in names:
            return "matlab"
        return _family(file, names)


def _family(file: h5py.File, names: list[str]) -> Family:
    groups = [name for name in names if layout.is_video_group(file, name)]
    if not groups:
        kinds = {name: file[name] for name in names if isinstance(file.get(name), h5py.Dataset)}
        if set(kinds) & set(TOKEN_KEYS):
            return "tokens"
        if _is_bytes(kinds.values()):
            return "bytes"
        return "features" if layout.FEATURES in kinds else "unknown"
    sample = [file[name] for name in groups[:_LOOKED_AT]]
    keys = {key for group in sample for key in group}
    if keys & {score_file.SCORES, PEER_SCORE, MACHINE_SUMMARY}:
        return "scores"
    if FRAME_BYTES in keys or _is_bytes(group.get(layout.FEATURES) for group in sample):
        return "bytes"
    if annotation.GTSCORE in keys and not keys & {layout.PICKS, layout.N_FRAMES, annotation.USER_SUMMARY}:
        return "mrhisum" if annotation.GT_SUMMARY in keys or annotation.GTSUMMARY in keys else "dataset"
    if keys & _ANNOTATION_KEYS:
        return "dataset"
    return "features" if layout.FEATURES in keys else "unknown"


def _is_bytes(datasets: Any) -> bool:
    found = [data for data in datasets if isinstance(data, h5py.Dataset)]
    return bool(found) and all(data.dtype == np.uint8 and data.ndim == 2 for data in found)


def video_groups(file: h5py.File) -> Iterator[tuple[str, h5py.Group]]:
    """The groups of a file that may be videos, one at a time; broken links are left out."""
    for name in file:
        if layout.is_video_group(file, name):
            yield name, file[name]


def survey_keys(path: str | os.PathLike[str]) -> list[KeySurvey]:
    """Every key of a file with its shapes over all videos; the file's root counts as a video when it has datasets.

    Raises:
        OSError: When h5py cannot read it. (Damage inside shows as h5py's other errors.)
    """
    found: dict[str, KeySurvey] = {}
    with open_h5(path) as file:
        for _, group in chain([("", file)], video_groups(file)):
            for key in group:
                data = group.get(key)
                if isinstance(data, h5py.Dataset):
                    found.setdefault(key, KeySurvey(key)).add(data)
    order = list(GUIDE)
    return sorted(
        found.values(), key=lambda key: (order.index(key.name) if key.name in order else len(order), key.name)
    )


def unread_parts(path: str | os.PathLike[str], video: str) -> list[str]:
    """What one video's group (or, without groups, the file) has that this package does not read, in words."""
    with open_h5(path) as file:
        group = file.get(video, file)
        keys = [f"dataset '{key}'" for key in group if key not in _READ_KEYS]
        attributes = [f"attribute '{key}'" for key in group.attrs if not key.startswith(_OUR_ATTRIBUTES + _INFO_FIELDS)]
        return keys + attributes


def guide_of(key: str, family: Family) -> KeyGuide:
    """What a key means in a family of files."""
    guide = TOKEN_GUIDE if family == "tokens" else GUIDE
    return guide.get(key, UNKNOWN)


def read_labels(path: str | os.PathLike[str], video: str) -> tuple[str, str, float | None]:
    """Title, category and frames per second of one video; empty and None where its group does not say."""
    with open_h5(path) as file:
        group = file.get(video, file)
        reader = GroupReader(group, f"{path}, video '{video}'")
        return reader.text(annotation.TITLE), reader.text(annotation.CATEGORY), reader.number(annotation.FPS)


def read_entries(path: str | os.PathLike[str], video: str) -> list[tuple[str, str, str, str]]:
    """Each dataset of one video: name, shape, type and range of values.

    Raises:
        KeyError: When there is no such group.
        OSError: When h5py cannot read it.
    """
    with open_h5(path) as file:
        group = file[video] if video in file else file if isinstance(file.get(layout.FEATURES), h5py.Dataset) else None
        if group is None:
            raise KeyError(video)
        return [_entry(key, group[key]) for key in group if isinstance(group.get(key), h5py.Dataset)]


def _entry(key: str, data: h5py.Dataset) -> tuple[str, str, str, str]:
    shape = "scalar" if not data.shape else str(tuple(data.shape))
    if data.dtype.kind in "OSU":
        return key, shape, "text", text_of(data) if data.size == 1 else ""
    values = np.asarray(data[()])
    if values.size == 0 or values.dtype.kind not in "biuf":
        return key, shape, str(data.dtype), ""
    if values.ndim == 0:
        return key, shape, str(data.dtype), f"{values[()]:g}"
    finite = values[np.isfinite(values)]
    span = f"{finite.min():g} to {finite.max():g}" if finite.size else "no finite value"
    lost = values.size - finite.size
    return key, shape, str(data.dtype), span + (f", {lost} NaN or infinite" if lost else "")
