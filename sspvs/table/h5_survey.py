"""The keys of the field's h5 files: what each means and how to make it, which are in a file, and its family.

The community's keys were never documented by those who made them; these explanations were checked against the official
annotation files.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, Literal

import h5py
import numpy as np

from sspvs.table import layout, score_file
from sspvs.table.group_reader import text_of
from sspvs.table.h5_file import open_h5
from sspvs.table.streams import FEATURES
from sspvs.types import VideoInfo


@dataclass(frozen=True)
class KeyGuide:
    """One key, explained."""

    shape: str  # in axis letters: T picks, N frames, S shots, U annotators, D width, L tokens
    meaning: str
    made: str = ""  # how to make it; empty where it is not made any more


TOKEN_KEYS = ("cat", "query", "title", "description")  # SSPVS: BERT token ids of the four text fields
FRAME_BYTES, AUDIO_BYTES = "rgb", "audio"  # YouTube-8M

_OWN = {
    layout.FEATURES: KeyGuide(
        "(T, D)", "what the frame encoder saw at each pick, one row a pick", "sspvs extract VIDEO... --out F.h5"
    ),
    layout.PICKS: KeyGuide(
        "(T,)",
        "the frame numbers that were sampled from the video: 0, 15, 30, ... for every 15th frame",
        "numpy.arange(0, n_frames, 15)",
    ),
    layout.N_FRAMES: KeyGuide("()", "N, how many frames the original video has", "count them by decoding"),
    layout.N_STEPS: KeyGuide("()", "T, how many frames were sampled", "len(picks)"),
    layout.VIDEO_NAME: KeyGuide("text", "the video's own name", "the name of its file"),
    layout.CHANGE_POINTS: KeyGuide(
        "(S, 2)",
        "the shots, as first and last frame, the last one included (MR.HiSum: not included)",
        "sspvs data build --segmenter kts",
    ),
    layout.N_FRAME_PER_SEG: KeyGuide("(S,)", "how many frames each shot has", "last - first + 1 of each shot"),
    layout.USER_SUMMARY: KeyGuide(
        "(U, N)",
        "1 where an annotator's summary has the frame, one row an annotator",
        "SumMe: user_score > 0; TVSum: the knapsack of each annotator's ratings over the shots at 15 % of N",
    ),
    layout.USER_SCORES: KeyGuide(
        "(U, N) or (U, T)",
        "how important each annotator found each frame (TVSum: ratings 1-5)",
        "sspvs data build tvsum --annotations ydata-tvsum50.mat",
    ),
    layout.GTSCORE: KeyGuide(
        "(T,)",
        "the mean annotator at the picks, what most methods are trained on",
        "SumMe: mean of user_summary at the picks; TVSum: (mean rating - 1) / 4 at the picks; MR.HiSum: how often "
        "each second was replayed on YouTube",
    ),
    layout.GTSUMMARY: KeyGuide("(T,)", "key frames of undocumented origin: nothing is evaluated on it"),
    layout.GT_SUMMARY: KeyGuide("(T,)", "MR.HiSum's summary: the knapsack of gtscore over the shots at 15 %"),
    layout.TITLE: KeyGuide("text", "the video's title"),
    layout.CATEGORY: KeyGuide("text", "the video's category"),
    layout.FPS: KeyGuide("()", "frames per second"),
    layout.FRAME_SECONDS: KeyGuide("(N,)", "when each frame is shown, in seconds from the first one"),
    layout.END_SECONDS: KeyGuide("()", "when the last frame ends, in seconds"),
    layout.FRAME_CHANGE: KeyGuide("(N,)", "how much each frame differs from the one before (mean luma, 0-255)"),
}  # what is read of a group
GUIDE: Mapping[str, KeyGuide] = {
    **_OWN,
    score_file.SCORES: KeyGuide("(T,)", "a method's importance at the picks", "sspvs score F.h5 --out S.h5"),
    score_file.PEER_SCORES: KeyGuide("(T,)", "a method's importance at the picks"),
    score_file.MACHINE_SUMMARY: KeyGuide("(N,)", "1 where a method's summary has the frame"),
    "fm": KeyGuide("()", "the F1 that the method's authors recorded"),
    "precision": KeyGuide("()", "the precision that the method's authors recorded"),
    "recall": KeyGuide("()", "the recall that the method's authors recorded"),
    FRAME_BYTES: KeyGuide("(T, 1024) uint8", "YouTube-8M frame features, quantised, one a second"),
    AUDIO_BYTES: KeyGuide("(T, 128) uint8", "YouTube-8M sound features, quantised, one a second"),
}

TOKEN_GUIDE: Mapping[str, KeyGuide] = {
    "cat": KeyGuide("(L,)", "the video's category as BERT token ids"),
    "query": KeyGuide("(L,)", "the search query that found the video, as BERT token ids"),
    **{key: KeyGuide("(L,)", f"the video's {key} as BERT token ids") for key in ("title", "description")},
}
UNKNOWN = KeyGuide("", "no key that we know; it is left alone")

Family = Literal["dataset", "features", "scores", "mrhisum", "tokens", "bytes", "tvsum", "matlab", "empty", "unknown"]

_ANNOTATION_KEYS = {layout.GTSCORE, layout.GTSUMMARY, layout.USER_SUMMARY, layout.USER_SCORES, layout.CHANGE_POINTS}
_LOOKED_AT = 5  # groups that are looked at to find the family
_INFO_FIELDS = tuple(field.name for field in fields(VideoInfo))
_OUR_ATTRIBUTES = ("fingerprint_", "source", "decode_", "dataset", "made_by", "scorer", "settings")


def h5_family(path: str | os.PathLike[str]) -> Family:
    """Which family an h5 file is of, by its keys."""
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
    if keys & {score_file.SCORES, score_file.PEER_SCORES, score_file.MACHINE_SUMMARY}:
        return "scores"
    if FRAME_BYTES in keys or _is_bytes(group.get(layout.FEATURES) for group in sample):
        return "bytes"
    if layout.GTSCORE in keys and not keys & {layout.PICKS, layout.N_FRAMES, layout.USER_SUMMARY}:
        return "mrhisum" if layout.GT_SUMMARY in keys or layout.GTSUMMARY in keys else "dataset"
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


def survey_keys(path: str | os.PathLike[str]) -> dict[str, list[tuple[tuple[int, ...], str]]]:
    """Shape and type of every dataset in all videos of a file, by key; datasets at the root count as a video's."""
    found: dict[str, list[tuple[tuple[int, ...], str]]] = {}
    with open_h5(path) as file:
        for _, group in chain([("", file)], video_groups(file)):
            for key, data in _datasets(group):
                found.setdefault(key, []).append((tuple(data.shape or ()), _type_of(data)))
    order = list(GUIDE)
    return dict(sorted(found.items(), key=lambda at: (order.index(at[0]) if at[0] in order else len(order), at[0])))


