"""`sspvs data convert`: what cannot be done is refused with what is missing, and nothing is half-written."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.drawn_dataset import write_drawn_dataset
from helpers.format_material import community, frame_bytes, make, sequence_example, tfrecord, videoxum_entry

from sspvs.atomic import atomic_folder
from sspvs.cli import main
from sspvs.errors import DatasetError, OutputError
from sspvs.formats import Settings, convert, inspect_file
from sspvs.table import DatasetStore, read_features


@pytest.mark.parametrize(
    ("kind", "to", "lacks"),
    [
        ("features", "mrhisum", "gtscore and shots (change_points) and frames per second (--fps)"),
        ("features", "dsnet", "user summaries"),
        ("features", "custom", "user summaries or user scores and frames per second (--fps)"),
        ("videoxum", "sspvs", "features"),
        ("videoxum", "mrhisum", "shots (change_points)"),
        ("dsnet", "youtube8m", "features and frames per second (--fps)"),
        ("dsnet", "videoxum", "frames per second (--fps)"),
        ("community", "mrhisum", "frames per second (--fps)"),
        ("community", "custom", "frames per second (--fps)"),
        ("youtube8m", "videoxum", "user summaries"),
    ],
)
def test_what_the_source_lacks_is_named_and_nothing_is_written(kind: str, to: str, lacks: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source = make(kind, tmp_path / "in")
    with pytest.raises(DatasetError) as error:
        convert(source, tmp_path / "out" / "target", to=to)
    assert f"{to} needs {lacks}, which the source does not have" in str(error.value)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("scores", "sspvs evaluate"),
        ("scores-json", "sspvs evaluate"),
        ("splits", "sspvs data splits"),
        ("summe", "sspvs data build summe"),
        ("tvsum", "sspvs data build tvsum"),
        ("qvhighlights", "belong to queries"),
    ],
)
def test_what_is_not_converted_says_what_to_do_instead(
    kind: str, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make(kind, tmp_path)
    assert main(["data", "convert", str(source), "--to", "community", "--out", str(tmp_path / "o.h5")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert what in error
    assert not (tmp_path / "o.h5").exists()


def test_a_video_that_cannot_be_read_stops_the_conversion_or_is_left_out_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = community(tmp_path / "a.h5")
    with h5py.File(source, "a") as file:
        file["video_2/gtscore"][0] = np.nan
    arguments = ["data", "convert", str(source), "--to", "community", "--out", str(tmp_path / "b.h5")]
    assert main(arguments) == 2
    assert "video_2" in capsys.readouterr().err
    assert not (tmp_path / "b.h5").exists()
    assert main([*arguments, "--skip-bad"]) == 1
    printed = capsys.readouterr().out
    assert "2 of 3 videos written" in printed
    assert "skipped: video_2: " in printed
    with h5py.File(tmp_path / "b.h5") as file:
        assert sorted(file) == ["video_1", "video_3"]


def test_ids_that_occur_twice_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "v.json"
    source.write_text(json.dumps([videoxum_entry(1), videoxum_entry(1)]))
    with pytest.raises(DatasetError, match="v_1: this id occurs more than once"):
        convert(source, tmp_path / "o.h5", to="community")
    ledger = convert(source, tmp_path / "o.h5", to="community", settings=Settings(skip_bad=True))
    assert (ledger.written, list(ledger.skipped)) == (["v_1"], ["v_1"])


def test_names_that_occur_twice_or_are_no_file_names_get_files_of_their_own(tmp_path: Path) -> None:
    source = write_drawn_dataset(tmp_path / "a.h5", ("jumps", "JUMPS", "a/b: c?", ".."))
    ledger = convert(source, tmp_path / "labels", to="dsnet")
    assert sorted(path.name for path in (tmp_path / "labels").iterdir()) == [
        "JUMPS_video_2.json",
        "_.json",
        "a_b_ c_.json",
        "jumps.json",
    ]
    assert len(ledger.changed) == 3


def test_a_target_that_exists_is_replaced_only_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = community(tmp_path / "a.h5")
    target = tmp_path / "b.h5"
    target.write_text("mine")
    arguments = ["data", "convert", str(source), "--to", "community", "--out", str(target)]
    assert main(arguments) == 2
    assert "it exists already" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 2
    assert "does not remove other people's files" in capsys.readouterr().err
    assert target.read_text() == "mine"
    target.unlink()
    assert main(arguments) == 0
    assert main(arguments) == 2
    before = target.stat().st_ino
    assert main([*arguments, "--force"]) == 0
    assert target.stat().st_ino != before


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    source = community(tmp_path / "a.h5")
    target = tmp_path / "mine"
    target.mkdir()
    convert(source, target, to="dsnet")  # an empty folder is no loss
    with pytest.raises(OutputError, match="it exists already"):
        convert(source, target, to="dsnet")
    (target / "old.json").write_text((target / "Video No 1.json").read_text())
    convert(source, target, to="dsnet", force=True)
    assert sorted(path.name for path in target.iterdir()) == [f"Video No {number}.json" for number in (1, 2, 3)]
    other = tmp_path / "photos"
    other.mkdir()
    (other / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(OutputError, match="does not remove other people's files"):
        convert(source, other, to="dsnet", force=True)
    assert (other / "holiday.jpg").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "mine", "photos"]


def test_the_source_itself_is_no_target(tmp_path: Path) -> None:
    source = community(tmp_path / "a.h5")
    before = source.read_bytes()
    with pytest.raises(ValueError, match="is the source itself"):
        convert(source, source, to="community", force=True)
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--to", "nothing", "--out", "o.h5"],
        ["--to", "scores", "--out", "o.h5"],
        ["--to", "community", "--out", "no/such/folder/o.h5"],
        ["--to", "community", "--out", "o.h5", "--from", "nothing"],
        ["--to", "community", "--out", "o.h5", "--from", "videoxum"],
        ["--to", "mrhisum", "--out", "o.h5", "--fps", "-3"],
        ["--to", "mrhisum", "--out", "o.h5", "--fps", "no.json"],
        ["--to", "mrhisum", "--out", "o.h5", "--fps", "nan"],
        ["--to", "community", "--out", "o.h5", "--pick-step", "0"],
        ["--to", "community", "--out", "."],
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    community(tmp_path / "a.h5")
    assert main(["data", "convert", "a.h5", *arguments]) == 2
    out, error = capsys.readouterr()
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not out
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_frame_rates_may_differ_between_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = community(tmp_path / "a.h5")
    rates = tmp_path / "fps.json"
    rates.write_text(json.dumps({"video_1": 10, "Video No 2": 13, "video_3": 16}))
    arguments = ["--to", "mrhisum", "--out", str(tmp_path / "m.h5"), "--fps", str(rates)]
    assert main(["data", "convert", str(source), *arguments]) == 0
    with h5py.File(tmp_path / "m.h5") as file:
        assert [len(file[f"video_{number}/gtscore"]) for number in (1, 2, 3)] == [10, 10, 10]
    assert "left out: the annotators' own summaries" in capsys.readouterr().out


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")

    def interrupted() -> None:
        with atomic_folder(tmp_path / "out") as folder:
            (folder / "new").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert (tmp_path / "out" / "old").read_text() == "old"
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "new").write_text("new")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(OutputError, match="choose a folder"), atomic_folder(tmp_path / "no" / "out"):
        pass


def test_a_folder_that_cannot_be_put_in_its_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    rename = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if self.suffix == ".tmp":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OutputError, match="No space left"), atomic_folder(tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "old").read_text() == "old"


def test_videos_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second video is read only after the first one was written."""
    from sspvs.formats import community as module

    source = community(tmp_path / "a.h5")
    events: list[str] = []
    load, pair = DatasetStore.load, module._pair
    monkeypatch.setattr(DatasetStore, "load", lambda store, key: (events.append("read"), load(store, key))[1])
    monkeypatch.setattr(module, "_pair", lambda item, settings: (events.append("write"), pair(item, settings))[1])
    convert(source, tmp_path / "b.h5", to="community")
    assert events == ["read", "write"] * 3


