"""The objectives of pretraining: coarse alignment of videos and texts, fine alignment of frames and words, recovery.

Axis letters: B batch of this process, W processes, X video states, L tokens, M masked frames, D width, P all texts, C
texts at a time.
"""

import math

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from sspvs.losses.blocks import in_blocks
from sspvs.losses.gather import gather_rows, gather_texts, global_mean, next_texts, own_rows, processes

_FAR = 8.0  # beyond any squared distance of unit vectors (at most 4)
_LOWEST = -2.0  # below any cosine


def matching_loss(logits: Tensor, is_match: Tensor) -> Tensor:
    """Binary cross-entropy of matching, as published (Li et al., WACV 2023).

    Args:
        logits: (B,) of the matching head.
        is_match: (B,) bool, whether the text belongs to the video.

    Returns:
        Scalar, in float32.
    """
    return functional.binary_cross_entropy_with_logits(logits.float(), is_match.float())


class _Tempered(nn.Module):
    """Has a learned 1 / temperature, on a logarithmic scale and bounded."""

    def __init__(self, temperature: float = 0.07, largest_scale: float = 100.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))
        self.largest_log_scale = math.log(largest_scale)

    @property
    def scale(self) -> Tensor:
        """Factor of the cosines, in float32."""
        return self.log_scale.float().clamp(max=self.largest_log_scale).exp()


class InfoNceLoss(_Tempered):
    """Each video among all texts of the global batch, and each text among all videos (Radford et al., ICML 2021).

    Args:
        temperature: Of the softmax at the start; it is learned, as 1 / temperature on a logarithmic scale.
        largest_scale: 1 / temperature never gets larger.
    """

    def forward(
        self, video: Tensor, text: Tensor, is_match: Tensor | None = None, group: Tensor | None = None
    ) -> Tensor:
        """Contrast the rows.

        Args:
            video: (B, D), normalised here.
            text: (B, D) of the same rows, normalised here.
            is_match: (B,) bool, whether the text is the video's own; always when None. Others are only contrasted with.
            group: (B,) int64, the same number for texts that are the same, which are then not contrasted with; each
                is another text when None.

        Returns:
            Scalar mean over the matching rows and both directions, in float32.
        """
        with torch.autocast(video.device.type, enabled=False):
            video, text = functional.normalize(video.float(), dim=-1), functional.normalize(text.float(), dim=-1)
            scale = self.scale
            to_text = scale * video @ gather_rows(text).T  # (B, W B) logits
            to_video = scale * text @ gather_rows(video).T
            return softmax_both_ways(to_text, to_video, is_match, group)


class SigmoidContrastiveLoss(nn.Module):
    """Every pair of the global batch judged by itself (SigLIP; Zhai et al., ICCV 2023).

    Args:
        scale: Of the cosines at the start; learned on a logarithmic scale.
        bias: Added to the logits at the start, so that few pairs count as matches; learned.
    """

    def __init__(self, scale: float = 10.0, bias: float = -10.0) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(
        self, video: Tensor, text: Tensor, is_match: Tensor | None = None, group: Tensor | None = None
    ) -> Tensor:
        """As in `InfoNceLoss.forward`; a scalar, sum over the texts, mean over the videos."""
        with torch.autocast(video.device.type, enabled=False):
            video, text = functional.normalize(video.float(), dim=-1), functional.normalize(text.float(), dim=-1)
            logits = self.log_scale.float().exp() * video @ gather_rows(text).T + self.bias.float()  # (B, W B)
            own = own_rows(len(video), video.device)
            matches = torch.ones_like(own, dtype=torch.bool) if is_match is None else is_match
            signs = torch.full_like(logits, -1.0)
            signs[torch.arange(len(own), device=own.device), own] = torch.where(matches, 1.0, -1.0)
            judged = functional.logsigmoid(signs * logits)
            if group is not None:
                judged = judged.masked_fill(_same_texts(group), 0.0)
            return -judged.sum(dim=1).mean()


def _same_texts(group: Tensor) -> Tensor:
    """(B, W B) bool, which texts of other rows are the same as a row's."""
    same = group[:, None] == gather_rows(group)
    own = own_rows(len(group), group.device)
    same[torch.arange(len(own), device=own.device), own] = False
    return same


def softmax_both_ways(
    to_text: Tensor, to_video: Tensor, is_match: Tensor | None, group: Tensor | None = None
) -> Tensor:
    """Cross-entropy of this process' rows among those of all processes, mean over both directions.

    `to_text` and `to_video` are (B, W B) logits. Rows that are no match are not counted, nor
    others of the same `group`.
    """
    own = own_rows(len(to_text), to_text.device)
    if group is not None:
        same = _same_texts(group)
        to_text, to_video = to_text.masked_fill(same, -torch.inf), to_video.masked_fill(same, -torch.inf)
    each = functional.cross_entropy(to_text, own, reduction="none")
    each = (each + functional.cross_entropy(to_video, own, reduction="none")) / 2  # (B,)
    if is_match is None:
        return each.mean()
    weights = is_match.float()
    return global_mean((each * weights).sum(), weights.sum())


