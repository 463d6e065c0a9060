"""From an evaluation and published results to a table that keeps apart what cannot be compared.

Rows: the methods, then other combinations of terms where features were refined, then the contrastive, consensus, human
and random baselines, which always stand beside, then published results, each only under its own protocol. Figures whose
epoch was chosen on the test videos have columns of their own. A published figure of an unknown protocol stands in no
column: it is listed apart, with the reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.published import PublishedResult, benchmark_name
from sspvs.evaluation.results import Evaluation, MethodResult
from sspvs.report.evaluation_columns import (
    CORRELATIONS,
    F1,
    F_SCORES,
    SHORT,
    Apart,
    Block,
    Figure,
    Row,
    Table,
    in_words,
    number,
)
from sspvs.report.evaluation_text import render_markdown, render_text

__all__ = ["Table", "comparison_table", "render_markdown", "render_text"]

_TERMS = {"A": "local dissimilarity", "G": "global consistency", "H": "uniqueness"}
REFINED = tuple(f"refined {terms}" for terms in ("A", "G", "H", "A*G", "A*H", "G*H", "A*G*H"))
BASELINES = (*REFINED, "contrastive", "contrastive, A alone", "consensus", "human", "random")
_F1_SENTENCE = (
    "overlap in frames of the 15 % summary with each user's, then the mean (avg) or the best (max) over users"
)
_ROUNDING = {"floor": "rounded down", "round": "rounded", "last-end": "rounded down, N from the last shot's end"}
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")  # a SHA-256: its beginning tells files apart
_TITLES = {"summe": "SumMe", "tvsum": "TVSum"}
_HABIT = {"summe": "Tables of SumMe use F1 max.", "tvsum": "Tables of TVSum use F1 avg."}


def comparison_table(evaluation: Evaluation, published: Iterable[PublishedResult] = ()) -> Table:
    """Put an evaluation into a table, beside published results.

    Args:
        evaluation: What was found. A method whose settings have `checkpoint_rule` `best-test` stands in the columns
            of such figures.
        published: Such as `published_results()`; those on other datasets are left out.

    Returns:
        A block a protocol that could be computed, and one of F1.

    """
    benchmark = benchmark_name(evaluation.dataset)
    ours = [row for row in published if benchmark is not None and row.dataset == benchmark]
    blocks = [
        block
        for name in evaluation.protocols
        if name not in evaluation.unavailable and (block := _correlation_block(evaluation, name, ours)).rows
    ]
    f1 = _f1_block(evaluation, ours, benchmark)
    return Table(
        dataset=evaluation.dataset,
        methods=tuple(evaluation.methods),
        facts=_facts(evaluation),
        blocks=(*blocks, *([f1] if f1.rows else [])),
        apart=tuple(_apart(ours, [block.measure for block in blocks])),
        unavailable=dict(evaluation.unavailable),
        warnings=evaluation.warnings,
    )


def dataset_title(dataset: str) -> str:
    """A dataset's name as papers write it, where it is one of theirs."""
    return _TITLES.get(benchmark_name(dataset) or "", dataset)


def drawn_metrics(dataset: str) -> tuple[str, ...]:
    """What pictures of a dataset draw, the first that there is: tau, and of F1 the reduction its tables use."""
    f_scores = F_SCORES[::-1] if benchmark_name(dataset) == "summe" else F_SCORES
    return (CORRELATIONS[0], *f_scores)


def _correlation_block(evaluation: Evaluation, protocol: str, published: list[PublishedResult]) -> Block:
    """Tau and rho under one protocol."""
    block = Block(protocol, PROTOCOLS[protocol].sentence, evaluation.dataset)
    for row, results in own_rows(evaluation, protocol):
        if protocol in results:
            _add_result(block, row, results[protocol], CORRELATIONS)
            block.notes += _left_out(row.label, results[protocol])
            block.notes += _between_seeds(row.label, results[protocol], CORRELATIONS)
    for result in published:
        if result.protocol != protocol or result.checkpoint_rule is None:
            continue
        for metric, value in zip(CORRELATIONS, (result.kendall_tau, result.spearman_rho), strict=True):
            if value is not None:
                figure = Figure(value, metric, protocol, result.best_test, evaluation.dataset)
                block.add(_published_row(result, evaluation), figure)
    block.comparisons = [c for c in evaluation.comparisons if c.protocol == protocol and c.metric in CORRELATIONS]
    return block


