"""Settings of the objectives and of the optimiser; their plain form is what checkpoints hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from sspvs.registry import Registry
from sspvs.schema import (
    Choice,
    NotNegative,
    Positive,
    Range,
    Settings,
    Width,
    chosen,
    mistakes,
    parameters,
    refuse,
    shown,
)

if TYPE_CHECKING:
    from sspvs.tasks.objectives import Objective

OBJECTIVES: Registry[type[Objective]] = Registry("objective", "sspvs.tasks.objectives")
"""Objectives of pretraining."""
Group = TypeVar("Group", bound=Settings)
Beta = Annotated[float, Range(least=0, below=1)]


@dataclass(frozen=True)
class LossSettings(Settings):
    """The objectives and their weights, as published (Li et al., WACV 2023) unless noted otherwise."""

    group = "losses"

    coarse: Annotated[str, Choice(OBJECTIVES, "none", slot="coarse")] = "matching"
    """Whole videos against whole texts: `matching` as published (the data draws mismatched texts), or `infonce` or
    `sigmoid` over the global batch (the data has matching pairs only), or another that is registered. Its own settings
    follow in brackets: `infonce(largest_scale=50.0)`."""
    fine: Annotated[str, Choice(OBJECTIVES, "none", slot="fine")] = "hausdorff"
    """Frames against words: `hausdorff` as published, or `late-interaction` over the global batch."""
    fine_frames: Literal["encoded", "alone"] = "encoded"
    """What of the frames the fine objective looks at: the states of the video tower, [CLS] included, as published, or
    each frame `alone`, through a projection of its own. A state has seen all frames and can speak for the whole video:
    what was learned from states says which text a video has, and little about which frame a word is about."""
    mask: bool = True
    """Masked-frame recovery."""
    coarse_weight: NotNegative = 1.0
    """Weight of the coarse term in the sum."""
    fine_weight: NotNegative = 1.0
    """Weight of the fine term."""
    mask_weight: NotNegative = 5.0
    """Weight of masked-frame recovery."""
    margin: Positive = 1.414
    """`hausdorff`: distance beyond which a mismatched pair is left alone; unit vectors are at most 2 apart."""
    temperature: Positive = 0.07
    """`infonce` and `late-interaction`: of the softmax, at the start; it is learned."""
    contrastive_dim: Width = 256
    """`infonce` and `sigmoid`: width of the space in which videos and texts meet."""
    more: dict[str, NotNegative] = field(default_factory=dict)
    """Further objectives that are registered and their weights, such as `{smoothness(step=2): 0.5}`."""

    def conflicts(self) -> Collection[str]:
        """Nothing to train on."""
        further = Choice(OBJECTIVES, slot="more")
        wrong = [
            f"more must have names that are {further!r}, got {shown(one)}" for one in self.more if one not in further
        ]
        off = self.coarse == "none" and self.fine == "none" and not self.mask and not self.more
        return ["every objective is off: nothing is left to train on"] if off else wrong

    def kind(self, slot: Literal["coarse", "fine"]) -> type[Objective] | None:
        """The class of the objective of a slot; None where it is off."""
        value = getattr(self, slot)
        return None if value == "none" else OBJECTIVES[chosen(value)[0]]

    @property
    def kinds(self) -> tuple[type[Objective], ...]:
        """The classes of all objectives that are on."""
        found = (self.kind("coarse"), self.kind("fine"), OBJECTIVES["masked-frames"] if self.mask else None)
        return (*filter(None, found), *(OBJECTIVES[chosen(value)[0]] for value in self.more))

    @property
    def weights(self) -> dict[str, float]:
        """Name of a term -> its weight."""
        own = {"coarse": self.coarse_weight, "fine": self.fine_weight, "mask": self.mask_weight}
        return {f"{chosen(name)[0]}_loss": weight for name, weight in (*own.items(), *self.more.items())}

    @property
    def frames_alone(self) -> bool:
        """Whether the model has a projection of single frames, for the fine objective."""
        return self.fine != "none" and self.fine_frames == "alone"

    @property
    def contrastive(self) -> bool:
        """Whether the coarse objective contrasts the rows of the global batch: the data then draws no negatives."""
        kind = self.kind("coarse")
        return kind is not None and kind.contrasts

    @property
    def projects(self) -> bool:
        """Whether the coarse objective compares vectors in the contrastive space."""
        kind = self.kind("coarse")
        return kind is not None and kind.compares == "projected"

    @property
    def drawing(self) -> tuple[str, ...]:
        """The coarse and the fine objective, those that learn nothing without mismatched texts."""
        found = {self.coarse: self.kind("coarse"), self.fine: self.kind("fine")}
        return tuple(chosen(value)[0] for value, kind in found.items() if kind is not None and kind.draws)

    @property
    def over_batch(self) -> tuple[str, ...]:
        """The objectives that tell each video's text from those of the other videos in its batch."""
        fine = self.kind("fine")
        values = [self.coarse] if self.contrastive else []
        if fine is not None and (fine.contrasts or values):
            values.append(self.fine)
        values += [value for value in self.more if OBJECTIVES[chosen(value)[0]].contrasts]
        return tuple(chosen(value)[0] for value in values)


