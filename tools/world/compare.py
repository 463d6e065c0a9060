"""What pretraining, text, stages and heads are worth to the summarizer: every fold, several worlds, one table.

    python tools/world/ablate.py  --out ablation --variants all shuffled       # pretraining, a world a seed
    python tools/world/compare.py --pretraining ablation --out comparison
    python tools/world/compare.py --pretraining clips --out c --set data.world.settings.clips=clips.h5

Each row is `sspvs crossval` with configs/finetune/synthetic.yaml on world 0, 1, ... (another seed: other concepts,
videos and people), from the checkpoint that was pretrained on that world. What is done stays in OUT: the same command
goes on where it stopped. Kendall's tau under `per-user`, mean over all tested videos of all worlds with its bootstrap
95 % interval, and the standard deviation between worlds; `against` is the paired difference to the first row.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

from rows import add_arguments, crossval, folder_of, line, make_all, taus

CONFIG = Path(__file__).parents[2] / "configs" / "finetune" / "synthetic.yaml"


class Variant(NamedTuple):
    """A row: which pretraining it starts from (None: from nothing), and what it sets."""

    pretraining: str | None
    settings: dict[str, str] = {}  # noqa: RUF012  never changed


GUIDANCE, HEAD, STAGES = "model.summarizer.text_guidance", "model.summarizer.head", "model.summarizer.num_stages"
VARIANTS = {
    "pretrained": Variant("all"),
    "from scratch": Variant(None),
    "pretrained, texts shuffled": Variant("shuffled"),
    "pretrained, no text": Variant("all", {GUIDANCE: "none"}),
    "from scratch, no text": Variant(None, {GUIDANCE: "none"}),
    "pretrained, text added": Variant("all", {GUIDANCE: "added"}),
    "pretrained, cross-attention": Variant("all", {GUIDANCE: "cross-attention"}),
    "1 stage": Variant("all", {STAGES: "1"}),
    "2 stages": Variant("all", {STAGES: "2"}),
    "4 stages": Variant("all", {STAGES: "4"}),
    "mse alone": Variant("all", {"model.losses.pairwise": "0"}),
    "linear, no text": Variant(None, {HEAD: "linear", STAGES: "1", GUIDANCE: "none"}),
    "attention, no text": Variant(None, {HEAD: "attention", STAGES: "1", GUIDANCE: "none"}),
    "csta-small, no text": Variant(None, {HEAD: "csta-small", STAGES: "1", GUIDANCE: "none"}),
}
BASELINES = ("contrastive", "contrastive, A alone", "random", "human", "consensus")


def run(name: str, seed: int, args: argparse.Namespace) -> None:
    """One row on one world."""
    variant = VARIANTS[name]
    start = "null"
    if variant.pretraining is not None:
        start = str(Path(args.pretraining).resolve() / f"{variant.pretraining}-{seed}/version_0/pretrained/last")
    settings = {
        "model.pretrained": start, "data.world.seed": str(seed),
        "data.world.folder": str(Path(args.pretraining).resolve() / "worlds"), **variant.settings,
    }  # fmt: skip
    crossval(args.config, folder_of(args.out, name, seed), settings, args)


def table(names: list[str], seeds: int, out: str) -> str:
    """A line a row, then the rows beside, which are the same in all of them."""
    lines = ["| | tau | 95 % interval | between worlds | against the first row | worlds |", "|---|---|---|---|---|---|"]
    folders = {name: [folder_of(out, name, seed) for seed in range(seeds)] for name in names}
    first = taus(folders[names[0]])
    for name in names:
        if worlds := taus(folders[name]):
            lines.append(line(name, worlds, first if name != names[0] else ()))
    if first:
        lines += [line(row, taus(folders[names[0]], row), first) for row in BASELINES]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pretraining", required=True, help="OUT of ablate.py, with the same --set of the world")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    add_arguments(parser)
    args = parser.parse_args()
    done = make_all(lambda name, seed: run(name, seed, args), args.variants, args)
    print(table(args.variants, args.seeds, args.out))
    raise SystemExit(0 if done else 1)


if __name__ == "__main__":
    main()
