"""Features are comparable only when the same extractor made them: the check, with the way out."""

from __future__ import annotations

from sspvs.errors import FingerprintMismatchError
from sspvs.types import Fingerprint


def check_fingerprint(found: Fingerprint | None, expected: Fingerprint, where: str) -> str | None:
    """Refuse features that something else made; say so when it is unknown.

    Args:
        found: Fingerprint of the features, None when they have none.
        expected: What they must have been made with.
        where: The file, for the message.

    Returns:
        A warning sentence when `found` is None, else None.

    Raises:
        FingerprintMismatchError: When any field differs.
    """
    if found is None:
        return (
            f"{where}: the features have no fingerprint; they are used as if made by {expected.backbone} "
            f"at {expected.rate_hz:g} Hz, which nobody checked"
        )
    if differing := differences(found, expected):
        raise FingerprintMismatchError(
            f"{where}: features of another extractor ({differing}); extract them again with "
            f"--backbone {expected.backbone} --rate {expected.rate_hz:g}, or use what they were made for"
        )
    return None


def differences(found: Fingerprint, expected: Fingerprint) -> str:
    """What differs between two fingerprints, for a message; empty when nothing does."""
    theirs, ours = found.as_dict(), expected.as_dict()
    return "; ".join(f"{key} is {theirs[key]}, expected {ours[key]}" for key in ours if theirs[key] != ours[key])
