"""What several test folders need: the shared real material, and small drawn videos."""

from __future__ import annotations

from pathlib import Path

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
