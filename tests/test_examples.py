"""The notebooks in `examples/` run from start to end, and are committed without outputs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def printed(notebook: nbformat.NotebookNode) -> str:
    """Everything that the cells printed."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("summarize_video", ["two pieces", "summary.mp4", "report.html"]),
        ("evaluate_scores", ["consensus", "kendall_tau: A*G - mine", "written: evaluation.html"]),
    ],
)
def test_notebooks_run(name: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some ten seconds each; `.ci/run` runs them."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    notebook = nbformat.read(ROOT / "examples" / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    text = printed(notebook)
    for words in expected:
        assert words in text
    assert "error:" not in text


def test_every_notebook_is_run() -> None:
    (mark,) = [mark for mark in test_notebooks_run.pytestmark if mark.name == "parametrize"]
    assert sorted(name for name, _ in mark.args[1]) == [path.stem for path in NOTEBOOKS]
