"""`sspvs data world`: write a world of synthetic videos with text, to pretrain, fine-tune and evaluate on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sspvs.commands.arguments import file_name

if TYPE_CHECKING:
    from sspvs.world import World

DESCRIPTION = (
    "Write a world of synthetic videos: long videos made of clips, texts that name what matters in them, and people "
    "who annotate them. Manifests and features to pretrain on, a dataset in the community's layout with folds to "
    "fine-tune and evaluate on, and the truth. Clips are drawn (no download), or real ones with captions. The same "
    "settings and seed give the same bytes; no clip is in training and in test. `--knobs` explains every setting."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write into")
    parser.add_argument(
        "--clips",
        type=file_name,
        default="drawn",
        metavar="drawn|FILE.h5|FOLDER",
        help="where clips come from: drawn (default), an h5 file with a group a clip (features; attributes caption, "
        "concept, category, rate_hz), or a folder of such files and .npz",
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    parser.add_argument("--pretrain", type=int, metavar="N", help="videos to pretrain on (default: 500)")
    parser.add_argument("--val", type=int, metavar="N", help="videos to validate pretraining on (default: 100)")
    parser.add_argument("--annotated", type=int, metavar="N", help="videos with annotators (default: 60)")
    parser.add_argument(
        "--set",
        dest="changes",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="any other setting, such as wording.shuffled=pretrain or drawn.feature_dim=1024; may be repeated",
    )
    parser.add_argument("--knobs", action="store_true", help="list every setting with its default, and stop")


def run(args: argparse.Namespace) -> int:
    """Write the world and print what is in it."""
    if args.knobs:
        from sspvs.world.settings import knobs

        for knob in knobs():
            print(f"{knob.name} = {knob.default}\n    {knob.doc}")
        return 0
    from sspvs.world import WorldSettings, write_world
    from sspvs.world.settings import settings_values

    if args.out is None:
        raise ValueError("give --out DIR, the folder to write into")
    values: dict[str, Any] = settings_values(args.changes)
    chosen = {"pretrain_train": args.pretrain, "pretrain_val": args.val, "annotated": args.annotated}
    values |= {name: value for name, value in chosen.items() if value is not None}
    if args.clips != "drawn":
        values["clips"] = str(args.clips)
    world = write_world(args.out, WorldSettings.from_dict(values), args.seed, progress=True)
    _report(world, args.out)
    return 0


def _report(world: World, out: Path) -> None:
    settings, source = world.settings, world.source
    print(
        f"{out}: world {world.digest[:16]}, seed {world.seed}: {len(source.clips)} clips of {len(source.concepts)} "
        f"concepts, {source.feature_dim}-D at {source.rate_hz:g} Hz"
    )
    for part, pool in world.pools.items():
        shared = "" if part == "train" else f", {world.shared_concepts(part, 'train')} of them known from train"
        print(f"  {part:<8}{sum(map(len, pool.values())):>6} clips of {len(pool)} concepts{shared}")
    if settings.pretrain_train + settings.pretrain_val:
        print(f"  pretrain/           {settings.pretrain_train} + {settings.pretrain_val} videos with text")
    if settings.annotated:
        people = settings.annotators
        print(f"  summarization.h5    {settings.annotated} videos, {people.people} people each ({people.kind})")
        print(f"  splits.json         {settings.folds} folds that share no clip")
    print("  world.json          the truth: clips, concepts and importance of every video")
