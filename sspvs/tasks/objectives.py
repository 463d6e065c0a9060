"""The objectives of pretraining as one module: what the model gives in, named terms and their weighted sum out.

Axis letters: B batch, T picks, L tokens, M masked frames, D feature width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.data.batch import PretrainBatch
from sspvs.losses.pretraining import (
    HausdorffLoss,
    InfoNceLoss,
    LateInteractionLoss,
    SigmoidContrastiveLoss,
    late_interaction,
    masked_frame_loss,
    matching_loss,
    squared_hausdorff,
)
from sspvs.models.layers import masked_mean
from sspvs.models.pretrain_model import MatchingHead, PretrainModel, PretrainOutput
from sspvs.models.text_towers import TextEncoding
from sspvs.models.video_encoder import VideoEncoding
from sspvs.tasks.settings import LossSettings
from sspvs.tasks.validation import PairScores


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


def cosine_scores(video: Tensor, text: Tensor) -> Tensor:
    """(N, D) and (P, D) -> (N, P) cosines in float32."""
    return functional.normalize(video.float(), dim=-1) @ functional.normalize(text.float(), dim=-1).T


def matching_scores(head: MatchingHead, video: Tensor, text: Tensor, *, max_elements: int = 1 << 24) -> Tensor:
    """The matching head's logit for every pair.

    Its first layer is linear in [text ; video]: it is computed once for each text and once for each video and added.

    Args:
        head: In evaluation mode: its dropout is not applied.
        video: (N, V) pooled videos.
        text: (P, W) pooled texts.
        max_elements: Most hidden values held at a time.

    Returns:
        (N, P) logits in float32.
    """
    first = head.layers[0]
    assert isinstance(first, nn.Linear)
    of_text, of_video = first.weight[:, : text.shape[1]], first.weight[:, text.shape[1] :]
    texts = functional.linear(text, of_text, first.bias)  # (P, H)
    videos = functional.linear(video, of_video)  # (N, H)
    at_a_time = max(1, max_elements // (len(text) * first.out_features))
    rest = [layer for layer in list(head.layers)[1:] if not isinstance(layer, nn.Dropout)]
    rows = []
    for start in range(0, len(videos), at_a_time):
        hidden = videos[start : start + at_a_time, None] + texts  # (n, P, H)
        for layer in rest:
            hidden = layer(hidden)
        rows.append(hidden.squeeze(-1).float())
    return torch.cat(rows)


class CopiedNeighbours(NamedTuple):
    """Guesses of masked frames from the nearest frames that are not masked.

    Attributes:
        mean: (B, M, D) of the one before and the one after; of the only one at an end of the video.
        nearest: (B, M, D) the nearer of both; the one before when both are as near.
        known: (B, M) bool, whether there is any.
    """

    mean: Tensor
    nearest: Tensor
    known: Tensor


def copied_neighbours(frames: Tensor, frame_mask: Tensor, masked_index: Tensor) -> CopiedNeighbours:
    """Guess masked frames by copying.

    Args:
        frames: (B, T, D) features.
        frame_mask: (B, T) bool, True = a frame of the video.
        masked_index: (B, M) the masked frames: none of them is copied from.
    """
    length = frames.shape[1]
    hidden = torch.zeros_like(frame_mask).scatter(1, masked_index, value=True)
    places = torch.arange(length, device=frames.device).expand(frame_mask.shape)
    open_places = frame_mask & ~hidden
    before = places.masked_fill(~open_places, -1).cummax(dim=1).values.gather(1, masked_index)  # (B, M), -1: none
    after = places.masked_fill(~open_places, length).flip(1).cummin(dim=1).values.flip(1).gather(1, masked_index)
    has_before, has_after = before >= 0, after < length
    left, right = _at(frames, before.clamp(min=0)), _at(frames, after.clamp(max=length - 1))  # (B, M, D)
    weight = torch.where(has_before & has_after, 0.5, has_before.float())[..., None]
    nearer_left = has_before & (~has_after | (masked_index - before <= after - masked_index))
    return CopiedNeighbours(
        mean=weight * left + (1 - weight) * right,
        nearest=torch.where(nearer_left[..., None], left, right),
        known=has_before | has_after,
    )


def _at(frames: Tensor, index: Tensor) -> Tensor:
    return frames.gather(1, index[..., None].expand(-1, -1, frames.shape[-1]))


Evidence = tuple[Sequence[str], dict[str, Tensor]]


def embed(
    model: PretrainModel, losses: LossSettings, frames: Tensor, frame_mask: Tensor, tokens: Tensor, token_mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Videos and texts in the space that the objectives compare them in, in float32; nothing is masked.

    With a contrastive objective its space; with `matching` the pooled vectors (what the matching head is given);
    without a coarse objective the means of the frames' states and of the projected words.

    Returns:
        (B, D) and (B, W).
    """
    video = model.video_encoder(model.video_encoder.embed(frames), frame_mask)
    fine = model.fine_frames(frames, frame_mask, video)
    return _vectors(model, losses, video, fine, model.text_encoder(tokens, token_mask), token_mask)


