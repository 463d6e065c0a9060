"""The community's h5 files, which are ours too, a group a video: datasets with annotations, and features alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sspvs.errors import DatasetError, FeatureFileError, SspvsError
from sspvs.formats.format import FORMATS, Format, Ledger, Settings
from sspvs.formats.inspection import Inspection, explain_keys, number_of, span
from sspvs.table import (
    DatasetStore,
    FeatureKind,
    LoadedVideo,
    Video,
    VideoTable,
    natural_order,
    read_dataset,
    read_features,
    write_dataset,
)
from sspvs.types import Annotations, Fingerprint, FrameFeatures

TRAINING = "training a summarizer on it"


@FORMATS.register("community")
class Community(Format):
    """The community's dataset file: features, shots and annotations."""

    what = "a dataset in the community's layout (h5: a group a video)"
    family = "dataset"
    order = 10
    holds = frozenset(
        {"features", "fingerprint", "frame times", "frame changes", "gtscore", "gtsummary", "user summaries"}
        | {"further streams of features"}
        | {"user scores", "shots", "fps", "names beside the keys", "picks other than every 15th frame"}
        | {"title", "category"}
    )

    def read(self, path: Path, settings: Settings) -> VideoTable:  # noqa: ARG002
        store = read_dataset(path)
        videos, made = [Video(key, read=partial(store.load, key)) for key in store], store.features.fingerprint
        kind, on_close = FeatureKind(fingerprint=made), store.features.close
        return VideoTable(videos, kind=kind, name=store.name, made_by=store.made_by, on_close=on_close)

    def lacks(self, video: LoadedVideo) -> str | None:
        """A group needs picks, from annotations or features, and the two must agree."""
        if video.annotations is None and video.features is None:
            return "annotations or features (texts alone have no picks)"
        if video.annotations is not None and video.features is not None:
            ours, theirs = video.annotations.picks, video.features.picks
            if len(ours) != len(theirs) or (ours != theirs).any():
                return f"features at the picks of the annotations ({len(theirs)} features, {len(ours)} picks)"
        return None

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        """Write a dataset file; videos without annotations get a group with what they have."""
        source = ledger.table
        made_by = ledger.made_by | ({"source": dict(source.made_by)} if source.made_by else {})
        pairs = (_pair(video, ledger.settings) for video in videos)
        write_dataset(path, pairs, name=ledger.name, made_by=made_by, fingerprint=source.fingerprint)

    def inspect(self, path: Path, found: Inspection) -> None:
        explain_keys(path, found, "dataset")
        tally = Tally()
        with read_dataset(path) as store:
            found.n_videos = len(store)
            found.facts["dataset"] = store.name
            for key in found.watched(store):
                _look_at(store, key, found, tally)
            fingerprint = store.features.fingerprint
        found.facts |= tally.facts()
        if not found.names:
            found.facts["names"] = "not stored; `sspvs data build` writes them (TVSum: in the order of its .mat)"
        if tally.with_features or fingerprint is not None:
            found.facts["feature fingerprint"] = _fingerprint(fingerprint)
        tally.add_uses(found)
        if found.repaired:
            command = f"sspvs data convert '{path}' --to community --out REPAIRED.h5"
            found.advice.append(f"write the repaired file: {command}")
        if found.blocked and len(found.blocked) < found.n_videos:
            command = f"sspvs data convert '{path}' --to community --skip-bad --out KEPT.h5"
            found.advice.append(f"keep the others: {command}")


@FORMATS.register("features")
class Features(Format):
    """Frame features without annotations: a group a video, or one video a file."""

    what = "frame features without annotations (h5)"
    family = "features"
    order = 20

    def read(self, path: Path, settings: Settings) -> VideoTable:  # noqa: ARG002
        store = read_features(path)
        videos = [Video(key, read=partial(store.load, key)) for key in natural_order(store)]
        kind = FeatureKind(fingerprint=store.fingerprint)
        return VideoTable(videos, kind=kind, name=path.stem, on_close=store.close)

    def inspect(self, path: Path, found: Inspection) -> None:
        explain_keys(path, found, "features")
        table, lengths, widths, without_picks = self.read(path, Settings()), list[int](), list[int](), 0
        for video in found.loaded(table, remedy="extract it again: sspvs extract"):
            if (features := video.features) is not None:
                lengths.append(len(features.picks))
                widths.append(features.features.shape[1])
                without_picks += features.n_frames == len(features.picks) and features.timeline is None
        found.facts |= {"picks a video (T)": span(lengths), "width of a feature (D)": span(widths)}
        if len(set(widths)) > 1:
            found.problem(f"features of different widths, {span(widths)}: of more than one backbone", blocking=False)
        found.facts["feature fingerprint"] = _fingerprint(table.fingerprint)
        if without_picks:
            found.facts["picks"] = f"not stored for {without_picks} of {len(lengths)}: each feature is its own frame"
        found.use("scoring without training (sspvs score)", bool(lengths))
        found.use("evaluation", False, "no annotations: sspvs data build joins both with --features")


