"""Summaries of videos: from a raw video to one to watch, and from a method to figures with a named protocol.

Use:

    summarize, extract, score            a video or its features -> a summary, features, importance
    summarize_many                       many videos -> one film
    Summarizer, VideoTextModel           trained models: `from_pretrained`, `score`, `encode_video`, `encode_text`
    evaluate, cross_validate, fit        figures of a method; every fold of a config; a training run
    contrastive_importance, kts, knapsack, kendall_tau, spearman_rho, f_score    the methods as functions of arrays
    KendallTau, SpearmanRho, SummaryF1   the figures as `torchmetrics`
    VideoTable, Video, read_features, read_dataset, PretrainDataset, ...         data and Lightning modules
    load_backbone, list_backbones, load_scorer       frame encoders; what scores frames, behind one interface

The package, in the order in which data passes through it; imports go up this list only (`tests/test_imports.py`):

    errors, registry, lazy; parsing, schema, shown, temporaries, types/; files
    atomic, machine, overwriting, sharing, weights/      whole files; what may be replaced; weights of others
    video/        read, sample and write video files
    selection/    scores -> shots -> summary: KTS, knapsack, key frames
    importance/   features -> scores without training
    models/ losses/     the networks, and what they are trained on
    table/        `Video` and `VideoTable`: features, annotations and text of videos, and the h5 layout
    features/     frames -> features: backbones, extraction
    evaluation/   scores and summaries against those of people, under named protocols; metrics for torchmetrics
    annotations/  annotation files -> dataset files; splits and folds
    formats/      one file for each file format of others: recognise, read, write, inspect
    world/        a synthetic world to learn on, and drawn pictures
    data/         the three Lightning data modules over `VideoTable`
    tasks/        models and losses as Lightning modules; checkpoints
    report/ export/     pages, pictures and tables; ONNX files, model cards, the hub
    training/ scorers/  runs around tasks; what scores frames
    pipeline/ benchmark/    a video to its summary; files to an evaluation
    crossval/ demo/     all folds under several seeds; the whole pipeline on painted pictures
    commands/ cli       the command line

`import sspvs` is light: torch, decoders and plotting are loaded by the call that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sspvs.lazy import attach

if TYPE_CHECKING:
    from sspvs.benchmark import evaluate
    from sspvs.crossval import CrossValidation, cross_validate
    from sspvs.data.pretrain import PretrainDataModule, PretrainDataset
    from sspvs.data.refine import RefineDataModule, RefineDataset
    from sspvs.data.summarize import SummarizeDataModule, SummarizeDataset
    from sspvs.errors import SspvsError
    from sspvs.evaluation.comparison import Evaluation
    from sspvs.evaluation.f_score import f_score
    from sspvs.evaluation.rank_correlation import kendall_tau, spearman_rho
    from sspvs.features.backbones import list_backbones, load_backbone
    from sspvs.features.extract import extract
    from sspvs.importance.contrastive import contrastive_importance
    from sspvs.metrics import KendallTau, SpearmanRho, SummaryF1
    from sspvs.pipeline import FilmSummary, VideoSummary, summarize, summarize_many
    from sspvs.scorers import load_scorer
    from sspvs.scorers.pretrained import Summarizer, VideoTextModel
    from sspvs.scorers.scoring import score
    from sspvs.selection.knapsack import knapsack
    from sspvs.selection.kts import kts
    from sspvs.table import Video, VideoTable, read_dataset, read_features
    from sspvs.tasks.pretrain import PretrainTask
    from sspvs.tasks.refine import RefineTask
    from sspvs.tasks.summarize import SummarizeTask
    from sspvs.training.fitting import fit

    __version__: str

_HOMES = {
    "CrossValidation": "crossval",
    "Evaluation": "evaluation.comparison",
    "FilmSummary": "pipeline",
    "KendallTau": "metrics",
    "PretrainDataModule": "data.pretrain",
    "PretrainDataset": "data.pretrain",
    "PretrainTask": "tasks.pretrain",
    "RefineDataModule": "data.refine",
    "RefineDataset": "data.refine",
    "RefineTask": "tasks.refine",
    "SpearmanRho": "metrics",
    "SspvsError": "errors",
    "SummarizeDataModule": "data.summarize",
    "SummarizeDataset": "data.summarize",
    "SummarizeTask": "tasks.summarize",
    "Summarizer": "scorers.pretrained",
    "SummaryF1": "metrics",
    "Video": "table",
    "VideoSummary": "pipeline",
    "VideoTable": "table",
    "VideoTextModel": "scorers.pretrained",
    "__version__": "machine",
    "contrastive_importance": "importance.contrastive",
    "cross_validate": "crossval",
    "evaluate": "benchmark",
    "extract": "features.extract",
    "f_score": "evaluation.f_score",
    "fit": "training.fitting",
    "kendall_tau": "evaluation.rank_correlation",
    "knapsack": "selection.knapsack",
    "kts": "selection.kts",
    "list_backbones": "features.backbones",
    "load_backbone": "features.backbones",
    "load_scorer": "scorers",
    "read_dataset": "table",
    "read_features": "table",
    "score": "scorers.scoring",
    "spearman_rho": "evaluation.rank_correlation",
    "summarize": "pipeline",
    "summarize_many": "pipeline",
}

__all__ = [
    "CrossValidation",
    "Evaluation",
    "FilmSummary",
    "KendallTau",
    "PretrainDataModule",
    "PretrainDataset",
    "PretrainTask",
    "RefineDataModule",
    "RefineDataset",
    "RefineTask",
    "SpearmanRho",
    "SspvsError",
    "SummarizeDataModule",
    "SummarizeDataset",
    "SummarizeTask",
    "Summarizer",
    "SummaryF1",
    "Video",
    "VideoSummary",
    "VideoTable",
    "VideoTextModel",
    "__version__",
    "contrastive_importance",
    "cross_validate",
    "evaluate",
    "extract",
    "f_score",
    "fit",
    "kendall_tau",
    "knapsack",
    "kts",
    "list_backbones",
    "load_backbone",
    "load_scorer",
    "read_dataset",
    "read_features",
    "score",
    "spearman_rho",
    "summarize",
    "summarize_many",
]

__getattr__, __dir__ = attach(__name__, _HOMES)
