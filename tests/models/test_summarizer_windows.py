"""Long videos: where windows lie, and what their seams may do."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from helpers.tiny_summarizer import DIM, HEADS, tiny, videos
from torch.utils._python_dispatch import TorchDispatchMode

from sspvs.models.summarizer import score_in_windows, windows_of

LIMITS = {"max_frames": 12, "overlap": 4}


@pytest.mark.parametrize(("most", "overlap"), [(12, 4), (12, 6), (7, 3), (5, 0), (1, 0)])
def test_windows_cover_a_video_and_their_seams_never_meet(most: int, overlap: int) -> None:
    for length in range(1, 6 * most):
        windows = windows_of(length, most, overlap)
        assert len(windows) == 1 + max(0, -(-(length - most) // (most - overlap)))
        assert windows[0].start == windows[0].seam == 0
        assert windows[-1].stop == length
        if len(windows) == 1:
            continue
        for before, after in pairwise(windows):
            assert after.stop - after.start == most
            assert after.start <= after.seam
            assert after.seam + overlap == before.seam + most == before.start + most, "both see the whole seam"
            assert after.seam >= before.seam + (overlap if before.seam else 0), "three windows never mix"
            assert after.stop > after.seam + overlap
    with pytest.raises(ValueError, match="overlap"):
        windows_of(20, 12, 7)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("picks", [13, 20, 27, 41])
def test_the_bound(head: str, picks: int) -> None:
    model, given = tiny(head, **LIMITS), videos(batch=1, picks=picks)
    frames, mask = given.frames, torch.ones(1, picks, dtype=torch.bool)
    with torch.no_grad():
        out = model(frames, mask).stage_logits[0]
        windows = windows_of(picks, 12, 4)
        said = [model.score_at_once(frames[:, w.start : w.stop], mask[:, w.start : w.stop]) for w in windows]
    logits = [one.stage_logits[0] for one in said]
    step = max(float(one.diff(dim=1).abs().max()) for one in logits)
    apart = 0.0
    for turn, (window, mine) in enumerate(zip(windows, logits, strict=True)):
        first = window.seam + 4 if turn else 0
        last = windows[turn + 1].seam if turn + 1 < len(windows) else picks
        torch.testing.assert_close(out[:, first:last], mine[:, first - window.start : last - window.start])
        if turn:
            earlier = logits[turn - 1][:, -4:]
            later = mine[:, window.seam - window.start :][:, :4]
            faded = out[:, window.seam : first]
            assert (faded >= torch.minimum(earlier, later) - 1e-6).all()
            assert (faded <= torch.maximum(earlier, later) + 1e-6).all()
            ramp = torch.tensor([0.2, 0.4, 0.6, 0.8])
            torch.testing.assert_close(faded, earlier * (1 - ramp) + later * ramp)
            apart = max(apart, float((earlier - later).abs().max()))
    assert float(out.diff(dim=1).abs().max()) <= step + apart / 5 + 1e-6
    assert head == "linear" or apart > 1e-4, "windows that agree would show nothing"


def test_neighbours_of_two_constants() -> None:
    """Windows that say 0 and 1 throughout: every step is the bound itself."""

    def score(frames: torch.Tensor, mask: torch.Tensor, rows: list[int]) -> torch.Tensor:
        return (frames[:, :1, :1] >= 8).float().expand(-1, 1, frames.shape[1])

    frames = torch.arange(20.0)[None, :, None]
    out = score_in_windows(score, frames, torch.ones(1, 20, dtype=torch.bool), 12, 4)[0, 0]
    torch.testing.assert_close(out, torch.tensor([0.0] * 8 + [0.2, 0.4, 0.6, 0.8] + [1.0] * 8))


def test_windows_change_nothing_for_a_head_without_context() -> None:
    given = videos(picks=41)
    with torch.no_grad():
        whole = tiny("linear")(*given).stage_logits
        parts = tiny("linear", **LIMITS)(*given).stage_logits
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)


def test_exact_at_the_limit_and_in_training() -> None:
    model, whole = tiny(**LIMITS), tiny()
    at = videos(picks=12)
    assert torch.equal(model(*at).stage_logits, whole(*at).stage_logits)
    beyond = videos(picks=13)
    assert not torch.allclose(model(*beyond).stage_logits, whole(*beyond).stage_logits)
    still = {"dropout": 0.0, "video": {"dropout": 0.0}}
    model, whole = tiny(**LIMITS, **still).train(), tiny(**still).train()
    assert torch.equal(model(*beyond).stage_logits, whole(*beyond).stage_logits)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("guidance", ["none", "gate", "cross-attention"])
def test_videos_of_any_length_in_one_batch(head: str, guidance: str) -> None:
    model, given = tiny(head, guidance, **LIMITS), videos(batch=5, picks=33)
    lengths = [33, 12, 5, 0, 14]
    mask = torch.arange(33)[None] < torch.tensor(lengths)[:, None]
    frames = torch.where(mask[..., None], given.frames, 40.0)
    has_text = torch.tensor([True, True, True, True, False])
    with torch.no_grad():
        out = model(frames, mask, given.tokens, given.token_mask, has_text)
        assert out.stage_logits.isfinite().all()
        assert (out.text_fit is None) == (guidance != "gate")
        for row, length in enumerate(lengths):
            assert not out.stage_logits[row, :, length:].any()
            if length:
                text = (given.tokens[row : row + 1], given.token_mask[row : row + 1], has_text[row : row + 1])
                alone = model(frames[row : row + 1, :length], mask[row : row + 1, :length], *text)
                torch.testing.assert_close(
                    out.stage_logits[row, :, :length], alone.stage_logits[0], atol=1e-5, rtol=1e-5
                )
                if guidance == "gate":
                    torch.testing.assert_close(out.text_fit[row, :length], alone.text_fit[0], atol=1e-5, rtol=1e-5)
        assert out.text_fit is None or not out.text_fit[4].any()


def test_a_batch_of_nothing_but_padding() -> None:
    for head in HEADS:
        out = tiny(head, **LIMITS)(torch.zeros(2, 20, DIM), torch.zeros(2, 20, dtype=torch.bool))
        assert not out.stage_logits.any()


class _Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation gave."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, torch.Tensor):
                # What is expanded takes no memory.
                self.largest = max(self.largest, tensor.untyped_storage().nbytes() // max(tensor.element_size(), 1))
        return out


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("guidance", ["none", "gate", "cross-attention"])
@pytest.mark.parametrize("padded", [False, True])
def test_nothing_grows_with_the_square_of_the_length(head: str, guidance: str, padded: bool) -> None:
    model, given = tiny(head, guidance), videos(batch=2 if padded else 1, picks=1500)
    with torch.no_grad(), _Largest() as seen:
        model(*given)
    assert seen.largest < 1500 * 1500 // 4
