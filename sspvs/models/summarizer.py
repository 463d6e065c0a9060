"""The summarizer: settings, video tower, head and text guidance; long videos in windows that fade into each other.

Axis letters: B batch, T picks, D width, C outputs per frame, W rows of a pass.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.models.layers import ProjectionHead
from sspvs.models.ridge import Ridge, RidgeSettings
from sspvs.models.streams import standardised
from sspvs.models.summarizer_heads import HEADS, SummarizerHead
from sspvs.models.text_guidance import (
    GUIDANCES,
    AlignedFit,
    Guide,
    GuidingText,
    SentenceFit,
    TextGuidance,
    WholeTextFit,
    framing,
    in_float32,
)
from sspvs.models.text_towers import TextEncoder
from sspvs.models.video_encoder import VideoEncoder
from sspvs.schema import Choice, FrameCount, Probability, Range, Settings, build, chosen

Score = Callable[[Tensor, Tensor, list[int]], Tensor]
"""(W, T', D) frames, their (W, T') mask and which videos of the batch these are -> (W, C, T')."""


@dataclass(frozen=True)
class SummarizerSettings(Settings):
    """What stands on the video tower and scores its frames; by default as published (Li et al., WACV 2023)."""

    group = "summarizer"

    head: Annotated[str, Choice(HEADS)] = "progressive"
    """`progressive` as published; for comparison `linear` (of the features alone), `attention` (one self-attention
    layer of its own), `csta` (attention of an ImageNet CNN over frames and columns, as published) and `csta-small`
    (the same idea with a small CNN of our own), or another that is registered. A head's own settings follow in
    brackets: `csta(cnn="resnet18")`."""
    num_stages: Annotated[int, Range(least=1, most=1024)] | None = None
    """K, stages of the head: 3 of `progressive` when null; the others here have one."""
    dropout: Probability = 0.1
    """In front of each stage's linear layer, and within the heads that are there for comparison."""
    text_guidance: Annotated[str, Choice(GUIDANCES, "none")] = "none"
    """`added`: the pooled text, projected, to the first stage's states, as published; it shifts all frames alike.
    `gate`: how well each frame fits the words, after the fine alignment, to each stage's logits. `cross-attention`:
    each stage's states attend to the words. `sentences`: how well the sentences of a stream (captions, subtitles) fit
    the text. `aligned`: how well each frame fits it after the coarse alignment of pretraining is a share of the
    scores."""
    fit_frames: Literal["encoded", "alone"] = "encoded"
    """What `gate` compares with the words: states of the video tower, or frames `alone`, through a projection; as the
    fine objective of pretraining did (`losses.fine_frames`)."""
    max_frames: FrameCount = 16384
    """Longest video that is scored at once; longer ones in overlapping windows of this length."""
    overlap: Annotated[int, Range(least=0)] = 1024
    """Frames that two windows share; their logits are faded into each other there."""

    def __post_init__(self) -> None:
        if self.num_stages is None:
            kind = self.head_kind
            object.__setattr__(self, "num_stages", 1 if kind is None else kind.default_stages)
        super().__post_init__()

    def conflicts(self) -> Collection[str]:
        """Stages of a head that has one; windows that share more than half of themselves."""
        wrong = []
        kind = self.head_kind
        if kind is not None and kind.single_stage and self.stages != 1:
            wrong.append(f"the {self.head} head has one stage, got num_stages {self.stages}: leave num_stages out")
        if self.overlap > self.max_frames // 2:
            wrong.append(f"overlap must be at least 0 and at most half of max_frames, got {self.overlap}")
        return wrong

    @property
    def head_kind(self) -> type[SummarizerHead] | None:
        """The head's class; None where `head` is no name of one."""
        return HEADS[chosen(self.head)[0]] if isinstance(self.head, str) and self.head in Choice(HEADS) else None

    @property
    def reads_text(self) -> bool:
        """Whether there is a text guidance."""
        return self.text_guidance != "none"

    @property
    def stages(self) -> int:
        """K: `num_stages`, which is settled by now."""
        assert self.num_stages is not None
        return self.num_stages


class SummarizerOutput(NamedTuple):
    """How important each frame is."""

    stage_logits: Tensor  # (B, K, T) float32 of every stage, or of one that is blended; zeros in the padding
    mask: Tensor  # (B, T) bool, True = a frame of the video
    text_fit: Tensor | None = None  # (B, T) float32 how well each frame fits the text, of the gate; None without it

    @property
    def log_scores(self) -> Tensor:
        """(B, T) log of the scores, a sum over the stages; what losses take."""
        return functional.logsigmoid(self.stage_logits).sum(dim=1)

    @property
    def stage_scores(self) -> Tensor:
        """(B, K, T) in [0, 1], what each stage says."""
        return self.stage_logits.sigmoid()

    @property
    def scores(self) -> Tensor:
        """(B, T) in [0, 1], the product of the stages' scores."""
        return self.log_scores.exp()


class Summarizer(nn.Module):
    """Scores the frames of videos with a head and a text guidance of one's choice; the defaults are as published.

    The summarizer of Li et al. (WACV 2023, section 3.4). What it shares with the pretraining model has the same names:
    weights are handed over by name.

    Args:
        video_encoder: The video tower.
        settings: Head, stages, guidance, and how long videos are scored.
        text_encoder: The text tower; needed by every text guidance, and left aside without one.

    Attributes:
        ridge: The ridge regression that is a part of the scores in evaluation; None without one.
        text_projection: From the text's width to the video's; None without text guidance, as `text_encoder` and
            `guidance`.
        frame_projection: Of single frames, for a gate that compares them with the words; else None.
        head: `head.stages` are the K linear layers.

    Raises:
        ValueError: A text guidance without a text tower.
    """

    def __init__(
        self,
        video_encoder: VideoEncoder,
        settings: SummarizerSettings | None = None,
        text_encoder: TextEncoder | None = None,
        ridge: RidgeSettings | None = None,
    ) -> None:
        settings = SummarizerSettings() if settings is None else settings
        super().__init__()
        sizes = video_encoder.settings
        self.settings = settings
        self.video_encoder = video_encoder
        self.text_encoder: TextEncoder | None = None
        self.text_projection: ProjectionHead | None = None
        facts = {"embed_dim": sizes.embed_dim, "num_heads": sizes.num_heads, "num_stages": settings.stages}
        widths = sizes.stream_widths or (sizes.feature_dim,)
        self.guidance: TextGuidance | None = None
        if settings.reads_text:
            if text_encoder is None:
                raise ValueError(
                    f"text guidance {settings.text_guidance!r} needs a text encoder, got none: give one, or set "
                    "text_guidance to none"
                )
            towers = {"video_encoder": video_encoder, "stream_widths": widths, "text_dim": text_encoder.text_dim}
            encoded = settings.fit_frames == "encoded"
            self.guidance = build(
                GUIDANCES, settings.text_guidance, "text_guidance", uses_encoder=encoded, **towers, **facts
            )
            self.text_encoder = text_encoder
            self.text_projection = ProjectionHead(text_encoder.text_dim, sizes.embed_dim)
        alone = self.guidance is not None and self.guidance.compares_words and not self.guidance.uses_encoder
        self.frame_projection = (
            ProjectionHead(video_encoder.frame_dim, sizes.embed_dim, hidden_dim=sizes.embed_dim) if alone else None
        )
        self.head: SummarizerHead = build(HEADS, settings.head, "head", dropout=settings.dropout, **facts)
        self.ridge: Ridge | None = None
        self.ridge_share = 0.0
        if ridge is not None and ridge.share:
            self.ridge = Ridge(widths, ridge, reads_text=isinstance(self.guidance, SentenceFit))
            self.ridge_share = ridge.share

    @property
    def uses_transformer(self) -> bool:
        """Whether anything runs through the video tower's Transformer; if not, only its input projection is used."""
        return self.head.uses_encoder or (self.guidance is not None and self.guidance.uses_encoder)

    def forward(
        self,
        frames: Tensor,
        frame_mask: Tensor,
        tokens: Tensor | None = None,
        token_mask: Tensor | None = None,
        has_text: Tensor | None = None,
    ) -> SummarizerOutput:
        """Score videos.

        In evaluation a video of more than `max_frames` is scored in windows that share `overlap` frames. There every
        stage logit lies between those of the two windows; elsewhere it is that of its window; neighbouring frames
        differ by at most the largest step within a window plus the windows' largest disagreement in the overlap
        divided by overlap + 1 (see `sspvs.models.summarizer`). Shorter videos, and all in training, are scored exactly.

        Args:
            frames: (B, T, feature_dim) features.
            frame_mask: (B, T) bool, True = a frame of the video.
            tokens: (B, L) ids of the videos' texts; not read without text guidance, no text guides when None.
            token_mask: (B, L) bool, True = a token; needed with tokens.
            has_text: (B,) bool, which videos have a text at all: the others are scored as without guidance. All when
                None.
        """
        text = self.read(tokens, token_mask, has_text)
        if self.training or frames.shape[1] <= self.settings.max_frames:
            return self.score_at_once(frames, frame_mask, text)
        embedded = self._embed(frames, frame_mask, text)
        fitted = self.guidance is not None and self.guidance.fits_frames and text is not None

        def score(window: Tensor, mask: Tensor, rows: list[int]) -> Tensor:
            out = self._score(window, mask, None if text is None else text.rows(rows))
            if out.text_fit is None:
                return out.stage_logits
            return torch.cat([out.stage_logits, out.text_fit[:, None]], dim=1)

        found = score_in_windows(score, embedded, frame_mask, self.settings.max_frames, self.settings.overlap)
        out = SummarizerOutput(found, frame_mask)
        if fitted:
            out = SummarizerOutput(found[:, :-1], frame_mask, found[:, -1])
        return self._blended(out, frames, text)

    def score_at_once(self, frames: Tensor, frame_mask: Tensor, text: GuidingText | None = None) -> SummarizerOutput:
        """Score (B, T, feature_dim) features under a (B, T) mask in one piece, guided by what `read` returned."""
        out = self._score(self._embed(frames, frame_mask, text), frame_mask, text)
        return out if self.training else self._blended(out, frames, text)

    def _blended(self, out: SummarizerOutput, frames: Tensor, text: GuidingText | None) -> SummarizerOutput:
        """The mean of what the head, the ridge regression and an aligned text make of whole videos, as one stage."""
        aligned = self.guidance if text is not None and isinstance(self.guidance, AlignedFit) else None
        if self.ridge is None and aligned is None:
            return out
        mean = standardised(out.log_scores, out.mask)
        if self.ridge is not None:
            with in_float32(frames):
                base = self.ridge(frames, out.mask, out.text_fit)
            mean = self.ridge_share * standardised(base, out.mask) + (1.0 - self.ridge_share) * mean
        if aligned is not None and text is not None and out.text_fit is not None:
            share = aligned.share * text.given[:, None].float()  # (B, 1)
            mean = (1.0 - share) * standardised(mean, out.mask) + share * out.text_fit
        return out._replace(stage_logits=mean[:, None])

    def _embed(self, frames: Tensor, frame_mask: Tensor, text: GuidingText | None) -> Tensor:
        """(B, T, D) embedded features of whole videos, and beside them what is to be computed of whole videos too.

        That is what a guidance looks at that does not look at states.
        """
        parts = [self.video_encoder.embed(frames, frame_mask)]
        if self.frame_projection is not None:
            parts.append(self.frame_projection(self.video_encoder.normalised(frames, frame_mask)))
        elif isinstance(self.guidance, WholeTextFit):
            fit = self.whole_fit(frames, frame_mask, text)
            parts.append((frames.new_zeros(frame_mask.shape) if fit is None else fit.to(frames.dtype))[..., None])
        return torch.cat(parts, dim=-1)

    def whole_fit(self, frames: Tensor, frame_mask: Tensor, text: GuidingText | None) -> Tensor | None:
        """(B, T) how well frames fit the text as a whole; None without one, or without a guidance that says so."""
        if text is None or not isinstance(self.guidance, WholeTextFit):
            return None
        return self.guidance.text_fit(frames, frame_mask, text)

    def _score(self, embedded: Tensor, frame_mask: Tensor, text: GuidingText | None) -> SummarizerOutput:
        """Score what `_embed` returned, or a stretch of it."""
        guide = Guide() if text is None or self.guidance is None else self.guidance(text)
        dim = self.video_encoder.settings.embed_dim
        embedded, alone = embedded[..., :dim], embedded[..., dim:]
        if alone.shape[-1] and guide.looks:
            guide.look(alone, frame_mask)
        logits = self.head(self._encode, embedded, frame_mask, guide)  # (B, K, T)
        return SummarizerOutput(logits.masked_fill(~frame_mask[:, None], 0.0), frame_mask, guide.text_fit)

    def read(self, tokens: Tensor | None, token_mask: Tensor | None, has_text: Tensor | None) -> GuidingText | None:
        """The projected texts, as the guidance takes them; None without tokens or without guidance.

        A video without a token, or without `has_text`, counts as one without text.
        """
        if tokens is None or self.guidance is None:
            return None
        if token_mask is None:
            raise ValueError("tokens need their token_mask, got None: give (B, L) booleans, True = a token")
        assert self.text_encoder is not None
        assert self.text_projection is not None
        given = token_mask.any(dim=1)  # (B,)
        given = given if has_text is None else given & has_text
        mask = token_mask | ~given[:, None]  # nothing to attend to would give NaN
        encoding = self.text_encoder(tokens, mask)
        if self.guidance.reads_words:
            if not self.guidance.reads_framing:
                words = token_mask & ~framing(tokens, token_mask)
                given = given & words.any(dim=1)
                mask = words | ~given[:, None]
            return GuidingText(self.text_projection(encoding.states), mask, given)
        vectors, whole = self.text_projection(encoding.pooled)[:, None], torch.ones_like(given)[:, None]
        return GuidingText(vectors, whole, given, encoding.pooled if isinstance(self.guidance, WholeTextFit) else None)

    def _encode(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """(B, T, D) embedded frames -> (B, T, D) states of the tower."""
        encoded: Tensor = self.video_encoder(frames, frame_mask).frames
        return encoded


class Window(NamedTuple):
    """A stretch of a video that is scored at once, half-open."""

    start: int  # first frame
    stop: int  # after the last
    seam: int  # where it takes over from the window before; it is faded in over the `overlap` frames from there


def windows_of(length: int, max_frames: int, overlap: int) -> list[Window]:
    """The windows of a video, each starting `max_frames - overlap` after the one before.

    The last one is shifted to the left, so that it has full length, and sees more frames before its seam than the
    overlap; the seam stays where it would have been. The overlap is at most half of `max_frames`.
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
