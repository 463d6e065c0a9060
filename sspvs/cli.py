"""The command line: a table of verbs, each a module in `sspvs.commands` that is imported only when called.

A verb's module has `DESCRIPTION`, `add_arguments(parser)` and `run(args) -> exit status`; one that has a table `VERBS`
of its own instead is a verb of verbs (`sspvs data build`), and one that has `run_verb(verb, arguments)` reads its
arguments itself. A user's mistake, and any other error, ends as one line on stderr that starts with `error:` and exit
status 2; `--debug` shows the traceback instead. `--quiet`, `--verbose` and standard streams that are closed or full are
handled here, for all verbs.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TextIO, cast, get_args, get_origin

import sspvs
from sspvs.commands.arguments import DEBUG, QUIET, VERBOSE, VerbParser, add_manner_arguments, file_name
from sspvs.errors import REPLACE, MissingExtraError, SspvsError, nearest, one_line, unforeseen

logger = logging.getLogger(__name__)

VERBS = {
    "summarize": ("sspvs.commands.summarize", "video in, summary out: a clip to watch and a page that shows why"),
    "score": ("sspvs.commands.score", "importance scores for every video of a feature file"),
    "extract": ("sspvs.commands.extract", "frame features of many videos into one h5 file"),
    "data": ("sspvs.commands.data", "datasets: build | inspect | convert | splits"),
    "evaluate": (
        "sspvs.commands.evaluate",
        "scores against what people chose, by named protocols, beside human and random",
    ),
    "fit": ("sspvs.commands.lightning", "pretrain, fine-tune a summarizer, or refine without labels: --config C.yaml"),
    "validate": ("sspvs.commands.lightning", "the figures of a checkpoint on validation videos"),
    "test": ("sspvs.commands.lightning", "the same on the videos of data.predict, or on the fold's tested videos"),
    "predict": ("sspvs.commands.lightning", "embeddings of videos and texts, or scores of videos, into an h5 file"),
    "crossval": ("sspvs.commands.crossval", "fine-tune and test on every fold, under several seeds: one table"),
    "export": ("sspvs.commands.export", "a trained checkpoint for others: ONNX, model card, Hugging Face hub"),
    "import": ("sspvs.commands.import_official", "the official SSPVS checkpoint into a checkpoint folder of ours"),
    "demo": ("sspvs.commands.demo", "pretrain, fine-tune, compare and summarise on painted pictures; needs nothing"),
    "doctor": ("sspvs.commands.doctor", "what is installed, what works, what to do"),
}

ALIASES = {"summarise": "summarize"}
COMPLETION = "--print-completion"
PRINTED = frozenset(("evaluate", "validate", "test", "crossval", "doctor", "inspect", "splits"))
"""Verbs whose result is what they print; the others write files."""

Table = Mapping[str, tuple[str, str]]  # verb -> its module and a line that describes it
SHELLS = ("bash", "zsh", "tcsh")


def _overview(prog: str, verbs: Table, about: str = "") -> str:
    lines = [f"  {verb:<11}{line}" for verb, (_, line) in verbs.items()]
    more = f"; sspvs --version; sspvs {COMPLETION} bash" if prog == "sspvs" else ""
    head = [f"usage: {prog} VERB [options]", "", *([about, ""] if about else [])]
    foot = [f"{prog} VERB --help explains a verb{more}", f"every verb takes {QUIET}, {VERBOSE} and {DEBUG}"]
    return "\n".join([*head, *lines, "", *foot])


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when all went well, 1 when some inputs failed, 2 for a user's mistake, 130 when interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=REPLACE)
    while len(arguments) > 1 and arguments[0] in (QUIET, VERBOSE, DEBUG):
        arguments.append(arguments.pop(0))  # before the verb they mean the same
    debug = DEBUG in arguments[1:]
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(message)s")
    if debug:
        logging.getLogger("matplotlib").setLevel(logging.WARNING)
    elif argv is None:  # no other code runs in the process
        _quieten_libraries()
    out, err = _FullStream(sys.stdout), _FullStream(sys.stderr)
    with redirect_stdout(cast("TextIO", out)), redirect_stderr(cast("TextIO", err)):
        try:
            status = _main(arguments)
        except SystemExit:  # --help
            out.flush()
            if out.lost is None:
                raise
            status = 2
        except Exception as error:
            if out.unread or err.unread:  # the reader of our output (`| head`) went away: not a mistake
                return 0
            if debug:
                raise
            foreseen = isinstance(error, SspvsError | ValueError | OSError)
            sys.stderr.write(f"error: {one_line(error) if foreseen else unforeseen(error)}\n")
            status = 2
        except KeyboardInterrupt:
            sys.stderr.write("interrupted\n")
            status = 130
        finally:
            err.flush()
            out.flush()
        if out.lost is not None:
            reason = out.lost.strerror or out.lost
            sys.stderr.write(f"error: cannot write to standard output: {reason}; files, if any, are complete\n")
            return status or 2
        return status


def _main(arguments: Sequence[str]) -> int:
    if arguments[:1] in (["--version"], ["-V"]):
        print(f"sspvs {sspvs.__version__}")  # noqa: T201
        return 0
    if arguments[:1] == [COMPLETION]:
        print(completion_script(VERBS, " ".join(arguments[1:])))  # noqa: T201
        return 0
    return _run("sspvs", VERBS, arguments)


def _run(prog: str, verbs: Table, arguments: Sequence[str], about: str = "") -> int:
    """Run the verb that the arguments start with, out of a table of them."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview(prog, verbs, about))  # noqa: T201
        return 0 if arguments else 2
    given, *rest = arguments
    verb = ALIASES.get(given, given)
    if verb not in verbs:
        close = nearest(given, [*verbs, *ALIASES])
        meant = f"did you mean {ALIASES.get(close, close)}?" if close else f"expected one of: {', '.join(verbs)}"
        raise ValueError(f"unknown verb '{given}'; {meant} (see `{prog} --help`)")
    module_name, line = verbs[verb]
    module = import_module(module_name)
    if hasattr(module, "VERBS"):
        return _run(f"{prog} {verb}", module.VERBS, rest, module.DESCRIPTION)
    if hasattr(module, "run_verb"):
        explains = any(word.startswith(("-h", "--help", "--print_config")) for word in rest)
        with _manner(QUIET in rest, VERBOSE in rest, printed=verb in PRINTED or explains):
            return int(module.run_verb(verb, rest))
    description = getattr(module, "DESCRIPTION", None) or line.capitalize() + "."
    parser = VerbParser(prog=f"{prog} {verb}", description=description)
    module.add_arguments(parser)
    add_manner_arguments(parser)
    args = parser.parse_args(rest)
    with _manner(args.quiet, args.verbose, printed=verb in PRINTED):
        return int(module.run(args))


