"""Which scorer a checkpoint makes: by the `kind` of its folder, or by what its file was made with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from sspvs.errors import CheckpointError
from sspvs.importance.contrastive import Combine
from sspvs.scorers.base import Scorer
from sspvs.scorers.checkpoint import SummarizerScorer
from sspvs.scorers.contrastive import CONTRASTIVE
from sspvs.scorers.refined import RefinedScorer
from sspvs.tasks.checkpoint import (
    PRETRAIN,
    REFINE,
    SUMMARIZE,
    WEIGHTS,
    find_folder,
    read_kind,
    read_lightning_checkpoint,
)
from sspvs.tasks.refined_videos import Post
from sspvs.weights.digest import file_digest

_LEFT_OUT = {"pretrained", "checkpoints"}
_TELLS_LITTLE = re.compile(r"(best|last|(version|fold|seed)[-_ ]?\d+)(\.ckpt)?")


class _Asked(NamedTuple):
    """How a checkpoint shall score; see `load_scorer`."""

    device: str
    download: bool
    combine: Combine | None
    post: Post | None


class _Found(NamedTuple):
    """A checkpoint that is there.

    Attributes:
        source: What was asked for.
        path: The folder or file.
        kind: What it is for.
    """

    source: str
    path: Path
    kind: str

    @property
    def weights(self) -> Path:
        """The file with the weights."""
        return self.path / WEIGHTS if self.path.is_dir() else self.path


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
    found = _find(source, download)
    if found.kind == PRETRAIN:
        raise CheckpointError(
            f"{source}: a checkpoint of pretraining: it knows videos and texts, and has no head that scores frames. "
            f"Fine-tune it first, on annotated videos: `sspvs fit --config` one of configs/finetune/, with "
            f"--model.pretrained {source}"
        )
    return _SCORERS[found.kind](found, _Asked(device, download, combine, post))


def checkpoint_name(source: str | Path) -> str:
    """What reports call a checkpoint: the last part of its place that tells it from others, and what follows.

    Example:
        >>> checkpoint_name("nobody/has-this")
        'nobody/has-this'
    """
    if not Path(source).exists():
        return str(source)  # a hub id
    parts: list[str] = []
    for part in reversed(Path(source).absolute().parts[1:]):
        if part not in _LEFT_OUT:
            parts.insert(0, part)
        if not _TELLS_LITTLE.fullmatch(part) and part not in _LEFT_OUT:
            break
    return "/".join(parts) or str(source)


def _find(source: str | Path, download: bool) -> _Found:
    path = Path(source)
    if path.is_file():
        return _Found(str(source), path, _kind_of_file(path))
    folder = find_folder(source, (*_SCORERS, PRETRAIN), download=download)
    return _Found(str(source), folder, read_kind(folder))


def _kind_of_file(path: Path) -> str:
    """A Lightning checkpoint does not say which task wrote it; what it was made with does."""
    settings, _ = read_lightning_checkpoint(path)
    if "summarizer" in settings:
        return SUMMARIZE
    if "refiner" in settings:
        return REFINE
    if "local_radius" in settings:
        return PRETRAIN
    raise CheckpointError(f"{path}: a Lightning checkpoint, but of no task of sspvs that scores frames")


def _summarizer(found: _Found, asked: _Asked) -> Scorer:
    from sspvs.tasks.summarize import SummarizeTask

    if asked.combine is not None or asked.post is not None:
        raise ValueError(
            f"combine and post belong to --scorer {CONTRASTIVE} and to refined checkpoints; {found.source} is a "
            "summarizer, which has neither"
        )
    return SummarizerScorer(
        SummarizeTask.from_pretrained(found.path),
        name=checkpoint_name(found.source),
        source=found.source,
        digest=file_digest(found.weights),
        device=asked.device,
        download=asked.download,
    )


def _refined(found: _Found, asked: _Asked) -> Scorer:
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


_SCORERS: Mapping[str, Callable[[_Found, _Asked], Scorer]] = {SUMMARIZE: _summarizer, REFINE: _refined}
"""Kind -> what makes its scorer."""
