"""From uint8 frames to features through a torch network, the same way for every backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sspvs.features.backbones.base import check_frames
from sspvs.types import FloatArray, ImageArray

if TYPE_CHECKING:
    import torch


def frame_encoder(
    forward: Callable[[Any], Any],
    *,
    mean: Sequence[float],
    scale: Sequence[float],
    device: str,
    dtype: torch.dtype,
    crop: int | None = None,
) -> Callable[[ImageArray], FloatArray]:
    """A function from frames to features: crop, normalise in float32, run in `dtype`, back to float32.

    Args:
        forward: (B, 3, H, W) tensor of `dtype` on `device` -> (B, D) tensor.
        mean: (3,) what is subtracted from pixel values 0..255.
        scale: (3,) what the difference is divided by.
        device: Where the network is.
        dtype: What it computes in.
        crop: Side of the square cut from the centre; None takes the frame as it is.

    Returns:
        A function from (B, H, W, 3) uint8 RGB to (B, D) float32.
    """
    import torch

    offset = torch.tensor(mean, dtype=torch.float32, device=device).view(1, 3, 1, 1)
    divisor = torch.tensor(scale, dtype=torch.float32, device=device).view(1, 3, 1, 1)

    @torch.inference_mode()
    def encode(frames: ImageArray) -> FloatArray:
        frames = check_frames(frames) if crop is None else centre_crop(frames, crop)
        pixels = torch.from_numpy(np.ascontiguousarray(frames)).to(device)
        pixels = pixels.permute(0, 3, 1, 2)  # (B, 3, H, W), channels last in memory
        output = forward(((pixels.float() - offset) / divisor).to(dtype))
        features: FloatArray = output.float().cpu().numpy()
        return features

    return encode


def centre_crop(frames: ImageArray, side: int) -> ImageArray:
    """The middle `side` x `side` pixels of (B, H, W, 3) frames, placed as torchvision's CenterCrop places it.

    Raises:
        ValueError: The frames are smaller than that.
    """
    height, width = check_frames(frames).shape[1:3]
    if min(height, width) < side:
        raise ValueError(f"frames must be at least {side}x{side} for the centre crop, got {width}x{height}")
    top, left = round((height - side) / 2), round((width - side) / 2)
    cropped: ImageArray = frames[:, top : top + side, left : left + side]
    return cropped
