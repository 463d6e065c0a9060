"""TVSum's official annotations, from MATLAB and as a table; both give the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.annotations import read_tvsum
from sspvs.annotations.official import rate_of_ratings
from sspvs.annotations.record import AnnotationSet, FrameRatings
from sspvs.errors import DatasetError


def ratings_of(video: object) -> np.ndarray:
    opinions = video.opinions  # type: ignore[attr-defined]
    assert isinstance(opinions, FrameRatings)
    return np.asarray(opinions.ratings)


def draw_ratings(n_frames: int, fps: float, users: int = 3, seed: int = 0) -> np.ndarray:
    """Ratings that change every two seconds."""
    rng = np.random.default_rng(seed)
    shot = (np.arange(n_frames) / (2 * fps)).astype(int)
    return rng.integers(1, 6, (users, shot[-1] + 1))[:, shot]


def write_mat(path: Path, videos: Sequence[tuple[str, np.ndarray]], *, drop: str = "", root: str = "tvsum50") -> Path:
    """A file as MATLAB writes v7.3: a struct array as fields of references, strings as character codes."""

    def codes(text: str) -> np.ndarray:
        return np.array([[ord(letter)] for letter in text], dtype=np.uint16)

    with h5py.File(path, "w", userblock_size=512) as file:
        columns: dict[str, list[h5py.Reference]] = {}
        for number, (name, ratings) in enumerate(videos):
            fields = {
                "video": codes(name),
                "category": codes("VT"),
                "title": codes("Ša ViÃ±a".replace("Š", "Å\xa0") if number == 0 else "Plain, title"),
                "length": np.array([[ratings.shape[1] / 25]]),
                "nframes": np.array([[float(ratings.shape[1])]]),
                "user_anno": ratings.astype(np.float64),
                "gt_score": ratings.mean(axis=0, keepdims=True),
            }
            for key, value in fields.items():
                data = file.create_dataset(f"#refs#/{key}{number}", data=value)
                columns.setdefault(key, []).append(data.ref)
        for key, refs in columns.items():
            if key != drop:
                data = file.create_dataset(f"{root}/{key}", (len(refs), 1), dtype=h5py.ref_dtype)
                data[:, 0] = refs
    return path


def write_tsv(path: Path, videos: Sequence[tuple[str, np.ndarray]]) -> Path:
    lines = [f"{name}\tVT\t{','.join(f'{r:g}' for r in row)}\n" for name, ratings in videos for row in ratings]
    path.write_text("".join(lines))
    return path


@pytest.fixture
def videos() -> list[tuple[str, np.ndarray]]:
    return [("zz-9_A", draw_ratings(1200, 25)), ("-b", draw_ratings(900, 24, seed=1))]


def test_the_matlab_file(videos: list[tuple[str, np.ndarray]], tmp_path: Path) -> None:
    found = read_tvsum(write_mat(tmp_path / "ydata-tvsum50.mat", videos))
    assert [(video.key, video.name) for video in found.videos] == [("video_1", "zz-9_A"), ("video_2", "-b")]
    for video, (_, ratings) in zip(found.videos, videos, strict=True):
        np.testing.assert_array_equal(ratings_of(video), ratings)
        assert video.fps == pytest.approx(25)
    first, second = found.videos
    assert first.title == "Ša Viña"
    assert any("Latin-1" in repair for repair in first.repairs)
    assert (second.title, second.category, second.repairs) == ("Plain, title", "VT", ())
    assert "2 of TVSum's 50 videos" in found.warnings[0]
    assert read_tvsum(tmp_path).videos[0].name == "zz-9_A"  # the folder will do


def test_the_table_without_and_with_lengths(videos: list[tuple[str, np.ndarray]], tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "ydata-tvsum50-anno.tsv", videos)
    bare = read_tvsum(path)
    for video, (name, ratings), fps in zip(bare.videos, videos, (25, 24), strict=True):
        assert (video.name, video.category) == (name, "VT")
        np.testing.assert_array_equal(ratings_of(video), ratings)
        assert video.fps == fps
        assert any("inferred from ratings" in repair for repair in video.repairs)
    (tmp_path / "ydata-tvsum50-info.tsv").write_text(
        "category\tvideo_id\ttitle\turl\tlength\nVT\t-b\tA title\thttps://x\t0:38\n"
    )
    informed = read_tvsum(path)
    assert [video.title for video in informed.videos] == ["", "A title"]
    assert len(informed.files) == 2


def test_a_rate_that_ratings_do_not_tell(tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "x-anno.tsv", [("same", np.full((2, 500), 3))])
    assert read_tvsum(path).videos[0].fps is None
    assert read_tvsum(path, fps=30).videos[0].fps == 30
    (tmp_path / "x-info.tsv").write_text("VT\tsame\tTitle\turl\t0:20\n")
    assert read_tvsum(path).videos[0].fps == 25


@given(st.sampled_from([24000 / 1001, 24, 25, 30000 / 1001, 30, 60]), st.integers(40, 400), st.integers(0, 99))
def test_the_rate_is_found_from_ratings(fps: float, seconds: int, seed: int) -> None:
    found = rate_of_ratings(draw_ratings(int(seconds * fps), fps, users=20, seed=seed))
    assert found == pytest.approx(fps, rel=3e-3)
    if seconds > 200:  # a long video tells 29.97 from 30
        assert found == pytest.approx(fps, rel=1e-6)


def test_a_step_that_is_a_little_off_does_not_add_up_over_a_long_video() -> None:
    fps = 30000 / 1001  # 59.94 frames a shot, which looks like 60
    assert rate_of_ratings(draw_ratings(int(9000 * fps), fps, users=20)) == pytest.approx(fps, rel=1e-6)


def test_ratings_without_a_grid_tell_no_rate() -> None:
    assert rate_of_ratings(np.random.default_rng(0).integers(1, 6, (20, 3000))) is None
    assert rate_of_ratings(np.ones((3, 3000))) is None


def test_unusual_numbers_in_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tVT\t1.5, 2,5\r\na\tVT\t3,4,5\r\n", encoding="utf-8-sig")
    np.testing.assert_array_equal(ratings_of(read_tvsum(path).videos[0]), [[1.5, 2, 5], [3, 4, 5]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tVT\t1,2\nb\tVT\n", "line 2: expected 3 columns with tabs between them"),
        ("a,VT,1,2\n", "line 1: expected 3 columns"),
        ("a\tVT\t1,2,x\n", "line 1: expected ratings with commas between them, found 'x'"),
        ("a\tVT\t1,2,\n", "line 1: expected ratings with commas between them, found ''"),
        ("a\tVT\t1,2,3\na\tVT\t1,2\n", "line 2: expected 3 ratings, as on the other lines of video 'a', found 2"),
        ("a\tVT\t1,2,9\n", "expected ratings from 1 to 5, found 9 at frame 2 of user 0"),
        ("a\tVT\t1,0,3\n", "found 0 at frame 1"),
        ("a\tVT\t1,nan,3\n", "found nan at frame 1"),
        ("\n", "found none"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(DatasetError) as caught:
        read_tvsum(path)
    assert message in str(caught.value)
    assert "a.tsv" in str(caught.value)


def test_files_that_are_something_else(videos: list[tuple[str, np.ndarray]], tmp_path: Path) -> None:
    path = tmp_path / "ydata-tvsum50.mat"
    with pytest.raises(DatasetError, match="no such file"):
        read_tvsum(path)
    with pytest.raises(DatasetError, match="in this folder"):
        read_tvsum(tmp_path)
    path.write_bytes(b"MATLAB 5.0 MAT-file" + b" " * 200)
    with pytest.raises(DatasetError, match=r"v7\.3, which is HDF5\), but it is a MATLAB v5 file"):
        read_tvsum(path)
    write_mat(path, videos, root="other")
    with pytest.raises(DatasetError, match="expected TVSum's group 'tvsum50', found other"):
        read_tvsum(path)
    write_mat(path, videos, drop="user_anno")
    with pytest.raises(DatasetError, match="lacks user_anno"):
        read_tvsum(path)
    write_mat(path, [("a", np.full((2, 50), 7.0))])
    with pytest.raises(DatasetError, match="expected ratings from 1 to 5, found 7"):
        read_tvsum(path)
    whole = write_mat(path, videos).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"ydata-tvsum50\.mat: .*cut short") as caught:
        read_tvsum(path)
    assert "\n" not in str(caught.value)


# The real file -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def official(shared_data: Path) -> AnnotationSet:
    return read_tvsum(shared_data / "annotations" / "ydata-tvsum50.mat")


def test_the_official_file_has_the_communitys_keys(official: AnnotationSet, shared_data: Path) -> None:
    known = json.loads((shared_data / "annotations" / "tvsum_names.json").read_text())
    assert {video.name: video.key for video in official.videos} == known
    assert official.community_keys
    assert official.warnings == ()


def test_the_official_ratings_are_the_files(official: AnnotationSet, shared_data: Path) -> None:
    with h5py.File(shared_data / "annotations" / "ydata-tvsum50.mat") as file:
        root = file["tvsum50"]
        for number, video in enumerate(official.videos):
            stored = file[root["user_anno"][number, 0]][()]
            np.testing.assert_array_equal(ratings_of(video), stored)
            assert video.n_frames == stored.shape[1]
    assert official.videos[0].title == "#1306 How to change tires for off road vehicles [Davidsfarm]"
    assert official.videos[3].title.startswith("Škoda".upper())
    assert {video.category for video in official.videos} == {
        "VT",
        "VU",
        "GA",
        "MS",
        "PK",
        "PR",
        "FM",
        "BK",
        "BT",
        "DS",
    }


def test_the_table_of_the_official_ratings_gives_the_same(official: AnnotationSet, tmp_path: Path) -> None:
    path = write_tsv(tmp_path / "anno.tsv", [(video.name, ratings_of(video)) for video in official.videos])
    table = read_tvsum(path)
    assert table.community_keys
    for ours, theirs in zip(table.videos, official.videos, strict=True):
        assert (ours.key, ours.name, ours.n_frames) == (theirs.key, theirs.name, theirs.n_frames)
        np.testing.assert_array_equal(ratings_of(ours), ratings_of(theirs))
        assert theirs.fps is not None
        varies = theirs.title == "Chinatown Parade"  # its ratings do not change every two seconds all the way
        assert ours.fps == pytest.approx(theirs.fps, rel=6e-3 if varies else 5e-4)
