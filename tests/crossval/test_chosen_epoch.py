"""Which epoch `best-test` takes: made tables of epochs, and loops that go through them one by one."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.crossval_material import write_config
from hypothesis import given
from hypothesis import strategies as st

from sspvs.crossval import cross_validate
from sspvs.crossval.chosen_epoch import EpochRule, chosen_epoch, contenders

NAN = float("nan")
values = st.sampled_from([NAN, -0.1, 0.0, 0.1, 0.2, 0.3])
tables = st.integers(1, 3).flatmap(lambda count: st.lists(st.tuples(*[values] * count), min_size=1, max_size=9))
rules = st.sampled_from(["sspvs", "csta", "ctvsum"])


@pytest.mark.parametrize(
    ("rule", "table", "epoch"),
    [
        ("sspvs", [[0.50], [0.60], [0.55]], 1),  # one figure: the best
        ("sspvs", [[0.50], [0.60], [0.60]], 1),  # of equal ones the first
        # Ranks of F1: 4 1 2 3, of tau: 1 4 2 3.
        ("sspvs", [[0.40, 0.20], [0.50, 0.05], [0.48, 0.18], [0.47, 0.17]], 2),
        # F1 ranks 1.5 1.5 3, tau ranks 3 2 1: sums 4.5, 3.5 and 4.
        ("sspvs", [[0.5, 0.0], [0.5, 0.1], [0.4, 0.2]], 1),
        ("sspvs", [[0.4, 0.1], [0.5, NAN], [0.3, 0.2]], 0),  # an undefined tau has the last rank: all sums are 4
        ("csta", [[0.1, 0.2], [0.2, 0.1], [0.15, 0.25], [0.3, 0.2]], 2),  # epochs 1 and 3 raise tau alone
        ("csta", [[0.1, 0.1], [0.2, 0.2], [0.2, 0.3]], 1),  # an equal tau did not rise
        ("csta", [[0.3, 0.3], [0.2, 0.2]], 0),
        ("csta", [[NAN, 0.2], [0.1, 0.1], [0.05, 0.3]], 1),  # an undefined epoch is not kept
        ("csta", [[NAN, NAN], [NAN, NAN]], 0),
        ("ctvsum", [[0.9], [0.1], [0.2]], 2),
    ],
)
def test_made_tables(rule: EpochRule, table: Sequence[Sequence[float]], epoch: int) -> None:
    assert chosen_epoch(rule, np.array(table)) == epoch


def rank_by_counting(column: Sequence[float], place: int) -> float:
    """1 and one more for each better value, half of one for each equal other; an undefined value is the worst."""
    known = [-np.inf if np.isnan(value) else value for value in column]
    better = sum(other > known[place] for other in known)
    equal = sum(other == known[place] for other in known) - 1
    return 1 + better + equal / 2


@given(tables)
def test_the_least_sum_of_ranks(table: list[tuple[float, ...]]) -> None:
    columns = list(zip(*table, strict=True))
    sums = [sum(rank_by_counting(column, epoch) for column in columns) for epoch in range(len(table))]
    assert chosen_epoch("sspvs", np.array(table)) == sums.index(min(sums))


@given(rules, tables)
def test_what_is_chosen_in_the_end_was_kept_all_the_time(rule: EpochRule, table: list[tuple[float, ...]]) -> None:
    kept: set[int] = set()
    for epoch in range(len(table)):
        left = set(contenders(rule, np.array(table[: epoch + 1])))
        assert left <= kept | {epoch}  # weights that were deleted do not come back
        kept = left
    assert chosen_epoch(rule, np.array(table)) in kept


def test_of_one_figure_one_epoch_is_kept() -> None:
    assert contenders("sspvs", np.array([[0.1], [0.3], [0.3], [0.2]])) == [1]
    assert contenders("sspvs", np.array([[0.1, 0.3], [0.2, 0.2], [0.1, 0.2]])) == [0, 1]


def test_a_published_row_from_end_to_end(tmp_path: Path) -> None:
    """The epoch, the seed, the protocol and the rule of F1 are the config's; the tested weights are that epoch's."""
    names = ["f_score_max", "kendall_tau"]
    run = {"name": "tiny", "best_test": "sspvs", "best_by": names}
    config = write_config(tmp_path, published="sspvs", run=run, trainer__max_epochs=6, model__optim={"lr": 0.02})
    found = cross_validate(config, tmp_path / "out", checkpoint_rule="best-test", with_ridge=False)
    assert {record.seed for record in found.folds} == {12345}
    assert list(found.results) == ["per-user-frames"]
    assert found.results["per-user-frames"].settings["rule"]["values"] == "thousandths"  # `sspvs`
    by_video = {video.key: video for video in found.results["per-user-frames"].videos}
    for record in found.folds:
        with (found.out / "seed_12345" / f"fold_{record.fold}" / "metrics.csv").open(newline="") as file:
            rows = [[float(row[f"val/{name}"]) for name in names] for row in csv.DictReader(file) if row["val/loss"]]
        assert len(rows) == 6
        columns = list(zip(*rows, strict=True))
        sums = [sum(rank_by_counting(column, epoch) for column in columns) for epoch in range(6)]
        assert record.chosen.epoch == sums.index(min(sums))
        assert [record.figures[name] for name in names] == pytest.approx(rows[record.chosen.epoch], rel=1e-4)
        assert record.chosen.why == (
            "least sum of the ranks of f_score_max and kendall_tau of 6 validations on 3 tested videos"
        )
        tested = [by_video[video.rpartition("/")[2]] for video in record.test]
        assert record.figures["kendall_tau"] == pytest.approx(np.mean([video.kendall_tau for video in tested]))
        assert record.figures["f_score_max"] == pytest.approx(np.mean([video.f_score_max for video in tested]))


def test_a_figure_that_there_is_not_is_named(tmp_path: Path) -> None:
    run = {"name": "tiny", "best_test": "csta", "best_by": ["kendal_tau"]}
    config = write_config(tmp_path, run=run, trainer__max_epochs=1)
    with pytest.raises(
        ValueError, match=r"run\.best_by: there is no kendal_tau of the tested videos; take of .*kendall_tau"
    ):
        cross_validate(config, tmp_path / "out", checkpoint_rule="best-test", seeds=1)
