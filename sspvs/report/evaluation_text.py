"""The comparison table as plain text for a terminal, and as Markdown."""

from __future__ import annotations

import re
import shutil
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

from sspvs.evaluation.results import Comparison
from sspvs.report.evaluation_columns import SHORT, Block, Column, Figure, Row, Table, comparison_text, number

_WIDTHS = (60, 140)
_LONGEST_LABEL, _SHORTEST_LABEL = 22, 14
_GAP = "  "
_TOGETHER = re.compile(r"\[[^\[\]]{1,20}\]|p [=<] \S+|\(\d+ videos\)|\S+ / \S+")
_GLUE = "\u00a0"  # textwrap breaks lines at ASCII spaces only
BEST_TEST = "* The epoch was chosen on the test videos: such figures are not comparable with the others."
INTERVALS = "[ ] Bootstrap 95 % interval of the mean over videos."


def render_text(table: Table, width: int | None = None) -> str:
    """The table as plain text: ASCII but for names, no escape codes, no line wider than `width` where avoidable.

    Args:
        table: What to show.
        width: In characters; None: the terminal's, or 120 when there is none.
    """
    if width is None:
        width = shutil.get_terminal_size((120, 24)).columns
    width = min(max(width, _WIDTHS[0]), _WIDTHS[1])
    lines = [*_paragraph(f"Dataset {printable(table.dataset)}", width)]
    for name, value in table.facts.items():
        lines += _paragraph(f"{name}: {value}", width, "  ")
    said: set[str] = set()
    for block in table.blocks:
        lines += ["", *_paragraph(f"{block.measure}: {block.sentence}", width), "", *_block(block, width, said)]
    lines += _endnotes(table, width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _endnotes(table: Table, width: int) -> Iterator[str]:
    yield ""
    if any(
        figure.has_interval for block in table.blocks for column in block.columns for figure in column.figures.values()
    ):
        yield from _paragraph(INTERVALS, width)
    apart_marked = any("*" in text for apart in table.apart for text in apart.figures)
    if table.has_best_test or apart_marked:
        yield from _paragraph(BEST_TEST, width)
    for name, reason in table.unavailable.items():
        yield from _paragraph(f"{name} is not available: {reason}", width)
    if table.apart:
        yield ""
        yield "Published, but in no column above (tau / rho):"
        for apart in table.apart:
            yield from _paragraph(f"{apart.reason}: {'; '.join(apart.figures)}", width, "  ")
    if table.warnings:
        yield ""
        for warning in table.warnings:
            yield from _paragraph(f"note: {warning}", width)


def _block(block: Block, width: int, said: set[str]) -> Iterator[str]:
    """Head, rows by group, and what is to be said about them."""
    count = _with_intervals(block, width)
    labels = [_indented(row) for row in block.rows]
    cells = [
        [_cell(column.get(row.label), index < count) for row in block.rows]
        for index, column in enumerate(block.columns)
    ]
    heads = [_head(column) for column in block.columns]
    widths = [max(len(head), *(len(cell) for cell in column)) for head, column in zip(heads, cells, strict=True)]
    room = width - sum(widths) - len(_GAP) * len(widths)
    label_width = max(min(max(_width(text) for text in labels), room), _SHORTEST_LABEL)
    rule = "-" * min(width, label_width + sum(widths) + len(_GAP) * len(widths))
    yield _line("", heads, label_width, widths)
    yield rule
    group = block.rows[0].group
    if group != "methods":
        yield group
    for index, row in enumerate(block.rows):
        if row.group != group:
            group = row.group
            yield group
        yield _line(labels[index], [column[index] for column in cells], label_width, widths)
    yield rule
    for note in _below(block, said):
        yield from _paragraph(note, width)


def _below(block: Block, said: set[str]) -> Iterator[str]:
    """Comparisons first, then what the baselines are, unless it was `said` before, and what was left out."""
    for (first, second), text in compared_pairs(block).items():
        yield f"{printable(first)} - {printable(second)}: {text}"
    details = [f"{row.label}: {row.detail}" for row in block.rows if row.group != "published" and row.detail]
    if new := [detail for detail in details if detail not in said]:
        yield "; ".join(new) + "."
        said.update(new)
    yield from block.notes


def compared_pairs(block: Block) -> dict[tuple[str, str], str]:
    """The differences between each two methods, in words; a star where the epoch was chosen on the test videos."""
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in block.comparisons:
        pairs.setdefault((comparison.first, comparison.second), []).append(comparison)
    starred = {label for column in block.columns if column.best_test for label in column.figures}
    texts = {}
    for (first, second), several in pairs.items():
        marked = (first + "*" * (first in starred), second + "*" * (second in starred))
        differences = "; ".join(comparison_text(comparison) for comparison in several)
        texts[marked] = f"{differences} ({several[0].n_videos} videos)"
    return texts


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
    return f" {SHORT[column.metric]}{'*' if column.best_test else ''}"


def _cell(figure: Figure | None, with_interval: bool) -> str:
    """The points stand below each other: a sign or a space, then four digits (three as published)."""
    if figure is None:
        return ""
    value = number(figure.value, 3 if figure.ci95 is None else 4)
    ends = figure.interval if with_interval else ""
    signed = value if value.startswith("-") or not value.startswith(".") else f" {value}"
    return f"{signed:<6} {ends}".rstrip()


def _indented(row: Row) -> str:
    return printable(row.label) if row.group == "methods" else f"  {printable(row.label)}"


def _line(label: str, cells: Sequence[str], label_width: int, widths: Sequence[int]) -> str:
    texts = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
    return _GAP.join([_fit(label, label_width), *texts])


def _paragraph(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of a text; what belongs together, such as an interval, stays on one line."""
    glued = _TOGETHER.sub(lambda found: found.group().replace(" ", _GLUE), printable(text))
    further = indent + "  "
    lines = textwrap.wrap(glued, width, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False)
    return [line.replace(_GLUE, " ") for line in lines] or [""]


def printable(text: str) -> str:
    """Text without control characters, which a file's name may hold and a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)


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


def render_markdown(table: Table) -> str:
    """The table as Markdown (GitHub's), a table a protocol.

    Args:
        table: What to show.
    """
    lines = [f"## {_escaped(table.dataset)}", ""]
    lines += [f"- {_escaped(name)}: {_escaped(value)}" for name, value in table.facts.items()]
    said: set[str] = set()
    for block in table.blocks:
        lines += ["", f"### {block.measure}", "", _escaped(block.sentence), ""]
        heads = ["method", *(f"{SHORT[c.metric]}{' (best-test epoch)' if c.best_test else ''}" for c in block.columns)]
        lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        for row in block.rows:
            label = _escaped(row.label)
            cells = [label if row.group == "methods" else f"*{label}*"]
            cells += [_cell(column.get(row.label), True).strip() for column in block.columns]
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", *(f"- {_escaped(note)}" for note in _below(block, said))]
    notes = [f"{name} is not available: {reason}" for name, reason in table.unavailable.items()]
    notes += [f"published, {apart.reason}: {'; '.join(apart.figures)}" for apart in table.apart]
    notes += list(table.warnings)
    return "\n".join([*lines, "", *(f"- {_escaped(note)}" for note in notes)]).rstrip() + "\n"


def _escaped(text: str) -> str:
    text = printable(text).replace("\\", "\\\\")
    for char in "|*_<>`[]":
        text = text.replace(char, f"\\{char}")
    return text
