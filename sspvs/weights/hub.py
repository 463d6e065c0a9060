"""The Hugging Face hub's library, kept from the network where nothing may be downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hub_offline(offline: bool) -> Iterator[None]:
    """Let the library use its cache alone.

    `local_files_only` is not enough: huggingface_hub 2.4 asks its server for other things even then, once a process.

    Args:
        offline: Whether to; a process that is offline anyway stays so.
    """
    import huggingface_hub.constants as hub

    before = hub.HF_HUB_OFFLINE
    hub.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = before
