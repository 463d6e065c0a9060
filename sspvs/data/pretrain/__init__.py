"""Video-text pairs for pretraining: where they come from, and their way into batches.

sources.py        a release folder, a manifest or shards -> items      (manifest.py, release.py, raw_videos.py)
survey.py         every item looked at once, all that is wrong with them said together (survey_notes.py keeps it)
dataset.py        item -> example: crop, masked frames, text, another video's text
collate.py        examples -> `PretrainBatch`
data_module.py    all of it for Lightning
shards/           the same items as WebDataset shards
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sspvs.data.pretrain.data_module import PretrainDataModule
    from sspvs.data.pretrain.dataset import PretrainDataset

__all__ = ["PretrainDataModule", "PretrainDataset"]

_HOME = {"PretrainDataModule": "data_module", "PretrainDataset": "dataset"}


def __getattr__(name: str) -> Any:
    """Load a public name from its home on first use (PEP 562): manifests are read without torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
