"""What the benches share: long videos from short ones, fair turns, peak memory (Linux)."""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av


class Measured(NamedTuple):
    seconds: float
    peak_mb: float


def _tree_mb(root: int, kind: str) -> float:
    """Memory of a process and its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    total = 0.0
    for pid in family:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(float(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))
        except OSError:
            continue
    return total / 1024


def run_measured(command: list[str], *, every_seconds: float = 0.1, kind: str = "Pss") -> Measured:
    """Run `command` to its end; raises when it fails.

    Args:
        command: Its words.
        every_seconds: Between two looks at its memory.
        kind: `Pss`: pages that processes share, also with others on the machine, are divided among them; `Rss`: they
            count in each.
    """
    peak = 0.0
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr or []))
    reader.start()
    while process.poll() is None:
        peak = max(peak, _tree_mb(process.pid, kind))
        time.sleep(every_seconds)
    seconds = time.perf_counter() - start
    reader.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {''.join(errors)[-2000:]}")
    return Measured(seconds, peak)


def take_turns(contestants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each contestant; they take turns, so that a busy machine slows them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def own_peak_mb() -> float:
    """The most memory this process has held so far."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def repeat_video(clip: Path, seconds: float, out: Path) -> Path:
    """A longer video: the packets of a short one again and again; nothing is encoded anew."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as target:
        length = float(source.duration / av.time_base) + 0.1  # room for the reordering at the seam
        chosen = [*source.streams.video[:1], *source.streams.audio[:1]]
        copies = [target.add_stream_from_template(stream) for stream in chosen]
        for turn in range(max(1, round(seconds / length))):
            with av.open(str(clip)) as again:
                streams = [*again.streams.video[:1], *again.streams.audio[:1]]
                for packet in again.demux(streams):
                    if packet.dts is None:
                        continue
                    shift = round(turn * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = copies[streams.index(packet.stream)]
                    target.mux(packet)
    return out
