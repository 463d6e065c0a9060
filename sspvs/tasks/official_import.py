"""The official SSPVS checkpoint as folders of ours: pretraining, or the summarizer of a fine-tuned one.

Its tensors are sorted under the names used here, and sizes are read from their shapes.
"""

import json
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sspvs.atomic import made_folder, together, write_text
from sspvs.errors import CheckpointError, OutputError
from sspvs.files import read_json
from sspvs.models.layers import SinusoidalPositions
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.summarizer import SummarizerSettings
from sspvs.overwriting import refuse_inputs
from sspvs.table.text import TextSettings
from sspvs.tasks.checkpoint import CONFIG, OFFICIAL, PRETRAINING, WEIGHTS, Checkpoint
from sspvs.tasks.checkpoint import OFFICIAL_PREFIX as PREFIX
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.settings import FineTuneOptimSettings, OptimSettings
from sspvs.tasks.summarize import SummarizeTask

REPORT = "import_report.json"
TextGuidance = Literal["none", "added"]
"""Whether a fine-tuned checkpoint's text is used: the file does not tell whether it was trained with it."""
TextOf = Literal["summe", "tvsum"]
"""The dataset that a checkpoint was fine-tuned on with text, which decides how text is laid out."""
_AS_RELEASED: dict[str, Any] = {"description": None, "padding_counts": True, "cut": "first", "whole": True}
TEXT_OF: Mapping[TextOf, TextSettings] = {
    "summe": TextSettings(category=1, query=3, title=1, **_AS_RELEASED),
    "tvsum": TextSettings(category=1, query=3, title=10, **_AS_RELEASED),
}
"""Published lengths; on TVSum each video's title stands in the query's place."""
_PRETRAINED_WITH = OptimSettings(name="adam", lr=1e-6, weight_decay=0.0, schedule="constant")
_FINE_TUNED_WITH = FineTuneOptimSettings(name="adam", lr=1e-4, weight_decay=0.0, schedule="constant")
_LAYER = {"self_attn.in_proj_": "attention.in_projection.", "self_attn.out_proj.": "attention.out_projection."}
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
_POOLER = "video_encoder.pooler."  # the summarizer has one and does not use it
_BERT_HEAD = 64  # of every published BERT size
_ENCODER = "transformer_encoder.layers."
_BERT_LAYER = "bert_encoder.layer."


@dataclass
class Translated:
    """An official state dict under the names used here."""

    pretrain: dict[str, Tensor] = field(default_factory=dict)
    stages: dict[str, Tensor] = field(default_factory=dict)
    computed: list[str] = field(default_factory=list)  # official names, like the next
    unknown: list[str] = field(default_factory=list)
    official: dict[str, str] = field(default_factory=dict)  # name here -> official name


def translate(state: Mapping[str, Tensor]) -> Translated:
    """Sort an official state dict's tensors, with or without the prefix, under our names."""
    out = Translated()
    for full_name, tensor in state.items():
        name = full_name.removeprefix(PREFIX)
        stage = _STAGE.match(name)
        ours = f"{_STAGES}{stage[1]}.{stage[2]}" if stage else _renamed(name, _PREFIXES | _VECTORS, _LAYER)
        if _NOT_WEIGHTS.search(name):
            out.computed.append(full_name)
        elif ours is None:
            out.unknown.append(full_name)
        else:
            place = out.stages if ours.startswith(_STAGES) else out.pretrain
            place[ours] = tensor.reshape(-1) if name in _VECTORS else tensor
            out.official[ours] = full_name
    return out


def official_name(ours: str) -> str:
    """The official name of `PretrainModel`'s or `Summarizer`'s parameter, with the prefix; `?` before what has none."""
    if ours.startswith(_STAGES):
        number, _, part = ours.removeprefix(_STAGES).partition(".")
        return f"{PREFIX}score_predict.{number}.1.{part}"
    backwards = ({here: official for official, here in names.items()} for names in (_PREFIXES | _VECTORS, _LAYER))
    theirs = _renamed(ours, *backwards)
    return f"?{ours}" if theirs is None else PREFIX + theirs


def _renamed(name: str, beginnings: Mapping[str, str], parts: Mapping[str, str]) -> str | None:
    """A name with its beginning and its parts in the other spelling; None where it begins with none of them."""
    for old, new in beginnings.items():
        if name.startswith(old):
            name = new + name.removeprefix(old)
            for part, other in parts.items():
                name = name.replace(part, other)
            return name
    return None


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
    """The BERT's sizes, by default a head for each 64 of its width; like the original it attends to padding."""
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


