"""The moving average of the weights against a loop by hand, through validation, saving and resuming."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_pretraining import QUIET, loader, tiny_batch, tiny_task

from sspvs.tasks.optim import EmaWeights
from sspvs.tasks.pretrain import PretrainTask


class Watch(pl.Callback):
    """The training's weights after each step, and the weights that validate."""

    def __init__(self) -> None:
        self.after: list[torch.Tensor] = []
        self.validated: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer, pl_module, *_) -> None:
        self.after.append(pl_module.model.mask_vector.detach().clone())

    def on_validation_batch_start(self, trainer, pl_module, *_) -> None:
        self.validated.append(pl_module.model.mask_vector.detach().clone())


def averages(start: torch.Tensor, steps: list[torch.Tensor], decay: float) -> list[torch.Tensor]:
    out, average = [], start
    for n, weight in enumerate(steps):
        share = min(decay, (1 + n) / (10 + n))
        average = share * average + (1 - share) * weight
        out.append(average)
    return out


def test_validation_runs_on_the_average_and_training_on_its_own_weights() -> None:
    plain = tiny_task()
    pl.Trainer(max_epochs=2, **QUIET).fit(plain, loader([tiny_batch(s) for s in range(4)]))
    task, watch = tiny_task(), Watch()
    start = task.model.mask_vector.detach().clone()
    trainer = pl.Trainer(max_epochs=2, callbacks=[watch, EmaWeights(0.3)], **QUIET)
    trainer.fit(task, loader([tiny_batch(s) for s in range(4)]), loader([tiny_batch(9)]))
    expected = averages(start, watch.after, 0.3)
    torch.testing.assert_close(watch.validated[0], expected[3])
    torch.testing.assert_close(watch.validated[1], expected[7])
    assert not torch.allclose(watch.validated[1], watch.after[7])
    torch.testing.assert_close(task.model.mask_vector.detach(), expected[7])  # left in the module at the end
    torch.testing.assert_close(watch.after[7], plain.model.mask_vector.detach())  # training did not notice


def test_checkpoints_hold_what_was_validated_and_resume_is_exact(tmp_path: Path) -> None:
    from pytorch_lightning.callbacks import ModelCheckpoint

    batches = [tiny_batch(s) for s in range(3)]

    def fit(epochs: int, folder: str, ckpt: Path | None = None):
        task, watch = tiny_task(), Watch()
        saver = ModelCheckpoint(tmp_path / folder, save_top_k=-1, filename="{epoch}")
        options = {**QUIET, "enable_checkpointing": True}
        trainer = pl.Trainer(max_epochs=epochs, callbacks=[saver, EmaWeights(0.5), watch], **options)
        trainer.fit(task, loader(batches), loader([tiny_batch(9)]), ckpt_path=ckpt, weights_only=True)
        return task, watch

    whole, whole_watch = fit(3, "whole")
    fit(2, "part")
    saved = tmp_path / "part" / "epoch=1.ckpt"
    loaded = PretrainTask.load_from_checkpoint(saved, weights_only=True)
    torch.testing.assert_close(loaded.model.mask_vector.detach(), whole_watch.validated[1])
    resumed, watch = fit(3, "resumed", saved)
    for a, b in zip(watch.after, whole_watch.after[6:], strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], weight, atol=0, rtol=0)


def test_accumulated_batches_move_it_once_a_step_and_both_weights_are_saved_afterwards(tmp_path: Path) -> None:
    task, watch = tiny_task(), Watch()
    start = task.model.mask_vector.detach().clone()
    trainer = pl.Trainer(max_epochs=1, accumulate_grad_batches=2, callbacks=[watch, EmaWeights(0.3)], **QUIET)
    trainer.fit(task, loader([tiny_batch(s) for s in range(4)]))
    average = averages(start, watch.after[1::2], 0.3)[-1]
    torch.testing.assert_close(task.model.mask_vector.detach(), average)
    trainer.save_checkpoint(tmp_path / "after.ckpt")
    saved = torch.load(tmp_path / "after.ckpt", weights_only=True)
    torch.testing.assert_close(saved["state_dict"]["model.mask_vector"], average)
    assert torch.equal(saved["ema"]["training_weights"]["model.mask_vector"], watch.after[-1])
    assert saved["ema"]["updates"] == 2
    trainer.validate(task, loader([tiny_batch(9)]), verbose=False)
    torch.testing.assert_close(watch.validated[-1], average)


def test_what_a_checkpoint_gives_depends_on_what_it_is_loaded_for() -> None:
    def task() -> PretrainTask:
        return tiny_task(coarse="none")  # a part of it is frozen

    average, training = (
        {name: torch.full_like(weight, value) for name, weight in task().state_dict().items()} for value in (2.0, 3.0)
    )
    trained = {name for name, weight in task().named_parameters() if weight.requires_grad}
    assert 0 < len(trained) < len(average)
    kept = {name: weight for name, weight in training.items() if name in trained}
    checkpoint = {"state_dict": average, "ema": {"updates": 5, "training_weights": kept}}
    for verb, given, expected in (
        ("fit", checkpoint, 3.0),
        ("validate", checkpoint, 2.0),
        ("fit", {**checkpoint}, 2.0),
    ):
        if expected == 2.0 and verb == "fit":
            del given["ema"]  # of a run without an average
        loaded, ema = task(), EmaWeights()
        loaded.load_state_dict(average)
        ema.on_load_checkpoint(SimpleNamespace(state=SimpleNamespace(fn=verb)), loaded, given)
        for name, weight in loaded.state_dict().items():
            assert (weight == (expected if name in trained else 2.0)).all(), (verb, name)


class BreaksOff(pl.Callback):
    def on_validation_batch_start(self, *_) -> None:
        raise ArithmeticError


def test_a_validation_that_breaks_off_leaves_the_weights_of_the_training() -> None:
    task, watch = tiny_task(), Watch()
    trainer = pl.Trainer(max_epochs=1, callbacks=[watch, EmaWeights(0.3), BreaksOff()], **QUIET)
    with pytest.raises(ArithmeticError):
        trainer.fit(task, loader([tiny_batch(s) for s in range(3)]), loader([tiny_batch(9)]))
    assert not torch.equal(watch.validated[0], watch.after[-1])
    assert torch.equal(task.model.mask_vector.detach(), watch.after[-1])


@pytest.mark.parametrize("decay", [0.0, 1.0, -1.0])
def test_a_decay_that_is_none(decay: float) -> None:
    with pytest.raises(ValueError, match="decay must be"):
        EmaWeights(decay)


def test_sharded_weights_are_refused() -> None:
    class FSDPStrategy: ...

    with pytest.raises(ValueError, match="cannot average sharded weights"):
        EmaWeights().on_fit_start(SimpleNamespace(strategy=FSDPStrategy(), global_step=0), tiny_task())
