"""A folder of downloaded videos with their metadata -> a manifest, features and shards to pretrain from.

    yt-dlp -f "bv*[height<=360]+ba/b[height<=360]" --write-info-json -o "videos/%(id)s.%(ext)s" "ytsearch20:glacier hiking"
    python tools/pairs/collect.py videos --out mine
    sspvs fit --config configs/pretrain/ytvt.yaml --data.train mine/shards

Reads what yt-dlp writes beside a video (`NAME.info.json`): title, description, categories, and the search or playlist
that it was found by. Run it again, after an interruption or with more videos: what is there is kept.
"""  # noqa: E501

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sspvs.annotations.record import Problems
from sspvs.atomic import write_text
from sspvs.data.pairs import ExtractionSettings, load_pairs, with_features
from sspvs.errors import SspvsError, one_line
from sspvs.formats.manifest import read_manifest
from sspvs.formats.shards import write_shards
from sspvs.table import Video
from sspvs.video.files import VIDEO_SUFFIXES

VIDEOS, PAIRS, SHARDS = "videos.jsonl", "pairs.jsonl", "shards"
_ADDRESS = re.compile(r"https?://\S+|www\.\S+")
_SPACES = re.compile(r"\s+")


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all videos are in the set, 1 when some could not be used, 2 for a mistake."""
    args = parser().parse_args(argv)
    try:
        return collect(args)
    except (SspvsError, ValueError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = made.add_argument
    add("folders", nargs="+", type=Path, metavar="FOLDER", help="of videos with .info.json files; also below them")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the set; made when missing")
    add(
        "--query", choices=("playlist", "folder", "none"), default="playlist", help="what is taken for the search query"
    )
    add("--keep-addresses", action="store_true", help="leave web addresses in descriptions")
    add("--backbone", default="auto", help="frame encoder (default: auto; see `sspvs doctor`)")
    add("--rate", type=float, default=2.0, metavar="HZ", help="frames looked at per second (default: 2)")
    add("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    add("--shard-size", type=int, default=256, metavar="N", help="videos of a shard (default: 256)")
    add("--no-shards", action="store_true", help="stop after the features")
    return made


def collect(args: argparse.Namespace) -> int:
    """Manifest of the videos, their features, manifest of the features, shards."""
    rows, left_out = gather(args.folders, args)
    if not rows:
        raise ValueError(f"no videos with an .info.json in {', '.join(map(str, args.folders))}")
    args.out.mkdir(parents=True, exist_ok=True)
    raw = args.out / VIDEOS
    write_manifest(raw, rows)
    entries = read_manifest(raw)
    extraction = ExtractionSettings(args.backbone, args.rate, args.device)
    problems = Problems(raw)
    ready = with_features(entries, raw, extraction, progress=True, problems=problems)
    if not ready:
        problems.raise_any()
    write_manifest(args.out / PAIRS, map(feature_row, ready))
    for _, problem in problems.found:
        name, _, reason = problem.partition(": ")
        left_out.append((name, reason))
    for name, reason in left_out:
        print(f"left out: {name}: {reason}", file=sys.stderr)
    pairs = load_pairs(args.out / PAIRS, progress=True)
    summary = f"{args.out / PAIRS}: {len(pairs)} videos with text"
    if not args.no_shards:
        report = write_shards(
            pairs,
            args.out / SHARDS,
            shard_size=args.shard_size,
            overwrite=True,  # of an earlier, smaller set
            progress=True,
        )
        summary += f"; {report.folder}: {report.written + report.kept} shards, {report.n_bytes / 1e6:.1f} MB"
    print(summary)
    return 1 if left_out else 0


def gather(folders: Sequence[Path], args: argparse.Namespace) -> tuple[list[dict[str, str]], list[tuple[str, str]]]:
    """A row for each video with metadata; what is left out, with the reason. A video found twice counts once."""
    rows: dict[str, dict[str, str]] = {}
    left_out: list[tuple[str, str]] = []
    for video in sorted({path.resolve() for folder in folders for path in videos_below(folder)}):
        info = video.with_suffix(".info.json")
        if not info.is_file():
            left_out.append((str(video), f"no {info.name} beside it"))
            continue
        try:
            facts = json.loads(info.read_text(encoding="utf-8"))
            row = text_row(facts, video, args)
        except (ValueError, AttributeError, TypeError) as error:
            left_out.append((str(video), f"{info.name} is not what yt-dlp writes: {one_line(error)}"))
            continue
        if row["id"] in rows:
            left_out.append((str(video), f"the same video as {rows[row['id']]['path']}"))
        rows.setdefault(row["id"], row)
    return list(rows.values()), left_out


def videos_below(folder: Path) -> Iterator[Path]:
    """The videos in a folder and in those below it; what yt-dlp has not finished is left alone."""
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}")
    for path in folder.rglob("*"):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file() and ".part" not in path.name:
            yield path


def text_row(facts: dict[str, Any], video: Path, args: argparse.Namespace) -> dict[str, str]:
    """A manifest's row from yt-dlp's metadata."""
    categories = facts.get("categories") or [""]
    found_by = {
        "playlist": facts.get("playlist_title") or facts.get("playlist") or "",
        "folder": video.parent.name,
        "none": "",
    }
    description = str(facts.get("description") or "")
    if not args.keep_addresses:
        description = _ADDRESS.sub(" ", description)
    name = str(facts.get("id") or video.stem)
    return {
        "id": name,
        "path": os.path.relpath(video, args.out.resolve()),
        "title": plain(facts.get("title")),
        "description": plain(description),
        "category": plain(categories[0]),
        "query": plain(found_by[args.query]),
    }


def plain(text: object) -> str:
    """Text on one line."""
    return _SPACES.sub(" ", str(text or "")).strip()


def write_manifest(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write JSON lines atomically."""
    write_text(path, "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows))


def feature_row(video: Video) -> dict[str, str]:
    """The row of a video whose features are in the feature file."""
    (stream,) = video.streams
    return {"id": video.id, "path": f"{stream.path.name}#{stream.group}", **video.text._asdict()}


if __name__ == "__main__":
    sys.exit(main())
