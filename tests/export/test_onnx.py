"""ONNX files against torch: every head and guidance, any length, padding, and what is refused."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers.tiny_summarizers import FIELDS, tiny_summarizer

from sspvs.errors import ExportError, MissingExtraError, OutputError
from sspvs.export import export_onnx
from sspvs.export import onnx as onnx_module
from sspvs.export.onnx import TOLERANCE
from sspvs.export.onnx_graph import ExportGraph, SummarizerGraph
from sspvs.models.fast_linear import OneDnnLinear, use_fast_linears
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.summarizer import SummarizerSettings
from sspvs.table.text import TextSettings
from sspvs.tasks.summarize import SummarizeTask
from sspvs.types import Fingerprint

HEADS = ("progressive", "linear", "attention", "csta-small")
GUIDANCES = ("none", "added", "gate", "cross-attention")
WIDTH = 24
BERT = {"model_type": "bert", "vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 20}  # fmt: skip
CLIP = {"context_length": 20, "vocab_size": 60, "width": 16, "heads": 2, "layers": 1, "embed_dim": 16}
MADE_BY = Fingerprint("efficientnet-lite0", "ab" * 32, "resize 224x224 area", "(x - 127) / 128", 2.0)


def task_of(head: str = "progressive", guidance: str = "none", **how: Any) -> SummarizeTask:
    return tiny_summarizer(head=head, guidance=guidance, feature_dim=WIDTH, **how)


def with_tower(text: TextEncoderSettings, guidance: str) -> SummarizeTask:
    torch.manual_seed(0)
    video = VideoEncoderSettings(WIDTH, 16, num_heads=2, num_layers=1, feedforward_dim=32)
    return SummarizeTask(video, SummarizerSettings(text_guidance=guidance), text, FIELDS).eval()


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options)


def agree(path: Path, task: SummarizeTask, lengths: list[int], words: int | None = None, seed: int = 5) -> float:
    """The largest difference between a padded batch in onnxruntime and each video alone in torch."""
    g = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    frames = torch.randn(len(lengths), longest, WIDTH, generator=g)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    frames[~mask] = 1e3  # what stands in the padding must not matter
    given = {"features": frames, "mask": mask}
    if words is not None:
        token_mask = torch.ones(len(lengths), words, dtype=torch.bool)
        token_mask[0, words // 2 :] = False
        token_mask[-1] = False
        tokens = torch.randint(60, token_mask.shape, generator=g)
        given |= {"tokens": tokens, "token_mask": token_mask}
    scores, stages = session_of(path).run(None, {name: tensor.numpy() for name, tensor in given.items()})
    assert scores.shape == (len(lengths), longest)
    assert scores.dtype == stages.dtype == np.float32
    assert not scores[~mask.numpy()].any()
    gaps = []
    for row, length in enumerate(lengths):
        text = () if words is None or row == len(lengths) - 1 else (tokens[row : row + 1], token_mask[row : row + 1])
        with torch.no_grad():
            out = task.model(frames[row : row + 1, :length], mask[row : row + 1, :length], *text)
        gaps.append(np.abs(scores[row, :length] - out.scores[0].numpy()).max())
        gaps.append(np.abs(stages[row, :, :length] - out.stage_scores[0].numpy()).max())
        assert not stages[row, :, length:].any()
    return float(max(gaps))


@pytest.mark.parametrize("guidance", GUIDANCES)
@pytest.mark.parametrize("head", HEADS)
def test_every_head_and_guidance_gives_torchs_scores(head: str, guidance: str, tmp_path: Path) -> None:
    task = task_of(head, guidance)
    report = export_onnx(task, tmp_path / "m.onnx")
    text = guidance != "none"
    assert report.inputs == ("features", "mask", *(("tokens", "token_mask") if text else ()))
    assert report.outputs == ("scores", "stage_scores")
    assert report.check is not None
    assert report.check.max_difference < 1e-5
    assert report.n_bytes == report.path.stat().st_size
    assert agree(report.path, task, [5], FIELDS.total if text else None) < 1e-5
    assert agree(report.path, task, [40, 23, 1, 131], 4 if text else None) < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(("guidance", "attend_padding"), [("gate", False), ("added", True)])
def test_towers_of_others(guidance: str, attend_padding: bool, tmp_path: Path) -> None:
    bert = with_tower(TextEncoderSettings("nobody/has-this", BERT, attend_padding), guidance)
    export_onnx(bert, tmp_path / "bert.onnx")
    assert agree(tmp_path / "bert.onnx", bert, [3, 12, 7], 9) < 1e-5
    clip = with_tower(TextEncoderSettings("open_clip:ViT-B-32/random", CLIP, attend_padding), guidance)
    report = export_onnx(clip, tmp_path / "clip.onnx")
    assert agree(report.path, clip, [3, 12, 7], FIELDS.total) < 1e-5
    assert f"{FIELDS.total} in all, no other number" in report.metadata["tokens"]
    with pytest.raises(Exception, match="INVALID_ARGUMENT"):  # and not scores of something else
        agree(report.path, clip, [3, 12, 7], FIELDS.total - 1)


def test_long_videos_are_laid_over_the_trained_positions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    video = VideoEncoderSettings(
        WIDTH, 16, num_heads=2, num_layers=1, feedforward_dim=32, position_weight=1.0, trained_length=20
    )
    task = SummarizeTask(video, SummarizerSettings()).eval()
    report = export_onnx(task, tmp_path / "m.onnx")
    assert report.check is not None
    assert report.check.picks == (1, 7, 20, 23, 50)
    assert agree(report.path, task, [19, 20, 21, 90, 2]) < 1e-5


def test_windows_are_not_in_the_file(tmp_path: Path) -> None:
    task = task_of(max_frames=16, overlap=4)
    report = export_onnx(task, tmp_path / "m.onnx")
    assert report.check is not None
    assert report.check.picks == (1, 7, 16)
    assert report.metadata["max_frames"] == "16"
    assert "windows that share 4 frames" in report.metadata["longer_videos"]
    assert agree(report.path, task, [16, 9]) < 1e-5
    assert agree(report.path, task, [40]) > 1e-3


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    task = tiny_summarizer(guidance="gate", fingerprint=MADE_BY, fields=TextSettings(1, 2, 3, 0))
    report = export_onnx(task, tmp_path / "m.onnx", opset=16)
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert (model.producer_name, model.opset_import[0].version, report.opset) == ("sspvs", 16, 16)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told == report.metadata
    assert (told["kind"], told["version"], told["protocol"]) == ("sspvs.summarize", "1", "unknown")
    assert Fingerprint(**json.loads(told["feature_fingerprint"])) == MADE_BY
    assert json.loads(told["figures"]) is None
    assert json.loads(told["text_fields"]) == {
        "category": 1, "query": 2, "title": 3, "description": 0, "pad_fields": True
    }  # fmt: skip
    again = SummarizeTask(**json.loads(told["settings"]))
    assert dict(again.hparams) == dict(task.hparams)
    axes = {one.name: [axis.dim_param or axis.dim_value for axis in one.type.tensor_type.shape.dim]
            for one in [*model.graph.input, *model.graph.output]}  # fmt: skip
    assert axes == {
        "features": ["batch", "picks", WIDTH],
        "mask": ["batch", "picks"],
        "tokens": ["batch", "words"],
        "token_mask": ["batch", "words"],
        "scores": ["batch", "picks"],
        "stage_scores": ["batch", 3, "picks"],
    }


def test_the_task_is_left_as_it_is(tmp_path: Path) -> None:
    task = task_of(guidance="gate").train()
    use_fast_linears(task.model, kernels="onednn")
    layers = [type(layer) for layer in task.modules()]
    before, modes = copy.deepcopy(task.state_dict()), [layer.training for layer in task.modules()]
    report = export_onnx(task, tmp_path / "m.onnx")
    assert [type(layer) for layer in task.modules()] == layers
    assert [layer.training for layer in task.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.state_dict().items())
    assert agree(report.path, task.eval(), [30, 4], 6) < 1e-5
    if OneDnnLinear in layers:
        assert not any(type(layer) is OneDnnLinear for layer in SummarizerGraph(task).modules())


def test_half_precision_is_exported_as_float32(tmp_path: Path) -> None:
    task = task_of()
    task.model.bfloat16()
    report = export_onnx(task, tmp_path / "m.onnx")
    task.model.float()
    assert agree(report.path, task, [30, 4]) < 1e-5


def test_a_file_that_scores_otherwise_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = b"\x08\x08\x12\x05sspvs from before"
    (tmp_path / "m.onnx").write_bytes(before)

    def trace_another(path: Path, graph: ExportGraph, opset: int) -> None:
        other = copy.deepcopy(graph)
        with torch.no_grad():
            other.model.head.stages[0].bias.add_(20 * TOLERANCE)
        trace(path, other, opset)

    trace = onnx_module.trace_to
    monkeypatch.setattr(onnx_module, "trace_to", trace_another)
    with pytest.raises(ExportError, match=r"differ by up to 0\.0.* allowed is 0\.0001; nothing was written"):
        export_onnx(task_of(), tmp_path / "m.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    assert (tmp_path / "m.onnx").read_bytes() == before
    assert export_onnx(task_of(), tmp_path / "m.onnx", check=False).check is None


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    task = task_of()
    with torch.no_grad():
        task.model.head.stages[1].bias.fill_(torch.nan)
    with pytest.raises(ExportError, match="no numbers"):
        export_onnx(task, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_head_that_scores_each_video_by_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"the head csta\(cnn='resnet18'\) scores each video by itself"):
        export_onnx(task_of("csta(cnn='resnet18')"), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_module, "trace_to", lambda *_: pytest.fail("computed before looking"))
    with pytest.raises(OutputError, match="cannot write"):
        export_onnx(task_of(), tmp_path / "missing" / "m.onnx")
    with pytest.raises(OutputError, match="it is a folder"):
        export_onnx(task_of(), tmp_path)
    with pytest.raises(ValueError, match="opset must be at least 14"):
        export_onnx(task_of(), tmp_path / "m.onnx", opset=11)
    monkeypatch.setattr(onnx_module, "_MOST_BYTES", 1000)
    with pytest.raises(ExportError, match="too many for one ONNX file"):
        export_onnx(task_of(), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_an_opset_that_torch_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot export this checkpoint with opset 99"):
        export_onnx(task_of(), tmp_path / "m.onnx", opset=99)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"pip install {package}"):
        export_onnx(task_of(), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
