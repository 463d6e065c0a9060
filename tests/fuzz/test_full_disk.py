"""A disk that fills up: one line that names what could not be written, status 2, and the place as it was."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if not hasattr(os, "fork"):
    pytest.skip("limits and kills of processes are POSIX", allow_module_level=True)
sys.path.insert(0, str(Path(__file__).parent))
from every_verb import VERBS, Starter, tried_full


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


def test_a_world_that_does_not_fit(tmp_path: Path) -> None:
    """Of the smallest kind: h5 files, which HDF5 would crash over, text files, and a folder that was made for them."""
    (tmp_path / "world.json").write_text('["--pretrain", "3", "--val", "2", "--annotated", "0"]')
    start = Starter(warm=False)
    tried = dict(tried_full(start, "data world", tmp_path, times=3))
    start.close()
    assert len(tried) == 3
    assert not any(tried.values()), tried
