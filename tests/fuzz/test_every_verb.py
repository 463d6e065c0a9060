"""Every verb on a disk that fills up, and killed at random moments.

A full disk is one line that names what could not be written, status 2, and the place as it was. After kill -9 the same
command again gives what it would have given, and leaves nothing else.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

if not hasattr(os, "fork"):
    pytest.skip("limits and kills of processes are POSIX", allow_module_level=True)
from helpers.fuzz.every_verb import VERBS, Starter, tried_full, tried_kills


@pytest.fixture(scope="module")
def starter() -> Iterator[Starter]:
    start = Starter()
    yield start
    start.close()


@pytest.fixture(scope="module")
def material(starter: Starter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("material")
    made = starter(["!material", str(root)])
    assert made.status == 0, made.err
    return root


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_at_ten_limits(verb: str, material: Path, starter: Starter) -> None:
    assert {what: wrong for what, wrong in tried_full(starter, verb, material, times=10) if wrong} == {}


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_killed_twenty_times(verb: str, material: Path, starter: Starter) -> None:
    tried = tried_kills(starter, verb, material, random.Random(0), times=20)
    assert {what: wrong for what, wrong in tried if wrong} == {}


def test_a_world_that_does_not_fit(tmp_path: Path) -> None:
    """Of the smallest kind: h5 files, which HDF5 would crash over, text files, and a folder that was made for them."""
    (tmp_path / "world.json").write_text('["--pretrain", "3", "--val", "2", "--annotated", "0"]')
    start = Starter(warm=False)
    tried = dict(tried_full(start, "data world", tmp_path, times=3))
    start.close()
    assert len(tried) == 3
    assert not any(tried.values()), tried


def test_a_world_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text('["--pretrain", "3", "--val", "2", "--annotated", "0"]')
    start = Starter(warm=False)
    tried = dict(tried_kills(start, "data world", tmp_path, random.Random(1), times=2))
    start.close()
    assert len(tried) == 2
    assert not any(tried.values()), tried
