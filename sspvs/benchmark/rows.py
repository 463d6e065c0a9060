"""The rows of a table: what decides how they are judged, which ones the dataset allows, and their figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from sspvs.benchmark.matching import ScoreSource
from sspvs.errors import DatasetError, ProtocolUnavailableError
from sspvs.evaluation.baselines import DEFAULT_DRAWS, evaluate_baseline, feature_predictions
from sspvs.evaluation.evaluate import evaluate
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import DEFAULT_PROTOCOL, Protocol, protocols_named
from sspvs.evaluation.requirements import BASELINES, baseline_unavailable, unavailable
from sspvs.evaluation.requirements import Baseline as OwnBaseline
from sspvs.evaluation.results import MethodResult
from sspvs.evaluation.summary_rule import rule_named
from sspvs.importance.contrastive import contrastive_importance
from sspvs.importance.terms import Combine, formula
from sspvs.scorers import load_scorer, untrained_problem
from sspvs.table import DatasetStore
from sspvs.types import Annotations

if TYPE_CHECKING:
    from sspvs.scorers.trained import RefinedScorer


CONTRASTIVE_ALONE = "contrastive, A alone"  # the training-free baseline without its global consistency
Baseline = Literal["human", "random", "consensus", "contrastive", "ridge"]
CheckpointRule = Literal["val", "last", "train-loss", "best-test", "none"]
Post = Literal["summe", "tvsum", "none"]
Scores = ScoreSource | Sequence[ScoreSource]
"""One method's scores: a score file, video -> numbers, or several of these that are joined, such as a file a fold."""
Reason = Callable[[Protocol, Annotations], str | None]


@dataclass(frozen=True)
class EvaluationSettings:
    """What decides how scores are judged: the keywords of `sspvs.evaluate`, checked."""

    protocol: str = DEFAULT_PROTOCOL
    rule: str = "default"
    baseline: Baseline | None = None
    contrastive: bool = False
    ridge: bool = False
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


def refined_row(combine: str) -> str:
    """What a table calls a combination of terms of refined features, such as `refined A*G*H` for `agh`."""
    return "refined " + formula(combine).upper()


def watched(keys: Iterable[str], what: str, *, shown: bool) -> Iterable[str]:
    """The same keys, with a bar where `shown`: never where stderr is no terminal, nor in the first seconds."""
    from tqdm import tqdm

    bar: Iterable[str] = tqdm(
        list(keys), desc=what, unit="video", disable=None if shown else True, delay=2, leave=False
    )
    return bar


class _Watched(dict[str, Annotations]):
    """Videos by key, with a bar while they are iterated over."""

    def __init__(self, videos: Mapping[str, Annotations], what: str, *, shown: bool) -> None:
        super().__init__(videos)
        self._what, self._shown = what, shown

    def __iter__(self) -> Iterator[str]:
        return iter(watched(self.keys(), self._what, shown=self._shown))


