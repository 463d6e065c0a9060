"""The loader of video-text pairs."""

from __future__ import annotations

from typing import TypeAlias

from sspvs.data.batch import PretrainBatch
from sspvs.data.buckets import LengthBuckets
from sspvs.data.loader import BatchLoader, batch_loader
from sspvs.data.pretrain.collate import collate
from sspvs.data.pretrain.dataset import PretrainDataset

PretrainLoader: TypeAlias = BatchLoader[PretrainBatch]


def pretrain_loader(
    dataset: PretrainDataset, sampler: LengthBuckets, *, num_workers: int = 0, pin_memory: bool = False
) -> PretrainLoader:
    """A loader of the batches that `sampler` plans.

    Args:
        dataset: What is loaded.
        sampler: Which items make which batch.
        num_workers: Processes that read; 0 reads in this one. They do not change what is read.
        pin_memory: For a GPU.
    """
    return batch_loader(dataset, sampler, collate, num_workers=num_workers, pin_memory=pin_memory)
