"""This machine: its cores, its environment, onnxruntime, the installed version of sspvs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def available_cores() -> int:
    """Cores this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def environment(variable: str, value: str) -> Iterator[None]:
    """Set a variable of the environment within the block, which processes that start there inherit."""
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        os.environ.pop(variable, None)
        if before is not None:
            os.environ[variable] = before


def load_onnxruntime() -> Any:
    """The module onnxruntime without its telemetry, which sends events and keeps an identifier in a temporary file."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def package_version(package: str = "sspvs", otherwise: str = "0+unknown") -> str:
    """The version of a package, such as `0.1.0`; `otherwise` where it, or our source tree, was never installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return otherwise


__version__ = package_version()
