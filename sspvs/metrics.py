"""`torchmetrics` versions of the figures of a table: Kendall's tau-b, Spearman's rho and F1, for training loops.

Each call of `update` is one video against its users; `compute` is the mean over videos, as in the tables. They count
on from rank to rank: every video must be seen by one rank only. The functions behind them, in `sspvs.evaluation`, need
numpy and scipy only.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy.typing as npt
import torch
from torch import Tensor
from torchmetrics import Metric

from sspvs.evaluation.f_score import Reduction, f_score
from sspvs.evaluation.rank_correlation import mean_of_defined, rank_correlations

__all__ = ["KendallTau", "SpearmanRho", "SummaryF1"]


class _MeanOverVideos(Metric):
    """The mean of a figure over videos; videos where it is NaN are left out."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    total: Tensor
    n_videos: Tensor

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("n_videos", torch.tensor(0), dist_reduce_fx="sum")

    def _add(self, figure: Callable[..., float], one: Tensor, users: Tensor) -> None:
        value = figure(_array(one), _array(users if users.ndim == 2 else users[None]))
        if value == value:  # not NaN
            self.total += value
            self.n_videos += 1

    def compute(self) -> Tensor:
        """The mean over the videos where it is defined; NaN when there is none."""
        return self.total / self.n_videos


class _RankCorrelation(_MeanOverVideos):
    _name: ClassVar[str]  # of the figure in `Correlations`

    def update(self, scores: Tensor, users: Tensor) -> None:
        """One video.

        Args:
            scores: (n,) finite scores, at the picks or at every frame.
            users: (U, n) each user's finite scores at the same points; (n,) for a single reference, such as gtscore.

        Raises:
            ValueError: When shapes do not fit, or a value is NaN or infinite.
        """
        self._add(lambda one, rows: mean_of_defined(getattr(rank_correlations(one, rows), self._name)), scores, users)


class KendallTau(_RankCorrelation):
    """Kendall's tau-b of scores with each user's, mean over users, then over videos.

    Users, or predictions, that are constant have no correlation and are left out, as in `sspvs.evaluate`.

    Args:
        **settings: Of `torchmetrics.Metric`, such as `sync_on_compute`.

    Example:
        >>> tau = sspvs.KendallTau()
        >>> tau.update(torch.tensor([0.1, 0.4, 0.2]), torch.tensor([[1, 3, 2], [1, 2, 3]]))
        >>> round(float(tau.compute()), 4)
        0.6667
    """

    _name = "kendall_tau"


class SpearmanRho(_RankCorrelation):
    """Spearman's rho of scores with each user's, ties at their average rank; otherwise as `KendallTau`.

    Args:
        **settings: Of `torchmetrics.Metric`, such as `sync_on_compute`.

    Example:
        >>> rho = sspvs.SpearmanRho()
        >>> rho.update(torch.tensor([0.1, 0.4, 0.2]), torch.tensor([1, 3, 2]))
        >>> round(float(rho.compute()), 4)
        1.0
    """

    _name = "spearman_rho"


class SummaryF1(_MeanOverVideos):
    """F1 of summaries against users' summaries, in frames; mean over videos.

    Args:
        reduction: Over users: `avg`, the habit on TVSum, or `max`, the best user, the habit on SumMe.
        **settings: Of `torchmetrics.Metric`, such as `sync_on_compute`.

    Raises:
        ValueError: There is no such reduction.

    Example:
        >>> f1 = sspvs.SummaryF1("max")
        >>> f1.update(torch.tensor([1, 1, 0, 0]), torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0]]))
        >>> float(f1.compute())
        1.0
    """

    def __init__(self, reduction: Reduction = "avg", **settings: Any) -> None:
        super().__init__(**settings)
        if reduction not in ("avg", "max"):
            raise ValueError(f"reduction must be 'avg' or 'max', got {reduction!r}")
        self.reduction: Reduction = reduction

    def update(self, summary: Tensor, users: Tensor) -> None:
        """One video.

        Args:
            summary: (N,) the frames it has: bool, or 0 and 1.
            users: (U, N) likewise, of each user; (N,) for a single one.

        Raises:
            ValueError: When shapes do not fit, or a value is neither 0 nor 1.
        """
        self._add(lambda one, rows: f_score(one, rows, self.reduction), summary, users)


def _array(values: Tensor) -> npt.NDArray[Any]:
    """As numpy has it: bfloat16 and float16 become float32."""
    low = values.dtype in (torch.bfloat16, torch.float16)
    array: npt.NDArray[Any] = (values.float() if low else values).detach().cpu().numpy()
    return array
