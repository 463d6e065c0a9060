"""From a video file to its summary: `summarize` computes, `VideoSummary.save` writes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sspvs.annotations.captions import Caption, Sentences, caption_stream, captions_of, reads_sentences
from sspvs.features.backbones import Backbone
from sspvs.features.extract import Sampling, stream_of
from sspvs.features.hearing import extract_and_hear
from sspvs.features.text import has_minilm
from sspvs.importance.contrastive import Post
from sspvs.importance.sound import with_sound
from sspvs.importance.terms import Combine
from sspvs.overwriting import read_summary, summary_files
from sspvs.pipeline.cutting import cut_video
from sspvs.pipeline.look import ClipLook
from sspvs.pipeline.output import write_outputs
from sspvs.pipeline.settings import Segmenter, Select, SummarySettings, Tools, load_tools
from sspvs.pipeline.words import WORDS_ALONE, guidance, title_fit, with_sentences
from sspvs.report.notebook import ShownSummary
from sspvs.report.sentences import counted
from sspvs.report.tables import plain
from sspvs.schema import parameters
from sspvs.scorers.loading import taken_streams
from sspvs.selection.material import Material
from sspvs.selection.sentences import sentences as sentences_of
from sspvs.selection.summary import Budget, Selection, select_in_parts
from sspvs.selection.summary import select as select_shots
from sspvs.selection.unwanted import unwanted_frames
from sspvs.table import SourceStamp
from sspvs.types import Cue, FloatArray, FrameFeatures, Guidance, Shots, Summary, Timeline
from sspvs.video.subtitles import digest, read_spoken

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoSummary(ShownSummary, Summary):
    """A `Summary` that prints itself, shows itself in a notebook, and can be saved to a folder.

    Attributes:
        source: Size and time of the video file when it was read; None when unknown.
        subtitles: SHA-256 of the file of subtitles; empty where there is none.

    Example:
        >>> summary = sspvs.summarize("video.mp4", ratio=0.5)
        >>> print(summary)
        video.mp4: ...
        >>> summary.selected_seconds <= 0.5 * summary.timeline.end_seconds
        True
    """

    source: SourceStamp | None = None
    subtitles: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As `Summary`, with the source files' stamps."""
        source = None if self.source is None else asdict(self.source)
        return {**super().as_dict(), "source": source, **({"subtitles": self.subtitles} if self.subtitles else {})}

    def save(self, out_dir: str | Path, *, look: ClipLook | None = None, progress: bool = False) -> Path:
        """Write the clip, the page, the scores, pictures and the edit lists.

        Files appear under their names only when all of them are finished. Those that an earlier run wrote, as its
        `summary.json` names them, are replaced or removed; whatever else is in the folder stays.

        Args:
            out_dir: Folder to write into; made when it does not exist.
            look: How the clip looks, instead of what `summarize` was given. The pieces stay: a speed makes the clip
                longer here.
            progress: Show a progress bar while the clip is written.

        Returns:
            `out_dir` as a path.

        Raises:
            OutputError: The folder cannot be written to, or has a file that sspvs did not write in the place of one.
            ValueError: The video is itself in the place of a file.
            VideoError: The source video cannot be read any more.
        """
        write_outputs(self, Path(out_dir), look=look, progress=progress)
        object.__setattr__(self, "_folder", Path(out_dir))
        return Path(out_dir)

    @property
    def clip(self) -> Path | None:
        """The summary's video file; None unless it is saved."""
        folder: Path | None = vars(self).get("_folder")
        return None if folder is None else folder / "summary.mp4"


