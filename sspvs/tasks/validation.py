"""What a pass over validation videos is judged by: facts kept by video id, summed up once at the end.

Under several processes a sampler repeats videos to make the shares even; kept by id, each counts once.

Axis letters: N videos, B batch, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sspvs.evaluation.retrieval import own_ranks
from sspvs.tasks.collapse import collapse_monitor
from sspvs.tasks.joining import joined_by_id
from sspvs.types import FloatArray

PairScores = Callable[[Tensor, Tensor], Tensor]
"""(N, ...) video and (N, ...) text embeddings -> (N, N) scores."""

_NEIGHBOURS = ("neighbour_mean", "neighbour_nearest")


class Retrieval(NamedTuple):
    """Every video against every text.

    Attributes:
        ids: The videos, sorted.
        scores: (N, N) float32 of video (rows) and text (columns); higher is nearer.
    """

    ids: tuple[str, ...]
    scores: FloatArray

    def table(self) -> list[dict[str, Any]]:
        """Per video: `id`, the `video_to_text_rank` of its text, its `text_to_video_rank` and the `best_text`'s id."""
        there, back, best = own_ranks(self.scores), own_ranks(self.scores.T), self.scores.argmax(axis=1)
        return [
            {
                "id": video,
                "video_to_text_rank": float(there[row]),
                "text_to_video_rank": float(back[row]),
                "best_text": self.ids[int(best[row])],
            }
            for row, video in enumerate(self.ids)
        ]


class ValidationRecords:
    """Facts about videos, by id.

    Columns that are understood, each optional: `video` and `text` (embeddings; of the video's own text), `correct`
    (whether matching was told right), `masked_frames` with the sums of squared errors `masked_error`,
    `neighbour_mean` and `neighbour_nearest`, and any other number (its mean is given; NaN: not known).
    """

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, ids: Sequence[str], columns: Mapping[str, Tensor]) -> None:
        """Keep a batch: (B, ...) columns. A video that was seen before is not counted again."""
        arrays = {name: column.detach().float().cpu().numpy() for name, column in columns.items()}
        for row, video in enumerate(ids):
            self._rows.setdefault(video, {}).update(
                {name: array[row].copy() for name, array in arrays.items() if name not in self._rows.get(video, {})}
            )

    def joined(self) -> ValidationRecords:
        """The records of all processes, the same in each; every process must call this."""
        out = ValidationRecords()
        out._rows = joined_by_id(self._rows)
        return out

    def column(self, name: str) -> tuple[list[str], FloatArray]:
        """Ids that have a column (sorted, so that the order of processes does not matter) and its (N, ...) values."""
        ids = sorted(video for video, columns in self._rows.items() if name in columns)
        return ids, np.stack([self._rows[video][name] for video in ids]) if ids else np.zeros((0,), np.float32)

    def figures(self) -> dict[str, float]:
        """Everything that can be told of single videos and of all embeddings.

        Returns:
            Figures by name: `matching_accuracy`; `masked_error`, `masked_error_neighbour_mean`,
            `masked_error_neighbour_nearest` (mean squared) and `masked_error_ratio` (to the better of both); `video_`
            and `text_` signs of collapse; means of the other columns.
        """
        out: dict[str, float] = {}
        names = {name for columns in self._rows.values() for name in columns}
        if "correct" in names:
            out["matching_accuracy"] = float(self.column("correct")[1].mean())
        if "masked_error" in names:
            out.update(self._recovery())
        for name in sorted({"video", "text"} & names):
            signs = collapse_monitor(torch.from_numpy(self.column(name)[1]))
            out.update({f"{name}_{sign}": value for sign, value in signs.items()})
        for name in sorted(names - {"video", "text", "correct", "masked_frames", "masked_error", *_NEIGHBOURS}):
            values = self.column(name)[1]
            if np.isfinite(values).any():
                out[name] = float(np.nanmean(values))
        return out

    def retrieval(self, pair_scores: PairScores, candidates: int) -> Retrieval | None:
        """Score every video against every text.

        Args:
            pair_scores: How.
            candidates: The first so many videos by id, at most.

        Returns:
            The scores; None where no video has its own text.
        """
        ids = sorted(video for video, columns in self._rows.items() if {"video", "text"} <= set(columns))[:candidates]
        if not ids:
            return None
        video, text = (torch.from_numpy(np.stack([self._rows[i][name] for i in ids])) for name in ("video", "text"))
        return Retrieval(tuple(ids), pair_scores(video, text).float().cpu().numpy())

    def _recovery(self) -> dict[str, float]:
        frames = self.column("masked_frames")[1].sum()
        if frames == 0:
            return {}
        names = ("masked_error", *_NEIGHBOURS)
        errors = {name: float(self.column(name)[1].sum() / frames) for name in names}
        copied = [errors.pop(name) for name in _NEIGHBOURS]
        errors.update({f"masked_error_{name}": value for name, value in zip(_NEIGHBOURS, copied, strict=True)})
        errors["masked_error_ratio"] = errors["masked_error"] / max(min(copied), 1e-12)
        return errors
