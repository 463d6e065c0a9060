"""Rows of contrastive importance from refined features: what they are called, and their scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sspvs.errors import DatasetError
from sspvs.evaluation.prediction import Prediction
from sspvs.importance.contrastive import Combine
from sspvs.scorers import load_scorer
from sspvs.types import Annotations, FrameFeatures

if TYPE_CHECKING:
    from sspvs.scorers.refined import RefinedScorer

CONTRASTIVE_ALONE = "contrastive, A alone"
"""The training-free baseline without its global consistency."""


def refined_row(combine: str) -> str:
    """What a table calls a combination of terms of refined features.

    Example:
        >>> refined_row("agh")
        'refined A*G*H'
    """
    return "refined " + "*".join(combine.upper())


def refined_scorer(source: str | Path, combine: Combine | None, post: str | None) -> RefinedScorer:
    """The scorer of a refined checkpoint.

    Args:
        source: A checkpoint folder, a `.ckpt` file or a hub id on this machine.
        combine: The terms that are multiplied; None: as the checkpoint says.
        post: What follows the product; None: as the checkpoint says.

    Raises:
        ValueError: It is another kind of scorer, or has not learned what is asked for.
        SspvsError: It is missing or broken.
    """
    from sspvs.scorers.refined import RefinedScorer

    scorer = load_scorer(source, combine=combine, post=post)  # type: ignore[arg-type]
    if not isinstance(scorer, RefinedScorer):
        raise ValueError(
            f"--scorer {source} is no refined checkpoint: score the dataset with it (`sspvs score D.h5 --scorer ... "
            "--out S.h5`), and evaluate the score file with --scores S.h5"
        )
    return scorer


def refined_predictions(
    scorer: RefinedScorer, features: Mapping[str, FrameFeatures], dataset: Mapping[str, Annotations]
) -> dict[str, Prediction]:
    """Scores of each video of a dataset.

    Args:
        scorer: What scores them.
        features: Features by the dataset's keys.
        dataset: Annotations by key.

    Raises:
        DatasetError: Features of a video of another length.
        FeatureFileError: They are not those the scorer needs.
    """
    predictions = {}
    for key in dataset:
        annotations, video = dataset[key], features[key]
        if video.n_frames != annotations.n_frames:
            raise DatasetError(
                f"{annotations.video_name} ({key}): features of {video.n_frames} frames do not fit annotations of "
                f"{annotations.n_frames}; extract them from the same video"
            )
        predictions[key] = Prediction.of(scorer.score(video).scores, annotations, picks=video.picks)
    return predictions
