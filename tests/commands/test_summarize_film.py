"""`sspvs summarize --total` through the real command line: one film, resumed, refused, and where it goes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sspvs.cli import main
from sspvs.commands.summarize import default_film_out
from sspvs.world.film import SCENES, draw_video


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trips") / "holiday"
    folder.mkdir()
    for number in (2, 4):
        draw_video(folder / f"{number}.mp4", scenes=[replace(SCENES[number], seconds=2.0)], width=96, height=54)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


def test_a_film_of_a_folder_and_then_nothing_to_do(
    trip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["summarize", str(trip), "--total", "0:03"]) == 1  # one file cannot be used
    shown = capsys.readouterr()
    assert "[2/3] 4.mp4: 2.0 s, 1 shot\n" in shown.out
    assert shown.err.count("error: ") == 1
    assert "broken.mp4" in shown.err
    out = tmp_path / "holiday-film"
    document = json.loads((out / "summary.json").read_text())
    assert 2.7 <= document["selected_seconds"] <= 3.0
    written = (out / "summary.mp4").stat().st_mtime_ns
    assert main(["summarize", str(trip), "--total", "3"]) == 1
    assert "finished before, in holiday-film" in capsys.readouterr().out
    assert (out / "summary.mp4").stat().st_mtime_ns == written
    other = ["summarize", *(str(trip / f"{n}.mp4") for n in (2, 4)), "--total", "2", "--out", str(out)]
    assert main(other) == 0
    assert json.loads((out / "summary.json").read_text())["total_seconds"] == 2
    (trip / "2.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nNew words.\n")
    capsys.readouterr()
    assert main(other) == 0
    (trip / "2.srt").unlink()
    assert "finished before" not in capsys.readouterr().out
    assert main(["summarize", str(trip / "broken.mp4"), str(trip / "broken.mp4"), "--total", "2"]) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ratio", "10"], "give one budget, got total and ratio"),
        (["--duration", "10", "--max-shots", "2"], "give one budget, got total and duration and max_shots"),
        (["--select", "knapsack"], "select overview or highlights"),
    ],
)
def test_what_does_not_go_with_total_is_one_line(
    options: list[str], message: str, trip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summarize", str(trip), "--total", "5", "--out", str(tmp_path / "out"), *options]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "out").exists()


def test_the_total_of_one_video_is_its_duration(trip: Path, tmp_path: Path) -> None:
    assert main(["summarize", str(trip / "2.mp4"), "--total", "1", "--out", str(tmp_path / "out")]) == 0
    document = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert document["source"]["name"] == "2.mp4"
    assert document["settings"]["duration"] == 1


def test_a_film_goes_past_those_of_other_videos(trip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    videos = [trip / "2.mp4", trip / "4.mp4"]
    assert default_film_out(videos) == Path("film")
    assert main(["summarize", *map(str, videos), "--total", "2"]) == 0
    others = [Path(shutil.copy(video, tmp_path / f"other{number}.mp4")) for number, video in enumerate(videos)]
    assert default_film_out([trip / "4.mp4", others[0]]) == Path("film")  # a film of some of these
    assert default_film_out(others) == Path("film-2")
    assert default_film_out([trip]) == Path("holiday-film")
