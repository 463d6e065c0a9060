"""TVSum with I3D frames: every way of this package to score frames, on the same folds, in one table.

    python tools/real/tvsum.py --real DIR --annotations ydata-tvsum50.mat --splits tvsum_splits.json --out OUT
    python tools/real/tvsum.py ... --out OUT --rows ours,ridge+captions --seeds 1

DIR holds `tvsum/features.h5` (I3D rgb, perhaps with flow and sound side by side), `tvsum/captions.jsonl`,
`tvsum/pairs.jsonl`, and for pretraining `youtube_highlights/features.h5` and `pairs.jsonl`. Every tested video is
scored by what was learned without it: labels, and in pretraining frames and texts, are of the fold's training videos
alone (`pretrained-transductive` stands apart: it also pretrains on the tested videos, without their labels). Settings
are those of the configs, which were chosen on training videos. OUT/table.json is `{row: {tau, rho, ci95, seeds}}`,
per-user, the mean over seeds of each video; OUT/table.txt also has the paired differences. What is made once is used
again.

A row is a function of the material that gives each video's (tau, rho); `@row("name")` adds one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
from clips import shared_towers

import sspvs
from sspvs.annotations.splits import read_splits
from sspvs.evaluation.results import bootstrap_ci95, paired_bootstrap
from sspvs.table import FeatureStore, write_features

Figures = Mapping[str, tuple[float, float]]  # video -> (tau, rho)
CONFIGS = Path(__file__).parents[2] / "configs"
OURS, PRETRAIN, REFINE = "finetune/tvsum_i3d.yaml", "pretrain/highlights.yaml", "refine/tvsum.yaml"
CSTA = "finetune/tvsum_csta.yaml"
WIDTHS = {"rgb": 1024, "flow": 1024, "audio": 2048}
JOINED = {1024: ("rgb",), 2048: ("rgb", "flow"), 3072: ("rgb", "audio"), 4096: ("rgb", "flow", "audio")}
FRAMES = (
    *("--data.streams=[features]", "--model.video.normalise=sqrt+scale", "--model.video.stream_dropout=0"),
    *("--model.ridge.stream_weights=null", "--model.summarizer.text_guidance=none"),
)
"""The shipped setting with frames alone."""
NETWORK = (*FRAMES, "--model.ridge.share=0")
"""Its network, without ridge regression."""
WITHOUT_LABELS = ("--model.ridge.share=0", "--trainer.max_epochs=1")  # what is learned is no part of the scores
CAPTIONED = ("--data.streams=[features,captions]", "--model.video.normalise=sqrt+scale,scale")
LEFT_OUT = ("pretrained-transductive", "csta")  # pretrained with the tested videos; hours on a CPU
TWO = (*CAPTIONED, "--model.ridge.stream_weights=[1,1]")
FEW = 10  # annotated videos of the rows that have few


@dataclass(frozen=True)
class Material:
    """Where things are, and how often each row is made."""

    real: Path
    annotations: Path
    splits: Path
    out: Path
    seeds: int
    jobs: int

    @cached_property
    def dataset(self) -> Path:
        """The dataset of TVSum with all streams, captions among them; made unless it is there."""
        return self._built("tvsum.h5", captions=True)

    @cached_property
    def frames(self) -> Path:
        """The same with I3D rgb alone."""
        return self._built("tvsum_rgb.h5", only_rgb=True)

    @cached_property
    def captioned(self) -> Path:
        """The same with I3D rgb and captions alone."""
        return self._built("tvsum_captions.h5", only_rgb=True, captions=True)

    @cached_property
    def has_motion(self) -> bool:
        """Whether flow and sound are there beside I3D rgb."""
        return [name for name, _ in self.streams] == ["", "flow", "audio"]

    def _built(self, file: str, *, only_rgb: bool = False, captions: bool = False) -> Path:
        """A dataset of that name; made unless it is there."""
        path = self.out / file
        if path.is_file():
            return path
        streams = self.streams[:1] if only_rgb else self.streams
        words = [f"--features={name}={place}" if name else f"--features={place}" for name, place in streams]
        words += ["--captions", str(self.real / "tvsum/captions.jsonl")] if captions else []
        command = [sys.executable, "-m", "sspvs", "data", "build", "tvsum", "--annotations", str(self.annotations)]
        command += [*words, "--segmenter", "uniform", "--shot-seconds", "2", "--out", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return path

    @cached_property
    def streams(self) -> list[tuple[str, Path]]:
        """Name and feature file of each stream that is joined in the given file; the first has no name."""
        given = self.real / "tvsum/features.h5"
        with FeatureStore(given) as store:
            videos = list(store.values())
        width = videos[0].features.shape[1]
        if width not in JOINED:
            sys.exit(f"error: {given}: expected features of width {', '.join(map(str, JOINED))}, found {width}")
        if len(JOINED[width]) == 1:
            return [("", given)]
        found, start = [], 0
        for name in JOINED[width]:
            path = self.out / f"{name}.h5"
            columns = slice(start, start + WIDTHS[name])
            write_features(path, (replace(video, features=video.features[:, columns]) for video in videos))
            found.append(("" if not start else name, path))
            start = columns.stop
        return found

    @cached_property
    def few(self) -> Path:
        """The folds with the first `FEW` training videos of each alone."""
        path = self.out / "few.json"
        folds = [(fold.train[:FEW], fold.test) for fold in read_splits(self.splits).folds]
        lines = [{"train_keys": [one.key for one in a], "test_keys": [one.key for one in b]} for a, b in folds]
        path.write_text(json.dumps(lines), encoding="utf-8")
        return path

    def crossval(
        self, name: str, config: str, *words: str, dataset: Path | None = None, splits: Path | None = None
    ) -> Figures:
        """Figures of a cross-validation with a config of the package."""
        given = [f"--data.dataset={dataset or self.dataset}", f"--data.splits={splits or self.splits}", *words]
        result = sspvs.cross_validate(
            CONFIGS / config, self.out / "rows" / name, overrides=given, seeds=self.seeds, checkpoint_rule="last",
            keep="none", jobs=self.jobs, with_ridge=False, progress=True,
        )  # fmt: skip
        return {video.key: (video.kendall_tau, video.spearman_rho) for video in result.results["per-user"].videos}

    def baseline(self, name: str, dataset: Path | None = None) -> Figures:
        """Figures of a baseline of `sspvs evaluate`."""
        found = sspvs.evaluate(dataset or self.frames, baseline=name, splits=self.splits)  # type: ignore[arg-type]
        videos = found.methods[name]["per-user"].videos
        return {video.key: (video.kendall_tau, video.spearman_rho) for video in videos}

    def pretrained(self, kind: str) -> str:
        """Checkpoints of each fold's pretraining, `{fold}` in the place of its number; made unless they are there."""
        root = self.out / "pretrained" / kind
        for number, fold in enumerate(read_splits(self.splits).folds):
            folder = root / f"fold_{number}"
            if folder.is_dir():
                continue
            train = [ref.key for ref in fold.train]
            keys = [*train, *(ref.key for ref in fold.test)] if kind == "transductive" else train
            made = root / f"run_{number}"
            captioned = kind == "captioned"
            pairs = write_pairs(self, keys, made, shuffled=kind == "shuffled", captioned=captioned)
            given = {"data.train": str(pairs), "run.root": str(made), "seed_everything": number}
            if captioned:
                given |= {"data.streams": ["features", "captions"], "model.video.normalise": "sqrt+l2,l2"}
            run = sspvs.fit(CONFIGS / PRETRAIN, given)
            assert run.checkpoint is not None
            run.checkpoint.rename(folder)
        return str(root / "fold_{fold}")


