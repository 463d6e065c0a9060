"""Writes pairs as WebDataset shards: whole shards or none, and only those that are not there yet."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from sspvs.atomic import atomic_file, made_folder, write_text, writing
from sspvs.data.pretrain.items import FeatureRef, PretrainItem
from sspvs.data.pretrain.reading import FeatureReader
from sspvs.data.pretrain.shards.index import INDEX, has_our_index, is_shards, read_index, text_as_json, write_index
from sspvs.errors import OutputError, SspvsError
from sspvs.types import Fingerprint

PLAN = ".plan"
_LARGEST = {"float16": 65504.0, "float32": float(np.finfo(np.float32).max)}


@dataclass(frozen=True)
class ShardReport:
    """What was done.

    Attributes:
        folder: Of the shards.
        n_items: Pairs in them.
        written: Shards written in this run.
        kept: Shards that were there already.
        n_bytes: Size of all of them.
    """

    folder: Path
    n_items: int
    written: int
    kept: int
    n_bytes: int


def write_shards(
    items: Sequence[PretrainItem],
    folder: Path,
    *,
    shard_size: int = 256,
    dtype: Literal["float16", "float32"] = "float16",
    seed: int = 0,
    fingerprint: Fingerprint | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> ShardReport:
    """Write pairs into `folder/shard-000000.tar` and so on, and their index at the end.

    The same pairs give the same bytes. A run that was stopped goes on with the first shard that is missing.

    Args:
        items: Surveyed pairs.
        folder: Where to; made when missing.
        shard_size: Pairs of a shard.
        dtype: Of the features.
        seed: Of the order: neighbours in a shard are read together, and must not be alike.
        fingerprint: What made the features.
        overwrite: Replace shards of other pairs or settings.
        progress: Show a progress bar; quiet when stderr is no terminal.

    Raises:
        OutputError: The folder has something else, or cannot be written to.
        FeatureFileError: Features cannot be read.
        ValueError: An argument is out of range, there are no pairs, or a feature is too large for `dtype`.
    """
    if shard_size < 1 or not items:
        raise ValueError(f"expected pairs and a shard_size of at least 1, got {len(items)} pairs and {shard_size}")
    order = np.random.default_rng([seed]).permutation(len(items))
    plan = _plan(items, shard_size, dtype, seed)
    with _planned(folder, plan, overwrite):
        reader, done, written = FeatureReader(), list[PretrainItem](), 0
        starts = range(0, len(items), shard_size)
        for number, start in enumerate(tqdm(starts, desc="shards", leave=False, disable=None if progress else True)):
            path = folder / f"shard-{number:06d}.tar"
            members = [items[i] for i in order[start : start + shard_size]]
            if not path.is_file():
                _write_shard(path, members, start, np.dtype(dtype), reader)
                written += 1
            places = dict(_places(path))
            for offset, item in enumerate(members, start):
                ref = FeatureRef(path, offset=places[f"{offset:09d}.npy"])
                done.append(replace(item, features=ref, shard=number))
        reader.close()
        for path in sorted(folder.glob("shard-*.tar"))[len(starts) :]:
            path.unlink()  # of a larger set that was replaced
        write_index(folder, done, fingerprint, plan)
    size = sum(path.stat().st_size for path in folder.glob("shard-*.tar"))
    return ShardReport(folder, len(items), written, len(starts) - written, size)


def _plan(items: Sequence[PretrainItem], shard_size: int, dtype: str, seed: int) -> str:
    """What the shards depend on, digested: whether those that are there are of this run."""
    digest = hashlib.sha256(json.dumps([shard_size, dtype, seed]).encode())
    for item in items:
        status = item.features.path.stat()
        row = [item.id, item.part, item.features.name, item.features.offset, status.st_size, status.st_mtime_ns]
        digest.update(json.dumps([*row, text_as_json(item.text)]).encode())
    return digest.hexdigest()


@contextmanager
def _planned(folder: Path, plan: str, overwrite: bool) -> Iterator[None]:
    """A folder with nothing but shards of this plan, which is written down until the index has it.

    After an error it stays where there are shards that the same command can go on with.
    """
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
    """A folder with nothing but shards of this plan."""
    with writing(folder):
        there = _plan_there(folder)
        shards = sorted(folder.glob("shard-*.tar"))
        if (shards or is_shards(folder)) and not (has_our_index(folder) or (folder / PLAN).is_file()):
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
        return read_index(folder).plan if is_shards(folder) else ""
    except SspvsError:
        return ""


def _write_shard(
    path: Path, members: Sequence[PretrainItem], first: int, dtype: np.dtype[np.floating], reader: FeatureReader
) -> None:
    with atomic_file(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, item in enumerate(members, first):
            features = reader.read(item.features)
            if float(np.abs(features).max()) > _LARGEST[dtype.name]:
                raise ValueError(f"{item.id}: a feature is too large for {dtype.name}; write the shards as float32")
            array = io.BytesIO()
            np.lib.format.write_array(array, features.astype(dtype), allow_pickle=False)
            about = {"id": item.id, "n_frames": item.n_frames, "split": item.part, **text_as_json(item.text)}
            _add(tar, f"{number:09d}.npy", array.getvalue())
            _add(tar, f"{number:09d}.json", json.dumps(about, ensure_ascii=False).encode("utf-8", "replace"))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))


def _places(path: Path) -> Iterator[tuple[str, int]]:
    """(name, where its bytes begin) of each member of a tar."""
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                yield member.name, member.offset_data
    except (tarfile.TarError, OSError) as error:
        raise OutputError(f"{path}: no whole tar ({error}); remove it, and run again") from error
