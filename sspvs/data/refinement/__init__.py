"""Clips of videos for contrastive refinement: from feature files nobody annotated, and from a fold's videos.

finding.py        paths -> feature files -> the videos in them
reading.py        features of a video: h5, .npy, .npz, tars; numbers or YouTube-8M's bytes
records.py        YouTube-8M's TFRecord files, by an index of where records begin
survey.py         every video looked at once; what cannot be used is counted and left out
sources.py        where clips are drawn from, and what stays in memory
dataset.py        video -> clip, clips -> `RefineBatch`
parts.py          which unlabelled videos are trained on, which are held out; what is refused
judged.py         videos that are not trained on: the tested and validated ones under another name
data_module.py    all of it for Lightning
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sspvs.data.refinement.data_module import RefineDataModule
    from sspvs.data.refinement.dataset import RefineDataset

__all__ = ["RefineDataModule", "RefineDataset"]

_HOME = {"RefineDataModule": "data_module", "RefineDataset": "dataset"}


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
