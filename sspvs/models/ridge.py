"""Ridge regression in closed form: importance of frames from their features, the strength chosen on left-out videos.

Every strength is solved from one eigendecomposition, of the rows' products or of the columns', whichever are fewer.

Axis letters: N rows of all videos, D width, R targets that are fitted side by side.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sspvs.models.streams import normalise

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Weights of the penalty that are tried, for rows whose streams have a mean norm of 1."""


def ridge_steps(nonnegative: Sequence[bool]) -> str:
    """How streams are normalised for ridge regression, by whether each has no negative number: see `normalise`."""
    return ",".join(("sqrt+" if one else "") + "scale+context5+centre" for one in nonnegative)


def ridge_rows(features: Tensor, widths: Sequence[int], how: str) -> Tensor:
    """(T, D') float32 rows of one video's (T, D) joined features."""
    return normalise(features.float()[None], torch.ones(1, len(features), dtype=torch.bool), widths, how)[0]


class RidgePath:
    """Ridge regressions of videos' rows at every strength: |X w - y|^2 + strength |w|^2 at its least, no intercept.

    Args:
        videos: (T_i, D) rows of each video, centred.
    """

    def __init__(self, videos: Sequence[Tensor]) -> None:
        self._sizes = [len(video) for video in videos]
        self._rows = torch.cat(list(videos))  # (N, D)
        self._dual = self._rows.shape[1] > len(self._rows)
        values, self._axes = torch.linalg.eigh(self._rows @ self._rows.T if self._dual else self._rows.T @ self._rows)
        self._values = values.clamp(min=0.0)  # (K,), K the smaller of N and D; below 0 by rounding
        self._placed = self._axes * self._values.sqrt() if self._dual else self._rows @ self._axes  # (N, K) on the axes

    def weights(self, targets: Tensor, strength: float) -> Tensor:
        """(D, R) weights fitted to (N, R) targets."""
        shrunk = (1.0 / (self._values + strength))[:, None]
        placed = self._axes if self._dual else self._placed
        fitted: Tensor = self._axes @ (shrunk * (placed.T @ targets))
        return self._rows.T @ fitted if self._dual else fitted

    def left_out(self, targets: Tensor, strength: float) -> Tensor:
        """(N, R) what is predicted of each video when it is fitted without that video, exactly.

        With H the matrix that makes fitted values of targets, and H_v its block of a video, the residuals of the video
        left out are (1 - H_v)^-1 times those of the fit (the leave-one-out formula, of rows in groups).
        """
        shrunk = 1.0 / (self._values + strength)
        residuals = targets - self._placed @ (shrunk[:, None] * (self._placed.T @ targets))
        out = []
        for own, left in zip(*(torch.split(one, self._sizes) for one in (self._placed, residuals)), strict=True):
            out.append(torch.linalg.solve(torch.eye(len(own)) - (own * shrunk) @ own.T, left))
        return targets - torch.cat(out)
