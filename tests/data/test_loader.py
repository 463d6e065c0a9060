"""The plan of an epoch: a partition among ranks, resumable, with little padding."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.data.loader import LengthBuckets, padding_share

lengths_of = st.lists(st.integers(1, 256), min_size=12, max_size=70)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 5))


def plans(lengths, shape, epoch: int = 0, **how):
    """(rank -> batches) of an epoch; shape: batch size, ranks, repeats, bucket batches."""
    batch_size, ranks, repeats, buckets = shape
    out = []
    for rank in range(ranks):
        sampler = LengthBuckets(
            lengths, batch_size, repeats=repeats, bucket_batches=buckets, world_size=ranks, rank=rank, **how
        )
        sampler.set_epoch(epoch)
        out.append(list(sampler))
        assert len(out[-1]) == len(sampler)
    return out


@given(lengths_of, shapes, st.integers(0, 3))
def test_the_ranks_share_the_epoch(lengths: list[int], shape: tuple[int, int, int, int], epoch: int) -> None:
    batch_size, ranks, repeats, _ = shape
    by_rank = plans(lengths, shape, epoch)
    assert {len(batches) for batches in by_rank} == {len(lengths) * repeats // (batch_size * ranks)}
    picks = [pick for batches in by_rank for batch in batches for pick in batch]
    assert all(len(batch) == batch_size for batches in by_rank for batch in batches)
    assert len(set(picks)) == len(picks)  # no item twice in one draw
    assert len(lengths) * repeats - len(picks) < batch_size * ranks
    assert {pick.draw // repeats for pick in picks} == {epoch}
    assert all(0 <= pick.item < len(lengths) for pick in picks)


@given(lengths_of, shapes)
def test_the_same_plan_again_and_another_next_time(lengths: list[int], shape: tuple[int, int, int, int]) -> None:
    assert plans(lengths, shape, 2) == plans(lengths, shape, 2)
    assert plans(lengths, shape, 2) != plans(lengths, shape, 3)
    batch_size, ranks, repeats, _ = shape
    if len(lengths) * repeats >= 2 * batch_size * ranks:  # a single step may have but one order
        orders = {str([[p.item for p in b] for b in plans(lengths, shape, 2, seed=seed)[0]]) for seed in range(40)}
        assert len(orders) > 1


@given(lengths_of, shapes, st.integers(0, 40))
def test_going_on_equals_never_stopping(lengths: list[int], shape: tuple[int, int, int, int], start: int) -> None:
    batch_size, ranks, repeats, buckets = shape
    sampler = LengthBuckets(lengths, batch_size, repeats=repeats, bucket_batches=buckets, world_size=ranks)
    epochs = [plans(lengths, shape, epoch)[0] for epoch in (1, 2)]
    sampler.skip_to(1, start)
    if start < len(sampler):
        sampler.set_epoch(1)
        assert list(sampler) == epochs[0][start:]
        assert list(sampler) == epochs[0][start:]  # iterated twice
        assert len(sampler) == len(epochs[0])
    sampler.set_epoch(2)
    assert list(sampler) == epochs[1]


@given(lengths_of, shapes)
def test_validation_sees_each_once_in_a_draw(lengths: list[int], shape: tuple[int, int, int, int]) -> None:
    batch_size, ranks, repeats, _ = shape
    by_rank = plans(lengths, shape, 7, training=False)
    batches = [tuple(batch) for rank in by_rank for batch in rank]
    assert len({len(rank) for rank in by_rank}) == 1
    different = set(batches)
    every = [(7 * repeats + again, item) for again in range(repeats) for item in range(len(lengths))]
    assert sorted(tuple(pick) for batch in different for pick in batch) == every
    assert len(batches) - len(different) < max(ranks, 2)
    first = plans(lengths, shape, 0, training=False)
    items = [[[[pick.item for pick in batch] for batch in rank] for rank in plan] for plan in (by_rank, first)]
    assert items[0] == items[1]
    assert max(map(len, batches)) <= batch_size


@given(lengths_of, shapes)
def test_the_last_batch_can_be_kept(lengths: list[int], shape: tuple[int, int, int, int]) -> None:
    """As many batches as the list, gone through `repeats` times, fills in part; each pick in one of them."""
    batch_size, ranks, repeats, _ = shape
    by_rank = plans(lengths, shape, 3, keep_last=True)
    steps = math.ceil(len(lengths) * repeats / (batch_size * ranks))
    assert {len(batches) for batches in by_rank} == {steps}
    picks = [pick for batches in by_rank for batch in batches for pick in batch]
    every = {(3 * repeats + again, item) for again in range(repeats) for item in range(len(lengths))}
    assert {tuple(pick) for pick in picks} == every
    assert len(picks) - len(every) < ranks  # what makes the ranks' last batches alike in size
    sizes = [[len(batch) for batch in batches] for batches in by_rank]
    assert all(one == sizes[0] for one in sizes)
    assert all(size == batch_size for size in sizes[0][:-1])
    whole = plans(lengths, shape, 3) if len(lengths) * repeats >= batch_size * ranks else [[]] * ranks
    assert [batches[: len(full)] for batches, full in zip(by_rank, whole, strict=True)] == whole


def test_batches_are_alike_in_length_within_their_window() -> None:
    lengths = np.random.default_rng(0).integers(20, 257, 640)
    sampler = LengthBuckets(lengths, 8, bucket_batches=16)
    batches = list(sampler)
    for window in range(5):
        mine = batches[window * 16 : (window + 1) * 16]
        ordered = sorted(mine, key=lambda batch: min(lengths[p.item] for p in batch))
        for first, second in pairwise(ordered):
            assert max(lengths[p.item] for p in first) <= min(lengths[p.item] for p in second)
        assert mine != ordered, "the batches of a window come in order of length"


def test_the_share_of_padding() -> None:
    """Log-normal lengths, median 290 frames, cut at 256."""
    lengths = np.minimum(np.random.default_rng(0).lognormal(5.6, 0.7, 2464).astype(np.int64) + 20, 256)
    shares = [padding_share(list(LengthBuckets(lengths, 8, bucket_batches=buckets)), lengths) for buckets in (1, 16)]
    assert shares[0] > 0.14
    assert shares[1] < shares[0] / 5
    assert padding_share([], lengths) == 0


def test_neighbouring_batches_come_from_few_shards() -> None:
    shards = np.repeat(np.arange(40), 32)
    sampler = LengthBuckets(np.full(1280, 5), 8, shards=shards, bucket_batches=8)
    batches = list(sampler)
    for start in range(0, len(batches), 8):
        assert len({int(shards[p.item]) for batch in batches[start : start + 8] for p in batch}) <= 3
    assert len({p.item for batch in batches for p in batch}) == 1280
    order = [int(shards[batch[0].item]) for batch in batches]
    assert order != sorted(order)


@pytest.mark.parametrize("n_shards", [1, 2, 5])
def test_fewer_shards_than_ranks(n_shards: int) -> None:
    """Resampled or not, every rank has its batches and the epoch its length."""
    shards = np.arange(64) % n_shards
    for resample in (False, True):
        by_rank = plans(range(1, 65), (4, 4, 1, 2), shards=shards, resample=resample)
        assert [len(batches) for batches in by_rank] == [4] * 4
        picks = [pick.item for batches in by_rank for batch in batches for pick in batch]
        assert (len(set(picks)) == 64) == (not resample or n_shards == 1)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="a batch of 8 on each of 2 ranks needs 16 videos, there are 15"):
        LengthBuckets([3] * 15, 8, world_size=2)
    assert len(LengthBuckets([3] * 15, 8, world_size=2, repeats=2)) == 1
    for how in ({"batch_size": 0}, {"repeats": 0}, {"rank": 2}, {"bucket_batches": 0}):
        with pytest.raises(ValueError, match="must be at least 1 and rank below world_size"):
            LengthBuckets([3] * 40, **{"batch_size": 2, "world_size": 2, **how})
