"""Foreign h5 files reach into no other file, and nothing is allocated by what they claim."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sspvs.annotations.official import read_tvsum
from sspvs.cli import main
from sspvs.errors import DatasetError, FeatureFileError, SspvsError
from sspvs.features.resumable import open_parts
from sspvs.formats.scores import score_problems, scored_videos
from sspvs.formats.sspvs_release import read_release
from sspvs.formats.sspvs_texts import read_tokens
from sspvs.formats.youtube8m import byte_videos, read_bytes
from sspvs.table import FeatureStream, merge_files, read_dataset, read_features, read_scores
from sspvs.table.h5_file import ALLOW_LINKS, open_h5
from sspvs.table.h5_survey import read_entries, survey_keys
from sspvs.table.layout import write_fingerprint_attrs
from sspvs.table.reader import StreamReader
from sspvs.types import Fingerprint
from sspvs.world.captioned import CaptionedClips

SECRET = np.full((4, 8), 7.0, np.float32)
VIDEO: dict[str, Any] = {
    "features": np.ones((4, 8), np.float32),
    "picks": [0, 15, 30, 45],
    "n_frames": 60,
    "n_steps": 4,
    "video_name": "v",
    "title": "a title",
    "category": "a category",
    "fps": 30.0,
    "gtscore": [0.1, 0.2, 0.3, 0.4],
    "user_summary": np.eye(2, 60, dtype=np.float32),
    "change_points": [[0, 29], [30, 59]],
    "n_frame_per_seg": [30, 30],
    "scores": [0.1, 0.2, 0.3, 0.4],
    "rgb": np.ones((4, 8), np.uint8),
}

Change = Callable[[h5py.Group, str], None]


def put(group: h5py.Group, key: str) -> None:
    group[key] = VIDEO[key]


def write(path: Path, change: Change = put, key: str = "features") -> Path:
    """A file with the one video `v`, one key of which is changed."""
    with h5py.File(path, "w") as file:
        group = file.create_group("v")
        for name, value in VIDEO.items():
            if name not in {"scores", "rgb", key}:
                group[name] = value
        change(group, key)
    return path


def external(group: h5py.Group, key: str) -> None:
    group[key] = h5py.ExternalLink("secret.h5", "/secret")


def through_a_soft_link(group: h5py.Group, key: str) -> None:
    group["beside"] = h5py.SoftLink("away")
    group["away"] = h5py.ExternalLink("secret.h5", "/")
    group[key] = h5py.SoftLink("/v/./beside//secret")


def to_a_pipe(group: h5py.Group, key: str) -> None:
    pipe = Path(group.file.filename).with_name("pipe")
    if not pipe.exists():
        os.mkfifo(pipe)  # opening it would wait for ever
    group[key] = h5py.ExternalLink(str(pipe), "/secret")


def virtual(group: h5py.Group, key: str) -> None:
    layout = h5py.VirtualLayout(SECRET.shape, SECRET.dtype)
    layout[:] = h5py.VirtualSource("secret.h5", "secret", SECRET.shape)
    group.create_virtual_dataset(key, layout)


def raw(group: h5py.Group, key: str) -> None:
    path = Path(group.file.filename).with_name("secret.raw")
    group.create_dataset(key, SECRET.shape, SECRET.dtype, external=[(str(path), 0, h5py.h5f.UNLIMITED)])


LINKS: dict[str, Change] = {f.__name__: f for f in (external, through_a_soft_link, to_a_pipe, virtual, raw)}

READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "features": ("features", lambda path: read_features(path)["v"]),
    "runs of frames": ("features", lambda path: StreamReader().read(FeatureStream(path, "v"))),
    "merged": ("features", lambda path: merge_files(path.with_name("merged.h5"), {"v": path}, None)),
    "dataset": ("gtscore", lambda path: read_dataset(path)["v"]),
    "names": ("video_name", lambda path: read_dataset(path).video_names()),
    "shots": ("change_points", lambda path: read_dataset(path).shots_of("v")),
    "labels": ("title", lambda path: read_features(path).load("v")),
    "scores": ("scores", read_scores),
    "names of scores": ("video_name", scored_videos),
    "bytes": ("rgb", lambda path: read_bytes(path, "v")),
    "videos of bytes": ("rgb", byte_videos),
    "keys": ("picks", survey_keys),
    "entries": ("user_summary", lambda path: read_entries(path, "v")),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = SECRET
    (tmp_path / "secret.raw").write_bytes(SECRET.tobytes())
    return tmp_path


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_follows_a_link_into_another_file(folder: Path, reader: str, link: str) -> None:
    key, read = READERS[reader]
    path = write(folder / "d.h5", LINKS[link], key)
    with pytest.raises(
        (FeatureFileError, DatasetError), match=f"'v/({key}|away)' .* another file; .*{ALLOW_LINKS}"
    ) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_group_in_another_file_is_refused(folder: Path) -> None:
    path = write(folder / "d.h5", key="scores")
    with h5py.File(path, "a") as file:
        file["w"] = h5py.ExternalLink("secret.h5", "/")
    for read in (
        read_features,
        read_dataset,
        read_scores,
        survey_keys,
        scored_videos,
        lambda path: list(score_problems(path)),
    ):
        with pytest.raises((FeatureFileError, DatasetError), match="'w' is a link into another file"):
            read(path)


def test_files_of_other_layouts_follow_no_link(folder: Path) -> None:
    """One video at the root, token ids, the SSPVS release, captioned clips, TVSum's MATLAB file."""
    for name, key, link in (("one", "features", external), ("tokens", "cat", virtual), ("clip", "features", raw)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            link(file, key)
            file.attrs.update(caption="a", concept="b", category="c", rate_hz=1.0)
    for read, name in ((read_features, "one"), (read_tokens, "tokens"), (CaptionedClips, "clip")):
        with pytest.raises((FeatureFileError, DatasetError), match="another file"):
            read(folder / f"{name}.h5")
    for name in ("features", "info_embed"):
        (folder / name).mkdir()
        with h5py.File(folder / name / "x.h5", "w") as file:
            external(file, "cat" if name == "info_embed" else "features")
    (folder / "train_list.json").write_text(json.dumps(["x"]))
    with pytest.raises(DatasetError, match=r"info_embed/x.h5.*'cat' is a link into another file"):
        read_release(folder)
    with h5py.File(folder / "ydata-tvsum50.mat", "w") as file:
        file["far"] = h5py.ExternalLink("secret.h5", "/secret")
        virtual(file, "near")
        for field in ("video", "category", "title", "length", "nframes", "user_anno"):
            file[f"tvsum50/{field}"] = np.array([[file["near"].ref]], h5py.ref_dtype)
    with pytest.raises(DatasetError, match="'near' has its values in another file"):
        read_tvsum(folder / "ydata-tvsum50.mat")


@pytest.mark.parametrize("link", ["external", "through_a_soft_link", "virtual", "raw"])
def test_links_are_followed_where_they_are_allowed(folder: Path, monkeypatch: pytest.MonkeyPatch, link: str) -> None:
    monkeypatch.setenv(ALLOW_LINKS, "1")
    monkeypatch.setenv("HDF5_EXTFILE_PREFIX", "${ORIGIN}")
    assert (read_features(write(folder / "d.h5", LINKS[link]))["v"].features == SECRET).all()


def test_soft_links_within_the_file(folder: Path) -> None:
    def inside(group: h5py.Group, key: str) -> None:
        group["kept"] = SECRET
        group["again"] = h5py.SoftLink("/v/kept")
        group[key] = h5py.SoftLink("again")

    assert (read_features(write(folder / "d.h5", inside))["v"].features == SECRET).all()
    for target in ("features", "/v/features", "/nowhere", "gone/away"):  # in a circle, or to nothing
        path = write(folder / "d.h5", lambda group, key, to=target: group.__setitem__(key, h5py.SoftLink(to)))
        with pytest.raises(FeatureFileError, match=str(path)):
            _ = read_features(path)["v"]


def test_commands_name_the_key_and_write_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = write(folder / "d.h5", external, "title"), folder / "out.h5"
    assert main(["data", "convert", str(path), "--to", "community", "--out", str(out)]) == 2
    assert "'v/title' is a link into another file" in capsys.readouterr().err
    assert main(["data", "inspect", str(path)]) == 1
    assert "'v/title' is a link into another file" in capsys.readouterr().out
    write(path, external, "features")
    assert main(["score", str(path), "--out", str(out)]) == 2
    assert "'v/features' is a link into another file" in capsys.readouterr().err
    assert not out.exists()


def claim(shape: tuple[int, ...], dtype: Any, **how: Any) -> Change:
    return lambda group, key: group.create_dataset(key, shape, dtype, **how)


def packed(group: h5py.Group, key: str) -> None:
    """One chunk is there, of 2**30 zeros in 1 MB, and it stands for 64 of them."""
    data = group.create_dataset(key, (2**36,), np.uint8, chunks=(2**30,), compression="gzip")
    data.id.write_direct_chunk((0,), bytes(2**20))


def long_text(group: h5py.Group, key: str) -> None:
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(2**31 - 8)
    h5py.h5d.create(group.id, key.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))


