"""Contrastive refinement at published size: a training step, and scoring one long video.

    python tools/bench/refiner.py                                 # both
    python tools/bench/refiner.py --parts step --rounds 10 --threads 1
    python tools/bench/refiner.py --parts long --picks 20000 --heads 1 8

The reference is the network and its four terms written plainly from their description: softmax over all frames,
squared distances of all pairs, a full sort for the neighbours; vectorised, in the same process and in turns, so that a
busy machine slows both alike. Step: B 32 clips of 200 frames, 1024-D, one head, Adam, float32, no padding; both start
from the same weights, and the differences of their terms and gradients are printed first (two frames that are equally
near in float32 may change places: one neighbour of 128,000 moves the gradient by some 5e-5). The long video has a
process of its own for each number of heads: the network, then the importance with neighbours from the raw features;
what the imports, the model and the features take is listed separately.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import torch
from measure import own_peak_mb
from summarizer import Run, in_turns
from torch import Tensor, nn
from torch.nn import functional

DIM, EMBED, HIDDEN, HEAD_DIM, CLIPS, FRAMES, SEGMENTS, NEIGHBOURS = 1024, 256, 512, 64, 32, 200, 20, 20
WEIGHTS = {"alignment_loss": 1.0, "uniformity_loss": 0.5, "commonness_loss": 0.1, "uniqueness_loss": 0.1}


class PlainAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.in_projection = nn.Linear(EMBED, 3 * HEAD_DIM, bias=False)
        self.out_projection = nn.Linear(HEAD_DIM, EMBED, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, E)
        q, k, v = self.in_projection(x).chunk(3, dim=-1)
        return self.out_projection(torch.softmax(q @ k.transpose(1, 2) / HEAD_DIM**0.5, dim=-1) @ v)


class PlainLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = PlainAttention()
        self.linear1, self.linear2 = nn.Linear(EMBED, HIDDEN), nn.Linear(HIDDEN, EMBED)
        self.norm1, self.norm2 = nn.LayerNorm(EMBED, eps=1e-6), nn.LayerNorm(EMBED, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.linear2(torch.relu(self.linear1(x))))


class PlainHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.hidden, self.out = PlainLayer(), nn.Linear(EMBED, 128), nn.Linear(128, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.hidden(self.layer(x))))[..., 0]


class PlainRefiner(nn.Module):
    """No masks, no fused attention; the names of ours, so that it takes the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.input_projection, self.input_norm = nn.Linear(DIM, EMBED), nn.LayerNorm(EMBED, eps=1e-6)
        self.layers = nn.ModuleList(PlainLayer() for _ in range(4))
        self.uniqueness_head = PlainHead()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.input_norm(self.input_projection(x))
        for layer in self.layers:
            x = layer(x)
        return x, self.uniqueness_head(x.detach())


def plain_terms(model: nn.Module, raw: Tensor) -> dict[str, Tensor]:
    """The four terms, pair by pair."""
    refined, logits = model(raw)
    z, anchors = functional.normalize(refined, dim=-1), functional.normalize(raw, dim=-1)
    distances = 2 - 2 * z @ z.transpose(1, 2)  # (B, T, T)
    nearest = torch.argsort(anchors @ anchors.transpose(1, 2), dim=-1, descending=True)[..., :NEIGHBOURS]
    segments = functional.normalize(z.unflatten(1, (SEGMENTS, -1)).mean(dim=2), dim=-1).flatten(0, 1)  # (B S, E)
    common = torch.log(torch.exp(4 * z @ segments.T).mean(dim=-1))  # (B, T)
    low, high = common.amin(1, keepdim=True), common.amax(1, keepdim=True)
    target = 1 - (0.25 + 0.5 * (common - low) / (high - low + 1e-9)).detach()
    return {
        "alignment_loss": distances.gather(2, nearest).mean(),
        "uniformity_loss": torch.log(torch.exp(-2 * distances).mean(dim=-1)).mean(),
        "commonness_loss": common.mean(),
        "uniqueness_loss": functional.binary_cross_entropy(torch.sigmoid(logits), target),
    }


def our_terms(model: nn.Module, raw: Tensor) -> dict[str, Tensor]:
    from sspvs.tasks.refine import refine_terms
    from sspvs.tasks.settings import RefineLossSettings

    mask = torch.ones(raw.shape[:2], dtype=torch.bool)
    return refine_terms(RefineLossSettings(), model(raw, mask), raw, mask)


def our_model(*, heads: int = 1, torch_linears: bool = False) -> nn.Module:
    from sspvs.models.fast_linear import use_fast_linears
    from sspvs.models.refiner import Refiner
    from sspvs.models.settings import RefinerSettings

    model = Refiner(RefinerSettings(num_heads=heads))
    use_fast_linears(model, "torch" if torch_linears else None)
    return model


