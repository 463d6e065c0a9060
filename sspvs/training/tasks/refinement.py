"""`task: refine`: contrastive refinement of features, without labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.cli import LightningArgumentParser

from sspvs.data.refinement import RefineDataModule
from sspvs.tasks.refine import KIND, RefineTask
from sspvs.training.given import Given, last_set
from sspvs.training.predictions import WriteScores, WriteVariants
from sspvs.training.run import RunSettings
from sspvs.training.score_samples import RefinedSamples
from sspvs.training.tasks.base import TrainingTask


class Refinement(TrainingTask):
    """Frames of any videos, features in which contrastive importance tells more."""

    name = "refine"
    kind = KIND
    run = RunSettings(name="refine", monitor="val/loss", mode="min")
    new_in_fit = ("losses", "optim", "combine", "post", "compile_model")
    own_facts = ("feature_fingerprint", "unit_length")
    data_facts = {"refiner": ("feature_dim",)}  # noqa: RUF012  as in the base
    written = "h5 file for the scores of the fold's test videos"
    rule = "last"  # as published: without labels nothing tells which epoch is best

    @property
    def module(self) -> type[RefineTask]:
        """As in configs."""
        return RefineTask

    @property
    def data(self) -> type[RefineDataModule]:
        """As in configs."""
        return RefineDataModule

    def link(self, parser: LightningArgumentParser) -> None:
        """Width of the features."""
        parser.link_arguments("data.feature_dim", "model.refiner.feature_dim", apply_on="instantiate")

    def settle(self, settings: Namespace, sources: Given) -> None:
        """Without the uniqueness head, what belongs to it is off, unless it is asked for all the same."""
        model = settings.model
        if model.refiner.uniqueness:
            return
        without = last_set(sources, "model.refiner.uniqueness")
        for name in ("commonness", "uniqueness"):
            if last_set(sources, f"model.losses.{name}") < without:
                model.losses[name] = 0.0
        if last_set(sources, "model.combine") < without and model.combine.isalpha():  # as `agh`, no expression
            model.combine = model.combine.replace("h", "") or model.combine

    def take_over(self, settings: Namespace, known: Mapping[str, Any]) -> None:
        """Nothing more: a checkpoint knows nothing of its data that the config could contradict."""

    def chooses(self, settings: Namespace) -> bool:
        """By the videos held out, or tested; as published there are none."""
        return bool(settings.data.validate_on != "nothing")

    def samples(self, count: int) -> Callback:
        """Scores and their terms, against people's importance where that is known."""
        return RefinedSamples(count)

    def writer(self, path: Path, source: str) -> Callback:
        """A score file."""
        return WriteScores(path, source, "refine")

    def fold_writer(self, path: Path, source: str) -> Callback:
        """A score file, and one more for each combination of terms."""
        return WriteVariants(path, source)


TASK = Refinement()
