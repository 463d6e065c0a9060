"""The installed version of this package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """The version, such as `0.1.0`; `0+unknown` for a source tree that was never installed."""
    try:
        return version("sspvs")
    except PackageNotFoundError:
        return "0+unknown"
