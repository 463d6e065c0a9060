"""Words held against single frames: in pretraining's fine objective, in the hand-over, and in the summarizer's gate."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from helpers.tiny_pretraining import DIM, tiny_batch, tiny_task
from helpers.tiny_pretraining import terms_of as pretraining_terms
from helpers.tiny_summarizing import FINE, tiny_videos
from torch.nn import functional

from sspvs.models.summarizer import SummarizerSettings
from sspvs.tasks.summarize import SummarizeTask

GATE = SummarizerSettings(text_guidance="gate", fit_frames="alone")


def naive_late_interaction(task, batch) -> float:
    """Own texts among all texts of the batch and back, with a loop over pairs, words and frames."""
    model = task.model
    words = functional.normalize(
        model.text_projection(model.text_encoder(batch.tokens, batch.token_mask).states), dim=-1
    )
    frames = functional.normalize(model.frame_projection(batch.frames), dim=-1)
    size = len(frames)
    fit = torch.zeros(size, size)
    for video in range(size):
        for text in range(size):
            best = [
                max(float(frames[video, t] @ words[text, w]) for t in batch.frame_mask[video].nonzero().flatten())
                for w in batch.token_mask[text].nonzero().flatten()
            ]
            fit[video, text] = sum(best) / len(best)
    logits = fit / 0.07
    own = torch.arange(size)
    return float((functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2)


def test_the_fine_term_equals_a_loop_over_single_frames() -> None:
    task, batch = (
        tiny_task(1, coarse="infonce", fine="late-interaction", fine_frames="alone").eval(),
        tiny_batch(matches=True),
    )
    assert float(pretraining_terms(task, batch)["fine_loss"]) == pytest.approx(
        naive_late_interaction(task, batch), abs=1e-4
    )


@pytest.mark.parametrize("fine_frames", ["encoded", "alone"])
def test_only_single_frames_are_free_of_the_others(fine_frames: str) -> None:
    task, batch = tiny_task(2, fine_frames=fine_frames).eval(), tiny_batch(full=True)
    changed = batch.frames.clone()
    changed[:, 5:] += 1.0
    fine = []
    for frames in (batch.frames, changed):
        index = batch.masked_index[:, :0]
        fine.append(task.model(frames, batch.frame_mask, batch.tokens, batch.token_mask, index).fine)
    first = slice(0, 5) if fine_frames == "alone" else slice(1, 6)
    assert torch.equal(fine[0][:, first], fine[1][:, first]) == (fine_frames == "alone")


def test_masking_hides_nothing_from_the_words() -> None:
    """The fine objective sees the frames as they are; what is recovered cannot be read off it."""
    task, batch = tiny_task(3, fine_frames="alone").eval(), tiny_batch()
    hidden = task.model(batch.frames, batch.frame_mask, batch.tokens, batch.token_mask, batch.masked_index)
    nothing = task.model(batch.frames, batch.frame_mask, batch.tokens, batch.token_mask, batch.masked_index[:, :0])
    assert torch.equal(hidden.fine, nothing.fine)
    assert not torch.equal(hidden.video.states, nothing.video.states)


def test_without_a_fine_objective_there_is_no_projection() -> None:
    assert tiny_task(fine="none", fine_frames="alone").model.frame_projection is None
    with pytest.raises(ValueError, match="fine_frames must be one of encoded, alone"):
        tiny_task(fine_frames="both")


def test_the_gate_fits_single_frames_with_what_pretraining_learned(tmp_path: Path) -> None:
    source = tiny_task(4, fine_frames="alone")
    folder = source.save_pretrained(tmp_path / "pretrained")
    task = SummarizeTask(FINE, GATE, pretrained=str(folder)).eval()
    batch = tiny_videos()
    assert torch.equal(task.model.frame_projection[0].weight, source.model.frame_projection[0].weight)
    fit = task.model(*batch[:2], batch.tokens, batch.token_mask, batch.has_text).text_fit

    model = source.model.eval()
    words = functional.normalize(
        model.text_projection(model.text_encoder(batch.tokens, batch.token_mask).states), dim=-1
    )
    frames = functional.normalize(model.frame_projection(batch.frames), dim=-1)
    for row in range(len(frames)):
        kept, said = batch.frame_mask[row], batch.token_mask[row]
        cosines = frames[row, kept] @ words[row, said].T
        expected = 5.0 * (cosines - cosines.mean(dim=0)).mean(dim=1) * bool(batch.has_text[row])
        torch.testing.assert_close(fit[row, kept], expected, atol=1e-5, rtol=1e-5)
        assert not fit[row, ~kept].any()


@pytest.mark.parametrize("head", ["progressive", "linear"])
def test_padding_changes_nothing_for_single_frames(head: str) -> None:
    settings = SummarizerSettings(head, 2 if head == "progressive" else 1, text_guidance="gate", fit_frames="alone")
    torch.manual_seed(0)
    task, batch = SummarizeTask(FINE, settings, tiny_task().hparams["text"]).eval(), tiny_videos()
    longer = torch.cat([batch.frames, torch.randn(len(batch.frames), 4, DIM)], dim=1)
    mask = torch.cat([batch.frame_mask, torch.zeros(len(batch.frames), 4, dtype=torch.bool)], dim=1)
    short = task.scored(batch)
    long = task.scored(batch._replace(frames=longer, frame_mask=mask))
    for one, other in zip(short.scores, long.scores, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("learned", "asked"), [("alone", "encoded"), ("encoded", "alone")])
def test_a_gate_on_other_frames_than_pretraining_s_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, learned: str, asked: str
) -> None:
    folder = tiny_task(4, fine_frames=learned).save_pretrained(tmp_path / "pretrained")
    with caplog.at_level(logging.WARNING):
        SummarizeTask(FINE, SummarizerSettings(text_guidance="gate", fit_frames=asked), pretrained=str(folder))
    assert f"set summarizer.fit_frames to {learned}" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        SummarizeTask(FINE, SummarizerSettings(text_guidance="gate", fit_frames=learned), pretrained=str(folder))
    assert "fit_frames" not in caplog.text
