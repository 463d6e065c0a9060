"""What a config file says about the objectives and the optimiser; its plain form is what checkpoints hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, TypeVar

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class LossSettings:
    """The objectives and their weights, as published (Li et al., WACV 2023) unless said otherwise."""

    coarse: Literal["matching", "infonce", "sigmoid", "none"] = "matching"
    """Whole videos against whole texts: `matching` as published (the data draws mismatched texts), or `infonce` or
    `sigmoid` over the global batch (the data has matching pairs only)."""
    fine: Literal["hausdorff", "late-interaction", "none"] = "hausdorff"
    """Frames against words: `hausdorff` as published, or `late-interaction` over the global batch."""
    fine_frames: Literal["encoded", "alone"] = "encoded"
    """What of the frames the fine objective looks at: the states of the video tower, [CLS] included, as published, or
    each frame `alone`, through a projection of its own. A state has seen all frames and can speak for the whole video:
    what was learned from states says which text a video has, and little about which frame a word is about."""
    mask: bool = True
    """Masked-frame recovery."""
    coarse_weight: float = 1.0
    """Weight of the coarse term in the sum."""
    fine_weight: float = 1.0
    """Weight of the fine term."""
    mask_weight: float = 5.0
    """Weight of masked-frame recovery."""
    margin: float = 1.414
    """`hausdorff`: distance beyond which a mismatched pair is left alone; unit vectors are at most 2 apart."""
    temperature: float = 0.07
    """`infonce` and `late-interaction`: of the softmax, at the start; it is learned."""
    contrastive_dim: int = 256
    """`infonce` and `sigmoid`: width of the space in which videos and texts meet."""

    def __post_init__(self) -> None:
        wrong = []
        if self.coarse not in ("matching", "infonce", "sigmoid", "none"):
            wrong.append(f"coarse must be matching, infonce, sigmoid or none, got {self.coarse!r}")
        if self.fine not in ("hausdorff", "late-interaction", "none"):
            wrong.append(f"fine must be hausdorff, late-interaction or none, got {self.fine!r}")
        if self.fine_frames not in ("encoded", "alone"):
            wrong.append(f"fine_frames must be encoded or alone, got {self.fine_frames!r}")
        if self.coarse == "none" and self.fine == "none" and not self.mask:
            wrong.append("every objective is off: nothing is left to train on")
        for name in ("margin", "temperature", "contrastive_dim"):
            if getattr(self, name) <= 0:
                wrong.append(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("coarse_weight", "fine_weight", "mask_weight"):
            if getattr(self, name) < 0:
                wrong.append(f"{name} must not be negative, got {getattr(self, name)}")
        _complain("losses", wrong)

    @property
    def frames_alone(self) -> bool:
        """Whether the model has a projection of single frames, for the fine objective."""
        return self.fine != "none" and self.fine_frames == "alone"

    @property
    def contrastive(self) -> bool:
        """Whether the coarse objective contrasts the rows of the global batch: the data then draws no negatives."""
        return self.coarse in ("infonce", "sigmoid")

    @property
    def over_batch(self) -> tuple[str, ...]:
        """The objectives that tell each video's text from those of the other videos in its batch."""
        coarse = (self.coarse,) if self.contrastive else ()
        return (*coarse, *((self.fine,) if self.fine == "late-interaction" or (coarse and self.fine != "none") else ()))


