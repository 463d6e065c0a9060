"""Joined streams of frame features: each is normalised in its own way, then projected.

`normalise` of a config says how, a word for every stream or one for all, `sqrt+scale+context5+centre,l2`: steps are
joined by `+` and follow each other, streams are separated by commas. A row of zeros in a stream means that the stream
is missing there: such rows stay zeros, count in no mean, and their projection adds nothing.

Axis letters: B batch, T picks, D width, S streams.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_ROUNDING = 1e-6  # of a mean: what differs from it by less is constant
_CONTEXT = re.compile(r"context([1-9]\d{0,3})")
_LEARNED = "learned"
Step = Callable[[Tensor, Tensor], Tensor]
"""(B, T, D) float32 rows and which of them are there, (B, T, 1) bool -> (B, T, D); what is not there is set to zero."""


def _mean(rows: Tensor, present: Tensor) -> Tensor:
    """(B, 1, D) mean of the rows that are there."""
    return (rows * present).sum(dim=1, keepdim=True) / present.sum(dim=1, keepdim=True).clamp(min=1)


def _centred(rows: Tensor, present: Tensor) -> Tensor:
    mean = _mean(rows, present)
    away = rows - mean
    return away.masked_fill(away.abs() <= _ROUNDING * mean.abs(), 0.0)


def _standard(rows: Tensor, present: Tensor) -> Tensor:
    spread = _mean(_centred(rows, present).square(), present).sqrt()
    return rows / spread.masked_fill(spread == 0, 1.0)


def _scaled(rows: Tensor, present: Tensor) -> Tensor:
    size = _mean(torch.linalg.vector_norm(rows, dim=-1, keepdim=True), present)
    return rows / size.masked_fill(size == 0, 1.0)


def standardised(values: Tensor, there: Tensor) -> Tensor:
    """(B, T) numbers less their mean, by their standard deviation, over what is there of each row; zeros elsewhere."""
    here = there[..., None]
    return _standard(_centred(values[..., None], here), here).squeeze(-1).masked_fill(~there, 0.0)


_STEPS: Mapping[str, Step] = {
    "none": lambda rows, _: rows,
    "sqrt": lambda rows, _: rows.sign() * rows.abs().sqrt(),
    "l2": lambda rows, _: functional.normalize(rows, dim=-1),
    "scale": _scaled,
    "centre": _centred,
    "standard": _standard,
}


def _with_context(rows: Tensor, present: Tensor, size: int) -> Tensor:
    """(B, T, 2 D) rows, and the means of the `size` rows around each, as far as they are there."""
    sums, counts = (
        functional.avg_pool1d(one.transpose(1, 2), size, stride=1, padding=size // 2).transpose(1, 2)
        for one in (rows * present, present.to(rows.dtype))
    )
    return torch.cat([rows, sums / counts.masked_fill(counts == 0, 1.0)], dim=-1)


def stream_steps(how: str, streams: int) -> tuple[tuple[str, ...], ...]:
    """The steps of each stream that a `normalise` setting says.

    Raises:
        ValueError: There is no such step, or there are neither one word nor as many as streams.
    """
    words = [tuple(step.strip() for step in word.split("+")) for word in how.split(",")]
    for steps in words:
        for number, step in enumerate(steps, 1):
            context = _CONTEXT.fullmatch(step)
            if context is not None and int(context[1]) % 2 == 0:
                raise ValueError(f"normalise: {step} must be of an odd number of rows, such as context5")
            if context is None and step not in (*_STEPS, _LEARNED):
                raise ValueError(f"normalise has no step {step!r}; it has {', '.join(_STEPS)}, contextN and {_LEARNED}")
            if step == _LEARNED and number < len(steps):
                raise ValueError(f"normalise: {_LEARNED} must be the last step of a stream, got {'+'.join(steps)}")
    if len(words) not in (1, streams):
        raise ValueError(
            f"normalise must have one word for all streams or one for each of {streams}, got {len(words)}: {how}"
        )
    return tuple(words * streams if len(words) == 1 else words)


def normalised_widths(widths: Sequence[int], how: str) -> tuple[int, ...]:
    """Widths of the streams after `normalise`: each `contextN` doubles its stream's."""
    steps = stream_steps(how, len(widths))
    return tuple(
        width * 2 ** sum(map(bool, map(_CONTEXT.fullmatch, own))) for width, own in zip(widths, steps, strict=True)
    )


