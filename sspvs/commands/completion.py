"""`sspvs --print-completion SHELL`: a script that completes verbs, options and file names on TAB."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from sspvs.commands.arguments import add_manner_arguments, file_name
from sspvs.errors import MissingExtraError

SHELLS = ("bash", "zsh", "tcsh")


def completion_script(verbs: Mapping[str, tuple[str, str]], shell: str) -> str:
    """The script, with every option of every verb in it, so that nothing is imported when TAB is pressed.

    Args:
        verbs: Verb -> its module and the line that says what it does.
        shell: Which shell it is for.

    Raises:
        ValueError: It is for no such shell.
        MissingExtraError: shtab is not installed.
    """
    if shell not in SHELLS:
        raise ValueError(f"--print-completion: expected one of {', '.join(SHELLS)}, got '{shell}'")
    try:
        import shtab
    except ImportError as error:
        raise MissingExtraError("--print-completion needs shtab: pip install shtab") from error
    parser = argparse.ArgumentParser(prog="sspvs")
    parser.add_argument("--version", "-V", action="store_true", help="print the version")
    _add_verbs(parser, verbs, shtab.FILE)
    script: str = shtab.complete(parser, shell)
    return script


def _add_verbs(parser: argparse.ArgumentParser, verbs: Mapping[str, tuple[str, str]], file: Mapping[str, str]) -> None:
    """Add the parsers of a table of verbs; `file` completes the name of one."""
    places = parser.add_subparsers()
    for verb, (name, line) in verbs.items():
        module = import_module(name)
        if hasattr(module, "VERBS"):
            _add_verbs(places.add_parser(verb, help=line), module.VERBS, file)
            continue
        if hasattr(module, "parser"):
            own: argparse.ArgumentParser = module.parser()
        else:
            own = argparse.ArgumentParser(add_help=False)
            add_manner_arguments(own)
        if hasattr(module, "add_arguments"):
            module.add_arguments(own)
        else:
            _add_settings(own, "fit" if verb == "crossval" else verb, file)
        for action in own._actions:
            if action.type in (Path, file_name):
                action.complete = file  # type: ignore[attr-defined]
        places.add_parser(verb, help=line, parents=[own], conflict_handler="resolve")


def _add_settings(parser: argparse.ArgumentParser, verb: str, file: Mapping[str, str]) -> None:
    """Every setting of every task; `sspvs fit --help` lists them one task at a time."""
    from sspvs.training.command_line import settings_parser
    from sspvs.training.tasks import TASKS

    for task in TASKS:
        for action in settings_parser(verb, task)._actions:
            names = [name for name in action.option_strings if name[-1] != "+" and not name.endswith(".help")]
            if not names or names[0] in parser._option_string_actions:
                continue
            type_ = getattr(action, "_typehint", None) or action.type
            added = parser.add_argument(*names, choices=_words(type_))
            if added.choices is None and type_ not in (int, float):
                added.complete = file  # type: ignore[attr-defined]


def _words(type_: Any) -> list[str] | None:
    """What a setting may be, where those are words; None when it may be anything else."""
    if type_ is bool:
        return ["true", "false"]
    if get_origin(type_) is Literal:
        return [str(word) for word in get_args(type_)]
    return None