@dataclass(frozen=True)
class OptimSettings:
    """The optimiser and its learning rate. The published one: `adam`, `lr` 1e-6, `schedule` constant, no decay."""

    name: Literal["adamw", "adam"] = "adamw"
    """`adamw`, or `adam` as published."""
    lr: float = 1e-4
    """Largest learning rate."""
    text_lr: float | None = None
    """Of the text tower; the same when null."""
    weight_decay: float = 0.01
    """Of weight matrices; norms, biases, embeddings and single vectors are never decayed."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of the running means."""
    eps: float = 1e-8
    """Added to the root."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """After the warm-up: down a half cosine to `final_lr_fraction` at the last step, or constant."""
    warmup_steps: int = 0
    """Steps in which the learning rate climbs linearly from near 0."""
    final_lr_fraction: float = 0.0
    """Share of `lr` that is left at the end of the cosine."""
    fused: bool | None = None
    """One pass over memory a step; null: where torch can."""
    step_in_backward: bool = False
    """Update each weight as soon as its gradient is there and free the gradient: less memory, the same weights. One
    process, no gradient clipping or accumulation, no fp16."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))  # JSON and YAML know lists only
        wrong = []
        if self.name not in ("adamw", "adam"):
            wrong.append(f"name must be adamw or adam, got {self.name!r}")
        if self.schedule not in ("cosine", "constant"):
            wrong.append(f"schedule must be cosine or constant, got {self.schedule!r}")
        if self.lr <= 0 or (self.text_lr is not None and self.text_lr <= 0):
            wrong.append(f"learning rates must be above 0, got lr {self.lr} and text_lr {self.text_lr}")
        if self.weight_decay < 0 or self.warmup_steps < 0 or self.eps <= 0:
            wrong.append("weight_decay and warmup_steps must not be negative, eps must be above 0")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            wrong.append(f"betas must be two numbers in [0, 1), got {self.betas}")
        if not 0 <= self.final_lr_fraction <= 1:
            wrong.append(f"final_lr_fraction must be in [0, 1], got {self.final_lr_fraction}")
        _complain("optim", wrong)


@dataclass(frozen=True)
class ScoreLossSettings:
    """What fine-tuning makes of scores and people's importance: weights of the terms, 0 for off. Published: `mse`."""

    mse: float = 1.0
    """Mean squared error of the scores to the importance."""
    pairwise: float = 0.0
    """Logistic loss of every pair of frames of a video that people rank (RankNet): after tau."""
    correlation: float = 0.0
    """1 - Pearson's correlation of scores and importance within a video."""
    pairwise_margin: float = 0.05
    """Pairs whose importance differs by less are not counted."""

    def __post_init__(self) -> None:
        wrong = [
            f"{name} must not be negative, got {getattr(self, name)}"
            for name in ("mse", "pairwise", "correlation", "pairwise_margin")
            if getattr(self, name) < 0
        ]
        if not (self.mse or self.pairwise or self.correlation):
            wrong.append("every term is off: nothing is left to train on")
        _complain("losses", wrong)


@dataclass(frozen=True)
class FineTuneOptimSettings(OptimSettings):
    """`OptimSettings`, and how the rates of what was pretrained differ from those of the fresh heads."""

    name: Literal["adamw", "adam"] = "adam"
    """`adam` as published, or `adamw`."""
    schedule: Literal["cosine", "constant"] = "constant"
    """Constant as published, or after the warm-up down a half cosine to `final_lr_fraction` at the last step."""
    weight_decay: float = 0.0
    """Of weight matrices; norms, biases, embeddings and single vectors are never decayed."""
    encoder_lr: float | None = None
    """Of the last layer of the video tower; null: `lr`, as published."""
    layer_decay: float = 1.0
    """Each layer of the video tower below the last learns at so much of the rate of the one above it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder_lr is not None and self.encoder_lr <= 0:
            raise ValueError(f"optim: encoder_lr must be above 0, got {self.encoder_lr}")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"optim: layer_decay must be above 0 and at most 1, got {self.layer_decay}")


def settings_from(kind: type[Settings], given: object) -> Settings:
    """Settings of `kind` from an instance of it or from its plain form, as checkpoints hold it.

    Raises:
        ValueError: For anything else, or names that `kind` does not have.
    """
    if isinstance(given, kind):
        return given
    assert is_dataclass(kind)
    if not isinstance(given, Mapping):
        raise ValueError(f"{kind.__name__}: expected settings or a mapping, got {type(given).__name__}")
    known = {field.name for field in fields(kind)}
    unknown = sorted(set(map(str, given)) - known)
    if unknown:
        raise ValueError(
            f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}. "
            "Was this written by another version?"
        )
    values: dict[str, Any] = {str(name): value for name, value in given.items()}
    return kind(**values)


def _complain(where: str, wrong: list[str]) -> None:
    if wrong:
        raise ValueError(f"{where}: " + "; ".join(wrong))
