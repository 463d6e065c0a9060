"""What the demo makes, how much of it, and where it is: its videos, what is made again, and what goes on."""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import sspvs
from sspvs.atomic import write_text
from sspvs.errors import OutputError
from sspvs.overwriting import DRAWN_VIDEO, EVALUATION, EVALUATION_PAGE, check_output
from sspvs.pipeline import SummarySettings, VideoSummary, summarize
from sspvs.pipeline.output import check_folder
from sspvs.table.text import TextFields
from sspvs.world import WorldSettings
from sspvs.world.film import draw_video
from sspvs.world.painted import PLACES, PaintedClip, PaintedSettings
from sspvs.world.settings import AnnotatorSettings, CompositionSettings, RuleSettings, WordingSettings
from sspvs.world.things import THINGS

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


# A title has few words and many separators; from fits of frames alone the scale makes a clear choice.
_GATE = "gate(framing=False,scale=40.0)"
ROWS = (
    Row("pretrained, reads text", "pretrained", True, _GATE),
    Row("pretrained, no text", "pretrained-no-text", True, "none"),
    Row("from scratch, reads text", "scratch", False, _GATE),
    Row("from scratch, no text", "scratch-no-text", False, "none"),
)
"""The first one summarises the video in the end."""


def _clips() -> PaintedSettings:
    """Many short clips: what a word means is learned from many looks of a thing."""
    return PaintedSettings(variants=50, clip_seconds=(1.5, 2.5))


def _world() -> WorldSettings:
    """Short videos of few things: a fold is trained in seconds, and few frames can be what a word is about."""
    return WorldSettings(
        pretrain_train=1200,
        pretrain_val=60,
        annotated=100,
        train_share=0.4,
        val_share=0.1,
        composition=CompositionSettings(segments=(8, 10), concepts=(2, 4), segment_seconds=(1.5, 2.5)),
        wording=WordingSettings(
            title_vague=0.0, title_distractors=0.0, description_dropped=0.1, description_distractors=0.0, salience=0.0
        ),
        rules=RuleSettings(rare=0.3),
        annotators=AnnotatorSettings(agreement=0.5),
    )


@dataclass(frozen=True)
class DemoSettings:
    """What the whole demo makes.

    Sizes, epochs and rates were chosen on the world of seed 0; what is shown is the world of seed 1, which nothing was
    chosen on.
    """

    out: Path  # folder to write into
    ratio: float = 0.15  # longest summary as a part of the video
    painted: PaintedSettings = field(default_factory=_clips)  # the clips
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


_SHOTS = (
    ("sailboat", 4.0), ("fish", 3.5), ("kite", 4.0), ("sailboat", 3.0), ("lighthouse", 4.5), ("car", 3.5),
    ("fish", 4.0), ("sailboat", 4.5), ("whale", 4.5), ("lamp", 3.5), ("sailboat", 3.0), ("fish", 3.0),
    ("balloon", 4.0), ("sailboat", 3.5), ("lighthouse", 4.0), ("kite", 3.5), ("sailboat", 4.0), ("whale", 4.0),
    ("fish", 3.5), ("car", 3.0),
)  # fmt: skip
_NAMED = ("lighthouse", "whale")
_FPS = 12  # half seconds are whole frames
_FIRST_VARIANT = 1_000_000  # no clip file has as many: the training never saw these


class Shown(NamedTuple):
    """A stretch of the video, in seconds."""

    thing: str
    start: float
    end: float


SHOWN = tuple(
    Shown(thing, sum(seconds for _, seconds in _SHOTS[:number]), sum(seconds for _, seconds in _SHOTS[: number + 1]))
    for number, (thing, _) in enumerate(_SHOTS)
)
"""What is seen when."""
TEXT = TextFields(category=PLACES[1].name, title=" and ".join(_NAMED))
"""Text of the video; the title names what matters."""


def draw_film(path: Path, seed: int, *, instead: Mapping[str, str] | None = None, progress: bool = False) -> Path:
    """Write the whole demo's video, with sound.

    Args:
        path: The file.
        seed: Of the painted clips.
        instead: Things that are shown instead of those of the demo, for a video with another title.
        progress: Show a progress bar.
    """
    things, instead = {thing.name: number for number, thing in enumerate(THINGS)}, instead or {}
    scenes = [
        PaintedClip(things[instead.get(thing, thing)], _FIRST_VARIANT + number, seconds, seed)
        for number, (thing, seconds) in enumerate(_SHOTS)
    ]
    return draw_video(path, scenes=scenes, fps=_FPS, progress=progress)


def seconds_named(segments: Iterable[tuple[float, float]]) -> float:
    """How many seconds of stretches of the video show what its title names."""
    return sum(
        max(0.0, min(end, shown.end) - max(start, shown.start))
        for start, end in segments
        for shown in SHOWN
        if shown.thing in _NAMED
    )


def share_named(summary: VideoSummary) -> float:
    """Share of a summary's length that shows what the title names."""
    segments = [(float(start), float(end)) for start, end in summary.segment_seconds]
    return seconds_named(segments) / max(sum(end - start for start, end in segments), 1e-9)


def run_short(out: Path, ratio: float, *, progress: bool = False) -> VideoSummary:
    """Draw a video of different scenes with sound, summarise it, write everything.

    Args:
        out: Folder to write into; made when it does not exist.
        ratio: Longest summary as a part of the video.
        progress: Show progress bars.

    Raises:
        ValueError: The ratio is out of range.
        OutputError: The folder cannot be written to.
    """
    SummarySettings(ratio=ratio)
    out.mkdir(parents=True, exist_ok=True)
    video = draw_video(out / "demo.mp4", progress=progress)
    summary = summarize(video, ratio=ratio, backbone=BACKBONE, title="", progress=progress)
    summary.save(out, progress=progress)
    return summary
