"""VideoXum (Lin et al., IEEE TMM 2024): ten people's visual summaries of 14,001 ActivityNet videos, with sentences.

A JSON list of `{video_id, duration, sampled_frames, timestamps, tsum, vsum, vsum_onehot}`: `vsum` has, for each of n
sentences, each person's [start, end] in seconds (n x 10 x 2; files with people first occur too); `vsum_onehot` has
the same as 0/1 a second (10 x T).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sspvs.data.formats.glimpse import Glimpse
from sspvs.data.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.data.formats.kind import Job, Kind, Settings, Writer
from sspvs.data.formats.record import Entry, Source, VideoRecord
from sspvs.data.formats.videoxum_entry import KEYS, entry_of, id_of, read_entry
from sspvs.errors import DatasetError, SspvsError

HOLDS = frozenset({"user summaries", "sentences", "fps", "names beside the keys"})


def matches(glimpse: Glimpse) -> bool:
    """A list of entries with `vsum` or `vsum_onehot` (or one such entry)."""
    entry = glimpse.first if isinstance(glimpse.json, list) else glimpse.json
    return isinstance(entry, dict) and bool({"vsum", "vsum_onehot"} & set(entry))


def _load(path: Path) -> list[Any]:
    content = Glimpse(path).json
    entries = [content] if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise DatasetError(f"{path}: expected a JSON list of VideoXum entries, found damaged JSON; fetch it again")
    return entries


def inspect(path: Path, inspection: Inspection) -> None:
    """Every entry."""
    entries = _load(path)
    inspection.n_videos = len(entries)
    seconds, users, sentences = [], [], []
    counts = Counter(id_of(entry, number) for number, entry in enumerate(entries))
    for key, count in counts.items():
        if count > 1:
            inspection.problem(f"{count} entries have this id", key, remedy="keep one of them")
    for number, entry in enumerate(entries):
        key = id_of(entry, number)
        try:
            record = read_entry(entry, number)
        except (SspvsError, ValueError) as error:
            inspection.problem(error, key)
            continue
        assert record.annotations is not None
        for sentence in record.annotations.repairs:
            inspection.repair(sentence, key)
        seconds.append(record.annotations.n_frames)
        users.append(record.annotations.n_users)
        sentences.append(len(record.text.sentences))
        if key == inspection.video:
            inspection.detail = {name: str(entry.get(name))[:200] for name in KEYS}
    present = Counter(name for entry in entries if isinstance(entry, dict) for name in entry)
    inspection.keys = [
        KeyNote(name, count, KEYS.get(name, ("", ""))[0], "JSON", KEYS.get(name, ("", "no key that we know"))[1])
        for name, count in present.items()
    ]
    inspection.facts |= {
        "seconds a video (N = T)": span(seconds),
        "people a video (U)": span(users),
        "sentences a video": span(sentences),
    }
    if inspection.video is not None and not inspection.detail:
        raise NoSuchVideoError(inspection.video)
    inspection.uses = [
        Use("evaluation after conversion, under all protocols but with no shots for the F1", bool(seconds)),
        Use("training", False, "no features: sspvs extract, at one frame a second"),
    ]
    inspection.advice.append(f"as a dataset file: sspvs data convert '{path}' --to community --out D.h5")


def read(path: Path, settings: Settings) -> Source:
    """Open a VideoXum file for conversion; its clock is one frame a second."""
    entries = _load(path)
    subset = settings.subset or next((part for part in ("train", "val", "test") if path.name.startswith(part)), "")
    return Source(
        settings.name or "videoxum",
        _entries(entries, subset),
        len(entries),
        notes=("each second is a frame of its own", "gtscore is the mean of the people's summaries"),
    )


def _entries(entries: list[Any], subset: str) -> Iterator[Entry]:
    for number, entry in enumerate(entries):
        yield id_of(entry, number), lambda entry=entry, number=number: read_entry(entry, number, subset)  # type: ignore[misc]


def lacks(record: VideoRecord) -> str | None:
    """VideoXum needs each person's summary, and the clock to make it one a second."""
    if record.annotations is None or record.annotations.user_summaries is None:
        return "user summaries"
    return None


def write(path: Path, records: Iterator[VideoRecord], job: Job) -> None:
    """Write a JSON list, an entry a line."""
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, record in enumerate(records):
            file.write((",\n" if number else "\n") + json.dumps(entry_of(record, job.fps(record), job.ledger)))
        file.write("\n]\n")


KIND = Kind(
    name="videoxum",
    what="VideoXum annotations: people's summaries a second, with sentences (JSON)",
    matches=matches,
    inspect=inspect,
    read=read,
    writer=Writer(write, "file", HOLDS, lacks, needs_clock=True),
)
