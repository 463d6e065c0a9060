"""Since when a loss is not finite, and what a task says of weights and outputs that are not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_pretraining import QUIET, loader, tiny_batch, tiny_task
from helpers.tiny_refining import tiny_clips, tiny_refiner
from helpers.tiny_summarizing import tiny_summarizer, tiny_videos

from sspvs.errors import CheckpointError, TrainingDivergedError
from sspvs.tasks.saved_task import LossWatch
from sspvs.tasks.settings import OptimSettings


def test_the_first_step_of_each() -> None:
    watch, nan = LossWatch(), math.nan
    assert watch.report() == "the losses of all steps were finite"
    for step, (one, other) in enumerate([(1.0, 2.0), (1.0, math.inf), (nan, 1.0)], start=1):
        watch.see({"one": torch.tensor(one), "other": torch.tensor(other)}, step)
        assert watch.report() == (
            "the losses of all steps were finite" if step == 1 else "other is not finite since step 2"
        )
    watch = LossWatch()
    watch.see({"one": torch.tensor(nan), "other": torch.tensor(-math.inf)}, 7)
    assert watch.report() == "one, other are not finite since step 7"
    assert watch.steps == 1


KINDS = {
    "matching": lambda: (tiny_task(), tiny_batch(), "outputs"),
    "infonce": lambda: (tiny_task(coarse="infonce", fine="late-interaction"), tiny_batch(), "outputs"),
    "recovery": lambda: (tiny_task(coarse="none", fine="none"), tiny_batch(), "outputs"),
    "fine-tuning": lambda: (tiny_summarizer(), tiny_videos(), "scores"),
    "ranking": lambda: (tiny_summarizer(losses={"mse": 0.0, "pairwise": 1.0}), tiny_videos(), "scores"),
    "refinement": lambda: (tiny_refiner(), tiny_clips(), "scores"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("when", ["validation", "prediction"])
def test_outputs_that_are_not_finite(kind: str, value: float, when: str) -> None:
    task, batch, what = KINDS[kind]()
    trainer = pl.Trainer(max_steps=2, **QUIET)
    trainer.fit(task, loader([batch] * 2))
    with torch.no_grad():
        for weight in task.model.parameters():
            weight.fill_(value)
    see = task.validation_step if when == "validation" else task.predict_step
    what = "embeddings" if (what, when) == ("outputs", "prediction") else what
    told = rf"the training diverged: the {what} of {batch.ids[0]} are not finite .* after step 2 \(the losses of all "
    with pytest.raises(TrainingDivergedError, match=told):
        see(batch, 0)
    task.loss_watch = LossWatch()
    with pytest.raises(CheckpointError, match="nothing was trained here: are the weights intact") as caught:
        see(batch, 0)
    assert not isinstance(caught.value, TrainingDivergedError)


def test_the_video_that_is_concerned_and_the_rates_that_can_be_lowered() -> None:
    task = tiny_task(optim=OptimSettings(lr=0.5, text_lr=2.0))
    task.loss_watch.see({"train/loss": torch.tensor(math.inf)}, 3)
    rows = torch.ones(3, 2, 2)
    task.refuse_not_finite("the outputs", rows, None, rows[:, 0, 0] > 0, ids=("a", "b", "c"))
    rows[2, 1, 0], other = math.nan, torch.tensor([1.0, -math.inf, 1.0])
    with pytest.raises(TrainingDivergedError) as caught:
        task.refuse_not_finite("the outputs", rows, other, ids=("a", "b", "c"))
    assert "the outputs of b are not finite" in str(caught.value)
    assert "train/loss is not finite since step 3" in str(caught.value)
    assert "(--model.optim.lr, here 0.5, --model.optim.text_lr, here 2)" in str(caught.value)


@pytest.mark.parametrize("kind", ["matching", "ranking"])
def test_losses_that_overflow_though_the_outputs_do_not(kind: str) -> None:
    """Every term is finite, their weighted sum is not."""
    task, batch, _ = KINDS[kind]()
    if kind == "matching":
        task.losses = replace(task.losses, coarse_weight=3e38, fine_weight=3e38, mask_weight=3e38)
    else:
        task.losses = replace(task.losses, pairwise=3e38, mse=3e38, correlation=3e38)
    trainer = pl.Trainer(**QUIET)
    task.loss_watch.see({"train/loss": torch.tensor(1.0)}, 1)
    with pytest.raises(TrainingDivergedError, match="the validation losses are not finite"):
        trainer.validate(task, loader([batch]), verbose=False)
