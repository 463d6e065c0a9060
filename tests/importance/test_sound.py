"""Importance from sound, of drawn tones, bursts of noise like applause, and voices."""

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile
from scipy.signal import resample_poly

from sspvs.features.hearing import hear
from sspvs.features.speech import RATE_HZ
from sspvs.importance.sound import sound_importance, with_sound
from sspvs.types import SoundTrace

STEP = 0.032
N_SECONDS = 60
AT = np.arange(N_SECONDS * RATE_HZ) / RATE_HZ
MUSIC = sum(0.05 * np.sin(2 * np.pi * hertz * AT) for hertz in (220, 277, 330, 440))


def applause(seconds, rng):
    """Claps of many people: short bursts of noise at random times."""
    n = round(seconds * RATE_HZ)
    claps = np.zeros(n)
    claps[rng.integers(0, n, int(200 * seconds))] = rng.normal(size=int(200 * seconds))
    decay = np.exp(-np.arange(400) / 80) * rng.normal(size=400)
    found = np.convolve(claps, decay)[:n]
    return found / np.abs(found).std() / 4


def importance_at(sound, start, end):
    importance = sound_importance(hear([sound.astype(np.float32)]))
    seconds = np.arange(len(importance)) * STEP
    inside = (seconds > start + 0.5) & (seconds < end - 0.5)
    outside = (seconds < start - 1) | (seconds > end + 1)
    return importance[inside], importance[outside]


def test_applause_stands_out_of_music_that_is_as_loud():
    rng = np.random.default_rng(0)
    sound = MUSIC.copy()
    part = slice(20 * RATE_HZ, 26 * RATE_HZ)
    clapping = applause(6, rng)
    sound[part] = clapping * MUSIC.std() / clapping.std()
    inside, outside = importance_at(sound, 20, 26)
    assert inside.min() > 0.6
    assert outside.max() < 0.1


def test_a_louder_stretch_stands_out_and_an_even_level_does_not():
    sound = 0.1 * MUSIC
    sound[30 * RATE_HZ : 33 * RATE_HZ] *= 5
    inside, outside = importance_at(sound, 30, 33)
    assert inside.min() > 0.9
    assert outside.max() < 0.1
    assert sound_importance(hear([MUSIC.astype(np.float32)])).max() < 0.1


def test_hiss_far_below_the_sound_is_background():
    rng = np.random.default_rng(0)
    sound = np.where((AT % 4) < 3, MUSIC, rng.normal(0, 0.001, len(AT)))
    assert sound_importance(hear([sound.astype(np.float32)])).max() < 0.4


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng, a speech synthesiser")
def test_applause_after_a_talk_stands_out_of_the_talk(tmp_path):
    text = "It finds every cut while the frames are decoded, and so she sells six hundred sea shells. " * 4
    subprocess.run(["espeak-ng", "-w", str(tmp_path / "talk.wav"), text], check=True)
    rate, voice = wavfile.read(tmp_path / "talk.wav")
    voice = resample_poly(voice / 32768, RATE_HZ, rate)
    rng = np.random.default_rng(0)
    clapping = applause(5, rng)
    sound = np.concatenate([voice, clapping * voice.std() / clapping.std(), voice])
    end = len(voice) / RATE_HZ
    inside, outside = importance_at(sound, end, end + 5)
    assert inside.mean() > 0.5
    assert outside.mean() < 0.15


sounds = st.integers(1, 120).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 1, width=32), min_size=n, max_size=n),
        st.lists(st.floats(-100, 0, width=32), min_size=n, max_size=n),
        st.lists(st.floats(0, 1, width=32), min_size=n, max_size=n),
    )
)


@given(sounds)
def test_between_zero_and_one(columns):
    found = sound_importance(SoundTrace(*(np.array(column, np.float32) for column in columns), STEP))
    assert found.shape == (len(columns[0]),)
    assert ((found >= 0) & (found <= 1)).all()


def heard(seconds=20, loud=(8, 10)):
    at = np.arange(int(seconds / STEP)) * STEP
    loudness = np.where((at >= loud[0]) & (at < loud[1]), -10.0, -30.0).astype(np.float32)
    return SoundTrace(np.zeros(len(at), np.float32), loudness, np.zeros(len(at), np.float32), STEP)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.floats(0, 1))
def test_scores_keep_their_range(scores, weight):
    scores = np.array(scores)
    found = with_sound(scores, np.arange(len(scores)) * 0.5, heard(), weight)
    span = np.ptp(scores) or 1.0
    assert found.min() >= scores.min() - 1e-9
    assert found.max() <= scores.min() + span + 1e-9


def test_the_weight_goes_from_pictures_to_sound():
    seconds, scores = np.arange(40) * 0.5, np.random.default_rng(0).uniform(size=40)
    np.testing.assert_array_equal(with_sound(scores, seconds, heard(), 0.0), scores)
    alone = with_sound(scores, seconds, heard(), 1.0)
    assert set(alone.argsort()[-4:]) == {16, 17, 18, 19}  # what is loud, at 8 to 10 s
    half = with_sound(scores, seconds, heard(), 0.5)
    np.testing.assert_allclose(half, (scores + alone) / 2)


def test_pictures_that_go_on_after_the_sound_count_as_silent():
    seconds = np.arange(100) * 0.5
    found = with_sound(np.linspace(0, 1, 100), seconds, heard(), 1.0)
    assert (found[seconds > 21] == 0).all()
