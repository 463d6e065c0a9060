"""The comparison table in HTML: static, with a picture of means and intervals in each row; no script needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sspvs.report.evaluation_columns import SHORT, Block, Column, Figure, Row, Table, number
from sspvs.report.evaluation_text import compared_pairs
from sspvs.report.page import escape

_HEAD = {"kendall_tau": "&tau;", "spearman_rho": "&rho;"}
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
_TICKS = 4


def blocks_html(table: Table, picture_metrics: Sequence[str]) -> str:
    """Every block as a panel.

    Args:
        table: What to show.
        picture_metrics: The metrics to draw, the first that a block has.
    """
    return "\n".join(_block(block, table.methods, picture_metrics) for block in table.blocks)


def apart_html(table: Table) -> str:
    """Published figures that stand in no column, and protocols that could not be computed; nothing when none."""
    rows = [f"<dt>{escape(apart.reason)}</dt><dd>{escape('; '.join(apart.figures))}</dd>" for apart in table.apart]
    text = ""
    if table.unavailable:
        items = [f"<li><b>{escape(name)}</b> {escape(why)}</li>" for name, why in table.unavailable.items()]
        text += f'<h3>Protocols that could not be computed</h3><ul class="plain-list">{"".join(items)}</ul>'
    if rows:
        text += (
            f'<h3>Published, but in no column above (&tau; / &rho;)</h3><dl class="apart">{"".join(rows)}</dl>'
            '<p class="note">* The epoch was chosen on the test videos.</p>'
        )
    return (
        f'<section class="panel aside" id="apart" aria-label="What stands in no column">{text}</section>'
        if text
        else ""
    )


def _block(block: Block, methods: Sequence[str], picture_metrics: Sequence[str]) -> str:
    shown = next(metric for metric in picture_metrics if any(column.metric == metric for column in block.columns))
    scale = _Scale.of([column for column in block.columns if column.metric == shown])
    heads = [f'<th scope="col" class="{_kind(column)}">{_head(column)}</th>' for column in block.columns]
    heads.append(f'<th scope="col" class="picture">{_HEAD.get(shown, SHORT[shown])}, mean and 95 % interval</th>')
    body = "\n".join(_rows(block, methods, shown, scale))
    foot = f'<tr><td colspan="{len(heads)}"></td><td class="picture">{scale.axis()}</td></tr>'
    marked = any(column.best_test for column in block.columns)
    star = (
        '<p class="note">* The epoch was chosen on the test videos: not comparable with the others.</p>'
        if marked
        else ""
    )
    return f"""<section class="panel block" data-measure="{escape(block.measure)}">
