"""Which items make which batch: alike in length, so that padding is not computed; the same plan on every machine.

The whole epoch is planned from the seed and the epoch's number alone, in every process alike: each rank takes its part
of every batch, no rank waits for another's data, and a run that was stopped goes on at the batch where it stopped.
"""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from sspvs.table import VideoTable
from sspvs.types import IntArray

logger = logging.getLogger(__name__)
Batch = TypeVar("Batch")
Example = TypeVar("Example")


class Pick(NamedTuple):
    """One item in one draw."""

    draw: int
    item: int


class PickedDataset(Dataset[Example]):
    """Examples of videos, indexed by `Pick`, by a plain index (draw 0), or by a list of either."""

    def __getitem__(self, key: Pick | int | list[Pick] | list[int]) -> Example | list[Example]:  # type: ignore[override]
        """One example, or those of a list."""
        return [self.example(one) for one in key] if isinstance(key, list) else self.example(key)

    def example(self, key: Pick | int) -> Example:
        """One example."""
        return self._example(key if isinstance(key, Pick) else Pick(0, int(key)))

    @abstractmethod
    def _example(self, pick: Pick) -> Example:
        """One example, as the task draws it."""


class ExampleDataset(PickedDataset[Example]):
    """An example of each video of a table."""

    def __init__(self, table: VideoTable, max_frames: int | None) -> None:
        if max_frames is not None and max_frames < 1:
            raise ValueError(f"max_frames must be at least 1, got {max_frames}")
        self.table, self.items, self.max_frames = table, table.videos, max_frames

    def __len__(self) -> int:
        return len(self.items)

    @property
    def lengths(self) -> IntArray:
        """(n,) frames of each video's example."""
        most = np.iinfo(np.int64).max if self.max_frames is None else self.max_frames
        return np.minimum(self.table.n_picks, most)

    @property
    def shards(self) -> IntArray | None:
        """(n,) each item's shard; None outside of shards."""
        return self.table.shards


