"""What one validation batch tells about its videos, and what retrieval compares.

Axis letters: B batch, T picks, L tokens, M masked frames, D feature width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from sspvs.data.batch import PretrainBatch
from sspvs.losses.fine import late_interaction, squared_hausdorff
from sspvs.models.layers import masked_mean
from sspvs.models.pretrain_model import PretrainModel, PretrainOutput
from sspvs.models.text_encoder import TextEncoding
from sspvs.models.video_encoder import VideoEncoding
from sspvs.tasks.objectives import contrastive_vectors
from sspvs.tasks.pair_scores import cosine_scores, matching_scores
from sspvs.tasks.recovery import copied_neighbours
from sspvs.tasks.settings import LossSettings
from sspvs.tasks.validation import PairScores

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
