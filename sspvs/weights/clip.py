"""open_clip models: where their weights lie on this machine, and loading them without the network."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sspvs.errors import MissingExtraError, WeightsNotFoundError, first_line, listed
from sspvs.weights.digest import check_weights, hub_offline

PREFIX, RANDOM, RANDOM_SEED = "open_clip:", "random", 0
FILE_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors")
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


def find(hub_name: str, url: str = "") -> Path | None:
    """The cached weights file of a pretrained model, safetensors first; None when there is none."""
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


@dataclass(frozen=True)
class Source:
    """Where an open_clip model's weights come from."""

    model: str  # the model's name in open_clip
    label: str  # what stands for the weights in the backbone's name: a tag, a file name or `random`
    path: Path | None  # the weights file; None for random weights
    settings: dict[str, Any]  # open_clip's settings for the weights: pixel mean and std, resize mode, activation


def find_source(name: str, *, download: bool = False) -> Source:
    """Where the weights of an `open_clip:...` backbone are."""
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
        found = find(settings.get("hf_hub", ""), settings.get("url", ""))
        if found is not None:
            return Source(model, tag, found, settings)
    if download and wanted:
        settings = open_clip.get_pretrained_cfg(model, wanted[0])
        return Source(model, wanted[0], _download(f"{model}/{wanted[0]}", settings), settings)
    raise WeightsNotFoundError(
        f"{PREFIX}{model}/{rest or '*'}: no weights in {hub_folder()} or {url_folder()}; give a file "
        f"({PREFIX}{model}//path/to/weights.safetensors) or allow the download (--download); tags: {listed(tags, 6)}"
    )


def _agreed_settings(model: str, tags: list[str]) -> dict[str, Any]:
    """Preprocessing for weights without a tag: what all tags of the model share, else open_clip's default."""
    import open_clip

    known = [_preprocessing(open_clip.get_pretrained_cfg(model, tag)) for tag in tags]
    return known[0] if known and all(settings == known[0] for settings in known) else {}


def _preprocessing(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in settings}


def _download(label: str, settings: dict[str, Any]) -> Path:
    from open_clip.pretrained import download_pretrained

    try:
        return Path(download_pretrained(settings))
    except Exception as error:  # whatever the network does
        raise WeightsNotFoundError(f"{PREFIX}{label}: the download failed: {first_line(error)}") from error


def _did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=3, cutoff=0.4)
    return f"did you mean {' or '.join(close)}" if close else f"there are {listed(known, 6)}"


def load_model(source: Source, *, download: bool = False, **options: Any) -> Any:
    """The open_clip model of `source` in evaluation mode on the CPU."""
    import open_clip
    import torch

    if source.path is not None:
        check_weights(source.path)
    with quietly(offline=not download), torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        try:
            model = open_clip.create_model(
                source.model,
                force_quick_gelu=bool(source.settings.get("quick_gelu")),
                force_preprocess_cfg=_preprocessing(source.settings),
                pretrained_hf=False,
                **options,
            )
            if source.path is not None:
                open_clip.load_checkpoint(model, str(source.path), weights_only=True)
        except Exception as error:  # unpickling, shapes, the hub: many kinds
            remedy = "; allow the download (--download)" if isinstance(error, OSError) and not download else ""
            raise WeightsNotFoundError(
                f"{PREFIX}{source.model}: cannot load {source.path or 'the model'}: {first_line(error)}{remedy}"
            ) from error
    return model.eval()


def open_clip_tokenizer(model: str, *, download: bool = False) -> Any:
    """An open_clip model's own tokenizer."""
    import open_clip

    try:
        with quietly(offline=not download):
            return open_clip.get_tokenizer(model)
    except ImportError as error:
        raise MissingExtraError(
            f"{PREFIX}{model}: its tokenizer needs another package ({first_line(error)}): pip install transformers"
        ) from error
    except OSError as error:
        raise WeightsNotFoundError(
            f"{PREFIX}{model}: its tokenizer is not in the Hugging Face cache ({hub_folder()}); "
            "allow the download (--download)"
        ) from error


@contextmanager
def quietly(*, offline: bool) -> Iterator[None]:
    """Keep open_clip from configuring the root logger, and the Hugging Face hub from using the network."""
    import logging

    root, handler, level = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(handler)  # logging.warning() installs a handler for good where there is none
    logging.disable(logging.WARNING)
    try:
        with hub_offline(offline):
            yield
    finally:
        logging.disable(level)
        root.removeHandler(handler)
