"""The training loader: features per second from h5 files, from groups of one h5 file and from shards.

    python tools/bench/loading.py                              # drawn videos of about the published size
    python tools/bench/loading.py --videos 2000 --workers 0 4 8 --folder /data/bench      # a machine to train on

The reference, `plain`, is a dataset as one writes it first: an h5 file a video, opened, read whole and closed, cropped
or padded to 256 picks, and torch's DataLoader with its default collate. It gives frames alone; ours also draws masks
and texts, tokenizes them, and pads to the longest of the batch. All take turns, workers stay alive between their turns,
and the files are in the page cache where memory allows. Only real frames count, no padding; MB are those of float32
frames. The ratio is the median of the turns' own, so that what else the machine does slows both alike.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from sspvs.data.loader import LengthBuckets, padding_share
from sspvs.data.pairs import load_pairs
from sspvs.data.pretrain import PretrainDataModule
from sspvs.formats.shards import write_shards

WIDTH, MOST, BATCH = 1024, 256, 8
WORDS = ("river", "bridge", "dog", "child", "kitchen", "cake", "bicycle", "snow", "market", "dance", "engine", "paint")


def draw_lengths(count: int, generator: np.random.Generator) -> np.ndarray:
    """(n,) picks: half of the videos have more than 256, and a sixth more than twice as many or fewer than half."""
    return np.clip(np.exp(generator.normal(np.log(MOST), 0.7, count)), 16, 4096).astype(np.int64)


def write_material(folder: Path, lengths: np.ndarray, generator: np.random.Generator) -> dict[str, Path]:
    """The same videos as one h5 file each, as groups of one, and as shards in both precisions."""
    rows: dict[str, list[dict[str, str]]] = {"h5": [], "h5#group": []}
    with h5py.File(folder / "all.h5", "w") as together:
        for number, length in enumerate(lengths):
            features = generator.random((int(length), WIDTH), np.float32)
            together[f"v{number:05d}/features"] = features
            with h5py.File(folder / f"v{number:05d}.h5", "w") as alone:
                alone["features"] = features
            text = {"id": f"v{number:05d}", "description": " ".join(generator.choice(WORDS, 40))}
            text["title"] = f"{number} " + " ".join(generator.choice(WORDS, 5))
            rows["h5"].append({**text, "path": f"v{number:05d}.h5"})
            rows["h5#group"].append({**text, "path": f"all.h5#v{number:05d}"})
    found = {}
    for name, lines in rows.items():
        found[name] = folder / f"{name.replace('#', '-')}.jsonl"
        found[name].write_text("\n".join(map(json.dumps, lines)) + "\n")
    pairs = load_pairs(found["h5#group"])
    for dtype in ("float32", "float16"):
        found[f"shards {dtype}"] = folder / dtype
        write_shards(pairs, folder / dtype, dtype=dtype, shard_size=64)
    return found


class Plain(Dataset):
    """The reference."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        with h5py.File(self.files[index]) as file:
            features = file["features"][:]
        start = np.random.randint(max(len(features) - MOST, 0) + 1)  # noqa: NPY002  as one writes it first
        features = features[start : start + MOST]
        frames = np.zeros((MOST, WIDTH), np.float32)
        frames[: len(features)] = features
        return torch.from_numpy(frames), len(features)


def our_loader(path: Path, workers: int) -> Iterable[Any]:
    data = PretrainDataModule(
        str(path), encoder="small", max_frames=MOST, batch_size=BATCH, val_share=0.0, num_workers=workers
    )
    data.prepare_data()
    data.setup()
    return data.train_dataloader()


def plain_loader(folder: Path, count: int, workers: int) -> Iterable[Any]:
    files = [folder / f"v{number:05d}.h5" for number in range(count)]
    return DataLoader(
        Plain(files), BATCH, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )


def one_epoch(loader: Iterable[Any]) -> tuple[float, int, int]:
    """(seconds, videos, real frames) of an epoch."""
    videos = frames = 0
    started = time.perf_counter()
    for batch in loader:
        ours = hasattr(batch, "frame_mask")
        videos += len(batch.ids) if ours else len(batch[1])
        frames += int(batch.frame_mask.sum()) if ours else int(batch[1].sum())
    return time.perf_counter() - started, videos, frames


def throughput(folder: Path, found: dict[str, Path], count: int, workers: int, rounds: int) -> None:
    loaders = {"plain": plain_loader(folder, count, workers)}
    loaders |= {name: our_loader(path, workers) for name, path in found.items()}
    taken: dict[str, list[tuple[float, int, int]]] = {name: [] for name in loaders}
    for turn in range(rounds + 1):  # the first starts the workers and opens the files
        for name, loader in loaders.items():
            measured = one_epoch(loader)
            if turn:
                taken[name].append(measured)
    rates = {name: statistics.median(frames / seconds for seconds, _, frames in runs) for name, runs in taken.items()}
    for name, runs in taken.items():
        videos = statistics.median(videos / seconds for seconds, videos, _ in runs)
        each = zip(runs, taken["plain"], strict=True)
        ratio = statistics.median(mine[2] / mine[0] / (plain[2] / plain[0]) for mine, plain in each)
        print(
            f"{workers:>7}  {name:<16}{rates[name]:>12,.0f}{videos:>10,.0f}{rates[name] * WIDTH * 4 / 1e6:>9,.0f}"
            f"{ratio:>8.2f}",
            flush=True,
        )


def padding(lengths: np.ndarray, seed: int) -> None:
    for most in (MOST, None):
        kept = np.minimum(lengths, MOST) if most else lengths
        for windows in (1, 4, 16, 64):
            share = padding_share(list(LengthBuckets(kept, BATCH, seed=seed, bucket_batches=windows)), kept)
            print(f"{'whole' if most is None else f'at most {most}':<14}{windows:>16}{100 * share:>12.1f} %")
        fixed = int(kept.max())
        print(f"{'':<14}{f'all to {fixed}':>16}{100 * (1 - kept.mean() / fixed):>12.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=256)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1, help="of torch in this process (default: 1, as in workers)")
    parser.add_argument(
        "--folder", type=Path, help="where the drawn files lie for the moment; default: a temporary one"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(args.threads)
    generator = np.random.default_rng(args.seed)
    print(f"batches of {BATCH}; videos   windows of batches   padding")
    padding(draw_lengths(4096, generator), args.seed)
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        folder = Path(temporary)
        found = write_material(folder, draw_lengths(args.videos, generator), generator)
        print(f"\nload {os.getloadavg()[0]:.1f}")
        print(f"{'workers':>7}  {'':<16}{'features/s':>12}{'videos/s':>10}{'MB/s':>9}{'ratio':>8}")
        for workers in args.workers:
            throughput(folder, found, args.videos, workers, args.rounds)


if __name__ == "__main__":
    main()
