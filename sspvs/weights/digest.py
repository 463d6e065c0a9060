"""Digests of weights files, and refusing a file that is not the expected one."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sspvs.errors import WeightsNotFoundError
from sspvs.files import check_regular, why_not


def package_folder(package: str) -> Path | None:
    """The folder of an installed package, which is not imported; None when it is not installed."""
    spec = find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def file_digest(*paths: Path) -> str:
    """SHA-256 of a file, or of several one after the other in the order of their names, hexadecimal."""
    digest = hashlib.sha256()
    for path in sorted({*paths}):
        check_regular(path)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def check_digest(path: Path, expected: str, remedy: str) -> None:
    """Refuse a weights file that is not the one it should be."""
    try:
        found = file_digest(path)
    except OSError as error:
        raise WeightsNotFoundError(f"{path} cannot be read: {error.strerror or error}") from error
    if found != expected:
        check_weights(path)
        raise WeightsNotFoundError(
            f"{path} is not the expected weights file: SHA-256 should be {expected[:16]}..., "
            f"got {found[:16]}...; {remedy}"
        )


def check_weights(path: Path) -> None:
    """Refuse a file that cannot hold weights, such as a Git LFS pointer or an unfinished download."""
    reason = why_not(path, "zip", "pickle", "tar", "json", "text")  # as torch and tokenizers are saved
    if reason is not None:
        raise WeightsNotFoundError(f"{path} is not the expected weights file: {reason}")


@contextmanager
def hub_offline(offline: bool) -> Iterator[None]:
    """Let huggingface_hub use its cache alone; `local_files_only` contacts the server once a process (2.4)."""
    import huggingface_hub.constants as hub

    before = hub.HF_HUB_OFFLINE
    hub.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = before
