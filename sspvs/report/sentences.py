"""What a summary says about itself in plain words: on its page, in print, and on the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sspvs.report.tables import shot_of_frames
from sspvs.selection.shots import runs
from sspvs.types import IntArray, Summary

_TITLES, _COUNTED = "titles", {"fades": ("fade", "fades"), "dissolves": ("dissolve", "dissolves")}
_AMOUNTS = {
    "black frames": "black",
    "blank frames": "blank picture",
    "dark moments": "darkness",
    "blurred moments": "blur",
}
_SHORT_SECONDS = 0.5  # less of something is not worth a word
_AT_AN_END = 2.0  # seconds from an end of the video: a card there is the one at the start, or at the end
_NOTABLE = 75  # per cent of the video that a piece is more important than
_SEGMENTERS = {
    "auto": "cuts, fades and dissolves; long takes by KTS",
    "kts": "changes of content (KTS)",
    "uniform": "the clock, into equal stretches",
    "given": "a list of shots",
    "transnet": "hard cuts (TransNetV2)",
}
_SCORERS = {"contrastive": "contrast within the video, without training"}
_CHOICES = {
    "overview": "an overview: pieces that show all the video has",
    "highlights": "highlights: the most important pieces",
    "knapsack": "whole shots of the highest importance (knapsack)",
}
_SETTINGS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (  # what a reader sees: label, setting, value in words
    ("Length", "ratio", lambda share: f"at most {100 * share:.4g} % of the video" if share < 1 else "the whole video"),
    ("Length", "duration", lambda seconds: f"at most {lasting(seconds)}"),
    ("Length", "max_shots", lambda most: f"at most {counted(most, 'piece')}"),
    ("Choice", "select", lambda name: _CHOICES.get(name, name)),
    ("Pieces", "piece_seconds", lambda ends: f"{ends[0]:g} to {ends[1]:g} s"),
    ("Title, logo and end cards", "keep_titles", lambda kept: "may be shown" if kept else "left out"),
    ("Cut into shots by", "segmenter", lambda name: _SEGMENTERS.get(name, name)),
    ("Each stretch", "shot_seconds", lambda seconds: f"{seconds:g} s"),
    ("Shortest shot", "min_shot_seconds", lambda seconds: f"{seconds:g} s"),
    ("Looked at", "rate_hz", lambda rate: f"{rate:g} frames of each second"),
    ("Importance from", "scorer", lambda name: _SCORERS.get(name, name)),
)


def clock_text(seconds: float) -> str:
    """Seconds as people write times: `0:07`, `12:30`, `1:02:03`; tenths only when there are some below a minute."""
    tenths = round(seconds * 10)
    whole, rest = divmod(tenths, 10)
    hours, minutes, secs = whole // 3600, whole // 60 % 60, whole % 60
    text = f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"
    return f"{text}.{rest}" if rest and whole < 60 else text


def lasting(seconds: float) -> str:
    """A length as people write it: `4.5 s`, `0:31`, `1:02:03`; tenths below ten seconds."""
    return f"{max(round(seconds, 1), 0):g} s" if seconds < 9.95 else clock_text(round(seconds))


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 piece`, `2 pieces`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def headline(summary: Summary) -> str:
    """The file's name and what is to say about it, in one line."""
    return f"{Path(summary.info.path).name}: {' '.join(about(summary))}"


def about(summary: Summary) -> list[str]:
    """What a summary shows of its video, and what not, in sentences; other notes about the choice go to their end."""
    most = summary.budget_fraction * float(summary.timeline.shown_seconds[-1])
    has, shows = _has_and_shows(summary)
    sentences = [
        f"This video of {lasting(summary.timeline.end_seconds)} {has}.",
        f"The summary, {lasting(summary.clip_seconds)} of at most {lasting(most)}, {shows}.",
    ]
    out, shown = left_out(summary), left_out(summary, played=True)
    if shown and (_reasons(summary) >= 0).all():
        return [*sentences, f"Everything in it is usually left out; shown all the same: {', '.join(shown)}."]
    if out:
        sentences.append(f"Left out: {', '.join(out)}.")
    if shown:
        sentences.append(f"Shown only because there was not enough else: {', '.join(shown)}.")
    return sentences + ([] if summary.guidance is None else [f"{summary.guidance.in_words}."])


def _has_and_shows(summary: Summary) -> tuple[str, str]:
    """Of the video, such as `has 3 scenes in 8 shots`, and of the summary, such as `shows 5 pieces from 2 scenes`."""
    segmenter, (shown, known), n_frames = (
        summary.settings.get("segmenter"),
        scenes_shown(summary),
        summary.shots.n_frames,
    )
    shots = counted(len(summary.shots), *(("stretch", "stretches") if segmenter == "uniform" else ("shot",)))
    if len(summary.shots) == 1:
        has = "is one shot" + " without a cut" * (segmenter in ("auto", "transnet"))
    elif known > 1:
        has = f"has {known} scenes in {shots}"
    else:
        has = f"is one scene in {shots}" if known else f"has {shots}"
    if (played := np.diff(summary.segments).sum()) == n_frames:
        return has, "is the whole video"
    if summary.of_pieces:
        of = _from_scenes(shown, known) if known > 1 else "of it"
        return has, f"shows {counted(len(summary.segments), 'piece')} {of}"
    part = played < summary.shots.lengths[summary.selected].sum()
    return has, "shows a part of one" if part else f"shows {int(summary.selected.sum())} of them"