def summarize(
    video: str | Path,
    *,
    backbone: str | Backbone = "auto",
    ratio: float | None = None,
    duration: float | None = None,
    max_shots: int | None = None,
    min_shot_seconds: float = 1.0,
    title: str = "",
    query: str = "",
    category: str = "",
    scorer: str | Path = "contrastive",
    combine: Combine | None = None,
    post: Post | None = None,
    select: Select = "overview",
    piece_seconds: tuple[float, float] = (1.5, 6.0),
    keep_titles: bool = False,
    subtitles: str | Path | None = None,
    captions: str | Path | None = None,
    sound: float = 0.0,
    segmenter: Segmenter = "auto",
    kts_penalty: float = 1.25,
    shot_seconds: float = 5.0,
    shots: str | Path | None = None,
    shots_unit: Literal["frames", "seconds"] = "frames",
    rate_hz: float | None = None,
    decoder: str = "auto",
    time_limit_seconds: float = 60.0,
    max_damaged: float = 1 / 3,
    device: str = "auto",
    crossfade: float = 0.0,
    aspect: str = "",
    speed: float = 0.0,
    download: bool = False,
    progress: bool = False,
) -> VideoSummary:
    """Summarise one video, without training or with what was trained.

    Args:
        video: The video file.
        backbone: Name of a frame encoder, or one already loaded (for many videos). `auto`: the one that the scorer
            was trained on, or else the best one here.
        ratio: Longest summary as a part of the video, in (0, 1); 0.15 when no budget is given.
        duration: Longest summary in seconds; instead of `ratio`.
        max_shots: Most pieces in the summary (with `knapsack`: shots); instead of `ratio`.
        min_shot_seconds: With `knapsack`, shots shorter than this are joined to a neighbour.
        title: Text that guides the choice: pieces in which something fits it, seen or spoken, come first. With
            `knapsack` contrastive importance is multiplied by each frame's similarity to it; a checkpoint reads it when
            it was trained with text.
        query: A search query that should find the video: as the title, or for checkpoints that were trained with text.
        category: What kind of video it is, in a word or two; likewise.
        scorer: `contrastive`, the training-free importance, or a checkpoint: a folder, a `.ckpt` file of fine-tuning
            or of refinement, or a hub id.
        combine: Of the contrastive importance: `a` local dissimilarity alone, `g` global consistency alone, `ag` (when
            None) one times the other; of a refined checkpoint also with `h`, uniqueness, and when None its own.
        post: Likewise, what follows the product: see `contrastive_importance`; when None `summe`, or the checkpoint's.
        select: How the summary is chosen: `overview`, pieces that show all the video has; `highlights`, pieces of the
            highest importance; `knapsack`, whole shots by mean importance, as published.
        piece_seconds: Shortest and longest piece of an overview or of highlights.
        keep_titles: Whether title, logo and end cards may be shown; otherwise they are avoided as black, fades and
            blur are.
        subtitles: A file of what is spoken (SRT, WebVTT, ASS); None: the one beside the video (`video.srt`), or those
            inside it; `none`: none. Pieces end with sentences, and the summary has subtitles of its own.
        captions: Sentences about parts of the video, for checkpoints that were trained with a stream of them: JSON
            lines, a file of subtitles, or a folder of them; None: what is spoken, as `subtitles` has it.
        sound: Weight of sound in the scores, in [0, 1]: of moments that are louder than those around them, and of noise
            that is no speech, such as laughter and applause. 0: scores of the pictures alone.
        segmenter: How the video is cut into shots: `auto` (cuts, fades and dissolves, from every frame; long takes by
            KTS), `kts`, `uniform` (every `shot_seconds`), `given` (`shots`), `transnet` (hard cuts; an extra).
        kts_penalty: Weight of the KTS penalty: larger means fewer, longer shots.
        shot_seconds: Length of uniform shots.
        shots: JSON file of shots, for `given`: [start, end) pairs that cover the video, or a `summary.json`.
        shots_unit: What the pairs count: `frames` or `seconds`.
        rate_hz: Frames looked at per second of video; None: as the checkpoint was trained, or else 2.
        decoder: `auto`, `pyav` or `decord`.
        time_limit_seconds: Longest time a decoder may give nothing before it is stopped.
        max_damaged: Share of the frames that may be damaged, or predicted from damaged ones, in [0, 1].
        device: Where the scores are computed: `auto`, `cpu`, `cuda`, `cuda:1`.
        crossfade: Seconds in which a piece fades into the next one; 0 cuts. The clip gets no longer by it: it shows
            a little beyond the pieces where their shots go on, and is shorter where they do not.
        aspect: Shape that is cut out of the picture, such as `9:16`, where what stands out is; empty: all of it.
        speed: How many times faster what lies between the pieces is shown, silently and within the length; 0 jumps
            over it.
        download: Whether weights that are not here may be fetched.
        progress: Show progress bars.

    Returns:
        The summary; its `save(folder)` writes all files.

    Raises:
        ValueError: Settings are out of range; the message lists all of them.
        SspvsError: The video, the weights or an extra is missing or broken; the message says what to do.

    Example:
        >>> import sspvs
        >>> summary = sspvs.summarize("video.mp4", ratio=0.15)
        >>> folder = summary.save("out")
        >>> (folder / "summary.mp4").exists()
        True
    """
    given = locals()  # the settings are keywords of the same names
    settings = SummarySettings(**{name: given[name] for name in parameters(SummarySettings)})
    look = ClipLook(**{name: given[name] for name in parameters(ClipLook)})
    return summarize_with(video, load_tools(settings, backbone, download=download, look=look), progress=progress)


