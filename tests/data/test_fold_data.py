"""What is trained on, by hand; and what is written about a video, wherever it stands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_dataset import drawn_video
from helpers.summarization_material import write_annotated
from hypothesis import given
from hypothesis import strategies as st

from sspvs.data.fold_data import importance_target
from sspvs.data.folds import Stores
from sspvs.data.texts import TVSUM_CATEGORIES, name_as_text, read_texts, text_of
from sspvs.errors import DatasetError
from sspvs.table.text import TextFields
from sspvs.types import Annotations


def video_with(**fields: object) -> Annotations:
    """Four picks of 40 frames, two users; no annotations unless in `fields`."""
    nothing = Annotations("video_3", "Air_Force_One", 40, np.array([0, 10, 20, 30]))
    return replace(nothing, **fields)  # type: ignore[arg-type]


def test_the_mean_annotator_between_0_and_1() -> None:
    target = importance_target(video_with(gtscore=np.array([0.25, 0.5, 0.75, 0.25], np.float32)))
    assert target.dtype == np.float32
    assert target.tolist() == [0.0, 0.5, 1.0, 0.0]


def test_users_where_there_is_no_mean_annotator() -> None:
    ratings = np.zeros((2, 40), np.float32)
    ratings[:, :10], ratings[:, 10:20], ratings[:, 20:30], ratings[:, 30:] = (
        [[1], [2]],
        [[5], [5]],
        [[3], [2]],
        [[1], [2]],
    )
    by_frame = importance_target(video_with(user_scores=ratings))
    by_pick = importance_target(video_with(user_scores=ratings[:, ::10].copy()))
    # means 1.5, 5, 2.5, 1.5: (x - 1.5) / 3.5
    np.testing.assert_allclose(by_frame, [0, 1, 1 / 3.5, 0], rtol=1e-6)
    np.testing.assert_array_equal(by_frame, by_pick)
    summaries = np.zeros((2, 40), bool)
    summaries[0, 5:25], summaries[1, 18:22] = True, True  # at the picks 0, 10, 20, 30: 0, 1, 2, 0 users
    assert importance_target(video_with(user_summaries=summaries)).tolist() == [0.0, 0.5, 1.0, 0.0]
    both = video_with(user_summaries=summaries, gtscore=np.array([3, 2, 1, 0], np.float32))
    np.testing.assert_allclose(importance_target(both), [1, 2 / 3, 1 / 3, 0], rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.4, -3.0])
def test_a_video_that_is_all_the_same_has_zeros(value: float) -> None:
    same = np.full(4, value, np.float32)
    with np.errstate(all="raise"):
        assert importance_target(video_with(gtscore=same)).tolist() == [0.0] * 4
    if value:  # rounding is no importance
        same[::2] = np.nextafter(same[::2], np.float32(9))
        assert len(set(same)) == 2
        assert importance_target(video_with(gtscore=same)).tolist() == [0.0] * 4


@given(st.lists(st.integers(-50, 50), min_size=4, max_size=4), st.integers(1, 9), st.integers(-9, 9))
def test_scale_and_offset_do_not_count(values: list[int], scale: int, offset: int) -> None:
    scores = np.array(values, np.float32)
    one, other = (importance_target(video_with(gtscore=one)) for one in (scores, scale * scores + offset))
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert (one.min(), one.max()) == (0, 1) or not one.any()
    assert all((a < b) == (x < y) for a, x in zip(scores, one, strict=True) for b, y in zip(scores, one, strict=True))


def test_nothing_to_train_on_is_refused_by_name() -> None:
    with pytest.raises(DatasetError, match=r"Air_Force_One \(video_3\): expected gtscore, user_scores or user_summary"):
        importance_target(video_with())
    with pytest.raises(DatasetError, match=r"Air_Force_One: gtscore must be finite, found nan"):
        importance_target(video_with(gtscore=np.array([0, np.nan, 1, 1], np.float32)))


# Text ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Air_Force_One", "Air Force One"),
        ("Base jumping", "Base jumping"),
        ("car_over_camera", "car over camera"),
        ("Kids_playing_in_leaves.mp4", "Kids playing in leaves"),
        ("videos/my-holidayInRome.MOV", "my holiday In Rome"),
        ("DIYVideo2015", "DIY Video2015"),
        ("__x__", "x"),
    ],
)
def test_the_words_of_a_name(name: str, words: str) -> None:
    assert name_as_text(name) == words


def test_title_category_and_name() -> None:
    titled = video_with(title=" How to change tires ", category="VT")
    assert text_of(titled, "mine") == TextFields("VT", "", "How to change tires")
    assert text_of(titled, "eccv16_dataset_tvsum_google_pool5") == TextFields("vehicle tire", "", "How to change tires")
    assert text_of(titled, "tvsum", title_as_query=True) == TextFields("vehicle tire", "How to change tires")
    assert text_of(video_with(), "summe") == TextFields(query="Air Force One")
    assert text_of(video_with(), "summe", title_as_query=True) == TextFields(query="Air Force One")
    assert text_of(video_with(video_name="video_3"), "summe") == TextFields()


def test_tvsums_letters_fit_its_titles(shared_data: Path) -> None:
    """One of a category's titles has its words, but where titles show otherwise."""
    from sspvs.annotations import read_tvsum

    videos = read_tvsum(shared_data / "annotations" / "ydata-tvsum50.mat").videos
    assert {video.category for video in videos} == set(TVSUM_CATEGORIES)
    titles = {
        letters: " ".join(v.title.lower() for v in videos if v.category == letters) for letters in TVSUM_CATEGORIES
    }
    for letters, words in TVSUM_CATEGORIES.items():
        assert any(word[:4] in titles[letters] for word in words.split()), letters


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    named = [replace(drawn_video(number), video_name=f"Big dog {number}") for number in (1, 2, 3)]
    write_annotated(tmp_path / "mine.h5", named, name="mine")
    write_annotated(tmp_path / "ovp.h5", 2, name="ovp")
    return Stores(tmp_path / "mine.h5", [tmp_path / "ovp.h5"])


def test_a_manifest_goes_before_the_dataset(stores: Stores, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = ["id,title,query,path", 'video_1,"A dog, a cat",dog,nowhere.h5', "big_dog_3.mp4,Three,,", "ovp/video_2,,o,"]
    path.write_text("\n".join(rows))
    assert read_texts(path, stores) == {
        "mine/video_1": TextFields(query="dog", title="A dog, a cat"),
        "mine/video_3": TextFields(title="Three"),
        "ovp/video_2": TextFields(query="o"),
    }
    lines = [{"id": "video_2", "category": "pets", "description": "long"}, {"id": "Big dog 1", "query": ["big", "dog"]}]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    assert read_texts(path, stores) == {
        "mine/video_2": TextFields("pets", "", "", "long"),
        "mine/video_1": TextFields(query="big dog"),
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,title\nvideo_9,x\nvideo_1,y\nBig dog 1,z\n,w\n", "3 problems: line 2: no video 'video_9' in mine, ovp; "
         "line 4: a second line about mine/video_1; line 5: no id"),
        ("name,title\nvideo_1,x\n", "expected a column 'id', found name, title"),
        ("id,ttile\nvideo_1,x\n", "expected a column one of category, query, title, description, found id, ttile; "
         "column 'ttile': did you mean 'title'?"),
        ("\n", "expected a column 'id' and one of category"),
        ("", "the file is empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_manifest_is_reported_together(
    text: str, sentence: str, stores: Stores, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(DatasetError) as caught:
        read_texts(path, stores)
    assert sentence in str(caught.value)
    assert "t.csv" in str(caught.value)
