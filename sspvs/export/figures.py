"""Result files of evaluations, and whether they can be of this checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspvs.errors import CheckpointError, DatasetError, first_line
from sspvs.evaluation.results import METRICS
from sspvs.export.source import CheckpointFacts
from sspvs.files import read_json

_NOT_STATED = (None, "not stated")
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "a number": (int, float),
    "a text": str,
    "an object": dict,
    "a list": list,
}
_SPREAD = {"mean": "a number", "std": "a number", "ci95": ("a number", "a number")}
_ENTRY: dict[str, Any] = {
    **dict.fromkeys(METRICS, _SPREAD),
    "settings": {"seeds": "a list", "feature_fingerprint": {}},
}
_SEVERAL = {**_ENTRY, "protocols": {"": _ENTRY}}
_RESULT = {
    **_SEVERAL,
    "feature_fingerprint": {},
    "baselines": {"": _SEVERAL},
    "coverage": {},
    "versions": {},
    "warnings": "a list",
    "crossval": {
        "config": {"model": {"summarizer": {}, "refiner": {}}},
        "protocols": {"": {"over_seeds": {"": {"std": "a number"}}}},
    },
}
_FOLD = {"figures": {"": "a number"}, "chosen": {"rule": "a text"}, "test": "a list", "feature_fingerprint": {}}
"""What is read of a file, where it is there and not null: names of types, pairs, or objects, `""` for any other key."""


@dataclass(frozen=True)
class Figures:
    """How well a checkpoint does, as `sspvs crossval` or `sspvs evaluate` writes it, and as a fold's record says."""

    result: Mapping[str, Any] | None = None
    fold: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, paths: Sequence[str | Path], facts: CheckpointFacts) -> "Figures":
        """Read a `result.json`, a `fold.json`, or one of each; those of another checkpoint are refused."""
        found: dict[str, Mapping[str, Any]] = {}
        for path in paths:
            try:
                content = read_json(Path(path))
            except (OSError, ValueError) as error:
                raise DatasetError(f"{path}: no result file that can be read: {first_line(error)}") from error
            content = content if isinstance(content, dict) else {}
            what = "fold" if content.keys() >= {"chosen", "figures"} else "result"
            if wrong := _misshapen(content, _FOLD if what == "fold" else _RESULT):
                raise DatasetError(f"{path}: {wrong}; is it as `sspvs` wrote it?")
            if what == "result" and not _entries(content):
                raise DatasetError(
                    f"{path}: no result of one method: expected the result.json or fold.json of `sspvs crossval`, or "
                    "what `sspvs evaluate --out` writes of one method"
                )
            if what in found:
                raise DatasetError(f"{path}: a second {what} file; give one result.json and one fold.json at most")
            found[what] = content
            _refuse_others(content, facts, path)
        whole = (found.get("result", {}).get("crossval") or {}).get("digest")
        own = found.get("fold", {}).get("digest")
        if whole is not None and own is not None and whole != own:
            raise DatasetError("the fold.json is not of the cross-validation that the result.json is of")
        return cls(**found)

    @property
    def protocols(self) -> Mapping[str, Mapping[str, Any]]:
        """Protocol -> the method's entry in the result file."""
        return {} if self.result is None else _entries(self.result)

    def baselines(self, protocol: str) -> dict[str, Mapping[str, Any]]:
        """Name -> a baseline's entry under a protocol."""
        rows = {} if self.result is None else self.result.get("baselines") or {}
        found = {name: _entries(row or {}).get(protocol) for name, row in rows.items()}
        return {name: entry for name, entry in found.items() if entry is not None}

    @property
    def settings(self) -> Mapping[str, Any]:
        """What made the figures of the result file."""
        settings: Mapping[str, Any] = next(iter(self.protocols.values()), {}).get("settings") or {}
        return settings

    @property
    def coverage(self) -> Mapping[str, Any]:
        """Which videos the figures of the result file are of."""
        coverage: Mapping[str, Any] = (self.result or {}).get("coverage") or {}
        return coverage

    @property
    def checkpoint_rule(self) -> str | None:
        """What chose the weights; None when the files do not say."""
        rule = self.settings.get("checkpoint_rule")
        if rule in _NOT_STATED and self.fold is not None:
            rule = (self.fold["chosen"] or {}).get("rule")
        return None if rule in _NOT_STATED else str(rule)

    @property
    def protocol(self) -> str:
        """The names, for one line."""
        return ", ".join(self.protocols) or "unknown"

    @property
    def means(self) -> dict[str, Any]:
        """The figures and what they are of, plain types."""
        entries = {name: {m: entry.get(m) for m in METRICS} for name, entry in self.protocols.items()}
        own = None if self.fold is None else {k: self.fold.get(k) for k in ("seed", "fold", "figures", "test")}
        return {
            "dataset": None if self.result is None else self.result.get("dataset"),
            "split_sha256": self.coverage.get("split_sha256"),
            "checkpoint_rule": self.checkpoint_rule,
            "protocols": entries,
            "fold": own,
        }


