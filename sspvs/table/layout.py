"""The layout of one video's group: the names of its datasets and attributes, ours, the community's and MR.HiSum's.

`features` (T, D) float32, `picks` (T,), `n_frames`, `n_steps` and `video_name` are the community's names. We add when
each frame is shown (`frame_seconds`, `end_seconds`: exact under variable frame rate), how much each frame changes
(`frame_change`), the container's facts, what decoding met, the source file's stamp and the feature fingerprint.

A group may hold further streams of features at the same picks, such as motion or sound: `features_NAME` (T, D_NAME),
each with the fingerprint in the dataset's own attributes.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sspvs.errors import FeatureFileError, printable
from sspvs.parsing import parse_json
from sspvs.sharing import file_name
from sspvs.table import streams
from sspvs.table.group_reader import GroupReader, plain_attributes
from sspvs.table.streams import dataset_name, short_name, union
from sspvs.types import (
    DecodeReport,
    Fingerprint,
    FloatArray,
    FrameFeatures,
    FurtherStream,
    IntArray,
    Timeline,
    VideoInfo,
)

FEATURES, PICKS, N_FRAMES, N_STEPS, VIDEO_NAME = streams.FEATURES, "picks", "n_frames", "n_steps", "video_name"
FRAME_SECONDS, END_SECONDS, FRAME_CHANGE = "frame_seconds", "end_seconds", "frame_change"
GTSCORE, GTSUMMARY = "gtscore", "gtsummary"
USER_SUMMARY, USER_SCORES = "user_summary", "user_scores"  # (U, N): give N where n_frames is missing
CHANGE_POINTS, N_FRAME_PER_SEG = "change_points", "n_frame_per_seg"
GT_SUMMARY = "gt_summary"  # MR.HiSum's own spelling; its README says `gtsummary`
TITLE, CATEGORY, FPS = "title", "category", "fps"  # ours
REPAIRS = "repairs"  # attribute, ours: what was repaired on the way into the file
_FINGERPRINT = "fingerprint_"  # prefix of the attributes, one per field
_SOURCE, _SOURCE_BYTES, _SOURCE_MTIME, _SOURCE_PLACE = "source", "source_bytes", "source_mtime_ns", "source_place"
_DECODE = "decode_"  # prefix, likewise
_DECODE_FIELDS = ("declared_frames", "decoded_frames", "corrupt_frames", "decoder")
_INFO_FIELDS = tuple(field.name for field in fields(VideoInfo) if field.name != "path")
# Files of earlier versions lack them.
_LATER_INFO_FIELDS = {"timecode", "reel_name", "recorded", "hdr", "subtitle_codecs"}


@dataclass(frozen=True)
class SourceStamp:
    """Which file features came from, and how to see that it has changed since."""

    name: str  # the video's file name
    size_bytes: int  # its size
    mtime_ns: int  # its time of last modification, nanoseconds
    place: str = ""  # A digest of its absolute path, which does not reveal the path

    @classmethod
    def of(cls, path: Path) -> "SourceStamp":
        """The stamp of a file as it is now."""
        status = path.stat()
        return cls._at(storable(str(path.resolve())), status.st_size, status.st_mtime_ns)

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> "SourceStamp | None":
        """The stamp from plain types, also as earlier versions kept it (`path`); None when some are missing."""
        if not {"size_bytes", "mtime_ns"} < set(known):
            return None
        size_bytes, mtime_ns = int(known["size_bytes"]), int(known["mtime_ns"])
        if "path" in known:
            return cls._at(str(known["path"]), size_bytes, mtime_ns)
        return cls(str(known.get("name", "")), size_bytes, mtime_ns, str(known.get("place", "")))

    @classmethod
    def _at(cls, path: str, size_bytes: int, mtime_ns: int) -> "SourceStamp":
        return cls(file_name(path), size_bytes, mtime_ns, hashlib.sha256(path.encode()).hexdigest()[:16])

    @property
    def content(self) -> tuple[str, int, int]:
        """What stays the same when the file is moved, and changes when it is written to."""
        return self.name, self.size_bytes, self.mtime_ns


def group_name(stem: str) -> str:
    """A name that h5 takes as one group: `/` would nest, `.` alone means the group itself."""
    name = re.sub(r"[/\x00]", "_", printable(stem)).strip()
    return "_" if name in {"", ".", ".."} else name


def is_video_group(file: h5py.File, key: str) -> bool:
    """Whether an entry of a file may be a video (MATLAB's `#refs#` is none)."""
    return not key.startswith("#") and file.get(key, getclass=True) is h5py.Group


def read_group(group: h5py.Group, name: str, where: str, fingerprint: Fingerprint | None) -> FrameFeatures:
    """One video's features from its group, ours or another's, with all streams."""
    features = _finite(_features(group, where), FEATURES, where)
    further = {}
    for stream in stream_names(group)[1:]:
        check_features_dataset(group[stream], stream, where)
        made = read_fingerprint_attrs(group[stream].attrs)
        further[short_name(stream)] = FurtherStream(_finite(group[stream], stream, where), made)
        if len(group[stream]) != len(features):
            raise FeatureFileError(f"{where}: '{stream}' has {len(group[stream])} picks, '{FEATURES}' {len(features)}")
    reader = GroupReader(group, where, FeatureFileError)
    picks, n_frames = _read_picks(reader, len(features))
    seconds, end = _per_frame(reader, FRAME_SECONDS, n_frames), reader.number(END_SECONDS)
    attrs = plain_attributes(group.attrs)
    return FrameFeatures(
        name=reader.text(VIDEO_NAME) or name,
        features=features,
        picks=picks,
        n_frames=n_frames,
        timeline=None if seconds is None or end is None else Timeline(seconds, end),
        fingerprint=fingerprint,
        frame_change=_per_frame(reader, FRAME_CHANGE, n_frames),
        info=_read_info(attrs),
        decode=_read_decode(attrs),
        streams=further,
    )


def _finite(data: h5py.Dataset, name: str, where: str) -> FloatArray:
    """All of a (T, D) dataset."""
    features = np.asarray(data[()], dtype=np.float32)
    if not np.isfinite(features).all():
        bad = int((~np.isfinite(features).all(axis=1)).argmax())
        raise FeatureFileError(f"{where}: '{name}' has NaN or infinite values, first at pick {bad}; extract again")
    return features


def _features(group: h5py.Group, where: str) -> h5py.Dataset:
    data = group.get(FEATURES)
    if not isinstance(data, h5py.Dataset):
        found = ", ".join(sorted(group)[:8]) or "nothing"
        raise FeatureFileError(f"{where}: expected a dataset '{FEATURES}' (T, D), found {found}")
    check_features_dataset(data, FEATURES, where)
    return data


def check_features_dataset(data: h5py.Dataset, name: str, where: str) -> None:
    """Refuse a dataset that is not (T, D) of floats."""
    if data.ndim != 2 or 0 in data.shape or data.dtype.kind != "f":
        raise FeatureFileError(
            f"{where}: expected '{name}' as (T, D) of float numbers, found {data.shape} of {data.dtype}"
        )


def read_picks(group: h5py.Group, where: str) -> tuple[IntArray, int]:
    """(T,) picks and N of a group with features; arguments and errors as `read_group`."""
    return _read_picks(GroupReader(group, where, FeatureFileError), len(_features(group, where)))


def _read_picks(reader: GroupReader, n_picks: int) -> tuple[IntArray, int]:
    """(T,) picks and N; what is missing is filled in only where there is one answer."""
    where, n_steps, n_frames = reader.where, reader.count(N_STEPS), reader.count(N_FRAMES)
    if n_steps not in (None, n_picks):
        raise FeatureFileError(f"{where}: '{N_STEPS}' says {n_steps}, but {n_picks} features are there")
    if n_frames is None:
        n_frames = max(reader.shape(USER_SUMMARY), default=None)  # some files have (N, U)
    if PICKS not in reader:
        if n_frames not in (None, n_picks):
            raise FeatureFileError(f"{where}: {n_picks} features of {n_frames} frames, but no '{PICKS}' to say which")
        return np.arange(n_picks, dtype=np.int64), n_picks
    if n_frames is None:
        raise FeatureFileError(f"{where}: '{PICKS}' without '{N_FRAMES}': the length of the video is unknown; add it")
    picks = reader.picks(PICKS, n_frames, n_picks)
    return (np.arange(n_picks, dtype=np.int64), n_picks) if picks is None else (picks, n_frames)


def _per_frame(reader: GroupReader, key: str, n_frames: int) -> FloatArray | None:
    values = reader.column(key)
    if values is not None and len(values) != n_frames:
        raise reader.problem(key, f"({n_frames},), one value a frame", f"shape {values.shape}")
    return values


def _read_info(attrs: Mapping[str, Any]) -> VideoInfo | None:
    if _SOURCE not in attrs or not set(_INFO_FIELDS) - _LATER_INFO_FIELDS <= set(attrs):
        return None
    return VideoInfo(path=file_name(str(attrs[_SOURCE])), **{key: attrs[key] for key in _INFO_FIELDS if key in attrs})


def _read_decode(attrs: Mapping[str, Any]) -> DecodeReport | None:
    known = {key.removeprefix(_DECODE): value for key, value in attrs.items() if key.startswith(_DECODE)}
    if not {*_DECODE_FIELDS, "warnings"} <= set(known):
        return None
    declared, decoded, corrupt, decoder = (known[key] for key in _DECODE_FIELDS)
    warnings, refused = tuple(parse_json(known["warnings"])), int(known.get("refused_frames", 0))
    return DecodeReport(int(declared), int(decoded), int(corrupt), str(decoder), warnings, refused)


def read_source(group: h5py.Group) -> SourceStamp | None:
    """The video file a group came from; None when it is not recorded."""
    attrs = plain_attributes(group.attrs)
    if not {_SOURCE, _SOURCE_BYTES, _SOURCE_MTIME} <= set(attrs):
        return None
    known = {"size_bytes": attrs[_SOURCE_BYTES], "mtime_ns": attrs[_SOURCE_MTIME]}
    if _SOURCE_PLACE not in attrs:
        return SourceStamp.from_dict({**known, "path": attrs[_SOURCE]})
    return SourceStamp.from_dict({**known, "name": attrs[_SOURCE], "place": attrs[_SOURCE_PLACE]})


def copy_group(group: h5py.Group, file: h5py.File, name: str) -> None:
    """Copy a group into another file; an absolute path that earlier versions kept does not come along."""
    if _SOURCE not in group.attrs or _SOURCE_PLACE in group.attrs:
        group.copy(group, file, name)
        return
    copy = file.create_group(name)  # what is overwritten would stay in the file's bytes
    for key in group:
        group.copy(key, copy)
    known = plain_attributes(group.attrs)
    for key in set(group.attrs) - {_SOURCE}:
        copy.attrs[key] = group.attrs[key]
    copy.attrs[_SOURCE] = file_name(str(known[_SOURCE]))
    if (source := read_source(group)) is not None:
        _write_source(copy, source)


def read_fingerprint_attrs(attrs: Mapping[str, Any]) -> Fingerprint | None:
    """The fingerprint in the attributes of a file or group; None unless all its fields are there."""
    keys = {field.name: _FINGERPRINT + field.name for field in fields(Fingerprint)}
    if not set(keys.values()) <= set(attrs):
        return None
    known = plain_attributes(attrs)
    texts = {name: str(known[key]) for name, key in keys.items() if name != "rate_hz"}
    return Fingerprint(**texts, rate_hz=float(known[keys["rate_hz"]]))


def write_fingerprint_attrs(attrs: Any, fingerprint: Fingerprint | None) -> None:
    """Put a fingerprint into the attributes of a file or group."""
    if fingerprint is not None:
        for key, value in fingerprint.as_dict().items():
            attrs[_FINGERPRINT + key] = value
        attrs[_FINGERPRINT + "digest"] = fingerprint.digest


def write_group(
    group: h5py.Group, video: FrameFeatures, source: SourceStamp | None, *, half_precision: bool = False
) -> None:
    """Fill an empty group with one video's features."""
    group[FEATURES] = np.asarray(video.features, dtype=np.float16 if half_precision else np.float32)
    group[PICKS] = np.asarray(video.picks, dtype=np.int64)
    group[N_FRAMES] = video.n_frames
    group[N_STEPS] = len(video.picks)
    group[VIDEO_NAME] = printable(video.name)
    packing = {"compression": "gzip", "shuffle": True}
    if video.timeline is not None:
        seconds = np.asarray(video.timeline.frame_seconds, dtype=np.float64)
        group.create_dataset(FRAME_SECONDS, data=seconds, **packing)
        group[END_SECONDS] = float(video.timeline.end_seconds)
    if video.frame_change is not None:
        change = np.asarray(video.frame_change, dtype=np.float32)
        group.create_dataset(FRAME_CHANGE, data=change, **packing)
    write_fingerprint_attrs(group.attrs, video.fingerprint)
    if video.info is not None:
        group.attrs[_SOURCE] = file_name(storable(video.info.path))
        for key in _INFO_FIELDS:
            group.attrs[key] = getattr(video.info, key)
    if video.decode is not None:
        for key in (*_DECODE_FIELDS, "refused_frames"):
            group.attrs[_DECODE + key] = getattr(video.decode, key)
        group.attrs[_DECODE + "warnings"] = json.dumps(list(video.decode.warnings))
    if source is not None:
        _write_source(group, source)
    for name, stream in video.streams.items():
        write_stream(group, name, stream.features, stream.fingerprint, half_precision=half_precision)


def stream_names(group: h5py.Group) -> list[str]:
    """The datasets of all streams of a group: `features` first, then `features_NAME` by their names."""
    return union([[key for key in group if key == FEATURES or key.startswith(f"{FEATURES}_")]])


def write_stream(
    group: h5py.Group, name: str, features: FloatArray, fingerprint: Fingerprint | None, *, half_precision: bool = False
) -> None:
    """Add the stream `features_NAME` (T, D_NAME) to a group with `features` of as many picks."""
    rows = len(group[FEATURES]) if FEATURES in group else 0
    if features.ndim != 2 or len(features) != rows:
        raise FeatureFileError(
            f"{group.name}: the stream '{name}' is {features.shape}, but '{FEATURES}' has {rows} picks; extract both "
            "at one rate"
        )
    key = dataset_name(name)
    group[key] = np.asarray(features, dtype=np.float16 if half_precision else np.float32)
    write_fingerprint_attrs(group[key].attrs, fingerprint)


def _write_source(group: h5py.Group, source: SourceStamp) -> None:
    group.attrs[_SOURCE] = source.name
    group.attrs[_SOURCE_BYTES] = source.size_bytes
    group.attrs[_SOURCE_MTIME] = source.mtime_ns
    group.attrs[_SOURCE_PLACE] = source.place


def storable(text: str) -> str:
    """A path that h5 takes: odd bytes of names that are not UTF-8 stay as escapes, and keep different files apart."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
