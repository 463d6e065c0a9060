"""Scores and summaries as callers hand them over, checked; a method's scores of a video on the dataset's two clocks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sspvs.selection.summary import hold_scores
from sspvs.types import Annotations, BoolArray, FloatArray, IntArray
from sspvs.types.video import LARGEST


def run_starts(rows: npt.NDArray[np.generic]) -> BoolArray:
    """(n,) True at each point of (R, n) rows where any row differs from the point before, and at the first."""
    starts = np.ones(rows.shape[1], dtype=np.bool_)
    starts[1:] = (rows[:, 1:] != rows[:, :-1]).any(axis=0)
    return starts


def finite(name: str, values: npt.ArrayLike, dimensions: int) -> FloatArray:
    """The values as an array of that many dimensions, with at least one value, none NaN, infinite or beyond float32."""
    array: FloatArray = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, got {array.dtype}")
    if array.ndim != dimensions or 0 in array.shape:
        raise ValueError(f"{name} must have {dimensions} dimensions and at least one value, got shape {array.shape}")
    if array.dtype.kind == "f" and not (np.abs(array) <= LARGEST).all():
        where = np.argwhere(~(np.abs(array) <= LARGEST))[0]
        found, place = array[tuple(where)], ", ".join(map(str, where))
        limit = f" and at most {LARGEST:.3g}" if np.isfinite(found) else ""
        raise ValueError(f"{name} must be finite{limit}, got {found} at [{place}]")
    return array


def as_binary(name: str, values: npt.ArrayLike) -> BoolArray:
    """Bool from bool, or from 0 and 1 of any type; other values are refused."""
    array = np.asarray(values)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be 0 and 1, got {array.dtype}")
    chosen: BoolArray = array == 1
    odd = array[~chosen & (array != 0)]
    if odd.size:
        raise ValueError(f"{name} must be 0 and 1, found {odd.flat[0]}; (x > 0) makes a summary of other numbers")
    return chosen


@dataclass(frozen=True)
class Prediction:
    """One method's scores of one video; make it with `Prediction.of`, which checks them.

    Attributes:
        at_picks: (T,) float64 scores at the dataset's picks.
        at_frames: (N,) float64 scores at every frame: held from the picks, or as given per frame.
        summary: (N,) bool, a binary summary that somebody recorded; None when it is to be made from the scores.
    """

    at_picks: FloatArray
    at_frames: FloatArray
    summary: BoolArray | None = None

    @classmethod
    def of(
        cls,
        scores: npt.ArrayLike,
        annotations: Annotations,
        *,
        picks: npt.ArrayLike | None = None,
        summary: npt.ArrayLike | None = None,
    ) -> "Prediction":
        """Scores on whatever clock they were given.

        Args:
            scores: (T,) one for each of the dataset's picks, (N,) one a frame, or (T',) with their own `picks`.
            annotations: The video.
            picks: (T',) frames of the scores, strictly increasing, when they are not the dataset's; a closing N is
                fine. Score i holds until the next pick.
            summary: (N,) a recorded binary summary: bool, or 0 and 1.

        Raises:
            ValueError: When there are neither T nor N scores, one is NaN or infinite, or picks or summary do not fit.
        """
        name, n_frames, own_picks = annotations.video_name, annotations.n_frames, annotations.picks
        try:
            given = finite("scores", scores, 1).astype(np.float64)
            recorded = None if summary is None else as_binary("summary", summary)
            if picks is not None:
                at_frames = hold_scores(given, _whole(picks), n_frames)
                at_picks = at_frames[own_picks]
            elif len(given) == len(own_picks):
                at_picks, at_frames = given, hold_scores(given, own_picks, n_frames)
            elif len(given) == n_frames:
                at_picks, at_frames = given[own_picks], given
            else:
                raise ValueError(
                    f"expected {len(own_picks)} scores (one a pick) or {n_frames} (one a frame), got {len(given)}; "
                    "scores at other frames need their picks"
                )
            if recorded is not None and recorded.shape != (n_frames,):
                raise ValueError(f"expected a summary of {n_frames} frames, got shape {recorded.shape}")
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        return cls(at_picks, at_frames, recorded)


def _whole(picks: npt.ArrayLike) -> IntArray:
    """Picks as integers; some files store them as floats."""
    given = finite("picks", picks, 1)
    whole = given.astype(np.int64)
    if (whole != given).any():
        raise ValueError("picks must be whole frame numbers")
    return whole