def drawn(clips: int, frames: int) -> Tensor:
    """(B, T, D) features with scenes of 10 frames; not negative, as those of GoogLeNet."""
    g = torch.Generator().manual_seed(0)
    scenes = torch.randn(clips, -(-frames // 10), DIM, generator=g).repeat_interleave(10, dim=1)[:, :frames]
    return (scenes + 0.5 * torch.randn(clips, frames, DIM, generator=g)).clamp(min=0)


def bench_step(rounds: int) -> None:
    """Times of a training step, and how far the two implementations are apart."""
    plain, raw = PlainRefiner(), drawn(CLIPS, FRAMES)
    runs: dict[str, Run] = {}
    seen: dict[str, tuple[dict[str, float], Tensor]] = {}
    for name in ("plain", "ours", "ours, torch's linears"):
        model = plain if name == "plain" else our_model(torch_linears="torch's" in name)
        model.load_state_dict(plain.state_dict())
        make = plain_terms if name == "plain" else our_terms
        fused = None if name == "plain" else True
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-4, fused=fused)

        def total(model: nn.Module = model, make=make) -> tuple[Tensor, dict[str, float]]:
            terms = make(model, raw)
            loss = sum(WEIGHTS[term] * value for term, value in terms.items())
            return loss, {term: float(value.detach()) for term, value in terms.items()}

        def step(optimizer=optimizer, total=total) -> None:
            optimizer.zero_grad()
            total()[0].backward()
            optimizer.step()

        loss, terms = total()
        loss.backward()
        seen[name] = terms, torch.cat([p.grad.flatten() for p in model.parameters()])
        runs[name] = step
    for name, (terms, gradient) in seen.items():
        reference, expected = seen["plain"]
        apart = max(abs(terms[term] - reference[term]) for term in terms)
        of_gradient = float((gradient - expected).norm() / expected.norm())
        print(f"{name:30}terms differ by at most {apart:.1e}, gradients by {of_gradient:.1e} of their length")
    print(f"\n{f'step, {CLIPS} x {FRAMES} x {DIM}':30}{'seconds':>9}{'of plain':>10}{'of its CPU':>12}")
    for name, (seconds, ratio, of_cpu) in in_turns(runs, rounds).items():
        print(f"{name:30}{seconds:9.3f}{ratio:10.2f}{of_cpu:12.2f}", flush=True)


def long_video(heads: int, picks: int) -> None:
    """Score one long video in this process; a line of JSON."""
    from sspvs.importance.contrastive import contrastive_importance

    model, frames = our_model(heads=heads).eval(), drawn(1, picks)
    mask, raw = torch.ones(1, picks, dtype=torch.bool), frames[0].numpy()
    before, started, busy = own_peak_mb(), time.perf_counter(), time.process_time()
    with torch.inference_mode():
        out = model(frames, mask)
        refined, unique = out.features[0].numpy(), out.uniqueness_logits[0].sigmoid().numpy()
    network = {"network_s": time.perf_counter() - started, "network_cpu_s": time.process_time() - busy}
    after = own_peak_mb()
    found = contrastive_importance(refined, raw=raw, uniqueness=unique, combine="agh")
    whole = {"seconds": time.perf_counter() - started, "cpu_s": time.process_time() - busy}
    assert bool(torch.from_numpy(found.scores).isfinite().all())
    print(json.dumps({**network, **whole, "before_mb": before, "network_mb": after, "peak_mb": own_peak_mb()}))


def bench_long(args: argparse.Namespace) -> None:
    """A process for each number of heads."""
    columns = ("network_s", "network_cpu_s", "seconds", "cpu_s", "before_mb", "network_mb", "peak_mb")
    print(f"{f'{args.picks} picks x {DIM}':24}" + "".join(f"{column:>15}" for column in columns))
    for heads in args.heads:
        command = [sys.executable, __file__, "--work", str(heads)]
        command += ["--picks", str(args.picks), "--threads", str(args.threads)]
        seen = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{f'heads: {heads}':24}" + "".join(f"{seen[column]:15.1f}" for column in columns), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["step", "long"], choices=["step", "long"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picks", type=int, default=20000, help="of the long video: 2 h 47 min at 2 Hz")
    parser.add_argument("--heads", type=int, nargs="+", default=[1, 8], help="of the network that scores it")
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.work:
        long_video(args.work, args.picks)
        return
    if "step" in args.parts:
        bench_step(args.rounds)
    if "long" in args.parts:
        bench_long(args)


if __name__ == "__main__":
    main()
