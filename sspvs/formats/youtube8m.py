"""YouTube-8M frame features: quantised to bytes, one frame a second (Abu-El-Haija et al., 2016)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sspvs.atomic import atomic_stream
from sspvs.errors import SspvsError
from sspvs.formats.glimpse import DAMAGE
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.formats.kind import FileNames, Job, Kind, Settings, Writer
from sspvs.formats.record import Entry, Source, VideoRecord, values_a_second
from sspvs.formats.youtube8m_files import (
    ByteArray,
    ByteVideo,
    byte_entries,
    dequantise,
    holds_bytes,
    quantise,
    write_bytes,
)
from sspvs.types import FrameFeatures

HOLDS = frozenset({"features", "names beside the keys"})
WIDTH = 1024


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video of a file or folder of frame bytes."""
    lengths, widths, seen = [], [], set()
    try:
        for key, load in byte_entries(path):
            try:
                if key in seen:
                    raise ValueError("this id occurs more than once")
                seen.add(key)
                found = load()
            except DAMAGE as error:
                inspection.problem(error, key)
                continue
            lengths.append(len(found.values))
            widths.append(found.values.shape[1])
            if key == inspection.video:
                inspection.detail = {
                    "frames": str(found.values.shape),
                    "also there": ", ".join(found.unread) or "nothing",
                }
    except SspvsError as error:  # the file itself is damaged from here on
        inspection.problem(error)
    inspection.n_videos = len(seen)
    shape = f"({span(lengths)}, {span(widths)})"
    inspection.keys = [KeyNote("frames", len(lengths), shape, "uint8", "frame features as bytes, one frame a second")]
    if set(widths) - {WIDTH}:
        inspection.problem(f"features of {span(widths)} bytes, expected {WIDTH} as YouTube-8M has", blocking=False)
    if inspection.video is not None and not inspection.detail:
        raise NoSuchVideoError(inspection.video)
    inspection.uses = [
        Use("scoring and training after conversion", bool(lengths)),
        Use("evaluation", False, "no annotations (MR.HiSum has them for 31,892 of these videos)"),
    ]
    inspection.advice.append(f"as a feature file: sspvs data convert '{path}' --to community --out F.h5")


def read(path: Path, settings: Settings) -> Source:
    """Open frame bytes for conversion."""
    scale = "as they are" if settings.keep_scale else "L2-normalised"
    notes = (f"bytes were dequantised to [-2, 2], rows {scale}", "each second is a frame of its own")
    return Source(settings.name or path.stem, _entries(path, settings), notes=notes)


def _entries(path: Path, settings: Settings) -> Iterator[Entry]:
    for key, load in byte_entries(path, check=settings.check):
        yield key, lambda key=key, load=load: _record(key, load, settings)  # type: ignore[misc]


def _record(key: str, load: Callable[[], ByteVideo], settings: Settings) -> VideoRecord:
    found = load()
    features = dequantise(found.values, unit_length=not settings.keep_scale)
    picks = np.arange(len(features), dtype=np.int64)
    frames = FrameFeatures(key, features, picks, len(features))
    return VideoRecord(key, key, features=frames, frame_rate=1.0, unread=found.unread)


def lacks(record: VideoRecord) -> str | None:
    """Bytes need features, and the clock to make them one a second."""
    return "features" if record.features is None else None


def write(path: Path, records: Iterator[VideoRecord], job: Job) -> None:
    """Write an h5 file with a dataset a video, or a folder with an .npy a video."""
    if path.is_dir():
        names = FileNames(job.ledger)
        for record in records:
            with atomic_stream(path / f"{names.stem(record)}.npy") as file:
                np.save(file, _bytes(record, job), allow_pickle=False)
    else:
        write_bytes(path, (_keyed(record, job) for record in records))


def _keyed(record: VideoRecord, job: Job) -> tuple[str, ByteArray]:
    if record.name != record.key:
        job.ledger.leave_out("names beside the keys (h5 groups are the keys)", record.key)
    return record.key, _bytes(record, job)


def _bytes(record: VideoRecord, job: Job) -> ByteArray:
    features, fps = record.features, job.fps(record)
    assert features is not None  # `lacks` saw to it
    values = values_a_second(features.features, features.picks, features.n_frames, fps, job.settings.resample)
    if fps != 1 or len(features.picks) != features.n_frames:
        job.ledger.change(f"one feature a second ({job.settings.resample})", record.key)
    stored, rescaled = quantise(values)
    job.ledger.change("features were rounded to 256 levels", record.key)
    if rescaled:
        job.ledger.change("rows were stretched or shrunk to the range of the bytes: their lengths are lost", record.key)
    return stored


KIND = Kind(
    name="youtube8m",
    what="YouTube-8M frame features, quantised to bytes",
    matches=holds_bytes,
    inspect=inspect,
    read=read,
    writer=Writer(write, "either", HOLDS, lacks, needs_clock=True),
)
