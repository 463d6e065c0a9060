"""One pretraining step at the published size, against the plain implementation in tests/models/plain_sspvs.py.

    python tools/bench/pretraining.py                        # plain and every variant of ours, in turns
    python tools/bench/pretraining.py --variants default lean --steps 4
    python tools/bench/pretraining.py --profile lean         # where the time goes

Both: B 8, T 256, L 64, 1024-D, BERT-base trained from random weights, dropout on, float32, Adam 1e-6. Each has a
process of its own, and they take turns step by step, so that a busy machine slows them alike: the ratio of times is
the median over the rounds. On a busy machine `--threads 1` and the ratio of processor time say more. Peak memory is
that of the process; what the imports take is listed separately.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIANTS: dict[str, dict[str, bool]] = {
    "unfused": {"fused": False},
    "torch-linears": {"torch_linears": True},
    "default": {},
    "checkpointing": {"checkpointing": True},
    "step-in-backward": {"step_in_backward": True},
    "lean": {"checkpointing": True, "step_in_backward": True},
    "lean-returned": {"checkpointing": True, "step_in_backward": True},
}
ENVIRONMENT = {
    # glibc keeps freed blocks of up to 32 MiB for itself; with this it gives those above 1 MB back at once.
    "lean-returned": {"MALLOC_MMAP_THRESHOLD_": "1000000"},
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
    from helpers.plain_sspvs import PlainSspvs

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

    from sspvs.data.batch import PretrainBatch
    from sspvs.models.fast_linear import use_fast_linears
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
    use_fast_linears(task, "torch" if how.get("torch_linears") else None)  # the trainer's setup does this
    optimizer = build_optimizer(parameter_groups(task, optim), optim)
    index = given["masked_index"][:, None]
    batch = PretrainBatch(
        frames=given["frames"],
        frame_mask=torch.ones(given["frames"].shape[:2], dtype=torch.bool),
        tokens=given["tokens"],
        token_mask=torch.ones(given["tokens"].shape, dtype=torch.bool),
        masked_index=index,
        masked_counted=torch.ones(index.shape, dtype=torch.bool),
        is_match=given["is_match"],
        ids=tuple(map(str, range(len(index)))),
    )

    def closure() -> None:
        optimizer.zero_grad()
        task.total(task.batch_terms(batch)).backward()

    return lambda: optimizer.step(closure)


def work(which: str, threads: int, profile: bool) -> None:
    """A step for each line on standard input, each answered by a line of JSON."""
    import pytorch_lightning  # noqa: F401  both would run under it
    import torch
    from measure import own_peak_mb
    from transformers import BertModel  # noqa: F401

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    base = own_peak_mb()
    given = material()
    step = plain_step(given) if which == "plain" else our_step(given, VARIANTS[which])
    step()  # the first one makes the optimiser's state
    if profile:
        with torch.profiler.profile() as watched:
            step()
        print(watched.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=45))
        return
    print("ready", flush=True)
    for _ in sys.stdin:
        started, busy = time.perf_counter(), time.process_time()
        step()
        figures = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - busy}
        print(json.dumps({**figures, "peak_mb": own_peak_mb(), "imports_mb": base}), flush=True)


class Contestant:
    """A process that makes one step for each request."""

    def __init__(self, which: str, threads: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--work", which, "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ENVIRONMENT.get(which, {})},
        )
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a contestant ended with {self.process.wait()}")
        return line

    def step(self) -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        figures: dict[str, float] = json.loads(self._line())
        return figures

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=3, help="rounds for each variant")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--profile", choices=["plain", *VARIANTS], help="print where this one's time goes")
    parser.add_argument("--work", choices=["plain", *VARIANTS], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work or args.profile:
        work(args.work or args.profile, args.threads, bool(args.profile))
        return
    print(
        f"{'':18}{'seconds':>9}{'plain s':>9}{'ratio':>7}{'of CPU':>8}{'peak MiB':>10}{'plain':>7}{'ratio':>7}", end=""
    )
    print(f"{'imports MiB':>13}{'ratio without':>15}")
    plain = Contestant("plain", args.threads)
    for which in args.variants:
        ours = Contestant(which, args.threads)
        rounds = [(ours.step(), plain.step()) for _ in range(args.steps)]
        ours.stop()
        seconds, reference = (statistics.median(run["seconds"] for run in side) for side in zip(*rounds, strict=True))
        ratio, of_cpu = (
            statistics.median(mine[clock] / other[clock] for mine, other in rounds)
            for clock in ("seconds", "cpu_seconds")
        )
        mine, other = rounds[-1]
        above = (mine["peak_mb"] - mine["imports_mb"]) / (other["peak_mb"] - other["imports_mb"])
        print(
            f"{which:18}{seconds:9.2f}{reference:9.2f}{ratio:7.2f}{of_cpu:8.2f}{mine['peak_mb']:10.0f}{other['peak_mb']:7.0f}"
            f"{mine['peak_mb'] / other['peak_mb']:7.2f}{mine['imports_mb']:13.0f}{above:15.2f}",
            flush=True,
        )
    plain.stop()


if __name__ == "__main__":
    main()
