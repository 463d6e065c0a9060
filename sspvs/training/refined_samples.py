"""After each validation: the scores from refined features in a few videos, and the terms they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytorch_lightning as pl

from sspvs.data.batch import RefineBatch
from sspvs.evaluation.requirements import consensus_scores
from sspvs.tasks.refine import RefineTask
from sspvs.training.score_samples import ScoreSample, ScoreSamples
from sspvs.types import Annotations, FloatArray


class RefinedSamples(ScoreSamples):
    """As `ScoreSamples`; people's importance is shown where somebody annotated the video."""

    def samples_of(self, trainer: pl.Trainer, pl_module: RefineTask, batch: RefineBatch) -> Iterator[ScoreSample]:
        """Each video of a batch, without its padding."""
        known = getattr(getattr(trainer, "datamodule", None), "annotations", {})
        scored = pl_module.scored(batch)
        for name, scores, curves in zip(scored.ids, scored.scores, scored.curves, strict=True):
            yield ScoreSample(
                name,
                np.asarray(scores),
                np.stack([np.asarray(curve) for curve in curves.values()]),
                _people(known[name], len(scores)) if name in known else None,
                tuple(curve.replace("_", " ") for curve in curves),
            )


def _people(video: Annotations, count: int) -> FloatArray | None:
    """(T,) people's importance, 0 to 1; None where nothing is known of a video, or only of a whole one."""
    mean: Any = consensus_scores(video)
    if mean is None or len(mean) != count:
        return None
    low, high = float(np.min(mean)), float(np.max(mean))
    out: FloatArray = (np.asarray(mean) - low) / max(high - low, 1e-12)
    return out
