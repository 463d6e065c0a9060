"""A small file of each kind, written by hand from the descriptions of the formats, without this package's writers."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import scipy.io

FRAMES = (100, 130, 160)
USERS = 4


def summaries(number: int, n_frames: int, users: int = USERS) -> np.ndarray:
    """(U, N) 0/1: two stretches a user."""
    generator = np.random.default_rng(number)
    rows = np.zeros((users, n_frames))
    for row in rows:
        for start in generator.integers(0, n_frames - 8, size=2):
            row[start : start + 8] = 1
    return rows


def community(path: Path, *, names: bool = True, features: bool = True) -> Path:
    """A dataset as the community has it: inclusive ends, float picks, names as bytes."""
    with h5py.File(path, "w") as file:
        for number, n_frames in enumerate(FRAMES, start=1):
            group = file.create_group(f"video_{number}")
            picks = np.arange(0, n_frames, 15)
            rows = summaries(number, n_frames)
            group["picks"] = picks.astype(np.float64)
            group["n_frames"], group["n_steps"] = n_frames, len(picks)
            group["user_summary"] = rows.astype(np.float32)
            group["gtscore"] = rows[:, picks].mean(axis=0).astype(np.float32)
            group["gtsummary"] = (np.arange(len(picks)) % 3 == 0).astype(np.float32)
            group["change_points"] = np.array([[0, 39], [40, n_frames - 1]])
            group["n_frame_per_seg"] = np.array([40, n_frames - 40])
            if names:
                group["video_name"] = np.bytes_(f"Video No {number}")
            if features:
                generator = np.random.default_rng(number)
                group["features"] = generator.random((len(picks), 16), dtype=np.float32)
    return path


def features_only(path: Path) -> Path:
    """Features without anything else, half precision."""
    with h5py.File(path, "w") as file:
        for number in (1, 2):
            file[f"clip_{number}/features"] = np.random.default_rng(number).random((9, 6)).astype(np.float16)
    return path


def peer_scores(path: Path) -> Path:
    """Scores and summaries that somebody recorded."""
    with h5py.File(path, "w") as file:
        for number, n_frames in enumerate(FRAMES, start=1):
            n_picks = len(range(0, n_frames, 15))
            file[f"video_{number}/score"] = np.linspace(0, 1, n_picks).astype(np.float32)
            file[f"video_{number}/gtscore"] = np.linspace(1, 0, n_picks).astype(np.float32)
            file[f"video_{number}/machine_summary"] = np.zeros(n_frames, np.float32)
            file[f"video_{number}/fm"] = 0.5
    return path


def mrhisum(path: Path, *, features: bool = True, summary_key: str = "gt_summary") -> Path:
    """MR.HiSum: half-open shots, no picks, no users; `metadata.csv` and the split file beside it."""
    with h5py.File(path, "w") as file:
        for number, seconds in enumerate((20, 31), start=1):
            generator = np.random.default_rng(number)
            group = file.create_group(f"video_{number}")
            group["gtscore"] = generator.random(seconds).astype(np.float32)
            group["change_points"] = np.array([[0, 7], [7, seconds]])
            group[summary_key] = (np.arange(seconds) < 3).astype(np.float32)
            if features:
                group["features"] = generator.random((seconds, 12), dtype=np.float32)
    (path.parent / "metadata.csv").write_text(
        "video_id,yt8m_file,random_id,youtube_id,duration,views,labels\n"
        'video_1,train0026,ORaA,JhdjUam0l6A,20,84554,"[8]"\nvideo_2,train0026,IwaA,wq7rSbQx2G8,31,170768,"[11, 2]"\n'
    )
    split = {"train_keys": ["video_1"], "val_keys": [], "test_keys": ["video_2"]}
    (path.parent / "mr_hisum_split.json").write_text(json.dumps(split))
    return path


TOKENS = {
    "cat": [5855],
    "query": [2129, 2000, 5660],
    "title": [2307, 5660],
    "description": [],
}  # photography, how to cook, great cook


def sspvs_release(folder: Path) -> Path:
    """Features, token ids and lists of three videos."""
    (folder / "features").mkdir(parents=True)
    (folder / "info_embed").mkdir()
    (folder / "list_file").mkdir()
    ids = ["-aB_c1", "Zz9", "id three"]
    for number, name in enumerate(ids):
        with h5py.File(folder / "features" / f"{name}.h5", "w") as file:
            file["features"] = np.random.default_rng(number).random((11, 8), dtype=np.float32)
        with h5py.File(folder / "info_embed" / f"{name}.h5", "w") as file:
            for key, tokens in TOKENS.items():
                file[key] = np.array(tokens, dtype=np.int64)
    (folder / "list_file" / "train_list.json").write_text(json.dumps(ids[:2]))
    (folder / "list_file" / "val_list.json").write_text(json.dumps(ids[2:]))
    return folder


def frame_bytes(number: int, seconds: int = 13, width: int = 1024) -> np.ndarray:
    """(T, D) uint8."""
    return np.random.default_rng(number).integers(0, 256, (seconds, width), dtype=np.uint8)


def youtube8m_npy(folder: Path) -> Path:
    """A folder of arrays."""
    folder.mkdir()
    for number, name in enumerate(("ORaA", "IwaA")):
        np.save(folder / f"{name}.npy", frame_bytes(number))
    return folder


def youtube8m_h5(path: Path) -> Path:
    """Groups with `rgb` and `audio`."""
    with h5py.File(path, "w") as file:
        file["ORaA/rgb"], file["ORaA/audio"] = frame_bytes(0), frame_bytes(7, width=128)
        file["IwaA/rgb"] = frame_bytes(1)
    return path


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(values: list) -> bytes:
    """A `Feature` of bytes, or of whole numbers."""
    if values and isinstance(values[0], bytes):
        return field(1, b"".join(field(1, value) for value in values))
    return field(3, field(1, b"".join(varint(value) for value in values)))


def sequence_example(name: str, rows: np.ndarray, audio: np.ndarray | None = None) -> bytes:
    """A YouTube-8M frame-level record."""
    context = [("id", feature([name.encode()])), ("labels", feature([8, 11, 3000]))]
    lists = [("rgb", rows)] + ([] if audio is None else [("audio", audio)])
    entries = [field(1, field(1, key.encode()) + field(2, value)) for key, value in context]
    sequences = [
        field(1, field(1, key.encode()) + field(2, b"".join(field(1, feature([row.tobytes()])) for row in values)))
        for key, values in lists
    ]
    return field(1, b"".join(entries)) + field(2, b"".join(sequences))


def slow_crc32c(data: bytes) -> int:
    """CRC-32C bit by bit, from its definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def tfrecord(path: Path, records: list[bytes]) -> Path:
    """A file of records."""

    def checksum(data: bytes) -> bytes:
        crc = slow_crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    frames = []
    for record in records:
        length = struct.pack("<Q", len(record))
        frames.append(length + checksum(length) + record + checksum(record))
    path.write_bytes(b"".join(frames))
    return path


