"""One film from many videos: drawn ones with a known answer, odd and broken ones, and real ones."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.drawn_videos import read_all, regular, write_video

import sspvs
from sspvs.errors import OutputError, VideoError
from sspvs.pipeline import summarizing_many
from sspvs.pipeline.film import write_film_outputs
from sspvs.report.edit_list import timecode
from sspvs.world.film import SCENES, draw_video


def stamped(source: Path, out: Path, time: str) -> Path:
    """A copy of the streams whose container states a time of recording."""
    with av.open(str(source)) as read, av.open(str(out), "w") as written:
        written.metadata["creation_time"] = time
        streams = {stream.index: written.add_stream_from_template(stream) for stream in read.streams}
        for packet in read.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                written.mux(packet)
    return out


def scene(number: int, seconds: float) -> object:
    return replace(SCENES[number], seconds=seconds)


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scenes, one long and even, a second copy, black, a second of portrait without sound, and no video."""
    folder = tmp_path_factory.mktemp("trip & <b>")
    draw_video(folder / "clip10.mp4", scenes=[scene(i, 2.0) for i in (0, 2, 4, 6)], width=96, height=54)
    draw_video(folder / "clip9.mp4", scenes=[scene(2, 8.0)], width=96, height=72, fps=20)
    shutil.copy(folder / "clip9.mp4", folder / "copy.mp4")
    write_video(folder / "black.mp4", regular(50), picture=lambda _: np.zeros((64, 96, 3), np.uint8))
    write_video(folder / "second.mp4", regular(25), picture=lambda i: SCENES[0].picture(54, 96, i / 25), b_frames=0)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module")
def film(trip: Path) -> sspvs.FilmSummary:
    return sspvs.summarize_many(trip, total=7)


def names(film: sspvs.FilmSummary) -> list[str]:
    return [Path(video.info.path).name for video in film.videos]


def test_the_length_is_shared_and_what_is_not_shown_has_a_reason(film: sspvs.FilmSummary) -> None:
    assert 0.9 * 7 <= film.seconds <= 7
    assert names(film) == ["black.mp4", "clip9.mp4", "clip10.mp4", "second.mp4"]  # no time of recording, so by name
    assert film.order == "name"
    shown = {name: video.selected_seconds for name, video in zip(names(film), film.videos, strict=True)}
    assert shown["black.mp4"] == 0
    assert 1.3 < shown["clip9.mp4"] < shown["clip10.mp4"]  # one scene in eight seconds, and four
    assert shown["second.mp4"] > 0.8
    assert film.notes == ("it has black frames only", "", "", "")
    left_out = {one.path.name: one for one in film.left_out}
    assert set(left_out) == {"broken.mp4", "copy.mp4"}
    assert left_out["broken.mp4"].is_error
    assert not left_out["copy.mp4"].is_error
    assert left_out["copy.mp4"].reason == "the same file as clip9.mp4"


def test_pieces_follow_each_other_within_their_videos(film: sspvs.FilmSummary) -> None:
    pieces, at = list(film.pieces), 0.0
    assert [(piece.video, piece.start) for piece in pieces] == sorted((piece.video, piece.start) for piece in pieces)
    for piece in pieces:
        video = film.videos[piece.video]
        assert piece.film_seconds == pytest.approx(at)
        assert 0 <= piece.start <= piece.keyframe < piece.end <= video.timeline.n_frames
        assert (piece.start_seconds, piece.end_seconds) == pytest.approx(
            (video.timeline.seconds_of(piece.start), video.timeline.end_of(piece.end - 1))
        )
        at += piece.end_seconds - piece.start_seconds
    assert film.chapters[0] == (0.0, "clip9")
    assert [name for _, name in film.chapters] == ["clip9", "clip10", "second"]
    assert len(str(film).splitlines()) == 1 + len(film.videos) + len(film.left_out)


