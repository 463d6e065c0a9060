"""An evaluation, and its table beside published results, which keeps apart what cannot be compared.

Rows: the methods, then other combinations of terms where features were refined, then the contrastive, consensus, human
and random baselines, which always stand beside, then published results, each only under its own protocol. Figures whose
epoch was chosen on the test videos have columns of their own. A published figure of an unknown protocol stands in no
column: it is listed apart, with the reason.
"""

import math
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.published import PublishedResult, benchmark_name
from sspvs.evaluation.results import PRECISION, Comparison, EvaluationRecord, MethodResult
from sspvs.evaluation.table import (
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
    interval,
    number,
)
from sspvs.evaluation.text import render_html, render_text
from sspvs.shown import Shown

_ORDER = ("ridge", "contrastive", "contrastive, A alone", "consensus", "human", "random")
_REFINED = re.compile(r"refined ([A-Z](?:\*[A-Z])*)")
_TERMS = {"A": "local dissimilarity", "G": "global consistency", "H": "uniqueness"}
_DETAILS = {
    "contrastive, A alone": "from the features, without training: local dissimilarity alone",
    "consensus": "the mean of all users, in-sample: a ceiling",
    "contrastive": "from the features, without training",
}
_F1_SENTENCE = (
    "overlap in frames of the 15 % summary with each user's, then the mean (avg) or the best (max) over users"
)
_ROUNDING = {"floor": "rounded down", "round": "rounded", "last-end": "rounded down, N from the last shot's end"}
_VALUES = {"exact": "exact values", "thousandths": "values x1000 cut to integers"}
_RULE_MARKS = {"best-test": "*", "val": " (validation)", "train-loss": " (training loss)"}
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")  # a SHA-256: its beginning tells files apart
_TITLES = {"summe": "SumMe", "tvsum": "TVSum"}
_HABIT = {"summe": "Tables of SumMe use F1 max.", "tvsum": "Tables of TVSum use F1 avg."}
_NOT_IN_FACTS = ("n_tested", "n_dataset", "dataset_made_by")  # the last is long: result files and pages have it


class Evaluation(EvaluationRecord, Shown):
    """Everything that one call of `sspvs evaluate` found; printed, it is the command's table.

    Attributes:
        dataset: The dataset's name, such as `summe`.
        protocols: Names of the protocols, in order.
        methods: Method -> protocol -> result: what the user brought, or a baseline in its place.
        baselines: Baseline -> protocol -> result: the rows that stand beside.
        comparisons: Between the methods, paired.
        unavailable: Protocol -> why it cannot be computed on this dataset.
        coverage: How much of the dataset was tested: `n_dataset`, `n_tested`, and of a split file its name, hash,
            setting and folds.
        folds: Keys that each fold of the split tests; empty without a split.
        settings: Everything that made the numbers: budget, values, seeds, feature fingerprint, files and their hashes.
        versions: Package -> version.
        warnings: Sentences for the user.

    Example:
        >>> result = sspvs.evaluate("dataset.h5", "scores.json")
        >>> print(result)
        Dataset dataset...
        >>> frame = result.to_dataframe()
    """

    def table(self, published: Iterable[PublishedResult] = ()) -> Table:
        """The figures as a table: rows, columns and words.

        Args:
            published: Results to put beside, such as `published_results()`; those on other datasets are left out.
        """
        return comparison_table(self, published)

    def __str__(self) -> str:
        """The table as text, as wide as the terminal."""
        return render_text(self.table())

    def _repr_html_(self) -> str:
        return render_html(self.table())

    def records(self) -> Iterator[dict[str, Any]]:
        """One row a method or baseline, protocol and video."""
        for beside, methods in ((False, self.methods), (True, self.baselines)):
            for method, results in methods.items():
                for protocol, result in results.items():
                    for video in result.videos:
                        yield {"method": method, "baseline": beside, "protocol": protocol, **vars(video)}


