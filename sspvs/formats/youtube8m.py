"""YouTube-8M frame features: quantised to bytes, one frame a second (Abu-El-Haija et al., 2016; the set's own reader).

Files are TFRecord as published, .npy or .npz arrays, h5, or a folder of such. A byte b stands for
`b * 4/255 + 4/512 - 2`: 256 levels over [-2, 2].
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import h5py
import numpy as np
import numpy.typing as npt

from sspvs.atomic import atomic_h5, atomic_stream
from sspvs.errors import DatasetError, one_line
from sspvs.formats import tfrecord
from sspvs.formats.format import FORMATS, Format, Ledger, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.formats.record import Source, VideoRecord, values_a_second
from sspvs.formats.tfrecord import SequenceExample
from sspvs.table import layout
from sspvs.table.h5_file import DAMAGE, open_h5
from sspvs.table.h5_survey import AUDIO_BYTES, FRAME_BYTES
from sspvs.table.numpy_file import array_headers, load_array
from sspvs.table.reader import BYTE_BIAS, BYTE_STEP, dequantise
from sspvs.types import FloatArray, FrameFeatures

ByteArray = npt.NDArray[np.uint8]
_Load = Callable[[], tuple[ByteArray, tuple[str, ...]]]
"""Reads one video: (T, D) bytes, and what else is there, in words."""
WIDTH = 1024
SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".tfrecord")
_LARGEST = 255 * BYTE_STEP + BYTE_BIAS
_UNIT_LENGTH = 1e-3
_FRAMES, _SOUND = "rgb", "audio"
_IDS = ("id", "video_id")  # version 2 of the set, version 1
_PARTS = {_FRAMES, _SOUND, "features"}
_LOOKED_AT = 5  # files of a folder


@FORMATS.register("youtube8m")
class YouTube8M(Format):
    """Frame bytes, in a file or a folder of files."""

    what = "YouTube-8M frame features, quantised to bytes"
    order = 50
    keys: ClassVar = {"frames": ("(T, 1024)", "frame features as bytes, one frame a second")}
    needs = ("features",)
    holds = frozenset({"features", "names beside the keys"})
    form = "either"
    needs_clock = True

    def matches(self, head: PathHead) -> bool:
        """Whether a path has frame bytes."""
        if head.is_folder:
            return any(self._is_byte_file(path) for path in head.files(*SUFFIXES)[:_LOOKED_AT])
        if head.family is not None:
            return head.family == "bytes"
        if head.is_numpy:
            return all(len(header.shape) == 2 and header.dtype == np.uint8 for header in array_headers(head.path))
        return tfrecord.looks_like_tfrecord(head.start)

    def _is_byte_file(self, path: Path) -> bool:
        try:
            return self.matches(PathHead(path))
        except DAMAGE:  # one damaged file among others
            return False

    def read(self, path: Path, settings: Settings) -> Source:
        """Open frame bytes."""
        scale = "as they are" if settings.keep_scale else "L2-normalised"
        notes = (f"bytes were dequantised to [-2, 2], rows {scale}", "each second is a frame of its own")
        found = _entries(path, settings.check)
        entries = ((key, partial(_record, key, load, settings)) for key, load in found)
        return Source(settings.name or path.stem, entries, notes=notes)

    def inspect(self, path: Path, found: Inspection) -> None:
        """Read every video."""
        lengths, widths = list[int](), list[int]()
        for record in found.records(self.read(path, Settings(keep_scale=True))):
            assert record.features is not None
            shape = record.features.features.shape
            lengths.append(shape[0])
            widths.append(shape[1])
            if record.key == found.video:
                found.detail = {"frames": str(shape), "also there": ", ".join(record.unread) or "nothing"}
        shape_text = f"({span(lengths)}, {span(widths)})"
        found.key("frames", len(lengths), shape_text, "uint8", self.keys["frames"][1])
        if set(widths) - {WIDTH}:
            found.problem(f"features of {span(widths)} bytes, expected {WIDTH} as YouTube-8M has", blocking=False)
        found.use("scoring and training after conversion", bool(lengths))
        found.use("evaluation", False, "no annotations (MR.HiSum has them for 31,892 of these videos)")
        found.advice.append(f"as a feature file: sspvs data convert '{path}' --to community --out F.h5")

    def write(self, path: Path, records: Iterator[VideoRecord], ledger: Ledger) -> None:
        """Write an h5 file with a dataset a video, or a folder with an .npy a video."""
        if path.is_dir():
            for record in records:
                with atomic_stream(path / f"{ledger.file_stem(record)}.npy") as stream:
                    np.save(stream, _bytes(record, ledger), allow_pickle=False)
            return
        with atomic_h5(path) as file:
            for record in records:
                if record.name != record.key:
                    ledger.leave_out("names beside the keys (h5 groups are the keys)", record.key)
                group = layout.group_name(record.key)
                file.create_dataset(group, data=_bytes(record, ledger), compression="gzip", shuffle=True)


def quantise(features: FloatArray) -> tuple[ByteArray, bool]:
    """(T, D) features as bytes, and whether rows were stretched or shrunk.

    Features within [-2, 2] go to the nearest level. Rows of unit length, which would fall on a handful of levels, and
    features beyond the range are first stretched or shrunk, each row by one factor, so that the row's largest value
    is the last level: their direction is kept, their length is not. (Readers L2-normalise.)
    """
    rows = np.asarray(features, dtype=np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1)
    known = lengths[lengths > 0]
    rescaled = bool(largest.max() > 2) or bool(len(known) and (np.abs(known - 1) < _UNIT_LENGTH).all())
    if rescaled:
        rows = rows * (_LARGEST / np.maximum(largest, 1e-12))
    levels = np.clip(np.rint((rows - BYTE_BIAS) / BYTE_STEP), 0, 255)
    return levels.astype(np.uint8), rescaled


def byte_videos(path: str | os.PathLike[str]) -> list[str]:
    """The videos of an h5 file of frame bytes."""
    with open_h5(path) as file:
        return [key for key in file if not key.startswith("#") and _dataset(file, key) is not None]


def read_bytes(path: str | os.PathLike[str], key: str) -> tuple[ByteArray, tuple[str, ...]]:
    """One video's (T, D) bytes of an h5 file, and what else its group has, in words."""
    with open_h5(path) as file:
        data = _dataset(file, key)
        if data is None:
            raise KeyError(key)
        if data.dtype != np.uint8 or data.ndim != 2 or 0 in data.shape:
            raise DatasetError(f"{path}, video '{key}': expected (T, D) uint8, found {data.shape} of {data.dtype}")
        names = list(file[key]) if isinstance(file[key], h5py.Group) else []
        others = [name for name in names if name != Path(data.name).name]
        values: ByteArray = np.asarray(data[()])
        return values, tuple(f"dataset '{name}'" + (" (sound)" if name == AUDIO_BYTES else "") for name in others)


