"""Two gloo processes refine like one on the joined batch: segments are those of everybody's clips."""

from __future__ import annotations

import pytest
import torch
from helpers.tiny_refining import rows_of, terms_of, tiny_clips, tiny_refiner
from helpers.two_processes import assert_joined_step, averaged_step, run_in_two
from torch import nn

from sspvs.data.batch import RefineBatch

CASES: dict[str, dict] = {
    "published": {},
    "without uniqueness": {"losses": {"commonness": 0.0, "uniqueness": 0.0}, "combine": "ag"},
    "alignment alone": {"losses": {"uniformity": 0.0, "commonness": 0.0, "uniqueness": 0.0}, "combine": "ag"},
    "uniqueness": {"losses": {"alignment": 0.0, "commonness": 0.0}},
    "commonness alone": {
        "losses": {"alignment": 0.0, "uniformity": 0.0, "commonness": 1.0, "uniqueness": 0.0},
        "combine": "ag",
    },
}


def joined() -> RefineBatch:
    """Eight clips; the second half is shorter."""
    batch = tiny_clips(7, batch=8)
    mask = batch.frame_mask.clone()
    mask[4:, 16:] = False
    return batch._replace(frame_mask=mask, frames=batch.frames * mask[..., None])


def share(rank: int) -> RefineBatch:
    mine = rows_of(joined(), slice(4 * rank, 4 * rank + 4))
    length = 24 if rank == 0 else 16
    return mine._replace(frames=mine.frames[:, :length], frame_mask=mine.frame_mask[:, :length])


class Training(nn.Module):
    def __init__(self, case: str) -> None:
        super().__init__()
        self.task = tiny_refiner(3, **CASES[case])

    def forward(self, batch: RefineBatch) -> torch.Tensor:
        return self.task.total(terms_of(self.task, batch))


def work(rank: int) -> dict:
    found: dict = {case: averaged_step(Training(case), share(rank)) for case in CASES}
    task = tiny_refiner(4).eval()
    with torch.no_grad():  # uneven passes: none may wait for another
        for row in ((0, 4), (4,))[rank]:
            task.validation_step(rows_of(joined(), slice(row, row + 1)), 0)
    records = task.records.joined()
    found["judged"] = ({video: scores.tolist() for video, scores in records.scores.items()}, records.means())
    return found


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    return run_in_two(work, tmp_path_factory.mktemp("gloo"))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_gradients_of_the_joined_batch(case: str, two_processes: list[dict]) -> None:
    assert_joined_step(Training(case), joined(), two_processes[0][case], least=1e-4, what=case)


def test_the_other_process_clips_matter() -> None:
    """The test above can fail: each half on its own segments is something else."""
    whole = float(Training("published")(joined()).detach())
    halves = sum(float(Training("published")(share(rank)).detach()) for rank in (0, 1)) / 2
    assert abs(whole - halves) > 1e-4


@pytest.mark.slow
def test_every_video_is_judged_once(two_processes: list[dict]) -> None:
    for scores, means in (found["judged"] for found in two_processes):
        assert sorted(scores) == sorted(joined().ids[row] for row in (0, 4))
        assert set(means) == {f"{name}_loss" for name in ("alignment", "uniformity", "commonness", "uniqueness")}
    assert two_processes[0]["judged"] == two_processes[1]["judged"]
