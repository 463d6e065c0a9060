"""Options that several verbs have, declared once, and how the words after a verb are read."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from sspvs.errors import UnknownOptionError, local_only, nearest
from sspvs.overwriting import Kind, check_output

if TYPE_CHECKING:
    from sspvs.features.backbones import Backbone
    from sspvs.video.files import FoundVideos

DEBUG, QUIET, VERBOSE = "--debug", "--quiet", "--verbose"

_CLOCK = re.compile(r"(?:(\d+):(?=\d+:))?(\d+):(\d{1,2}(?:\.\d+)?)", re.ASCII)
_UNITS = re.compile(
    r"(?=.)(?:(\d+(?:\.\d+)?) *h)? *(?:(\d+(?:\.\d+)?) *m(?:in)?)? *(?:(\d+(?:\.\d+)?) *s(?:ec)?)?", re.ASCII
)


class VerbParser(argparse.ArgumentParser):
    """Parser of a verb's arguments: mistakes are one line with the nearest option; `type=Path` refuses addresses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register("type", Path, lambda text: Path(local_only(text)))
        self._words: list[str] = []

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse, and keep the words for the messages."""
        self._words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(self._words, namespace)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse; an unknown option is named with the one that is nearest to it."""
        parsed, rest = self.parse_known_args(args, namespace)
        for word in rest:
            if _is_option(word):
                raise UnknownOptionError(_option(word), self._option_string_actions, self.prog)
        if rest:
            self.error(f"unexpected {' '.join(rest)}")
        return parsed

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting, so that all mistakes end alike."""
        required = [
            *(action for action in self._actions if action.required),
            *(one for group in self._mutually_exclusive_groups if group.required for one in group._group_actions),
        ]
        options = [option for action in required for option in action.option_strings]
        for word in filter(_is_option, self._words):
            if _option(word) not in self._option_string_actions and nearest(_option(word), options):
                raise UnknownOptionError(_option(word), options, self.prog)  # one that is required, mistyped
        raise ValueError(f"{message} (see `{self.prog} --help`)")


def _is_option(word: str) -> bool:
    return re.match(r"--?[A-Za-z]", word) is not None


def _option(word: str) -> str:
    return word.partition("=")[0]


def file_name(text: str) -> str:
    """The type of an argument that is a file or a name, or `NAME=FILE`: no address."""
    return local_only(text)


def seconds(text: str) -> float:
    """The type of a length of time: `30`, `1:30`, `1:02:03.5`, `90s`, `1m30s`; not negative."""
    given = text.strip().lower()
    found = _CLOCK.fullmatch(given) or _UNITS.fullmatch(given)
    try:
        if found is None:
            value = float(given)
        else:
            hours, minutes, rest = (float(part or 0) for part in found.groups())
            if ":" in given and (rest >= 60 or (found[1] and minutes >= 60)):
                raise ValueError
            value = 3600 * hours + 60 * minutes + rest
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds, or a time such as 1:30, 1:02:03.5 or 1m30s, got '{text}'")
    return value


def span(text: str) -> tuple[float, float]:
    """A shortest and a longest time, such as `2-6`; for `argparse`."""
    shortest, dash, longest = text.partition("-")
    if not dash:
        raise argparse.ArgumentTypeError(f"expected the shortest and the longest, such as 2-6, got {text!r}")
    return seconds(shortest), seconds(longest)


def share(text: str) -> float:
    """The type of a part of a whole: `0.15`, `15%`, and `15`, which is taken as per cent; in [0, 1]."""
    given = text.strip()
    try:
        value = float(given.removesuffix("%"))
    except ValueError:
        value = math.nan
    if given.endswith("%"):
        value /= 100
    elif 2 <= value <= 100:  # 1 is the whole; 1.5 may be a part or per cent
        sys.stderr.write(f"note: {given} is taken as per cent, {given}%\n")
        value /= 100
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a part between 0 and 1, or per cent such as 15%, got '{text}'")
    return value


def options_for(function: Callable[..., Any], args: argparse.Namespace) -> dict[str, Any]:
    """The options of a verb that are parameters of a function, or fields of a dataclass, of the same name."""
    return {name: value for name in signature(function).parameters if (value := getattr(args, name, None)) is not None}


def add_manner_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that all verbs have: how much they print."""
    parser.add_argument(QUIET, action="store_true", help="no progress; print results, warnings and errors only")
    parser.add_argument(VERBOSE, action="store_true", help="show the log")
    parser.add_argument(DEBUG, action="store_true", help="show the traceback of an error, and the whole log")


def add_videos_arguments(parser: argparse.ArgumentParser) -> None:
    """The videos, and how folders of them are searched."""
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help="video files, or folders of them")
    parser.add_argument("--recursive", action="store_true", help="search the folders within folders too")


