"""What scores frames, behind one interface: the training-free importance, and trained checkpoints.

`load_scorer(name)` makes one by name, for `sspvs summarize` and `sspvs score`.
"""

from sspvs.scorers.base import CONTRASTIVE, ContrastiveScorer, Scorer, is_given
from sspvs.scorers.loading import (
    backbone_for,
    further_backbones,
    load_scorer,
    may_be_scorer,
    scorer_of_features,
    takes_sentences,
    unknown_scorer,
    untrained_problem,
)

__all__ = [
    "CONTRASTIVE",
    "ContrastiveScorer",
    "Scorer",
    "backbone_for",
    "further_backbones",
    "is_given",
    "load_scorer",
    "may_be_scorer",
    "scorer_of_features",
    "takes_sentences",
    "unknown_scorer",
    "untrained_problem",
]
