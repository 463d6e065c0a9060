"""What tasks that score the frames of a video have in common: every video is judged once, whoever scored it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from sspvs.tasks.saved_task import STAGES, SavedTask
from sspvs.tasks.score_records import ScoreRecords
from sspvs.types import FloatArray


class JudgedTask(SavedTask):
    """A task whose validation and test passes end in figures over videos, each counted once.

    Attributes:
        records: Scores and terms of the last pass; of all processes once it has ended.
    """

    records: ScoreRecords

    @abstractmethod
    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """The weighted sum of the terms: what is trained on."""

    @abstractmethod
    def keep(self, batch: Any) -> None:
        """Put a batch's scores and terms into the records."""

    @property
    def scores(self) -> dict[str, FloatArray]:
        """(T,) float32 scores by video of the last pass of validation or test; of all processes once it has ended."""
        return self.records.scores

    def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Keeps what the figures at the end are made of."""
        self.keep(batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """As `validation_step`."""
        self.keep(batch)

    def on_validation_epoch_start(self) -> None:
        """Forget the last pass."""
        self.records = ScoreRecords()

    def on_test_epoch_start(self) -> None:
        """Forget the last pass."""
        self.records = ScoreRecords()

    def on_validation_epoch_end(self) -> None:
        """Log losses and figures of all videos, each counted once, as `val/...`."""
        self._log_figures("val")

    def on_test_epoch_end(self) -> None:
        """As `on_validation_epoch_end`, as `test/...`."""
        self._log_figures("test")

    def judged(self) -> Mapping[str, FloatArray]:
        """The scores that are held against people's; all, unless a task says otherwise."""
        return self.records.scores

    def _log_figures(self, stage: Literal["val", "test"]) -> None:
        self.records = self.records.joined()
        terms = {name: torch.tensor(value) for name, value in self.records.means().items()}
        values: dict[str, Any] = dict(terms)
        if terms:
            total = self.total(terms)
            self.refuse_not_finite(f"the {STAGES[stage]} losses", total)
            self.log(f"{stage}/loss", total, prog_bar=True, sync_dist=True)
        judge = getattr(getattr(self.trainer, "datamodule", None), "judge", None)
        scores = self.judged()
        if judge is not None and scores:
            values |= judge(scores)
        # Every process has the same values: the mean over them is the value.
        self.log_dict({f"{stage}/{name}": value for name, value in values.items()}, sync_dist=True)