def _replace_closed_streams() -> None:
    """Open the null device for closed standard streams (`>&-`), lest the next opened file gets their output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def _quieten_libraries() -> None:
    """Print a library's warning as one line, and log errors of threads and destructors instead of showing them."""

    def log(happened: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
        logger.debug("an error beside the work", exc_info=happened.exc_value)

    def warning_line(message: Warning | str, *_: object, **__: object) -> str:
        return f"warning: {one_line(message) if isinstance(message, Warning) else message}\n"

    threading.excepthook = sys.unraisablehook = log
    warnings.formatwarning = warning_line


@contextmanager
def _manner(quiet: bool, verbose: bool, *, printed: bool) -> Iterator[None]:
    """Run a verb with less on the screen, or with more; `printed` is whether its result is what it prints."""
    if quiet and verbose:
        raise ValueError(f"give {QUIET} or {VERBOSE}, one of them")
    root = logging.getLogger()
    level = root.level
    try:
        if verbose:
            root.setLevel(min(level, logging.INFO))
        if not quiet:
            yield
            return
        with (
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            redirect_stdout(sys.stdout if printed else nowhere),
            redirect_stderr(cast("TextIO", _NoTerminal(sys.stderr))),
        ):
            yield
    finally:
        root.setLevel(level)


class _Stream:
    """Another stream, for the rest."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


class _NoTerminal(_Stream):
    """A stream that is no terminal, so that no progress bar is drawn on it."""

    def isatty(self) -> bool:
        return False


class _FullStream(_Stream):
    """A stream whose device may be full (`lost`) or whose reader may have gone (`unread`)."""

    lost: OSError | None = None
    unread = False

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self.unread = True
            self._discard()
            raise
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._discard()
        except OSError as error:
            self._lose(error)

    def _discard(self) -> None:
        """Write into the null device from now on, also what the interpreter flushes at its end."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def _lose(self, error: OSError) -> None:
        self.lost = self.lost or error
        self._discard()


def completion_script(verbs: Table, shell: str) -> str:
    """The script, with every option of every verb in it, so that nothing is imported when TAB is pressed."""
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


def _add_verbs(parser: argparse.ArgumentParser, verbs: Table, file: Mapping[str, str]) -> None:
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
    """The values of a setting, where those are words; None when it may be anything else."""
    if type_ is bool:
        return ["true", "false"]
    if get_origin(type_) is Literal:
        return [str(word) for word in get_args(type_)]
    return None
