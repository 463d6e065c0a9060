"""How strong a ridge regression of importance must be: left-out training videos decide, by their users.

Axis letters: N rows of all videos, T rows of one.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, cat, split

from sspvs.evaluation.rank_correlation import RankReference, mean_of_defined
from sspvs.models.ridge import STRENGTHS, RidgePath


def best_strength(path: RidgePath, targets: Sequence[Tensor], references: Sequence[RankReference]) -> float:
    """The one of `STRENGTHS` under which videos that are left out one at a time agree most with their users, by tau.

    Args:
        path: The regressions of the training videos.
        targets: (T,) standardised importance of each.
        references: Each video's users.
    """
    column, sizes = cat(list(targets))[:, None], [len(one) for one in targets]
    left_out = cat([path.left_out(column, strength) for strength in STRENGTHS], dim=1)  # (N, strengths)
    tau = np.zeros((len(sizes), len(STRENGTHS)))
    for row, reference, own in zip(tau, references, split(left_out, sizes), strict=True):
        each = reference.correlate(own.T.double().numpy()).kendall_tau  # (strengths, U)
        row[:] = np.nan_to_num([mean_of_defined(one) for one in each])
    return STRENGTHS[int(tau.mean(axis=0).argmax())]
