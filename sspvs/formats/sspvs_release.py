"""The SSPVS pretraining release (Li et al., WACV 2023): a folder of features, texts as token ids, and two lists."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sspvs.atomic import write_text
from sspvs.errors import DatasetError, SspvsError
from sspvs.formats import release_layout as word_pieces
from sspvs.formats.inspection import Inspection, KeyNote, NoSuchVideoError, Use, span
from sspvs.formats.kind import FileNames, Job, Kind, Ledger, Settings, Writer
from sspvs.formats.record import TOKEN_FIELDS, Entry, Source, VideoRecord, VideoText
from sspvs.formats.release_layout import (
    FEATURES,
    LISTS,
    RATE_HZ,
    TEXTS,
    Release,
    read_tokens,
    write_release_features,
    write_tokens,
)
from sspvs.table import read_features
from sspvs.table.h5_survey import GUIDE, TOKEN_GUIDE
from sspvs.types import FrameFeatures

HOLDS = frozenset(
    {
        "features",
        "token ids",
        "category",
        "query",
        "title",
        "description",
        "subset (train, val, test)",
        "names beside the keys",
    }
)


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video of a release folder."""
    release = Release(path)
    inspection.n_videos = len(release.ids)
    lengths, widths, tokens = [], [], []
    for key in inspection.watched(release.ids):
        if key in release.features:
            try:
                features = _features(release, key)
                lengths.append(len(features.features))
                widths.append(features.features.shape[1])
            except SspvsError as error:
                inspection.problem(error, key, remedy="fetch the file again")
        if key in release.texts:
            try:
                tokens.append(sum(len(ids) for ids in read_tokens(release.texts[key]).values()))
            except SspvsError as error:
                inspection.problem(error, key, remedy="fetch the file again")
    _keys(inspection, release, lengths, widths, tokens)
    _check_lists(inspection, release)
    if inspection.video is not None:
        _detail(inspection, release, inspection.video)
    for part, there, other in (
        ("features", release.features, release.texts),
        ("texts", release.texts, release.features),
    ):
        for key in other.keys() - there.keys():
            inspection.problem(f"no {part}", key, blocking=False)
    inspection.uses = [
        Use("pretraining", bool(lengths and tokens), "" if lengths and tokens else "needs features and texts"),
        Use("evaluation", False, "no annotations"),
    ]
    inspection.advice.append(f"as a feature file: sspvs data convert '{path}' --to community --out F.h5")


def _keys(inspection: Inspection, release: Release, lengths: list[int], widths: list[int], tokens: list[int]) -> None:
    shape = f"({span(lengths)}, {span(widths)})"
    meaning = GUIDE["features"].meaning
    inspection.keys = [KeyNote(f"{FEATURES}/ID.h5: features", len(release.features), shape, "float32", meaning)]
    for key, guide in TOKEN_GUIDE.items():
        inspection.keys.append(KeyNote(f"{TEXTS}/ID.h5: {key}", len(release.texts), guide.shape, "ids", guide.meaning))
    inspection.facts["tokens a video, all fields"] = span(tokens)
    for part, name in LISTS.items():
        ids = release.lists.get(part)
        inspection.facts[name] = "not there" if ids is None else f"{len(ids)} ids"


def _check_lists(inspection: Inspection, release: Release) -> None:
    for part, ids in release.lists.items():
        for key, count in Counter(ids).items():
            if count > 1:
                inspection.problem(f"named {count} times in {LISTS[part]}", key, blocking=False)
            if key not in release.features:
                inspection.problem(f"in {LISTS[part]}, but no {FEATURES}/ file", key, remedy="take it out of the list")
    both = set(release.lists.get("train", [])) & set(release.lists.get("val", []))
    for key in sorted(both):
        inspection.problem("in both lists: what chooses the checkpoint must not be trained on", key)


def _detail(inspection: Inspection, release: Release, key: str) -> None:
    if key not in release.ids:
        raise NoSuchVideoError(key)
    record = _record(release, key)
    if record.features is not None:
        inspection.detail["features"] = str(record.features.features.shape)
    for name in TOKEN_FIELDS:
        ids = record.text.tokens.get(name)
        if ids is not None:
            text = getattr(record.text, name) or f"({word_pieces.NEEDED})"
            inspection.detail[name] = f"{len(ids)} tokens: {text if len(ids) else '(empty)'}"
    inspection.detail["list"] = record.subset or "in neither"


