"""Whether a model's features and the data's were made alike."""

from __future__ import annotations

from typing import Any

from sspvs.errors import FingerprintMismatchError
from sspvs.types import Fingerprint


def agreed_fingerprint(model: dict[str, Any] | None, data: object) -> dict[str, Any] | None:
    """What both know about what made the features.

    Args:
        model: Plain fields of the fingerprint the model was trained on; None when unknown.
        data: The data's `Fingerprint`, its plain fields, or None.

    Raises:
        FingerprintMismatchError: They are known and differ.
    """
    given = data.as_dict() if isinstance(data, Fingerprint) else data
    if not isinstance(given, dict):
        return model
    if model is None:
        return dict(given)
    differing = sorted(key for key in {*model, *given} if model.get(key) != given.get(key))
    if differing:
        told = "; ".join(f"{key} {model.get(key)!r} against {given.get(key)!r}" for key in differing)
        raise FingerprintMismatchError(
            f"the model was trained on other features than these: {told}; extract them as the model's were, or train a "
            "new one"
        )
    return model