def _scenes(summary: Summary) -> IntArray | None:
    """(S,) number of each shot's scene, from 1; 0 where a scene is mostly what is left out, and not shown."""
    if summary.scenes is None:
        return None
    free = np.add.reduceat((_reasons(summary) < 0).astype(np.int64), summary.shots.bounds[:, 0])  # (S,) frames
    most = np.bincount(summary.scenes, 2 * free - summary.shots.lengths) >= 0  # by scene
    there = np.unique(summary.scenes[most[summary.scenes] | summary.selected])
    scenes: IntArray = np.where(np.isin(summary.scenes, there), np.searchsorted(there, summary.scenes) + 1, 0)
    return scenes


def scenes_shown(summary: Summary) -> tuple[int, int]:
    """Scenes that the summary shows, and scenes with something to show; zeros where they are not known."""
    scenes = _scenes(summary)
    return (0, 0) if scenes is None else (len(np.unique(scenes[summary.selected])), int(scenes.max()))


def _order(summary: Summary) -> list[str]:
    """Reasons: a frame with several goes by the first."""
    return list(dict.fromkeys([_TITLES, *_COUNTED, *_AMOUNTS, *(reason for _, _, reason in summary.avoided)]))


def _reasons(summary: Summary) -> IntArray:
    """(N,) place in the order of the reason why a frame was avoided, -1 without one."""
    found, order = np.full(summary.timeline.n_frames, -1, np.int64), _order(summary)
    for start, end, reason in sorted(summary.avoided, key=lambda stretch: -order.index(stretch[2])):
        found[start:end] = order.index(reason)
    return found


def _from_scenes(shown: int, known: int) -> str:
    """Such as `from 3 scenes`, `from all 5 scenes`, `from both scenes`."""
    every = "both scenes" if known == 2 else f"all {known} scenes"
    return f"from {every if shown == known else counted(shown, 'scene')}"


def left_out(summary: Summary, *, played: bool = False) -> list[str]:
    """What was avoided and is not in the summary, or is all the same: title cards, fades, seconds of black."""
    edges, reasons, shown = summary.timeline.shown_seconds, _reasons(summary), np.zeros(summary.timeline.n_frames, bool)
    for start, end in summary.segments:
        shown[start:end] = True
    found = []
    for number, reason in enumerate(_order(summary)):
        stretches = [(a, b) for a, b in runs(reasons == number).tolist() if shown[a:b].any() == played]
        if reason in _COUNTED:
            found += [counted(len(stretches), *_COUNTED[reason])] if stretches else []
        elif reason == _TITLES:
            found += _cards([(edges[a], edges[b]) for a, b in stretches], float(edges[-1]))
        elif (seconds := float(np.diff(edges)[(reasons == number) & (shown == played)].sum())) >= _SHORT_SECONDS:
            amount = f"{seconds:.0f} s" if 9.95 <= seconds < 60 else lasting(seconds)
            found.append(f"{amount} of {_AMOUNTS.get(reason, reason)}")
    return found


def _cards(spans: list[tuple[float, float]], total: float) -> list[str]:
    """Cards at the ends of a video by their times, others by their number."""
    named, others = [], 0
    for start, end in spans:
        card = "the title card at the start" if start < _AT_AN_END else "the card at the end"
        if end - start < _SHORT_SECONDS:
            continue
        if start >= _AT_AN_END and end <= total - _AT_AN_END:
            others += 1
        else:
            named.append(f"{card} ({clock_text(int(start))}-{clock_text(max(round(end), int(start) + 1))})")
    return named + [counted(others, "title card")] * (others > 0)


class Piece(NamedTuple):
    """One stretch of the video that a summary plays; seconds, and a frame that stands for it."""

    name: str
    start: float
    end: float
    key: int
    score: float  # mean importance
    why: str  # what distinguishes it, in a few words; may be empty


def pieces(summary: Summary) -> list[Piece]:
    """The pieces of a summary in order; of a knapsack, its shots."""
    shots, picks, scores = shot_of_frames(summary, summary.segments[:, 0]), summary.picks, summary.scores
    ordered, reasons, scenes, found = np.sort(scores), _reasons(summary), _scenes(summary), list[Piece]()
    for shot, (first, last), seconds in zip(shots, summary.segments.tolist(), summary.segment_seconds, strict=True):
        a, b = np.searchsorted(picks, [first, last]).tolist()
        inside = slice(a, b) if a < b else slice(max(a - 1, 0), max(a, 1))  # without a pick, the one before
        key, mean, words = int(summary.keyframes[shot]), float(scores[inside].mean()), list[str]()
        if not first <= key < last:
            key = min(max(int(picks[inside][scores[inside].argmax()]), first), last - 1)
        if (reasons[first:last] >= 0).mean() > 1 / 2:
            words.append("there was not enough else")
        if scenes is not None and scenes.max() > 1:
            alike = int((scenes[shots] == scenes[shot]).sum())
            words.append(f"{'the only piece' if alike == 1 else f'one of {alike} pieces'} of scene {scenes[shot]}")
        above = 100 * int(np.searchsorted(ordered, mean)) // len(ordered)
        if ordered[0] < ordered[-1] == scores[inside].max():
            words.append("the most important moment")
        elif above >= _NOTABLE:
            words.append(f"more important than {above} % of the video")
        name = f"Piece {len(found) + 1}" if summary.of_pieces else f"Shot {shot + 1}"
        found.append(Piece(name, *seconds, key, mean, ", ".join(words)))
    return found


def settings_in_words(summary: Summary) -> dict[str, str]:
    """The settings that a reader cares about: label -> value."""
    used = {**summary.settings, "scorer": summary.scorer}
    return {label: str(words(used[name])) for label, name, words in _SETTINGS if name in used}