def read(path: Path, settings: Settings) -> Source:
    """Open a release folder for conversion."""
    release = Release(path)
    notes = [f"{RATE_HZ:g} features a second were taken for granted; each is a frame of its own"]
    if release.texts and not word_pieces.available():
        notes.append(f"the texts stay token ids: {word_pieces.NEEDED}")
    return Source(settings.name or path.name, _entries(release), len(release.ids), notes=tuple(notes))


def _entries(release: Release) -> Iterator[Entry]:
    for key in release.ids:
        yield key, lambda key=key: _record(release, key)  # type: ignore[misc]


def _features(release: Release, key: str) -> FrameFeatures:
    path = release.features[key]
    with read_features(path) as store:
        if list(store) != [path.stem]:
            raise DatasetError(f"{path}: expected 'features' (T, D) of one video, found groups")
        return store[path.stem]


def _record(release: Release, key: str) -> VideoRecord:
    tokens = read_tokens(release.texts[key]) if key in release.texts else {}
    features = _features(release, key) if key in release.features else None
    said = word_pieces.decode_fields(tokens)
    category, query, title, description = (said.get(name, "") for name in TOKEN_FIELDS)
    text = VideoText(category, query, title, description, tokens)
    return VideoRecord(key, key, features=features, text=text, subset=release.subsets.get(key, ""), frame_rate=RATE_HZ)


def lacks(record: VideoRecord) -> str | None:
    """A release has features of every video."""
    return None if record.features is not None else "features"


def write(folder: Path, records: Iterator[VideoRecord], job: Job) -> None:
    """Write a release folder."""
    for part in (FEATURES, TEXTS):
        (folder / part).mkdir()
    names, lists = FileNames(job.ledger), {"train": [], "val": []}  # type: FileNames, dict[str, list[str]]
    for record in records:
        stem = names.stem(record)
        assert record.features is not None  # `lacks` saw to it
        write_release_features(folder / FEATURES / f"{stem}.h5", record.features.features)
        write_tokens(folder / TEXTS / f"{stem}.h5", _tokens(record, job.ledger))
        _check_rate(record, job)
        subset = record.subset or job.settings.subset or "train"
        if subset in lists:
            lists[subset].append(stem)
        else:
            job.ledger.leave_out(f"subset {subset} (the release has lists for train and val only)", record.key)
    for part, ids in lists.items():
        write_text(folder / LISTS[part], json.dumps(ids, indent=0) + "\n")


def _tokens(record: VideoRecord, ledger: Ledger) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Token ids as the source had them, else of its texts."""
    tokens = {name: np.asarray(ids, dtype=np.int64) for name, ids in record.text.tokens.items()}
    texts = {name: getattr(record.text, name) for name in TOKEN_FIELDS if getattr(record.text, name)}
    fresh = [name for name in texts if name not in tokens]
    if fresh and not word_pieces.available():
        ledger.leave_out(f"{', '.join(fresh)} ({word_pieces.NEEDED})", record.key)
        return tokens
    return {**tokens, **{name: word_pieces.encode(texts[name]) for name in fresh}}


def _check_rate(record: VideoRecord, job: Job) -> None:
    """Features of another rate are written as they are, and said so."""
    fps, features = job.settings.fps_of(record), record.features
    assert features is not None
    if not np.array_equal(features.picks, np.arange(features.n_frames)):
        job.ledger.leave_out("picks and number of frames (each feature becomes a frame of its own)", record.key)
    if fps is None or len(features.picks) < 2:
        job.ledger.change(f"features are written as they are; the release has {RATE_HZ:g} a second", record.key)
        return
    rate = fps / float(np.median(np.diff(features.picks)))
    if abs(rate - RATE_HZ) > 0.25 * RATE_HZ:
        job.ledger.change(
            f"features are {rate:.2g} a second as in the source (the release has {RATE_HZ:g})", record.key
        )


KIND = Kind(
    name="sspvs",
    what="the SSPVS pretraining release (folder: features/, info_embed/, lists)",
    matches=lambda glimpse: glimpse.is_folder and Release.looks_like_one(glimpse.path),
    inspect=inspect,
    read=read,
    writer=Writer(write, "folder", HOLDS, lacks),
)
