"""The dataset files of a fine-tuning, by name: the one that is tested, and others to train on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sspvs.annotations.video_names import VideoFinder, VideoRef, short_name
from sspvs.table import DatasetStore, read_dataset


class Stores(Mapping[str, DatasetStore]):
    """Opened dataset files by the names they give themselves, the tested one first.

    Split files write a dataset's name in many ways; `find` knows all of them (`short_name`).

    Args:
        tested: The dataset file that is tested.
        others: Those of other datasets.

    Raises:
        DatasetError: A file cannot be read.
        ValueError: Two of them have the same name.
    """

    def __init__(self, tested: Path, others: Sequence[Path] = ()) -> None:
        opened = [read_dataset(path) for path in (tested, *others)]
        self._by_name = {store.name: store for store in opened}
        self._by_short = {short_name(store.name): store for store in opened}
        if len(self._by_short) < len(opened):
            listed = ", ".join(f"{store.path} ('{store.name}')" for store in opened)
            raise ValueError(f"two of the datasets have the same name: {listed}; each may be given once")
        self.tested = opened[0]
        self.others = tuple(opened[1:])
        self._finders: dict[str, VideoFinder] = {}

    def __getitem__(self, name: str) -> DatasetStore:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, ref: VideoRef) -> VideoRef | None:
        """A video under its dataset's own name and key; None when none of the datasets has it.

        Args:
            ref: As a split or a list writes it; without a dataset it is of the tested one.
        """
        store = self.dataset_of(ref)
        if store is None:
            return None
        finder = self._finders.setdefault(store.name, VideoFinder(store))
        key = finder.find(ref.key)
        return None if key is None else VideoRef(store.name, key)

    def dataset_of(self, ref: VideoRef) -> DatasetStore | None:
        """The dataset that a reference names; None when it was not given."""
        if not ref.dataset:
            return self.tested
        return self._by_name.get(ref.dataset) or self._by_short.get(short_name(ref.dataset))