def squared_distances(video: Tensor, text: Tensor) -> Tensor:
    """(B, X, L) squared distances of unit vectors, |x - y|^2 = 2 - 2 cos, from one batched matrix product.

    No (X, L, D) temporaries; float32 whatever the precision of the inputs.
    """
    with torch.autocast(video.device.type, enabled=False):
        x = functional.normalize(video.float(), dim=-1)
        y = functional.normalize(text.float(), dim=-1)
        return (2.0 - 2.0 * x @ y.transpose(1, 2)).clamp(min=0.0)


def squared_hausdorff(video: Tensor, text: Tensor, video_mask: Tensor, text_mask: Tensor) -> Tensor:
    """The squared Hausdorff distance of two sets of unit vectors, pair by pair.

    `max( max_x min_y |x - y|^2 , max_y min_x |x - y|^2 )` over the valid positions (Li et al., WACV 2023).

    Args:
        video: (B, X, D), normalised here.
        text: (B, L, D), normalised here.
        video_mask: (B, X) bool, True = valid.
        text_mask: (B, L) bool, True = valid; each row has a valid one.

    Returns:
        (B,) float32 in [0, 4].
    """
    squared = squared_distances(video, text)  # (B, X, L)
    nearest_word = squared.masked_fill(~text_mask[:, None, :], _FAR).amin(dim=2)  # (B, X)
    nearest_frame = squared.masked_fill(~video_mask[:, :, None], _FAR).amin(dim=1)  # (B, L)
    farthest_frame = nearest_word.masked_fill(~video_mask, 0.0).amax(dim=1)
    farthest_word = nearest_frame.masked_fill(~text_mask, 0.0).amax(dim=1)
    return torch.maximum(farthest_frame, farthest_word)


def hausdorff_contrastive_loss(
    video: Tensor, text: Tensor, video_mask: Tensor, text_mask: Tensor, is_match: Tensor, *, margin: float = 1.414
) -> Tensor:
    """Pulls matching pairs together and mismatched ones apart, up to a margin (Li et al., WACV 2023).

    `y HD^2 + (1 - y) max(0, margin - HD)^2`, mean over the batch, with HD as `squared_hausdorff`'s root.

    Args:
        video: (B, X, D) encoded states, [CLS] included.
        text: (B, L, D) projected word states.
        video_mask: (B, X) bool.
        text_mask: (B, L) bool.
        is_match: (B,) bool, whether the text belongs to the video.
        margin: Distance beyond which a mismatched pair is left alone.

    Returns:
        Scalar.
    """
    squared = squared_hausdorff(video, text, video_mask, text_mask)
    return torch.where(is_match, squared, _squared_shortfall(squared, margin)).mean()


def _squared_shortfall(squared: Tensor, margin: float) -> Tensor:
    """`max(0, margin - HD)^2` from squared distances."""
    # The root has an infinite gradient at 0: below 1e-12 it is held.
    return (margin - squared.clamp(min=1e-12).sqrt()).clamp(min=0.0).square()


class HausdorffLoss(nn.Module):
    """`hausdorff_contrastive_loss` as a module, with negatives that the batch draws or that the batch has.

    Args:
        margin: Distance beyond which a mismatched pair is left alone.
        in_batch_negatives: Also hold each video against the text of the next row of the global batch, with half of
            the weight: for objectives whose data has matching pairs only.
    """

    def __init__(self, margin: float = 1.414, in_batch_negatives: bool = False) -> None:
        super().__init__()
        self.margin = margin
        self.in_batch_negatives = in_batch_negatives

    def forward(self, video: Tensor, text: Tensor, video_mask: Tensor, text_mask: Tensor, is_match: Tensor) -> Tensor:
        """See `hausdorff_contrastive_loss`; a scalar in float32."""
        own = hausdorff_contrastive_loss(video, text, video_mask, text_mask, is_match, margin=self.margin)
        if not self.in_batch_negatives or len(video) * processes() < 2:
            return own
        other, other_mask = next_texts(text, text_mask)
        squared = squared_hausdorff(video, other, video_mask, other_mask)
        return (own + _squared_shortfall(squared, self.margin).mean()) / 2