def summarize_with(
    video: str | Path,
    tools: Tools,
    *,
    progress: bool = False,
    choose: Callable[[Material], Selection] | None = None,
) -> VideoSummary:
    """Summarise one video with a backbone and a scorer that are loaded already, and their settings.

    `choose` chooses the pieces in place of the settings, unless whole shots are chosen.
    """
    backbone, scorer, settings = tools.backbone, tools.scorer, tools.settings
    assert settings.rate_hz is not None
    tools.check_length(video)
    source = SourceStamp.of(Path(video)) if Path(video).is_file() else None
    extracted, sound, unheard = extract_and_hear(
        video,
        backbone,
        Sampling(
            rate_hz=settings.rate_hz,
            decoder=settings.decoder,
            time_limit_seconds=settings.time_limit_seconds,
            max_damaged=settings.max_damaged,
        ),
        further=list(tools.further.values()),
        hears=settings.select != "knapsack" or settings.sound > 0,
        progress=progress,
    )
    features, timeline = extracted.features, extracted.features.timeline
    if settings.sound > 0 and sound is None:
        unheard = (f"the scores are those of the pictures alone: {', '.join(unheard) or 'no sound'}",)
    logger.info("%s: %d of %d frames looked at", video, len(features.picks), features.n_frames)
    assert features.info is not None
    assert timeline is not None
    assert features.decode is not None
    spoken = read_spoken(features.info, timeline, settings.subtitles, time_limit_seconds=settings.time_limit_seconds)
    sentences = sentences_of(spoken.cues)
    scored, lacking = scored_features(features, sentences, tools)
    unchecked = scorer.check_features(scored.fingerprint, features.name)
    notes = (*([unchecked] if unchecked else []), *lacking, *scorer.notes(settings.text))
    importance = scorer.score(scored, settings.text)
    scores = importance.scores
    if settings.sound > 0 and sound is not None:
        scores = with_sound(scores, timeline.frame_seconds[features.picks], sound, settings.sound)
    shots, avoided, shot_warnings = cut_video(extracted, settings, progress=progress)
    fit = title_fit(settings.guide, features, backbone, shots, sentences) if settings.guide else None
    speech = with_sentences(sound, sentences, timeline.end_seconds)
    guided: Guidance | None = None
    if settings.select == "knapsack":
        budget = tools.budget(float(timeline.shown_seconds[-1]))
        shots, chosen = _knapsack(scores, features, shots, settings, budget)
    else:
        material = Material(
            features.features,
            scores,
            features.picks,
            shots,
            timeline,
            unwanted_frames(avoided, features.n_frames),
            None if speech is None else speech.costs(timeline.edges),
            fit=None if fit is None else fit.values,
        )
        chosen = (choose or tools.pieces)(material)
        if fit is not None and choose is None:
            without = tools.pieces(replace(material, fit=None)) if material.is_guided else chosen
            guided = guidance(chosen.segments, without.segments, fit)
    logger.info("%s: %d pieces of %d shots kept", features.info.path, len(chosen.segments), len(shots))
    return VideoSummary(
        info=features.info,
        timeline=timeline,
        decode=features.decode,
        scorer=scorer.name,
        fingerprint=backbone.fingerprint(settings.rate_hz),
        picks=features.picks,
        scores=scores,
        shots=shots,
        shot_scores=chosen.shot_scores,
        selected=chosen.selected,
        segments=chosen.segments,
        keyframes=chosen.keyframes,
        budget_frames=chosen.budget_frames,
        budget_seconds=chosen.budget_seconds,
        avoided=avoided,
        scenes=chosen.scenes,
        settings=tools.settings_used(),
        curves={**importance.curves, **({} if fit is None else {"title_fit": fit.values})},
        title=settings.title,
        warnings=(
            *features.decode.warnings,
            *notes,
            *unheard,
            *spoken.warnings,
            *(() if fit is None or has_minilm() else (WORDS_ALONE,)),
            *shot_warnings,
            *_whole_video(chosen, shots, timeline, settings),
        ),
        thumbnails=extracted.thumbnails,
        guidance=guided,
        cues=spoken.cues,
        source=source,
        subtitles=digest(Path(video), settings.subtitles),
    )


