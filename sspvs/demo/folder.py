"""What the demo makes, how much of it, and where it is; what is made again, and what goes on."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import sspvs
from sspvs.atomic import write_text
from sspvs.errors import OutputError
from sspvs.overwriting import DRAWN_VIDEO, EVALUATION, EVALUATION_PAGE, check_output
from sspvs.pipeline import SummarySettings
from sspvs.pipeline.output import check_folder
from sspvs.world import WorldSettings
from sspvs.world.painted import PaintedSettings
from sspvs.world.settings import CompositionSettings

_HERE = Path(__file__).parent
PRETRAIN, FINETUNE = _HERE / "pretrain.yaml", _HERE / "finetune.yaml"  # the configs of both trainings
BACKBONE = "efficientnet-lite0"  # looks at everything; its weights come with the installation
_FORMAT = 1  # changes when the same settings make other things


class Row(NamedTuple):
    """A way of fine-tuning: a row of the table."""

    name: str  # in the table
    folder: str  # of its cross-validation
    pretrained: bool  # whether it starts from the pretraining
    guidance: str  # `model.summarizer.text_guidance`


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
    """

    out: Path  # folder to write into
    ratio: float = 0.3  # longest summary as a part of the video
    painted: PaintedSettings = field(default_factory=PaintedSettings)  # the clips
    world: WorldSettings = field(default_factory=_world)  # its `clips` are always the painted ones
    world_seed: int = 1  # of the world
    pretraining: tuple[str, ...] = ()  # words of the command line on top of `pretrain.yaml`
    fine_tuning: tuple[str, ...] = ()  # the same on top of `finetune.yaml`

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


_STAMP = "demo.json"


class DemoFolder:
    """Where everything is in the demo's folder, which need not exist."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.training = out / "training"
        self.clips = self.training / "clips.h5"
        self.world = self.training / "world"
        self.pretrained = self.training / "pretrained"
        self.crossval = self.training / "crossval"
        self.video = out / "demo.mp4"
        self.contrastive = out / "contrastive"
        self.report, self.contrastive_report = (folder / "report.html" for folder in (out, self.contrastive))

    def comparison(self, ending: str) -> Path:
        """The table, as `txt`, `json` or `html`."""
        return self.out / f"comparison.{ending}"

    def check(self, *, whole: bool) -> None:
        """Refuse a folder that has files of others in the places of the whole demo's, or of the short one's."""
        check_folder(self.out)
        if self.video.exists():
            check_output(self.video, DRAWN_VIDEO)
        if not whole:
            return
        check_folder(self.contrastive)
        made = {"json": EVALUATION, "html": EVALUATION_PAGE}
        for ending, kind in made.items():
            if self.comparison(ending).exists():
                check_output(self.comparison(ending), kind)
        if self.comparison("txt").exists() and not self.comparison("json").exists():
            raise OutputError(
                f"cannot write {self.comparison('txt')}: it exists and is not part of a demo; choose another --out"
            )

    def identify(self, identity: str) -> None:
        """Go on with what was made from the same settings; remove what was made from others."""
        stamp = self.training / _STAMP
        try:
            found = stamp.read_text(encoding="utf-8") if stamp.is_file() else None
            if found == identity:
                return
            if found is None and self.training.exists() and any(self.training.iterdir()):
                raise OutputError(
                    f"{self.training} is there, and is not of a demo: nothing is written; choose another --out"
                )
            if found is not None:
                shutil.rmtree(self.training)
            self.training.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {self.out}: {error.strerror or error}; choose another --out") from error
        write_text(stamp, identity)

    def forget_from(self, product: Path) -> None:
        """Remove a product that is to be made, and all that was made from it."""
        products = [self.clips, self.world, self.pretrained, self.crossval]
        for path in products[products.index(product) :]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
