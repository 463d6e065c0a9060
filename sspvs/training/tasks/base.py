"""What the command line has to know of a task that it trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
from jsonargparse import Namespace
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.cli import LightningArgumentParser

from sspvs.tasks.saved_task import SavedTask
from sspvs.training.given import Given
from sspvs.training.run import RunSettings


class TrainingTask(ABC):
    """A LightningModule and its data, and what stands around them: one for each `task` of a config.

    Attributes:
        name: As in configs.
        kind: What a checkpoint folder of it says it is.
        run: What `--run.*` is where nobody says otherwise.
        new_in_fit: Settings of the model that a new training from a folder's weights takes from its own config.
        own_facts: Settings of the model that say where it came from: they may differ from the config's unnoticed.
        data_facts: Settings of the model that come from the data, by group; the group that has `feature_dim` is first.
        written: What `sspvs predict --out` writes, in words.
        rule: What chooses the weights in a cross-validation where nobody says otherwise.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    run: ClassVar[RunSettings]
    new_in_fit: ClassVar[tuple[str, ...]]
    own_facts: ClassVar[tuple[str, ...]] = ("feature_fingerprint",)
    data_facts: ClassVar[Mapping[str, tuple[str, ...]]] = {"video": ("feature_dim", "trained_length")}
    written: ClassVar[str]
    rule: ClassVar[Literal["val", "last"]] = "val"

    @property
    @abstractmethod
    def module(self) -> type[SavedTask]:
        """`model` of the config."""

    @property
    @abstractmethod
    def data(self) -> type[pl.LightningDataModule]:
        """`data` of the config."""

    @abstractmethod
    def link(self, parser: LightningArgumentParser) -> None:
        """Say which facts of the data and the model are told to the other."""

    def check(self, settings: Namespace) -> None:  # noqa: B027
        """Refuse what cannot be trained, before anything is made.

        Args:
            settings: Of the verb: `model`, `data`, `trainer`.

        Raises:
            ValueError: Settings that do not go together.
        """

    def settle(self, settings: Namespace, sources: Given) -> None:  # noqa: B027
        """Settle settings that follow others.

        Args:
            settings: Of the verb, changed.
            sources: Which config file, or the command line, set what.
        """

    def prepare(self, settings: Namespace) -> None:  # noqa: B027
        """Settle what depends on other files, where no checkpoint of this task is given.

        Args:
            settings: Of the verb, changed.
        """

    @abstractmethod
    def take_over(self, settings: Namespace, known: Mapping[str, Any]) -> None:
        """Put what a checkpoint of this task knows of its data in the place of the config's.

        Args:
            settings: Of the verb, changed.
            known: What the checkpoint's task was made with, plain types.
        """

    def chooses(self, settings: Namespace) -> bool:  # noqa: ARG002
        """Whether there is anything to choose the best checkpoint by."""
        return True

    @abstractmethod
    def samples(self, count: int) -> Callback:
        """What shows after each validation what the model does.

        Args:
            count: Videos that are plotted.
        """

    @abstractmethod
    def writer(self, path: Path, source: str) -> Callback:
        """What writes predictions.

        Args:
            path: File to write.
            source: The checkpoint that they come from.
        """

    def fold_writer(self, path: Path, source: str) -> Callback:
        """What writes the scores of a fold in a cross-validation; a `WriteScores`, or more than that."""
        return self.writer(path, source)

    def feature_dim(self, settings: Mapping[str, Any]) -> int:
        """D of the features that a module made with such settings takes."""
        return int(settings[next(iter(self.data_facts))]["feature_dim"])


def vocab_size(small: Any) -> int | None:
    """Ids of the text tower `small`, where its sizes say how many."""
    found = small.get("vocab_size") if hasattr(small, "get") else None
    return None if found is None else int(found)
