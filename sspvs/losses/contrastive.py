"""The losses of contrastive refinement (Pang et al., WACV 2023; Journal of Imaging 2024).

Pairs of frames are compared a few frames at a time, so that memory does not grow with the square of the length.

Axis letters: B clips, T frames of a clip, D raw width, E refined width, S segments of a clip, C clips of all processes.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from sspvs.losses.blocks import in_blocks
from sspvs.losses.gather import global_mean

Reduction = Literal["mean", "none"]  # `mean`: a scalar, as `clip_mean`; `none`: (B, T), zeros in the padding
SegmentMeans = Literal["unit", "raw"]  # of what a segment is the mean: unit vectors, or features as they come out
_MOST = 1 << 26  # cosines at a time, 256 MiB
_SHARPNESS = 2.0  # t of exp(-t |z - z'|^2), as published


def clip_means(values: Tensor, mask: Tensor) -> Tensor:
    """(B,) means of (B, T) values over the valid frames; NaN, without a gradient, of a clip that has none."""
    frames = mask.sum(dim=1)  # (B,)
    means = values.masked_fill(~mask, 0.0).sum(dim=1) / frames.clamp(min=1)
    return means.masked_fill(frames == 0, torch.nan)


def clip_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of (B, T) values over each clip's valid frames, then over the clips that have any; 0 where none has.

    In training it is over the clips of all processes.
    """
    filled = mask.any(dim=1)  # (B,)
    return global_mean(clip_means(values, mask).masked_fill(~filled, 0.0).sum(), filled.to(values.dtype).sum())


def reduced(values: Tensor, mask: Tensor, reduction: Reduction) -> Tensor:
    """(B, T) values with zeros in the padding, or their `clip_mean`; see `Reduction`."""
    if reduction == "none":
        return values.masked_fill(~mask, 0.0)
    return clip_mean(values, mask)


def alignment(
    refined: Tensor,
    raw: Tensor,
    mask: Tensor,
    *,
    neighbour_fraction: float = 0.1,
    reduction: Reduction = "mean",
    max_elements: int = _MOST,
) -> Tensor:
    """A(t), the mean of |z_t - z_j|^2 over the frames j nearest to t, which training makes small.

    The neighbours are the floor(neighbour_fraction * n) frames, at least one, of the highest cosine similarity to t in
    the raw features, of the n valid frames of the clip, t itself included. No gradient reaches the raw features.

    Args:
        refined: (B, T, E), any scale.
        raw: (B, T, D), any scale.
        mask: (B, T) bool, True = a frame of the clip.
        neighbour_fraction: Share of the frames that are neighbours, in (0, 1].
        reduction: See `sspvs.losses.contrastive.Reduction`.
        max_elements: Most cosines held at a time (those of one frame of each clip at least).

    Returns:
        Scalar or (B, T), values in [0, 4].

    Raises:
        ValueError: `neighbour_fraction` is out of its range.
    """
    if not 0 < neighbour_fraction <= 1:
        raise ValueError(f"neighbour_fraction must be more than 0 and at most 1, got {neighbour_fraction}")
    with torch.autocast(refined.device.type, enabled=False):
        points, raw = _unit(refined, mask), _precise(raw.detach())

        def some(rows: slice) -> Tensor:
            weights = _neighbour_weights(raw, mask, neighbour_fraction, rows)  # (B, rows, T)
            # The mean of the cosines is the cosine with the mean: half the products of all T x T cosines.
            return (points[:, rows] * (weights.to(points.dtype) @ points)).sum(dim=-1)

        cosines = in_blocks(some, mask.shape[1], mask.numel(), max_elements)  # (B, T)
        return reduced(2.0 - 2.0 * cosines, mask, reduction)


def uniformity(refined: Tensor, mask: Tensor, *, reduction: Reduction = "mean", max_elements: int = _MOST) -> Tensor:
    """G(t), the logarithm of the mean of exp(-2 |z_t - z_j|^2) over all frames j, which training makes small.

    Args:
        refined: (B, T, E), any scale.
        mask: (B, T) bool, True = a frame of the clip.
        reduction: See `sspvs.losses.contrastive.Reduction`.
        max_elements: As in `alignment`.

    Returns:
        Scalar or (B, T), values in [-8, 0].
    """
    with torch.autocast(refined.device.type, enabled=False):
        points = _unit(refined, mask)

        def some(rows: slice) -> Tensor:
            return _log_mean_exp(points[:, rows], points.transpose(1, 2), mask)

        found = in_blocks(some, mask.shape[1], mask.numel(), max_elements)  # (B, T)
        return reduced(found - 2 * _SHARPNESS, mask, reduction)  # exp(-2 (2 - 2 cos)) = exp(4 cos) exp(-4)


def video_segments(
    refined: Tensor, mask: Tensor, *, segments: int = 20, means: SegmentMeans = "unit"
) -> tuple[Tensor, Tensor]:
    """The directions of consecutive parts of each clip: the mean of their z_t, or of their features, normalised.

    Frame r of the n valid frames, counted from 0, is in part floor(r S / n): equal parts, but for one frame. A clip of
    fewer than S frames has a part for each frame.

    Args:
        refined: (B, T, E), any scale.
        mask: (B, T) bool, True = a frame of the clip.
        segments: S, at least 1.
        means: `raw` takes the mean of the features as they come out, longer ones weighing more (released code).

    Returns:
        (B, S, E) segments, zeros where a clip has fewer, and their (B, S) mask.

    Raises:
        ValueError: `segments` is less than 1.
    """
    if segments < 1:
        raise ValueError(f"segments must be at least 1, got {segments}")
    with torch.autocast(refined.device.type, enabled=False):
        frames = mask.sum(dim=1, keepdim=True)  # (B, 1) n
        parts = frames.clamp(max=segments)
        places = (mask.cumsum(dim=1) - 1) * parts // frames.clamp(min=1)  # (B, T) the part of each valid frame
        numbers = torch.arange(segments, device=mask.device)
        members = (places[:, None, :] == numbers[:, None]) & mask[:, None, :]  # (B, S, T)
        points = _unit(refined, mask) if means == "unit" else _precise(refined).masked_fill(~mask[..., None], 0.0)
        sums = members.to(points.dtype) @ points  # (B, S, E), of the same direction as the means
        return functional.normalize(sums, dim=-1), numbers < parts


