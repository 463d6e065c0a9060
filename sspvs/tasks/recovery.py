"""What masked-frame recovery must beat: the frames beside the masked ones, copied.

Axis letters: B batch, T picks, M masked frames, D feature width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class CopiedNeighbours(NamedTuple):
    """Guesses of masked frames from the nearest frames that are not masked.

    Attributes:
        mean: (B, M, D) of the one before and the one after; of the only one at an end of the video.
        nearest: (B, M, D) the nearer of both; the one before when both are as near.
        known: (B, M) bool, whether there is any.
    """

    mean: Tensor
    nearest: Tensor
    known: Tensor


def copied_neighbours(frames: Tensor, frame_mask: Tensor, masked_index: Tensor) -> CopiedNeighbours:
    """Guess masked frames by copying.

    Args:
        frames: (B, T, D) features.
        frame_mask: (B, T) bool, True = a frame of the video.
        masked_index: (B, M) the masked frames: none of them is copied from.
    """
    length = frames.shape[1]
    hidden = torch.zeros_like(frame_mask).scatter(1, masked_index, value=True)
    places = torch.arange(length, device=frames.device).expand(frame_mask.shape)
    open_places = frame_mask & ~hidden
    before = places.masked_fill(~open_places, -1).cummax(dim=1).values.gather(1, masked_index)  # (B, M), -1: none
    after = places.masked_fill(~open_places, length).flip(1).cummin(dim=1).values.flip(1).gather(1, masked_index)
    has_before, has_after = before >= 0, after < length
    left, right = _at(frames, before.clamp(min=0)), _at(frames, after.clamp(max=length - 1))  # (B, M, D)
    weight = torch.where(has_before & has_after, 0.5, has_before.float())[..., None]
    nearer_left = has_before & (~has_after | (masked_index - before <= after - masked_index))
    return CopiedNeighbours(
        mean=weight * left + (1 - weight) * right,
        nearest=torch.where(nearer_left[..., None], left, right),
        known=has_before | has_after,
    )


def _at(frames: Tensor, index: Tensor) -> Tensor:
    return frames.gather(1, index[..., None].expand(-1, -1, frames.shape[-1]))
