"""How files of the field name a video: the last path part is the key, the part before it the dataset."""

from __future__ import annotations

import re
from dataclasses import dataclass

KNOWN_DATASETS = ("summe", "tvsum", "ovp", "youtube")
"""The four sets of the augmented and transfer settings (Zhang et al., ECCV 2016)."""
_NOISE = {"eccv16", "dataset", "datasets", "google", "googlenet", "pool5", "features"}


def short_name(dataset: str) -> str:
    """A dataset's name without what file names add: `eccv16_dataset_summe_google_pool5.h5` is `summe`."""
    words = [word for word in re.split(r"[^a-z0-9]+", dataset.lower().removesuffix(".h5")) if word]
    known = [name for name in KNOWN_DATASETS if any(re.fullmatch(rf"{name}\d*", word) for word in words)]
    own = [word for word in words if word not in _NOISE]
    return "_".join(known or own or words) or dataset.lower()


@dataclass(frozen=True, order=True)
class VideoRef:
    """A video as a split file names it.

    Attributes:
        dataset: The dataset's name as it stands in the file; empty for the dataset that is configured.
        key: The video's key, such as `video_7`, or its own name.
    """

    dataset: str
    key: str

    @classmethod
    def parse(cls, text: str) -> VideoRef:
        """The last path part is the key; the part before it, without `.h5`, names the dataset.

        Example:
            >>> VideoRef.parse("../datasets/eccv16_dataset_summe_google_pool5.h5/video_22")
            VideoRef(dataset='eccv16_dataset_summe_google_pool5', key='video_22')
        """
        parts = [part for part in text.replace("\\", "/").split("/") if part.strip()]
        if not parts:
            return cls("", "")
        dataset = parts[-2].removesuffix(".h5") if len(parts) > 1 else ""
        return cls("" if dataset in (".", "..") else dataset, parts[-1].strip())

    def __str__(self) -> str:
        return f"{self.dataset}/{self.key}" if self.dataset else self.key
