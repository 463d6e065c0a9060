"""Examples to a batch, padded to the longest.

Axis letters: B batch, T picks, L tokens, D feature width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sspvs.data.batch import SummarizeBatch
from sspvs.data.padding import pad_frames, stack_tokens
from sspvs.data.summarization.dataset import Example


def collate(examples: Sequence[Example] | Example) -> SummarizeBatch:
    """A batch of examples of one width.

    Frames and importance are padded with zeros to the longest video. Columns of tokens that are padding in every text
    are left out.
    """
    rows = [examples] if isinstance(examples, Example) else list(examples)
    frames, frame_mask = pad_frames([row.frames for row in rows])
    batch = SummarizeBatch(
        frames=frames,
        frame_mask=frame_mask,
        target=pad_frames([row.target for row in rows])[0],
        ids=tuple(row.id for row in rows),
    )
    tokens = [row.tokens for row in rows if row.tokens is not None]
    masks = [row.token_mask for row in rows if row.token_mask is not None]
    if not len(tokens) == len(masks) == len(rows):
        return batch
    stacked, mask = stack_tokens(tokens, masks)
    return batch._replace(
        tokens=stacked, token_mask=mask, has_text=torch.tensor([row.has_text for row in rows], dtype=torch.bool)
    )
