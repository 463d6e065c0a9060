"""Rows of different lengths to one array, padded to the longest.

Axis letters: B batch, T picks, L tokens, D feature width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sspvs.types import FloatArray, IntArray


def pad_frames(rows: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
    """(B, T, D) features or (B, T) figures of B videos, zeros at the end; and (B, T) bool, True = the video's own."""
    longest = max(len(row) for row in rows)
    frames = torch.zeros(len(rows), longest, *rows[0].shape[1:])
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    filled = frames.numpy()  # the same memory; rows may be read-only, which torch would warn of
    for number, row in enumerate(rows):
        filled[number, : len(row)] = row
        mask[number, : len(row)] = True
    return frames, mask


def stack_tokens(tokens: Sequence[IntArray], masks: Sequence[npt.NDArray[np.bool_]]) -> tuple[Tensor, Tensor]:
    """(B, L) ids and (B, L) mask of texts of equal length, without the columns that are padding in every one's end."""
    stacked, mask = np.stack(tokens), np.stack(masks)
    length = int(mask.any(axis=0).nonzero()[0].max()) + 1
    return torch.from_numpy(stacked[:, :length].copy()), torch.from_numpy(mask[:, :length].copy())
