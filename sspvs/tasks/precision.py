"""Settings of the optimiser against those of the trainer: what cannot go together is said before training starts."""

from __future__ import annotations

from pytorch_lightning import Trainer

from sspvs.tasks.settings import OptimSettings


def refuse_what_cannot_go_together(optim: OptimSettings, trainer: Trainer) -> None:
    """Check `step_in_backward` against the trainer.

    Raises:
        ValueError: With everything that is in its way.
    """
    if not optim.step_in_backward:
        return
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


def may_be_fused(trainer: Trainer) -> bool:
    """Whether the trainer can work with an optimiser whose kernel unscales gradients by itself.

    Lightning refuses to clip the gradients of one under any mixed precision, with a scaler or without.
    """
    precision = str(trainer.precision)
    return not (precision.startswith("16") or (precision.endswith("mixed") and trainer.gradient_clip_val))