def _f1_block(evaluation: Evaluation, published: list[PublishedResult], benchmark: str | None) -> Block:
    """F1, which no correlation protocol touches: each method's first result has it."""
    block = Block(F1, _F1_SENTENCE, evaluation.dataset)
    for row, results in own_rows(evaluation, F1):
        result = next((results[name] for name in evaluation.protocols if name in results), None)
        if result is not None and any(result.spreads[metric].n_videos for metric in F_SCORES):
            _add_result(block, row, result, F_SCORES)
            block.notes += _about_summaries(row, result)
            block.notes += _between_seeds(row.label, result, F_SCORES)
    if not block.rows:
        return block
    block.notes = list(dict.fromkeys(block.notes))
    for known in published:
        if known.f_score is not None and known.checkpoint_rule is not None:
            metric = f"f_score_{known.f_score_reduction}"
            figure = Figure(known.f_score, metric, F1, known.best_test, evaluation.dataset)
            block.add(_published_row(known, evaluation), figure)
    seen = set()
    for comparison in evaluation.comparisons:
        pair = (comparison.first, comparison.second, comparison.metric)
        if comparison.metric in F_SCORES and pair not in seen:
            seen.add(pair)
            block.comparisons.append(comparison)
    if benchmark in _HABIT:
        block.notes.append(_HABIT[benchmark])
    if any(row.group == "published" for row in block.rows):
        block.notes.append("Published F1 was made with each paper's own shots, budget and value rules.")
    return block


def own_rows(evaluation: Evaluation, measure: str) -> Iterator[tuple[Row, Mapping[str, MethodResult]]]:
    """The methods, then the baselines in their order; a baseline that was asked for by name is a method already.

    Args:
        evaluation: What was found.
        measure: A protocol's name or `F1`: it says what the human row is.

    Yields:
        A row and its results by protocol.
    """
    for name, results in evaluation.methods.items():
        detail = _baseline_detail(name, measure, results) if name in BASELINES else ""
        yield Row(name, "methods", detail), results
    others = [name for name in evaluation.baselines if name not in BASELINES]
    for name in (*BASELINES, *others):
        if name in evaluation.baselines and name not in evaluation.methods:
            results = evaluation.baselines[name]
            yield Row(name, "baselines", _baseline_detail(name, measure, results)), results


def _baseline_detail(name: str, measure: str, results: Mapping[str, MethodResult]) -> str:
    """What a baseline is, in a few words."""
    if name == "human":
        one_by_one = measure == F1 or PROTOCOLS[measure].reference == "users"
        return "each user against each other user" if one_by_one else "each user against the mean of the others"
    if name == "consensus" and measure != F1 and PROTOCOLS[measure].reference == "gtscore":
        return "the mean of all users: the reference itself"
    if name == "random":
        settings = next((result.settings for result in results.values()), {})
        draws = settings.get("draws")
        return f"random scores, mean of {draws} draws" if draws else "random scores"
    if name in REFINED:
        terms = name.removeprefix("refined ").split("*")
        return f"of refined features: {' times '.join(_TERMS[term] for term in terms)}"
    return {
        "contrastive, A alone": "from the features, without training: local dissimilarity alone",
        "consensus": "the mean of all users, in-sample: a ceiling",
        "contrastive": "from the features, without training",
        "split-half": "the mean of half the users against the mean of the other half",
    }.get(name, "")


def _add_result(block: Block, row: Row, result: MethodResult, metrics: tuple[str, ...]) -> None:
    best_test = result.settings.get("checkpoint_rule") == "best-test"
    for metric in metrics:
        spread = result.spreads[metric]
        figure = Figure(
            spread.mean, metric, block.measure, best_test, block.dataset, spread.ci95, spread.std, spread.n_videos
        )
        block.add(row, figure)


def _left_out(label: str, result: MethodResult) -> list[str]:
    """What the means do not hold, in sentences."""
    notes = []
    pairs = sum(video.n_pairs for video in result.videos)
    if result.undefined_pairs:
        left_out = f"{result.undefined_pairs} of {pairs} pairs left out"
        notes.append(f"{label}: {left_out}, since one side is constant and has no correlation.")
    known = result.spreads["kendall_tau"].n_videos
    if known < len(result.videos):
        notes.append(f"{label}: mean over {known} of {len(result.videos)} videos; the others have no correlation.")
    return notes


