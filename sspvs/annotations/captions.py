"""Sentences about parts of videos, such as captions and subtitles, as a stream of features: their vectors at the picks.

They come from JSON lines, or from a folder of subtitle files or of videos with subtitles. Axis letters: T picks, N
frames, n sentences, D width.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sspvs.annotations.record import Problems
from sspvs.annotations.video_names import NameTable
from sspvs.errors import DatasetError
from sspvs.features.text import WIDTH, embed_sentences
from sspvs.files import read_content, read_text
from sspvs.parsing import lines_of, parse_json
from sspvs.selection.sentences import sentences as sentences_of
from sspvs.table.streams import interval_means
from sspvs.types import Cue, Fingerprint, FloatArray, FrameFeatures, FurtherStream, Timeline
from sspvs.types.video import LARGEST
from sspvs.video import open_video
from sspvs.video.files import VIDEO_SUFFIXES
from sspvs.video.subtitles import EXTENSIONS, decoded, parse, read_spoken, usable
from sspvs.weights.digest import WEIGHTS_DIGEST, model_folder

CAPTIONS = "captions"
"""The name of the stream, and of `features_captions` in a file."""
_ENCODER, _PURPOSE = "minilm", "sentences as features"
_EXPECTED = "expected JSON lines of id, caption and frame, seconds, or start and end"


class Caption(NamedTuple):
    """A sentence about a part of a video, or about a moment, which begins and ends at once."""

    start: float
    end: float
    text: str
    in_frames: bool = False  # whether start and end are frames rather than seconds


class Sentences:
    """A text encoder: sentences in, vectors of unit length out, each computed once."""

    name = _ENCODER
    width = WIDTH

    def __init__(self) -> None:
        model_folder(_PURPOSE)  # a missing extra is reported before anything is read
        self._known: dict[str, FloatArray] = {}

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """(n, D) float32."""
        if new := sorted(set(texts) - set(self._known)):
            self._known.update(zip(new, embed_sentences(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32).reshape(len(texts), self.width)

    def fingerprint(self, rate_hz: float) -> Fingerprint:
        """What made a stream of captions at so many picks a second."""
        return Fingerprint(_ENCODER, WEIGHTS_DIGEST, "mean of the sentences of a pick's interval", "none", rate_hz)


def reads_sentences(made: Fingerprint | None) -> bool:
    """Whether a stream is made of sentences, not of pictures."""
    return made is not None and made.backbone == _ENCODER


def caption_stream(
    captions: Sequence[Caption], video: FrameFeatures, timeline: Timeline | None, encode: Sentences, where: str
) -> FurtherStream:
    """The mean of the vectors of the sentences that fall into each pick's interval, zeros where there are none.

    Args:
        captions: The sentences.
        video: Whose picks they go to.
        timeline: When its frames are shown; needed for sentences in seconds.
        encode: The text encoder.
        where: The video, for messages.

    Raises:
        DatasetError: Sentences in seconds of a video whose frame rate is unknown.
    """
    made = encode.fingerprint(video.fingerprint.rate_hz if video.fingerprint else 0.0)
    if timeline is None and not all(caption.in_frames for caption in captions):
        raise DatasetError(
            f"{where}: captions in seconds, but the frame rate is unknown; give --fps, or captions with 'frame'"
        )
    spans = np.array([caption[:2] for caption in captions], np.float64).reshape(-1, 2)
    if timeline is not None:
        seconds = ~np.array([caption.in_frames for caption in captions], np.bool_)
        spans[seconds] = np.interp(spans[seconds], timeline.edges, np.arange(timeline.n_frames + 1))
    inside = spans[:, 0] < video.n_frames
    vectors = encode([caption.text for caption, kept in zip(captions, inside, strict=True) if kept])
    means, _ = interval_means(vectors, spans[inside], video.picks.astype(np.float64))
    return FurtherStream(means, made)


@dataclass(frozen=True)
class CaptionSource:
    """Where the sentences of each video are.

    Attributes:
        path: The file or folder.
        files: What was read, for a record of how a dataset was made.
        names: The names that it has videos under; None where it is of every video.
    """

    path: Path
    files: tuple[Path, ...]
    names: NameTable | None
    _read: Callable[[str, Timeline | None], tuple[Sequence[Caption], tuple[str, ...]]]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "CaptionSource":
        """JSON lines, a subtitle file (of every video), or a folder of subtitle files or videos; else DatasetError."""
        path = Path(path)
        if path.is_dir():
            return cls._of_folder(path)
        if path.suffix.lower() in EXTENSIONS:
            return cls(path, (path,), None, lambda _, timeline: _of_subtitles(path, timeline))
        rows = read_captions(path)
        return cls(path, (path,), NameTable({name: name for name in rows}), lambda name, _: (rows[name], ()))

    @classmethod
    def _of_folder(cls, folder: Path) -> "CaptionSource":
        files: dict[str, Path] = {}
        inside = sorted(path for path in folder.iterdir() if path.is_file())
        for suffixes in (EXTENSIONS, VIDEO_SUFFIXES):  # subtitles of their own go before those inside videos
            for path in inside:
                if path.suffix.lower() in suffixes:
                    files.setdefault(path.stem, path)
                    if suffixes is EXTENSIONS:
                        files.setdefault(path.stem.partition(".")[0], path)  # talk.en.srt
        if not files:
            raise DatasetError(f"{folder}: no subtitles (.srt, .vtt, .ass) and no videos that could have some in it")

        def read(name: str, timeline: Timeline | None) -> tuple[Sequence[Caption], tuple[str, ...]]:
            path = files[name]
            if path.suffix.lower() in EXTENSIONS:
                return _of_subtitles(path, timeline)
            with open_video(path) as reader:
                info = reader.info
            frames = round(info.duration_seconds * info.fps)
            if timeline is None and frames:
                timeline = Timeline(np.arange(frames) / info.fps, frames / info.fps)
            if timeline is None:
                return (), (f"{path}: its length is unknown; no subtitles are read",)
            spoken = read_spoken(info, timeline)
            return captions_of(spoken.cues), spoken.warnings

        named = tuple(sorted(set(files.values())))
        return cls(
            folder,
            tuple(path for path in named if path.suffix.lower() in EXTENSIONS),
            NameTable({n: n for n in files}),
            read,
        )

    def of(self, names: Sequence[str], timeline: Timeline | None) -> tuple[Sequence[Caption] | None, tuple[str, ...]]:
        """The sentences of the video of one of these names, None where there are none, and warnings about them."""
        for name in names:
            found = [name] if self.names is None else self.names.keys_of(name)
            if len(found) > 1:
                raise DatasetError(f"{self.path}: '{name}' may be any of {', '.join(found[:5])}; rename the others")
            if found:
                return self._read(found[0], timeline)
        return None, ()


def captions_of(cues: Sequence[Cue]) -> list[Caption]:
    """Subtitles as whole sentences."""
    return [Caption(cue.start, cue.end, " ".join(cue.text.split())) for cue in sentences_of(cues)]


def _of_subtitles(path: Path, timeline: Timeline | None) -> tuple[Sequence[Caption], tuple[str, ...]]:
    end = np.inf if timeline is None else timeline.end_seconds
    try:
        cues, warnings = usable(parse(decoded(read_content(path))), end, path.name)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
    return captions_of(cues), warnings


def read_captions(path: str | os.PathLike[str]) -> dict[str, list[Caption]]:
    """The sentences of each video of a file of JSON lines.

    Each line has `id` (a video's key or name), `caption`, and `frame`, `seconds`, or `start` and `end` in seconds.

    Raises:
        DatasetError: It cannot be read; otherwise all that is wrong with its lines, the first few in words.
    """
    path = Path(path)
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read: {error}; {_EXPECTED}") from error
    problems, found = Problems(path, most=3), dict[str, list[Caption]]()
    for number, line in lines_of(text):
        try:
            row = parse_json(line)
            name, caption = _caption(row)
        except json.JSONDecodeError as error:
            problems.add(f"line {number}", f"is no JSON ({error}); {_EXPECTED}")
        except ValueError as error:
            problems.add(f"line {number}", str(error))
        else:
            if caption.text:
                found.setdefault(name, []).append(caption)
    problems.raise_any()
    if not found:
        raise DatasetError(f"{path}: no captions in it; {_EXPECTED}")
    return found


def _caption(row: Any) -> tuple[str, Caption]:
    """A line's video and sentence; ValueError where it is none."""
    if (
        not isinstance(row, Mapping)
        or not isinstance(row.get("id"), str | int)
        or not isinstance(row.get("caption"), str)
    ):
        raise ValueError(_EXPECTED)
    given = [
        kind for kind in (("frame",), ("seconds",), ("start", "end")) if all(row.get(name) is not None for name in kind)
    ]
    if len(given) != 1:
        raise ValueError(f"{_EXPECTED}; found {', '.join(map(str, row))}")
    values = [row[name] for name in given[0]]
    if not all(
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST for value in values
    ):
        raise ValueError(f"expected {' and '.join(given[0])} as numbers from 0 on, found {values[0]!r}")
    if values[-1] < values[0]:
        raise ValueError(f"expected start before end, found {values[0]:g} and {values[-1]:g}")
    return str(row["id"]), Caption(values[0], values[-1], " ".join(row["caption"].split()), given[0] == ("frame",))
