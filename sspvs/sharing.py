"""How files of this machine are named in what others get to read: without absolute paths, and without users' names.

A file goes by its own name; by a path relative to what is written, where that helps to find it again; a checkpoint by
the last parts of its place that tell it from others. A config that is kept names files relative to itself.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

HERE = "${config_dir}"
"""In a config, at the beginning of a path: the folder of the config itself."""

_HOMES = ("home", "Users")
_LEFT_OUT = {"pretrained", "checkpoints"}
_TELLS_LITTLE = re.compile(r"(best|last|(version|fold|seed)[-_ ]?\d+)(\.ckpt)?")
_SECRET = re.compile(r"(.*[_-])?(api_?key|(auth|access|api|hf)_?token|password|secret|credentials?)", re.IGNORECASE)
_BEHIND_A_NAME = re.compile(r"(googlenet:|open_clip:[^/]*/)([/~].*)")


def file_name(path: str) -> str:
    r"""The last part of a path, of whatever system.

    Example:
        >>> file_name("/home/anna/videos/a.mp4"), file_name(r"C:\Users\anna\b.mp4"), file_name("c.mp4")
        ('a.mp4', 'b.mp4', 'c.mp4')
    """
    return _pure(path).name


def relative_path(path: Path, folder: Path, *, far: bool = False) -> str | None:
    """A file as seen from a folder, with `/`.

    Args:
        path: The file.
        folder: Of what refers to it.
        far: Also where the two have only the root in common.

    Returns:
        None where the way would name a user or, unless `far`, spell out the machine's folders.
    """
    path, folder = path.resolve(), folder.resolve()
    try:
        shared = Path(os.path.commonpath([path, folder]))
    except ValueError:  # another drive on Windows
        return None
    below = path.parts[len(shared.parts) :]
    if (shared == Path(shared.anchor) and not far) or len(_below_home(path)) < len(below) or _user() in below:
        return None
    return Path(os.path.relpath(path, folder)).as_posix()


def checkpoint_name(source: str | Path) -> str:
    """What a checkpoint is called: the last part of its place that tells it from others, and what follows.

    Example:
        >>> checkpoint_name("nobody/has-this")
        'nobody/has-this'
        >>> checkpoint_name("/home/anna/runs/tvsum/version_0/pretrained/best")
        'tvsum/version_0/best'
    """
    given = _pure(str(source))
    if not (given.is_absolute() or ".." in given.parts or str(source).startswith(("~", ".")) or Path(source).exists()):
        return str(source)  # a hub id
    parts: list[str] = []
    for part in reversed(_below_home(given if given.is_absolute() else Path(source).expanduser().absolute())):
        if part in ("..", _user()):
            break
        if part not in _LEFT_OUT:
            parts.insert(0, part)
        if not _TELLS_LITTLE.fullmatch(part) and part not in _LEFT_OUT:
            break
    return "/".join(parts) or given.name


def named(value: Any) -> Any:
    """Plain types, with `checkpoint_name` in the place of absolute paths, at any depth."""
    if isinstance(value, Mapping):
        return {name: named(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [named(inner) for inner in value]
    return checkpoint_name(value) if isinstance(value, str) and _pure(value).is_absolute() else value


def shareable(value: Any, folder: Path) -> Any:
    """A config's content for others: files relative to the config (see `HERE`), and nobody's keys or passwords.

    Args:
        value: Plain types.
        folder: Of the config.

    Returns:
        The same, with absolute paths replaced: by `${config_dir}/...`, below the user's home by `~/...`, or by the
        file's name where neither hides whose machine it is. Keys and passwords are None.
    """
    if isinstance(value, Mapping):
        return {
            name: None if _SECRET.fullmatch(str(name)) and isinstance(inner, str) else shareable(inner, folder)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [shareable(inner, folder) for inner in value]
    if not isinstance(value, str):
        return value
    if (key := os.environ.get("WANDB_API_KEY")) and key in value:
        return None
    if behind := _BEHIND_A_NAME.fullmatch(value):
        return behind[1] + _shareable_path(behind[2], folder)
    return _shareable_path(value, folder)


def located(value: Any, folder: Path) -> Any:
    """A config's content on this machine: the inverse of `shareable`.

    Args:
        value: Plain types.
        folder: Of the config.
    """
    if isinstance(value, Mapping):
        return {name: located(inner, folder) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [located(inner, folder) for inner in value]
    if not isinstance(value, str):
        return value
    if behind := re.fullmatch(rf"(.*?){re.escape(HERE)}(/.*)?", value):
        return behind[1] + os.path.normpath(f"{folder.absolute()}{behind[2] or ''}")
    return str(Path(value).expanduser()) if value.startswith("~/") else value


def _shareable_path(text: str, folder: Path) -> str:
    if not _pure(text).is_absolute() or "\n" in text:
        return text
    path, hash_mark, group = Path(text), "", ""
    if not path.exists():  # a group of a feature file
        name, hash_mark, group = text.partition("#")
        path = Path(name)
    seen = relative_path(path, folder, far=True)
    if seen is not None:
        shown = f"{HERE}/{seen}"
    else:
        shown = f"~/{path.relative_to(Path.home()).as_posix()}" if path.is_relative_to(Path.home()) else path.name
    return shown + hash_mark + group


def _pure(path: str) -> PurePath:
    windows = PureWindowsPath(path)
    return windows if windows.is_absolute() and not path.startswith("/") else PurePosixPath(path)


def _below_home(path: PurePath) -> tuple[str, ...]:
    """Parts of an absolute path below the home folder of a user, or else below the root."""
    inside = path.parts[1:]
    if len(inside) > 1 and inside[0] in _HOMES:
        return inside[2:]
    if inside[:1] == ("root",):
        return inside[1:]
    home = Path.home()
    return path.relative_to(home).parts if path.is_relative_to(home) else inside


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        return ""
