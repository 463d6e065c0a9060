"""The objectives of pretraining: settings, terms of the loss, and what validation keeps of each video for its figures.

Axis letters: B batch, T picks, X frames or states that words are compared with, L tokens, M masked frames, D width,
N videos, P texts, V and W their widths, H the matching head's first hidden width.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.data.batch import PretrainBatch
from sspvs.data.drawing import is_first_draw
from sspvs.losses.pretraining import (
    HausdorffLoss,
    InfoNceLoss,
    LateInteractionLoss,
    SigmoidContrastiveLoss,
    late_interaction,
    masked_frame_loss,
    matching_loss,
    squared_hausdorff,
)
from sspvs.models.layers import masked_mean
from sspvs.models.pretrain_model import MatchingHead, PretrainModel, PretrainOutput, copied_neighbours, frames_at
from sspvs.models.text_towers import TextEncoding
from sspvs.models.video_encoder import VideoEncoding
from sspvs.registry import Registry
from sspvs.schema import Choice, NotNegative, Positive, Settings, Width, build, chosen, shown
from sspvs.tasks.validation import PairScores


class Pairs(NamedTuple):
    """A batch as objectives see it."""

    out: PretrainOutput  # what the model gave
    projected: tuple[Tensor, Tensor] | None  # (B, C) videos and texts in the contrastive space; None without one
    token_mask: Tensor  # (B, L) bool, True = a token
    is_match: Tensor  # (B,) bool, whether the text is the video's own
    original: Tensor  # (B, M, D) the features that were masked
    masked_counted: Tensor | None  # (B, M) bool, which of them count; all when None
    group: Tensor | None = None  # (B,) the same number for texts that are the same and not contrasted with each other


class Objective(nn.Module):
    """The interface. An objective is registered in `OBJECTIVES` and is from then on a word in `losses`.

    Its constructor takes what it needs of `temperature`, `margin` and `in_batch_negatives` (whether the data draws no
    mismatched texts), and settings of its own with defaults: `losses.coarse: infonce(largest_scale=50.0)`.

    Attributes:
        slot: Which setting of `losses` takes it: `coarse`, `fine`, `mask`, or `more`, where any number can stand.
        contrasts: Whether it tells each text from the others in its batch.
        draws: Whether it learns nothing without mismatched texts, drawn by the data or taken from the batch.
        compares: Which vectors of a video and a text retrieval compares where it is the coarse objective: those in the
            contrastive space (`projected`), the `pooled` ones, or means over the frames and over the words.
        measure_name: What validation calls `measure`.
    """

    slot: ClassVar[Literal["coarse", "fine", "mask", "more"]] = "more"
    contrasts: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    compares: ClassVar[Literal["projected", "pooled", "means"]] = "means"
    measure_name: ClassVar[str] = ""

    def term(self, pairs: Pairs) -> Tensor:
        """The term of the loss: a scalar in float32."""
        raise NotImplementedError

    @classmethod
    def pair_scores(cls, model: PretrainModel) -> PairScores:  # noqa: ARG003
        """How retrieval scores all pairs where it is the coarse objective."""
        return cosine_scores

    @classmethod
    def evidence(cls, batch: PretrainBatch, out: PretrainOutput) -> dict[str, Tensor]:  # noqa: ARG003
        """(B, ...) columns that validation keeps of each video; see `ValidationRecords`."""
        return {}

    @staticmethod
    def measure(frames: Tensor, words: Tensor, frame_mask: Tensor, token_mask: Tensor) -> Tensor:
        """Of a fine objective with a `measure_name`: (B,) how far (B, X, D) frames are from (B, L, D) words."""
        raise NotImplementedError


OBJECTIVES: Registry[type[Objective]] = Registry("objective")  # objectives of pretraining


@dataclass(frozen=True)
class LossSettings(Settings):
    """The objectives and their weights, as published (Li et al., WACV 2023) unless noted otherwise."""

    group = "losses"

    coarse: Annotated[str, Choice(OBJECTIVES, "none", slot="coarse")] = "matching"
    """Whole videos against whole texts: `matching` as published (the data draws mismatched texts), or `infonce` or
    `sigmoid` over the global batch (the data has matching pairs only), or another that is registered. Its own settings
    follow in brackets: `infonce(largest_scale=50.0)`."""
    fine: Annotated[str, Choice(OBJECTIVES, "none", slot="fine")] = "hausdorff"
    """Frames against words: `hausdorff` as published, or `late-interaction` over the global batch."""
    fine_frames: Literal["encoded", "alone"] = "encoded"
    """What of the frames the fine objective looks at: the states of the video tower, [CLS] included, as published, or
    each frame `alone`, through a projection of its own. A state has seen all frames and can speak for the whole video:
    what was learned from states says which text a video has, and little about which frame a word is about."""
    mask: bool = True
    """Masked-frame recovery."""
    coarse_weight: NotNegative = 1.0
    """Weight of the coarse term in the sum."""
    fine_weight: NotNegative = 1.0
    """Weight of the fine term."""
    mask_weight: NotNegative = 5.0
    """Weight of masked-frame recovery."""
    margin: Positive = 1.414
    """`hausdorff`: distance beyond which a mismatched pair is left alone; unit vectors are at most 2 apart."""
    temperature: Positive = 0.07
    """`infonce` and `late-interaction`: of the softmax, at the start; it is learned."""
    contrastive_dim: Width = 256
    """`infonce` and `sigmoid`: width of the space in which videos and texts meet."""
    aligned_video: Literal["masked", "whole"] = "masked"
    """What the coarse and the fine objective see of a video of which frames are masked: the `masked` video, as
    published, or the `whole` one, which the tower then encodes once more."""
    duplicates: Literal["negatives", "left-out"] = "negatives"
    """What a text that two videos have in common is to `infonce`, `sigmoid` and `late-interaction`: a negative of the
    other video like any other text, or `left-out`."""
    linear_path: Literal["none", "drawn", "canonical"] = "none"
    """`infonce` and `sigmoid`: add a linear map of the mean of the embedded frames to a video's vector, to which the
    tower's part, zero at first, is added. `canonical`: that map and the texts' are the canonical correlations of the
    training pairs, in closed form, and stay as they are, the input projection of the video tower included."""
    video_shrinkage: NotNegative = 10.0
    """`canonical`: what is added to the variance of each direction of the features, in mean variances."""
    text_shrinkage: NotNegative = 3.0
    """`canonical`: the same of the pooled texts."""
    mask_target: Literal["features", "residual"] = "features"
    """What masked-frame recovery makes: the `features`, as published, or the `residual` to the mean of the nearest
    frames that are not masked, zero at first: training starts from what copying them gives."""
    more: dict[str, NotNegative] = field(default_factory=dict)
    """Further objectives that are registered and their weights, such as `{smoothness(step=2): 0.5}`."""

    def conflicts(self) -> Collection[str]:
        """Nothing to train on."""
        further = Choice(OBJECTIVES, slot="more")
        wrong = [
            f"more must have names that are {further!r}, got {shown(one)}" for one in self.more if one not in further
        ]
        if self.linear_path != "none" and not self.projects:
            wrong.append(f"linear_path must be none with coarse {shown(self.coarse)}, which has no contrastive space")
        off = self.coarse == "none" and self.fine == "none" and not self.mask and not self.more
        return ["every objective is off: nothing is left to train on"] if off else wrong

    def kind(self, slot: Literal["coarse", "fine"]) -> type[Objective] | None:
        """The class of the objective of a slot; None where it is off."""
        value = getattr(self, slot)
        return None if value == "none" else OBJECTIVES[chosen(value)[0]]

    @property
    def kinds(self) -> tuple[type[Objective], ...]:
        """The classes of all objectives that are on."""
        found = (self.kind("coarse"), self.kind("fine"), OBJECTIVES["masked-frames"] if self.mask else None)
        return (*filter(None, found), *(OBJECTIVES[chosen(value)[0]] for value in self.more))

    @property
    def weights(self) -> dict[str, float]:
        """Name of a term -> its weight."""
        own = {"coarse": self.coarse_weight, "fine": self.fine_weight, "mask": self.mask_weight}
        return {f"{chosen(name)[0]}_loss": weight for name, weight in (*own.items(), *self.more.items())}

    @property
    def frames_alone(self) -> bool:
        """Whether the model has a projection of single frames, for the fine objective."""
        return self.fine != "none" and self.fine_frames == "alone"

    @property
    def contrastive(self) -> bool:
        """Whether the coarse objective contrasts the rows of the global batch: the data then draws no negatives."""
        kind = self.kind("coarse")
        return kind is not None and kind.contrasts

    @property
    def projects(self) -> bool:
        """Whether the coarse objective compares vectors in the contrastive space."""
        kind = self.kind("coarse")
        return kind is not None and kind.compares == "projected"

    @property
    def drawing(self) -> tuple[str, ...]:
        """The coarse and the fine objective, those that learn nothing without mismatched texts."""
        found = {self.coarse: self.kind("coarse"), self.fine: self.kind("fine")}
        return tuple(chosen(value)[0] for value, kind in found.items() if kind is not None and kind.draws)

    @property
    def over_batch(self) -> tuple[str, ...]:
        """The objectives that tell each video's text from those of the other videos in its batch."""
        fine = self.kind("fine")
        values = [self.coarse] if self.contrastive else []
        if fine is not None and (fine.contrasts or values):
            values.append(self.fine)
        values += [value for value in self.more if OBJECTIVES[chosen(value)[0]].contrasts]
        return tuple(chosen(value)[0] for value in values)