@dataclass
class Tally:
    """What the videos of a dataset have, counted."""

    n_frames: list[int] = field(default_factory=list)
    n_picks: list[int] = field(default_factory=list)
    n_users: list[int] = field(default_factory=list)
    with_features: int = 0
    with_gtscore: int = 0
    unavailable: dict[str, list[str]] = field(default_factory=dict)

    def add(self, annotations: Annotations, *, has_features: bool) -> None:
        """Count one video in."""
        from sspvs.evaluation.protocol import PROTOCOLS
        from sspvs.evaluation.requirements import unavailable

        self.n_frames.append(annotations.n_frames)
        self.n_picks.append(len(annotations.picks))
        self.n_users.append(annotations.n_users)
        self.with_features += has_features
        self.with_gtscore += annotations.gtscore is not None
        for name, protocol in PROTOCOLS.items():
            reason = unavailable(protocol, annotations)
            if reason:
                self.unavailable.setdefault(name, []).append(reason)

    def facts(self) -> dict[str, str]:
        """The sizes of the videos."""
        return {
            "frames a video (N)": span(self.n_frames),
            "picks a video (T)": span(self.n_picks),
            "annotators a video (U)": span(self.n_users),
        }

    def add_uses(self, found: Inspection) -> None:
        """Note which protocols are available, and whether scoring and training are."""
        from sspvs.evaluation.protocol import PROTOCOLS

        readable = len(self.n_frames)
        for name in PROTOCOLS:
            reasons = self.unavailable.get(name, [])
            why = f"{number_of(len(reasons), 'video')}: {reasons[0]}" if reasons else ""
            found.use(f"evaluation under {name}", readable > 0 and not reasons, why)
        features = "" if self.with_features == readable else f"{self.with_features} of {readable} videos have features"
        gtscore = "" if self.with_gtscore == readable else f"{self.with_gtscore} of {readable} videos have gtscore"
        lacks = "; ".join(text for text in (features, gtscore) if text)
        found.use("scoring it without training (sspvs score, --baseline contrastive)", not features, features)
        found.use(TRAINING, not lacks, lacks)


def _fingerprint(made: Fingerprint | None) -> str:
    return "none: what made the features is unknown" if made is None else f"{made.backbone}, {made.rate_hz:g} Hz"


def _look_at(store: DatasetStore, key: str, found: Inspection, tally: Tally) -> None:
    try:
        annotations = store[key]
    except (SspvsError, ValueError) as error:
        found.problem(error, key)
        return
    if annotations.video_name != key:
        found.names[key] = annotations.video_name
    for sentence in annotations.repairs:
        found.repair(sentence, key)
    has_features = store.has_features(key)
    tally.add(annotations, has_features=has_features)
    scores = annotations.user_scores_at_picks
    constant = 0 if scores is None else int((scores.min(axis=1) == scores.max(axis=1)).sum())
    if constant:
        found.problem(
            f"{number_of(constant, 'annotator')} gave one value at every pick: no rank correlation; left out of the "
            "means and counted",
            key,
            blocking=False,
        )
    if has_features:
        try:
            store.features[key]
        except FeatureFileError as error:
            found.problem(error, key, remedy="extract the features again: sspvs extract")


def _pair(video: LoadedVideo, settings: Settings) -> tuple[Annotations, FrameFeatures | None]:
    features, text, annotations = video.features, video.text, video.annotations
    fps = settings.fps_of(video)
    if annotations is None:
        if features is None:
            raise DatasetError(f"{video.id}: neither annotations nor features")
        annotations = Annotations(video.id, video.name, features.n_frames, features.picks, fps=fps)
    title, category = annotations.title or text.title, annotations.category or text.category
    return replace(annotations, title=title, category=category, fps=annotations.fps or fps), features
