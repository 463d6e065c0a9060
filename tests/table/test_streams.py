"""Streams side by side: their fingerprints, common picks, and zeros for what a video lacks, against naive loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.pair_sets import features_of
from hypothesis import given
from hypothesis import strategies as st

from sspvs.errors import FeatureFileError, FingerprintMismatchError
from sspvs.table import FeatureKind, VideoTable, add_stream, check_features, join, read_features, write_features
from sspvs.table.streams import (
    at_picks,
    dataset_name,
    interval_means,
    joined_fingerprint,
    parted_fingerprint,
    resampled,
    side_by_side,
)
from sspvs.table.survey import survey
from sspvs.types import Fingerprint, FrameFeatures, FurtherStream, Timeline

NET = Fingerprint("open_clip:ViT-B-32/x", "00", "resize 224, then crop", "x / 255", 2.0)
WORDS = Fingerprint("minilm", "11", "mean + more", "none", 2.0)
times = st.lists(st.integers(0, 200), min_size=1, max_size=12, unique=True).map(sorted)


def naive_means(rows: np.ndarray, spans: np.ndarray, at: np.ndarray) -> list[np.ndarray | None]:
    means: list[np.ndarray | None] = []
    for number, pick in enumerate(at):
        begin = -np.inf if number == 0 else (at[number - 1] + pick) / 2
        end = np.inf if number == len(at) - 1 else (pick + at[number + 1]) / 2
        found = [
            row
            for row, (first, last) in zip(rows, spans, strict=True)
            if (begin <= first < end) or (first < end and last > begin)
        ]
        means.append(np.mean(found, axis=0) if found else None)
    return means


@given(at=times, spans=st.lists(st.tuples(st.integers(0, 220), st.integers(0, 40)), max_size=12))
def test_means_of_intervals_as_a_loop_finds_them(at: list[int], spans: list[tuple[int, int]]) -> None:
    picks = np.array(at, float)
    ends = np.array([(start, start + length) for start, length in spans], float).reshape(-1, 2)
    rows = np.random.default_rng(0).random((len(spans), 3))
    means, counts = interval_means(rows, ends, picks)
    for mean, count, expected in zip(means, counts, naive_means(rows, ends, picks), strict=True):
        assert (count > 0) == (expected is not None)
        np.testing.assert_allclose(mean, np.zeros(3) if expected is None else expected, atol=1e-6)


@given(at=times, onto=times)
def test_resampling_as_a_loop_does_it(at: list[int], onto: list[int]) -> None:
    rows = np.random.default_rng(1).random((len(at), 2))
    own, wanted = np.array(at, float), np.array(onto, float)
    found = resampled(rows, own, wanted)
    for row, pick, mean in zip(found, wanted, naive_means(rows, np.stack([own, own], axis=1), wanted), strict=True):
        expected = rows[np.abs(own - pick).argmin()] if mean is None else mean
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_fingerprints_are_joined_and_parted() -> None:
    named = [("features", NET), ("features_captions", WORDS), ("features_audio", None)]
    joined = joined_fingerprint(named)
    assert joined is not None
    assert joined.backbone == "open_clip:ViT-B-32/x + captions=minilm + audio=unknown"
    assert joined.transform == "resize 224, then crop + mean+more + unknown"
    words = Fingerprint("minilm", "11", "mean+more", "none", 2.0)
    assert parted_fingerprint(joined) == [("features", NET), ("captions", words), ("audio", None)]
    alone = joined_fingerprint(named[1:2])
    assert alone is not None
    assert parted_fingerprint(alone)[0][0] == "captions"
    assert joined_fingerprint(named[:1]) is NET
    assert joined_fingerprint([("features", None), ("features_audio", None)]) is None
    assert parted_fingerprint(None) == [("features", None)]
    earlier = Fingerprint("clip + pann", "0 + 1", "a + b", "c + d", 2.0)  # streams of several files have no names
    assert [name for name, _ in parted_fingerprint(earlier)] == ["features", "features"]
    assert dataset_name("captions") == dataset_name("features_captions") == "features_captions"


def kind(*streams: tuple[str, Fingerprint | None]) -> FeatureKind:
    return FeatureKind(8, joined_fingerprint(streams))


def test_the_check_names_the_stream() -> None:
    other = Fingerprint("minilm", "22", "mean + more", "none", 2.0)
    expected = kind(("features", NET), ("features_captions", WORDS))
    assert check_features(expected, expected, "f") is None
    assert check_features(kind(("features", None), ("features_captions", WORDS)), expected, "f") is None
    with pytest.raises(FingerprintMismatchError, match=r"\(captions: weights_digest is 22, expected 11\)"):
        check_features(kind(("features", NET), ("features_captions", other)), expected, "f")
    with pytest.raises(FingerprintMismatchError, match="the streams features, most others features, captions"):
        check_features(kind(("features", NET)), expected, "f")


def test_files_of_other_picks_are_joined_by_time(tmp_path: Path) -> None:
    slow, fast = np.arange(0, 40, 8), np.arange(0, 40, 2)
    write_features(tmp_path / "a.h5", [FrameFeatures("v", features_of(0, 5), slow, 40)], fingerprint=NET)
    write_features(tmp_path / "b.h5", [FrameFeatures("v", features_of(1, 20, 3), fast, 41)], fingerprint=WORDS)
    first, second = VideoTable.open(tmp_path / "a.h5"), VideoTable.open(tmp_path / "b.h5")
    joined = join([first, second])
    video = joined["v"]
    assert (joined.stream_widths, video.n_picks) == ((6, 3), 5)
    expected = np.stack(
        [
            mean
            for mean in naive_means(features_of(1, 20, 3), np.stack([fast, fast], 1), slow.astype(float))
            if mean is not None
        ]
    )
    np.testing.assert_allclose(joined.features(video)[:, 6:], expected, atol=1e-6)
    np.testing.assert_array_equal(joined.features(video)[:, :6], features_of(0, 5))
    write_features(tmp_path / "c.h5", [FrameFeatures("v", features_of(1, 20, 3), np.arange(20), 20)])
    with pytest.raises(FeatureFileError, match=r"streams of different numbers of picks: 5 .*, 20 "):
        join([first, VideoTable.open(tmp_path / "c.h5")])


def test_times_go_before_frames() -> None:
    timed = Timeline(np.arange(40) / 10, 4.0)  # the same four seconds at 10 and at 20 frames a second
    fast = Timeline(np.arange(80) / 20, 4.0)
    first = FrameFeatures("v", features_of(0, 4), np.array([0, 10, 20, 30]), 40, timeline=timed)
    other = FrameFeatures("v", features_of(1, 8, 3), np.arange(0, 80, 10), 80, timeline=fast)
    rows = features_of(1, 8, 3)
    expected = [rows[0], (rows[1] + rows[2]) / 2, (rows[3] + rows[4]) / 2, (rows[5] + rows[6] + rows[7]) / 3]
    np.testing.assert_allclose(at_picks(first, other, "v"), expected, atol=1e-6)
    unknown = FrameFeatures("v", rows, np.arange(8), 8)
    with pytest.raises(FeatureFileError, match="streams of different picks, 4 of 40 frames and 8 of 8, and no times"):
        at_picks(first, unknown, "v")


def test_streams_of_a_file_come_with_its_features_and_zeros_for_those_it_lacks(tmp_path: Path) -> None:
    audio = FurtherStream(features_of(2, 5, 3), WORDS)
    video = FrameFeatures("v", features_of(0, 5), np.arange(5), 5, streams={"audio": audio})
    write_features(tmp_path / "f.h5", [video], fingerprint=NET)
    with read_features(tmp_path / "f.h5") as store:
        read = store["v"]
        assert store.unread_parts("v") == ()
    np.testing.assert_array_equal(read.streams["audio"].features, audio.features)
    assert read.streams["audio"].fingerprint == WORDS
    joined, missing = side_by_side(read, {"features": 6, "motion": 2, "audio": 3})
    assert missing == ("motion",)
    np.testing.assert_array_equal(joined.features, np.hstack([video.features, np.zeros((5, 2)), audio.features]))
    assert joined.fingerprint is not None
    assert joined.fingerprint.backbone == "open_clip:ViT-B-32/x + motion=unknown + audio=minilm"


def test_the_survey_reads_all_streams_and_fills_gaps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "f.h5"
    write_features(path, [FrameFeatures(n, features_of(i, 5), np.arange(5), 5) for i, n in enumerate("ab")])
    add_stream(path, "audio", {"b": features_of(7, 5, 3)}, fingerprint=WORDS)
    videos = list(VideoTable.open(path).videos)
    assert survey(videos).feature_dim == 6
    table = survey(videos, streams=None)
    assert (table.stream_widths, table.problems) == ((6, 3), ())
    np.testing.assert_array_equal(table.features(table["a"])[:, 6:], np.zeros((5, 3)))
    np.testing.assert_array_equal(table.features(table["b"])[:, 6:], features_of(7, 5, 3))
    assert "1 of 2 videos have no stream 'audio' (a): zeros stand for it" in caplog.text
    assert survey(videos[1:], streams=["audio"]).feature_dim == 3
    with pytest.raises(
        FeatureFileError, match="no stream motion in the features of the videos; there are features, audio"
    ):
        survey(videos, streams=["features", "motion"])
