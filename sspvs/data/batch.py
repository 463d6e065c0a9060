"""What a pretraining step is given.

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
