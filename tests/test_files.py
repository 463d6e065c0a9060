"""A file that is not what its name says is named for what it is, by every reader of every kind of file."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.io import savemat

from sspvs.annotations import read_custom, read_tvsum
from sspvs.annotations.official import read_summe_video, read_tsv
from sspvs.annotations.record import Problems
from sspvs.annotations.shots import read_given_shots
from sspvs.annotations.splits import read_splits
from sspvs.cli import main
from sspvs.data.feature_files import array_names, feature_files, videos_of
from sspvs.errors import SspvsError
from sspvs.files import decode_text, kind_of_start, read_text, why_not
from sspvs.formats import convert, inspect_file
from sspvs.formats.manifest import read_rows
from sspvs.formats.scores import read_score_file
from sspvs.formats.shards import FORMAT, INDEX, VERSION, read_index
from sspvs.formats.sspvs_texts import read_tokens
from sspvs.formats.tfrecord import record_places
from sspvs.selection.shots import given_shots
from sspvs.table import FeatureStream, StreamReader, read_dataset, read_features, read_score_facts, read_scores
from sspvs.table.numpy_file import load_array
from sspvs.table.text import TextFields
from sspvs.tasks.checkpoint import OFFICIAL, Checkpoint
from sspvs.tasks.tensors import read_tensors
from sspvs.training.saving import read_checkpoint
from sspvs.training.tasks import chosen_task
from sspvs.video.reader import check_file
from sspvs.weights.digest import check_digest
from sspvs.world.captioned import CaptionedClips


def _workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"):
            archive.writestr(name, "<sheet/>")
    return buffer.getvalue()


STAND_INS: dict[str, tuple[bytes, str]] = {
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "a Git LFS pointer"),
    "an annex pointer": (b"/annex/objects/SHA256E-s1048576--4d7a.h5\n", "a git-annex pointer"),
    "a page": (b"\n<!DOCTYPE html>\n<html><title>Google Drive - Virus scan warning</title></html>", "a web page"),
    "a page in capitals": (b"\xef\xbb\xbf<HTML><HEAD><TITLE>Sign in</TITLE>", "a web page"),
    "an XML error": (
        b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
        'a server\'s error reply ("AccessDenied")',
    ),
    "a JSON error": (b'{"message": "Not Found", "documentation_url": "https://docs"}', 'error reply ("Not Found")'),
    "a nested error": (b'{"error": {"code": 403, "message": "quota exceeded"}}', 'error reply ("quota exceeded")'),
    "a plain error": (b"404: Not Found", 'error reply ("404: Not Found")'),
    "a gzip": (gzip.compress(b"features" * 50), "a gzip archive; unpack it first"),
    "a spreadsheet": (_workbook(), "an Office document (.xlsx, .ods); save its table as CSV"),
    "nothing": (b"", "the file is empty"),
}


def _read_custom_rows(path: Path) -> None:
    list(read_rows(path, Problems(path)))


def _clips(path: Path) -> None:
    for file in feature_files([path]):
        videos_of(file)


def _shards(path: Path) -> None:
    """A folder whose index is whole, and whose one shard is the file."""
    video = {"id": "a", "shard": 0, "file": path.name, "offset": 0, "n_frames": 2, "split": "train"}
    texts = dict.fromkeys(TextFields._fields, "")
    head = {"format": FORMAT, "version": VERSION, "items": 1, "feature_dim": 2, "fingerprint": None, "plan": ""}
    (path.parent / INDEX).write_text("\n".join(map(json.dumps, (head, {**video, **texts}))))
    read_index(path.parent)


def _checkpoint_folder(path: Path) -> None:
    (path.parent / "config.json").write_bytes(path.read_bytes())
    Checkpoint.open(path.parent)


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "dataset": ("x.h5", read_dataset),
    "features": ("x.h5", read_features),
    "runs of frames": ("x.h5", lambda path: StreamReader().shape(FeatureStream(path))),
    "scores in h5": ("x.h5", read_scores),
    "how scores were made": ("x.h5", read_score_facts),
    "any scores": ("x.h5", read_score_file),
    "scores in npz": ("x.npz", read_score_file),
    "scores in JSON": ("x.json", read_score_file),
    "scores in CSV": ("x.csv", read_score_file),
    "token ids": ("x.h5", read_tokens),
    "captioned clips": ("x.h5", CaptionedClips),
    "captioned clips in npz": ("x.npz", CaptionedClips),
    "an array of a manifest": ("x.npy", lambda path: StreamReader().shape(FeatureStream(path))),
    "clips in h5": ("x.h5", _clips),
    "clips in npz": ("x.npz", _clips),
    "clips in tar": ("x.tar", _clips),
    "a shard": ("x.tar", _shards),
    "the index of shards": (INDEX, lambda path: read_index(path.parent)),
    "records": ("x.tfrecord", record_places),
    "TVSum's annotations": ("ydata-tvsum50.mat", read_tvsum),
    "TVSum's table": ("x.tsv", read_tsv),
    "SumMe's annotations": ("x.mat", lambda path: read_summe_video(path, "video_1")),
    "annotations in JSON": ("x.json", read_custom),
    "annotations in CSV": ("x.csv", read_custom),
    "a manifest": ("x.csv", _read_custom_rows),
    "a manifest in JSON": ("x.jsonl", _read_custom_rows),
    "splits in JSON": ("x.json", read_splits),
    "splits in YAML": ("x.yaml", read_splits),
    "shots of a dataset": ("x.json", read_given_shots),
    "shots of a video": ("x.json", lambda path: given_shots(path, 100)),
    "weights": ("model.safetensors", read_tensors),
    "a checkpoint": ("x.ckpt", Checkpoint.open),
    "a state to go on from": ("last.ckpt", read_checkpoint),
    "an official checkpoint": ("x.ckpt", lambda path: Checkpoint.open(path, (OFFICIAL,))),
    "a checkpoint folder": ("x.json", _checkpoint_folder),
    "a backbone's weights": ("x.pth", lambda path: check_digest(path, "0" * 64, "download it")),
    "a config": ("x.yaml", lambda path: chosen_task(["--config", str(path)])),
    "a video": ("x.mp4", check_file),
    "a conversion": ("x.h5", lambda path: convert(path, path.with_name("o.h5"), to="community")),
    "a conversion of a named kind": (
        "x.json",
        lambda path: convert(path, path.with_name("o.h5"), to="community", kind="videoxum"),
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_names_what_stands_in_a_files_place(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    path = tmp_path / name
    for stand_in, (content, message) in STAND_INS.items():
        path.write_bytes(content)
        if not content and path.suffix == ".tfrecord":  # as many records as there are
            continue
        with pytest.raises((SspvsError, ValueError)) as caught:
            read(path)
        expected = message.replace("the file is empty", "empty")
        assert expected in str(caught.value), (stand_in, str(caught.value))
        assert name.rpartition(".")[0] in str(caught.value) or "config.json" in str(caught.value), stand_in


@pytest.fixture
def stuck() -> Iterator[None]:
    """Waiting for a writer, or reading without end, fails instead."""

    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
@pytest.mark.usefixtures("stuck")
@pytest.mark.parametrize("reader", [name for name in READERS if name != "a checkpoint folder"])
def test_no_reader_opens_what_is_no_regular_file(reader: str, tmp_path: Path) -> None:
    name, read = READERS[reader]
    for number, make in enumerate((os.mkfifo, lambda path: path.symlink_to(os.devnull), Path.mkdir)):
        path = tmp_path / str(number) / name
        path.parent.mkdir()
        make(path)
        if path.is_dir() and reader in ("a shard", "a config"):  # may be a folder; is refused by the parser
            continue
        with pytest.raises((SspvsError, ValueError)) as caught:
            read(path)
        assert name.rpartition(".")[0] in str(caught.value) or "config.json" in str(caught.value)
        assert "empty" not in str(caught.value)
        assert str(caught.value).count(str(path)) <= 1
        assert not any(words in str(caught.value) for words in ("no such file", "hub")), str(caught.value)


@pytest.mark.parametrize("suffix", ["h5", "npy", "npz", "json", "csv", "yaml", "mat", "tar", "tfrecord", "ckpt", "pth"])
def test_inspect_names_it_whatever_its_ending(suffix: str, tmp_path: Path) -> None:
    for content, message in STAND_INS.values():
        (tmp_path / f"x.{suffix}").write_bytes(content)
        found = inspect_file(tmp_path / f"x.{suffix}")
        assert message.partition(";")[0].replace("the file is empty", "an empty file") in found.what
        assert not found.usable
        assert found.advice


def _bytes(save: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def _h5(buffer: io.BytesIO) -> None:
    with h5py.File(buffer, "w") as file:
        file["video_1/scores"] = np.arange(500.0)


CUT: dict[str, tuple[str, Callable[[io.BytesIO], object], Callable[[Path], Any], str]] = {
    "h5 dataset": ("x.h5", _h5, read_dataset, "it is cut short: {half} of {whole} bytes are here"),
    "h5 scores": ("x.h5", _h5, read_scores, "it is cut short: {half} of {whole} bytes are here"),
    "npz": ("x.npz", lambda b: np.savez(b, video_1=np.arange(500.0)), read_score_file, "that is cut short"),
    "checkpoint": ("x.ckpt", lambda b: torch.save({"a": torch.ones(9)}, b), Checkpoint.open, "cut short"),
    "weights": (
        "x.pth",
        lambda b: torch.save({"a": torch.ones(9)}, b),
        lambda p: check_digest(p, "0", ""),
        "cut short",
    ),
}


@pytest.mark.parametrize("what", CUT)
def test_an_unfinished_download_is_named_too(what: str, tmp_path: Path) -> None:
    name, save, read, message = CUT[what]
    content = _bytes(save)
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(SspvsError) as caught:
        read(tmp_path / name)
    assert message.format(half=len(content) // 2, whole=len(content)) in str(caught.value)


def test_one_line_and_status_2_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.mp4").write_bytes(STAND_INS["a page"][0])
    (tmp_path / "lfs.h5").write_bytes(STAND_INS["a pointer"][0])
    for verb, message in (
        (["summarize", str(tmp_path / "page.mp4"), "--out", str(tmp_path / "o")], "a web page"),
        (["score", str(tmp_path / "lfs.h5"), "--out", str(tmp_path / "o.h5")], "a Git LFS pointer"),
    ):
        assert main(verb) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert message in error


def test_the_cases_that_were_reported(shared_data: Path) -> None:
    for name, message in (("lfs.h5", "a Git LFS pointer"), ("html.h5", "a web page")):
        for read in (read_dataset, read_features, read_scores, read_score_file):
            with pytest.raises(SspvsError, match=f"{name}: .*{message}"):
                read(shared_data / "cases" / "score_not_h5" / name)


GENUINE: dict[str, tuple[bytes, str | None]] = {
    "JSON of videos named like a reply": (b'{"message": [[0, 1]], "error": [[2, 3]]}', "json"),
    "JSON with more than a reply": (b'{"error": "none", "video_1": [0.5]}', "json"),
    "a list": (b'["404"]', "json"),
    "text that speaks of an error": (b"video,annotator,start,end\nnot found,a,0,1\n", "text"),
    "UTF-16 text": ("video;annotator".encode("utf-16"), "text"),
    "a letter cut in two at the end of what is looked at": (b"x" * 4095 + "é".encode()[:1], "text"),
    "a safetensors header of 640 bytes": (b"\x80\x02" + bytes(6) + b'{"__metadata__":{}', None),
    "an old tar": (b"\x01" * 257 + b"ustar\x00", "tar"),
    "noise": (bytes(range(129, 255)), None),
}


@pytest.mark.parametrize("what", GENUINE)
def test_what_is_genuine_is_not_suspected(what: str) -> None:
    content, name = GENUINE[what]
    found = kind_of_start(content)
    assert (found and found.name) == name


def test_safetensors_of_any_header_length_are_read(tmp_path: Path) -> None:
    """The first two bytes of a file are the length of its header: 640 looks like a pickle, 0x3c like a page."""
    firsts = set()
    for letters in range(1, 800, 7):
        save_file({"x" * letters: torch.ones(1)}, tmp_path / "m.safetensors")
        firsts.add((tmp_path / "m.safetensors").read_bytes()[:2])
        assert why_not(tmp_path / "m.safetensors") is None
        assert read_tensors(tmp_path / "m.safetensors")["x" * letters].item() == 1
    assert b"\x80\x02" in firsts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_in_every_encoding_that_spreadsheets_write(encoding: str, tmp_path: Path) -> None:
    text = "video;annotator\nCafé;Zoë\n"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert read_text(tmp_path / "a.csv") == text
    assert decode_text(json.dumps(text).encode(encoding)) == json.dumps(text)


@pytest.mark.parametrize("read", [read_score_file, CaptionedClips, array_names])
def test_damage_in_packed_arrays_is_one_line(read: Callable[[Path], Any], tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", features=np.random.default_rng(0).random((50, 8)))
    whole = (tmp_path / "x.npz").read_bytes()
    for place in range(40, len(whole), 31):
        (tmp_path / "x.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(SspvsError):
            read(tmp_path / "x.npz")


def _claiming(path: Path, shape: tuple[int, ...]) -> Path:
    """An array that claims a shape, of which a hundred bytes are there."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": shape})
    content.write(bytes(100))
    if path.suffix == ".npy":
        path.write_bytes(content.getvalue())
    elif path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("features.npy", content.getvalue())
            for key in ("caption", "concept", "category", "rate_hz"):
                array = io.BytesIO()
                np.save(array, np.array(1.0 if key == "rate_hz" else "x"))
                archive.writestr(f"{key}.npy", array.getvalue())
    else:
        savemat(path, {"user_score": np.zeros((7, 3)), "nFrames": 7.0}, do_compression=False)
        path.write_bytes(path.read_bytes().replace(struct.pack("<ii", 7, 3), struct.pack("<ii", *shape)))
    return path


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("x.npz", read_score_file),
        ("x.npz", CaptionedClips),
        ("x.npz", lambda path: load_array(path, "features")),
        ("x.npy", load_array),
        ("x.npy", lambda path: StreamReader().shape(FeatureStream(path))),
        ("x.npy", lambda path: StreamReader().stored(FeatureStream(path))),
        ("x.mat", lambda path: read_summe_video(path, "video_1")),
    ],
)
def test_no_memory_is_taken_for_claimed_sizes(name: str, read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = _claiming(tmp_path / name, (2**30, 2**29 if name != "x.mat" else 3))
    tracemalloc.start()
    try:
        with pytest.raises((SspvsError, ValueError), match=r"claims|cut short"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
