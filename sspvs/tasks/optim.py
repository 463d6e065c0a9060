"""Optimisers: rates by parameter, schedules, Adam within the backward pass, a moving average of the weights."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from sspvs.tasks.settings import FineTuneOptimSettings, OptimSettings

TEXT_TOWER, VIDEO_TOWER = "model.text_encoder.", "model.video_encoder."  # how the names of their parameters begin
_PROJECTIONS = ("model.text_projection.", "model.frame_projection.")

Place = Callable[[str], tuple[str, float]]  # a parameter's name -> the name of its group, and the group's learning rate

_LAYER = re.compile(re.escape(VIDEO_TOWER) + r"transformer\.layers\.(\d+)\.")


def parameter_groups(module: nn.Module, settings: OptimSettings, place: Place | None = None) -> list[dict[str, Any]]:
    """The trained parameters in groups, each in two: decayed or not (`name`, `params`, `lr`, `weight_decay`).

    Not decayed unless `settings.decay_all`: norms, biases, embeddings, and whatever else is no matrix (learned vectors,
    scales). `place` gives a parameter's group and rate; by default the text tower has its own.
    """
    if place is None:
        place = lambda name: ("text", _text_lr(settings)) if name.startswith(TEXT_TOWER) else ("video", settings.lr)  # noqa: E731
    spared = {id(parameter) for parameter in _spared(module)}
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        where, lr = place(name)
        is_matrix = id(parameter) not in spared and parameter.ndim > 1 and "embedding" not in name.rsplit(".", 1)[-1]
        decayed = settings.decay_all or is_matrix
        key = f"{where}_{'decayed' if decayed else 'spared'}"
        group = groups.setdefault(
            key, {"name": key, "params": [], "lr": lr, "weight_decay": settings.weight_decay if decayed else 0.0}
        )
        group["params"].append(parameter)
    if not groups:
        raise ValueError("nothing is left to train: every parameter is frozen")
    return [groups[key] for key in sorted(groups)]


def layer_wise(settings: FineTuneOptimSettings, num_layers: int) -> Place:
    """Fine-tuning's rates by layer; what lies below the first counts as one more, the pooled state as the last."""

    def place(name: str) -> tuple[str, float]:
        if name.startswith(TEXT_TOWER):
            return "text", _text_lr(settings)
        if name.startswith(_PROJECTIONS) and settings.projection_lr is not None:
            return "projections", settings.projection_lr
        if not name.startswith(VIDEO_TOWER):
            return "head", settings.lr
        top = settings.lr if settings.encoder_lr is None else settings.encoder_lr
        if settings.layer_decay == 1:
            return "encoder", top
        layer = _LAYER.match(name)
        pooler = name.startswith(f"{VIDEO_TOWER}pooler.")
        number = int(layer[1]) + 1 if layer else num_layers if pooler else 0
        return f"encoder_{number}", top * settings.layer_decay ** (num_layers - number)

    return place


def configured(groups: Iterable[dict[str, Any]], settings: OptimSettings, trainer: Trainer) -> dict[str, Any]:
    """The optimiser and its schedule, as `configure_optimizers` returns them."""
    if settings.step_in_backward:
        _refuse_what_needs_gradients(trainer)
    precision, total = str(trainer.precision), None
    # Lightning refuses to clip the gradients of an optimiser whose kernel could unscale them, with a scaler or without.
    scaled = precision.startswith("16") or (precision.endswith("mixed") and bool(trainer.gradient_clip_val))
    optimizer = build_optimizer(groups, settings, fused=False if scaled else None)
    if settings.schedule == "cosine":
        steps = trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise ValueError("a cosine schedule needs an end: set trainer.max_steps or trainer.max_epochs")
        total = int(steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, settings, total))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def build_optimizer(
    groups: Iterable[dict[str, Any]], settings: OptimSettings, *, fused: bool | None = None
) -> Optimizer:
    """The optimiser over the groups of `parameter_groups`; `fused` overrides the settings."""
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
    """The share of the learning rate in a step, counted from 0; only `constant` does without `total_steps`."""
    warmup = settings.warmup_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if settings.schedule == "constant":
        return 1.0
    assert total_steps is not None
    done = min((step - warmup) / max(total_steps - warmup, 1), 1.0)
    final = settings.final_lr_fraction
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2


def _refuse_what_needs_gradients(trainer: Trainer) -> None:
    """Refuse `step_in_backward` with a trainer that is in its way."""
    wrong = []
    if trainer.gradient_clip_val:
        wrong.append(f"gradient_clip_val {trainer.gradient_clip_val} needs all gradients at once")
    if trainer.accumulate_grad_batches != 1:
        wrong.append(f"accumulate_grad_batches {trainer.accumulate_grad_batches} needs them to stay")
    if trainer.world_size != 1:
        wrong.append(f"{trainer.world_size} processes average them first")
    if str(trainer.precision).startswith("16"):
        wrong.append(f"precision {trainer.precision} unscales them first (bf16-mixed does not)")
    if wrong:
        raise ValueError("optim.step_in_backward must be false here: " + "; ".join(wrong))


