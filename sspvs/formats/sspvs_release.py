"""The SSPVS pretraining release (Li et al., WACV 2023): a folder of features, texts as token ids, two lists."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from sspvs.annotations.record import Problems
from sspvs.atomic import atomic_h5, write_text
from sspvs.errors import DatasetError, MissingExtraError, SspvsError, first_line
from sspvs.files import read_json
from sspvs.formats.format import FORMATS, Format, Ledger, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.table import FeatureStream, LoadedVideo, Video, VideoTable, layout, read_features
from sspvs.table.h5_file import H5_ERRORS, open_h5
from sspvs.table.h5_survey import GUIDE, TOKEN_GUIDE, TOKEN_KEYS
from sspvs.table.text import FIELDS, TextFields, TokenFields
from sspvs.types import FrameFeatures, IntArray
from sspvs.weights.digest import REMEDY, model_folder

if TYPE_CHECKING:
    from sspvs.models.tokenizers import BertTokenizer

FEATURES, TEXTS = "features", "info_embed"
LISTS = {"train": "train_list.json", "val": "val_list.json"}
RATE_HZ = 2.0  # googLeNet features of two frames a second
FIELD_OF = dict(zip(TOKEN_KEYS, FIELDS, strict=True))  # key in a token file -> text field
VOCABULARY = 30522  # tokens of bert-base-uncased
_FRAMING = (101, 102, 0)  # [CLS], [SEP], [PAD]
_PURPOSE = "reading and writing BERT token ids"
NEEDED = f"{_PURPOSE} needs the word pieces: {REMEDY}"


@FORMATS.register("sspvs")
class SspvsRelease(Format):
    """The folder: `features/ID.h5`, `info_embed/ID.h5`, `train_list.json`, `val_list.json`."""

    what = "the SSPVS pretraining release (folder: features/, info_embed/, lists)"
    order = 30
    needs = ("features",)
    holds = frozenset({"features", "token ids", *FIELDS, "subset (train, val, test)", "names beside the keys"})
    form = "folder"

    def matches(self, head: PathHead) -> bool:
        """A folder with at least one of the parts, and something in it."""
        parts = (head.path / part for part in (FEATURES, TEXTS))
        lists = ((head.path / name).is_file() for name in LISTS.values())
        return head.is_folder and (any(part.is_dir() and any(part.glob("*.h5")) for part in parts) or any(lists))

    def read(self, path: Path, settings: Settings) -> VideoTable:  # noqa: ARG002
        release = _Release(path)
        assumptions = [f"{RATE_HZ:g} features a second were taken for granted; each is a frame of its own"]
        if release.texts and not available():
            assumptions.append(f"the texts stay token ids: {NEEDED}")
        return VideoTable([release.video(key) for key in release.ids], name=path.name, assumptions=assumptions)

    def inspect(self, path: Path, found: Inspection) -> None:
        release = _Release(path)
        found.n_videos = len(release.ids)
        lengths, widths, tokens = list[int](), list[int](), list[int]()
        for key in found.watched(release.ids):
            try:
                if key in release.features:
                    features = _features(release.features[key]).features
                    lengths.append(len(features))
                    widths.append(features.shape[1])
            except SspvsError as error:
                found.problem(error, key, remedy="fetch the file again")
            try:
                if key in release.texts:
                    tokens.append(sum(map(len, read_tokens(release.texts[key]).values())))
            except SspvsError as error:
                found.problem(error, key, remedy="fetch the file again")
        shape, meaning = f"({span(lengths)}, {span(widths)})", GUIDE["features"].meaning
        found.key(f"{FEATURES}/ID.h5: features", len(release.features), shape, "float32", meaning)
        for name, guide in TOKEN_GUIDE.items():
            found.key(f"{TEXTS}/ID.h5: {name}", len(release.texts), guide.shape, "ids", guide.meaning)
        found.facts["tokens a video, all fields"] = span(tokens)
        _check_lists(found, release)
        if found.video is not None:
            found.detail = _detail(release, found.video)
        both = release.features.keys() & release.texts.keys()
        for key in release.ids:
            if key not in both:
                part = "features" if key in release.texts else "texts"
                found.problem(f"no {part}", key, blocking=False)
        ready = bool(lengths and tokens)
        found.use("pretraining", ready, "" if ready else "needs features and texts")
        found.use("evaluation", False, "no annotations")
        found.advice.append(f"as a feature file: sspvs data convert '{path}' --to community --out F.h5")

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        """Write a release folder; features of another rate are written as they are."""
        for folder in (FEATURES, TEXTS):
            (path / folder).mkdir()
        lists: dict[str, list[str]] = {name: [] for name in LISTS}
        for video in videos:
            stem = ledger.file_stem(video)
            assert video.features is not None  # `lacks` saw to it
            with atomic_h5(path / FEATURES / f"{stem}.h5") as file:
                file[layout.FEATURES] = np.asarray(video.features.features, dtype=np.float32)
            tokens = _tokens(video, ledger)
            with atomic_h5(path / TEXTS / f"{stem}.h5") as file:
                for key, field in FIELD_OF.items():  # empty where there is no text
                    file[key] = np.asarray(tokens.get(field, ()), dtype=np.int64)
            _note_rate(video, video.features, ledger)
            part = video.part or ledger.settings.subset or "train"
            if part in lists:
                lists[part].append(stem)
            else:
                ledger.leave_out(f"subset {part} (the release has lists for train and val only)", video.id)
        for name, ids in lists.items():
            write_text(path / LISTS[name], json.dumps(ids, indent=0) + "\n")


@FORMATS.register("sspvs-tokens")
class SspvsTokens(Format):
    """A single `info_embed/ID.h5`."""

    what = "one video's texts as BERT token ids, a part of the SSPVS release (h5)"
    family = "tokens"
    order = 70
    instead = "convert the release folder that it lies in"
    names_videos = False

    def inspect(self, path: Path, found: Inspection) -> None:
        """Read the token ids, as text too where the word pieces are here."""
        tokens = read_tokens(path)
        found.n_videos = 1
        texts = _texts(tokens)
        for key, field in FIELD_OF.items():
            if field in tokens:
                found.key(key, 1, f"({len(tokens[field])},)", "ids", TOKEN_GUIDE[key].meaning)
                found.facts[f"{field} reads"] = texts.get(field, NEEDED) or "(empty)"
            else:
                found.problem(f"no '{key}'", blocking=False)
        found.use("pretraining, with the features of the same video", True)


@FORMATS.register("sspvs-list")
class SspvsList(Format):
    """A single `train_list.json` or `val_list.json`."""

    what = "a list of video ids, as in the SSPVS release (JSON)"
    order = 160
    instead = "convert the release folder that it lies in"
    names_videos = False

    def matches(self, head: PathHead) -> bool:
        """A JSON list of texts."""
        return isinstance(head.json, list) and isinstance(head.first, str)

    def inspect(self, path: Path, found: Inspection) -> None:
        counts = Counter(_read_list(path))
        found.n_videos = len(counts)
        for key, count in counts.items():
            if count > 1:
                found.problem(f"named {count} times", key, blocking=False)
        found.use("pretraining: it names the videos to train or to validate on", True)


class _Release:
    """The parts of a release folder: id -> feature file, id -> token file, subset -> ids of its list."""

    def __init__(self, folder: Path) -> None:
        self.features = {path.stem: path for path in sorted((folder / FEATURES).glob("*.h5"))}
        self.texts = {path.stem: path for path in sorted((folder / TEXTS).glob("*.h5"))}
        self.ids = sorted(self.features.keys() | self.texts.keys())
        paths = {part: folder / name for part, name in LISTS.items()}
        self.lists = {part: _read_list(path) for part, path in paths.items() if path.is_file()}
        self.parts = {key: part for part, keys in self.lists.items() for key in keys}

    def video(self, key: str) -> Video:
        """One video, whose features and texts are read when it is loaded."""
        streams = (FeatureStream(self.features[key]),) if key in self.features else ()
        return Video(key, streams, part=self.parts.get(key, ""), read=partial(self.load, key))

    def load(self, key: str) -> LoadedVideo:
        """Features and texts of one video, with whichever of the two there is."""
        tokens = read_tokens(self.texts[key]) if key in self.texts else {}
        features = _features(self.features[key]) if key in self.features else None
        part, text = self.parts.get(key, ""), TextFields(**_texts(tokens))
        return LoadedVideo(key, key, features=features, text=text, tokens=tokens, part=part, frame_rate=RATE_HZ)


def is_release(folder: Path) -> bool:
    """Whether a folder has what pretraining needs of the release's layout."""
    return (folder / LISTS["train"]).is_file() and (folder / FEATURES).is_dir()


