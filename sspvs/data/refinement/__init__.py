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

from typing import TYPE_CHECKING

from sspvs.lazy import attach

if TYPE_CHECKING:
    from sspvs.data.refinement.data_module import RefineDataModule
    from sspvs.data.refinement.dataset import RefineDataset

__all__ = ["RefineDataModule", "RefineDataset"]

__getattr__, __dir__ = attach(__name__, {"RefineDataModule": "data_module", "RefineDataset": "dataset"})