def youtube8m_tfrecord(path: Path) -> Path:
    """A frame-level shard of two videos, the second with sound."""
    rows = [frame_bytes(0, 3), frame_bytes(1, 4)]
    return tfrecord(
        path, [sequence_example("ORaA", rows[0]), sequence_example("IwaA", rows[1], frame_bytes(2, 4, 128))]
    )


def videoxum_entry(number: int, *, people: int = 10, seconds: int = 40, sentences: int = 3) -> dict:
    """An entry as the official files have it."""
    generator = np.random.default_rng(number)
    starts = generator.integers(0, seconds - 4, (sentences, people))
    onehot = np.zeros((people, seconds), int)
    for sentence in range(sentences):
        for person in range(people):
            onehot[person, starts[sentence, person] : starts[sentence, person] + 3] = 1
    return {
        "video_id": f"v_{number}",
        "duration": seconds - 0.4,
        "sampled_frames": seconds,
        "timestamps": [[0.5 * i, 10.0 + i] for i in range(sentences)],
        "tsum": [f"Somebody does the {i}th thing." for i in range(sentences)],
        "vsum": np.stack([starts, starts + 3], axis=-1).astype(float).tolist(),
        "vsum_onehot": onehot.tolist(),
    }


def videoxum(path: Path) -> Path:
    """Two entries."""
    path.write_text(json.dumps([videoxum_entry(1), videoxum_entry(2, seconds=25)]))
    return path


