"""What a protocol needs of a video's annotations, the references it takes from them, and how far users agree.

Users' scores are (U, n) on whatever clock: ratings or summaries, at the picks or at every frame.
"""

from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from sspvs.errors import DatasetError, ProtocolUnavailableError
from sspvs.evaluation.prediction import Prediction, finite
from sspvs.evaluation.protocol import Protocol
from sspvs.evaluation.rank_correlation import Correlations, rank_correlations
from sspvs.types import Annotations, BoolArray, FloatArray

Baseline = Literal["human", "random", "consensus"]
Scores = TypeVar("Scores", bound=FloatArray | BoolArray | None)
BASELINES: tuple[Baseline, ...] = ("human", "random", "consensus")

_NO_USER_SCORES = (
    "needs the scores of each user (user_scores), which this dataset does not have; build it with them from the "
    "official annotations, such as `sspvs data build tvsum --annotations ydata-tvsum50.mat --features THIS.h5`, or "
    "use mean-annotator"
)
_ONE_SUMMARY = (
    "needs the scores of several users, and this dataset has one summary a video and nothing of single users; "
    "use mean-annotator"
)


def unavailable(protocol: Protocol, annotations: Annotations, prediction: Prediction | None = None) -> str | None:
    """Why a protocol cannot be computed on a video, and the way out; None when it can.

    Args:
        protocol: Which one.
        annotations: The video.
        prediction: What is to be evaluated: one that brings its own summary needs no shots.
    """
    if (reason := _without_reference(protocol, annotations)) is not None:
        return reason
    recorded = prediction is not None and prediction.summary is not None
    if protocol.prediction == "summary" and annotations.shots is None and not recorded:
        return (
            "needs shots (change_points) to make summaries of scores, which this dataset does not have; build it "
            "with shots (`sspvs data build --segmenter kts` or `--shots S.json`), or give recorded summaries"
        )
    return None


def baseline_unavailable(baseline: Baseline, protocol: Protocol, annotations: Annotations) -> str | None:
    """Why a baseline has no row under a protocol on a video, and the way out; None when it has one.

    Raises:
        ValueError: When there is no such baseline.
    """
    if baseline not in BASELINES:
        raise ValueError(f"baseline must be one of {', '.join(BASELINES)}, got {baseline!r}")
    if baseline != "human":
        return unavailable(protocol, annotations)
    if protocol.reference == "gtscore" and annotations.user_scores is None:
        return _without_user_scores(annotations)
    if protocol.reference != "gtscore" and (reason := _without_reference(protocol, annotations)) is not None:
        return reason
    of_scores = protocol.reference in ("users", "gtscore")
    users = annotations.user_scores if of_scores else user_rows(protocol, annotations)
    assert users is not None
    if len(users) < 2:
        return "the human row needs at least two users to hold against each other, and this dataset has one"
    return None


def _without_reference(protocol: Protocol, annotations: Annotations) -> str | None:
    """Why a video lacks what predictions are correlated with; None when it has it."""
    if callable(protocol.reference):
        own = protocol.reference(annotations)
        if own is None and protocol.figure == "precision":
            return _without_user_scores(annotations)
        return "needs references that this dataset does not have" if own is None else None
    if protocol.reference == "users":
        if annotations.user_scores is None:
            return _without_user_scores(annotations)
        if protocol.clock == "frames" and annotations.user_scores_at_frames is None:
            return (
                "needs the scores of each user at every frame, and this dataset has them at the picks only; build it "
                "from the official annotations with `sspvs data build`, or use per-user"
            )
    elif protocol.reference == "mean-summary":
        if annotations.user_summaries is None:
            return (
                "needs the summaries of users (user_summary), which this dataset does not have; add them to it, or "
                "use mean-annotator"
            )
    elif annotations.gtscore is None and annotations.user_scores is None:
        return "needs the mean annotator (gtscore), which this dataset does not have; add it, or the users' scores"
    return None


def require(reason: str | None, what: str, annotations: Annotations) -> None:
    """Raise `ProtocolUnavailableError` with the video, what needs it, and the reason, unless the reason is None."""
    if reason is not None:
        raise ProtocolUnavailableError(f"{annotations.video_name}: {what} {reason}")