@dataclass(frozen=True)
class OptimSettings(Settings):
    """The optimiser and its learning rate. The published one: `adam`, `lr` 1e-6, `schedule` constant, no decay."""

    group = "optim"

    name: Literal["adamw", "adam"] = "adamw"
    """`adamw`, or `adam` as published."""
    lr: Positive = 1e-4
    """Largest learning rate."""
    text_lr: Positive | None = None
    """Of the text tower; the same when null."""
    weight_decay: NotNegative = 0.01
    """Of weight matrices; norms, biases, embeddings and single vectors are never decayed."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Of the running means."""
    eps: Positive = 1e-8
    """Added to the root."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """After the warm-up: down a half cosine to `final_lr_fraction` at the last step, or constant."""
    warmup_steps: Annotated[int, Range(least=0)] = 0
    """Steps in which the learning rate climbs linearly from near 0."""
    final_lr_fraction: Annotated[float, Range(least=0, most=1)] = 0.0
    """Share of `lr` that is left at the end of the cosine."""
    fused: bool | None = None
    """One pass over memory a step; null: where torch can."""
    step_in_backward: bool = False
    """Update each weight as soon as its gradient is there and free the gradient: less memory, the same weights. One
    process, no gradient clipping or accumulation, no fp16."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "betas", tuple(self.betas))  # JSON and YAML have lists only


@dataclass(frozen=True)
class ScoreLossSettings(Settings):
    """What fine-tuning makes of scores and people's importance: weights of the terms, 0 for off. Published: `mse`."""

    group = "losses"

    mse: NotNegative = 1.0
    """Mean squared error of the scores to the importance."""
    pairwise: NotNegative = 0.0
    """Logistic loss of every pair of frames of a video that people rank (RankNet): after tau."""
    correlation: NotNegative = 0.0
    """1 - Pearson's correlation of scores and importance within a video."""
    pairwise_margin: NotNegative = 0.05
    """Pairs whose importance differs by less are not counted."""

    def conflicts(self) -> Collection[str]:
        """Nothing to train on."""
        return [] if any(self.weights.values()) else ["every term is off: nothing is left to train on"]

    @property
    def weights(self) -> dict[str, float]:
        """Name of a term -> its weight."""
        return {f"{name}_loss": getattr(self, name) for name in ("mse", "pairwise", "correlation")}


@dataclass(frozen=True)
class FineTuneOptimSettings(OptimSettings):
    """`OptimSettings`, and how the rates of what was pretrained differ from those of the fresh heads."""

    name: Literal["adamw", "adam"] = "adam"
    """`adam` as published, or `adamw`."""
    schedule: Literal["cosine", "constant"] = "constant"
    """Constant as published, or after the warm-up down a half cosine to `final_lr_fraction` at the last step."""
    weight_decay: NotNegative = 0.0
    """Of weight matrices; norms, biases, embeddings and single vectors are never decayed."""
    encoder_lr: Positive | None = None
    """Of the last layer of the video tower; null: `lr`, as published."""
    layer_decay: Annotated[float, Range(above=0, most=1)] = 1.0
    """Each layer of the video tower below the last learns at so much of the rate of the one above it."""


@dataclass(frozen=True)
class RefineLossSettings(Settings):
    """Weights of the terms, 0 for off, as published (Pang et al., WACV 2023).

    `mean A + 0.5 mean G`, with uniqueness `+ 0.1 mean F + 0.1 BCE`.
    """

    group = "losses"

    alignment: NotNegative = 1.0
    """Of the local dissimilarity A: frames near each other as they were given come nearer."""
    uniformity: NotNegative = 0.5
    """Of the global consistency G: the frames of a clip move apart."""
    commonness: NotNegative = 0.1
    """Of F, how much a frame is like the segments of all clips of the batch."""
    uniqueness: NotNegative = 0.1
    """Of the cross-entropy of the uniqueness head, which learns what is not common; it moves the head alone."""
    neighbour_fraction: Annotated[float, Range(above=0, most=1)] = 0.1
    """Share of a clip's frames that are a frame's neighbours, in (0, 1]; in scores too."""
    segments: Annotated[int, Range(least=1, most=100_000)] = 20
    """Parts of equal length that each clip is cut into for F."""

    def conflicts(self) -> Collection[str]:
        """Nothing that refines."""
        off = not (self.alignment or self.uniformity or self.commonness)
        return ["alignment, uniformity and commonness are all off: nothing refines the features"] if off else []

    @property
    def weights(self) -> dict[str, float]:
        """Name of a term -> its weight."""
        names = ("alignment", "uniformity", "commonness", "uniqueness")
        return {f"{name}_loss": getattr(self, name) for name in names}

    @property
    def needs_uniqueness(self) -> bool:
        """Whether a term belongs to the uniqueness head."""
        return bool(self.commonness or self.uniqueness)


@dataclass(frozen=True)
class RefineOptimSettings(OptimSettings):
    """`OptimSettings` with the published values: Adam, 1e-4 throughout, weight decay 1e-4 (5e-4 on YouTube-8M)."""

    name: Literal["adamw", "adam"] = "adam"
    """`adam` as published, or `adamw`."""
    schedule: Literal["cosine", "constant"] = "constant"
    """Constant as published, or after the warm-up down a half cosine to `final_lr_fraction` at the last step."""
    weight_decay: NotNegative = 1e-4
    """Of weight matrices; norms, biases, embeddings and single vectors are never decayed."""


def settings_from(kind: type[Group], given: object) -> Group:
    """Settings from an instance or from its plain form; anything else is refused."""
    if isinstance(given, kind):
        return given
    refuse("", mistakes(kind, given, kind.group))
    values: Any = given
    return kind(**values)


def plain_arguments(task: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a task takes, of `given`, groups of settings in plain form: its hyperparameters."""
    values = {name: given[name] for name in parameters(task)}
    return {name: asdict(value) if isinstance(value, Settings) else value for name, value in values.items()}
