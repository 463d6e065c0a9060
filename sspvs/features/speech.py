"""Where people speak, by Silero VAD, a small recurrent network whose package carries its weights (MIT licence).

Only the file of weights is used; the package itself is not imported.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from sspvs.errors import WeightsNotFoundError
from sspvs.types import FloatArray
from sspvs.weights.digest import check_digest, package_folder

RATE_HZ = 16_000
"""Samples a second that the network hears."""
STEP_SAMPLES = 512
STEP_SECONDS = STEP_SAMPLES / RATE_HZ
"""Time between two probabilities."""
PACKAGE, FILE_NAME = "silero_vad", "data/silero_vad_16k_sequence.onnx"
WEIGHTS_DIGEST = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"
REMEDY = 'pip install "silero-vad==6.2.3"'
_CONTEXT = 64  # samples before each step that the network hears again
_STEPS = 1024  # in one call
_STATE = (1, 1, 128)


def speech_probabilities(sound: Iterable[FloatArray]) -> FloatArray:
    """The probability that someone speaks.

    Args:
        sound: (n,) blocks of samples in [-1, 1], one after the other, `RATE_HZ` a second.

    Returns:
        (K,) float32, one for every `STEP_SECONDS`; silence fills up the last step.

    Raises:
        WeightsNotFoundError: The package is not installed, or its weights are others.
    """
    network = _network()
    hidden, cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
    before, found = np.zeros(_CONTEXT, np.float32), []
    for steps in steps_of(sound):
        earlier = np.concatenate([before[None], steps[:-1, -_CONTEXT:]])
        inputs = {"input": np.concatenate([earlier, steps], axis=1), "h": hidden, "c": cell}
        probabilities, hidden, cell = network.run(None, inputs)
        before = steps[-1, -_CONTEXT:]
        found.append(probabilities)
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def steps_of(sound: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """(k, 512) steps of (n,) blocks of samples, `_STEPS` at a time; silence fills up the last one."""
    most = _STEPS * STEP_SAMPLES
    held = np.zeros(0, np.float32)
    for block in sound:
        held = np.concatenate([held, block.astype(np.float32, copy=False)])
        while len(held) >= most:
            yield held[:most].reshape(-1, STEP_SAMPLES)
            held = held[most:]
    if len(held):
        yield np.pad(held, (0, -len(held) % STEP_SAMPLES)).reshape(-1, STEP_SAMPLES)


@lru_cache(maxsize=1)
def _network() -> Any:
    import onnxruntime

    folder = package_folder(PACKAGE)
    if folder is None:
        raise WeightsNotFoundError(f"finding speech needs the package silero-vad: {REMEDY}")
    path = folder / FILE_NAME
    check_digest(path, WEIGHTS_DIGEST, REMEDY)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # a step is too small to be shared
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
