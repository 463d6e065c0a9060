"""`sspvs data build` through the command line, and features of video files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.extraction_material import BLUE, GREEN, RED, MeanColour, draw_video

from sspvs.annotations import read_custom
from sspvs.annotations.dataset import build_dataset, extract_features
from sspvs.annotations.record import AnnotationSet
from sspvs.benchmark import evaluate
from sspvs.cli import main
from sspvs.errors import DatasetError, VideoError
from sspvs.features.extract import Sampling
from sspvs.table import read_dataset

CSV = "video,annotator,start,end,duration,fps\nred then green.mp4,anna,0,1,4,10\nred then green.mp4,ben,1,3,,\n"


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    path = tmp_path / "my.csv"
    path.write_text(CSV)
    return path


def run(*arguments: object) -> int:
    return main(["data", "build", *map(str, arguments)])


def test_a_table_becomes_a_dataset(annotations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "d.h5"
    assert run("custom", "--annotations", annotations, "--out", out, "--shot-seconds", 2) == 0
    printed = capsys.readouterr().out
    assert "1 videos, 2 users each, 40 frames, 2 shots (uniform in 1 videos), features of none" in printed
    assert f"next: sspvs evaluate --dataset {out}" in printed
    with read_dataset(out) as dataset:
        video = dataset["video_1"]
    assert (video.video_name, video.n_frames) == ("red then green.mp4", 40)
    assert "no shot fits into 15% of the video (6 frames): summaries of methods will be empty" in printed
    assert video.user_summaries is not None
    assert video.user_summaries.sum(axis=1).tolist() == [10, 20]


def test_repairs_and_warnings_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.json"
    path.write_text(json.dumps({f"v{i}": {"fps": 10, "annotators": {"x": list(range(13))}} for i in range(10)}))
    assert run("custom", "--annotations", path, "--out", tmp_path / "d.h5", "--shot-seconds", 2) == 0
    printed = capsys.readouterr().out
    assert "10 repairs or notes:\n  v0: no shot fits into 15%" in printed
    assert "and 2 more" in printed


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--every", "0"], "--every must be at least 1"),
        (["--every", "5", "--features", "f.h5"], "--every goes without features"),
        (["--fps", "-1"], "--fps must be"),
        (["--shot-seconds", "0"], "--shot-seconds must be"),
        (["--max-shot-seconds", "-2"], "--max-shot-seconds must be"),
        (["--shots", "s.json", "--max-shot-seconds", "3"], "give --shots or --max-shot-seconds"),
        (
            ["--shots", "s.json", "--segmenter", "kts"],
            "give --shots or --segmenter, one of them; --segmenter kts needs",
        ),
        (["--features", "f.h5", "--videos", "v"], "give --features or --videos"),
        (["--segmenter", "scenes"], "invalid choice"),
        (["--features", "none.h5"], "none.h5: no such file"),
        (["--shots", "none.json"], "cannot read the shots"),
        (["--out", "no/such/folder/d.h5"], "cannot write no/such/folder/d.h5"),
    ],
)
def test_a_mistake_is_one_line(
    flags: list[str], message: str, annotations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    assert run("custom", "--annotations", annotations, "--out", tmp_path / "d.h5", *flags) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert sorted(tmp_path.iterdir()) == before


def test_the_wrong_file_for_each_dataset(annotations: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for dataset, message in (("summe", "expected the folder of SumMe's"), ("tvsum", "expected 3 columns with tabs")):
        assert run(dataset, "--annotations", annotations, "--out", tmp_path / "d.h5") == 2
        assert message in capsys.readouterr().err


def test_official_annotations_with_features_by_key(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import h5py

    folder = shared_data / "annotations" / "summe_gt"
    assert run("summe", "--annotations", folder, "--out", tmp_path / "plain.h5") == 0
    assert "25 videos, 15 to 18 users each" in capsys.readouterr().out
    rng = np.random.default_rng(0)
    with read_dataset(tmp_path / "plain.h5") as plain, h5py.File(tmp_path / "f.h5", "w") as file:
        for key, video in plain.items():
            file[f"{key}/features"] = rng.random((len(video.picks), 8), dtype=np.float32)
            file[f"{key}/picks"] = video.picks.astype(np.float64)
            file[f"{key}/n_frames"] = video.n_frames
    flags = ["--features", tmp_path / "f.h5"]
    assert run("summe", "--annotations", folder, "--out", tmp_path / "full.h5", *flags) == 0
    captured = capsys.readouterr()
    assert "features of 25" in captured.out
    assert "no feature fingerprint" in captured.err
    with read_dataset(tmp_path / "plain.h5") as plain, read_dataset(tmp_path / "full.h5") as full:
        for key in plain:
            np.testing.assert_array_equal(plain[key].gtscore, full[key].gtscore)
            assert full.features[key].features.shape == (len(full[key].picks), 8)


def test_shots_of_features_at_two_seconds_a_row(shared_data: Path, tmp_path: Path) -> None:
    import h5py

    with h5py.File(shared_data / "real" / "tvsum_i3d.h5") as content, h5py.File(tmp_path / "f.h5", "w") as file:
        for group in content.values():
            if isinstance(group, h5py.Group):
                n_frames, fps = int(group.attrs["n_frames"]), float(group.attrs["fps"])
                features = group["rgb"][()] * content["scale_rgb"][()]
                picks = np.round((2 * np.arange(len(features)) + 1) * fps).astype(np.int64)  # a row's middle
                keep = picks < n_frames
                made = file.create_group(group.attrs["community_key"])
                made["features"], made["picks"] = features[keep].astype(np.float32), picks[keep]
                made["n_frames"] = n_frames
    mat = shared_data / "annotations" / "ydata-tvsum50.mat"
    assert run("tvsum", "--annotations", mat, "--features", tmp_path / "f.h5", "--out", tmp_path / "d.h5") == 0
    with read_dataset(tmp_path / "d.h5") as dataset:
        assert dataset.made_by["shots"]["sources"] == {"kts": 50}
        for key in dataset:
            video = dataset[key]
            assert video.shots is not None
            assert video.fps is not None
            lengths = np.sort(video.shots.lengths)
            assert 4 < lengths.mean() / video.fps < 6
            assert lengths[-1] <= 15.01 * video.fps
            assert lengths[0] + lengths[-1] <= 0.15 * video.n_frames
            assert not any("no shot fits" in sentence for sentence in video.repairs)
    evaluation = evaluate(tmp_path / "d.h5", baseline="human", contrastive=True, draws=1)
    for result in (evaluation.methods["human"], evaluation.baselines["contrastive"]):
        assert result["per-user"].spreads["f_score_avg"].mean > 0.4


# Video files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def set_of_two(tmp_path: Path) -> AnnotationSet:
    path = tmp_path / "two.json"
    path.write_text(json.dumps({"red green": [[[0, 1]]], "blue.mp4": [[[0, 1]]]}))
    return read_custom(path)


def test_features_of_video_files_are_extracted_and_kept(tmp_path: Path, set_of_two: AnnotationSet) -> None:
    videos, features, backbone = tmp_path / "v", tmp_path / "d.features.h5", MeanColour()
    draw_video(videos / "red_green.mp4", [RED, GREEN], seconds=2)
    draw_video(videos / "blue.mp4", [BLUE], seconds=3)
    draw_video(videos / "unrelated.mp4", [BLUE])
    report = extract_features(set_of_two, videos, features, backbone, Sampling(rate_hz=2))
    assert report.extracted == ("blue", "red_green")
    again = extract_features(set_of_two, videos, features, backbone, Sampling(rate_hz=2))
    assert again.kept == ("blue", "red_green")
    built = build_dataset(set_of_two, tmp_path / "d.h5", features=features)
    assert built.shot_sources == {"kts": 2}
    with read_dataset(tmp_path / "d.h5") as dataset:
        video = dataset["video_1"]
        assert (video.video_name, video.n_frames) == ("red green", 40)
        assert dataset.features["video_1"].fingerprint == backbone.fingerprint(2)
        assert dataset.features.fingerprint == backbone.fingerprint(2)
        assert dataset.made_by["features_fingerprint"] == backbone.fingerprint(2).digest
        assert video.shots is not None
        assert 20 in video.shots.bounds[:, 0]  # where the picture changes, to the frame
        assert video.shots.lengths.max() <= 6  # a summary of 15 % holds one of them
        assert video.user_summaries is not None
        assert video.user_summaries[0].sum() == 10  # one second of ten frames, by the file's own timeline


def test_missing_and_unusable_video_files(tmp_path: Path, set_of_two: AnnotationSet) -> None:
    videos, features = tmp_path / "v", tmp_path / "d.features.h5"
    draw_video(videos / "blue.mp4", [BLUE], seconds=3)
    with pytest.raises(DatasetError, match=r"no video files of 1 of 2 annotated videos \(red green\)"):
        extract_features(set_of_two, videos, features, MeanColour(), Sampling())
    (videos / "red green.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"1 of 2 videos could not be used: .*red green\.mp4"):
        extract_features(set_of_two, videos, features, MeanColour(), Sampling())
    report = extract_features(set_of_two, videos, features, MeanColour(), Sampling(), allow_missing=True)
    assert report.kept == ("blue",)  # extracted before, and not lost
    assert len(report.failed) == 1


def test_videos_through_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_video(tmp_path / "v" / "red then green.mp4", [RED, GREEN], seconds=2)
    path = tmp_path / "my.csv"
    path.write_text(CSV)
    flags = ["--videos", tmp_path / "v", "--backbone", "efficientnet-lite0", "--device", "cpu"]
    assert run("custom", "--annotations", path, "--out", tmp_path / "d.h5", *flags) == 0
    assert "features of 1 videos extracted" in capsys.readouterr().out
    with read_dataset(tmp_path / "d.h5") as dataset:
        assert dataset.features["video_1"].features.shape == (8, 1280)
    assert (tmp_path / "d.features.h5").exists()
