"""What an evaluation found: figures a video, over videos with bootstrap intervals, and differences of methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sspvs.evaluation.rank_correlation import mean_of_defined
from sspvs.types import FloatArray

METRICS = ("kendall_tau", "spearman_rho", "f_score_avg", "f_score_max")
PRECISION = "average_precision"  # under protocols of highlights alone
RESAMPLES = 10_000
_SEED = 0
_MOST_DRAWN = 4_000_000  # videos drawn at a time, 32 MB


class PairedBootstrap(NamedTuple):
    """What two methods differ by on the same videos.

    Attributes:
        difference: Mean of first - second over the videos where both are defined; NaN when there is none.
        ci95: Bootstrap 95 % interval of it.
        p_value: Two-sided: the share of resampled differences on the other side of 0, doubled; NaN below two videos.
        n_videos: Videos where both are defined.
    """

    difference: float
    ci95: tuple[float, float]
    p_value: float
    n_videos: int


def bootstrap_ci95(values: FloatArray, *, resamples: int = RESAMPLES, seed: int = _SEED) -> tuple[float, float]:
    """The percentile bootstrap's 95 % interval of the mean of (V,) finite values, V >= 1 (Efron, 1979)."""
    return _interval(_resampled_means([np.asarray(values, dtype=np.float64)], resamples, seed))