def search(args: argparse.Namespace) -> FoundVideos:
    """Find the videos of `add_videos_arguments`; print what was not searched."""
    from sspvs.video.files import find_videos, sub_folders

    found = find_videos(args.videos, recursive=args.recursive, out=args.out)
    for sentence in found.unreadable:
        print(f"warning: {sentence}", file=sys.stderr)
    if found.not_searched:
        were = "was" if found.not_searched == 1 else "were"
        print(f"{sub_folders(found.not_searched)} {were} not searched; --recursive searches them too")
    return found


def check_outputs(args: argparse.Namespace, **kinds: Kind | tuple[Kind, ...]) -> None:
    """Refuse outputs that would replace a file that is not ours, or an input: a file that another argument names."""
    inputs = list(_paths({name: value for name, value in vars(args).items() if name not in kinds}))
    outputs: list[Path] = []
    for name, kind in kinds.items():
        path = getattr(args, name)
        if path is not None:
            check_output(path, *(kind if isinstance(kind, tuple) else (kind,)), inputs=inputs)
            outputs.append(path)
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise ValueError(f"two results would be the same file: {', '.join(map(str, outputs))}; choose another name")


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _paths(one)
    elif isinstance(value, Path):
        yield value
    elif isinstance(value, str) and value:
        yield Path(value)
        yield Path(value.partition("=")[2])


def add_scorer_argument(parser: argparse._ActionsContainer) -> None:
    """What scores the frames."""
    parser.add_argument(
        "--scorer",
        type=file_name,
        default="contrastive",
        metavar="NAME",
        help="contrastive (default; without training), or a checkpoint, fine-tuned or refined: a folder, a .ckpt file "
        "or a hub id",
    )


def add_text_arguments(group: argparse._ArgumentGroup) -> None:
    """What is known about a video in words."""
    group.add_argument("--title", default="", help="text that says what matters, seen or spoken; guides the choice")
    group.add_argument(
        "--query",
        default="",
        help="search query: guides as the title does, or for a checkpoint that was trained with text",
    )
    group.add_argument("--category", default="", help="category, for a checkpoint that was trained with text")


def load_backbones(args: argparse.Namespace) -> list[Backbone]:
    """The backbones of `add_extraction_arguments` with `several`, each printed with why it was taken."""
    from sspvs.features.backbones import load_backbone

    names = args.backbones or ["auto"]
    if len(set(names)) < len(names):
        raise ValueError(f"each --backbone may be given once, got {', '.join(names)}")
    loaded = []
    for name in names:
        loaded.append(load_backbone(name, device=args.device, precision=args.precision, download=args.download))
        print(f"backbone {loaded[-1].name}: {loaded[-1].reason}")
    if len({one.name for one in loaded}) < len(loaded):
        raise ValueError(f"each --backbone may be given once, got {', '.join(names)}")
    return loaded


def add_importance_arguments(group: argparse._ArgumentGroup) -> None:
    """Options of the contrastive importance, of features as they are or refined."""
    group.add_argument(
        "--combine",
        metavar="EXPRESSION",
        help="terms joined by * and +, such as a*g (or ag) or a*h+g: a local dissimilarity, g global consistency, t "
        "similarity to the title and, with a refined checkpoint only, h uniqueness (default: ag, or as the checkpoint "
        "says)",
    )
    group.add_argument(
        "--post",
        choices=("summe", "tvsum", "none"),
        help="after the product p: p + 0.05 (summe) or exp(p - 1) (tvsum), smoothed; or nothing (default: summe, or as "
        "the checkpoint says)",
    )


def add_extraction_arguments(
    group: argparse._ArgumentGroup, *, rate_hz: float | None = 2.0, several: bool = False
) -> None:
    """Options of decoding and feature extraction; the default rate None leaves it to the scorer."""
    encoder = "frame encoder by name (default: auto; see `sspvs doctor`)"
    if several:
        encoder += "; given again, further ones, each a stream of its own, `features_NAME`"
        group.add_argument("--backbone", action="append", dest="backbones", metavar="BACKBONE", help=encoder)
    else:
        group.add_argument("--backbone", default="auto", help=encoder)
    default = "2, or as the checkpoint was trained" if rate_hz is None else f"{rate_hz:g}"
    group.add_argument(
        "--rate",
        dest="rate_hz",
        type=float,
        default=rate_hz,
        metavar="HZ",
        help=f"frames looked at per second (default: {default})",
    )
    group.add_argument("--decoder", default="auto", choices=("auto", "pyav", "decord"), help="default: auto")
    group.add_argument(
        "--time-limit",
        dest="time_limit_seconds",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="stop a decoder that gives nothing this long",
    )
    group.add_argument(
        "--max-damaged", type=share, metavar="SHARE", help="refuse a video with more damaged frames (default: 0.33)"
    )
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (default: auto)")
    group.add_argument("--precision", default="auto", choices=("auto", "fp32", "fp16", "bf16"), help="default: auto")
    group.add_argument("--download", action="store_true", help="fetch weights that are not on this machine")
