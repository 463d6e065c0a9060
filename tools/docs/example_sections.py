"""What the API page shows: `Example:` sections of docstrings as code, and the values of defaults that are constants.

Griffe recognises only the plural, `Examples:`; both are Google style. mkdocs.yml loads this extension.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe


class ApiPage(griffe.Extension):
    """Change docstrings before they are parsed, and signatures once constants can be looked up."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"(?m)^Example:$", "Examples:", obj.docstring.value)

    def on_function(self, *, func: griffe.Function, loader: griffe.GriffeLoader, **_: Any) -> None:
        for parameter in func.parameters:
            if isinstance(parameter.default, griffe.ExprName):
                parameter.default = _value(loader, func.module, parameter.default.name)


def _value(loader: griffe.GriffeLoader, module: griffe.Module, name: str) -> str:
    """What a constant of a module stands for, its own or one that it imports; its name where that is no assignment."""
    if name in module.imports:
        home, _, own = module.imports[name].rpartition(".")
        return _value(loader, loader.modules_collection[home], own)
    for statement in ast.parse(module.filepath.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign):
            (target,), value = statement.targets, statement.value
            pairs = zip(target.elts, value.elts, strict=True) if isinstance(target, ast.Tuple) else [(target, value)]
            for one, given in pairs:
                if ast.unparse(one) == name:
                    return ast.unparse(given)
    return name
