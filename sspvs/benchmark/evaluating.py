"""From files to an evaluation: open, match, evaluate every row, compare, record what made it."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

from sspvs.annotations.splits import Splits, read_splits
from sspvs.benchmark.matching import read_score_input
from sspvs.benchmark.result_file import coverage_facts, dataset_facts, repairs_of, versions
from sspvs.benchmark.ridge import add_ridge
from sspvs.benchmark.rows import Baseline, EvaluationSettings, Judge, Post, Scores, watched
from sspvs.data.folds import Stores
from sspvs.errors import DatasetError
from sspvs.evaluation.comparison import Evaluation
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.results import Comparison, MethodResult, compare
from sspvs.importance.terms import Combine
from sspvs.table import DatasetStore, read_dataset
from sspvs.types import Annotations


@dataclass(frozen=True)
class Benchmark:
    """An evaluation and what it was made of, for reports.

    Attributes:
        evaluation: The figures.
        videos: Key -> annotations of the tested videos.
        predictions: Method -> key -> scores, of every row that has scores of its own.
    """

    evaluation: Evaluation
    videos: Mapping[str, Annotations]
    predictions: Mapping[str, Mapping[str, Prediction]]


def evaluate(
    dataset: str | os.PathLike[str] | DatasetStore,
    scores: Scores | Mapping[str, Scores] | None = None,
    *,
    splits: str | os.PathLike[str] | Splits | None = None,
    baseline: Baseline | None = None,
    protocol: str = "per-user",
    rule: str = "default",
    contrastive: bool = False,
    ridge: bool = False,
    scorer: str | os.PathLike[str] | None = None,
    combine: Combine | None = None,
    post: Post | None = None,
    draws: int = 100,
    seed: int = 0,
    recorded_summaries: bool = False,
    allow_missing: bool = False,
    checkpoint_rule: str | Mapping[str, str] | None = None,
) -> Evaluation:
    """Evaluate a method's scores on a dataset; human, random and consensus rows stand beside.

    Args:
        dataset: A dataset file, ours or the community's, or an opened one.
        scores: A score file (our h5, a peer's h5, JSON, npz, CSV) or a mapping of video -> numbers; a list of them,
            such as a file a fold, is joined into one method. Several methods go by name, in a mapping of name -> any
            of these. Videos go by key or by name; numbers are one a pick or one a frame.
        splits: A split file: only the videos that it tests are evaluated, each once.
        baseline: `human`, `random`, `consensus`, `contrastive` or `ridge`, in place of scores.
        protocol: `per-user`, `per-user-frames`, `summary-vs-mean`, `mean-annotator`, `all` of these that the dataset
            allows, or `highlight-map`.
        rule: How scores become summaries: `default`, or as a published system does it (`RULES`).
        contrastive: Put a contrastive row beside; needs features in the dataset.
        ridge: Put a row of ridge regression beside, and what it makes of shuffled labels; needs features. Each video
            is scored by what was learned from the videos that train the folds which test it: those of `splits`, or
            five that are drawn.
        scorer: A refined checkpoint, with `baseline="contrastive"`: the importance is that of what it makes of the
            features.
        combine: Of the contrastive importance: `a`, `g` or `ag` (when None); with `scorer` any, and when None its own.
        post: Of the contrastive importance: `summe` (when None), `tvsum` or `none`; with `scorer`, when None, its own.
        draws: Of the random row.
        seed: Of the random row.
        recorded_summaries: Judge the summaries that score files record, not ones made from the scores.
        allow_missing: Evaluate the videos that there are scores of.
        checkpoint_rule: What chose the weights: `val`, `last`, `train-loss`, `best-test`, `none`; stated in the result.

    Returns:
        Every figure with its protocol, per video and over videos; `write_evaluation` writes it as JSON.

    Raises:
        DatasetError: A file cannot be read, or scores or splits do not fit the dataset.
        ProtocolUnavailableError: The dataset does not have what the protocol needs.
        ValueError: A setting is out of its range.

    Example:
        >>> result = sspvs.evaluate("dataset.h5", "scores.json", protocol="per-user")
        >>> print(result)
        Dataset dataset...
    """
    settings = EvaluationSettings(
        protocol=protocol,
        rule=rule,
        baseline=baseline,
        contrastive=contrastive,
        ridge=ridge,
        scorer=scorer,
        combine=combine,
        post=post,
        draws=draws,
        seed=seed,
        recorded_summaries=recorded_summaries,
        allow_missing=allow_missing,
        checkpoint_rule=checkpoint_rule,
    )
    return run_benchmark(dataset, scores, splits=splits, settings=settings).evaluation


def run_benchmark(
    dataset: str | os.PathLike[str] | DatasetStore,
    scores: Scores | Mapping[str, Scores] | None,
    *,
    splits: str | os.PathLike[str] | Splits | None,
    settings: EvaluationSettings,
    progress: bool = False,
) -> Benchmark:
    """As `evaluate`, with checked settings; gives also what reports draw, and shows progress on request."""
    if (scores is None) == (settings.baseline is None):
        raise ValueError("give the scores of a method, or the name of a baseline, and not both")
    sources = {} if scores is None else methods_named(scores)
    rules = _checkpoint_rules(settings, list(sources))
    store = dataset if isinstance(dataset, DatasetStore) else read_dataset(dataset)
    annotations = _Remembered(store)
    split = None
    if splits is not None:
        split = (splits if isinstance(splits, Splits) else read_splits(splits)).resolve(annotations, store.name)
    wanted = list(annotations) if split is None else list(split.coverage(annotations, store.name).tested)
    for key in watched(wanted, "reading", shown=progress):
        annotations[key]  # reads it
    how: dict[str, Any] = {name: getattr(settings, name) for name in ("allow_missing", "recorded_summaries")}
    inputs = {name: read_score_input(source, annotations, keys=wanted, **how) for name, source in sources.items()}
    tested = [key for key in wanted if all(key in given.predictions for given in inputs.values())]
    if not tested:
        raise DatasetError("no video has scores of every method; evaluate them one at a time")
    judge = Judge(store, {key: annotations[key] for key in tested}, settings, progress=progress)
    for name, given in inputs.items():
        scored = {key: given.predictions[key] for key in tested}
        judge.add_method(name, scored, {"source": given.source, "checkpoint_rule": rules.get(name, "not stated")})
    if settings.baseline == "ridge":
        add_ridge(judge, Stores(store.path), split)
    elif settings.baseline is not None:
        judge.add_baseline(settings.baseline)
    judge.add_rows_beside()
    if settings.ridge and settings.baseline != "ridge":
        add_ridge(judge, Stores(store.path), split, beside=True)
    warnings = [*repairs_of(judge.videos), *(split.repairs if split else ())]
    warnings += [sentence for given in inputs.values() for sentence in given.warnings]
    evaluation = Evaluation(
        dataset=store.name,
        protocols=tuple(protocol.name for protocol in judge.protocols),
        methods=judge.methods,
        baselines=judge.baselines,
        comparisons=tuple(comparisons_of(judge.methods, judge.baselines)),
        unavailable=judge.unavailable,
        coverage=coverage_facts(split, annotations, tested),
        folds=_folds(split, tested),
        settings={**dataset_facts(store), **settings.stated},
        versions=versions(),
        warnings=(*warnings, *judge.warnings),
    )
    return Benchmark(evaluation, judge.videos, judge.predictions)


def methods_named(scores: Scores | Mapping[str, Scores]) -> dict[str, Scores]:
    """Method -> its scores, of whatever was given: one method without a name, or several by name."""
    named: dict[str, Any]
    if isinstance(scores, Mapping):
        named = dict(scores) if scores and all(map(_is_method, scores.values())) else {"scores": scores}
    elif isinstance(scores, str | os.PathLike):
        named = {name_of([scores]): scores}
    else:
        named = {name_of([part for part in scores if isinstance(part, str | os.PathLike)]): list(scores)}
    if not named or any(isinstance(source, list) and not source for source in named.values()):
        raise ValueError("expected the scores of a method, got an empty list")
    taken = [name for name in named if name in get_args(Baseline)]
    if taken:
        raise ValueError(f"'{taken[0]}' is the name of a baseline; give the method another: NAME=PATH, or a dict")
    return named


def name_of(files: Sequence[str | os.PathLike[str]]) -> str:
    """What a method is called after its score files: what their names share, without the number of the fold."""
    stems = list(dict.fromkeys(Path(file).stem for file in files))
    if len(stems) == 1:
        return stems[0]
    shared = os.path.commonprefix(stems)  # noqa: RUF071 (character by character is meant)
    if any(stem[len(shared) : len(shared) + 1].isdigit() for stem in stems):  # split10 and split11 share split1
        shared = shared.rstrip("0123456789")
    shared = re.sub(r"[-_. ]*(split|fold)?[-_. ]*$", "", shared, flags=re.IGNORECASE)
    folders = {Path(file).absolute().parent.name for file in files}
    return shared or (folders.pop() if len(folders) == 1 else "") or "scores"


def _is_method(value: Any) -> bool:
    """Whether a value of a mapping is a method's scores, and not a video's."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(_is_method, value))
    return isinstance(value, str | os.PathLike) or (isinstance(value, Mapping) and "scores" not in value)


def _checkpoint_rules(settings: EvaluationSettings, methods: Sequence[str]) -> Mapping[str, str]:
    stated = settings.checkpoint_rule
    if stated is None or isinstance(stated, str):
        return dict.fromkeys(methods, stated) if stated else {}
    unknown = [name for name in stated if name not in methods]
    if unknown:
        raise ValueError(f"checkpoint rule of '{unknown[0]}', which is no method here: {', '.join(methods)}")
    return stated


def _folds(split: Splits | None, tested: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Keys that each fold of a resolved split tests, of those that were evaluated."""
    evaluated = set(tested)
    folds = () if split is None else split.folds
    return tuple(tuple(ref.key for ref in fold.test if ref.key in evaluated) for fold in folds)


def comparisons_of(
    methods: Mapping[str, Mapping[str, MethodResult]], baselines: Mapping[str, Mapping[str, MethodResult]]
) -> Iterator[Comparison]:
    """Every pair of methods, and each with ridge regression, under each protocol, on each metric that both have."""
    pairs = [*combinations(methods.values(), 2)]
    pairs += [(method, baselines["ridge"]) for method in methods.values() if "ridge" in baselines]
    for first, second in pairs:
        for protocol in first:
            for metric in first[protocol].metrics:
                found = compare(first[protocol], second[protocol], metric)
                if found.n_videos:
                    yield found


class _Remembered(Mapping[str, Annotations]):
    """A dataset file of which each video is read once."""

    def __init__(self, store: DatasetStore) -> None:
        self._store = store
        self._known: dict[str, Annotations] = {}

    def __getitem__(self, key: str) -> Annotations:
        if key not in self._known:
            self._known[key] = self._store[key]
        return self._known[key]

    def __contains__(self, key: object) -> bool:
        return key in self._store

    def __iter__(self) -> Iterator[str]:
        return iter(self._store)

    def __len__(self) -> int:
        return len(self._store)
