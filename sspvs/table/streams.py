"""Streams of features side by side: their names and fingerprints, the picks they share, and what stands for a gap.

The first stream of a video is `features`; further ones are named, such as `captions`, and lie in `features_NAME`. A row
of zeros says that a stream has nothing at that pick. Axis letters: T picks, S rows of another stream, D width.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sspvs.errors import FeatureFileError
from sspvs.types import Fingerprint, FloatArray, FrameFeatures, FurtherStream

FEATURES = "features"  # the first stream of an h5 group; further ones are `features_NAME`
UNKNOWN = "unknown"
_AND, _IS = " + ", "="
_LABELLED = re.compile(r"(?:([\w.-]+)=)?(.*)", re.DOTALL)  # captions=minilm, or the backbone alone
_TEXTS = ("backbone", "weights_digest", "transform", "normalisation")
_FEW_FRAMES, _SMALL_SHARE = 5, 0.01  # decoders disagree by so many frames, or this share, about one and the same video

StreamFingerprints = Sequence[tuple[str, Fingerprint | None]]  # (name, what made it) of each stream in their order


def dataset_name(stream: str) -> str:
    """The h5 dataset of a stream: `captions` and `features_captions` are both `features_captions`."""
    return stream if stream == FEATURES or stream.startswith(f"{FEATURES}_") else f"{FEATURES}_{stream}"


def short_name(stream: str) -> str:
    """A stream's own name: `captions` of `features_captions`."""
    return stream.removeprefix(f"{FEATURES}_")


def joined_fingerprint(streams: StreamFingerprints) -> Fingerprint | None:
    """One fingerprint of streams side by side, such as `clip + captions=minilm`, `unknown` where one has none.

    None where all of them have none.
    """
    known = [made for _, made in streams if made is not None]
    if not known or [name for name, _ in streams] == [FEATURES]:
        return known[0] if known else None
    texts = {
        name: _AND.join(UNKNOWN if made is None else getattr(made, name).replace(_AND, "+") for _, made in streams)
        for name in _TEXTS
    }
    labels = ["" if name == FEATURES else short_name(name) + _IS for name, _ in streams]
    backbones = texts["backbone"].split(_AND)
    texts["backbone"] = _AND.join(label + backbone for label, backbone in zip(labels, backbones, strict=True))
    return Fingerprint(**texts, rate_hz=known[0].rate_hz)


def parted_fingerprint(made: Fingerprint | None) -> list[tuple[str, Fingerprint | None]]:
    """The streams that `joined_fingerprint` joined; a fingerprint of one stream, or None, is that of `features`."""
    parts = [] if made is None else [getattr(made, name).split(_AND) for name in _TEXTS]
    if made is None or len({*map(len, parts)}) > 1:
        return [(FEATURES, made)]
    streams = []
    for labelled, digest, transform, normalisation in zip(*parts, strict=True):
        found = _LABELLED.fullmatch(labelled)
        assert found is not None  # it takes anything
        label, backbone = found.groups()
        known = Fingerprint(backbone, digest, transform, normalisation, made.rate_hz)
        streams.append((label or FEATURES, None if backbone == UNKNOWN else known))
    return streams


def interval_means(rows: FloatArray, spans: FloatArray, at: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The means of the rows in each pick's interval: from halfway to the pick before to halfway to the next.

    Args:
        rows: (S, D).
        spans: (S, 2) when each row begins and ends, a moment where both are the same; it counts in every interval that
            it overlaps.
        at: (T,) when the picks are, ascending, on the same clock.

    Returns:
        (T, D) float32, zeros where no row falls, and (T,) how many do.
    """
    edges = (at[:-1] + at[1:]) / 2
    first = np.searchsorted(edges, spans[:, 0], side="right")
    last = np.maximum(np.searchsorted(edges, spans[:, 1], side="left"), first)  # an end on an edge is before it
    lengths = last - first + 1
    row = np.repeat(np.arange(len(rows)), lengths)
    pick = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths - first, lengths)
    sums, counts = np.zeros((len(at), rows.shape[1])), np.bincount(pick, minlength=len(at)).astype(np.float64)
    np.add.at(sums, pick, rows[row])
    means: FloatArray = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    return means, counts


def resampled(rows: FloatArray, at: FloatArray, onto: FloatArray) -> FloatArray:
    """(T, D) rows (S, D) at times (S,) on the picks at (T,): `interval_means`, and the nearest row where none falls."""
    means, counts = interval_means(rows, np.stack([at, at], axis=1), onto)
    empty = np.flatnonzero(counts == 0)
    after = np.searchsorted(at, onto[empty]).clip(max=len(at) - 1)
    before = (after - 1).clip(min=0)
    means[empty] = rows[np.where(onto[empty] - at[before] <= at[after] - onto[empty], before, after)]
    return means


def common_clock(first: FrameFeatures, other: FrameFeatures) -> tuple[FloatArray, FloatArray] | None:
    """When the picks of two sets of features of one video are, on one clock; None where there is none."""
    seconds = [_seconds(one) for one in (first, other)]
    if seconds[0] is not None and seconds[1] is not None:
        return seconds[0], seconds[1]
    if abs(first.n_frames - other.n_frames) > max(_FEW_FRAMES, _SMALL_SHARE * first.n_frames):
        return None
    return first.picks.astype(np.float64), other.picks.astype(np.float64)


def at_picks(first: FrameFeatures, other: FrameFeatures, where: str) -> FloatArray:
    """(T, D) features of another set of the same video at the picks of the first, `resampled` where its own differ."""
    if np.array_equal(first.picks, other.picks):
        return other.features
    clock = common_clock(first, other)
    if clock is None:
        counts = f"{len(first.picks)} of {first.n_frames} frames and {len(other.picks)} of {other.n_frames}"
        raise FeatureFileError(
            f"{where}: streams of different picks, {counts}, and no times to compare them; extract both at one rate"
        )
    return resampled(other.features, clock[1], clock[0])


def _seconds(features: FrameFeatures) -> FloatArray | None:
    if features.timeline is not None:
        return features.timeline.frame_seconds[features.picks]
    return features.picks / features.info.fps if features.info is not None and features.info.fps > 0 else None


def side_by_side(video: FrameFeatures, widths: Mapping[str, int]) -> tuple[FrameFeatures, tuple[str, ...]]:
    """A video's streams joined as one, in the order of `widths`; zeros stand for a stream that it lacks.

    Returns:
        The features, with the joined fingerprint, and the names of the streams that are missing.
    """
    own = {FEATURES: FurtherStream(video.features, video.fingerprint), **video.streams}
    found = {name: own.get(short_name(name)) for name in widths}
    zeros = {name: np.zeros((len(video.picks), width), np.float32) for name, width in widths.items()}
    columns = [zeros[name] if stream is None else stream.features for name, stream in found.items()]
    made = joined_fingerprint(
        [(name, None if stream is None else stream.fingerprint) for name, stream in found.items()]
    )
    joined = replace(video, features=np.concatenate(columns, axis=1), fingerprint=made, streams={})
    return joined, tuple(name for name, stream in found.items() if stream is None)


def union(names: Iterable[Sequence[str]]) -> list[str]:
    """The streams that any video has: `features` first, then by name."""
    return sorted({name for one in names for name in one}, key=lambda name: (name != FEATURES, name))
