"""How much of the demo's summaries shows what the title names, over drawn films of other seeds.

    sspvs demo --out sspvs-demo
    python tools/world/films.py sspvs-demo                  # 20 films: half with the demo's title, half with others
    python tools/world/films.py sspvs-demo --first 200      # other films

Each film is drawn in variants that nothing was trained on and summarised as the demo summarises its own. A film with
another title shows the things of another place in the same plan. Beside the shares: the areas under the ROC curve of
the text fit and of the final score, over the frames that were looked at.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from sspvs.demo.folder import SHOWN, TEXT, DemoFolder, draw_film, seconds_named, share_named
from sspvs.demo.whole import summarize_film
from sspvs.table.text import TextFields
from sspvs.world.painted import PLACES
from sspvs.world.things import THINGS


def others(seed: int) -> tuple[dict[str, str], TextFields]:
    """Things of a drawn place for those of the demo's, things of other places for the rest; and the text."""
    generator = np.random.default_rng(seed)
    place = int(generator.integers(len(PLACES)))
    home = {thing.name: thing.place for thing in THINGS}
    of_place = generator.permutation([name for name in home if home[name] == place]).tolist()
    elsewhere = generator.permutation([name for name in home if home[name] != place]).tolist()
    shown = dict.fromkeys(shot.thing for shot in SHOWN)
    named = [name for name in shown if name in TEXT.title]
    own = [*named, *(name for name in shown if PLACES[home[name]].name == TEXT.category and name not in named)]
    instead = dict(zip([*own, *(name for name in shown if name not in own)], [*of_place, *elsewhere], strict=False))
    return instead, TextFields(category=PLACES[place].name, title=" and ".join(instead[name] for name in named))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", type=Path, help="folder of `sspvs demo`")
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--first", type=int, default=100, help="seed of the first film")
    parser.add_argument("--ratio", type=float, default=0.15)
    args = parser.parse_args()
    rows = []
    for seed in range(args.first, args.first + args.films):
        instead, text = others(seed) if seed % 2 else ({}, TEXT)
        with tempfile.TemporaryDirectory() as folder:
            video = draw_film(Path(folder) / "film.mp4", seed, instead=instead)
            trained, contrastive = summarize_film(DemoFolder(args.demo), args.ratio, text, video)
        whole = trained.timeline.end_seconds
        seconds = trained.timeline.frame_seconds[trained.picks]
        named = np.array([seconds_named([(second, second + 0.01)]) > 0 for second in seconds])
        aucs = [roc_auc_score(named, values) for values in (trained.curves["text_fit"], trained.scores)]
        shares = [share_named(trained), share_named(contrastive), seconds_named([(0.0, whole)]) / whole]
        rows.append([seed % 2, *aucs, *shares])
        print(f"{seed}: {text.title}: " + " ".join(f"{value:.2f}" for value in rows[-1][1:]), flush=True)
    print("| films | AUC of text fit | AUC of score | share, trained | share, untrained | share of the video |")
    print("|---|---|---|---|---|---|")
    table = np.array(rows)
    for name, kept in (
        ("the demo's title", table[:, 0] == 0),
        ("other titles", table[:, 0] == 1),
        ("all", slice(None)),
    ):
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in table[kept, 1:].mean(axis=0)) + " |")


if __name__ == "__main__":
    main()
