"""Checks of a data module's facts (width, fingerprint, batch size) against what a model needs."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sspvs.models.settings import VideoEncoderSettings
from sspvs.models.text_towers import SMALL_VOCAB_SIZE, TextEncoder
from sspvs.table import FeatureKind, check_features
from sspvs.tasks.settings import RefineLossSettings
from sspvs.types import Fingerprint

_log = logging.getLogger(__name__)
OTHER_WIDTH = "extract the features with the backbone it was trained on, or train a new one"
"""What to do about features of another width than the model's."""
_FEW = 8  # pairs in a batch


def agreed_fingerprint(model: dict[str, Any] | None, data: object) -> dict[str, Any] | None:
    """The fingerprint that model and data agree on, as a dict; FingerprintMismatchError where they differ."""
    given = Fingerprint(**data) if isinstance(data, dict) else data
    if not isinstance(given, Fingerprint):
        return model
    if model is not None:
        found, expected = FeatureKind(fingerprint=given), FeatureKind(fingerprint=Fingerprint(**model))
        check_features(found, expected, "the data", like="those the model was trained on")
    return given.as_dict() if model is None else model


def refuse_other_data(
    data: object, video: VideoEncoderSettings, text: Mapping[str, Any], tower: TextEncoder | None
) -> None:
    """Check the `feature_dim`, `encoder` and `vocab_size` of a data module, those it has, against the model."""
    refuse_other_width(data, video.feature_dim)
    found, expected = getattr(data, "stream_widths", None), video.stream_widths or (video.feature_dim,)
    if found is not None and video.normalise != "none" and tuple(found) != expected:
        raise ValueError(f"the data has streams of widths {found}, the model is made for {expected}; {OTHER_WIDTH}")
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
    """Raise FeatureWidthError where a data module has a `feature_dim` other than the model's."""
    found, expected = FeatureKind(getattr(data, "feature_dim", None)), FeatureKind(feature_dim)
    check_features(found, expected, "the data", like="those the model is made for", remedy=OTHER_WIDTH)


def refuse_single_pairs(data: object, objectives: Sequence[str], processes: int) -> None:
    """Refuse batches of one pair (in training, of all processes) where objectives contrast pairs; warn of a few."""
    if not objectives:
        return
    named, one = " and ".join(objectives), len(objectives) == 1
    tell = f"{named} {'tells' if one else 'tell'} each text from the others in its batch"
    where = f"on {processes} device{'s'[: processes - 1]}"
    batch, val_batch = getattr(data, "batch_size", None), getattr(data, "val_batch_size", None)
    if batch is not None and batch * processes < _FEW:
        enough = -(-_FEW // processes)
        ways = f"set data.batch_size to {enough} or more (trainer.accumulate_grad_batches adds no pairs to a batch)"
        if batch * processes < 2:
            raise ValueError(f"{tell}, and with data.batch_size {batch} {where} there are none to learn from; {ways}")
        _log.warning(
            "%s, and with data.batch_size %d %s these are only %d; %s", tell, batch, where, batch * processes - 1, ways
        )
    if val_batch == 1:
        raise ValueError(f"{tell}, and with data.val_batch_size 1 there are none to validate with; set it to 2 or more")


def refuse_idle_terms(data: object, losses: RefineLossSettings, processes: int) -> None:
    """Warn of terms of refinement that have nothing to compare frames with; ValueError where none is left."""
    frames, batch = getattr(data, "clip_frames", None), getattr(data, "batch_size", None)
    if frames is None or batch is None:
        return
    neighbours = int(losses.neighbour_fraction * frames + 1e-9)
    idle = {}
    if losses.alignment and neighbours < 2:
        idle["alignment"] = (
            f"losses.neighbour_fraction {losses.neighbour_fraction:g} of data.clip_frames {frames} leaves each frame "
            "itself as its only neighbour; raise either, to 2 neighbours at least"
        )
    if losses.uniformity and frames < 2:
        idle["uniformity"] = "a clip of data.clip_frames 1 has no other frame; raise it"
    message = "; ".join(f"losses.{name} is 0 throughout: {why}" for name, why in idle.items())
    working = {name for name in ("alignment", "uniformity", "commonness") if getattr(losses, name)} - set(idle)
    if not working:
        raise ValueError(message)
    if message:
        _log.warning("%s", message)
    if losses.needs_uniqueness and batch * processes < 2:
        _log.warning(
            "losses.commonness and losses.uniqueness compare frames with the clips of their batch, and data.batch_size "
            "1 on 1 device has the frame's own clip alone; raise it"
        )
