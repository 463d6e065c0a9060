"""Feature files: frame features without annotations, an h5 group a video or one video a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sspvs.errors import FeatureFileError
from sspvs.formats.inspection import Inspection, Use, explain_keys, span
from sspvs.formats.kind import Kind, Settings
from sspvs.formats.record import Entry, Source, VideoRecord, VideoText
from sspvs.table import FeatureStore, natural_order, read_features
from sspvs.table.h5_survey import read_labels, unread_parts


def inspect(path: Path, inspection: Inspection) -> None:
    """Every video of a feature file."""
    explain_keys(path, inspection, "features")
    lengths, widths = [], []
    without_picks = 0
    with read_features(path) as store:
        inspection.n_videos = len(store)
        for key in inspection.watched(natural_order(store)):
            try:
                features = store[key]
            except FeatureFileError as error:
                inspection.problem(error, key, remedy="extract it again: sspvs extract")
                continue
            if features.name != key:
                inspection.names[key] = features.name
            lengths.append(len(features.picks))
            widths.append(features.features.shape[1])
            without_picks += features.n_frames == len(features.picks) and features.timeline is None
        fingerprint = store.fingerprint
    inspection.facts["picks a video (T)"] = span(lengths)
    inspection.facts["width of a feature (D)"] = span(widths)
    if len(set(widths)) > 1:
        inspection.problem(f"features of different widths, {span(widths)}: of more than one backbone", blocking=False)
    if fingerprint is None:
        inspection.facts["feature fingerprint"] = "none: what made the features is unknown"
    else:
        inspection.facts["feature fingerprint"] = f"{fingerprint.backbone}, {fingerprint.rate_hz:g} Hz"
    if without_picks:
        inspection.facts["picks"] = f"not stored for {without_picks} of {len(lengths)}: each feature is its own frame"
    inspection.uses = [
        Use("scoring without training (sspvs score)", bool(lengths)),
        Use("evaluation", False, "no annotations: sspvs data build joins both with --features"),
    ]


def read(path: Path, settings: Settings) -> Source:
    """Open a feature file for conversion."""
    store = read_features(path)
    return Source(settings.name or path.stem, _entries(store), len(store), store.fingerprint)


def _entries(store: FeatureStore) -> Iterator[Entry]:
    with store:
        for key in natural_order(store):
            yield key, lambda key=key: _record(store, key)  # type: ignore[misc]


def _record(store: FeatureStore, key: str) -> VideoRecord:
    features = store[key]
    title, category, fps = read_labels(store.path, key)
    return VideoRecord(
        key=key,
        name=features.name,
        features=features,
        text=VideoText(category=category, title=title),
        frame_rate=fps,
        unread=tuple(unread_parts(store.path, key)),
    )


KIND = Kind(
    name="features",
    what="frame features without annotations (h5)",
    matches=lambda glimpse: glimpse.family == "features",
    inspect=inspect,
    read=read,
)