<h2>{escape(block.measure)}</h2>
<p class="sentence">{escape(block.sentence)}</p>
<div class="scroll"><table class="figures">
<thead><tr><th scope="col"><span class="quiet">method</span></th>{"".join(heads)}</tr></thead>
{body}
<tfoot>{foot}</tfoot>
</table></div>
{star}{_notes(block)}
</section>"""


def _rows(block: Block, methods: Sequence[str], shown: str, scale: _Scale) -> Iterator[str]:
    """A body a group, so that the groups are set apart."""
    for group in dict.fromkeys(row.group for row in block.rows):
        lines = []
        for row in block.rows:
            if row.group != group:
                continue
            mark = f"m{methods.index(row.label) % 6}" if group == "methods" else group
            cells = [_cell(column.get(row.label), column) for column in block.columns]
            drawn = [(column.get(row.label), column.best_test) for column in block.columns if column.metric == shown]
            cells.append(f'<td class="picture">{scale.row(drawn, mark)}</td>')
            lines.append(f"<tr>{_label(row, mark)}{''.join(cells)}</tr>")
        yield f'<tbody class="{group}">{"".join(lines)}</tbody>'


def _label(row: Row, mark: str) -> str:
    detail = f"<small>{escape(row.detail)}</small>" if row.detail and row.group != "published" else ""
    source = f' title="{escape(row.detail)}"' if row.group == "published" else ""
    return (
        f'<th scope="row"{source}><i class="swatch {mark}"></i><span dir="auto">{escape(row.label)}</span>{detail}</th>'
    )


def _kind(column: Column) -> str:
    return "best" if column.best_test else "own"


def _head(column: Column) -> str:
    return f"{_HEAD.get(column.metric, SHORT[column.metric])}{'*' if column.best_test else ''}"


def _cell(figure: Figure | None, column: Column) -> str:
    if figure is None:
        return f'<td class="{_kind(column)}"></td>'
    digits = 3 if figure.ci95 is None else 4
    known = figure.std is not None and math.isfinite(figure.std)
    title = f' title="standard deviation over {figure.n_videos} videos {number(figure.std)}"' if known else ""
    small = f"<small>{escape(figure.interval)}</small>" if figure.has_interval else ""
    return f'<td class="{_kind(column)}"{title}>{number(figure.value, digits)}{small}</td>'


def _notes(block: Block) -> str:
    lines = [
        f"<li><b>{escape(first)} &minus; {escape(second)}</b> {escape(text)}</li>"
        for (first, second), text in compared_pairs(block).items()
    ]
    lines += [f"<li>{escape(note)}</li>" for note in block.notes]
    return f'<ul class="notes">{"".join(lines)}</ul>' if lines else ""


class _Scale:
    """Where a value stands in the rows' pictures, in per cent of their width."""

    def __init__(self, low: float, high: float, step: float) -> None:
        self.low, self.high, self.step = low, high, step

    @classmethod
    def of(cls, columns: Sequence[Column]) -> _Scale:
        """From zero, or below it, to the highest end, on round ticks."""
        ends = [0.0]
        for column in columns:
            for figure in column.figures.values():
                ends += [value for value in (figure.value, *(figure.ci95 or ())) if math.isfinite(value)]
        low, high = min(ends), max(ends)
        span = (high - low) or 0.1
        step = next((step for step in _STEPS if span / step <= _TICKS), _STEPS[-1])
        return cls(low - 0.03 * span, high + 0.03 * span, step)

    def x(self, value: float) -> str:
        """As an SVG length."""
        return f"{100 * (value - self.low) / (self.high - self.low):.2f}%"

    def ticks(self) -> list[float]:
        """Multiples of the step inside the scale."""
        first, last = math.ceil(self.low / self.step), math.floor(self.high / self.step)
        return [count * self.step for count in range(first, last + 1)]

    def _grid(self) -> str:
        lines = ((self.x(tick), "zero" if tick == 0 else "grid") for tick in self.ticks())
        return "".join(f'<line x1="{x}" x2="{x}" y1="0" y2="100%" class="{look}"/>' for x, look in lines)

    def row(self, figures: Sequence[tuple[Figure | None, bool]], mark: str) -> str:
        """One row's means and intervals; a hollow diamond where the epoch was chosen on the test videos."""
        shapes = [self._grid()]
        for figure, best_test in figures:
            if figure is None or not math.isfinite(figure.value):
                continue
            if figure.ci95 is not None and figure.has_interval:
                low, high = (self.x(end) for end in figure.ci95)
                shapes.append(f'<line x1="{low}" x2="{high}" y1="50%" y2="50%" class="whisker"/>')
            inner = '<path d="M0 -5.5L5.5 0L0 5.5L-5.5 0Z"/>' if best_test else '<circle r="4.5"/>'
            look = "hollow" if best_test else "full"
            shapes.append(f'<svg x="{self.x(figure.value)}" y="50%" overflow="visible" class="{look}">{inner}</svg>')
        return f'<svg class="forest {mark}" aria-hidden="true">{"".join(shapes)}</svg>'

    def axis(self) -> str:
        """The ticks' figures below the rows."""
        texts = "".join(
            f'<text x="{self.x(tick)}" y="12" text-anchor="middle">{"0" if tick == 0 else _short(tick)}</text>'
            for tick in self.ticks()
        )
        return f'<svg class="forest axis" aria-hidden="true">{texts}</svg>'


def _short(tick: float) -> str:
    return number(tick, 2 if round(tick * 100) % 10 else 1)
