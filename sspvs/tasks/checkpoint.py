"""Checkpoints: `Checkpoint.open` reads every kind, `save_folder` writes one; nothing in them can run code.

A folder of ours has `config.json` (plain settings) and `model.safetensors`:

    config.json = {"kind": ..., "version": 1, "sspvs": version, "settings": {...}, "feature_fingerprint": {...} or null,
                   "tied": {name: name of the same tensor}}

It may hold another one, `pretraining`: of the model that its own was fine-tuned from. The config is written last, and
an old one is removed first: a folder with a config is whole. A `.ckpt` file of Lightning holds what goes on training as
well, and under `sspvs` its kind and version; the official file is read too.
"""

import argparse
import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import sspvs
from sspvs.atomic import made_folder, together, write_bytes, write_text
from sspvs.errors import CheckpointError, SspvsError, WeightsNotFoundError, first_line, listed, one_line
from sspvs.files import read_json
from sspvs.models.summarizer_heads import HEADS
from sspvs.models.text_guidance import GUIDANCES
from sspvs.registry import Registry
from sspvs.schema import IT_HAS, Settings, chosen, group_mistakes, parameters, shown
from sspvs.tasks.objectives import OBJECTIVES
from sspvs.tasks.settings import settings_from
from sspvs.tasks.tensors import LoadReport, no_weight, read_tensors, read_torch_file, refuse_what_is_no_weight, untied
from sspvs.types import Fingerprint
from sspvs.weights.digest import file_digest, hub_offline

CONFIG, WEIGHTS, PRETRAINING = "config.json", "model.safetensors", "pretraining"
VERSION = 1

PRETRAIN, SUMMARIZE, REFINE = "sspvs.pretrain", "sspvs.summarize", "sspvs.refine"  # kinds of checkpoints of ours
OFFICIAL, OFFICIAL_PREFIX = "official", "video_model."
"""The kind of the official SSPVS checkpoint, and how the names of its tensors begin."""

_TASKS = {
    PRETRAIN: ("sspvs.tasks.pretrain", "PretrainTask"),
    SUMMARIZE: ("sspvs.tasks.summarize", "SummarizeTask"),
    REFINE: ("sspvs.tasks.refine", "RefineTask"),
}
_SIGNS = {SUMMARIZE: "summarizer", REFINE: "refiner", PRETRAIN: "local_radius"}
"""A setting that only one kind has: `.ckpt` files of earlier versions do not store theirs."""
_MAY_BE_MISSING = frozenset(
    (
        *("pretrained", "initialised_from", "feature_fingerprint"),  # null
        *("title_as_query", "unit_length", "summarizer.fit_frames", "losses.fine_frames", "losses.more"),  # came later
        *("video.stream_widths", "video.normalise", "video.stream_dropout", "ridge", "optim.projection_lr"),
        *(f"losses.{name}" for name in ("aligned_video", "duplicates", "linear_path", "mask_target")),
        *("losses.video_shrinkage", "losses.text_shrinkage"),
        *(f"text_fields.{name}" for name in ("padding_counts", "cut", "whole")),
        *("video.start", "text_dropout"),
    )
)
_DROPPED = ("fast_linears",)  # settings of earlier versions that decide nothing about the model
_REGISTERED: Mapping[str, Registry[Any]] = {
    "summarizer.head": HEADS,
    "summarizer.text_guidance": GUIDANCES,
    "losses.coarse": OBJECTIVES,
    "losses.fine": OBJECTIVES,
    "losses.more": OBJECTIVES,
}
_MOST_MISTAKES = 5
_PLAIN = (str, int, float, bool, type(None))
_SPARE_BYTES = 512 * 2**20
"""What a task may have beside its checkpoint's tensors: tables that are computed, a tower that is not loaded."""


@dataclass(frozen=True)
class _Config:
    """What `config.json` holds."""

    kind: str
    version: int
    sspvs: str
    settings: dict[str, Any]
    feature_fingerprint: dict[str, Any] | None = None
    tied: dict[str, str] | None = None


