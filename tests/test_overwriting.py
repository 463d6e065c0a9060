"""What an output may replace: through the command line, with every verb that writes files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.drawn_dataset import write_drawn_dataset
from helpers.tiny_summarizers import saved_summarizer
from matplotlib.figure import Figure

from sspvs.annotations.splits import read_splits
from sspvs.cli import main
from sspvs.crossval.folder import CrossvalFolder
from sspvs.errors import OutputError
from sspvs.table import read_dataset, read_scores


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with features, a peer's scores, annotations, and a fine-tuned checkpoint."""
    folder = tmp_path_factory.mktemp("material")
    write_drawn_dataset(folder / "d.h5", ("a", "b", "c"), features=True)
    with read_dataset(folder / "d.h5") as dataset, h5py.File(folder / "peer.h5", "w") as file:
        for key in dataset:
            file.create_group(key)["score"] = np.arange(len(dataset[key].picks), dtype=np.float32)
    (folder / "own.csv").write_text("video,annotator,start,end\na,x,1,3\na,y,2,4\n")
    saved_summarizer(folder / "trained", feature_dim=8)
    return folder


_BUILD = ["data", "build", "custom", "--fps", "25"]
VERBS: dict[str, tuple[str, list[str]]] = {
    "score": ("s.h5", ["score", "{m}/d.h5", "--out", "{out}"]),
    "evaluate --out": ("r.json", ["evaluate", "--dataset", "{m}/d.h5", "--scores", "P={m}/peer.h5", "--out", "{out}"]),
    "evaluate --report": ("r.html", ["evaluate", "--dataset", "{m}/d.h5", "--baseline", "human", "--report", "{out}"]),
    "evaluate --picture": ("r.png", ["evaluate", "--dataset", "{m}/d.h5", "--baseline", "human", "--picture", "{out}"]),
    "data splits": ("f.json", ["data", "splits", "--dataset", "{m}/d.h5", "--folds", "3", "--out", "{out}"]),
    "data build": ("b.h5", [*_BUILD, "--annotations", "{m}/own.csv", "--features", "{m}/d.h5", "--out", "{out}"]),
    "export": ("m.onnx", ["export", "{m}/trained", "--onnx", "{out}", "--no-check"]),
}
"""Verb -> the name of its output, and a command."""


def _run(verb: str, material: Path, out: Path) -> int:
    return main([word.format(m=material, out=out) for word in VERBS[verb][1]])


def _plot(path: Path) -> None:
    Figure().savefig(path)


def _community(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("video_1")["features"] = np.zeros((3, 4), np.float32)


OTHERS: dict[str, Callable[[Path], object]] = {
    ".h5": _community,
    ".png": _plot,
    ".html": lambda path: path.write_text("<!doctype html><title>my page</title>"),
    ".json": lambda path: path.write_text('[{"train_keys": ["video_1"], "test_keys": ["video_2"]}]'),
    ".onnx": lambda path: path.write_bytes(b"\x08\x08\x12\x07pytorch"),
}
"""Ending -> writes a file of that kind that is not ours."""


@pytest.mark.parametrize("verb", VERBS)
def test_only_files_of_ours_are_replaced(
    verb: str, material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / VERBS[verb][0]
    for write in (OTHERS[out.suffix], lambda path: path.write_text("my notes")):
        write(out)
        before = out.read_bytes()
        capsys.readouterr()
        assert _run(verb, material, out) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"error: cannot write {out}: it exists and is not ")
        assert err.count("\n") == 1
        assert out.read_bytes() == before
        out.unlink()
    assert _run(verb, material, out) == 0
    assert _run(verb, material, out) == 0


@pytest.mark.parametrize("link", ["itself", "hard link", "symbolic link"])
@pytest.mark.parametrize(
    ("verb", "read"),
    [("score", "d.h5"), ("evaluate --out", "peer.h5"), ("data build", "own.csv"), ("data splits", "d.h5")],
)
def test_no_output_is_an_input(
    verb: str, read: str, link: str, material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = {"itself": material / read}.get(link, tmp_path / "other name")
    if link == "hard link":
        out.hardlink_to(material / read)
    elif link == "symbolic link":
        out.symlink_to(material / read)
    before = (material / read).read_bytes()
    assert _run(verb, material, out) == 2
    assert capsys.readouterr().err.startswith(f"error: cannot write {out}: it is one of the files that are read")
    assert out.read_bytes() == before


def test_results_of_another_kind_stay(material: Path, tmp_path: Path) -> None:
    """A file of ours is replaced by its like alone: features take days, scores seconds."""
    assert main(["score", str(material / "d.h5"), "--out", str(tmp_path / "s.h5")]) == 0
    own = ["data", "build", "custom", "--annotations", str(material / "own.csv"), "--fps", "25"]
    assert main([*own, "--out", str(tmp_path / "s.h5")]) == 2
    assert len(read_scores(tmp_path / "s.h5")) == 3
    folds = ["data", "splits", "--dataset", str(material / "d.h5"), "--folds", "3"]
    assert main([*folds, "--out", str(tmp_path / "f")]) == 0
    human = ["evaluate", "--dataset", str(material / "d.h5"), "--baseline", "human"]
    assert main([*human, "--out", str(tmp_path / "f")]) == 2
    assert len(read_splits(tmp_path / "f").folds) == 3


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["import", "{f}/model.ckpt", "--out", "{f}"], ["config.json"]),
        (["import", "{f}/model.ckpt", "--out", "{f}"], ["model.safetensors"]),
        (["data", "world", "--out", "{f}"], ["splits.json"]),
        (["data", "world", "--out", "{f}"], ["pretrain/train.jsonl"]),
        (["data", "shard", "{f}/m.jsonl", "--overwrite", "--out", "{f}"], ["shard-000000.tar"]),
        (["data", "shard", "{f}/m.jsonl", "--overwrite", "--out", "{f}"], ["index.jsonl"]),
        (["demo", "--quick", "--out", "{f}"], ["demo.mp4"]),
        (["demo", "--out", "{f}"], ["comparison.html"]),
        (["demo", "--out", "{f}"], ["contrastive/report.html"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_folder_with_files_of_others_is_left_alone(
    words: list[str], names: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "v.npy", np.ones((4, 3), np.float32))
    (tmp_path / "m.jsonl").write_text(json.dumps({"id": "v", "path": "v.npy", "title": "a boat"}) + "\n")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main([word.format(f=tmp_path) for word in words]) == 2
    assert re.fullmatch(r"error: .*(exists and|did not write).*\n", capfd.readouterr().err)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: kept[path] for path in before} == before


@pytest.mark.parametrize("name", ["config.yaml", "settings.json", "result.json", "seed_0"])
def test_an_experiment_takes_no_folder_of_others(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(OutputError, match=rf"{name} exists and was not written by"), CrossvalFolder(tmp_path).claimed():
        pass
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("way", ["in it", "around it"])
def test_a_conversion_replaces_no_part_of_its_source(
    way: str, material: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels"
    to = ["data", "convert", str(material / "d.h5"), "--to", "dsnet", "--out", str(labels), "--fps", "25"]
    assert main(to) == 0
    (labels / "d.h5").write_bytes((material / "d.h5").read_bytes())
    before = {path: path.read_bytes() for path in labels.iterdir()}
    to[2] = str(labels / "d.h5")
    back = ["data", "convert", str(labels), "--to", "community", "--out", str(labels / "d.h5"), "--fps", "25"]
    capsys.readouterr()
    assert main([*(back if way == "in it" else to), "--force"]) == 2
    assert "the source itself, in it or around it" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in labels.iterdir()} == before
