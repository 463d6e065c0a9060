"""What contrastive refinement gives: every fold, several worlds, one table of the unsupervised modes.

    python tools/world/refine.py --out refinement
    python tools/world/refine.py --out r --set data.world.settings.clips=clips.h5

Each refinement is `sspvs crossval` with configs/refine/synthetic.yaml on world 0, 1, ... (another seed: other concepts,
videos and people), and gives three rows: local dissimilarity A, times global consistency G, times uniqueness H. Beside
them stand the same two of the features as they are, random scores and people. What is done stays in OUT: the same
command goes on where it stopped. Kendall's tau under `per-user`, mean over all tested videos of all worlds with its
bootstrap 95 % interval, and the standard deviation between worlds; `against` is the paired difference to the same terms
without training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rows import add_arguments, crossval, folder_of, line, make_all, taus

CONFIG = Path(__file__).parents[2] / "configs" / "refine" / "synthetic.yaml"
_UNTRAINED = {"trainer.max_steps": "1", "model.optim.lr": "1e-30", "data.world_unlabelled": "false"}  # no weight moves
_PUBLISHED_SIZES = {"embed_dim": "256", "num_layers": "4", "head_dim": "64", "feedforward_dim": "512"}
VARIANTS: dict[str, dict[str, str]] = {
    "as in the config": {},
    "published weights": {"model.losses.alignment": "1"},
    "untrained": _UNTRAINED,
    "untrained, published sizes": {
        **_UNTRAINED,
        **{f"model.refiner.{name}": size for name, size in _PUBLISHED_SIZES.items()},
    },
    "without unlabelled videos": {"data.world_unlabelled": "false", "trainer.max_epochs": "40"},
}
"""What each refinement sets."""
METHOD = "refined A*G*H"
TERMS = {"refined A": "contrastive, A alone", "refined A*G": "contrastive", METHOD: "contrastive"}
"""A row of a refinement -> the row without training that it is held against."""
WITHOUT_TRAINING = ("contrastive, A alone", "contrastive", "random", "human")


def run(variant: str, seed: int, args: argparse.Namespace) -> None:
    """One refinement on one world."""
    worlds = Path(args.worlds or args.out).resolve() / "worlds"
    settings = {"data.world.seed": str(seed), "data.world.folder": str(worlds), **VARIANTS[variant]}
    crossval(CONFIG, folder_of(args.out, variant, seed), settings, args)


def table(args: argparse.Namespace) -> str:
    """Without training first, then three lines a refinement."""
    lines = ["| | tau | 95 % interval | between worlds | against the same without training | worlds |"]
    lines.append("|---|---|---|---|---|---|")
    for number, variant in enumerate(args.variants):
        folders = [folder_of(args.out, variant, seed) for seed in range(args.seeds)]
        if not taus(folders):
            continue
        if number == 0:
            lines += [line(row, taus(folders, row)) for row in WITHOUT_TRAINING]
        for row, without in TERMS.items():
            found = taus(folders, None if row == METHOD else row)
            lines.append(line(f"{row}, {variant}", found, taus(folders, without)))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", help="OUT of ablate.py, whose worlds are used again (default: made in --out)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    add_arguments(parser)
    args = parser.parse_args()
    done = make_all(lambda variant, seed: run(variant, seed, args), args.variants, args)
    print(table(args))
    raise SystemExit(0 if done else 1)


if __name__ == "__main__":
    main()
