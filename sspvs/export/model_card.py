"""The model card of a checkpoint: README.md beside its weights. What is not known is said to be unknown."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from sspvs.atomic import write_text
from sspvs.export import card_parts
from sspvs.export.card_figures import figures_text
from sspvs.export.card_kind import CardKind
from sspvs.export.card_refined import refined_card
from sspvs.export.card_summarizer import summarizer_card
from sspvs.export.card_words import plain
from sspvs.export.figures import Figures
from sspvs.export.source import CheckpointFacts, Exported
from sspvs.sharing import checkpoint_name
from sspvs.tasks.checkpoint import REFINE, SUMMARIZE
from sspvs.tasks.saved_task import SavedTask

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
