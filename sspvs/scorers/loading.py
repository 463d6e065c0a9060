"""From a name to a scorer: `contrastive`, or a checkpoint, wherever it lies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from sspvs.features.backbones import Backbone
from sspvs.scorers.base import Scorer
from sspvs.scorers.contrastive import CONTRASTIVE, ContrastiveScorer

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load_scorer(
    name: str | Path,
    *,
    device: str = "auto",
    download: bool = False,
    combine: Literal["a", "ag"] = "ag",
    post: Literal["summe", "tvsum", "none"] = "summe",
    backbone: Backbone | None = None,
) -> Scorer:
    """What scores frames, by name.

    Args:
        name: `contrastive`, a checkpoint folder, a `.ckpt` file of a fine-tuning run, or a Hugging Face hub id.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.
        download: Fetch a hub id, or a tokenizer, that is not on this machine.
        combine: Of `contrastive`: see `ContrastiveScorer`.
        post: Of `contrastive`.
        backbone: Of `contrastive`, for a title: the one that made the features.

    Raises:
        WeightsNotFoundError: Nothing is there.
        CheckpointError: What is there cannot be read, or does not score frames; the message says what it is.
        ValueError: The name can be no scorer's, or the device is unknown or not there.

    Example:
        >>> load_scorer("contrastive").name
        'contrastive'
    """
    if str(name) == CONTRASTIVE:
        return ContrastiveScorer(combine, post, device, backbone)
    if not may_be_scorer(name):
        raise ValueError(unknown_scorer(name))
    from sspvs.scorers.kinds import load_checkpoint

    return load_checkpoint(name, device=device, download=download)


def may_be_scorer(name: str | Path) -> bool:
    """Whether a name can be a scorer's: something is there, or it reads like a hub id. Opens nothing."""
    return str(name) == CONTRASTIVE or Path(name).exists() or _HUB_ID.fullmatch(str(name)) is not None


def unknown_scorer(name: str | Path) -> str:
    """What a scorer can be, where a name is none."""
    return (
        f"scorer must be '{CONTRASTIVE}', or a checkpoint: a folder, a .ckpt file of fine-tuning or a hub id; "
        f"there is no '{name}'"
    )
