"""The official SSPVS checkpoint: where its tensors live here, and the sizes that are read from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sspvs.errors import CheckpointError
from sspvs.models.layers import SinusoidalPositions
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.tasks.checkpoint import OFFICIAL_PREFIX as PREFIX

_LAYER = {
    "self_attn.in_proj_weight": "attention.in_projection.weight",
    "self_attn.in_proj_bias": "attention.in_projection.bias",
    "self_attn.out_proj.weight": "attention.out_projection.weight",
    "self_attn.out_proj.bias": "attention.out_projection.bias",
}
_PREFIXES = {
    "transformer_encoder.layers.": "video_encoder.transformer.layers.",
    "transformer_encoder_naive.layers.": "mask_head.local_transformer.layers.",
    "prob_dist.": "mask_head.mixing.",
    "video_decoder.": "mask_head.global_decoder.",
    "video_decoder_naive.": "mask_head.local_decoder.",
    "vid_cls_decoder.": "video_encoder.pooler.",
    "project_t_v.": "text_projection.",
    "classifier.": "matching_head.layers.",
    "bert_embeddings.": "text_encoder.model.embeddings.",
    "bert_encoder.": "text_encoder.model.encoder.",
    "bert_pooler.": "text_encoder.model.pooler.",
}
_NOT_WEIGHTS = re.compile(r"(^pos_encoder\.pe|position_ids|token_type_ids)$")  # tables that are computed
_STAGE = re.compile(r"^score_predict\.(\d+)\.1\.(weight|bias)$")
_STAGES = "head.stages."
_VECTORS = {"v_cls.weight": "video_encoder.cls", "v_mask.weight": "mask_vector"}
_BERT_HEAD = 64  # of every published BERT size
_ENCODER = "transformer_encoder.layers."
_BERT_LAYER = "bert_encoder.layer."


@dataclass
class Translated:
    """An official state dict under the names used here."""

    pretrain: dict[str, Tensor] = field(default_factory=dict)
    stages: dict[str, Tensor] = field(default_factory=dict)
    computed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    official: dict[str, str] = field(default_factory=dict)


def translate(state: Mapping[str, Tensor]) -> Translated:
    """Sort an official state dict's tensors, with or without the prefix, under our names."""
    out = Translated()
    for full_name, tensor in state.items():
        name = full_name.removeprefix(PREFIX)
        ours = _our_name(name)
        if _NOT_WEIGHTS.search(name):
            out.computed.append(full_name)
        elif ours is None:
            out.unknown.append(full_name)
        else:
            place = out.stages if ours.startswith(_STAGES) else out.pretrain
            place[ours] = tensor.reshape(-1) if name in _VECTORS else tensor
            out.official[ours] = full_name
    return out


def lacking_parts(translated: Translated) -> list[str]:
    """The parts of the pretraining model that a checkpoint has nothing of, as official names begin."""
    return [
        PREFIX + theirs
        for theirs, ours in _PREFIXES.items()
        if not any(name.startswith(ours) for name in translated.pretrain)
    ]


def official_name(ours: str) -> str:
    """The official name of `PretrainModel`'s or `Summarizer`'s parameter, with the prefix; `?` before what has none."""
    if ours.startswith(_STAGES):
        number, _, part = ours.removeprefix(_STAGES).partition(".")
        return f"{PREFIX}score_predict.{number}.1.{part}"
    for theirs, vector in _VECTORS.items():
        if ours == vector:
            return PREFIX + theirs
    back = {value: key for key, value in _LAYER.items()}
    for theirs, beginning in _PREFIXES.items():
        if ours.startswith(beginning):
            return PREFIX + theirs + _rest(theirs, ours.removeprefix(beginning), back)
    return f"?{ours}"


def _our_name(name: str) -> str | None:
    if stage := _STAGE.match(name):
        return f"{_STAGES}{stage[1]}.{stage[2]}"
    if name in _VECTORS:
        return _VECTORS[name]
    for theirs, ours in _PREFIXES.items():
        if name.startswith(theirs):
            return ours + _rest(theirs, name.removeprefix(theirs), _LAYER)
    return None


def _rest(theirs: str, rest: str, names: Mapping[str, str]) -> str:
    """What follows a prefix, renamed within Transformer layers."""
    if not theirs.startswith("transformer"):
        return rest
    number, _, inner = rest.partition(".")
    return f"{number}.{names.get(inner, inner)}"


def infer_video(state: Mapping[str, Tensor], *, num_heads: int | None, position_weight: float) -> VideoEncoderSettings:
    """The video tower's sizes from official tensors; 8 heads when D is 1024, as published, and `num_heads` is None."""
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

    One head for each 64 of its width by default.
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
    """Check the stored table of positions against the computed one; returns a sentence for the report."""
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
