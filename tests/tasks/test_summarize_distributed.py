"""Two gloo processes fine-tune like one on the joined batch, and judge every video once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from helpers.tiny_summarizing import rows_of, terms_of, tiny_summarizer, tiny_videos
from helpers.two_processes import assert_joined_step, averaged_step, run_in_two
from torch import nn

from sspvs.data.batch import SummarizeBatch
from sspvs.tasks.validation import ScoreRecords

ALL = {"mse": 1.0, "pairwise": 0.5, "correlation": 0.2}
CASES: dict[str, dict] = {
    "mse": {},
    "pairwise": {"losses": {"mse": 0.0, "pairwise": 1.0}},
    "correlation": {"losses": {"mse": 0.0, "correlation": 1.0}},
    "all, with added text": {"losses": ALL, "guidance": "added"},
    "gate": {"guidance": "gate", "train_text": "all"},
    "cross-attention, frozen tower": {"guidance": "cross-attention", "freeze_encoder": True},
    "linear": {"head": "linear"},
}


def joined() -> SummarizeBatch:
    """Eight videos; in two of the first half nothing is to be ranked, and the second half is shorter."""
    batch = tiny_videos(7, batch=8)
    target, mask = batch.target.clone(), batch.frame_mask.clone()
    target[[0, 2]] = 0.4
    mask[4:, 8:] = False
    return batch._replace(target=target * mask, frame_mask=mask, frames=batch.frames * mask[..., None])


def share(rank: int) -> SummarizeBatch:
    mine = rows_of(joined(), slice(4 * rank, 4 * rank + 4))
    length = 12 if rank == 0 else 8
    return mine._replace(
        frames=mine.frames[:, :length], frame_mask=mine.frame_mask[:, :length], target=mine.target[:, :length]
    )


class Training(nn.Module):
    def __init__(self, case: str) -> None:
        super().__init__()
        self.task = tiny_summarizer(3, **CASES[case])

    def forward(self, batch: SummarizeBatch) -> torch.Tensor:
        return self.task.total(terms_of(self.task, batch))


def judged(rows: Sequence[int]) -> ScoreRecords:
    """What a pass over some videos keeps, one a batch."""
    task = tiny_summarizer(4, losses=ALL).eval()
    for row in rows:
        task.validation_step(rows_of(joined(), slice(row, row + 1)), 0)
    return task.records


def work(rank: int) -> dict:
    found: dict = {case: averaged_step(Training(case), share(rank)) for case in CASES}
    records = judged(((0, 4), (4, 5))[rank]).joined()  # video 4 is given to both, to make the shares even
    found["judged"] = ({video: scores.tolist() for video, scores in records.scores.items()}, records.means())
    return found


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    return run_in_two(work, tmp_path_factory.mktemp("gloo"))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_the_joined_batch(case: str, two_processes: list[dict]) -> None:
    assert_joined_step(Training(case), joined(), two_processes[0][case], least=1e-4, what=case)


def test_what_the_other_process_counts_matters() -> None:
    """The test above can fail: where the halves count different numbers of videos, the mean of their means is off."""
    whole, halves = (float(loss.detach()) for loss in (
        Training("pairwise")(joined()), sum(Training("pairwise")(share(rank)) for rank in (0, 1)) / 2
    ))  # fmt: skip
    assert abs(whole - halves) > 1e-4


@pytest.mark.slow
def test_every_video_is_judged_once(two_processes: list[dict]) -> None:
    alone = judged((5, 0, 4))
    scores = {video: scores.tolist() for video, scores in alone.scores.items()}
    assert list(scores) == sorted(joined().ids[row] for row in (0, 4, 5))
    for found in two_processes:
        theirs, means = found["judged"]
        assert list(theirs) == list(scores)
        for video, expected in scores.items():
            assert theirs[video] == pytest.approx(expected, rel=1e-5)
        assert set(means) == {"mse_loss", "pairwise_loss", "correlation_loss"}
        assert means == pytest.approx(alone.means(), rel=1e-5)
