"""How much of everything the demo makes, and what identifies what it made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import sspvs
from sspvs.data.synthetic import WorldSettings
from sspvs.data.synthetic.painted import PaintedSettings
from sspvs.data.synthetic.settings import CompositionSettings
from sspvs.pipeline import SummarySettings

_HERE = Path(__file__).parent
PRETRAIN, FINETUNE = _HERE / "pretrain.yaml", _HERE / "finetune.yaml"
"""The configs of both trainings."""
BACKBONE = "efficientnet-lite0"
"""Looks at everything; its weights come with the installation."""
_FORMAT = 1  # changes when the same settings make other things


class Row(NamedTuple):
    """A way of fine-tuning: a row of the table.

    Attributes:
        name: In the table.
        folder: Of its cross-validation.
        pretrained: Whether it starts from the pretraining.
        guidance: `model.summarizer.text_guidance`.
    """

    name: str
    folder: str
    pretrained: bool
    guidance: str


ROWS = (
    Row("pretrained, reads text", "pretrained", True, "gate"),
    Row("pretrained, no text", "pretrained-no-text", True, "none"),
    Row("from scratch, reads text", "scratch", False, "gate"),
    Row("from scratch, no text", "scratch-no-text", False, "none"),
)
"""The first one summarises the video in the end."""


def _world() -> WorldSettings:
    """Short videos: a fold is trained in seconds."""
    return WorldSettings(
        pretrain_train=1200,
        pretrain_val=60,
        annotated=100,
        train_share=0.4,
        val_share=0.1,
        composition=CompositionSettings(segments=(7, 10), concepts=(3, 5), segment_seconds=(2.0, 4.5)),
    )


@dataclass(frozen=True)
class DemoSettings:
    """What the whole demo makes.

    Sizes, epochs and rates were chosen on the world of seed 0; what is shown is the world of seed 1, which nothing was
    chosen on.

    Attributes:
        out: Folder to write into.
        ratio: Longest summary as a part of the video.
        painted: The clips.
        world: The videos made of them; its `clips` are the painted ones, whatever it says.
        world_seed: Of the world.
        pretraining: Words of the command line on top of `pretrain.yaml`.
        fine_tuning: The same on top of `finetune.yaml`.

    Raises:
        ValueError: The ratio is out of range.
    """

    out: Path
    ratio: float = 0.3
    painted: PaintedSettings = field(default_factory=PaintedSettings)
    world: WorldSettings = field(default_factory=_world)
    world_seed: int = 1
    pretraining: tuple[str, ...] = ()
    fine_tuning: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        SummarySettings(ratio=self.ratio)

    @property
    def identity(self) -> str:
        """Everything that what is trained follows from, as JSON."""
        content: dict[str, Any] = {
            "format": _FORMAT,
            "version": sspvs.__version__,
            "painted": asdict(self.painted),
            "world": {**self.world.as_dict(), "clips": "painted", "seed": self.world_seed},
            "pretrain": {"config": PRETRAIN.read_text(encoding="utf-8"), "words": self.pretraining},
            "finetune": {"config": FINETUNE.read_text(encoding="utf-8"), "words": self.fine_tuning},
        }
        return json.dumps(content, indent=1) + "\n"
