"""Registries: things of one kind by name, such as backbones or losses, extensible from outside the package.

A registry is filled by a decorator. What the package itself offers is found by importing the modules of one place (a
module or a folder); other installed packages add theirs through entry points of the group `sspvs.<plural>`:

    [project.entry-points."sspvs.heads"]
    wave = "my_package.heads:WaveHead"
"""

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")


class Registry(Mapping[str, T], Generic[T]):
    """Things of one kind, in the order in which they were registered.

    Args:
        kind: What one of them is called in messages, such as `head`.
        home: The module, or the folder of modules, whose import registers what the package offers; imported at the
            first lookup, so that a registry costs nothing until it is used.
        plural: Name of the entry-point group after `sspvs.`; `kind` with an "s" unless given.

    Example:
        >>> shapes: Registry[type] = Registry("shape")
        >>> @shapes.register("round")
        ... class Round: ...
        >>> list(shapes)
        ['round']
    """

    def __init__(self, kind: str, home: str = "", plural: str = "") -> None:
        self.kind = kind
        self.group = f"sspvs.{plural or kind + 's'}"
        self._home = home
        self._found: dict[str, T] = {}
        self._filled = False

    def register(self, name: str) -> Callable[[S], S]:
        """Decorator that adds a class or function under `name`; ValueError where that is taken by something else."""

        def add(thing: S) -> S:
            known = self._found.get(name)
            if known is not None and _place(known) != _place(thing):  # a module that is reloaded registers again
                raise ValueError(f"two {self.kind}s are called '{name}': {_place(known)} and {_place(thing)}")
            self._found[name] = thing  # type: ignore[assignment]  # what is registered is what the registry is of
            return thing

        return add

    def __getitem__(self, name: str) -> T:
        """What is registered under a name; KeyError, which lists the names, where nothing is."""
        if name not in self._found:
            self._fill()
        try:
            return self._found[name]
        except KeyError:
            raise KeyError(self.unknown(name)) from None

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return iter(tuple(self._found))

    def __len__(self) -> int:
        self._fill()
        return len(self._found)

    def __contains__(self, name: object) -> bool:
        if name not in self._found:
            self._fill()
        return name in self._found

    def unknown(self, name: str) -> str:
        """The message for a name that is not registered."""
        close = get_close_matches(name, list(self), 1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return f"there is no {self.kind} '{name}'{hint} (known: {', '.join(self)})"

    def _fill(self) -> None:
        """Import what the package offers, then the entry points of other packages."""
        if self._filled:
            return
        self._filled = True
        if self._home:
            home = import_module(self._home)
            for module in pkgutil.iter_modules(getattr(home, "__path__", ()), f"{self._home}."):
                import_module(module.name)
        for entry in entry_points(group=self.group):
            if entry.name not in self._found:
                self.register(entry.name)(entry.load())


def _place(thing: object) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', repr(thing))}"
