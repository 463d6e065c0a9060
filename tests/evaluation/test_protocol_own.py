"""A protocol of one's own: registered by name from outside the package, it evaluates like the package's own."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn_dataset import drawn_video, write_drawn_dataset
from scipy.stats import kendalltau

from sspvs.cli import main
from sspvs.evaluation.prediction import Prediction
from sspvs.evaluation.protocol import PROTOCOLS, Protocol, protocol_names, protocols_named
from sspvs.evaluation.requirements import baseline_unavailable, unavailable
from sspvs.evaluation.summary_rule import SummaryRule

SENTENCE = "the binary 15 % summary at every frame against each user's, then the mean over users"


@pytest.fixture
def own() -> Iterator[Protocol]:
    """The protocol `summary-vs-users`, registered during a test."""
    protocol = Protocol("summary-vs-users", "summary", "frames", lambda video: video.user_summaries, SENTENCE)
    yield PROTOCOLS.register(protocol.name)(protocol)
    del PROTOCOLS._found[protocol.name]


def test_the_command_line_evaluates_with_it(own: Protocol, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_drawn_dataset(tmp_path / "summe.h5", ratings=True)
    scores = {f"video_{n}": np.random.default_rng(n).random(len(drawn_video(n).picks)).tolist() for n in range(1, 8)}
    (tmp_path / "mine.json").write_text(json.dumps(scores))
    flags = ["--scores", str(tmp_path / "mine.json"), "--protocol", own.name, "--draws", "3"]
    out, page, picture = (tmp_path / name for name in ("r.json", "r.html", "r.png"))
    written = ["--out", str(out), "--report", str(page), "--picture", str(picture)]
    assert main(["evaluate", "--dataset", str(dataset), *flags, *written]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"{own.name}: {SENTENCE}" in shown
    assert "human: each user against each other user" in shown
    assert SENTENCE in html.unescape(page.read_text())
    found = json.loads(out.read_text())
    assert found["protocol"] == own.name
    assert found["settings"]["protocol_sentence"] == SENTENCE
    assert set(found["baselines"]) == {"human", "random", "consensus"}
    for video in found["videos"].values():
        annotations = drawn_video(int(video["key"].removeprefix("video_")), ratings=True)
        prediction = Prediction.of(scores[video["key"]], annotations)
        assert annotations.shots is not None
        assert annotations.user_summaries is not None
        summary = SummaryRule().summarize(prediction.at_frames, annotations.shots)
        taus = [kendalltau(summary, user)[0] for user in annotations.user_summaries]
        assert video["kendall_tau"] == pytest.approx(np.mean(taus))


def test_it_is_among_all_protocols_while_it_is_registered(own: Protocol) -> None:
    assert protocol_names()[-2:] == (own.name, "all")
    assert protocols_named("all")[-1] is own


def test_a_video_without_its_references_is_refused_with_the_reason(own: Protocol) -> None:
    annotations = drawn_video(1)
    assert unavailable(own, annotations) is None
    assert unavailable(own, replace(annotations, user_summaries=None)) == (
        "needs references that this dataset does not have"
    )
    assert "needs shots" in str(unavailable(own, replace(annotations, shots=None)))
    assert annotations.user_summaries is not None
    one = replace(annotations, user_summaries=annotations.user_summaries[:1], user_scores=None)
    assert "at least two users" in str(baseline_unavailable("human", own, one))


@pytest.mark.parametrize(
    ("prediction", "clock", "reference"),
    [("summary", "picks", "users"), ("scores", "picks", "mean-summary"), ("scores", "frames", "gtscore")],
)
def test_predictions_and_references_are_on_one_clock(prediction: str, clock: str, reference: str) -> None:
    with pytest.raises(ValueError, match="on the clock"):
        Protocol("mine", prediction, clock, reference, "")  # type: ignore[arg-type]
