"""The table of an evaluation as a value: rows, columns and figures with their words.

`comparison_table` makes it once; text, HTML, pictures and the page's data only draw it. What cannot be
compared cannot stand in one column: `Figure`, `Column` and `Block` refuse it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.published import benchmark_name
from sspvs.evaluation.results import METRICS, PRECISION, EvaluationRecord, MethodResult

SHORT = dict(zip((*METRICS, PRECISION), ("tau", "rho", "F1 avg", "F1 max", "mAP"), strict=True))
CORRELATIONS, F_SCORES = METRICS[:2], METRICS[2:]
F1 = "F1"
Group = Literal["methods", "baselines", "published"]


def number(value: float | None, digits: int = 4) -> str:
    """A figure as the field writes it: `.1774`, `-.0123`, `1.0000`; `-` when undefined."""
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


@dataclass(frozen=True)
class Figure:
    """One number, and all that says where it may stand.

    Attributes:
        value: The mean over videos; NaN when undefined.
        metric: One of `METRICS`, or `PRECISION`.
        measure: The protocol's name, `F1` for an F1.
        best_test: Whether the epoch was chosen on the test videos.
        dataset: As in the evaluation.
        ci95: Bootstrap interval over videos; None for published figures.
        std: Standard deviation over videos; None for published figures.
        n_videos: Videos in the mean; None for published figures.
        kind: The kind of video that a mean average precision is of; empty for the mean over all kinds.

    Raises:
        ValueError: The metric is unknown, or does not belong to the measure.
    """

    value: float
    metric: str
    measure: str
    best_test: bool
    dataset: str
    ci95: tuple[float, float] | None = None
    std: float | None = None
    n_videos: int | None = None
    kind: str = ""

    def __post_init__(self) -> None:
        if self.metric not in SHORT:
            raise ValueError(f"metric must be one of {', '.join(SHORT)}, got {self.metric!r}")
        if self.metric in F_SCORES and self.measure != F1:
            raise ValueError(f"{self.metric} belongs to no protocol: its measure is {F1}, got {self.measure!r}")
        if self.metric not in F_SCORES and self.measure not in PROTOCOLS:
            raise ValueError(
                f"{self.metric} needs a protocol that is known, one of {', '.join(PROTOCOLS)}, got {self.measure!r}; "
                "a figure without one stands in no column"
            )

    @property
    def text(self) -> str:
        """The value: four digits, or the three that papers publish."""
        return number(self.value, 3 if self.ci95 is None else 4)

    @property
    def interval(self) -> str:
        """`[.150, .205]`; empty where there is none, and for a single video, whose interval says nothing."""
        return "" if self.n_videos is not None and self.n_videos <= 1 else interval(self.ci95)

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval's ends, to draw them; None where `interval` is empty."""
        return self.ci95 if self.interval else None


@dataclass
class Column:
    """Figures that may be compared: one metric, one protocol, one dataset, one class of checkpoint rule.

    Attributes:
        metric: One of `METRICS`.
        measure: The protocol's name, or `F1`.
        best_test: Whether it holds the figures whose epoch was chosen on the test videos.
        dataset: As in the evaluation.
        kind: The kind of video that the figures are of; empty for all.
        figures: By the label of their row.
    """

    metric: str
    measure: str
    best_test: bool
    dataset: str
    kind: str = ""
    figures: dict[str, Figure] = field(default_factory=dict, repr=False)

    def add(self, row: str, figure: Figure) -> None:
        """Put a figure into a row of this column.

        Raises:
            ValueError: The figure is of another metric, protocol, dataset or checkpoint rule, or the row has one.
        """
        for name in ("metric", "measure", "best_test", "dataset", "kind"):
            mine, theirs = getattr(self, name), getattr(figure, name)
            if mine != theirs:
                what = {"measure": "protocol"}.get(name, name)
                raise ValueError(f"{row}: a figure of {what} {theirs!r} cannot stand in a column of {what} {mine!r}")
        if row in self.figures:
            raise ValueError(f"{row}: has a figure in the column {self.measure}, {self.metric} already")
        self.figures[row] = figure


@dataclass(frozen=True)
class Row:
    """A line of a block: its label, unique there, its kind, and what it is in a few words or nothing."""

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
        compared: Two methods -> their differences, in words; a star where the epoch was chosen on the test videos.
    """

    measure: str
    sentence: str
    dataset: str
    rows: list[Row] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    compared: dict[tuple[str, str], str] = field(default_factory=dict)

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
        self.column(figure.metric, figure.best_test, figure.kind).add(row.label, figure)
        if known is None:
            self.rows.append(row)

    def column(self, metric: str, best_test: bool, kind: str = "") -> Column:
        """The column of a metric, of one kind of video or of all, made when it is new."""
        for column in self.columns:
            if (column.metric, column.best_test, column.kind) == (metric, best_test, kind):
                return column
        column = Column(metric, self.measure, best_test, self.dataset, kind)
        self.columns.append(column)
        self.columns.sort(key=lambda each: (each.best_test, [*SHORT].index(each.metric), each.kind))
        return column

    @property
    def drawn(self) -> list[Column]:
        """What pictures show: columns of tau or mAP, or of the F1 that tables of the dataset use, else the other."""
        f_scores = F_SCORES[::-1] if benchmark_name(self.dataset) == "summe" else F_SCORES
        held = {column.metric for column in self.columns}
        metric = next(metric for metric in (CORRELATIONS[0], PRECISION, *f_scores) if metric in held)
        return [column for column in self.columns if column.metric == metric and not column.kind]


@dataclass(frozen=True)
class Apart:
    """Published figures that stand in no column, such as `A2Summ 2023 .108 / .129*`, and why."""

    reason: str
    figures: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """An evaluation as one would print it.

    Attributes:
        evaluation: What it was made of.
        title: The dataset's name as papers write it, where it is one of theirs.
        facts: What was evaluated, and how: name -> value, in words.
        results: Methods, then baselines: label -> protocol -> result.
        blocks: One a protocol, then F1.
        apart: Published figures that stand in no column.
    """

    evaluation: EvaluationRecord
    title: str
    facts: Mapping[str, str]
    results: Mapping[str, Mapping[str, MethodResult]]
    blocks: tuple[Block, ...]
    apart: tuple[Apart, ...] = ()

    def block(self, measure: str) -> Block:
        """The block of a protocol, or of `F1`.

        Raises:
            KeyError: There is none.
        """
        for block in self.blocks:
            if block.measure == measure:
                return block
        raise KeyError(measure)

    def result(self, label: str, measure: str) -> MethodResult | None:
        """A row's result under a protocol; of F1, which no protocol touches, its first."""
        results = self.results.get(label, {})
        names = (measure, *self.evaluation.protocols)
        return next((results[name] for name in names if name in results), None)

    @property
    def has_best_test(self) -> bool:
        """Whether any figure's epoch was chosen on the test videos."""
        return any(column.best_test for block in self.blocks for column in block.columns)
