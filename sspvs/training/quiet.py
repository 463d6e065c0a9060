"""Keeps the libraries' own messages away."""

from __future__ import annotations

import logging
import warnings


def quieten() -> None:
    """Nothing of less than an error from Lightning, torch and jsonargparse; the first sets its level when imported."""
    import pytorch_lightning  # noqa: F401

    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric|torch|jsonargparse)\b")
