"""Validation figures against loops by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_pretraining import tiny_batch, tiny_task

from sspvs.models.heads import MatchingHead
from sspvs.tasks.collapse import collapse_monitor
from sspvs.tasks.evidence import evidence
from sspvs.tasks.pair_scores import cosine_scores, matching_scores
from sspvs.tasks.recovery import copied_neighbours
from sspvs.tasks.validation import ValidationRecords


def naive_neighbours(frames, valid, masked: list[int], m: int):
    """Walk left and right until a frame that is neither masked nor padding."""
    left = next((t for t in range(m - 1, -1, -1) if valid[t] and t not in masked), None)
    right = next((t for t in range(m + 1, len(frames)) if valid[t] and t not in masked), None)
    if left is None and right is None:
        return None
    if left is None or right is None:
        only = frames[left if right is None else right]
        return only, only
    return (frames[left] + frames[right]) / 2, frames[left] if m - left <= right - m else frames[right]


@pytest.mark.parametrize("seed", range(6))
def test_copied_neighbours_equal_a_walk(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    frames = torch.randn(6, 9, 3, generator=g)
    mask = torch.arange(9) < torch.tensor([9, 9, 5, 2, 1, 3])[:, None]
    index = torch.stack([torch.randint(0, int(row.sum()), (3,), generator=g) for row in mask])
    found = copied_neighbours(frames, mask, index)
    for b in range(6):
        for m in range(3):
            expected = naive_neighbours(frames[b], mask[b], index[b].tolist(), int(index[b, m]))
            assert bool(found.known[b, m]) == (expected is not None)
            if expected is not None:
                torch.testing.assert_close(found.mean[b, m], expected[0])
                torch.testing.assert_close(found.nearest[b, m], expected[1])


def test_collapse_monitor_equals_its_definitions() -> None:
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    unit = np.array([row / math.sqrt(float((row**2).sum())) for row in x.numpy()])
    singular = np.linalg.svd(unit - unit.mean(0), compute_uv=False)
    shares = singular / singular.sum()
    found = collapse_monitor(x)
    assert found["effective_rank"] == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)), rel=1e-6)
    cosines = [float(unit[i] @ unit[j]) for i in range(12) for j in range(12) if i != j]
    assert found["mean_cosine"] == pytest.approx(sum(cosines) / len(cosines))
    assert found["spread"] == pytest.approx(float(np.mean([c.std() for c in unit.T])) * math.sqrt(5))
    wide = collapse_monitor(torch.randn(4, 50, generator=torch.Generator().manual_seed(1)))
    assert 2.9 < wide["effective_rank"] <= 3.0  # fewer videos than dimensions


def test_collapse_is_seen() -> None:
    same = collapse_monitor(torch.ones(10, 4) + torch.tensor([1.0, 0, 0, 0]))
    assert same["effective_rank"] == 0
    assert same["mean_cosine"] == pytest.approx(1)
    assert same["spread"] == pytest.approx(0, abs=1e-6)
    line = collapse_monitor(torch.linspace(-1, 1, 10)[:, None] * torch.tensor([[3.0, 4.0, 0.0]]))
    assert line["effective_rank"] == pytest.approx(1, abs=1e-5)
    assert collapse_monitor(torch.ones(1, 3))["mean_cosine"] == 0


@pytest.mark.parametrize("max_elements", [1, 64, 1 << 20])
def test_matching_scores_equal_the_head_on_every_pair(max_elements: int) -> None:
    torch.manual_seed(0)
    head = MatchingHead(5, 7, (8, 4)).eval()
    video, text = torch.randn(6, 7), torch.randn(4, 5)
    with torch.no_grad():
        expected = torch.stack([torch.stack([head(t[None], v[None])[0] for t in text]) for v in video])
        torch.testing.assert_close(matching_scores(head, video, text, max_elements=max_elements), expected)


def test_cosine_scores() -> None:
    video, text = torch.tensor([[3.0, 4.0]]), torch.tensor([[8.0, 6.0], [-3.0, -4.0]])
    torch.testing.assert_close(cosine_scores(video, text), torch.tensor([[0.96, -1.0]]))


def test_a_video_that_comes_twice_counts_once() -> None:
    records = ValidationRecords()
    records.add(("a", "b"), {"correct": torch.tensor([True, False]), "other": torch.tensor([1.0, math.nan])})
    records.add(("b", "a", "c"), {"correct": torch.tensor([True, False, True])})
    assert len(records) == 3
    assert records.figures() == {"matching_accuracy": pytest.approx(2 / 3), "other": 1.0}


def test_recovery_figures_count_frames_not_videos() -> None:
    records = ValidationRecords()
    columns = {
        "masked_frames": torch.tensor([2.0, 1.0, 0.0]), "masked_error": torch.tensor([1.0, 5.0, 0.0]),
        "neighbour_mean": torch.tensor([8.0, 1.0, 0.0]), "neighbour_nearest": torch.tensor([10.0, 2.0, 0.0]),
    }  # fmt: skip
    records.add(("a", "b", "c"), columns)
    assert records.figures() == pytest.approx(
        {
            "masked_error": 2.0,
            "masked_error_neighbour_mean": 3.0,
            "masked_error_neighbour_nearest": 4.0,
            "masked_error_ratio": 2 / 3,
        }
    )
    nothing = ValidationRecords()
    nothing.add(("c",), {name: column[2:] for name, column in columns.items()})
    assert nothing.figures() == {}


def test_retrieval_takes_the_first_candidates_by_id() -> None:
    records = ValidationRecords()
    vectors = torch.eye(4)[torch.tensor([3, 1, 0, 2])]
    records.add(("d", "b", "a", "c"), {"video": vectors, "text": vectors.roll(1, 0)})
    records.add(("e",), {"correct": torch.tensor([True])})  # of this one no own text is known
    found = records.retrieval(cosine_scores, 3)
    assert found.ids == ("a", "b", "c")
    assert found.scores.shape == (3, 3)
    everyone = records.retrieval(cosine_scores, 100)
    best = {row["id"]: row["best_text"] for row in everyone.table()}
    assert best == {"d": "b", "b": "a", "a": "c", "c": "d"}
    assert ValidationRecords().retrieval(cosine_scores, 3) is None


@pytest.mark.parametrize("own", [True, False])
def test_a_video_is_held_against_its_own_text(own: bool) -> None:
    """Where another's text was given, the own one is encoded too; where it is unknown the video is left out."""
    task, batch = tiny_task().eval(), tiny_batch()
    if not own:
        batch = batch._replace(own_tokens=None, own_token_mask=None)
    records = ValidationRecords()
    with torch.no_grad():
        out = task._batch_forward(batch)[0]
        for ids, columns in evidence(task.model, task.losses, batch, out):
            records.add(ids, columns)
        ids, texts = records.column("text")
        kept = [row for row in range(6) if own or batch.is_match[row]]
        assert ids == [batch.ids[row] for row in kept]
        source = tiny_batch()
        expected = task.model.text_encoder(source.own_tokens[kept], source.own_token_mask[kept]).pooled
        torch.testing.assert_close(torch.from_numpy(texts), expected)
    correct = (out.matching_logits > 0) == batch.is_match
    assert records.figures()["matching_accuracy"] == pytest.approx(float(correct.float().mean()))
