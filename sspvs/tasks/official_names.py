"""The official SSPVS checkpoint's tensor names, and where each tensor lives here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

PREFIX = "video_model."

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


@dataclass
class Translated:
    """An official state dict under our names.

    Attributes:
        pretrain: For `PretrainModel`; the summarizer has some of them under the same names.
        stages: For the summarizer's stage heads, of a fine-tuned checkpoint: `head.stages.{i}.{weight|bias}`.
        computed: Official names of tables that are computed here.
        unknown: Official names that nothing here corresponds to.
        official: The official names of `pretrain` and `stages`, by ours.
    """

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
        stage = _STAGE.match(name)
        if stage:
            ours = f"{_STAGES}{stage[1]}.{stage[2]}"
            out.stages[ours], out.official[ours] = tensor, full_name
        elif _NOT_WEIGHTS.search(name):
            out.computed.append(full_name)
        elif name in ("v_cls.weight", "v_mask.weight"):
            ours = "video_encoder.cls" if name == "v_cls.weight" else "mask_vector"
            out.pretrain[ours] = tensor.reshape(-1)
            out.official[ours] = full_name
        else:
            ours_or_none = _our_name(name)
            if ours_or_none is None:
                out.unknown.append(full_name)
            else:
                out.pretrain[ours_or_none] = tensor
                out.official[ours_or_none] = full_name
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
    if ours in ("video_encoder.cls", "mask_vector"):
        return PREFIX + ("v_cls.weight" if ours == "video_encoder.cls" else "v_mask.weight")
    for theirs, beginning in _PREFIXES.items():
        if ours.startswith(beginning):
            rest = ours.removeprefix(beginning)
            if theirs.startswith("transformer"):
                number, _, inner = rest.partition(".")
                back = {value: key for key, value in _LAYER.items()}
                rest = f"{number}.{back.get(inner, inner)}"
            return PREFIX + theirs + rest
    return f"?{ours}"


def _our_name(name: str) -> str | None:
    for theirs, ours in _PREFIXES.items():
        if name.startswith(theirs):
            rest = name.removeprefix(theirs)
            number, _, inner = rest.partition(".")
            if theirs.startswith("transformer"):
                rest = f"{number}.{_LAYER.get(inner, inner)}"
            return ours + rest
    return None