def read_release(folder: Path, part: str) -> list[Video]:
    """The videos of one of the lists, in its order; features are not opened, texts are."""
    names, problems, videos = _read_list(folder / LISTS[part]), Problems(folder / LISTS[part]), list[Video]()
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    problems.extend(("", f"the id '{name}' occurs more than once") for name in repeated)
    odd = [name for name in names if not name or name != Path(name).name]
    problems.extend(("", f"'{name}' is no id") for name in odd)
    if not names:
        problems.add("", "the list is empty")
    for number, name in enumerate((name for name in dict.fromkeys(names) if name not in odd), start=1):
        place, paths = f"entry {number} ({name})", [folder / kind / f"{name}.h5" for kind in (FEATURES, TEXTS)]
        missing = [path for path in paths if not path.is_file()]
        problems.extend((place, f"no file {path}") for path in missing)
        try:
            tokens = {} if paths[1] in missing else read_tokens(paths[1])
        except DatasetError as error:
            problems.add(place, str(error))
            continue
        if not missing:
            text = TokenFields(*(tuple(int(n) for n in tokens.get(field, ()) if n not in _FRAMING) for field in FIELDS))
            videos.append(Video(name, (FeatureStream(paths[0]),), text=text, where=place, part=part, notes=folder))
    problems.raise_any()
    return videos


def available() -> bool:
    """Whether BERT's word pieces are on this machine."""
    try:
        model_folder(_PURPOSE)
    except MissingExtraError:
        return False
    return True


