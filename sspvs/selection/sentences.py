"""Sentences from the cues of subtitles, and the cues of a summary."""

import re
from collections.abc import Sequence

import numpy as np

from sspvs.types import BoolArray, Cue, FloatArray

NEAR_SECONDS = 0.6
"""How far the end of a sentence, as subtitles have it, may be from the pause in which it ends."""
_SILENCE_SECONDS = 2.0  # without a cue: a sentence ends, whatever its mark
_FEWEST_MARKS = 1 / 10  # marks of sentences for each cue: with fewer, as in automatic subtitles, cues are sentences
_LEAST_SECONDS = 0.5  # of a cue in a summary, or half of it: less cannot be read
_NOT_SPOKEN = re.compile("\\[[^\\]]*\\]|[\u266a\u266b#*]+|(?m:^\\s*[-\u2013\u2014]\\s+)")
_END = re.compile(
    "[.!?\u2026]+[\"'\u201d\u2019\u00bb)\\]]*(?=\\s|$)|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d\u2019\uff09]*"
)
_NO_END = re.compile(r"(?:^|\W)(?:[A-Za-z]|Mrs?|Ms|Dr|Prof|St|vs|Sr|Jr|No|Fig|approx|e\.g|i\.e|usw|bzw|z\.B)\.$")
_WIDE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")


def sentences(cues: Sequence[Cue]) -> list[Cue]:
    """Sentences of what is spoken, joined across cues; the time within a cue goes by the share of its letters.

    Without marks such as . ! ? each cue is a sentence.

    Args:
        cues: In the order of their starts; where two overlap, the first ends where the second begins.
    """
    spoken = []
    for number, cue in enumerate(cues):
        text = " ".join(_NOT_SPOKEN.sub(" ", cue.text).split())
        following = cues[number + 1].start if number + 1 < len(cues) else cue.end
        if text:
            spoken.append(Cue(cue.start, max(min(cue.end, following), cue.start), text))
    found: list[Cue] = []
    begun, text, last = 0.0, "", 0.0  # a sentence that is not at its end
    n_marks = 0
    for cue in spoken:
        if text and cue.start - last > _SILENCE_SECONDS:
            found.append(Cue(begun, last, text))
            text = ""
        rate, at = (cue.end - cue.start) / len(cue.text), 0
        ends = _ends(cue.text)
        for end in [*ends, *([] if ends[-1:] == [len(cue.text)] else [len(cue.text)])]:
            part = cue.text[at:end].strip()
            begun = begun if text else cue.start + at * rate
            text, last, at = _joined(text, part), cue.start + end * rate, end
            if end in ends:
                found.append(Cue(begun, last, text))
                text = ""
        n_marks += len(ends)
    if text:
        found.append(Cue(begun, last, text))
    return found if n_marks >= _FEWEST_MARKS * len(spoken) else spoken


def _joined(text: str, more: str) -> str:
    """Two parts of a sentence, with a space unless the script has none."""
    return text + ("" if not text or (_WIDE.match(more) and _WIDE.match(text[-1])) else " ") + more


def _ends(text: str) -> list[int]:
    """Where sentences end within a text."""
    return [
        match.end()
        for match in _END.finditer(text)
        if not _NO_END.search(text[: match.end()]) and not text[match.end() :].lstrip()[:1].islower()
    ]


def at_ends(pauses: FloatArray, ends: FloatArray) -> BoolArray:
    """(P,) whether a sentence ends in each of (P, 2) pauses, the first and the last of a video included.

    An end, of (E,) seconds, belongs to the nearest pause that is near.
    """
    marked: BoolArray = np.isinf(pauses[:, 0]) | np.isinf(pauses[:, 1])
    for end in ends:
        away = np.maximum(np.maximum(pauses[:, 0] - end, end - pauses[:, 1]), 0)
        nearest = int(away.argmin())
        marked[nearest] |= away[nearest] <= NEAR_SECONDS
    return marked


def cut(cues: Sequence[Cue], plays: Sequence[tuple[float, float, float, float]]) -> list[list[Cue]]:
    """The cues in each part of a clip, in seconds of the clip; `plays` as of `Summary`, what is fast has none."""
    found = []
    for at, start, end, speed in plays:
        inside = [
            (max(cue.start, start), min(cue.end, end), cue.text, min(_LEAST_SECONDS, (cue.end - cue.start) / 2))
            for cue in cues
            if speed == 1
        ]
        found.append(
            [
                Cue(at + first - start, at + last - start, text)
                for first, last, text, least in inside
                if last - first >= least
            ]
        )
    return found


def as_srt(cues: Sequence[Cue]) -> str:
    """Cues as a SubRip file."""
    return "".join(
        f"{number}\n{_stamp(cue.start)} --> {_stamp(cue.end)}\n{cue.text}\n\n"
        for number, cue in enumerate(cues, start=1)
    )


def _stamp(seconds: float) -> str:
    milli = round(1000 * seconds)
    return f"{milli // 3_600_000:02d}:{milli // 60_000 % 60:02d}:{milli // 1000 % 60:02d},{milli % 1000:03d}"
