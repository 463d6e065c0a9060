"""What earlier looks at feature files found, kept beside them: only what has changed since is looked at again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.atomic import write_text
from sspvs.data.pretrain.items import FeatureRef
from sspvs.data.pretrain.reading import FeatureReader
from sspvs.errors import FeatureFileError, OutputError
from sspvs.files import read_json
from sspvs.types import Fingerprint

logger = logging.getLogger(__name__)
SURVEY = ".sspvs-survey.json"
_CHUNK = 4096
_VERSION = 2


@dataclass(frozen=True)
class Fact:
    """What there is to know of one video's features.

    Attributes:
        n_frames: T, its picks.
        feature_dim: D.
        fingerprint: What made them; None when unknown.
    """

    n_frames: int
    feature_dim: int
    fingerprint: Fingerprint | None


def look(ref: FeatureRef, reader: FeatureReader) -> Fact:
    """Read all of a video's features once.

    Raises:
        FeatureFileError: They cannot be read, or one is NaN or infinite.
    """
    length, width = reader.shape(ref)
    for start in range(0, length, _CHUNK):
        good = np.isfinite(reader.read(ref, start, start + _CHUNK)).all(axis=1)
        if not good.all():
            raise FeatureFileError(
                f"{ref.name}: NaN or infinite features, first at pick {start + int(good.argmin())}; extract again"
            )
    return Fact(length, width, reader.fingerprint(ref))


class SurveyNotes:
    """What earlier surveys found, by path, size and time of modification.

    Args:
        path: The file that keeps it; there may be none yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = _read_notes(path)
        self._new = False
        self._stamps: dict[Path, list[int]] = {}

    def fact(self, ref: FeatureRef) -> Fact | None:
        """What is known of features whose file has not changed since."""
        note = self._known.get(_key(ref))
        if note is None or note["stamp"] != self._stamp(ref.path):
            return None
        made = note["fingerprint"]
        return Fact(note["n_frames"], note["feature_dim"], None if made is None else Fingerprint(**made))

    def add(self, ref: FeatureRef, reader: FeatureReader) -> Fact:
        """Look at features and note what they are."""
        fact = look(ref, reader)
        self._known[_key(ref)] = {
            "stamp": self._stamp(ref.path),
            "n_frames": fact.n_frames,
            "feature_dim": fact.feature_dim,
            "fingerprint": None if fact.fingerprint is None else fact.fingerprint.as_dict(),
        }
        self._new = True
        return fact

    def keep(self) -> None:
        """Write what is new; a folder that cannot be written to only costs the next run its time."""
        if not self._new:
            return
        try:
            write_text(self.path, json.dumps({"version": _VERSION, "features": self._known}))
        except OutputError as error:
            logger.info("the survey is not kept: %s", error)

    def _stamp(self, path: Path) -> list[int]:
        if path not in self._stamps:
            try:
                status = path.stat()
                self._stamps[path] = [status.st_size, status.st_mtime_ns]
            except OSError:
                return []  # reading it will say what is wrong
        return self._stamps[path]


def _key(ref: FeatureRef) -> str:
    """Stands for a place, and does not say what it is: the notes lie in a folder that may be given to others."""
    return hashlib.blake2b(os.fsencode(ref.name), digest_size=16).hexdigest()


def _read_notes(path: Path) -> dict[str, dict[str, Any]]:
    try:
        notes = read_json(path)
        known = notes["features"] if notes["version"] == _VERSION else {}
        return {name: note for name, note in known.items() if _is_whole(note)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}  # none yet, or damaged: look again


def _is_whole(note: Any) -> bool:
    """Whether a note is as `SurveyNotes.add` makes it: another one is as good as none."""
    if not {"stamp", "n_frames", "feature_dim", "fingerprint"} <= note.keys():
        return False
    if not all(type(note[name]) is int and note[name] > 0 for name in ("n_frames", "feature_dim")):
        return False
    made = note["fingerprint"]
    if made is None:
        return True
    kinds = {field.name: str if field.name != "rate_hz" else (int, float) for field in fields(Fingerprint)}
    return made.keys() == kinds.keys() and all(isinstance(made[name], kind) for name, kind in kinds.items())
