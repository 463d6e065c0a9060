"""Published results as data: each figure with the protocol and the checkpoint rule it was made with.

The protocol belongs to a dataset as much as to a method: some systems correlate binary summaries on SumMe and
continuous scores on TVSum. Where a paper does not say, `protocol` is None and `note` says so; such a figure must not
stand in a column beside others.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Literal, get_args

from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.schema import Choice, Range, Settings, mistakes, refuse

Setting = Literal["canonical", "augmented", "transfer"]
Reduction = Literal["avg", "max"]
CheckpointRule = Literal["best-test", "val", "train-loss", "last"]
Correlation = Annotated[float, Range(least=-1, most=1)]

_COMMUNITY_FILE = re.compile(r"(?:eccv16_dataset_)?(summe|tvsum)(?:_google_pool5)?", re.IGNORECASE)


@dataclass(frozen=True)
class PublishedResult(Settings):
    """One row of a published table, on one dataset.

    Attributes:
        method: As papers call it, such as `CSTA` or `SSPVS + text`.
        year: Of the paper.
        dataset: `summe` or `tvsum`.
        setting: `canonical`, `augmented` or `transfer`.
        kendall_tau: None when not published.
        spearman_rho: None when not published.
        f_score: In 0..1; None when not published.
        f_score_reduction: Over users: `max` is the habit on SumMe, `avg` on TVSum. None without `f_score`.
        protocol: A name of `PROTOCOLS`: how the correlations were computed on this dataset. None when not known.
        checkpoint_rule: What chose the weights: `best-test` (the best epoch on the test videos), `val` (on videos
            held out of training), `train-loss`, `last`. None when not known.
        text: Whether the method reads text; `note` says which.
        supervised: Whether it learns from annotations.
        source: The paper.
        note: What else a reader should know, or empty.
    """

    method: str
    year: int
    dataset: str
    setting: Setting
    kendall_tau: Correlation | None
    spearman_rho: Correlation | None
    f_score: Annotated[float, Range(least=0, most=1)] | None
    f_score_reduction: Reduction | None
    protocol: Annotated[str, Choice(PROTOCOLS)] | None
    checkpoint_rule: CheckpointRule | None
    text: bool
    supervised: bool
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        refuse(
            f"published result {self.method} on {self.dataset}", mistakes(type(self), vars(self)) or self.conflicts()
        )

    def conflicts(self) -> list[str]:
        if (self.f_score is None) != (self.f_score_reduction is None):
            return ["f_score and f_score_reduction go together: a figure and how it was reduced"]
        return ["has no figure"] if self.kendall_tau is self.spearman_rho is self.f_score is None else []

    @property
    def best_test(self) -> bool:
        """Whether the epoch was chosen on the videos the figure was measured on."""
        return self.checkpoint_rule == "best-test"


def benchmark_name(dataset: str) -> str | None:
    """The benchmark that a dataset's name stands for; None when it is none with published results.

    Args:
        dataset: Such as `summe`, `TVSum` or `eccv16_dataset_summe_google_pool5`. Names that merely contain one of
            these are other datasets.
    """
    found = _COMMUNITY_FILE.fullmatch(dataset)
    return found.group(1).lower() if found else None


def published_results(
    dataset: str | None = None,
    protocol: str | None = None,
    setting: str | None = None,
) -> tuple[PublishedResult, ...]:
    """Published results that come with the package, in the order of their tables.

    Args:
        dataset: Only those on `summe` or `tvsum`, also as the community's files are called; a dataset without
            published results gives none.
        protocol: Only those under this protocol; figures of an unknown protocol are never among them.
        setting: Only `canonical`, `augmented` or `transfer` ones.

    Raises:
        ValueError: No such protocol or setting.
    """
    if protocol is not None and protocol not in PROTOCOLS:
        raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    if setting is not None and setting not in get_args(Setting):
        raise ValueError(f"setting must be one of {', '.join(get_args(Setting))}, got {setting!r}")
    wanted = None if dataset is None else benchmark_name(dataset)
    return tuple(
        row
        for row in _all_results()
        if (dataset is None or row.dataset == wanted)
        and (protocol is None or row.protocol == protocol)
        and (setting is None or row.setting == setting)
    )


@cache
def _all_results() -> tuple[PublishedResult, ...]:
    text = resources.files("sspvs.evaluation").joinpath("published.json").read_text(encoding="utf-8")
    return tuple(PublishedResult(**row) for row in json.loads(text)["results"])