def reference_scores(protocol: Protocol, annotations: Annotations) -> FloatArray | BoolArray:
    """(U, n) what predictions of a video are correlated with: the users' rows, or one that stands for all of them.

    The protocol is available on the video (`unavailable` says so); n is T or N by its clock.
    """
    if protocol.reference == "gtscore" and annotations.gtscore is not None:
        return _finite("gtscore", annotations.gtscore, annotations)[None]
    rows = user_rows(protocol, annotations)
    assert rows is not None, protocol.name
    return rows if protocol.each_user else mean_scores(rows)[None]


def user_rows(protocol: Protocol, annotations: Annotations) -> FloatArray | BoolArray | None:
    """(U, n) what each user gave on a protocol's clock, or its own references; None when the annotations lack it."""
    if callable(protocol.reference):
        return _finite("references", protocol.reference(annotations), annotations)
    if protocol.reference == "mean-summary":
        return annotations.user_summaries
    on_frames = protocol.clock == "frames"
    scores = annotations.user_scores_at_frames if on_frames else annotations.user_scores_at_picks
    return _finite("user_scores", scores, annotations)


def block_means(annotations: Annotations) -> FloatArray | None:
    """(U, T) the mean of each user's 0/1 choices over the frames from a pick to the next; ratings at the picks.

    CTVSUM's released code holds scores against SumMe's users so. None where there are no users' scores, or choices at
    the picks only.
    """
    at_picks, at_frames = annotations.user_scores_at_picks, annotations.user_scores_at_frames
    if at_picks is None or not np.isin(at_picks, (0, 1)).all():
        return at_picks
    if at_frames is None:
        return None
    counts = np.diff(np.append(annotations.picks, annotations.n_frames))
    sums: FloatArray = np.add.reduceat(
        at_frames[:, : annotations.n_frames].astype(np.float64), annotations.picks, axis=1
    )
    return sums / counts


def consensus_scores(annotations: Annotations) -> FloatArray | None:
    """(T,) what users think on average: gtscore, else the mean of their scores, else of their summaries."""
    if annotations.gtscore is not None:
        return _finite("gtscore", annotations.gtscore, annotations)
    if annotations.user_scores_at_picks is not None:
        return mean_scores(_finite("user_scores", annotations.user_scores_at_picks, annotations))
    if annotations.user_summaries is not None:
        return mean_scores(annotations.user_summaries[:, annotations.picks])
    return None


def _without_user_scores(annotations: Annotations) -> str:
    summaries = annotations.user_summaries
    return _ONE_SUMMARY if summaries is not None and len(summaries) == 1 else _NO_USER_SCORES


def _finite(name: str, values: Scores, annotations: Annotations) -> Scores:
    """The same values; `DatasetError` where one is NaN or infinite."""
    if values is not None and not np.isfinite(values).all():
        found = values[~np.isfinite(values)][0]
        raise DatasetError(
            f"{annotations.video_name}: {name} must be finite, found {found}; repair it, or leave the video out"
        )
    return values


def pairwise_agreement(user_scores: npt.ArrayLike) -> Correlations:
    """Each of U >= 2 users against each other user: tau and rho of each pair, NaN where one of them is constant."""
    scores = _several(user_scores)
    tau, rho = rank_correlations(scores, scores)
    pairs = np.triu_indices(len(scores), k=1)
    return Correlations(tau[pairs], rho[pairs])


def agreement_with_mean_of_others(user_scores: npt.ArrayLike) -> Correlations:
    """Each of U >= 2 users against the mean of the others' scores: (U,) tau and rho, NaN where one is constant."""
    scores = _several(user_scores)
    exact = np.asarray(scores, dtype=np.float32).astype(np.float64)
    others = exact.sum(axis=0) - exact  # (U, n); a mean's ranks are those of the sum
    tau, rho = rank_correlations(others, scores)
    return Correlations(tau.diagonal(), rho.diagonal())


def mean_scores(user_scores: npt.ArrayLike) -> FloatArray:
    """(n,) float64 mean over (U, n) users' scores.

    They are taken as float32 and added as float64, which is exact for ratings: frames where users gave the same values
    in another order stay tied.
    """
    mean: FloatArray = np.asarray(user_scores, dtype=np.float32).mean(axis=0, dtype=np.float64)
    return mean


def _several(user_scores: npt.ArrayLike) -> FloatArray:
    scores = finite("user_scores", user_scores, 2)
    if len(scores) < 2:
        raise ValueError(f"agreement needs at least two users, got {len(scores)}")
    return scores
