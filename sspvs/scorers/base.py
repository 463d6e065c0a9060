"""What a scorer is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sspvs.data.text import TextFields
from sspvs.importance.contrastive import Importance
from sspvs.types import Fingerprint, FrameFeatures


class Scorer(Protocol):
    """Features of a video in, the importance of its picks out."""

    @property
    def name(self) -> str:
        """What reports and score files call it: `contrastive`, or a checkpoint's name."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides its scores, plain types, for reports and score files."""

    @property
    def feature_dim(self) -> int | None:
        """D that features must have; None for any."""

    @property
    def expects(self) -> Fingerprint | None:
        """What features must have been made with; None where anything goes, or where it is unknown."""

    @property
    def text_fields(self) -> tuple[str, ...]:
        """The fields of a text that have a say; none where text has not."""

    @property
    def title_as_query(self) -> bool:
        """Whether it was trained with each video's title in the place of its search query."""

    def check_text(self, text: TextFields) -> None:
        """Refuse text that would have no say, or that nothing here can read, before anything is computed.

        Raises:
            ValueError: The scorer does not read it.
            SspvsError: What it takes to read it is not on this machine.
        """

    def check_features(self, found: Fingerprint | None, where: str) -> str | None:
        """Refuse features that were made otherwise than the scorer needs them.

        Args:
            found: Their fingerprint; None when unknown.
            where: The file, for messages.

        Returns:
            A sentence for the user when it is unknown.

        Raises:
            FingerprintMismatchError: They were made otherwise.
        """

    def notes(self, text: TextFields) -> tuple[str, ...]:
        """Sentences that the user should know about scores with this text."""

    def score(self, features: FrameFeatures, text: TextFields | None = None) -> Importance:
        """Importance of each pick, and the curves it is made of.

        Args:
            features: One video's.
            text: What is known about it; None, or all fields empty: nothing. Fields that have no say are left aside.

        Raises:
            ValueError: There is text, and the scorer reads none.
            FeatureFileError: The features are not those the scorer needs.
        """


def is_given(text: TextFields | None) -> bool:
    """Whether any field says something."""
    return text is not None and any(field.strip() for field in text)
