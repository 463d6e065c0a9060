"""Results that show themselves: in print, in a notebook, as a pandas table."""

from __future__ import annotations

import base64
import json
import re
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_dataset import drawn_video, write_drawn_dataset

import sspvs
from sspvs.cli import main
from sspvs.errors import MissingExtraError
from sspvs.evaluation.comparison import Evaluation, ShownEvaluation
from sspvs.evaluation.published import published_results
from sspvs.evaluation.results import METRICS
from sspvs.evaluation.text import render_html, render_text
from sspvs.report.notebook import ShownSummary
from sspvs.types import DecodeReport, Fingerprint, Shots, Summary, Timeline, VideoInfo

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("d")
    write_drawn_dataset(out / "summe.h5")
    scores = {f"video_{n}": np.random.default_rng(n).random(len(drawn_video(n).picks)).tolist() for n in range(1, 8)}
    (out / "mine.json").write_text(json.dumps(scores))
    return out


@pytest.fixture(scope="module")
def evaluation(folder: Path) -> Evaluation:
    return sspvs.evaluate(folder / "summe.h5", folder / "mine.json", protocol="all", draws=3)


def test_an_evaluation_prints_as_the_command_does(
    evaluation: Evaluation, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--scores", str(folder / "mine.json"), "--protocol", "all", "--draws", "3"]
    assert main(["evaluate", "--dataset", str(folder / "summe.h5"), *flags]) == 0
    assert capsys.readouterr().out == f"{evaluation}\n"
    assert str(evaluation) == render_text(evaluation.table())


class Cells(HTMLParser):
    """The cells of each table, and every element."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag == "td":
            self.tables[-1][-1].append("")

    def handle_data(self, data: str) -> None:
        if self.tags[-1] == "td":
            self.tables[-1][-1][-1] += data.strip()


def test_a_notebook_shows_the_same_figures_without_scripts(evaluation: Evaluation) -> None:
    table = evaluation.table(published_results())
    cells = Cells(render_html(table))
    assert len(cells.tables) == len(table.blocks) == 5
    for block, (head, *rows) in zip(table.blocks, cells.tables, strict=True):
        assert len(head) == 1 + len(block.columns)
        assert [row[0] for row in rows] == [row.label for row in block.rows]
        figure = block.columns[0].figures["mine"]
        assert rows[0][1] == f"{figure.text} {figure.interval}".strip()
    assert not {"script", "style"} & set(cells.tags)
    assert evaluation._repr_html_().startswith("<h3>SumMe</h3>")


def test_an_evaluation_becomes_a_row_a_method_protocol_and_video(evaluation: Evaluation) -> None:
    pytest.importorskip("pandas")
    frame = evaluation.to_dataframe()
    assert list(frame.columns[:5]) == ["method", "baseline", "protocol", "key", "name"]
    assert len(frame) == 4 * 4 * 7  # mine, human, random, consensus; protocols; videos
    for method, results in {**evaluation.methods, **evaluation.baselines}.items():
        for protocol, result in results.items():
            rows = frame[(frame.method == method) & (frame.protocol == protocol)]
            for metric in METRICS:
                np.testing.assert_array_equal(rows[metric], result.values(metric))
    assert set(frame[frame.baseline].method) == set(evaluation.baselines)


@dataclass(frozen=True)
class Whole(ShownEvaluation):
    """A result that has an evaluation."""

    found: Evaluation

    @property
    def evaluation(self) -> Evaluation:
        return self.found


def test_a_result_with_an_evaluation_shows_it(evaluation: Evaluation) -> None:
    whole = Whole(evaluation)
    assert str(whole) == str(evaluation)
    assert whole._repr_html_() == evaluation._repr_html_()
    assert list(whole.records()) == list(evaluation.records())


def test_without_pandas_the_error_says_what_to_install(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        evaluation.to_dataframe()


@dataclass(frozen=True)
class OwnSummary(ShownSummary, Summary):
    """A summary that is shown."""

    saved: Path | None = None

    @property
    def clip(self) -> Path | None:
        return self.saved


def own_summary(saved: Path | None = None, name: str = "a.mp4") -> OwnSummary:
    shots = Shots.from_starts(np.array([0, 50, 100]), 150)
    picks = np.arange(0, 150, 10)
    return OwnSummary(
        info=VideoInfo(name, 160, 90, 25.0, 6.0, 150, has_audio=False, codec="h264"),
        timeline=Timeline(np.arange(150) / 25, 6.0),
        decode=DecodeReport(150, 150, 0, "pyav"),
        scorer="contrastive",
        fingerprint=Fingerprint("b", "ab" * 32, "t", "n", 2.5),
        picks=picks,
        scores=picks / 150,
        shots=shots,
        shot_scores=np.array([0.1, 0.5, 0.9]),
        selected=np.array([False, False, True]),
        segments=shots.bounds[2:],
        keyframes=np.array([25, 75, 125]),
        budget_frames=50,
        thumbnails=tuple(b"picture %d" % pick for pick in picks),
        saved=saved,
    )


def test_a_summary_prints_its_length_and_its_shots() -> None:
    assert str(own_summary()).splitlines() == [
        "a.mp4: This video of 6 s has 3 shots. The summary, 2 s of at most 2 s, shows 1 of them.",
        "  Shot 3     0:04 - 0:06           2 s  importance 0.80  the most important moment",
    ]


def test_a_summary_becomes_a_row_a_shot() -> None:
    pytest.importorskip("pandas")
    frame = own_summary().to_dataframe()
    assert frame.shot.tolist() == [1, 2, 3]
    assert frame.start_frame.tolist() == [0, 50, 100]
    assert frame.end_seconds.tolist() == pytest.approx([2, 4, 6])
    assert frame.selected.tolist() == [False, False, True]


def test_a_notebook_shows_curve_key_frames_and_the_saved_clip(tmp_path: Path) -> None:
    page = own_summary()._repr_html_()
    pictures = [base64.b64decode(data) for data in re.findall(r"base64,([^\"]*)", page)]
    assert pictures[0].startswith(b"\x89PNG")
    assert pictures[1:] == [b"picture 120"]  # the pick nearest to the key frame of the one selected shot
    assert "<video" not in page
    (tmp_path / "summary.mp4").write_bytes(b"clip")
    saved = own_summary(tmp_path / "summary.mp4")._repr_html_()
    assert f"data:video/mp4;base64,{base64.b64encode(b'clip').decode()}" in saved


def test_names_do_not_become_markup(evaluation: Evaluation) -> None:
    assert HOSTILE not in own_summary(name=HOSTILE.replace("/", "") + HOSTILE)._repr_html_()
    methods = {HOSTILE: evaluation.methods["mine"]}
    assert HOSTILE not in Evaluation(HOSTILE, evaluation.protocols, methods, warnings=(HOSTILE,))._repr_html_()
