"""Parameter groups, the optimiser and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from sspvs.tasks.settings import OptimSettings
from sspvs.tasks.step_in_backward import AdamInBackward, AdamWInBackward

TEXT_TOWER = "model.text_encoder."


def parameter_groups(module: nn.Module, settings: OptimSettings) -> list[dict[str, Any]]:
    """The trained parameters in up to four groups: text tower or not, decayed or not.

    Never decayed: norms, biases, embeddings, and whatever else is no matrix (learned vectors, scales).

    Returns:
        Groups with `name`, `params`, `lr` and `weight_decay`; empty ones are left out.
    """
    spared = {id(parameter) for parameter in _spared(module)}
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        tower = "text" if name.startswith(TEXT_TOWER) else "video"
        decayed = id(parameter) not in spared and parameter.ndim > 1 and "embedding" not in name.rsplit(".", 1)[-1]
        key = f"{tower}_{'decayed' if decayed else 'spared'}"
        lr = settings.text_lr if tower == "text" and settings.text_lr is not None else settings.lr
        group = groups.setdefault(
            key, {"name": key, "params": [], "lr": lr, "weight_decay": settings.weight_decay if decayed else 0.0}
        )
        group["params"].append(parameter)
    if not groups:
        raise ValueError("nothing is left to train: every parameter is frozen")
    return [groups[key] for key in sorted(groups)]


def build_optimizer(
    groups: Iterable[dict[str, Any]], settings: OptimSettings, *, fused: bool | None = None
) -> Optimizer:
    """The optimiser over `groups`.

    Args:
        groups: What `parameter_groups` gave.
        settings: Which one.
        fused: Overrides the settings where the trainer cannot work with a fused one.
    """
    groups = list(groups)
    chosen = settings.fused if fused is None else fused
    if chosen is None:
        chosen = _can_fuse(parameter for group in groups for parameter in group["params"])
    kind: type[Adam] | type[AdamW]
    if settings.step_in_backward:
        kind = AdamWInBackward if settings.name == "adamw" else AdamInBackward
    else:
        kind = AdamW if settings.name == "adamw" else Adam
    optimizer: Optimizer = kind(groups, lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=chosen or None)
    return optimizer


def learning_rate_factor(step: int, settings: OptimSettings, total_steps: int | None) -> float:
    """The share of the learning rate in a step.

    Args:
        step: From 0.
        settings: Warm-up and schedule.
        total_steps: Steps of the whole training; only `constant` does without.
    """
    warmup = settings.warmup_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if settings.schedule == "constant":
        return 1.0
    assert total_steps is not None
    done = min((step - warmup) / max(total_steps - warmup, 1), 1.0)
    final = settings.final_lr_fraction
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2


def _spared(module: nn.Module) -> Iterable[nn.Parameter]:
    for part in module.modules():
        if isinstance(part, (nn.Embedding, nn.EmbeddingBag)) or "Norm" in type(part).__name__:
            yield from part.parameters(recurse=False)


def _can_fuse(parameters: Iterable[nn.Parameter]) -> bool:
    """Whether torch has fused kernels for where all parameters are: on the CPU since 2.4."""
    places = {parameter.device.type for parameter in parameters}
    release = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    return places <= {"cuda"} or (places <= {"cuda", "cpu"} and release >= (2, 4))
