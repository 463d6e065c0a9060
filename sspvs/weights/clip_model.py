"""An open_clip model with the weights of a `Source`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sspvs.errors import MissingExtraError, WeightsNotFoundError, first_line
from sspvs.weights.clip_cache import hub_folder
from sspvs.weights.clip_source import PREFIX, Source
from sspvs.weights.digest import check_weights
from sspvs.weights.hub import hub_offline

RANDOM_SEED = 0


def load_model(source: Source, *, download: bool = False, **options: Any) -> Any:
    """The open_clip model of `source` in evaluation mode on the CPU.

    Args:
        source: Which model with which weights.
        download: Whether the text tower's own settings may be fetched.
        **options: More of `open_clip.create_model`, such as `force_custom_text`.

    Raises:
        WeightsNotFoundError: The file does not hold weights of this model, or the text tower's own settings are
            not on this machine.
    """
    import open_clip
    import torch

    preprocess = {
        key: source.settings[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in source.settings
    }
    if source.path is not None:
        check_weights(source.path)
    with quietly(offline=not download), torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        try:
            model = open_clip.create_model(
                source.model,
                force_quick_gelu=bool(source.settings.get("quick_gelu")),
                force_preprocess_cfg=preprocess,
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
    """An open_clip model's own tokenizer.

    Raises:
        MissingExtraError: It needs a package that is not installed.
        WeightsNotFoundError: Its files are not on this machine.
    """
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
