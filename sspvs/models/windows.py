"""Videos longer than can be scored at once: in overlapping windows whose outputs are faded into each other.

Axis letters: B batch, T picks, D width, C outputs per frame, W rows of a pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Score = Callable[[Tensor, Tensor, list[int]], Tensor]
"""(W, T', D) frames, their (W, T') mask and which videos of the batch these are -> (W, C, T')."""


class Window(NamedTuple):
    """A stretch of a video that is scored at once, half-open.

    Attributes:
        start: First frame.
        stop: After the last.
        seam: Where it takes over from the window before; it is faded in over the `overlap` frames from there.
    """

    start: int
    stop: int
    seam: int


def windows_of(length: int, max_frames: int, overlap: int) -> list[Window]:
    """The windows of a video.

    Each starts `max_frames - overlap` after the one before. The last one is shifted to the left, so that it has full
    length, and sees more frames before its seam than the overlap; the seam stays where it would have been.

    Args:
        length: Frames of the video, at least 1.
        max_frames: Frames of a window.
        overlap: Frames over which two windows are faded into each other, at most half of `max_frames`.
    """
    if not 0 <= overlap <= max_frames // 2:
        raise ValueError(f"overlap must be at least 0 and at most half of max_frames {max_frames}, got {overlap}")
    if length <= max_frames:
        return [Window(0, length, 0)]
    step = max_frames - overlap
    seams = range(0, length - overlap, step)
    starts = (min(seam, length - max_frames) for seam in seams)
    return [Window(start, start + max_frames, seam) for start, seam in zip(starts, seams, strict=True)]


def score_in_windows(score: Score, frames: Tensor, frame_mask: Tensor, max_frames: int, overlap: int) -> Tensor:
    """Score videos of any length, each in the windows of its own length, so that padding changes nothing.

    *The bound.* Frame j = 0, 1, ... of a seam's n = `overlap` frames gets (1 - w) a + w b with w = (j + 1) / (n + 1)
    of what the earlier (a) and the later window (b) say. So an output lies between those of its two windows within a
    seam, is that of its one window elsewhere, and differs between neighbouring frames by at most (the largest step
    between neighbours within a window) + (the largest |a - b| in the seam) / (n + 1). Without overlap the last part
    does not hold. Videos of at most `max_frames` are scored in one piece, exactly.

    Args:
        score: Scores frames, a window of some of the videos at a time.
        frames: (B, T, D).
        frame_mask: (B, T) bool, True = a frame of the video.
        max_frames: Frames of a window.
        overlap: See `windows_of`.

    Returns:
        (B, C, T); zeros beyond each video's last frame.
    """
    places = torch.arange(1, frames.shape[1] + 1, device=frames.device)
    lengths: list[int] = (frame_mask * places).amax(dim=1).tolist()
    plans = [windows_of(max(length, 1), max_frames, overlap) for length in lengths]
    ramp = torch.arange(1, overlap + 1, device=frames.device) / (overlap + 1.0)
    joined: dict[int, Tensor] = {}
    for turn in range(max(map(len, plans))):
        rows = [row for row, plan in enumerate(plans) if len(plan) > turn]
        windows = [plans[row][turn] for row in rows]
        for row, window, given in zip(rows, windows, _scored(score, frames, frame_mask, rows, windows), strict=True):
            joined[row] = _join(joined[row], given, window, ramp) if turn else given
    total = frames.shape[1]
    return torch.stack([functional.pad(joined[row], (0, total - joined[row].shape[1])) for row in range(len(plans))])


def _scored(score: Score, frames: Tensor, frame_mask: Tensor, rows: list[int], windows: list[Window]) -> list[Tensor]:
    """What one pass says of a window of each of these rows, (C, T_i) each."""
    width = max(window.stop - window.start for window in windows)  # shorter ones are padded by what follows them
    cut = [(row, slice(window.start, window.start + width)) for row, window in zip(rows, windows, strict=True)]
    out = score(torch.stack([frames[at] for at in cut]), torch.stack([frame_mask[at] for at in cut]), rows)
    return [row[:, : window.stop - window.start] for row, window in zip(out, windows, strict=True)]


def _join(before: Tensor, given: Tensor, window: Window, ramp: Tensor) -> Tensor:
    """What stands so far, (C, T_1), faded into what the next window says, (C, T_2)."""
    first, n = window.seam, len(ramp)
    given = given[:, first - window.start :]
    faded = torch.lerp(before[:, first : first + n], given[:, :n], ramp.to(given.dtype))
    return torch.cat([before[:, :first], faded, given[:, n:]], dim=1)
