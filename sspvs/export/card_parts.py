"""What a model card says about a checkpoint that only its kind knows."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sspvs.export.source import CheckpointFacts
from sspvs.sharing import checkpoint_name
from sspvs.tasks.checkpoint import REFINE
from sspvs.types import Fingerprint


class CardKind(NamedTuple):
    """What differs between the kinds of checkpoints; all of it Markdown that is ready.

    Attributes:
        about: What it is, in a sentence or two.
        tags: For the hub.
        option: What follows `--scorer NAME` in a call of `sspvs summarize`, with a space in front; may be empty.
        onnx_without: What one does not need to run its ONNX file.
        onnx_lines: Python that follows `session` and `given`, the inputs of every kind.
        rows: Of the table of settings.
        limits: What it cannot do.
        sections: Sections of its own, by heading.
    """

    about: str
    tags: tuple[str, ...]
    option: str
    onnx_without: str
    onnx_lines: str
    rows: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]
    sections: Mapping[str, str]


UNKNOWN = "unknown"
OPTIMISER = ("name", "lr", "encoder_lr", "layer_decay", "text_lr", "weight_decay", "schedule")
"""What a card says of the optimiser."""


def plain(value: object) -> str:
    """A value on one line, without what Markdown takes for a column or code; `unknown` for None."""
    text = UNKNOWN if value is None else " ".join(str(value).split())
    return text.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")


def code(value: object) -> str:
    """A value as code on one line; `unknown`, as a word, for None."""
    return (
        UNKNOWN
        if value is None
        else f"`{' '.join(str(value).split()).replace('`', chr(39)).replace('|', chr(92) + '|')}`"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def sizes(settings: Mapping[str, Any], names: Sequence[str]) -> str:
    """Settings by name on one line; without those that are not there, or None."""
    return ", ".join(f"{name} {plain(settings[name])}" for name in names if settings.get(name) is not None)


_SYNTHETIC = "synthetic:"  # how the backbone of drawn worlds begins


def usage(facts: CheckpointFacts, kind: CardKind, name: str, *, on_hub: bool, onnx: str | None = None) -> str:
    """How to use it: from the shell, from Python, and as an ONNX file where there is one."""
    blocks = _with_sspvs(facts, kind, name, on_hub=on_hub)
    return "\n\n".join(blocks if onnx is None else [*blocks, _with_onnx(facts, kind, onnx)])


def _with_sspvs(facts: CheckpointFacts, kind: CardKind, name: str, *, on_hub: bool) -> list[str]:
    fetch, flag = (", download=True", " --download") if on_hub else ("", "")
    word = shlex.quote(name)
    score = f"sspvs score features.h5 --scorer {word}{flag} --out scores.h5"
    if is_synthetic(facts.fingerprint):
        return [_block("bash", score)]
    shell = f"sspvs summarize video.mp4 --scorer {word}{flag}{kind.option} --out summary/\n{score}"
    python = (
        f'import sspvs\n\nsummary = sspvs.summarize("video.mp4", scorer={json.dumps(name)}{fetch})\n'
        'summary.save("summary/")'
    )
    return [_block("bash", shell), _block("python", python)]


def _with_onnx(facts: CheckpointFacts, kind: CardKind, name: str) -> str:
    code_lines = (
        "import numpy as np\nimport onnxruntime\n\n"
        f"session = onnxruntime.InferenceSession({json.dumps(name)})\n"
        'given = {"features": features[None], "mask": np.ones((1, len(features)), bool)}  # features: (T, '
        f"{facts.feature_dim}) float32\n{kind.onnx_lines}"
    )
    return f"Without {kind.onnx_without}, as an ONNX file:\n\n{_block('python', code_lines)}"


def settings_table(kind: CardKind) -> str:
    """What it is made of and how it was trained."""
    return table(("", ""), kind.rows) + "\n\n`config.json` has every setting."


def origin(facts: CheckpointFacts) -> str:
    """What it was initialised from."""
    if facts.kind == REFINE:
        return "Nothing: refinement starts from weights that are drawn."
    told: Mapping[str, Any] | None = facts.settings.get("initialised_from")
    if told is None:
        return "Nothing is recorded: its weights were drawn, or it was imported from another program's checkpoint."
    lines = []
    while told is not None:
        counts = [f"{told.get('loaded', 'unknown')} tensors taken over"]
        counts += [f"{len(told[word])} {word}" for word in ("missing", "unexpected") if told.get(word)]
        digest = code(told.get("sha256"))
        source = checkpoint_name(told.get("source", "unknown"))
        lines.append(f"{code(source)}, {plain(told.get('kind'))}, weights SHA-256 {digest}: {', '.join(counts)}")
        told = told.get("initialised_from")
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=1))


def features(facts: CheckpointFacts) -> str:
    """Which features it takes, and how to get them."""
    known, width = facts.fingerprint, facts.feature_dim
    if known is None:
        return (
            f"Unknown: nobody recorded what made the {width}-D features that it was trained on. Features of another "
            "backbone, sampled or normalised otherwise, give scores that mean nothing."
        )
    rows = [
        ("backbone", code(known["backbone"])),
        ("width", width),
        ("weights SHA-256", code(known["weights_digest"])),
        ("frame to input", plain(known["transform"])),
        ("pixel values", plain(known["normalisation"])),
        ("frames looked at", f"{known['rate_hz']:g} per second"),
        ("fingerprint", code(Fingerprint(**known).digest)),
    ]
    return f"{table(('', ''), rows)}\n\n{_how_to_extract(known)}"


def limits(facts: CheckpointFacts, kind: CardKind) -> str:
    """What it cannot do, as far as its kind tells."""
    lines = [
        *kind.limits,
        "Which videos it was trained on is in the figures above, if anywhere. How it does on others is unknown, and so "
        "is whom or what it leaves out of a summary more often than it should.",
    ]
    if is_synthetic(facts.fingerprint):
        lines.append(
            "It was trained on a synthetic world, to show that training works; it is of no use for real videos."
        )
    return "\n".join(f"* {line}" for line in lines)


def is_synthetic(fingerprint: Mapping[str, Any] | None) -> bool:
    """Whether features come from a synthetic world, which no backbone gives."""
    return fingerprint is not None and str(fingerprint["backbone"]).startswith(_SYNTHETIC)


def _how_to_extract(known: Mapping[str, Any]) -> str:
    if is_synthetic(known):
        return "These are features of a synthetic world (`sspvs data world` makes one): no backbone gives them."
    backbone = shlex.quote(" ".join(str(known["backbone"]).split()))
    command = f"sspvs extract videos/ --backbone {backbone} --rate {known['rate_hz']:g} --out features.h5"
    return (
        f"{_block('bash', command)}\n\nextracts such features; `sspvs summarize` does so by itself. Features with "
        "another fingerprint are refused."
    )


def _block(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"
