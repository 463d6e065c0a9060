"""The objectives of pretraining as one module: what the model gives in, named terms and their weighted sum out.

Axis letters: B batch, T picks, L tokens, M masked frames, D feature width.
"""

from __future__ import annotations

from torch import Tensor, nn

from sspvs.losses.coarse import InfoNceLoss, SigmoidContrastiveLoss, matching_loss
from sspvs.losses.fine import HausdorffLoss
from sspvs.losses.late_interaction import LateInteractionLoss
from sspvs.losses.mask import masked_frame_loss
from sspvs.models.pretrain_model import PretrainModel, PretrainOutput
from sspvs.tasks.settings import LossSettings


class Objectives(nn.Module):
    """Coarse alignment, fine alignment and masked-frame recovery, those that are on.

    Args:
        settings: Which, and how they weigh.
    """

    def __init__(self, settings: LossSettings) -> None:
        super().__init__()
        self.settings = settings
        self.coarse: nn.Module | None = None
        if settings.coarse == "infonce":
            self.coarse = InfoNceLoss(settings.temperature)
        elif settings.coarse == "sigmoid":
            self.coarse = SigmoidContrastiveLoss()
        self.fine: nn.Module | None = None
        if settings.fine == "hausdorff":
            self.fine = HausdorffLoss(settings.margin, in_batch_negatives=settings.contrastive)
        elif settings.fine == "late-interaction":
            self.fine = LateInteractionLoss(settings.temperature)

    def forward(
        self,
        out: PretrainOutput,
        projected: tuple[Tensor, Tensor] | None,
        token_mask: Tensor,
        is_match: Tensor,
        original: Tensor,
        masked_counted: Tensor | None,
    ) -> dict[str, Tensor]:
        """The terms, each a scalar in float32.

        Args:
            out: What the model gave.
            projected: (B, C) videos and texts in the contrastive space; None without one.
            token_mask: (B, L) bool, True = a token.
            is_match: (B,) bool, whether the text is the video's own.
            original: (B, M, D) the features that were masked.
            masked_counted: (B, M) bool, which of them count; all when None.
        """
        terms: dict[str, Tensor] = {}
        if self.settings.coarse == "matching":
            terms["coarse_loss"] = matching_loss(out.matching_logits, is_match)
        elif self.coarse is not None:
            assert projected is not None
            terms["coarse_loss"] = self.coarse(*projected, is_match)
        if self.fine is not None:
            terms["fine_loss"] = self.fine(out.fine, out.words, out.fine_mask, token_mask, is_match)
        if self.settings.mask:
            terms["mask_loss"] = masked_frame_loss(out.recovered, original, masked_counted)
        return terms

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum."""
        weights = {
            "coarse_loss": self.settings.coarse_weight,
            "fine_loss": self.settings.fine_weight,
            "mask_loss": self.settings.mask_weight,
        }
        parts = [weights[name] * term for name, term in terms.items()]
        return sum(parts[1:], start=parts[0])


def contrastive_vectors(model: PretrainModel, text: Tensor, video: Tensor) -> tuple[Tensor, Tensor] | None:
    """(B, C) videos and texts in the contrastive space from pooled texts and videos; None without such a space."""
    if model.contrastive_video is None or model.contrastive_text is None:
        return None
    return model.contrastive_video(video), model.contrastive_text(text)
