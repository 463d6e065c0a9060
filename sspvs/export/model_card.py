"""The model card of a checkpoint: `README.md` from the templates beside this module (`card*.md.j2`).

Figures stand in it with their protocol, split and what chose the weights, or not at all.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sspvs.atomic import write_text
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.table import SHORT
from sspvs.export.figures import Figures
from sspvs.export.source import CheckpointFacts, Exported
from sspvs.importance.terms import formula
from sspvs.models.summarizer import SummarizerSettings
from sspvs.sharing import checkpoint_name
from sspvs.table.text import FIELDS, TextSettings
from sspvs.tasks.checkpoint import REFINE, SUMMARIZE
from sspvs.tasks.saved_task import SavedTask
from sspvs.tasks.settings import settings_from
from sspvs.types import Fingerprint

if TYPE_CHECKING:
    from jinja2 import Environment

CARD = "README.md"
UNKNOWN_LICENSE = "unknown"
_UNKNOWN = "unknown"
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_SYNTHETIC = "synthetic:"  # how the backbone of drawn worlds begins
_TEMPLATES = {SUMMARIZE: "card_summarizer.md.j2", REFINE: "card_refiner.md.j2"}


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
        license: Of the weights, as the hub abbreviates licences (`apache-2.0`, `cc-by-nc-4.0`).
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
    settings, made_by = facts.settings, facts.fingerprint
    guided, tags = False, ["unsupervised", "contrastive"]
    if facts.kind == SUMMARIZE:
        guided = settings_from(SummarizerSettings, settings["summarizer"]).reads_text
        tags = [settings["summarizer"]["head"], *(["multimodal"] if guided else [])]
    front = {"library_name": "sspvs", "license": license, "tags": ["sspvs", "video-summarization", *tags]}
    template = _cards().get_template(_TEMPLATES[facts.kind])
    return template.render(
        front_matter=yaml.safe_dump(front, sort_keys=False),
        name=_one_line(name),
        on_hub=on_hub,
        flag=" --download" if on_hub else "",
        license=license,
        onnx=onnx,
        sspvs=facts.sspvs,
        settings=settings,
        feature_dim=facts.feature_dim,
        made_by=made_by,
        digest=None if made_by is None else Fingerprint(**made_by).digest,
        synthetic=made_by is not None and str(made_by["backbone"]).startswith(_SYNTHETIC),
        figures=figures_text(figures),
        origins=list(_origins(settings)),
        n_weights=facts.n_weights,
        guided=guided,
        text_fields=FIELDS,
        words=settings_from(TextSettings, settings["text_fields"]).total if guided else 0,
    )


def figures_text(figures: Figures | None) -> str:
    """Everything that result files say, as Markdown."""
    figures = figures or Figures()
    beside = dict.fromkeys(name for protocol in figures.protocols for name in figures.baselines(protocol))
    page = _cards().get_template("card_figures.md.j2")
    return page.render(figures=figures, columns=SHORT, protocols=PROTOCOLS, beside=beside).removesuffix("\n")


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


@cache
def _cards() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    cards = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    cards.filters.update(
        words=_words,
        code=_code,
        one_line=_one_line,
        formula=formula,
        quote=shlex.quote,
        json=json.dumps,
        sizes=_sizes,
        checkpoint_name=checkpoint_name,
    )
    return cards


def _one_line(value: object) -> str:
    return " ".join(str(value).split())


def _words(value: object) -> str:
    """A value on one line, without what Markdown takes for a column or code; `unknown` for None."""
    text = _UNKNOWN if value is None else _one_line(value)
    return text.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")


def _code(value: object) -> str:
    """A value as code on one line; `unknown`, as a word, for None."""
    return _UNKNOWN if value is None else "`{}`".format(_one_line(value).replace("`", "'").replace("|", "\\|"))


def _sizes(settings: Mapping[str, Any], *names: str) -> str:
    """Settings by name on one line; without those that are not there, or None."""
    return ", ".join(f"{name} {_words(settings[name])}" for name in names if settings.get(name) is not None)


def _origins(settings: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What it was initialised from, what that was initialised from, and so on."""
    origin = settings.get("initialised_from")
    while origin is not None:
        yield origin
        origin = origin.get("initialised_from")
