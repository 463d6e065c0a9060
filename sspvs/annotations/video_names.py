"""How files of the field name a video: the last path part is the key, the part before it the dataset."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sspvs.types import Annotations

KNOWN_DATASETS = ("summe", "tvsum", "ovp", "youtube")
"""The four sets of the augmented and transfer settings (Zhang et al., ECCV 2016)."""
_NOISE = {"eccv16", "dataset", "datasets", "google", "googlenet", "pool5", "features"}
_ENDINGS = (".avi", ".csv", ".h5", ".json", ".mat", ".mkv", ".mov", ".mp4", ".npy", ".npz", ".txt", ".webm")


def short_name(dataset: str) -> str:
    """A dataset's name without what file names add: `eccv16_dataset_summe_google_pool5.h5` is `summe`."""
    words = [word for word in re.split(r"[^a-z0-9]+", dataset.lower().removesuffix(".h5")) if word]
    known = [name for name in KNOWN_DATASETS if any(re.fullmatch(rf"{name}\d*", word) for word in words)]
    own = [word for word in words if word not in _NOISE]
    return "_".join(known or own or words) or dataset.lower()


@dataclass(frozen=True, order=True)
class VideoRef:
    """A video as a split file names it."""

    dataset: str  # the dataset's name as it stands in the file; empty for the dataset that is configured
    key: str  # the video's key, such as `video_7`, or its own name

    @classmethod
    def parse(cls, text: str) -> "VideoRef":
        """The last path part is the key; the part before it, without `.h5`, names the dataset."""
        parts = [part for part in text.replace("\\", "/").split("/") if part.strip()]
        if not parts:
            return cls("", "")
        dataset = parts[-2].removesuffix(".h5") if len(parts) > 1 else ""
        return cls("" if dataset in (".", "..") else dataset, parts[-1].strip())

    def __str__(self) -> str:
        return f"{self.dataset}/{self.key}" if self.dataset else self.key


@dataclass(frozen=True)
class VideoFinder:
    """Finds a dataset's videos by key or by name; videos are opened only for what is no key."""

    dataset: Mapping[str, Annotations]

    def find(self, text: str) -> str | None:
        """The key of the video that a text means; None when there is none, or more than one.

        Keys go before names. Spaces and underscores are the same, a file ending such as `.mp4` does not count, and
        neither does case where only one video can be meant.
        """
        for exact in (text, _stem(text)):
            if exact in self._keys:
                return exact
        found = self._names.keys_of(text)
        return found[0] if len(found) == 1 else None

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(self.dataset)

    @cached_property
    def _names(self) -> "NameTable":
        return NameTable({key: self.dataset[key].video_name for key in self.dataset})


class NameTable:
    """Keys by the names that go with them, of key -> name: as a name stands, as `spelling` has it, and without case."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._tables = [defaultdict[str, list[str]](list) for _ in _SPELLINGS]
        for key, name in names.items():
            for spelled, table in zip(_SPELLINGS, self._tables, strict=True):
                table[spelled(name)].append(key)

    def keys_of(self, name: str) -> list[str]:
        """The keys that a name may mean, by the strictest spelling that any of them has."""
        found = (table.get(spelled(name)) for spelled, table in zip(_SPELLINGS, self._tables, strict=True))
        return next(filter(None, found), [])


def same_name(first: str, second: str) -> bool:
    """Whether two texts are spellings of one video's name."""
    return spelling(first).casefold() == spelling(second).casefold()


def _stem(text: str) -> str:
    return text[: text.rindex(".")] if text.lower().endswith(_ENDINGS) and not text.startswith(".") else text


def spelling(text: str) -> str:
    """A name as it is compared: without file ending, spaces as underscores; case still counts."""
    return _stem(text.strip()).replace(" ", "_")


_SPELLINGS: tuple[Callable[[str], str], ...] = (str, spelling, lambda name: spelling(name).casefold())
