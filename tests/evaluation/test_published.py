"""Published results: the figures of the papers' tables, copied here a second time so that a typo shows."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

from sspvs.evaluation.protocol import PROTOCOLS
from sspvs.evaluation.published import PublishedResult, benchmark_name, published_results

# method | SumMe tau/rho | TVSum tau/rho | protocol on SumMe | epoch chosen on
STATE_OF_THE_ART = """
PGL-SUM 2021    | -         | .157/.206 | -               | train-loss
MSVA 2021       | .200/.230 | .190/.210 | summary-vs-mean | best-test
A2Summ 2023     | .108/.129 | .137/.165 | ?               | best-test
SSPVS 2023      | .178/.240 | .177/.233 | per-user-frames | best-test
SSPVS + text 2023 | .192/.257 | .181/.238 | per-user-frames | best-test
CSTA 2024       | .246/.274 | .194/.255 | summary-vs-mean | best-test
LLMVS 2025      | .253/.282 | .211/.275 | summary-vs-mean | best-test
SummDiff 2025   | .256/.285 | .195/.255 | summary-vs-mean | best-test
SummDiff 2025   | .133/.148 | .173/.226 | summary-vs-mean | val
CSTA 2024       | .108/-    | -         | summary-vs-mean | val
TripleSumm 2026 | .172/.192 | .200/.262 | ?               | val
LfVS 2024       | .130/.152 | .155/.186 | ?               | ?
LfVS + LfVS-P 2024 | .147/.171 | .169/.203 | ?            | ?
AgenticVS 2026  | .274/.308 | .220/.290 | ?               | ?
DR-DSN 2018     | -         | .020/.026 | -               | ?
CSNet 2019      | -         | .025/.034 | -               | ?
RS-SUM 2023     | -         | .080/.106 | -               | ?
"""
# The protocol belongs to the dataset: these are summary-vs-mean on SumMe and per-user on TVSum.
PER_USER_ON_TVSUM = {"CSTA", "LLMVS", "SummDiff"}
SAME_ON_BOTH = {"MSVA": "summary-vs-mean", "SSPVS": "per-user-frames", "SSPVS + text": "per-user-frames"}
# dataset, method | F1 canonical | F1 augmented | tau | rho
F1_TABLE = """
summe SSPVS        | 48.7 | 50.4 | .178 | .240
summe SSPVS + text | 50.7 |      | .192 | .257
tvsum SSPVS        | 60.3 | 61.8 | .177 | .233
tvsum SSPVS + text | 60.4 |      | .181 | .238
summe Prompts-to-Summaries | 56.73 | | | |
tvsum Prompts-to-Summaries | 62.21 | | | |
"""
UNSUPERVISED = {"DR-DSN", "CSNet", "RS-SUM", "Prompts-to-Summaries"}
READ_TEXT = {
    "A2Summ",
    "SSPVS + text",
    "LLMVS",
    "TripleSumm",
    "LfVS",
    "LfVS + LfVS-P",
    "AgenticVS",
    "Prompts-to-Summaries",
}


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def _number(text: str) -> float | None:
    return None if text in ("", "-") else float(text)


def _expected() -> set[tuple[Any, ...]]:
    found = set()
    for name, summe, tvsum, protocol, rule in _rows(STATE_OF_THE_ART):
        method, year = name.rsplit(" ", 1)
        for dataset, pair in (("summe", summe), ("tvsum", tvsum)):
            if pair == "-":
                continue
            tau, rho = (_number(part) for part in pair.split("/"))
            used: str | None = protocol if dataset == "summe" else SAME_ON_BOTH.get(method)
            if dataset == "tvsum" and method in PER_USER_ON_TVSUM:
                used = "per-user"
            known_rule = None if rule == "?" else rule
            found.add((method, int(year), dataset, tau, rho, None if used == "?" else used, known_rule))
    return found


def test_every_correlation_of_the_table_is_there_and_no_other() -> None:
    ours = [
        (row.method, row.year, row.dataset, row.kendall_tau, row.spearman_rho, row.protocol, row.checkpoint_rule)
        for row in published_results()
        if row.kendall_tau is not None
    ]
    assert len(ours) == len(set(ours)) == len(_expected())
    assert set(ours) == _expected()


def test_the_f1_in_both_settings() -> None:
    expected = set()
    for name, canonical, augmented, *correlations in _rows(F1_TABLE):
        tau, rho = map(_number, correlations[:2])
        dataset, method = name.split(" ", 1)
        reduction = {"summe": "max", "tvsum": "avg"}[dataset]
        expected.add((dataset, method, "canonical", float(canonical), reduction, tau, rho))
        if augmented:
            expected.add((dataset, method, "augmented", float(augmented), reduction, None, None))
    ours = {
        (r.dataset, r.method, r.setting, round(100 * r.f_score, 9), r.f_score_reduction, r.kendall_tau, r.spearman_rho)
        for r in published_results()
        if r.f_score is not None
    }
    assert ours == expected


def test_who_reads_text_and_who_learns_from_annotations() -> None:
    rows = published_results()
    assert {row.method for row in rows if not row.supervised} == UNSUPERVISED
    assert {row.method for row in rows if row.text} == READ_TEXT
    assert all("text" in row.note for row in rows if row.text)


def test_what_is_not_known_is_said() -> None:
    for row in published_results():
        assert row.source
        if row.protocol is None:
            assert "protocol" in row.note


def test_filters() -> None:
    everything = published_results()
    assert {row.dataset for row in published_results("TVSum")} == {"tvsum"}
    assert published_results("eccv16_dataset_summe_google_pool5") == published_results("summe")
    assert published_results("mr_hisum") == ()
    for protocol in PROTOCOLS:
        assert published_results(protocol=protocol) == tuple(row for row in everything if row.protocol == protocol)
    methods = [row.method for row in published_results("tvsum", "per-user")]
    assert methods == ["CSTA", "LLMVS", "SummDiff", "SummDiff"]
    assert {row.setting for row in published_results(setting="augmented")} == {"augmented"}
    assert published_results(setting="transfer") == ()


@pytest.mark.parametrize(("name", "value"), [("protocol", "per_user"), ("setting", "canon")])
def test_a_filter_that_cannot_match_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        published_results(**{name: value})


@pytest.mark.parametrize(
    ("name", "benchmark"),
    [("summe", "summe"), ("TVSum", "tvsum"), ("eccv16_dataset_tvsum_google_pool5", "tvsum"), ("my_tvsum", None)],
)
def test_only_the_benchmark_itself_has_published_results(name: str, benchmark: str | None) -> None:
    assert benchmark_name(name) == benchmark


def test_every_row_of_the_file_has_every_field_of_its_kind() -> None:
    text = resources.files("sspvs.evaluation").joinpath("published.json").read_text(encoding="utf-8")
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no strict JSON"))
    kinds: dict[str, Any] = {
        "method": str,
        "year": int,
        "dataset": str,
        "setting": str,
        "kendall_tau": (float, type(None)),
        "spearman_rho": (float, type(None)),
        "f_score": (float, type(None)),
        "f_score_reduction": (str, type(None)),
        "protocol": (str, type(None)),
        "checkpoint_rule": (str, type(None)),
        "text": bool,
        "supervised": bool,
        "source": str,
        "note": str,
    }
    for row in document["results"]:
        assert set(row) == set(kinds)
        for name, kind in kinds.items():
            assert isinstance(row[name], kind), (row["method"], name)
        assert row["dataset"] in ("summe", "tvsum")
        assert 2015 < row["year"] < 2030


GOOD: dict[str, Any] = {
    "method": "M", "year": 2024, "dataset": "summe", "setting": "canonical", "kendall_tau": 0.1, "spearman_rho": 0.2,
    "f_score": None, "f_score_reduction": None, "protocol": "per-user", "checkpoint_rule": "val", "text": False,
    "supervised": True, "source": "S",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"setting": "canon"}, "setting"),
        ({"protocol": "otani"}, "protocol"),
        ({"checkpoint_rule": "best"}, "checkpoint_rule"),
        ({"kendall_tau": 17.7}, "kendall_tau"),
        ({"spearman_rho": float("nan")}, "spearman_rho"),
        ({"f_score": 48.7, "f_score_reduction": "max"}, "f_score"),
        ({"f_score": 0.5}, "f_score_reduction"),
        ({"f_score": 0.5, "f_score_reduction": "mean"}, "f_score_reduction"),
        ({"kendall_tau": None, "spearman_rho": None}, "no figure"),
    ],
)
def test_a_row_that_cannot_be_true_is_refused(changes: dict[str, Any], word: str) -> None:
    PublishedResult(**GOOD)
    with pytest.raises(ValueError, match=word):
        PublishedResult(**{**GOOD, **changes})
