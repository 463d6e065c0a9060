"""What every head of the summarizer is: embedded frames in, a logit per frame and stage out.

Axis letters: B batch, T picks, D width, K stages.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from sspvs.models.text_guidance import Guide, in_float32

Encode = Callable[[Tensor, Tensor], Tensor]
"""The video tower as heads see it: (B, T, D) frames and their (B, T) mask -> (B, T, D) states."""


class SummarizerHead(nn.Module):
    """The interface.

    Attributes:
        uses_encoder: Whether the head calls `encode`; if not, the tower's Transformer is left aside.
        stages: K linear layers, one logit a frame each.

    Args:
        embed_dim: D.
        num_stages: K.
        dropout: In front of each stage's linear layer.
    """

    uses_encoder = False

    def __init__(self, embed_dim: int, num_stages: int = 1, dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.stages = nn.ModuleList(nn.Linear(embed_dim, 1) for _ in range(num_stages))

    def forward(self, encode: Encode, frames: Tensor, frame_mask: Tensor, guide: Guide) -> Tensor:
        """Score frames.

        Args:
            encode: The video tower, shared by the stages.
            frames: (B, T, D) embedded features.
            frame_mask: (B, T) bool, True = a frame of the video.
            guide: The text of these videos.

        Returns:
            (B, K, T) float32 logits; what stands in the padding is finite and means nothing.
        """
        raise NotImplementedError

    def stage_logits(self, stage: int, states: Tensor, guide: Guide) -> Tensor:
        """(B, T) float32 logits of a stage from the (B, T, D) states it judges by, guided."""
        states = self.dropout(guide.states(stage, states))
        layer = self.stages[stage]
        assert isinstance(layer, nn.Linear)
        with in_float32(states):  # bfloat16 would make ties
            logits: Tensor = layer(states.to(layer.weight.dtype)).squeeze(-1)
        return guide.logits(stage, logits.float())


class SingleStageHead(SummarizerHead):
    """A head with one stage and without the video tower's Transformer: it says what the frames' states are."""

    def forward(self, encode: Encode, frames: Tensor, frame_mask: Tensor, guide: Guide) -> Tensor:
        """See `SummarizerHead.forward`. Encodes only for a guide that asks for it."""
        if guide.looks:
            guide.look(encode(frames, frame_mask), frame_mask)
        return self.stage_logits(0, self.frame_states(frames, frame_mask), guide)[:, None]

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(B, T, D) embedded features under a (B, T) mask -> (B, T, D) what the linear layer scores."""
        raise NotImplementedError
