"""Examples and batches: what they are made of, and that order, workers and company do not change them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.pair_sets import features_of, pairs_of

from sspvs.data.drawing import MaskSettings
from sspvs.data.loader import Pick
from sspvs.data.pretrain import Example, PretrainDataset, collate
from sspvs.errors import DatasetError
from sspvs.models.tokenizers import load_tokenizer
from sspvs.table.text import TextSettings, assemble_tokens

TOKENIZER = load_tokenizer("small")
LENGTHS = [5, 40, 17, 33, 8, 26, 12]


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory):
    return pairs_of(tmp_path_factory.mktemp("pairs"), LENGTHS)


def same(a: Example, b: Example) -> bool:
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, tuple):
        return all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def test_an_example_is_made_of_its_video(items) -> None:
    dataset = PretrainDataset(items, TOKENIZER, max_frames=20, seed=3)
    seen = set()
    for draw in range(30):
        for number, length in enumerate(LENGTHS):
            example = dataset.example(Pick(draw, number))
            start = int(example.frames[0, 0]) - number * 1000
            stop = start + min(length, 20)
            np.testing.assert_array_equal(example.frames, features_of(number, length)[start:stop])
            assert stop <= length
            assert 0 <= example.masked_index[0] < len(example.frames)
            assert example.own_text is None
            seen.add((number, start))
    assert len({start for number, start in seen if number == 1}) > 10  # of 21
    assert {start for number, start in seen if number == 0} == {0}


def test_texts_are_their_own_or_anothers(items) -> None:
    dataset = PretrainDataset(items, TOKENIZER, text=TextSettings(description=8), seed=1)
    titles = {tuple(TOKENIZER.encode(item.text.title)): number for number, item in enumerate(items)}
    matches = 0
    for draw in range(200):
        given = []
        for number in range(len(items)):
            example = dataset.example(Pick(draw, number))
            whose = titles[tuple(int(token) for token in example.text[0][7:9])]
            assert example.is_match == (whose == number)
            matches += example.is_match
            given += [] if example.is_match else [whose]
        assert len(given) == len(set(given)), "a text given away twice in one draw"
    assert matches / (200 * len(items)) == pytest.approx(0.5, abs=0.04)


def test_never_the_text_of_a_twin(tmp_path: Path) -> None:
    titles = ["A day", "b", "a  DAY", "c", "d"]
    items = pairs_of(tmp_path, [4] * 5, titles=titles)
    dataset = PretrainDataset(items, TOKENIZER, negative_probability=1.0)
    title = {tuple(TOKENIZER.encode(text)): text.casefold().split() for text in titles}
    for draw in range(60):
        for number, own in enumerate(titles):
            example = dataset.example(Pick(draw, number))
            assert not example.is_match
            ids = tuple(int(token) for token in example.text[0][7:12] if token != TOKENIZER.pad_id)
            assert title[ids] != own.casefold().split()


def test_order_does_not_matter(items) -> None:
    """The same draw of a video is the same wherever it stands in the list, in every process."""
    for mode in ("train", "val"):
        first = PretrainDataset(items, TOKENIZER, max_frames=9, mode=mode)  # type: ignore[arg-type]
        second = PretrainDataset(items[::-1], TOKENIZER, max_frames=9, mode=mode)  # type: ignore[arg-type]
        travelled = pickle.loads(pickle.dumps(second))
        for number in range(len(items)):
            example = first.example(Pick(4, number))
            assert same(example, second.example(Pick(4, len(items) - 1 - number)))
            assert same(example, travelled.example(Pick(4, len(items) - 1 - number)))


def test_training_draws_anew_and_validation_does_not(items) -> None:
    train = PretrainDataset(items, TOKENIZER, max_frames=9)
    assert not all(same(train.example(Pick(0, n)), train.example(Pick(1, n))) for n in range(len(items)))
    assert not same(train.example(Pick(0, 1)), PretrainDataset(items, TOKENIZER, max_frames=9, seed=1).example(1))
    val = PretrainDataset(items, TOKENIZER, max_frames=9, mode="val")
    for number, item in enumerate(items):
        example = val.example(Pick(0, number))
        assert same(example, val.example(Pick(5, number)))
        own, own_mask = assemble_tokens(item.text, TOKENIZER, TextSettings())
        np.testing.assert_array_equal(example.own_text[0], own)
        np.testing.assert_array_equal(example.own_text[1], own_mask)
        assert np.array_equal(example.text[0], own) == example.is_match


def test_prediction_takes_all_of_a_video(items) -> None:
    dataset = PretrainDataset(items, TOKENIZER, max_frames=9, mode="predict")
    for number, length in enumerate(LENGTHS):
        example = dataset.example(number)
        assert len(example.frames) == length
        assert len(example.masked_index) == 0
        assert example.is_match


def test_contrastive_losses_get_own_texts(items) -> None:
    dataset = PretrainDataset(items, TOKENIZER, negative_probability=0.0)
    assert all(dataset.example(Pick(draw, n)).is_match for draw in range(9) for n in range(len(items)))


def test_one_text_for_all_is_refused(tmp_path: Path) -> None:
    items = pairs_of(tmp_path, [4] * 3, titles=["same"] * 3)
    with pytest.raises(DatasetError, match="all 3 videos to train on have the same title"):
        PretrainDataset(items, TOKENIZER)
    assert PretrainDataset(items, TOKENIZER, negative_probability=0).example(1).is_match


@pytest.mark.parametrize("how", [{"max_frames": 0}, {"negative_probability": 1.5}])
def test_arguments_out_of_range(items, how: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(how))} must be"):
        PretrainDataset(items, TOKENIZER, **how)  # type: ignore[arg-type]


def test_a_batch_against_a_naive_one(items) -> None:
    dataset = PretrainDataset(
        items, TOKENIZER, masks=MaskSettings("several", 0.2), text=TextSettings(pad_fields=False), mode="val"
    )
    examples = [dataset.example(number) for number in (1, 0, 3, 4)]
    batch = collate(examples)
    most = max(len(example.masked_index) for example in examples)
    assert batch.frames.shape == (4, 40, 6)
    assert batch.frames.dtype == torch.float32
    assert batch.masked_index.shape == (4, most)
    assert batch.ids == ("v01", "v00", "v03", "v04")
    assert batch.own_tokens is not None
    assert batch.own_token_mask is not None
    for row, example in enumerate(examples):
        length, count = len(example.frames), len(example.masked_index)
        np.testing.assert_array_equal(batch.frames[row, :length], example.frames)
        assert not batch.frames[row, length:].any()
        assert batch.frame_mask[row].tolist() == [True] * length + [False] * (40 - length)
        assert batch.masked_index[row, :count].tolist() == example.masked_index.tolist()
        assert batch.masked_counted[row].tolist() == [True] * count + [False] * (most - count)
        assert set(batch.masked_index[row, count:].tolist()) <= {int(example.masked_index[0])}
        for tokens, mask, text in (
            (batch.tokens, batch.token_mask, example.text),
            (batch.own_tokens, batch.own_token_mask, example.own_text),
        ):
            assert text is not None
            given, valid = text
            width = tokens.shape[1]
            np.testing.assert_array_equal(tokens[row], given[:width])
            np.testing.assert_array_equal(mask[row], valid[:width])
            assert not valid[width:].any()
    assert batch.token_mask.any(dim=0)[-1], "a column of nothing but padding is left"
    assert batch.is_match.tolist() == [example.is_match for example in examples]


def test_the_only_frame_of_a_video_is_not_masked(tmp_path: Path) -> None:
    """In a batch with longer videos the place that stands for its masked frame is padding; alone there is none."""
    dataset = PretrainDataset(pairs_of(tmp_path, [1, 2, 3]), TOKENIZER, masks=MaskSettings("several", 0.9))
    batch = collate([dataset.example(number) for number in range(3)])
    hidden = torch.zeros_like(batch.frame_mask).scatter(1, batch.masked_index, value=True) & batch.frame_mask
    assert hidden.sum(dim=1).tolist() == batch.masked_counted.sum(dim=1).tolist() == [0, 1, 1]
    assert collate([dataset.example(0)]).masked_index.shape == (1, 0)


def test_batches_of_prediction(items) -> None:
    dataset = PretrainDataset(items, TOKENIZER, mode="predict")
    batch = collate([dataset.example(n) for n in range(3)])
    assert batch.masked_index.shape == batch.masked_counted.shape == (3, 0)
    assert batch.own_tokens is None
    assert collate(dataset.example(0)).frames.shape == (1, 5, 6)