@OBJECTIVES.register("matching")
class Matching(Objective):
    """`matching_loss` of the matching head, as published."""

    slot, draws, compares = "coarse", True, "pooled"

    def term(self, pairs: Pairs) -> Tensor:
        return matching_loss(pairs.out.matching_logits, pairs.is_match)

    @classmethod
    def pair_scores(cls, model: PretrainModel) -> PairScores:
        """The matching head's logits."""
        device = next(model.parameters()).device

        def by_head(video: Tensor, text: Tensor) -> Tensor:
            with torch.no_grad(), torch.autocast(device.type, enabled=False):
                return matching_scores(model.matching_head, video.to(device), text.to(device))

        return by_head

    @classmethod
    def evidence(cls, batch: PretrainBatch, out: PretrainOutput) -> dict[str, Tensor]:
        """Whether the head is right."""
        return {"correct": (out.matching_logits > 0) == batch.is_match}


class _Contrast(Objective):
    slot, contrasts, compares = "coarse", True, "projected"

    def term(self, pairs: Pairs) -> Tensor:
        assert pairs.projected is not None
        out: Tensor = self(*pairs.projected, pairs.is_match, pairs.group)
        return out


@OBJECTIVES.register("infonce")
class InfoNce(_Contrast, InfoNceLoss):
    """`InfoNceLoss` in the contrastive space."""


