"""Two gloo processes give the gradients of one process on the joined batch, for every objective."""

from __future__ import annotations

import pytest
import torch
from helpers.tiny_pretraining import terms_of, tiny_batch, tiny_task
from helpers.two_processes import assert_joined_step, averaged_step, gradients, run_in_two
from torch import nn

from sspvs.data.batch import PretrainBatch

CASES: dict[str, dict] = {
    "published": {},
    "infonce": {"coarse": "infonce"},
    "sigmoid": {"coarse": "sigmoid"},
    "infonce and late interaction": {"coarse": "infonce", "fine": "late-interaction"},
    "matching and late interaction": {"fine": "late-interaction"},
    "sigmoid alone": {"coarse": "sigmoid", "fine": "none", "mask": False},
    "infonce and hausdorff": {"coarse": "infonce", "mask": False},
    "fine alone": {"coarse": "none"},
    "late interaction alone": {"coarse": "none", "fine": "late-interaction", "mask": False},
    "mask alone": {"coarse": "none", "fine": "none"},
}


def joined(case: str) -> PretrainBatch:
    """Eight videos; the second half has shorter texts, other numbers of matches and of frames that count."""
    losses = CASES[case]
    batch = tiny_batch(7, batch=8, matches=losses.get("coarse") in ("infonce", "sigmoid"), masked=2)
    counted = batch.masked_counted.clone()
    counted[[0, 5, 6, 7], 1] = False
    counted[7] = False
    matches = batch.is_match.clone()
    if not matches.all():
        matches[:] = torch.tensor([1, 1, 1, 0, 0, 1, 0, 0]).bool()
    mask = batch.token_mask.clone()
    mask[4:, 5:] = False
    return batch._replace(masked_counted=counted, is_match=matches, token_mask=mask)


def share(batch: PretrainBatch, rank: int) -> PretrainBatch:
    rows = slice(4 * rank, 4 * rank + 4)
    mine = PretrainBatch(*(None if field is None else field[rows] for field in batch))
    # The second process' batch was cut to its longest text.
    length = 7 if rank == 0 else 5
    return mine._replace(tokens=mine.tokens[:, :length], token_mask=mine.token_mask[:, :length])


class Training(nn.Module):
    def __init__(self, case: str) -> None:
        super().__init__()
        self.task = tiny_task(3, **CASES[case])

    def forward(self, batch: PretrainBatch) -> torch.Tensor:
        return self.task.total(terms_of(self.task, batch))


def work(rank: int) -> dict:
    found = {}
    for case in CASES:
        training = Training(case)
        averages = averaged_step(training, share(joined(case), rank))
        with torch.no_grad():  # evaluation waits for nobody: the other process does not take part in this
            alone = training(share(joined(case), 0)) if rank == 0 else torch.zeros(())
        found[case] = (*averages, float(alone))
    return found


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return run_in_two(work, tmp_path_factory.mktemp("gloo"))[0]


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_the_joined_batch(case: str, two_processes: dict) -> None:
    assert_joined_step(Training(case), joined(case), two_processes[case][:2], least=1e-3, what=case)


@pytest.mark.parametrize("case", ["infonce", "infonce and late interaction"])
def test_the_rows_of_others_matter(case: str) -> None:
    """The test above can fail: the mean of both halves' own gradients is another one."""
    whole, halves = Training(case), Training(case)
    whole(joined(case)).backward()
    sum(halves(share(joined(case), rank)) for rank in (0, 1)).div(2).backward()
    differing = [
        name
        for name, gradient in gradients(whole).items()
        if not torch.allclose(gradient, gradients(halves)[name], rtol=1e-2, atol=1e-4)
    ]
    assert len(differing) > 5


@pytest.mark.parametrize("case", CASES)
def test_evaluation_waits_for_nobody(case: str, two_processes: dict) -> None:
    training = Training(case)
    with torch.no_grad():
        assert two_processes[case][2] == pytest.approx(float(training(share(joined(case), 0))), rel=1e-5)
