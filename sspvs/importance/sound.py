"""Importance from sound: what is louder than its surroundings, and what sounds like laughter or applause."""

import numpy as np

from sspvs.types import FloatArray, SoundTrace

_MOMENT_SECONDS, _AROUND_SECONDS = 1.0, 30.0
_LOUD_DECIBELS = 12.0  # above the usual level around it, from which a moment counts in full
_NOISY = (0.15, 0.45)  # mean spectral flatness of a second, of voices and music, and of a clapping crowd
_AUDIBLE_DECIBELS = 20.0  # below the loud moments around it, from which noise is background


def sound_importance(sound: SoundTrace) -> FloatArray:
    """Importance of each moment by its sound alone.

    The larger of two terms: how many decibels a second is above the median of the half minute around it, and how much
    it is like noise that is no speech, which laughter and applause are, as far as it is loud enough to be heard.

    Args:
        sound: K moments.

    Returns:
        (K,) in [0, 1].
    """
    moment = max(1, round(_MOMENT_SECONDS / sound.step))
    power = 10 ** (sound.loudness.astype(np.float64) / 10)
    energy = _smooth(power, moment)
    loudness = 10 * np.log10(energy)
    usual, loudest = _around(loudness, round(_AROUND_SECONDS / sound.step), moment)
    loud = np.clip((loudness - usual) / _LOUD_DECIBELS, 0, 1)
    few, many = _NOISY
    noise = _smooth(power * sound.noise * (1 - sound.speech), moment) / energy
    noisy = np.clip((noise - few) / (many - few), 0, 1)
    audible = np.clip(1 - (loudest - loudness) / _AUDIBLE_DECIBELS, 0, 1)
    importance: FloatArray = np.maximum(loud, noisy * audible)
    return importance


def with_sound(scores: FloatArray, seconds: FloatArray, sound: SoundTrace, weight: float) -> FloatArray:
    """Scores of which a part comes from sound; they keep the range they have.

    Args:
        scores: (T,) importance of the picks.
        seconds: (T,) when each pick is shown; it stands for what is heard up to the next one.
        sound: Of the video.
        weight: Of the sound: 0 leaves the scores as they are, 1 replaces them.

    Returns:
        (T,) scores.
    """
    low, span = scores.min(), (scores.max() - scores.min()) or 1.0
    heard = np.append(0.0, np.cumsum(sound_importance(sound))) * sound.step  # up to each moment
    at = np.append(seconds, 2 * seconds[-1] - seconds[-2] if len(seconds) > 1 else seconds[-1] + 1)
    until = np.interp(at, sound.step * np.arange(len(heard)), heard)
    blended: FloatArray = (1 - weight) * scores + weight * (low + span * np.diff(until) / np.diff(at))
    return blended.astype(scores.dtype)


def _smooth(values: FloatArray, width: int) -> FloatArray:
    """(K,) means over `width` values around each."""
    sums = np.append(0.0, np.cumsum(values, dtype=np.float64))
    index = np.arange(len(values))
    first, last = np.maximum(index - width // 2, 0), np.minimum(index + (width + 1) // 2, len(values))
    means: FloatArray = (sums[last] - sums[first]) / (last - first)
    return means


def _around(values: FloatArray, width: int, step: int) -> tuple[FloatArray, FloatArray]:
    """(K,) the median, and the 95th percentile, of `width` values around each, computed at every `step`-th."""
    centres = np.arange(0, len(values), step)
    near = [np.percentile(values[max(0, at - width // 2) : at + width // 2 + 1], [50, 95]) for at in centres]
    usual, loudest = np.array(near).T
    index = np.arange(len(values))
    return np.interp(index, centres, usual), np.interp(index, centres, loudest)
