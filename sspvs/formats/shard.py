"""A WebDataset shard: a tar archive whose members of one name make a sample (`00012.json`, `00012.npy`, ...)."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sspvs.errors import DatasetError, first_line
from sspvs.files import check_kind
from sspvs.formats.format import FORMATS, Format
from sspvs.formats.head import DAMAGE, PathHead
from sspvs.formats.inspection import Inspection

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
        return is_shard(head)

    def inspect(self, path: Path, found: Inspection) -> None:
        """Read every member's name; their contents are left alone."""
        samples: dict[str, set[str]] = {}
        last = ""
        try:
            for name in _members(path):
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


def is_shard(head: PathHead) -> bool:
    """Whether a file is an uncompressed tar archive whose first members are named `key.ending`."""
    if not head.is_kind("tar"):
        return False
    try:
        names = [name for name, _ in zip(_members(head.path), range(_LOOKED_AT), strict=False)]
    except DAMAGE:
        return False
    return bool(names) and all("." in Path(name).name for name in names)


def _members(path: Path) -> Iterator[str]:
    check_kind(path, "tar")
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isfile():
                yield member.name


def _parts(name: str) -> tuple[str, str]:
    """Key and ending: all after the first dot of the file name is the ending."""
    folder, _, file = name.rpartition("/")
    key, _, ending = file.partition(".")
    return f"{folder}/{key}" if folder else key, ending.lower()
