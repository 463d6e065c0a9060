"""The SSPVS release as it is unpacked (Li et al., WACV 2023): features, texts as token ids, lists, annotated sets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from sspvs.annotations.record import Problems
from sspvs.annotations.video_names import VideoFinder
from sspvs.atomic import atomic_h5, write_text
from sspvs.errors import DatasetError, SspvsError
from sspvs.files import read_json
from sspvs.formats.community import TRAINING
from sspvs.formats.conversion import inspect_file
from sspvs.formats.format import FORMATS, Format, Ledger, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.formats.sspvs_texts import (
    FIELD_OF,
    NEEDED,
    available,
    read_text_info,
    read_tokens,
    token_fields,
    tokens_of,
    words_of,
)
from sspvs.table import FeatureStream, LoadedVideo, Video, VideoTable, layout, read_dataset, read_features
from sspvs.table.h5_survey import GUIDE, TOKEN_GUIDE
from sspvs.table.text import FIELDS, TextFields
from sspvs.types import FrameFeatures

FEATURES, TEXTS, LIST_FOLDER, ABOVE = "features", "info_embed", "list_file", "ssl"
LISTS = {"train": "train_list.json", "val": "val_list.json"}
WORDS = "info_preprocessed.json"  # beside the lists: the texts that the token ids were made of
RATE_HZ = 2.0  # googLeNet features of two frames a second


@FORMATS.register("sspvs")
class SspvsRelease(Format):
    """`features/ID.h5`, `info_embed/ID.h5` and `list_file/`, in the folder or its `ssl/`; `data/` for fine-tuning."""

    what = "the SSPVS release (folder: features/, info_embed/, list_file/; data/)"
    order = 30
    needs = ("features",)
    holds = frozenset({"features", "token ids", *FIELDS, "subset (train, val, test)", "names beside the keys"})
    form = "folder"

    def matches(self, head: PathHead) -> bool:
        """A folder with at least one of the parts, and something in it."""
        return head.is_folder and (is_release(head.path) or bool(Release(head.path).datasets))

    def read(self, path: Path, settings: Settings) -> VideoTable:  # noqa: ARG002
        release = Release(path)
        assumptions = [f"{RATE_HZ:g} features a second were taken for granted; each is a frame of its own"]
        if release.tokens and not available():
            assumptions.append(f"the texts stay token ids: {NEEDED}")
        return VideoTable([release.video(key) for key in release.ids], name=path.name, assumptions=assumptions)

    def inspect(self, path: Path, found: Inspection) -> None:
        """Read all features and token ids, hold the lists against them, and look at the annotated sets."""
        release = Release(path)
        if release.has_pairs:
            _inspect_pairs(release, found)
        else:
            found.use("pretraining", False, f"no {FEATURES}/ and {TEXTS}/")
        for dataset in release.datasets:
            _inspect_dataset(dataset, dataset.relative_to(path), found)
        if not release.datasets:
            found.use("evaluation", False, "no annotations")

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        """Write a release folder; features of another rate are written as they are."""
        for folder in (FEATURES, TEXTS, LIST_FOLDER):
            (path / folder).mkdir()
        lists: dict[str, list[str]] = {name: [] for name in LISTS}
        for video in videos:
            stem = ledger.file_stem(video)
            assert video.features is not None  # `lacks` saw to it
            with atomic_h5(path / FEATURES / f"{stem}.h5") as file:
                file[layout.FEATURES] = np.asarray(video.features.features, dtype=np.float32)
            tokens = tokens_of(video, ledger)
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
            write_text(path / LIST_FOLDER / LISTS[name], json.dumps(ids, indent=0) + "\n")


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


class Release:
    """The parts of an unpacked release: id -> feature file, id -> token file or texts, subset -> ids of its list.

    Args:
        folder: The folder of `features/` and `info_embed/`, or the one above, which has them in `ssl/` as unpacked.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / ABOVE if (folder / ABOVE).is_dir() and not (folder / FEATURES).is_dir() else folder
        self.features = {path.stem: path for path in sorted((self.root / FEATURES).glob("*.h5"))}
        self.tokens = {path.stem: path for path in sorted((self.root / TEXTS).glob("*.h5"))}
        self.list_paths = {part: self._list_file(name) for part, name in LISTS.items()}
        self.lists, self.unreadable = dict[str, list[str]](), dict[str, str]()  # subset -> ids, or what is wrong
        for part, path in self.list_paths.items():
            try:
                self.lists |= {part: _read_list(path)} if path.is_file() else {}
            except DatasetError as error:
                self.unreadable[part] = str(error).removeprefix(f"{path}: ")
        self.parts = {key: part for part, keys in self.lists.items() for key in keys}

    @cached_property
    def words(self) -> dict[str, TextFields]:
        """The texts themselves by id, read where there are no token ids; empty without them too."""
        path = self._list_file(WORDS)
        return read_text_info(path) if path.is_file() and not self.tokens else {}

    @property
    def ids(self) -> list[str]:
        """The videos with features or token ids."""
        return sorted(self.features.keys() | self.tokens.keys())

    @property
    def has_pairs(self) -> bool:
        """Whether there is any part of what pretraining reads."""
        return bool(self.ids or self.lists or self.unreadable)

    @property
    def datasets(self) -> list[Path]:
        """The annotated sets that come with it, in `data/` or beside the folders of their token ids."""
        homes = (home for home in (self.folder / "data", self.folder) if any(home.glob(f"*_{TEXTS}")))
        return sorted(next(homes, self.folder / "data").glob("*.h5"))

    def faults(self) -> Iterator[tuple[str, str, str]]:
        """What keeps the lists from being pretrained on: list, id (empty: all of it) and a sentence."""
        for part, sentence in self.unreadable.items():
            yield LISTS[part], "", sentence
        if "train" not in self.lists | self.unreadable:
            yield "", "", f"no {self.list_paths['train'].relative_to(self.root)}, which has the ids to train on"
        if not self.features:
            yield "", "", f"no {FEATURES}/ID.h5"
        if not self.tokens and not self.words:
            yield "", "", f"no texts: neither {TEXTS}/ID.h5 nor {LIST_FOLDER}/{WORDS}"
        texts, where = (self.tokens, f"{TEXTS}/ file") if self.tokens else (self.words, f"text in {WORDS}")
        for part, ids in self.lists.items():
            name = LISTS[part]
            if not ids:
                yield name, "", "the list is empty"
            for key, count in Counter(ids).items():
                if count > 1:
                    yield name, key, f"named {count} times"
                if not key or key != Path(key).name:
                    yield name, key, "is no id"
                    continue
                if self.features and key not in self.features:
                    yield name, key, f"no {FEATURES}/ file"
                if texts and key not in texts:
                    yield name, key, f"no {where}"
                if part == "val" and key in self.lists.get("train", ()):
                    yield name, key, "in both lists: what chooses the checkpoint must not be trained on"

    def _list_file(self, name: str) -> Path:
        """A file of `list_file/`, or beside `features/` as we write and earlier copies have it."""
        places = [self.root / folder / name for folder in (LIST_FOLDER, "")]
        return next((path for path in places if path.is_file()), places[0])

    def video(self, key: str) -> Video:
        """One video, whose features and texts are read when it is loaded."""
        streams = (FeatureStream(self.features[key]),) if key in self.features else ()
        return Video(key, streams, part=self.parts.get(key, ""), read=partial(self.load, key))

    def load(self, key: str) -> LoadedVideo:
        """Features and texts of one video, with whichever of the two there is."""
        tokens = read_tokens(self.tokens[key]) if key in self.tokens else {}
        features = _features(self.features[key]) if key in self.features else None
        text = self.words.get(key) or TextFields(**words_of(tokens))
        part = self.parts.get(key, "")
        return LoadedVideo(key, key, features=features, text=text, tokens=tokens, part=part, frame_rate=RATE_HZ)


