"""What others get to read says nothing of the machine it was made on: every verb once, and its files byte by byte."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest
from helpers.crossval_material import write_config
from helpers.drawn_dataset import drawn_video
from helpers.extraction_material import BLUE, RED, draw_video
from helpers.interrupting import SMOKE
from helpers.summarization_material import fingerprint_of, write_annotated
from helpers.tiny_refined import saved_refined
from helpers.tiny_summarizers import saved_summarizer

from sspvs.cli import main
from sspvs.crossval.folder import Chosen, FoldRecord
from sspvs.sharing import checkpoint_name, file_name, located, named, relative_path, shareable
from sspvs.table import SourceStamp, read_features, write_features
from sspvs.tasks.summarize import SummarizeTask
from sspvs.training.command_line import ReadConfig

USER = "zzyzx"
EMPTY_FOLD = FoldRecord(0, 0, "", {}, Chosen("last", 0, 1, "the last one"), 1, (), (), 1.0, "cpu")
KEY = "wandb_v1_0123456789abcdefghijklmnopqrstuvwxyz"


def sspvs(line: str) -> None:
    """A command that goes well."""
    assert main(shlex.split(line)) == 0, line


def texts_of(path: Path) -> Iterator[bytes]:
    """All bytes of a file, its name, and what an h5 file or a zip archive holds, unpacked."""
    yield os.fsencode(path.name)
    yield path.read_bytes()
    if h5py.is_hdf5(path):
        found: list[bytes] = []
        with h5py.File(path) as file:
            for one in (file, *(file[name] for name in _names(file))):
                found += [f"{name}={value}".encode() for name, value in one.attrs.items()]
                if isinstance(one, h5py.Dataset):
                    found.append(str(one[()]).encode() if one.dtype.kind == "O" else one[()].tobytes())
        yield b"\n".join(found)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif path.suffix in (".mp4", ".mkv"):
        with av.open(str(path)) as video:
            yield repr((video.metadata, [stream.metadata for stream in video.streams])).encode()


def _names(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visit(names.append)
    return names


def naming(folder: Path, *words: str) -> list[str]:
    """Files below a folder that hold one of some words."""
    return [
        f"{path.relative_to(folder)}: {word}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        for word in words
        if any(word.encode() in text for text in texts_of(path))
    ]


def machine(folder: Path) -> list[str]:
    """Words that say where something was made."""
    places = [str(folder), sys.prefix, str(Path(__file__).resolve().parents[1])]
    return [USER, *places, *(name for name in [socket.gethostname()] if len(name) > 3)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: what is read lies in `in`, what is written in `out`."""
    home = tmp_path_factory.mktemp("sharing") / f"user-{USER}"
    for name in ("in/videos", "material", "out"):
        (home / name).mkdir(parents=True)
    return home


def test_no_file_says_where_it_was_made(home: Path) -> None:
    read, out = home / "in", home / "out"
    video = draw_video(read / "videos" / "one.mp4", [RED, BLUE], seconds=2.0)
    (read / "mine.csv").write_text("video,annotator,start,end,duration,fps\none.mp4,anna,0,1,4,10\none.mp4,ben,1,3,,\n")
    (read / "pairs.csv").write_text(f"id,path,title\na,{video},red then blue\n")
    (read / "shots.json").write_text("[[0, 20], [20, 40]]")
    for number, peer in enumerate(("a", "b"), start=1):  # with what is warned of: shared, missing and unknown videos
        made = {f"video_{one}": np.linspace(0, 1, len(drawn_video(one).picks)).tolist() for one in (1, number)}
        (read / f"{peer}.json").write_text(json.dumps({**made, "of another dataset": [0.5]}))

    sspvs(f"extract {read}/videos --out {out}/features.h5")
    with read_features(out / "features.h5") as store:
        known = {"fingerprint": store.fingerprint, "feature_dim": store["one"].features.shape[1]}
    summarizer = saved_summarizer(read / "runs" / "mine" / "version_0" / "pretrained" / "best", **known)
    refined = saved_refined(read / "refined", **known)
    write_annotated(read / "summe.h5", width=known["feature_dim"])
    for scorer, more in (("contrastive", f"--segmenter given --shots {read}/shots.json"), (summarizer, "")):
        name = Path(scorer).name
        sspvs(f"summarize {video} --out {out}/{name} --scorer {scorer} {more}")
        sspvs(f"score {out}/features.h5 --out {out}/{name}.h5 --scorer {scorer}")
        sspvs(f"score {read}/summe.h5 --out {out}/summe-{name}.h5 --scorer {scorer}")
    build = f"data build custom --annotations {read}/mine.csv --shot-seconds 1"
    sspvs(f"{build} --videos {read}/videos --out {out}/videos.h5")
    sspvs(f"{build} --features {out}/features.h5 --out {out}/features-too.h5")
    for kind, target in (("community", "c.h5"), ("mrhisum", "m.h5"), ("custom", "c.json"), ("dsnet", "dsnet")):
        sspvs(f"data convert {out}/videos.h5 --to {kind} --out {out}/{target}")
    sspvs(f"data shard {read}/pairs.csv --out {out}/shards --backbone efficientnet-lite0")
    sspvs(f"data splits --dataset {read}/summe.h5 --out {out}/folds.json")
    evaluate = f"evaluate --dataset {read}/summe.h5 --draws 2"
    scores = f"--scores {out}/summe-best.h5 --scores {read}/a.json {read}/b.json --allow-missing"
    sspvs(
        f"{evaluate} {scores} --splits {out}/folds.json --out {out}/r.json --report {out}/r.html --picture {out}/r.png"
    )
    assert len(json.loads((out / "r.json").read_text())["warnings"]) > 3
    sspvs(f"{evaluate} --baseline contrastive --scorer {refined} --out {out}/s.json --report {out}/s.html")
    for checkpoint in (summarizer, refined):
        sspvs(f"export {checkpoint} --onnx {out}/{checkpoint.name}.onnx --card {out}/{checkpoint.name}.md")
    sspvs(f"demo --quick --out {out}/demo")
    (read / "pairs.csv").unlink()  # names the video by its absolute path, as the user wrote it
    assert not naming(home, *machine(home))


