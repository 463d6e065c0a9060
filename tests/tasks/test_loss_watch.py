"""Since when a loss is no number, and what a task says of weights and scores that are none."""

from __future__ import annotations

import math

import pytest
import pytorch_lightning as pl
import torch
from tiny_pretraining import QUIET, loader
from tiny_refining import tiny_clips, tiny_refiner
from tiny_summarizing import tiny_summarizer, tiny_videos

from sspvs.errors import CheckpointError, TrainingDivergedError
from sspvs.tasks.loss_watch import LossWatch


def test_the_first_step_of_each() -> None:
    watch, nan = LossWatch(), math.nan
    assert watch.told() == "the losses of all steps were numbers"
    for step, (one, other) in enumerate([(1.0, 2.0), (1.0, math.inf), (nan, 1.0)], start=1):
        watch.see({"one": torch.tensor(one), "other": torch.tensor(other)}, step)
        assert watch.told() == (
            "the losses of all steps were numbers" if step == 1 else "other is no number since step 2"
        )
    watch = LossWatch()
    watch.see({"one": torch.tensor(nan), "other": torch.tensor(-math.inf)}, 7)
    assert watch.told() == "one and other are no numbers since step 7"
    assert watch.steps == 1


@pytest.mark.parametrize("kind", ["fine-tuning", "refinement"])
@pytest.mark.parametrize("when", ["validation", "prediction"])
def test_scores_that_are_no_numbers(kind: str, when: str) -> None:
    task, batch = {
        "fine-tuning": lambda: (tiny_summarizer(), tiny_videos()), "refinement": lambda: (tiny_refiner(), tiny_clips()),
    }[kind]()  # fmt: skip
    trainer = pl.Trainer(max_steps=2, **QUIET)
    trainer.fit(task, loader([batch] * 2))
    with torch.no_grad():
        for weight in task.model.parameters():
            weight.fill_(math.nan)
    see = task.keep if when == "validation" else task.predict_step
    words = () if when == "validation" else (0,)
    told = rf"the training diverged: the scores of {batch.ids[0]} are no numbers after step 2 \(the losses of all "
    with pytest.raises(TrainingDivergedError, match=told):
        see(batch, *words)
    task.loss_watch = LossWatch()
    with pytest.raises(CheckpointError, match="nothing was trained here: are the weights whole") as caught:
        see(batch, *words)
    assert not isinstance(caught.value, TrainingDivergedError)
