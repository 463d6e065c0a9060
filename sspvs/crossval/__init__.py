"""Cross-validation: a config in; every fold under every seed trained and tested; one table out.

running.py       cross_validate(config, out): folds one after the other, or in processes, each on a device of its own
plan.py          the config read once: folds, tested videos, and what identifies the experiment
folder.py        finished folds, whole or not there, each with its record; the lock of the folder
fold_run.py      one fold: train, choose the weights, score the tested videos
chosen_epoch.py  which epoch `best-test` takes by the rules of published rows
results.py       finished folds -> figures beside the baselines: a value, a file, several side by side, W&B
"""

from sspvs.crossval.results import CrossValidation, side_by_side
from sspvs.crossval.running import cross_validate

__all__ = ["CrossValidation", "cross_validate", "side_by_side"]
