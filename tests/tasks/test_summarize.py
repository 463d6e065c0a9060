"""The summarizer's task: it learns what it should and nothing else, and judges every video once."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_pretraining import QUIET, assert_bfloat16_is_near, compiled_parts, fit, loader
from helpers.tiny_summarizing import FINE, rows_of, terms_of, tiny_summarizer, tiny_videos
from scipy.stats import kendalltau

from sspvs.losses.score import correlation_loss, mse_score_loss, pairwise_ranking_loss
from sspvs.models.settings import TextEncoderSettings
from sspvs.models.summarizer import SummarizerSettings
from sspvs.models.text_towers import build_text_encoder
from sspvs.tasks.settings import FineTuneOptimSettings, ScoreLossSettings
from sspvs.tasks.summarize import SummarizeTask, freeze_text, score_terms

ALL = {"mse": 1.0, "pairwise": 0.5, "correlation": 0.2}
CASES = [
    {},
    {"losses": {"mse": 0.0, "pairwise": 1.0}},
    {"losses": {"mse": 0.0, "correlation": 1.0}},
    {"losses": ALL, "guidance": "added"},
    {"guidance": "gate", "num_stages": 2},
    {"guidance": "cross-attention", "train_text": "all"},
    {"head": "linear"},
    {"head": "attention", "guidance": "added", "train_text": "none"},
    {"head": "csta-small", "guidance": "gate"},
]


def weights_of(task: SummarizeTask) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in task.named_parameters()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_twenty_steps_lower_the_loss_and_every_trained_weight_moves(case: dict) -> None:
    task, batch = tiny_summarizer(1, **case), tiny_videos(1)
    before = weights_of(task)
    first = {name: float(term.detach()) for name, term in terms_of(task, batch).items()}
    trainer = fit(task, [batch] * 20)
    last = {name: float(term.detach()) for name, term in terms_of(task, batch).items()}
    assert task.total(last) < 0.97 * task.total(first)
    assert set(first) == {f"{name}_loss" for name in ALL if getattr(task.losses, name)}
    assert {f"train/{name}" for name in (*first, "loss")} <= set(trainer.callback_metrics)
    for name, weight in task.named_parameters():
        # What no term reaches or what is frozen stays; all else moves.
        assert torch.equal(weight, before[name]) != weight.requires_grad, name
    assert all(weight.requires_grad for name, weight in task.named_parameters() if "head.stages" in name)


@pytest.mark.parametrize("losses", [{}, {"mse": 0.0, "pairwise": 1.0}, {"mse": 0.0, "correlation": 1.0}], ids=str)
def test_overfits_one_batch(losses: dict) -> None:
    task, batch = tiny_summarizer(2, losses=losses, optim={"lr": 1e-2}), tiny_videos(2, batch=2)
    fit(task, [batch] * 150)
    task.eval()
    ((name, term),) = terms_of(task, batch).items()
    # With the order of all pairs right, the pairwise loss still falls as scores move apart.
    assert float(term.detach()) < {"mse_loss": 5e-3, "pairwise_loss": 0.1, "correlation_loss": 0.02}[name]
    for row, scores in enumerate(task.scored(batch).scores):
        assert kendalltau(scores, batch.target[row][batch.frame_mask[row]]).statistic > 0.8


@pytest.mark.parametrize("guidance", ["none", "added", "gate", "cross-attention"])
def test_padding_changes_nothing(guidance: str) -> None:
    task, batch = tiny_summarizer(3, guidance, losses=ALL).eval(), tiny_videos(3)
    before = terms_of(task, batch)
    pad = torch.nn.functional.pad
    wider = batch._replace(
        frames=pad(torch.where(batch.frame_mask[..., None], batch.frames, 77.0), (0, 0, 0, 5), value=-30.0),
        frame_mask=pad(batch.frame_mask, (0, 5)),
        target=pad(batch.target, (0, 5), value=9.0),
        tokens=pad(torch.where(batch.token_mask, batch.tokens, 11), (0, 3), value=9),
        token_mask=pad(batch.token_mask, (0, 3)),
    )
    for name, term in terms_of(task, wider).items():
        torch.testing.assert_close(term, before[name], atol=1e-5, rtol=1e-5)
    for a, b in zip(task.scored(wider).scores, task.scored(batch).scores, strict=True):
        torch.testing.assert_close(a, b)


def test_the_loss_is_the_published_one() -> None:
    """Mean squared error of score and importance; of videos of one length as torch has it."""
    task, batch = tiny_summarizer(4).eval(), tiny_videos(4, full=True)
    scores = torch.stack(task.scored(batch).scores)
    expected = torch.nn.functional.mse_loss(scores, batch.target)
    torch.testing.assert_close(terms_of(task, batch)["mse_loss"].detach(), expected)
    weighted = tiny_summarizer(4, losses=ALL).eval()
    terms = terms_of(weighted, batch)
    total = terms["mse_loss"] + 0.5 * terms["pairwise_loss"] + 0.2 * terms["correlation_loss"]
    torch.testing.assert_close(weighted.total(terms), total)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_terms_are_the_losses_with_the_settings_of_the_run(reduction: str) -> None:
    """Which losses, with which settings; tests/losses tests what each of them is."""
    videos = tiny_videos(7)
    logs = torch.randn(videos.target.shape, generator=torch.Generator().manual_seed(0))
    given = logs, videos.target, videos.frame_mask
    expected = {
        "mse_loss": mse_score_loss(*given, reduction=reduction),
        "pairwise_loss": pairwise_ranking_loss(*given, margin=0.4, reduction=reduction),
        "correlation_loss": correlation_loss(*given, reduction=reduction),
    }
    found = score_terms(ScoreLossSettings(**ALL, pairwise_margin=0.4), *given, reduction=reduction)
    assert list(found) == list(expected)
    for name, term in expected.items():
        torch.testing.assert_close(found[name], term)
    for name in ALL:
        only = ScoreLossSettings(**{**dict.fromkeys(ALL, 0.0), name: 0.7})
        assert list(score_terms(only, *given)) == [f"{name}_loss"]


def test_prediction_gives_scores_by_id_without_padding() -> None:
    task, batch = tiny_summarizer(5, "gate").eval(), tiny_videos(5)
    (found,) = pl.Trainer(**QUIET).predict(task, loader([batch]))
    assert found.ids == batch.ids
    for row in range(4):
        picks = int(batch.frame_mask[row].sum())
        assert found.scores[row].shape == found.text_fit[row].shape == (picks,)
        assert found.stage_scores[row].shape == (3, picks)
        assert found.scores[row].dtype == found.stage_scores[row].dtype == torch.float32
        torch.testing.assert_close(found.stage_scores[row].prod(dim=0), found.scores[row])
        assert 0 <= float(found.scores[row].min()) <= float(found.scores[row].max()) <= 1
        single = task.scored(rows_of(batch, slice(row, row + 1)))
        torch.testing.assert_close(single.scores[0], found.scores[row])
    assert task.scored(tiny_videos(text=False)).text_fit is None
    assert tiny_summarizer(5).scored(batch).text_fit is None


class Judge(pl.LightningDataModule):
    """Notes what it is asked, and answers with figures."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, np.ndarray]] = []

    def judge(self, scores: dict[str, np.ndarray]) -> dict[str, float]:
        self.asked.append(scores)
        return {"kendall_tau": 0.25, "f_score_avg": float(len(scores))}


