"""A moving average of the weights, which validates and which checkpoints give."""

from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor


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
