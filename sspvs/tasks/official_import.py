"""Turns the official SSPVS checkpoint into a checkpoint folder of ours."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from sspvs.atomic import atomic_file, write_text
from sspvs.errors import CheckpointError
from sspvs.tasks.official_checkpoint import read_official
from sspvs.tasks.official_names import Translated, official_name, translate
from sspvs.tasks.official_sizes import check_positions, infer_text, infer_video
from sspvs.tasks.pretrain import PretrainTask
from sspvs.tasks.settings import OptimSettings

REPORT, STAGES = "import_report.json", "stages.safetensors"

_log = logging.getLogger(__name__)
_PUBLISHED_OPTIM = OptimSettings(name="adam", lr=1e-6, weight_decay=0.0, schedule="constant")


@dataclass(frozen=True)
class ImportReport:
    """What became of an official checkpoint.

    Attributes:
        source: The file.
        loaded: How many tensors were taken over.
        computed: Official names of tables that are computed here.
        unknown: Official names that nothing here corresponds to, left behind.
        num_stages: Stage heads of a fine-tuned checkpoint, kept beside the model for the summarizer.
        settings: Of both towers, as inferred.
        options: The original's own options, for reading.
        notes: Sentences for the user.
    """

    source: str
    loaded: int
    computed: tuple[str, ...]
    unknown: tuple[str, ...]
    num_stages: int
    settings: dict[str, Any]
    options: dict[str, Any]
    notes: tuple[str, ...]


def import_official(
    path: Path, out: Path, *, num_heads: int | None = None, text_num_heads: int | None = None
) -> ImportReport:
    """Read an official checkpoint and write a folder that `PretrainTask.from_pretrained` reads.

    Args:
        path: The official file.
        out: The folder; made where it is missing.
        num_heads: Attention heads of the video tower, where the width is not the published one.
        text_num_heads: Attention heads of BERT, where its width is no multiple of 64.

    Raises:
        CheckpointError: The file is not to be trusted, cut short, no official checkpoint, or lacks tensors.
        ValueError: Heads are needed and not given, or do not fit.
        OutputError: The folder cannot be written to.
    """
    official = read_official(path)
    translated = translate(official.state)
    stages = _num_stages(translated, path)
    weight = 0.1 if stages else 1.0
    video = infer_video(official.state, num_heads=num_heads, position_weight=weight)
    text = infer_text(official.state, num_heads=text_num_heads)
    notes = [check_positions(official.state)]
    task = PretrainTask(video, text, optim=_PUBLISHED_OPTIM)
    _take_over(task, translated, path)
    if stages:
        notes.append(
            f"fine-tuned checkpoint: {stages} stage heads kept in {STAGES} for the summarizer; positions weigh 0.1"
        )
    if translated.unknown:
        notes.append(f"{len(translated.unknown)} tensors correspond to nothing here and were left behind")
    report = ImportReport(
        source=path.name,
        loaded=len(translated.pretrain),
        computed=tuple(sorted(translated.computed)),
        unknown=tuple(sorted(translated.unknown)),
        num_stages=stages,
        settings={"video": asdict(video), "text": asdict(text)},
        options=official.options,
        notes=tuple(notes),
    )
    task.save_pretrained(out)
    _write_beside(out, report, translated.stages)
    return report


def _take_over(task: PretrainTask, translated: Translated, path: Path) -> None:
    """Load every weight of the model, or refuse with official names."""
    wanted = task.model.state_dict()
    given = {name: tensor for name, tensor in translated.pretrain.items() if name in wanted}
    for name in sorted(set(translated.pretrain) - set(given)):
        translated.unknown.append(translated.official[name])
        del translated.pretrain[name]
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
    task.model.load_state_dict(given)


def _num_stages(translated: Translated, path: Path) -> int:
    """How many whole stage heads there are."""
    numbers = {int(name.split(".")[0]) for name in translated.stages}
    stages = len(numbers)
    whole = {f"{number}.{part}" for number in range(stages) for part in ("weight", "bias")}
    if whole != set(translated.stages):
        raise CheckpointError(
            f"{path}: stage heads are not whole: lacks score_predict of {sorted(whole - set(translated.stages))}"
        )
    return stages


def _write_beside(out: Path, report: ImportReport, stages: dict[str, Tensor]) -> None:
    from safetensors.torch import save_file

    if stages:
        with atomic_file(out / STAGES) as temporary:
            save_file({name: tensor.clone().contiguous() for name, tensor in stages.items()}, temporary)
    else:
        (out / STAGES).unlink(missing_ok=True)  # of an earlier import into the same folder
    write_text(out / REPORT, json.dumps(asdict(report), indent=2) + "\n")
