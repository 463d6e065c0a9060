"""Folds that are drawn: properties that hold for every dataset, and the same draw everywhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sspvs.annotations.splits import Splits, make_splits, read_splits, write_splits
from sspvs.annotations.video_names import VideoRef

OTHERS = {"tvsum": [f"video_{n}" for n in range(1, 8)], "ovp": [f"video_{n}" for n in range(21, 25)]}
KEYS = st.lists(st.text("abcXYZ_0123 -", min_size=1).filter(str.strip), min_size=5, max_size=40, unique_by=str.strip)
DRAWS = {"seed": st.integers(0, 2**40), "val_fraction": st.floats(0, 0.9)}


def _own(splits: Splits, name: str = "summe") -> list[list[str]]:
    assert all(ref.dataset in ("", name) for fold in splits.folds for ref in fold.test)
    return [[ref.key for ref in fold.test] for fold in splits.folds]


@given(keys=KEYS, setting=st.sampled_from(["canonical", "augmented"]), folds=st.integers(2, 5), **DRAWS)
def test_every_video_is_tested_exactly_once(keys: list[str], setting: Any, folds: int, **draws: Any) -> None:
    others = OTHERS if setting == "augmented" else {}
    splits = make_splits("summe", keys, setting=setting, others=others, folds=folds, **draws)
    tested = _own(splits)
    assert sorted(key for fold in tested for key in fold) == sorted(keys)
    assert len(tested) == folds
    assert max(map(len, tested)) - min(map(len, tested)) <= 1
    assert splits.setting == setting


@given(keys=KEYS, setting=st.sampled_from(["canonical", "augmented", "transfer"]), **DRAWS)
def test_parts_of_a_fold_share_nothing_and_leave_nothing_out(keys: list[str], setting: Any, **draws: Any) -> None:
    others = {} if setting == "canonical" else OTHERS
    splits = make_splits("summe", keys, setting=setting, others=others, **draws)
    everyone = {VideoRef("" if setting == "canonical" else "summe", key) for key in keys}
    everyone |= {VideoRef(name, key) for name in others for key in others[name]}
    for fold in splits.folds:
        parts = [*fold.train, *fold.val, *fold.test]
        assert len(parts) == len(set(parts))
        assert set(parts) == everyone
        assert fold.train
        assert bool(fold.val) == (draws["val_fraction"] > 0)
    assert splits.setting == setting


@given(keys=KEYS, setting=st.sampled_from(["canonical", "augmented", "transfer"]), **DRAWS)
def test_what_is_written_is_read_again(keys: list[str], setting: Any, tmp_path_factory: Any, **draws: Any) -> None:
    path = tmp_path_factory.mktemp("splits") / "made.json"
    others = {} if setting == "canonical" else OTHERS
    made = make_splits("summe", [key.strip() for key in keys], setting=setting, others=others, **draws)
    write_splits(path, made)
    again = read_splits(path)
    assert again.folds == made.folds
    assert again.sha256 == made.sha256
    assert again.repairs == ()
    assert again.made_by["seed"] == draws["seed"]


@given(keys=KEYS, seed=st.integers(0, 1000))
def test_the_order_of_the_file_has_no_say(keys: list[str], seed: int) -> None:
    assert _own(make_splits("summe", keys, seed=seed)) == _own(make_splits("summe", keys[::-1], seed=seed))


@pytest.mark.parametrize(("setting", "whose"), [("augmented", {"summe"}), ("transfer", {"tvsum", "ovp"})])
def test_the_checkpoint_is_chosen_on_own_videos_where_they_train(setting: Any, whose: set[str]) -> None:
    keys = [f"video_{n}" for n in range(1, 26)]
    splits = make_splits("summe", keys, setting=setting, others=OTHERS, val_fraction=0.5)
    assert {ref.dataset for fold in splits.folds for ref in fold.val} == whose


def test_a_long_name_draws_the_same_folds() -> None:
    keys = [f"video_{n}" for n in range(1, 26)]
    long = make_splits("eccv16_dataset_summe_google_pool5", keys, seed=3)
    assert long.folds == make_splits("summe", keys, seed=3).folds


def test_seeds_draw_different_folds() -> None:
    keys = [f"video_{n}" for n in range(1, 26)]
    assert len({make_splits("summe", keys, seed=seed).sha256 for seed in range(20)}) == 20


PINNED = [
    ["video_1", "video_8"],
    ["video_7", "video_10"],
    ["video_3", "video_9"],
    ["video_6", "video_2"],
    ["video_4", "video_5"],
]
PINNED_VAL = [["video_9"], ["video_3"], ["video_7"], ["video_5"], ["video_6"]]


def test_the_draw_is_the_same_everywhere_and_always() -> None:
    """These folds may be cited: they must never change."""
    splits = make_splits("summe", [f"video_{n}" for n in range(1, 11)], folds=5, seed=0)
    assert _own(splits) == PINNED
    assert [[ref.key for ref in fold.val] for fold in splits.folds] == PINNED_VAL


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "folds must be from 2 to the number of videos"),
        ({"folds": 7}, "folds must be from 2 to the number of videos"),
        ({"setting": "augmented"}, "name at least one"),
        ({"setting": "transfer"}, "name at least one"),
        ({"others": OTHERS}, "canonical splits use one dataset"),
        ({"setting": "transfer", "others": OTHERS, "folds": 5}, "one fold"),
        ({"setting": "augmented", "others": {"eccv16_dataset_summe_google_pool5": ["video_1"]}}, "the same name"),
        ({"setting": "augmentd", "others": OTHERS}, "must be canonical, augmented or transfer"),
        ({"val_fraction": 1.0}, "val_fraction"),
        ({"val_fraction": float("nan")}, "val_fraction"),
    ],
)
def test_settings_that_cannot_be_drawn_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_splits("summe", [f"video_{n}" for n in range(1, 7)], **settings)
