"""The switch `published`: a recipe is plain settings below those of the configs that name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sspvs.training.command_line import ReadConfig
from sspvs.training.given import given
from sspvs.training.published import recipe_words, recipes


def read(folder: Path, *configs: str, flags: tuple[str, ...] = ()) -> ReadConfig:
    words = []
    for number, text in enumerate(configs):
        path = folder / f"{number}.yaml"
        path.write_text(text)
        words += ["--config", str(path)]
    return ReadConfig("fit", [*words, *flags])


FINE_TUNED = "{task: summarize, published: sspvs, data: {dataset: mine.h5}}"


def test_a_recipe_comes_before_the_config_that_names_it(tmp_path: Path) -> None:
    settings = read(tmp_path, FINE_TUNED).settings
    assert (settings.seed_everything, settings.data.val_batch_size) == (12345, 1)
    own = FINE_TUNED.replace("published", "seed_everything: 3, published").replace(
        "mine.h5", "mine.h5, val_batch_size: 7"
    )
    settings = read(tmp_path, own).settings
    assert (settings.seed_everything, settings.data.val_batch_size) == (3, 7)
    assert read(tmp_path, FINE_TUNED, flags=("--data.val_batch_size", "5")).settings.data.val_batch_size == 5


def test_the_last_word_says_which(tmp_path: Path) -> None:
    assert read(tmp_path, FINE_TUNED, flags=("--published", "null")).settings.seed_everything == 0
    assert read(tmp_path, FINE_TUNED, "published: null").settings.seed_everything == 0
    plain = FINE_TUNED.replace("published: sspvs, ", "")
    assert read(tmp_path, plain).settings.seed_everything == 0
    assert read(tmp_path, plain, flags=("--published", "sspvs")).settings.seed_everything == 12345


def test_what_was_expanded_reads_the_same_again(tmp_path: Path) -> None:
    first = read(tmp_path, FINE_TUNED)
    again = read(tmp_path, "task: summarize\n" + first.text)
    assert again.settings.as_dict() == first.settings.as_dict()


def test_an_unknown_recipe_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"published must be null or .*sspvs.* for task summarize, got 'ours'"):
        read(tmp_path, FINE_TUNED.replace("sspvs", "ours"))
    with pytest.raises(ValueError, match="published must be null or"):
        recipe_words([{"published": ["sspvs"]}], "summarize")


@pytest.mark.parametrize("task", ["summarize", "pretrain", "refine"])
def test_every_recipe_is_understood(task: str, tmp_path: Path) -> None:
    data = "train: pairs.jsonl" if task == "pretrain" else "dataset: mine.h5"
    for name in recipes(task):
        cli = read(tmp_path, f"{{task: {task}, published: {name}, data: {{{data}}}}}")
        assert cli.settings.published == name
        assert recipe_words(given(cli.arguments), task)
