"""`sspvs export` through the command line: files that appear whole, and mistakes as one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import pytorch_lightning as pl
from helpers.card_material import MADE_BY, crossvalidated, fold_record, written
from helpers.tiny_refined import tiny_refined
from helpers.tiny_summarizers import saved_summarizer, tiny_summarizer

from sspvs.cli import main
from sspvs.tasks.checkpoint import PRETRAIN, save_folder


def fails(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a mistake ends as."""
    capsys.readouterr()
    assert main(["export", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_onnx_and_card_with_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = tiny_summarizer(guidance="gate", fingerprint=MADE_BY)
    folder = task.save_pretrained(tmp_path / "mine")
    result = written(tmp_path / "result.json", crossvalidated(tmp_path, task))
    fold = written(tmp_path / "fold.json", fold_record(task))
    words = ["export", folder, "--onnx", folder / "model.onnx", "--card", "--results", result, fold, "--license", "mit"]
    assert main([str(word) for word in words]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert "model.onnx" in out
    assert "features, mask, tokens, token_mask -> scores, stage_scores" in out
    assert "on videos of 1, 7, 50 frames: all within" in out
    assert f"model card: {folder / 'README.md'}" in out
    told = {entry.key: entry.value for entry in onnx.load(folder / "model.onnx").metadata_props}
    assert told["protocol"] == "per-user"
    assert json.loads(told["figures"])["fold"]["seed"] == 1
    card = (folder / "README.md").read_text()
    assert "license: mit" in card
    assert "| human |" in card
    assert 'InferenceSession("model.onnx")' in card
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "model.onnx", "model.safetensors"
    ]  # fmt: skip


def test_a_refined_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = tiny_refined(fingerprint=MADE_BY)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    result = written(tmp_path / "result.json", crossvalidated(tmp_path, task))
    for number, source in enumerate((task.save_pretrained(tmp_path / "mine"), tmp_path / "last.ckpt")):
        names = [tmp_path / f"{number}.onnx", tmp_path / f"{number}.md"]
        assert (
            main(list(map(str, ["export", source, "--onnx", names[0], "--card", names[1], "--results", result]))) == 0
        )
        out = capsys.readouterr().out
        assert "features, mask -> refined_features, uniqueness" in out
        assert "on videos of 1, 7, 50 frames: all within" in out
        assert "| refined A | " in names[1].read_text()
        told = {entry.key: entry.value for entry in onnx.load(names[0]).metadata_props}
        assert (told["kind"], told["protocol"]) == ("sspvs.refine", "per-user")


def test_upload(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Any, ...]] = []

    def push(source: str, repo_id: str, **how: Any) -> str:
        given.append((source, repo_id, how))
        return "https://hub/commit"

    monkeypatch.setattr("sspvs.export.hub.push_to_hub", push)
    folder = saved_summarizer(tmp_path / "mine")
    assert main(["export", str(folder), "--push-to-hub", "a/b", "--private"]) == 0
    assert given == [(str(folder), "a/b", {"private": True, "card": None, "onnx": None})]
    assert "uploaded: https://hub/commit" in capsys.readouterr().out
    assert main(["export", str(folder), "--push-to-hub", "a/b", "--license", "mit"]) == 0
    assert "license: mit" in given[1][2]["card"]
    assert "# a/b" in given[1][2]["card"]
    assert not (folder / "README.md").exists()


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved_summarizer(tmp_path / "mine")
    assert "nothing to do" in fails([folder], capsys)
    everything = fails([folder, "--private", "--opset", "17", "--license", "mit", "--overwrite"], capsys)
    assert all(word in everything for word in ("nothing to do", "--opset", "--private", "--license", "--overwrite"))
    assert "neither a checkpoint folder nor a hub model" in fails([tmp_path / "none", "--onnx", "x.onnx"], capsys)
    assert "name it: --card FILE.md" in fails(["some/body", "--card"], capsys)
    save_folder(tmp_path / "p", PRETRAIN, {"local_radius": 4}, {})
    assert "a checkpoint of pretraining" in fails([tmp_path / "p", "--onnx", tmp_path / "m.onnx"], capsys)
    assert "expected a checkpoint of kind" in fails(
        [save_folder(tmp_path / "other", "else", {}, {}), "--onnx", "m.onnx"], capsys
    )
    (tmp_path / "last.ckpt").write_text("nothing")
    assert "no checkpoint: expected a folder" in fails([tmp_path / "last.ckpt", "--onnx", tmp_path / "m.onnx"], capsys)
    assert "cannot write" in fails([folder, "--onnx", tmp_path / "missing" / "m.onnx"], capsys)
    assert "no result of one method" in fails([folder, "--card", "--results", folder / "config.json"], capsys)
    assert "expected USER/NAME" in fails([folder, "--push-to-hub", "b"], capsys)
    (folder / "README.md").write_text("mine")
    assert "--overwrite replaces it" in fails([folder, "--card"], capsys)
    assert (folder / "README.md").read_text() == "mine"
    assert not list(tmp_path.rglob("*.onnx"))
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_missing_runtime_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved_summarizer(tmp_path / "mine")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "pip install onnxruntime" in fails([folder, "--onnx", tmp_path / "m.onnx"], capsys)
    assert not (tmp_path / "m.onnx").exists()
    assert main(["export", str(folder), "--onnx", str(tmp_path / "m.onnx"), "--no-check"]) == 0
    assert "not checked" in capsys.readouterr().out
    assert (tmp_path / "m.onnx").is_file()