def test_a_damaged_file_of_a_folder_concerns_itself_alone(tmp_path: Path) -> None:
    """One TFRecord file is cut short in its second record, another is none."""
    whole, cut = make("youtube8m tfrecord", tmp_path), tmp_path / "folder" / "b.tfrecord"
    cut.parent.mkdir()
    cut.write_bytes(whole.read_bytes()[:-100])
    (cut.parent / "c.npy").write_bytes(b"nothing")
    tfrecord(cut.parent / "d.tfrecord", [sequence_example(name, frame_bytes(9, 5)) for name in ("x", "y")])
    found = inspect_file(cut.parent)
    assert (found.blocked, found.n_videos) == (["b.tfrecord", "c.npy"], 5)
    with pytest.raises(DatasetError, match="cut short"):
        convert(cut.parent, tmp_path / "f.h5", to="community")
    assert not (tmp_path / "f.h5").exists()
    ledger = convert(cut.parent, tmp_path / "f.h5", to="community", settings=Settings(skip_bad=True))
    assert (ledger.written, list(ledger.skipped)) == (["ORaA", "x", "y"], ["b.tfrecord", "c.npy"])


def test_a_damaged_record_is_refused_left_out_or_taken_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a TFRecord file: one bit within the features, which nothing but the checksum shows."""
    source = make("youtube8m tfrecord", tmp_path)
    content = bytearray(source.read_bytes())
    content[len(content) // 5] ^= 4
    source.write_bytes(content)
    command = ["data", "convert", str(source), "--to", "community", "--out"]
    assert main([*command, str(tmp_path / "a.h5")]) == 2
    assert f"{source}, record 0 at byte 0: damaged, its checksum does not agree" in capsys.readouterr().err
    assert not (tmp_path / "a.h5").exists()
    assert main([*command, str(tmp_path / "b.h5"), "--skip-bad"]) == 1
    assert main([*command, str(tmp_path / "c.h5"), "--no-check"]) == 0
    with read_features(tmp_path / "b.h5") as left, read_features(tmp_path / "c.h5") as whole:
        assert (len(left), len(whole)) == (1, 2)
