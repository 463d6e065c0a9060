"""What decides how scores are judged."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sspvs.benchmark.matching import ScoreSource
from sspvs.evaluation.baselines import DEFAULT_DRAWS
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL, protocols_named
from sspvs.evaluation.summary_rule import rule_named
from sspvs.importance.terms import Combine
from sspvs.scorers import untrained_problem

Baseline = Literal["human", "random", "consensus", "contrastive"]
CheckpointRule = Literal["val", "last", "train-loss", "best-test", "none"]
Post = Literal["summe", "tvsum", "none"]
Scores = ScoreSource | Sequence[ScoreSource]
"""One method's scores: a score file, video -> numbers, or several of these that are joined, such as a file a fold."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What decides how scores are judged: the keywords of `sspvs.evaluate`, checked.

    Raises:
        ValueError: One of them is out of its range, or does not go with another.
    """

    protocol: str = DEFAULT_PROTOCOL
    rule: str = "default"
    baseline: Baseline | None = None
    contrastive: bool = False
    scorer: str | os.PathLike[str] | None = None
    combine: Combine | None = None
    post: Post | None = None
    draws: int = DEFAULT_DRAWS
    seed: int = 0
    recorded_summaries: bool = False
    allow_missing: bool = False
    checkpoint_rule: str | Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        protocols_named(self.protocol)
        rule_named(self.rule)
        if self.baseline is not None and self.baseline not in get_args(Baseline):
            raise ValueError(f"baseline must be one of {', '.join(get_args(Baseline))}, got {self.baseline!r}")
        if self.scorer is not None and self.baseline != "contrastive":
            raise ValueError("a scorer goes with the contrastive baseline: --baseline contrastive --scorer CHECKPOINT")
        if self.scorer is None and (problem := untrained_problem(self.combine)):
            raise ValueError(problem)
        if self.draws < 1 or self.seed < 0:
            raise ValueError(f"draws must be at least 1 and seed at least 0, got {self.draws} and {self.seed}")
        stated = self.checkpoint_rule
        for rule in stated.values() if isinstance(stated, Mapping) else [stated]:
            if rule is not None and rule not in get_args(CheckpointRule):
                raise ValueError(f"checkpoint_rule must be one of {', '.join(get_args(CheckpointRule))}, got {rule!r}")

    @property
    def stated(self) -> dict[str, Any]:
        """Those that bear on every row, for results."""
        names = ("rule", "draws", "seed", "recorded_summaries")
        return {name: getattr(self, name) for name in names}