@pytest.mark.slow
def test_no_training_says_where_it_was_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretraining, fine-tuning, predictions, every fold; W&B; and the configs that are kept can be used."""
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_SILENT", "true")
    read, out = home / "material", home / "runs"
    start = saved_summarizer(
        read / "older" / "version_3" / "pretrained" / "best", feature_dim=16, fingerprint=fingerprint_of()
    )
    config = write_config(read, model__pretrained=str(start))
    few = f"--run.root {out} --trainer.max_epochs 1 --trainer.accelerator cpu"
    world = f"--config {SMOKE} --data.world.folder {read}/worlds --model.video.embed_dim 16"
    sspvs(f"fit {world} {few} --wandb offline")
    pretrained = f"{out}/smoke/version_0/pretrained/last"
    sspvs(f"predict {world} --run.root {out} --ckpt_path {pretrained} --out {out}/embeddings.h5")
    sspvs(f"fit --config {config} {few}")
    sspvs(f"predict --config {config} --run.root {out} --ckpt_path last --out {out}/scores.h5 --data.fold 0")
    sspvs(
        f"crossval --config {config} --out {out}/folds --seeds 1 --report {out}/folds.html --trainer.max_epochs 1 "
        "--checkpoint-rule last --wandb offline"
    )
    config.unlink()  # names the dataset by its absolute path, as the user wrote it
    for log in home.rglob("wandb/*/logs/*"):  # W&B's own, of this machine; `wandb sync` leaves them where they are
        log.unlink()
    assert not naming(home, *machine(home), KEY)
    for kept in (out / "tiny" / "version_0" / "config.yaml", out / "folds" / "config.yaml"):
        again = ReadConfig("fit", ["--config", str(kept)]).settings
        assert again.data.dataset == str(read / "drawn.h5")
        assert again.model.pretrained == str(start)


def test_what_earlier_versions_wrote_is_read_and_its_paths_go_no_further(tmp_path: Path) -> None:
    """Feature files had the absolute path; extraction still recognises the video, and takes the path out."""
    video = draw_video(tmp_path / USER / "one.mp4", [RED, BLUE])
    draw_video(tmp_path / USER / "two.mp4", [BLUE])
    out = tmp_path / "features.h5"
    sspvs(f"extract {video} --out {out}")
    stamp = video.stat()
    with h5py.File(out, "a") as file:
        attributes = file["one"].attrs
        del attributes["source_place"]
        attributes["source"] = str(video)
        assert (attributes["source_bytes"], attributes["source_mtime_ns"]) == (stamp.st_size, stamp.st_mtime_ns)
    copied = tmp_path / "copy.h5"
    with read_features(out) as store:
        assert store.source_of("one") == SourceStamp.of(video)
        assert store["one"].info.path == "one.mp4"
        write_features(copied, [store["one"]], fingerprint=store.fingerprint)
    before = read_features(out)["one"].features.tobytes()
    sspvs(f"extract {video.parent} --out {out}")
    assert sorted(read_features(out)) == ["one", "two"]
    assert read_features(out)["one"].features.tobytes() == before
    assert not naming(tmp_path, USER)  # the videos' own bytes included


def test_a_summarizer_of_an_earlier_version_forgets_where_its_start_lay(tmp_path: Path) -> None:
    folder = saved_summarizer(tmp_path / "mine", feature_dim=16)
    content = json.loads((folder / "config.json").read_text())
    source = f"/home/{USER}/runs/first/version_0/pretrained/best"
    content["settings"]["initialised_from"] = {
        "source": f"/home/{USER}/last.ckpt", "kind": "sspvs.summarize", "sha256": "0" * 64, "loaded": 1, "missing": [],
        "unexpected": [], "initialised_from": {"source": source, "kind": "sspvs.pretrain", "sha256": "1" * 64,
        "loaded": 1, "missing": [], "unexpected": [], "initialised_from": None},
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(content))
    copy = SummarizeTask.from_pretrained(folder).save_pretrained(tmp_path / "copy")
    found = json.loads((copy / "config.json").read_text())["settings"]["initialised_from"]
    assert found["source"] == "last.ckpt"
    assert found["initialised_from"]["source"] == "first/version_0/best"
    sspvs(f"export {folder} --onnx {tmp_path}/mine.onnx --card {tmp_path}/card.md --no-check")
    (folder / "config.json").unlink()
    assert not naming(tmp_path, USER)
    record = {**asdict(EMPTY_FOLD), "initialised_from": content["settings"]["initialised_from"]}
    (tmp_path / "fold.json").write_text(json.dumps(record))
    known = FoldRecord.read(tmp_path / "fold.json").initialised_from
    assert known == found


@pytest.mark.parametrize(
    ("path", "folder", "seen", "far"),
    [
        ("/home/anna/v.mp4", "/home/anna/out", "../v.mp4", "../v.mp4"),
        ("/home/anna/films/v.mp4", "/home/anna/films", "v.mp4", "v.mp4"),
        ("/home/anna/v.mp4", "/home/ben/out", None, None),
        ("/home/anna/v.mp4", "/scratch/out", None, None),
        ("/Users/anna/v.mp4", "/scratch/out", None, None),
        ("/media/card/v.mp4", "/home/anna/out", None, "../../../media/card/v.mp4"),
        ("/srv/films/v.mp4", "/srv/out", "../films/v.mp4", "../films/v.mp4"),
    ],
)
def test_a_way_that_names_no_user(path: str, folder: str, seen: str | None, far: str | None) -> None:
    assert relative_path(Path(path), Path(folder)) == seen
    assert relative_path(Path(path), Path(folder), far=True) == far


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/home/anna/best", "best"),
        ("/home/anna/pretrained/best", "best"),
        ("/Users/anna/runs/a/version_0/checkpoints/last.ckpt", "a/version_0/last.ckpt"),
        (r"C:\Users\anna\runs\a\version_0\pretrained\best", "a/version_0/best"),
        ("../../home/anna/mine", "mine"),
        ("~/mine", "mine"),
        ("somebody/summarizer", "somebody/summarizer"),
    ],
)
def test_a_checkpoint_is_called_by_what_tells_it_from_others(source: str, name: str) -> None:
    assert checkpoint_name(source) == name


def test_a_config_comes_back_as_it_was_but_for_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    run, data = tmp_path / "runs" / "a" / "version_0", tmp_path / "data"
    config: dict[str, Any] = {
        "seed": 1, "rate": None, "title": "a/b", "relative": "data/summe.h5", "hub": "bert-base-uncased",
        "data": {"dataset": str(data / "d.h5"), "others": [str(data / "e.h5"), "f.h5"], "tokens": 5},
        "backbone": f"googlenet:{data}/w.pth", "group": f"{data}/d.h5#video_1",
    }  # fmt: skip
    shared = shareable(config, run)
    assert str(tmp_path) not in json.dumps(shared)
    assert shared["data"]["others"] == ["${config_dir}/../../../data/e.h5", "f.h5"]
    assert located(shared, run) == config
    moved = tmp_path / "elsewhere" / "runs" / "a" / "version_0"
    assert located(shared, moved)["data"]["dataset"] == str(tmp_path / "elsewhere" / "data" / "d.h5")
    secret = {"logger": {"init_args": {"api_key": KEY, "name": f"x {KEY}"}}, "hf_token": "abc", "password": "p"}
    kept = {"logger": {"init_args": {"api_key": None, "name": None}}, "hf_token": None, "password": None}
    assert shareable(secret, run) == kept


def test_names() -> None:
    assert file_name("/a/b.mp4") == file_name("b.mp4") == file_name(r"D:\a\b.mp4") == "b.mp4"
    assert named({"a": ["/home/anna/x", 1, None]}) == {"a": ["x", 1, None]}
