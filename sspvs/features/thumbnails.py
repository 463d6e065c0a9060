"""Small pictures of the picks, for reports."""

from __future__ import annotations

import io

from sspvs.types import ImageArray

WIDTH_PIXELS = 160
MAX_HEIGHT_PIXELS = 480  # of a very tall picture
JPEG_QUALITY = 80


def thumbnail_jpegs(frames: ImageArray, width: int, height: int) -> list[bytes]:
    """Each frame as a small JPEG at the video's own aspect, whatever shape the network asked for.

    Args:
        frames: (C, H, W, 3) uint8 RGB, possibly squashed.
        width: Displayed width of the video in pixels.
        height: Displayed height of the video in pixels.

    Returns:
        C JPEG files, `WIDTH_PIXELS` wide.
    """
    from PIL import Image

    tall = round(WIDTH_PIXELS * height / width) if width > 0 and height > 0 else WIDTH_PIXELS
    size = (WIDTH_PIXELS, min(max(1, tall), MAX_HEIGHT_PIXELS))
    pictures = []
    for frame in frames:
        buffer = io.BytesIO()
        Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=JPEG_QUALITY)
        pictures.append(buffer.getvalue())
    return pictures
