"""Speech probabilities: the network step by step, and real sound."""

import numpy as np
import onnxruntime
import pytest

from sspvs.features.speech import PACKAGE, RATE_HZ, STEP_SAMPLES, speech_probabilities
from sspvs.video import open_video
from sspvs.weights.digest import package_folder

# The package's own network for one step at a time, another file than ours.
STEPWISE = package_folder(PACKAGE) / "data" / "silero_vad_16k_op15.onnx"


def voice(seconds, seed=0):
    """A buzz with formants that is switched on and off: enough like a voice to be uncertain about."""
    at = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 120 * k * at) / k for k in range(1, 30))
    return (0.1 * buzz * (np.sin(2 * np.pi * 0.7 * at) > 0)).astype(np.float32)


def test_as_the_network_one_step_at_a_time():
    sound = voice(5)
    network = onnxruntime.InferenceSession(str(STEPWISE))
    state, before, expected = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for start in range(0, len(sound) - STEP_SAMPLES + 1, STEP_SAMPLES):
        step = sound[start : start + STEP_SAMPLES]
        inputs = {"input": np.concatenate([before, step])[None], "state": state, "sr": np.array(RATE_HZ)}
        probability, state = network.run(None, inputs)
        expected.append(float(probability[0, 0]))
        before = step[-64:]
    found = speech_probabilities([sound])
    np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-3)


@pytest.mark.parametrize("block", [100, 512, 7000, 10**6])
def test_blocks_do_not_matter(block):
    sound = voice(40)
    parts = [sound[first : first + block] for first in range(0, len(sound), block)]
    np.testing.assert_allclose(speech_probabilities(parts), speech_probabilities([sound]), atol=1e-5)


def test_no_sound_and_silence():
    assert speech_probabilities([]).shape == (0,)
    assert speech_probabilities([np.zeros(100, np.float32)]).shape == (1,)
    assert speech_probabilities([np.zeros(RATE_HZ * 3, np.float32)]).max() < 0.2


def test_the_sound_of_a_file_is_on_the_clock_of_its_pictures(shared_data):
    with open_video(shared_data / "videos" / "montage.mp4") as video:
        blocks = list(video.sound(RATE_HZ))
        assert sum(map(len, blocks)) == round(video.timeline.end_seconds * RATE_HZ)
        assert np.abs(np.concatenate(blocks)).max() > 0.01
    with open_video(shared_data / "videos" / "corrupted.mp4") as video:
        assert list(video.sound()) == []
