"""What people said of a video, as the importance that a summarizer is trained on.

Axis letters: T picks.
"""

from __future__ import annotations

import numpy as np

from sspvs.errors import DatasetError
from sspvs.evaluation.requirements import consensus_scores
from sspvs.types import Annotations, FloatArray

_SAME = 1e-6  # of the largest score: what float32 means of equal scores may differ by


def importance_target(annotations: Annotations) -> FloatArray:
    """Importance between 0 and 1, as published: `gtscore`, min-max normalised over the whole video.

    Where there is no gtscore: the mean of the users' scores, else of their summaries, at the picks. A video whose
    scores are all the same has zeros: nothing in it stands out.

    Args:
        annotations: The video's.

    Returns:
        (T,) float32; 0 at the least and 1 at the most important pick.

    Raises:
        DatasetError: Nobody said anything of the video, or a score is NaN or infinite.
    """
    scores = consensus_scores(annotations)
    if scores is None:
        raise DatasetError(
            f"{annotations.video_name} ({annotations.key}): expected gtscore, user_scores or user_summary, found none; "
            "add annotations of it (`sspvs data build`), or take the video out of the split"
        )
    exact = np.asarray(scores, np.float64)
    low, high = float(exact.min()), float(exact.max())
    if high - low <= _SAME * max(abs(low), abs(high)):
        return np.zeros(len(exact), np.float32)
    target: FloatArray = ((exact - low) / (high - low)).astype(np.float32)
    return target
