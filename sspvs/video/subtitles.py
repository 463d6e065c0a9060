"""What is spoken in a video: subtitles beside it or inside it, as cues on the clock of its pictures.

Files are parsed by `pysubs2`, in whatever encoding they are. What can be used of a damaged file is used.
"""

import codecs
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sspvs.errors import SspvsError, printable
from sspvs.files import read_content
from sspvs.types import TEXT_CODECS, Cue, Timeline, VideoInfo
from sspvs.video.isolated import open_video
from sspvs.weights.digest import file_digest

EXTENSIONS = (".srt", ".vtt", ".ass", ".ssa")
NONE = "none"
"""Of `--subtitles`: none are read."""
_FORMATS = ("srt", "vtt", "ass", "ssa")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WESTERN = "cp1252"
_ENCODINGS = [
    *(_WESTERN, "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("gb18030", "big5", "cp932", "cp949"),
]
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


class Spoken(NamedTuple):
    """The cues of a video, and sentences about what was left aside."""

    cues: tuple[Cue, ...] = ()
    warnings: tuple[str, ...] = ()


def read_spoken(
    info: VideoInfo, timeline: Timeline, subtitles: str | Path | None = None, *, time_limit_seconds: float = 60.0
) -> Spoken:
    """The subtitles of a video: a named file, or the one beside it, or those inside it.

    Args:
        info: The video.
        timeline: When its frames are shown: what lies outside is left out.
        subtitles: The file; None: what there is; `none`: nothing.
        time_limit_seconds: The longest a decoder may give nothing; those inside a video are read in its process.

    Returns:
        Cues in order, in seconds from the first frame. What cannot be read gives a warning, not an error.
    """
    if str(subtitles) == NONE:
        return Spoken()
    video, end = Path(info.path), timeline.end_seconds
    warnings: list[str] = []
    for path in beside(video) if subtitles is None else [Path(subtitles)]:
        try:
            found = parse(decoded(read_content(path)))
        except (OSError, ValueError) as error:
            warnings.append(f"{printable(path.name)} is left aside: {error}")
            continue
        cues, left_out = usable(found, end, printable(path.name))
        return Spoken(cues, (*warnings, *left_out))
    if subtitles is None and info.subtitle_codecs:
        name = f"the subtitles in {printable(video.name)}"
        if not TEXT_CODECS & set(info.subtitle_codecs.split()):
            warnings.append(f"{name} are pictures ({info.subtitle_codecs}) and are not read; give a file of text")
        else:
            try:
                with open_video(info.path, time_limit_seconds=time_limit_seconds, timeline=timeline) as reader:
                    rows = reader.subtitles()
                cues, left_out = usable(
                    [_cue(1000 * start, 1000 * stop, text) for start, stop, text in rows], end, name
                )
                return Spoken(cues, (*warnings, *left_out))
            except SspvsError as error:
                warnings.append(f"{name} cannot be read and are left aside: {error}")
    return Spoken(warnings=tuple(warnings))


def digest(video: Path, subtitles: str | Path | None) -> str:
    """SHA-256 of the file of subtitles that is read first; empty where there is none."""
    files = [] if str(subtitles) == NONE else beside(video) if subtitles is None else [Path(subtitles)]
    return file_digest(files[0]) if files else ""


def beside(video: Path) -> list[Path]:
    """Files of subtitles with a video's name, the likeliest first: `talk.srt`, `talk.en.srt`, other languages."""
    stem = f"{video.stem}.".casefold()
    try:
        there = [path for path in video.parent.iterdir() if path.suffix.lower() in EXTENSIONS and path.is_file()]
    except OSError:
        return []

    def order(path: Path) -> tuple[Any, ...]:
        languages = path.stem[len(video.stem) + 1 :].casefold().split(".")
        rank = 0 if languages == [""] else 1 if {"en", "eng", "english"} & {*languages} else 2
        return "forced" in languages, rank, EXTENSIONS.index(path.suffix.lower()), path.name

    return sorted((path for path in there if path.name.casefold().startswith(stem)), key=order)


def decoded(content: bytes) -> str:
    """Text in the encoding that its marks or its letters show.

    Western letters win where others are as likely: files without a mark are mostly Windows-1252 or UTF-8.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    zeros = [content[start::2].count(0) for start in (0, 1)]
    if max(zeros) > len(content) / 8:  # half of the bytes of Western letters, and of all digits
        return content.decode("utf-16-be" if zeros[0] > zeros[1] else "utf-16-le", errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        import charset_normalizer

        found = [match.encoding for match in charset_normalizer.from_bytes(content, cp_isolation=_ENCODINGS)]
        encoding = _WESTERN if _WESTERN in found or not found else found[0]
        return content.decode(encoding, errors="replace")


def parse(text: str) -> list[Cue]:
    """The cues of a file of subtitles; ValueError where it is none."""
    import pysubs2

    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    try:
        styled = re.search(r"^Dialogue:", text, re.MULTILINE) and "V4" not in text  # without a section of styles
        kind = "ass" if styled else pysubs2.formats.autodetect_format(text)
        if kind not in _FORMATS:
            raise ValueError(f"subtitles of the kind {kind} are not read")
        events = pysubs2.SSAFile.from_string(text, format_=kind).events
    except (pysubs2.Pysubs2Error, LookupError):
        raise ValueError("it is no file of subtitles that is read (SRT, WebVTT, ASS)") from None
    spoken = [event for event in events if not event.is_comment and not event.is_drawing]
    if kind == "vtt":  # a cue ends with a blank line; notes and names of cues follow
        return [_cue(event.start, event.end, re.split(r"\\N\s*\\N", event.text)[0]) for event in spoken]
    return [_cue(event.start, event.end, event.text) for event in spoken]


def _cue(start_milli: float, end_milli: float, marked: str) -> Cue:
    """A cue of text with markup."""
    plain = html.unescape(_TAG.sub("", re.sub(r"\\[Nn]", "\n", marked).replace(r"\h", " ")))
    lines = (" ".join(printable(line).split()) for line in plain.split("\n"))
    return Cue(start_milli / 1000, end_milli / 1000, "\n".join(line for line in lines if line))


def usable(cues: Sequence[Cue], end: float, name: str) -> tuple[tuple[Cue, ...], tuple[str, ...]]:
    """Cues in order and within a video, and a sentence about the others.

    Lines that a cue repeats from the one before it, as automatic subtitles roll, are left out.
    """
    kept: list[Cue] = []
    outside = broken = 0
    before, seen = Cue(0.0, 0.0, ""), set[Cue]()
    for cue in sorted(cues, key=lambda cue: cue[:2]):
        if not cue.text or cue.end <= cue.start or cue in seen:
            broken += 1
            continue
        seen.add(cue)
        if cue.end <= 0 or cue.start >= end:
            outside += 1
            continue
        lines = cue.text.split("\n")
        if cue.start <= before.end + 0.1:
            shown = before.text.split("\n")
            lines = [line for line in lines if line not in shown]
        before = cue
        if lines:
            kept.append(Cue(max(cue.start, 0.0), min(cue.end, end), "\n".join(lines)))
    counts = ((outside, "outside the video"), (broken, "empty, reversed or repeated"))
    found = " and ".join(f"{count} {'is' if count == 1 else 'are'} {what}" for count, what in counts if count)
    return tuple(kept), ((f"of {len(cues)} cues of {name}, {found}: ignored",) if found else ())