def _misshapen(value: Any, shape: Any, name: str = "") -> str | None:
    """What is not of the type that it is read as; None where all is."""
    if value is None:
        return None
    if isinstance(shape, str):
        fits = isinstance(value, _TYPES[shape]) and not isinstance(value, bool)
        huge = isinstance(value, int) and abs(value) > 1e300  # no float
        return None if fits and not huge else f"{name} is not {shape}"
    if isinstance(shape, tuple):
        if not isinstance(value, list) or len(value) != len(shape):
            return f"{name} is not a list of {len(shape)}"
        return next(filter(None, map(_misshapen, value, shape, [name] * len(shape))), None)
    if not isinstance(value, dict):
        return f"{name or 'the file'} is not an object"
    parts = ((key, part, shape.get(key, shape.get(""))) for key, part in value.items())
    named = ((f"{name}.{key}".strip("."), part, inner) for key, part, inner in parts if inner is not None)
    return next((wrong for full, part, inner in named if (wrong := _misshapen(part, inner, full))), None)


def _entries(row: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Protocol -> entry, of a method that was judged by one protocol or by several."""
    several = row.get("protocols")
    found = several if isinstance(several, dict) else {str(row.get("protocol")): row}
    return {name: entry for name, entry in found.items() if entry and entry.get(METRICS[0]) is not None}


def _refuse_others(content: Mapping[str, Any], facts: CheckpointFacts, path: str | Path) -> None:
    """Refuse a file that states another model, other features or other weights."""
    settings = next(iter(_entries(content).values()), content).get("settings") or content
    theirs = settings.get("feature_fingerprint")
    if theirs is not None and facts.fingerprint is not None:
        differing = [name for name, value in facts.fingerprint.items() if theirs.get(name) != value]
        if differing:
            raise CheckpointError(
                f"{path}: figures on other features than the checkpoint was trained on: {', '.join(differing)} differ"
            )
    model = ((content.get("crossval") or {}).get("config") or {}).get("model") or {}
    if model and facts.network not in model:
        raise CheckpointError(f"{path}: figures of another kind of checkpoint than this, which is a {facts.network}")
    weights = content.get("weights_sha256")
    if None not in (weights, facts.weights_sha256) and weights != facts.weights_sha256:
        raise CheckpointError(f"{path}: figures of other weights than the checkpoint's; take the fold.json beside them")
    combined = {name: facts.settings[name] for name in ("combine", "post") if name in facts.settings}
    differing = [
        f"{name} {theirs[name]}, here {own[name]}"
        for theirs, own in ((model, combined), (model.get(facts.network) or {}, facts.settings[facts.network]))
        for name in own
        if name in theirs and theirs[name] != own[name]
    ]
    if differing:
        raise CheckpointError(
            f"{path}: figures of another {facts.network} than the checkpoint's: {'; '.join(differing)}"
        )
