"""Clips: which frames they have, from every kind of file, kept in memory or not, and how they become batches."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from helpers.pair_sets import features_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.data.batch import RefineBatch
from sspvs.data.drawing import draw_clip, item_generator
from sspvs.data.loader import Pick
from sspvs.data.refine import RefineDataModule
from sspvs.table import FeatureMemory, FeatureStream

LENGTHS = [40, 7, 23, 12, 31, 9, 18, 25]


def archive(folder: Path) -> Path:
    """Eight videos in every kind of file; the first feature says video and frame."""
    inside = folder / "deep" / "down"
    inside.mkdir(parents=True)
    for number in (0, 1, 2):
        with h5py.File(folder / "many.h5", "a") as file:
            file[f"v{number}/features"] = features_of(number, LENGTHS[number])
    with h5py.File(inside / "root.h5", "w") as file:
        file["features"] = features_of(3, LENGTHS[3])
    with h5py.File(inside / "one.hdf5", "w") as file:
        file["some name/features"] = features_of(4, LENGTHS[4])
    np.save(folder / "deep" / "a.npy", np.asfortranarray(features_of(5, LENGTHS[5])))
    np.savez(folder / "b.npz", features=features_of(6, LENGTHS[6]), picks=np.arange(LENGTHS[6]))
    np.savez(folder / "c.npz", whatever=features_of(7, LENGTHS[7]))
    np.save(folder / ".hidden.npy", np.zeros((3, 6), np.float32))
    (folder / "notes.txt").write_text("nothing")
    return folder


IDS = {"many/v0": 0, "many/v1": 1, "many/v2": 2, "deep/down/root": 3, "deep/down/one": 4, "deep/a": 5, "b": 6, "c": 7}


def ready(folder: Path, **how: Any) -> RefineDataModule:
    data = RefineDataModule([str(folder)], **{"clip_frames": 15, "batch_size": 4, **how})
    data.setup()
    return data


def rows_of(batch: RefineBatch, row: int) -> tuple[int, np.ndarray]:
    """Which video a clip is of, and which of its frames; checked against the whole features."""
    frames = batch.frames[row, batch.frame_mask[row]].numpy()
    number = IDS[batch.ids[row].partition("/")[2]]
    rows = (frames[:, 0] - 1000 * number).astype(int)
    np.testing.assert_array_equal(frames, features_of(number, LENGTHS[number])[rows])
    return number, rows


def same(a: RefineBatch, b: RefineBatch) -> bool:
    return a.ids == b.ids and torch.equal(a.frames, b.frames) and torch.equal(a.frame_mask, b.frame_mask)


@settings(max_examples=60, deadline=None)
@given(n_frames=st.integers(1, 300), clip=st.integers(1, 120), seed=st.integers(0, 5))
def test_which_frames_a_clip_has(n_frames: int, clip: int, seed: int) -> None:
    rows = draw_clip(n_frames, clip, item_generator(seed, "v", 0))
    assert len(rows) == clip
    assert (rows >= 0).all()
    assert (rows < n_frames).all()
    if n_frames >= clip:
        assert (np.diff(rows) > 0).all()
    else:  # nearest neighbours, every frame as often as any other but for one
        assert rows.tolist() == [place * n_frames // clip for place in range(clip)]
        counts = np.bincount(rows, minlength=n_frames)
        assert counts.max() - counts.min() <= 1
    masked = draw_clip(n_frames, clip, item_generator(seed, "v", 0), "mask")
    assert masked.tolist() == (rows.tolist() if n_frames > clip else list(range(n_frames)))


def test_subsets_are_drawn_uniformly() -> None:
    counts = sum(np.bincount(draw_clip(10, 4, item_generator(0, "v", draw)), minlength=10) for draw in range(2000))
    assert abs(np.asarray(counts) / 2000 - 0.4).max() < 0.05


def test_clips_of_every_kind_of_file(tmp_path: Path) -> None:
    data = ready(archive(tmp_path / "videos"), repeats=3)
    assert data.feature_dim == 6
    loader = data.train_dataloader()
    assert len(loader) == 6
    seen: dict[int, set[tuple[int, ...]]] = {}
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        for batch in loader:
            assert batch.frames.shape == (4, 15, 6)
            assert batch.frames.dtype == torch.float32
            assert batch.frame_mask.all()
            for row in range(4):
                number, rows = rows_of(batch, row)
                assert (np.diff(rows) >= 0).all()
                seen.setdefault(number, set()).add(tuple(rows))
    assert sorted(seen) == list(range(8))
    for number, clips in seen.items():
        # Drawn anew (of 18 frames there are 816 clips, and one comes twice); those stretched are always the same.
        assert len(clips) >= 5 if LENGTHS[number] > 15 else len(clips) == 1


def test_short_videos_may_be_masked(tmp_path: Path) -> None:
    data = ready(archive(tmp_path / "videos"), short="mask", batch_size=8)
    (batch,) = data.train_dataloader()
    for row in range(8):
        number, rows = rows_of(batch, row)
        assert len(rows) == min(15, LENGTHS[number])
        assert not batch.frames[row, len(rows) :].any()
        assert not batch.frame_mask[row, len(rows) :].any()


def test_what_is_not_kept_is_read_in_blocks_and_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = archive(tmp_path / "videos")
    np.save(folder / "half.npy", features_of(9, 25).astype(np.float16))
    kept, unkept = ready(folder), ready(folder, memory_bytes=0)
    monkeypatch.setattr("sspvs.table.table._BLOCK", 5)
    for one, other in zip(kept.train_dataloader(), unkept.train_dataloader(), strict=True):
        assert same(one, other)
    assert kept.clip_memory.taken > 0
    assert unkept.clip_memory.taken == 0


def test_a_short_clip_does_not_read_a_long_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sspvs.table.table._BLOCK", 100)
    with h5py.File(tmp_path / "long.h5", "w") as file:
        file["features"] = features_of(1, 2000)
    data = ready(tmp_path / "long.h5", memory_bytes=2000 * 6 * 4 - 1, clip_frames=3, batch_size=1)
    reader = data.clips("train").tables[0].reader
    read: list[int] = []
    stored = reader.stored

    def counting(ref: Any, start: int, stop: int) -> np.ndarray:
        read.append(stop - start)
        return stored(ref, start, stop)

    monkeypatch.setattr(reader, "stored", counting)
    (batch,) = data.train_dataloader()
    assert batch.frames.shape == (1, 3, 6)
    assert len(read) <= 3
    assert sum(read) <= 300


def test_memory_has_its_limit_and_is_left_behind(tmp_path: Path) -> None:
    folder = archive(tmp_path / "videos")
    room = 6 * 4 * (40 + 31 + 25)
    data = ready(folder, memory_bytes=room, batch_size=8)
    first = [list(data.train_dataloader()) for _ in range(2)]
    assert same(first[0][0], first[1][0])
    assert 0 < data.clip_memory.taken <= room
    assert len(pickle.dumps(data.clip_memory)) < 300
    assert ready(folder, memory_bytes=room, num_workers=3).clip_memory.room == room // 3
    memory, first_place, second_place = FeatureMemory(10), FeatureStream(folder), FeatureStream(folder, offset=8)
    memory.keep(first_place, np.zeros(8, np.uint8))
    memory.keep(second_place, np.zeros(3, np.uint8))
    memory.keep(first_place, np.zeros(2, np.uint8))
    assert (memory.get(second_place), memory.taken) == (None, 8)


def test_once_kept_nothing_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ready(archive(tmp_path / "videos"), batch_size=8)
    first = list(data.train_dataloader())

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file is read again")

    monkeypatch.setattr("sspvs.table.reader.StreamReader.stored", refuse)
    assert all(same(a, b) for a, b in zip(first, data.train_dataloader(), strict=True))


def test_the_second_run_only_looks_at_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, looked = archive(tmp_path / "videos"), list[str]()
    ready(folder)
    from sspvs.table import survey as survey_notes

    look = survey_notes.look
    monkeypatch.setattr(survey_notes, "look", lambda ref, reader: looked.append(ref.path.name) or look(ref, reader))
    again = ready(folder)
    assert looked == []
    np.save(folder / "deep" / "a.npy", features_of(5, 33))
    changed = ready(folder)
    assert looked == ["a.npy"]
    assert again.feature_dim == changed.feature_dim == 6


def test_draws_depend_on_video_and_draw_alone(tmp_path: Path) -> None:
    folder = archive(tmp_path / "videos")
    fewer = tmp_path / "elsewhere" / "videos"
    fewer.mkdir(parents=True)
    shutil.copy(folder / "many.h5", fewer / "many.h5")
    few, many = (ready(one, batch_size=1).clips("train", mode="train") for one in (fewer, folder))
    places = {many.example(place).id: place for place in range(8)}
    for place in range(3):
        one = few.example(Pick(5, place))
        other = many.example(Pick(5, places[one.id]))
        assert np.array_equal(one.frames, other.frames)
    seeds = [ready(folder, seed=seed).clips("train", mode="train").example(Pick(0, 0)).frames for seed in (0, 0, 1)]
    assert np.array_equal(seeds[0], seeds[1])
    assert not np.array_equal(seeds[0], seeds[2])
    draws = [many.example(Pick(draw, places["videos/many/v0"])).frames for draw in (0, 1)]
    assert not np.array_equal(*draws)


def test_workers_and_pickling_do_not_change_the_batches(tmp_path: Path) -> None:
    folder = archive(tmp_path / "videos")
    alone, helped = (ready(folder, num_workers=workers).train_dataloader() for workers in (0, 2))
    assert all(same(a, b) for a, b in zip(alone, helped, strict=True))
    again = pickle.loads(pickle.dumps(alone.dataset))
    assert np.array_equal(again[3].frames, alone.dataset[3].frames)
