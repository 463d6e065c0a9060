"""Every row of the published settings table, with the published split files, from end to end.

The annotations are the real ones. The features are drawn at random, since the real ones are not here: what is scored is
what random scores get.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.official_annotations import read_summe, read_tvsum
from helpers.tiny_pretraining import TEXT, VIDEO

from sspvs.annotations.splits import read_splits
from sspvs.annotations.video_names import short_name
from sspvs.crossval import CrossValidation, cross_validate
from sspvs.table import write_dataset
from sspvs.tasks.pretrain import PretrainTask
from sspvs.types import Annotations, FrameFeatures, Shots

CONFIGS = Path(__file__).parents[2] / "configs" / "finetune"
TESTED = {
    "summe": {"canonical": 25, "augmented": 15, "transfer": 25},
    "tvsum": {"canonical": 50, "augmented": 34, "transfer": 50},
}
"""How many videos each split file tests."""
ROWS = [
    "summe_canonical",
    *(
        pytest.param(row, marks=pytest.mark.slow)
        for row in (
            "summe_canonical_text", "tvsum_canonical", "tvsum_canonical_text", "summe_augmented", "tvsum_augmented",
            "summe_transfer", "tvsum_transfer",
        )
    ),
]  # fmt: skip
OTHERS = ("ovp", "youtube")


@pytest.fixture(scope="module")
def material(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`summe.h5` and `tvsum.h5` with the real annotations, `ovp.h5` and `youtube.h5` drawn; random features in all."""
    folder = tmp_path_factory.mktemp("published")
    datasets = {"summe": read_summe(shared_data), "tvsum": read_tvsum(shared_data)}
    (fold,) = read_splits(shared_data / "splits" / "summe_trans_splits.json").folds
    for name in OTHERS:
        keys = [ref.key for ref in fold.train if short_name(ref.dataset) == name]
        datasets[name] = {key: annotated(key, number) for number, key in enumerate(keys)}
    for place, (name, videos) in enumerate(datasets.items()):
        rows = [(finished(video), features(video, place)) for video in videos.values()]
        write_dataset(folder / f"{name}.h5", rows, name=name, made_by={"source": "test"})
    torch.manual_seed(0)
    PretrainTask(VIDEO, TEXT).save_pretrained(folder / "pretrained")
    return folder


def annotated(key: str, number: int) -> Annotations:
    picks = np.arange(0, 900, 15)
    scores = np.random.default_rng(number).random(len(picks), np.float32)
    return Annotations(key, key, 900, picks, gtscore=scores)


def finished(video: Annotations) -> Annotations:
    """With shots of two seconds, and something written about it."""
    shots = Shots.from_starts(np.arange(0, video.n_frames, 60), video.n_frames)
    return replace(video, shots=shots, title="a dog", category="PK")


def features(video: Annotations, dataset: int) -> FrameFeatures:
    drawn = np.random.default_rng([dataset, video.n_frames]).standard_normal((len(video.picks), 16), np.float32)
    return FrameFeatures(video.video_name, drawn, video.picks, video.n_frames)


def run(row: str, material: Path, shared_data: Path, out: Path) -> CrossValidation:
    """One epoch under one seed, shorter runs of frames than published: seconds."""
    dataset, setting = row.split("_")[:2]
    suffix = {"canonical": "", "augmented": "_aug", "transfer": "_trans"}[setting]
    words = ["--data.dataset", str(material / f"{dataset}.h5"), "--model.pretrained", str(material / "pretrained")]
    words += ["--data.splits", str(shared_data / "splits" / f"{dataset}{suffix}_splits.json")]
    if setting != "canonical":
        others = [other for other in ("summe", "tvsum", "ovp", "youtube") if other != dataset]
        words += [f"--data.others=[{','.join(str(material / f'{other}.h5') for other in others)}]"]
    words += ["--trainer.accelerator", "cpu", "--trainer.max_epochs", "1", "--data.repeats", "1"]
    words += ["--data.max_frames", "100"]
    return cross_validate(CONFIGS / f"{row}.yaml", out, overrides=words, seeds=1, keep="none")


@pytest.mark.parametrize("row", ROWS)
def test_a_published_row(row: str, material: Path, shared_data: Path, tmp_path: Path) -> None:
    found = run(row, material, shared_data, tmp_path / "out")
    dataset, setting = row.split("_")[:2]
    coverage = found.evaluation.coverage
    assert coverage["n_tested"] == TESTED[dataset][setting]
    assert coverage["split_setting"] == setting
    assert ("tested_more_than_once" in coverage) == (setting == "augmented")
    assert len(found.folds) == (1 if setting == "transfer" else 5)
    ours, baselines = found.results["per-user-frames"], found.evaluation.baselines
    assert abs(ours.spreads["kendall_tau"].mean) < 0.05
    assert abs(baselines["random"]["per-user-frames"].spreads["kendall_tau"].mean) < 0.02
    assert baselines["human"]["per-user-frames"].spreads["kendall_tau"].mean > 0.15
    if dataset == "summe":
        random = baselines["random"]["per-user-frames"].spreads["f_score_max"].mean
        assert abs(ours.spreads["f_score_max"].mean - random) < 0.1
    settings = ours.settings
    assert settings["checkpoint_rule"] == "val"
    assert settings["initialised_from"]["kind"] == "sspvs.pretrain"
