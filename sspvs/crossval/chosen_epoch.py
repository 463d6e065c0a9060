"""Which epoch `best-test` takes, by the rules of published rows, from the figures of all epochs.

Axis letters: E epochs, F figures of an epoch, higher is better, NaN where undefined.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from scipy.stats import rankdata

from sspvs.types import FloatArray

EpochRule = Literal["sspvs", "csta", "ctvsum"]


def chosen_epoch(rule: EpochRule, figures: FloatArray) -> int:
    """The epoch that a rule takes of E >= 1 epochs, from 0.

    Args:
        rule: `sspvs`: the least sum of the figures' ranks among the epochs, equal values having the mean of their
            ranks; of one figure this is the best epoch. `csta`: the last one in which every figure rose above that of
            the epoch kept before. `ctvsum`: the last one. Of equal epochs the first is taken.
        figures: (E, F).
    """
    known = np.nan_to_num(figures, nan=-np.inf)
    if rule == "ctvsum":
        return len(known) - 1
    if rule == "sspvs":
        return int(rankdata(-known, axis=0).sum(axis=1).argmin())
    kept, best = 0, np.full(known.shape[1], -np.inf)
    for epoch, row in enumerate(known):
        if (row > best).all():
            kept, best = epoch, row
    return kept


def contenders(rule: EpochRule, figures: FloatArray) -> list[int]:
    """The epochs of (E, F) figures that a rule may still take, whatever follows; the others' weights are not needed."""
    if rule != "sspvs":
        return [chosen_epoch(rule, figures)]
    # An epoch that is nowhere better than another one has no smaller sum of ranks, in any company.
    known = np.nan_to_num(figures, nan=-np.inf)
    nowhere_better = (known[:, None] <= known[None]).all(axis=-1)  # (E, E)
    later = np.arange(len(known))[:, None] > np.arange(len(known))
    beaten = nowhere_better & (later | ~nowhere_better.T)
    return [int(epoch) for epoch in np.flatnonzero(~beaten.any(axis=1))]


class ChosenEpoch(Checkpoint):
    """Keeps the weights of the epochs that a rule may still take.

    Attributes:
        figures: Of each validation so far, in the order of `names`.
    """

    def __init__(self, folder: Path, rule: EpochRule, names: Sequence[str]) -> None:
        self.folder, self.rule, self.names = folder, rule, tuple(names)
        self.figures: list[list[float]] = []

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Save the weights, and delete those that are out of the race."""
        if trainer.sanity_checking:
            return
        known = {name.removeprefix("val/"): value for name, value in trainer.callback_metrics.items()}
        if missing := [name for name in self.names if name not in known]:
            raise ValueError(
                f"run.best_by: there is no {', '.join(missing)} of the tested videos; take of {', '.join(known)}"
            )
        self.figures.append([float(known[name]) for name in self.names])
        left = contenders(self.rule, np.array(self.figures))
        if (newest := len(self.figures) - 1) in left:
            trainer.save_checkpoint(self._path(newest), weights_only=True)
        if trainer.is_global_zero:
            for epoch in set(range(newest)) - set(left):
                self._path(epoch).unlink(missing_ok=True)

    @property
    def chosen(self) -> int:
        """The number of the validation that is taken of those so far, from 0."""
        return chosen_epoch(self.rule, np.array(self.figures))

    @property
    def best_model_path(self) -> str:
        """Where its weights are; empty before the first validation."""
        return str(self._path(self.chosen)) if self.figures else ""

    @property
    def why(self) -> str:
        """What the rule says, in words."""
        named = " and ".join(self.names)
        if self.rule == "ctvsum":
            return "the last of"
        if self.rule == "csta":
            return f"the last in which {named} all rose, of"
        return f"highest {named} of" if len(self.names) == 1 else f"least sum of the ranks of {named} of"

    def _path(self, epoch: int) -> Path:
        return self.folder / f"validation_{epoch}.ckpt"
