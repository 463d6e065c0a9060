"""Ridge regression in closed form: importance of frames from normalised streams, places in the video and text fit.

Every strength is solved from one eigendecomposition, of the rows' products or of the columns', whichever are fewer.

Axis letters: B batch, T picks, D width, S streams, F columns, V videos, N rows of all videos, R targets that are fitted
side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from sspvs.models.streams import normalise, normalised_widths
from sspvs.schema import Range, Settings

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""Weights of the penalty that are tried, for rows whose streams together have a mean square of 1."""

_PLACE_WIDTHS = (0.025, 0.08)  # of the ends of a video, as shares of its length
_CUE_STEPS = "context5+context15+centre+standard"
_N_PLACES = 2 + 2 * len(_PLACE_WIDTHS)


@dataclass(frozen=True)
class RidgeSettings(Settings):
    """Ridge regression beside the head: solved in closed form before training, and a part of the scores."""

    group = "ridge"

    share: Annotated[float, Range(least=0, most=1)] = 0.0
    """How much of a score it is; the rest is the head's, which is trained alone. Both are standardised over the video.
    0: there is no ridge regression."""
    normalise: str = "sqrt+scale+context5+centre"
    """How it sees the streams of features; see `video.normalise`."""
    stream_weights: tuple[Annotated[float, Range(least=0)], ...] | None = None
    """How much each stream counts; null: all alike."""
    cue_weight: Annotated[float, Range(least=0)] = 0.08
    """How much place in the video and fit to the text count, beside 1 for all streams together."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stream_weights is not None:
            object.__setattr__(self, "stream_weights", tuple(self.stream_weights))  # JSON and YAML have lists only


def frames_only(nonnegative: Sequence[bool]) -> RidgeSettings:
    """The baseline, of the streams alone, all alike; square roots where a stream has no negative numbers."""
    steps = ",".join(("sqrt+" if one else "") + "scale+context5+centre" for one in nonnegative)
    return RidgeSettings(share=1.0, normalise=steps, cue_weight=0.0)


class Ridge(nn.Module):
    """Predictions of ridge regression; zero before they are solved.

    Args:
        widths: Of the S streams.
        settings: How the streams are normalised, and what counts how much.
        reads_text: Whether fit to a text is a column.

    Attributes:
        weight: (F,) of the columns of `rows`.

    Raises:
        ValueError: There are not as many stream weights as streams.
    """

    weight: Tensor

    def __init__(self, widths: Sequence[int], settings: RidgeSettings, *, reads_text: bool = False) -> None:
        super().__init__()
        weights = settings.stream_weights or (1.0,) * len(widths)
        if len(weights) != len(widths):
            raise ValueError(f"ridge.stream_weights has {len(weights)} numbers, the features {len(widths)} streams")
        self.widths, self.how = tuple(widths), settings.normalise
        self.has_cues = settings.cue_weight > 0
        self.reads_text = reads_text and self.has_cues
        self.blocks, self.shares = (
            list(normalised_widths(widths, self.how)),
            [one / (sum(weights) or 1.0) for one in weights],
        )
        if self.has_cues:
            self.blocks.append((_N_PLACES + reads_text) * 4)  # of two contexts, each of which doubles
            self.shares.append(settings.cue_weight)
        self.register_buffer("weight", torch.zeros(sum(self.blocks)))

    @property
    def solved(self) -> bool:
        """Whether the weights are there."""
        return bool(self.weight.any())

    def rows(self, frames: Tensor, mask: Tensor, text_fit: Tensor | None = None) -> Tensor:
        """(B, T, F) columns of (B, T, D) whole videos under a (B, T) mask, and of their (B, T) fit to a text."""
        streams = normalise(frames.float(), mask, self.widths, self.how)
        if not self.has_cues:
            return streams
        places = _places(mask)
        if self.reads_text:
            fit = mask.new_zeros(mask.shape, dtype=places.dtype) if text_fit is None else text_fit.to(places.dtype)
            places = torch.cat([places, fit[..., None]], dim=-1)
        return torch.cat([streams, normalise(places, mask, (places.shape[-1],), _CUE_STEPS)], dim=-1)

    def forward(self, frames: Tensor, mask: Tensor, text_fit: Tensor | None = None) -> Tensor:
        """(B, T) float32 predictions for whole videos."""
        return self.rows(frames, mask, text_fit) @ self.weight

    def path(self, videos: Sequence[Tensor]) -> tuple["RidgePath", Tensor]:
        """The regressions of V videos' (T, F) `rows` at every strength, and the (F,) scales of their columns.

        Scales make the mean square of a row's columns of a stream its share.
        """
        squares = torch.stack([one.square().sum(dim=0) for one in videos]).sum(dim=0)  # (F,)
        sizes = [float(part.sum()) / sum(map(len, videos)) for part in torch.split(squares, self.blocks)]
        each = [(share / size) ** 0.5 if size > 0 else 0.0 for share, size in zip(self.shares, sizes, strict=True)]
        scales = torch.tensor(each).repeat_interleave(torch.tensor(self.blocks))
        return RidgePath([one * scales for one in videos]), scales


def _places(mask: Tensor) -> Tensor:
    """(B, T, 6) float32: how far into its video each frame is, the square of it, and how near to either end."""
    lengths = mask.sum(dim=1, keepdim=True).clamp(min=1)
    at = (torch.arange(mask.shape[1], device=mask.device) + 0.5) / lengths  # (B, T)
    near = [torch.exp(-end / width) for width in _PLACE_WIDTHS for end in (at, (1.0 - at).clamp(min=0.0))]
    return torch.stack([at, at.square(), *near], dim=-1).masked_fill(~mask[..., None], 0.0)


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
