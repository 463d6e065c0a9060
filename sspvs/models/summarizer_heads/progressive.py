"""The progressive head: stages that each look at the video again, with what mattered so far made stronger.

Axis letters: B batch, T picks, D width, K stages.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sspvs.models.summarizer_heads.base import Encode, SummarizerHead
from sspvs.models.text_guidance import Guide


class ProgressiveHead(SummarizerHead):
    """K stages that share the video tower, each with a linear layer of its own (Li et al., WACV 2023, section 3.4).

    From the embedded frames x_1, stage by stage:

        h_i = Enc(x_i) + x_i;   s_i = sigmoid(Linear_i(Dropout(h_i)));   x_(i + 1) = x_i s_i + x_i

    and a frame's score is the product of its s_i.
    """

    uses_encoder = True

    def forward(self, encode: Encode, frames: Tensor, frame_mask: Tensor, guide: Guide) -> Tensor:
        """See `SummarizerHead.forward`."""
        logits: list[Tensor] = []
        for stage in range(len(self.stages)):
            if stage:
                gain = torch.sigmoid(logits[-1])[..., None].to(frames.dtype)  # (B, T, 1)
                frames = torch.addcmul(frames, frames, gain)  # (B, T, D)
            encoded = encode(frames, frame_mask)  # (B, T, D)
            if not stage:
                guide.look(encoded, frame_mask)
            logits.append(self.stage_logits(stage, encoded + frames, guide))
        return torch.stack(logits, dim=1)  # (B, K, T)