def _text_lr(settings: OptimSettings) -> float:
    return settings.lr if settings.text_lr is None else settings.text_lr


def _spared(module: nn.Module) -> Iterable[nn.Parameter]:
    for part in module.modules():
        if isinstance(part, (nn.Embedding, nn.EmbeddingBag)) or "Norm" in type(part).__name__:
            yield from part.parameters(recurse=False)


def _can_fuse(parameters: Iterable[nn.Parameter]) -> bool:
    """Whether torch has fused kernels for where all parameters are: on the CPU since 2.4."""
    places = {parameter.device.type for parameter in parameters}
    release = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    return places <= {"cuda"} or (places <= {"cuda", "cpu"} and release >= (2, 4))


class _InBackward(Optimizer):
    """Updates each weight in the backward pass, as soon as its gradient is there, and frees the gradient.

    The weights come out the same, and the memory of one copy of them is saved. What needs all gradients at once cannot
    go with it. Mixed in before an optimiser that treats its parameters one by one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._removers = [
            parameter.register_post_accumulate_grad_hook(self._hook(index))
            for index, group in enumerate(self.param_groups)
            for parameter in group["params"]
        ]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run `closure` (forward and backward); the weights are updated within."""
        if closure is None:
            return None
        with torch.enable_grad():
            return closure()

    def release(self) -> None:
        """Stop updating: afterwards a backward pass leaves its gradients as usual."""
        for remover in self._removers:
            remover.remove()

    def _hook(self, index: int) -> Callable[[Tensor], None]:
        def update(parameter: Tensor) -> None:
            group, everything = self.param_groups[index], self.param_groups
            self.param_groups = [{**group, "params": [parameter]}]
            try:
                super(_InBackward, self).step()
            finally:
                self.param_groups = everything
            parameter.grad = None

        return update


class AdamInBackward(_InBackward, Adam):
    """`torch.optim.Adam` in the backward pass."""


class AdamWInBackward(_InBackward, AdamW):
    """`torch.optim.AdamW` in the backward pass."""


class EmaWeights(Callback):
    """Keeps an exponential moving average of the trained weights.

    Validation runs on the average, and the average is what a checkpoint's `state_dict` holds, so that what was judged
    is what is saved; the weights of the training itself lie beside it for an exact resume. After training the module
    has the average.

    Args:
        decay: Share of the old average in a step; less in the first steps: at most (1 + n) / (10 + n) after n of them.

    Raises:
        ValueError: `decay` is not in (0, 1).
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"decay must be in (0, 1), got {decay}")
        self.decay = decay
        self._other: dict[str, Tensor] = {}  # the average, or the training's weights while the module has the average
        self._updates = 0
        self._averaged = False  # whether the module has the average

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from the module's weights, or from what a checkpoint gave."""
        if "fsdp" in type(trainer.strategy).__name__.lower():
            raise ValueError("EmaWeights cannot average sharded weights; use strategy ddp, or leave the callback out")
        if not self._other:
            self._other = {name: weight.detach().clone() for name, weight in _trained(pl_module)}
        self._other = {name: weight.to(pl_module.device) for name, weight in self._other.items()}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Count from the step that a checkpoint gave, which Lightning restores after `on_fit_start`."""
        self._steps = trainer.global_step

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Move the average towards the weights, once an optimiser step."""
        if trainer.global_step == self._steps:
            return  # gradients are being accumulated
        self._steps = trainer.global_step
        decay = min(self.decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        for name, weight in _trained(pl_module):
            self._other[name].lerp_(weight, 1 - decay)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._hold(True, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the training's weights."""
        if trainer.state.fn == "fit":
            self._hold(False, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Do not leave the average in the module when validation broke off."""
        self._hold(False, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Leave the average in the module."""
        self._hold(True, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        """Put the average into `state_dict` and the training's weights beside it."""
        if not self._other:
            return
        state = checkpoint["state_dict"]
        if self._averaged:
            training = {name: weight.clone() for name, weight in self._other.items()}
        else:
            training = {name: state[name] for name in self._other}
            checkpoint["state_dict"] = {**state, **{name: w.clone() for name, w in self._other.items()}}
        checkpoint["ema"] = {"updates": self._updates, "training_weights": training}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take both apart again, to go on training."""
        if trainer.state.fn != "fit" or "ema" not in checkpoint:
            return
        training = checkpoint["ema"]["training_weights"]
        self._updates = int(checkpoint["ema"]["updates"])
        self._other = {name: checkpoint["state_dict"][name].clone() for name in training}
        self._averaged = False
        pl_module.load_state_dict(training, strict=False)

    @torch.no_grad()
    def _hold(self, average: bool, module: LightningModule) -> None:
        """Give the module the average, or the training's weights."""
        if not self._other or average == self._averaged:
            return
        for name, weight in _trained(module):
            kept = weight.clone()
            weight.copy_(self._other[name])
            self._other[name].copy_(kept)
        self._averaged = average


def _trained(module: LightningModule) -> list[tuple[str, Tensor]]:
    return [(name, weight) for name, weight in module.named_parameters() if weight.requires_grad]