@pytest.fixture(scope="module")
def saved(film: sspvs.FilmSummary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film.save(tmp_path_factory.mktemp("saved") / "film")


def test_everything_is_written_and_nothing_of_the_machine_is_in_it(film: sspvs.FilmSummary, saved: Path) -> None:
    out = saved
    assert film.clip == out / "summary.mp4"
    document = json.loads((out / "summary.json").read_text())
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == set(document["files"])
    pictures, _, length = read_all(out / "summary.mp4")
    assert length == pytest.approx(film.seconds, abs=0.1)
    assert len(pictures) == sum(piece.end - piece.start for piece in film.pieces)
    with av.open(str(out / "summary.mp4")) as written:
        assert {stream.type for stream in written.streams} >= {"video", "audio"}
        chapters = [
            (chapter["metadata"]["title"], chapter["start"] * chapter["time_base"]) for chapter in written.chapters()
        ]
    assert [name for name, _ in chapters] == [name for _, name in film.chapters]
    assert [float(start) for _, start in chapters] == pytest.approx([start for start, _ in film.chapters], abs=0.002)
    assert len(list((out / "keyframes").iterdir())) == len(document["pieces"]) == len(list(film.pieces))
    page = (out / "report.html").read_text()
    assert "trip &amp; &lt;b&gt;" in page
    assert page.count('data-at="') == len(document["pieces"])
    for name in ("summary.json", "report.html", "summary.edl"):
        assert str(saved.parent) not in (out / name).read_text(), name
    events = [line for line in (out / "summary.edl").read_text().splitlines() if line[:3].isdigit()]
    assert len(events) == len(document["pieces"])
    assert len({line[5:13] for line in events}) == 3  # a reel each
    frames = sum(round(piece.end_seconds * 25) - round(piece.start_seconds * 25) for piece in film.pieces)
    assert events[-1].split()[-1] == timecode(frames, 25)


def test_a_film_replaces_a_film_and_no_file_of_another(film: sspvs.FilmSummary, saved: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(saved, tmp_path / "film"))
    mine = out / "keyframes" / "mine.jpg"
    mine.write_bytes(b"mine")
    before = set((out / "keyframes").iterdir())
    replace(film, videos=film.videos[3:], notes=film.notes[3:]).save(out)
    after = set((out / "keyframes").iterdir())
    assert mine in after
    assert len(after) == 2 < len(before)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "report.html").write_text("mine")
    with pytest.raises(OutputError, match="not written by an earlier summary"):
        film.save(tmp_path / "other")


def test_the_time_of_recording_is_read_and_orders_the_film(trip: Path, tmp_path: Path) -> None:
    late = stamped(trip / "second.mp4", tmp_path / "a.mp4", "2024-07-15T10:00:00.000000Z")
    early = stamped(trip / "second.mp4", tmp_path / "b.mp4", "2024-07-14T23:00:00.000000Z")
    film = sspvs.summarize_many([late, early], total=5)
    assert (film.order, names(film)) == ("time", ["b.mp4", "a.mp4"])


def test_by_name_where_one_video_states_no_time(film: sspvs.FilmSummary) -> None:
    times = ["2024-07-15T10:00:00Z", "2024-07-14T10:00:00Z", "2024-07-14T12:00:00+05:00", "2024-07-14T10:00:00Z"]
    videos = [
        replace(video, info=replace(video.info, recorded=time))
        for video, time in zip(reversed(film.videos), times, strict=True)
    ]
    assert [names(film)[::-1][index] for index in summarizing_many._in_order(videos)[0]] == [
        "clip9.mp4",
        "black.mp4",
        "clip10.mp4",
        "second.mp4",
    ]
    videos[1] = replace(videos[1], info=replace(videos[1].info, recorded="1904-01-01T00:00:00Z"))
    assert summarizing_many._in_order(videos) == ([3, 2, 1, 0], "name")