def test_every_video_is_judged_once_whatever_the_batches() -> None:
    task = tiny_summarizer(6, losses=ALL)
    whole = tiny_videos(6, batch=6)
    target = whole.target.clone()
    target[2] = 0.3 * whole.frame_mask[2]  # a video in which people find all alike: ranks and correlation skip it
    whole = whole._replace(target=target)
    parts = [rows_of(whole, rows) for rows in (slice(3, 6), slice(0, 3), slice(2, 5))]
    runs = []
    for batches in ([whole], parts, parts[::-1]):
        for verb, stage in (("validate", "val"), ("test", "test")):
            data, trainer = Judge(), pl.Trainer(**QUIET)
            setattr(data, f"{stage}_dataloader", lambda batches=batches: loader(batches))
            getattr(trainer, verb)(task, datamodule=data, verbose=False)
            assert len(data.asked) == 1
            assert list(data.asked[0]) == sorted(whole.ids)
            for name, scores in zip(whole.ids, task.eval().scored(whole).scores, strict=True):
                np.testing.assert_allclose(data.asked[0][name], scores.numpy(), rtol=1e-5)
                np.testing.assert_array_equal(task.scores[name], data.asked[0][name])
            figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
            assert (figures[f"{stage}/kendall_tau"], figures[f"{stage}/f_score_avg"]) == (0.25, 6.0)
            runs.append({name.split("/")[1]: value for name, value in figures.items()})
    each = [terms_of(task, rows_of(whole, slice(row, row + 1))) for row in range(6)]
    for name, counted in (("mse_loss", range(6)), ("pairwise_loss", [0, 1, 3, 4, 5])):
        expected = float(np.mean([float(each[row][name].detach()) for row in counted]))
        assert runs[0][name] == pytest.approx(expected, rel=1e-5)
    loss = runs[0]["mse_loss"] + 0.5 * runs[0]["pairwise_loss"] + 0.2 * runs[0]["correlation_loss"]
    assert runs[0]["loss"] == pytest.approx(loss, rel=1e-5)
    for other in runs[1:]:
        assert other == pytest.approx(runs[0], rel=1e-5)