@OBJECTIVES.register("sigmoid")
class SigmoidContrast(_Contrast, SigmoidContrastiveLoss):
    """`SigmoidContrastiveLoss` in the contrastive space."""


class _Fine(Objective):
    slot = "fine"

    def term(self, pairs: Pairs) -> Tensor:
        out = pairs.out
        loss: Tensor = self(out.fine, out.words, out.fine_mask, pairs.token_mask, pairs.is_match)
        return loss


@OBJECTIVES.register("hausdorff")
class Hausdorff(_Fine, HausdorffLoss):
    """`HausdorffLoss` of frames and words, as published."""

    draws, measure_name = True, "hausdorff"

    @staticmethod
    def measure(frames: Tensor, words: Tensor, frame_mask: Tensor, token_mask: Tensor) -> Tensor:
        """The Hausdorff distance."""
        return squared_hausdorff(frames, words, frame_mask, token_mask).sqrt()


@OBJECTIVES.register("late-interaction")
class LateInteraction(_Fine, LateInteractionLoss):
    """`LateInteractionLoss` of frames and words."""

    contrasts, measure_name = True, "late_interaction"

    def term(self, pairs: Pairs) -> Tensor:
        out = pairs.out
        loss: Tensor = self(out.fine, out.words, out.fine_mask, pairs.token_mask, pairs.is_match, pairs.group)
        return loss

    @staticmethod
    def measure(frames: Tensor, words: Tensor, frame_mask: Tensor, token_mask: Tensor) -> Tensor:
        """The mean of the words' largest cosines."""
        return late_interaction(frames, words, frame_mask, token_mask)


