"""Validation figures against loops by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers.tiny_pretraining import tiny_batch, tiny_task

from sspvs.models.pretrain_model import MatchingHead
from sspvs.tasks.objectives import copied_neighbours, cosine_scores, embed, evidence, matching_scores, pair_scorer
from sspvs.tasks.validation import ValidationRecords, collapse_monitor


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
    for points in (x, x[0] + 1e-3 * x):  # the second ones are nearly one point, and in as many directions
        unit = np.array([row / math.sqrt(float((row**2).sum())) for row in points.numpy()])
        singular = np.linalg.svd(unit - unit.mean(0), compute_uv=False)
        shares = singular[singular > 1e-6] / singular.sum()
        expected = math.exp(-sum(p * math.log(p) for p in shares))
        assert collapse_monitor(points)["effective_rank"] == pytest.approx(expected, rel=1e-4)
    unit = np.array([row / math.sqrt(float((row**2).sum())) for row in x.numpy()])
    found = collapse_monitor(x)
    cosines = [float(unit[i] @ unit[j]) for i in range(12) for j in range(12) if i != j]
    assert found["mean_cosine"] == pytest.approx(sum(cosines) / len(cosines))
    assert found["spread"] == pytest.approx(float(np.mean([c.std() for c in unit.T])) * math.sqrt(5))
    two = collapse_monitor(torch.tensor([[3.0, 4.0], [4.0, 3.0]]))
    assert two["mean_cosine"] == pytest.approx(0.96)
    assert two["effective_rank"] == pytest.approx(1)
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
        out = task._forward(batch)[0]
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


OBJECTIVES = [
    {},
    {"coarse": "infonce", "fine": "none"},
    {"coarse": "sigmoid", "fine": "late-interaction", "mask": False},
    {"coarse": "none"},
    {"coarse": "none", "fine": "late-interaction", "fine_frames": "alone"},
    {"coarse": "none", "fine": "none"},
]


@pytest.mark.parametrize("losses", OBJECTIVES, ids=str)
def test_columns_equal_loops_over_single_videos(losses: dict) -> None:
    """Each video alone and unpadded, with its own text: vectors, what the fine objective measures, recovered frames."""
    task, batch = tiny_task(5, **losses).eval(), tiny_batch(5, masked=3)
    batch.masked_counted[:] = torch.rand(6, 3, generator=torch.Generator().manual_seed(0)) < 0.8
    batch.masked_index[0] = torch.tensor([2, 0, 1])
    batch.frame_mask[0] = torch.arange(batch.frame_mask.shape[1]) < 3  # all are masked: nothing to copy
    model, unit = task.model, torch.nn.functional.normalize
    matching = losses.get("coarse", "matching") == "matching"
    fine = losses.get("fine", "hausdorff")
    found: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        out = model(batch.frames, batch.frame_mask, batch.tokens, batch.token_mask, batch.masked_index)
        for ids, columns in evidence(model, task.losses, batch, out):
            assert list(ids) == list(batch.ids)
            assert not set(columns) & set(found)
            found.update(columns)
        sides: list[tuple[torch.Tensor, torch.Tensor]] = []  # what is compared frame by word
        vectors: list[tuple[torch.Tensor, torch.Tensor]] = []
        for row in range(6):
            frames = batch.frames[row, batch.frame_mask[row]][None]
            tokens = batch.own_tokens[row, batch.own_token_mask[row]][None]
            seen = torch.ones(1, frames.shape[1], dtype=torch.bool)
            video = model.video_encoder(model.video_encoder.embed(frames, seen), seen)
            text = model.text_encoder(tokens, torch.ones_like(tokens, dtype=torch.bool))
            words = model.text_projection(text.states)[0]
            alone = losses.get("fine_frames") == "alone"
            states = model.frame_projection(frames)[0] if alone else video.states[0]
            sides.append((unit(states, dim=-1), unit(words, dim=-1)))
            if losses.get("coarse") in ("infonce", "sigmoid"):
                vectors.append((model.contrastive_video(video.pooled)[0], model.contrastive_text(text.pooled)[0]))
            elif matching:
                vectors.append((video.pooled[0], text.pooled[0]))
            else:
                vectors.append(((states if alone else states[1:]).mean(dim=0), words.mean(dim=0)))
        given = embed(model, task.losses, batch.frames, batch.frame_mask, batch.own_tokens, batch.own_token_mask)
    expected = {}
    if matching:
        expected["correct"] = (out.matching_logits > 0) == batch.is_match
    if losses.get("mask", True):
        sums = {name: torch.zeros(6) for name in ("masked_error", "neighbour_mean", "neighbour_nearest")}
        frames_counted = torch.zeros(6)
        for row in range(6):
            index = batch.masked_index[row].tolist()
            for place, frame in enumerate(index):
                copied = naive_neighbours(batch.frames[row], batch.frame_mask[row], index, frame)
                if copied is None or not batch.masked_counted[row, place]:
                    continue
                frames_counted[row] += 1
                for name, guess in zip(sums, (out.recovered[row, place], *copied), strict=True):
                    sums[name][row] += ((guess - batch.frames[row, frame]) ** 2).mean()
        assert frames_counted.max() >= 2
        assert frames_counted[0] == 0
        expected.update(sums, masked_frames=frames_counted)
    if losses.get("coarse") != "none" or fine != "none":
        for name, side, whole in zip(("video", "text"), zip(*vectors, strict=True), given, strict=True):
            expected[name] = torch.stack(side)
            torch.testing.assert_close(whole, expected[name], atol=1e-5, rtol=1e-5)

    def measure(states: torch.Tensor, words: torch.Tensor) -> float:
        if fine == "late-interaction":
            return float((words @ states.T).amax(dim=1).mean())
        distances = torch.cdist(states, words)
        return max(float(distances.amin(dim=1).max()), float(distances.amin(dim=0).max()))

    if fine != "none":
        name = fine.replace("-", "_")
        expected[f"{name}_matched"] = torch.tensor([measure(*side) for side in sides])
        expected[f"{name}_mismatched"] = torch.tensor(
            [measure(sides[row][0], sides[(row + 1) % 6][1]) for row in range(6)]
        )
    assert set(found) == set(expected)
    for name, column in expected.items():
        torch.testing.assert_close(found[name].double(), column.double(), atol=1e-4, rtol=1e-4, msg=name)


def test_pairs_are_scored_as_they_were_trained() -> None:
    video, text = torch.randn(3, 16), torch.randn(3, 12)
    task = tiny_task(6).eval()
    head = task.model.matching_head
    with torch.no_grad():
        expected = torch.stack([torch.stack([head(t[None], v[None])[0] for t in text]) for v in video])
    found = pair_scorer(task.model, task.losses)(video, text)
    assert not found.requires_grad
    torch.testing.assert_close(found, expected)
    for losses in OBJECTIVES[1:]:
        other = tiny_task(6, **losses)
        scorer = pair_scorer(other.model, other.losses)
        assert scorer is (None if losses == OBJECTIVES[-1] else cosine_scores)