def record_bytes(record: bytes, where: str) -> ByteArray:
    """(T, D) frame bytes of a `tf.train.SequenceExample`; `where` is for messages."""
    rows = tfrecord.equal_steps(record, _FRAMES)
    if rows is not None:
        return rows
    try:
        return _frames(tfrecord.parse_example(record), where)[0]
    except DatasetError as error:
        raise DatasetError(f"{where}: {str(error).removeprefix(f'{where}: ')}") from error


def _dataset(file: h5py.File, key: str) -> Any:
    entry = file.get(key)
    if isinstance(entry, h5py.Group):
        return next((entry[name] for name in (FRAME_BYTES, layout.FEATURES) if name in entry), None)
    return entry if isinstance(entry, h5py.Dataset) else None


def _entries(path: Path, check: bool) -> Iterator[tuple[str, _Load]]:
    """Key and reader of every video of a file, or of every file of a folder."""
    head = PathHead(path)
    if head.is_folder:
        for file in head.files(*SUFFIXES):
            try:
                yield from _entries(file, check)
            except DAMAGE as error:
                yield file.name, partial(_damaged, f"{file}: {one_line(error).removeprefix(f'{file}: ')}")
    elif head.is_h5:
        for key in byte_videos(path):
            yield key, partial(read_bytes, path, key)
    elif head.is_numpy:
        names = {header.name for header in array_headers(path)}
        if names <= _PARTS | {""}:  # one video, perhaps with its sound
            name = next((known for known in (_FRAMES, "features", "") if known in names), "")
            unread = tuple(f"array '{other}'" for other in sorted(names - {name}))
            yield path.stem, partial(_read_array, path, name, unread)
            return
        for header in array_headers(path):
            yield header.name, partial(_read_array, path, header.name, ())
    elif tfrecord.looks_like_tfrecord(head.start):
        places, wrong = tfrecord.record_places(path)
        for number, place in enumerate(places):
            yield _tfrecord_entry(path, number, place, check)
        if wrong:
            raise DatasetError(wrong)
    else:
        raise DatasetError(f"{path}: expected frame bytes (.npy, .npz, h5 or TFRecord), found something else")


