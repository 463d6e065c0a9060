"""Batches and clips that leave a term nothing to compare with: refused, or warned of, where the term is constant."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_pretraining import QUIET, loader, terms_of, tiny_batch, tiny_task
from helpers.tiny_refining import DIM, tiny_refiner

from sspvs.data.batch import RefineBatch
from sspvs.tasks.data_facts import refuse_idle_terms, refuse_single_pairs
from sspvs.tasks.objectives import LossSettings

OVER_BATCH: dict[str, dict[str, Any]] = {
    "infonce": {"coarse": "infonce", "fine": "none"},
    "infonce and hausdorff": {"coarse": "infonce"},
    "sigmoid": {"coarse": "sigmoid", "fine": "none"},
    "late-interaction": {"fine": "late-interaction"},
}


@pytest.mark.parametrize("names", OVER_BATCH)
@pytest.mark.parametrize(("batch", "processes"), [(1, 1), (2, 1), (1, 2), (7, 1), (3, 2), (8, 1), (4, 2), (1, 8)])
def test_pairs_of_all_processes_count(names: str, batch: int, processes: int, caplog: pytest.LogCaptureFixture) -> None:
    objectives = LossSettings(**OVER_BATCH[names]).over_batch
    assert " and ".join(objectives) == names
    data = SimpleNamespace(batch_size=batch, val_batch_size=4)
    if batch * processes == 1:
        with pytest.raises(ValueError, match=rf"^{names} tells?.* data.batch_size 1 on 1 device there are none to lea"):
            refuse_single_pairs(data, objectives, processes)
    else:
        refuse_single_pairs(data, objectives, processes)
    assert ("set data.batch_size to 4 or more" in caplog.text) == (processes == 2 and batch < 4)
    told = f"with data.batch_size {batch} on {processes} device{'s' if processes > 1 else ''} these are only "
    assert (told + f"{batch * processes - 1};" in caplog.text) == (1 < batch * processes < 8)
    with pytest.raises(ValueError, match=r"data\.val_batch_size 1 there are none to validate with"):
        refuse_single_pairs(SimpleNamespace(batch_size=8, val_batch_size=1), objectives, processes)


def test_objectives_that_need_no_other_pair(caplog: pytest.LogCaptureFixture) -> None:
    for losses in ({}, {"coarse": "none"}, {"fine": "none"}, {"coarse": "none", "fine": "none"}):
        refuse_single_pairs(SimpleNamespace(batch_size=1, val_batch_size=1), LossSettings(**losses).over_batch, 1)
    refuse_single_pairs(object(), ("infonce",), 1)  # data that does not say
    assert not caplog.text


@pytest.mark.parametrize("names", ["infonce", "late-interaction"])
def test_the_loss_of_one_pair_is_nothing_whatever_it_is(names: str) -> None:
    """Why it is refused; and why a last batch of one does not count in validation, where two are the first."""
    task = tiny_task(**OVER_BATCH[names], mask=False).eval()
    whole, seen = tiny_batch(matches=True, batch=3), {}
    rows = [
        type(whole)(*(None if field is None else field[part] for field in whole)) for part in (slice(2), slice(2, 3))
    ]
    name = "coarse_loss" if names == "infonce" else "fine_loss"
    with torch.no_grad():
        first, last = (float(terms_of(task, one)[name]) for one in rows)
    assert first > 0.01
    assert last == pytest.approx(0, abs=1e-6)
    trainer = pl.Trainer(**QUIET)
    trainer.validate(task, loader(rows), verbose=False)
    seen |= {key: float(value) for key, value in trainer.callback_metrics.items()}
    assert seen[f"val/{name}"] == pytest.approx(first)
    assert len(task.records) == 3  # embeddings of all are judged
    with pytest.raises(ValueError, match=f"there is one video to validate on, and .*{names} tell"):
        trainer.validate(task, loader(rows[1:]), verbose=False)


@pytest.mark.parametrize("frames", [1, 9, 15, 19, 20, 40])
@pytest.mark.parametrize("fraction", [0.1, 0.2])
def test_terms_of_refinement_that_are_constant(frames: int, fraction: float, caplog: pytest.LogCaptureFixture) -> None:
    """Warned of just where the loss itself, of any clip, is zero."""
    task = tiny_refiner(losses={"neighbour_fraction": fraction, "commonness": 0, "uniqueness": 0}, combine="ag")
    clips = torch.randn(3, frames, DIM, generator=torch.Generator().manual_seed(frames))
    terms = task.batch_terms(RefineBatch(clips, torch.ones(3, frames, dtype=torch.bool), ("a", "b", "c")))
    idle = {name for name, term in terms.items() if abs(float(term.detach())) < 1e-5}
    data = SimpleNamespace(clip_frames=frames, batch_size=4)
    if len(idle) == len(terms):
        with pytest.raises(ValueError, match=r"losses.alignment is 0 throughout: .*; losses.uniformity is 0"):
            refuse_idle_terms(data, task.losses, 1)
    else:
        refuse_idle_terms(data, task.losses, 1)
        told = {f"{name}_loss" for name in ("alignment", "uniformity") if f"losses.{name} is 0" in caplog.text}
        assert told == idle


def test_commonness_within_one_clip_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    for batch, processes, told in ((2, 1, False), (1, 2, False), (1, 1, True)):
        refuse_idle_terms(SimpleNamespace(clip_frames=40, batch_size=batch), tiny_refiner().losses, processes)
        assert ("data.batch_size 1 on 1 device has the frame's own clip alone" in caplog.text) == told
