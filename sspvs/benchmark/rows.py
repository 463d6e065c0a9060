"""Bars for whoever waits while videos are gone through."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sspvs.benchmark.settings import Baseline, EvaluationSettings
from sspvs.errors import DatasetError, ProtocolUnavailableError
from sspvs.evaluation import baselines
from sspvs.evaluation.evaluate import evaluate
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import Protocol, protocols_named
from sspvs.evaluation.requirements import baseline_unavailable, unavailable
from sspvs.evaluation.results import MethodResult
from sspvs.evaluation.summary_rule import rule_named
from sspvs.importance.terms import Combine, formula
from sspvs.scorers import load_scorer
from sspvs.table import DatasetStore
from sspvs.types import Annotations, FrameFeatures

if TYPE_CHECKING:
    from sspvs.scorers.trained import RefinedScorer


class Watched(Mapping[str, Annotations]):
    """Videos that show a bar while somebody goes through them.

    Args:
        videos: Key -> annotations.
        what: What is done with them, in a word.
        shown: As in `watched`.
    """

    def __init__(self, videos: Mapping[str, Annotations], what: str, *, shown: bool) -> None:
        self._videos, self._what, self._shown = videos, what, shown

    def __iter__(self) -> Iterator[str]:
        return iter(watched(self._videos, self._what, shown=self._shown))

    def __getitem__(self, key: str) -> Annotations:
        return self._videos[key]

    def __contains__(self, key: object) -> bool:
        return key in self._videos

    def __len__(self) -> int:
        return len(self._videos)


def watched(keys: Iterable[str], what: str, *, shown: bool) -> Iterable[str]:
    """The same keys, with a bar where `shown`: never where stderr is no terminal, nor in the first seconds."""
    from tqdm import tqdm

    bar: Iterable[str] = tqdm(
        list(keys), desc=what, unit="video", disable=None if shown else True, delay=2, leave=False
    )
    return bar


CONTRASTIVE_ALONE = "contrastive, A alone"
"""The training-free baseline without its global consistency."""


def refined_row(combine: str) -> str:
    """What a table calls a combination of terms of refined features.

    Example:
        >>> refined_row("agh")
        'refined A*G*H'
    """
    return "refined " + formula(combine).upper()


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
    from sspvs.scorers.trained import RefinedScorer

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


ALWAYS_BESIDE: tuple[baselines.Baseline, ...] = baselines.BASELINES
"""Rows that no table goes without: human, random, consensus."""
Reason = Callable[[Protocol, Annotations], str | None]


class Judge:
    """Evaluates row after row on the same videos under the same protocols.

    Args:
        store: The dataset, for its features.
        videos: Key -> annotations of the tested videos, at least one.
        settings: What decides how they are judged.
        progress: Show a bar where it takes more than a few seconds.

    Attributes:
        videos: As given.
        protocols: Those asked for.
        unavailable: Protocol -> why the dataset does not allow it.
        methods: Method -> protocol -> result.
        baselines: Baseline -> protocol -> result.
        predictions: Method -> key -> scores, of the rows that have some.
        warnings: Sentences for the user.
    """

    def __init__(
        self,
        store: DatasetStore,
        videos: Mapping[str, Annotations],
        settings: EvaluationSettings,
        *,
        progress: bool = False,
    ) -> None:
        self._store, self._settings, self._progress = store, settings, progress
        self._rule = rule_named(settings.rule)
        self.videos = videos
        self.protocols = protocols_named(settings.protocol)
        self.unavailable: dict[str, str] = {}
        self.methods: dict[str, Mapping[str, MethodResult]] = {}
        self.baselines: dict[str, Mapping[str, MethodResult]] = {}
        self.predictions: dict[str, Mapping[str, Prediction]] = {}
        self.warnings: list[str] = []

    def check_protocols(self) -> None:
        """See that scores of the videos, whichever they will be, can be evaluated under a protocol asked for.

        Raises:
            ProtocolUnavailableError: Under none.
        """
        self._allowed(unavailable)

    def add_method(self, name: str, predictions: Mapping[str, Prediction], settings: Mapping[str, Any]) -> None:
        """Evaluate a method under every protocol that the dataset allows.

        Raises:
            ProtocolUnavailableError: It allows none.
        """
        self.add_results(name, self.results_of(name, predictions), predictions, settings)

    def results_of(self, name: str, predictions: Mapping[str, Prediction]) -> dict[str, MethodResult]:
        """What a method's scores of some of the videos are worth, under every protocol that the dataset allows.

        Raises:
            ProtocolUnavailableError: It allows none.
        """
        allowed = self._allowed(
            lambda protocol, video: (
                unavailable(protocol, video, predictions[video.key]) if video.key in predictions else None
            )
        )
        return evaluate(self._watched(name), predictions, method=name, protocols=allowed, rule=self._rule)

    def add_results(
        self,
        name: str,
        results: Mapping[str, MethodResult],
        predictions: Mapping[str, Prediction],
        settings: Mapping[str, Any],
    ) -> None:
        """Put a method's results into the table.

        Args:
            name: The method's.
            results: By protocol.
            predictions: Key -> the scores that reports draw.
            settings: What made them, beside what the results say.
        """
        self.methods[name] = _with_settings(results, settings)
        self.predictions[name] = predictions
        empty = next(iter(results.values())).settings.get("empty_summaries", ())
        if empty:
            self.warnings.append(
                f"{name}: {len(empty)} of {len(predictions)} summaries are empty, such as of {empty[0]}: no shot fits "
                "the budget, or none has a score above 0 (logits instead of scores?); they count with F1 0"
            )

    def add_baseline(self, name: Baseline) -> None:
        """Evaluate a baseline in a method's place.

        Raises:
            ProtocolUnavailableError: The dataset allows it under no protocol.
            DatasetError: Contrastive importance of a dataset without features.
        """
        if name == "contrastive" and self._settings.scorer is not None:
            self._add_refined(self._settings.scorer)
            return
        if name == "contrastive":
            combine = self._settings.combine
            self.add_method(name, self._contrastive(combine), self._contrastive_settings(combine))
            return
        allowed = self._allowed(partial(baseline_unavailable, name))
        self.methods[name] = self._baseline(name, allowed)

    def add_rows_beside(self) -> None:
        """The rows that stand beside the methods; one that the dataset does not allow is left out and said."""
        computed = [protocol for protocol in self.protocols if protocol.name not in self.unavailable]
        for name in ALWAYS_BESIDE:
            if name in self.methods:
                continue
            reasons = {p.name: self._why_not(p, partial(baseline_unavailable, name)) for p in computed}
            for protocol, reason in reasons.items():
                if reason:
                    self.warnings.append(f"no {name} row under {protocol}: {reason}")
            allowed = [protocol for protocol in computed if not reasons[protocol.name]]
            if allowed:
                self.baselines[name] = self._baseline(name, allowed)
        if self._settings.contrastive and "contrastive" not in self.methods:
            self.add_contrastive_beside("contrastive", None if self._settings.scorer else self._settings.combine)

    def add_contrastive_beside(self, name: str, combine: Combine | None) -> None:
        """A row of training-free contrastive importance beside the methods.

        Args:
            name: What the row is called.
            combine: `a`, `g` or `ag`; None: `ag`.

        Raises:
            DatasetError: The dataset has no features.
        """
        computed = [protocol for protocol in self.protocols if protocol.name not in self.unavailable]
        predictions = self._contrastive(combine)
        results = evaluate(self._watched(name), predictions, method=name, protocols=computed, rule=self._rule)
        self.add_results_beside(name, results, predictions, self._contrastive_settings(combine))

    def add_results_beside(
        self,
        name: str,
        results: Mapping[str, MethodResult],
        predictions: Mapping[str, Prediction],
        settings: Mapping[str, Any],
    ) -> None:
        """As `add_results`, beside the methods."""
        self.baselines[name] = _with_settings(results, settings)
        self.predictions[name] = predictions

    def _add_refined(self, source: str | os.PathLike[str]) -> None:
        """A refined checkpoint's importance in a method's place."""
        self._need_features("contrastive importance of refined features")
        settings = self._settings
        scorer = refined_scorer(Path(source), settings.combine, settings.post)
        said = scorer.check_features(self._store.features.fingerprint, self._store.path.name)
        self.warnings += [said] if said else []
        predictions = refined_predictions(scorer, self._store.features, self._watched("importance"))
        rule = settings.checkpoint_rule if isinstance(settings.checkpoint_rule, str) else "not stated"
        self.add_method(
            refined_row(scorer.settings["combine"]), predictions, {**scorer.settings, "checkpoint_rule": rule}
        )

    def _baseline(self, name: baselines.Baseline, allowed: list[Protocol]) -> dict[str, MethodResult]:
        settings = self._settings
        return baselines.evaluate_baseline(
            self._watched(name), name, protocols=allowed, rule=self._rule, draws=settings.draws, seed=settings.seed
        )

    def _allowed(self, why_not: Reason) -> list[Protocol]:
        """The protocols that can be computed; the others are noted with the reason."""
        reasons = {protocol.name: self._why_not(protocol, why_not) for protocol in self.protocols}
        found = {name: reason for name, reason in reasons.items() if reason}
        if len(found) == len(self.protocols):
            said = "; ".join(f"{name} {reason}" for name, reason in found.items())
            raise ProtocolUnavailableError(f"{self._store.path}: {said}")
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

    def _contrastive(self, combine: Combine | None) -> dict[str, Prediction]:
        self._need_features("the contrastive baseline")
        return baselines.contrastive_predictions(
            self._store.features, self._watched("importance"), **self._how_contrastive(combine)
        )

    def _need_features(self, what: str) -> None:
        without = [key for key in self.videos if not self._store.has_features(key)]
        if without:
            raise DatasetError(
                f"{self._store.path}: {what} needs features, and {len(without)} of {len(self.videos)} videos have "
                f"none, such as '{without[0]}'; build the dataset with `sspvs data build --features F.h5`, or with "
                "--videos and --backbone"
            )

    def _watched(self, row: str) -> Mapping[str, Annotations]:
        return Watched(self.videos, row, shown=self._progress)

    def _how_contrastive(self, combine: Combine | None) -> dict[str, Any]:
        return {"combine": combine or "ag", "post": self._settings.post or "summe"}

    def _contrastive_settings(self, combine: Combine | None) -> dict[str, Any]:
        return {**self._how_contrastive(combine), "checkpoint_rule": "none"}


def _with_settings(results: Mapping[str, MethodResult], settings: Mapping[str, Any]) -> dict[str, MethodResult]:
    return {name: replace(result, settings={**result.settings, **settings}) for name, result in results.items()}