def test_without_a_judge_the_losses_are_logged() -> None:
    trainer = pl.Trainer(**QUIET)
    trainer.validate(tiny_summarizer(), loader([tiny_videos()]), verbose=False)
    assert set(trainer.callback_metrics) == {"val/loss", "val/mse_loss"}


def test_layers_learn_at_their_own_rates() -> None:
    optim = {"lr": 1e-3, "encoder_lr": 1e-4, "layer_decay": 0.5, "text_lr": 1e-6, "weight_decay": 0.1}
    task = tiny_summarizer(7, "added", optim=optim, train_text="all")
    names = {id(p): name for name, p in task.named_parameters()}
    rates, decayed = {}, set()
    for group in task.optimizer_groups():
        rates |= {names[id(p)]: group["lr"] for p in group["params"]}
        decayed |= {names[id(p)] for p in group["params"] if group["weight_decay"]}
    assert sorted(rates) == sorted(name for name, p in task.named_parameters() if p.requires_grad)
    for name, rate in rates.items():
        layers = {"layers.1.": 1e-4, "layers.0.": 5e-5, "video_encoder.cls": 2.5e-5}
        expected = next((lr for part, lr in layers.items() if part in name and "video_encoder" in name), 1e-3)
        assert rate == pytest.approx(1e-6 if "text_encoder" in name else expected), name
        assert (name in decayed) == (task.get_parameter(name).ndim > 1 and "embedding" not in name), name
    assert {rates["model.head.stages.0.weight"], rates["model.text_projection.0.bias"]} == {1e-3}
    apart = tiny_summarizer(7, "added", optim={**optim, "projection_lr": 1e-5}, train_text="all")
    group = next(one for one in apart.optimizer_groups() if one["name"] == "projections_decayed")
    assert group["lr"] == 1e-5
    assert {id(p) for p in group["params"]} == {
        id(p) for name, p in apart.named_parameters() if "text_projection" in name and p.ndim > 1
    }
    # Unless told otherwise all learn at one rate, as published.
    plain = tiny_summarizer(7, "added", train_text="all").optimizer_groups()
    assert {group["lr"] for group in plain} == {3e-3}
    assert {group["name"].rsplit("_", 1)[0] for group in plain} == {"encoder", "head", "text"}


def test_the_rates_are_those_of_the_optimiser() -> None:
    seen = []

    class Watch(pl.Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
            seen.append({group["name"]: group["lr"] for group in optimizer.param_groups})

    task = tiny_summarizer(8, optim={"lr": 1e-2, "encoder_lr": 1e-3, "layer_decay": 0.1, "warmup_steps": 1})
    fit(task, [tiny_videos()] * 2, callbacks=[Watch()])
    for step, factor in enumerate((0.5, 1.0)):
        assert seen[step] == pytest.approx(
            {
                f"{name}_{kind}": rate * factor
                for name, rate in (("encoder_1", 1e-4), ("encoder_2", 1e-3), ("head", 1e-2))
                for kind in ("decayed", "spared")
            }
            | {"encoder_0_spared": 1e-5 * factor}
        )


def test_a_frozen_tower_stays_and_drops_nothing_out() -> None:
    task = tiny_summarizer(9, "gate", dropout=0.5, freeze_encoder=True, train_text="all")
    batch, before = tiny_videos(9), weights_of(task)
    encoder = task.model.video_encoder
    assert task.training
    assert task.model.head.training
    assert not any(part.training for part in encoder.modules())
    embedded = encoder.embed(batch.frames, batch.frame_mask)
    torch.testing.assert_close(
        encoder(embedded, batch.frame_mask).states, encoder(embedded, batch.frame_mask).states, atol=0, rtol=0
    )
    modes = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, *_) -> None:
            modes.append((pl_module.model.head.training, any(part.training for part in encoder.modules())))

    trainer = pl.Trainer(max_epochs=2, callbacks=[Watch()], **QUIET)
    trainer.fit(task, loader([batch] * 2), loader([batch]))  # validation in between changes modes
    assert modes == [(True, False)] * 4
    for name, weight in task.named_parameters():
        moved = not torch.equal(weight, before[name])
        assert moved == (weight.requires_grad and not name.startswith("model.video_encoder.")), name
    assert any(
        name.startswith("model.text_encoder.") and weight.requires_grad for name, weight in task.named_parameters()
    )


