"""`sspvs import` of CTVSUM's Lightning checkpoints: the same network again, and every tensor accounted for."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.official_checkpoint import official, plain_model
from helpers.plain_ctvsum import PlainCtvsum

from sspvs.cli import main
from sspvs.errors import CheckpointError
from sspvs.importance.contrastive import contrastive_importance
from sspvs.scorers import load_scorer
from sspvs.tasks.ctvsum_import import import_ctvsum, is_ctvsum
from sspvs.tasks.refine import RefineTask
from sspvs.types import FrameFeatures


def released(model: PlainCtvsum, prefix: str = "model.") -> dict[str, Any]:
    return {
        "epoch": 39,
        "pytorch-lightning_version": "1.6.0",
        "state_dict": {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "hyper_parameters": argparse.Namespace(lr=1e-4, dataset="tvsum"),
    }


def plain(seed: int = 0, **sizes: int) -> PlainCtvsum:
    torch.manual_seed(seed)
    return PlainCtvsum(**sizes).eval()


def saved(checkpoint: dict[str, Any], folder: Path) -> Path:
    torch.save(checkpoint, folder / "ctvsum.ckpt")
    return folder / "ctvsum.ckpt"


@pytest.mark.parametrize("prefix", ["", "model.", "net.encoder."])
@pytest.mark.parametrize("sizes", [{}, {"heads": 8, "hidden": 512}, {"unique": 0}, {"layers": 1}], ids=str)
def test_it_computes_what_it_did(
    prefix: str, sizes: dict[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = plain(1, **sizes)
    path = saved(released(model, prefix), tmp_path)
    assert main(["import", str(path), "--out", str(tmp_path / "out"), "--post", "tvsum"]) == 0
    said = capsys.readouterr().out
    assert f"{len(model.state_dict())} tensors loaded, none missing" in said
    assert ("trained on unit vectors, scored on features as they are" in said) == (sizes.get("heads") == 8)
    frames = torch.randn(30, 12, generator=torch.Generator().manual_seed(2)) * 3
    with torch.no_grad():
        features, unique = model(frames)
    task = RefineTask.from_pretrained(tmp_path / "out")
    out = task.model(frames[None], torch.ones(1, 30, dtype=torch.bool))
    torch.testing.assert_close(out.features[0], features, atol=1e-5, rtol=1e-5)
    if unique is not None:
        torch.testing.assert_close(out.uniqueness_logits[0].sigmoid(), unique, atol=1e-5, rtol=1e-5)
    scorer = load_scorer(tmp_path / "out")
    expected = contrastive_importance(
        features.numpy(), raw=frames.numpy(), uniqueness=None if unique is None else unique.numpy(),
        combine="ag" if unique is None else "agh", post="tvsum",
    )  # fmt: skip
    found = scorer.score(FrameFeatures("v", frames.numpy(), np.arange(30), 30))
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    report = json.loads((tmp_path / "out" / "import_report.json").read_text())
    assert report["options"] == {"lr": 1e-4, "dataset": "tvsum"}


def renamed(rule: Callable[[str], str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {rule(name): tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    "spelling",
    [
        renamed(lambda name: re.sub(r"w_([qkv])s", r"\1_proj", name)),
        renamed(lambda name: name.replace("w_qs", "query").replace("w_ks", "key").replace("w_vs", "value")),
        renamed(lambda name: name.replace("layer_stack", "layers").replace("slf_attn", "attn1")),
    ],
)
def test_names_of_modules_do_not_matter(spelling: Callable[[dict[str, Any]], dict[str, Any]], tmp_path: Path) -> None:
    model = plain(2, layers=3)
    checkpoint = released(model)
    checkpoint["state_dict"] = spelling(checkpoint["state_dict"])
    import_ctvsum(saved(checkpoint, tmp_path), tmp_path / "out")
    frames = torch.randn(20, 12, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        out = RefineTask.from_pretrained(tmp_path / "out").model(frames[None], torch.ones(1, 20, dtype=torch.bool))
        torch.testing.assert_close(out.features[0], model(frames)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("model.decoder.weight", torch.ones(3, 3), r"1 parts are unknown: model\.decoder; expected a linear layer"),
        ("model.table", torch.ones(2), r"1 parts are unknown: model\.table"),
        ("model.extra.weight", torch.ones(2, 2, 2), r"1 parts are unknown: model\.extra\.weight"),
        ("model.layer_stack.1.more.weight", torch.ones(4), r"unknown: model\.layer_stack\.1\.more"),
        ("model.layer_stack.1.slf_attn.fc.weight", None, r"lacks 1 tensors .*layers\.1\.attention\.out_projection"),
        ("model.layer_stack.1.pos_ffn.w_2.bias", torch.ones(3), r"wrong shapes: layers\.1\.linear2\.bias \(3,\)"),
        ("model.norm.bias", torch.tensor([float("nan")] * 10), r"no dense, finite numbers: model\.norm\.bias"),
    ],
)
def test_what_has_no_place_is_named(name: str, tensor: torch.Tensor | None, message: str, tmp_path: Path) -> None:
    checkpoint = released(plain())
    if tensor is None:
        del checkpoint["state_dict"][name]
    else:
        checkpoint["state_dict"][name] = tensor
    with pytest.raises(CheckpointError, match=message):
        import_ctvsum(saved(checkpoint, tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_which_release_a_file_is_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert is_ctvsum(saved(released(plain()), tmp_path))
    assert not is_ctvsum(saved(official(plain_model()), tmp_path))
    assert not is_ctvsum(tmp_path / "absent.ckpt")
    path = saved({"state_dict": {"model.layer.weight": torch.ones(2, 2)}}, tmp_path)
    assert main(["import", str(path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error:")
    assert said.count("\n") == 1
    checkpoint = saved(released(plain()), tmp_path)
    assert main(["import", str(checkpoint), "--out", str(tmp_path / "out"), "--num-heads", "7"]) == 2
    assert "--num-heads 7 does not divide the attention's width 64" in capsys.readouterr().err
