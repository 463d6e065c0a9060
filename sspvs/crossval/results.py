"""Finished folds -> figures: per video the mean over runs, beside the baselines; one result, or several together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sspvs.atomic import write_text
from sspvs.benchmark import Benchmark, EvaluationSettings, as_json, comparisons_of
from sspvs.benchmark.result_file import coverage_facts, dataset_facts, repairs_of, versions
from sspvs.benchmark.ridge import add_ridge
from sspvs.benchmark.rows import CONTRASTIVE_ALONE, Judge, Post, refined_row
from sspvs.crossval.folder import SCORES, CrossvalFolder, FoldRecord
from sspvs.crossval.plan import PACKAGES, CrossvalSettings, Plan
from sspvs.errors import DatasetError
from sspvs.evaluation.comparison import Evaluation, ShownEvaluation
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.published import benchmark_name
from sspvs.evaluation.results import METRICS, MethodResult, mean_result
from sspvs.report.tables import plain
from sspvs.table import read_scores
from sspvs.tasks.checkpoint import SUMMARIZE
from sspvs.training.predictions import variant_path
from sspvs.training.run import wandb_settings
from sspvs.types import Annotations, FloatArray

_ONCE_A_FILE = ("config", "per_seed", "over_seeds")  # not in each row of the result file
_NOT_IN_RESULT = ("versions", "feature_fingerprint", "initialised_from", "digest", "variants", "weights_sha256")


@dataclass(frozen=True)
class CrossValidation(ShownEvaluation):
    """The result of a cross-validation.

    Attributes:
        name: The method's.
        out: Its folder.
        benchmark: The figures, and what reports draw: each video's scores are the mean over the seeds.
        folds: Of all seeds.
        config: The whole config, plain types.
        plan_digest: Of what identifies the experiment.

    Example:
        >>> result = sspvs.cross_validate("finetune.yaml", "crossval", seeds=1)
        >>> len(result.folds), "kendall_tau" in result.to_dataframe().columns
        (3, True)
    """

    name: str
    out: Path
    benchmark: Benchmark
    folds: tuple[FoldRecord, ...]
    config: Mapping[str, Any]
    plan_digest: str

    @property
    def evaluation(self) -> Evaluation:
        """The figures."""
        return self.benchmark.evaluation

    @property
    def results(self) -> Mapping[str, MethodResult]:
        """The method's, by protocol: per video the mean over seeds."""
        return self.evaluation.methods[self.name]

    def as_json(self) -> dict[str, Any]:
        """As `sspvs evaluate` writes it, and `crossval`: seeds and what differs between them, folds, config."""
        results = self.results
        settings = next(iter(results.values())).settings
        by_protocol = {
            name: {key: result.settings[key] for key in ("per_seed", "over_seeds")} for name, result in results.items()
        }
        shorter = {
            name: replace(result, settings=_without(result.settings, _ONCE_A_FILE)) for name, result in results.items()
        }
        folds: list[dict[str, Any]] = json.loads(json.dumps([vars(record) for record in self.folds], default=vars))
        return {
            **as_json(replace(self.evaluation, methods={self.name: shorter})),
            "seeds": settings["seeds"],
            "checkpoint_rule": settings["checkpoint_rule"],
            "crossval": {
                "digest": self.plan_digest,
                "protocols": by_protocol,
                "folds": [_without(fold, _NOT_IN_RESULT) for fold in folds],
                "config": dict(self.config),
            },
        }

    def write(self, path: Path) -> None:
        """Write `as_json`, atomically."""
        write_text(path, json.dumps(plain(self.as_json()), indent=2, allow_nan=False) + "\n")


def side_by_side(runs: Mapping[str, CrossValidation]) -> Benchmark:
    """Several cross-validations on the same folds in one table, compared by a paired bootstrap over videos.

    Args:
        runs: By their names in the table; baselines are those of the first.

    Raises:
        ValueError: They are not of the same dataset, split and protocols.
    """
    if not runs:
        raise ValueError("nothing to put side by side")
    benchmark = next(iter(runs.values())).benchmark
    first = benchmark.evaluation
    methods: dict[str, Mapping[str, MethodResult]] = {}
    predictions: dict[str, Mapping[str, Prediction]] = {}
    for name, run in runs.items():
        other = run.evaluation
        for what in ("dataset_sha256", "dataset_bytes"):
            if other.settings.get(what) != first.settings.get(what):
                raise ValueError(f"{name} was tested on another dataset file than {next(iter(runs))}")
        if (other.coverage, other.protocols) != (first.coverage, first.protocols):
            raise ValueError(f"{name} has other folds or protocols than {next(iter(runs))}")
        if name in first.baselines:
            raise ValueError(f"'{name}' is the name of a baseline; call it something else")
        methods[name] = {protocol: replace(result, method=name) for protocol, result in run.results.items()}
        predictions[name] = run.benchmark.predictions[run.name]
    warnings = dict.fromkeys(warning for run in runs.values() for warning in run.evaluation.warnings)
    evaluation = replace(
        first, methods=methods, comparisons=tuple(comparisons_of(methods, first.baselines)), warnings=tuple(warnings)
    )
    beside = {row: drawn for row, drawn in benchmark.predictions.items() if row in first.baselines}
    return Benchmark(evaluation, benchmark.videos, {**predictions, **beside})


