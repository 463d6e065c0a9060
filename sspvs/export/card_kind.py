"""What a model card says about a checkpoint that only its kind knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


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