def read_tokens(path: str | os.PathLike[str]) -> dict[str, IntArray]:
    """Token ids of one video, by text field."""
    try:
        with open_h5(path) as file:
            found = {field: _read_ids(path, key, file[key]) for key, field in FIELD_OF.items() if key in file}
            others = ", ".join(sorted(file)) or "nothing"
    except H5_ERRORS as error:
        raise DatasetError(f"{path}: cannot read token ids: {first_line(error)}; fetch the file again") from error
    if not found:
        raise DatasetError(f"{path}: expected token ids under {', '.join(TOKEN_KEYS)}, found {others}")
    return found


def _read_ids(path: str | os.PathLike[str], key: str, data: Any) -> IntArray:
    is_dataset = isinstance(data, h5py.Dataset)
    if is_dataset and not data.size:
        return np.zeros(0, np.int64)
    if not is_dataset or data.dtype.kind not in "iuf":
        raise DatasetError(f"{path}: '{key}': expected token ids, found {data.dtype if is_dataset else 'a group'}")
    ids = np.asarray(data[()]).reshape(-1)
    whole = ids.astype(np.int64)
    if (whole != ids).any() or (whole < 0).any() or (whole >= VOCABULARY).any():
        raise DatasetError(
            f"{path}: '{key}': expected ids 0..{VOCABULARY - 1} of bert-base-uncased, found {ids.min()}..{ids.max()}"
        )
    return whole


def _read_list(path: Path) -> list[str]:
    try:
        ids = read_json(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot read the list: {error}; expected a JSON list of video ids") from error
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
        raise DatasetError(f"{path}: expected a JSON list of video ids, found {type(ids).__name__}")
    return ids


@lru_cache(maxsize=1)
def _tokenizer() -> BertTokenizer:
    from sspvs.models.tokenizers import BertTokenizer

    return BertTokenizer("bert-base-uncased", _PURPOSE)


def _texts(tokens: Mapping[str, IntArray]) -> dict[str, str]:
    """Text of each field, lower case and without special tokens, as BERT reads it; empty without the word pieces."""
    return {field: _tokenizer().decode(ids.tolist()) for field, ids in tokens.items()} if available() else {}


def _tokens(video: LoadedVideo, ledger: Ledger) -> dict[str, IntArray]:
    """Token ids as the source had them, else of its texts, without [CLS] and [SEP]."""
    tokens = {name: np.asarray(ids, dtype=np.int64) for name, ids in video.tokens.items()}
    fresh = [name for name in FIELDS if getattr(video.text, name) and name not in tokens]
    if fresh and not available():
        ledger.leave_out(f"{', '.join(fresh)} ({NEEDED})", video.id)
        return tokens
    encoded = {name: _tokenizer().encode(getattr(video.text, name)) for name in fresh}
    return tokens | {name: np.asarray(ids, dtype=np.int64) for name, ids in encoded.items()}


def _features(path: Path) -> FrameFeatures:
    with read_features(path) as store:
        if list(store) != [path.stem]:
            raise DatasetError(f"{path}: expected 'features' (T, D) of one video, found groups")
        return store[path.stem]


def _check_lists(found: Inspection, release: _Release) -> None:
    for part, name in LISTS.items():
        found.facts[name] = f"{len(release.lists[part])} ids" if part in release.lists else "not there"
    for part, ids in release.lists.items():
        for key, count in Counter(ids).items():
            if count > 1:
                found.problem(f"named {count} times in {LISTS[part]}", key, blocking=False)
            if key not in release.features:
                found.problem(f"in {LISTS[part]}, but no {FEATURES}/ file", key, remedy="take it out of the list")
    for key in sorted(set(release.lists.get("train", [])) & set(release.lists.get("val", []))):
        found.problem("in both lists: what chooses the checkpoint must not be trained on", key)


def _detail(release: _Release, key: str) -> dict[str, str]:
    if key not in release.ids:
        return {}
    video, detail = release.load(key), dict[str, str]()
    if video.features is not None:
        detail["features"] = str(video.features.features.shape)
    for name, ids in video.tokens.items():
        text = getattr(video.text, name) or f"({NEEDED})"
        detail[name] = f"{len(ids)} tokens: {text if len(ids) else '(empty)'}"
    return detail | {"list": video.part or "in neither"}


def _note_rate(video: LoadedVideo, features: FrameFeatures, ledger: Ledger) -> None:
    """Note where features are of another rate than the release's."""
    fps = ledger.settings.fps_of(video)
    if not np.array_equal(features.picks, np.arange(features.n_frames)):
        ledger.leave_out("picks and number of frames (each feature becomes a frame of its own)", video.id)
    if fps is None or len(features.picks) < 2:
        ledger.change(f"features are written as they are; the release has {RATE_HZ:g} a second", video.id)
        return
    rate = fps / float(np.median(np.diff(features.picks)))
    if abs(rate - RATE_HZ) > 0.25 * RATE_HZ:
        ledger.change(f"features are {rate:.2g} a second as in the source (the release has {RATE_HZ:g})", video.id)
