"""Joined streams: what each step does to each video, what is missing, and the projection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny_pretraining import TEXT
from helpers.tiny_summarizers import tiny_summarizer
from hypothesis import given
from hypothesis import strategies as st

from sspvs.export import export_onnx
from sspvs.models.settings import VideoEncoderSettings
from sspvs.models.streams import StreamProjection, drop_streams, normalise, normalised_widths, stream_steps
from sspvs.models.summarizer import SummarizerSettings
from sspvs.models.video_encoder import VideoEncoder
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.summarize import SummarizeTask

WIDTHS = (3, 4)
STEPS = ("sqrt", "scale", "l2", "context3", "context5", "centre", "standard")


def one_by_one(rows: np.ndarray, steps: tuple[str, ...]) -> np.ndarray:
    """A stream of one video, (T, D), row after row in float64; rows of zeros are missing."""
    there = [t for t in range(len(rows)) if rows[t].any()]
    out = rows.astype(np.float64)
    for step in steps:
        found = np.zeros((len(rows), out.shape[1] * (2 if step.startswith("context") else 1)))
        for t in there:
            row = out[t]
            if step == "sqrt":
                found[t] = [np.sqrt(v) if v >= 0 else -np.sqrt(-v) for v in row]
            elif step == "l2":
                found[t] = row / (np.sqrt((row**2).sum()) or 1.0)
            elif step == "scale":
                found[t] = row / (np.mean([np.sqrt((out[u] ** 2).sum()) for u in there]) or 1.0)
            elif step == "centre":
                found[t] = row - np.mean([out[u] for u in there], axis=0)
            elif step == "standard":
                spread = np.std([out[u] for u in there], axis=0)
                found[t] = row / np.where(spread > 1e-9, spread, 1.0)
            elif step.startswith("context"):
                half = int(step.removeprefix("context")) // 2
                around = [out[u] for u in there if abs(u - t) <= half]
                found[t] = np.concatenate([row, np.mean(around, axis=0)])
            else:
                found[t] = row
        out = found
    return out


def padded(lengths: list[int], seed: int = 0, missing: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    """Joined features of videos, some rows of their streams missing, and what of them is no padding."""
    g = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    frames = torch.randn(*mask.shape, sum(WIDTHS), generator=g) * 3
    for part in frames.split(list(WIDTHS), dim=-1):
        part[torch.rand(mask.shape, generator=g) < missing] = 0.0
    return frames * mask[..., None], mask


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.lists(
        st.sets(st.sampled_from(STEPS), min_size=1).map(lambda one: sorted(one, key=STEPS.index)),
        min_size=2,
        max_size=2,
    ),
    st.integers(0, 1000),
)
def test_each_stream_of_each_video_alone(lengths: list[int], steps: list[list[str]], seed: int) -> None:
    frames, mask = padded(lengths, seed)
    how = ",".join("+".join(one) for one in steps)
    found = normalise(frames, mask, WIDTHS, how)
    assert found.shape[-1] == sum(normalised_widths(WIDTHS, how))
    for row, length in enumerate(lengths):
        video = frames[row, :length].numpy()
        parts = [one_by_one(video[:, :3], tuple(steps[0])), one_by_one(video[:, 3:], tuple(steps[1]))]
        np.testing.assert_allclose(found[row, :length].numpy(), np.concatenate(parts, axis=1), atol=2e-4, rtol=2e-4)
        assert not found[row, length:].any()


def test_a_still_picture_is_no_noise() -> None:
    """What is constant over a video is centred to zeros, which no later step blows up."""
    frames = torch.rand(1, 1, 7, generator=torch.Generator().manual_seed(0)).repeat(1, 400, 1) * 1000
    found = normalise(frames, torch.ones(1, 400, dtype=torch.bool), WIDTHS, "centre+standard+scale+l2")
    assert not found.any()


@pytest.mark.parametrize("how", ["cube", "sqrt,l2,l2", "context4", "context", "learned+sqrt", "", "sqrt+"])
def test_steps_that_are_none(how: str) -> None:
    with pytest.raises(ValueError, match="normalise"):
        stream_steps(how, 2)
    with pytest.raises(ValueError, match="normalise"):
        VideoEncoder(VideoEncoderSettings(7, 8, num_heads=2, stream_widths=WIDTHS, normalise=how))


@pytest.mark.parametrize("how", ["sqrt+learned", "l2,centre+context3"])
def test_the_projection_is_the_sum_over_what_is_there(how: str) -> None:
    torch.manual_seed(0)
    projection = StreamProjection(WIDTHS, 5, how)
    for norm in projection.norms:
        for parameter in norm.parameters():
            torch.nn.init.normal_(parameter)
    frames, mask = padded([8, 5], missing=0.5)
    normed = normalise(frames, mask, WIDTHS, how).split(list(projection.normalised_widths), dim=-1)
    with torch.no_grad():
        found = projection(frames, mask)
        seen = set()
        for b in range(2):
            for t in range(8):
                there = [s for s, raw in enumerate(frames[b, t].split(list(WIDTHS))) if raw.any()]
                parts = [projection.linears[s](projection.norms[s](normed[s][b, t])) for s in there]
                expected = sum(parts) / len(parts) ** 0.5 if parts else torch.zeros(5)
                torch.testing.assert_close(found[b, t], expected)
                seen.add(len(there))
    assert seen == {0, 1, 2}


def test_as_wide_as_the_space_nothing_is_projected() -> None:
    frames, mask = padded([6])
    projection = StreamProjection(WIDTHS, 14, "context3")
    assert not list(projection.parameters())
    torch.testing.assert_close(projection(frames, mask), normalise(frames, mask, WIDTHS, "context3"))


def test_streams_are_dropped_whole_and_one_stays() -> None:
    frames, mask = padded([9, 4] * 200, missing=0.0)
    frames[0, :, :3] = 0.0  # a video of one stream
    torch.manual_seed(0)
    left = drop_streams(frames, mask, WIDTHS, 0.4)
    kept = torch.stack([part.any(dim=-1) for part in left.split(list(WIDTHS), dim=-1)], dim=-1)  # (B, T, S)
    assert (kept == kept[:, :1])[mask].all()
    assert kept.any(dim=-1)[mask].all()
    assert kept[0, 0].tolist() == [False, True]
    share = kept[1:, 0].float().mean(dim=0)
    torch.testing.assert_close(share, torch.full((2,), 1 - 0.4 + 0.4**2 / 2), atol=0.07, rtol=0)
    torch.testing.assert_close(left[kept.all(dim=-1).all(dim=1)], frames[kept.all(dim=-1).all(dim=1)])


def tower(**how) -> VideoEncoder:
    torch.manual_seed(0)
    return VideoEncoder(VideoEncoderSettings(7, 8, num_heads=2, num_layers=1, feedforward_dim=16, **how)).eval()


def test_without_steps_the_tower_is_as_ever() -> None:
    plain, joined = tower(), tower(stream_widths=WIDTHS, stream_dropout=0.5)
    assert list(plain.state_dict()) == list(joined.state_dict())
    frames, mask = padded([9, 6])
    torch.testing.assert_close(joined.embed(frames, mask), plain.input_projection(frames), atol=0, rtol=0)
    assert isinstance(
        VideoEncoder(VideoEncoderSettings(8, 8, stream_widths=(4, 4))).input_projection, torch.nn.Identity
    )
    joined.train()
    assert not torch.equal(joined.embed(frames, mask), plain.input_projection(frames))
    with pytest.raises(ValueError, match="stream_widths must add up to feature_dim 7, they add up to 8"):
        tower(stream_widths=(4, 4))


def test_windows_see_what_the_whole_video_was_normalised_by() -> None:
    video = {"stream_widths": WIDTHS, "normalise": "sqrt+centre+context5,l2+standard"}
    frames, mask = padded([40, 23])
    with torch.no_grad():
        whole, parts = (
            tiny_summarizer(feature_dim=7, video=video, head="linear", max_frames=most, overlap=4).model(frames, mask)
            for most in (64, 12)
        )
    torch.testing.assert_close(whole.scores, parts.scores)


@pytest.mark.parametrize("fit_frames", ["encoded", "alone"])
def test_heads_and_gates_see_the_same_normalised_frames(fit_frames: str) -> None:
    """Features in another unit, with another origin, are the same to everything that reads them."""
    video = {"stream_widths": WIDTHS, "normalise": "centre+standard"}
    model = tiny_summarizer(feature_dim=7, video=video, guidance="gate", fit_frames=fit_frames).model
    (frames, mask), tokens = padded([11, 8], missing=0.0), torch.arange(12).reshape(2, 6)
    moved = torch.where(mask[..., None], frames * 5 + 3, 0.0)
    with torch.no_grad():
        one, two = (model(each, mask, tokens, torch.ones_like(tokens, dtype=torch.bool)) for each in (frames, moved))
    torch.testing.assert_close(one.scores, two.scores, atol=1e-5, rtol=1e-4)


def test_hidden_frames_are_in_no_mean() -> None:
    """Whatever stands in a frame that pretraining hides changes nothing of the others."""
    torch.manual_seed(0)
    video = VideoEncoderSettings(
        7, 16, num_heads=2, num_layers=1, feedforward_dim=16, stream_widths=WIDTHS, normalise="centre+context5"
    )
    model = PretrainTask(video, TEXT).eval().model
    frames, mask = padded([9, 9], missing=0.0)
    tokens, hidden = torch.ones(2, 4, dtype=torch.long), torch.tensor([[3], [5]])
    others = frames.clone()
    others[torch.arange(2), hidden[:, 0]] = 77.0
    one, two = (model(each, mask, tokens, tokens.bool(), hidden).recovered for each in (frames, others))
    torch.testing.assert_close(one, two)


def test_saved_loaded_and_exported(tmp_path: Path) -> None:
    video = {"stream_widths": WIDTHS, "normalise": "sqrt+scale+context5+centre,l2+standard+learned"}
    task = tiny_summarizer(feature_dim=7, video=video)
    again = SummarizeTask.from_pretrained(task.save_pretrained(tmp_path / "mine"))
    frames, mask = padded([11, 8])
    with torch.no_grad():
        torch.testing.assert_close(again.model(frames, mask).scores, task.model(frames, mask).scores)
    report = export_onnx(task, tmp_path / "mine.onnx")  # compares with torch on videos of several lengths
    assert report.check is not None
    started = SummarizeTask(
        VideoEncoderSettings(7, stream_dropout=0.5), SummarizerSettings(), pretrained=str(tmp_path / "mine")
    )
    settings = started.model.video_encoder.settings
    assert (settings.stream_widths, settings.normalise, settings.stream_dropout) == (*video.values(), 0.5)