def gather(
    plan: Plan, settings: CrossvalSettings, how: EvaluationSettings, name: str, *, progress: bool = False
) -> CrossValidation:
    """Figures of all folds and seeds, which must be finished, by a protocol and a rule; the rest as in the plan."""
    how = replace(how, contrastive=True, post=_post(plan), checkpoint_rule=settings.rule)
    judge = judge_of(plan, how, progress=progress)
    folder = CrossvalFolder(settings.out)
    records = [folder.record(seed, fold) for seed in settings.seeds for fold in range(plan.n_folds)]
    row_of = partial(_row, plan, folder, records, judge)
    made_by = _made_by(plan, settings, records)
    judge.add_results(name, *row_of(name, SCORES), made_by)
    for variant in records[0].variants if plan.is_refined else ():  # the other combinations of terms
        row = refined_row(variant)
        if row == refined_row(plan.config["model"]["combine"]):
            continue
        if row == name:
            raise ValueError(f"'{name}' is the name of another row here; call the method something else (--name)")
        made = {**_without(made_by, ("config",)), "combine": variant}
        judge.add_results(row, *row_of(row, variant_path(Path(SCORES), variant).name), made, beside=True)
    judge.add_contrastive_beside(CONTRASTIVE_ALONE, "a")
    judge.add_rows_beside()
    if settings.with_ridge:
        add_ridge(judge, plan.data.stores, plan.data.split, streams=plan.data.streams, beside=True)
    benchmark = Benchmark(_evaluation(plan, judge, how, records), judge.videos, judge.predictions)
    return CrossValidation(name, settings.out, benchmark, tuple(records), plan.config, plan.digest)


def judge_of(plan: Plan, how: EvaluationSettings, *, progress: bool = False) -> Judge:
    """What computes the figures of the tested videos."""
    store = plan.data.stores.tested
    return Judge(store, {key: store[key] for key in plan.times_tested}, how, progress=progress)


def over_seeds(by_seed: Mapping[int, MethodResult]) -> dict[str, Any]:
    """Each seed's means over the videos (`per_seed`), and their mean and sample standard deviation (`over_seeds`)."""
    metrics = next((run.metrics for run in by_seed.values()), METRICS)
    rows = [{"seed": seed, **{m: run.spreads[m].mean for m in metrics}} for seed, run in by_seed.items()]
    spread = {}
    for metric in metrics:
        known = np.array([row[metric] for row in rows])
        known = known[np.isfinite(known)]
        std = float(known.std(ddof=1)) if len(known) > 1 else None
        spread[metric] = {"mean": float(known.mean()) if len(known) else None, "std": std}
    return {"per_seed": rows, "over_seeds": spread}


def log_summary(result: CrossValidation, mode: Literal["offline", "online"], project: str) -> None:
    """Log every row's means, and the config, to W&B; offline, into the folder of the cross-validation."""
    kept_private = wandb_settings()
    import wandb

    run = wandb.init(
        project=project,
        group=result.out.resolve().name,
        name="summary",
        dir=result.out,
        mode=mode,
        config={"config": dict(result.config), "digest": result.plan_digest},
        reinit="finish_previous",
        settings=kept_private,
    )
    evaluation, rows = result.evaluation, list[dict[str, Any]]()
    for name, by_protocol in {**evaluation.methods, **evaluation.baselines}.items():
        for protocol, found in by_protocol.items():
            figures: dict[str, Any] = {"row": name, "protocol": protocol}
            for metric in METRICS:
                spread = found.spreads[metric]
                figures[metric] = spread.mean
                figures[f"{metric}_low"], figures[f"{metric}_high"] = spread.ci95
            rows.append(figures)
            if name == result.name:
                run.summary.update({f"{protocol}/{metric}": figures[metric] for metric in METRICS})
    run.log({"crossval": wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])})
    run.finish()