CLAIMS: dict[str, Change] = {
    "never written": claim((2**40,), np.int64),
    "just too large": claim((2**23 + 1,), np.uint8),
    "in chunks": claim((2**40,), np.float32, chunks=(1024,)),
    "overflowing": claim((2**40, 2**40), np.float32),
    "filled": claim((2**20, 2**20), np.float32, fillvalue=1),
    "packed": packed,
    "long text": long_text,
}


@pytest.mark.parametrize("key", sorted(set(VIDEO) - {"rgb", "scores"}))
@pytest.mark.parametrize("kind", CLAIMS)
def test_no_memory_is_taken_for_claimed_sizes(tmp_path: Path, kind: str, key: str) -> None:
    path = write(tmp_path / "d.h5", CLAIMS[kind], key)
    tracemalloc.start()
    try:
        with pytest.raises(SspvsError, match=rf"'v/{key}' claims \(.*stored"):
            _ = read_dataset(path)["v"], read_features(path)["v"]
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("key", ["n_frames", "n_steps"])
def test_a_video_of_a_million_million_frames_is_refused(tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "d.h5", lambda group, key: group.__setitem__(key, 2**40), key)
    for read in (read_features, read_dataset):
        with pytest.raises(SspvsError, match=f"'{key}': expected a number of frames, at most 67108864, found {2**40}"):
            _ = read(path)["v"]


