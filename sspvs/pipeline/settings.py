"""What decides which frames a summary keeps: the settings, and the backbone and scorer that they name."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from sspvs.annotations.captions import CaptionSource
from sspvs.features.backbones import Backbone, load_backbone
from sspvs.features.extract import MAX_DAMAGED
from sspvs.features.transnet import weights_path
from sspvs.importance.contrastive import Post
from sspvs.importance.terms import Combine, term_names
from sspvs.pipeline.look import ClipLook
from sspvs.schema import NotNegative, Positive, Range, Settings, mistakes, refuse
from sspvs.scorers import (
    CONTRASTIVE,
    Scorer,
    backbone_for,
    further_backbones,
    load_scorer,
    may_be_scorer,
    takes_sentences,
    unknown_scorer,
    untrained_problem,
)
from sspvs.selection.kts import DEFAULT_PENALTY
from sspvs.selection.material import Material
from sspvs.selection.overview import HIGHLIGHTS, LONGEST_SECONDS, OVERVIEW, SHORTEST_SECONDS, select_pieces
from sspvs.selection.summary import Budget, Selection
from sspvs.table.text import TextFields
from sspvs.video import open_video
from sspvs.video.subtitles import NONE
from sspvs.weights.digest import file_digest

Segmenter = Literal["auto", "kts", "uniform", "given", "transnet"]
Select = Literal["overview", "highlights", "knapsack"]
SEGMENTERS: tuple[Segmenter, ...] = get_args(Segmenter)


@dataclass(frozen=True)
class SummarySettings(Settings):
    """Everything that decides which frames a summary keeps; wrong values are reported all at once.

    The fields are the keywords of `sspvs.summarize`, which explains them.
    """

    group = ""

    ratio: float | None = None
    duration: float | None = None
    max_shots: int | None = None
    min_shot_seconds: NotNegative = 1.0
    title: str = ""
    query: str = ""
    category: str = ""
    scorer: str | Path = CONTRASTIVE
    combine: Combine | None = None
    post: Post | None = None
    select: Select = "overview"
    piece_seconds: tuple[float, float] = (SHORTEST_SECONDS, LONGEST_SECONDS)
    keep_titles: bool = False
    subtitles: str | Path | None = None
    captions: str | Path | None = None
    sound: Annotated[float, Range(least=0, most=1)] = 0.0
    segmenter: Segmenter = "auto"
    kts_penalty: Positive = DEFAULT_PENALTY
    shot_seconds: Positive = 5.0
    shots: str | Path | None = None
    shots_unit: Literal["frames", "seconds"] = "frames"
    rate_hz: Positive | None = None
    decoder: str = "auto"
    time_limit_seconds: Positive = 60.0
    max_damaged: Annotated[float, Range(least=0, most=1)] = MAX_DAMAGED
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse(self.group, [*self.conflicts(), *mistakes(type(self), vars(self))])  # all at once

    def conflicts(self) -> list[str]:
        """A budget, a scorer, a term or a file of shots that cannot be."""
        wrong = []
        try:
            self.budget()
        except ValueError as error:
            wrong.append(str(error))
        except TypeError:
            pass  # no numbers, which the hints report
        if not may_be_scorer(self.scorer):
            wrong.append(unknown_scorer(self.scorer))
        if str(self.scorer) == CONTRASTIVE and (problem := untrained_problem(self.combine)):
            wrong.append(problem)
        shortest, longest = self.piece_seconds
        if not 0 < shortest <= longest:
            wrong.append(f"piece_seconds are the shortest and the longest, such as 2-6, got {shortest:g}-{longest:g}")
        if self.shots is not None and not Path(self.shots).is_file():
            wrong.append(f"no such file of shots: {self.shots}")
        if self.subtitles is not None and str(self.subtitles) != NONE and not Path(self.subtitles).is_file():
            wrong.append(f"no such file of subtitles: {self.subtitles}; give a file, or none for no subtitles")
        if self.captions is not None and not Path(self.captions).exists():
            wrong.append(f"no such file or folder of captions: {self.captions}")
        if (self.segmenter == "given") != (self.shots is not None):
            wrong.append("segmenter 'given' and a file of shots go together: --segmenter given --shots FILE")
        return wrong

    def budget(self) -> Budget:
        """The length the summary may have."""
        return Budget(ratio=self.ratio, duration_seconds=self.duration, max_shots=self.max_shots)

    def pieces(self, material: Material, budget: Budget) -> Selection:
        """The pieces of an overview or of highlights."""
        shortest, longest = self.piece_seconds
        weights = OVERVIEW if self.select == "overview" else HIGHLIGHTS
        return select_pieces(material, budget, weights, shortest=shortest, longest=longest)

    @property
    def guide(self) -> str:
        """The title and the query, where they choose the pieces rather than being read by the scorer."""
        factor = self.combine is not None and "text_similarity" in term_names(self.combine)
        scored = factor or self.select == "knapsack" or str(self.scorer) != CONTRASTIVE
        return "" if scored else f"{self.title.strip()} {self.query.strip()}".strip()

    @property
    def text(self) -> TextFields:
        """What is known about the video in words, for the scorer."""
        read = {} if self.guide else {"query": self.query, "title": self.title}
        return TextFields(category=self.category, **read)


@dataclass(frozen=True)
class Tools:
    """What looks at videos and scores them, loaded once for many, and the settings they go with.

    Attributes:
        backbone: The frame encoder.
        scorer: What scores the frames.
        settings: With the rate that both agree on.
        look: How the clips look.
        further: The frame encoders of further streams of features that the scorer takes, by stream.
        captions: Sentences about the videos, where the scorer takes some and they are given.
        notes: Sentences about streams that are left out.
    """

    backbone: Backbone
    scorer: Scorer
    settings: SummarySettings
    look: ClipLook = field(default_factory=ClipLook)
    further: Mapping[str, Backbone] = field(default_factory=dict)
    captions: CaptionSource | None = None
    notes: tuple[str, ...] = ()

    def pieces(self, material: Material) -> Selection:
        """The pieces of a clip, which fill it as it will look."""
        settings = self.settings
        return self.look.fill(
            partial(settings.pieces, material), material, settings.budget(), settings.piece_seconds[0]
        )

    def budget(self, seconds: float) -> Budget:
        """What pieces may hold in a summary of a video of which so many seconds could be shown."""
        settings = self.settings
        shortest = settings.min_shot_seconds if settings.select == "knapsack" else settings.piece_seconds[0]
        return self.look.budget(settings.budget(), seconds, shortest)

    def check_length(self, video: str | Path) -> None:
        """Refuse a video that is too long for the summary at the look's speed, before anything is computed."""
        if self.look.speed:
            with open_video(video, time_limit_seconds=self.settings.time_limit_seconds) as reader:
                self.budget(reader.info.duration_seconds)

    def settings_used(self) -> dict[str, Any]:
        """Plain values of the settings that took part, for the report."""
        settings, backbone = self.settings, self.backbone
        trained = str(settings.scorer) != CONTRASTIVE
        unused = {
            "min_shot_seconds": settings.select != "knapsack",
            "piece_seconds": settings.select == "knapsack",
            "keep_titles": settings.select == "knapsack",
            "sound": settings.sound == 0,
            "kts_penalty": settings.segmenter not in ("auto", "kts"),
            "shot_seconds": settings.segmenter != "uniform",
            "shots_unit": settings.segmenter != "given",
            "title": True,  # stands in the summary itself
            "query": not settings.query,
            "category": not settings.category,
            "scorer": trained,
            "combine": True,  # in the scorer's own settings
            "post": True,
            "device": True,
        }
        used = {name: value for name, value in asdict(settings).items() if value is not None and not unused.get(name)}
        if settings.duration is None and settings.max_shots is None:
            used["ratio"] = settings.budget().ratio
        if settings.subtitles is not None:
            used["subtitles"] = Path(settings.subtitles).name
        if settings.captions is not None:
            used["captions"] = Path(settings.captions).name
            used["captions_sha256"] = [file_digest(path) for path in self.captions.files] if self.captions else []
        if settings.shots is not None:
            used["shots"] = Path(settings.shots).name
            used["shots_sha256"] = file_digest(Path(settings.shots))
        return {
            "backbone": backbone.name,
            "backbone_reason": backbone.reason,
            **self.scorer.settings,
            **used,
            **self.look.chosen,
        }


