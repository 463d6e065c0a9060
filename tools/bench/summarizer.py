"""The summarizer at published size: a fine-tuning step, scoring, and a video of two hours.

    python tools/bench/summarizer.py                              # step, scoring and two hours
    python tools/bench/summarizer.py --parts step --rounds 5
    python tools/bench/summarizer.py --parts long --picks 14400 --heads progressive csta-small

The reference is the progressive summarizer written plainly from its description with torch's own Transformer, in the
same process and in turns, so that a busy machine slows both alike; ratios are medians over the rounds. Step: B 4,
T 320, 1024-D, 4 stages, mean squared error, Adam, dropout on, float32, no padding. Scoring: one video of 320 picks at
a time (torch's Transformer takes its fused path there). The long video has a process of its own for each head, so that
the peak memory is its own; what the imports, the model and the features take is listed separately.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from measure import own_peak_mb
from torch import Tensor, nn

DIM, STAGES = 1024, 4
HEADS = ("progressive", "linear", "attention", "csta-small")
Run = Callable[[], object]


class PlainSummarizer(nn.Module):
    """No masks, no windows, no text: the equations and torch's layers."""

    def __init__(self, dim: int = DIM, stages: int = STAGES) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        place = torch.arange(5000, dtype=torch.float32)[:, None]
        rate = torch.exp(torch.arange(0, dim, 2, dtype=torch.float32) * (-math.log(10000.0) / dim))
        table = torch.zeros(1, 5000, dim)
        table[0, :, 0::2], table[0, :, 1::2] = torch.sin(place * rate), torch.cos(place * rate)
        self.register_buffer("table", table)
        self.dropout = nn.Dropout(0.1)
        layer = nn.TransformerEncoderLayer(dim, 8, 4 * dim, 0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.heads = nn.ModuleList(nn.Sequential(nn.Dropout(0.1), nn.Linear(dim, 1)) for _ in range(stages))

    def forward(self, x: Tensor) -> Tensor:  # (B, T, D) -> (B, T)
        score = torch.ones(x.shape[:2])
        for head in self.heads:
            states = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
            states = self.dropout(states + 0.1 * self.table[:, : states.shape[1]])
            s = torch.sigmoid(head(self.encoder(states)[:, 1:] + x))
            x = x * s + x
            score = score * s[..., 0]
        return score


def our_model(head: str, *, torch_linears: bool = False) -> nn.Module:
    from sspvs.models.fast_linear import use_fast_linears
    from sspvs.models.settings import VideoEncoderSettings
    from sspvs.models.summarizer import Summarizer, SummarizerSettings
    from sspvs.models.video_encoder import VideoEncoder

    tower = VideoEncoder(VideoEncoderSettings(DIM, DIM, position_weight=0.1))
    model = Summarizer(tower, SummarizerSettings(head=head, num_stages=STAGES if head == "progressive" else 1))
    use_fast_linears(model, "torch" if torch_linears else None)
    return model


def contestants(heads: list[str]) -> dict[str, tuple[nn.Module, Callable[[nn.Module, Tensor], Tensor]]]:
    """Models, and how each makes (B, T) scores of (B, T, D) features."""

    def ours(model: nn.Module, frames: Tensor) -> Tensor:
        return model(frames, torch.ones(frames.shape[:2], dtype=torch.bool)).scores

    found = {"plain": (PlainSummarizer(), lambda model, frames: model(frames))}
    for head in heads:
        found[head] = (our_model(head), ours)
        if head == "progressive":
            found["progressive, torch's linears"] = (our_model(head, torch_linears=True), ours)
    return found


def step_of(name: str, model: nn.Module, score: Callable[[nn.Module, Tensor], Tensor]) -> Run:
    from sspvs.tasks.saved_task import freeze_unused

    g = torch.Generator().manual_seed(0)
    frames, target = torch.randn(4, 320, DIM, generator=g), torch.rand(4, 320, generator=g)
    model.train()
    if name != "plain":
        freeze_unused(model, [score(model, frames[:1, :2]).sum()])  # as the task does
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=1e-4, fused=None if name == "plain" else True)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.mse_loss(score(model, frames), target).backward()
        optimizer.step()

    return step


def scoring_of(model: nn.Module, score: Callable[[nn.Module, Tensor], Tensor]) -> Run:
    frames = torch.randn(1, 320, DIM, generator=torch.Generator().manual_seed(0))
    model.eval()

    def run() -> None:
        with torch.inference_mode():
            score(model, frames)

    return run


def in_turns(runs: dict[str, Run], rounds: int) -> dict[str, tuple[float, float, float]]:
    """Of each: median seconds, and the median ratios of its seconds and its processor time to `plain`'s."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            started, busy = time.perf_counter(), time.process_time()
            run()
            if turn:  # the first one warms up
                taken[name].append((time.perf_counter() - started, time.process_time() - busy))
    ratios = {
        name: [statistics.median(a[i] / b[i] for a, b in zip(clocks, taken["plain"], strict=True)) for i in (0, 1)]
        for name, clocks in taken.items()
    }
    return {name: (statistics.median(a for a, _ in taken[name]), *ratios[name]) for name in runs}


def long_video(head: str, picks: int, max_frames: int | None) -> None:
    """Score one long video in this process; a line of JSON."""
    import dataclasses

    model = our_model(head).eval()
    if max_frames is not None:
        model.settings = dataclasses.replace(model.settings, max_frames=max_frames, overlap=max_frames // 8)
    frames = torch.randn(1, picks, DIM)
    mask = torch.ones(1, picks, dtype=torch.bool)
    before = own_peak_mb()
    started, busy = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        scores = model(frames, mask).scores
    seconds, cpu = time.perf_counter() - started, time.process_time() - busy
    assert bool(scores.isfinite().all())
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mb": own_peak_mb(), "before_mb": before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["step", "scoring", "long"], choices=["step", "scoring", "long"])
    parser.add_argument("--heads", nargs="+", default=list(HEADS), choices=HEADS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picks", type=int, default=14400, help="of the long video: two hours at 2 Hz")
    parser.add_argument("--windows", type=int, help="score the long video in windows of so many frames")
    parser.add_argument("--work", choices=HEADS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.work:
        long_video(args.work, args.picks, args.windows)
        return
    for part in ("step", "scoring"):
        if part not in args.parts:
            continue
        models = contestants(args.heads)
        runs = {name: step_of(name, *how) if part == "step" else scoring_of(*how) for name, how in models.items()}
        print(f"{part:30}{'seconds':>9}{'of plain':>10}{'of its CPU':>12}" + f"{'videos/s':>10}" * (part == "scoring"))
        for name, (seconds, ratio, of_cpu) in in_turns(runs, args.rounds).items():
            rate = f"{1 / seconds:10.1f}" if part == "scoring" else ""
            print(f"{name:30}{seconds:9.3f}{ratio:10.2f}{of_cpu:12.2f}{rate}", flush=True)
    if "long" not in args.parts:
        return
    print(f"{f'{args.picks} picks':30}{'seconds':>9}{'CPU s':>8}{'peak MiB':>10}{'before MiB':>12}")
    for head in args.heads:
        command = [sys.executable, __file__, "--work", head, "--picks", str(args.picks), "--threads", str(args.threads)]
        command += ["--windows", str(args.windows)] if args.windows else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seen = json.loads(done.stdout)
        print(
            f"{head:30}{seen['seconds']:9.1f}{seen['cpu_seconds']:8.1f}{seen['peak_mb']:10.0f}{seen['before_mb']:12.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
