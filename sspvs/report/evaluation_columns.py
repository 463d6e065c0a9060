"""Figures, intervals, differences and settings as people write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.results import METRICS, Comparison

SHORT = {"kendall_tau": "tau", "spearman_rho": "rho", "f_score_avg": "F1 avg", "f_score_max": "F1 max"}


def number(value: float | None, digits: int = 4) -> str:
    """A figure as the field writes it: `.1774`, `-.0123`, `1.0000`; `-` when undefined.

    Args:
        value: None and NaN are undefined.
        digits: After the point.
    """
    if value is None or not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def interval(ci95: tuple[float, float] | None) -> str:
    """`[.150, .205]`; empty when there is none."""
    if ci95 is None or not all(math.isfinite(end) for end in ci95):
        return ""
    return f"[{number(ci95[0], 3)}, {number(ci95[1], 3)}]"


def comparison_text(comparison: Comparison) -> str:
    """`tau +.0120 [-.003, .027], p = .12`."""
    difference = number(comparison.difference)
    sign = "" if difference.startswith("-") else "+"
    p = comparison.p_value
    chance = "p not defined" if not math.isfinite(p) else "p < .001" if p < 0.001 else f"p = {_two_digits(p)}"
    ends = interval(comparison.ci95)
    middle = f"{sign}{difference} {ends}".strip()
    return f"{SHORT[comparison.metric]} {middle}, {chance}"


def _two_digits(p: float) -> str:
    return number(p, 2 if p >= 0.1 else 3)


def in_words(value: Any) -> str:
    """A setting as a person would write it, on one line."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {in_words(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(in_words(item) for item in value)
    return str(value)


CORRELATIONS, F_SCORES = METRICS[:2], METRICS[2:]
F1 = "F1"
Group = Literal["methods", "baselines", "published"]


@dataclass(frozen=True)
class Figure:
    """One number, and all that says where it may stand.

    Attributes:
        value: The mean over videos; NaN when undefined.
        metric: One of `METRICS`.
        measure: The protocol's name for a correlation, `F1` for an F1.
        best_test: Whether the epoch was chosen on the test videos.
        dataset: As in the evaluation.
        ci95: Bootstrap interval over videos; None for published figures.
        std: Standard deviation over videos; None for published figures.
        n_videos: Videos in the mean; None for published figures.
    """

    value: float
    metric: str
    measure: str
    best_test: bool
    dataset: str
    ci95: tuple[float, float] | None = None
    std: float | None = None
    n_videos: int | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {self.metric!r}")
        if self.metric in F_SCORES and self.measure != F1:
            raise ValueError(f"{self.metric} belongs to no protocol: its measure is {F1}, got {self.measure!r}")
        if self.metric in CORRELATIONS and self.measure not in PROTOCOLS:
            raise ValueError(
                f"{self.metric} needs a protocol that is known, one of {', '.join(PROTOCOLS)}, got {self.measure!r}; "
                "a figure without one stands in no column"
            )

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval worth showing: that of a single video says nothing."""
        ends_known = self.ci95 is not None and all(math.isfinite(end) for end in self.ci95)
        return ends_known and (self.n_videos is None or self.n_videos > 1)

    @property
    def interval(self) -> str:
        """`[.150, .205]`; empty when there is none worth showing."""
        return interval(self.ci95) if self.has_interval else ""


@dataclass
class Column:
    """Figures that may be compared: one metric, one protocol, one dataset, one class of checkpoint rule.

    Attributes:
        metric: One of `METRICS`.
        measure: The protocol's name, or `F1`.
        best_test: Whether it holds the figures whose epoch was chosen on the test videos.
        dataset: As in the evaluation.
    """

    metric: str
    measure: str
    best_test: bool
    dataset: str
    _figures: dict[str, Figure] = field(default_factory=dict, repr=False)

    def add(self, row: str, figure: Figure) -> None:
        """Put a figure into a row of this column.

        Args:
            row: The row's label.
            figure: What to put there.

        Raises:
            ValueError: The figure is of another metric, protocol, dataset or checkpoint rule, or the row has one.
        """
        for name in ("metric", "measure", "best_test", "dataset"):
            mine, theirs = getattr(self, name), getattr(figure, name)
            if mine != theirs:
                what = {"measure": "protocol"}.get(name, name)
                raise ValueError(f"{row}: a figure of {what} {theirs!r} cannot stand in a column of {what} {mine!r}")
        if row in self._figures:
            raise ValueError(f"{row}: has a figure in the column {self.measure}, {self.metric} already")
        self._figures[row] = figure

    def get(self, row: str) -> Figure | None:
        """The row's figure; None where it has none."""
        return self._figures.get(row)

    @property
    def figures(self) -> Mapping[str, Figure]:
        """All of them, by row."""
        return dict(self._figures)


