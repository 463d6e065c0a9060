"""A DataLoader that says where in its epoch it is, and goes on there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar, cast

from torch.utils.data import DataLoader, Dataset

from sspvs.data.buckets import LengthBuckets

logger = logging.getLogger(__name__)
Batch = TypeVar("Batch")


def batch_loader(
    dataset: Dataset[Any],
    sampler: LengthBuckets,
    collate: Callable[[Any], Batch],
    *,
    num_workers: int = 0,
    pin_memory: bool = False,
) -> BatchLoader[Batch]:
    """A loader of the batches that `sampler` plans.

    Args:
        dataset: What is loaded: gives a list of examples for a list of picks.
        sampler: Which items make which batch.
        collate: Makes a batch of examples.
        num_workers: Processes that read; 0 reads in this one. They do not change what is read.
        pin_memory: For a GPU.
    """
    return BatchLoader(
        cast("Dataset[Batch]", dataset),  # gives lists of examples, which `collate` makes a batch of
        sampler=sampler,
        batch_size=None,  # the sampler's lists are the batches: Lightning leaves such a sampler alone
        collate_fn=collate,
        num_workers=num_workers,
        pin_memory=pin_memory,
        persistent_workers=num_workers > 0,
    )


class BatchLoader(DataLoader[Batch], Generic[Batch]):
    """What `batch_loader` makes. Lightning keeps its state in checkpoints, and gives it back on a restart."""

    _given = 0  # batches of the epoch, also those given before a restart
    _epoch = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """The epoch's batches, from the first that was not given before a restart.

        Nothing happens before the first is asked for: Lightning makes the iterator before it says which epoch it is.
        """
        sampler = self.sampler
        if isinstance(sampler, LengthBuckets):
            self._epoch, self._given = sampler.epoch, sampler.first
        for batch in super().__iter__():
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Plain types: the epoch, how many of its batches were given, and what the order depends on."""
        return {"epoch": self._epoch, "batches": self._given, "order": self._order()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the state was taken."""
        sampler = self.sampler
        if not isinstance(sampler, LengthBuckets):
            return
        if state["order"] != self._order():
            differing = sorted(key for key, value in self._order().items() if state["order"].get(key) != value)
            logger.warning(
                "the data is not in the order of the interrupted run (other %s): what is left of its epoch is drawn "
                "anew",
                ", ".join(differing),
            )
        sampler.skip_to(int(state["epoch"]), int(state["batches"]))
        self._epoch, self._given = sampler.epoch, sampler.first

    def _order(self) -> dict[str, int]:
        """What the order of the batches depends on, beside the epoch."""
        sampler = self.sampler
        assert isinstance(sampler, LengthBuckets)
        return {
            "items": len(sampler.lengths),
            "frames": int(sampler.lengths.sum()),
            "batch_size": sampler.batch_size,
            "ranks": sampler.num_replicas,
            "seed": sampler.seed,
            "repeats": sampler.repeats,
            "bucket_batches": sampler.bucket_batches,
        }
