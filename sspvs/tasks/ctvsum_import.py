"""A Lightning checkpoint of CTVSUM's released code as a refined checkpoint folder of ours.

Its network is known from the publication (Pang et al., WACV 2023; Journal of Imaging 2024), the names of its modules
are not. So tensors are taken by what they are: the parts named q, k and v show the layers; within a layer and outside
of layers, a part is known by its shape and bias and by the order in which the network has them. Whatever finds no place
is refused by name.

Axis letters: D width of the features given, E of the refined ones, H heads.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from sspvs.errors import CheckpointError, listed
from sspvs.importance.contrastive import Post
from sspvs.models.settings import RefinerSettings
from sspvs.tasks.checkpoint import plain_options
from sspvs.tasks.official_import import ImportReport, refuse_foreign, write_import
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.settings import RefineLossSettings, RefineOptimSettings
from sspvs.tasks.tensors import no_weight, read_torch_file

_PART = re.compile(r"(.+)\.(weight|bias)")
_QKV = re.compile(r"(.+)\.(?:w_?|to_|linear_)?([qkv])(?:s|uery|ey|alue|_?proj|_?linear)?")
_NUMBER = re.compile(r"\.(\d+)$")
_HEAD_DIM = 64  # as published
_OF_YOUTUBE8M = 8  # heads, as published; 1 for SumMe and TVSum


@dataclass(frozen=True)
class _Part:
    """A module with parameters."""

    name: str
    weight: Tensor
    bias: Tensor | None

    @property
    def kind(self) -> str:
        """`norm`, or `linear` with or `matrix` without a bias."""
        if self.weight.ndim == 1:
            return "norm"
        return "matrix" if self.bias is None else "linear"


def is_ctvsum(path: Path) -> bool:
    """Whether a file of torch holds layers whose q, k and v are parts of their own without a bias, unlike SSPVS'."""
    found = read_torch_file(path, official=True) if path.is_file() else None
    state = found.get("state_dict") if isinstance(found, dict) else None
    names = set(map(str, state)) if isinstance(state, Mapping) else set()
    weights = [name.removesuffix(".weight") for name in names if name.endswith(".weight")]
    matches = [_QKV.fullmatch(name) for name in weights if f"{name}.bias" not in names]
    return {match[2] for match in matches if match} == {"q", "k", "v"}


def import_ctvsum(path: Path, out: Path, *, num_heads: int | None = None, post: Post = "summe") -> ImportReport:
    """Import a checkpoint of CTVSUM's code as a folder of `RefineTask`.

    Args:
        path: The Lightning checkpoint.
        out: Folder to write.
        num_heads: H; by default one for each 64 of the attention's width, as published.
        post: What follows the product of the terms, see `contrastive_importance`.

    Raises:
        CheckpointError: It has tensors that the network has no place for, or lacks some.
        ValueError: `num_heads` does not divide the width.
    """
    refuse_foreign(out, path)
    content = read_torch_file(path, official=True)
    state = {str(name): tensor for name, tensor in content["state_dict"].items()}
    if bad := sorted(name for name, tensor in state.items() if no_weight(tensor)):
        raise CheckpointError(f"{path}: tensors that are no dense, finite numbers: {listed(bad, 5)}")
    ours = _translated(state, path)
    settings = _sizes(ours, num_heads, path)
    from_youtube8m = settings.num_heads == _OF_YOUTUBE8M
    task = RefineTask(
        settings,
        RefineLossSettings(segment_means="raw", **({} if settings.uniqueness else {"commonness": 0, "uniqueness": 0})),
        RefineOptimSettings(weight_decay=5e-4 if from_youtube8m else 1e-4, decay_all=True),
        combine="agh" if settings.uniqueness else "ag",
        post=post,
        unit_length=from_youtube8m,
        scored_as_given=from_youtube8m,
    )
    wanted = task.model.state_dict()
    wrong = [f"{name} {tuple(ours[name].shape)} for {tuple(wanted[name].shape)}" for name in sorted(wanted)
             if ours[name].shape != wanted[name].shape]  # fmt: skip
    if wrong:
        raise CheckpointError(f"{path}: {len(wrong)} tensors have wrong shapes: {listed(wrong, 4, '; ')}")
    task.model.load_state_dict(ours)
    notes = [
        f"a refiner of {settings.num_layers} layers, {settings.num_heads} head{'s'[: settings.num_heads - 1]}, "
        + (f"with a uniqueness head {settings.uniqueness_dim} wide" if settings.uniqueness else "no uniqueness head"),
        f"after the product of the terms: {post} (--post chooses, here and in `sspvs evaluate`)",
    ]
    if from_youtube8m:
        notes.append("8 heads are those of YouTube-8M: trained on unit vectors, scored on features as they are")
    report = ImportReport(
        source=path.name,
        loaded=len(state),
        computed=(),
        unknown=(),
        unused=(),
        num_stages=0,
        text_guidance="none",
        settings={"refiner": asdict(settings)},
        options=plain_options(content.get("hyper_parameters")),
        notes=tuple(notes),
    )
    write_import(out, task, None, report)
    return report


