"""All video-text pairs of a release folder, a folder of shards or a manifest, as one table.

Raw videos of a manifest are extracted once, into a feature file beside it.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sspvs.annotations.record import Problems
from sspvs.data.drawing import same_text_groups
from sspvs.errors import DatasetError
from sspvs.features.backbones import load_backbone
from sspvs.features.extract import Sampling, extract_to_file
from sspvs.formats.manifest import read_manifest
from sspvs.formats.shards import INDEX, is_shards, read_index
from sspvs.formats.sspvs_release import is_release, read_release
from sspvs.table import FeatureStore, FeatureStream, SourceStamp, StreamReader, Video, VideoTable
from sspvs.table.survey import survey, with_streams_of_files

_LEAST = 2  # groups of videos on either side, so that their texts can be compared


@dataclass(frozen=True)
class ExtractionSettings:
    """How features of raw videos are extracted."""

    backbone: str = "auto"
    """Frame encoder by name; see `sspvs doctor`."""
    rate_hz: float = 2.0
    """Frames looked at per second."""
    device: str = "auto"
    """`auto`, `cpu` or `cuda`."""
    download: bool = False
    """Fetch the backbone's weights when they are not on this machine."""


def load_pairs(
    path: Path,
    extraction: ExtractionSettings | None = None,
    *,
    streams: Sequence[str] | None = None,
    skip_bad: bool = False,
    progress: bool = False,
) -> VideoTable:
    """The table of a release, shards or a manifest; raw videos are extracted and features looked at first."""
    if path.is_dir() and is_shards(path):
        return read_index(path)
    videos, where = _listed(path)
    problems = Problems(where)
    ready = with_features(
        videos, where, extraction or ExtractionSettings(), progress=progress, problems=problems if skip_bad else None
    )
    table = survey(ready, streams=streams, progress=progress)
    problems.extend(table.problems)
    if not (skip_bad and len(table)):
        problems.raise_any()
    left_out = [(f"{where}: {place}", sentence) for place, sentence in problems.found]
    return VideoTable(table.videos, checked=True, problems=left_out)


def stream_widths_of(
    path: Path, extraction: ExtractionSettings | None = None, streams: Sequence[str] | None = None
) -> tuple[int, ...]:
    """D of each stream, from the first videos; of raw videos that have no features yet, from the backbone."""
    if path.is_dir() and is_shards(path):
        return read_index(path).stream_widths
    videos, where = _listed(path)
    settings = extraction or ExtractionSettings()
    first = videos[:1]
    if first[0].source is not None:
        if not store_of(where).exists():
            return (load_backbone(settings.backbone, device="cpu", download=settings.download).feature_dim,)
        first = with_features(first, where, settings)
    ready = [*first, *(video for video in videos[1:] if video.source is None)]
    reader, widths = StreamReader(), dict[str, int]()
    joined, names = with_streams_of_files(ready, reader, streams)
    if len(names) < 2:
        return tuple(reader.shape(stream)[1] for stream in first[0].streams)
    for stream in (stream for video in joined for stream in video.streams):
        if stream.name not in widths:
            widths[stream.name] = reader.shape(stream)[1]
    reader.close()
    return tuple(widths[name] for name in names)


def split_pairs(videos: Sequence[Video], val_share: float) -> tuple[list[Video], list[Video]]:
    """Training and validation pairs of one file.

    As the file has them, where it does. Otherwise `val_share` of the videos are held out, chosen by their ids: the same
    in every run, and a video stays on its side when others are added. Videos with the same title or text stay together.
    Of four such groups or more at least two are on either side, since texts are compared with each other; of fewer
    none is held out.
    """
    if any(video.part == "val" for video in videos):
        held_out = {video.id for video in videos if video.part == "val"}
    else:
        ordered = sorted(videos, key=lambda video: video.id)
        chances = [_chance(ordered[group].id) for group in same_text_groups([video.text for video in ordered])]
        limit = _limit(sorted(set(chances)), val_share)
        held_out = {video.id for video, chance in zip(ordered, chances, strict=True) if chance < limit}
    train = [video for video in videos if video.id not in held_out]
    if not train:
        raise DatasetError(f"none of the {len(videos)} videos is left to train on; lower val_share, or give val")
    return train, [video for video in videos if video.id in held_out]


def store_of(manifest: Path) -> Path:
    """Where the features of a manifest's raw videos are kept."""
    return manifest.with_name(f"{manifest.stem}.features.h5")


def with_features(
    videos: Sequence[Video],
    manifest: Path,
    settings: ExtractionSettings,
    *,
    progress: bool = False,
    problems: Problems | None = None,
) -> list[Video]:
    """The same videos, raw ones with features, extracted unless the store has them of the video as it is."""
    raw = [video.source for video in videos if video.source is not None]
    if not raw:
        return list(videos)
    store, found = store_of(manifest), Problems(manifest) if problems is None else problems
    groups, failed = _extracted(store), dict[Path, str]()
    if any(groups(source) is None for source in raw):
        backbone = load_backbone(settings.backbone, device=settings.device, download=settings.download)
        report = extract_to_file(raw, store, backbone, Sampling(rate_hz=settings.rate_hz), progress=progress)
        groups, failed = _extracted(store), dict(report.failed)
    ready: list[Video] = []
    for video in videos:
        if video.source is None:
            ready.append(video)
        elif (group := groups(video.source)) is not None:
            ready.append(video.with_streams(FeatureStream(store, group)))
        else:
            found.add(video.where, f"{video.id}: {failed.get(video.source, 'no features were made')}")
    if problems is None:
        found.raise_any()
    return ready


def _extracted(store: Path) -> Callable[[Path], str | None]:
    """Which group of a feature file a video was extracted into; one that was only moved is still found."""
    by_stamp: dict[SourceStamp | tuple[str, int, int], str] = {}
    if store.exists():
        with FeatureStore(store) as features:
            for name in features:
                stamp = features.source_of(name)
                if stamp is not None:
                    by_stamp[stamp] = by_stamp[stamp.content] = name

    def group(video: Path) -> str | None:
        try:
            stamp = SourceStamp.of(video)
        except OSError:
            return None
        return by_stamp.get(stamp, by_stamp.get(stamp.content))

    return group


def _listed(path: Path) -> tuple[list[Video], Path]:
    """The videos of the lists of a release or of a manifest, and where they come from."""
    if path.is_dir() and is_release(path):
        return read_release(path)
    if path.is_dir():
        raise DatasetError(
            f"{path}: expected an SSPVS release (features/, info_embed/, list_file/) or shards ({INDEX}), or the path "
            "of a manifest"
        )
    return read_manifest(path), path


def _limit(chances: Sequence[float], val_share: float) -> float:
    """Groups whose chance is below it are held out; see `split_pairs`."""
    if not val_share or len(chances) < 2 * _LEAST:
        return 0.0
    return min(max(val_share, chances[_LEAST]), chances[-_LEAST])


def _chance(name: str) -> float:
    """A number in [0, 1) that an id always has."""
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8, person=b"held out").digest()
    return int.from_bytes(digest, "little") / 2**64
