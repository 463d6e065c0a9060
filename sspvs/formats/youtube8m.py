"""YouTube-8M frame features: quantised to bytes, one frame a second (Abu-El-Haija et al., 2016; the set's own reader).

Files are TFRecord as published, .npy or .npz arrays, h5, or a folder of such. A byte b stands for
`b * 4/255 + 4/512 - 2`: 256 levels over [-2, 2].
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import h5py
import numpy as np
import numpy.typing as npt

from sspvs.atomic import atomic_h5, atomic_stream
from sspvs.errors import DatasetError, SspvsError, one_line
from sspvs.formats import tfrecord
from sspvs.formats.format import FORMATS, Format, Ledger, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.formats.seconds import values_a_second
from sspvs.formats.tfrecord import SequenceExample
from sspvs.table import FeatureKind, LoadedVideo, Video, VideoTable, layout
from sspvs.table.h5_file import DAMAGE, open_h5
from sspvs.table.h5_survey import AUDIO_BYTES, FRAME_BYTES
from sspvs.table.numpy_file import array_headers, load_array
from sspvs.table.reader import BYTE_BIAS, BYTE_STEP, dequantise
from sspvs.table.video import LazyVideos
from sspvs.types import FloatArray, FrameFeatures, IntArray

ByteArray = npt.NDArray[np.uint8]
_Read = Callable[[], tuple[ByteArray, tuple[str, ...]]]
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

    def read(self, path: Path, settings: Settings) -> VideoTable:
        """The videos of a file or folder; damage of the whole file is a problem of the table."""
        scale = "as they are" if settings.keep_scale else "L2-normalised"
        assumptions = (f"bytes were dequantised to [-2, 2], rows {scale}", "each second is a frame of its own")
        videos: Sequence[Video] = []
        try:
            videos, wrong = _videos_of(path, settings)
        except SspvsError as error:
            wrong = one_line(error)
        problems = [("", wrong)] if wrong else []
        return VideoTable(videos, kind=FeatureKind(), name=path.stem, assumptions=assumptions, problems=problems)

    def inspect(self, path: Path, found: Inspection) -> None:
        lengths, widths = list[int](), list[int]()
        for video in found.loaded(self.read(path, Settings(keep_scale=True))):
            assert video.features is not None
            shape = video.features.features.shape
            lengths.append(shape[0])
            widths.append(shape[1])
            if video.id == found.video:
                found.detail = {"frames": str(shape), "also there": ", ".join(video.unread) or "nothing"}
        shape_text = f"({span(lengths)}, {span(widths)})"
        found.key("frames", len(lengths), shape_text, "uint8", self.keys["frames"][1])
        if set(widths) - {WIDTH}:
            found.problem(f"features of {span(widths)} bytes, expected {WIDTH} as YouTube-8M has", blocking=False)
        found.use("scoring and training after conversion", bool(lengths))
        found.use("evaluation", False, "no annotations (MR.HiSum has them for 31,892 of these videos)")
        found.advice.append(f"as a feature file: sspvs data convert '{path}' --to community --out F.h5")

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        if path.is_dir():
            for video in videos:
                with atomic_stream(path / f"{ledger.file_stem(video)}.npy") as stream:
                    np.save(stream, _bytes(video, ledger), allow_pickle=False)
            return
        with atomic_h5(path) as file:
            for video in videos:
                if video.name != video.id:
                    ledger.leave_out("names beside the keys (h5 groups are the keys)", video.id)
                group = layout.group_name(video.id)
                file.create_dataset(group, data=_bytes(video, ledger), compression="gzip", shuffle=True)


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


def _videos_of(path: Path, settings: Settings) -> tuple[Sequence[Video], str]:
    """The videos of a file or folder, and what is wrong after them."""
    head = PathHead(path)
    if head.is_folder:
        return _chained([_in_folder(file, settings) for file in head.files(*SUFFIXES)]), ""
    if head.is_h5:
        return [_video(key, partial(read_bytes, path, key), settings) for key in byte_videos(path)], ""
    if head.is_numpy:
        names = [header.name for header in array_headers(path)]
        if set(names) <= _PARTS | {""}:  # one video, perhaps with its sound
            name = next((known for known in (_FRAMES, "features", "") if known in names), "")
            unread = tuple(f"array '{other}'" for other in sorted(set(names) - {name}))
            return [_video(path.stem, partial(_read_array, path, name, unread), settings)], ""
        return [_video(name, partial(_read_array, path, name, ()), settings) for name in names], ""
    if tfrecord.looks_like_tfrecord(head.start):
        found, wrong = tfrecord.record_places(path)
        places = np.array(found, np.int64).reshape(-1, 2)
        return LazyVideos(len(places), partial(_in_record, path, places, settings)), wrong
    raise DatasetError(f"{path}: expected frame bytes (.npy, .npz, h5 or TFRecord), found something else")


def _in_folder(file: Path, settings: Settings) -> Sequence[Video]:
    """The videos of one file among others; what is wrong with the file stands for one more video."""
    videos: Sequence[Video] = []
    try:
        videos, wrong = _videos_of(file, settings)
    except DAMAGE as error:
        wrong = one_line(error)
    if not wrong:
        return videos
    message = f"{file}: {wrong.removeprefix(f'{file}: ')}"
    return _chained([videos, [Video(file.name, read=partial(_damaged, message))]])


def _chained(parts: Sequence[Sequence[Video]]) -> LazyVideos:
    ends = list(accumulate(map(len, parts)))
    return LazyVideos(ends[-1] if ends else 0, partial(_from_parts, parts, ends))


def _from_parts(parts: Sequence[Sequence[Video]], ends: Sequence[int], number: int) -> Video:
    place = bisect_right(ends, number)
    return parts[place][number - ends[place]]  # counted from the part's end


def _damaged(message: str) -> NoReturn:
    raise DatasetError(message)


def _video(key: str, read: _Read, settings: Settings) -> Video:
    return Video(key, read=partial(_load, key, read, settings))


def _load(key: str, read: _Read, settings: Settings) -> LoadedVideo:
    values, unread = read()
    features = dequantise(values, unit_length=not settings.keep_scale)
    picks = np.arange(len(features), dtype=np.int64)
    frames = FrameFeatures(key, features, picks, len(features))
    return LoadedVideo(key, key, features=frames, frame_rate=1.0, unread=unread)


def _read_array(path: Path, name: str, unread: tuple[str, ...]) -> tuple[ByteArray, tuple[str, ...]]:
    values = load_array(path, name)
    if values.dtype != np.uint8 or values.ndim != 2 or 0 in values.shape:
        raise DatasetError(f"{path}: expected (T, D) uint8, found {values.shape} of {values.dtype}")
    return values, unread


def _in_record(path: Path, places: IntArray, settings: Settings, number: int) -> Video:
    """The video of one record, which is read to find its id."""
    where, (offset, length) = f"{path}, record {number}", map(int, places[number])
    try:
        record = tfrecord.read_record(path, number, offset, length, check=settings.check)
        example = tfrecord.parse_example(record)
    except DatasetError as error:
        message = str(error) if str(path) in str(error) else f"{where}: {error}"
        return Video(f"record {number}", read=partial(_damaged, message))
    ids = [example.context[name] for name in _IDS if example.context.get(name)]
    first = ids[0][0] if ids else b""
    key = first.decode("utf-8", "replace") if isinstance(first, bytes) and first else f"{path.stem}_{number}"
    return _video(key, partial(_frames, example, where), settings)


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


def _bytes(video: LoadedVideo, ledger: Ledger) -> ByteArray:
    features, fps = video.features, ledger.fps(video)
    assert features is not None  # `lacks` saw to it
    how = ledger.settings.resample
    values = values_a_second(features.features, features.picks, features.n_frames, fps, how)
    if fps != 1 or len(features.picks) != features.n_frames:
        ledger.change(f"one feature a second ({how})", video.id)
    stored, rescaled = quantise(values)
    ledger.change("features were rounded to 256 levels", video.id)
    if rescaled:
        ledger.change("rows were stretched or shrunk to the range of the bytes: their lengths are lost", video.id)
    return stored
