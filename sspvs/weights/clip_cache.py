"""Where open_clip weights lie on this machine, found without importing torch or open_clip."""

from __future__ import annotations

import os
from pathlib import Path

SAFE_NAME, PICKLE_NAME = "open_clip_model.safetensors", "open_clip_pytorch_model.bin"


def hub_folder() -> Path:
    """The Hugging Face hub's cache, as its own library finds it."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    home = Path(os.environ["HF_HOME"]).expanduser() if os.environ.get("HF_HOME") else cache / "huggingface"
    return home / "hub"


def url_folder() -> Path:
    """Where open_clip puts weights that come from a plain address."""
    return Path("~/.cache/clip").expanduser()


def folders() -> tuple[Path, Path]:
    """Every place that is searched."""
    return hub_folder(), url_folder()


def find(hub_name: str, url: str = "") -> Path | None:
    """The cached weights file of a pretrained model, safetensors first; None when there is none.

    Args:
        hub_name: `organisation/repository/` or `organisation/repository/file`, as open_clip writes it.
        url: Plain address the weights also come from.
    """
    repository, _, file = hub_name.rpartition("/")
    names = [SAFE_NAME, PICKLE_NAME]
    if file:
        names = [str(Path(file).with_suffix(".safetensors")), file]
    if repository:
        snapshots = hub_folder() / f"models--{repository.replace('/', '--')}" / "snapshots"
        for name in names:
            for path in sorted(snapshots.glob(f"*/{name}")):
                if path.is_file():  # a link whose blob was deleted is not
                    return path
    plain = url_folder() / url.rpartition("/")[2]
    return plain if url and plain.is_file() else None