def test_what_packs_well_is_read(tmp_path: Path) -> None:
    zeros = np.zeros((24, 400_000), np.uint8)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        for name, options in (
            ("gzip", {"compression": "gzip", "compression_opts": 9}),
            ("lzf", {"compression": "lzf"}),
        ):
            file.create_dataset(name, data=zeros, shuffle=True, **options)
        file.create_dataset("plain", data=zeros)
        file.create_dataset("never written", (2**20,), np.float32)
    with open_h5(tmp_path / "d.h5") as file:
        assert file["gzip"].id.get_storage_size() < zeros.size / 500
        for name in file:
            assert not file[name][()].any()


def test_large_attributes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    write(path)
    with h5py.File(path, "a", libver="latest") as file:
        file.attrs["notes"] = "of any length " * 1000
        group = file.create_group("w", track_order=True)
        group.attrs["many"] = np.array(["x" * 50] * 2000, dtype=h5py.string_dtype())
    with open_h5(path) as file:
        assert len(file.attrs["notes"]) == 14_000
        with pytest.raises(FeatureFileError, match="'w' has an attribute 'many' of more than 1 MB"):
            _ = file["w"].attrs["many"]


def test_a_heap_of_strings_without_end_is_refused(tmp_path: Path) -> None:
    """HDF5 walks the entries of a heap by their lengths; one of length 0 would keep it there for ever."""
    path = write(tmp_path / "v.h5")
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    entry, free = heap + 16, None
    while free is None:
        length = int.from_bytes(content[entry + 8 : entry + 16], "little")
        if content[entry : entry + 2] == b"\0\0":
            free = entry
        entry += 16 + (length + 7) // 8 * 8
    content[free + 8 : free + 16] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(OSError, match="a heap of strings has no end"):
        open_h5(path)


def test_an_extraction_refuses_what_it_could_not_merge_before_it_begins(folder: Path) -> None:
    """Links in the file that is added to, which a copy would go on pointing at."""
    made_by = Fingerprint("drawn", "0", "none", "none", 2.0)
    out = write(folder / "out.h5", external, "video_name")
    with h5py.File(out, "a") as file:
        write_fingerprint_attrs(file.attrs, made_by)
    with pytest.raises(FeatureFileError, match="video_name"), open_parts(out, made_by):
        pass
