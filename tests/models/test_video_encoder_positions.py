"""Positions beyond the trained length: laid over the trained ones, each video by its own length."""

from __future__ import annotations

import math

import pytest
import torch

from sspvs.models.layers import SinusoidalPositions
from sspvs.models.settings import VideoEncoderSettings
from sspvs.models.video_encoder import VideoEncoder

DIM, TRAINED = 8, 6


def by_hand(length: int) -> list[list[float]]:
    """Position i of a sequence of `length`, which counts as i, or as so much less when the sequence is too long."""
    scale = 1.0 if length <= TRAINED else (TRAINED - 1) / (length - 1)
    rows = []
    for place in range(length):
        angles = [place * scale / 10000.0 ** (column / DIM) for column in range(0, DIM, 2)]
        rows.append([part for angle in angles for part in (math.sin(angle), math.cos(angle))])
    return rows


@pytest.mark.parametrize("length", [1, 2, TRAINED - 1, TRAINED, TRAINED + 1, 3 * TRAINED])
def test_a_long_sequence_is_laid_over_the_trained_positions(length: int) -> None:
    positions = SinusoidalPositions(DIM, trained_length=TRAINED)
    torch.testing.assert_close(positions.table(length), torch.tensor(by_hand(length)), atol=1e-6, rtol=0)


def test_each_video_is_laid_over_them_by_its_own_length() -> None:
    positions = SinusoidalPositions(DIM, trained_length=TRAINED)
    lengths = [20, 9, TRAINED, 2, 1]
    mask = torch.arange(20) < torch.tensor(lengths)[:, None]
    table = positions.table(20, mask=mask)
    for row, length in zip(table, lengths, strict=True):
        torch.testing.assert_close(row[:length], torch.tensor(by_hand(length)), atol=1e-6, rtol=0)


def test_padding_beyond_the_trained_length_changes_nothing() -> None:
    torch.manual_seed(0)
    sizes = {"num_heads": 2, "num_layers": 1, "feedforward_dim": 16, "trained_length": TRAINED}
    tower = VideoEncoder(VideoEncoderSettings(DIM, DIM, **sizes)).eval()
    frames = torch.randn(1, 30, DIM)
    for length in (3, TRAINED, 11):
        mask = torch.arange(30)[None] < length
        padded = tower(frames, mask)
        alone = tower(frames[:, :length], mask[:, :length])
        torch.testing.assert_close(padded.frames[:, :length], alone.frames, atol=1e-6, rtol=0)
        torch.testing.assert_close(padded.pooled, alone.pooled, atol=1e-6, rtol=0)