def _damaged(message: str) -> NoReturn:
    raise DatasetError(message)


def _record(key: str, load: _Load, settings: Settings) -> VideoRecord:
    values, unread = load()
    features = dequantise(values, unit_length=not settings.keep_scale)
    picks = np.arange(len(features), dtype=np.int64)
    return VideoRecord(
        key, key, None, FrameFeatures(key, features, picks, len(features)), frame_rate=1.0, unread=unread
    )


def _read_array(path: Path, name: str, unread: tuple[str, ...]) -> tuple[ByteArray, tuple[str, ...]]:
    values = load_array(path, name)
    if values.dtype != np.uint8 or values.ndim != 2 or 0 in values.shape:
        raise DatasetError(f"{path}: expected (T, D) uint8, found {values.shape} of {values.dtype}")
    return values, unread


def _tfrecord_entry(path: Path, number: int, place: tuple[int, int], check: bool) -> tuple[str, _Load]:
    where = f"{path}, record {number}"
    try:
        example = tfrecord.parse_example(tfrecord.read_record(path, number, *place, check=check))
    except DatasetError as error:
        return f"record {number}", partial(_damaged, str(error) if str(path) in str(error) else f"{where}: {error}")
    ids = [example.context[name] for name in _IDS if example.context.get(name)]
    first = ids[0][0] if ids else b""
    key = first.decode("utf-8", "replace") if isinstance(first, bytes) and first else f"{path.stem}_{number}"
    return key, partial(_frames, example, where)


def _frames(example: SequenceExample, where: str) -> tuple[ByteArray, tuple[str, ...]]:
    """(T, D) frame bytes of a record, and what else it has, in words."""
    steps = example.sequences.get(_FRAMES)
    if not steps:
        kind = "a video-level record (means only)" if "mean_rgb" in example.context else "no frames"
        raise DatasetError(f"{where}: expected frame features under '{_FRAMES}', found {kind}; use the frame-level set")
    rows = [step[0] if step else b"" for step in steps]
    widths = {len(row) if isinstance(row, bytes) else -1 for row in rows}
    if len(widths) != 1 or min(widths) < 1:
        raise DatasetError(f"{where}: expected as many bytes in every frame, found {sorted(widths)}")
    values = np.frombuffer(b"".join(row for row in rows if isinstance(row, bytes)), dtype=np.uint8)
    unread = ["sound features"] if _SOUND in example.sequences else []
    unread += ["class numbers"] if example.context.get("labels") else []
    return values.reshape(len(rows), -1), tuple(unread)


def _bytes(record: VideoRecord, ledger: Ledger) -> ByteArray:
    features, fps = record.features, ledger.fps(record)
    assert features is not None  # `lacks` saw to it
    how = ledger.settings.resample
    values = values_a_second(features.features, features.picks, features.n_frames, fps, how)
    if fps != 1 or len(features.picks) != features.n_frames:
        ledger.change(f"one feature a second ({how})", record.key)
    stored, rescaled = quantise(values)
    ledger.change("features were rounded to 256 levels", record.key)
    if rescaled:
        ledger.change("rows were stretched or shrunk to the range of the bytes: their lengths are lost", record.key)
    return stored