def pretraining_task(
    translated: Translated, video: VideoEncoderSettings, text: TextEncoderSettings, path: Path
) -> PretrainTask:
    """The pretraining model, whole; refused where tensors are missing or have other shapes."""
    refuse_missing_parts(translated, path)
    task = PretrainTask(video, text, optim=_PRETRAINED_WITH)
    _take_over(task.model, translated, path)
    return task


def summarizer_task(
    translated: Translated, video: VideoEncoderSettings, summarizer: SummarizerSettings, text: TextEncoderSettings,
    text_of: TextOf, path: Path,
) -> SummarizeTask:  # fmt: skip
    """The summarizer, whole; of the video tower the pooler, which it does not use, may be missing and is zero then."""
    task = SummarizeTask(
        video, summarizer, text, TEXT_OF[text_of], title_as_query=text_of == "tvsum", optim=_FINE_TUNED_WITH
    )
    pooler = [name for name in task.model.state_dict() if name.startswith(_POOLER)]
    unused = pooler if not any(name in translated.pretrain for name in pooler) else []
    for name in unused:
        task.model.get_parameter(name).detach().zero_()
    _take_over(task.model, translated, path, dispensable=unused)
    return task


def refuse_missing_parts(translated: Translated, path: Path) -> None:
    """Refuse a checkpoint that lacks whole parts of the pretraining model, before it is built."""
    names = tuple(translated.pretrain)
    if lacking := [theirs for theirs, ours in _PREFIXES.items() if not any(name.startswith(ours) for name in names)]:
        raise CheckpointError(f"{path}: lacks all tensors of {', '.join(f'{PREFIX}{part}*' for part in lacking)}")


def count_stages(translated: Translated, path: Path) -> int:
    """How many stage heads there are; refused where one is not whole, or their numbers have gaps."""
    numbers = {name.split(".")[2] for name in translated.stages}  # head.stages.{i}.{part}
    whole = {f"head.stages.{number}.{part}" for number in range(len(numbers)) for part in ("weight", "bias")}
    if whole != set(translated.stages):
        lacking = sorted(map(official_name, whole - set(translated.stages)))
        raise CheckpointError(f"{path}: stage heads are not whole: lacks {', '.join(lacking)}")
    return len(numbers)


def _take_over(model: nn.Module, translated: Translated, path: Path, dispensable: Collection[str] = ()) -> None:
    """Load every weight of the model but the dispensable ones, or refuse with official names."""
    given = {**translated.pretrain, **translated.stages}
    wanted = {name: tensor for name, tensor in model.state_dict().items() if name not in dispensable}
    missing = sorted(set(wanted) - set(given))
    if missing:
        raise CheckpointError(
            f"{path}: lacks {len(missing)} of the {len(wanted)} tensors of the model: "
            f"{', '.join(map(official_name, missing[:8]))}{' and more' if len(missing) > 8 else ''}"
        )
    wrong = [
        f"{translated.official[name]} is {tuple(given[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if given[name].shape != tensor.shape
    ]
    if wrong:
        raise CheckpointError(f"{path}: {len(wrong)} tensors have wrong shapes: {'; '.join(wrong[:4])}")
    model.load_state_dict({name: given[name] for name in wanted}, strict=False)


@dataclass(frozen=True)
class ImportReport:
    """The result of an import."""

    source: str
    loaded: int  # how many tensors were taken over
    computed: tuple[str, ...]  # official names of tables that are computed here
    unknown: tuple[str, ...]  # official names that nothing here corresponds to, left behind
    unused: tuple[str, ...]  # official names of a pretraining model that is not whole, left behind
    num_stages: int  # stage heads of a fine-tuned checkpoint; 0 of pretraining
    text_guidance: TextGuidance
    settings: dict[str, Any]  # of both towers, as inferred
    options: dict[str, Any]  # the original's own
    notes: tuple[str, ...]  # sentences for the user


