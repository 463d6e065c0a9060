"""Model cards of refined checkpoints: how scores come from them, and figures of a cross-validation of refinement."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.card_material import MADE_BY, crossvalidated, fold_record, sections, written
from helpers.tiny_refined import tiny_refined
from helpers.tiny_summarizers import tiny_summarizer

from sspvs.errors import CheckpointError
from sspvs.export import export_onnx, model_card
from sspvs.export.figures import Figures
from sspvs.export.source import CheckpointFacts
from sspvs.scorers import load_scorer
from sspvs.types import FrameFeatures


def test_what_a_checkpoint_says_of_itself(tmp_path: Path) -> None:
    task = tiny_refined(fingerprint=MADE_BY)
    folder = task.save_pretrained(tmp_path / "mine")
    text = model_card(folder, name="somebody/mine", on_hub=True, license="mit")
    card = sections(text)
    assert list(card) == [
        "front", "head", "Use", "Scores", "Features", "Figures", "Limits", "Settings", "Initialised from", "Licence"
    ]  # fmt: skip
    assert card["front"]["tags"] == ["sspvs", "video-summarization", "unsupervised", "contrastive"]
    assert "A refiner of frame features" in card["head"]
    assert "sspvs summarize video.mp4 --scorer somebody/mine --download --out" in card["Use"]
    assert "floor(0.1 T) frames j, at least one" in card["Scores"]
    assert "p = `a` times `g` times `h`, and the score p + 0.05, then smoothed" in card["Scores"]
    assert MADE_BY.digest in card["Features"]
    assert "It never saw what people find important" in card["Limits"]
    assert "In videos of fewer than 20 frames each frame is its own only neighbour" in card["Limits"]
    assert f"{sum(tensor.numel() for tensor in task.state_dict().values()):,} numbers" in card["Settings"]
    assert "alignment 1.0, uniformity 0.5, commonness 0.1, uniqueness 0.1" in card["Settings"]
    assert card["Initialised from"].startswith("\nNothing: refinement starts from weights that are drawn")
    assert model_card(task, name="somebody/mine", on_hub=True, license="mit") == text


def test_what_it_did_not_learn(tmp_path: Path) -> None:
    card = sections(model_card(tiny_refined(uniqueness=False, post="tvsum").save_pretrained(tmp_path)))
    assert "`h`, uniqueness: not learned here." in card["Scores"]
    assert "p = `a` times `g`, and the score exp(p - 1), then smoothed" in card["Scores"]
    assert "| uniqueness head | none |" in card["Settings"]
    assert card["Features"].startswith("\nUnknown: it is not recorded what made the 24-D features")


def test_that_rows_get_unit_length(tmp_path: Path) -> None:
    card = sections(model_card(tiny_refined(unit_length=True).save_pretrained(tmp_path)))
    assert "L2-normalised by the network itself" in card["Scores"]
    assert "| rows of features | L2-normalised first |" in card["Settings"]
    for task in (tiny_refined(), tiny_refined(unit_length=True, scored_as_given=True)):
        card = sections(model_card(task))
        assert "L2-normalised by the network itself" not in card["Scores"]
        assert "| rows of features | as they are given |" in card["Settings"]


@pytest.mark.parametrize("uniqueness", [True, False])
def test_the_lines_about_onnx_give_the_scores(
    uniqueness: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tiny_refined(uniqueness=uniqueness, post="tvsum")
    export_onnx(task, tmp_path / "model.onnx", check=False)
    use = sections(model_card(task, onnx="model.onnx"))["Use"]
    code = use.partition("Without torch, as an ONNX file:\n\n```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    frames = np.random.default_rng(0).random((30, 24), np.float32)
    known: dict[str, Any] = {"features": frames}
    exec(code, known)
    video = FrameFeatures("v", frames, np.arange(30), 30, 2.0)
    expected = load_scorer(task.save_pretrained(tmp_path / "mine")).score(video).scores
    np.testing.assert_allclose(known["scores"], expected, atol=1e-5)


def test_they_need_no_torch() -> None:
    code = "import sys; from sspvs.importance.contrastive import contrastive_importance as f; f([[1.0], [2.0]]); "
    subprocess.run([sys.executable, "-c", code + "assert 'torch' not in sys.modules"], check=True, timeout=60)


def test_figures_of_a_cross_validation(tmp_path: Path) -> None:
    task = tiny_refined(fingerprint=MADE_BY)
    result = crossvalidated(tmp_path, task, methods=("refined A*G*H",))
    paths = written(tmp_path / "r.json", result), written(tmp_path / "f.json", fold_record(task))
    card = sections(model_card(task, figures=Figures.read(paths, CheckpointFacts.of(task))))
    figures = card["Figures"]
    for row in ("refined A*G*H", "refined A", "contrastive, A alone", "human", "random"):
        assert f"| {row} | " in figures
    assert "* refined A: other terms of the same refined features." in figures
    assert "* contrastive, A alone: the same, of local dissimilarity alone." in figures
    assert "This checkpoint by itself: fold 0" in figures


def test_figures_of_others_are_refused(tmp_path: Path) -> None:
    task, summarizer = tiny_refined(fingerprint=MADE_BY), tiny_summarizer(fingerprint=MADE_BY)
    result = crossvalidated(tmp_path, task)

    def refused(match: str, content: dict[str, Any], whose: Any = task) -> None:
        with pytest.raises(CheckpointError, match=match):
            Figures.read([written(tmp_path / "r.json", content)], CheckpointFacts.of(whose))

    refused("another kind of checkpoint than this, which is a summarizer", result, summarizer)
    refused("another kind of checkpoint than this, which is a refiner", crossvalidated(tmp_path, summarizer))
    other = copy.deepcopy(result)
    other["crossval"]["config"]["model"]["refiner"]["num_layers"] = 4
    refused("another refiner than the checkpoint's: num_layers 4, here 1", other)
    refused("combine agh, here ag", result, tiny_refined(fingerprint=MADE_BY, combine="ag"))
