"""Every video's features looked at once: what earlier looks found is kept beside the files, and only changes are read.

Axis letters: T picks, D feature width.
"""

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sspvs.atomic import write_text
from sspvs.errors import FeatureFileError, OutputError, SspvsError, listed, one_line
from sspvs.files import read_json
from sspvs.table.reader import StreamReader
from sspvs.table.streams import FEATURES, dataset_name, short_name, union
from sspvs.table.table import (
    FeatureMemory,
    VideoTable,
    check_features,
    check_finite,
    check_lengths,
    filled,
    usual_kind,
    with_facts,
)
from sspvs.table.video import FeatureKind, FeatureStream, Video
from sspvs.types import Fingerprint

logger = logging.getLogger(__name__)
SURVEY = ".sspvs-survey.json"
_CHUNK = 4096  # rows in memory at a time
_VERSION = 2


def survey(
    videos: Sequence[Video],
    memory: FeatureMemory | None = None,
    *,
    streams: Sequence[str] | None = (FEATURES,),
    others: Mapping[FeatureKind, int] | None = None,
    progress: bool = False,
) -> VideoTable:
    """Look at the features of all videos, as far as no earlier run did.

    Of h5 files all `streams` are read, zeros where a video lacks one; None: all that any video has.

    The table has the good ones in their order; its `problems` are features that cannot be read or are not finite, and
    widths and fingerprints that most do not have (`others` counts videos of each kind beside these). Streams whose T
    is known (of shards) are not looked at again.
    """
    reader, notes, found, problems = StreamReader(), dict[Path, _Notes](), list[Video](), list[tuple[str, str]]()
    videos, names = with_streams_of_files(videos, reader, streams)
    for video in tqdm(videos, desc="looking at the features", leave=False, disable=None if progress else True):
        try:
            looked = [s if s.n_picks else _noted(s, video.notes, notes, reader) for s in video.streams]
            found.append(video.with_streams(*looked))
            check_lengths(found[-1])
        except SspvsError as error:
            problems.append((video.where, f"{video.id}: {one_line(error)}"))
    reader.close()
    for folder in notes.values():
        folder.keep()
    if len(names) > 1:
        found, sentences = filled(found, names)
        for sentence in sentences:
            logger.warning("%s", sentence)
    expected = usual_kind(Counter(video.kind for video in found) + Counter(others or {}))
    good = []
    for video in found:
        try:
            check_features(video.kind, expected, video.id, remedy="")
            good.append(video)
        except FeatureFileError as error:
            problems.append((video.where, str(error)))
    return VideoTable(good, memory, checked=True, problems=problems)


def with_streams_of_files(
    videos: Sequence[Video], reader: StreamReader, streams: Sequence[str] | None
) -> tuple[Sequence[Video], list[str]]:
    """Videos with the further streams that lie beside theirs in h5 files, and the datasets that are read."""
    wanted = None if streams is None else [dataset_name(name) for name in streams]
    if wanted == [FEATURES]:
        return videos, wanted
    there = {video.id: reader.stream_names(*video.streams) for video in videos}
    names = union(there.values()) if wanted is None else wanted
    if missing := [short_name(name) for name in names if not any(name in one for one in there.values())]:
        have = listed([short_name(name) for name in union(there.values())])
        raise FeatureFileError(f"no stream {listed(missing)} in the features of the videos; there are {have}")
    if names == [FEATURES]:
        return videos, names
    joined = []
    for video in videos:
        own = [name for name in names if name in there[video.id] or name == names[0]]
        place = replace(video.streams[0], n_picks=0, width=0, fingerprint=None)  # what is known of it is not of others
        joined.append(video.with_streams(*(replace(place, name=name) for name in own)))
    return joined, names


def look(stream: FeatureStream, reader: StreamReader) -> FeatureStream:
    """Read all of a stream once."""
    known = with_facts(stream, reader)
    for start in range(0, known.n_picks, _CHUNK):
        check_finite(reader.stored(stream, start, start + _CHUNK), stream, start)
    return known


def _noted(
    stream: FeatureStream, folder: Path | None, notes: "dict[Path, _Notes]", reader: StreamReader
) -> FeatureStream:
    if folder is None:
        return look(stream, reader)
    kept = notes.get(folder) or notes.setdefault(folder, _Notes(folder / SURVEY))
    return kept.known(stream) or kept.add(look(stream, reader))


class _Notes:
    """What earlier surveys found, by path, size and time of modification; kept in `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found = _read_notes(path)
        self._new = False
        self._stamps: dict[Path, list[int]] = {}

    def known(self, stream: FeatureStream) -> FeatureStream | None:
        """The stream with what is known of it, if its file has not changed since."""
        note = self._found.get(_key(stream))
        if note is None or note["stamp"] != self._stamp(stream.path):
            return None
        made = None if note["fingerprint"] is None else Fingerprint(**note["fingerprint"])
        return replace(stream, n_picks=note["n_frames"], width=note["feature_dim"], fingerprint=made)

    def add(self, stream: FeatureStream) -> FeatureStream:
        self._new = True
        self._found[_key(stream)] = {
            "stamp": self._stamp(stream.path),
            "n_frames": stream.n_picks,  # the name of earlier versions
            "feature_dim": stream.width,
            "fingerprint": None if stream.fingerprint is None else stream.fingerprint.as_dict(),
        }
        return stream

    def keep(self) -> None:
        """Write what is new; a folder that cannot be written to only costs the next run its time."""
        if not self._new:
            return
        try:
            write_text(self.path, json.dumps({"version": _VERSION, "features": self._found}))
        except OutputError as error:
            logger.info("the survey is not kept: %s", error)

    def _stamp(self, path: Path) -> list[int]:
        if path not in self._stamps:
            try:
                status = path.stat()
                self._stamps[path] = [status.st_size, status.st_mtime_ns]
            except OSError:
                return []  # reading it raises the error
        return self._stamps[path]


def _key(stream: FeatureStream) -> str:
    """A digest of the place, since the notes lie in a folder that may be given to others."""
    return hashlib.blake2b(os.fsencode(stream.place), digest_size=16).hexdigest()


def _read_notes(path: Path) -> dict[str, dict[str, Any]]:
    try:
        notes = read_json(path)
        known = notes["features"] if notes["version"] == _VERSION else {}
        return {name: note for name, note in known.items() if _is_whole(note)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # none yet, or damaged: look again


def _is_whole(note: Any) -> bool:
    """Whether a note is as `_Notes.add` makes it: another one is as good as none."""
    if not {"stamp", "n_frames", "feature_dim", "fingerprint"} <= note.keys():
        return False
    if not all(type(note[name]) is int and note[name] > 0 for name in ("n_frames", "feature_dim")):
        return False
    made = note["fingerprint"]
    if made is None:
        return True
    kinds = {field.name: str if field.name != "rate_hz" else (int, float) for field in fields(Fingerprint)}
    return made.keys() == kinds.keys() and all(isinstance(made[name], kind) for name, kind in kinds.items())
