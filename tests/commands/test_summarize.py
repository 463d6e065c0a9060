"""`sspvs summarize` through the real command line, on drawn and on real videos."""

from __future__ import annotations

import csv
import json
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from sspvs.cli import main
from sspvs.commands.summarize import default_out
from sspvs.world.film import SCENES, draw_video

OUTPUTS = {"summary.mp4", "summary.json", "scores.csv", "scores.png", "report.html", "summary.edl", "keyframes"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of four drawn scenes with sound."""
    from dataclasses import replace

    scenes = tuple(replace(scene, seconds=3.0) for scene in (SCENES[0], SCENES[2], SCENES[4], SCENES[6]))
    return draw_video(tmp_path_factory.mktemp("drawn") / "four scenes & <b>.mp4", scenes=scenes, width=160, height=90)


@pytest.fixture(scope="module")
def summarized(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "new" / "folder"
    assert main(["summarize", str(drawn), "--out", str(out), "--ratio", "30"]) == 0  # per cent
    return out


def _result(out: Path) -> dict:  # type: ignore[type-arg]
    return json.loads((out / "summary.json").read_text())  # type: ignore[no-any-return]


def test_all_files_are_there_and_nothing_else(summarized: Path) -> None:
    assert {path.name for path in summarized.iterdir()} >= OUTPUTS
    assert not [path for path in summarized.iterdir() if path.name.startswith(".")]


def test_json_has_the_promised_fields(summarized: Path, drawn: Path) -> None:
    result = _result(summarized)
    video = result["video"]
    assert set(video) >= {"path", "n_frames", "fps", "duration_seconds", "width", "height", "has_audio"}
    assert (video["n_frames"], video["fps"], video["width"], video["height"]) == (300, 25.0, 160, 90)
    assert video["has_audio"] is True
    assert video["path"] == drawn.name
    assert video["duration_seconds"] == pytest.approx(12.0, abs=0.05)
    assert result["scorer"] == "contrastive"
    assert result["feature_fingerprint"]["backbone"]
    assert result["budget"] == {"fraction": pytest.approx(0.3), "frames": 90, "seconds": pytest.approx(3.6)}
    assert len(result["picks"]) == len(result["scores"]) == 24
    assert set(result["decode"]) >= {"declared_frames", "decoded_frames", "corrupt_frames"}
    assert result["warnings"] == []


def test_shots_cover_the_video_and_the_selection_keeps_the_budget(summarized: Path) -> None:
    result = _result(summarized)
    shots = result["shots"]
    assert shots[0]["start_frame"] == 0
    assert shots[-1]["end_frame"] == 300
    assert all(a["end_frame"] == b["start_frame"] for a, b in pairwise(shots))
    chosen = sum(segment["end_frame"] - segment["start_frame"] for segment in result["segments"])
    assert 0.9 * 90 <= chosen <= 90
    assert result["selected_seconds"] == pytest.approx(chosen / 25, abs=1e-6)


def test_the_drawn_cuts_are_found_to_the_frame(summarized: Path) -> None:
    starts = {shot["start_frame"] for shot in _result(summarized)["shots"]}
    assert {75, 150, 225} <= starts


def test_clip_has_sound_as_long_as_its_pictures(summarized: Path) -> None:
    with av.open(str(summarized / "summary.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert audio.codec_context.name == "aac"
        frames = sum(1 for _ in container.decode(video))
        assert float(video.duration * video.time_base) == pytest.approx(
            float(audio.duration * audio.time_base), abs=0.05
        )
    result = _result(summarized)
    assert frames == sum(s["end_frame"] - s["start_frame"] for s in result["segments"])


def test_the_clip_shows_the_selected_frames(summarized: Path, drawn: Path) -> None:
    """Mean colour of each frame of the clip is that of the source frame it should be."""
    wanted = [f for s in _result(summarized)["segments"] for f in range(s["start_frame"], s["end_frame"])]
    with av.open(str(drawn)) as container:
        source = [frame.to_ndarray(format="rgb24").mean(axis=(0, 1)) for frame in container.decode(video=0)]
    with av.open(str(summarized / "summary.mp4")) as container:
        clip = [frame.to_ndarray(format="rgb24").mean(axis=(0, 1)) for frame in container.decode(video=0)]
    np.testing.assert_allclose(np.array(clip), np.array(source)[wanted], atol=6)


def test_csv_has_a_row_a_pick(summarized: Path) -> None:
    rows = list(csv.DictReader((summarized / "scores.csv").open()))
    result = _result(summarized)
    assert [int(row["pick"]) for row in rows] == result["picks"]
    np.testing.assert_allclose([float(row["score"]) for row in rows], result["scores"], rtol=1e-5)


def test_keyframes_are_full_size_pictures_of_the_selected_shots(summarized: Path) -> None:
    from PIL import Image

    pictures = sorted((summarized / "keyframes").iterdir())
    assert len(pictures) == sum(shot["selected"] for shot in _result(summarized)["shots"])
    assert all(Image.open(picture).size == (160, 90) for picture in pictures)


def test_again_into_the_same_folder_replaces(summarized: Path, drawn: Path) -> None:
    (summarized / "mine.txt").write_text("kept")
    before = _result(summarized)
    assert main(["summarize", str(drawn), "--out", str(summarized), "--ratio", "0.3"]) == 0
    assert _result(summarized) == before
    assert (summarized / "mine.txt").read_text() == "kept"
    (summarized / "mine.txt").unlink()


@pytest.mark.parametrize(
    ("flags", "check"),
    [
        (["--duration", "0:04"], lambda r: 0 < r["selected_seconds"] <= 4.0 + 1e-6),
        (["--max-shots", "1"], lambda r: sum(s["selected"] for s in r["shots"]) == 1),
        (["--segmenter", "uniform", "--shot-seconds", "2"], lambda r: len(r["shots"]) == 6),
        (["--segmenter", "uniform", "--shot-seconds", "20"], lambda r: 0 < r["selected_seconds"] <= 0.15 * 12),
        (["--combine", "a", "--post", "none"], lambda r: min(r["scores"]) == 0.0),
        (["--max-shots", "3"], lambda r: len(r["segments"]) == 3),
        (
            ["--ratio", "0.3", "--piece-seconds", "1-1.2"],
            lambda r: [25 <= s["end_frame"] - s["start_frame"] <= 30 for s in r["segments"]] == [True] * 3,
        ),
        (
            ["--select", "knapsack", "--min-shot-seconds", "5"],
            lambda r: all(s["end_frame"] - s["start_frame"] >= 125 for s in r["shots"]),
        ),
        (["--decoder", "decord"], lambda r: r["decode"]["decoder"] == "decord"),
    ],
)
def test_settings_do_what_they_say(flags: list[str], check, drawn: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    if "decord" in flags:
        pytest.importorskip("decord")
    assert main(["summarize", str(drawn), "--out", str(tmp_path), *flags]) == 0
    assert check(_result(tmp_path))


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (
            ["--select", "knapsack", "--max-shots", "99"],
            "it has 4 shots, and max_shots is 99; ratio or duration make it shorter",
        ),
        (["--duration", "1m30s"], "it lasts 12.0 s, and the summary may last 90 s"),
        (["--ratio", "1"], None),  # the whole video was asked for
    ],
)
def test_a_budget_that_holds_the_whole_video_is_said(
    flags: list[str],
    why: str | None,
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["summarize", str(drawn), "--quiet", *flags]) == 0
    out = tmp_path / f"{drawn.stem}-summary"  # where --out is not given
    assert list(tmp_path.iterdir()) == [out]
    result = _result(out)
    assert sum(segment["end_frame"] - segment["start_frame"] for segment in result["segments"]) == 300
    expected = [] if why is None else [f"the summary is the whole video: {why}"]
    assert result["warnings"] == expected
    printed = capsys.readouterr()
    assert printed.err == "".join(f"warning: {drawn.name}: {line}\n" for line in expected)
    assert printed.out == ""
    assert all(line in (out / "report.html").read_text() for line in expected)


def test_where_summaries_go_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert default_out([Path("/videos/clip.one.mp4")]) == Path("clip.one-summary")
    assert default_out([Path("../holiday/")]) == default_out([Path()]) == Path("holiday-summaries")
    assert default_out([Path("a.mp4"), Path("b.mp4")]) == default_out([Path(), Path("a.mp4")]) == Path("summaries")


def test_given_shots(drawn: Path, tmp_path: Path) -> None:
    file = tmp_path / "shots.json"
    file.write_text(json.dumps([[0, 100], [100, 110], [110, 300]]))
    out = tmp_path / "out"
    flags = ["--segmenter", "given", "--shots", str(file), "--min-shot-seconds", "0"]
    assert main(["summarize", str(drawn), "--out", str(out), *flags]) == 0
    assert [(s["start_frame"], s["end_frame"]) for s in _result(out)["shots"]] == [(0, 100), (100, 110), (110, 300)]


def test_given_shots_in_seconds(drawn: Path, tmp_path: Path) -> None:
    file = tmp_path / "shots.json"
    file.write_text(json.dumps([[0, 4.0], [4.0, 12.0]]))
    out = tmp_path / "out"
    flags = ["--segmenter", "given", "--shots", str(file), "--shots-unit", "seconds"]
    assert main(["summarize", str(drawn), "--out", str(out), *flags]) == 0
    assert [(s["start_frame"], s["end_frame"]) for s in _result(out)["shots"]] == [(0, 100), (100, 300)]


def test_a_folder_of_videos_with_a_bad_one(drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "good.mp4").write_bytes(drawn.read_bytes())
    (folder / "bad.mp4").write_text("not a video")
    out = tmp_path / "out"
    assert main(["summarize", str(folder), "--out", str(out)]) == 1
    assert [path.name for path in out.iterdir()] == ["good"]
    assert {path.name for path in (out / "good").iterdir()} >= OUTPUTS
    assert "bad.mp4" in capsys.readouterr().err


def _write_plain_video(path: Path, frames: int, *, audio_only: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        if audio_only:
            stream = container.add_stream("aac", rate=48000)
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
            sound.sample_rate = 48000
            container.mux(stream.encode(sound))
        else:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for _ in range(frames):
                picture = np.full((48, 64, 3), 90, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("frames", [1, 2, 25, 250], ids=["one frame", "two frames", "one second", "constant colour"])
def test_tiny_and_constant_videos_work(frames: int, tmp_path: Path) -> None:
    video = _write_plain_video(tmp_path / "plain.mp4", frames)
    out = tmp_path / "out"
    assert main(["summarize", str(video), "--out", str(out)]) == 0
    result = _result(out)
    assert result["video"]["n_frames"] == frames
    assert result["selected_seconds"] > 0
    assert all(np.isfinite(result["scores"]))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--piece-seconds", "6"], "expected the shortest and the longest, such as 2-6, got '6'"),
        (["--piece-seconds", "6-2"], "piece_seconds are the shortest and the longest, such as 2-6, got 6-2"),
        (["--piece-seconds", "0-2"], "piece_seconds are the shortest and the longest, such as 2-6, got 0-2"),
        (["--select", "best"], "select must be one of overview, highlights, knapsack, got 'best'"),
    ],
)
def test_wrong_choices_are_refused(
    flags: list[str], message: str, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["summarize", str(drawn), "--out", str(out), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "case",
    ["missing", "empty folder", "text", "empty file", "audio only", "ratio 0", "ratio 1.5", "ratio 1500%", "duration 0",
     "duration 1:75", "unwritable", "backbone", "no weights", "two budgets", "nan ratio", "pipe"],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(
    case: str, drawn: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    video, out, flags = drawn, tmp_path / "out", []
    if case == "missing":
        video = tmp_path / "missing.mp4"
    elif case == "empty folder":
        video = tmp_path / "folder"
        video.mkdir()
        (video / "notes.txt").write_text("no video")
    elif case == "text":
        video = tmp_path / "text.mp4"
        video.write_text("this is not a video\n" * 100)
    elif case == "empty file":
        video = tmp_path / "empty.mp4"
        video.touch()
    elif case == "audio only":
        video = _write_plain_video(tmp_path / "sound.mp4", 0, audio_only=True)
    elif case.startswith(("ratio", "duration")):
        flags = [f"--{case.split()[0]}", case.split()[1]]
    elif case == "nan ratio":
        flags = ["--ratio", "nan"]
    elif case == "pipe":
        video = tmp_path / "pipe.mp4"
        os.mkfifo(video)
    elif case == "two budgets":
        flags = ["--ratio", "0.2", "--duration", "5"]
    elif case == "unwritable":
        (tmp_path / "file").touch()
        out = tmp_path / "file" / "out"
    elif case == "backbone":
        flags = ["--backbone", "resnet-9000"]
    elif case == "no weights":
        flags = ["--backbone", "open_clip:ViT-B-32//nowhere/weights.pt"]
    before = sorted(tmp_path.rglob("*"))
    assert main(["summarize", str(video), "--out", str(out), *flags]) == 2
    err = capfd.readouterr().err
    assert [line for line in err.splitlines() if line.startswith("error: ")] == err.splitlines()
    assert len(err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_corrupted_file_is_an_error(shared_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["summarize", str(shared_data / "videos/corrupted.mp4"), "--out", str(tmp_path / "out")]) == 2
    err = capfd.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    flags = ["--max-damaged", "1"]
    assert main(["summarize", str(shared_data / "videos/corrupted.mp4"), "--out", str(tmp_path / "out"), *flags]) == 0
    result = _result(tmp_path / "out")
    assert result["decode"]["corrupt_frames"] == 20
    assert result["warnings"]


def test_montage_cuts(shared_data: Path, tmp_path: Path) -> None:
    """KTS finds the known cuts of real footage within half a second, with the offline backbone."""
    truth = json.loads((shared_data / "videos/montage.json").read_text())
    flags = ["--backbone", "efficientnet-lite0"]
    assert main(["summarize", str(shared_data / "videos/montage.mp4"), "--out", str(tmp_path), *flags]) == 0
    result = _result(tmp_path)
    found = np.array([shot["start_seconds"] for shot in result["shots"][1:]])
    true = np.array(truth["cut_frames"]) / truth["fps"]
    hit = np.abs(found[:, None] - true[None]) <= 0.5
    assert hit.any(axis=1).mean() >= 0.8
    assert hit.any(axis=0).mean() >= 0.8
    assert result["selected_seconds"] <= 0.15 * result["video"]["duration_seconds"] + 1 / truth["fps"]


@pytest.mark.parametrize(
    "name", ["charades.mp4", "pancake.mkv", "sample_demo_1.mp4", "sample_demo_3.mp4", "video_90.mov"]
)
def test_real_videos(name: str, shared_data: Path, tmp_path: Path) -> None:
    assert main(["summarize", str(shared_data / "videos" / name), "--out", str(tmp_path)]) == 0
    result = _result(tmp_path)
    assert (
        0 < result["selected_seconds"] <= 0.15 * result["video"]["duration_seconds"] + 1e-6
        or result["video"]["n_frames"] < 7
    )
    with av.open(str(tmp_path / "summary.mp4")) as container:
        assert bool(container.streams.audio) == result["video"]["has_audio"]
        assert sum(1 for _ in container.decode(video=0)) > 0
        video = container.streams.video[0]
        portrait = result["video"]["height"] > result["video"]["width"]
        assert (video.height > video.width) == portrait


@pytest.mark.skipif(
    os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere"
)
def test_a_read_only_folder(drawn: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert main(["summarize", str(drawn), "--out", str(tmp_path / "locked" / "out")]) == 2
    assert capfd.readouterr().err.startswith("error: cannot write")


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["the file", "hard link", "symbolic link", "other spelling", "named by us"])
def test_an_output_never_replaces_the_video(
    kind: str, drawn: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "d"
    out.mkdir()
    target, video = out / "summary.mp4", out / "summary.mp4"
    target.write_bytes(drawn.read_bytes())
    if kind == "hard link":
        video = tmp_path / "v.mp4"
        video.hardlink_to(target)
    elif kind == "symbolic link":
        video = tmp_path / "v.mp4"
        video.symlink_to(target)
    elif kind == "other spelling":
        video = tmp_path / "d" / ".." / "d" / "summary.mp4"
    elif kind == "named by us":  # an earlier summary, which is to be shortened further
        (out / "summary.json").write_text('{"generated_by": "sspvs 0.1.0", "files": ["summary.json", "summary.mp4"]}')
    before = _contents(tmp_path)
    assert main(["summarize", str(video), "--out", str(out)]) == 2
    assert capfd.readouterr().err.startswith(f"error: cannot write {target}: it is one of the files that are read")
    assert _contents(tmp_path) == before


@pytest.mark.parametrize(
    "name",
    ["report.html", "summary.json", "summary.otio", "keyframes/shot_001_frame_000005.jpg", "keyframes", "scores.csv/"],
)
def test_a_users_file_in_the_way_is_named_and_kept(
    name: str, drawn: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sspvs.pipeline.load_tools", None)  # refused before anything is loaded
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if name.endswith("/"):
        path.mkdir()
    else:
        path.write_text("{}")
    assert main(["summarize", str(drawn), "--out", str(tmp_path)]) == 2
    assert capfd.readouterr().err == (
        f"error: cannot write {path}: it exists and was not written by an earlier summary; choose another --out, or "
        "move it away\n"
    )
    assert path.is_dir() if name.endswith("/") else path.read_text() == "{}"


def test_a_second_run_replaces_what_the_first_wrote_and_nothing_else(drawn: Path, tmp_path: Path) -> None:
    mine = {"keyframes/my.jpg": b"mine", "notes.txt": b"mine too"}
    for name, content in mine.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert main(["summarize", str(drawn), "--out", str(tmp_path), "--segmenter", "uniform"]) == 0
    first = set(_result(tmp_path)["files"])
    assert first == set(_contents(tmp_path)) - set(mine)
    # As the version before wrote it, which did not name its files; and with names that would lead outside.
    document = _result(tmp_path)
    del document["files"]
    for name in ("storyboard.jpg", "preview.webp"):  # which it did not write
        (tmp_path / name).unlink()
    (tmp_path / "summary.json").write_text(json.dumps(document))
    assert main(["summarize", str(drawn), "--out", str(tmp_path), "--max-shots", "1"]) == 0
    second = set(_result(tmp_path)["files"])
    assert second == set(_contents(tmp_path)) - set(mine)
    assert {name for name in first - second if name.startswith("keyframes/")}
    (tmp_path / "summary.json").write_text(json.dumps({**_result(tmp_path), "files": [*second, "notes.txt", "../x"]}))
    (tmp_path.parent / "x").write_text("outside")
    assert main(["summarize", str(drawn), "--out", str(tmp_path), "--max-shots", "1"]) == 0
    assert (tmp_path.parent / "x").read_text() == "outside"
    assert {name: _contents(tmp_path)[name] for name in mine} == mine


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_folders_in_folders_an_odd_name_and_a_second_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sspvs.features import extract

    folder, out = tmp_path / "in", tmp_path / "in" / "out"
    odd = Path(os.fsdecode(b"latin\xe9.mp4"))
    sources = [Path("a.mp4"), odd, Path("broken.mp4"), Path("one/a.mp4"), Path("one/two/a.mp4")]
    for number, name in enumerate(sources, start=10):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _write_plain_video(folder / name, number)
    looked_at: list[str] = []
    look = extract.open_video

    def open_video(path: Path, **how: Any) -> Any:
        looked_at.append(path.name)
        if path.name == "broken.mp4":
            raise KeyError("no exception of one video stops the rest")
        return look(path, **how)

    monkeypatch.setattr(extract, "open_video", open_video)
    run = ["summarize", str(folder), "--out", str(out)]

    assert main(run) == 1
    said = capfd.readouterr()
    assert said.out.encode().decode() == said.out
    assert "latin\ufffd.mp4: This video of 0.4 s" in said.out
    assert "1 sub-folder was not searched; --recursive" in said.out
    assert said.err.count("error: ") == 1
    assert f"error: {folder / 'broken.mp4'}: KeyError: 'no exception" in said.err
    result = _result(out / odd.stem)
    assert result["video"]["path"] == "latin\ufffd.mp4"
    assert "* FROM CLIP NAME: latin\ufffd.mp4" in (out / odd.stem / "summary.edl").read_text(encoding="utf-8")
    assert "latin\ufffd.mp4" in (out / odd.stem / "report.html").read_text(encoding="utf-8")

    looked_at.clear()
    assert main([*run, "--recursive"]) == 1
    assert looked_at == ["broken.mp4", "a.mp4", "a.mp4"]
    assert [_result(out / name)["video"]["n_frames"] for name in ("a", "one/a", "one/two/a")] == [10, 13, 14]
    assert "4 of 5 videos summarised (2 of them before)" in capfd.readouterr().out

    looked_at.clear()
    os.utime(folder / "a.mp4", ns=(1, 1))  # another file under the same name
    (out / "one" / "a" / "summary.mp4").unlink()
    assert main([*run, "--recursive"]) == 1
    assert looked_at == ["a.mp4", "broken.mp4", "a.mp4"]
    looked_at.clear()
    assert main([*run, "--ratio", "0.5"]) == 1
    assert looked_at == ["a.mp4", "broken.mp4", odd.name]
    looked_at.clear()
    assert main(["summarize", str(folder / "one"), "--out", str(out / "one"), "--again"]) == 0
    assert looked_at == ["a.mp4"]


def test_a_run_that_was_killed_while_files_moved_is_done_again(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    _write_plain_video(folder / "v.mp4", 25)
    move = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target == out / "v" / "scores.png":
            raise KeyboardInterrupt
        return move(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    assert main(["summarize", str(folder), "--out", str(out)]) == 130
    assert (out / "v" / "report.html").exists()
    assert "source" not in _result(out / "v")
    monkeypatch.undo()
    assert main(["summarize", str(folder), "--out", str(out)]) == 0
    assert set(_contents(out / "v")) == set(_result(out / "v")["files"])
