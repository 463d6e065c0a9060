"""Which decoder is faster for what, what isolation costs, whether memory is flat, how fast clips are written.

    python tools/bench/decoding.py --videos ../shared/data/videos [--rounds 5] [--minutes 10]

Contestants take turns in one process, so that a busy machine slows all of them; ratios are against the decoder
named in the first line of each table (medians over the rounds).
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from measure import repeat_video, take_turns

from sspvs.video import VideoReader, list_videos, open_video, write_clips


def show(title: str, seconds: dict[str, float], amount: float, unit: str) -> None:
    reference = next(iter(seconds))
    print(f"\n{title}")
    for name, value in seconds.items():
        print(f"  {name:24s} {amount / value:10.0f} {unit}   {seconds[reference] / value:6.2f} x {reference}")


def drain(reader: VideoReader, rate_hz: float) -> int:
    return sum(len(chunk.picks) for chunk in reader.sample(rate_hz))


def bench_streaming(videos: list[Path], rounds: int) -> None:
    for path in videos:

        def whole(decoder: str, isolated: bool, path: Path = path) -> None:
            with open_video(path, decoder=decoder, isolated=isolated) as reader:
                drain(reader, 2.0)

        with open_video(path) as reader:
            reader.scan()
            n_frames = reader.timeline.n_frames
        contestants = {
            "decord": lambda: whole("decord", False),
            "pyav": lambda: whole("pyav", False),
            "pyav, own process": lambda: whole("pyav", True),
        }
        show(f"open and sample at 2 Hz: {path.name}", take_turns(contestants, rounds), n_frames, "frames/s")


def bench_sparse(videos: list[Path], rounds: int) -> None:
    for path in videos:
        readers = {name: open_video(path, decoder=name, isolated=False) for name in ("decord", "pyav")}
        readers["pyav"].scan()
        n_frames = min(reader.timeline.n_frames for reader in readers.values())
        for count in (8, 40):
            random = np.random.default_rng(0)
            wanted = sorted(random.choice(n_frames, size=min(count, n_frames), replace=False).tolist())
            contestants = {name: partial(reader.frames_at, wanted) for name, reader in readers.items()}
            show(f"{len(wanted)} random frames: {path.name}", take_turns(contestants, rounds), len(wanted), "frames/s")


def resident_kib(process_id: int | str) -> int:
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def peak_while(process_id: int, work: Callable[[], object]) -> int:
    """Highest resident memory of a process while something is done, in KiB."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, resident_kib(process_id))

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return peak


def bench_memory(source: Path, folder: Path) -> None:
    print("\npeak resident memory of the decoding process, sampling at 2 Hz")
    for minutes in (1, 10):
        path = folder / f"{minutes}.mp4"
        repeat_video(source, 60 * minutes, path)
        with open_video(path) as reader:
            child = reader._ready_child().process_id  # type: ignore[attr-defined]
            peak = peak_while(child, lambda reader=reader: drain(reader, 2.0))
            print(f"  {minutes:3d} minutes ({reader.timeline.n_frames} frames): {peak / 1024:.0f} MiB")


def bench_writing(source: Path, folder: Path, minutes: float) -> None:
    path = folder / "long.mp4"
    repeat_video(source, 60 * minutes, path)
    starts = np.linspace(1, 60 * minutes - 10, 18)
    started = time.perf_counter()
    clip = write_clips(path, [(float(start), float(start) + 5.0) for start in starts], folder / "out.mp4")
    took = time.perf_counter() - started
    print(f"\n{clip.seconds:.0f} s of summary from {minutes:g} minutes of {clip.width}x{clip.height}: {took:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, nargs="+", required=True, help="video files or folders")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the video for the writer")
    parser.add_argument("--only", choices=("streaming", "sparse", "memory", "writing"), help="one part")
    arguments = parser.parse_args()
    usable = []
    for path in list_videos(arguments.videos):
        with open_video(path) as reader:
            reader.scan()
            if reader.timeline.n_frames >= 40 and not reader.decode_report.corrupt_frames:
                usable.append(path)
    largest = max(usable, key=_pixels)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.only in (None, "streaming"):
            bench_streaming(usable, arguments.rounds)
        if arguments.only in (None, "sparse"):
            bench_sparse(usable, arguments.rounds)
        if arguments.only in (None, "memory"):
            bench_memory(largest, Path(folder))
        if arguments.only in (None, "writing"):
            bench_writing(largest, Path(folder), arguments.minutes)


def _pixels(path: Path) -> int:
    with open_video(path) as reader:
        return reader.info.width * reader.info.height


if __name__ == "__main__":
    main()