def qvhighlights(path: Path) -> Path:
    """Two queries of one video."""
    line = {
        "query": "A man cooks",
        "duration": 150,
        "vid": "abc_60.0_210.0",
        "relevant_windows": [[10, 14]],
        "relevant_clip_ids": [5, 6],
        "saliency_scores": [[2, 3, 4], [1, 1, 2]],
    }
    path.write_text("".join(json.dumps({"qid": qid, **line}) + "\n" for qid in (1, 2)))
    return path


def highlights(folder: Path) -> Path:
    """TVSum as highlight detection has it: ratings of 2-second units, three streams, rows that differ."""
    generator, entries = np.random.default_rng(0), {}
    for kind in ("video_features", "audio_features", "query_features"):
        (folder / kind).mkdir(parents=True)
    for name, rows in (("AwmHb44_ouw", 8), ("-esJrBWj2d8", 11)):
        for place, width, extra in (("video_features/{}_rgb", 6, 1), ("video_features/{}_opt", 4, 0)):
            np.save(folder / f"{place.format(name)}.npy", generator.random((rows + extra, width), np.float32))
        np.save(folder / "audio_features" / f"{name}.npy", generator.random((rows, 5), np.float32))
        np.savez(folder / "query_features" / f"{name}.npz", token=np.zeros((3, 8)), text=np.zeros((1, 8)))
        ratings = generator.integers(1, 6, (rows, 3)).tolist()
        entries[name] = {"fps": 25.0, "frames": str(50 * rows + 7), "domain": "VT", "title": "A tyre", "url": "x"}
        entries[name] |= {"length": "0:16", "anno": ratings}
    (folder / "tvsum_anno.json").write_text(json.dumps(entries))
    return folder


def matched_highlights(folder: Path) -> Path:
    """YouTube Highlights: clips of 100 frames every 50, labelled, with one stream."""
    (folder / "video_features").mkdir(parents=True)
    entries = {}
    for number, (name, match) in enumerate({"dog 1": [1, 1, 0, -1, -1, -1], "skate_2": [-1, 0, 1, -1]}.items()):
        values = np.random.default_rng(number).random((len(match), 6), np.float32)
        np.save(folder / "video_features" / f"{name}_rgb.npy", values)
        info = ["dog", "", name, 12, "somebody", "My dog", "He runs", ""]
        clip = [[50 * row, 50 * row + 100] for row in range(len(match))]
        entries[name] = {"fps": 30, "frames": 50 * len(match) + 60, "domain": name[:3], "info": info, "clip": clip}
        entries[name] |= {"match": match, "mturk": None}
    (folder / "youtube_anno.json").write_text(json.dumps(entries))
    return folder


def dsnet(folder: Path) -> Path:
    """A label file a video."""
    folder.mkdir()
    for number, n_frames in enumerate(FRAMES, start=1):
        rows = summaries(number, n_frames).astype(int).tolist()
        (folder / f"my video {number}.json").write_text(json.dumps({"user_summary": rows}))
    return folder


def custom(path: Path) -> Path:
    """Intervals of one video, scores of another."""
    content = {
        "holiday.mp4": {
            "n_frames": 250,
            "fps": 25,
            "annotators": {"a": [[1, 3], [5, 6]], "b": {"intervals": [[0, 2]]}},
        },
        "wedding.mp4": {"n_frames": 120, "fps": 30, "title": "I do", "annotators": {"a": {"scores": [1, 2, 3, 5]}}},
    }
    path.write_text(json.dumps(content))
    return path


def custom_csv(path: Path) -> Path:
    """Intervals as a table."""
    path.write_text("video,annotator,start,end,fps,n_frames\nholiday.mp4,a,1,3,25,250\nholiday.mp4,b,2,4,25,250\n")
    return path


