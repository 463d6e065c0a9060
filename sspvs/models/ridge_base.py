"""The closed-form base of a summarizer: ridge regression of normalised streams, places and text fit, solved once.

Axis letters: B batch, T picks, D width, S streams, F columns, V videos.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from sspvs.models.ridge import RidgePath
from sspvs.models.streams import normalise, normalised_widths
from sspvs.schema import Range, Settings

_PLACE_WIDTHS = (0.025, 0.08)  # of the ends of a video, as shares of its length
_CUE_STEPS = "context5+context15+centre+standard"
_N_PLACES = 2 + 2 * len(_PLACE_WIDTHS)


@dataclass(frozen=True)
class RidgeSettings(Settings):
    """A linear layer that is solved in closed form before training; heads learn what is added to its logits."""

    group = "ridge"

    use: bool = False
    """Whether there is one."""
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


class RidgeBase(nn.Module):
    """Logits of ridge regression, zero before `solve`.

    Args:
        widths: Of the S streams.
        settings: How the streams are normalised, and what counts how much.
        reads_text: Whether fit to a text is a column.

    Raises:
        ValueError: There are not as many stream weights as streams.
    """

    weight: Tensor

    def __init__(self, widths: Sequence[int], settings: RidgeSettings, *, reads_text: bool = False) -> None:
        super().__init__()
        weights = settings.stream_weights or (1.0,) * len(widths)
        if len(weights) != len(widths):
            raise ValueError(f"ridge.stream_weights has {len(weights)} numbers, the features {len(widths)} streams")
        self.widths, self.how, self.reads_text = tuple(widths), settings.normalise, reads_text
        n_cues = (_N_PLACES + reads_text) * 4  # of two contexts, each of which doubles
        self.blocks = (*normalised_widths(widths, self.how), n_cues)
        self.shares = (*(one / (sum(weights) or 1.0) for one in weights), settings.cue_weight)
        self.register_buffer("weight", torch.zeros(sum(self.blocks)))

    @property
    def solved(self) -> bool:
        """Whether the weights are there."""
        return bool(self.weight.any())

    def rows(self, frames: Tensor, mask: Tensor, text_fit: Tensor | None = None) -> Tensor:
        """(B, T, F) columns of (B, T, D) whole videos under a (B, T) mask, and of their (B, T) fit to a text."""
        places = _places(mask)
        if self.reads_text:
            fit = mask.new_zeros(mask.shape, dtype=places.dtype) if text_fit is None else text_fit.to(places.dtype)
            places = torch.cat([places, fit[..., None]], dim=-1)
        cues = normalise(places, mask, (places.shape[-1],), _CUE_STEPS)
        return torch.cat([normalise(frames.float(), mask, self.widths, self.how), cues], dim=-1)

    def forward(self, frames: Tensor, mask: Tensor, text_fit: Tensor | None = None) -> Tensor:
        """(B, T) float32 logits of whole videos."""
        return self.rows(frames, mask, text_fit) @ self.weight

    def solve(self, videos: Sequence[Tensor]) -> tuple[RidgePath, Tensor]:
        """The regressions of V videos' (T, F) `rows` at every strength, and the (F,) scales of their columns."""
        scales = torch.cat([one.new_full((one.shape[1],), 0.0) for one in videos[:1]])
        n_rows, start = sum(map(len, videos)), 0
        for width, share in zip(self.blocks, self.shares, strict=True):
            columns = slice(start, start + width)
            size = sum(float(one[:, columns].square().sum()) for one in videos) / max(n_rows, 1)
            scales[columns] = (share / size) ** 0.5 if size > 0 else 0.0
            start += width
        return RidgePath([one * scales for one in videos]), scales


def _places(mask: Tensor) -> Tensor:
    """(B, T, 6) float32: how far into its video each frame is, the square of it, and how near to either end."""
    lengths = mask.sum(dim=1, keepdim=True).clamp(min=1)
    at = (torch.arange(mask.shape[1], device=mask.device) + 0.5) / lengths  # (B, T)
    near = [torch.exp(-end / width) for width in _PLACE_WIDTHS for end in (at, (1.0 - at).clamp(min=0.0))]
    return torch.stack([at, at.square(), *near], dim=-1).masked_fill(~mask[..., None], 0.0)
