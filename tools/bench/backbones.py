"""Images per second of the backbones, each table against the engine in its first line.

    python tools/bench/backbones.py [--batch 32] [--rounds 5]            # EfficientNet-Lite0 on the CPU
    python tools/bench/backbones.py --device cuda [--batch 256]          # the same, and open_clip ViT-B-32, on a GPU

Contestants take turns in one process, so that a busy machine slows all of them; speeds are medians over the
rounds. The last column is the largest difference of any feature from the first line's, and in brackets the
largest feature. `encode` is timed as extraction uses it: uint8 frames in, float32 features out, transfers included.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from sspvs.features.backbones import Backbone, load_backbone
from sspvs.features.backbones.efficientnet_lite import EfficientNetLite0
from sspvs.types import ImageArray


def pictures(count: int, side: int) -> ImageArray:
    """Blocks of colour with noise: neither flat nor pure noise."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 224, (count, 8, 8, 3)), np.ones((1, side // 8, side // 8, 1), np.int64))
    return (blocks + rng.integers(0, 32, (count, side, side, 3))).astype(np.uint8)


def compare(title: str, contestants: dict[str, Backbone], batch: int, rounds: int) -> None:
    first = next(iter(contestants.values()))
    frames = pictures(batch, first.resize.pixels)
    features = {name: backbone.encode(frames) for name, backbone in contestants.items()}  # warms up, too
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, backbone in contestants.items():
            started = time.perf_counter()
            backbone.encode(frames)
            seconds[name].append(time.perf_counter() - started)
    reference = next(iter(contestants))
    slowest, expected = statistics.median(seconds[reference]), features[reference]
    print(f"\n{title}, batch {batch}, {rounds} rounds")
    for name in contestants:
        median = statistics.median(seconds[name])
        difference = np.abs(features[name] - expected).max()
        print(
            f"  {name:28s} {batch / median:9.1f} images/s  {slowest / median:6.2f} x"
            f"   max difference {difference:.1e} ({np.abs(expected).max():.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None, help="CPU threads of both engines")
    settings = parser.parse_args()
    if settings.threads is not None:
        import torch

        torch.set_num_threads(settings.threads)
    lite: dict[str, Backbone] = {
        "torch eager, cpu": EfficientNetLite0(device="cpu", engine="torch"),
        "onnxruntime, cpu": EfficientNetLite0(device="cpu", engine="onnxruntime", threads=settings.threads),
    }
    if settings.device == "cpu":
        compare("efficientnet-lite0", lite, settings.batch, settings.rounds)
        return
    halves = ("fp32", "fp16", "bf16")
    on_gpu = {f"torch, cuda {kind}": EfficientNetLite0(device="cuda", precision=kind) for kind in halves}
    compare("efficientnet-lite0", {**on_gpu}, settings.batch, settings.rounds)
    name = "open_clip:ViT-B-32/random"
    compare(
        name,
        {f"torch, cuda {kind}": load_backbone(name, device="cuda", precision=kind) for kind in halves},
        settings.batch,
        settings.rounds,
    )


if __name__ == "__main__":
    main()
