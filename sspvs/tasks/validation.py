"""What a pass of validation or test keeps of each video, and the figures that are made of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed
from torch.nn import functional

from sspvs.evaluation.retrieval import own_ranks
from sspvs.types import FloatArray

Row = TypeVar("Row")
Records = TypeVar("Records", bound="_Records")


class _Records:
    """Arrays by name, of videos by id. Under several processes a sampler may repeat videos; by id, each counts once."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, FloatArray]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, ids: Sequence[str], columns: Mapping[str, Tensor | Sequence[Tensor]]) -> None:
        """Keep B values of each column. A video that was seen before is not counted again."""
        for name, column in columns.items():
            values = column.detach().float().cpu() if isinstance(column, Tensor) else column
            for video, value in zip(ids, values, strict=True):
                row = self._rows.setdefault(video, {})
                if name not in row:
                    row[name] = value.detach().float().cpu().numpy().copy()

    def column(self, name: str) -> tuple[list[str], FloatArray]:
        """Ids that have a column (sorted, so that the order of processes does not matter) and its (N, ...) values."""
        ids = sorted(video for video, columns in self._rows.items() if name in columns)
        return ids, np.stack([self._rows[video][name] for video in ids]) if ids else np.zeros((0,), np.float32)

    def joined(self: Records) -> Records:
        """The records of all processes, the same in each, the first row of each video; every process must call this."""
        out = type(self)()
        out._rows = joined(self._rows)
        return out


def joined(rows: dict[str, Row]) -> dict[str, Row]:
    """Rows by video id of all processes, the first row of each video; every process must call this."""
    everyone = [rows]
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        everyone = [{} for _ in range(distributed.get_world_size())]
        distributed.all_gather_object(everyone, rows)
    out: dict[str, Row] = {}
    for part in everyone:
        out |= {video: row for video, row in part.items() if video not in out}
    return out


class ScoreRecords(_Records):
    """The column `scores`, (T,) of each video, and the terms of the losses, NaN where nothing is counted."""

    @property
    def scores(self) -> dict[str, FloatArray]:
        """(T,) float32 scores by video, sorted, so that the order of processes does not matter."""
        return {video: self._rows[video]["scores"] for video in sorted(self._rows)}

    def means(self) -> dict[str, float]:
        """Each term's mean over the videos that have something to count; left out where none has."""
        out: dict[str, float] = {}
        for name in dict.fromkeys(name for row in self._rows.values() for name in row if name != "scores"):
            values = self.column(name)[1].astype(np.float64)
            if np.isfinite(values).any():
                out[name] = float(np.nanmean(values))
        return out


def collapse_monitor(embeddings: Tensor) -> dict[str, float]:
    """Three signs of collapse of (N, D) embeddings.

    `effective_rank`: exponential of the entropy of the normalised singular values of the centred unit vectors (Roy and
    Vetterli, EUSIPCO 2007), from 0 (all the same) to min(N - 1, D). `mean_cosine`: of two different ones, 1 when all
    point the same way; 0 for a single one. `spread`: mean standard deviation of a coordinate of the unit vectors, times
    the root of D: near 1 when they are spread over the sphere, 0 when they are all the same.
    """
    count, width = embeddings.shape
    unit = functional.normalize(embeddings.double(), dim=-1)
    centred = unit - unit.mean(dim=0)
    # Singular values from the smaller of the two Gram matrices.
    gram = centred @ centred.T if count < width else centred.T @ centred
    singular = torch.linalg.eigvalsh(gram).clamp(min=0.0).sqrt()
    singular = singular * (singular > 1e-6)  # what rounding leaves
    shares = singular / singular.sum().clamp(min=1e-12)
    shares = shares[shares > 0]
    rank = float(torch.exp(-(shares * shares.log()).sum())) if len(shares) else 0.0
    pairs = float(unit.sum(dim=0).square().sum()) - float(unit.square().sum())
    return {
        "effective_rank": rank,
        "mean_cosine": pairs / (count * (count - 1)) if count > 1 else 0.0,
        "spread": float(unit.std(dim=0, correction=0).mean()) * width**0.5,
    }


PairScores = Callable[[Tensor, Tensor], Tensor]  # (N, ...) video and (N, ...) text embeddings -> (N, N) scores

_NEIGHBOURS = ("neighbour_mean", "neighbour_nearest")


class Retrieval(NamedTuple):
    """Scores of every video against every text."""

    ids: tuple[str, ...]  # the videos, sorted
    scores: FloatArray  # (N, N) float32 of video (rows) and text (columns); higher is nearer

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


class ValidationRecords(_Records):
    """Facts about videos, by id.

    Columns with a meaning, each optional: `video` and `text` (embeddings; of the video's own text), `correct` (whether
    matching is right), `masked_frames` with the sums of squared errors `masked_error`, `neighbour_mean` and
    `neighbour_nearest`, and any other number (its mean is a figure; NaN: unknown).
    """

    def figures(self) -> dict[str, float]:
        """Figures of single videos and of all embeddings, by name.

        `matching_accuracy`; `masked_error`, `masked_error_neighbour_mean`, `masked_error_neighbour_nearest` (mean
        squared) and `masked_error_ratio` (to the better of both); `video_` and `text_` signs of collapse; other means.
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
        """Score the first `candidates` videos by id against all their texts; None where no video has its own text."""
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
