"""Figures in a model card: never without protocol, split and what chose the weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sspvs.atomic import write_text
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.results import METRICS
from sspvs.export import card_parts
from sspvs.export.card_kinds import refined_card, summarizer_card
from sspvs.export.card_parts import CardKind, code, plain, table
from sspvs.export.figures import Figures
from sspvs.export.source import CheckpointFacts, Exported
from sspvs.sharing import checkpoint_name
from sspvs.tasks.checkpoint import REFINE, SUMMARIZE
from sspvs.tasks.saved_task import SavedTask

_COLUMNS = dict(zip(METRICS, ("tau", "rho", "F1 avg", "F1 max"), strict=True))
_RULES = {
    "val": "`val`: the best epoch on videos that were held out of training",
    "last": "`last`: the last epoch; nothing chose",
    "train-loss": "`train-loss`: the lowest loss in training",
    "best-test": (
        "`best-test`: the best epoch **on the tested videos**. Such figures are too good, and compare only with others "
        "that were made so"
    ),
    "none": "`none`: there was nothing to choose",
}
_ROWS = {
    "human": "each user against the others",
    "consensus": "the mean of all users, in-sample: a ceiling",
    "random": "random scores",
    "contrastive": "from the features, without training",
    "contrastive, A alone": "the same, of local dissimilarity alone",
}
_OTHER_TERMS = "refined "  # how the rows of other terms of the same refined features begin
UNKNOWN = (
    "Unknown: this card was written without a result file. `sspvs crossval` makes one, and `sspvs export CHECKPOINT "
    "--card --results result.json` puts its figures here."
)


def figures_text(figures: Figures | None) -> str:
    """Everything that result files say, as Markdown."""
    if figures is None or (figures.result is None and figures.fold is None):
        return UNKNOWN
    parts = [_protocol(figures, name) for name in figures.protocols]
    if figures.result is not None:
        parts.append(_of_whom(figures))
        parts.append("\n".join(f"* {line}" for line in _made_by(figures)))
    if figures.fold is not None:
        parts.append(_fold(figures.fold))
    return "\n\n".join(parts)


def _protocol(figures: Figures, name: str) -> str:
    entry = figures.protocols[name]
    known = PROTOCOLS.get(name)
    meaning = "" if known is None else f": {known.sentence}"
    rows = {plain(entry.get("method", "this")): entry, **figures.baselines(name)}
    cells = [[row, *(_cell(found.get(metric)) for metric in METRICS)] for row, found in rows.items()]
    dataset = figures.result.get("dataset") if figures.result else None
    head = f"Dataset {code(dataset)}, {entry.get('n_videos', 'unknown')} videos, protocol `{name}`{meaning}."
    return f"{head}\n\n{table(['', *_COLUMNS.values()], cells)}"


def _cell(spread: Any) -> str:
    """A mean with its interval."""
    if not isinstance(spread, Mapping) or spread.get("mean") is None:
        return "-"
    low, high = spread.get("ci95") or (None, None)
    interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    return f"{spread['mean']:.3f}{interval}"


def _of_whom(figures: Figures) -> str:
    if (figures.result or {}).get("crossval") is None:
        return (
            "The result file is of scores, and does not say which checkpoint made them; that it was this one is the "
            "word of whoever wrote this card."
        )
    return (
        "These are figures of models that were trained in this way, one a fold and seed, each tested on videos it was "
        "not trained on; not of this checkpoint alone."
    )


def _made_by(figures: Figures) -> list[str]:
    settings, coverage, result = figures.settings, figures.coverage, figures.result or {}
    rule = settings["rule"].get("name", "unknown") if isinstance(settings.get("rule"), Mapping) else "unknown"
    seeds = ", ".join(map(str, settings.get("seeds") or ())) or "unknown"
    made_with = ", ".join(f"{name} {version}" for name, version in (result.get("versions") or {}).items()) or "unknown"
    beside = dict.fromkeys(name for protocol in figures.protocols for name in figures.baselines(protocol))
    lines = [
        *(f"{name}: {meaning}." for name, meaning in _ROWS.items() if name in beside),
        *(f"{name}: other terms of the same refined features." for name in beside if name.startswith(_OTHER_TERMS)),
        "tau is Kendall's tau-b, rho Spearman's; in brackets the bootstrap 95 % interval of the mean over videos.",
        "F1 is of a summary of 15 % of the frames against each user's: the mean over users (avg), the best user (max); "
        f"rule `{rule}`.",
        f"Tested: {plain(coverage.get('n_tested'))} of the dataset's {plain(coverage.get('n_dataset'))} videos.",
        _split(coverage),
        f"Weights chosen by {_rule(figures.checkpoint_rule)}.",
        f"Seeds: {seeds}.",
        *_over_seeds(result),
        f"Dataset file: SHA-256 {code(settings.get('dataset_sha256'))}.",
        f"Versions: {made_with}.",
    ]
    return [*lines, *(f"Note: {plain(warning)}" for warning in result.get("warnings") or ())]


def _over_seeds(result: Mapping[str, Any]) -> list[str]:
    """How far apart the seeds are, by protocol; nothing of one seed."""
    lines = []
    for protocol, known in ((result.get("crossval") or {}).get("protocols") or {}).items():
        over = (known or {}).get("over_seeds") or {}
        spread = {name: (over.get(name) or {}).get("std") for name in METRICS}
        told = [f"{_COLUMNS[name]} {std:.3f}" for name, std in spread.items() if std is not None]
        if told:
            lines.append(f"Standard deviation over seeds under `{protocol}`: {', '.join(told)}.")
    return lines


def _split(coverage: Mapping[str, Any]) -> str:
    if coverage.get("split_sha256") is None:
        return "Split: unknown."
    told = {name: coverage.get(f"split_{name}") for name in ("file", "sha256", "setting", "folds")}
    return (
        f"Split: {code(told['file'] or 'made by sspvs')}, SHA-256 {code(told['sha256'])}, {told['setting']}, "
        f"{told['folds']} folds."
    )


def _rule(name: str | None) -> str:
    return "a rule that is unknown" if name is None else _RULES.get(name, f"`{name}`")


def _fold(fold: Mapping[str, Any]) -> str:
    """Of the checkpoint itself."""
    figures, chosen = (fold[name] or {} for name in ("figures", "chosen"))
    shown = [f"{_COLUMNS[m]} {value:.3f}" for m, value in figures.items() if m in _COLUMNS and value is not None]
    rule, why = _rule(chosen.get("rule")), plain(chosen.get("why"))
    return (
        f"This checkpoint by itself: fold {fold.get('fold')} (the first is 0), seed {fold.get('seed')}, trained on "
        f"{plain(fold.get('train'))} videos, weights chosen by {rule}: {why}. On "
        f"the {len(fold.get('test') or ())} videos that the fold tests: {', '.join(shown) or 'nothing is defined'} "
        "(tau and rho under `per-user` where the dataset has its users' scores, else under `mean-annotator`)."
    )


CARD = "README.md"
UNKNOWN_LICENSE = "unknown"
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_KINDS: Mapping[str, Callable[[CheckpointFacts], CardKind]] = {SUMMARIZE: summarizer_card, REFINE: refined_card}


def model_card(
    source: str | Path | Exported,
    *,
    name: str | None = None,
    on_hub: bool = False,
    license: str = UNKNOWN_LICENSE,  # noqa: A002  as the card says it
    figures: Figures | None = None,
    onnx: str | None = None,
) -> str:
    """The card as Markdown, with the front matter that the Hugging Face hub reads.

    Args:
        source: A checkpoint folder, a `.ckpt` file, a hub id on this machine, or a task.
        name: What users shall call it: its hub id, or its folder; `source` when None.
        on_hub: Whether `name` is a hub id.
        license: Of the weights, as the hub abbreviates licences (`apache-2.0`, `cc-by-nc-4.0`); nobody but you knows.
        figures: How well it does, from result files.
        onnx: Name of an ONNX file of it that lies beside the card.

    Raises:
        CheckpointError: It cannot be read, or is of something else.
        WeightsNotFoundError: Nothing is there.
        ValueError: The license is no abbreviation.
    """
    if not _LICENSE.fullmatch(license):
        raise ValueError(f"license must be an abbreviation such as apache-2.0 or cc-by-nc-4.0, got {license!r}")
    facts = CheckpointFacts.of(source)
    if name is None:
        name = "checkpoint" if isinstance(source, SavedTask) else checkpoint_name(source)
    name = " ".join(name.split())
    kind = _KINDS[facts.kind](facts)
    parts = {
        "Use": card_parts.usage(facts, kind, name, on_hub=on_hub, onnx=onnx),
        **kind.sections,
        "Features": card_parts.features(facts),
        "Figures": figures_text(figures),
        "Limits": card_parts.limits(facts, kind),
        "Settings": card_parts.settings_table(kind),
        "Initialised from": card_parts.origin(facts),
        "Licence": f"Of the weights: {license}. The code, sspvs, is under Apache-2.0.",
    }
    head = f"# {plain(name)}\n\n{kind.about}"
    body = "\n\n".join([head, *(f"## {heading}\n\n{text}" for heading, text in parts.items())])
    return f"---\n{_front_matter(kind, license)}---\n\n{body}\n"


def write_model_card(path: Path, card: str, *, overwrite: bool = False) -> None:
    """Write a card, atomically.

    Args:
        path: The file.
        card: What `model_card` gave.
        overwrite: Replace what is there: somebody may have written more into it.

    Raises:
        OutputError: The file cannot be written.
        ValueError: Something else is there.
    """
    if path.is_file() and not overwrite and path.read_text(encoding="utf-8", errors="replace") != card:
        raise ValueError(
            f"{path} is there already, and may have more in it than a card made anew; --overwrite replaces it"
        )
    write_text(path, card)


def _front_matter(kind: CardKind, license: str) -> str:  # noqa: A002
    """YAML that the hub reads."""
    tags = ["sspvs", "video-summarization", *kind.tags]
    text: str = yaml.safe_dump({"library_name": "sspvs", "license": license, "tags": tags}, sort_keys=False)
    return text
