"""Registries: filled by a decorator, by a folder of modules, and by entry points of other packages."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from sspvs.registry import Registry


def _circle() -> str:
    return "circle"


def test_registered_things_are_found_in_order_and_by_name() -> None:
    shapes: Registry[object] = Registry("shape")
    shapes.register("circle")(_circle)
    shapes.register("path")(Path)
    assert list(shapes) == ["circle", "path"]
    assert shapes["path"] is Path
    assert len(shapes) == 2
    assert "circle" in shapes
    assert "square" not in shapes


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    shapes: Registry[object] = Registry("shape")
    shapes.register("circle")(_circle)
    with pytest.raises(KeyError, match=r"there is no shape 'circel'; did you mean 'circle'\? \(known: circle\)"):
        shapes["circel"]


def test_a_name_is_registered_once() -> None:
    shapes: Registry[object] = Registry("shape")
    shapes.register("circle")(_circle)
    shapes.register("circle")(_circle)  # the module was imported again
    with pytest.raises(ValueError, match="two shapes are called 'circle'"):
        shapes.register("circle")(Path)


def test_modules_of_the_home_are_imported_at_the_first_lookup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "drawn_shapes"
    folder.mkdir()
    (folder / "__init__.py").write_text("from sspvs.registry import Registry\nSHAPES = Registry('shape', __name__)\n")
    (folder / "square.py").write_text(
        "from drawn_shapes import SHAPES\n@SHAPES.register('square')\ndef square(): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from drawn_shapes import SHAPES  # type: ignore[import-not-found]

    assert "drawn_shapes.square" not in sys.modules
    assert list(SHAPES) == ["square"]


def test_other_packages_add_theirs_by_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"sspvs.shapes": [EntryPoint("path", "pathlib:Path", "sspvs.shapes")]}
    monkeypatch.setattr("sspvs.registry.entry_points", lambda group: found.get(group, []))
    assert Registry[object]("shape")["path"] is Path