def scored_features(
    features: FrameFeatures, spoken: Sequence[Cue], tools: Tools
) -> tuple[FrameFeatures, tuple[str, ...]]:
    """A video's features with the streams that the scorer takes side by side, and sentences about what is missing."""
    streams = {name: features.streams[stream_of(one.name)] for name, one in tools.further.items()}
    notes = list(tools.notes)
    for name, _, made in taken_streams(tools.scorer):
        if not reads_sentences(made):
            continue
        captions: Sequence[Caption] | None = captions_of(spoken)
        if tools.captions is not None:
            assert features.info is not None
            path = Path(features.info.path)
            captions, warnings = tools.captions.of((path.stem, path.name), features.timeline)
            notes += warnings
        streams[name] = caption_stream(captions or (), features, features.timeline, Sentences(), features.name)
        if not captions:
            what = "captions" if tools.captions else "subtitles"
            notes.append(f"no {what} of it were found: zeros stand for the stream '{name}' of {tools.scorer.name}")
    return tools.scorer.joined(replace(features, streams=streams)), tuple(notes)


def is_summarized(video: Path, out: Path, tools: Tools) -> bool:
    """Whether a folder holds a whole summary of a video file as it is now, made with the same tools and settings."""
    made = read_summary(out)
    if made is None or not isinstance(made.get("source"), dict):
        return False
    return (
        SourceStamp.from_dict(made["source"]) == SourceStamp.of(video)
        and made.get("subtitles", "") == digest(video, tools.settings.subtitles)
        and made_with(made, out, tools)
    )


def made_with(made: dict[str, Any], out: Path, tools: Tools) -> bool:
    """Whether a folder holds all files that its `summary.json` names, made with the same tools and settings."""
    assert tools.settings.rate_hz is not None
    wanted: dict[str, Any] = {
        "title": tools.settings.title,
        "scorer": tools.scorer.name,
        "settings": tools.settings_used(),
    }
    made = {**made, "settings": dict(made["settings"])}
    for document in (wanted, made):
        document["settings"]["backbone_reason"] = ""  # why it was taken changes nothing
    return (
        plain(wanted) == {name: made.get(name) for name in wanted}
        and made["feature_fingerprint"]["digest"] == tools.backbone.fingerprint(tools.settings.rate_hz).digest
        and all((out / name).is_file() for name in summary_files(out))
    )


def _whole_video(chosen: Selection, shots: Shots, timeline: Timeline, settings: SummarySettings) -> tuple[str, ...]:
    """A sentence when the whole video is the summary, although a shorter one was wanted."""
    n_frames = int((chosen.segments[:, 1] - chosen.segments[:, 0]).sum())
    if n_frames < shots.n_frames or settings.ratio == 1:
        return ()
    if settings.max_shots is not None:
        found = counted(len(shots), "shot")
        why = f"it has {found}, and max_shots is {settings.max_shots}; ratio or duration make it shorter"
    elif settings.duration is not None:
        why = f"it lasts {timeline.end_seconds:.1f} s, and the summary may last {settings.duration:g} s"
    else:
        why = f"it has {counted(n_frames, 'frame')}"
    return (f"the summary is the whole video: {why}",)


def _knapsack(
    scores: FloatArray, features: FrameFeatures, shots: Shots, settings: SummarySettings, budget: Budget
) -> tuple[Shots, Selection]:
    """The field's selection; shots that were found by the features may be divided for it."""
    timeline = features.timeline
    assert timeline is not None
    if settings.segmenter in ("uniform", "given"):  # these stay as they are
        return shots, select_shots(scores, features.picks, shots, budget, timeline)
    return select_in_parts(scores, features.picks, shots, budget, timeline, min_shot_seconds=settings.min_shot_seconds)
