"""WebDataset shards: tars whose members of one name make a sample; and our folders of them, with an index.

Ours have for each pair `000000012.npy`, features (T, D), and `000000012.json`, its id and text. The index says where
each pair's features begin: they are read in place, so that any pair can be read without those before it, and an epoch
is planned and shared among ranks and workers as if it were one file.
"""

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from tqdm import tqdm

from sspvs.annotations.record import Problems
from sspvs.atomic import atomic_file, made_folder, write_text, writing
from sspvs.errors import DatasetError, OutputError, SspvsError, first_line
from sspvs.files import check_kind, check_regular, read_text, why_not
from sspvs.formats.format import FORMATS, Format, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection
from sspvs.parsing import lines_of, parse_json
from sspvs.table import FeatureStream, Video, VideoTable
from sspvs.table.h5_file import DAMAGE
from sspvs.table.text import TextFields, TokenFields
from sspvs.types import Fingerprint

INDEX = "index.jsonl"
FORMAT, VERSION = "sspvs shards", 1
PLAN = ".plan"
_HEAD = 1 << 20  # bytes of the first line, at most
_LARGEST = {"float16": 65504.0, "float32": float(np.finfo(np.float32).max)}
_LOOKED_AT = 20
_PICKLES = {"pkl", "pickle", "pyd", "pth", "pt"}


@FORMATS.register("shard")
class Shard(Format):
    """An uncompressed tar archive of samples."""

    what = "a WebDataset shard (tar)"
    order = 190
    instead = "it is read as it is in pretraining"

    def matches(self, head: PathHead) -> bool:
        """A tar archive whose first members are named `key.ending`."""
        if not head.is_kind("tar"):
            return False
        try:
            names = [name for (name, _), _ in zip(tar_members(head.path), range(_LOOKED_AT), strict=False)]
        except DAMAGE:
            return False
        return bool(names) and all("." in Path(name).name for name in names)

    def inspect(self, path: Path, found: Inspection) -> None:
        """Read every member's name; their contents are left alone."""
        samples: dict[str, set[str]] = {}
        last = ""
        try:
            for name, _ in tar_members(path):
                key, ending = _parts(name)
                if key in samples and key != last:
                    found.problem("its files do not stand together, so readers make two samples of them", key)
                if ending in samples.setdefault(key, set()):
                    found.problem(f"two '.{ending}' files", key)
                samples[key].add(ending)
                last = key
        except DAMAGE as error:
            raise DatasetError(f"{path}: a damaged tar archive: {first_line(error)}; copy or make it again") from error
        if found.video in samples:
            found.detail = {"files": ", ".join(sorted(samples[found.video]))}
        found.n_videos = len(samples)
        endings = Counter(ending for names in samples.values() for ending in sorted(names))
        for ending, count in endings.items():
            found.key(f".{ending}", count, "", "file", "a part of each sample")
        for ending in sorted(_PICKLES & set(endings)):
            found.problem(f"'.{ending}' files are pickles, which are never opened here")
        found.use("pretraining from shards", bool(samples))


@FORMATS.register("shards")
class ShardFolder(Format):
    """A folder of shards with the index that `write_shards` gives them."""

    what = "WebDataset shards of video-text pairs, with an index (folder)"
    order = 35
    keys: ClassVar = {
        ".npy": ("(T, D)", "features of a video"),
        ".json": ("text", "its id and what is written about it"),
    }

    def matches(self, head: PathHead) -> bool:
        """A folder with an index."""
        return head.is_folder and is_shards(head.path)

    def read(self, path: Path, settings: Settings) -> VideoTable:  # noqa: ARG002
        return read_index(path)

    def inspect(self, path: Path, found: Inspection) -> None:
        super().inspect(path, found)
        found.use("pretraining from shards", not found.blocked)


def tar_members(path: Path) -> Iterator[tuple[str, int]]:
    """Name and offset of the bytes of each file in an uncompressed tar."""
    check_kind(path, "tar")
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isfile():
                yield member.name, member.offset_data


def _parts(name: str) -> tuple[str, str]:
    """Key and ending: all after the first dot of the file name is the ending."""
    folder, _, file = name.rpartition("/")
    key, _, ending = file.partition(".")
    return f"{folder}/{key}" if folder else key, ending.lower()


