"""Contrastive refinement of features, as a LightningModule.

Axis letters: B clips, T frames, D raw width, E refined width, S segments of a clip, W processes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sspvs.data.batch import RefineBatch
from sspvs.importance.contrastive import Importance, Post, contrastive_importance
from sspvs.importance.terms import Combine, term_names
from sspvs.losses.contrastive import (
    alignment,
    clip_mean,
    clip_means,
    commonness,
    uniformity,
    uniqueness_entropy,
    video_segments,
)
from sspvs.losses.gather import gather_texts
from sspvs.losses.score import Reduction
from sspvs.models.refiner import Refiner, RefinerOutput
from sspvs.models.settings import RefinerSettings
from sspvs.schema import check_arguments
from sspvs.tasks.checkpoint import REFINE
from sspvs.tasks.data_facts import refuse_idle_terms, refuse_other_width
from sspvs.tasks.saved_task import JudgedTask
from sspvs.tasks.settings import RefineLossSettings, RefineOptimSettings, plain_arguments, settings_from
from sspvs.tasks.validation import ScoreRecords
from sspvs.types import FloatArray

_REFINER, _LOSSES, _OPTIM = RefinerSettings(), RefineLossSettings(), RefineOptimSettings()


def refine_terms(
    settings: RefineLossSettings,
    out: RefinerOutput,
    raw: Tensor,
    mask: Tensor,
    *,
    reduction: Reduction = "mean",
) -> dict[str, Tensor]:
    """The terms of refinement that have a weight, by name (`alignment_loss`, ...), unweighted, in float32.

    `raw` are the (B, T, D) features as given: they decide which frames are neighbours. `reduction` gives one mean, or
    with `none` (B,) means. Segments are those of all clips of the batch, and in training of all processes: in
    validation F says how much a frame is like the clips that happened to be beside it.
    """
    features, frames = out.features, {}
    if settings.alignment:
        frames["alignment_loss"] = alignment(
            features, raw, mask, neighbour_fraction=settings.neighbour_fraction, reduction="none"
        )
    if settings.uniformity:
        frames["uniformity_loss"] = uniformity(features, mask, reduction="none")
    if settings.needs_uniqueness:
        assert out.uniqueness_logits is not None
        parts = video_segments(features, mask, segments=settings.segments, means=settings.segment_means)
        segments = gather_texts(*parts)  # (W B, S, E), (W B, S)
        common = commonness(features, mask, *segments)  # (B, T)
        if settings.commonness:
            frames["commonness_loss"] = common
        if settings.uniqueness:
            frames["uniqueness_loss"] = uniqueness_entropy(out.uniqueness_logits, common, mask, reduction="none")
    over = clip_mean if reduction == "mean" else clip_means
    return {name: over(values, mask) for name, values in frames.items()}


@dataclass(frozen=True)
class Scoring:
    """How refined features become scores: settings of `contrastive_importance`."""

    combine: Combine  # the terms that are multiplied
    post: Post  # what follows the product; see `contrastive_importance`
    neighbour_fraction: float  # share of the frames that are a frame's neighbours
    device: str = "cpu"  # as in `contrastive_importance`

    def importance(self, refined: FloatArray, raw: FloatArray, uniqueness: FloatArray | None) -> Importance:
        """Importance of a video from its (T, E) refined and (T, D) raw features and its (T,) uniqueness."""
        return contrastive_importance(refined, raw=raw, uniqueness=uniqueness, **vars(self))


class RefinedVideos(NamedTuple):
    """Scores of some videos, without padding, on the CPU: (T,) float32 each."""

    ids: tuple[str, ...]
    scores: tuple[Tensor, ...]  # (T,) float32 each, under the task's own combination
    curves: tuple[Mapping[str, Tensor], ...]  # the terms that were multiplied, (T,) float32 by name
    variants: Mapping[Combine, tuple[Tensor, ...]]  # combination of terms -> (T,) scores under it


def _array(values: Tensor, valid: Tensor) -> FloatArray:
    """The rows of one video's frames, float32."""
    out: FloatArray = values.detach().float().cpu()[valid].numpy()
    return out


def _tensor(values: FloatArray) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


