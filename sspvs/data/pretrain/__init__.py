"""Video-text pairs for pretraining: where they come from, and their way into batches.

sources.py        a release folder, a manifest or shards -> items      (manifest.py, release.py, raw_videos.py)
survey.py         every item looked at once, all that is wrong with them said together (survey_notes.py keeps it)
dataset.py        item -> example: crop, masked frames, text, another video's text
collate.py        examples -> `PretrainBatch`
data_module.py    all of it for Lightning
shards/           the same items as WebDataset shards
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sspvs.lazy import attach

if TYPE_CHECKING:
    from sspvs.data.pretrain.data_module import PretrainDataModule
    from sspvs.data.pretrain.dataset import PretrainDataset

__all__ = ["PretrainDataModule", "PretrainDataset"]

# manifests are read without torch
__getattr__, __dir__ = attach(__name__, {"PretrainDataModule": "data_module", "PretrainDataset": "dataset"})