class LengthBuckets(DistributedSampler[list[Pick]]):
    """Plans the batches of an epoch and gives one rank's part of them.

    A `DistributedSampler`, so that Lightning leaves it in its place and sets its epoch. Training shuffles the items (of
    shards: the shards, then neighbours) and sorts each window of `bucket_batches` batches by length; those that do not
    fill a last batch are left out, or with `keep_last` make a smaller one, of the first picks again where ranks come
    out short. Otherwise all go by length, `repeats` times; a rank that comes out short repeats a batch. `batch_size` is
    of one rank; fewer items than one batch of all ranks are a ValueError, unless `keep_last`.
    """

    def __init__(
        self,
        lengths: Sequence[int] | IntArray,
        batch_size: int,
        *,
        training: bool = True,
        seed: int = 0,
        repeats: int = 1,
        bucket_batches: int = 16,
        shards: IntArray | None = None,
        resample: bool = False,
        keep_last: bool = False,
        world_size: int = 1,
        rank: int = 0,
    ) -> None:
        # `DistributedSampler.__init__` needs a process group; it keeps nothing that is needed here.
        self.lengths = np.asarray(lengths, np.int64)
        self.batch_size, self.training, self.seed = batch_size, training, seed
        self.repeats, self.keep_last = repeats, keep_last
        self.bucket_batches, self.shards, self.resample = bucket_batches, shards, resample
        self.num_replicas, self.rank = world_size, rank
        self.epoch, self.start, self._start_epoch = 0, 0, 0
        if min(batch_size, repeats, bucket_batches, world_size) < 1 or not 0 <= rank < world_size:
            raise ValueError(
                "batch_size, repeats, bucket_batches and world_size must be at least 1 and rank below world_size, got "
                f"{batch_size}, {repeats}, {bucket_batches}, {world_size}, {rank}"
            )
        if training and not keep_last and len(self.lengths) * repeats < batch_size * world_size:
            raise ValueError(
                f"a batch of {batch_size} on each of {world_size} ranks needs {batch_size * world_size} videos, there "
                f"are {len(self.lengths)} to train on; lower data.batch_size, or raise data.repeats"
            )

    def __len__(self) -> int:
        """Batches of an epoch on each rank, also where `start` leaves some out."""
        per_step, items = self.batch_size * self.num_replicas, len(self.lengths) * self.repeats
        if not self.training:
            return -(-(-(-len(self.lengths) // self.batch_size) * self.repeats) // self.num_replicas)
        return -(-items // per_step) if self.keep_last else items // per_step

    def set_epoch(self, epoch: int) -> None:
        """Which epoch is planned next; another one than `skip_to` named starts at its beginning."""
        self.epoch = epoch

    def skip_to(self, epoch: int, start: int) -> None:
        """Go on in `epoch` after its first `start` batches."""
        if start >= len(self):
            epoch, start = epoch + 1, 0
        self.epoch, self._start_epoch, self.start = epoch, epoch, start

    @property
    def first(self) -> int:
        """The first batch that is given in the epoch that is planned next."""
        return self.start if self.epoch == self._start_epoch else 0

    def __iter__(self) -> Iterator[list[Pick]]:
        """This rank's batches of the epoch."""
        batches = self._training_batches() if self.training else self._all_batches()
        for number, batch in enumerate(batches):
            if number >= self.first:
                yield batch

    def _all_batches(self) -> Iterator[list[Pick]]:
        order = np.lexsort((np.arange(len(self.lengths)), -self.lengths))
        batches = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        for number in range(len(self)):
            again, place = divmod(
                (number * self.num_replicas + self.rank) % (len(batches) * self.repeats), len(batches)
            )
            draw = self.epoch * self.repeats + again
            yield [Pick(draw, int(index)) for index in batches[place]]

    def _training_batches(self) -> Iterator[list[Pick]]:
        generator = np.random.default_rng([self.seed, self.epoch])
        indices, draws = self._order(generator)
        per_step = self.batch_size * self.num_replicas
        window, full = per_step * self.bucket_batches, len(indices) // per_step * per_step
        for start in range(0, full, window):
            places = np.arange(start, min(start + window, full))
            places = generator.permutation(places)  # those of equal length meet at random
            places = places[np.argsort(self.lengths[indices[places]], kind="stable")]
            steps = places.reshape(-1, per_step)
            for step in generator.permutation(steps):
                yield [Pick(int(draws[place]), int(indices[place])) for place in step[self.rank :: self.num_replicas]]
        if self.keep_last and full < len(indices):
            short = -(len(indices) - full) % self.num_replicas
            step = np.concatenate([np.arange(full, len(indices)), np.arange(short) % len(indices)])
            yield [Pick(int(draws[place]), int(indices[place])) for place in step[self.rank :: self.num_replicas]]

    def _order(self, generator: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Which item in which draw, shuffled."""
        passes = [self._one_pass(generator) for _ in range(self.repeats)]
        draws = [np.full(len(one), self.epoch * self.repeats + number) for number, one in enumerate(passes)]
        return np.concatenate(passes), np.concatenate(draws)

    def _one_pass(self, generator: np.random.Generator) -> IntArray:
        n = len(self.lengths)
        if self.shards is None:
            return generator.permutation(n).astype(np.int64)
        order = np.argsort(self.shards, kind="stable")
        cuts = np.flatnonzero(np.diff(self.shards[order])) + 1
        by_shard = [generator.permutation(shard) for shard in np.split(order, cuts)]
        if not self.resample:
            return np.concatenate([by_shard[number] for number in generator.permutation(len(by_shard))])
        chosen: list[IntArray] = []
        while sum(map(len, chosen)) < n:
            chosen.append(by_shard[int(generator.integers(len(by_shard)))])
        return np.concatenate(chosen)[:n]


def padding_share(batches: Iterator[list[Pick]] | Sequence[list[Pick]], lengths: IntArray) -> float:
    """Which share of the frames that are computed is padding, when each batch is padded to its longest video."""
    computed = used = 0
    for batch in batches:
        frames = lengths[[pick.item for pick in batch]]
        computed += int(frames.max()) * len(frames)
        used += int(frames.sum())
    return 1 - used / computed if computed else 0.0


class BatchLoader(DataLoader[Batch], Generic[Batch]):
    """Batches of one rank. Lightning keeps the loader's state in checkpoints, and restores it on a restart."""

    _given = 0  # batches of the epoch, also those given before a restart
    _epoch = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """The epoch's batches, from the first that was not given before a restart."""
        # Lightning makes the iterator before it sets the epoch: nothing may happen before the first batch is taken.
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


class VideoDataModule(pl.LightningDataModule, Generic[Batch]):
    """A data module whose batches are planned by `LengthBuckets`, on every rank from its settings alone."""

    batch_size: int
    val_batch_size: int
    repeats: int
    bucket_batches: int = 1
    resample: bool = False
    keep_last: bool = False
    num_workers: int
    seed: int

    def loader(
        self, dataset: Any, collate: Callable[[Any], Batch], *, training: bool = False, draws: int = 1
    ) -> BatchLoader[Batch]:
        """The batches of this rank, outside of training each video `draws` times; with any number of workers."""
        trainer = self.trainer
        sampler = LengthBuckets(
            dataset.lengths,
            self.batch_size if training else self.val_batch_size,
            training=training,
            seed=self.seed,
            repeats=self.repeats if training else draws,
            bucket_batches=self.bucket_batches,
            shards=dataset.shards,
            resample=self.resample,
            keep_last=self.keep_last,
            world_size=1 if trainer is None else trainer.world_size,
            rank=0 if trainer is None else trainer.global_rank,
        )
        return BatchLoader(
            dataset,  # gives lists of examples, which `collate` makes a batch of
            sampler=sampler,
            batch_size=None,  # the sampler's lists are the batches: Lightning leaves such a sampler alone
            collate_fn=collate,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=self.num_workers > 0,
        )
