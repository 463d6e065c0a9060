"""Split files of every style that occurs, and what is refused."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from helpers.drawn_dataset import NAMES, drawn_video

from sspvs.annotations.splits import Splits, read_splits
from sspvs.annotations.video_names import VideoRef, short_name
from sspvs.errors import DatasetError
from sspvs.types import Annotations

SUMME = {f"video_{n}": drawn_video(n, name=name) for n, name in enumerate(NAMES, start=1)}
FIRST = {"train_keys": ["video_1", "video_2", "video_3"], "test_keys": ["video_4", "video_5"]}
LONG = "eccv16_dataset_summe_google_pool5"


def _written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _prefixed(prefix: str) -> dict[str, list[str]]:
    return {part: [f"{prefix}/{key}" for key in keys] for part, keys in FIRST.items()}


STYLES: dict[str, tuple[str, Any]] = {
    "bare keys": ("s.json", [FIRST]),
    "dataset prefix": ("s.json", [_prefixed(LONG)]),
    "file prefix": ("s.json", [_prefixed(f"../datasets/{LONG}.h5")]),
    "windows prefix": ("s.json", [_prefixed(f"..\\datasets\\{LONG}.h5")]),
    "one dict": ("s.json", FIRST),
    "short part names": ("s.json", [{"train": FIRST["train_keys"], "test": FIRST["test_keys"]}]),
    "folds by name": ("s.json", {"split_0": FIRST}),
    "byte order mark": ("s.json", "\ufeff" + json.dumps([FIRST])),
    "no ending": ("splits", [FIRST]),
    "names": (
        "s.json",
        [{"train": ["Air Force One", "Base_jumping", "Bike Polo"], "test": ["Eiffel Tower.mp4", "jumps"]}],
    ),
    "text, a dict a line": ("SumMe_splits.txt", f"{FIRST}\n"),
    "text, JSON": ("s.txt", json.dumps(FIRST)),
    "text, a list a line": (
        "s.txt",
        "split 1\ntrain_keys: [video_1, video_2,\n  video_3]\ntest_keys: ['video_4', \"video_5\"]\n",
    ),
    "text, names": (
        "s.txt",
        "train_keys = ['Air Force One', 'Base_jumping', 'Bike Polo']\ntest_keys = ['Eiffel Tower.mp4', 'jumps']\n",
    ),
    "yaml": (
        "s.yml",
        "- train_keys:\n"
        + "".join(f"  - ../datasets/{LONG}.h5/{key}\n" for key in FIRST["train_keys"])
        + "  test_keys:\n"
        + "".join(f"  - ../datasets/{LONG}.h5/{key}\n" for key in FIRST["test_keys"]),
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_every_style_says_the_same_folds(style: str, tmp_path: Path) -> None:
    name, content = STYLES[style]
    splits = read_splits(_written(tmp_path / name, content)).resolve(SUMME, "summe")
    (fold,) = splits.folds
    assert fold.train == tuple(VideoRef("summe", key) for key in FIRST["train_keys"])
    assert fold.test == tuple(VideoRef("summe", key) for key in FIRST["test_keys"])
    assert fold.val == ()
    assert splits.setting == "canonical"
    assert splits.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_validation_keys_of_one_dict(tmp_path: Path) -> None:
    splits = read_splits(_written(tmp_path / "s.json", {**FIRST, "val_keys": ["video_6"]}))
    assert splits.folds[0].val == (VideoRef("", "video_6"),)


@pytest.mark.parametrize(
    ("train", "setting"),
    [
        (["summe/video_1"], "canonical"),
        (["summe/video_1", "ovp/video_1", "eccv16_dataset_youtube_google_pool5/video_4"], "augmented"),
        (["tvsum/video_1", "ovp/video_4"], "transfer"),
        ([], "unrecognised"),
    ],
)
def test_the_setting_is_recognised(train: list[str], setting: str, tmp_path: Path) -> None:
    path = _written(tmp_path / "s.json", [{"train_keys": train, "test_keys": [f"{LONG}/video_4"]}])
    assert read_splits(path).setting == setting
    assert read_splits(path).resolve(SUMME, "summe").setting == setting


def test_bare_keys_beside_prefixed_ones_are_the_datasets_own(tmp_path: Path) -> None:
    fold = {"train_keys": ["summe/video_1", "tvsum/video_2"], "test_keys": ["video_4"]}
    assert read_splits(_written(tmp_path / "s.json", [fold])).resolve(SUMME, "summe").setting == "augmented"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("eccv16_dataset_summe_google_pool5", "summe"),
        ("eccv16_dataset_tvsum_google_pool5.h5", "TVSum50"),
        ("SumMe", "my_summe_copy"),
        ("mr_hisum.h5", "mr_hisum"),
    ],
)
def test_dataset_names_match_loosely(first: str, second: str) -> None:
    assert short_name(first) == short_name(second)


@pytest.mark.parametrize(("first", "second"), [("summe", "tvsum"), ("youtube", "youtube8m"), ("summe", "mr_hisum")])
def test_different_datasets_stay_different(first: str, second: str) -> None:
    assert short_name(first) != short_name(second)


REFUSED: dict[str, tuple[Any, str]] = {
    "train and test": (
        [{"train_keys": ["video_1", "video_2"], "test_keys": ["video_2"]}],
        "'video_2' in both train and test",
    ),
    "through a long and a short name": (
        [{"train_keys": ["summe/video_2"], "test_keys": [f"{LONG}/video_2"]}],
        "'summe/video_2' in both train",
    ),
    "val and test": (
        [{"train_keys": ["video_1"], "val_keys": ["video_3"], "test_keys": ["video_3"]}],
        "'video_3' in both val and test",
    ),
    "no test": ([{"train_keys": ["video_1"]}], "expected 'test_keys', found 'train_keys'"),
    "no train": ([{"test_keys": ["video_1"]}], "expected 'train_keys', found 'test_keys'"),
    "nothing to test": ([{"train_keys": ["video_1"], "test_keys": []}], "expected videos to test, found none"),
    "two spellings": (
        [{"train": ["video_1"], "train_keys": ["video_1"], "test_keys": ["video_2"]}],
        "both 'train_keys' and 'train'",
    ),
    "numbers for keys": ([{"train_keys": [1], "test_keys": [2]}], "entry 0: expected a key in quotes, found int '1'"),
    "an empty key": ([{"train_keys": ["video_1", ""], "test_keys": ["video_2"]}], "entry 1: expected a key"),
    "a text for a list": ([{"train_keys": "video_1", "test_keys": ["video_2"]}], "expected a list of video keys"),
    "an empty list": ([], "found a list of 0"),
    "a list of keys": (["video_1"], "found a list of 1 that starts with str 'video_1'"),
    "something else": ({"scores": [1, 2]}, "found a dict of 'scores'"),
    "half a file": ('[{"train_keys": ["vi', "no whole JSON file"),
    "nothing": ("", "the file is empty"),
    "nested without end": ("[" * 100_000, "within one another more than 100 times"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why(case: str, tmp_path: Path) -> None:
    content, message = REFUSED[case]
    with pytest.raises(DatasetError) as caught:
        read_splits(_written(tmp_path / "splits_x.json", content))
    assert message in str(caught.value)
    assert "splits_x.json" in str(caught.value)


@pytest.mark.parametrize("ending", ["json", "pkl", "yml"])
def test_a_pickle_is_never_opened(ending: str, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "opened",))

    path = tmp_path / f"s.{ending}"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DatasetError, match="a pickle, which is never opened"):
        read_splits(path)
    assert not (tmp_path / "opened").exists()


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no whole YAML"):
        read_splits(_written(tmp_path / "s.yaml", "!!python/object/apply:os.getcwd []"))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'["\xff"]'])
def test_a_file_that_is_no_text_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(DatasetError, match="no text"):
        read_splits(tmp_path / "s.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.json: cannot read the split file"):
        read_splits(tmp_path / "gone.json")


def test_a_key_that_stands_twice_is_taken_once_and_noted(tmp_path: Path) -> None:
    fold = {"train_keys": ["video_1", "video_1", "video_2"], "test_keys": ["video_3"], "note": "mine"}
    splits = read_splits(_written(tmp_path / "s.json", [fold]))
    assert [ref.key for ref in splits.folds[0].train] == ["video_1", "video_2"]
    assert any("video_1 stood more than once" in sentence for sentence in splits.repairs)
    assert any("not read: 'note'" in sentence for sentence in splits.repairs)


def test_a_video_by_key_in_train_and_by_name_in_test_is_refused(tmp_path: Path) -> None:
    fold = {"train_keys": ["video_2", "video_3"], "test_keys": ["Base jumping"]}
    splits = read_splits(_written(tmp_path / "s.json", [fold]))
    with pytest.raises(DatasetError, match=r"fold 0: 'summe/video_2' in both train and test"):
        splits.resolve(SUMME, "summe")


def test_a_video_by_key_and_by_name_in_one_list_is_taken_once(tmp_path: Path) -> None:
    fold = {"train_keys": ["video_3"], "test_keys": ["video_2", "Base_jumping"]}
    splits = read_splits(_written(tmp_path / "s.json", [fold])).resolve(SUMME, "summe")
    assert splits.folds[0].test == (VideoRef("summe", "video_2"),)
    assert any("by key and by name" in sentence for sentence in splits.repairs)


def test_unknown_keys_are_listed(tmp_path: Path) -> None:
    fold = {"train_keys": ["video_1", "video_77"], "test_keys": ["video_2", "video_78"]}
    with pytest.raises(DatasetError, match=r"'video_77', 'video_78' not in dataset 'summe'"):
        read_splits(_written(tmp_path / "s.json", [fold])).resolve(SUMME, "summe")


def test_unknown_keys_of_another_dataset_are_not_this_ones_business(tmp_path: Path) -> None:
    fold = {"train_keys": ["tvsum/video_50"], "test_keys": ["summe/video_2"]}
    splits = read_splits(_written(tmp_path / "s.json", [fold]))
    assert splits.resolve(SUMME, "summe").folds[0].train == (VideoRef("tvsum", "video_50"),)
    assert splits.unknown_keys(SUMME, "tvsum") == ("video_50",)


def test_the_split_of_another_dataset_is_refused(tmp_path: Path) -> None:
    splits = read_splits(_written(tmp_path / "s.json", [_prefixed("tvsum")]))
    with pytest.raises(DatasetError, match=r"fold 0: tests 'tvsum/video_4'.*nothing of dataset 'summe'"):
        splits.resolve(SUMME, "summe")


def test_a_dataset_without_a_known_name_takes_the_files_and_says_so(tmp_path: Path) -> None:
    splits = read_splits(_written(tmp_path / "s.json", [_prefixed(LONG)])).resolve(SUMME, "copy")
    assert {ref.dataset for ref in splits.folds[0].test} == {"copy"}
    assert any("calls the dataset 'summe', which calls itself 'copy'" in sentence for sentence in splits.repairs)


def test_tested_videos_of_other_datasets_are_left_out_and_noted(tmp_path: Path) -> None:
    fold = {"train_keys": ["summe/video_1"], "test_keys": ["summe/video_2", "tvsum/video_2"]}
    splits = read_splits(_written(tmp_path / "s.json", [fold])).resolve(SUMME, "summe")
    assert splits.test_keys(SUMME, "summe") == (("video_2",),)
    assert any("also tests 1 videos of other datasets" in sentence for sentence in splits.repairs)


def test_coverage_counts_each_video_once(tmp_path: Path) -> None:
    folds = [
        {"train_keys": ["video_1"], "test_keys": ["video_4", "video_2"]},
        {"train_keys": ["video_1"], "test_keys": ["video_4"]},
    ]
    coverage = read_splits(_written(tmp_path / "s.json", folds)).coverage(SUMME, "summe")
    assert coverage.tested == {"video_2": 1, "video_4": 2}
    assert coverage.untested == ("video_1", "video_3", "video_5", "video_6", "video_7")
    assert coverage.sentence == "2 of 7 videos are ever tested, 1 of them more than once"


def _numbered(count: int) -> dict[str, Annotations]:
    return {f"video_{n}": drawn_video(n) for n in range(1, count + 1)}


@pytest.mark.parametrize(
    ("file", "name", "count", "tested", "setting"),
    [
        ("summe_splits.json", "summe", 25, 25, "canonical"),
        ("summe_aug_splits.json", "summe", 25, 15, "augmented"),
        ("summe_trans_splits.json", "summe", 25, 25, "transfer"),
        ("tvsum_splits.json", "tvsum", 50, 50, "canonical"),
        ("tvsum_aug_splits.json", "tvsum", 50, 34, "augmented"),
        ("tvsum_trans_splits.json", "tvsum", 50, 50, "transfer"),
    ],
)
def test_the_published_files(file: str, name: str, count: int, tested: int, setting: str, shared_data: Path) -> None:
    splits = read_splits(shared_data / "splits" / file)
    coverage = splits.coverage(_numbered(count), name)
    assert splits.setting == setting
    assert (len(coverage.tested), len(coverage.untested)) == (tested, count - tested)
    assert splits.repairs == ()


def test_no_folds_are_no_splits() -> None:
    with pytest.raises(DatasetError, match="at least one fold"):
        Splits(())


@pytest.mark.parametrize("between", ["\n", ", ", "\n\nsplit 2\n"])
def test_a_list_that_repeats_begins_a_fold(between: str, tmp_path: Path) -> None:
    second = {"test_keys": ["video_1"], "train_keys": ["video_2", "video_5"]}
    splits = read_splits(_written(tmp_path / "s.txt", f"{FIRST}{between}{second}"))
    assert [[ref.key for ref in fold.test] for fold in splits.folds] == [["video_4", "video_5"], ["video_1"]]
    assert [ref.key for ref in splits.folds[1].train] == ["video_2", "video_5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video_1 video_2", "expected a JSON or YAML list"),
        ("train_keys: [video_1]", "expected 'test_keys', found 'train_keys'"),
        ("train_keys: [video_1]\ntest_keys: [video_1]", "'video_1' in both train and test"),
    ],
)
def test_text_without_folds_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        read_splits(_written(tmp_path / "s.txt", text))
