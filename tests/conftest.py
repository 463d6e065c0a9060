"""What several test folders need: the shared real material, and small drawn videos."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("no deadline")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Of the tests in `fuzz/`: pytest wants options here."""
    group = parser.getgroup("fuzz")
    group.addoption("--fuzz-seed", type=int, default=0, metavar="N", help="seed of the damaged files (default: 0)")
    group.addoption("--fuzz-mutants", type=int, default=30, metavar="N", help="of each kind of file (default: 30)")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real material beside the checkout; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real material in ../shared/data, which is not here")
    return SHARED_DATA


_opened: list[str] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir"):
        _opened.append(str(arguments[0]))


@pytest.fixture(scope="session")
def _watched() -> list[str]:
    sys.addaudithook(_watch)  # cannot be taken off again
    return _opened


@pytest.fixture
def opened(_watched: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Paths that are opened from here on; resolving a name fails, and so does a library that looks for weights."""

    def asked(*words: object, **_: object) -> None:
        raise AssertionError(f"looked for {words}")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    for name in ("snapshot_download", "hf_hub_download"):
        monkeypatch.setattr(f"huggingface_hub.{name}", asked)
    for name in ("AutoModel", "AutoConfig", "AutoTokenizer"):
        monkeypatch.setattr(f"transformers.{name}.from_pretrained", asked)
    _watched.clear()
    yield _watched
    _watched.clear()
