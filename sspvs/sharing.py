"""Names of this machine's files in outputs that others read: without absolute paths, and without users' names.

A file goes by its own name; by a path relative to what is written, where that helps to find it again; a checkpoint by
the last parts of its path that distinguish it. A config that is kept names files relative to itself.
"""

import getpass
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

HERE = "${config_dir}"  # in a config, at the beginning of a path: the folder of the config itself

_HOMES = ("home", "Users")
_LEFT_OUT = {"pretrained", "checkpoints"}
_GENERIC = re.compile(r"(best|last|(version|fold|seed)[-_ ]?\d+)(\.ckpt)?")
_SECRET = re.compile(r"(.*[_-])?(api_?key|(auth|access|api|hf)_?token|password|secret|credentials?)", re.IGNORECASE)
_BEHIND_A_NAME = re.compile(r"(googlenet:|open_clip:[^/]*/)([/~].*)")


def file_name(path: str) -> str:
    """The last part of a path, of whatever system."""
    return _pure(path).name


def relative_path(path: Path, folder: Path, *, far: bool = False) -> str | None:
    """A file as seen from a folder, with `/`; None where the way would name a user or the machine's folders.

    With `far`, also where the two have only the root in common.
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
    """A checkpoint's name: `/home/anna/runs/tvsum/version_0/pretrained/best` gives `tvsum/version_0/best`."""
    given = _pure(str(source))
    if not (given.is_absolute() or ".." in given.parts or str(source).startswith(("~", ".")) or Path(source).exists()):
        return str(source)  # a hub id
    parts: list[str] = []
    for part in reversed(_below_home(given if given.is_absolute() else Path(source).expanduser().absolute())):
        if part in ("..", _user()):
            break
        if part not in _LEFT_OUT:
            parts.insert(0, part)
        if not _GENERIC.fullmatch(part) and part not in _LEFT_OUT:
            break
    return "/".join(parts) or given.name


def named(value: Any) -> Any:
    """Plain types, with `checkpoint_name` in the place of absolute paths, at any depth."""
    return each_text(value, lambda text: checkpoint_name(text) if _pure(text).is_absolute() else text)


def shareable(value: Any, folder: Path) -> Any:
    """A config's content without keys, passwords and absolute paths (`${config_dir}/...`, or the file's name)."""
    key = os.environ.get("WANDB_API_KEY")

    def replaced(text: str) -> str | None:
        if key and key in text:
            return None
        if behind := _BEHIND_A_NAME.fullmatch(text):
            return behind[1] + _shareable_path(behind[2], folder)
        return _shareable_path(text, folder)

    return each_text(value, replaced, secret=_SECRET)


def located(value: Any, folder: Path) -> Any:
    """A config's content on this machine, plain types: the inverse of `shareable`, for the config's folder."""

    def replaced(text: str) -> str:
        if behind := re.fullmatch(rf"(.*?){re.escape(HERE)}(/.*)?", text):
            return behind[1] + os.path.normpath(f"{folder.absolute()}{behind[2] or ''}")
        return str(Path(text).expanduser()) if text.startswith("~/") else text

    return each_text(value, replaced)


def each_text(value: Any, replaced: Callable[[str], Any], secret: re.Pattern[str] | None = None) -> Any:
    """Plain types with each text replaced, at any depth; texts under a secret name are None."""
    if isinstance(value, Mapping):
        return {
            name: None
            if secret is not None and isinstance(inner, str) and secret.fullmatch(str(name))
            else each_text(inner, replaced, secret)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [each_text(inner, replaced, secret) for inner in value]
    return replaced(value) if isinstance(value, str) else value


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
