"""Whether a model and the data it is given fit together, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sspvs.errors import CheckpointError
from sspvs.models.settings import VideoEncoderSettings
from sspvs.models.text_encoder import SMALL_VOCAB_SIZE, TextEncoder


def refuse_other_data(
    data: object, video: VideoEncoderSettings, text: Mapping[str, Any], tower: TextEncoder | None
) -> None:
    """Hold what a data module says of itself, as far as it says anything, against the model.

    Args:
        data: Its `feature_dim`, `encoder` and `vocab_size` are looked at.
        video: Of the model.
        text: `TextEncoderSettings` of the model, plain.
        tower: The text tower; None where no text is read.

    Raises:
        CheckpointError: The features have another width.
        ValueError: The texts are tokenised for another tower.
    """
    refuse_other_width(data, video.feature_dim)
    encoder = getattr(data, "encoder", None)
    if tower is None or encoder is None:
        return
    if encoder != text["encoder"]:
        raise ValueError(
            f"data.encoder '{encoder}' tokenises for another text tower than the model's '{text['encoder']}'; set "
            f"data.encoder to '{text['encoder']}'"
        )
    ids = getattr(data, "vocab_size", None) or SMALL_VOCAB_SIZE
    if encoder == "small" and ids != tower.vocab_size:
        raise ValueError(f"data.vocab_size is {ids}, the model's text tower has {tower.vocab_size} ids; set it to that")


def refuse_other_width(data: object, feature_dim: int) -> None:
    """Hold the width of a data module's features, where it says one, against the model's.

    Args:
        data: Its `feature_dim` is looked at.
        feature_dim: Of the model.

    Raises:
        CheckpointError: They differ.
    """
    width = getattr(data, "feature_dim", None)
    if width is not None and width != feature_dim:
        raise CheckpointError(
            f"the model is made for features of width {feature_dim}, the data has {width}; extract the features with "
            "the backbone it was trained on, or train a new one"
        )
