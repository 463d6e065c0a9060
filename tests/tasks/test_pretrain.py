"""The pretraining task: it learns, padding changes nothing, and what it logs is what it computes."""

from __future__ import annotations

import math

import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_pretraining import (
    QUIET,
    assert_bfloat16_is_near,
    compiled_parts,
    loader,
    terms_of,
    tiny_batch,
    tiny_task,
)

from sspvs.losses.pretraining import (
    HausdorffLoss,
    InfoNceLoss,
    LateInteractionLoss,
    SigmoidContrastiveLoss,
    masked_frame_loss,
    matching_loss,
)
from sspvs.tasks.objectives import LossSettings
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.settings import OptimSettings

OBJECTIVES = [
    {},
    {"coarse": "infonce"},
    {"coarse": "sigmoid", "fine": "late-interaction"},
    {"coarse": "none"},
    {"coarse": "none", "fine": "none"},
    {"fine": "late-interaction", "mask": False},
    {"coarse": "infonce", "fine": "none", "mask": False},
    {"coarse": "infonce", "fine": "late-interaction", "fine_frames": "alone"},
]


def matches(losses: dict) -> bool:
    return losses.get("coarse") in ("infonce", "sigmoid")


@pytest.mark.parametrize("losses", OBJECTIVES, ids=str)
def test_twenty_steps_lower_the_loss_and_every_trained_weight_moves(losses: dict) -> None:
    task = tiny_task(**losses).train()
    batch = tiny_batch(matches=matches(losses))
    before = {name: weight.detach().clone() for name, weight in task.named_parameters()}
    first = {name: float(term.detach()) for name, term in terms_of(task, batch).items()}
    trainer = pl.Trainer(max_steps=20, **QUIET)
    trainer.fit(task, loader([batch] * 20))
    last = {name: float(term.detach()) for name, term in terms_of(task, batch).items()}
    assert float(task.total(last)) < 0.9 * float(task.total(first))
    assert set(first) == {
        name
        for name, on in (
            ("coarse_loss", task.losses.coarse != "none"),
            ("fine_loss", task.losses.fine != "none"),
            ("mask_loss", task.losses.mask),
        )
        if on
    }
    for name, weight in task.named_parameters():
        # What no objective reaches is frozen and stays; all else moves.
        assert torch.equal(weight, before[name]) != weight.requires_grad, name


def test_overfits_one_batch() -> None:
    task = tiny_task(1, optim=OptimSettings(lr=6e-3, schedule="constant", weight_decay=0.0))
    batch = tiny_batch(1)
    pl.Trainer(max_steps=200, **QUIET).fit(task, loader([batch] * 200))
    terms = {name: float(term.detach()) for name, term in terms_of(task.eval(), batch).items()}
    assert terms["coarse_loss"] < 0.01
    assert terms["fine_loss"] < 0.1
    # A ReLU decoder recovers no negative value: half of the variance of normal features is its floor.
    original = batch.frames.gather(1, batch.masked_index[..., None].expand(-1, -1, 16))
    assert terms["mask_loss"] < float(original.clamp(max=0).square().mean()) * 1.05


@pytest.mark.parametrize("losses", OBJECTIVES, ids=str)
def test_terms_are_the_losses_with_the_settings_of_the_run(losses: dict) -> None:
    """Which losses, of what, with which settings and weights; tests/losses tests what each of them is."""
    how = {"margin": 1.2, "temperature": 0.3, "coarse_weight": 0.5, "fine_weight": 2.0, "mask_weight": 3.0}
    task, batch = tiny_task(4, **losses, **how).eval(), tiny_batch(4, matches=matches(losses), masked=2)
    batch.masked_counted[1:3, 0] = False
    model = task.model
    with torch.no_grad():
        found = terms_of(task, batch)
        hidden = batch.masked_index if losses.get("mask", True) else batch.masked_index[:, :0]
        out = model(batch.frames, batch.frame_mask, batch.tokens, batch.token_mask, hidden)
        pair = (out.fine, out.words, out.fine_mask, batch.token_mask, batch.is_match)
        expected = {}
        if losses.get("coarse", "matching") == "matching":
            expected["coarse_loss"] = matching_loss(out.matching_logits, batch.is_match)
            assert model.contrastive_vectors(out.pooled_text, out.video) is None
        elif matches(losses):
            vectors = model.contrastive_video(out.video.pooled), model.contrastive_text(out.pooled_text)
            loss = InfoNceLoss(0.3) if losses["coarse"] == "infonce" else SigmoidContrastiveLoss()
            expected["coarse_loss"] = loss(*vectors, batch.is_match)
        if losses.get("fine", "hausdorff") == "hausdorff":
            expected["fine_loss"] = HausdorffLoss(1.2, in_batch_negatives=matches(losses))(*pair)
        elif losses["fine"] == "late-interaction":
            expected["fine_loss"] = LateInteractionLoss(0.3)(*pair)
        if losses.get("mask", True):
            original = torch.stack([batch.frames[row, index] for row, index in enumerate(batch.masked_index)])
            expected["mask_loss"] = masked_frame_loss(out.recovered, original, batch.masked_counted)
    assert set(found) == set(expected)
    for name, term in expected.items():
        torch.testing.assert_close(found[name], term, msg=name)
    total = sum(how[name.replace("loss", "weight")] * float(term) for name, term in expected.items())
    assert float(task.total(found)) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("losses", OBJECTIVES, ids=str)
