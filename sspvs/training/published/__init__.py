"""The recipes of published rows: `published: NAME` in a config sets what the released code does where ours differs.

A recipe is a file of plain settings beside this one, `NAME_TASK.yaml`, with what all rows of a publication have in
common. It comes before the configs that name it, which say the rest and may set anything otherwise.
"""

from collections.abc import Sequence
from pathlib import Path

from sspvs.schema import shown
from sspvs.training.given import Given

_FOLDER = Path(__file__).parent


def recipes(task: str) -> list[str]:
    """Names of the recipes of a task."""
    return sorted(path.stem.removesuffix(f"_{task}") for path in _FOLDER.glob(f"*_{task}.yaml"))


def recipe_words(sources: Given, task: str) -> Sequence[str]:
    """The option that stands before all others where `published` is set last to a recipe; none without one.

    Raises:
        ValueError: The task has no recipe of that name.
    """
    name = next((one["published"] for one in reversed(sources) if "published" in one), None)
    if name is None:
        return ()
    if name not in recipes(task):
        known = ", ".join(recipes(task)) or "nothing else"
        raise ValueError(f"published must be null or {known} for task {task}, got {shown(name)}")
    return "--config", str(_FOLDER / f"{name}_{task}.yaml")
