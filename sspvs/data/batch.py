"""The batches of the three tasks, and how videos of different lengths are padded into one.

Axis letters: B batch, T picks, L tokens, M masked frames, D feature width.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sspvs.types import FloatArray, IntArray

Text: TypeAlias = tuple[IntArray, npt.NDArray[np.bool_]]
"""(L,) int64 token ids of a video's text, and (L,) bool, True = a token."""


class PretrainBatch(NamedTuple):
    """Videos with text, some with another video's text."""

    frames: Tensor  # (B, T, D) float32 features, zeros where there is no frame
    frame_mask: Tensor  # (B, T) bool, True = a frame of the video
    tokens: Tensor  # (B, L) int64 token ids of each video's text, its own or another's
    token_mask: Tensor  # (B, L) bool, True = a token, False = padding
    masked_index: Tensor  # (B, M) int64 frames to mask and recover
    masked_counted: Tensor  # (B, M) bool, which of them count: short videos mask fewer
    is_match: Tensor  # (B,) bool, whether the text is the video's own
    ids: tuple[str, ...]  # the videos
    # (B, L) the videos' own texts, where `tokens` may be another's and retrieval needs both; else None
    own_tokens: Tensor | None = None
    own_token_mask: Tensor | None = None  # (B, L) likewise
    text_group: Tensor | None = None  # (B,) int64, the same number for texts that are the same


class SummarizeBatch(NamedTuple):
    """Videos with annotated importance, and with text where it guides."""

    frames: Tensor  # (B, T, D) float32 features, zeros where there is no frame
    frame_mask: Tensor  # (B, T) bool, True = a frame of the video
    target: Tensor  # (B, T) float32 importance, in [0, 1] unless it is raw (`data.targets`); zeros in the padding
    ids: tuple[str, ...]  # the videos, as `dataset/key`
    tokens: Tensor | None = None  # (B, L) int64 token ids; None without text
    token_mask: Tensor | None = None  # (B, L) bool, True = a token, False = padding; None likewise
    has_text: Tensor | None = None  # (B,) bool, whether anything is written about the video; None likewise


class RefineBatch(NamedTuple):
    """Clips of videos, or whole videos, without annotations."""

    frames: Tensor  # (B, T, D) float32 raw features, zeros where there is no frame
    frame_mask: Tensor  # (B, T) bool, True = a frame of the video
    ids: tuple[str, ...]  # the videos; annotated ones as `dataset/key`


def pad_rows(rows: Sequence[FloatArray | IntArray], dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """(B, T, ...) rows of B videos, zeros at the end, such as features; and (B, T) bool, True = the video's own."""
    longest = max(len(row) for row in rows)
    padded = torch.zeros(len(rows), longest, *rows[0].shape[1:], dtype=dtype)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    filled = padded.numpy()  # the same memory; rows may be read-only, which torch would warn of
    for number, row in enumerate(rows):
        filled[number, : len(row)] = row
        mask[number, : len(row)] = True
    return padded, mask


def filled_up(rows: FloatArray, length: int) -> FloatArray:
    """(length, ...) rows, zeros after those of a shorter video."""
    if len(rows) == length:
        return rows
    return np.concatenate([rows, np.zeros((length - len(rows), *rows.shape[1:]), rows.dtype)])


def stack_tokens(texts: Sequence[Text]) -> tuple[Tensor, Tensor]:
    """(B, L) ids and (B, L) mask of texts of equal length, without the columns that are padding in every one's end."""
    stacked, mask = (np.stack(parts) for parts in zip(*texts, strict=True))
    length = int(mask.any(axis=0).nonzero()[0].max()) + 1
    return torch.from_numpy(stacked[:, :length].copy()), torch.from_numpy(mask[:, :length].copy())
