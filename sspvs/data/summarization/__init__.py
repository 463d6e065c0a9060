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

from typing import TYPE_CHECKING

from sspvs.lazy import attach

if TYPE_CHECKING:
    from sspvs.data.summarization.data_module import SummarizeDataModule
    from sspvs.data.summarization.dataset import SummarizeDataset

__all__ = ["SummarizeDataModule", "SummarizeDataset"]

# folds are read without torch
__getattr__, __dir__ = attach(__name__, {"SummarizeDataModule": "data_module", "SummarizeDataset": "dataset"})