@dataclass(frozen=True)
class ShardReport:
    """What was written."""

    folder: Path
    n_items: int  # pairs in them
    written: int  # shards written in this run
    kept: int  # shards that were there already
    n_bytes: int  # size of all of them


def is_shards(folder: Path) -> bool:
    """Whether a folder has shards with an index."""
    return (folder / INDEX).is_file()


def write_index(folder: Path, items: Sequence[Video], fingerprint: Fingerprint | None, plan: str) -> None:
    """Write the index of shards that are complete, atomically."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "items": len(items),
        "feature_dim": items[0].feature_dim,
        "fingerprint": None if fingerprint is None else fingerprint.as_dict(),
        "plan": plan,
    }
    lines = [head, *map(_line, items)]
    write_text(folder / INDEX, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def read_index(folder: Path) -> VideoTable:
    """The pairs of a folder of shards, in their order; the shards must be there, only their first bytes are read."""
    path = folder / INDEX
    try:
        head, *rows = (parse_json(line) for _, line in lines_of(read_text(path)))
        if head["format"] != FORMAT or head["version"] != VERSION:
            raise ValueError(f"format {head['format']!r} {head['version']}")
        made = None if head["fingerprint"] is None else Fingerprint(**head["fingerprint"])
        videos = tuple(_video_of(row, folder, int(head["feature_dim"]), made) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: expected an index of shards as `sspvs data shard` writes it: {error}; write the shards again"
        ) from error
    problems = Problems(path)
    if len(videos) != head["items"]:
        problems.add("", f"it is cut short: {len(videos)} of {head['items']} videos")
    for shard in sorted({video.streams[0].path for video in videos}):
        if not shard.is_file():
            problems.add("", f"the shard {shard.name} is missing")
        elif reason := why_not(shard, "tar"):
            problems.add("", f"the shard {shard.name}: {reason}")
    problems.raise_any()
    return VideoTable(videos, checked=True, name=folder.name)


def _head(folder: Path) -> dict[str, Any]:
    """The first line of the index; empty where it cannot be read."""
    try:
        check_regular(folder / INDEX)
        with (folder / INDEX).open(encoding="utf-8") as file:
            head = parse_json(file.readline(_HEAD))
    except (OSError, ValueError):
        return {}
    return head if isinstance(head, dict) else {}


def text_as_json(text: TextFields | TokenFields) -> dict[str, Any]:
    """Text fields as plain types; token ids stay numbers."""
    fields: dict[str, Any] = text._asdict()
    return {"tokens": {key: list(ids) for key, ids in fields.items()}} if isinstance(text, TokenFields) else fields


def _line(video: Video) -> dict[str, Any]:
    (stream,) = video.streams
    return {
        "id": video.id,
        "shard": video.shard,
        "file": stream.path.name,
        "offset": stream.offset,
        "n_frames": video.n_picks,
        "split": video.part,
        **text_as_json(video.text),
    }


def _video_of(row: dict[str, Any], folder: Path, width: int, fingerprint: Fingerprint | None) -> Video:
    text: TextFields | TokenFields
    if "tokens" in row:
        text = TokenFields(*(tuple(map(int, row["tokens"][key])) for key in TokenFields._fields))
    else:
        text = TextFields(*(str(row[key]) for key in TextFields._fields))
    path = folder / Path(str(row["file"])).name  # never outside of the folder
    place = FeatureStream(
        path, offset=int(row["offset"]), n_picks=int(row["n_frames"]), width=width, fingerprint=fingerprint
    )
    return Video(str(row["id"]), (place,), text=text, part=str(row["split"]), shard=int(row["shard"]))


def write_shards(
    table: VideoTable,
    folder: Path,
    *,
    shard_size: int = 256,
    dtype: Literal["float16", "float32"] = "float16",
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = False,
) -> ShardReport:
    """Write pairs into `folder/shard-000000.tar` and so on, and their index at the end.

    The same pairs give the same bytes. A run that was stopped goes on with the first shard that is missing; shards of
    other pairs or settings are an OutputError, unless `overwrite`.
    """
    items = table.videos
    if shard_size < 1 or not items:
        raise ValueError(f"expected pairs and a shard_size of at least 1, got {len(items)} pairs and {shard_size}")
    order = np.random.default_rng([seed]).permutation(len(items))
    plan = _plan(items, shard_size, dtype, seed)
    with _planned(folder, plan, overwrite):
        done, written = list[Video](), 0
        starts = range(0, len(items), shard_size)
        for number, start in enumerate(tqdm(starts, desc="shards", leave=False, disable=None if progress else True)):
            path = folder / f"shard-{number:06d}.tar"
            members = [items[i] for i in order[start : start + shard_size]]
            if not path.is_file():
                _write_shard(path, members, start, np.dtype(dtype), table)
                written += 1
            try:
                places = dict(tar_members(path))
            except (tarfile.TarError, OSError) as error:
                raise OutputError(f"{path}: no whole tar ({error}); remove it, and run again") from error
            for offset, item in enumerate(members, start):
                place, n_picks, width = places[f"{offset:09d}.npy"], item.n_picks, item.feature_dim
                stream = FeatureStream(path, offset=place, n_picks=n_picks, width=width)
                done.append(replace(item, streams=(stream,), shard=number))
        table.close()
        for path in sorted(folder.glob("shard-*.tar"))[len(starts) :]:
            path.unlink()  # of a larger set that was replaced
        write_index(folder, done, table.common_fingerprint, plan)
    size = sum(path.stat().st_size for path in folder.glob("shard-*.tar"))
    return ShardReport(folder, len(items), written, len(starts) - written, size)


def _plan(items: Sequence[Video], shard_size: int, dtype: str, seed: int) -> str:
    """A digest of all that the shards depend on."""
    digest = hashlib.sha256(json.dumps([shard_size, dtype, seed]).encode())
    for item in items:
        row: list[Any] = [item.id, item.part]
        for stream in item.streams:
            status = stream.path.stat()
            row += [stream.place, stream.offset, status.st_size, status.st_mtime_ns]
        digest.update(json.dumps([*row, text_as_json(item.text)]).encode())
    return digest.hexdigest()


@contextmanager
def _planned(folder: Path, plan: str, overwrite: bool) -> Iterator[None]:
    """A folder with shards of this plan alone; after an error it stays where the same command can go on."""
    with made_folder(folder):
        _prepare(folder, plan, overwrite)
        try:
            yield
        except BaseException as error:
            kept = sum(1 for _ in folder.glob("shard-*.tar"))
            if not kept:
                (folder / PLAN).unlink(missing_ok=True)
            elif isinstance(error, OutputError):
                shards = "1 shard is" if kept == 1 else f"{kept} shards are"
                raise OutputError(f"{error}; {shards} kept, the same command goes on from there") from error
            raise
        (folder / PLAN).unlink(missing_ok=True)


def _prepare(folder: Path, plan: str, overwrite: bool) -> None:
    with writing(folder):
        there = _plan_there(folder)
        shards = sorted(folder.glob("shard-*.tar"))
        if (shards or is_shards(folder)) and not (_head(folder).get("format") == FORMAT or (folder / PLAN).is_file()):
            raise OutputError(f"{folder} has shards that `sspvs data shard` did not write; choose another folder")
        if (shards or is_shards(folder)) and there != plan:
            if not overwrite:
                raise OutputError(
                    f"{folder} has shards of other videos, texts or settings; choose another folder, or replace them "
                    "with --overwrite"
                )
            for path in (folder / INDEX, folder / PLAN, *shards):
                path.unlink(missing_ok=True)
        write_text(folder / PLAN, plan)


def _plan_there(folder: Path) -> str:
    if (folder / PLAN).is_file():
        return (folder / PLAN).read_text(encoding="utf-8").strip()
    try:
        read_index(folder)
        return str(_head(folder)["plan"])
    except (SspvsError, KeyError):
        return ""


def _write_shard(
    path: Path, members: Sequence[Video], first: int, dtype: np.dtype[np.floating], table: VideoTable
) -> None:
    with atomic_file(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, item in enumerate(members, first):
            features = table.features(item)
            if float(np.abs(features).max()) > _LARGEST[dtype.name]:
                raise ValueError(f"{item.id}: a feature is too large for {dtype.name}; write the shards as float32")
            array = io.BytesIO()
            np.lib.format.write_array(array, features.astype(dtype), allow_pickle=False)
            about = {"id": item.id, "n_frames": item.n_picks, "split": item.part, **text_as_json(item.text)}
            _add(tar, f"{number:09d}.npy", array.getvalue())
            _add(tar, f"{number:09d}.json", json.dumps(about, ensure_ascii=False).encode("utf-8", "replace"))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))
