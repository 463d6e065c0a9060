"""The text tower behind one interface: which one the settings name, and how it is built."""

from __future__ import annotations

from typing import Any

from sspvs.models.settings import SmallTextSettings, TextEncoderSettings
from sspvs.models.text_towers.base import TextEncoder, TextEncoding
from sspvs.models.text_towers.hugging_face import HuggingFaceTextEncoder
from sspvs.models.text_towers.small import SMALL_VOCAB_SIZE, SmallTextEncoder
from sspvs.weights import minilm
from sspvs.weights.clip_source import PREFIX

__all__ = [
    "SMALL_VOCAB_SIZE",
    "HuggingFaceTextEncoder",
    "SmallTextEncoder",
    "TextEncoder",
    "TextEncoding",
    "build_text_encoder",
]


def build_text_encoder(settings: TextEncoderSettings) -> TextEncoder:
    """The text tower that the settings name.

    `minilm` (all-MiniLM-L6-v2, W 384) takes the mean of its tokens' states for the whole text, as it was trained.

    Args:
        settings: Which one, and how it is used. With `settings.config` nothing is looked for on this machine.

    Raises:
        MissingExtraError: `minilm` without the package that has it.
        WeightsNotFoundError: The weights are not on this machine, or not the file they should be.
        ValueError: An unknown model or size.
    """
    encoder = _build(settings)
    if settings.frozen:
        encoder.freeze()
    return encoder


def _build(settings: TextEncoderSettings) -> TextEncoder:
    how: dict[str, Any] = {
        "attend_padding": settings.attend_padding,
        "gradient_checkpointing": settings.gradient_checkpointing,
    }
    name, config = settings.encoder, settings.config
    if name == "small":
        return SmallTextEncoder(SmallTextSettings(**settings.small), **how)
    if name == "minilm":
        if config is not None:
            return HuggingFaceTextEncoder(name, config=config, mean_pooling=True, **how)
        folder = minilm.weights_file("the text encoder 'minilm'").parent
        return HuggingFaceTextEncoder(str(folder), mean_pooling=True, **how)
    if name.startswith(PREFIX):
        from sspvs.models.text_towers.open_clip import OpenClipTextEncoder

        return OpenClipTextEncoder(name, config=config, download=settings.download, **how)
    return HuggingFaceTextEncoder(name, config=config, download=settings.download, **how)
