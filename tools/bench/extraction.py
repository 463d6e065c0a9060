"""Feature extraction against the loop that peers use: every frame in full, one picked frame at a time.

    python tools/bench/extraction.py VIDEO [--rounds 3] [--minutes 0]
    python tools/bench/extraction.py VIDEO --device cuda --backbone open_clip:ViT-B-32/random --precision fp16

The loop decodes every frame, converts it to a full-size RGB array, takes every 15th, resizes it with PIL and gives
it to the same network in eager torch, batch 1. `loop, GoogLeNet` is that loop with the network that peers run (random
weights: only its speed matters); `--no-googlenet` leaves it out. Ours takes as many picks (a rate of fps / 15) from
the same video. All take turns in one process, so that a busy machine slows them alike; ratios are of medians. Peak
memory (Linux) is that of a process of its own with its children. `--minutes M` repeats the video's packets to that
length. A last table gives the network alone, batch by batch.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from measure import repeat_video, run_measured, take_turns
from PIL import Image

from sspvs.features.backbones import Backbone, load_backbone
from sspvs.features.extract import Sampling, extract_to_file, extract_video
from sspvs.types import FloatArray
from sspvs.video import Resize, open_video

STRIDE = 15


def eager(backbone: Backbone, device: str, precision: str) -> Backbone:
    """The same network in eager torch."""
    if backbone.engine == "onnxruntime":
        from sspvs.features.backbones.efficientnet_lite import EfficientNetLite0

        return EfficientNetLite0(device=device, precision=precision, engine="torch")
    return backbone


def googlenet_encoder(device: str) -> Callable[[np.ndarray], np.ndarray]:
    """The peers' own network in eager torch."""
    import torch
    import torchvision

    from sspvs.features.backbones.base import frame_encoder

    network = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=False).eval().to(device)
    network.fc = torch.nn.Identity()
    mean, scale = [123.7, 116.3, 103.5], [58.4, 57.1, 57.4]
    return frame_encoder(network, mean=mean, scale=scale, device=device, dtype=torch.float32)


def one_at_a_time(video: Path, resize: Resize, encode: Callable[[np.ndarray], np.ndarray]) -> FloatArray:
    """The peers' loop."""
    features = []
    with av.open(str(video)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            image = frame.to_ndarray(format="rgb24")  # every frame, at full size
            if index % STRIDE == 0:
                picture = Image.fromarray(image)
                size = resize.target_size(picture.width, picture.height)
                features.append(encode(np.array(picture.resize(size, Image.Resampling.BILINEAR))[None])[0])
    return np.stack(features)


def count_frames(video: Path) -> tuple[int, float]:
    """Frames of a video, and picks per second that take every 15th."""
    with open_video(video) as reader:
        reader.scan()
        return reader.timeline.n_frames, reader.timeline.n_frames / reader.timeline.end_seconds / STRIDE


def contestants(video: Path, args: argparse.Namespace, rate_hz: float, only: str) -> dict[str, Callable[[], object]]:
    """What is compared; the reference first."""
    backbone = load_backbone(args.backbone, device=args.device, precision=args.precision)

    def to_file() -> None:
        with tempfile.TemporaryDirectory() as folder:
            extract_to_file(
                [video], Path(folder) / "f.h5", backbone, Sampling(rate_hz=rate_hz, batch_size=args.batch_size)
            )

    work: dict[str, Callable[[], object]] = {}
    if only in ("", "loop"):
        network = eager(backbone, args.device, args.precision)
        work["loop"] = lambda: one_at_a_time(video, network.resize, network.encode)
    if only in ("", "loop, GoogLeNet") and not args.no_googlenet:
        googlenet = googlenet_encoder(args.device)
        work["loop, GoogLeNet"] = lambda: one_at_a_time(video, Resize(), googlenet)
    if only in ("", "ours"):
        work["ours"] = lambda: extract_video(video, backbone, Sampling(rate_hz=rate_hz, batch_size=args.batch_size))
    if only in ("", "ours, to a file"):
        work["ours, to a file"] = to_file
    return work


def network_table(args: argparse.Namespace) -> None:
    """Images per second of the network alone."""
    backbone = load_backbone(args.backbone, device=args.device, precision=args.precision)
    width, height = backbone.resize.target_size(640, 360)
    frames = np.random.default_rng(0).integers(0, 256, (args.batch_size, height, width, 3), dtype=np.uint8)
    print(f"\nnetwork alone: {backbone.name}, {backbone.engine} on {backbone.device}, precision {args.precision}")
    for batch in sorted({1, min(8, args.batch_size), args.batch_size}):
        backbone.encode(frames[:batch])  # warm
        times = []
        for _ in range(5):
            started = time.perf_counter()
            backbone.encode(frames[:batch])
            times.append(time.perf_counter() - started)
        print(f"  batch {batch:4d} {batch / statistics.median(times):10.0f} images/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--backbone", default="efficientnet-lite0")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=0.0, help="repeat the video to this length")
    parser.add_argument("--no-googlenet", action="store_true", help="leave out the loop with the peers' own network")
    parser.add_argument("--no-memory", action="store_true", help="skip the peak memory runs")
    parser.add_argument("--only", default="", help=argparse.SUPPRESS)  # one contestant, once: a memory run
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = args.video
        if args.minutes:
            video = Path(folder) / f"long{video.suffix}"
            repeat_video(args.video, 60 * args.minutes, video)
        n_frames, rate_hz = count_frames(video)
        work = contestants(video, args, rate_hz, args.only)
        if args.only:
            work[args.only]()
            return
        take_turns(work, 1)  # warm
        seconds = take_turns(work, args.rounds)
        print(f"{args.video.name}: {n_frames} frames, {-(-n_frames // STRIDE)} picks, {args.backbone} on {args.device}")
        print(f"  {'':16s} {'frames/s':>9s} {'picks/s':>8s} {'ratio':>6s} {'peak MB':>8s}")
        for name, value in seconds.items():
            peak = "-"
            if not args.no_memory:
                options = ["--backbone", args.backbone, "--device", args.device, "--precision", args.precision]
                options += ["--batch-size", str(args.batch_size), "--only", name]
                peak = f"{run_measured([sys.executable, __file__, str(video), *options]).peak_mb:.0f}"
            per_second = n_frames / value
            ratio = seconds["loop"] / value
            print(f"  {name:16s} {per_second:9.0f} {per_second / STRIDE:8.1f} {ratio:6.2f} {peak:>8s}")
    network_table(args)


if __name__ == "__main__":
    main()