def _translated(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Every tensor under the name of `Refiner`; CheckpointError where one finds no place, or a place none."""
    parts, unknown = _parts(state)
    layers = dict.fromkeys(_layer_of(match[1]) for match in map(_QKV.fullmatch, parts) if match)
    inside = {layer: [part for name, part in parts.items() if name.startswith(f"{layer}.")] for layer in layers}
    outside = [part for name, part in parts.items() if not any(name.startswith(f"{layer}.") for layer in layers)]
    stacks: dict[str, list[str]] = {}
    for layer in layers:
        stacks.setdefault(_NUMBER.sub("", layer), []).append(layer)
    stack = max(stacks.values(), key=len)
    alone = [layer for layer in layers if layer not in stack]
    places: dict[str, _Part] = {}
    unknown += [part.name for layer in alone[1:] for part in inside[layer]]
    numbers = {layer: int(match[1]) if (match := _NUMBER.search(layer)) else 0 for layer in stack}
    for number, layer in enumerate(sorted(stack, key=numbers.__getitem__)):
        unknown += _place(inside[layer], f"layers.{number}.", places)
    names = ["input_projection"]
    if alone:
        unknown += _place(inside[alone[0]], "uniqueness_head.layer.", places)
        names += ["uniqueness_head.hidden", "uniqueness_head.out"]
    linears = [part for part in outside if part.kind == "linear"]
    norms = [part for part in outside if part.kind == "norm"]
    places |= dict(zip(names, linears, strict=False)) | dict(zip(["input_norm"], norms, strict=False))
    unknown += [part.name for part in outside if part not in places.values()]
    if unknown:
        raise CheckpointError(
            f"{path}: {len(unknown)} parts are unknown: {listed(unknown, 5)}; expected a linear layer, a layer norm, "
            "Transformer layers with q, k, v, an output projection, two linear layers and two layer norms, and for "
            "uniqueness one such layer more and two linear layers"
        )
    ours = {f"{name}.weight": part.weight.float() for name, part in places.items()}
    ours |= {f"{name}.bias": part.bias.float() for name, part in places.items() if part.bias is not None}
    for name in [name.removesuffix("q.weight") for name in ours if name.endswith(".q.weight")]:
        ours[f"{name}in_projection.weight"] = torch.cat([ours.pop(f"{name}{one}.weight") for one in "qkv"])
    return ours


def _parts(state: Mapping[str, Tensor]) -> tuple[dict[str, _Part], list[str]]:
    """Modules with parameters by name, in order, and the names of tensors that are none's."""
    found: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for name, tensor in state.items():
        part = _PART.fullmatch(name)
        if part is None or tensor.ndim not in (1, 2):
            unknown.append(name)
        else:
            found.setdefault(part[1], {})[part[2]] = tensor
    unknown += [name for name, tensors in found.items() if "weight" not in tensors]
    parts = {name: _Part(name, one["weight"], one.get("bias")) for name, one in found.items() if "weight" in one}
    return parts, unknown


def _layer_of(attention: str) -> str:
    """The layer that a module with q, k and v belongs to: itself where it is numbered, else what it is in."""
    return attention if _NUMBER.search(attention) else attention.rpartition(".")[0]


def _place(parts: list[_Part], before: str, places: dict[str, _Part]) -> list[str]:
    """Put the parts of a layer into their places; returns the names of those that have none."""
    names = {"linear": ["linear1", "linear2"], "norm": ["norm1", "norm2"], "matrix": ["attention.out_projection"]}
    unknown = []
    for part in parts:
        match = _QKV.fullmatch(part.name)
        if match:
            place = f"attention.{match[2]}"
        elif names[part.kind]:
            place = names[part.kind].pop(0)
        else:
            unknown.append(part.name)
            continue
        places[f"{before}{place}"] = part
    return unknown


def _sizes(ours: Mapping[str, Tensor], num_heads: int | None, path: Path) -> RefinerSettings:
    """The network's sizes; CheckpointError where a part of it is missing."""
    count = len({name.split(".")[1] for name in ours if name.startswith("layers.")})
    uniqueness = any(name.startswith("uniqueness_head.") for name in ours)
    layers = [f"layers.{number}" for number in range(count)] + ["uniqueness_head.layer"] * uniqueness
    both = ["input_projection", "input_norm", *["uniqueness_head.hidden", "uniqueness_head.out"] * uniqueness]
    both += [f"{layer}.{part}" for layer in layers for part in ("linear1", "linear2", "norm1", "norm2")]
    matrices = [f"{layer}.attention.{part}_projection" for layer in layers for part in ("in", "out")]
    wanted = [f"{name}.{one}" for name in both for one in ("weight", "bias")] + [f"{name}.weight" for name in matrices]
    if missing := sorted(set(wanted) - set(ours)):
        raise CheckpointError(f"{path}: lacks {len(missing)} tensors of the network: {listed(missing, 5)}")
    embed_dim, feature_dim = ours["input_projection.weight"].shape
    inner = len(ours["layers.0.attention.in_projection.weight"]) // 3
    heads = num_heads or max(inner // _HEAD_DIM, 1)
    if inner % heads:
        raise ValueError(f"--num-heads {heads} does not divide the attention's width {inner}")
    return RefinerSettings(
        feature_dim,
        embed_dim,
        num_layers=count,
        num_heads=heads,
        head_dim=inner // heads,
        feedforward_dim=len(ours["layers.0.linear1.weight"]),
        attention_dropout=0.1,
        uniqueness=uniqueness,
        uniqueness_dim=len(ours["uniqueness_head.hidden.weight"]) if uniqueness else 256,
    )