def present_rows(frames: Tensor, mask: Tensor, widths: Sequence[int]) -> Tensor:
    """(B, T, S) bool, which streams of (B, T, D) joined features are there: rows under the mask that are not zeros."""
    there = torch.stack([(part != 0).any(dim=-1) for part in torch.split(frames, list(widths), dim=-1)], dim=-1)
    return there & mask[..., None]


def normalise(frames: Tensor, mask: Tensor, widths: Sequence[int], how: str) -> Tensor:
    """Normalise each stream of joined features over its video.

    `sqrt` takes the square root of the magnitudes and keeps the signs (Hellinger's for counts and activations), `l2`
    makes rows unit vectors, `scale` divides by the mean norm of the video's rows, `centre` subtracts the mean of the
    video's rows, `standard` divides by each column's standard deviation over the video (constant columns by 1),
    `contextN` puts the mean of the N rows around beside each row, `none` does nothing; `learned` is left to
    `StreamProjection`.

    Args:
        frames: (B, T, D) joined features, D the sum of the widths.
        mask: (B, T) bool, True = a frame of the video. Means are over the whole video: windows are cut afterwards.
        widths: Of the S streams.
        how: The steps, see `sspvs.models.streams`.

    Returns:
        (B, T, D') in the type of the frames, see `normalised_widths`; zeros where a stream is missing.

    Raises:
        ValueError: `how` is not as it must be.
    """
    done = []
    present = present_rows(frames, mask, widths)  # (B, T, S)
    parts = torch.split(frames, list(widths), dim=-1)
    for number, (part, steps) in enumerate(zip(parts, stream_steps(how, len(widths)), strict=True)):
        here = present[..., number : number + 1]  # (B, T, 1)
        rows = part.float().masked_fill(~here, 0.0)
        for step in steps:
            if context := _CONTEXT.fullmatch(step):
                rows = _with_context(rows, here, int(context[1]))
            elif step != _LEARNED:
                rows = _STEPS[step](rows, here)
            rows = rows.masked_fill(~here, 0.0)
        done.append(rows)
    return torch.cat(done, dim=-1).to(frames.dtype)


def drop_streams(frames: Tensor, mask: Tensor, widths: Sequence[int], probability: float) -> Tensor:
    """Joined features (B, T, D) with streams of some videos drawn to be missing; one that a video has always stays."""
    has = present_rows(frames, mask, widths).any(dim=1)  # (B, S)
    drawn = torch.rand(has.shape, device=frames.device).masked_fill(~has, -1.0)
    kept = (drawn >= probability) | (drawn == drawn.amax(dim=1, keepdim=True))
    columns = kept.repeat_interleave(torch.tensor(widths, device=frames.device), dim=1)  # (B, D)
    return frames * columns[:, None].to(frames.dtype)


class StreamProjection(nn.Module):
    """Streams, each normalised and projected, summed and divided by the root of how many are there.

    Where the normalised streams together are as wide as the space, nothing is projected: they stay side by side.

    Args:
        widths: Of the S streams.
        embed_dim: Width of the space.
        how: See `normalise`; `learned` is a layer norm of the stream.

    Attributes:
        norms: Of each stream: its layer norm, or nothing.
        linears: Of each stream; none where nothing is projected.

    Raises:
        ValueError: `how` is not as it must be.
    """

    def __init__(self, widths: Sequence[int], embed_dim: int, how: str = "none") -> None:
        super().__init__()
        self.widths, self.how = tuple(widths), how
        self.normalised_widths = normalised_widths(widths, how)
        steps = stream_steps(how, len(widths))
        self.norms = nn.ModuleList(
            nn.LayerNorm(width) if own[-1] == _LEARNED else nn.Identity()
            for width, own in zip(self.normalised_widths, steps, strict=True)
        )
        projects = sum(self.normalised_widths) != embed_dim
        self.linears = nn.ModuleList(nn.Linear(width, embed_dim) for width in self.normalised_widths if projects)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) features of whole videos under a (B, T) mask -> (B, T, embed_dim); zeros where all are missing."""
        rows = torch.split(normalise(frames, mask, self.widths, self.how), list(self.normalised_widths), dim=-1)
        here = torch.split(present_rows(frames, mask, self.widths).to(frames.dtype), 1, dim=-1)  # S times (B, T, 1)
        parts = [norm(row) * there for norm, row, there in zip(self.norms, rows, here, strict=True)]
        if not self.linears:
            return torch.cat(parts, dim=-1)
        projected = [linear(part) * there for linear, part, there in zip(self.linears, parts, here, strict=True)]
        return torch.stack(projected).sum(dim=0) / torch.stack(here).sum(dim=0).clamp(min=1.0).sqrt()
