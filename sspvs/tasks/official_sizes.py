"""Infers the sizes of both towers from the official checkpoint's tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sspvs.errors import CheckpointError
from sspvs.models.layers import SinusoidalPositions
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.tasks.official_names import PREFIX

_BERT_HEAD = 64  # of every published BERT size
_ENCODER = "transformer_encoder.layers."
_BERT_LAYER = "bert_encoder.layer."


def infer_video(state: Mapping[str, Tensor], *, num_heads: int | None, position_weight: float) -> VideoEncoderSettings:
    """The video tower's sizes.

    Args:
        state: Official tensors, with the prefix.
        num_heads: Attention heads; tensors do not tell. None: 8 when D is 1024, as published.
        position_weight: Factor of the positions.

    Raises:
        CheckpointError: The tensors that tell are missing or have other ranks.
        ValueError: `num_heads` is needed, or does not divide D.
    """
    dim = _shape(state, "v_cls.weight", 2)[1]
    if num_heads is None:
        if dim != 1024:
            raise ValueError(f"the width is {dim}, not the published 1024: say how many attention heads (--num-heads)")
        num_heads = 8
    if num_heads < 1 or dim % num_heads:
        raise ValueError(f"--num-heads {num_heads} does not divide the width {dim}")
    decoder = "video_decoder.0.weight"  # a fine-tuned checkpoint may be without; its features go in as they are
    return VideoEncoderSettings(
        feature_dim=_shape(state, decoder, 2)[0] if PREFIX + decoder in state else dim,
        embed_dim=dim,
        num_heads=num_heads,
        num_layers=_count(state, _ENCODER),
        feedforward_dim=_shape(state, f"{_ENCODER}0.linear1.weight", 2)[0],
        dropout=0.1,
        position_weight=position_weight,
    )


def infer_text(state: Mapping[str, Tensor], *, num_heads: int | None) -> TextEncoderSettings:
    """The BERT's sizes; it attends to its padding, as the original does.

    Args:
        state: Official tensors, with the prefix.
        num_heads: Attention heads; None: one for each 64 of its width, as in every published BERT.

    Raises:
        CheckpointError: The tensors that tell are missing or have other ranks.
        ValueError: `num_heads` is needed, or does not divide the width.
    """
    vocabulary, width = _shape(state, "bert_embeddings.word_embeddings.weight", 2)
    if num_heads is None:
        if width % _BERT_HEAD:
            raise ValueError(f"BERT's width {width} is no multiple of {_BERT_HEAD}: say its heads (--text-num-heads)")
        num_heads = width // _BERT_HEAD
    if num_heads < 1 or width % num_heads:
        raise ValueError(f"--text-num-heads {num_heads} does not divide BERT's width {width}")
    sizes: dict[str, Any] = {
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": _count(state, _BERT_LAYER),
        "num_attention_heads": num_heads,
        "intermediate_size": _shape(state, f"{_BERT_LAYER}0.intermediate.dense.weight", 2)[0],
        "max_position_embeddings": _shape(state, "bert_embeddings.position_embeddings.weight", 2)[0],
        "type_vocab_size": _shape(state, "bert_embeddings.token_type_embeddings.weight", 2)[0],
    }
    return TextEncoderSettings(encoder="bert-base-uncased", config=sizes, attend_padding=True)


def check_positions(state: Mapping[str, Tensor]) -> str:
    """Hold the stored table of positions against the one that is computed here.

    Returns:
        A sentence for the report.

    Raises:
        CheckpointError: They differ: the weights were trained on other positions.
    """
    table = state.get(f"{PREFIX}pos_encoder.pe")
    if table is None:
        return "no table of positions in the checkpoint; sinusoidal ones are computed"
    dim = _shape(state, "v_cls.weight", 2)[1]
    stored = table.reshape(-1, table.shape[-1])
    if stored.shape[-1] != dim:
        raise CheckpointError(f"pos_encoder.pe is {tuple(table.shape)}; expected (positions, 1, {dim})")
    ours = SinusoidalPositions(dim).table(len(stored))
    largest = float((stored - ours).abs().max())
    # An angle of 5000 radians has a float32 step of 5e-4.
    if largest > 2e-3 or not torch.isfinite(stored).all():
        raise CheckpointError(
            f"pos_encoder.pe differs from sinusoidal positions by up to {largest:.3g}; this checkpoint was trained on "
            "positions of another kind"
        )
    return f"positions equal the stored table to {largest:.1e}"


def _shape(state: Mapping[str, Tensor], name: str, rank: int) -> tuple[int, ...]:
    tensor = state.get(PREFIX + name)
    if tensor is None:
        raise CheckpointError(f"the checkpoint lacks {PREFIX}{name}, which tells a size")
    if tensor.ndim != rank or not tensor.numel():
        raise CheckpointError(f"{PREFIX}{name} is {tuple(tensor.shape)}; expected {rank} axes, none of them empty")
    return tuple(tensor.shape)


def _count(state: Mapping[str, Tensor], before: str) -> int:
    """How many layers are numbered after a name's beginning."""
    pattern = re.compile(re.escape(PREFIX + before) + r"(\d+)\.")
    numbers = {int(found[1]) for found in map(pattern.match, state) if found}
    if not numbers:
        raise CheckpointError(f"the checkpoint has no layers {PREFIX}{before}*")
    gaps = sorted(set(range(len(numbers))) - numbers)
    if gaps:
        raise CheckpointError(f"the checkpoint lacks the layers {PREFIX}{before}{gaps}; it has {sorted(numbers)}")
    return len(numbers)
