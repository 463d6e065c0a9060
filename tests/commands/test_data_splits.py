"""`sspvs data splits` through the command line."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import h5py
import pytest
from helpers.drawn_dataset import NAMES, write_drawn_dataset

from sspvs.cli import main


@pytest.fixture(scope="module")
def summe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_dataset(tmp_path_factory.mktemp("summe") / "summe.h5")


@pytest.fixture(scope="module")
def tvsum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("AwmHb44_ouw", "98MoyGZKHXc", "J0nA4VgnoCo")
    path = tmp_path_factory.mktemp("tvsum") / "eccv16_dataset_tvsum_google_pool5.h5"
    return write_drawn_dataset(path, names, dataset=path.stem)


def test_folds_are_made_in_the_communitys_style(
    summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "s.json"
    assert main(["data", "splits", "--dataset", str(summe), "--folds", "3", "--out", str(out)]) == 0
    folds = json.loads(out.read_text())
    assert len(folds) == 3
    assert sorted(key for fold in folds for key in fold["test_keys"]) == [f"video_{n}" for n in range(1, 8)]
    assert all(fold["train_keys"] and len(fold["val_keys"]) == 1 for fold in folds)
    message = capsys.readouterr().out
    assert "canonical, 3 folds" in message
    assert hashlib.sha256(out.read_bytes()).hexdigest() in message
    assert "7 of 7 videos are ever tested in dataset 'summe'" in message
    assert all(f"video_{number} {name}" in message for number, name in enumerate(NAMES, start=1))


def test_nothing_is_written_of_a_dataset_that_cannot_be_read(
    summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = Path(shutil.copy(summe, tmp_path / "D.h5"))
    with h5py.File(damaged, "r+") as file:
        del file["video_3/picks"]
        file["video_3/picks"] = "text"
    assert main(["data", "splits", "--dataset", str(damaged), "--folds", "3", "--out", str(tmp_path / "s.json")]) == 2
    assert "'video_3'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["D.h5"]


def test_the_same_seed_makes_the_same_bytes(summe: Path, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.json" for number in range(3)]
    for path, seed in zip(files, ("1", "1", "2"), strict=True):
        assert main(["data", "splits", "--dataset", str(summe), "--seed", seed, "--out", str(path)]) == 0
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def test_transfer_trains_on_the_others_alone(summe: Path, tvsum: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.json"
    flags = ["--setting", "transfer", "--with", str(tvsum), "--val-fraction", "0", "--out", str(out)]
    assert main(["data", "splits", "--dataset", str(summe), *flags]) == 0
    (fold,) = json.loads(out.read_text())
    assert sorted(fold["train_keys"]) == [f"eccv16_dataset_tvsum_google_pool5/video_{n}" for n in (1, 2, 3)]
    assert len(fold["test_keys"]) == 7
    assert "val_keys" not in fold
    assert main(["data", "splits", "--read", str(out), "--dataset", str(summe), "--with", str(tvsum)]) == 0


def test_reading_says_setting_and_coverage(summe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "aug.json"
    fold = {"train_keys": ["summe/video_1", "ovp/video_21"], "test_keys": ["summe/video_4", "summe/video_2"]}
    path.write_text(json.dumps([fold, fold]))
    assert main(["data", "splits", "--read", str(path), "--dataset", str(summe)]) == 0
    message = capsys.readouterr().out
    assert "augmented, 2 folds" in message
    assert "2 of 7 videos are ever tested, 2 of them more than once" in message
    assert "never tested: video_1 Air_Force_One, video_3 Bike Polo" in message
    assert "no part of it chooses the checkpoint" in message
    assert main(["data", "splits", "--read", str(path)]) == 0
    assert "--dataset shows of how many" in capsys.readouterr().out


def test_an_unusable_file_is_status_1_and_one_line(
    summe: Path, tvsum: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps([{"train_keys": ["tvsum/video_9"], "test_keys": ["summe/video_9"]}]))
    for flags in (["--dataset", str(summe)], ["--with", str(tvsum)]):
        assert main(["data", "splits", "--read", str(path), *flags]) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert "video_9" in err


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--read", "gone.json"],
        ["--read", "a.json", "--out", "b.json"],
        ["--out", "b.json"],
        ["--dataset", "D.h5", "--out", "missing/b.json"],
        ["--dataset", "D.h5", "--out", "D.h5"],
        ["--dataset", "D.h5", "--out", "b.json", "--folds", "9"],
        ["--dataset", "gone.h5", "--out", "b.json"],
        ["--dataset", "D.h5", "--out", "b.json", "--setting", "augmented"],
        ["--dataset", "D.h5", "--out", "b.json", "--setting", "augmented", "--with", "D.h5"],
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    flags: list[str], summe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "D.h5").write_bytes(summe.read_bytes())
    assert main(["data", "splits", *flags]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["D.h5"]
    assert (tmp_path / "D.h5").read_bytes() == summe.read_bytes()