@dataclass(frozen=True)
class Row:
    """A line of a block.

    Attributes:
        label: What it is called; unique in its block.
        group: What kind of row it is.
        detail: What it is, in a few words, or empty.
    """

    label: str
    group: Group
    detail: str = ""


@dataclass
class Block:
    """All figures of one protocol, or all F1.

    Attributes:
        measure: The protocol's name, or `F1`.
        sentence: The protocol spelled out.
        dataset: As in the evaluation.
        rows: Methods, then baselines, then published results.
        columns: Those that hold a figure, plain ones first.
        notes: Sentences about these figures: what was left out.
        comparisons: Between methods, paired.
    """

    measure: str
    sentence: str
    dataset: str
    rows: list[Row] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    def add(self, row: Row, figure: Figure) -> None:
        """Put a figure where it belongs, making the row and the column when they are new.

        Raises:
            ValueError: The figure is of another protocol or dataset, or the row's label stands for another row.
        """
        if figure.measure != self.measure:
            raise ValueError(f"{row.label}: a figure of {figure.measure!r} cannot stand under {self.measure!r}")
        known = next((other for other in self.rows if other.label == row.label), None)
        if known is not None and known.group != row.group:
            raise ValueError(f"{row.label}: stands for one of the {known.group} and one of the {row.group}")
        self.column(figure.metric, figure.best_test).add(row.label, figure)
        if known is None:
            self.rows.append(row)

    def column(self, metric: str, best_test: bool) -> Column:
        """The column of a metric, made when it is new."""
        for column in self.columns:
            if (column.metric, column.best_test) == (metric, best_test):
                return column
        column = Column(metric, self.measure, best_test, self.dataset)
        self.columns.append(column)
        self.columns.sort(key=lambda each: (each.best_test, METRICS.index(each.metric)))
        return column


@dataclass(frozen=True)
class Apart:
    """Published figures that stand in no column.

    Attributes:
        reason: Why.
        figures: One a result, such as `A2Summ 2023 .108 / .129*`.
    """

    reason: str
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """An evaluation as one would print it.

    Attributes:
        dataset: The dataset's name.
        methods: Labels of the methods, in order.
        facts: What was evaluated, and how: name -> value, in words.
        blocks: One a protocol, then F1.
        apart: Published figures that stand in no column.
        unavailable: Protocol -> why it cannot be computed.
        warnings: Sentences for the user.
    """

    dataset: str
    methods: tuple[str, ...]
    facts: Mapping[str, str]
    blocks: tuple[Block, ...]
    apart: tuple[Apart, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def block(self, measure: str) -> Block:
        """The block of a protocol, or of `F1`.

        Raises:
            KeyError: There is none.
        """
        for block in self.blocks:
            if block.measure == measure:
                return block
        raise KeyError(measure)

    @property
    def has_best_test(self) -> bool:
        """Whether any figure's epoch was chosen on the test videos."""
        return any(column.best_test for block in self.blocks for column in block.columns)
