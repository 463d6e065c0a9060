"""sspvs: from a raw video to a summary one can watch, and to an evaluation one can cite.

The house, in the order in which data walks through it:

    video/        open, sample and cut video files                  (decord, PyAV; one interface)
    features/     frames -> features: named backbones, extraction, the h5 store with its fingerprint
    importance/   features -> scores, without training: local dissimilarity, global consistency
    selection/    scores -> shots -> summary: KTS, knapsack, key frames              (numpy only)
    evaluation/   scores and summaries against what people chose, under named protocols  (numpy and scipy only)
    data/         annotations, splits, file formats of others -> one dataset file; pairs, folds, clips -> batches
    models/       the towers and their heads, the refiner; losses/ what they are trained on
    tasks/        models and losses as LightningModules; checkpoints in and out
    training/     a training run: its folder, logs, samples, restarts
    scorers/      what scores frames, behind one interface: contrastive importance, free or refined, and summarizers
    export/       a summarizer or a refiner for others: ONNX, a model card, the Hugging Face hub
    report/       plots, the interactive HTML pages, tables, JSON, CSV, edit lists
    output.py     a summary's files, written together or not at all
    pipeline/     summarize(video): from a video to a summary, once through
    benchmark/    evaluate(dataset, scores): from files to an evaluation one can cite
    crossval/     cross_validate(config): every fold trained and tested under several seeds, one table
    demo/         the whole line on painted pictures: pretrain, fine-tune, compare, summarise
    commands/     one file a verb of the command line; cli.py is the table of them

Imports go one way, from a layer to the ones above it in this list, and `tests/test_imports.py` keeps it so:

    0  errors, files, types                               (what a file really is; what crosses folders)
    1  atomic, machine, overwriting, sharing, version, weights   (whole files; what may be replaced; what others read)
    2  video, selection, importance, models, losses       (these never import each other)
    3  features, evaluation
    4  data
    5  report, tasks
    6  output, training, scorers, export
    7  pipeline, benchmark
    8  crossval
    9  demo
    10 commands
    11 cli

`import sspvs` is light: torch, decoders and plotting are loaded by the call that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sspvs.lazy import attach

if TYPE_CHECKING:
    from sspvs.benchmark import evaluate
    from sspvs.crossval import cross_validate
    from sspvs.evaluation.f_score import f_score
    from sspvs.features.backbones import load_backbone
    from sspvs.importance.contrastive import contrastive_importance
    from sspvs.pipeline import VideoSummary, summarize
    from sspvs.scorers import load_scorer
    from sspvs.table import read_dataset, read_features

    __version__: str

__all__ = [
    "VideoSummary",
    "__version__",
    "contrastive_importance",
    "cross_validate",
    "evaluate",
    "f_score",
    "load_backbone",
    "load_scorer",
    "read_dataset",
    "read_features",
    "summarize",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "VideoSummary": "pipeline",
        "__version__": "machine",
        "contrastive_importance": "importance.contrastive",
        "cross_validate": "crossval",
        "evaluate": "benchmark",
        "f_score": "evaluation.f_score",
        "load_backbone": "features.backbones",
        "load_scorer": "scorers",
        "read_dataset": "table",
        "read_features": "table",
        "summarize": "pipeline",
    },
)