def scores_json(path: Path) -> Path:
    """Scores by name."""
    path.write_text(json.dumps({"Video No 1": [0.1, 0.5, 0.2], "Video No 2": [1, 0, 3, 4]}))
    return path


def splits_json(path: Path) -> Path:
    """Two folds."""
    folds = [
        {"train_keys": ["video_1"], "test_keys": ["video_2"]},
        {"train_keys": ["video_2"], "test_keys": ["video_1"]},
    ]
    path.write_text(json.dumps(folds))
    return path


def splits_yaml(path: Path) -> Path:
    """A fold with file prefixes."""
    prefix = "../datasets/eccv16_dataset_summe_google_pool5.h5"
    path.write_text(f"- train_keys:\n  - {prefix}/video_1\n  test_keys:\n  - {prefix}/video_2\n")
    return path


def summe_mat(path: Path) -> Path:
    """One annotation file of SumMe."""
    rows = summaries(1, 90).T.astype(np.uint8) * 3
    content = {"user_score": rows, "gt_score": rows.mean(axis=1, keepdims=True), "nFrames": 90, "FPS": 30.0}
    scipy.io.savemat(path, {**content, "video_duration": 3.0})
    return path


def tvsum_tsv(path: Path) -> Path:
    """Two videos of three people."""
    generator = np.random.default_rng(0)
    lines = []
    for name in ("AwmHb44_ouw", "98MoyGZKHXc"):
        for _ in range(3):
            ratings = np.repeat(generator.integers(1, 6, 12), 50)
            lines.append(f"{name}\tVT\t{','.join(map(str, ratings))}\n")
    path.write_text("".join(lines))
    return path


def manifest(path: Path) -> Path:
    """Two videos with texts."""
    (path.parent / "a.mp4").write_bytes(b"x")
    (path.parent / "b c.mp4").write_bytes(b"x")
    path.write_text("id,path,title,description,category,query\nv1,a.mp4,A film,,sports,\nv2,b c.mp4,,,,how to cook\n")
    return path


def manifest_lines(path: Path) -> Path:
    """The same as JSON lines."""
    manifest(path)
    rows = [{"id": "v1", "path": "a.mp4", "title": "A film"}, {"id": "v2", "path": "b c.mp4", "query": "how to cook"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def shard(path: Path) -> Path:
    """Two samples of two files."""
    with tarfile.open(path, "w") as archive:
        for key in ("000", "001"):
            for ending in ("npy", "json"):
                member = tarfile.TarInfo(f"{key}.{ending}")
                member.size = 2
                archive.addfile(member, io.BytesIO(b"{}"))
    return path


MAKERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "community": ("D.h5", community),
    "features": ("F.h5", features_only),
    "scores": ("S.h5", peer_scores),
    "mrhisum": ("mr_hisum.h5", mrhisum),
    "sspvs": ("release", sspvs_release),
    "youtube8m": ("bytes", youtube8m_npy),
    "youtube8m h5": ("bytes.h5", youtube8m_h5),
    "youtube8m tfrecord": ("train0026.tfrecord", youtube8m_tfrecord),
    "videoxum": ("train_videoxum.json", videoxum),
    "qvhighlights": ("highlight_val.jsonl", qvhighlights),
    "highlights": ("tvsum", highlights),
    "highlights matched": ("youtube", matched_highlights),
    "dsnet": ("labels", dsnet),
    "custom": ("mine.json", custom),
    "custom csv": ("mine.csv", custom_csv),
    "scores-json": ("scores.json", scores_json),
    "splits": ("splits.json", splits_json),
    "splits yaml": ("splits.yml", splits_yaml),
    "summe": ("Jumps.mat", summe_mat),
    "manifest": ("pairs.csv", manifest),
    "manifest lines": ("pairs.jsonl", manifest_lines),
    "shard": ("000000.tar", shard),
    "tvsum": ("ydata-tvsum50-anno.tsv", tvsum_tsv),
}
"""Kind (and variant) -> file name and maker."""


def make(kind: str, folder: Path) -> Path:
    """A file of one kind in a folder."""
    name, maker = MAKERS[kind]
    return maker(folder / name)
