"""Settings of optimisers and of the losses of fine-tuning and refinement; checkpoints hold their plain form."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeVar

from sspvs.losses.contrastive import SegmentMeans
from sspvs.schema import NotNegative, Positive, Range, Settings, mistakes, parameters, refuse

Group = TypeVar("Group", bound=Settings)
Beta = Annotated[float, Range(least=0, below=1)]


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
    """Of weight matrices; norms, biases, embeddings and single vectors are decayed with `decay_all` only."""
    decay_all: bool = False
    """Decay every parameter, as PyTorch's optimisers do with plain `parameters()`: so CTVSUM's and CSTA's code."""
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
class _ConstantAdam(OptimSettings):
    name: Literal["adamw", "adam"] = "adam"
    """`adam` as published, or `adamw`."""
    schedule: Literal["cosine", "constant"] = "constant"
    """Constant as published, or after the warm-up down a half cosine to `final_lr_fraction` at the last step."""


@dataclass(frozen=True)
class FineTuneOptimSettings(_ConstantAdam):
    """`OptimSettings`, and how the rates of what was pretrained differ from those of the fresh heads."""

    weight_decay: NotNegative = 0.0
    """Of weight matrices; of every parameter with `decay_all`."""
    encoder_lr: Positive | None = None
    """Of the last layer of the video tower; null: `lr`, as published."""
    layer_decay: Annotated[float, Range(above=0, most=1)] = 1.0
    """Each layer of the video tower below the last learns at so much of the rate of the one above it."""
    projection_lr: Positive | None = None
    """Of the projections of words and of single frames, which the fine alignment trained; null: `lr`, as published."""


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
    segment_means: SegmentMeans = "unit"
    """A part's direction is that of the mean of its frames' unit vectors, or with `raw`, as in the released code, of
    the refined features as they come out."""

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
class RefineOptimSettings(_ConstantAdam):
    """`OptimSettings` with the published values: Adam, 1e-4 throughout, weight decay 1e-4 (5e-4 on YouTube-8M)."""

    weight_decay: NotNegative = 1e-4
    """Of weight matrices; of every parameter with `decay_all`."""


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