def _between_seeds(label: str, result: MethodResult, metrics: tuple[str, ...]) -> list[str]:
    """How far apart the seeds of a method are that was trained several times, in a sentence."""
    seeds, spread = result.settings.get("seeds", ()), result.settings.get("over_seeds")
    if not isinstance(spread, Mapping) or len(seeds) < 2:
        return []
    parts = [f"{SHORT[metric]} {number(spread[metric]['std'])}" for metric in metrics if metric in spread]
    return [
        f"{label}: each video's mean over {len(seeds)} seeds; standard deviation between seeds: {', '.join(parts)}."
    ]


def _about_summaries(row: Row, result: MethodResult) -> list[str]:
    """How the summaries that F1 judges were made, in sentences."""
    notes = []
    rule, origin = result.settings.get("rule"), result.settings.get("summaries")
    if isinstance(rule, Mapping) and row.group == "methods":
        budget = _ROUNDING.get(str(rule.get("rounding")), str(rule.get("rounding")))
        values = {"exact": "exact values", "thousandths": "values x1000 cut to integers"}.get(
            str(rule.get("values")), ""
        )
        share = f"{100 * float(rule.get('fraction', 0.15)):g} %"
        notes.append(f"Summaries: {share} of the frames, {budget}, {values}.")
    if origin is not None and origin != "by rule" and row.group == "methods":
        notes.append(f"{row.label}: its summaries are {origin}.")
    if empty := result.settings.get("empty_summaries"):
        notes.append(f"{row.label}: {len(empty)} of {len(result.videos)} summaries are empty, with F1 0.")
    return notes


def _published_row(result: PublishedResult, evaluation: Evaluation | None = None) -> Row:
    """One row a method, year and setting: figures under different checkpoint rules stand side by side."""
    setting = "" if result.setting == "canonical" else f", {result.setting}"
    label = f"{result.method} {result.year}{setting}"
    if evaluation is not None and (label in evaluation.methods or label in evaluation.baselines):
        label += " (published)"
    return Row(label, "published", result.source)


def _apart(published: list[PublishedResult], shown: list[str]) -> Iterator[Apart]:
    """Published correlations that no column may hold, by reason."""
    reasons: dict[str, list[str]] = {}
    for result in published:
        if result.kendall_tau is None and result.spearman_rho is None:
            continue
        if result.protocol is None:
            reason = f"protocol not known ({result.note.split(';')[0]})"
        elif result.protocol not in shown:
            reason = f"under {result.protocol}, which was not computed here"
        elif result.checkpoint_rule is None:
            reason = f"under {result.protocol}, checkpoint rule not known"
        else:
            continue
        mark = {"best-test": "*", "val": " (validation)", "train-loss": " (training loss)"}
        pair = f"{number(result.kendall_tau, 3)} / {number(result.spearman_rho, 3)}"
        text = f"{_published_row(result).label} {pair}{mark.get(result.checkpoint_rule or '', '')}"
        reasons.setdefault(reason, []).append(text)
    for reason in sorted(reasons, key=lambda each: each.startswith("protocol not known")):
        yield Apart(reason, tuple(reasons[reason]))


def _facts(evaluation: Evaluation) -> dict[str, str]:
    """Videos, split and settings, in words."""
    coverage: Mapping[str, Any] = evaluation.coverage
    facts: dict[str, str] = {}
    tested, whole = coverage.get("n_tested"), coverage.get("n_dataset")
    if tested is None:
        first = next((result for results in evaluation.methods.values() for result in results.values()), None)
        tested = len(first.videos) if first is not None else None
    if tested is not None:
        facts["videos"] = f"{tested} of {whole} tested" if whole not in (None, tested) else f"all {tested} tested"
        if whole is None:
            facts["videos"] = f"{tested} tested"
    rest = {name: value for name, value in coverage.items() if name not in ("n_tested", "n_dataset")}
    for name, value in {**rest, **evaluation.settings}.items():
        if not _empty(value):
            facts[name.replace("_", " ")] = _DIGEST.sub(r"\1...", in_words(value))
    return facts


def _empty(value: Any) -> bool:
    return (
        value is None or value == "" or value == {} or value == [] or (isinstance(value, float) and math.isnan(value))
    )
