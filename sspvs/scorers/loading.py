"""Scorers by name: the training-free importance, or what the kind of a checkpoint makes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from sspvs.errors import CheckpointError
from sspvs.features.backbones import Backbone
from sspvs.importance.terms import Combine, term_names
from sspvs.scorers.base import CONTRASTIVE, ContrastiveScorer, Scorer
from sspvs.scorers.trained import RefinedScorer, SummarizerScorer
from sspvs.sharing import checkpoint_name
from sspvs.tasks.checkpoint import PRETRAIN, REFINE, SUMMARIZE, Checkpoint

KINDS = (SUMMARIZE, REFINE)
"""Checkpoints that score frames."""
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
        if problem := untrained_problem(combine):
            raise ValueError(problem)
        return ContrastiveScorer(combine or "ag", post or "summe", device, backbone)
    if not may_be_scorer(name):
        raise ValueError(unknown_scorer(name))
    found = Checkpoint.open(name, (*KINDS, PRETRAIN), download=download)
    if found.kind == PRETRAIN:
        raise CheckpointError(
            f"{name}: a checkpoint of pretraining: it compares videos with texts, and has no head that scores frames. "
            f"Fine-tune it first, on annotated videos: `sspvs fit --config` one of configs/finetune/, with "
            f"--model.pretrained {name}"
        )
    how = {"name": checkpoint_name(found.source), "source": found.source, "digest": found.sha256, "device": device}
    if found.kind == REFINE:
        from sspvs.tasks.refine import RefineTask

        return RefinedScorer(RefineTask.from_pretrained(found.path), combine=combine, post=post, **how)
    if combine is not None or post is not None:
        raise ValueError(
            f"combine and post belong to --scorer {CONTRASTIVE} and to refined checkpoints; {found.source} is a "
            "summarizer, which has neither"
        )
    from sspvs.tasks.summarize import SummarizeTask

    task = SummarizeTask.from_pretrained(found.path, download=download)
    return SummarizerScorer(task, download=download, **how)


def may_be_scorer(name: str | Path) -> bool:
    """Whether a name can be a scorer's: something is there, or it reads like a hub id. Opens nothing."""
    return str(name) == CONTRASTIVE or Path(name).exists() or _HUB_ID.fullmatch(str(name)) is not None


def unknown_scorer(name: str | Path) -> str:
    """What a scorer can be, where a name is none."""
    return (
        f"scorer must be '{CONTRASTIVE}', or a checkpoint: a folder, a .ckpt file of fine-tuning or refinement, or a "
        f"hub id; there is no '{name}'"
    )


def untrained_problem(combine: str | None) -> str | None:
    """Why an expression over terms cannot be computed without a refined checkpoint; None where it can."""
    try:
        names = () if combine is None else term_names(combine)
    except ValueError as error:
        return str(error)
    if "uniqueness" not in names:
        return None
    return (
        f"combine must be of a and g without training, got {combine}: h, uniqueness, needs a refined checkpoint, which "
        "`sspvs fit` makes with a config of `task: refine`"
    )
