"""summary.json and scores.csv against what the summary says, frame by frame."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.summary_builder import HOSTILE, SummaryBuilder
from hypothesis import given
from hypothesis import strategies as st

from sspvs.errors import OutputError
from sspvs.report import write_scores_csv, write_summary_json
from sspvs.report.tables import plain


def refuse(constant: str) -> float:
    raise AssertionError(f"not strict JSON: {constant}")


def test_json_is_the_summary_and_says_what_made_it(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    summary = make_summary()
    write_summary_json(summary, tmp_path / "summary.json")
    document = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert document.pop("generated_by").startswith("sspvs")
    assert document == json.loads(json.dumps(summary.as_dict()))


def test_json_is_strict_whatever_the_settings_and_scores_are(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    summary = make_summary()
    scores = summary.scores.copy()
    scores[3] = math.nan
    settings = {"a": np.float32(0.5), "b": math.inf, "c": Path("x/y"), "d": np.arange(3), "e": {"f": (1, None)}}
    summary = replace(summary, scores=scores, settings=settings, title=HOSTILE, warnings=(HOSTILE,))
    write_summary_json(summary, tmp_path / "summary.json")
    document = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert document["scores"][3] is None
    assert document["settings"] == {"a": 0.5, "b": None, "c": str(Path("x/y")), "d": [0, 1, 2], "e": {"f": [1, None]}}
    assert document["title"] == HOSTILE
    assert document["warnings"] == [HOSTILE]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    )
)
def test_plain_values_always_dump_strictly(value: object) -> None:
    reduced = plain(value)
    assert json.loads(json.dumps(reduced, allow_nan=False)) == reduced


def test_csv_rows_agree_with_a_frame_by_frame_count(make_summary: SummaryBuilder, tmp_path: Path) -> None:
    # A segment that is only a part of its shot, as when nothing fits the budget.
    summary = replace(make_summary(), segments=np.array([[60, 85], [150, 200]], dtype=np.int64))
    write_scores_csv(summary, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["pick"]) for row in rows] == summary.picks.tolist()
    assert list(rows[0]) == [
        "pick",
        "seconds",
        "score",
        "local_dissimilarity",
        "global_consistency",
        "shot_index",
        "selected",
    ]
    for index, row in enumerate(rows):
        pick = int(row["pick"])
        shot = next(i for i, (start, end) in enumerate(summary.shots) if start <= pick < end)
        assert int(row["shot_index"]) == shot
        assert row["selected"] == str(int(any(start <= pick < end for start, end in summary.segments)))
        assert float(row["seconds"]) == pytest.approx(pick / 25.0)
        assert float(row["score"]) == pytest.approx(summary.scores[index], rel=1e-8)
        assert float(row["global_consistency"]) == pytest.approx(summary.curves["global_consistency"][index], rel=1e-8)


def test_a_place_that_cannot_be_written_is_one_line_and_leaves_nothing(
    make_summary: SummaryBuilder, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="cannot write") as caught:
        write_summary_json(make_summary(), tmp_path / "missing" / "summary.json")
    assert "\n" not in str(caught.value)
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError, match="taken"):
        write_scores_csv(make_summary(), tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