class ShownEvaluation(Shown):
    """Mixin of results that have an evaluation, such as of a cross-validation: they show it."""

    @property
    @abstractmethod
    def evaluation(self) -> Evaluation:
        """What is shown."""

    def __str__(self) -> str:
        return str(self.evaluation)

    def _repr_html_(self) -> str:
        return self.evaluation._repr_html_()

    def records(self) -> Iterator[dict[str, Any]]:
        """One row a method or baseline, protocol and video."""
        return self.evaluation.records()


def comparison_table(evaluation: EvaluationRecord, published: Iterable[PublishedResult] = ()) -> Table:
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
    computed = [name for name in evaluation.protocols if name not in evaluation.unavailable]
    blocks = [block for name in (*computed, F1) if (block := _block(evaluation, name, ours)).rows]
    return Table(
        evaluation=evaluation,
        title=_TITLES.get(benchmark or "", evaluation.dataset),
        facts=_facts(evaluation),
        results={row.label: results for row, results in _own_rows(evaluation, F1)},
        blocks=tuple(blocks),
        apart=tuple(_apart(ours, [block.measure for block in blocks])),
    )


def _block(evaluation: EvaluationRecord, measure: str, published: list[PublishedResult]) -> Block:
    """A protocol's figures, or all F1, which no protocol touches: each method's first result has it."""
    of_f1 = measure == F1
    of_highlights = not of_f1 and PROTOCOLS[measure].figure == "precision"
    metrics = F_SCORES if of_f1 else (PRECISION,) if of_highlights else CORRELATIONS
    block = Block(measure, _F1_SENTENCE if of_f1 else PROTOCOLS[measure].sentence, evaluation.dataset)
    for row, results in _own_rows(evaluation, measure):
        result = next(
            (results[name] for name in evaluation.protocols if name in results and (of_f1 or name == measure)), None
        )
        if result is None or (of_f1 and not any(result.spreads[metric].n_videos for metric in metrics)):
            continue
        best_test = result.settings.get("checkpoint_rule") == "best-test"
        for metric in metrics:
            spread = result.spreads[metric]
            where = (metric, measure, best_test, block.dataset)
            block.add(row, Figure(spread.mean, *where, spread.ci95, spread.std, spread.n_videos))
        for kind, spread in result.spreads_by_kind.items() if of_highlights else ():
            of_kind = Figure(spread.mean, *where, spread.ci95, spread.std, spread.n_videos, kind or "no kind")
            block.add(row, of_kind)
        notes = _about_summaries(row, result) if of_f1 else () if of_highlights else _left_out(row.label, result)
        block.notes += [note for note in notes if note not in block.notes]
        block.notes += _between_seeds(row.label, result, metrics)
        block.notes += _of_shuffled_labels(row.label, result, metrics)
    if of_f1 and not block.rows:
        return block
    for known in published:
        values = {f"f_score_{known.f_score_reduction}": known.f_score}
        if not of_f1:
            values = {"kendall_tau": known.kendall_tau, "spearman_rho": known.spearman_rho}
        for metric, value in values.items() if of_f1 or known.protocol == measure else ():
            if value is not None and known.checkpoint_rule is not None:
                figure = Figure(value, metric, measure, known.best_test, block.dataset)
                block.add(_published_row(known, evaluation), figure)
    once: dict[tuple[str, str, str], Comparison] = {}
    for comparison in evaluation.comparisons:
        if comparison.metric in metrics and (of_f1 or comparison.protocol == measure):
            once.setdefault((comparison.first, comparison.second, comparison.metric), comparison)
    _compare(block, once.values())
    block.notes += _within_chance(once.values(), {**evaluation.baselines, **evaluation.methods})
    if of_f1 and (habit := _HABIT.get(benchmark_name(evaluation.dataset) or "")):
        block.notes.append(habit)
    if of_f1 and any(row.group == "published" for row in block.rows):
        block.notes.append("Published F1 was made with each paper's own shots, budget and value rules.")
    return block


