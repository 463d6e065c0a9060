"""ONNX files of refiners against torch: what they give, any length, padding, and scores that come from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers.tiny_refined import tiny_refined

from sspvs.errors import ExportError
from sspvs.export import export_onnx
from sspvs.importance.contrastive import contrastive_importance
from sspvs.models.fast_linear import use_fast_linears
from sspvs.scorers import load_scorer
from sspvs.tasks.refine import RefineTask
from sspvs.types import FrameFeatures

WIDTH = 24


def run(path: Path, frames: torch.Tensor, mask: torch.Tensor) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options)
    return session.run(None, {"features": frames.numpy(), "mask": mask.numpy()})


def agree(path: Path, task: RefineTask, lengths: list[int]) -> float:
    """The largest difference between a padded batch in onnxruntime and each video alone in torch."""
    longest = max(lengths)
    frames = torch.randn(len(lengths), longest, WIDTH, generator=torch.Generator().manual_seed(5))
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    frames[~mask] = 1e3  # what stands in the padding must not matter
    found = run(path, frames, mask)
    assert all(not one[~mask.numpy()].any() and one.dtype == np.float32 for one in found)
    gaps = []
    for row, length in enumerate(lengths):
        with torch.no_grad():
            out = task.model(frames[row : row + 1, :length], mask[row : row + 1, :length])
        said = [out.features[0], *([] if out.uniqueness_logits is None else [out.uniqueness_logits[0].sigmoid()])]
        gaps += [np.abs(one[row, :length] - own.numpy()).max() for one, own in zip(found, said, strict=True)]
    return float(max(gaps))


@pytest.mark.parametrize("uniqueness", [True, False])
def test_it_gives_what_torch_gives(uniqueness: bool, tmp_path: Path) -> None:
    task = tiny_refined(uniqueness=uniqueness)
    report = export_onnx(task, tmp_path / "m.onnx")
    assert report.inputs == ("features", "mask")
    assert report.outputs == ("refined_features", *(("uniqueness",) if uniqueness else ()))
    assert report.check is not None
    assert report.check.picks == (1, 7, 50)
    assert report.check.max_difference < 1e-5
    for lengths in ([5], [40, 23, 1, 131], [9, 1]):
        assert agree(report.path, task, lengths) < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize("low", ["bfloat16", "fast linears"])
def test_the_task_is_left_as_it_is(low: str, tmp_path: Path) -> None:
    task = tiny_refined().train()
    if low == "bfloat16":
        task.model.bfloat16()
    else:
        use_fast_linears(task.model, kernels="onednn")
    layers = [(type(layer), layer.training) for layer in task.modules()]
    report = export_onnx(task, tmp_path / "m.onnx")
    assert [(type(layer), layer.training) for layer in task.modules()] == layers
    task.eval().model.float()
    assert agree(report.path, task, [30, 4]) < 1e-5


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    task = tiny_refined(combine="ah", post="tvsum")
    report = export_onnx(task, tmp_path / "m.onnx", opset=16)
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told == report.metadata
    assert told["kind"] == "sspvs.refine"
    assert json.loads(told["scoring"]) == {"combine": "ah", "post": "tvsum", "neighbour_fraction": 0.1}
    assert dict(RefineTask(**json.loads(told["settings"])).hparams) == dict(task.hparams)
    axes = {one.name: [axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim]
            for one in [*model.graph.input, *model.graph.output]}  # fmt: skip
    assert axes == {
        "features": ["batch", "picks", WIDTH],
        "mask": ["batch", "picks"],
        "refined_features": ["batch", "picks", 16],
        "uniqueness": ["batch", "picks"],
    }


def test_a_file_that_gives_rows_unit_length_itself(tmp_path: Path) -> None:
    task = tiny_refined(unit_length=True)
    report = export_onnx(task, tmp_path / "m.onnx")
    assert agree(report.path, task, [40, 23, 1]) < 1e-5
    assert "the file L2-normalises each row" in report.metadata["features"]
    frames, mask = torch.randn(1, 9, WIDTH), torch.ones(1, 9, dtype=torch.bool)
    for found, other in zip(run(report.path, frames, mask), run(report.path, 17 * frames, mask), strict=True):
        np.testing.assert_allclose(found, other, atol=1e-5)


@pytest.mark.parametrize("length", [1, 8, 60])
def test_scores_come_from_it_as_from_the_checkpoint(length: int, tmp_path: Path) -> None:
    task = tiny_refined()
    export_onnx(task, tmp_path / "m.onnx")
    frames = np.random.default_rng(length).random((length, WIDTH), np.float32)
    refined, unique = run(tmp_path / "m.onnx", torch.from_numpy(frames)[None], torch.ones(1, length, dtype=torch.bool))
    found = contrastive_importance(refined[0], raw=frames, uniqueness=unique[0], combine="agh")
    scorer = load_scorer(task.save_pretrained(tmp_path / "mine"))
    video = FrameFeatures("v", frames, np.arange(length), length, 2.0)
    np.testing.assert_allclose(found.scores, scorer.score(video).scores, atol=1e-5)


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sspvs.export import onnx as module

    trace = module.trace_to

    def trace_another(path: Path, graph: Any, opset: int) -> None:
        with torch.no_grad():
            graph.model.uniqueness_head.out.bias.add_(0.01)
            trace(path, graph, opset)
            graph.model.uniqueness_head.out.bias.sub_(0.01)

    monkeypatch.setattr(module, "trace_to", trace_another)
    with pytest.raises(ExportError, match=r"differ by up to 0\.00.* nothing was written"):
        export_onnx(tiny_refined(), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
