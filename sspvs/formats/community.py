"""The community's dataset file: features, shots and annotations, an h5 group a video. SSPVS's own too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sspvs.errors import DatasetError, FeatureFileError, SspvsError
from sspvs.formats.inspection import Inspection, Tally, explain_keys, note_constant_users
from sspvs.formats.kind import Job, Kind, Settings, Writer
from sspvs.formats.record import Entry, Source, VideoRecord, VideoText
from sspvs.table import DatasetStore, read_dataset, write_dataset
from sspvs.table.h5_survey import unread_parts
from sspvs.types import Annotations, FrameFeatures

HOLDS = frozenset(
    {
        "features",
        "fingerprint",
        "frame times",
        "frame changes",
        "gtscore",
        "gtsummary",
        "user summaries",
        "user scores",
        "shots",
        "fps",
        "names beside the keys",
        "picks other than every 15th frame",
        "title",
        "category",
    }
)


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video of a dataset file."""
    explain_keys(path, inspection, "dataset")
    tally = Tally()
    with read_dataset(path) as store:
        inspection.n_videos = len(store)
        inspection.facts["dataset"] = store.name
        for key in inspection.watched(store):
            _look_at(store, key, inspection, tally)
        fingerprint = store.features.fingerprint
    inspection.facts |= tally.facts()
    if not inspection.names:
        inspection.facts["names"] = "not stored; `sspvs data build` writes them (TVSum: in the order of its .mat)"
    if tally.with_features and fingerprint is None:
        inspection.facts["feature fingerprint"] = "none: what made the features is unknown"
    elif fingerprint is not None:
        inspection.facts["feature fingerprint"] = f"{fingerprint.backbone}, {fingerprint.rate_hz:g} Hz"
    inspection.uses = tally.uses()
    if inspection.repaired:
        command = f"sspvs data convert '{path}' --to community --out REPAIRED.h5"
        inspection.advice.append(f"write the repaired file: {command}")
    if inspection.blocked and len(inspection.blocked) < inspection.n_videos:
        command = f"sspvs data convert '{path}' --to community --skip-bad --out KEPT.h5"
        inspection.advice.append(f"keep the others: {command}")


def _look_at(store: DatasetStore, key: str, inspection: Inspection, tally: Tally) -> None:
    try:
        annotations = store[key]
    except (SspvsError, ValueError) as error:
        inspection.problem(error, key)
        return
    if annotations.video_name != key:
        inspection.names[key] = annotations.video_name
    for sentence in annotations.repairs:
        inspection.repair(sentence, key)
    has_features = store.has_features(key)
    tally.add(annotations, has_features=has_features)
    note_constant_users(annotations, inspection)
    if has_features:
        try:
            store.features[key]
        except FeatureFileError as error:
            inspection.problem(error, key, remedy="extract the features again: sspvs extract")


def read(path: Path, settings: Settings) -> Source:
    """Open a dataset file for conversion."""
    store = read_dataset(path)
    return Source(
        name=settings.name or store.name,
        entries=_entries(store),
        total=len(store),
        fingerprint=store.features.fingerprint,
        made_by=store.made_by,
    )


def _entries(store: DatasetStore) -> Iterator[Entry]:
    with store:
        for key in store:
            yield key, lambda key=key: _record(store, key)  # type: ignore[misc]


def _record(store: DatasetStore, key: str) -> VideoRecord:
    annotations = store[key]
    return VideoRecord(
        key=key,
        name=annotations.video_name,
        annotations=annotations,
        features=store.features[key] if store.has_features(key) else None,
        text=VideoText(category=annotations.category, title=annotations.title),
        unread=tuple(unread_parts(store.path, key)),
    )


def write(path: Path, records: Iterator[VideoRecord], job: Job) -> None:
    """Write a dataset file; videos without annotations get a group with what they have."""
    made_by: dict[str, Any] = job.ledger.made_by()
    if job.source.made_by:
        made_by["source"] = dict(job.source.made_by)
    pairs = (_pair(record, job.settings) for record in records)
    write_dataset(path, pairs, name=job.name, made_by=made_by, fingerprint=job.source.fingerprint)


def _pair(record: VideoRecord, settings: Settings) -> tuple[Annotations, FrameFeatures | None]:
    features, text = record.features, record.text
    annotations = record.annotations
    if annotations is None:
        if features is None:
            raise DatasetError(f"{record.key}: neither annotations nor features")
        annotations = Annotations(
            record.key, record.name, features.n_frames, features.picks, fps=settings.fps_of(record)
        )
    title, category = annotations.title or text.title, annotations.category or text.category
    fps = annotations.fps or settings.fps_of(record)
    return replace(annotations, title=title, category=category, fps=fps), features


def lacks(record: VideoRecord) -> str | None:
    """A group needs picks, from annotations or features, and the two must agree."""
    if record.annotations is None and record.features is None:
        return "annotations or features (texts alone have no picks)"
    if record.annotations is not None and record.features is not None:
        ours, theirs = record.annotations.picks, record.features.picks
        if len(ours) != len(theirs) or (ours != theirs).any():
            return f"features at the picks of the annotations ({len(theirs)} features, {len(ours)} picks)"
    return None


KIND = Kind(
    name="community",
    what="a dataset in the community's layout (h5: a group a video)",
    matches=lambda glimpse: glimpse.family == "dataset",
    inspect=inspect,
    read=read,
    writer=Writer(write, "file", HOLDS, lacks),
)