def commonness(
    refined: Tensor, mask: Tensor, segments: Tensor, segment_mask: Tensor, *, max_elements: int = _MOST
) -> Tensor:
    """F(t), the logarithm of the mean of exp(4 cos(z_t, segment)) over all segments given: how common a frame is.

    `clip_mean` of it is a term of the loss, with gradients of frames and segments.

    Args:
        refined: (B, T, E), any scale.
        mask: (B, T) bool, True = a frame of the clip.
        segments: (C, S, E) unit vectors of `video_segments`, of all clips of all processes (`gather_texts`).
        segment_mask: (C, S) bool, True = a segment.
        max_elements: As in `alignment`.

    Returns:
        (B, T) in [-4, 4]; zeros in the padding.
    """
    with torch.autocast(refined.device.type, enabled=False):
        points = _unit(refined, mask)
        compared = segments.to(points.dtype).flatten(0, 1)  # (C S, E)
        counted = segment_mask.flatten()  # (C S,)

        def some(rows: slice) -> Tensor:
            return _log_mean_exp(points[:, rows], compared.T, counted)

        return in_blocks(some, mask.shape[1], len(mask) * len(compared), max_elements).masked_fill(~mask, 0.0)


def uniqueness_target(commonness: Tensor, mask: Tensor) -> Tensor:
    """What the uniqueness head learns: 1 - (0.25 + 0.5 F'), with F' min-max normalised over the clip.

    Args:
        commonness: (B, T) F(t).
        mask: (B, T) bool, True = a frame of the clip.

    Returns:
        (B, T) in [0.25, 0.75], without gradient; 0.75 in a clip whose frames all have the same F, zeros in the padding.
    """
    values = commonness.detach()
    low = values.masked_fill(~mask, torch.inf).amin(dim=1, keepdim=True)  # (B, 1)
    high = values.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
    normalised = (values - low) / (high - low + 1e-9)
    return torch.where(mask, 1.0 - (0.25 + 0.5 * normalised), torch.zeros_like(values))


def uniqueness_entropy(logits: Tensor, commonness: Tensor, mask: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """The cross-entropy of the uniqueness head against `uniqueness_target`; its gradient reaches the logits alone.

    Args:
        logits: (B, T) of the head.
        commonness: (B, T) F(t).
        mask: (B, T) bool, True = a frame of the clip.
        reduction: See `sspvs.losses.contrastive.Reduction`.

    Returns:
        Scalar or (B, T), positive.
    """
    logits = _precise(logits).masked_fill(~mask, 0.0)
    with torch.autocast(logits.device.type, enabled=False):
        target = uniqueness_target(commonness, mask).to(logits.dtype)
        return reduced(functional.binary_cross_entropy_with_logits(logits, target, reduction="none"), mask, reduction)


@torch.no_grad()
def _neighbour_weights(raw: Tensor, mask: Tensor, fraction: float, rows: slice) -> Tensor:
    """(B, rows, T) one over the number of neighbours where frame j is a neighbour of frame t, else 0."""
    lengths = torch.linalg.vector_norm(raw, dim=-1).clamp(min=1e-12)  # (B, T)
    cosines = raw[:, rows] @ raw.transpose(1, 2)
    cosines /= lengths[:, None, :]  # times the length of frame t, which changes no order
    cosines.masked_fill_(~mask[:, None, :], -torch.inf)
    cosines[:, :, rows].diagonal(dim1=1, dim2=2).fill_(torch.inf)  # a frame is its own neighbour, also among its equals
    frames = mask.sum(dim=1).double()  # (B,)
    numbers = (frames * fraction + 1e-9).floor().clamp(min=1)  # 1e-9: 0.29 * 100 is 29
    most = max(int(mask.shape[1] * fraction + 1e-9), 1)
    nearest = cosines.topk(most, dim=2).indices  # (B, rows, most), the nearest first
    shares = (torch.arange(most, device=raw.device) < numbers[:, None]) / numbers[:, None]  # (B, most)
    weights = torch.zeros_like(cosines)
    return weights.scatter_(2, nearest, shares[:, None, :].to(weights.dtype).expand_as(nearest))


def _log_mean_exp(points: Tensor, others: Tensor, counted: Tensor) -> Tensor:
    """(..., T) logarithms of the mean of exp(4 cos) over the (..., N) unit vectors that are counted."""
    counted = counted | ~counted.any(dim=-1, keepdim=True)  # the logarithm of 0 has no gradient
    weights = counted.to(points.dtype)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    # Between exp(-4) and exp(4): nothing overflows, and the mean is a product with the weights.
    exponentials = (2 * _SHARPNESS * points @ others).exp()  # (..., T, N)
    return (exponentials @ weights[..., None])[..., 0].log()


def _unit(values: Tensor, mask: Tensor) -> Tensor:
    """(B, T, E) normalised; zeros in the padding, whatever is there."""
    return functional.normalize(_precise(values).masked_fill(~mask[..., None], 0.0), dim=-1)


def _precise(values: Tensor) -> Tensor:
    """In float32, or in float64 where that is given."""
    return values if values.dtype == torch.float64 else values.float()
