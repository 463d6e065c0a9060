"""Contrastive refinement's task: it learns what methods.md says, from features alone, and scores by what it learned."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from helpers.tiny_pretraining import QUIET, assert_bfloat16_is_near, compiled_parts, fit, loader
from helpers.tiny_refining import DIM, rows_of, terms_of, tiny_clips, tiny_refiner
from helpers.tiny_summarizing import tiny_summarizer
from scipy.ndimage import gaussian_filter1d

from sspvs.errors import CheckpointError, FeatureFileError
from sspvs.models.settings import RefinerSettings
from sspvs.tasks.refine import RefineTask
from sspvs.tasks.settings import RefineLossSettings, RefineOptimSettings

PLAIN = {"commonness": 0.0, "uniqueness": 0.0}
TERMS = ("alignment", "uniformity", "commonness", "uniqueness")
CASES = [
    {},
    {"losses": PLAIN, "combine": "ag"},
    {"losses": PLAIN, "combine": "a", "refiner": {"uniqueness": False}},
    {"losses": {"commonness": 0.0}},
    {"losses": {"uniqueness": 0.0}, "combine": "ag"},
    {"losses": {"alignment": 0.0}, "refiner": {"num_layers": 2, "num_heads": 1}},
]


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def naive_terms(task: RefineTask, batch) -> dict[str, float]:
    """Section 4 of methods.md, frame by frame, in double precision."""
    with torch.no_grad():
        out = task.model(batch.frames, batch.frame_mask)
    clips = [
        tuple(values[row][mask].double().numpy() for values in (out.features, batch.frames, out.uniqueness_logits))
        for row, mask in enumerate(batch.frame_mask)
    ]
    segments = []
    for refined, _, _ in clips:
        z, n = unit(refined), len(refined)
        parts = task.losses.segments
        for part in range(parts):
            inside = [z[r] for r in range(n) if r * parts // n == part]
            segments.append(unit(np.mean(inside, axis=0)[None])[0])
    sums, fraction = dict.fromkeys(TERMS, 0.0), task.losses.neighbour_fraction
    for refined, raw, logits in clips:
        z, zr, n = unit(refined), unit(raw), len(refined)
        common = []
        for t in range(n):
            nearest = np.argsort(-(zr @ zr[t]), kind="stable")[: max(int(fraction * n + 1e-9), 1)]
            sums["alignment"] += np.mean([((z[t] - z[j]) ** 2).sum() for j in nearest]) / n
            sums["uniformity"] += math.log(np.mean([math.exp(-2 * ((z[t] - z[j]) ** 2).sum()) for j in range(n)])) / n
            common.append(math.log(np.mean([math.exp(4 * float(z[t] @ segment)) for segment in segments])))
        sums["commonness"] += float(np.mean(common))
        for t in range(n):
            target = 1 - (0.25 + 0.5 * (common[t] - min(common)) / (max(common) - min(common) + 1e-9))
            h = 1 / (1 + math.exp(-logits[t]))
            sums["uniqueness"] -= (target * math.log(h) + (1 - target) * math.log(1 - h)) / n
    return {f"{name}_loss": value / len(clips) for name, value in sums.items()}


@pytest.mark.parametrize("settings", [{}, {"neighbour_fraction": 0.3, "segments": 3}], ids=str)
def test_the_terms_and_their_weights_are_those_of_the_paper(settings: dict) -> None:
    task = tiny_refiner(4, losses=settings)
    batch = tiny_clips(4, full=not settings)  # a tenth of fewer frames is the frame itself, and nothing to align
    found, expected = terms_of(task, batch), naive_terms(task, batch)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert abs(value) > 1e-3, name
        assert float(found[name].detach()) == pytest.approx(value, abs=2e-6), name
    total = expected["alignment_loss"] + 0.5 * expected["uniformity_loss"]
    total += 0.1 * expected["commonness_loss"] + 0.1 * expected["uniqueness_loss"]
    assert float(task.total(found).detach()) == pytest.approx(total, abs=2e-6)
    optim = RefineOptimSettings()
    assert (optim.name, optim.schedule, optim.lr, optim.weight_decay) == ("adam", "constant", 1e-4, 1e-4)
    losses = RefineLossSettings()
    assert tuple(getattr(losses, name) for name in TERMS) == (1.0, 0.5, 0.1, 0.1)
    assert (losses.neighbour_fraction, losses.segments) == (0.1, 20)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_twenty_steps_lower_the_loss_and_every_trained_weight_moves(case: dict) -> None:
    task, batch = tiny_refiner(1, **case), tiny_clips(1)
    before = {name: weight.detach().clone() for name, weight in task.named_parameters()}
    first = {name: term.detach() for name, term in terms_of(task, batch).items()}
    trainer = fit(task, [batch] * 20)
    last = {name: term.detach() for name, term in terms_of(task, batch).items()}
    assert task.total(last) < task.total(first) - 0.02
    assert set(first) == {f"{name}_loss" for name in TERMS if getattr(task.losses, name)}
    assert {f"train/{name}" for name in (*first, "loss")} <= set(trainer.callback_metrics)
    for name, weight in task.named_parameters():
        # What no term reaches stays; all else moves.
        assert torch.equal(weight, before[name]) != weight.requires_grad, name
        assert weight.requires_grad == ("uniqueness_head" not in name or task.losses.uniqueness > 0), name


def test_overfits_one_batch() -> None:
    """Neighbours nearly meet, the others move apart, and the head says what it is told of each frame."""
    task, batch = tiny_refiner(2, optim={"lr": 1e-2}), tiny_clips(2, batch=2)
    first = {name: float(term.detach()) for name, term in terms_of(task, batch).items()}
    fit(task, [batch] * 150)
    task.eval()
    last = {name: float(term.detach()) for name, term in terms_of(task, batch).items()}
    assert last["uniformity_loss"] < first["uniformity_loss"] - 0.5
    with torch.no_grad():
        out = task.model(batch.frames, batch.frame_mask)
    assert last["uniqueness_loss"] < first["uniqueness_loss"] - 0.01
    said = out.uniqueness_logits.sigmoid()[batch.frame_mask]
    assert said.min() > 0.15
    assert said.max() < 0.85


def test_the_uniqueness_head_moves_itself_alone() -> None:
    task, batch = tiny_refiner(3), tiny_clips(3)
    terms_of(task, batch)["uniqueness_loss"].backward()
    for name, weight in task.named_parameters():
        assert (weight.grad is not None) == ("uniqueness_head" in name), name


def test_padding_and_what_is_in_it_change_nothing() -> None:
    task, batch = tiny_refiner(5).eval(), tiny_clips(5)
    pad = torch.nn.functional.pad
    frames = torch.where(batch.frame_mask[..., None], batch.frames, 77.0)
    wider = batch._replace(
        frames=pad(frames, (0, 0, 0, 5), value=-30.0),
        frame_mask=pad(batch.frame_mask, (0, 5)),
    )
    before = terms_of(task, batch)
    for name, term in terms_of(task, wider).items():
        torch.testing.assert_close(term, before[name], atol=1e-5, rtol=1e-5)
    for a, b in zip(task.scored(wider).scores, task.scored(batch).scores, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def naive_scores(refined: np.ndarray, raw: np.ndarray, unique: np.ndarray, combine: str, post: str) -> np.ndarray:
    """Section 3 of methods.md: each term min-max normalised, the product, what follows it."""
    z, zr, n = unit(refined), unit(raw), len(refined)
    squares = ((z[:, None] - z[None]) ** 2).sum(axis=-1)
    nearest = np.argsort(-(zr @ zr.T), axis=1, kind="stable")[:, : max(int(0.1 * n), 1)]
    terms = {
        "a": np.array([squares[t, nearest[t]].mean() for t in range(n)]),
        "g": np.log(np.exp(-2 * squares).mean(axis=1)),
        "h": unique,
    }
    product = np.ones(n)
    for term in combine:
        product = product * (terms[term] - terms[term].min()) / (terms[term].max() - terms[term].min())
    mapped = {"summe": product + 0.05, "tvsum": np.exp(product - 1), "none": product}[post]
    return mapped if post == "none" else gaussian_filter1d(mapped, 1.0)


@pytest.mark.parametrize(("combine", "post"), [("agh", "summe"), ("ag", "tvsum"), ("a", "none"), ("gh", "none")])
def test_scores_are_the_products_of_the_terms(combine: str, post: str) -> None:
    task, batch = tiny_refiner(6, combine=combine, post=post).eval(), tiny_clips(6)
    with torch.no_grad():
        out = task.model(batch.frames, batch.frame_mask)
        found = task.predict_step(batch, 0)
    assert found.ids == batch.ids
    assert tuple(found.variants) == task.combinations == ("a", "ag", "agh")
    for row, mask in enumerate(batch.frame_mask):
        given = [
            values[row][mask].double().numpy()
            for values in (out.features, batch.frames, out.uniqueness_logits.sigmoid())
        ]
        assert found.scores[row].dtype == torch.float32
        np.testing.assert_allclose(found.scores[row], naive_scores(*given, combine, post), atol=2e-5)
        for variant, scores in found.variants.items():
            np.testing.assert_allclose(scores[row], naive_scores(*given, variant, post), atol=2e-5)
        if post == "none":
            product = torch.stack(list(found.curves[row].values())).prod(dim=0)
            torch.testing.assert_close(product, found.scores[row])


def test_without_uniqueness_there_is_no_row_of_it() -> None:
    task, batch = tiny_refiner(7, losses=PLAIN, refiner={"uniqueness": False}, combine="ag").eval(), tiny_clips(7)
    assert tuple(task.predict_step(batch, 0).variants) == ("a", "ag")
    assert set(task.scored(batch).curves[0]) == {"local_dissimilarity", "global_consistency"}


def test_a_checkpoint_is_the_same_task(tmp_path: Path) -> None:
    task, batch = tiny_refiner(8, combine="ah", post="tvsum", losses={"alignment": 2.0}).eval(), tiny_clips(8)
    again = RefineTask.from_pretrained(task.save_pretrained(tmp_path / "folder"))
    assert dict(again.hparams) == dict(task.hparams)
    assert again.losses == task.losses
    for a, b in zip(again.scored(batch).scores, task.scored(batch).scores, strict=True):
        assert torch.equal(a, b)
    other = tiny_summarizer().save_pretrained(tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"expected a checkpoint of kind 'sspvs\.refine'"):
        RefineTask.from_pretrained(other)


def test_a_pass_counts_every_video_once_and_judges_those_that_are_annotated() -> None:
    class Data(pl.LightningDataModule):
        annotations = {"drawn/clip 9 1": None, "drawn/clip 9 2": None}  # noqa: RUF012
        feature_dim = DIM

        def val_dataloader(self) -> object:
            batch = tiny_clips(9)
            return loader([rows_of(batch, slice(0, 3)), rows_of(batch, slice(2, 4))])  # the third one twice

        def judge(self, scores: dict) -> dict[str, float]:
            assert set(scores) == set(self.annotations)
            return {"kendall_tau": 0.25}

    # With the usual tenth these short clips have no neighbour but the frame itself, and nothing to align.
    task = tiny_refiner(9, losses={**PLAIN, "neighbour_fraction": 0.3}, combine="ag")
    trainer = pl.Trainer(**QUIET)
    (found,) = trainer.validate(task, datamodule=Data(), verbose=False)
    batch = tiny_clips(9)
    single = [terms_of(task.eval(), rows_of(batch, slice(row, row + 1))) for row in range(4)]
    for name in ("alignment_loss", "uniformity_loss"):
        expected = np.mean([float(terms[name].detach()) for terms in single])
        assert abs(expected) > 1e-3
        assert found[f"val/{name}"] == pytest.approx(expected, abs=1e-5)
    assert found["val/loss"] == pytest.approx(found["val/alignment_loss"] + 0.5 * found["val/uniformity_loss"])
    assert found["val/kendall_tau"] == 0.25
    assert sorted(task.scores) == sorted(batch.ids)


def test_features_of_another_width_are_refused() -> None:
    class Data(pl.LightningDataModule):
        feature_dim = DIM + 1

        def train_dataloader(self) -> object:
            return loader([tiny_clips()])

    with pytest.raises(FeatureFileError, match=f"features {DIM + 1} wide, those the model is made for {DIM};"):
        pl.Trainer(max_steps=1, **QUIET).fit(tiny_refiner(), datamodule=Data())


def test_bfloat16_steps_stay_near_those_of_float32() -> None:
    task, batch = tiny_refiner(11), tiny_clips(11)
    full, _ = assert_bfloat16_is_near(task, batch, within=0.02)
    trained = tiny_refiner(11)
    fit(trained, [batch] * 20, precision="bf16-mixed")
    assert float(trained.total(terms_of(trained, batch)).detach()) < float(task.total(full).detach()) - 0.02
    trained.eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        scores = trained.scored(batch).scores
    assert all(bool(torch.isfinite(one).all()) for one in scores)


def test_compiled_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled_parts(tiny_refiner(compile_model=True), tiny_clips(), monkeypatch) == ["Refiner"]


def test_settings_say_all_that_is_wrong_at_once() -> None:
    with pytest.raises(ValueError, match=r"alignment must be.*neighbour_fraction must.*segments must"):
        RefineLossSettings(alignment=-1.0, neighbour_fraction=0.0, segments=0)
    with pytest.raises(ValueError, match="nothing refines the features"):
        RefineLossSettings(alignment=0.0, uniformity=0.0, commonness=0.0)
    with pytest.raises(ValueError, match="belong to the uniqueness head"):
        tiny_refiner(refiner={"uniqueness": False})
    with pytest.raises(ValueError, match="combine agh needs uniqueness, which nothing learns here"):
        tiny_refiner(losses=PLAIN)
    with pytest.raises(ValueError, match="combine must be terms joined by"):
        tiny_refiner(combine="agx")
    with pytest.raises(ValueError, match="losses has no mse"):
        RefineTask(RefinerSettings(), losses={"mse": 1.0})
