"""From a name to a scorer: `contrastive`, or a checkpoint, wherever it lies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from sspvs.features.backbones import Backbone
from sspvs.importance.contrastive import Combine
from sspvs.scorers.base import Scorer
from sspvs.scorers.contrastive import CONTRASTIVE, ContrastiveScorer

WITHOUT_TRAINING: tuple[Combine, ...] = ("a", "g", "ag")
"""Combinations of terms that features as they are have."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def load_scorer(
    name: str | Path,
    *,
    device: str = "auto",
    download: bool = False,
    combine: Combine | None = None,
    post: Literal["summe", "tvsum", "none"] | None = None,
    backbone: Backbone | None = None,
) -> Scorer:
    """What scores frames, by name.

    Args:
        name: `contrastive`, a checkpoint folder, a `.ckpt` file of fine-tuning or refinement, or a Hugging Face hub id.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.
        download: Fetch a hub id, or a tokenizer, that is not on this machine.
        combine: Which terms are multiplied, of `contrastive` (`a`, `g` or `ag`) and of refined checkpoints; None: `ag`,
            or what the checkpoint says.
        post: What follows the product, likewise; None: `summe`, or what the checkpoint says.
        backbone: Of `contrastive`, for a title: the one that made the features.

    Raises:
        WeightsNotFoundError: Nothing is there.
        CheckpointError: What is there cannot be read, or does not score frames; the message says what it is.
        ValueError: The name can be no scorer's, the device is unknown or not there, or `combine` and `post` are given
            to what has none.

    Example:
        >>> load_scorer("contrastive").name
        'contrastive'
    """
    if str(name) == CONTRASTIVE:
        if combine is not None and combine not in WITHOUT_TRAINING:
            raise ValueError(no_such_term(combine))
        return ContrastiveScorer(combine or "ag", post or "summe", device, backbone)
    if not may_be_scorer(name):
        raise ValueError(unknown_scorer(name))
    from sspvs.scorers.kinds import load_checkpoint

    return load_checkpoint(name, device=device, download=download, combine=combine, post=post)


def may_be_scorer(name: str | Path) -> bool:
    """Whether a name can be a scorer's: something is there, or it reads like a hub id. Opens nothing."""
    return str(name) == CONTRASTIVE or Path(name).exists() or _HUB_ID.fullmatch(str(name)) is not None


def unknown_scorer(name: str | Path) -> str:
    """What a scorer can be, where a name is none."""
    return (
        f"scorer must be '{CONTRASTIVE}', or a checkpoint: a folder, a .ckpt file of fine-tuning or refinement, or a "
        f"hub id; there is no '{name}'"
    )


def no_such_term(combine: str) -> str:
    """Why a combination of terms needs a refined checkpoint."""
    return (
        f"combine must be a, g or ag without training, got {combine}: h, uniqueness, needs a refined checkpoint, which "
        "`sspvs fit` makes with a config of `task: refine`"
    )
