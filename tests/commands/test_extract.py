"""`sspvs extract` as a user meets it: what it prints, its exit status, what it leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from helpers.extraction_material import draw_folder

from sspvs.cli import main
from sspvs.table import read_features

LITE = ["--backbone", "efficientnet-lite0", "--device", "cpu"]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_folder(tmp_path_factory.mktemp("videos"), 2)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_is_extracted_and_kept(videos: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "f.h5"
    command = ["extract", str(videos[0].parent), "--out", str(out), *LITE]
    assert main(command) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    first, last = printed.out.splitlines()
    assert first.startswith("backbone efficientnet-lite0: ")
    assert last.startswith("2 extracted (")
    assert last.endswith(f"frames/s): {out}")
    with read_features(out) as store:
        assert list(store) == [path.stem for path in videos]
        assert store["video_00"].features.shape[1] == 1280
    assert main(command) == 0
    assert "0 extracted, 2 already there" in capfd.readouterr().out
    assert listing(tmp_path) == ["new", "new/f.h5"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_folders_in_folders_and_a_name_that_is_not_utf8(
    videos: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = os.fsdecode(b"latin\xe9.mp4")
    for name in ("a.mp4", odd, "one/a.mp4", "one/two/" + odd):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(videos[0], tmp_path / "in" / name)
    (tmp_path / "in" / odd.replace("latin", "broken")).write_text("no video")
    command = ["extract", str(tmp_path / "in"), "--out", str(tmp_path / "f.h5"), *LITE]
    assert main(command) == 1
    printed = capfd.readouterr()
    assert "1 sub-folder was not searched; --recursive" in printed.out
    assert printed.err.startswith("error: not a video that can be read")
    assert f"{tmp_path / 'in' / 'broken'}\ufffd.mp4\n" in printed.err
    assert main([*command, "--recursive"]) == 1
    assert "2 extracted, 2 already there, 1 failed" in capfd.readouterr().out
    with read_features(tmp_path / "f.h5") as store:
        assert sorted(store) == ["a", "a_2", "latin\ufffd", "latin\ufffd_2"]
        assert {name: store[name].name for name in store if "latin" in name}["latin\ufffd"] == "latin\ufffd"


def test_one_bad_file_among_good_ones(videos: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "text.mp4"
    bad.write_text("not a video\n" * 100)
    out = tmp_path / "f.h5"
    assert main(["extract", str(bad), str(videos[0]), "--out", str(out), *LITE]) == 1
    printed = capfd.readouterr()
    (line,) = printed.err.splitlines()
    assert line.startswith("error: ")
    assert str(bad) in line
    assert "1 extracted, 1 failed" in printed.out
    with read_features(out) as store:
        assert list(store) == [videos[0].stem]


def bad_commands(folder: Path, video: Path) -> dict[str, tuple[list[str], str]]:
    """Arguments, and what the error line must speak of."""
    (folder / "text.mp4").write_text("not a video\n" * 100)
    (folder / "empty.mp4").touch()
    (folder / "nothing").mkdir()
    (folder / "notes.txt").write_text("dear diary")
    with h5py.File(folder / "mine.h5", "w") as file:
        file["precious"] = [1, 2, 3]
    good, out = str(video), str(folder / "f.h5")
    return {
        "missing": ([str(folder / "gone.mp4"), "--out", out], "gone.mp4"),
        "no videos": ([str(folder / "nothing"), "--out", out], "nothing"),
        "text": ([str(folder / "text.mp4"), "--out", out], "text.mp4"),
        "empty": ([str(folder / "empty.mp4"), "--out", out], "empty"),
        "two bad": ([str(folder / "empty.mp4"), str(folder / "text.mp4"), "--out", out], "none of the 2"),
        "out is a folder": ([good, "--out", str(folder)], "folder"),
        "out under a file": ([good, "--out", str(folder / "notes.txt" / "f.h5")], "notes.txt"),
        "out is another's h5": (
            [good, "--out", str(folder / "mine.h5"), "--overwrite"],
            "not a feature file written by",
        ),
        "out is a text": ([good, "--out", str(folder / "notes.txt"), "--overwrite"], "no h5 file"),
        "out in /proc": ([good, "--out", "/proc/sspvs/f.h5"], "/proc/sspvs/f.h5"),
        "rate and workers": ([good, "--out", out, "--rate", "0", "--workers", "0"], "--workers"),
        "batch": ([good, "--out", out, "--batch-size", "-1"], "--batch-size"),
        "backbone": ([good, "--out", out, "--backbone", "no-such-net"], "no-such-net"),
        "no out": ([good], "--out"),
    }


@pytest.mark.parametrize("case", [
    "missing", "no videos", "text", "empty", "two bad", "out is a folder", "out under a file", "out is a text",
    "out is another's h5",
    "out in /proc", "rate and workers", "batch", "backbone", "no out",
])  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(
    videos: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    arguments, message = bad_commands(tmp_path, videos[0])[case]
    before = listing(tmp_path)
    assert main(["extract", *LITE, *arguments]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    assert message in lines[-1]
    assert len(lines) == (3 if case == "two bad" else 1)
    assert listing(tmp_path) == before


def test_other_features_are_refused_before_any_work(
    videos: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "f.h5"
    assert main(["extract", str(videos[0]), "--out", str(out), *LITE]) == 0
    capfd.readouterr()
    assert main(["extract", str(videos[1]), "--out", str(out), "--rate", "1", *LITE]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "rate_hz is 2.0, expected 1.0" in line
    assert "--overwrite" in line
    assert main(["extract", str(videos[1]), "--out", str(out), "--rate", "1", "--overwrite", *LITE]) == 0
    with read_features(out) as store:
        assert list(store) == [videos[1].stem]


def test_interrupted_by_the_user(shared_data: Path, tmp_path: Path) -> None:
    """Ctrl-C: one word, status 130, finished videos kept."""
    source = shared_data / "videos" / "pancake.mkv"
    sources = [str(shutil.copy(source, tmp_path / f"{i:02d}.mkv")) for i in range(12)]
    out = tmp_path / "out" / "f.h5"
    command = [sys.executable, "-m", "sspvs", "extract", *sources, "--out", str(out), *LITE]
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # What a shell starts in the background ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    end = time.monotonic() + 60
    while not list(Path(f"{out}.parts").glob("*.h5")) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "interrupted"
    assert not out.exists()
    assert list(Path(f"{out}.parts").glob("*.h5"))
