"""The public names of the package: discoverable, documented in full, and each with an example that runs."""

from __future__ import annotations

import ast
import contextlib
import doctest
import inspect
import io
import json
import re
import textwrap
from dataclasses import MISSING, fields
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.pair_sets import write_set
from helpers.summarization_material import WIDTH, write_annotated
from helpers.tiny_pretraining import tiny_task
from helpers.tiny_summarizers import saved_summarizer

import sspvs
from sspvs.benchmark import EvaluationSettings
from sspvs.pipeline.settings import SummarySettings
from sspvs.world.film import SCENES, draw_video

CONFIGS = Path(__file__).parents[1] / "configs"
FUNCTIONS = [name for name in sspvs.__all__ if inspect.isfunction(getattr(sspvs, name))]
DOCUMENTED = [name for name in sspvs.__all__ if name != "__version__"]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    draw_video(folder / "video.mp4", scenes=SCENES[:2], width=96, height=54)
    write_set(folder, [20] * 6, width=WIDTH)
    write_annotated(folder / "dataset.h5", 6, name="dataset")
    with sspvs.read_dataset(folder / "dataset.h5") as dataset:
        scores = {key: dataset[key].gtscore.tolist() for key in dataset}
    (folder / "scores.json").write_text(json.dumps(scores))
    keys = sorted(scores)
    folds = [
        {"train_keys": [k for k in keys if k not in keys[i : i + 2]], "test_keys": keys[i : i + 2]} for i in (0, 2, 4)
    ]
    (folder / "splits.json").write_text(json.dumps(folds))
    saved_summarizer(folder / "summarizer", feature_dim=WIDTH)
    tiny_task(coarse="infonce").save_pretrained(folder / "pretrained")
    config = yaml.safe_load((CONFIGS / "finetune" / "smoke.yaml").read_text())
    config["data"] = {"dataset": "dataset.h5", "splits": "splits.json", "batch_size": 2}
    config["model"]["summarizer"] = {"num_stages": 1}
    (folder / "finetune.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_the_package_lists_its_names() -> None:
    assert dir(sspvs) == sorted(sspvs.__all__)
    assert 30 <= len(sspvs.__all__) <= 40
    shown = ast.parse(inspect.getsource(sspvs))
    typed = {alias.name for node in ast.walk(shown) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(sspvs.__all__) - {"__version__"} <= typed  # editors and mypy see every name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_they_take_give_and_raise(name: str) -> None:
    function = getattr(sspvs, name)
    text = inspect.getdoc(function) or ""
    for parameter in inspect.signature(function).parameters.values():
        assert re.search(rf"^    \*{{0,2}}{parameter.name}: \S", text, re.MULTILINE), f"{name}: {parameter.name}"
        assert parameter.annotation is not inspect.Parameter.empty
    for part in ("Args:", "Returns:"):
        assert part in text or not inspect.signature(function).parameters, f"{name} has no {part}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures_show_values(name: str) -> None:
    """An editor shows the source of a default, and so a value, not the name of a constant."""
    (shown,) = ast.parse(textwrap.dedent(inspect.getsource(getattr(sspvs, name)))).body
    assert isinstance(shown, ast.FunctionDef)
    for default in (*shown.args.defaults, *filter(None, shown.args.kw_defaults)):
        names = [part.id for part in ast.walk(default) if isinstance(part, ast.Name)]
        assert not names, f"{name}: {ast.unparse(default)}"


@pytest.mark.parametrize(
    ("name", "settings"),
    [("summarize", SummarySettings), ("evaluate", EvaluationSettings), ("cross_validate", EvaluationSettings)],
)
def test_values_of_signatures_are_those_of_the_settings(name: str, settings: type) -> None:
    parameters = inspect.signature(getattr(sspvs, name)).parameters
    shared = {
        field.name: field.default
        for field in fields(settings)
        if field.name in parameters and field.default is not MISSING
    }
    assert len(shared) >= 3
    for one, default in shared.items():
        from_config = name == "cross_validate" and one in ("protocol", "rule")  # None: what the config says
        assert parameters[one].default == (None if from_config else default), one


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_example_runs(name: str, material: Path) -> None:
    thing = getattr(sspvs, name)
    text = inspect.getdoc(thing) or ""
    example = doctest.DocTestParser().get_doctest(text, {"sspvs": sspvs, "np": np, "torch": torch}, name, None, 0)
    for method in vars(thing).values() if inspect.isclass(thing) else ():
        function = method.__func__ if isinstance(method, classmethod) else method
        if inspect.isfunction(function) and "Example:" in (function.__doc__ or ""):
            found = doctest.DocTestParser().get_doctest(inspect.getdoc(function) or "", {}, name, None, 0)
            example.examples += found.examples
    assert example.examples, f"{name} has no example"
    output = io.StringIO()
    with contextlib.chdir(material):
        failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=output.write).failed
    assert not failed, output.getvalue()