@dataclass(frozen=True)
class Origin:
    """`initialised_from` of a checkpoint: what a summarizer started from."""

    source: str
    kind: str
    sha256: str
    loaded: int
    missing: list[str]
    unexpected: list[str]
    initialised_from: dict[str, Any] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of any kind. Its settings are as they are written; `checked` holds them against its task."""

    source: str  # a folder, a file or a hub id
    path: Path
    kind: str  # such as `sspvs.summarize`
    settings: dict[str, Any]  # plain types; the options of an official file
    version: str | None = None  # of the sspvs that wrote it
    tied: Mapping[str, str] = field(default_factory=dict)  # tensor -> the name under which it is stored
    _state: dict[str, Tensor] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def open(cls, source: str | Path, kinds: Collection[str] = (), *, download: bool = False) -> "Checkpoint":
        """Open a folder (the first checkpoint in it that fits), a file or a hub id, of one of `kinds`, or any."""
        path = Path(source)
        if path.is_file():
            return cls._of_file(path, kinds)
        if path.exists() and not path.is_dir():
            raise CheckpointError(f"{path}: neither a file nor a folder (a device or a named pipe); name a checkpoint")
        folder = path if path.is_dir() else _from_hub(str(source), download)
        config = _read_config(folder)
        found, inner = config.get("kind"), folder / PRETRAINING
        if kinds and found not in kinds:
            if not (inner / CONFIG).is_file() or (config := _read_config(inner)).get("kind") not in kinds:
                expected = " or ".join(f"'{one}'" for one in kinds)
                raise CheckpointError(f"{folder}: expected a checkpoint of kind {expected}, got {shown(found)}")
            folder = inner
        if config.get("version") != VERSION:
            raise CheckpointError(
                f"{folder}: version {shown(config.get('version'))} of a checkpoint; this sspvs reads version {VERSION}"
            )
        if wrong := list(group_mistakes(parameters(_Config), config, "", {"feature_fingerprint", "tied"})):
            raise CheckpointError(f"{folder / CONFIG}: {'; '.join(wrong)}{_version_hint(wrong)}")
        whole = _Config(**config)
        settings = dict(whole.settings)
        if settings.get("feature_fingerprint") is None:
            settings["feature_fingerprint"] = whole.feature_fingerprint
        return cls(str(source), folder, whole.kind, settings, whole.sspvs, whole.tied or {})

    @classmethod
    def _of_file(cls, path: Path, kinds: Collection[str]) -> "Checkpoint":
        content = read_torch_file(path, official=OFFICIAL in kinds)
        parts = content if isinstance(content, dict) else {}
        settings, state = parts.get("hyper_parameters"), parts.get("state_dict")
        official = isinstance(state, Mapping) and any(str(name).startswith(OFFICIAL_PREFIX) for name in state)
        if official and kinds and OFFICIAL not in kinds:
            raise CheckpointError(f"{path}: an official SSPVS checkpoint; `sspvs import` makes a folder of ours of it")
        if official or OFFICIAL in kinds:
            options = _plain(settings) if isinstance(settings, (Mapping, argparse.Namespace)) else {}
            return cls(str(path), path, OFFICIAL, options, None, {}, _official_state(path, state))
        if not isinstance(settings, Mapping) or not isinstance(state, Mapping):
            raise CheckpointError(
                f"{path}: a torch file, but no Lightning checkpoint of sspvs: hyper_parameters or state_dict are not "
                "in it"
            )
        if not all(isinstance(name, str) for name in (*settings, *state)):
            raise CheckpointError(f"{path}: hyper_parameters or state_dict have names that are no text")
        refuse_what_is_no_weight(state, path)
        own = parts.get("sspvs")
        stored = own if isinstance(own, Mapping) else {}
        kind = str(stored.get("kind", next((kind for kind, sign in _SIGNS.items() if sign in settings), None)))
        if kind not in (expected := [one for one in kinds or _TASKS if one in _TASKS]):
            what = f"of kind '{kind}'" if kind in _TASKS else "of no task of sspvs"
            raise CheckpointError(f"{path}: a Lightning checkpoint, but {what}; expected {' or '.join(expected)}")
        settings = {name: value for name, value in settings.items() if not name.startswith("_")}  # Lightning's own
        version = stored.get("version")
        return cls(str(path), path, kind, settings, version if isinstance(version, str) else None, {}, dict(state))

    @property
    def weights(self) -> Path:
        """The file with the weights."""
        return self.path / WEIGHTS if self.path.is_dir() else self.path

    @property
    def sha256(self) -> str:
        """Digest of the file with the weights."""
        return file_digest(self.weights)

    @property
    def fingerprint(self) -> dict[str, Any] | None:
        """Fingerprint of the features that it was trained on; None when unknown."""
        known: dict[str, Any] | None = self.settings.get("feature_fingerprint")
        return known

    @property
    def reads_text(self) -> bool:
        """Whether its text tower is used: always, but in a summarizer without text guidance."""
        return bool(self.settings.get("summarizer", {}).get("text_guidance") != "none")

    @property
    def state(self) -> dict[str, Tensor]:
        """Tensors by name, dense and finite; CheckpointError where they are damaged."""
        if self._state is None:
            state = read_tensors(self.weights)
            for name, same in self.tied.items():
                if same in state:
                    state[name] = state[same]
            object.__setattr__(self, "_state", state)
        assert self._state is not None
        return self._state

    def checked(
        self, *, download: bool = False, strict: bool = False, task: type[nn.Module] | None = None
    ) -> "Checkpoint":
        """The same with every setting of its task, or of `task`; `strict` refuses missing and unexpected tensors."""
        if task is None:
            module, name = _TASKS[self.kind]
            task = getattr(import_module(module), name)
        whole = replace(self, settings=_whole_settings(task, self.settings, self.path, download))
        text = whole.settings.get("text")
        if text and whole.reads_text and text["encoder"] != "small" and text["config"] is None and not download:
            raise CheckpointError(
                f"{self.path}: it names the text encoder '{text['encoder']}' without its sizes (settings.text.config), "
                "and nothing is looked for that a checkpoint names; write them into its config.json, or allow the "
                "download (--download)"
            )
        _refuse_other_sizes(task, whole.settings, self.state, self.path, strict)
        return replace(whole, _state=self._state)


def save_folder(
    folder: Path,
    kind: str,
    settings: Mapping[str, Any],
    state: Mapping[str, Tensor],
    *,
    fingerprint: Mapping[str, Any] | None = None,
) -> Path:
    """Write a checkpoint folder; `settings` are what `__init__` of the task takes, in plain types."""
    from safetensors.torch import save

    unique, tied = untied(state)
    known = None if fingerprint is None else dict(fingerprint)
    config = _Config(kind, VERSION, sspvs.__version__, dict(settings), known, tied)
    text = json.dumps(vars(config), indent=2) + "\n"
    with made_folder(folder), together(seal=folder / CONFIG):
        write_bytes(folder / WEIGHTS, save(unique))  # its own writer puts a file of another mode in the place of ours
        write_text(folder / CONFIG, text)
    return folder


def _official_state(path: Path, state: object) -> dict[str, Tensor]:
    """The tensors of the official model, floating-point ones in float32."""
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path}: expected a Lightning checkpoint with a 'state_dict', found none")
    tensors = {name: tensor for name, tensor in state.items() if isinstance(name, str) and isinstance(tensor, Tensor)}
    ours = {name: tensor for name, tensor in tensors.items() if name.startswith(OFFICIAL_PREFIX)}
    if not ours:
        raise CheckpointError(
            f"{path}: no tensor's name starts with '{OFFICIAL_PREFIX}' (found {len(tensors)}: "
            f"{', '.join(sorted(tensors)[:3]) or 'nothing'}); this is no official SSPVS checkpoint"
        )
    if bad := sorted(name for name, tensor in ours.items() if no_weight(tensor)):
        raise CheckpointError(f"{path}: tensors that are no dense, finite numbers: {', '.join(bad[:5])}")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in ours.items()}


def _plain(value: Any) -> Any:
    """An official file's options as JSON has them; what is of another type as text."""
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [part if isinstance(part, _PLAIN) else str(part) for part in value]
    return value if isinstance(value, _PLAIN) else str(value)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{folder}: no {CONFIG} in it; is it a checkpoint folder, and was it written to the end?")
    try:
        config = read_json(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: no JSON: {first_line(error)}") from error
    return config if isinstance(config, dict) else {}


def _from_hub(name: str, download: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        with hub_offline(not download):
            found = snapshot_download(name, allow_patterns=["*.json", "*.safetensors"], local_files_only=not download)
        return Path(found)
    except Exception as error:  # its own errors, those of its network library, and ValueError for what is no id
        hint = "" if download else "; allow the download if it is a hub id"
        raise WeightsNotFoundError(
            f"'{name}' is neither a checkpoint folder nor a hub model on this machine{hint}: {first_line(error)}"
        ) from error


def _whole_settings(task: type[nn.Module], given: Mapping[str, Any], path: Path, download: bool) -> dict[str, Any]:
    """The settings, whole and in plain form."""
    hints = parameters(task)
    settings = {name: value for name, value in given.items() if name not in _DROPPED}
    if "pretrained" in hints:
        settings["pretrained"] = None
    if isinstance(settings.get("text"), Mapping):
        settings["text"] = {**settings["text"], "download": download}
    _refuse_unregistered(settings, path)
    wrong = [*group_mistakes(hints, settings, "", _MAY_BE_MISSING), *_mistakes_of_facts(settings)]
    if wrong:
        shortened = listed(wrong, _MOST_MISTAKES, "; ")
        raise CheckpointError(f"{path}: its settings are damaged: {shortened}{_version_hint(wrong)}")
    plain = {name: parameter.default for name, parameter in signature(task).parameters.items()} | settings
    try:
        for name, hint in hints.items():
            if isinstance(hint, type) and issubclass(hint, Settings):
                plain[name] = asdict(settings_from(hint, plain[name]))
    except ValueError as error:
        raise CheckpointError(f"{path}: its settings are damaged: {one_line(error)}") from error
    return plain


def _version_hint(wrong: Iterable[str]) -> str:
    """What to ask where a checkpoint has settings that do not exist here."""
    return ". Was this written by another version?" if any(IT_HAS in one for one in wrong) else ""


def _refuse_unregistered(settings: Mapping[str, Any], path: Path) -> None:
    """Name what the settings need and another package would have to register."""
    for place, registry in _REGISTERED.items():
        group, _, name = place.partition(".")
        value = settings[group].get(name) if isinstance(settings.get(group), Mapping) else None
        for one in value if isinstance(value, Mapping) else (value,):
            with suppress(ValueError):
                wanted = chosen(one)[0] if isinstance(one, str) else "none"
                if wanted != "none" and wanted not in registry:
                    raise CheckpointError(
                        f"{path}: {place}: {registry.unknown(wanted)}; install the package that has it, or import the "
                        "module that registers it"
                    )


def _mistakes_of_facts(settings: Mapping[str, Any]) -> Iterable[str]:
    """What is wrong with the facts about its features and where it came from."""
    for name, kind in (("feature_fingerprint", Fingerprint), ("initialised_from", Origin)):
        known, depth = settings.get(name), 0
        while isinstance(known, Mapping) and depth < _MOST_MISTAKES:
            optional = {"initialised_from"} if kind is Origin else ()
            yield from group_mistakes(parameters(kind), known, name, {f"{name}.{one}" for one in optional})
            known, depth = known.get(name), depth + 1


def _refuse_other_sizes(
    task: type[nn.Module], settings: dict[str, Any], state: dict[str, Tensor], path: Path, strict: bool
) -> None:
    """Build the task without memory, and hold its sizes against those of the tensors."""
    if (settings.get("text") or {}).get("download"):
        return  # sizes that are fetched
    try:
        with torch.device("meta"):
            built = task(**settings)
    except SspvsError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # whatever libraries of towers raise for settings that they do not know
        raise CheckpointError(f"{path}: nothing can be built of its settings: {one_line(error)}") from error
    report = LoadReport.of(built.state_dict(), state)
    if report.misshapen or (strict and (report.missing or report.unexpected)):
        raise CheckpointError(f"{path}: does not fit the model: {report.summary()}")
    needed, held = (
        sum(one.numel() * one.element_size() for one in tensors)
        for tensors in (chain(built.parameters(), built.buffers()), state.values())
    )
    if needed > 4 * held + _SPARE_BYTES:
        raise CheckpointError(
            f"{path}: its settings need {needed / 1e9:.3g} GB of weights, and it has {held / 1e9:.3g}"
        )
