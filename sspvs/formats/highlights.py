"""Highlight detection's folders (UMT, QD-DETR, lighthouse): features a stream, clips that were rated or matched.

`tvsum_anno.json` has 20 people's ratings of each 2-second unit of TVSum, `youtube_anno.json` the clips of YouTube
Highlights (Sun et al., ECCV 2014) that their own authors kept in an edited video: 1 kept, -1 not kept, 0 borderline.
Features lie beside them, an array a video: `video_features/ID_rgb.npy`, `ID_opt.npy`, `audio_features/ID.npy`, or, for
QVHighlights, `clip_features/ID.npz` and `slowfast_features/ID.npz`; the arrays of a video differ by a row in practice.
One h5 file with a dataset an id is read too.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from sspvs.atomic import write_text
from sspvs.errors import DatasetError, first_line, listed
from sspvs.evaluation.average_precision import LABELS, is_labelled
from sspvs.files import read_json
from sspvs.formats.community import Tally
from sspvs.formats.format import FORMATS, H5_SUFFIXES, Format, Ledger, Settings
from sspvs.formats.head import PathHead
from sspvs.formats.inspection import Inspection, span
from sspvs.formats.seconds import values_a_second
from sspvs.table import LoadedVideo, Video, VideoTable
from sspvs.table.h5_file import DAMAGE, open_h5
from sspvs.table.numpy_file import array_headers, load_array
from sspvs.table.text import TextFields
from sspvs.types import Annotations, FloatArray, FrameFeatures, FurtherStream, IntArray

UNIT_SECONDS = 2  # of a row, where no clips are given
RATED, MATCHED = "tvsum_anno.json", "youtube_anno.json"
# stream -> folder, and what follows the id in a file's name; the first that is there is the main one
STREAMS = {
    "rgb": ("video_features", "_rgb"),
    "opt": ("video_features", "_opt"),
    "clip": ("clip_features", ""),
    "slowfast": ("slowfast_features", ""),
    "audio": ("audio_features", ""),
}
_IMPORTANCE = dict(zip((-1, 0, 1), LABELS, strict=True))  # of each value of `match`
_LOWEST, _HIGHEST = 1, 5  # ratings
_READ = {"fps", "frames", "domain", "title", "anno", "info", "clip", "match"}
_QUERY, _TITLE, _DESCRIPTION = 0, 5, 6  # places in `info`
_LOOKED_AT = 5


@FORMATS.register("highlights")
class Highlights(Format):
    """A folder of features with an annotation file, either of the two alone."""

    what = "highlight detection: features a stream, ratings or labels of clips (folder, JSON)"
    order = 125
    keys: ClassVar = {
        "anno": ("T x U", "how important each person found each 2-second unit, 1-5 (TVSum)"),
        "clip": ("T x 2", "first and last frame of each clip (YouTube Highlights)"),
        "match": ("T", "1 a highlight, -1 none, 0 borderline (YouTube Highlights)"),
        "domain": ("text", "the kind of video, such as `dog` or `VT`"),
        "info": ("8", "search query, channel, title and description (YouTube Highlights)"),
        "title": ("text", "the video's title (TVSum)"),
        "fps": ("number", "frames per second"),
        "frames": ("number", "N, how many frames the video has"),
    }
    needs = ("user scores",)
    holds = frozenset(
        {"features", "further streams of features", "user scores", "gtscore", "fps", "names beside the keys"}
        | {"title", "category", "picks other than every 15th frame"}
    )
    form = "folder"
    needs_clock = True

    def matches(self, head: PathHead) -> bool:
        """A folder of streams, or with an annotation file; or such a file."""
        if head.is_folder:
            parts = any((head.path / folder).is_dir() for folder, _ in STREAMS.values())
            return parts or any(self.matches(PathHead(path)) for path in head.files(".json")[:_LOOKED_AT])
        return bool(_h5_shapes(head)) or (isinstance(head.json, dict) and _is_entry(head.first))

    def read(self, path: Path, settings: Settings) -> VideoTable:  # noqa: ARG002
        folder = _Folder(path)
        return VideoTable(
            [Video(key, read=partial(folder.load, key)) for key in folder.ids],
            name=folder.name,
            assumptions=folder.notes,
        )

    def inspect(self, path: Path, found: Inspection) -> None:
        folder, tally, kinds, rows = _Folder(path), Tally(), Counter[str](), list[int]()
        for video in found.loaded(self.read(path, Settings())):
            kinds[video.text.category] += bool(video.text.category)
            if video.annotations is not None:
                tally.add(video.annotations, has_features=video.features is not None)
            if video.features is not None:
                rows.append(len(video.features.picks))
            if found.video == video.id:
                found.detail = {name: str(values.shape) for name, values in _streams(video).items()}
                found.detail |= {"title": video.text.title, "domain": video.text.category}
        counts = Counter(name for entry in folder.entries.values() if isinstance(entry, dict) for name in entry)
        for name, (shape, meaning) in self.keys.items():
            if counts[name]:
                found.key(name, counts[name], shape, "JSON", meaning)
        for name, (files, width) in folder.streams.items():
            place = "/ID".join(STREAMS[name])
            found.key(place, len(files), f"({span(rows)}, {width})", "float", f"the stream `{name}`, a row a clip")
        if kinds:
            found.facts["videos a kind"] = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        if tally.n_users:
            found.facts |= tally.facts()
            tally.add_uses(found)
        else:
            found.use("evaluation", False, "no ratings or labels of whole videos")
        found.advice.append(f"as a dataset file: sspvs data convert '{path}' --to community --out D.h5")

    def write(self, path: Path, videos: Iterator[LoadedVideo], ledger: Ledger) -> None:
        entries: dict[str, dict[str, dict[str, Any]]] = {RATED: {}, MATCHED: {}}
        for video in videos:
            stem = ledger.file_stem(video)
            file, entry, streams = _entry(video, ledger)
            entries[file][stem] = entry
            for name, values in streams.items():
                folder, suffix = STREAMS[name]
                (path / folder).mkdir(exist_ok=True)
                np.save(path / folder / f"{stem}{suffix}.npy", values.astype(np.float32))
        for file, content in entries.items():
            if content:
                write_text(path / file, json.dumps(content) + "\n")


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and "domain" in entry and ("anno" in entry or "match" in entry)


class _Folder:
    """What lies in a folder, or beside an annotation file: id -> entry, and stream -> its files and width."""

    def __init__(self, path: Path) -> None:
        self.folder = path if path.is_dir() else path.parent
        shapes = _h5_shapes(PathHead(path))
        files = [] if shapes else PathHead(path).files(".json") or [path] * path.is_file()
        self.entries: dict[str, Any] = {}
        for file in files:
            content = _json(file)
            if isinstance(content, dict) and (file.name in (RATED, MATCHED) or any(map(_is_entry, content.values()))):
                self.entries |= content
        names = {RATED: "tvsum", MATCHED: "youtube"}
        self.name = names.get(files[0].name, self.folder.name) if len(files) == 1 else self.folder.name
        self.streams: dict[str, tuple[dict[str, Path], int]] = {}
        if shapes:
            self.streams["rgb"] = dict.fromkeys(shapes, path), next(iter(shapes.values()))[1]
        for name, (folder, suffix) in {} if shapes else STREAMS.items():
            if here := _files(self.folder / folder, suffix):
                self.streams[name] = here, _width(next(iter(here.values())))
        with_features = sorted({key for here, _ in self.streams.values() for key in here})
        self.ids = list(self.entries) or with_features
        if not self.ids:
            raise DatasetError(
                f"{path}: expected {RATED}, {MATCHED} or arrays such as video_features/ID_rgb.npy, found none"
            )
        self.notes = []
        if unnamed := [key for key in with_features if key not in self.entries] if self.entries else []:
            self.notes.append(f"arrays of {len(unnamed)} videos that no annotation names were not read")
        if not self.entries:
            self.notes.append(f"no annotation file: each row was taken as a frame of its own, {UNIT_SECONDS} s each")

    def load(self, key: str) -> LoadedVideo:
        """One video: its streams at the same rows, cut to the shortest, and its annotations."""
        arrays = {name: _array(here[key], name, key) for name, (here, _) in self.streams.items() if key in here}
        for name, values in arrays.items():
            if values.shape[1] != self.streams[name][1]:
                expected = f"{self.streams[name][1]} wide as the first video's"
                raise DatasetError(f"{key}: '{name}' is {values.shape[1]} wide, expected {expected}")
        entry: Any = self.entries.get(key)
        lengths = {name: len(values) for name, values in arrays.items()}
        scores, picks, n_frames = None, None, None
        if self.entries:
            scores, picks, n_frames = _judgements(entry, key)
            lengths["the annotation"] = len(picks)
        rows, repairs = min(lengths.values()), list[str]()
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{count} of {name}" for name, count in lengths.items())
            repairs.append(f"rows differ and were cut to {rows}, the fewest: {found}")
        missing = [name for name in self.streams if name not in arrays] if arrays else []
        if missing:
            repairs.append(f"no '{listed(missing)}': zeros, which mean that the stream is missing")
        shaped = {
            name: arrays[name][:rows] if name in arrays else np.zeros((rows, width), np.float32)
            for name, (_, width) in self.streams.items()
        }
        picks = np.arange(rows, dtype=np.int64) if picks is None else picks[:rows]
        n_frames = n_frames or rows
        main, *others = [*shaped] if arrays else [""]
        further, text = {name: FurtherStream(shaped[name]) for name in others}, _text(entry)
        features = FrameFeatures(key, shaped[main], picks, n_frames, streams=further) if arrays else None
        annotations = None
        if scores is not None:
            scores = scores[:, :rows]
            low, high = (_LOWEST, _HIGHEST) if "anno" in entry else (0, 1)
            annotations = Annotations(
                key=key,
                video_name=key,
                n_frames=n_frames,
                picks=picks,
                user_scores=scores.astype(np.float32),
                gtscore=((scores.mean(axis=0) - low) / (high - low)).astype(np.float32),
                title=text.title,
                category=text.category,
                fps=float(entry["fps"]),
                repairs=tuple(repairs),
            )
        unread = [f"'{name}'" for name in entry or () if name not in _READ]
        unread += ["query_features"] * (self.folder / "query_features" / f"{key}.npz").is_file()
        rate = None if self.entries else 1 / UNIT_SECONDS
        return LoadedVideo(key, key, annotations, features, text, frame_rate=rate, unread=tuple(unread))


def _json(path: Path) -> Any:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: damaged JSON: {first_line(error)}; fetch it again") from error


def _files(folder: Path, suffix: str) -> dict[str, Path]:
    """Id -> array file, of one stream."""
    return {
        path.stem.removesuffix(suffix): path
        for path in PathHead(folder).files(".npy", ".npz")
        if path.stem.endswith(suffix)
    }


def _h5_shapes(head: PathHead) -> dict[str, tuple[int, ...]]:
    """Id -> (T, D) of an h5 file that has nothing but a dataset an id; empty for others."""
    if head.family != "unknown":
        return {}
    with open_h5(head.path) as file:
        arrays = {key: file[key] for key in file if isinstance(file.get(key), h5py.Dataset)}
        fits = len(arrays) == len(file) and all(data.ndim == 2 and data.dtype.kind == "f" for data in arrays.values())
        return {key: data.shape for key, data in arrays.items()} if fits else {}


def _width(path: Path) -> int:
    """Of the features of one file; 0 where they are no (T, D)."""
    try:
        shape = array_headers(path)[0].shape
    except DAMAGE:
        return 0
    return int(shape[-1]) if len(shape) == 2 else 0


def _array(path: Path, name: str, key: str) -> FloatArray:
    """(T, D) features of one video; of an .npz the array `features`, or its first one."""
    try:
        if path.suffix.lower() in H5_SUFFIXES:
            with open_h5(path) as file:
                values = file[key][()]
        else:
            names = [header.name for header in array_headers(path)]
            values = load_array(path, "features" if "features" in names else names[0])
    except DAMAGE as error:
        raise DatasetError(f"{path.name}: cannot be read: {first_line(error)}; fetch it again") from error
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "fiu":
        raise DatasetError(f"{path.name}: expected '{name}' as (T, D) numbers, found {values.shape} of {values.dtype}")
    if not np.isfinite(values).all():
        raise DatasetError(f"{path.name}: '{name}' has NaN or infinite values; extract it again")
    return np.asarray(values, dtype=np.float32)


def _judgements(entry: Any, key: str) -> tuple[FloatArray, IntArray, int]:
    """(U, T) scores of an entry, (T,) the middle frame of each clip, and N."""
    if not isinstance(entry, dict):
        raise DatasetError(f"{key}: expected an object, found {type(entry).__name__}")
    fps, frames = _number(entry, "fps", key), int(_number(entry, "frames", key))
    if "anno" in entry:
        ratings = _numbers(entry, "anno", key, 2)
        if ((ratings < _LOWEST) | (ratings > _HIGHEST)).any():
            raise DatasetError(
                f"{key}: 'anno': expected ratings {_LOWEST} to {_HIGHEST}, found {ratings.min():g}..{ratings.max():g}"
            )
        middles = (2 * np.arange(len(ratings)) + 1) * fps * UNIT_SECONDS / 2
        scores = ratings.T
    else:
        match, clips = _numbers(entry, "match", key, 1), _numbers(entry, "clip", key, 2)
        if clips.shape != (len(match), 2):
            raise DatasetError(f"{key}: {len(match)} values of 'match', but 'clip' of shape {clips.shape}")
        odd = match[~np.isin(match, [*_IMPORTANCE])]
        if odd.size:
            raise DatasetError(f"{key}: 'match': expected 1, 0 or -1, found {odd[0]:g}")
        middles = clips.mean(axis=1)
        scores = np.vectorize(_IMPORTANCE.__getitem__, otypes=[np.float64])(match)[None]
    picks = np.rint(middles - 1e-6).astype(np.int64)  # a half goes down: [0, 99] and [50, 149] stay 50 apart
    if picks[0] < 0 or (np.diff(picks) <= 0).any():
        raise DatasetError(f"{key}: 'clip': expected clips one after the other, found them in another order")
    return scores, picks, max(frames, int(picks[-1]) + 1)


def _number(entry: Mapping[str, Any], name: str, key: str) -> float:
    """A number above 0, also written as text."""
    try:
        value = float(entry[name])
    except (KeyError, TypeError, ValueError):
        value = 0.0
    if not 0 < value < float("inf"):
        raise DatasetError(f"{key}: '{name}': expected a number above 0, found {entry.get(name)!r}")
    return value


def _numbers(entry: Mapping[str, Any], name: str, key: str, dimensions: int) -> FloatArray:
    try:
        values = np.asarray(entry.get(name), dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.ndim != dimensions or not values.size or not np.isfinite(values).all():
        raise DatasetError(f"{key}: '{name}': expected {Highlights.keys[name][0]} numbers, found shape {values.shape}")
    return values


def _text(entry: Any) -> TextFields:
    if not isinstance(entry, dict):
        return TextFields()
    info = entry.get("info")
    if isinstance(info, list) and len(info) > _DESCRIPTION:
        query, title, description = (str(info[place] or "") for place in (_QUERY, _TITLE, _DESCRIPTION))
        return TextFields(str(entry.get("domain", "")), query, title, description)
    return TextFields(str(entry.get("domain", "")), title=str(entry.get("title", "")))


def _streams(video: LoadedVideo) -> dict[str, FloatArray]:
    """The (T, D) arrays of a video by stream, the first of them as `rgb`."""
    if video.features is None:
        return {}
    return {"rgb": video.features.features} | {name: s.features for name, s in video.features.streams.items()}


def _entry(video: LoadedVideo, ledger: Ledger) -> tuple[str, dict[str, Any], dict[str, FloatArray]]:
    """The annotation file that a video belongs into, its entry there, and its streams at the same rows."""
    annotations, fps, text = video.annotations, ledger.fps(video), video.text
    assert annotations is not None  # `lacks` saw to it
    assert annotations.user_scores_at_picks is not None
    scores, picks, n_frames = annotations.user_scores_at_picks, annotations.picks, annotations.n_frames
    streams = _streams(video)
    for name in streams.keys() - STREAMS.keys():
        streams.pop(name)
        ledger.leave_out(f"the stream '{name}' (the layout has {', '.join(STREAMS)})", video.id)
    title, domain = annotations.title or text.title, annotations.category or text.category
    entry: dict[str, Any] = {"fps": fps, "frames": str(n_frames), "domain": domain}
    if is_labelled(annotations):
        step = int(np.median(np.diff(picks))) if len(picks) > 1 else n_frames
        half = np.minimum(np.minimum(step, picks), n_frames - picks)  # the middle of each clip is its pick
        match = {importance: label for label, importance in _IMPORTANCE.items()}
        info = [text.query, "", video.name, n_frames / fps, "", title, text.description, ""]
        entry |= {"info": info, "clip": np.stack([picks - half, picks + half], axis=1).tolist()}
        ledger.change("the first and last frame of each clip: a step before and after its pick", video.id)
        return MATCHED, entry | {"match": [match[float(score)] for score in scores[0]]}, streams
    units = (2 * np.arange(len(picks)) + 1) * fps * UNIT_SECONDS / 2
    if np.abs(picks - units).max() > 1:
        to_units = partial(
            values_a_second, picks=picks, n_frames=n_frames, fps=fps * UNIT_SECONDS, how=ledger.settings.resample
        )
        scores, streams = to_units(scores.T).T, {name: to_units(values) for name, values in streams.items()}
        ledger.change(f"one row each {UNIT_SECONDS} seconds: {ledger.settings.resample} of the values there", video.id)
    return RATED, entry | {"title": title, "length": n_frames / fps, "anno": scores.T.tolist()}, streams
