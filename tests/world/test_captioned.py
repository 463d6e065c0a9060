"""Worlds of captioned clips: drawn stand-ins for files, then the real ones where they are at hand."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sspvs.errors import DatasetError
from sspvs.table import read_dataset
from sspvs.world import World, WorldSettings, write_world
from sspvs.world.captioned import CaptionedClips

SHOWS = [
    ("dog", "animal", "A brown dog runs over a lawn"),
    ("cat", "animal", "A cat sits in the sun"),
    ("train", "vehicle", "The old train leaves"),
    ("plane", "vehicle", "NASA planes take off"),
]


def _facts(number: int) -> dict[str, Any]:
    concept, category, caption = SHOWS[number % 4]
    return {"concept": concept, "category": category, "caption": f"{caption}, take {number}"}


def _clip_features(number: int) -> np.ndarray:
    return np.random.default_rng(number).random((20 + number, 5)).astype(np.float16)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """28 clips of four concepts in one h5 file."""
    path = tmp_path / "clips.h5"
    with h5py.File(path, "w") as file:
        file.attrs["rate_hz"] = 2.0
        file.attrs["backbone"] = "drawn-net"
        for number in range(28):
            group = file.create_group(f"c{number:02d}")
            group["features"] = _clip_features(number)
            group.attrs.update(_facts(number))
    return path


def _world(path: Path, **changes: Any) -> World:
    return World(
        WorldSettings.from_dict({"clips": str(path), "pretrain_train": 6, "pretrain_val": 3, "annotated": 5, **changes})
    )


def test_videos_are_stretches_of_the_clips_as_they_are(library: Path) -> None:
    world = _world(library, composition={"crossfade_share": 0.0})
    assert world.source.concepts[0].name == "cat"
    for video in [*world.pretraining_videos(), *world.annotated_videos()]:
        for start, segment in zip(video.plan.starts, video.plan.segments, strict=True):
            clip = world.source.clips[segment.clip]
            stored = _clip_features(int(clip.name[1:]))[segment.start : segment.start + segment.length]
            assert np.array_equal(video.features.features[start : start + segment.length], stored.astype(np.float32))
    fingerprint = world.source.fingerprint
    assert fingerprint.backbone == "synthetic:clips of drawn-net"
    assert fingerprint.rate_hz == 2.0


def test_a_folder_of_files_gives_the_same_clips(library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "more").mkdir(parents=True)
    for number in range(28):
        if number % 2:
            np.savez(folder / f"c{number:02d}.npz", features=_clip_features(number), rate_hz=2.0, **_facts(number))
        else:
            with h5py.File(folder / f"c{number:02d}.h5", "w") as file:
                file["features"] = _clip_features(number)
                file.attrs.update({**_facts(number), "rate_hz": 2.0})
    (folder / "notes.txt").write_text("not a clip")
    one, other = CaptionedClips(library), CaptionedClips(folder)
    assert one.clips == other.clips
    assert one.concepts == other.concepts
    generator = np.random.default_rng(0)
    for clip in one.clips:
        windows = [source.window(clip, 2, 9, np.zeros(0), generator) for source in (one, other)]
        assert np.array_equal(*windows)


def test_texts_name_captions_and_words_of_them(library: Path) -> None:
    world = _world(library, wording={"title_vague": 0.0, "description_dropped": 0.0, "description_distractors": 0.0})
    for video in world.pretraining_videos():
        for concept in video.plan.named:
            assert any(name in video.texts.title for name in world.source.concepts[concept].names)
        for concept in video.plan.seen:
            captions = [clip.caption for clip in world.source.clips if clip.concept == concept]
            assert any(caption[1:] in video.texts.description for caption in captions)
        assert "nASA" not in video.texts.description
        assert " A " not in video.texts.description


def test_files_that_are_no_clips_are_refused_with_the_reason(library: Path, tmp_path: Path) -> None:
    def change(edit: Any) -> Path:
        path = tmp_path / f"changed_{len(list(tmp_path.iterdir()))}.h5"
        path.write_bytes(library.read_bytes())
        with h5py.File(path, "r+") as file:
            edit(file)
        return path

    def narrow(file: h5py.File) -> None:
        del file["c03/features"]
        file["c03/features"] = np.zeros((9, 4))

    def broken(file: h5py.File) -> None:
        file["c03/features"][2, 1] = np.nan

    (tmp_path / "text.h5").write_text("no h5")
    (tmp_path / "empty").mkdir()
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["x"] = 1
    for path, message in (
        (tmp_path / "missing.h5", "no such file"),
        (tmp_path / "text.h5", "cannot read clips"),
        (tmp_path / "empty", "found none"),
        (tmp_path / "bare.h5", "found none"),
        (change(lambda file: file["c03"].attrs.pop("caption")), "clip 'c03': has no caption"),
        (change(lambda file: file["c03"].attrs.create("rate_hz", 5.0)), "differ in rate_hz"),
        (change(lambda file: file.attrs.pop("rate_hz")), "expected rate_hz"),
        (change(narrow), "differ in feature width"),
    ):
        with pytest.raises(DatasetError, match=message):
            CaptionedClips(path)
    source = CaptionedClips(change(broken))
    with pytest.raises(DatasetError, match="NaN or infinite"):
        source.window(source.clips[3], 0, 2, np.zeros(0), np.random.default_rng(0))


def test_pickled_arrays_are_not_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "raw.npz", features=_clip_features(0), rate_hz=2.0)
    with zipfile.ZipFile(tmp_path / "raw.npz", "a") as archive:
        archive.writestr("caption.npy", "no array")
    with pytest.raises(DatasetError, match=r"raw\.npz"):
        CaptionedClips(tmp_path / "raw.npz")
    np.savez(tmp_path / "c.npz", features=np.array([{"a": 1}], dtype=object), rate_hz=2.0, **_facts(0))
    with pytest.raises(DatasetError, match="cannot read clips"):
        CaptionedClips(tmp_path)


def test_too_few_clips_for_the_folds(library: Path) -> None:
    with pytest.raises(ValueError, match=r"28 clips .* leave none for"):
        _world(library, folds=5, train_share=0.9, val_share=0.05)


def test_a_world_of_the_real_clips(shared_data: Path, tmp_path: Path) -> None:
    footage = shared_data / "footage" / "footage.h5"
    values = {"clips": str(footage), "pretrain_train": 20, "pretrain_val": 5, "annotated": 10}
    made = write_world(tmp_path / "w", WorldSettings.from_dict(values), 0)
    assert len(made.source.clips) == 77
    assert made.source.feature_dim == 1280
    content = json.loads((tmp_path / "w" / "world.json").read_text())
    assert str(shared_data) not in json.dumps(content)  # the file's name and digest, not this machine's path
    assert content["clips"]["file"] == "footage.h5"
    parts = content["parts"]
    assert sum(part["clips"] for part in parts.values()) == 77
    assert parts["train"]["clips"] >= 36
    assert min(part["clips"] for part in parts.values()) >= 4
    used: dict[str, set[str]] = {}
    captions = {clip.name: clip.caption for clip in made.source.clips}
    listed = 0
    for video in content["videos"]:
        clips = {segment["clip"] for segment in video["segments"]}
        used.setdefault(video["part"], set()).update(clips)
        listed += sum(captions[clip][1:] in video["texts"]["description"] for clip in clips)
    assert listed > 2 * len(content["videos"])
    everything = [clip for clips in used.values() for clip in clips]
    assert len(everything) == len(set(everything))
    dataset = read_dataset(tmp_path / "w" / "summarization.h5")
    assert dataset["video_1"].fps == 30.0
    assert dataset.features["video_1"].features.shape[1] == 1280


def test_real_clips_for_pretraining_alone_are_57_and_20(shared_data: Path) -> None:
    world = World(WorldSettings(clips=str(shared_data / "footage" / "footage.h5"), annotated=0), 0)
    counts = {part: sum(map(len, pool.values())) for part, pool in world.pools.items()}
    assert counts == {"train": 57, "val": 20}
