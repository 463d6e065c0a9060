"""What earlier looks at feature files found, kept beside them: only what has changed since is looked at again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sspvs.annotations.record import Problems
from sspvs.atomic import write_text
from sspvs.data.pretrain.items import Entry, FeatureReader, FeatureRef, PretrainItem
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


def survey(entries: Sequence[Entry], where: Path, *, progress: bool = False) -> tuple[list[PretrainItem], Problems]:
    """Look at the features of all entries.

    Args:
        entries: With features, none with raw videos.
        where: The manifest or list they come from; the survey is kept in its folder.
        progress: Show a progress bar; quiet when stderr is no terminal.

    Returns:
        The good ones, in their order, and what is wrong with the others: features that cannot be read, NaN, widths and
        fingerprints that most others do not have.
    """
    notes = SurveyNotes(where.parent / SURVEY)
    reader, problems = FeatureReader(), Problems(where)
    facts: list[tuple[Entry, FeatureRef, Fact]] = []
    for entry in tqdm(entries, desc="looking at the features", leave=False, disable=None if progress else True):
        assert isinstance(entry.source, FeatureRef)
        try:
            facts.append((entry, entry.source, notes.fact(entry.source) or notes.add(entry.source, reader)))
        except FeatureFileError as error:
            problems.add(entry.where, f"{entry.id}: {error}")
    reader.close()
    notes.keep()
    odd = _same_throughout(facts, problems)
    return [
        PretrainItem(entry.id, ref, entry.text, fact.n_frames, fact.feature_dim, entry.part)
        for entry, ref, fact in facts
        if entry.id not in odd
    ], problems


def common_fingerprint(items: Sequence[PretrainItem]) -> Fingerprint | None:
    """What made all the features, of items that were surveyed; None where it is not known of all."""
    reader = FeatureReader()
    first = reader.fingerprint(items[0].features) if items else None
    known = first is not None and all(
        reader.fingerprint(ref) == first for ref in {item.features.path: item.features for item in items}.values()
    )
    reader.close()
    return first if known else None


def _same_throughout(facts: Sequence[tuple[Entry, FeatureRef, Fact]], problems: Problems) -> set[str]:
    """Ids of those whose width or fingerprint differs from that of most."""
    odd: set[str] = set()
    if not facts:
        return odd
    width = Counter(fact.feature_dim for *_, fact in facts).most_common(1)[0][0]
    known = Counter(fact.fingerprint for *_, fact in facts if fact.fingerprint is not None).most_common(1)
    for entry, _, fact in facts:
        if fact.feature_dim != width:
            odd.add(entry.id)
            problems.add(entry.where, f"{entry.id}: features {fact.feature_dim} wide, most others {width}")
        elif known and fact.fingerprint not in (None, known[0][0]):
            assert fact.fingerprint is not None
            odd.add(entry.id)
            mine, most = fact.fingerprint.as_dict(), known[0][0].as_dict()
            differing = ", ".join(
                f"{key} {mine[key]!r} against {most[key]!r}" for key in mine if mine[key] != most[key]
            )
            problems.add(entry.where, f"{entry.id}: features made otherwise than most others' ({differing})")
    return odd
