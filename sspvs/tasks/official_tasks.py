"""The tasks that an official checkpoint's tensors are enough for: pretraining, the summarizer of a fine-tuned one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from torch import nn

from sspvs.data.text import TextSettings
from sspvs.errors import CheckpointError
from sspvs.models.settings import SummarizerSettings, TextEncoderSettings, VideoEncoderSettings
from sspvs.tasks.official_names import Translated, lacking_parts, official_name
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.settings import FineTuneOptimSettings, OptimSettings
from sspvs.tasks.summarize import SummarizeTask

_PRETRAINED_WITH = OptimSettings(name="adam", lr=1e-6, weight_decay=0.0, schedule="constant")
_FINE_TUNED_WITH = FineTuneOptimSettings(name="adam", lr=1e-4, weight_decay=0.0, schedule="constant")
TextOf = Literal["summe", "tvsum"]
"""The dataset that a checkpoint was fine-tuned on with text, which decides how text is laid out."""
TEXT_OF: Mapping[TextOf, TextSettings] = {
    "summe": TextSettings(category=1, query=3, title=1, description=0),
    "tvsum": TextSettings(category=1, query=3, title=10, description=0),
}
"""Published lengths; on TVSum each video's title stands in the query's place."""
_POOLER = "video_encoder.pooler."  # the summarizer has one and does not use it


def pretraining_task(
    translated: Translated, video: VideoEncoderSettings, text: TextEncoderSettings, path: Path
) -> PretrainTask:
    """The pretraining model, whole.

    Raises:
        CheckpointError: Tensors are missing or have other shapes.
    """
    refuse_missing_parts(translated, path)
    task = PretrainTask(video, text, optim=_PRETRAINED_WITH)
    _take_over(task.model, translated, path)
    return task


def summarizer_task(
    translated: Translated, video: VideoEncoderSettings, summarizer: SummarizerSettings, text: TextEncoderSettings,
    text_of: TextOf, path: Path,
) -> SummarizeTask:  # fmt: skip
    """The summarizer, whole; of the video tower the pooler, which it does not use, may be missing and is zero then.

    Raises:
        CheckpointError: Tensors are missing or have other shapes.
    """
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
    """Say at once when whole parts of the pretraining model are not there, before it is built.

    Raises:
        CheckpointError: With the parts.
    """
    lacking = lacking_parts(translated)
    if lacking:
        raise CheckpointError(f"{path}: lacks all tensors of {', '.join(f'{part}*' for part in lacking)}")


def count_stages(translated: Translated, path: Path) -> int:
    """How many stage heads there are.

    Raises:
        CheckpointError: One is not whole, or their numbers have gaps.
    """
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
