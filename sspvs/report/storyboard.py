"""Pictures of a summary at a glance: a sheet with one picture a piece, and a small moving preview."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sspvs.atomic import atomic_stream
from sspvs.types import ImageArray

LONG_SIDE = 320  # pixels of each picture
MOST_PREVIEW_BYTES = 1_500_000
PREVIEW_HZ = 8.0  # pictures a second of the preview
_MOST_PICTURES, _MOST_SHOWN, _MOST_OF_ONE = 120, 20, 10  # pictures of a preview, its pieces, and pictures of a piece
_INTO_SECONDS = 0.1  # where the preview of a piece begins
_WIDE = 1.4  # a sheet is about so many times wider than high
_SHEET_PIXELS = 2400  # width of a sheet of many pictures
_GAP, _TEXT, _HEADING = 12, 15, 20  # pixels between pictures, and heights of letters
_PAPER, _INK, _FAINT = (250, 250, 248), (24, 24, 27), (110, 110, 115)


def write_storyboard(pictures: Sequence[ImageArray], labels: Sequence[str], heading: str, path: Path) -> None:
    """Write a sheet of pictures, each with a line of text below it, as a JPEG.

    Args:
        pictures: (H, W, 3) uint8 RGB, one or more, of one size.
        labels: The line below each.
        heading: A line above all.
        path: The file to write.

    Raises:
        OutputError: The file cannot be written.
    """
    from PIL import Image, ImageDraw

    height, width = pictures[0].shape[:2]
    most = max(1, (_SHEET_PIXELS - _GAP) // (width + _GAP))
    columns = min(most, math.ceil(math.sqrt(_WIDE * len(pictures) * (height + 3 * _TEXT) / width)), len(pictures))
    rows = math.ceil(len(pictures) / columns)
    top, step = 2 * _GAP + _HEADING + 4, height + _TEXT + 2 * _GAP
    sheet = Image.new("RGB", (columns * (width + _GAP) + _GAP, top + rows * step), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _write_line(draw, (_GAP, _GAP), heading, sheet.width - 2 * _GAP, _HEADING, _INK)
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left, upper = _GAP + number % columns * (width + _GAP), top + number // columns * step
        sheet.paste(Image.fromarray(picture), (left, upper))
        _write_line(draw, (left, upper + height + 3), label, width, _TEXT, _FAINT)
    with atomic_stream(path) as stream:
        sheet.save(stream, "JPEG", quality=85)


def _write_line(
    draw: Any, place: tuple[int, int], text: str, width: int, height: int, ink: tuple[int, int, int]
) -> None:
    """Draw a line of text, cut to a width."""
    import matplotlib
    from PIL import ImageFont

    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), height)
    if draw.textlength(text, font=font) > width:
        while text and draw.textlength(f"{text}…", font=font) > width:
            text = text[:-1]
        text += "…"
    draw.text(place, text, fill=ink, font=font)


def preview_seconds(plays: Sequence[tuple[float, float, float, float]]) -> list[float]:
    """Seconds of a clip whose pictures make a preview of what it plays at its own speed, as of `Summary.plays`."""
    own = [(at, end - start) for at, start, end, speed in plays if speed == 1]
    shown = own[:: math.ceil(len(own) / _MOST_SHOWN)]
    most = min(_MOST_OF_ONE, _MOST_PICTURES // len(shown))
    seconds = []
    for at, length in shown:
        count = max(1, min(most, int(length * PREVIEW_HZ)))
        begin = at + max(0.0, min(_INTO_SECONDS, (length - count / PREVIEW_HZ) / 2))
        seconds += [begin + number / PREVIEW_HZ for number in range(count)]
    return seconds


def write_preview(pictures: Sequence[ImageArray], path: Path) -> None:
    """Write pictures, `PREVIEW_HZ` a second, as a WebP that plays again and again; fewer of them where it gets large.

    Raises:
        OutputError: The file cannot be written.
    """
    from PIL import Image

    milliseconds = 1000 / PREVIEW_HZ
    while True:
        first, *rest = [Image.fromarray(picture) for picture in pictures]
        encoded = io.BytesIO()
        how = {"quality": 50, "method": 2, "duration": round(milliseconds), "loop": 0}
        first.save(encoded, "WEBP", save_all=True, append_images=rest, **how)
        if len(encoded.getvalue()) <= MOST_PREVIEW_BYTES or len(pictures) == 1:
            break
        pictures, milliseconds = pictures[::2], 2 * milliseconds
    with atomic_stream(path) as stream:
        stream.write(encoded.getvalue())
