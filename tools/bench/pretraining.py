"""One pretraining step at the published size, against the plain implementation in tests/models/plain_sspvs.py.

    python tools/bench/pretraining.py                        # plain and every variant of ours, in turns
    python tools/bench/pretraining.py --variants default lean --steps 4
    python tools/bench/pretraining.py --profile lean         # where the time goes

Both: B 8, T 256, L 64, 1024-D, BERT-base trained from random weights, dropout on, float32, Adam 1e-6. Each run has a
process of its own; peak memory is that of the process, and what the imports take is told apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIANTS: dict[str, dict[str, bool]] = {
    "unfused": {"fused": False},
    "default": {},
    "checkpointing": {"checkpointing": True},
    "step-in-backward": {"step_in_backward": True},
    "lean": {"checkpointing": True, "step_in_backward": True},
}
Step = Callable[[], None]


def material(batch: int = 8, picks: int = 256, length: int = 64) -> dict[str, Any]:
    import torch

    g = torch.Generator().manual_seed(0)
    return {
        "frames": torch.randn(batch, picks, 1024, generator=g),
        "tokens": torch.randint(0, 30522, (batch, length), generator=g),
        "masked_index": torch.randint(0, picks, (batch,), generator=g),
        "is_match": torch.arange(batch) % 2 == 0,
    }


def plain_step(given: dict[str, Any]) -> Step:
    import torch
    from transformers import BertConfig, BertModel

    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "models"))
    from plain_sspvs import PlainSspvs

    model = PlainSspvs(BertModel(BertConfig())).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-6)

    def step() -> None:
        optimizer.zero_grad()
        terms = model.loss_terms(**given)
        (terms["coarse_loss"] + terms["fine_loss"] + 5 * terms["mask_loss"]).backward()
        optimizer.step()

    return step


def our_step(given: dict[str, Any], how: dict[str, bool]) -> Step:
    import torch

    from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
    from sspvs.tasks.optim import build_optimizer, parameter_groups
    from sspvs.tasks.pretrain import PretrainTask
    from sspvs.tasks.settings import OptimSettings

    again = how.get("checkpointing", False)
    optim = OptimSettings(
        name="adam",
        lr=1e-6,
        weight_decay=0.0,
        schedule="constant",
        fused=how.get("fused"),
        step_in_backward=how.get("step_in_backward", False),
    )
    video = VideoEncoderSettings(gradient_checkpointing=again)
    text = TextEncoderSettings(config={"model_type": "bert"}, attend_padding=True, gradient_checkpointing=again)
    task = PretrainTask(video, text, optim=optim).train()
    optimizer = build_optimizer(parameter_groups(task, optim), optim)
    masks = {
        "frame_mask": torch.ones(given["frames"].shape[:2], dtype=torch.bool),
        "token_mask": torch.ones(given["tokens"].shape, dtype=torch.bool),
    }

    def closure() -> None:
        optimizer.zero_grad()
        task.total(task.loss_terms(**given, **masks)).backward()

    return lambda: optimizer.step(closure)


def once(which: str, steps: int, threads: int, profile: bool) -> None:
    """One contestant, reported as JSON."""
    import pytorch_lightning  # noqa: F401  both would run under it
    import torch
    from measure import own_peak_mb
    from transformers import BertModel  # noqa: F401

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    base = own_peak_mb()
    given = material()
    step = plain_step(given) if which == "plain" else our_step(given, VARIANTS[which])
    seconds = []
    for _ in range(steps + 1):  # the first one makes the optimiser's state
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    if profile:
        with torch.profiler.profile() as watched:
            step()
        print(watched.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=45))
        return
    print(json.dumps({"seconds": statistics.median(seconds[1:]), "peak_mb": own_peak_mb(), "imports_mb": base}))


def run_once(which: str, args: argparse.Namespace, *more: str) -> str:
    command = [sys.executable, __file__, "--once", which, "--steps", str(args.steps), "--threads", str(args.threads)]
    return subprocess.run([*command, *more], check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a run; their median counts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--profile", choices=["plain", *VARIANTS], help="print where this one's time goes")
    parser.add_argument("--once", choices=["plain", *VARIANTS], help=argparse.SUPPRESS)
    parser.add_argument("--profiled", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        once(args.once, args.steps, args.threads, args.profiled)
        return
    if args.profile:
        print(run_once(args.profile, args, "--profiled"))
        return
    print(f"{'':18}{'seconds':>9}{'of plain':>10}{'peak MiB':>10}{'of plain':>10}{'imports MiB':>13}{'without':>9}")
    plain: dict[str, float] = {}
    for which in ["plain", *args.variants]:
        run = json.loads(run_once(which, args).strip().splitlines()[-1])
        plain = plain or run
        above = (run["peak_mb"] - run["imports_mb"]) / (plain["peak_mb"] - plain["imports_mb"])
        print(
            f"{which:18}{run['seconds']:9.2f}{run['seconds'] / plain['seconds']:10.2f}{run['peak_mb']:10.0f}"
            f"{run['peak_mb'] / plain['peak_mb']:10.2f}{run['imports_mb']:13.0f}{above:9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
