"""The tool of SSPVS' ablations: which pretraining and how many stages each row has, and one table of all."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from helpers.crossval_material import write_config
from helpers.evaluation_builder import build_evaluation
from helpers.pair_sets import write_set

from sspvs.benchmark import Benchmark, comparisons_of

SIZES = ["model.video.embed_dim=16", "model.video.num_heads=2", "model.video.num_layers=1"]
SIZES += ["model.video.feedforward_dim=16", "model.text.encoder=small", "trainer.max_epochs=1"]


@pytest.fixture
def tool() -> ModuleType:
    path = Path(__file__).parents[1] / "tools" / "ablations.py"
    spec = importlib.util.spec_from_file_location("ablations_tool", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fitted(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Settings of each pretraining that is made; nothing is trained, but its checkpoint is there."""
    made = list[dict[str, str]]()

    def fit(words: list[str]) -> SimpleNamespace:
        given = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
        made.append(given)
        (Path(given["run.root"]) / given["run.name"] / "version_0" / "pretrained" / "best").mkdir(parents=True)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(tool.subprocess, "run", fit)
    return made


def run(tool: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, dict[str, Any]]:
    """The cross-validations that the command makes, by row: overrides and how."""
    rows = dict[str, dict[str, Any]]()

    def cross_validate(config: Path, out: Path, *, overrides: list[str], name: str, **how: Any) -> str:
        rows[name] = {**dict(word.removeprefix("--").split("=", 1) for word in overrides), **how, "out": out.name}
        return name

    def side_by_side(runs: dict[str, str]) -> Benchmark:
        drawn = build_evaluation(list(runs))
        return Benchmark(replace(drawn, comparisons=tuple(comparisons_of(drawn.methods, drawn.baselines))), {}, {})

    monkeypatch.setattr(tool, "cross_validate", cross_validate)
    monkeypatch.setattr(tool, "side_by_side", side_by_side)
    monkeypatch.setattr(tool, "show", lambda table, **_: rows.setdefault("table", {"rows": table.evaluation}))
    monkeypatch.setattr(sys, "argv", ["ablations.py", "--finetune", "f.yaml", *words])
    tool.main()
    return rows


def test_every_row_has_its_pretraining_and_its_stages(
    tool: ModuleType, fitted: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = run(tool, monkeypatch, "--out", str(tmp_path), "--pretrain", "p.yaml", "--set", "data.dataset=d.h5",
               "--set-pretrain", "data.train=t", "--seeds", "2", "--checkpoint-rule", "best-test")  # fmt: skip
    objectives = {"coarse": ("coarse", "none"), "fine": ("fine", "none"), "mask": ("mask", "false")}
    off = {one["run.name"]: {k: v for k, v in one.items() if k.startswith("model.losses")} for one in fitted}
    assert off == {"all": {}} | {
        f"no_{name}": {f"model.losses.{setting}": value} for name, (setting, value) in objectives.items()
    }
    assert all(one["data.train"] == "t" and one["ckpt_path"] == "last" for one in fitted)
    table = rows.pop("table")["rows"]
    assert list(table.methods) == list(rows)
    pairs = {frozenset((one.first, one.second)) for one in table.comparisons}
    assert pairs == {frozenset(("1 stage", name)) for name in rows if name != "1 stage"}
    assert [name for name, row in rows.items() if row["with_ridge"]] == ["1 stage"]
    for name, row in rows.items():
        assert (row["data.dataset"], row["seeds"], row["checkpoint_rule"]) == ("d.h5", 2, "best-test")
        assert "protocol" not in row  # the config's own
        start = row["model.pretrained"]
        if name.endswith(("stage", "stages")):
            assert (start.split("/")[-4], row["model.summarizer.num_stages"]) == ("all", name.split()[0])
        else:
            assert "model.summarizer.num_stages" not in row
            assert start == "null" if name == "from scratch" else start.split("/")[-4] == f"no_{name.split()[-1]}"
    assert {name.split()[0] for name in rows if "stage" in name} == set("12345")
    run(tool, monkeypatch, "--out", str(tmp_path), "--pretrain", "p.yaml")
    assert len(fitted) == 4  # what is done is not made again


def test_a_checkpoint_stands_for_the_whole_pretraining(
    tool: ModuleType,
    fitted: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--out", str(tmp_path), "--pretrained", "official", "--rows"]
    rows = run(tool, monkeypatch, *words, "4 stages", "from scratch")
    assert [rows[name]["model.pretrained"] for name in ("4 stages", "from scratch")] == ["official", "null"]
    assert not fitted
    with pytest.raises(SystemExit):
        run(tool, monkeypatch, *words, "pretrained with no fine")
    assert "give --pretrain CONFIG: the rows need pretraining no fine" in capsys.readouterr().err


@pytest.mark.slow
def test_it_runs(tmp_path: Path) -> None:
    pairs = write_set(tmp_path / "pairs", [9, 12, 7, 11, 10, 8], width=16)
    (tmp_path / "pretrain.yaml").write_text("trainer: {accelerator: cpu}\n")
    words = [sys.executable, "tools/ablations.py", "--out", str(tmp_path / "out"), "--seeds", "1"]
    words += ["--pretrain", str(tmp_path / "pretrain.yaml"), "--finetune", str(write_config(tmp_path))]
    changes = [f"data.train={pairs}", "data.num_workers=0", "data.batch_size=2", *SIZES]
    words += [word for change in changes for word in ("--set-pretrain", change)]
    words += ["--set", "trainer.max_epochs=1", "--rows", "1 stage", "3 stages", "pretrained with no mask"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    for row in ("1 stage", "3 stages", "pretrained with no mask"):
        assert row in done.stdout
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert set(result["methods"]) == {"1 stage", "3 stages", "pretrained with no mask"}
    assert (tmp_path / "out" / "table.html").is_file()
