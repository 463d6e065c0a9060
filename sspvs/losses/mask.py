"""Masked-frame recovery.

Axis letters: B batch, M masked frames, D feature width.
"""

from __future__ import annotations

from torch import Tensor

from sspvs.losses.gather import global_mean


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
