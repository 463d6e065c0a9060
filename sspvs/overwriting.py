"""What an output may replace: never an input, and no file but one of the same kind that this package wrote.

A file of ours is recognised by a mark inside it; the files of a summary's folder by their names in `summary.json`.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspvs.errors import OutputError
from sspvs.files import read_json

SUMMARY = "summary.json"
SUMMARY_FILES = (
    "report.html",
    "scores.csv",
    "scores.png",
    "summary.edl",
    SUMMARY,
    "summary.mp4",
    "summary.otio",
    "summary.srt",
)
KEYFRAMES = "keyframes"
_KEYFRAME = re.compile(rf"{KEYFRAMES}/shot_\d{{3,}}_frame_\d{{6,}}\.jpg")
DRAWN = "drawn by sspvs"  # the comment in a video of the demo
_HEAD = 1 << 20


@dataclass(frozen=True)
class Kind:
    """A kind of file that this package writes, with its article, and whether a file that exists is one of ours."""

    name: str
    is_ours: Callable[[Path], bool]


def check_output(path: Path, *kinds: Kind, inputs: Iterable[Path] = ()) -> None:
    """Refuse a place for an output, before any work is done: an input, or a file that is not of one of our `kinds`."""
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: no folder {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"cannot write {path}: no permission in {path.parent}; choose another folder")
    refuse_inputs([path], inputs)
    if os.path.lexists(path) and not any(_recognised(path, kind) for kind in kinds):
        what = " or ".join(kind.name for kind in kinds)
        raise OutputError(
            f"cannot write {path}: it exists and is not {what} written by sspvs; choose another name, or move it away"
        )


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse outputs that are among the inputs, by whatever name or link."""
    read = {_identity(path): path for path in inputs}
    read.pop(None, None)
    for path in outputs:
        if (found := read.get(_identity(path))) is not None:
            same = "" if found == path else f" ({found})"
            raise ValueError(
                f"cannot write {path}: it is one of the files that are read{same}; choose another place for the output"
            )


def summary_files(folder: Path) -> frozenset[str]:
    """The files, relative to the folder, that an earlier summary of ours wrote, as its `summary.json` names them.

    Names that no summary has are left out, so that nothing else is ever removed by them.
    """
    document = read_summary(folder)
    if document is None:
        return frozenset()
    named = document.get("files")
    if not isinstance(named, list):  # of a version that always wrote the same files
        named = [*SUMMARY_FILES, *_keyframes_before(document)]
    return frozenset(name for name in named if name in SUMMARY_FILES or _KEYFRAME.fullmatch(str(name)))


def read_summary(folder: Path) -> dict[str, Any] | None:
    """`summary.json` of a folder; None where there is none that this package wrote."""
    try:
        document = read_json(folder / SUMMARY)
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and _is_sspvs(document.get("generated_by")) else None


def summary_places(folder: Path) -> Iterator[str]:
    """What is in a folder where a summary writes: paths relative to it, with `/`."""
    for name in SUMMARY_FILES:
        if os.path.lexists(folder / name):
            yield name
    pictures = folder / KEYFRAMES
    if pictures.is_symlink() or (pictures.exists() and not pictures.is_dir()):
        yield KEYFRAMES
    elif pictures.is_dir():
        inside = sorted(f"{KEYFRAMES}/{path.name}" for path in pictures.iterdir())
        yield from (name for name in inside if _KEYFRAME.fullmatch(name))


def _keyframes_before(document: dict[str, Any]) -> Iterator[str]:
    shots = document.get("shots")
    for number, shot in enumerate(shots if isinstance(shots, list) else (), start=1):
        if isinstance(shot, dict) and shot.get("selected") and isinstance(shot.get("keyframe"), int):
            yield f"{KEYFRAMES}/shot_{number:03d}_frame_{shot['keyframe']:06d}.jpg"


def _identity(path: Path) -> tuple[int, int] | None:
    """The file itself, whatever its name; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _recognised(path: Path, kind: Kind) -> bool:
    try:
        return path.is_file() and kind.is_ours(path)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, RecursionError):
        return False


def _is_sspvs(value: object) -> bool:
    return isinstance(value, str) and (value == "sspvs" or value.startswith("sspvs "))


def _attributes(path: Path) -> dict[str, str]:
    import h5py

    if not h5py.is_hdf5(path):
        return {}
    with h5py.File(path, "r") as file:
        return {name: str(value) for name, value in file.attrs.items()}


def _is_dataset(path: Path) -> bool:
    attributes = _attributes(path)
    return "dataset" in attributes and "sspvs" in attributes.get("made_by", "")


def _is_evaluation(path: Path) -> bool:
    document = read_json(path)
    return isinstance(document, dict) and "sspvs" in document["versions"] and "baselines" in document


def _is_splits(path: Path) -> bool:
    folds = read_json(path)
    made_by = [fold["made_by"] for fold in folds] if isinstance(folds, list) else []
    return bool(made_by) and all(_is_sspvs(made.get("tool")) for made in made_by)


def _starts_with(*marks: bytes) -> Callable[[Path], bool]:
    def is_ours(path: Path) -> bool:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        return all(mark in head for mark in marks)

    return is_ours


FEATURES = Kind("a feature file", lambda path: "fingerprint_digest" in _attributes(path))
SCORES = Kind("a score file", lambda path: {"scorer", "settings"} <= set(_attributes(path)))
EMBEDDINGS = Kind("a file of embeddings", lambda path: _is_sspvs(_attributes(path).get("made_by")))
DATASET = Kind("a dataset", _is_dataset)
EVALUATION = Kind("an evaluation", _is_evaluation)
EVALUATION_PAGE = Kind(
    "the page of an evaluation", _starts_with(b'<meta name="generator" content="sspvs', b": evaluation of ")
)
EVALUATION_PICTURE = Kind("the picture of an evaluation", _starts_with(b"\x89PNG", b"Software\x00sspvs"))
SPLITS = Kind("a split file", _is_splits)
ONNX = Kind("an ONNX file", _starts_with(b"\x12\x05sspvs"))
DRAWN_VIDEO = Kind("a video of a demo", _starts_with(DRAWN.encode()))
