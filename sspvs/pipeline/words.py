"""What words do for a summary: a title guides it by what is seen and spoken, sentences end and name its pieces."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter1d

from sspvs.features.backbones import Backbone
from sspvs.features.text import sentence_similarity
from sspvs.report.sentences import clock_text
from sspvs.selection.pauses import Speech
from sspvs.selection.sentences import cut
from sspvs.types import Cue, FloatArray, FrameFeatures, Guidance, IntArray, Shots, SoundTrace, Summary
from sspvs.weights.digest import REMEDY

UNRELATED_SENTENCES = 0.12
"""How much the similarities of a title and sentences that have nothing to do with it vary: 0.10 over sentences of all
kinds, more within a talk."""
_LEAST, _FULL = 2.0, 4.0  # such variations above the video's lower quartile: what begins to fit, and what fits
_AROUND_SECONDS = 1.5  # before and after a frame: what is seen there counts as well
_STEP_SECONDS = 0.05
_LONGEST_NAME = 60  # letters of a chapter's name


WORDS_ALONE = f"the title is compared by words alone; MiniLM finds more ({REMEDY})"


class Fit(NamedTuple):
    """How well each pick fits a title."""

    values: FloatArray  # (T,) in [0, 1]
    best_seconds: float | None  # where it fits best; None where nothing fits
    spoken: str  # the sentence that fits best there, or empty where what is seen fits better


def title_fit(title: str, features: FrameFeatures, backbone: Backbone, shots: Shots, spoken: Sequence[Cue]) -> Fit:
    """How well each pick fits a title by what is seen or spoken, whichever fits better.

    Both are measured in how much unrelated material varies, above the lower quartile of the video, so that they can be
    compared, and a title that fits nothing changes nothing: 2 and less is no fit, 4 a full one.

    Args:
        title: The text.
        features: Of the T picks, with a timeline.
        backbone: What made them.
        shots: Within which what is seen is averaged over a few seconds: a single frame is a guess.
        spoken: Sentences.
    """
    assert features.timeline is not None
    times = features.timeline.frame_seconds[features.picks]
    seen = _within_shots(backbone.text_fit(features.features, title), features.picks, times, shots)
    heard, which = np.zeros(len(times)), np.full(len(times), -1)
    for number, (sentence, alike) in enumerate(
        zip(spoken, sentence_similarity(title, [sentence.text for sentence in spoken]), strict=True)
    ):
        first, last = np.searchsorted(times, [sentence.start, sentence.end]).tolist()
        part = slice(max(first - 1, 0) if first == last else first, max(last, first, 1))
        which[part] = np.where(heard[part] < alike, number, which[part])
        heard[part] = np.maximum(heard[part], alike)
    by_eye, by_ear = (values - np.quantile(values, 0.25) for values in (seen, heard / UNRELATED_SENTENCES))
    fit = np.maximum(by_eye, by_ear)
    best = int(fit.argmax())
    values = np.clip((fit - _LEAST) / (_FULL - _LEAST), 0, 1)
    if not values.any():
        return Fit(values, None, "")
    heard_best = by_ear[best] >= by_eye[best] and which[best] >= 0
    return Fit(values, float(times[best]), spoken[which[best]].text if heard_best else "")


def _within_shots(values: FloatArray, picks: IntArray, times: FloatArray, shots: Shots) -> FloatArray:
    """(T,) moving means of (T,) values over a few seconds, none across a cut."""
    width = 1 + 2 * round(_AROUND_SECONDS / max(float(np.median(np.diff(times))), 1e-3)) if len(times) > 1 else 1
    edges = np.searchsorted(picks, shots.bounds[:, 0])
    parts = [part for part in np.split(values, edges[1:]) if len(part)]
    smooth: FloatArray = np.concatenate([uniform_filter1d(part, width, mode="nearest") for part in parts])
    return smooth


def guidance(pieces: IntArray, without: IntArray, fit: Fit) -> Guidance:
    """What a title changed: pieces of which less than half is in the choice (M, 2) that is made without it."""
    shared = np.minimum(pieces[:, None, 1], without[:, 1]) - np.maximum(pieces[:, None, 0], without[:, 0])
    kept = 2 * np.maximum(shared, 0).sum(axis=1) >= pieces[:, 1] - pieces[:, 0]
    return Guidance(int((~kept).sum()), len(pieces), fit.best_seconds, shortened(fit.spoken))


def with_sentences(sound: SoundTrace | None, sentences: Sequence[Cue], end_seconds: float) -> Speech | None:
    """Speech with the ends of its sentences; without sound, speech is where the sentences are."""
    speech = None if sound is None else Speech(sound.speech, sound.step, sound.loudness)
    if not sentences:
        return speech
    ends = np.array([sentence.end for sentence in sentences])
    if speech is None:
        times = np.arange(0, end_seconds, _STEP_SECONDS)
        spoken = np.zeros(len(times))
        for sentence in sentences:
            spoken[(times >= sentence.start) & (times < sentence.end - 2 * _STEP_SECONDS)] = 1
        speech = Speech(spoken, _STEP_SECONDS)
    return speech._replace(ends=ends)


def chapters(summary: Summary, sentences: Sequence[Cue]) -> list[tuple[float, str]]:
    """(seconds in the clip, name) of each piece: its time in the source, and the first whole sentence spoken in it."""
    found, lengths = [], {sentence.text: sentence.end - sentence.start for sentence in sentences}
    for (at, start, _, speed), spoken in zip(summary.plays, cut(sentences, summary.plays), strict=True):
        whole = [cue.text for cue in spoken if cue.end - cue.start > 0.8 * lengths[cue.text]]
        text = (whole or [cue.text for cue in spoken] or [""])[0]
        if speed == 1:
            found.append((at, clock_text(start) + (f", {shortened(text)}" if text else "")))
    return found


def shortened(text: str) -> str:
    """A text of at most 60 letters, cut between words."""
    text = " ".join(text.split())
    if len(text) <= _LONGEST_NAME:
        return text
    head, space, _ = text[:_LONGEST_NAME].rpartition(" ")
    return f"{head if space else text[: _LONGEST_NAME - 1]}…"
