"""The table of an evaluation as plain text for a terminal and as static HTML for notebooks."""

import html
import re
import shutil
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

from sspvs.evaluation.table import SHORT, Block, Column, Figure, Row, Table

BEST_TEST = "* The epoch was chosen on the test videos: such figures are not comparable with the others."
INTERVALS = "[ ] Bootstrap 95 % interval of the mean over videos."
_WIDTHS = (60, 140)
_LONGEST_LABEL, _SHORTEST_LABEL = 22, 14
_GAP = "  "
_TOGETHER = re.compile(r"\[[^\[\]]{1,20}\]|p [=<] \S+|\(\d+ videos\)|\S+ / \S+")
_GLUE = "\u00a0"  # textwrap breaks lines at ASCII spaces only


def render_text(table: Table, width: int | None = None) -> str:
    """The table as plain text: ASCII but for names, no escape codes, no line wider than `width` where avoidable.

    `width` is in characters; None: the terminal's, or 120 when there is none.
    """
    if width is None:
        width = shutil.get_terminal_size((120, 24)).columns
    width = min(max(width, _WIDTHS[0]), _WIDTHS[1])
    lines = _paragraph(f"Dataset {printable(table.evaluation.dataset)}", width)
    for name, value in table.facts.items():
        lines += _paragraph(f"{name}: {value}", width, "  ")
    shown: set[str] = set()
    for block in table.blocks:
        lines += ["", *_paragraph(f"{block.measure}: {block.sentence}", width), "", *_block(block, width)]
        for note in _below(block, shown):
            lines += _paragraph(note, width)
    lines += _endnotes(table, width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def render_html(table: Table) -> str:
    """The table as HTML without scripts or styles, a table a protocol, for notebooks."""
    lines, shown = [f"<h3>{html.escape(table.title)}</h3>"], set[str]()
    for block in table.blocks:
        lines.append(f"<p><b>{html.escape(block.measure)}</b>: {html.escape(block.sentence)}</p>")
        rows = [["", *(_head(column).strip() for column in block.columns)]]
        rows += [
            [r.label, *(_cell(column.figures.get(r.label), True).strip() for column in block.columns)]
            for r in block.rows
        ]
        cells = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
        lines += ["<table>", *(f"<tr>{row}</tr>" for row in cells), "</table>"]
        lines += [f"<p><small>{html.escape(note)}</small></p>" for note in _below(block, shown)]
    marks = [BEST_TEST] if table.has_best_test else []
    lines += [f"<p><small>{html.escape(note)}</small></p>" for note in (*marks, *table.evaluation.warnings)]
    return "\n".join(lines)


def printable(text: str) -> str:
    """Text without control characters, which a file's name may hold and a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _endnotes(table: Table, width: int) -> Iterator[str]:
    yield ""
    figures = [figure for block in table.blocks for column in block.columns for figure in column.figures.values()]
    if any(figure.interval for figure in figures):
        yield from _paragraph(INTERVALS, width)
    if table.has_best_test or any("*" in text for apart in table.apart for text in apart.figures):
        yield from _paragraph(BEST_TEST, width)
    for name, reason in table.evaluation.unavailable.items():
        yield from _paragraph(f"{name} is not available: {reason}", width)
    if table.apart:
        yield ""
        yield "Published, but in no column above (tau / rho):"
        for apart in table.apart:
            yield from _paragraph(f"{apart.reason}: {'; '.join(apart.figures)}", width, "  ")
    if table.evaluation.warnings:
        yield ""
        for warning in table.evaluation.warnings:
            yield from _paragraph(f"note: {warning}", width)


def _block(block: Block, width: int) -> Iterator[str]:
    """The column heads, and the rows by group."""
    count = _with_intervals(block, width)
    cells = [
        [_cell(column.figures.get(row.label), index < count) for row in block.rows]
        for index, column in enumerate(block.columns)
    ]
    heads = [_head(column) for column in block.columns]
    widths = [max(len(head), *(len(cell) for cell in column)) for head, column in zip(heads, cells, strict=True)]
    room = width - sum(widths) - len(_GAP) * len(widths)
    label_width = max(min(max(_width(_indented(row)) for row in block.rows), room), _SHORTEST_LABEL)
    rule = "-" * min(width, label_width + sum(widths) + len(_GAP) * len(widths))

    def line(label: str, texts: Sequence[str]) -> str:
        padded = (f"{text:<{size}}" for text, size in zip(texts, widths, strict=True))
        return _GAP.join([_fit(label, label_width), *padded])

    yield line("", heads)
    yield rule
    group = "methods"
    for index, row in enumerate(block.rows):
        if row.group != group:
            group = row.group
            yield group
        yield line(_indented(row), [column[index] for column in cells])
    yield rule


def _below(block: Block, shown: set[str]) -> Iterator[str]:
    """Comparisons, then what the baselines are, unless that was `shown` before, and what was left out."""
    for (first, second), text in block.compared.items():
        yield f"{printable(first)} - {printable(second)}: {text}"
    details = [f"{row.label}: {row.detail}" for row in block.rows if row.group != "published" and row.detail]
    if new := [detail for detail in details if detail not in shown]:
        yield "; ".join(new) + "."
        shown.update(new)
    yield from block.notes


def _with_intervals(block: Block, width: int) -> int:
    """How many columns, from the left, have room for their intervals."""
    labels = min(max(_width(_indented(row)) for row in block.rows), max(_LONGEST_LABEL, width // 4))
    for count in range(len(block.columns), 0, -1):
        needed = labels
        for index, column in enumerate(block.columns):
            texts = [_cell(figure, index < count) for figure in column.figures.values()]
            needed += len(_GAP) + max(len(_head(column)), *(len(text) for text in texts))
        if needed <= width:
            return count
    return 0


def _head(column: Column) -> str:
    return f" {printable(column.kind) or SHORT[column.metric]}{'*' if column.best_test else ''}"


def _cell(figure: Figure | None, with_interval: bool) -> str:
    """The points stand below each other: a sign or a space, then the digits."""
    if figure is None:
        return ""
    value = figure.text
    signed = value if value.startswith("-") or not value.startswith(".") else f" {value}"
    return f"{signed:<6} {figure.interval if with_interval else ''}".rstrip()


def _indented(row: Row) -> str:
    return printable(row.label) if row.group == "methods" else f"  {printable(row.label)}"


def _paragraph(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of a text; what belongs together, such as an interval, stays on one line."""
    glued = _TOGETHER.sub(lambda found: found.group().replace(" ", _GLUE), printable(text))
    further = indent + "  "
    lines = textwrap.wrap(glued, width, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False)
    return [line.replace(_GLUE, " ") for line in lines] or [""]


def _width(text: str) -> int:
    """Columns that a terminal needs: wide letters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _fit(text: str, width: int) -> str:
    """Padded to a width, or cut in the middle: names of runs often differ at their ends."""
    if _width(text) > width:
        head = text
        while head and _width(head) > (width - 1) // 2:
            head = head[:-1]
        rest = text[len(head) :]
        while rest and _width(rest) > width - 2 - _width(head):
            rest = rest[1:]
        text = f"{head}..{rest}"
    return text + " " * (width - _width(text))