def import_official(
    path: Path,
    out: Path,
    *,
    num_heads: int | None = None,
    text_num_heads: int | None = None,
    text_guidance: TextGuidance = "none",
    text_of: TextOf = "tvsum",
) -> ImportReport:
    """Import an official checkpoint as a folder of `PretrainTask` or, with stage heads, of `SummarizeTask`.

    The latter has the pretraining model within it, as `pretraining`, when the file has all of its tensors.
    """
    _refuse_foreign(out, path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected the official checkpoint (pretrained_model.ckpt)")
    official = Checkpoint.open(path, (OFFICIAL,))
    translated = translate(official.state)
    stages = count_stages(translated, path)
    if text_guidance != "none" and not stages:
        raise ValueError(
            f"--text-guidance {text_guidance}: {path} has no stage heads (score_predict.*) that text could guide; it "
            "is a checkpoint of pretraining"
        )
    video = infer_video(official.state, num_heads=num_heads, position_weight=0.1 if stages else 1.0)
    notes = [check_positions(official.state)]
    pretraining: PretrainTask | None = None
    summarizer: SummarizeTask | None = None
    text: TextEncoderSettings | None = None
    if stages:
        notes.append(f"fine-tuned checkpoint: {stages} stages, positions weigh {video.position_weight}")
    try:
        if stages:  # may be without the pretraining model
            refuse_missing_parts(translated, path)
        text = infer_text(official.state, num_heads=text_num_heads)
        pretraining = pretraining_task(translated, video, text, path)
    except CheckpointError as error:
        if not stages:
            raise
        notes.append(f"no pretraining model beside the summarizer: {str(error).removeprefix(f'{path}: ')}")
    if stages:
        if pretraining is not None:
            notes.append(f"the pretraining model in it is whole: it lies in {PRETRAINING}/")
        if text_guidance != "none":
            text = infer_text(official.state, num_heads=text_num_heads) if text is None else text
            notes.append(_layout(text_of))
        else:
            notes.append(
                "no text guidance; with --text-guidance added the text is added to the first stage, as published"
            )
        settings = SummarizerSettings(num_stages=stages, dropout=0.1, text_guidance=text_guidance)
        summarizer = summarizer_task(translated, video, settings, text or TextEncoderSettings(), text_of, path)
    used = {name for task in (pretraining, summarizer) if task is not None for name in task.model.state_dict()}
    given = {*translated.pretrain, *translated.stages}
    left = sorted(translated.official[name] for name in given - used)
    unknown = sorted([*translated.unknown, *(left if pretraining is not None else [])])
    if unknown:
        notes.append(f"{len(unknown)} tensors correspond to nothing here and were left behind")
    report = ImportReport(
        source=path.name,
        loaded=len(given & used),
        computed=tuple(sorted(translated.computed)),
        unknown=tuple(unknown),
        unused=() if pretraining is not None else tuple(left),
        num_stages=stages,
        text_guidance=text_guidance,
        settings={"video": asdict(video), "text": None if text is None else asdict(text)},
        options=official.settings,
        notes=tuple(notes),
    )
    _write(out, pretraining, summarizer, report)
    return report


def _layout(text_of: TextOf) -> str:
    category, query, title, _ = TEXT_OF[text_of].lengths
    other = "summe" if text_of == "tvsum" else "tvsum"
    placed = "a title in the query's place" if text_of == "tvsum" else "a video's name as the query"
    return (
        f"text as published for {text_of}: {category}, {query} and {title} tokens of category, query and title, "
        f"{placed}; --text-of {other} for a checkpoint of {other}"
    )


def _refuse_foreign(out: Path, path: Path) -> None:
    """Leave a folder alone that has files of the names of ours without being a checkpoint folder of ours."""
    for folder in (out, out / PRETRAINING):
        files = [folder / name for name in (CONFIG, WEIGHTS, REPORT)]
        refuse_inputs(files, [path])
        found = [file for file in files if os.path.lexists(file)]
        if found and not _is_ours(folder / CONFIG):
            raise OutputError(
                f"cannot write {found[0]}: it exists and is not part of an sspvs checkpoint; choose another --out"
            )


def _is_ours(config: Path) -> bool:
    with suppress(OSError, ValueError):
        known = read_json(config)
        return isinstance(known, dict) and str(known.get("kind", "")).startswith("sspvs.")
    return False


def _write(out: Path, pretraining: PretrainTask | None, summarizer: SummarizeTask | None, report: ImportReport) -> None:
    """Both folders and the report, or none of them; nothing of an earlier import of another kind stays."""
    inner = out / PRETRAINING
    with made_folder(out), together():
        if pretraining is not None:
            pretraining.save_pretrained(out if summarizer is None else inner)
        if summarizer is not None:
            summarizer.save_pretrained(out)
        write_text(out / REPORT, json.dumps(asdict(report), indent=2) + "\n")
    if summarizer is None or pretraining is None:
        for name in (CONFIG, WEIGHTS):  # without its config a folder is no checkpoint
            with suppress(FileNotFoundError, NotADirectoryError):
                (inner / name).unlink()
        with suppress(OSError):  # it is not there, or holds what is not ours
            inner.rmdir()
