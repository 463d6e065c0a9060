"""Ridge regression beside a head, against normal equations; the sentences' fit to a title, against a loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from sspvs.models.ridge import Ridge, RidgeSettings
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.summarizer import Summarizer, SummarizerSettings
from sspvs.models.text_guidance import GuidingText, SentenceFit
from sspvs.models.text_towers import build_text_encoder
from sspvs.models.video_encoder import VideoEncoder

WIDTHS, HOW = (6, 4), "scale+context3+centre"
WORDS = {"vocab_size": 60, "text_dim": 4, "num_heads": 2, "num_layers": 1, "dropout": 0.0}


def videos(lengths: Sequence[int], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, length, sum(WIDTHS), generator=generator) for length in lengths]


def everything(frames: Tensor) -> Tensor:
    return torch.ones(frames.shape[:2], dtype=torch.bool)


def summarizer(guidance: str = "none", share: float = 0.25, **settings: int) -> Summarizer:
    torch.manual_seed(0)
    video = VideoEncoderSettings(
        sum(WIDTHS), 8, num_heads=2, num_layers=1, feedforward_dim=16, stream_widths=WIDTHS, dropout=0.0
    )
    tower = None if guidance == "none" else build_text_encoder(TextEncoderSettings(encoder="small", small=WORDS))
    chosen = SummarizerSettings(num_stages=2, dropout=0.0, text_guidance=guidance, **settings)
    return Summarizer(VideoEncoder(video), chosen, tower, RidgeSettings(share=share, normalise=HOW)).eval()


def test_the_solution_is_that_of_the_normal_equations_of_scaled_blocks() -> None:
    base = Ridge(WIDTHS, RidgeSettings(share=0.5, normalise=HOW, stream_weights=(1.0, 3.0), cue_weight=0.5))
    rows = [base.rows(one, everything(one))[0] for one in videos((7, 9, 12))]
    targets = [torch.randn(len(one), generator=torch.Generator().manual_seed(len(one))) for one in rows]
    path, scales = base.path(rows)
    stacked = torch.cat(rows).double()
    x = stacked * scales.double()
    y = torch.cat(targets).double()
    for columns, share in ((slice(0, 12), 0.25), (slice(12, 20), 0.75), (slice(20, 44), 0.5)):
        assert float(x[:, columns].square().sum(dim=1).mean()) == pytest.approx(share, rel=1e-5)
    expected = torch.linalg.solve(x.T @ x + 2.0 * torch.eye(x.shape[1], dtype=torch.float64), x.T @ y)
    found = path.weights(y.float()[:, None], 2.0)[:, 0]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=2e-4)


def test_padding_changes_no_row() -> None:
    base = Ridge(WIDTHS, RidgeSettings(share=0.5, normalise=HOW), reads_text=True)
    short, long = videos((5, 11))
    frames, mask = torch.zeros(2, 11, 10), torch.zeros(2, 11, dtype=torch.bool)
    frames[0, :5], frames[1], mask[0, :5], mask[1] = short[0], long[0], True, True
    fit = torch.randn(2, 11).masked_fill(~mask, 0.0)
    together = base.rows(frames, mask, fit)
    torch.testing.assert_close(together[0, :5], base.rows(short, everything(short), fit[:1, :5])[0])
    torch.testing.assert_close(together[1], base.rows(long, everything(long), fit[1:])[0])


def standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def test_scores_are_the_mean_of_both_and_training_sees_the_head_alone() -> None:
    model = summarizer()
    assert model.ridge is not None
    assert not model.ridge.solved
    model.ridge.weight.normal_(generator=torch.Generator().manual_seed(5))
    frames = torch.zeros(2, 12, 10)
    frames[0, :9], frames[1] = videos((9,))[0][0], videos((12,), seed=1)[0][0]
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[0, 9:] = False
    base, blended = model.ridge(frames, mask).numpy(), model(frames, mask)
    head = model.train()(frames, mask)  # no dropout
    assert head.stage_logits.shape == (2, 2, 12)
    assert blended.stage_logits.shape == (2, 1, 12)
    for row, length in enumerate((9, 12)):
        learned = head.log_scores[row, :length].detach().numpy()
        expected = 0.25 * standard(base[row, :length]) + 0.75 * standard(learned)
        np.testing.assert_allclose(blended.stage_logits[row, 0, :length].detach().numpy(), expected, atol=1e-4)
    assert not blended.stage_logits[0, 0, 9:].any()


def test_windows_have_the_regression_of_the_whole_video() -> None:
    frames = videos((13,))[0]
    found = []
    for limits in ({"max_frames": 64, "overlap": 0}, {"max_frames": 4, "overlap": 1}):
        model = summarizer(share=1.0, **limits)
        assert model.ridge is not None
        model.ridge.weight.copy_(torch.linspace(-1, 1, len(model.ridge.weight)))
        found.append(model(frames, everything(frames)).stage_logits[:, 0])
    torch.testing.assert_close(*found)


def test_a_base_needs_a_weight_for_each_stream() -> None:
    with pytest.raises(ValueError, match="has 3 numbers, the features 2 streams"):
        Ridge(WIDTHS, RidgeSettings(share=0.5, normalise=HOW, stream_weights=(1.0, 1.0, 1.0)))


def test_sentences_fit_a_title_as_cosines_say_standardised_over_the_video() -> None:
    generator = torch.Generator().manual_seed(3)
    sentences = torch.randn(2, 8, 5, generator=generator)
    sentences[0, 2] = 0.0  # nothing is spoken there
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[1, 6:] = False
    whole = torch.randn(2, 5, generator=generator)
    text = GuidingText(whole[:, None], mask[:, :1], torch.tensor([True, True]), whole)
    guidance = SentenceFit(1, (3, 5), 5)
    frames = torch.cat([torch.ones(2, 8, 3), sentences], dim=-1)
    found = guidance.text_fit(frames, mask, text).numpy()
    for video in range(2):
        there = [t for t in range(8) if mask[video, t] and bool(sentences[video, t].any())]
        cosines = np.array([
            float(sentences[video, t] @ whole[video] / sentences[video, t].norm() / whole[video].norm()) for t in there
        ])  # fmt: skip
        expected = np.zeros(8)
        expected[there] = (cosines - cosines.mean()) / cosines.std()
        np.testing.assert_allclose(found[video], expected, atol=1e-5)
    without = GuidingText(whole[:, None], mask[:, :1], torch.tensor([True, False]), whole)
    assert not guidance.text_fit(frames, mask, without)[1].any()


def test_a_title_moves_the_scores_of_a_base_that_reads_it() -> None:
    model = summarizer("sentences")
    assert model.ridge is not None
    model.ridge.weight.normal_(generator=torch.Generator().manual_seed(1))
    frames, tokens = videos((9,))[0], torch.tensor([[1, 7, 2]])
    words = torch.ones_like(tokens, dtype=torch.bool)
    guided = model(frames, everything(frames), tokens, words)
    assert not torch.allclose(guided.scores, model(frames, everything(frames)).scores)
    assert guided.text_fit is not None
    plain = VideoEncoderSettings(10, 8, num_heads=2, num_layers=1, feedforward_dim=16)
    tower = build_text_encoder(TextEncoderSettings(encoder="small", small=WORDS))
    none = model(frames, everything(frames), tokens, words, torch.tensor([False]))
    torch.testing.assert_close(none.scores, model(frames, everything(frames)).scores)
    with pytest.raises(ValueError, match="data build --captions"):
        Summarizer(VideoEncoder(plain), SummarizerSettings(text_guidance="sentences"), tower)
