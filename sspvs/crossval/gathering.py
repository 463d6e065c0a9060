"""Finished folds to figures: per video the mean over seeds and folds, beside the rows that no table goes without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.benchmark import Benchmark, EvaluationSettings
from sspvs.benchmark.provenance import coverage_facts, dataset_facts, repairs_of, versions
from sspvs.benchmark.rows import Judge
from sspvs.benchmark.settings import Post
from sspvs.crossval.averaging import mean_result, over_seeds
from sspvs.crossval.fold_run import PACKAGES
from sspvs.crossval.folder import SCORES, CrossvalFolder
from sspvs.crossval.plan import Plan
from sspvs.crossval.records import FoldRecord
from sspvs.crossval.results import CrossValidation
from sspvs.crossval.settings import CrossvalSettings
from sspvs.errors import DatasetError
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.published import benchmark_name
from sspvs.evaluation.results import Evaluation, MethodResult
from sspvs.features.store import read_scores
from sspvs.types import Annotations, FloatArray


def gather(
    plan: Plan, settings: CrossvalSettings, *, protocol: str, name: str, progress: bool = False
) -> CrossValidation:
    """Figures of all folds and seeds, which must be finished.

    Args:
        plan: What was asked for.
        settings: Likewise.
        protocol: A name of `PROTOCOLS`, or `all`.
        name: What the method is called.
        progress: Show bars where it takes more than a few seconds.

    Raises:
        DatasetError: A file of a fold does not fit.
        ProtocolUnavailableError: The dataset does not have what the protocol needs.
    """
    folder, store, method = CrossvalFolder(settings.out), plan.data.stores.tested, name
    videos = {key: store[key] for key in plan.times_tested}
    post: Post = "tvsum" if benchmark_name(store.name) == "tvsum" else "summe"
    how = EvaluationSettings(protocol=protocol, contrastive=True, post=post, checkpoint_rule=settings.rule)
    judge = Judge(store, videos, how, progress=progress)
    records = [folder.record(seed, fold) for seed in settings.seeds for fold in range(plan.n_folds)]
    runs: dict[int, list[dict[str, MethodResult]]] = {}
    scores: dict[str, list[FloatArray]] = {}
    for record in records:
        found = _scores_of(folder.fold(record.seed, record.fold) / SCORES, plan.tested[record.fold], videos)
        runs.setdefault(record.seed, []).append(judge.results_of(method, found))
        for key, prediction in found.items():
            scores.setdefault(key, []).append(prediction.at_picks)
    drawn = {key: Prediction.of(np.mean(scores[key], axis=0), videos[key]) for key in videos}
    results = {
        protocol_name: _over_runs(method, protocol_name, runs, list(videos))
        for protocol_name in next(iter(runs.values()))[0]
    }
    judge.add_results(method, results, drawn, _made_by(plan, settings, records))
    judge.add_rows_beside()
    evaluation = _evaluation(plan, judge, how, _told(plan, records))
    return CrossValidation(
        method,
        settings.out,
        Benchmark(evaluation, judge.videos, judge.predictions),
        tuple(records),
        plan.config,
        plan.digest,
    )


def _scores_of(path: Path, keys: Sequence[str], videos: Mapping[str, Annotations]) -> dict[str, Prediction]:
    found = read_scores(path)
    if set(found) != set(keys):
        raise DatasetError(
            f"{path}: expected scores of {len(keys)} tested videos, found {len(found)}; delete the folder "
            f"{path.parent}, and the fold is made again"
        )
    return {key: Prediction.of(found[key].scores, videos[key], picks=found[key].picks) for key in keys}


def _over_runs(
    method: str, protocol: str, runs: Mapping[int, Sequence[Mapping[str, MethodResult]]], order: Sequence[str]
) -> MethodResult:
    """Over the folds of each seed, then over the seeds."""
    by_seed = {seed: mean_result(method, [run[protocol] for run in folds], order) for seed, folds in runs.items()}
    result = mean_result(method, list(by_seed.values()), order)
    return replace(result, settings={**result.settings, **over_seeds(by_seed)})


def _made_by(plan: Plan, settings: CrossvalSettings, records: Sequence[FoldRecord]) -> dict[str, Any]:
    """What made the method's figures, for its row."""
    start = records[0].initialised_from
    return {
        "checkpoint_rule": settings.rule,
        "seeds": list(settings.seeds),
        "folds_per_seed": plan.n_folds,
        "figures": "per video the mean over seeds" + (", and over the folds that test it" if _repeated(plan) else ""),
        "initialised_from": None if start is None else dict(start),
        "trained_on": sorted({record.device for record in records}),
        "feature_fingerprint": None if records[0].feature_fingerprint is None else dict(records[0].feature_fingerprint),
        "config": dict(plan.config),
    }


def _repeated(plan: Plan) -> int:
    """Videos that more than one fold tests."""
    return sum(count > 1 for count in plan.times_tested.values())


def _told(plan: Plan, records: Sequence[FoldRecord]) -> list[str]:
    """Sentences for whoever reads the table."""
    told = []
    store, tested = plan.data.stores.tested, plan.times_tested
    if len(tested) < len(store) or _repeated(plan):
        more = f", {_repeated(plan)} of them by more than one fold" if _repeated(plan) else ""
        told.append(f"the split tests {len(tested)} of {len(store)} videos{more}: each counts once, with its mean")
    others = {name: {record.versions.get(name) for record in records} for name in records[0].versions}
    differing = [name for name, known in others.items() if len(known) > 1]
    if differing:
        told.append(f"not all folds were made with the same version of {', '.join(differing)}")
    undefined = sum(record.chosen.monitor is not None and record.chosen.value is None for record in records)
    if undefined:
        told.append(f"in {undefined} of {len(records)} folds nothing could choose the weights: the figure is undefined")
    return told


def _evaluation(plan: Plan, judge: Judge, how: EvaluationSettings, told: Sequence[str]) -> Evaluation:
    store, split = plan.data.stores.tested, plan.data.split
    coverage = coverage_facts(split, store, list(judge.videos))
    if _repeated(plan):
        coverage["tested_more_than_once"] = _repeated(plan)
    return Evaluation(
        dataset=store.name,
        protocols=tuple(protocol.name for protocol in judge.protocols),
        methods=judge.methods,
        baselines=judge.baselines,
        unavailable=judge.unavailable,
        coverage=coverage,
        folds=() if _repeated(plan) else plan.tested,
        settings={**dataset_facts(store), **how.stated},
        versions=versions(*PACKAGES),
        warnings=(*repairs_of(judge.videos), *split.repairs, *judge.warnings, *told),
    )
