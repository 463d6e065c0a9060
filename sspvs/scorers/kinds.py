"""Which scorer a checkpoint makes: by the `kind` of its folder, or by what its file was made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from sspvs.errors import CheckpointError
from sspvs.importance.contrastive import Combine
from sspvs.scorers.base import Scorer
from sspvs.scorers.checkpoint import SummarizerScorer
from sspvs.scorers.contrastive import CONTRASTIVE
from sspvs.scorers.refined import RefinedScorer
from sspvs.sharing import checkpoint_name
from sspvs.tasks.checkpoint import PRETRAIN, REFINE, SUMMARIZE
from sspvs.tasks.found_checkpoint import FoundCheckpoint, find_checkpoint
from sspvs.tasks.refined_videos import Post
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
