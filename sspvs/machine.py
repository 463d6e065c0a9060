"""What this machine has to offer."""

from __future__ import annotations

import os
from typing import Any


def available_cores() -> int:
    """Cores this process may run on, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_onnxruntime() -> Any:
    """The module onnxruntime, its telemetry off: else it sends events, and keeps an identifier among temporary files.

    Raises:
        ImportError: It is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
