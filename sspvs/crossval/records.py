"""What is kept of a finished fold beside its scores: `fold.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sspvs.atomic import write_text
from sspvs.errors import DatasetError, first_line
from sspvs.files import read_json
from sspvs.schema import mistakes
from sspvs.sharing import named
from sspvs.tasks.loading import Origin

_LISTED = 3


@dataclass(frozen=True)
class Chosen:
    """The weights that were tested, and why these.

    Attributes:
        rule: `val`, `last` or `best-test`.
        epoch: Whose weights they are, from 0.
        step: Optimiser steps until then.
        why: In a sentence.
        monitor: The figure that chose; None under `last`.
        value: What it was; None when undefined.
    """

    rule: str
    epoch: int
    step: int
    why: str
    monitor: str | None = None
    value: float | None = None


@dataclass(frozen=True)
class FoldRecord:
    """One fold under one seed.

    Attributes:
        seed: Which seed.
        fold: Which fold, from 0.
        digest: Of the settings that made it.
        figures: Means over the tested videos, under `per-user` where there are users; undefined is None.
        chosen: The weights.
        train: Number of videos trained on.
        val: The videos that chose the weights.
        test: The tested videos.
        seconds: How long it took.
        device: What it was trained on.
        initialised_from: What it started from; None: from nothing.
        feature_fingerprint: What made the features; None when unknown.
        versions: Package -> version.
        variants: Other scores of the same videos that lie beside: of refined features, combinations of terms.
        weights_sha256: Of the file with the tested weights, where they are kept.
    """

    seed: int
    fold: int
    digest: str
    figures: Mapping[str, float | None]
    chosen: Chosen
    train: int
    val: tuple[str, ...]
    test: tuple[str, ...]
    seconds: float
    device: str
    initialised_from: Mapping[str, Any] | None = None
    feature_fingerprint: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[str, ...] = ()
    weights_sha256: str | None = None

    def write(self, path: Path) -> None:
        """Write it as JSON.

        Raises:
            OutputError: The file cannot be written.
        """
        write_text(path, json.dumps(asdict(self), indent=2, allow_nan=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> FoldRecord:
        """Read what `write` wrote.

        Raises:
            DatasetError: It is no such file.
        """
        try:
            content = read_json(path)
            content = {"variants": (), "weights_sha256": None, **content}  # records of older versions have none
            origin = content["initialised_from"]
            if wrong := [*mistakes(cls, content), *(mistakes(Origin, origin) if origin else ())]:
                raise ValueError("; ".join(wrong[:_LISTED]))
            known = {one.name: content[one.name] for one in fields(cls)}
            known |= {name: tuple(known[name]) for name in ("val", "test", "variants")}
            known["initialised_from"] = named(known["initialised_from"])  # earlier versions kept the absolute path
            known["chosen"] = Chosen(**content["chosen"])
            return cls(**known)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"{path}: no record of a fold: {first_line(error)}; delete its folder, and the fold is made again"
            ) from error
