"""What a cross-validation found, as a value and as a file; several of them in one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sspvs.atomic import write_text
from sspvs.benchmark import Benchmark, as_json, comparisons_of
from sspvs.crossval.folder import FoldRecord
from sspvs.errors import MissingExtraError
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.results import METRICS, Evaluation, MethodResult
from sspvs.training.run import wandb_settings

_SAID_ONCE = ("config", "per_seed", "over_seeds")  # by the result file; by every row of the page


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found.

    Attributes:
        name: The method's.
        out: Its folder.
        benchmark: The figures, and what reports draw: each video's scores are the mean over the seeds.
        folds: Of all seeds.
        config: The whole config, plain types.
        plan_digest: Of what identifies the experiment.
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
        shorter = {name: _without(result, *_SAID_ONCE) for name, result in results.items()}
        return {
            **as_json(replace(self.evaluation, methods={self.name: shorter})),
            "seeds": settings["seeds"],
            "checkpoint_rule": settings["checkpoint_rule"],
            "crossval": {
                "digest": self.plan_digest,
                "protocols": by_protocol,
                "folds": [_fold_entry(record) for record in self.folds],
                "config": dict(self.config),
            },
        }

    def write(self, path: Path) -> None:
        """Write `as_json`, atomically.

        Raises:
            OutputError: The file cannot be written.
        """
        write_text(path, json.dumps(_plain(self.as_json()), indent=2, allow_nan=False) + "\n")


def side_by_side(runs: Mapping[str, CrossValidation]) -> Benchmark:
    """Several cross-validations on the same folds in one table, compared by a paired bootstrap over videos.

    Args:
        runs: By the name that each shall have; baselines are those of the first.

    Raises:
        ValueError: They are not of the same dataset, split and protocols.
    """
    if not runs:
        raise ValueError("nothing to put side by side")
    first = next(iter(runs.values())).evaluation
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
    evaluation = replace(first, methods=methods, comparisons=tuple(comparisons_of(methods)), warnings=tuple(warnings))
    benchmark = next(iter(runs.values())).benchmark
    beside = {row: drawn for row, drawn in benchmark.predictions.items() if row in first.baselines}
    return Benchmark(evaluation, benchmark.videos, {**predictions, **beside})


def _without(result: MethodResult, *names: str) -> MethodResult:
    return replace(result, settings={key: value for key, value in result.settings.items() if key not in names})


def _fold_entry(record: FoldRecord) -> dict[str, Any]:
    """A fold as the result file has it: versions and features are said once for all."""
    left_out = ("versions", "feature_fingerprint", "initialised_from", "digest", "variants", "weights_sha256")
    plain: dict[str, Any] = json.loads(json.dumps(vars(record), default=vars))
    return {name: value for name, value in plain.items() if name not in left_out}


def _plain(value: Any) -> Any:
    """NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def log_summary(result: CrossValidation, mode: Literal["offline", "online"], project: str) -> None:
    """Log every row's means, and the config.

    Args:
        result: What was found.
        mode: `offline`: files in the folder of the cross-validation, for `wandb sync`.
        project: W&B's.

    Raises:
        MissingExtraError: W&B is not installed.
    """
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise MissingExtraError("W&B is not installed: pip install wandb, or leave --wandb off") from error
    run = wandb.init(
        project=project,
        group=result.out.resolve().name,
        name="summary",
        dir=result.out,
        mode=mode,
        config={"config": dict(result.config), "digest": result.plan_digest},
        reinit="finish_previous",
        settings=wandb_settings(),
    )
    rows = _rows(result)
    run.log({"crossval": wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])})
    for row in rows:
        if row["row"] == result.name:
            run.summary.update({f"{row['protocol']}/{metric}": row[metric] for metric in METRICS})
    run.finish()


def _rows(result: CrossValidation) -> list[dict[str, Any]]:
    """A row a method or baseline and protocol."""
    evaluation = result.evaluation
    rows = []
    for name, by_protocol in {**evaluation.methods, **evaluation.baselines}.items():
        for protocol, found in by_protocol.items():
            figures: dict[str, Any] = {"row": name, "protocol": protocol}
            for metric in METRICS:
                spread = found.spreads[metric]
                figures[metric] = spread.mean
                figures[f"{metric}_low"], figures[f"{metric}_high"] = spread.ci95
            rows.append(figures)
    return rows
