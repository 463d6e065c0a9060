"""What a pass over videos says of each: its scores and the terms of the losses, kept by video id.

Under several processes a sampler may repeat videos to make the shares even; kept by id, each counts once.

Axis letters: B batch, T picks of one video.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sspvs.tasks.saved_task import STAGES, SavedTask
from sspvs.tasks.validation import joined_by_id
from sspvs.types import FloatArray


class _Row(NamedTuple):
    scores: FloatArray  # (T,)
    terms: dict[str, float]


class ScoreRecords:
    """Scores and terms, by video."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, ids: Sequence[str], scores: Sequence[Tensor], terms: Mapping[str, Tensor]) -> None:
        """Keep a batch. A video that was seen before is not counted again.

        Args:
            ids: B videos.
            scores: B tensors (T,).
            terms: (B,) values of each term, NaN where a video has nothing to count.
        """
        columns = {name: values.detach().float().cpu().tolist() for name, values in terms.items()}
        for row, video in enumerate(ids):
            own = {name: values[row] for name, values in columns.items()}
            self._rows.setdefault(video, _Row(scores[row].detach().float().cpu().numpy(), own))

    def joined(self) -> ScoreRecords:
        """The records of all processes, the same in each; every process must call this."""
        out = ScoreRecords()
        out._rows = joined_by_id(self._rows)
        return out

    @property
    def scores(self) -> dict[str, FloatArray]:
        """(T,) float32 scores by video, sorted, so that the order of processes does not matter."""
        return {video: self._rows[video].scores for video in sorted(self._rows)}

    def means(self) -> dict[str, float]:
        """Each term's mean over the videos that have something to count; left out where none has."""
        out: dict[str, float] = {}
        for name in dict.fromkeys(name for row in self._rows.values() for name in row.terms):
            values = np.array([self._rows[video].terms[name] for video in sorted(self._rows)])
            if np.isfinite(values).any():
                out[name] = float(np.nanmean(values))
        return out


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
