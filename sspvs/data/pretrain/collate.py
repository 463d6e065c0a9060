"""Examples to a batch, padded to the longest.

Axis letters: B batch, T picks, L tokens, M masked frames, D feature width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sspvs.data.batch import PretrainBatch
from sspvs.data.padding import pad_frames, stack_tokens
from sspvs.data.pretrain.dataset import Example


def collate(examples: Sequence[Example] | Example) -> PretrainBatch:
    """A batch of examples of one width.

    Frames are padded with zeros to the longest video. Columns of tokens that are padding in every text are left out.
    Videos with fewer masked frames than others name one of theirs again, which does not count.
    """
    rows = [examples] if isinstance(examples, Example) else list(examples)
    frames, frame_mask = pad_frames([row.frames for row in rows])
    masked_index, masked_counted = _masked(rows)
    tokens, token_mask = stack_tokens([row.tokens for row in rows], [row.token_mask for row in rows])
    own: tuple[Tensor | None, Tensor | None] = (None, None)
    own_tokens = [row.own_tokens for row in rows if row.own_tokens is not None]
    own_masks = [row.own_token_mask for row in rows if row.own_token_mask is not None]
    if len(own_tokens) == len(own_masks) == len(rows):
        own = stack_tokens(own_tokens, own_masks)
    return PretrainBatch(
        frames=frames,
        frame_mask=frame_mask,
        tokens=tokens,
        token_mask=token_mask,
        masked_index=masked_index,
        masked_counted=masked_counted,
        is_match=torch.tensor([row.is_match for row in rows], dtype=torch.bool),
        ids=tuple(row.id for row in rows),
        own_tokens=own[0],
        own_token_mask=own[1],
    )


def _masked(rows: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """(B, M) and (B, M)."""
    most = max(len(row.masked_index) for row in rows)
    index = torch.zeros(len(rows), most, dtype=torch.int64)
    counted = torch.zeros(len(rows), most, dtype=torch.bool)
    for number, row in enumerate(rows):
        masked = torch.from_numpy(row.masked_index)
        if most and not len(masked):
            raise ValueError(f"{row.id}: no masked frame in a batch of videos that have some")
        if most:
            index[number] = masked[0]
        index[number, : len(masked)] = masked
        counted[number, : len(masked)] = True
    return index, counted
