"""The refiner: frame features in, features that contrastive importance is computed from out.

Axis letters: B batch, T picks, D width of the features given, E width of the refined ones.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.models.layers import TransformerLayer, all_valid
from sspvs.models.settings import RefinerSettings

_EPSILON = 1e-6  # of the layer norms, as published


class RefinerOutput(NamedTuple):
    """What the refiner gives.

    Attributes:
        features: (B, T, E) float32 refined features, not normalised; zeros in the padding.
        uniqueness_logits: (B, T) float32 of the uniqueness head, zeros in the padding; None without the head. What
            they are trained on does not reach the refined features.
    """

    features: Tensor
    uniqueness_logits: Tensor | None


class Refiner(nn.Module):
    """A linear layer and post-norm Transformer layers without positions, and a head for how unique a frame is.

    Pang et al., Contrastive Losses Are Natural Criteria for Unsupervised Video Summarization, WACV 2023; Journal of
    Imaging 2024. Frames are a set to it: in another order the same frames get the same features. Videos of any length
    are refined in one piece; memory grows with T, not with its square, for the attention is torch's fused kernel.

    Args:
        settings: Its sizes.
        unit_length: L2-normalise the rows given first: it was trained on such rows.
        scored_as_given: Not in evaluation mode, where rows are taken at the length they have.

    Attributes:
        uniqueness_head: None when the settings have none.
        unit_length: As given, like `scored_as_given`.
    """

    def __init__(
        self, settings: RefinerSettings | None = None, *, unit_length: bool = False, scored_as_given: bool = False
    ) -> None:
        settings = RefinerSettings() if settings is None else settings
        super().__init__()
        self.settings, self.unit_length, self.scored_as_given = settings, unit_length, scored_as_given
        self.input_projection = nn.Linear(settings.feature_dim, settings.embed_dim)
        self.input_norm = _Float32Norm(settings.embed_dim, eps=_EPSILON)
        self.layers = nn.ModuleList(RefinerLayer(settings) for _ in range(settings.num_layers))
        self.uniqueness_head = UniquenessHead(settings) if settings.uniqueness else None

    def forward(self, frames: Tensor, mask: Tensor) -> RefinerOutput:
        """Refine videos or clips of them.

        Args:
            frames: (B, T, D) features as they come from the backbone.
            mask: (B, T) bool, True = a frame of the video.
        """
        if all_valid(mask):
            return self._refine(frames, mask)
        padding = ~mask[..., None]  # (B, T, 1)
        attended = mask | ~mask.any(dim=1, keepdim=True)  # nothing to attend to would give NaN
        features, logits = self._refine(frames.masked_fill(padding, 0.0), attended)
        return RefinerOutput(
            features.masked_fill(padding, 0.0), None if logits is None else logits.masked_fill(~mask, 0.0)
        )

    @property
    def normalises(self) -> bool:
        """Whether rows are L2-normalised first, in the mode that it is in."""
        return self.unit_length and (self.training or not self.scored_as_given)

    def _refine(self, frames: Tensor, mask: Tensor) -> RefinerOutput:
        """As `forward`; whatever comes of it in the padding."""
        if self.normalises:
            frames = functional.normalize(frames.float(), dim=-1).to(frames.dtype)
        states = self.input_norm(self.input_projection(frames))  # (B, T, E)
        for layer in self.layers:
            states = layer(states, mask)
        logits = None if self.uniqueness_head is None else self.uniqueness_head(states.detach(), mask)
        return RefinerOutput(states.float(), logits)


class RefinerLayer(TransformerLayer):
    """A post-norm Transformer layer whose attention has no biases and a width of its own.

    Norms are float32, and so are sums unless the weights are not, also where the products are of lower precision.
    """

    def __init__(self, settings: RefinerSettings) -> None:
        super().__init__(
            settings.embed_dim,
            settings.num_heads,
            settings.feedforward_dim,
            settings.dropout,
            attention_dropout=settings.attention_dropout,
            norm=partial(_Float32Norm, eps=_EPSILON),
            head_dim=settings.head_dim,
            bias=False,
        )


class UniquenessHead(nn.Module):
    """How unlike the frames of all videos a frame is: one more layer, then a linear layer, ReLU, a linear layer."""

    def __init__(self, settings: RefinerSettings) -> None:
        super().__init__()
        self.layer = RefinerLayer(settings)
        self.hidden = nn.Linear(settings.embed_dim, settings.uniqueness_dim)
        self.out = nn.Linear(settings.uniqueness_dim, 1)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, T, E) refined features under a (B, T) mask -> (B, T) float32 logits."""
        hidden = functional.relu(self.hidden(self.layer(states, mask)))
        logits: Tensor = self.out(hidden)[..., 0].float()
        return logits


class _Float32Norm(nn.LayerNorm):
    """A layer norm that computes in float32, also under autocast on a CPU, where torch's does not.

    It answers in the precision of its weights: float32, unless the whole network is in a lower one (bf16-true).
    """

    def forward(self, states: Tensor) -> Tensor:
        weight, bias = self.weight.float(), self.bias.float()
        with torch.autocast(states.device.type, enabled=False):
            normed = functional.layer_norm(states.float(), self.normalized_shape, weight, bias, self.eps)
        return normed.to(self.weight.dtype)