@pytest.mark.parametrize("guidance", ["added", "gate"])
def test_of_the_text_tower_the_pooler_is_trained(guidance: str) -> None:
    task = tiny_summarizer(10, guidance)
    trained = {name for name, weight in task.named_parameters() if weight.requires_grad and "text_" in name}
    # A gate reads the words, not the pooled text: then the pooler is reached by nothing.
    pooler = {"model.text_encoder.pooler.weight", "model.text_encoder.pooler.bias"} if guidance == "added" else set()
    assert trained == pooler | {f"model.text_projection.{i}.{part}" for i in (0, 2) for part in ("weight", "bias")}
    assert not any(part.training for part in task.train().model.text_encoder.modules())
    assert all(part.training for part in tiny_summarizer(10, guidance, train_text="all").model.text_encoder.modules())


def test_poolers_of_other_towers(caplog: pytest.LogCaptureFixture) -> None:
    sizes = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    bert = TextEncoderSettings("x/bert", {"model_type": "bert", "intermediate_size": 9, **sizes})
    tower = build_text_encoder(bert)
    freeze_text(tower, "pooler")
    trained = {name for name, weight in tower.named_parameters() if weight.requires_grad}
    assert trained == {"model.pooler.dense.weight", "model.pooler.dense.bias"}
    mean = build_text_encoder(TextEncoderSettings("minilm", {"model_type": "bert", "intermediate_size": 9, **sizes}))
    with caplog.at_level(logging.INFO, "sspvs"):
        freeze_text(mean, "pooler")
    assert "has no pooler: all of it is frozen" in caplog.text
    assert not any(weight.requires_grad for weight in mean.parameters())
    for trained_part in ("pooler", "all"):  # what the settings froze stays so
        frozen = build_text_encoder(TextEncoderSettings("x/bert", bert.config, frozen=True))
        freeze_text(frozen, trained_part)
        assert not any(weight.requires_grad for weight in frozen.parameters())
    with pytest.raises(ValueError, match="train_text must be none, pooler or all, got 'half'"):
        freeze_text(build_text_encoder(bert), "half")


@pytest.mark.parametrize("losses", [{}, ALL], ids=str)
def test_bfloat16_losses_stay_near_those_of_float32(losses: dict) -> None:
    """Bounds: 3 % of each term, and float32 out of every loss."""
    task, batch = tiny_summarizer(11, losses=losses).eval(), tiny_videos(11)
    _, low = assert_bfloat16_is_near(task, batch, within=0.01)
    assert all(math.isfinite(float(term.detach())) for term in low.values())


def test_compiled_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_parts(tiny_summarizer(compile_model=True), tiny_videos(), monkeypatch) == ["Summarizer"]


def test_settings_say_all_that_is_wrong_at_once() -> None:
    with pytest.raises(ValueError, match=r"losses: pairwise must be.*correlation must be"):
        ScoreLossSettings(pairwise=-1.0, correlation=-1.0)
    with pytest.raises(ValueError, match="losses: every term is off"):
        ScoreLossSettings(mse=0.0)
    with pytest.raises(ValueError, match="layer_decay must be above 0 and at most 1"):
        FineTuneOptimSettings(layer_decay=0.0)
    with pytest.raises(ValueError, match="losses has no huber"):
        SummarizeTask(FINE, losses={"huber": 1.0})
    with pytest.raises(ValueError, match="optim has no momentum"):
        SummarizeTask(FINE, SummarizerSettings(), optim={"momentum": 1.0})