def is_release(folder: Path) -> bool:
    """Whether a folder has any part of the release's layout that pretraining reads."""
    return Release(folder).has_pairs


def read_release(folder: Path) -> tuple[list[Video], Path]:
    """The videos of both lists, in their order, and the folder they lie in; features are not opened, texts are."""
    release = Release(folder)
    problems, videos = Problems(release.root), list[Video]()
    for name, key, sentence in release.faults():
        problems.add(f"{name}, '{key}'" if key else name, sentence)
    for part, ids in release.lists.items():
        for key in dict.fromkeys(ids):
            place = f"{LISTS[part]}, '{key}'"
            try:
                text = token_fields(release.tokens[key]) if key in release.tokens else release.words.get(key)
            except DatasetError as error:
                problems.add(place, str(error))
                continue
            if text is not None and key in release.features:
                stream = FeatureStream(release.features[key])
                videos.append(Video(key, (stream,), text=text, where=place, part=part, notes=release.root))
    problems.raise_any()
    return videos, release.root


def _read_list(path: Path) -> list[str]:
    try:
        ids = read_json(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot read the list: {error}; expected a JSON list of video ids") from error
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
        raise DatasetError(f"{path}: expected a JSON list of video ids, found {type(ids).__name__}")
    return ids


def _features(path: Path) -> FrameFeatures:
    with read_features(path) as store:
        if list(store) != [path.stem]:
            raise DatasetError(f"{path}: expected 'features' (T, D) of one video, found groups")
        return store[path.stem]


def _inspect_pairs(release: Release, found: Inspection) -> None:
    """What pretraining reads."""
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
            if key in release.tokens:
                tokens.append(sum(map(len, read_tokens(release.tokens[key]).values())))
        except SspvsError as error:
            found.problem(error, key, remedy="fetch the file again")
    shape, meaning = f"({span(lengths)}, {span(widths)})", GUIDE["features"].meaning
    found.key(f"{FEATURES}/ID.h5: features", len(release.features), shape, "float32", meaning)
    for name, guide in TOKEN_GUIDE.items():
        found.key(f"{TEXTS}/ID.h5: {name}", len(release.tokens), guide.shape, "ids", guide.meaning)
    found.facts["tokens a video, all fields"] = span(tokens)
    for part, path in release.list_paths.items():
        ids = release.lists.get(part)
        count = "not there" if ids is None else f"{len(ids)} ids"
        found.facts[str(path.relative_to(release.folder))] = "damaged" if part in release.unreadable else count
    if len(set(widths)) > 1:
        found.problem(f"features of different widths, {span(widths)}: of more than one backbone")
    for name, key, sentence in release.faults():
        found.problem(f"{name}: {sentence}" if name else sentence, key or None)
    for key in release.ids:
        if key not in release.parts and not (key in release.features and key in release.tokens):
            found.problem(f"no {FEATURES if key in release.tokens else 'token ids'}", key, blocking=False)
    if found.video is not None:
        found.detail = _detail(release, found.video)
    in_the_way = [
        problem.text
        for problem in found.problems
        if problem.blocking and (not problem.videos or not release.parts.keys().isdisjoint(problem.videos))
    ]
    found.use("pretraining (--data.train THIS)", not in_the_way, in_the_way[0] if in_the_way else "")
    found.advice.append(f"as a feature file: sspvs data convert '{release.folder}' --to community --out F.h5")


def _inspect_dataset(path: Path, name: Path, found: Inspection) -> None:
    """An annotated set, and the token ids of its videos beside it."""
    inner = inspect_file(path)
    training = next((use for use in inner.uses if use.what == TRAINING), None)
    blocked = "" if inner.usable else f"{inner.problems[0].text}; sspvs data inspect '{path}' says more"
    why = blocked or (training.why if training is not None else f"it is {inner.what}")
    found.use(f"fine-tuning on {name} (--data.dataset)", not why, why)
    texts = path.with_name(f"{path.stem}_{TEXTS}")
    if not texts.is_dir() or why:
        return
    with read_dataset(path) as store:
        finder, there, unknown = VideoFinder(store), set[str](), list[str]()
        for file in sorted(texts.glob("*.h5")):
            key = finder.find(file.stem)
            try:
                read_tokens(file)
            except SspvsError as error:
                found.problem(error, f"{texts.name}/{file.stem}", remedy="fetch the file again")
                continue
            if key is None:
                unknown.append(file.stem)
            else:
                there.add(key)
        missing = len(store) - len(there)
    why = f"'{unknown[0]}' is no video of {path.name}" if unknown else ""
    why = why or (f"{missing} of {len(store)} videos have none" if missing else "")
    found.use(f"with its texts, {name.with_name(texts.name)} (--data.texts)", not why, why)


def _detail(release: Release, key: str) -> dict[str, str]:
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