def late_interaction(video: Tensor, text: Tensor, video_mask: Tensor, text_mask: Tensor) -> Tensor:
    """How well each word finds its frame, mean over the words (after FILIP, Yao et al., ICLR 2022).

    Args:
        video: (B, X, D).
        text: (B, L, D).
        video_mask: (B, X) bool.
        text_mask: (B, L) bool.

    Returns:
        (B,) float32 mean over the words of the largest cosine, in [-1, 1].
    """
    cosine = 1.0 - squared_distances(video, text) / 2.0
    best = cosine.masked_fill(~video_mask[:, :, None], -1.0).amax(dim=1)  # (B, L)
    words = text_mask.float()
    return (best * words).sum(dim=1) / words.sum(dim=1).clamp(min=1.0)


class LateInteractionLoss(_Tempered):
    """A softmax over `late_interaction` scores of all pairs of the global batch (after FILIP, Yao et al., ICLR 2022).

    Memory is bounded: the (B, X, C L) cosines are made for a few texts at a time and, in the backward pass, again.

    Args:
        temperature: Of the softmax at the start; learned, as 1 / temperature on a logarithmic scale.
        largest_scale: 1 / temperature never gets larger.
        max_elements: Most cosines held at a time.
    """

    def __init__(self, temperature: float = 0.07, largest_scale: float = 100.0, max_elements: int = 1 << 24) -> None:
        super().__init__(temperature, largest_scale)
        self.max_elements = max_elements

    def forward(
        self,
        video: Tensor,
        text: Tensor,
        video_mask: Tensor,
        text_mask: Tensor,
        is_match: Tensor | None = None,
        group: Tensor | None = None,
    ) -> Tensor:
        """Contrast the rows.

        Args:
            video: (B, X, D) encoded states, normalised here.
            text: (B, L, D) projected word states of the same rows, normalised here.
            video_mask: (B, X) bool, True = valid.
            text_mask: (B, L) bool, True = valid.
            is_match: (B,) bool, whether the text is the video's own; always when None. Others are only contrasted with.
            group: As in `InfoNceLoss.forward`.

        Returns:
            Scalar mean over the matching rows and both directions, in float32.
        """
        with torch.autocast(video.device.type, enabled=False):
            texts, masks = gather_texts(text.float(), text_mask)  # (W B, L, D)
            scores = pair_scores(video, texts, video_mask, masks, max_elements=self.max_elements)  # (B, W B)
            scale = self.scale
            own = own_rows(len(video), video.device)
            to_video = gather_rows(scores)[:, own].T  # (B, W B) this process' texts for all videos
            return softmax_both_ways(scale * scores, scale * to_video, is_match, group)


def pair_scores(
    video: Tensor, texts: Tensor, video_mask: Tensor, text_masks: Tensor, *, max_elements: int = 1 << 24
) -> Tensor:
    """How well the words of every text find frames in every video: mean over the words of the largest cosine.

    Args:
        video: (B, X, D), normalised here.
        texts: (P, L, D), normalised here.
        video_mask: (B, X) bool, True = valid.
        text_masks: (P, L) bool, True = valid.
        max_elements: Most cosines held at a time (one text's at least).

    Returns:
        (B, P) float32 in [-1, 1]; 0 for a text without a word.
    """
    video, texts = functional.normalize(video.float(), dim=-1), functional.normalize(texts.float(), dim=-1)

    def some(rows: slice) -> Tensor:
        return _scores(video, texts[rows], video_mask, text_masks[rows])

    return in_blocks(some, len(texts), video_mask.numel() * texts.shape[1], max_elements)


def _scores(video: Tensor, texts: Tensor, video_mask: Tensor, text_masks: Tensor) -> Tensor:
    """(B, C) scores of unit vectors."""
    cosines = video @ texts.flatten(0, 1).T  # (B, X, C L)
    best = cosines.masked_fill(~video_mask[:, :, None], _LOWEST).amax(dim=1)  # (B, C L)
    words = text_masks.float()  # (C, L)
    best = rearrange(best, "b (c l) -> b c l", l=words.shape[1])
    scores: Tensor = (best * words).sum(dim=2) / words.sum(dim=1).clamp(min=1.0)
    return scores


def masked_frame_loss(recovered: Tensor, original: Tensor, counted: Tensor | None = None) -> Tensor:
    """Mean squared error of the recovered features (Li et al., WACV 2023).

    Args:
        recovered: (B, M, D).
        original: (B, M, D) the features that were masked.
        counted: (B, M) bool, which of them count; all when None. Rows may have masked fewer than M frames.

    Returns:
        Scalar: mean over the features of the frames that count (of all processes, while training), in float32; 0
        where none does.
    """
    squared = (recovered.float() - original.float()).square().mean(dim=-1)  # (B, M)
    if counted is None:
        return squared.mean()
    weights = counted.float()
    return global_mean((squared * weights).sum(), weights.sum())
