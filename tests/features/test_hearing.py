"""What is heard: drawn sounds against SciPy, and a listener beside the pictures of real files."""

import subprocess
import threading

import numpy as np
import pytest
import scipy.signal
import scipy.stats

from sspvs.errors import DecodeTimeoutError
from sspvs.features import hearing
from sspvs.features.hearing import Listener, hear
from sspvs.features.speech import RATE_HZ, STEP_SAMPLES, speech_probabilities
from sspvs.types import Timeline
from sspvs.video import open_video

SECOND = np.arange(RATE_HZ) / RATE_HZ


def drawn():
    """A second each of silence, a tone, a louder tone and noise."""
    tone = 0.1 * np.sin(2 * np.pi * 880 * SECOND)
    noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ)
    return np.concatenate([0 * tone, tone, 2 * tone, noise]).astype(np.float32)


def test_loudness_and_noise_as_scipy_has_them():
    sound = drawn()
    heard = hear([sound])
    steps = sound.reshape(-1, STEP_SAMPLES)
    np.testing.assert_allclose(heard.loudness, 10 * np.log10((steps**2).mean(axis=1) + 1e-10), atol=1e-3)
    hertz, _, power = scipy.signal.spectrogram(
        sound, RATE_HZ, np.hanning(STEP_SAMPLES), noverlap=0, detrend=False, mode="psd"
    )
    noise = power[(hertz >= 500) & (hertz < 5000), -30:]
    expected = scipy.stats.gmean(noise, axis=0) / noise.mean(axis=0)
    np.testing.assert_allclose(heard.noise[-30:], expected, rtol=1e-3)
    np.testing.assert_array_equal(heard.speech, speech_probabilities([sound]))


def test_levels_and_kinds_of_sound():
    heard = hear([drawn()])

    def at(second):
        return slice(int(second / heard.step) + 2, int((second + 1) / heard.step) - 2)

    assert heard.loudness[at(0)].max() < -99
    np.testing.assert_allclose(heard.loudness[at(1)], 10 * np.log10(0.1**2 / 2), atol=0.2)
    np.testing.assert_allclose(heard.loudness[at(2)] - heard.loudness[at(1)].mean(), 6.02, atol=0.3)
    assert heard.noise[at(1)].max() < 0.01
    assert abs(heard.noise[at(3)].mean() - np.exp(-np.euler_gamma)) < 0.05  # of white noise


@pytest.mark.parametrize("block", [100, 7000])
def test_blocks_do_not_matter(block):
    sound = drawn()
    whole, parts = hear([sound]), hear(sound[first : first + block] for first in range(0, len(sound), block))
    for name in ("speech", "loudness", "noise"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-4)


def listened(path, **facts):
    with open_video(path) as video:
        video.scan()
        timeline = facts.get("timeline", video.timeline)
        with Listener(60) as listener:
            listener.start(video.info)
            return listener, listener.result(timeline), list(video.sound(RATE_HZ))


@pytest.mark.parametrize("name", ["montage.mp4", "pancake.mkv", "sample_demo_1.mp4"])
def test_heard_beside_the_pictures_as_after_them(shared_data, name):
    listener, heard, sound = listened(shared_data / "videos" / name)
    after = hear(sound)
    assert not listener.failure
    assert 0 <= len(after.speech) - len(heard.speech) <= 40  # it may end before the pictures do
    for part in ("loudness", "speech", "noise"):
        one, other = getattr(heard, part)[:-1], getattr(after, part)[: len(heard.speech) - 1]
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_a_clock_that_is_not_the_files_own_is_followed(shared_data):
    path = shared_data / "videos" / "sample_demo_1.mp4"
    with open_video(path) as video:
        video.scan()
        timeline = video.timeline
        (seconds, raw), *_ = timeline.origins
    late = Timeline(timeline.frame_seconds, timeline.end_seconds, ((seconds, raw - 2.0),))
    _, heard, _ = listened(path, timeline=late)
    _, usual, _ = listened(path)
    steps = round(2.0 / usual.step)
    assert (heard.loudness[: steps - 1] < -99).all()
    one, other = heard.loudness[steps:], usual.loudness[: len(heard.loudness) - steps]
    assert np.corrcoef(one[: len(other)], other)[0, 1] > 0.9


def test_nothing_is_heard_where_there_is_no_sound(shared_data):
    listener, heard, _ = listened(shared_data / "videos" / "corrupted.mp4")
    assert heard is None
    assert not listener.failure


def test_sound_that_cannot_be_decoded_is_none(tmp_path):
    path = tmp_path / "odd.mkv"
    source = ["-f", "lavfi", "-i", "testsrc2=s=64x64:d=1", "-f", "lavfi", "-i", "sine=d=1"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-c:a", "flac", str(path)], check=True)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"A_FLAC", b"A_FLAK"))
    assert path.read_bytes() != whole
    listener, heard, _ = listened(path)
    assert heard is None
    assert not listener.failure


@pytest.mark.parametrize("error", [DecodeTimeoutError("gave nothing for 60 s"), RuntimeError("no network")])
def test_a_failure_is_a_sentence(shared_data, monkeypatch, error):
    def fail(_sound):
        raise error

    monkeypatch.setattr(hearing, "hear", fail)
    listener, heard, _ = listened(shared_data / "videos" / "sample_demo_1.mp4")
    assert heard is None
    assert str(error) in listener.failure


def test_leaving_stops_the_thread(shared_data):
    with open_video(shared_data / "videos" / "montage.mp4") as video, Listener(60) as listener:
        listener.start(video.info)
    assert not any(thread.name == "hearing" for thread in threading.enumerate())