class RefineTask(JudgedTask):
    """Features refined by alignment and uniformity, and a uniqueness filter: CTVSUM.

    Pang et al., WACV 2023; Journal of Imaging 2024. The arguments are the config, and in plain form the
    hyperparameters of every checkpoint.

    Args:
        refiner: The network. `feature_dim` is a fact of the data.
        losses: The terms and their weights.
        optim: The optimiser.
        combine: What a score is the product of: any of `a` local dissimilarity, `g` global consistency, `h` uniqueness.
        post: What follows the product p: `summe` p + 0.05, `tvsum` exp(p - 1), either then smoothed; `none`.
        compile_model: Compile the model with torch.compile when training starts.
        feature_fingerprint: What made the features, when known; taken from the data.
        unit_length: L2-normalise the features of each frame first, in training and in scoring. True wherever the data
            of a training had them so, as YouTube-8M's bytes are read.
        scored_as_given: With `unit_length`: score features at the length they have, as the released code does.

    Raises:
        ValueError: Settings that do not go together.

    Example:
        >>> from sspvs.models.settings import RefinerSettings
        >>> task = sspvs.RefineTask(RefinerSettings(feature_dim=16))
        >>> task.hparams["refiner"]["feature_dim"]
        16
    """

    kind = REFINE
    model: Refiner
    losses: RefineLossSettings
    optim: RefineOptimSettings

    def __init__(
        self,
        refiner: RefinerSettings = _REFINER,
        losses: RefineLossSettings = _LOSSES,
        optim: RefineOptimSettings = _OPTIM,
        combine: Combine = "agh",
        post: Post = "summe",
        compile_model: bool = False,
        feature_fingerprint: dict[str, Any] | None = None,
        unit_length: bool = False,
        scored_as_given: bool = False,
    ) -> None:
        super().__init__()
        check_arguments(RefineTask, locals())
        # Checkpoints bring the plain form.
        refiner = settings_from(RefinerSettings, refiner)
        self.losses, self.optim = settings_from(RefineLossSettings, losses), settings_from(RefineOptimSettings, optim)
        _refuse_what_cannot_go_together(refiner, self.losses, combine)
        self.scoring = Scoring(combine, post, self.losses.neighbour_fraction)
        self.model = Refiner(refiner, unit_length=unit_length, scored_as_given=scored_as_given)
        settled = {"losses": self.losses, "optim": self.optim}
        self.save_hyperparameters(plain_arguments(RefineTask, {**locals(), **settled}))
        self.compile_model = compile_model
        self.records = ScoreRecords()
        self.freeze_unreached()

    @property
    def combinations(self) -> tuple[Combine, ...]:
        """The combinations of terms that a table compares; those with uniqueness only where something learned it."""
        return ("a", "ag", "agh") if self.losses.uniqueness else ("a", "ag")

    def outputs(self, batch: RefineBatch) -> RefinerOutput:
        out: RefinerOutput = self.model(batch.frames, batch.frame_mask)
        return out

    def terms(self, batch: RefineBatch, out: RefinerOutput, reduction: Reduction = "mean") -> dict[str, Tensor]:
        return refine_terms(self.losses, out, batch.frames, batch.frame_mask, reduction=reduction)

    def scores_of(self, batch: RefineBatch, out: RefinerOutput, variants: Collection[Combine] = ()) -> RefinedVideos:
        """See `JudgedTask.scores_of`; `variants` are other combinations of terms."""
        self.refuse_not_finite("the scores", out.features, out.uniqueness_logits, ids=batch.ids)
        unique = None if out.uniqueness_logits is None else out.uniqueness_logits.float().sigmoid()
        own = self.scoring.combine
        found: dict[Combine, list[Importance]] = {combine: [] for combine in (own, *variants)}
        for row, valid in enumerate(batch.frame_mask.cpu()):
            unique_row = None if unique is None else _array(unique[row], valid)
            for combine, scored in found.items():
                scoring = replace(self.scoring, combine=combine)
                rows = _array(out.features[row], valid), _array(batch.frames[row], valid)
                scored.append(scoring.importance(*rows, unique_row))
        scores = {combine: tuple(_tensor(one.scores) for one in scored) for combine, scored in found.items()}
        curves = tuple({name: _tensor(curve) for name, curve in one.curves.items()} for one in found[own])
        return RefinedVideos(tuple(batch.ids), scores[own], curves, {combine: scores[combine] for combine in variants})

    def smallest_batch(self) -> RefineBatch:
        """A clip of one frame."""
        frames = torch.ones(1, 1, self.hparams["refiner"]["feature_dim"])
        return RefineBatch(frames, torch.ones(1, 1, dtype=torch.bool), ("",))

    def predict_step(self, batch: RefineBatch, batch_idx: int) -> RefinedVideos:  # noqa: ARG002
        """Scores of a batch's videos, under every combination of terms too."""
        return self.scores_of(batch, self.outputs(batch), self.combinations)

    def judged(self) -> Mapping[str, FloatArray]:
        """Scores of the videos that somebody annotated; there may be none."""
        known = getattr(self.data, "annotations", {})
        return {video: scores for video, scores in self.records.scores.items() if video in known}

    def setup(self, stage: str) -> None:
        """As for every task; refuse data of another width; remember whether what is trained on has unit length."""
        super().setup(stage)
        refuse_other_width(self.data, self.hparams["refiner"]["feature_dim"])
        if stage == "fit":
            refuse_idle_terms(self.data, self.losses, self.trainer.world_size)
            self.hparams["unit_length"] |= bool(getattr(self.data, "unit_length", False))
        self.model.unit_length = self.hparams["unit_length"]


def _refuse_what_cannot_go_together(refiner: RefinerSettings, losses: RefineLossSettings, combine: str) -> None:
    if losses.needs_uniqueness and not refiner.uniqueness:
        raise ValueError(
            "losses.commonness and losses.uniqueness belong to the uniqueness head: set both to 0, or "
            "refiner.uniqueness to true"
        )
    if "text_similarity" in term_names(combine):
        raise ValueError(f"combine {combine} needs text, which refinement does not read; leave out t")
    if "uniqueness" in term_names(combine) and not losses.uniqueness:
        raise ValueError(
            f"combine {combine} needs uniqueness, which nothing learns here: set losses.uniqueness above 0, or combine "
            "to ag"
        )
