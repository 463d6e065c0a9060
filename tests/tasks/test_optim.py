"""Parameter groups, schedules, and the update within the backward pass."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_pretraining import QUIET, loader, terms_of, tiny_batch, tiny_task
from helpers.tiny_refining import tiny_clips, tiny_refiner
from helpers.tiny_summarizing import tiny_summarizer, tiny_videos
from torch import nn

from sspvs.tasks.optim import build_optimizer, learning_rate_factor, parameter_groups
from sspvs.tasks.settings import OptimSettings, RefineOptimSettings


def test_parameter_groups_hold_each_trained_weight_once() -> None:
    task = tiny_task(coarse="infonce")
    settings = OptimSettings(lr=1e-3, text_lr=1e-5, weight_decay=0.05)
    groups = {group["name"]: group for group in parameter_groups(task, settings)}
    assert sorted(groups) == ["text_decayed", "text_spared", "video_decayed", "video_spared"]
    listed = [id(p) for group in groups.values() for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in task.parameters() if p.requires_grad)
    for name, group in groups.items():
        assert group["weight_decay"] == (0.05 if name.endswith("_decayed") else 0.0)
        assert group["lr"] == (1e-5 if name.startswith("text") else 1e-3)
    names = {id(p): name for name, p in task.named_parameters()}
    spared = {names[id(p)] for key in ("text_spared", "video_spared") for p in groups[key]["params"]}
    for name, parameter in task.named_parameters():
        if not parameter.requires_grad:
            continue
        owner = task.get_submodule(name.rsplit(".", 1)[0])
        expected = parameter.ndim < 2 or isinstance(owner, (nn.LayerNorm, nn.Embedding))
        assert (name in spared) == expected, name
    assert "model.text_encoder.embedding.weight" in spared
    assert "objectives.coarse.log_scale" in spared
    assert "model.video_encoder.transformer.layers.0.attention.in_projection.weight" not in spared


def test_frozen_weights_are_in_no_group() -> None:
    task = tiny_task()
    task.model.text_encoder.freeze()
    assert {group["name"] for group in parameter_groups(task, OptimSettings())} == {"video_decayed", "video_spared"}
    task.requires_grad_(False)
    with pytest.raises(ValueError, match="nothing is left to train"):
        parameter_groups(task, OptimSettings())


def test_decay_reaches_matrices_only() -> None:
    task = tiny_task()
    optimizer = build_optimizer(
        parameter_groups(task, OptimSettings(lr=0.1, weight_decay=0.5)), OptimSettings(lr=0.1, weight_decay=0.5)
    )
    before = {name: p.detach().clone() for name, p in task.named_parameters()}
    for p in task.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in task.named_parameters():
        decayed = p.requires_grad and p.ndim > 1 and "text_encoder.embedding" not in name
        torch.testing.assert_close(p.detach(), before[name] * (0.95 if decayed else 1.0))


def test_decay_of_everything_is_that_of_plain_adam() -> None:
    task, twin = tiny_refiner(), tiny_refiner()
    settings = RefineOptimSettings(lr=0.01, weight_decay=0.1, decay_all=True)
    (group,) = parameter_groups(task, settings)
    assert len(group["params"]) == len(list(task.parameters()))
    optimizers = [build_optimizer([group], settings), torch.optim.Adam(twin.parameters(), lr=0.01, weight_decay=0.1)]
    for step in range(3):
        for one, optimizer in zip((task, twin), optimizers, strict=True):
            optimizer.zero_grad()
            one.total(one.batch_terms(tiny_clips(step))).backward()
            optimizer.step()
    for (name, one), other in zip(task.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=name)
    spared = parameter_groups(tiny_refiner(), RefineOptimSettings(weight_decay=0.1))
    assert {found["weight_decay"] for found in spared} == {0.1, 0.0}


def test_schedules() -> None:
    cosine = OptimSettings(warmup_steps=4, final_lr_fraction=0.1)
    factors = [learning_rate_factor(step, cosine, 24) for step in range(30)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[14] == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 2)) / 2)
    assert factors[24:] == pytest.approx([0.1] * 6)
    assert all(a >= b for a, b in pairwise(factors[4:]))
    published = OptimSettings(name="adam", lr=1e-6, schedule="constant", weight_decay=0.0)
    assert {learning_rate_factor(step, published, None) for step in (0, 1, 10**6)} == {1.0}


def test_the_trainer_follows_the_schedule() -> None:
    rates = []

    class Watch(pl.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
            rates.append([group["lr"] for group in optimizer.param_groups])

    settings = OptimSettings(lr=1e-2, text_lr=1e-3, warmup_steps=2)
    task = tiny_task(optim=settings)
    pl.Trainer(max_steps=6, callbacks=[Watch()], **QUIET).fit(task, loader([tiny_batch()] * 6))
    for step, (text_decayed, text_spared, video_decayed, video_spared) in enumerate(rates):
        factor = learning_rate_factor(step, settings, 6)
        assert text_decayed == text_spared == pytest.approx(1e-3 * factor)
        assert video_decayed == video_spared == pytest.approx(1e-2 * factor)
    assert len(rates) == 6


def test_a_cosine_without_an_end_is_refused() -> None:
    task = tiny_task(optim=OptimSettings())
    with pytest.raises(ValueError, match="needs an end"):
        pl.Trainer(max_epochs=-1, **QUIET).fit(task, loader([tiny_batch()]))


@pytest.mark.parametrize("name", ["adam", "adamw"])
@pytest.mark.parametrize("fused", [True, False])
def test_steps_in_the_backward_pass_give_the_same_weights(name: str, fused: bool) -> None:
    ends = []
    for within in (False, True):
        optim = OptimSettings(
            name=name, lr=1e-3, weight_decay=0.1, warmup_steps=3, fused=fused, step_in_backward=within
        )
        task = tiny_task(3, optim=optim)
        trainer = pl.Trainer(max_steps=8, **QUIET)
        trainer.fit(task, loader([tiny_batch(seed) for seed in range(8)]))
        state = trainer.optimizers[0].state_dict()
        ends.append((dict(task.named_parameters()), state["state"]))
    for weight_name, weight in ends[0][0].items():
        torch.testing.assert_close(ends[1][0][weight_name], weight, atol=1e-6, rtol=1e-5)
    assert set(ends[0][1]) == set(ends[1][1])
    assert all(float(state["step"]) == 8 for state in ends[1][1].values())


def test_no_gradient_stays_after_a_backward_pass_that_steps() -> None:
    task = tiny_task()
    settings = OptimSettings(step_in_backward=True, schedule="constant")
    optimizer = build_optimizer(parameter_groups(task, settings), settings)
    at_once = []
    for p in task.parameters():
        if p.requires_grad:
            p.register_post_accumulate_grad_hook(
                lambda _: at_once.append(sum(q.grad is not None for q in task.parameters()))
            )
    before = task.model.mask_vector.detach().clone()
    optimizer.step(lambda: task.total(terms_of(task, tiny_batch())).backward())
    assert max(at_once) <= 1  # the one at hand: the others are gone or not there yet
    assert all(p.grad is None for p in task.parameters())
    assert not torch.equal(before, task.model.mask_vector)
    optimizer.release()
    before = task.model.mask_vector.detach().clone()
    task.total(terms_of(task, tiny_batch())).backward()
    assert task.model.mask_vector.grad is not None
    assert torch.equal(before, task.model.mask_vector)


@pytest.mark.parametrize(
    ("trainer", "reason"),
    [
        ({"gradient_clip_val": 1.0}, "gradient_clip_val"),
        ({"accumulate_grad_batches": 2}, "accumulate_grad_batches"),
    ],
)
def test_what_cannot_go_with_it_is_refused(trainer: dict, reason: str) -> None:
    task = tiny_task(optim=OptimSettings(step_in_backward=True))
    with pytest.raises(ValueError, match=reason):
        pl.Trainer(max_steps=1, **trainer, **QUIET).fit(task, loader([tiny_batch()]))


@pytest.mark.parametrize("fused", [None, True])
@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
@pytest.mark.parametrize("make", [(tiny_task, tiny_batch), (tiny_summarizer, tiny_videos), (tiny_refiner, tiny_clips)])
def test_gradients_are_clipped_under_any_precision(make: tuple, precision: str, fused: bool | None) -> None:
    settings = {"lr": 1.0, "schedule": "constant", "fused": fused}
    task = make[0](optim=OptimSettings(**settings) if make[0] is tiny_task else settings)
    batch, norms = make[1](), []

    class Look(pl.Callback):
        def on_before_zero_grad(self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: object) -> None:
            found = [p.grad.norm() for p in module.parameters() if p.grad is not None]
            norms.extend([float(torch.stack(found).norm())] if found else [])

    trainer = pl.Trainer(max_steps=2, precision=precision, gradient_clip_val=1e-3, callbacks=[Look()], **QUIET)
    trainer.fit(task, loader([batch] * 2))
    assert trainer.global_step == 2
    assert norms
    assert max(norms) < 1.01e-3
