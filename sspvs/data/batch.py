"""What a training step is given.

Axis letters: B batch, T picks, L tokens, M masked frames, D feature width.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class PretrainBatch(NamedTuple):
    """Videos with text, some with another video's text.

    Attributes:
        frames: (B, T, D) float32 features, zeros where there is no frame.
        frame_mask: (B, T) bool, True = a frame of the video.
        tokens: (B, L) int64 token ids of the text given to each video.
        token_mask: (B, L) bool, True = a token, False = padding.
        masked_index: (B, M) int64 frames to mask and recover.
        masked_counted: (B, M) bool, which of them count: short videos mask fewer.
        is_match: (B,) bool, whether the text is the video's own.
        ids: The videos.
        own_tokens: (B, L) the videos' own texts, where `tokens` may be another's and retrieval needs both; else None.
        own_token_mask: (B, L) likewise.
    """

    frames: Tensor
    frame_mask: Tensor
    tokens: Tensor
    token_mask: Tensor
    masked_index: Tensor
    masked_counted: Tensor
    is_match: Tensor
    ids: tuple[str, ...]
    own_tokens: Tensor | None = None
    own_token_mask: Tensor | None = None


class SummarizeBatch(NamedTuple):
    """Videos with people's importance, and with text where it guides.

    Attributes:
        frames: (B, T, D) float32 features, zeros where there is no frame.
        frame_mask: (B, T) bool, True = a frame of the video.
        target: (B, T) float32 importance, min-max normalised over the whole video to [0, 1]; zeros in the padding.
        ids: The videos, as `dataset/key`.
        tokens: (B, L) int64 token ids; None where no text is asked for.
        token_mask: (B, L) bool, True = a token, False = padding; None likewise.
        has_text: (B,) bool, whether anything is written about the video; None likewise.
    """

    frames: Tensor
    frame_mask: Tensor
    target: Tensor
    ids: tuple[str, ...]
    tokens: Tensor | None = None
    token_mask: Tensor | None = None
    has_text: Tensor | None = None


class RefineBatch(NamedTuple):
    """Clips of videos, or whole videos, without anything that people said of them.

    Attributes:
        frames: (B, T, D) float32 raw features, zeros where there is no frame.
        frame_mask: (B, T) bool, True = a frame of the video.
        ids: The videos; annotated ones as `dataset/key`.
    """

    frames: Tensor
    frame_mask: Tensor
    ids: tuple[str, ...]
