"""Annotated videos for the summarizer: from dataset files and a split to one fold's batches, and to its figures.

stores.py         dataset files by name, and their videos however a split or a list calls them
folds.py          one fold of a split: who trains, who chooses the checkpoint, who tests
targets.py        what people said of a video -> the importance that is trained on
texts.py          what is written about a video: the annotations' fields, its name, or a manifest
survey.py         a fold's videos looked at once, all that is wrong with them said together
memory.py         features, kept once read
same_videos.py    the tested videos again under another name, told by their features
dataset.py        video -> example: a run of frames, text
collate.py        examples -> `SummarizeBatch`
fold_data.py      what every data module of annotated videos knows: datasets, fold, figures
judging.py        scores of whole videos -> the figures that choose a checkpoint
data_module.py    all of it for Lightning
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sspvs.data.summarization.data_module import SummarizeDataModule
    from sspvs.data.summarization.dataset import SummarizeDataset

__all__ = ["SummarizeDataModule", "SummarizeDataset"]

_HOME = {"SummarizeDataModule": "data_module", "SummarizeDataset": "dataset"}


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use (PEP 562): folds are read without torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
