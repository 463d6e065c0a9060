"""The interface of scorers, and the one that needs no training."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sspvs.features.backbones import Backbone
from sspvs.importance.contrastive import Importance, Post, contrastive_importance
from sspvs.importance.terms import Combine, term_names
from sspvs.table.streams import FEATURES
from sspvs.table.text import TextFields
from sspvs.types import Fingerprint, FrameFeatures

CONTRASTIVE = "contrastive"
SYNTHETIC = "synthetic"  # how the backbone of a world's features begins: no frame of a video was looked at
_NO_BACKBONE = "a title needs the backbone that made the features, to compare them with"


class Scorer:
    """The interface: features of a video in, the importance of its picks out.

    Attributes:
        name: What reports and score files call it: `contrastive`, or a checkpoint's name.
        feature_dim: D that features must have; None for any.
        expects: What features must have been made with; None where anything goes, or where it is unknown.
        text_fields: The fields of a text that are read.
        title_as_query: Whether it was trained with each video's title in the place of its search query.
        streams: The streams of features that it takes side by side, by name, with the width of each (0: not known).
    """

    name: str
    feature_dim: int | None = None
    expects: Fingerprint | None = None
    text_fields: tuple[str, ...] = ()
    title_as_query: bool = False
    streams: Mapping[str, int] = MappingProxyType({FEATURES: 0})

    @property
    def settings(self) -> Mapping[str, Any]:
        """What decides its scores, plain types, for reports and score files."""
        raise NotImplementedError

    def check_text(self, text: TextFields) -> None:
        """Raise ValueError where there is text that is not read, SspvsError where what reads it is missing."""
        if is_given(text):
            raise ValueError(f"{self.name} reads no text; leave it out, or take a checkpoint with text guidance")

    def check_features(self, found: Fingerprint | None, where: str) -> str | None:
        """Refuse features that were made otherwise than it needs; returns a note where that is unknown."""
        raise NotImplementedError

    def notes(self, text: TextFields) -> tuple[str, ...]:  # noqa: ARG002
        """Sentences for the user about scores with this text."""
        return ()

    def joined(self, video: FrameFeatures) -> FrameFeatures:
        """A video with the streams that it takes side by side, zeros for one that the video lacks."""
        return video

    def lacks(self, video: FrameFeatures) -> tuple[str, ...]:  # noqa: ARG002
        """The streams that it takes and the video does not have."""
        return ()

    def score(self, features: FrameFeatures, text: TextFields | None = None) -> Importance:
        """Importance of each pick, and the curves it is made of; text fields that are not read are left aside."""
        raise NotImplementedError


def is_given(text: TextFields | None) -> bool:
    """Whether any field says something."""
    return text is not None and any(field.strip() for field in text)


def is_synthetic(fingerprint: Fingerprint) -> bool:
    """Whether features come from a synthetic world: no backbone can give them."""
    return fingerprint.backbone.startswith(SYNTHETIC)


@dataclass(frozen=True)
class ContrastiveScorer(Scorer):
    """Local dissimilarity times global consistency (Pang et al., WACV 2023); see `sspvs.importance.contrastive`.

    Attributes:
        combine: An expression over terms, as in `contrastive_importance`.
        post: What follows the product.
        device: `auto`, `cpu`, `cuda`, `cuda:1`.
        backbone: The one that made the features; only a title needs it.
    """

    combine: Combine = "ag"
    post: Post = "summe"
    device: str = "auto"
    backbone: Backbone | None = None
    name: str = CONTRASTIVE
    text_fields: tuple[str, ...] = ("title",)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"combine": self.combine, "post": self.post}

    def check_text(self, text: TextFields) -> None:
        """A title is compared with the frames; the other fields are not read."""
        other = [name for name, field in text._asdict().items() if field.strip() and name != "title"]
        if other:
            raise ValueError(
                f"{CONTRASTIVE} importance reads a title and nothing else, got {' and '.join(other)}; put that into "
                "the title"
            )
        if text.title:
            if self.backbone is None:
                raise ValueError(_NO_BACKBONE)
            self.backbone.check_text()
        elif "text_similarity" in term_names(self.combine):
            raise ValueError(f"combine {self.combine} needs a title to compare frames with; give one, or leave out t")

    def check_features(self, found: Fingerprint | None, where: str) -> str | None:
        """Any features will do; a sentence when it is unknown what made them."""
        return f"{where}: no feature fingerprint; what made these features is unknown" if found is None else None

    def score(self, features: FrameFeatures, text: TextFields | None = None) -> Importance:
        """As `Scorer`; curves as `contrastive_importance` names them."""
        similarity = None
        if text is not None and text.title:
            if self.backbone is None:
                raise ValueError(_NO_BACKBONE)
            similarity = self.backbone.text_similarity(features.features, text.title)
        return contrastive_importance(
            features.features, combine=self.combine, post=self.post, text_similarity=similarity, device=self.device
        )
