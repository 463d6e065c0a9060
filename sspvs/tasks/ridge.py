"""Ridge regression fitted to videos: left-out ones of them decide, by their users, how strong the penalty must be.

Axis letters: F columns, N rows of all videos, R targets that are fitted beside, T rows of one video, U users.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sspvs.evaluation.rank_correlation import RankReference, mean_of_defined
from sspvs.models.ridge import STRENGTHS, Ridge, RidgePath
from sspvs.types import FloatArray


class RidgeVideo(NamedTuple):
    """What ridge regression takes of a video, and what its strength is chosen by."""

    rows: Tensor  # (T, F) float32
    target: Tensor  # (T,) float32 importance, standardised over the video
    reference: RankReference  # users' scores at the picks, or the importance where single ones are not there

    @classmethod
    def of(cls, rows: Tensor, importance: npt.ArrayLike, users: FloatArray | None) -> "RidgeVideo":
        """A video of (T, F) `Ridge.rows`, with its (T,) importance and the (U, T) scores of its users, if known."""
        given = np.asarray(importance, np.float64)
        away = given - given.mean()
        target = torch.from_numpy(away / (away.std() or 1.0)).float()
        return cls(rows.float(), target, RankReference(given[None] if users is None else users))


def fit_ridge(ridge: Ridge, videos: Sequence[RidgeVideo], beside: Tensor | None = None) -> tuple[Tensor, float]:
    """Weights fitted to the videos' importance, at the strength that predicts left-out videos best.

    Args:
        ridge: What the rows were made by; its own weight stays as it is.
        videos: The training videos, two or more.
        beside: (N, R) other targets that are fitted at the same strength.

    Returns:
        (F, 1 + R) weights of `ridge`, and the one of `STRENGTHS` that they were fitted with.
    """
    path, scales = ridge.path([video.rows for video in videos])
    strength = _best_strength(path, videos)
    targets = torch.cat([video.target for video in videos])[:, None]
    targets = targets if beside is None else torch.cat([targets, beside], dim=1)
    return scales[:, None] * path.weights(targets, strength), strength


def _best_strength(path: RidgePath, videos: Sequence[RidgeVideo]) -> float:
    """The one under which videos that are left out one at a time agree most with their users, by tau."""
    targets, sizes = torch.cat([video.target for video in videos])[:, None], [len(video.target) for video in videos]
    left_out = torch.cat([path.left_out(targets, strength) for strength in STRENGTHS], dim=1)  # (N, strengths)
    tau = np.zeros((len(videos), len(STRENGTHS)))
    for row, video, own in zip(tau, videos, torch.split(left_out, sizes), strict=True):
        each = video.reference.correlate(own.T.double().numpy()).kendall_tau  # (strengths, U)
        row[:] = np.nan_to_num([mean_of_defined(one) for one in each])
    return STRENGTHS[int(tau.mean(axis=0).argmax())]