def _own_rows(evaluation: EvaluationRecord, measure: str) -> Iterator[tuple[Row, Mapping[str, MethodResult]]]:
    """The methods, then the baselines in their order that are not evaluated as a method already."""
    for name, results in evaluation.methods.items():
        detail = _baseline_detail(name, measure, results) if name in _ORDER or _REFINED.fullmatch(name) else ""
        yield Row(name, "methods", detail), results
    refined = sorted(filter(_REFINED.fullmatch, evaluation.baselines), key=lambda name: (len(name), name))
    for name in dict.fromkeys([*refined, *_ORDER, *evaluation.baselines]):
        if name in evaluation.baselines and name not in evaluation.methods:
            results = evaluation.baselines[name]
            yield Row(name, "baselines", _baseline_detail(name, measure, results)), results


def _baseline_detail(name: str, measure: str, results: Mapping[str, MethodResult]) -> str:
    """What a baseline is, in a few words."""
    if name == "human":
        one_by_one = measure == F1 or PROTOCOLS[measure].each_user
        return "each user against each other user" if one_by_one else "each user against the mean of the others"
    if name == "consensus" and measure != F1 and PROTOCOLS[measure].reference == "gtscore":
        return "the mean of all users: the reference itself"
    if name == "random":
        draws = next((result.settings for result in results.values()), {}).get("draws")
        return f"random scores, mean of {draws} draws" if draws else "random scores"
    if name == "ridge":
        folds = next((result.settings for result in results.values()), {}).get("folds", "the folds")
        return f"ridge regression on the features, fitted to the training videos of {folds}"
    if refined := _REFINED.fullmatch(name):
        return f"of refined features: {' times '.join(_TERMS.get(term, term) for term in refined[1].split('*'))}"
    return _DETAILS.get(name, "")


def _compare(block: Block, comparisons: Iterable[Comparison]) -> None:
    """Put the differences between each two methods into words."""
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparisons:
        pairs.setdefault((comparison.first, comparison.second), []).append(comparison)
    starred = {label for column in block.columns if column.best_test for label in column.figures}
    for (first, second), several in pairs.items():
        marked = (first + "*" * (first in starred), second + "*" * (second in starred))
        block.compared[marked] = f"{'; '.join(map(_difference, several))} ({several[0].n_videos} videos)"


def _difference(comparison: Comparison) -> str:
    """`tau +.0120 [-.003, .027], p = .12`."""
    difference, p = number(comparison.difference), comparison.p_value
    sign = "" if difference.startswith("-") else "+"
    digits = number(p, 2 if p >= 0.1 else 3)
    chance = "p not defined" if not math.isfinite(p) else "p < .001" if p < 0.001 else f"p = {digits}"
    return f"{SHORT[comparison.metric]} {f'{sign}{difference} {interval(comparison.ci95)}'.strip()}, {chance}"


def _left_out(label: str, result: MethodResult) -> Iterator[str]:
    """What the means do not hold, in sentences."""
    pairs = sum(video.n_pairs for video in result.videos)
    if result.undefined_pairs:
        left_out = f"{result.undefined_pairs} of {pairs} pairs left out"
        yield f"{label}: {left_out}, since one side is constant and has no correlation."
    known = result.spreads["kendall_tau"].n_videos
    if known < len(result.videos):
        yield f"{label}: mean over {known} of {len(result.videos)} videos; the others have no correlation."


def _between_seeds(label: str, result: MethodResult, metrics: tuple[str, ...]) -> Iterator[str]:
    """How far apart the seeds of a method are that was trained several times, in a sentence."""
    seeds, spread = result.settings.get("seeds", ()), result.settings.get("over_seeds")
    if isinstance(spread, Mapping) and len(seeds) > 1:
        stds = ", ".join(f"{SHORT[metric]} {number(spread[metric]['std'])}" for metric in metrics if metric in spread)
        yield f"{label}: each video's mean over {len(seeds)} seeds; standard deviation between seeds: {stds}."


def _of_shuffled_labels(label: str, result: MethodResult, metrics: tuple[str, ...]) -> Iterator[str]:
    """What the same method makes of labels that were shuffled in time, in a sentence."""
    control = result.settings.get("labels_shuffled", {})
    found = [
        f"{SHORT[metric]} mean {number(control[metric]['mean'], 3)}, 95 % of {control['runs']} runs between "
        f"{' and '.join(number(end, 3) for end in control[metric]['ci95'])}"
        for metric in metrics
        if metric in control
    ]
    if found:
        yield f"{label}, labels shuffled in time: {'; '.join(found)}."