def shape_text(shapes: Sequence[tuple[int, ...]]) -> str:
    """Shapes of one key as one reads them: `(64..650, 1024)`; `scalar`."""
    if len({len(shape) for shape in shapes}) > 1:
        return "different numbers of axes"
    spans = [(min(lengths), max(lengths)) for lengths in zip(*shapes, strict=True)]
    axes = [str(low) if low == high else f"{low}..{high}" for low, high in spans]
    return f"({', '.join(axes)}{',' * (len(axes) == 1)})" if axes else "scalar"


def unread_parts(group: h5py.Group) -> tuple[str, ...]:
    """What one video's group (or the file, of one video) has that this package does not read, in words."""
    keys = [f"dataset '{key}'" for key in group if key not in _OWN and not key.startswith(f"{FEATURES}_")]
    attributes = [f"attribute '{key}'" for key in group.attrs if not key.startswith(_OUR_ATTRIBUTES + _INFO_FIELDS)]
    return (*keys, *attributes)


def guide_of(key: str, family: Family) -> KeyGuide:
    """What a key means in a family of files."""
    guide = TOKEN_GUIDE if family == "tokens" else GUIDE
    if key.startswith(f"{layout.FEATURES}_"):
        return KeyGuide("(T, D)", "a further stream of features at the same picks, such as motion or sound")
    return guide.get(key, UNKNOWN)


def read_entries(path: str | os.PathLike[str], video: str) -> list[tuple[str, str, str, str]]:
    """Each dataset of one video: name, shape, type and range of values."""
    with open_h5(path) as file:
        group = file[video] if video in file else file if isinstance(file.get(layout.FEATURES), h5py.Dataset) else None
        if group is None:
            raise KeyError(video)
        return [(key, *_described(data)) for key, data in _datasets(group)]


def _datasets(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    return ((key, data) for key in group if isinstance(data := group.get(key), h5py.Dataset))


def _type_of(data: h5py.Dataset) -> str:
    return "text" if data.dtype.kind in "OSU" else str(data.dtype)


def _described(data: h5py.Dataset) -> tuple[str, str, str]:
    """Shape, type and range of values."""
    shape, kind = str(tuple(data.shape)) if data.shape else "scalar", _type_of(data)
    if kind == "text":
        return shape, kind, text_of(data) if data.size == 1 else ""
    values = np.asarray(data[()])
    if values.size == 0 or values.dtype.kind not in "biuf":
        return shape, kind, ""
    if values.ndim == 0:
        return shape, kind, f"{values[()]:g}"
    finite = values[np.isfinite(values)]
    span = f"{finite.min():g} to {finite.max():g}" if finite.size else "no finite value"
    lost = values.size - finite.size
    return shape, kind, span + (f", {lost} NaN or infinite" if lost else "")