def test_padding_changes_nothing(losses: dict) -> None:
    task = tiny_task(2, **losses).eval()
    batch = tiny_batch(2, matches=matches(losses), masked=2)
    before = terms_of(task, batch)
    pad = torch.nn.functional.pad
    wider = batch._replace(
        frames=torch.where(batch.frame_mask[..., None], batch.frames, 77.0),
        tokens=torch.where(batch.token_mask, batch.tokens, 11),
    )
    wider = wider._replace(
        frames=pad(wider.frames, (0, 0, 0, 5), value=-30.0),
        frame_mask=pad(batch.frame_mask, (0, 5)),
        tokens=pad(wider.tokens, (0, 3), value=9),
        token_mask=pad(batch.token_mask, (0, 3)),
        masked_index=pad(batch.masked_index, (0, 1), value=0),
        masked_counted=pad(batch.masked_counted, (0, 1)),
    )
    # A frame that is masked without being counted must be one that is masked anyway.
    wider = wider._replace(masked_index=torch.cat([batch.masked_index, batch.masked_index[:, :1]], dim=1))
    for name, term in terms_of(task, wider).items():
        torch.testing.assert_close(term, before[name], atol=1e-5, rtol=1e-5)


def test_one_index_a_video_may_come_without_its_axis() -> None:
    task, batch = tiny_task().eval(), tiny_batch()
    flat = batch._replace(masked_index=batch.masked_index[:, 0], masked_counted=None)
    assert {n: float(t) for n, t in terms_of(task, flat).items()} == {
        n: float(t) for n, t in terms_of(task, batch).items()
    }


@pytest.mark.parametrize("losses", OBJECTIVES[:3], ids=str)
def test_bfloat16_losses_stay_near_those_of_float32(losses: dict) -> None:
    """Bounds: 3 % of each term, and float32 out of every loss."""
    for seed in range(4):
        task = tiny_task(seed, **losses).eval()
        batch = tiny_batch(seed, batch=12, matches=matches(losses))
        full, low = assert_bfloat16_is_near(task, batch, within=0.01)
        for name, term in full.items():
            assert float(low[name].detach()) != float(term.detach())  # it did run in bfloat16


def test_the_logged_figures_are_the_computed_ones() -> None:
    task = tiny_task()
    batches = [tiny_batch(seed) for seed in range(3)]
    trainer = pl.Trainer(max_epochs=1, **QUIET)
    trainer.validate(task, loader(batches), verbose=False)
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    task.eval()
    with torch.no_grad():
        each = [terms_of(task, batch) for batch in batches]
    for name in ("coarse_loss", "fine_loss", "mask_loss"):
        assert figures[f"val/{name}"] == pytest.approx(sum(float(e[name]) for e in each) / 3, rel=1e-5)
    total = figures["val/coarse_loss"] + figures["val/fine_loss"] + 5 * figures["val/mask_loss"]
    assert figures["val/loss"] == pytest.approx(total, rel=1e-5)
    for name in (
        "matching_accuracy", "video_to_text_r1", "text_to_video_median_rank", "masked_error_ratio",
        "video_effective_rank", "text_mean_cosine", "video_spread", "hausdorff_matched", "hausdorff_mismatched",
    ):  # fmt: skip
        assert math.isfinite(figures[f"val/{name}"])
    assert figures["val/retrieval_candidates"] == 18
    assert len(task.retrieval_table()) == 18


def test_training_logs_named_terms() -> None:
    task = tiny_task()
    trainer = pl.Trainer(max_steps=2, **QUIET)
    trainer.fit(task, loader([tiny_batch()] * 2))
    assert {"train/coarse_loss", "train/fine_loss", "train/mask_loss", "train/loss"} <= set(trainer.callback_metrics)


def test_validation_is_the_same_twice_and_in_any_batches() -> None:
    task = tiny_task()
    whole = tiny_batch(batch=8)
    halves = [type(whole)(*(None if f is None else f[start : start + 4] for f in whole)) for start in (0, 4)]
    runs = []
    for batches in ([whole], [whole], halves, halves[::-1], [whole, halves[1]]):
        trainer = pl.Trainer(**QUIET)
        trainer.validate(task, loader(batches), verbose=False)
        runs.append({k: float(v) for k, v in trainer.callback_metrics.items() if "loss" not in k and "mis" not in k})
    for other in runs[1:]:
        assert other == pytest.approx(runs[0], rel=1e-4)


def test_prediction_gives_embeddings_by_id_and_masks_nothing() -> None:
    task, batch = tiny_task(coarse="infonce").eval(), tiny_batch(matches=True)
    trainer = pl.Trainer(**QUIET)
    (found,) = trainer.predict(task, loader([batch]))
    assert found.ids == batch.ids
    assert found.video.shape == found.text.shape == (6, 8)
    other_mask = batch._replace(masked_index=(batch.masked_index + 1) % 5)
    torch.testing.assert_close(trainer.predict(task, loader([other_mask]))[0].video, found.video)


def test_settings_say_all_that_is_wrong_at_once() -> None:
    with pytest.raises(ValueError, match=r"coarse must be.*margin must be above 0"):
        LossSettings(coarse="both", margin=0.0)
    with pytest.raises(ValueError, match="nothing is left to train on"):
        LossSettings(coarse="none", fine="none", mask=False)
    with pytest.raises(ValueError, match=r"name must be.*lr must be above 0.*betas"):
        OptimSettings(name="sgd", lr=0.0, betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="has no embed_size"):
        PretrainTask(video={"embed_size": 3})


def test_compiled_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    task = tiny_task()
    task.compile_model = True
    assert compiled_parts(task, tiny_batch(), monkeypatch) == ["PretrainModel"]
