"""The state of an extraction that is under way: one finished file per video, then all of them in one.

`OUT.h5.parts/` holds a complete feature file for every finished video, each written under a temporary name and
renamed. At the end the groups of OUT.h5 and of the parts go into a new file, which takes the place of OUT.h5 in one
rename, and the folder is removed. Killed at any moment, what is on disk is one of: some finished parts; a whole
OUT.h5 beside parts that are already in it; and perhaps a temporary file, which the next run removes.
"""

import hashlib
import itertools
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from sspvs.atomic import atomic_file
from sspvs.errors import FeatureFileError, FingerprintMismatchError, OutputError
from sspvs.overwriting import FEATURES, check_output
from sspvs.table import FeatureKind, FeatureStore, SourceStamp, check_features, is_h5, merge_files
from sspvs.table.layout import group_name
from sspvs.temporaries import sweep, take_lock
from sspvs.types import Fingerprint

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One video to extract."""

    path: Path  # the video, as given
    group: str  # its group in the feature file
    source: SourceStamp  # the file as it was when the run began


@dataclass(frozen=True)
class Outcome:
    """What became of one job."""

    job: Job  # the job
    packed: bytes = b""  # the features as a part file; empty when it failed
    reason: str = ""  # why it failed, in one line; empty when it did not
    n_frames: int = 0  # frames decoded
    n_picks: int = 0  # features made
    warnings: tuple[str, ...] = ()  # sentences about the video


@dataclass(frozen=True)
class ExtractionReport:
    """What an extraction of many videos did."""

    out: Path
    extracted: tuple[str, ...]
    kept: tuple[str, ...]
    failed: tuple[tuple[Path, str], ...]
    warnings: tuple[tuple[str, str], ...]
    n_frames: int
    n_picks: int
    seconds: float


def run_jobs(
    paths: Sequence[Path],
    out: Path,
    fingerprint: Fingerprint,
    produce: Callable[[Sequence[Job]], Iterator[Outcome]],
    *,
    streams: Mapping[str, Fingerprint] | None = None,
    overwrite: bool = False,
) -> ExtractionReport:
    """Extract by an engine, `produce`, what is not there yet, keep each finished video, and merge at the end.

    Videos without one of the further `streams` are not there yet.
    """
    began = time.perf_counter()
    outcomes: list[Outcome] = []
    with open_parts(out, fingerprint, streams=streams, overwrite=overwrite) as parts:
        to_do, done, failed = parts.plan(paths)
        if to_do:
            for outcome in produce(to_do):
                if outcome.reason:
                    failed.append((outcome.job.path, outcome.reason))
                    continue
                parts.add(outcome.job, outcome.packed)
                outcomes.append(replace(outcome, packed=b""))
        parts.merge(only=[job.group for job in (*to_do, *done)] if overwrite else None)
    return ExtractionReport(
        out=out,
        extracted=tuple(sorted(outcome.job.group for outcome in outcomes)),
        kept=tuple(sorted(job.group for job in done)),
        failed=tuple(sorted(failed)),
        warnings=tuple((o.job.group, warning) for o in outcomes for warning in o.warnings),
        n_frames=sum(outcome.n_frames for outcome in outcomes),
        n_picks=sum(outcome.n_picks for outcome in outcomes),
        seconds=time.perf_counter() - began,
    )


@contextmanager
def open_parts(
    out: Path, fingerprint: Fingerprint, *, streams: Mapping[str, Fingerprint] | None = None, overwrite: bool = False
) -> "Iterator[PartsFolder]":
    """The parts folder of an output file, for one run alone; one without finished videos is removed on the way out."""
    if out.is_dir():
        raise OutputError(
            f"{out}: expected a file to write, found a folder; name a file, such as {out / 'features.h5'}"
        )
    if out.exists() and not is_h5(out):
        raise OutputError(f"{out}: exists and is no h5 file, so it is left alone; choose another --out")
    folder = out.with_name(out.name + ".parts")
    made = [place for place in (out.parent, *out.parent.parents) if not place.exists()]
    lock: IO[bytes] | None = None
    try:
        try:
            lock = take_lock(folder / "lock")
            if lock is None:
                raise OutputError(f"{out}: another run is writing to it; wait for that run, or choose another --out")
            parts = PartsFolder(out, folder, fingerprint, streams or {}, overwrite)
        except OSError as error:
            raise OutputError(f"{out}: cannot be written: {error.strerror or error}; choose another --out") from error
        yield parts
    finally:
        if lock is not None:
            with suppress(OSError):  # the lock is still held; the folder may have finished parts
                (folder / "lock").unlink()
                folder.rmdir()
            lock.close()
        for place in made:
            with suppress(OSError):  # holds what we wrote, or was never made
                place.rmdir()


class PartsFolder:
    """The finished videos of one output file; made by `open_parts`."""

    def __init__(
        self, out: Path, folder: Path, fingerprint: Fingerprint, streams: Mapping[str, Fingerprint], overwrite: bool
    ) -> None:
        self.out, self.folder, self.fingerprint, self.streams = out, folder, fingerprint, streams
        self._lacking: set[str] = set()  # groups without one of the streams
        self._parts: dict[str, Path] = {}
        self._sources: dict[str, SourceStamp | None] = {}
        self._in_out: list[str] = []
        if out.exists() and overwrite:
            check_output(out, FEATURES)
        elif out.exists():
            self._read_output()
        self._read_parts(overwrite)

    def _read_output(self) -> None:
        with FeatureStore(self.out) as store:
            way_out = "or choose another --out, or replace the file with --overwrite"
            if store.fingerprint is None:
                raise FingerprintMismatchError(
                    f"{self.out} has no feature fingerprint, so nothing can be added to it; choose another --out"
                )
            _refuse_mismatch(store.fingerprint, self.fingerprint, self.out, way_out)
            self._in_out = list(store)
            for name in store:
                with store.group(name) as group:
                    list(group.values())  # refuses links into other files, to which a copy of it would point
                self._look_for_streams(store, name, way_out)
            self._sources.update({name: store.source_of(name) for name in store})

    def _read_parts(self, overwrite: bool) -> None:
        sweep(self.folder)
        for path in sorted(self.folder.glob("*.h5")):
            try:
                with FeatureStore(path) as store:
                    (name,) = store
                    found, source = store.fingerprint, store.source_of(name)
                    self._look_for_streams(store, name, "throw the interrupted extraction away with --overwrite")
            except (FeatureFileError, ValueError) as error:
                logger.warning("%s is damaged and will be made again (%s)", path, error)
                path.unlink()
                continue
            if found != self.fingerprint and overwrite:
                path.unlink()
                continue
            way_out = "finish it with the same settings, or throw it away with --overwrite"
            where = f"{self.folder} (an extraction that was interrupted)"
            _refuse_mismatch(found, self.fingerprint, where, way_out)
            self._parts[name] = path
            self._sources[name] = source

    def _look_for_streams(self, store: FeatureStore, group: str, way_out: str) -> None:
        """Note a video that lacks a further stream; refuse one that has it of another backbone."""
        there = store[group].streams if self.streams else {}
        for name in set(self.streams) & set(there):
            where = f"{store.path}, stream '{name}'"
            _refuse_mismatch(there[name].fingerprint, self.streams[name], where, way_out)
        (self._lacking.add if set(self.streams) - set(there) else self._lacking.discard)(group)

    def plan(self, paths: Sequence[Path]) -> tuple[list[Job], list[Job], list[tuple[Path, str]]]:
        """Jobs to do, jobs done, and (path, reason) of unreadable files; jobs match by place or name, size and time."""
        stamps: dict[str, tuple[Path, SourceStamp]] = {}  # by resolved path: a file named twice is one video
        unreadable = []
        for path in paths:
            try:
                stamp = SourceStamp.of(path)
            except OSError as error:
                unreadable.append((path, f"cannot be read: {error.strerror or error}"))
            else:
                stamps.setdefault(stamp.place, (path, stamp))
        groups = _name_groups({stamp: path.resolve().stem for path, stamp in stamps.values()}, self._sources)
        to_do: list[Job] = []
        done: list[Job] = []
        for path, stamp in stamps.values():
            job = Job(path, groups[stamp.place], stamp)
            known = self._sources.get(job.group)
            is_there = known is not None and known.content == stamp.content and job.group not in self._lacking
            (done if is_there else to_do).append(job)
        return to_do, done, unreadable

    def add(self, job: Job, packed: bytes) -> None:
        """Keep one finished video: from here on it survives a kill."""
        path = self.folder / _part_name(job.group)
        with atomic_file(path) as temporary:
            temporary.write_bytes(packed)
        self._parts[job.group] = path

    def merge(self, only: Iterable[str] | None = None) -> None:
        """Put the finished videos, and what the output already has, into the output."""
        chosen = set(self._parts if only is None else only)
        parts = {name: path for name, path in self._parts.items() if name in chosen}
        if not parts:
            return
        members = {**dict.fromkeys(self._in_out, self.out), **parts}
        with atomic_file(self.out, folder=self.folder) as temporary:
            merge_files(temporary, members, self.fingerprint)
        for path in self._parts.values():
            path.unlink(missing_ok=True)
        self._parts.clear()


def _refuse_mismatch(found: Fingerprint | None, expected: Fingerprint, where: object, way_out: str) -> None:
    try:
        check_features(FeatureKind(fingerprint=found), FeatureKind(fingerprint=expected), str(where), like="these")
    except FingerprintMismatchError as error:
        raise FingerprintMismatchError(f"{error}; {way_out}") from None


def _name_groups(stems: Mapping[SourceStamp, str], known: Mapping[str, SourceStamp | None]) -> dict[str, str]:
    """A group for each place of a source: the one it has, else its stem, else its stem with a number."""
    by_place = {source.place: name for name, source in known.items() if source is not None}
    groups = {stamp.place: by_place[stamp.place] for stamp in stems if stamp.place in by_place}
    left = {*known} - {*groups.values()}
    moved = {source.content: name for name in sorted(left) if (source := known[name]) is not None}
    for stamp in stems:
        if stamp.place not in groups and (name := moved.pop(stamp.content, None)) is not None:
            groups[stamp.place] = name
    used = {*known, *groups.values()}
    for numbered in (False, True):  # whole stems first, so that a numbered one never takes another video's stem
        for stamp in stems:
            stem = group_name(stems[stamp])
            names = (f"{stem}_{number}" for number in itertools.count(2)) if numbered else iter((stem,))
            name = next((name for name in names if name not in used), None)
            if stamp.place not in groups and name is not None:
                groups[stamp.place] = name
                used.add(name)
    return groups


def _part_name(group: str) -> str:
    """A file name for a group's part: readable, short, and distinct where upper and lower case are not."""
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", group)[:60]
    return f"{readable}-{hashlib.sha256(group.encode()).hexdigest()[:12]}.h5"