def _within_chance(compared: Iterable[Comparison], results: Mapping[str, Mapping[str, MethodResult]]) -> Iterator[str]:
    """Which gains over another method, or over ridge, are smaller than what shuffled labels make of ridge."""
    for one in compared:
        ridge = results.get("ridge", {}).get(one.protocol)
        control = {} if ridge is None else ridge.settings.get("labels_shuffled", {})
        if one.metric in control:
            low, high = control[one.metric]["ci95"]
            gain = abs(one.difference) if one.second != "ridge" else one.difference
            if 0 < gain < (high - low) / 2:
                better, other = (one.first, one.second) if one.difference > 0 else (one.second, one.first)
                moved = f"less than shuffled labels move ridge ({number((high - low) / 2)} to either side)"
                yield f"{better} gains {number(gain)} in {SHORT[one.metric]} over {other}, {moved}."


def _about_summaries(row: Row, result: MethodResult) -> Iterator[str]:
    """How the summaries that F1 judges were made, in sentences."""
    rule, origin = result.settings.get("rule"), result.settings.get("summaries")
    if isinstance(rule, Mapping) and row.group == "methods":
        budget, values = _ROUNDING.get(str(rule.get("rounding")), str(rule.get("rounding"))), str(rule.get("values"))
        share = f"{100 * float(rule.get('fraction', 0.15)):g} %"
        yield f"Summaries: {share} of the frames, {budget}, {_VALUES.get(values, '')}."
    if origin is not None and origin != "by rule" and row.group == "methods":
        yield f"{row.label}: its summaries are {origin}."
    if empty := result.settings.get("empty_summaries"):
        yield f"{row.label}: {len(empty)} of {len(result.videos)} summaries are empty, with F1 0."


def _published_row(result: PublishedResult, evaluation: EvaluationRecord | None = None) -> Row:
    """One row a method, year and setting: figures under different checkpoint rules stand side by side."""
    setting = "" if result.setting == "canonical" else f", {result.setting}"
    label = f"{result.method} {result.year}{setting}"
    if evaluation is not None and (label in evaluation.methods or label in evaluation.baselines):
        label += " (published)"
    return Row(label, "published", result.source)


def _apart(published: list[PublishedResult], shown: list[str]) -> Iterator[Apart]:
    """Published figures that no column may hold, by reason."""
    reasons: dict[str, list[str]] = {}
    for result in published:
        if result.f_score is not None and result.checkpoint_rule is None:
            text = f"{_published_row(result).label} {number(result.f_score, 3)} {result.f_score_reduction}"
            reasons.setdefault("F1, checkpoint rule not known", []).append(text)
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
        pair = f"{number(result.kendall_tau, 3)} / {number(result.spearman_rho, 3)}"
        text = f"{_published_row(result).label} {pair}{_RULE_MARKS.get(result.checkpoint_rule or '', '')}"
        reasons.setdefault(reason, []).append(text)
    for reason in sorted(reasons, key=lambda each: each.startswith("protocol not known")):
        yield Apart(reason, tuple(reasons[reason]))


def _facts(evaluation: EvaluationRecord) -> dict[str, str]:
    """Videos, split and settings, in words."""
    coverage = evaluation.coverage
    facts: dict[str, str] = {}
    tested, whole = coverage.get("n_tested"), coverage.get("n_dataset")
    if tested is None:
        first = next((result for results in evaluation.methods.values() for result in results.values()), None)
        tested = len(first.videos) if first is not None else None
    if tested is not None:
        facts["videos"] = f"{tested} of {whole} tested" if whole not in (None, tested) else f"all {tested} tested"
        if whole is None:
            facts["videos"] = f"{tested} tested"
    for name, value in {**coverage, **evaluation.settings}.items():
        if name not in _NOT_IN_FACTS and not _empty(value):
            facts[name.replace("_", " ")] = _DIGEST.sub(r"\1...", in_words(value))
    return facts


def _empty(value: Any) -> bool:
    return (
        value is None or value == "" or value == {} or value == [] or (isinstance(value, float) and math.isnan(value))
    )
