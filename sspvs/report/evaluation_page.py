"""The page of an evaluation: one self-contained HTML file that one can send, print and cite.

The protocol spelled out, the table with intervals, the distribution over videos, and for each video the scores of the
methods against what users gave, with the summaries made from them; then settings, versions and coverage. Nothing is
loaded from elsewhere, and the content security policy allows only this file's own script and style.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

from sspvs.atomic import write_text
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.published import PublishedResult
from sspvs.evaluation.results import Evaluation
from sspvs.evaluation.summary_rule import RULES, SummaryRule
from sspvs.report.evaluation_html import apart_html, blocks_html
from sspvs.report.evaluation_page_data import COLUMNS, MAX_VIDEOS, evaluation_document, tested_names
from sspvs.report.evaluation_table import Table, comparison_table, dataset_title, drawn_metrics
from sspvs.report.evaluation_words import in_words
from sspvs.report.page_data import json_island
from sspvs.report.page_parts import definition_rows, escape, notice, part, policy, script_of, style_of
from sspvs.report.tables import generated_by, plain
from sspvs.types import Annotations

_LONGEST_SETTING = 160
_SCRIPTS = ("evaluation_spread.js", "evaluation_video.js", "evaluation_page.js")


def write_evaluation_page(
    path: Path,
    evaluation: Evaluation,
    dataset: Mapping[str, Annotations],
    predictions: Mapping[str, Mapping[str, Prediction]],
    published: Iterable[PublishedResult] = (),
    *,
    rule: SummaryRule | None = None,
) -> None:
    """Write the page.

    Args:
        path: The HTML file to write.
        evaluation: What was found.
        dataset: Key -> annotations, of the evaluated videos at least.
        predictions: Method -> key -> its scores, drawn beside what users gave; methods without any have figures only.
        published: Results to put beside; those on other datasets are left out.
        rule: How summaries are made from scores; what the results say when None.

    Raises:
        OutputError: The file cannot be written.
    """
    table = comparison_table(evaluation, published)
    rule = _rule_of(evaluation) if rule is None else rule
    document = evaluation_document(evaluation, table, dataset, predictions, rule)
    style, script = style_of("evaluation_page.css"), script_of(*_SCRIPTS)
    page = Template(part("evaluation_page.html")).substitute(
        policy=policy(script, style),
        style=style,
        script=script,
        data=json_island(document),
        blocks=blocks_html(table, drawn_metrics(evaluation.dataset)),
        apart=apart_html(table),
        **_texts(evaluation, table, dataset, len(document["videos"])),
    )
    write_text(path, page)


def _rule_of(evaluation: Evaluation) -> SummaryRule:
    """The rule that the results name; the default one where they name none."""
    named = [evaluation.settings.get("rule")]
    named += [result.settings.get("rule") for by_name in evaluation.methods.values() for result in by_name.values()]
    for known in named:
        if isinstance(known, str) and known in RULES:
            return RULES[known]
        if isinstance(known, Mapping) and set(known) <= {"fraction", "rounding", "values"}:
            return SummaryRule(**known)
    return SummaryRule()


def _texts(evaluation: Evaluation, table: Table, dataset: Mapping[str, Annotations], n_drawn: int) -> dict[str, str]:
    """Everything that stands in the page as text, escaped."""
    names = tested_names(evaluation)
    n_tested, n_dataset = len(names), evaluation.coverage.get("n_dataset", len(dataset))
    users = sorted({dataset[key].n_users for key in names if key in dataset})
    groups = [(name, *_short_and_long(values)) for name, values in _made(evaluation)]
    drawn = ""
    if n_drawn < n_tested:
        drawn = (
            f"{n_drawn} of the {n_tested} videos are drawn, evenly spread (at most {MAX_VIDEOS}); figures are of all. "
        )
    return {
        "title": escape(dataset_title(evaluation.dataset)),
        "methods": escape(", ".join(evaluation.methods)),
        "videos": str(n_tested),
        "of_videos": f" of {escape(n_dataset)}" if n_dataset != n_tested else "",
        "users": _span(users) if users and users[-1] else "none",
        "protocols": str(sum(block.measure in evaluation.protocols for block in table.blocks)),
        "warnings": notice(evaluation.warnings),
        "drawn": escape(drawn),
        "columns": str(COLUMNS),
        "made": "\n".join(_definitions(name, short) for name, short, _ in groups if short),
        "long": "\n".join(_folded(name, long) for name, _, long in groups if long),
        "generated": escape(generated_by()),
    }


def _made(evaluation: Evaluation) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What made the figures, by heading: of all, and of each method."""
    yield "Settings", evaluation.settings
    for method, results in evaluation.methods.items():
        yield method, next(iter(results.values())).settings if results else {}
    yield "Coverage", evaluation.coverage
    yield "Versions", evaluation.versions


def _short_and_long(values: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """What fits into a list of settings, and what is to be unfolded."""
    short: dict[str, str] = {}
    long: dict[str, Any] = {}
    for name, value in values.items():
        words = in_words(value)
        if len(words) <= _LONGEST_SETTING:
            short[name.replace("_", " ")] = words
        else:
            long[name.replace("_", " ")] = value
    return short, long


def _definitions(name: str, values: Mapping[str, Any]) -> str:
    return f'<div><h3 dir="auto">{escape(name)}</h3><dl class="table">{definition_rows(values)}</dl></div>'


def _folded(heading: str, values: Mapping[str, Any]) -> str:
    title, blocks = escape(heading), []
    for name, value in values.items():
        text = json.dumps(plain(value), indent=1, ensure_ascii=False)
        blocks.append(f"<details><summary>{title}: {escape(name)}</summary><pre>{escape(text)}</pre></details>")
    return "\n".join(blocks)


def _span(counts: list[int]) -> str:
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
