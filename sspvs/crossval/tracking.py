"""The table of a cross-validation as a run of its own in W&B, in the group of its folds."""

from __future__ import annotations

from typing import Any, Literal

from sspvs.crossval.results import CrossValidation
from sspvs.errors import MissingExtraError
from sspvs.evaluation.results import METRICS
from sspvs.training.loggers import wandb_settings


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
