"""Which scorer a checkpoint makes: by the `kind` of its folder, or by what its file was made with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from sspvs.errors import CheckpointError
from sspvs.features.backbones import Backbone
from sspvs.importance.contrastive import Combine
from sspvs.scorers.base import CONTRASTIVE, ContrastiveScorer, Scorer
from sspvs.scorers.trained import RefinedScorer, SummarizerScorer
from sspvs.sharing import checkpoint_name
from sspvs.tasks.checkpoint import PRETRAIN, REFINE, SUMMARIZE, FoundCheckpoint, find_checkpoint
from sspvs.tasks.refine import Post
from sspvs.weights.digest import file_digest


class _Asked(NamedTuple):
    """How a checkpoint shall score; see `load_scorer`."""

    device: str
    download: bool
    combine: Combine | None
    post: Post | None


def load_checkpoint(
    source: str | Path,
    *,
    device: str = "auto",
    download: bool = False,
    combine: Combine | None = None,
    post: Post | None = None,
) -> Scorer:
    """The scorer that a checkpoint makes. Its kind is looked at before anything is built.

    Args:
        source: A checkpoint folder, a `.ckpt` file of fine-tuning or refinement, or a Hugging Face hub id.
        device: As in `load_scorer`.
        download: As in `load_scorer`.
        combine: As in `load_scorer`.
        post: As in `load_scorer`.

    Raises:
        WeightsNotFoundError: Nothing is there.
        CheckpointError: What is there cannot be read, or does not score frames.
        ValueError: The device is unknown or not there, or the checkpoint has no terms to combine.
    """
    found = find_checkpoint(source, (*_SCORERS, PRETRAIN), download=download)
    if found.kind == PRETRAIN:
        raise CheckpointError(
            f"{source}: a checkpoint of pretraining: it knows videos and texts, and has no head that scores frames. "
            f"Fine-tune it first, on annotated videos: `sspvs fit --config` one of configs/finetune/, with "
            f"--model.pretrained {source}"
        )
    return _SCORERS[found.kind](found, _Asked(device, download, combine, post))


def _summarizer(found: FoundCheckpoint, asked: _Asked) -> Scorer:
    from sspvs.tasks.summarize import SummarizeTask

    if asked.combine is not None or asked.post is not None:
        raise ValueError(
            f"combine and post belong to --scorer {CONTRASTIVE} and to refined checkpoints; {found.source} is a "
            "summarizer, which has neither"
        )
    return SummarizerScorer(
        SummarizeTask.from_pretrained(found.path, download=asked.download),
        name=checkpoint_name(found.source),
        source=found.source,
        digest=file_digest(found.weights),
        device=asked.device,
        download=asked.download,
    )


def _refined(found: FoundCheckpoint, asked: _Asked) -> Scorer:
    from sspvs.tasks.refine import RefineTask

    return RefinedScorer(
        RefineTask.from_pretrained(found.path),
        name=checkpoint_name(found.source),
        source=found.source,
        digest=file_digest(found.weights),
        device=asked.device,
        combine=asked.combine,
        post=asked.post,
    )


_SCORERS: Mapping[str, Callable[[FoundCheckpoint, _Asked], Scorer]] = {SUMMARIZE: _summarizer, REFINE: _refined}
"""Kind -> what makes its scorer."""


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
