"""Rows of three processes, played by threads, against the same rows joined by hand.

`test_contrastive_two_processes` and the tests of the tasks run the same functions in real processes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, distributed

from sspvs.losses import gather

WORLD = 3
BATCH = 2
LENGTHS = (2, 4, 3)  # the longest text of each process


class Threads:
    """What `gather` uses of `torch.distributed`, between threads: the calls of all ranks meet in order."""

    ReduceOp = distributed.ReduceOp

    def __init__(self) -> None:
        self.rank = threading.local()
        self.barrier = threading.Barrier(WORLD, timeout=20)
        self.given: list[Any] = [None] * WORLD

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def get_world_size(self) -> int:
        return WORLD

    def get_rank(self) -> int:
        return int(self.rank.number)

    def _exchange(self, tensor: Tensor) -> list[Tensor]:
        assert tensor.is_contiguous()  # as gloo and nccl require
        self.given[self.get_rank()] = tensor.detach().clone()
        self.barrier.wait()
        everybody = list(self.given)
        self.barrier.wait()
        return everybody

    def all_gather(self, parts: list[Tensor], tensor: Tensor) -> None:
        for part, other in zip(parts, self._exchange(tensor), strict=True):
            assert part.is_contiguous()
            assert (part.shape, part.dtype) == (other.shape, other.dtype)
            part.copy_(other)

    def all_reduce(self, tensor: Tensor, op: Any = distributed.ReduceOp.SUM) -> None:
        everybody = torch.stack(self._exchange(tensor))
        tensor.copy_(everybody.sum(dim=0) if op == distributed.ReduceOp.SUM else everybody.amax(dim=0))


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[int], Any]], list[Any]]]:
    """Runs a function of the rank in one thread a rank; what each returns, in the order of the ranks."""
    threads = Threads()
    monkeypatch.setattr(gather, "distributed", threads)

    def run(work: Callable[[int], Any]) -> list[Any]:
        def member(rank: int) -> Any:
            threads.rank.number = rank
            try:
                return work(rank)
            except BaseException:
                threads.barrier.abort()
                raise

        with ThreadPoolExecutor(WORLD) as pool:
            futures = [pool.submit(member, rank) for rank in range(WORLD)]
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in errors:
            if not isinstance(error, threading.BrokenBarrierError):
                raise error
        return [future.result() for future in futures]

    return run


def texts(rank: int) -> tuple[Tensor, Tensor]:
    """(B, L, D) states of ones and more, and their mask: the first text of a process is a word shorter."""
    g = torch.Generator().manual_seed(rank)
    states = 1 + torch.rand(BATCH, LENGTHS[rank], 5, generator=g)
    mask = torch.ones(BATCH, LENGTHS[rank], dtype=torch.bool)
    mask[0, -1] = False
    return states, mask


def joined_texts() -> tuple[Tensor, Tensor]:
    """All texts of all processes, copied one by one into zeros and False."""
    states, mask = torch.zeros(WORLD * BATCH, max(LENGTHS), 5), torch.zeros(WORLD * BATCH, max(LENGTHS)).bool()
    for rank in range(WORLD):
        for row in range(BATCH):
            states[rank * BATCH + row, : LENGTHS[rank]] = texts(rank)[0][row]
            mask[rank * BATCH + row, : LENGTHS[rank]] = texts(rank)[1][row]
    return states, mask


def test_rows_stand_in_the_order_of_the_ranks_with_gradients_of_all(in_threads) -> None:
    g = torch.Generator().manual_seed(0)
    factors = torch.randn(WORLD, WORLD * BATCH, 4, generator=g)  # each process weighs all rows in its own way
    rows = torch.randn(WORLD * BATCH, 4, generator=g)

    def work(rank: int) -> tuple[Tensor, Tensor, Tensor]:
        mine = rows.T[:, rank * BATCH : (rank + 1) * BATCH].T.requires_grad_()  # a view, its columns apart in memory
        everybody = gather.gather_rows(mine)
        (everybody * factors[rank]).sum().backward()
        return everybody.detach(), gather.own_rows(BATCH, torch.device("cpu")), mine.grad

    for rank, (everybody, own, gradient) in enumerate(in_threads(work)):
        assert torch.equal(everybody, rows)
        assert own.tolist() == [BATCH * rank, BATCH * rank + 1]
        torch.testing.assert_close(gradient, factors.sum(dim=0)[BATCH * rank : BATCH * rank + BATCH])


def test_texts_of_different_lengths_are_padded_and_masked(in_threads) -> None:
    states, mask = joined_texts()
    for found, found_mask in in_threads(lambda rank: gather.gather_texts(*texts(rank))):
        assert found_mask.dtype == torch.bool
        assert torch.equal(found_mask, mask)
        assert torch.equal(found, states)


def test_the_next_text_is_that_of_the_next_process_after_the_last_row(in_threads) -> None:
    states, mask = joined_texts()

    def work(rank: int) -> tuple[Tensor, Tensor, Tensor]:
        mine, own_mask = texts(rank)
        others, other_mask = gather.next_texts(mine.requires_grad_(), own_mask)
        (others * (rank + 1)).sum().backward()
        return others.detach(), other_mask, mine.grad

    for rank, (others, other_mask, gradient) in enumerate(in_threads(work)):
        rows = [(rank * BATCH + row + 1) % (WORLD * BATCH) for row in range(BATCH)]
        assert torch.equal(other_mask, mask[rows])
        assert torch.equal(others, states[rows])
        before = (rank - 1) % WORLD  # its last row is held against the first of this process
        assert torch.equal(gradient[0], torch.full_like(gradient[0], before + 1))
        assert torch.equal(gradient[1], torch.full_like(gradient[1], rank + 1))


@pytest.mark.parametrize("counts", [(2, 0, 3), (1, 0, 0), (0, 0, 0)])
def test_the_mean_over_the_processes_is_that_of_all_that_is_counted(in_threads, counts) -> None:
    def work(rank: int) -> tuple[float, float, float]:
        total, count = torch.tensor(10.0 * counts[rank] + rank * (counts[rank] > 0)), torch.tensor(float(counts[rank]))
        mean = gather.global_mean(total, count)
        return float(total), float(mean), float(count)

    totals, means, kept = zip(*in_threads(work), strict=True)
    assert kept == counts  # what was given is as it was
    assert sum(means) / WORLD == pytest.approx(sum(totals) / max(1, sum(counts)))


def test_a_process_is_alone_without_gradients_and_when_it_says_so(in_threads) -> None:
    def work(rank: int) -> tuple[int, ...]:
        together = gather.processes()
        with torch.no_grad():
            evaluating = gather.processes()
        with gather.alone():
            by_itself = gather.processes()
            with gather.alone():
                pass
            still = gather.processes()
            rows = torch.ones(BATCH, 1)
            assert gather.gather_rows(rows) is rows
            assert gather.own_rows(BATCH, rows.device).tolist() == [0, 1]
            assert gather.gather_texts(*texts(0))[0].shape == (BATCH, LENGTHS[0], 5)
            assert torch.equal(gather.next_texts(*texts(0))[0], texts(0)[0][[1, 0]])
            assert torch.equal(gather.next_texts(*texts(0))[1], texts(0)[1][[1, 0]])
        return together, evaluating, by_itself, still, gather.processes()

    assert in_threads(work) == [(WORLD, 1, 1, 1, WORLD)] * WORLD