class Judge:
    """Evaluates row after row on the same videos of a dataset, at least one, under the same protocols."""

    def __init__(
        self,
        store: DatasetStore,
        videos: Mapping[str, Annotations],
        settings: EvaluationSettings,
        *,
        progress: bool = False,
    ) -> None:
        self.store, self.settings, self._progress = store, settings, progress
        self.rule = rule_named(settings.rule)
        self.videos = videos
        self.protocols = protocols_named(settings.protocol)
        self.unavailable: dict[str, str] = {}
        self.methods: dict[str, Mapping[str, MethodResult]] = {}
        self.baselines: dict[str, Mapping[str, MethodResult]] = {}
        self.predictions: dict[str, Mapping[str, Prediction]] = {}
        self.warnings: list[str] = []

    def check_protocols(self) -> None:
        """Refuse videos whose scores can be evaluated under no protocol of the settings."""
        self._allowed(unavailable)

    def add_method(self, name: str, predictions: Mapping[str, Prediction], settings: Mapping[str, Any]) -> None:
        """Evaluate a method under every protocol that the dataset allows; at least one is needed."""
        self.add_results(name, self.results_of(name, predictions), predictions, settings)

    def results_of(self, name: str, predictions: Mapping[str, Prediction]) -> dict[str, MethodResult]:
        """A method's results on some of the videos, under every protocol that the dataset allows."""
        allowed = self._allowed(
            lambda protocol, video: (
                unavailable(protocol, video, predictions[video.key]) if video.key in predictions else None
            )
        )
        return evaluate(self._watched(name), predictions, method=name, protocols=allowed, rule=self.rule)

    def add_results(
        self,
        name: str,
        results: Mapping[str, MethodResult],
        predictions: Mapping[str, Prediction],
        settings: Mapping[str, Any],
        *,
        beside: bool = False,
    ) -> None:
        """Put a method's results by protocol into the table, with the scores that reports draw and what made them."""
        rows = self.baselines if beside else self.methods
        rows[name] = {p: replace(result, settings={**result.settings, **settings}) for p, result in results.items()}
        self.predictions[name] = predictions
        if beside:
            return
        empty = next(iter(results.values())).settings.get("empty_summaries", ())
        if empty:
            self.warnings.append(
                f"{name}: {len(empty)} of {len(predictions)} summaries are empty, such as of {empty[0]}: no shot fits "
                "the budget, or none has a score above 0 (logits instead of scores?); they count with F1 0"
            )

    def add_baseline(self, name: OwnBaseline | Literal["contrastive"]) -> None:
        """Evaluate a baseline in a method's place."""
        settings = self.settings
        if name != "contrastive":
            self.methods[name] = self._baseline(name, self._allowed(partial(baseline_unavailable, name)))
        elif settings.scorer is not None:
            self._add_refined(settings.scorer)
        else:
            self.add_method(name, *self._contrastive(settings.combine))

    def add_rows_beside(self) -> None:
        """The rows that stand beside the methods; one that the dataset does not allow becomes a warning."""
        computed = [protocol for protocol in self.protocols if protocol.name not in self.unavailable]
        for name in BASELINES:
            if name in self.methods:
                continue
            reasons = {p.name: self._why_not(p, partial(baseline_unavailable, name)) for p in computed}
            for protocol, reason in reasons.items():
                if reason:
                    self.warnings.append(f"no {name} row under {protocol}: {reason}")
            allowed = [protocol for protocol in computed if not reasons[protocol.name]]
            if allowed:
                self.baselines[name] = self._baseline(name, allowed)
        if self.settings.contrastive and "contrastive" not in self.methods:
            self.add_contrastive_beside("contrastive", None if self.settings.scorer else self.settings.combine)

    def add_contrastive_beside(self, name: str, combine: Combine | None) -> None:
        """A row of training-free contrastive importance, `a`, `g` or `ag` (None), beside the methods."""
        computed = [protocol for protocol in self.protocols if protocol.name not in self.unavailable]
        predictions, made_by = self._contrastive(combine)
        results = evaluate(self._watched(name), predictions, method=name, protocols=computed, rule=self.rule)
        self.add_results(name, results, predictions, made_by, beside=True)

    def _add_refined(self, source: str | os.PathLike[str]) -> None:
        """A refined checkpoint's importance in a method's place."""
        self._need_features("contrastive importance of refined features")
        settings = self.settings
        scorer = _refined_scorer(Path(source), settings.combine, settings.post)
        warning = scorer.check_features(self.store.features.fingerprint, self.store.path.name)
        self.warnings += [warning] if warning else []
        predictions = feature_predictions(
            self.store.features, self._watched("importance"), lambda video: scorer.score(video).scores
        )
        rule = settings.checkpoint_rule if isinstance(settings.checkpoint_rule, str) else "not stated"
        self.add_method(
            refined_row(scorer.settings["combine"]), predictions, {**scorer.settings, "checkpoint_rule": rule}
        )

    def _baseline(self, name: OwnBaseline, allowed: list[Protocol]) -> dict[str, MethodResult]:
        settings = self.settings
        return evaluate_baseline(
            self._watched(name), name, protocols=allowed, rule=self.rule, draws=settings.draws, seed=settings.seed
        )

    def _allowed(self, why_not: Reason) -> list[Protocol]:
        """The protocols that can be computed; the others are noted with the reason."""
        reasons = {protocol.name: self._why_not(protocol, why_not) for protocol in self.protocols}
        found = {name: reason for name, reason in reasons.items() if reason}
        if len(found) == len(self.protocols):
            reasons_given = "; ".join(f"{name} {reason}" for name, reason in found.items())
            raise ProtocolUnavailableError(f"{self.store.path}: {reasons_given}")
        self.unavailable.update(found)
        return [protocol for protocol in self.protocols if protocol.name not in self.unavailable]

    def _why_not(self, protocol: Protocol, why_not: Reason) -> str | None:
        """Why some video does not allow a protocol, and how many."""
        reasons = {key: reason for key, video in self.videos.items() if (reason := why_not(protocol, video))}
        if not reasons:
            return None
        first, reason = next(iter(reasons.items()))
        if len(reasons) == len(self.videos):
            return reason
        return f"{reason} (so in {len(reasons)} of {len(self.videos)} videos, such as {first})"

    def _contrastive(self, combine: Combine | None) -> tuple[dict[str, Prediction], dict[str, Any]]:
        """Contrastive importance of each video, and what made it."""
        self._need_features("the contrastive baseline")
        how: dict[str, Any] = {"combine": combine or "ag", "post": self.settings.post or "summe"}
        predictions = feature_predictions(
            self.store.features,
            self._watched("importance"),
            lambda video: contrastive_importance(video.features, **how).scores,
        )
        return predictions, {**how, "checkpoint_rule": "none"}

    def _need_features(self, what: str) -> None:
        without = [key for key in self.videos if not self.store.has_features(key)]
        if without:
            raise DatasetError(
                f"{self.store.path}: {what} needs features, and {len(without)} of {len(self.videos)} videos have "
                f"none, such as '{without[0]}'; build the dataset with `sspvs data build --features F.h5`, or with "
                "--videos and --backbone"
            )

    def _watched(self, row: str) -> Mapping[str, Annotations]:
        return _Watched(self.videos, row, shown=self._progress)


def _refined_scorer(source: Path, combine: Combine | None, post: str | None) -> RefinedScorer:
    """The scorer of a refined checkpoint; terms and what follows their product as the checkpoint says when None."""
    from sspvs.scorers.trained import RefinedScorer

    scorer = load_scorer(source, combine=combine, post=post)  # type: ignore[arg-type]
    if not isinstance(scorer, RefinedScorer):
        raise ValueError(
            f"--scorer {source} is no refined checkpoint: score the dataset with it (`sspvs score D.h5 --scorer ... "
            "--out S.h5`), and evaluate the score file with --scores S.h5"
        )
    return scorer