def write_pairs(
    material: Material, keys: Sequence[str], out: Path, *, shuffled: bool = False, captioned: bool = False
) -> Path:
    """The manifest to pretrain on: rows of these TVSum videos with their title and captions, and the highlights.

    Args:
        material: Where the videos are.
        keys: The videos of TVSum whose frames and texts may be used. Labels are not read.
        out: Folder of the manifest and the rows' features.
        shuffled: Give each row and highlight another's texts.
        captioned: Put captions beside the frames, as a stream. Then they are not texts too: a row would find its own by
            heart.
    """
    out.mkdir(parents=True, exist_ok=True)
    names, titles = {}, {}
    for line in (material.real / "tvsum/pairs.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        names[one["path"].partition("#")[2]] = one["id"]
        titles[one["id"]] = one["title"]
    spoken: dict[str, list[tuple[int, str]]] = {}
    for line in (material.real / "tvsum/captions.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        spoken.setdefault(one["id"], []).append((one["frame"], one["caption"]))
    entries: list[dict[str, object]] = []
    with h5py.File(out / "rows.h5", "w") as file, h5py.File(material.captioned) as dataset:
        for key in keys:
            rows, picks = dataset[key]["features"][()], dataset[key]["picks"][()]
            sentences = dataset[key]["features_captions"][()]
            captions = spoken[names[key]]
            for row in range(len(rows)):
                low, high = picks[row], picks[row + 1] if row + 1 < len(picks) else np.inf
                texts = list(dict.fromkeys(text for frame, text in captions if low <= frame < high))
                name = f"{key}-{row}"
                group = file.create_group(name)
                group["features"] = rows[row : row + 1]
                fields = {"title": titles[names[key]]}
                if captioned:
                    group["features_captions"] = sentences[row : row + 1]
                else:
                    fields["description"] = "\n".join(texts)
                entries.append({"id": name, "path": f"rows.h5#{name}", **fields})
    highlights = material.real / "youtube_highlights"
    if (highlights / "pairs.jsonl").is_file():
        for line in (highlights / "pairs.jsonl").read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            entries.append({**one, "path": f"{(highlights / 'features.h5').resolve()}#{one['path'].partition('#')[2]}"})
    if shuffled:
        order = np.random.default_rng(0).permutation(len(entries))
        words = [{k: v for k, v in entries[i].items() if k not in ("id", "path")} for i in order]
        entries = [{"id": e["id"], "path": e["path"], **w} for e, w in zip(entries, words, strict=True)]
    path = out / "pairs.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in entries), encoding="utf-8")
    return path


ROWS: dict[str, Callable[[Material], Figures]] = {
    "random": lambda m: m.baseline("random"),
    "contrastive": lambda m: m.baseline("contrastive"),
    "refined": lambda m: m.crossval("refined", REFINE, "--trainer.accelerator=cpu", dataset=m.frames),
    "ridge": lambda m: m.baseline("ridge"),
    "ridge+captions": lambda m: m.baseline("ridge", m.captioned),
    "linear": lambda m: m.crossval("linear", OURS, *NETWORK, *head("linear")),
    "attention": lambda m: m.crossval("attention", OURS, *NETWORK, *head("attention")),
    "csta-small": lambda m: m.crossval("csta-small", OURS, *NETWORK, *head("csta-small(channels=16)")),
    "csta": lambda m: m.crossval("csta", CSTA, "--model.cnn_weights=null", dataset=m.frames),
    "scratch": lambda m: m.crossval("scratch", OURS, *FRAMES),
    "stages-1": lambda m: m.crossval("stages-1", OURS, *NETWORK, "--model.summarizer.num_stages=1"),
    "stages-2": lambda m: m.crossval("stages-2", OURS, *NETWORK, "--model.summarizer.num_stages=2"),
    "stages-3": lambda m: m.crossval("stages-3", OURS, *NETWORK),
    "stages-4": lambda m: m.crossval("stages-4", OURS, *NETWORK, "--model.summarizer.num_stages=4"),
    "scratch+captions": lambda m: m.crossval("scratch+captions", OURS, *FRAMES, *CAPTIONED),
    "scratch-few": lambda m: m.crossval("scratch-few", OURS, *FRAMES, splits=m.few),
    "zero-shot": lambda m: from_pretrained(m, "zero-shot", "own", 1.0, *WITHOUT_LABELS),
    "zero-shot-shuffled": lambda m: from_pretrained(m, "zero-shot-shuffled", "shuffled", 1.0, *WITHOUT_LABELS),
    "pretrained": lambda m: from_pretrained(m, "pretrained", "own"),
    "pretrained-few": lambda m: from_pretrained(m, "pretrained-few", "own", 0.3, splits=m.few),
    "pretrained+captions": lambda m: from_pretrained(m, "pretrained+captions", "captioned", 0.1, *CAPTIONED),
    "pretrained-shuffled": lambda m: from_pretrained(m, "pretrained-shuffled", "shuffled"),
    "pretrained-few-shuffled": lambda m: from_pretrained(m, "pretrained-few-shuffled", "shuffled", 0.3, splits=m.few),
    "pretrained-transductive": lambda m: from_pretrained(m, "pretrained-transductive", "transductive"),
    "ours": lambda m: m.crossval("ours", OURS, *(() if m.has_motion else TWO)),
    "ours-frames-captions": lambda m: m.crossval("ours-frames-captions", OURS, *TWO),
    "human": lambda m: m.baseline("human"),
    "consensus": lambda m: m.baseline("consensus"),
}
"""Every row of the table; all but `pretrained-transductive` and `csta`, as published, are made when none is named."""


def head(name: str) -> tuple[str, str]:
    """Another head, of one stage."""
    return f"--model.summarizer.head={name}", "--model.summarizer.num_stages=1"


def from_pretrained(
    material: Material, name: str, kind: str, share: float = 0.1, *words: str, splits: Path | None = None
) -> Figures:
    """`scratch`, but from what was pretrained, fold by fold: towers, and which frames fit the title."""
    guidance = f"--model.summarizer.text_guidance=aligned(share={share})"
    start = f"--model.pretrained={material.pretrained(kind)}"
    return material.crossval(name, OURS, *FRAMES, *words, guidance, start, splits=splits)


def column(figures: Figures, keys: Sequence[str], place: int) -> npt.NDArray[np.float64]:
    """One figure of videos, in their order."""
    return np.array([figures[key][place] for key in keys])


def lines(rows: Mapping[str, Figures], seconds: Mapping[str, float]) -> Iterator[str]:
    """The table, and the differences that matter with their paired intervals."""
    keys = sorted(next(iter(rows.values())))
    yield f"{'row':<26}{'tau':>8}  {'95 % interval':<16}{'rho':>8}{'s':>8}"
    for name, figures in rows.items():
        tau = column(figures, keys, 0)
        low, high = bootstrap_ci95(tau)
        yield (
            f"{name:<26}{np.nanmean(tau):>8.4f}  [{low:.3f}, {high:.3f}]  {np.nanmean(column(figures, keys, 1)):>8.4f}"
            f"{seconds[name]:>8.0f}"
        )
    pairs = [("ours", "ridge+captions"), ("ours", "ridge"), ("ours-frames-captions", "ridge+captions")]
    pairs += [("pretrained", "scratch"), ("pretrained", "ridge"), ("pretrained+captions", "scratch+captions")]
    pairs += [("pretrained-few", "scratch-few"), ("pretrained-few-shuffled", "scratch-few")]
    pairs += [("zero-shot", "contrastive"), ("zero-shot-shuffled", "random")]
    pairs += [("pretrained-shuffled", "scratch"), ("pretrained", "pretrained-shuffled"), ("scratch", "ridge")]
    for first, second in pairs:
        if first in rows and second in rows:
            found = paired_bootstrap(column(rows[first], keys, 0), column(rows[second], keys, 0))
            low, high = found.ci95
            yield f"{first} - {second}: {found.difference:+.4f} [{low:+.4f}, {high:+.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="folder of features, captions and texts")
    parser.add_argument("--annotations", type=Path, required=True, help="ydata-tvsum50.mat")
    parser.add_argument("--splits", type=Path, required=True, help="folds, such as tvsum_splits.json")
    parser.add_argument("--rows", help=f"separated by commas, of {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with folds of its own")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    names = args.rows.split(",") if args.rows else [name for name in ROWS if name not in LEFT_OUT]
    if unknown := [name for name in names if name not in ROWS]:
        parser.error(f"--rows: there is no row {unknown[0]}; there are {', '.join(ROWS)}")
    for path in (args.real / "tvsum" / "features.h5", args.annotations, args.splits):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    args.out.mkdir(parents=True, exist_ok=True)
    shared_towers()
    material = Material(args.real, args.annotations, args.splits, args.out, args.seeds, args.jobs)
    material.dataset, material.frames  # noqa: B018  made before the clock starts
    rows, seconds, table = {}, {}, {}
    for name in names:
        started = time.perf_counter()
        rows[name] = ROWS[name](material)
        seconds[name] = time.perf_counter() - started
        tau, rho = (column(rows[name], sorted(rows[name]), place) for place in (0, 1))
        table[name] = {"tau": float(np.nanmean(tau)), "rho": float(np.nanmean(rho))}
        table[name] |= {"ci95": list(bootstrap_ci95(tau)), "seeds": args.seeds, "seconds": round(seconds[name], 1)}
        (args.out / "table.json").write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
        sys.stderr.write(f"{name}: tau {table[name]['tau']:.4f} in {seconds[name]:.0f} s\n")
    text = "\n".join(lines(rows, seconds)) + "\n"
    (args.out / "table.txt").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
