"""Two gloo processes give the gradients of one process on the joined batch, segments of all clips included."""

from __future__ import annotations

import pytest
import torch
from helpers.two_processes import averaged_step, gradients, run_in_two
from torch import nn

from sspvs.losses.contrastive import alignment, clip_mean, commonness, uniformity, uniqueness_entropy, video_segments
from sspvs.losses.gather import gather_texts

CASES = {"whole": (12, 12, 12, 12, 12, 12), "masked": (12, 7, 2, 12, 5, 9), "one is empty": (12, 7, 2, 12, 0, 9)}


def joined(case: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Six clips; the second three belong to the second process."""
    lengths = torch.tensor(CASES[case])
    g = torch.Generator().manual_seed(0)
    return torch.randn(6, 12, 5, generator=g, dtype=torch.float64) + 0.5, torch.arange(12) < lengths[:, None]


def share(case: str, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    frames, mask = (values[3 * rank : 3 * rank + 3] for values in joined(case))
    return frames, mask


class Training(nn.Module):
    """All terms of a small network, in float64."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.refine = nn.Linear(5, 4).double()
        self.judge = nn.Linear(4, 1).double()

    def forward(self, frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        refined = self.refine(frames)
        logits = self.judge(refined.detach())[..., 0]
        segments = gather_texts(*video_segments(refined, mask, segments=4))
        common = commonness(refined, mask, *segments)
        terms = alignment(refined, frames, mask, neighbour_fraction=0.3) + 0.5 * uniformity(refined, mask)
        return terms + 0.7 * clip_mean(common, mask) + 0.6 * uniqueness_entropy(logits, common, mask)


def work(rank: int) -> dict:
    found = {}
    for case in CASES:
        training = Training()
        averages = averaged_step(training, *share(case, rank))
        with torch.no_grad():  # evaluation waits for nobody: the other process does not take part in this
            alone = training(*share(case, 0)) if rank == 0 else torch.zeros(())
        found[case] = (*averages, float(alone))
    return found


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return run_in_two(work, tmp_path_factory.mktemp("gloo"))[0]


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_the_joined_batch(case: str, two_processes: dict) -> None:
    theirs, loss, alone = two_processes[case]
    training = Training()
    total = training(*joined(case))
    total.backward()
    assert loss == pytest.approx(float(total.detach()), rel=1e-12)
    for name, gradient in gradients(training).items():
        assert gradient.abs().max() > 1e-4, name
        torch.testing.assert_close(theirs[name], gradient, atol=1e-12, rtol=1e-9)
    with torch.no_grad():
        assert alone == pytest.approx(float(training(*share(case, 0))), rel=1e-12)


def test_the_clips_of_others_matter() -> None:
    """The test above can fail: the mean of both halves' own gradients is another one."""
    whole, halves = Training(), Training()
    whole(*joined("whole")).backward()
    sum(halves(*share("whole", rank)) for rank in (0, 1)).div(2).backward()
    for name, gradient in gradients(whole).items():
        assert not torch.allclose(gradient, gradients(halves)[name], rtol=1e-3), name
