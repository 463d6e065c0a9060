"""Files of unlabelled features: YouTube-8M's bytes and records, shards, real clips, and damage of all kinds."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.format_material import (
    field,
    frame_bytes,
    sequence_example,
    tfrecord,
    youtube8m_h5,
    youtube8m_npy,
    youtube8m_tfrecord,
)
from helpers.pair_sets import features_of, write_set
from helpers.summarization_material import fingerprint_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sspvs.data import unlabelled as records
from sspvs.data.feature_files import apart, feature_files
from sspvs.data.loader import Pick
from sspvs.data.pairs import load_pairs
from sspvs.data.refine import RefineDataModule
from sspvs.data.unlabelled import readable
from sspvs.errors import DatasetError
from sspvs.formats.shards import write_shards
from sspvs.formats.tfrecord import equal_steps, parse_example, record_places
from sspvs.table import layout, write_features
from sspvs.types import FrameFeatures


def ready(*paths: Path, **how: Any) -> RefineDataModule:
    data = RefineDataModule(list(map(str, paths)), **{"clip_frames": 5, "batch_size": 1, **how})
    data.setup()
    return data


def clips_of(data: RefineDataModule) -> dict[str, np.ndarray]:
    dataset = data.clips("train")
    return {dataset.example(place).id: dataset.example(place).frames for place in range(len(dataset))}


def naive_features(values: np.ndarray) -> np.ndarray:
    """methods.md, section 4: `b * 4/255 + 4/512 - 2`, then L2-normalised; one number at a time."""
    rows = []
    for row in values:
        numbers = [int(byte) * 4 / 255 + 4 / 512 - 2 for byte in row]
        length = sum(number * number for number in numbers) ** 0.5
        rows.append([number / length for number in numbers])
    return np.array(rows)


# YouTube-8M ----------------------------------------------------------------------------------------------------------


def test_bytes_in_all_their_files(tmp_path: Path) -> None:
    youtube8m_npy(tmp_path / "arrays")
    np.savez(tmp_path / "named.npz", rgb=frame_bytes(4, 6), audio=frame_bytes(5, 6, 128))
    youtube8m_h5(tmp_path / "bytes.h5")
    youtube8m_tfrecord(tmp_path / "train0026.tfrecord")
    data = ready(tmp_path)
    assert data.feature_dim == 1024
    expected = {
        "arrays/ORaA": (0, 13), "arrays/IwaA": (1, 13), "named": (4, 6), "bytes/ORaA": (0, 13), "bytes/IwaA": (1, 13),
        "train0026/0": (0, 3), "train0026/1": (1, 4),
    }  # fmt: skip
    found = {name.partition("/")[2]: frames for name, frames in clips_of(data).items()}
    assert set(found) == set(expected)
    for name, frames in found.items():
        assert frames.dtype == np.float32
        np.testing.assert_allclose(frames, naive_features(frame_bytes(*expected[name])), atol=1e-6)


def test_record_files_alone_go_file_by_file(tmp_path: Path) -> None:
    for number in range(3):
        rows = [frame_bytes(10 * number + one, 8, 16) for one in range(5)]
        tfrecord(
            tmp_path / f"train{number}.tfrecord", [sequence_example(f"{one}", row) for one, row in enumerate(rows)]
        )
    data = ready(tmp_path, batch_size=5)
    batches = [batch.ids for batch in data.train_dataloader()]
    files = [{name.rpartition("/")[0] for name in ids} for ids in batches]
    assert sorted(map(len, files)) == [1, 1, 1]
    assert len({name for ids in batches for name in ids}) == 15
    again = clips_of(ready(tmp_path, memory_bytes=0))
    for name, frames in clips_of(data).items():
        file, place = int(name.rpartition("/")[0][-1]), int(name.rpartition("/")[2])
        np.testing.assert_allclose(frames, naive_features(frame_bytes(10 * file + place, 8, 16)), atol=1e-6)
        assert np.array_equal(frames, again[name])
    batch = next(iter(ready(tmp_path, clip_frames=20, short="mask").train_dataloader()))
    assert batch.frames.shape[1] == 8  # as long as it turns out to be


def test_records_may_have_any_ending_when_named(tmp_path: Path) -> None:
    path = youtube8m_tfrecord(tmp_path / "train0026")
    assert sorted(clips_of(ready(path))) == ["train0026/0", "train0026/1"]
    (tmp_path / "other").write_bytes(b"nothing of the kind")
    with pytest.raises(DatasetError, match=r"other: expected h5, \.npy or \.npz files"):
        ready(tmp_path / "other")


def test_the_index_of_records_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[str]()
    places = records.record_places
    monkeypatch.setattr(records, "record_places", lambda path: looked.append(path.name) or places(path))
    paths = [youtube8m_tfrecord(tmp_path / f"train{number}.tfrecord") for number in range(2)]
    first = clips_of(ready(tmp_path))
    assert (tmp_path / records.INDEX).is_file()
    looked.clear()
    again = clips_of(ready(tmp_path))
    assert looked == []
    assert all(np.array_equal(frames, again[name]) for name, frames in first.items())
    tfrecord(paths[1], [sequence_example("a", frame_bytes(3, 5))])
    os.utime(paths[1], ns=(1, 1))
    assert len(clips_of(ready(tmp_path))) == 3
    assert looked == ["train1.tfrecord"]
    index = tmp_path / records.INDEX
    index.write_bytes(b"damaged")
    assert len(clips_of(ready(tmp_path))) == 3
    with np.load(index) as kept:
        arrays = dict(kept)
    for odd in (np.full_like(arrays["places"], 2**62), -arrays["places"] - 1, arrays["places"] * 1j):
        np.savez(index.open("wb"), **{**arrays, "places": odd})
        assert len(clips_of(ready(tmp_path))) == 3
    index.unlink()
    os.mkfifo(index)
    looked.clear()
    assert len(clips_of(ready(tmp_path))) == 3  # whoever opens it waits
    assert sorted(looked) == ["train0.tfrecord", "train1.tfrecord"]
    tmp_path.chmod(0o500)
    try:
        assert len(clips_of(ready(tmp_path))) == 3  # a folder that cannot be written to
    finally:
        tmp_path.chmod(0o700)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 60), max_size=6), data=st.data())
def test_places_of_records_and_where_a_file_is_cut(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    contents = [bytes([number]) * size for number, size in enumerate(sizes)]
    path = tfrecord(tmp_path_factory.mktemp("records") / "a.tfrecord", contents)
    whole = path.read_bytes()
    places, wrong = record_places(path)
    assert wrong == ""
    assert [whole[start : start + length] for start, length in places] == contents
    if not whole:
        return
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    fewer, wrong = record_places(path)
    assert fewer == places[: len(fewer)]
    ends = [0, *(start + length + 4 for start, length in places)]
    assert ("cut short" in wrong) == (path.stat().st_size not in ends)


@settings(max_examples=40, deadline=None)
@given(frames=st.integers(1, 9), width=st.sampled_from([1, 3, 127, 128, 130, 1024]), data=st.data())
def test_equal_steps_are_what_parsing_gives(frames: int, width: int, data: st.DataObject) -> None:
    rows = frame_bytes(frames, frames, width)
    message = sequence_example("a", rows, frame_bytes(3, frames, 5))
    found = equal_steps(message, "rgb")
    assert found is not None
    np.testing.assert_array_equal(found, rows)
    assert equal_steps(message, "missing") is None
    damaged = bytearray(message)
    damaged[data.draw(st.integers(0, len(message) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found = equal_steps(bytes(damaged), "rgb")
    with suppress(DatasetError):  # of damage elsewhere in the message
        steps = parse_example(bytes(damaged)).sequences.get("rgb", [])
        if found is not None:  # whatever it still finds is what the parser finds
            assert [row.tobytes() for row in found] == [step[0] for step in steps]


def test_steps_of_different_lengths_are_left_to_the_parser() -> None:
    steps = [b"abc", b"abcd"]
    value = b"".join(field(1, field(1, field(1, step))) for step in steps)
    message = field(2, field(1, field(1, b"rgb") + field(2, value)))
    assert equal_steps(message, "rgb") is None
    assert parse_example(message).sequences["rgb"] == [[b"abc"], [b"abcd"]]


# Shards --------------------------------------------------------------------------------------------------------------


def test_shards_as_we_write_them(tmp_path: Path) -> None:
    lengths = [5, 40, 17, 33, 8, 26, 12]
    manifest = write_set(tmp_path, lengths)
    with h5py.File(tmp_path / "features.h5", "a") as file:
        layout.write_fingerprint_attrs(file.attrs, fingerprint_of())
    write_shards(load_pairs(manifest), tmp_path / "shards", shard_size=3)
    data = ready(tmp_path / "shards", clip_frames=6)
    assert data.feature_fingerprint == fingerprint_of()
    assert len(set(data.clips("train").shards)) == 3  # type: ignore[arg-type]
    for name, frames in clips_of(data).items():
        number = int(name[-2:])
        np.testing.assert_array_equal(
            frames, features_of(number, lengths[number]).astype(np.float16).astype(np.float32)
        )
    seen = [batch.ids[0] for batch in data.train_dataloader()]
    assert len(set(seen)) == 7
    together = ready(tmp_path, clip_frames=6)  # the h5 file they were made from lies beside them
    assert len(together.clips("train")) == 14
    assert together.clips("train").shards is None


def test_a_tar_of_others(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for number, length in enumerate((9, 4, 7)):
            np.save(tmp_path / "array", features_of(number, length))
            tar.add(tmp_path / "array.npy", f"00{number}.npy")
            tar.add(__file__, f"00{number}.txt")
    (tmp_path / "array.npy").unlink()
    for _ in range(2):  # the second time from notes
        found = clips_of(ready(tmp_path / "x.tar"))
        assert set(found) == {"x/000", "x/001", "x/002"}
        for number, length in enumerate((9, 4, 7)):
            np.testing.assert_array_equal(found[f"x/00{number}"], features_of(number, length))


# Real features -------------------------------------------------------------------------------------------------------


def test_real_clips_one_file_each(shared_data: Path, tmp_path: Path) -> None:
    with h5py.File(shared_data / "footage" / "footage.h5") as file:
        whole = {name: np.asarray(file[name]["features"]) for name in file}
    for place, (name, features) in enumerate(whole.items()):
        if place % 3 == 0:
            np.save(tmp_path / f"{name}.npy", features)
        elif place % 3 == 1:
            np.savez(tmp_path / f"{name}.npz", features=features)
        else:
            with h5py.File(tmp_path / f"{name}.h5", "w") as file:
                file["features"] = features
    shutil.copy(shared_data / "footage" / "footage.h5", tmp_path / "all.h5")
    data = ready(tmp_path, clip_frames=200, batch_size=32)
    assert (data.feature_dim, len(data.clips("train"))) == (1280, 2 * len(whole))
    for name, frames in clips_of(data).items():
        np.testing.assert_array_equal(frames, whole[name.rpartition("/")[2]].astype(np.float32))
    for batch in data.train_dataloader():
        assert batch.frames.shape == (32, 200, 1280)
        assert batch.frame_mask.all()
        for row, name in enumerate(batch.ids):
            one = whole[name.rpartition("/")[2]].astype(np.float32)
            assert len(one) < 200
            np.testing.assert_array_equal(batch.frames[row], one[[i * len(one) // 200 for i in range(200)]])


# Damage --------------------------------------------------------------------------------------------------------------


def broken_archive(folder: Path) -> Path:
    """Twelve good videos, and one of every kind of bad one."""
    for number in range(12):
        np.save(folder / f"v{number:02d}.npy", features_of(number, 12))
    good = (folder / "v00.npy").read_bytes()
    (folder / "bad_cut.npy").write_bytes(good[:-30])
    (folder / "bad_empty.h5").write_bytes(b"")
    (folder / "bad_page.h5").write_text("<html>refused</html>")
    np.save(folder / "bad_nan.npy", np.where(np.arange(60).reshape(10, 6) == 33, np.nan, 1.0))
    np.save(folder / "bad_wide.npy", np.ones((4, 9), np.float32))
    np.save(folder / "bad_none.npy", np.ones((0, 6), np.float32))
    np.save(folder / "bad_flat.npy", np.ones(6, np.float32))
    np.save(folder / "bad_whole.npy", np.ones((4, 6), np.int64))
    np.save(folder / "bad_objects.npy", np.array([{}, []], object), allow_pickle=True)
    (folder / "bad_zip.npz").write_bytes(b"PK\x03\x04 and nothing more")
    (folder / "bad_tar.tar").write_bytes(b"no tar")
    with h5py.File(folder / "bad_group.h5", "w") as file:
        file["a/other"] = np.ones(3)
        file["b/features"] = np.ones((3, 6), np.float32)
    cut = youtube8m_tfrecord(folder / "bad_records.tfrecord")
    cut.write_bytes(b"\0" * 20)
    return folder


BAD = 13


def test_damage_is_counted_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    data = ready(broken_archive(tmp_path), batch_size=13)
    assert f"{BAD} of the unlabelled videos or files cannot be used" in caplog.text
    assert "they are left out, 13 videos remain" in caplog.text
    assert f"and {BAD - 8} more" in caplog.text
    (batch,) = data.train_dataloader()
    assert {name.partition("/")[2] for name in batch.ids} == {f"v{n:02d}" for n in range(12)} | {"bad_group/b"}
    assert batch.frames.isfinite().all()
    with pytest.raises(DatasetError, match=rf"{BAD} of the unlabelled videos .*; mend them, or leave them out with"):
        ready(tmp_path, skip_bad=False)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bad_cut.npy", "cut short: .* of 288 bytes"),
        ("bad_empty.h5", "bad_empty"),
        ("bad_page.h5", "bad_page"),
        ("bad_nan.npy", "first at pick 5; extract again"),
        ("bad_none.npy", r"expected \(T, D\) float numbers, found \(0, 6\)"),
        ("bad_flat.npy", r"found \(6,\)"),
        ("bad_whole.npy", "of int64"),
        ("bad_objects.npy", "bad_objects"),
        ("bad_zip.npz", "bad_zip"),
        ("bad_tar.tar", "bad_tar"),
        ("bad_records.tfrecord", "nothing but zero bytes"),
    ],
)
def test_nothing_but_damage(name: str, sentence: str, tmp_path: Path) -> None:
    path = broken_archive(tmp_path) / name
    with pytest.raises(DatasetError, match=f"none of the unlabelled videos can be used: .*{sentence}"):
        ready(path)


def test_no_files_at_all(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file or folder"):
        ready(tmp_path / "missing")
    with pytest.raises(DatasetError, match="in this folder or below it, found none"):
        ready(tmp_path)
    with h5py.File(tmp_path / "scores.h5", "w") as file:
        file["v/score"] = np.ones(4)
    with pytest.raises(DatasetError, match="can be used"):
        ready(tmp_path)


def test_videos_are_no_features(tmp_path: Path) -> None:
    (tmp_path / "sea").mkdir()
    for name in ("one.mp4", "sea/two.MKV", "notes.txt"):
        (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(DatasetError, match=r"a folder of videos \(2\).* extract them first \(`sspvs extract"):
        ready(tmp_path)
    with pytest.raises(DatasetError, match=r"one\.mp4: it is a video.* extract them first"):
        ready(tmp_path / "one.mp4")


def test_features_made_otherwise_than_most(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(4):
        video = FrameFeatures("v", features_of(number, 6), np.arange(6), 6)
        made = fingerprint_of("other" if number == 2 else "drawn")
        write_features(tmp_path / f"f{number}.h5", [video], fingerprint=made)
    np.save(tmp_path / "unknown.npy", features_of(5, 6))
    data = ready(tmp_path)
    assert data.feature_fingerprint == fingerprint_of("drawn")
    assert {name.rpartition("/")[2] for name in clips_of(data)} == {"f0", "f1", "f3", "unknown"}
    assert re.search(r"f2: features of another extractor than most others \(backbone", caplog.text)


def test_the_width_of_most_is_known_before_setup(tmp_path: Path) -> None:
    data = RefineDataModule([str(broken_archive(tmp_path))])
    assert data.feature_dim == 6
    with pytest.raises(DatasetError, match="none of the unlabelled videos can be used"):
        _ = RefineDataModule([str(tmp_path / "bad_tar.tar")]).feature_dim


def test_a_damaged_record_among_good_ones_is_stood_in_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = [frame_bytes(number, 6, 16) for number in range(5)]
    messages = [sequence_example(str(number), row) for number, row in enumerate(rows)]
    messages[2] = b"\xff" * 50
    messages[3] = sequence_example("narrow", frame_bytes(3, 6, 8))
    path = tfrecord(tmp_path / "a.tfrecord", messages)
    dataset = ready(path).clips("train", mode="train")
    stood_in = dataset.example(Pick(0, 2))
    assert stood_in.id == "a/4"
    assert np.array_equal(stood_in.frames, dataset.example(Pick(0, 4)).frames)
    assert dataset.n_unread == 2
    assert "a/2 cannot be read, another video stands in for it (1 so far)" in caplog.text
    again = [dataset.example(Pick(draw, place)).id for draw in (1, 2) for place in range(5)]
    assert again == ["a/0", "a/1", "a/4", "a/4", "a/4"] * 2
    assert caplog.text.count("cannot be read, another video") == dataset.n_unread == 2  # once for each
    for strict in (ready(path, skip_bad=False).clips("train", mode="train"), ready(path).clips("train", mode="whole")):
        with pytest.raises(DatasetError, match=r"a/2 of a\.tfrecord: expected a tf"):
            strict.example(2)
    content = bytearray(path.read_bytes())
    (other, _), _, _, (start, _), _ = record_places(path)[0]
    content[other + 40] ^= 1  # within features: only the checksum shows it
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.tfrecord, record 0 at byte 0: damaged, its checksum"):
        ready(path, skip_bad=False).clips("train", mode="train").example(0)
    content[start - 12] ^= 1  # the frame of the fourth record: where the fifth begins is unknown
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    caplog.clear()
    assert len(ready(path).clips("train")) == 3
    assert f"a.tfrecord, record 3 at byte {start - 12}: expected a TFRecord frame, found other bytes" in caplog.text


def test_the_warnings_of_all_epochs_and_reading_processes_are_once_for_each(tmp_path: Path) -> None:
    messages = [sequence_example(str(number), frame_bytes(number, 6, 16)) for number in range(8)]
    messages[2] = messages[5] = b"\xff" * 50
    data = ready(tfrecord(tmp_path / "a.tfrecord", messages), num_workers=2, repeats=3)
    loader = data.train_dataloader()
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)  # type: ignore[union-attr]
        assert sum(len(batch.ids) for batch in loader) == 24
    assert loader.dataset.n_unread == 2  # type: ignore[attr-defined]


def test_damaged_records_among_those_held_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    messages = [sequence_example(str(number), frame_bytes(number, 6, 16)) for number in range(8)]
    messages[1::2] = [b"\xff" * 50] * 4
    path = tfrecord(tmp_path / "a.tfrecord", messages)
    how = {"validate_on": "held-out", "val_share": 0.6}
    data = ready(path, **how)
    first, second = ([name for batch in data.val_dataloader() for name in batch.ids] for _ in range(2))
    assert first == second
    assert set(first) <= {"a/0", "a/2", "a/4", "a/6"}
    assert 0 < len(first) == len(set(first))
    assert re.search(rf"\d of the records held out cannot be read: a/.*{len(first)} videos remain", caplog.text)
    with pytest.raises(DatasetError, match=r"records held out cannot be read: .* data\.skip_bad true"):
        ready(path, skip_bad=False, **how).val_dataloader()
    (table,) = ready(path).clips("train").tables
    with pytest.raises(DatasetError, match="none is left to validate on"):
        readable([table.take(np.arange(1, len(table), 2))], skip_bad=True)


def test_a_file_that_vanishes_while_training(tmp_path: Path) -> None:
    for number in range(3):
        np.save(tmp_path / f"v{number}.npy", features_of(number, 9))
    dataset = ready(tmp_path).clips("train", mode="train")
    (tmp_path / "v1.npy").unlink()
    assert dataset.example(1).id.endswith("v2")
    for number in (0, 2):
        (tmp_path / f"v{number}.npy").unlink()
    fresh = ready(youtube8m_npy(tmp_path / "others"), memory_bytes=0).clips("train", mode="train")
    shutil.rmtree(tmp_path / "others")
    with pytest.raises(Exception, match="no such feature file"):
        fresh.example(0)


def test_two_folders_of_one_name(tmp_path: Path) -> None:
    for day in ("monday", "tuesday"):
        (tmp_path / day / "features").mkdir(parents=True)
        np.save(tmp_path / day / "features" / "a.npy", features_of(len(day), 6))
    files = feature_files([tmp_path / "monday" / "features", tmp_path / "tuesday" / "features"])
    assert [file.label for file in files] == ["features/a", "features/a#2"]


@pytest.mark.parametrize("lengths", [(20, 200), (50, 70)])
def test_videos_of_one_name_are_two_videos(lengths: tuple[int, int], tmp_path: Path) -> None:
    """A file's groups are called as the files of a folder of its name; of a record file its numbers are."""
    (tmp_path / "f" / "a").mkdir(parents=True)
    with h5py.File(tmp_path / "f" / "a.h5", "w") as file:
        for name, length in (("x", 50), ("y", 70)):
            file[f"{name}/features"] = np.full((length, 16), 1.0, np.float32)
    for name, length in zip("xy", lengths, strict=True):
        np.save(tmp_path / "f" / "a" / f"{name}.npy", np.full((length, 16), -5.0, np.float32))
    np.save(tmp_path / "f" / "a" / "0.npy", np.full((30, 16), -6.0, np.float32))
    tfrecord(tmp_path / "f" / "a.tfrecord", [sequence_example("z", frame_bytes(0, 40, 16))])
    data = ready(tmp_path / "f")
    for _ in range(2):  # the second time from memory
        found = clips_of(data)
        assert set(found) == {"f/a/x", "f/a/y", "f/a/x#2", "f/a/y#2", "f/a#2/0", "f/a/0"}
        assert {float(found[name][0, 0]) for name in ("f/a/x", "f/a/y")} == {1.0}
        assert {float(found[name][0, 0]) for name in ("f/a/x#2", "f/a/y#2")} == {-5.0}
        assert (found["f/a/0"] == -6).all()


