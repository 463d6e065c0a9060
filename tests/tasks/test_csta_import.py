"""Weights for the head csta: ImageNet's, models of another code, and checkpoints that call the small head csta."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_summarizers import saved_summarizer, tiny_summarizer
from torch import Tensor, nn

from sspvs.cli import main
from sspvs.errors import CheckpointError, WeightsNotFoundError
from sspvs.models.csta import CNNS
from sspvs.models.settings import VideoEncoderSettings
from sspvs.models.summarizer import SummarizerSettings
from sspvs.tasks.summarize import SummarizeTask

WIDTH = 32
LAYERS = {"key": "net.key_embedding", "value": "net.value_embedding", "hidden": "net.linear1.0",
          "hidden_norm": "net.linear1.3", "stages.0": "net.linear2.0", "skip_norm": "net.norm",
          "to_width": "net.reduce", "cnn": "net.cnn.model"}  # fmt: skip


def task_of(cnn: str = "resnet18", **how: Any) -> SummarizeTask:
    video = VideoEncoderSettings(WIDTH, WIDTH, num_layers=0)
    return SummarizeTask(video, SummarizerSettings(head=f'csta(cnn="{cnn}")'), **how)


def of_another_code(task: SummarizeTask) -> dict[str, Tensor]:
    """The head's tensors under other names, and GoogLeNet's auxiliary ones."""
    state = {}
    for name, tensor in task.model.head.state_dict().items():
        ours = max((layer for layer in LAYERS if name.startswith(f"{layer}.")), key=len)
        state[LAYERS[ours] + name.removeprefix(ours)] = tensor
    return {**state, "net.cnn.model.aux1.conv.weight": torch.ones(2)}


@pytest.fixture
def model() -> SummarizeTask:
    torch.manual_seed(7)
    task = task_of()
    for layer in task.model.head.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
    return task.eval()


def test_imagenets_weights_go_into_the_cnn_and_are_needed_once(tmp_path: Path) -> None:
    torch.manual_seed(1)
    imagenet = CNNS["resnet18"].make().state_dict()
    torch.save({**imagenet, "aux1.conv.weight": torch.ones(1)}, tmp_path / "resnet18.pth")
    task = task_of(cnn_weights=str(tmp_path / "resnet18.pth"))
    for name, tensor in task.model.head.cnn.state_dict().items():
        assert torch.equal(tensor, imagenet[name]), name
    folder = task.save_pretrained(tmp_path / "saved")
    (tmp_path / "resnet18.pth").unlink()
    again = SummarizeTask.from_pretrained(folder)
    assert torch.equal(again.model.head.cnn.conv1.weight, imagenet["conv1.weight"])


def test_imagenets_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    with pytest.raises(WeightsNotFoundError, match="no such file; expected torchvision's ImageNet weights of res"):
        task_of(cnn_weights=str(path))
    torch.save(CNNS["mobilenet_v2"].make().state_dict(), path)
    with pytest.raises(CheckpointError, match="does not fit the model: 0 tensors loaded"):
        task_of(cnn_weights=str(path))
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="expected tensors by name, found list"):
        task_of(cnn_weights=str(path))
    with pytest.raises(ValueError, match="cnn_weights are for the CNN of the head csta"):
        SummarizeTask(cnn_weights=str(path))


@pytest.mark.parametrize("inside", [False, True])
def test_a_model_of_another_code_scores_the_same(model: SummarizeTask, inside: bool, tmp_path: Path) -> None:
    state = of_another_code(model)
    torch.save({"state_dict": state} if inside else state, tmp_path / "split1.pt")
    assert main(["import", str(tmp_path / "split1.pt"), "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "import_report.json").read_text())
    assert report["settings"]["names"]["value.weight"] == "net.value_embedding.weight"
    assert report["loaded"] == len(state) - 1
    frames, mask = torch.randn(1, 9, WIDTH), torch.ones(1, 9, dtype=torch.bool)
    with torch.no_grad():
        out = SummarizeTask.from_pretrained(tmp_path / "out").model(frames, mask).scores
        torch.testing.assert_close(out, model.model(frames, mask).scores)


def test_what_nothing_reads_may_be_missing(model: SummarizeTask, tmp_path: Path) -> None:
    state = {name: one for name, one in of_another_code(model).items() if ".fc." not in name}
    torch.save(state, tmp_path / "split1.pt")
    assert main(["import", str(tmp_path / "split1.pt"), "--out", str(tmp_path / "out")]) == 0


def renamed(state: dict[str, Tensor]) -> None:
    for last in ("weight", "bias"):
        state[f"net.a.{last}"] = state.pop(f"net.key_embedding.{last}")


def without(state: dict[str, Tensor]) -> None:
    del state["net.norm.running_mean"]


def with_more(state: dict[str, Tensor]) -> None:
    state["net.cls"] = torch.ones(1, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (renamed, "no layer could be `key` of the head csta"),
        (without, "no layer could be `skip_norm` of the head csta"),
        (with_more, "nothing of the head csta corresponds to net"),
    ],
)
def test_what_cannot_be_told_is_refused(
    change: Any, message: str, model: SummarizeTask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = of_another_code(model)
    change(state)
    torch.save(state, tmp_path / "split1.pt")
    assert main(["import", str(tmp_path / "split1.pt"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_when_the_small_head_was_called_csta(tmp_path: Path) -> None:
    folder = saved_summarizer(tmp_path / "old", head="csta-small(channels=4)")
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["summarizer"]["head"] = "csta(channels=4)"
    (folder / "config.json").write_text(json.dumps(config))
    task = SummarizeTask.from_pretrained(folder)
    assert task.hparams["summarizer"]["head"] == "csta-small(channels=4)"
    now = tiny_summarizer(head="csta-small(channels=4)")
    assert torch.equal(task.model.head.stem.weight, now.model.head.stem.weight)