@pytest.mark.parametrize(
    "text", ["", "yesterday", "1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]
)
def test_times_that_no_camera_recorded(text: str) -> None:
    assert summarizing_many._recorded(text) is None


def test_times_of_recording_with_and_without_a_zone() -> None:
    zoned, plain = (summarizing_many._recorded(f"2024-07-14T10:20:30{zone}") for zone in ("+02:00", ""))
    assert zoned is not None
    assert plain is not None
    assert (plain - zoned).total_seconds() == 7200


def test_many_videos_are_looked_at_less_often_not_held_in_more_memory(
    trip: Path, film: sspvs.FilmSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summarizing_many, "MOST_PICKS", 24)
    monkeypatch.setattr(summarizing_many, "MOST_SCORED", 10)
    coarse = sspvs.summarize_many([trip / "clip9.mp4", trip / "clip10.mp4"], total=7)
    picks = [len(video.picks) for video in coarse.videos]
    assert sum(picks) <= 24 < sum(len(video.picks) for video in film.videos[1:3])
    assert all(len(video.scores) == count for video, count in zip(coarse.videos, picks, strict=True))
    assert 0.9 * 7 <= coarse.seconds <= 7
    assert coarse.notes == ("", "")


def test_all_of_the_videos_where_they_last_no_longer(trip: Path) -> None:
    film = sspvs.summarize_many([trip / "second.mp4"], total=60)
    assert film.seconds == pytest.approx(1.0, abs=0.05)
    assert [len(video.segments) for video in film.videos] == [1]
    assert any("the film has all of the videos" in warning for warning in film.warnings)


def test_crossfades_move_the_chapters(trip: Path, tmp_path: Path) -> None:
    film = sspvs.summarize_many([trip / "clip9.mp4", trip / "clip10.mp4"], total=6, crossfade=0.4)
    written = write_film_outputs(film, tmp_path / "out")
    with av.open(str(tmp_path / "out" / "summary.mp4")) as container:
        seconds = container.duration / av.time_base
        chapters = [float(chapter["start"] * chapter["time_base"]) for chapter in container.chapters()]
    assert seconds == pytest.approx(written.seconds, abs=0.05)
    assert written.seconds <= 6
    assert chapters == pytest.approx([start for start, _ in written.chapters], abs=0.002)
    pieces = list(written.pieces)
    assert [piece.film_seconds for piece in pieces] == sorted(piece.film_seconds for piece in pieces)
    assert pieces[-1].film_seconds < film.seconds - (pieces[-1].end_seconds - pieces[-1].start_seconds) + 1e-9


def test_what_does_not_go_together(trip: Path) -> None:
    for settings, words in (
        ({"total": 5, "ratio": 0.2}, "give one budget, got total and ratio"),
        ({"total": 0}, "total must be a positive number"),
        ({"total": 5, "select": "knapsack"}, "select overview or highlights"),
        ({"total": 5, "speed": 8.0}, "it does not go with total"),
    ):
        with pytest.raises(ValueError, match=words):
            sspvs.summarize_many([trip], **settings)
    with pytest.raises(VideoError, match="none of the 1 videos can be used; the first: not a video"):
        sspvs.summarize_many([trip / "broken.mp4"], total=5)


@pytest.mark.slow
def test_of_real_videos_the_one_that_repeats_the_others_has_less_than_its_share(shared_data: Path) -> None:
    """All of `montage.mp4` is from the other videos; it is half of the material."""
    videos = [path for path in sorted((shared_data / "videos").iterdir()) if path.suffix != ".json"]
    film = sspvs.summarize_many(videos, total=30)
    assert 27 <= film.seconds <= 30
    shown = {name: video.selected_seconds for name, video in zip(names(film), film.videos, strict=True)}
    assert {name for name, seconds in shown.items() if seconds == 0} == {"video_90.mov"}  # three frames
    assert shown["montage.mp4"] < 0.3 * film.seconds
    assert [one.path.name for one in film.left_out] == ["corrupted.mp4"]