def test_a_record_and_a_file_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "1.npy", np.full((40, 16), -6.0, np.float32))
    np.save(tmp_path / "a" / "2.npy", np.full((40, 16), -7.0, np.float32))
    rows = [frame_bytes(number, 40, 16) for number in range(2)]
    tfrecord(tmp_path / "a.tfrecord", [sequence_example("z", row) for row in rows])
    data = ready(tmp_path, clip_frames=40)
    for _ in range(2):
        found = {name.partition("/")[2]: frames for name, frames in clips_of(data).items()}
        assert set(found) == {"a/0", "a/1", "a/1#2", "a/2"}
        np.testing.assert_allclose(found["a/1"], naive_features(rows[1]), atol=1e-6)
        assert (found["a/1#2"] == -6).all()


def test_names_made_apart_are_apart_from_all() -> None:
    taken: set[str] = set()
    assert [apart(name, taken) for name in ("a", "a#2", "a", "a")] == ["a", "a#2", "a#3", "a#4"]


def test_bytes_have_unit_length(tmp_path: Path) -> None:
    for name, write in {"arrays": youtube8m_npy, "b.h5": youtube8m_h5, "train.tfrecord": youtube8m_tfrecord}.items():
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        write(folder / name)
        assert ready(folder).unit_length, name
    np.savez(tmp_path / "bytes.npz", rgb=frame_bytes(4, 6))
    assert ready(tmp_path / "bytes.npz").unit_length
    np.save(tmp_path / "floats.npy", np.ones((5, 8), np.float32))
    write_features(tmp_path / "floats.h5", [FrameFeatures("a", np.ones((5, 8), np.float32), np.arange(5), 5)])
    assert not ready(tmp_path / "floats.npy", tmp_path / "floats.h5").unit_length
