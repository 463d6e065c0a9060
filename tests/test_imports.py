"""The import rule of the house: imports go down the layers, and `import sspvs` is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sspvs"

_FLOORS = (
    ("errors", "lazy", "registry"),
    ("parsing", "schema", "shown", "temporaries", "types"),
    ("files",),
    ("atomic", "machine", "overwriting", "sharing", "weights"),
    ("video", "selection", "importance", "models", "losses"),
    ("table",),
    ("features", "evaluation"),
    ("annotations", "metrics"),
    ("formats",),
    ("world",),
    ("data",),
    ("tasks", "report"),
    ("training", "scorers", "export"),
    ("pipeline", "benchmark"),
    ("crossval",),
    ("demo",),
    ("commands",),
    ("cli",),
)
LAYERS = {room: floor for floor, rooms in enumerate(_FLOORS) for room in rooms}
EXTERNAL_ALLOWED = {"selection": {"numpy"}, "evaluation": {"numpy", "scipy"}}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.stem.startswith("__"))


def _imported(path: Path) -> set[str]:
    """Absolute names of everything a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write it in full"
            assert node.module is not None
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    room = _room(path)
    assert room in LAYERS, f"{path}: give the new room '{room}' a layer"
    for name in _imported(path):
        parts = name.split(".")
        if parts[0] != "sspvs" or len(parts) < 2 or parts[1] not in LAYERS:
            continue
        other = parts[1]
        assert other == room or LAYERS[other] < LAYERS[room], f"{path} ({room}) imports {name}: upwards or sideways"


@pytest.mark.parametrize("room", sorted(EXTERNAL_ALLOWED))
def test_rooms_with_a_short_shopping_list(room: str) -> None:
    for path in sorted((PACKAGE / room).rglob("*.py")):
        outside = {name.split(".")[0] for name in _imported(path)} - set(sys.stdlib_module_names) - {"sspvs"}
        assert outside <= EXTERNAL_ALLOWED[room], f"{path} imports {outside}"


def test_no_nameless_modules() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert path.stem not in FORBIDDEN_NAMES, path


def test_import_is_light() -> None:
    code = (
        "import sys, sspvs; heavy = {'torch', 'decord', 'av', 'wandb', 'matplotlib', 'h5py', 'numpy', 'onnxruntime'}; "
        "loaded = heavy & set(sys.modules); assert not loaded, loaded; assert callable(sspvs.summarize)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_import_rule_can_fail(tmp_path: Path) -> None:
    source = tmp_path / "bad.py"
    source.write_text("def f():\n    from sspvs.pipeline import summarize\n    import sspvs.cli\n")
    assert _imported(source) == {"sspvs.pipeline.summarize", "sspvs.cli"}


def test_test_files_are_called_after_their_sources() -> None:
    tests = PACKAGE.parent / "tests"
    for path in tests.glob("*/test_*.py"):
        folder = PACKAGE / path.parent.name
        if path.parent.name == "fuzz":
            continue
        known = {source.stem for source in folder.rglob("*.py")} | {source.name for source in folder.iterdir()}
        name = path.stem.removeprefix("test_")
        assert any(name == one or name.startswith(f"{one}_") for one in known), (
            f"{path}: no such source in {folder.name}"
        )