def pair_scorer(model: PretrainModel, losses: LossSettings) -> PairScores | None:
    """How retrieval scores pairs of what `embed` gives; None where no objective looks at both."""
    if losses.coarse == "matching":
        device = next(model.parameters()).device

        def by_head(video: Tensor, text: Tensor) -> Tensor:
            with torch.no_grad(), torch.autocast(device.type, enabled=False):
                return matching_scores(model.matching_head, video.to(device), text.to(device))

        return by_head
    return cosine_scores if losses.contrastive or losses.fine != "none" else None


def evidence(
    model: PretrainModel, losses: LossSettings, batch: PretrainBatch, out: PretrainOutput
) -> Iterator[Evidence]:
    """Columns for `ValidationRecords`, with the videos they are about.

    Args:
        model: In evaluation mode.
        losses: Which objectives are on.
        batch: The batch.
        out: What the model gave for it.
    """
    if losses.coarse == "matching":
        yield batch.ids, {"correct": (out.matching_logits > 0) == batch.is_match}
    if losses.mask:
        yield batch.ids, _recovery(batch, out)
    if losses.coarse == "none" and losses.fine == "none":
        return
    own = batch.is_match
    tokens, token_mask = batch.tokens, batch.token_mask
    if batch.own_tokens is not None and batch.own_token_mask is not None:
        own, tokens, token_mask = torch.ones_like(own), batch.own_tokens, batch.own_token_mask
    if not own.any():
        return
    ids = [video for video, keep in zip(batch.ids, own.tolist(), strict=True) if keep]
    frames, frame_mask, tokens, token_mask = batch.frames[own], batch.frame_mask[own], tokens[own], token_mask[own]
    video = model.video_encoder(model.video_encoder.embed(frames), frame_mask)
    text = model.text_encoder(tokens, token_mask)
    fine = model.fine_frames(frames, frame_mask, video)
    columns = dict(zip(("video", "text"), _vectors(model, losses, video, fine, text, token_mask), strict=True))
    if losses.fine != "none":
        columns.update(_separation(losses, *fine, model.text_projection(text.states), token_mask))
    yield ids, columns


def _vectors(
    model: PretrainModel,
    losses: LossSettings,
    video: VideoEncoding,
    fine: tuple[Tensor, Tensor],
    text: TextEncoding,
    token_mask: Tensor,
) -> tuple[Tensor, Tensor]:
    projected = contrastive_vectors(model, text.pooled, video.pooled)
    if projected is not None:
        return projected[0].float(), projected[1].float()
    if losses.coarse == "matching":
        return video.pooled.float(), text.pooled.float()
    words = model.text_projection(text.states)
    frames, mask = fine
    if model.frame_projection is None:  # without [CLS]
        frames, mask = frames[:, 1:], mask[:, 1:]
    return masked_mean(frames.float(), mask), masked_mean(words.float(), token_mask)


def _recovery(batch: PretrainBatch, out: PretrainOutput) -> dict[str, Tensor]:
    """Sums over each video's masked frames: how many, and the squared errors of the model and of copying."""
    index = batch.masked_index
    original = batch.frames.gather(1, index[..., None].expand(-1, -1, batch.frames.shape[-1])).float()
    copied = copied_neighbours(batch.frames.float(), batch.frame_mask, index)
    counted = batch.masked_counted & copied.known  # (B, M)

    def total(guess: Tensor) -> Tensor:
        return ((guess.float() - original).square().mean(dim=-1) * counted).sum(dim=1)  # (B,)

    return {
        "masked_frames": counted.sum(dim=1),
        "masked_error": total(out.recovered),
        "neighbour_mean": total(copied.mean),
        "neighbour_nearest": total(copied.nearest),
    }


def _separation(
    losses: LossSettings, frames: Tensor, frame_mask: Tensor, words: Tensor, token_mask: Tensor
) -> dict[str, Tensor]:
    """The fine objective's measure of each video with its own text, and with the next one's in the batch."""
    if losses.fine == "hausdorff":
        name = "hausdorff"

        def measure(other: Tensor, mask: Tensor) -> Tensor:
            return squared_hausdorff(frames, other, frame_mask, mask).sqrt()

    else:
        name = "late_interaction"

        def measure(other: Tensor, mask: Tensor) -> Tensor:
            return late_interaction(frames, other, frame_mask, mask)

    columns = {f"{name}_matched": measure(words, token_mask)}
    if len(words) > 1:
        columns[f"{name}_mismatched"] = measure(words.roll(-1, dims=0), token_mask.roll(-1, dims=0))
    return columns