def _row(
    plan: Plan, folder: CrossvalFolder, records: Sequence[FoldRecord], judge: Judge, method: str, file: str
) -> tuple[dict[str, MethodResult], dict[str, Prediction]]:
    """Results by protocol, over the folds of each seed and then over the seeds; each video's mean scores."""
    videos = judge.videos
    runs: dict[int, list[dict[str, MethodResult]]] = {}
    scores: dict[str, list[FloatArray]] = {}
    for record in records:
        found = _scores_of(folder.fold(record.seed, record.fold) / file, plan.tested[record.fold], videos)
        runs.setdefault(record.seed, []).append(judge.results_of(method, found))
        for key, prediction in found.items():
            scores.setdefault(key, []).append(prediction.at_picks)
    drawn = {key: Prediction.of(np.mean(scores[key], axis=0), videos[key]) for key in videos}
    order, results = list(videos), {}
    for protocol in next(iter(runs.values()))[0]:
        by_seed = {seed: mean_result(method, [run[protocol] for run in runs[seed]], order) for seed in runs}
        result = mean_result(method, list(by_seed.values()), order)
        results[protocol] = replace(result, settings={**result.settings, **over_seeds(by_seed)})
    return results, drawn


def _post(plan: Plan) -> Post:
    """What follows the product in training-free rows: as in the rows of refined features, or by the dataset."""
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


def _made_by(plan: Plan, settings: CrossvalSettings, records: Sequence[FoldRecord]) -> dict[str, Any]:
    """What made the method's figures, for its row."""
    first, model = records[0], plan.config["model"]
    start, fingerprint = first.initialised_from, first.feature_fingerprint
    return {
        **({"combine": model["combine"], "post": model["post"]} if plan.is_refined else {}),
        "checkpoint_rule": settings.rule,
        "seeds": list(settings.seeds),
        "folds_per_seed": plan.n_folds,
        "figures": "per video the mean over seeds" + (", and over the folds that test it" if plan.n_repeated else ""),
        "initialised_from": None if start is None else dict(start),
        "trained_on": sorted({record.device for record in records}),
        "feature_fingerprint": None if fingerprint is None else dict(fingerprint),
        "config": dict(plan.config),
    }


def _notes(plan: Plan, records: Sequence[FoldRecord]) -> list[str]:
    """Sentences for the reader of the table."""
    notes = []
    store, tested, repeated = plan.data.stores.tested, plan.times_tested, plan.n_repeated
    if len(tested) < len(store) or repeated:
        more = f", {repeated} of them by more than one fold" if repeated else ""
        notes.append(f"the split tests {len(tested)} of {len(store)} videos{more}: each counts once, with its mean")
    starts = {start["source"]: start for record in records if (start := record.initialised_from) is not None}
    notes += [
        f"training started from a fine-tuned summarizer, {source}: if it has learned from videos that are tested here, "
        "the figures say nothing"
        for source, start in starts.items()
        if start["kind"] == SUMMARIZE
    ]
    others = {name: {record.versions.get(name) for record in records} for name in records[0].versions}
    differing = [name for name, known in others.items() if len(known) > 1]
    if differing:
        notes.append(f"not all folds were made with the same version of {', '.join(differing)}")
    undefined = sum(record.chosen.monitor is not None and record.chosen.value is None for record in records)
    if undefined:
        notes.append(
            f"in {undefined} of {len(records)} folds nothing could choose the weights: the figure is undefined"
        )
    return notes


def _evaluation(plan: Plan, judge: Judge, how: EvaluationSettings, records: Sequence[FoldRecord]) -> Evaluation:
    store, split = plan.data.stores.tested, plan.data.split
    coverage = coverage_facts(split, store, list(judge.videos))
    if plan.n_repeated:
        coverage["tested_more_than_once"] = plan.n_repeated
    return Evaluation(
        dataset=store.name,
        protocols=tuple(protocol.name for protocol in judge.protocols),
        methods=judge.methods,
        baselines=judge.baselines,
        comparisons=tuple(comparisons_of(judge.methods, judge.baselines)),
        unavailable=judge.unavailable,
        coverage=coverage,
        folds=() if plan.n_repeated else plan.tested,
        settings={**dataset_facts(store), **how.stated},
        versions=versions(*PACKAGES),
        warnings=(*repairs_of(judge.videos), *split.repairs, *judge.warnings, *_notes(plan, records)),
    )


def _without(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