def paired_bootstrap(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    kinds: Sequence[str] = (),
    resamples: int = RESAMPLES,
    seed: int = _SEED,
) -> PairedBootstrap:
    """The difference of two methods' means, by drawing videos with replacement, both methods' figures together.

    A video that is hard for both then moves the difference little, which is why it finds what the two intervals by
    themselves do not (Efron and Tibshirani, 1993). One is added to the count and to the number of draws, so that no
    p-value is 0 (Davison and Hinkley, 1997, section 4.2). `first` and `second` are (V,) a metric of the same videos in
    the same order, NaN where undefined; the same values and seed give the same result. With `kinds`, one a video, means
    are taken within each kind, then over kinds, and videos are drawn within their kind.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.ndim != 1 or one.shape != other.shape:
        raise ValueError(f"first and second must both be (V,), got shapes {one.shape} and {other.shape}")
    differences = one - other
    parts, mean = _by_kind(differences, kinds), mean_over_kinds(differences, kinds)
    differences = differences[np.isfinite(differences)]
    if len(differences) == 0:
        return PairedBootstrap(np.nan, (np.nan, np.nan), np.nan, 0)
    means = _resampled_means(parts, resamples, seed)
    below, above = np.count_nonzero(means <= 0), np.count_nonzero(means >= 0)
    p_value = min(1.0, 2 * (min(below, above) + 1) / (resamples + 1)) if len(differences) > 1 else np.nan
    return PairedBootstrap(mean, _interval(means), p_value, len(differences))


def mean_over_kinds(values: FloatArray, kinds: Sequence[str] = ()) -> float:
    """The mean of (V,) values, within each kind first where there are kinds; without NaN, and NaN when none is left."""
    return mean_of_defined([part.mean() for part in _by_kind(values, kinds)])


def _by_kind(values: FloatArray, kinds: Sequence[str]) -> list[FloatArray]:
    """The finite ones of (V,) values, apart for each kind; all together without kinds."""
    known, names = np.isfinite(values), np.array(kinds or [""] * len(values))
    return [values[known & (names == kind)] for kind in np.unique(names[known])]


def _resampled_means(parts: Sequence[FloatArray], resamples: int, seed: int) -> FloatArray:
    """(R,) means, over parts of V values each, of values drawn with replacement within each part, R times."""
    generator = np.random.default_rng(seed)
    means = np.zeros(resamples)
    for values in parts:
        rows = max(1, _MOST_DRAWN // len(values))
        for start in range(0, resamples, rows):
            drawn = generator.integers(0, len(values), size=(min(rows, resamples - start), len(values)))
            means[start : start + rows] += values[drawn].mean(axis=1) / len(parts)
    return means


def _interval(means: FloatArray) -> tuple[float, float]:
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class Spread:
    """A metric over videos.

    Attributes:
        mean: Mean over the videos where it is defined; NaN when there is none.
        std: Standard deviation over those videos (the sample's, n - 1); NaN below two.
        ci95: Bootstrap 95 % interval of the mean over videos.
        n_videos: Videos where it is defined.
    """

    mean: float
    std: float
    ci95: tuple[float, float]
    n_videos: int

    @classmethod
    def over(cls, values: FloatArray, kinds: Sequence[str] = ()) -> "Spread":
        """The spread of (V,) values, of these kinds of video; NaN means undefined for that video."""
        given = np.asarray(values, dtype=np.float64)
        known = given[np.isfinite(given)]
        if len(known) == 0:
            return cls(np.nan, np.nan, (np.nan, np.nan), 0)
        std = float(known.std(ddof=1)) if len(known) > 1 else np.nan
        parts = _by_kind(given, kinds)
        return cls(mean_over_kinds(given, kinds), std, _interval(_resampled_means(parts, RESAMPLES, _SEED)), len(known))

    def as_dict(self) -> dict[str, Any]:
        """Plain types; undefined is None."""
        return {"mean": _plain(self.mean), "std": _plain(self.std), "ci95": [*map(_plain, self.ci95)]}


@dataclass(frozen=True)
class VideoResult:
    """One video's metrics under one protocol.

    Attributes:
        key: As in the dataset, such as `video_7`.
        name: The video's own name.
        kendall_tau: Tau-b; mean over the users under `users` protocols. NaN when undefined.
        spearman_rho: Likewise.
        f_score_avg: F1 of the 15 % summary against each user's, mean over users. NaN when unknown.
        f_score_max: The largest over users.
        undefined_pairs: Prediction-reference pairs left out because one of them is constant.
        n_pairs: All such pairs.
        summary_frames: Frames of the summary that was judged; None when there is not one of it.
        average_precision: Of its clips as highlights, mean over annotators; NaN under protocols of correlations.
        kind: Its category, where means over videos are taken within kinds first; else empty.
    """

    key: str
    name: str
    kendall_tau: float
    spearman_rho: float
    f_score_avg: float
    f_score_max: float
    undefined_pairs: int
    n_pairs: int
    summary_frames: int | None = None
    average_precision: float = np.nan
    kind: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain types; undefined is None."""
        shown = (*METRICS, PRECISION) if np.isfinite(self.average_precision) else METRICS
        return {
            "key": self.key,
            **{metric: _plain(getattr(self, metric)) for metric in shown},
            **({"kind": self.kind} if self.kind else {}),
            "undefined_pairs": self.undefined_pairs,
            "n_pairs": self.n_pairs,
            "summary_frames": self.summary_frames,
        }


@dataclass(frozen=True)
class MethodResult:
    """One method under one protocol: a row of a table.

    Attributes:
        method: Its name, as in tables.
        protocol: The protocol's name.
        videos: A result a video, in the dataset's order.
        settings: What made it: plain types.
    """

    method: str
    protocol: str
    videos: tuple[VideoResult, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those that it may have figures of: `METRICS`, and `PRECISION` where the protocol is of highlights."""
        return METRICS if np.isnan(self.values(PRECISION)).all() else (*METRICS, PRECISION)

    def values(self, metric: str) -> FloatArray:
        """(V,) one of `metrics`, NaN where undefined."""
        return np.array([getattr(video, metric) for video in self.videos], dtype=np.float64)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each video, within which means are taken first."""
        return tuple(video.kind for video in self.videos)

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """Each of `metrics` over the videos; average precision over the videos of each kind, then over kinds."""
        kinds = {PRECISION: self.kinds}
        return {metric: Spread.over(self.values(metric), kinds.get(metric, ())) for metric in self.metrics}

    @cached_property
    def spreads_by_kind(self) -> dict[str, Spread]:
        """Kind -> average precision over its videos; empty where all are of one kind."""
        kinds, values = np.array(self.kinds), self.values(PRECISION)
        names = sorted(set(self.kinds))
        return {kind: Spread.over(values[kinds == kind]) for kind in names} if len(names) > 1 else {}

    @property
    def undefined_pairs(self) -> int:
        """Pairs without a correlation, over all videos."""
        return sum(video.undefined_pairs for video in self.videos)

    def as_dict(self) -> dict[str, Any]:
        """Plain types, videos by name."""
        by_kind = self.spreads_by_kind
        return {
            "method": self.method,
            "protocol": self.protocol,
            "n_videos": len(self.videos),
            **{metric: spread.as_dict() for metric, spread in self.spreads.items()},
            **({"kinds": {kind: spread.as_dict() for kind, spread in by_kind.items()}} if by_kind else {}),
            "undefined_pairs": self.undefined_pairs,
            "settings": dict(self.settings),
            "videos": {video.name: video.as_dict() for video in self.videos},
        }


def mean_video(results: Sequence[VideoResult]) -> VideoResult:
    """One video's metrics, each the mean over the runs where it is defined; pairs are counted over all runs."""
    frames = {result.summary_frames for result in results}
    metrics = (*METRICS, PRECISION)
    means: dict[str, Any] = {m: mean_of_defined([getattr(result, m) for result in results]) for m in metrics}
    return replace(
        results[0],
        **means,
        undefined_pairs=sum(result.undefined_pairs for result in results),
        n_pairs=sum(result.n_pairs for result in results),
        summary_frames=frames.pop() if len(frames) == 1 else None,
    )


def mean_result(method: str, runs: Sequence[MethodResult], order: Sequence[str]) -> MethodResult:
    """Runs under one protocol as one result, of the videos that any of them tested, in the order of their keys."""
    by_key: dict[str, list[VideoResult]] = {}
    for run in runs:
        for video in run.videos:
            by_key.setdefault(video.key, []).append(video)
    settings = {name: value for name, value in runs[0].settings.items() if name != "empty_summaries"}
    if empty := dict.fromkeys(name for run in runs for name in run.settings.get("empty_summaries", ())):
        settings["empty_summaries"] = list(empty)
    videos = tuple(mean_video(by_key[key]) for key in order if key in by_key)
    return MethodResult(method, runs[0].protocol, videos, settings)


@dataclass(frozen=True)
class Comparison:
    """Two methods on the same videos under one protocol, by a paired bootstrap.

    Attributes:
        first: A method's name.
        second: Another's.
        protocol: The protocol's name.
        metric: One of `METRICS`, or `PRECISION`.
        difference: Mean of first - second over the videos where both are defined.
        ci95: Bootstrap 95 % interval of the difference.
        p_value: Two-sided: how often a resampled difference lies on the other side of 0, doubled.
        n_videos: Videos where both are defined.
    """

    first: str
    second: str
    protocol: str
    metric: str
    difference: float
    ci95: tuple[float, float]
    p_value: float
    n_videos: int

    def as_dict(self) -> dict[str, Any]:
        """Plain types; undefined is None."""
        return {
            **vars(self),
            "difference": _plain(self.difference),
            "ci95": [*map(_plain, self.ci95)],
            "p_value": _plain(self.p_value),
        }


@dataclass(frozen=True)
class EvaluationRecord:
    """The figures and settings of an `Evaluation` (documented there), without how they are shown."""

    dataset: str
    protocols: tuple[str, ...]
    methods: Mapping[str, Mapping[str, MethodResult]]
    baselines: Mapping[str, Mapping[str, MethodResult]] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)
    coverage: Mapping[str, Any] = field(default_factory=dict)
    folds: tuple[tuple[str, ...], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def compare(first: MethodResult, second: MethodResult, metric: str) -> Comparison:
    """A paired bootstrap over the videos that both methods were evaluated on, under one protocol.

    Raises:
        ValueError: When the protocols differ, there is no such metric, or no video is in both.
    """
    if metric not in (*METRICS, PRECISION):
        raise ValueError(f"metric must be one of {', '.join(METRICS)} or {PRECISION}, got {metric!r}")
    if first.protocol != second.protocol:
        raise ValueError(f"figures of {first.protocol} and {second.protocol} cannot be compared; take one protocol")
    theirs = {video.key: getattr(video, metric) for video in second.videos}
    common = [video for video in first.videos if video.key in theirs]
    if not common:
        raise ValueError(f"{first.method} and {second.method} have no video in common")
    ours, kinds = [getattr(video, metric) for video in common], [video.kind for video in common]
    found = paired_bootstrap(ours, [theirs[video.key] for video in common], kinds=kinds if metric == PRECISION else ())
    return Comparison(first.method, second.method, first.protocol, metric, *found)
