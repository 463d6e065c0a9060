"""The comparison table: what may stand beside what, and how it reads."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.evaluation_builder import ALL, build_evaluation, build_result

from sspvs.benchmark.rows import refined_row
from sspvs.evaluation.comparison import comparison_table
from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.published import PublishedResult, published_results
from sspvs.evaluation.results import METRICS
from sspvs.evaluation.table import F1, Block, Column, Figure, Row, interval, number
from sspvs.evaluation.text import render_text

NAMES = [f"video number {index}" for index in range(25)]


def lines_of(text: str, label: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip().startswith(label)]


def test_methods_come_first_then_the_baselines_then_what_was_published() -> None:
    table = comparison_table(build_evaluation(["mine", "other"], dataset="tvsum"), published_results())
    rows = [(row.label, row.group) for row in table.block("per-user").rows]
    assert rows == [
        ("mine", "methods"),
        ("other", "methods"),
        ("contrastive", "baselines"),
        ("consensus", "baselines"),
        ("human", "baselines"),
        ("random", "baselines"),
        ("CSTA 2024", "published"),
        ("LLMVS 2025", "published"),
        ("SummDiff 2025", "published"),
    ]


@pytest.mark.parametrize("combine", ["a", "g", "h", "ag", "ah", "gh", "agh"])
@pytest.mark.parametrize("beside", [False, True])
def test_each_combination_of_terms_is_explained(combine: str, beside: bool) -> None:
    known = {"a": "local dissimilarity", "g": "global consistency", "h": "uniqueness"}
    name = refined_row(combine)
    found = build_evaluation(["mine", name])
    if beside:
        found = replace(found, methods={"mine": found.methods["mine"]},
                        baselines={**found.baselines, name: found.methods[name]})  # fmt: skip
    rows = comparison_table(found).block("per-user").rows
    (row,) = [row for row in rows if row.label == name]
    assert row.detail == "of refined features: " + " times ".join(known[term] for term in combine)
    assert rows.index(row) == 1  # before the baselines
    assert f"{name}: {row.detail}" in render_text(comparison_table(found))


@pytest.mark.parametrize("dataset", ["summe", "tvsum", "eccv16_dataset_summe_google_pool5"])
def test_every_published_figure_stands_under_its_own_protocol_or_apart(dataset: str) -> None:
    table = comparison_table(build_evaluation(dataset=dataset, protocols=ALL), published_results())
    placed, apart = set(), " ".join(" ".join(each.figures) for each in table.apart)
    for block in table.blocks:
        for column in block.columns:
            for label, figure in column.figures.items():
                if next(row for row in block.rows if row.label == label).group == "published":
                    placed.add((label, block.measure, column.metric, column.best_test, figure.value))
    expected = set()
    for row in published_results("summe" if "summe" in dataset else "tvsum"):
        label = f"{row.method} {row.year}" + ("" if row.setting == "canonical" else f", {row.setting}")
        best = row.checkpoint_rule == "best-test"
        for metric, value in (("kendall_tau", row.kendall_tau), ("spearman_rho", row.spearman_rho)):
            if value is not None and row.protocol is not None:
                expected.add((label, row.protocol, metric, best, value))
            if value is not None:
                assert (f"{label} {row.kendall_tau:.3f}".replace(" 0.", " .") in apart) == (row.protocol is None)
        if row.f_score is not None and row.checkpoint_rule is None:
            assert f"{label} {row.f_score:.3f} {row.f_score_reduction}".replace(" 0.", " .") in apart
        elif row.f_score is not None:
            expected.add((label, F1, f"f_score_{row.f_score_reduction}", best, row.f_score))
    assert placed == expected


def test_the_fall_from_the_test_epoch_to_a_validation_fold_shows_in_one_row() -> None:
    evaluation = build_evaluation(protocols=["summary-vs-mean"])
    block = comparison_table(evaluation, published_results()).block("summary-vs-mean")
    for best_test, value in ((True, 0.246), (False, 0.108)):
        figure = block.column("kendall_tau", best_test).figures.get("CSTA 2024")
        assert figure is not None
        assert figure.value == value


def test_a_published_figure_of_another_protocol_or_of_none_is_named_with_the_reason() -> None:
    text = render_text(comparison_table(build_evaluation(), published_results()), 120)
    joined = " ".join(text.split())
    assert "under summary-vs-mean, which was not computed here: MSVA 2021 .200 / .230*;" in joined
    assert "protocol not known (the protocol is not stated): TripleSumm 2026 .172 / .192 (validation)" in joined
    assert "TripleSumm" not in text.split("Published, but in no column")[0]


def test_a_published_figure_whose_checkpoint_rule_is_not_known_stands_apart() -> None:
    known = published_results("tvsum", "per-user")[0]
    unknown = replace(known, method="X", checkpoint_rule=None)
    table = comparison_table(build_evaluation(dataset="tvsum"), [known, unknown])
    assert [row.label for row in table.block("per-user").rows if row.group == "published"] == ["CSTA 2024"]
    assert table.apart[0].reason == "under per-user, checkpoint rule not known"


def test_published_results_of_other_datasets_are_left_out() -> None:
    for dataset in ("tvsum", "my_own_videos"):
        table = comparison_table(build_evaluation(dataset=dataset), published_results("summe"))
        assert not table.apart
        assert all(row.group != "published" for block in table.blocks for row in block.rows)


COLUMN = {"metric": "kendall_tau", "measure": "per-user", "best_test": False, "dataset": "summe"}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"measure": "per-user-frames"}, "protocol"),
        ({"measure": "summary-vs-mean"}, "protocol"),
        ({"best_test": True}, "best_test"),
        ({"dataset": "tvsum"}, "dataset"),
        ({"metric": "spearman_rho"}, "metric"),
    ],
)
def test_a_column_refuses_figures_of_another_kind(changes: dict[str, object], word: str) -> None:
    column = Column(**COLUMN)  # type: ignore[arg-type]
    column.add("mine", Figure(value=0.1, **COLUMN))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=word):
        column.add("other", Figure(value=0.1, **{**COLUMN, **changes}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="already"):
        column.add("mine", Figure(value=0.2, **COLUMN))  # type: ignore[arg-type]
    assert list(column.figures) == ["mine"]


def test_a_block_refuses_another_protocol_and_a_label_of_two_kinds() -> None:
    block = Block("per-user", "", "summe")
    block.add(Row("mine", "methods"), Figure(0.1, "kendall_tau", "per-user", False, "summe"))
    with pytest.raises(ValueError, match="per-user-frames"):
        block.add(Row("other", "methods"), Figure(0.1, "kendall_tau", "per-user-frames", False, "summe"))
    with pytest.raises(ValueError, match="mine"):
        block.add(Row("mine", "published"), Figure(0.1, "spearman_rho", "per-user", False, "summe"))
    assert [row.label for row in block.rows] == ["mine"]


@pytest.mark.parametrize(
    ("metric", "measure"), [("kendall_tau", "otani"), ("kendall_tau", F1), ("f_score_avg", "per-user")]
)
def test_a_figure_without_its_protocol_does_not_exist(metric: str, measure: str) -> None:
    with pytest.raises(ValueError, match="protocol"):
        Figure(0.1, metric, measure, False, "summe")


def test_a_method_called_like_a_published_one_keeps_its_own_row() -> None:
    evaluation = build_evaluation(["CSTA 2024"], dataset="tvsum")
    block = comparison_table(evaluation, published_results()).block("per-user")
    assert [row.label for row in block.rows if "CSTA" in row.label] == ["CSTA 2024", "CSTA 2024 (published)"]


def test_the_best_test_epoch_of_a_method_stands_in_its_own_marked_column() -> None:
    honest = build_result("a", taus=[0.11, 0.12, 0.13])
    chosen = build_result("b", taus=[0.21, 0.22, 0.23], checkpoint_rule="best-test")
    evaluation = replace(build_evaluation(), methods={"a": {"per-user": honest}, "b": {"per-user": chosen}})
    block = comparison_table(evaluation).block("per-user")
    assert [(c.metric, c.best_test) for c in block.columns] == [
        ("kendall_tau", False),
        ("spearman_rho", False),
        ("kendall_tau", True),
        ("spearman_rho", True),
    ]
    assert block.column("kendall_tau", True).figures.get("a") is None
    assert block.column("kendall_tau", False).figures.get("b") is None
    text = render_text(comparison_table(evaluation), 120)
    (line,) = [line for line in text.splitlines() if line.startswith("b ")][:1]
    head = next(line for line in text.splitlines() if "tau*" in line)
    assert line.index(".2200") == head.index("tau*")
    assert "* The epoch was chosen on the test videos" in text
    assert "* The epoch" not in render_text(comparison_table(build_evaluation()), 120)


def test_the_figures_in_the_text_are_those_of_the_results() -> None:
    evaluation = build_evaluation({"mine": 0.2}, names=NAMES)
    text = render_text(comparison_table(evaluation), 120)
    spread = evaluation.methods["mine"]["per-user"].spreads["kendall_tau"]
    (line, *_) = lines_of(text, "mine")
    mean, low, high = (float(found) for found in re.findall(r"-?\d*\.\d+", line)[:3])
    assert mean == round(spread.mean, 4)
    assert (low, high) == (round(spread.ci95[0], 3), round(spread.ci95[1], 3))


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140])
@pytest.mark.parametrize(
    "methods", [["m"], ["a_rather_long_name_of_a_run_epoch_37", "a_rather_long_name_of_a_run_epoch_38"]]
)
def test_no_line_is_wider_than_the_terminal_and_points_stand_below_each_other(width: int, methods: list[str]) -> None:
    evaluation = build_evaluation(methods, names=NAMES, protocols=ALL, dataset="summe")
    evaluation.methods[methods[0]]["per-user"] = build_result("x", names=NAMES, checkpoint_rule="best-test")
    text = render_text(comparison_table(evaluation, published_results()), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert text.isascii()
    assert "\x1b" not in text
    rule = [index for index, line in enumerate(text.splitlines()) if set(line) == {"-"}]
    for start, end in zip(rule[::2], rule[1::2], strict=True):
        body = [line for line in text.splitlines()[start + 1 : end] if "." in line]
        heads = [found.start() for found in re.finditer(r"(tau|rho|F1)", text.splitlines()[start - 1])]
        for line in body:
            bare = re.sub(r"\[.*?\]", lambda found: " " * len(found.group()), line)
            cells = [found.start() for found in re.finditer(r"\.\d{3,4}\b", bare)]
            assert cells
            assert set(cells) <= set(heads), line


def test_names_that_are_cut_keep_their_ends() -> None:
    methods = [f"{'a_very_long_name' * 4}_epoch_{index}" for index in (37, 38)]
    text = render_text(comparison_table(build_evaluation(methods, compare=False)), 80)
    assert "epoch_37 " in text
    assert "epoch_38 " in text


def test_eighty_columns_show_the_intervals_of_tau_and_rho() -> None:
    evaluation = build_evaluation(["contrastive-ag", "mine"], names=NAMES)
    text = render_text(comparison_table(evaluation), 80)
    for label in ("mine", "human"):
        assert lines_of(text, label)[0].count("[") == 2


def test_wide_letters_count_twice_and_control_characters_never_reach_the_terminal() -> None:
    evaluation = build_evaluation(["要約モデル", "evil\x1b[2J\nname"], warnings=("see \x07 this",))
    text = render_text(comparison_table(evaluation), 100)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "evil?[2J?name" in text
    wide, narrow = (
        next(line for line in text.splitlines() if line.startswith(name)) for name in ("要約モデル", "evil")
    )
    assert wide.index(" [") + 5 == narrow.index(" [")


def test_what_has_no_correlation_is_counted_and_shown_as_a_dash() -> None:
    constant = build_result("flat", taus=[np.nan] * 3, undefined=60, f_score=0.3)
    partly = build_result("partly", taus=[np.nan, 0.1, 0.2], undefined=20)
    evaluation = replace(build_evaluation(), methods={"flat": {"per-user": constant}, "partly": {"per-user": partly}})
    text = render_text(comparison_table(evaluation), 120)
    assert re.search(r"^flat +- +-$", text, re.MULTILINE)
    assert "flat: 60 of 60 pairs left out, since one side is constant and has no correlation." in text
    assert "partly: mean over 2 of 3 videos; the others have no correlation." in text
    assert "nan" not in text.lower()
    assert lines_of(text, "flat")[-1].count(".") > 2  # its F1 is there


def test_an_unavailable_protocol_is_named_with_the_reason_and_has_no_block() -> None:
    evaluation = build_evaluation(protocols=ALL, unavailable={"per-user-frames": "ratings are known only at the picks"})
    table = comparison_table(evaluation)
    assert [block.measure for block in table.blocks] == ["per-user", "summary-vs-mean", "mean-annotator", F1]
    assert "per-user-frames is not available: ratings are known only at the picks" in render_text(table, 120)


def test_nothing_can_be_computed() -> None:
    evaluation = build_evaluation(protocols=["per-user"], unavailable={"per-user": "no users"}, baselines=())
    text = render_text(comparison_table(evaluation, published_results()), 80)
    assert "per-user is not available: no users" in text


def test_without_users_f1_is_left_out() -> None:
    table = comparison_table(build_evaluation(dataset="mr_hisum", protocols=["mean-annotator"], f_score=None))
    assert [block.measure for block in table.blocks] == ["mean-annotator"]


def test_the_human_row_says_what_it_is_under_each_protocol() -> None:
    table = comparison_table(build_evaluation(protocols=ALL))
    for name, protocol in ((name, PROTOCOLS[name]) for name in ALL):
        (row,) = [row for row in table.block(name).rows if row.label == "human"]
        others = "each user against each other user" if protocol.reference == "users" else "the mean of the others"
        assert others in row.detail


def test_the_protocol_is_spelled_out_and_the_comparison_is_read_as_a_sentence() -> None:
    evaluation = build_evaluation(["A", "B"], coverage={"n_dataset": 25, "n_tested": 18, "splits": "s.json"})
    text = " ".join(render_text(comparison_table(evaluation), 80).split())
    assert f"per-user: {PROTOCOLS['per-user'].sentence}" in text
    assert "A - B: tau +.0120 [-.003, .027], p = .12; rho +.0120 [-.003, .027], p = .12 (3 videos)" in text
    assert "videos: 18 of 25 tested" in text
    assert "splits: s.json" in text


def test_a_hash_is_shown_by_its_beginning() -> None:
    evaluation = build_evaluation(settings={"dataset_sha256": "0123456789abcdef" * 4})
    assert "dataset sha256: 0123456789ab..." in render_text(comparison_table(evaluation), 80)


def test_a_comparison_with_a_best_test_epoch_is_marked() -> None:
    evaluation = build_evaluation(["A", "B"])
    evaluation.methods["B"]["per-user"] = build_result("B", checkpoint_rule="best-test")  # type: ignore[index]
    assert "A - B*: tau" in render_text(comparison_table(evaluation), 120)


def test_the_width_follows_the_terminal_and_is_plain_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    table = comparison_table(build_evaluation(names=NAMES), published_results())
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert render_text(table) == render_text(table, columns)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.17744, 4, ".1774"),
        (-0.0123, 4, "-.0123"),
        (1.0, 4, "1.0000"),
        (-1.0, 3, "-1.000"),
        (0.99999, 4, "1.0000"),
        (-0.00001, 4, ".0000"),
        (0.0, 3, ".000"),
        (float("nan"), 4, "-"),
        (None, 4, "-"),
        (10.05, 2, "10.05"),
    ],
)
def test_numbers_as_the_field_writes_them(value: float | None, digits: int, text: str) -> None:
    assert number(value, digits) == text


def test_intervals() -> None:
    assert interval((-0.0031, 0.0274)) == "[-.003, .027]"
    assert interval((float("nan"), float("nan"))) == ""
    assert interval(None) == ""


def test_every_metric_has_its_column() -> None:
    table = comparison_table(build_evaluation())
    assert {column.metric for block in table.blocks for column in block.columns} == set(METRICS)


def test_only_published_results_are_taken() -> None:
    rows: tuple[PublishedResult, ...] = published_results("summe")
    assert comparison_table(build_evaluation(), iter(rows)).apart  # any iterable will do