def load_tools(
    settings: SummarySettings,
    backbone: str | Backbone = "auto",
    *,
    precision: str = "auto",
    download: bool = False,
    look: ClipLook | None = None,
) -> Tools:
    """Load the scorer, and the backbone that goes with it.

    Args:
        settings: What decides which frames are kept.
        backbone: As in `summarize`.
        precision: As in `load_backbone`; of the backbone alone.
        download: Whether weights that are not here may be fetched.
        look: How the clips look.

    Raises:
        ValueError: The scorer does not read the text, a backbone must be named, or a crossfade is longer than a piece.
        FingerprintMismatchError: Backbone and rate are not those that the scorer was trained on.
        SspvsError: The scorer or the weights are missing or broken.
    """
    look = ClipLook() if look is None else look
    shortest = settings.piece_seconds[0]
    if settings.select != "knapsack" and look.crossfade > shortest:
        raise ValueError(
            f"a crossfade of {look.crossfade:g} s is longer than the shortest piece, {shortest:g} s: choose a shorter "
            "one, or longer piece_seconds"
        )
    if settings.segmenter == "transnet":
        weights_path()  # a missing package is reported now, not after the video was read
    device = settings.device
    if str(settings.scorer) == CONTRASTIVE and isinstance(backbone, str):
        backbone = load_backbone(backbone, device=device, precision=precision, download=download)
    scorer = load_scorer(
        settings.scorer,
        device=device,
        download=download,
        combine=settings.combine,
        post=settings.post,
        backbone=None if isinstance(backbone, str) else backbone,
    )
    scorer.check_text(settings.text)
    chosen, rate_hz = backbone_for(
        scorer, backbone, settings.rate_hz, device=device, precision=precision, download=download
    )
    if settings.guide:
        chosen.check_fit()
    if settings.captions is not None and not takes_sentences(scorer):
        raise ValueError(f"captions are for checkpoints that were trained with a stream of them, not {scorer.name}")
    captions = None if settings.captions is None else CaptionSource.open(settings.captions)
    further, notes = further_backbones(scorer, rate_hz, device=device, precision=precision, download=download)
    return Tools(chosen, scorer, replace(settings, rate_hz=rate_hz), look, further, captions, notes)
