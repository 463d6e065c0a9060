"""Finished folds to figures: per video the mean over seeds and folds, beside the rows that no table goes without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.benchmark import Benchmark, EvaluationSettings
from sspvs.benchmark.provenance import coverage_facts, dataset_facts, repairs_of, versions
from sspvs.benchmark.refined import CONTRASTIVE_ALONE, refined_row
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
from sspvs.tasks.checkpoint import SUMMARIZE
from sspvs.training.predictions import variant_path
from sspvs.types import Annotations, FloatArray


def gather(
    plan: Plan,
    settings: CrossvalSettings,
    *,
    protocol: str,
    name: str,
    rule: str = "default",
    progress: bool = False,
) -> CrossValidation:
    """Figures of all folds and seeds, which must be finished.

    Args:
        plan: What was asked for.
        settings: Likewise.
        protocol: A name of `PROTOCOLS`, or `all`.
        name: What the method is called.
        rule: How scores become summaries, for F1: a name of `RULES`.
        progress: Show bars where it takes more than a few seconds.

    Raises:
        DatasetError: A file of a fold does not fit.
        ProtocolUnavailableError: The dataset does not have what the protocol needs.
    """
    how = EvaluationSettings(
        protocol=protocol, rule=rule, contrastive=True, post=_post(plan), checkpoint_rule=settings.rule
    )
    judge = _judge(plan, how, progress=progress)
    folder = CrossvalFolder(settings.out)
    records = [folder.record(seed, fold) for seed in settings.seeds for fold in range(plan.n_folds)]
    runs = _Runs(plan, folder, records, judge)
    made_by = _made_by(plan, settings, records)
    judge.add_results(name, *runs.row(name, SCORES), made_by)
    if plan.is_refined:
        _add_combinations(plan, judge, runs, name, made_by)
    judge.add_contrastive_beside(CONTRASTIVE_ALONE, "a")
    judge.add_rows_beside()
    evaluation = _evaluation(plan, judge, how, _told(plan, records))
    return CrossValidation(
        name,
        settings.out,
        Benchmark(evaluation, judge.videos, judge.predictions),
        tuple(records),
        plan.config,
        plan.digest,
    )


def check_protocols(plan: Plan, protocol: str) -> None:
    """See before anything is trained that the figures asked for can be computed.

    Args:
        plan: What was asked for.
        protocol: A name of `PROTOCOLS`, or `all`.

    Raises:
        ProtocolUnavailableError: The dataset does not have what the protocol needs.
    """
    _judge(plan, EvaluationSettings(protocol=protocol)).check_protocols()


def _judge(plan: Plan, how: EvaluationSettings, *, progress: bool = False) -> Judge:
    store = plan.data.stores.tested
    return Judge(store, {key: store[key] for key in plan.times_tested}, how, progress=progress)


class _Runs:
    """Score files of all folds and seeds to rows of the table."""

    def __init__(self, plan: Plan, folder: CrossvalFolder, records: Sequence[FoldRecord], judge: Judge) -> None:
        self.plan, self.folder, self.records, self.judge = plan, folder, records, judge

    def row(self, method: str, file: str) -> tuple[dict[str, MethodResult], dict[str, Prediction]]:
        """Results by protocol, over the folds of each seed and then over the seeds; each video's mean scores.

        Args:
            method: What the row is called.
            file: Name of the score file in each fold's folder.
        """
        videos = self.judge.videos
        runs: dict[int, list[dict[str, MethodResult]]] = {}
        scores: dict[str, list[FloatArray]] = {}
        for record in self.records:
            path = self.folder.fold(record.seed, record.fold) / file
            found = _scores_of(path, self.plan.tested[record.fold], videos)
            runs.setdefault(record.seed, []).append(self.judge.results_of(method, found))
            for key, prediction in found.items():
                scores.setdefault(key, []).append(prediction.at_picks)
        drawn = {key: Prediction.of(np.mean(scores[key], axis=0), videos[key]) for key in videos}
        protocols = next(iter(runs.values()))[0]
        return {protocol: _over_runs(method, protocol, runs, list(videos)) for protocol in protocols}, drawn


def _add_combinations(plan: Plan, judge: Judge, runs: _Runs, name: str, made_by: Mapping[str, Any]) -> None:
    """The other combinations of terms of refined features, beside the method."""
    own = plan.config["model"]["combine"]
    for variant in runs.records[0].variants:
        row = refined_row(variant)
        if variant == own:
            continue
        if row == name:
            raise ValueError(f"'{name}' is the name of another row here; call the method something else (--name)")
        made = {**{key: value for key, value in made_by.items() if key != "config"}, "combine": variant}
        judge.add_results_beside(row, *runs.row(row, variant_path(Path(SCORES), variant).name), made)


def _post(plan: Plan) -> Post:
    """What follows the product in training-free rows: as in the rows of refined features, or as the dataset has it."""
    if plan.is_refined:
        post: Post = plan.config["model"]["post"]
        return post
    return "tvsum" if benchmark_name(plan.data.stores.tested.name) == "tvsum" else "summe"


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
    model = plan.config["model"]
    return {
        **({"combine": model["combine"], "post": model["post"]} if plan.is_refined else {}),
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
    starts = {start["source"]: start for record in records if (start := record.initialised_from) is not None}
    told += [
        f"training started from a fine-tuned summarizer, {source}: if it has learned from videos that are tested here, "
        "the figures say nothing"
        for source, start in starts.items()
        if start["kind"] == SUMMARIZE
    ]
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