@OBJECTIVES.register("masked-frames")
class MaskedFrames(Objective):
    """`masked_frame_loss` of the recovered frames, as published."""

    slot = "mask"

    def term(self, pairs: Pairs) -> Tensor:
        return masked_frame_loss(pairs.out.recovered, pairs.original, pairs.masked_counted)

    @classmethod
    def evidence(cls, batch: PretrainBatch, out: PretrainOutput) -> dict[str, Tensor]:
        """Sums over each video's masked frames: how many, and the squared errors of the model and of copying."""
        index = batch.masked_index
        original = frames_at(batch.frames, index).float()
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


class Objectives(nn.Module):
    """The objectives that the settings turn on."""

    def __init__(self, settings: LossSettings) -> None:
        super().__init__()
        self.terms: dict[str, str] = {}  # name of the term -> where its objective lies
        facts = {
            "temperature": settings.temperature,
            "margin": settings.margin,
            "in_batch_negatives": settings.contrastive,
        }
        self.more = nn.ModuleDict()
        for slot in ("coarse", "fine"):
            if (value := getattr(settings, slot)) != "none":
                self.add_module(slot, build(OBJECTIVES, value, slot, **facts))
                self.terms[f"{slot}_loss"] = slot
        if settings.mask:
            self.mask = MaskedFrames()
            self.terms["mask_loss"] = "mask"
        for value in settings.more:
            name = chosen(value)[0]
            self.more[name] = build(OBJECTIVES, value, "more", **facts)
            self.terms[f"{name}_loss"] = f"more.{name}"

    def forward(self, pairs: Pairs) -> dict[str, Tensor]:
        """The terms, each a scalar in float32: `coarse_loss`, `fine_loss`, `mask_loss` and one for each of `more`."""
        terms = {}
        for name, place in self.terms.items():
            objective = self.get_submodule(place)
            assert isinstance(objective, Objective)
            terms[name] = objective.term(pairs)
        return terms


def cosine_scores(video: Tensor, text: Tensor) -> Tensor:
    """(N, D) and (P, D) -> (N, P) cosines in float32."""
    return functional.normalize(video.float(), dim=-1) @ functional.normalize(text.float(), dim=-1).T


