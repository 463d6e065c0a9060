"""Which weights an `open_clip:...` name means, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sspvs.errors import WeightsNotFoundError, first_line
from sspvs.weights import clip_cache

PREFIX = "open_clip:"
RANDOM = "random"
FILE_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")


@dataclass(frozen=True)
class Source:
    """Where an open_clip model's weights come from.

    Attributes:
        model: The model's name in open_clip.
        label: What stands for the weights in the backbone's name: a tag, a file name or `random`.
        path: The weights file; None for random weights.
        settings: What open_clip knows about the weights: pixel mean and std, resize mode, activation.
    """

    model: str
    label: str
    path: Path | None
    settings: dict[str, Any]


def find_source(name: str, *, download: bool = False) -> Source:
    """Where the weights of an `open_clip:...` backbone are.

    Raises:
        ValueError: An unknown model or tag.
        WeightsNotFoundError: The weights are not on this machine and may not be downloaded.
    """
    import open_clip

    model, _, rest = name.removeprefix(PREFIX).partition("/")
    if model not in open_clip.list_models():
        raise ValueError(f"open_clip has no model {model!r}; {_did_you_mean(model, open_clip.list_models())}")
    tags = list(open_clip.list_pretrained_tags_by_model(model))
    if rest == RANDOM:
        return Source(model, RANDOM, None, _agreed_settings(model, tags))
    path = Path(rest).expanduser()
    if rest.startswith(("/", "~", ".")) or path.suffix in FILE_SUFFIXES:
        if not path.is_file():
            raise WeightsNotFoundError(f"{PREFIX}{model}: no weights file at {path}")
        return Source(model, path.name, path, _agreed_settings(model, tags))
    if rest and rest not in tags:
        raise ValueError(
            f"open_clip has no weights {rest!r} for {model}; {_did_you_mean(rest, tags)}, "
            f"or give a file: {PREFIX}{model}//path/to/weights.safetensors"
        )
    wanted = [rest] if rest else tags
    for tag in wanted:
        settings = open_clip.get_pretrained_cfg(model, tag)
        found = clip_cache.find(settings.get("hf_hub", ""), settings.get("url", ""))
        if found is not None:
            return Source(model, tag, found, settings)
    if download and wanted:
        settings = open_clip.get_pretrained_cfg(model, wanted[0])
        return Source(model, wanted[0], _download(f"{model}/{wanted[0]}", settings), settings)
    raise WeightsNotFoundError(
        f"{PREFIX}{model}/{rest or '*'}: no weights in {' or '.join(map(str, clip_cache.folders()))}; give a file "
        f"({PREFIX}{model}//path/to/weights.safetensors) or allow the download (--download); tags: {_some(tags)}"
    )


def _agreed_settings(model: str, tags: list[str]) -> dict[str, Any]:
    """Preprocessing for weights without a tag: what all tags of the model share, else open_clip's default."""
    import open_clip

    keys = ("mean", "std", "interpolation", "resize_mode")
    known = [
        {key: cfg[key] for key in keys if key in cfg}
        for cfg in (open_clip.get_pretrained_cfg(model, tag) for tag in tags)
    ]
    return known[0] if known and all(settings == known[0] for settings in known) else {}


def _download(label: str, settings: dict[str, Any]) -> Path:
    from open_clip.pretrained import download_pretrained

    try:
        return Path(download_pretrained(settings))
    except Exception as error:  # whatever the network does
        raise WeightsNotFoundError(f"{PREFIX}{label}: the download failed: {first_line(error)}") from error


def _did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=3, cutoff=0.4)
    return f"did you mean {' or '.join(close)}" if close else f"there are {_some(known)}"


def _some(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