def matching_scores(head: MatchingHead, video: Tensor, text: Tensor, *, max_elements: int = 1 << 24) -> Tensor:
    """(N, P) float32 logits of the matching head, in evaluation mode, for all of (N, V) videos and (P, W) pooled texts.

    Its first layer is linear in [text ; video]: it is computed once for each text and once for each video and added. At
    most `max_elements` hidden values are held at a time.
    """
    first = head.layers[0]
    assert isinstance(first, nn.Linear)
    of_text, of_video = first.weight[:, : text.shape[1]], first.weight[:, text.shape[1] :]
    texts = functional.linear(text, of_text, first.bias)  # (P, H)
    videos = functional.linear(video, of_video)  # (N, H)
    at_a_time = max(1, max_elements // (len(text) * first.out_features))
    rest = [layer for layer in list(head.layers)[1:] if not isinstance(layer, nn.Dropout)]
    rows = []
    for start in range(0, len(videos), at_a_time):
        hidden = videos[start : start + at_a_time, None] + texts  # (n, P, H)
        for layer in rest:
            hidden = layer(hidden)
        rows.append(hidden.squeeze(-1).float())
    return torch.cat(rows)


Evidence = tuple[Sequence[str], dict[str, Tensor]]


def embed(
    model: PretrainModel, losses: LossSettings, frames: Tensor, frame_mask: Tensor, tokens: Tensor, token_mask: Tensor
) -> tuple[Tensor, Tensor]:
    """(B, D) videos and (B, W) texts, float32, in the space that retrieval compares them in; nothing is masked.

    With a contrastive objective its space; with `matching` the pooled vectors (what the matching head is given);
    without a coarse objective the means of the frames' states and of the projected words.
    """
    video = model.video_encoder(model.video_encoder.embed(frames, frame_mask), frame_mask)
    fine = model.fine_frames(frames, frame_mask, video)
    return _vectors(model, losses, video, fine, model.text_encoder.encode(tokens, token_mask), token_mask)


def pair_scorer(model: PretrainModel, losses: LossSettings) -> PairScores | None:
    """How retrieval scores pairs of what `embed` gives; None where no objective compares videos with texts."""
    coarse, fine = losses.kind("coarse"), losses.kind("fine")
    if coarse is not None:
        return coarse.pair_scores(model)
    return None if fine is None else cosine_scores


def evidence(
    model: PretrainModel, losses: LossSettings, batch: PretrainBatch, out: PretrainOutput
) -> Iterator[Evidence]:
    """Ids of videos and columns for `ValidationRecords`, of a batch and its output in evaluation mode."""
    for kind in losses.kinds:
        if columns := kind.evidence(batch, out):
            yield batch.ids, columns
    coarse, fine_kind = losses.kind("coarse"), losses.kind("fine")
    if coarse is None and fine_kind is None:
        return
    own = batch.is_match
    tokens, token_mask = batch.tokens, batch.token_mask
    if batch.own_tokens is not None and batch.own_token_mask is not None:
        own, tokens, token_mask = torch.ones_like(own), batch.own_tokens, batch.own_token_mask
    own = own & torch.tensor([is_first_draw(video) for video in batch.ids], device=own.device)
    if not own.any():
        return
    ids = [video for video, keep in zip(batch.ids, own.tolist(), strict=True) if keep]
    frames, frame_mask, tokens, token_mask = batch.frames[own], batch.frame_mask[own], tokens[own], token_mask[own]
    video = model.video_encoder(model.video_encoder.embed(frames, frame_mask), frame_mask)
    text = model.text_encoder.encode(tokens, token_mask)
    fine = model.fine_frames(frames, frame_mask, video)
    columns = dict(zip(("video", "text"), _vectors(model, losses, video, fine, text, token_mask), strict=True))
    if fine_kind is not None and (name := fine_kind.measure_name):  # of its own text, and of the next one in the batch
        (compared, mask), words = fine, model.text_projection(text.states)
        columns[f"{name}_matched"] = fine_kind.measure(compared, words, mask, token_mask)
        if len(words) > 1:
            others, others_mask = words.roll(-1, dims=0), token_mask.roll(-1, dims=0)
            columns[f"{name}_mismatched"] = fine_kind.measure(compared, others, mask, others_mask)
    yield ids, columns


def _vectors(
    model: PretrainModel,
    losses: LossSettings,
    video: VideoEncoding,
    fine: tuple[Tensor, Tensor],
    text: TextEncoding,
    token_mask: Tensor,
) -> tuple[Tensor, Tensor]:
    projected = model.contrastive_vectors(text.pooled, video)
    if projected is not None:
        return projected[0].float(), projected[1].float()
    coarse = losses.kind("coarse")
    if coarse is not None and coarse.compares == "pooled":
        return video.pooled.float(), text.pooled.float()
    words = model.text_projection(text.states)
    frames, mask = fine
    if model.frame_projection is None:  # without [CLS]
        frames, mask = frames[:, 1:], mask[:, 1:]
    return masked_mean(frames.float(), mask), masked_mean(words.float(), token_mask)
