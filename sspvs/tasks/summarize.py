"""Fine-tuning of the summarizer on people's importance, as a LightningModule.

Axis letters: B batch, T picks, L tokens, D feature width, K stages.
"""

import logging
from dataclasses import asdict, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from sspvs.data.batch import SummarizeBatch
from sspvs.data.summarize import SummarizeDataset, collate
from sspvs.losses.score import Reduction, correlation_loss, mse_score_loss, pairwise_ranking_loss
from sspvs.models.ridge import RidgeSettings
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.summarizer import Summarizer, SummarizerOutput, SummarizerSettings
from sspvs.models.text_towers import TextEncoder, build_text_encoder
from sspvs.models.video_encoder import VideoEncoder
from sspvs.schema import check_arguments
from sspvs.sharing import named
from sspvs.table.text import TextSettings
from sspvs.tasks.checkpoint import SUMMARIZE, Checkpoint
from sspvs.tasks.data_facts import agreed_fingerprint, refuse_other_data
from sspvs.tasks.handover import KINDS, hand_over, origin, text_settings, video_settings
from sspvs.tasks.optim import layer_wise, parameter_groups
from sspvs.tasks.ridge import RidgeVideo, fit_ridge
from sspvs.tasks.saved_task import JudgedTask
from sspvs.tasks.settings import FineTuneOptimSettings, ScoreLossSettings, plain_arguments, settings_from
from sspvs.tasks.tensors import LoadReport
from sspvs.tasks.validation import ScoreRecords

TrainText = Literal["none", "pooler", "all"]  # what of the text tower is trained

_log = logging.getLogger(__name__)


def freeze_text(encoder: TextEncoder, trained: TrainText, *, keeps_dropout: bool = False) -> None:
    """Freeze the text tower (`none`), all of it but its pooler, as published (`pooler`), or nothing more (`all`)."""
    if trained not in ("none", "pooler", "all"):
        raise ValueError(f"train_text must be none, pooler or all, got {trained!r}")
    if trained == "all" or encoder.frozen:
        return
    encoder.freeze(keeps_dropout=keeps_dropout)
    if trained == "none":
        return
    found = (getattr(part, "pooler", None) for part in (encoder, getattr(encoder, "model", None)))
    pooler = next((one for one in found if isinstance(one, nn.Module)), None)
    if pooler is None:
        _log.info("the text tower %s has no pooler: all of it is frozen", type(encoder).__name__)
    else:
        pooler.requires_grad_(True)


def score_terms(
    settings: ScoreLossSettings, log_scores: Tensor, target: Tensor, mask: Tensor, *, reduction: Reduction = "mean"
) -> dict[str, Tensor]:
    """The terms that have a weight, in float32, of (B, T) log scores, importance in [0, 1] and mask."""
    terms: dict[str, Tensor] = {}
    if settings.mse:
        terms["mse_loss"] = mse_score_loss(log_scores, target, mask, reduction=reduction)
    if settings.pairwise:
        terms["pairwise_loss"] = pairwise_ranking_loss(
            log_scores, target, mask, margin=settings.pairwise_margin, reduction=reduction
        )
    if settings.correlation:
        terms["correlation_loss"] = correlation_loss(log_scores, target, mask, reduction=reduction)
    return terms


class ScoredVideos(NamedTuple):
    """Scores of some videos by the summarizer, without padding, float32 on the CPU."""

    ids: tuple[str, ...]
    scores: tuple[Tensor, ...]  # (T,) each, in [0, 1]
    stage_scores: tuple[Tensor, ...]  # (K, T) each, whose product are the scores
    text_fit: tuple[Tensor, ...] | None = None  # (T,) each; None without a gate


_VIDEO, _TEXT, _FIELDS = VideoEncoderSettings(position_weight=0.1), TextEncoderSettings(), TextSettings()
_SUMMARIZER, _LOSSES, _OPTIM = SummarizerSettings(), ScoreLossSettings(), FineTuneOptimSettings()
_RIDGE = RidgeSettings()


class SummarizeTask(JudgedTask):
    """The progressive summarizer (Li et al., WACV 2023, section 3.4) and what it is compared with.

    The arguments are the config, and in plain form the hyperparameters of every checkpoint.

    Args:
        video: The video tower. `feature_dim` is a fact of the data; with `pretrained` its sizes come from there.
        summarizer: Head, stages, text guidance.
        text: The text tower, with text guidance only; with `pretrained` it comes from there.
        text_fields: Tokens of each text field: what the model is used with afterwards. Taken from the data in training.
        title_as_query: Whether a video's title stands in the place of its search query. Taken from the data likewise.
        losses: The terms and their weights.
        optim: The optimiser, and the rates of what is fresh and what was pretrained.
        ridge: Ridge regression beside the head, solved in closed form when training starts.
        pretrained: What to start from: a checkpoint folder, .ckpt file or hub id, of pretraining or of a summarizer.
            A checkpoint of this task needs it no more: it says null there, and `initialised_from` what it was.
        freeze_encoder: Do not train the video tower: Transformer, [CLS] and input projection.
        train_text: What of the text tower is trained: `none`, its `pooler` as published (nothing of a tower that has
            none), or `all`. The projection of the text is always trained.
        text_dropout: Keep the dropout of the text tower while training also where `train_text` freezes it, as released.
        compile_model: Compile the model with torch.compile when training starts.
        feature_fingerprint: What made the features, when known; taken from `pretrained` and from the data.
        initialised_from: Written by this task: source, kind and digest of what it started from, and what was loaded.

    Example:
        >>> task = sspvs.SummarizeTask.from_pretrained("summarizer")
        >>> task.hparams["video"]["feature_dim"]
        16
    """

    kind = SUMMARIZE
    model: Summarizer
    losses: ScoreLossSettings
    optim: FineTuneOptimSettings

    def __init__(
        self,
        video: VideoEncoderSettings = _VIDEO,
        summarizer: SummarizerSettings = _SUMMARIZER,
        text: TextEncoderSettings = _TEXT,
        text_fields: TextSettings = _FIELDS,
        title_as_query: bool = False,
        losses: ScoreLossSettings = _LOSSES,
        optim: FineTuneOptimSettings = _OPTIM,
        ridge: RidgeSettings = _RIDGE,
        pretrained: str | None = None,
        freeze_encoder: bool = False,
        train_text: TrainText = "pooler",
        text_dropout: bool = False,
        compile_model: bool = False,
        feature_fingerprint: dict[str, Any] | None = None,
        initialised_from: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_arguments(SummarizeTask, locals())
        # Checkpoints bring the plain form.
        video, text = settings_from(VideoEncoderSettings, video), settings_from(TextEncoderSettings, text)
        summarizer, ridge = settings_from(SummarizerSettings, summarizer), settings_from(RidgeSettings, ridge)
        text_fields = settings_from(TextSettings, text_fields)
        self.losses, self.optim = settings_from(ScoreLossSettings, losses), settings_from(FineTuneOptimSettings, optim)
        start: Checkpoint | None = None
        if pretrained is not None:
            start = Checkpoint.open(pretrained, KINDS, download=text.download).checked(download=text.download)
            video, text = video_settings(start, video), text_settings(start, text)
            feature_fingerprint = agreed_fingerprint(start.fingerprint, feature_fingerprint)
        tower: TextEncoder | None = None
        if summarizer.reads_text:
            tower = build_text_encoder(text)
            # With the tower's sizes written down it can be built again without its stored weights.
            text = replace(text, config=tower.config) if tower.config is not None else text
        self.model = Summarizer(VideoEncoder(video), summarizer, tower, ridge)
        self.handover_report: LoadReport | None = None
        if start is not None:
            self.handover_report = hand_over(start, self)
            initialised_from = origin(start, self.handover_report)
        self.freeze_encoder = freeze_encoder
        if freeze_encoder:
            self.model.video_encoder.requires_grad_(False).eval()
        if tower is not None:
            freeze_text(tower, train_text, keeps_dropout=text_dropout)
        text, pretrained = replace(text, download=False), None
        initialised_from = named(initialised_from)  # earlier versions kept the absolute path
        settled = {"losses": self.losses, "optim": self.optim, "ridge": ridge}
        self.save_hyperparameters(plain_arguments(SummarizeTask, {**locals(), **settled}))
        self.compile_model = compile_model
        self.records = ScoreRecords()
        self.freeze_unreached()

    @property
    def initialised_from(self) -> dict[str, Any] | None:
        """Which checkpoint this started from and what was loaded; None for a start from nothing."""
        known: dict[str, Any] | None = self.hparams["initialised_from"]
        return known

    @property
    def text_fields(self) -> TextSettings:
        """Tokens of each text field."""
        return settings_from(TextSettings, self.hparams["text_fields"])

    def outputs(self, batch: SummarizeBatch) -> SummarizerOutput:
        texts = (batch.tokens, batch.token_mask, batch.has_text)
        out: SummarizerOutput = self.model(batch.frames, batch.frame_mask, *texts)
        return out

    def terms(self, batch: SummarizeBatch, out: SummarizerOutput, reduction: Reduction = "mean") -> dict[str, Tensor]:
        return score_terms(self.losses, out.log_scores, batch.target, out.mask, reduction=reduction)

    def scores_of(self, batch: SummarizeBatch, out: SummarizerOutput) -> ScoredVideos:
        # Infinite logits would give scores of 0 and 1.
        self.refuse_not_finite("the scores", out.stage_logits, out.log_scores, ids=batch.ids)
        mask = out.mask.cpu()

        def each(values: Tensor) -> tuple[Tensor, ...]:
            """(B, ..., padded T) -> B tensors (..., T)."""
            return tuple(row[..., valid] for row, valid in zip(values.detach().float().cpu(), mask, strict=True))

        fit = None if out.text_fit is None else each(out.text_fit)
        return ScoredVideos(tuple(batch.ids), each(out.scores), each(out.stage_scores), fit)

    def smallest_batch(self) -> SummarizeBatch:
        """A video of two frames, with two words."""
        everything = torch.ones(1, 2, dtype=torch.bool)
        frames = torch.ones(1, 2, self.model.video_encoder.settings.feature_dim)
        return SummarizeBatch(
            frames, everything, torch.tensor([[0.0, 1.0]]), ("",), everything.long(), everything, everything[:, 0]
        )

    def setup(self, stage: str) -> None:
        """As for every task; refuse data of another width, or tokenised for another text tower."""
        super().setup(stage)
        refuse_other_data(self.data, self.model.video_encoder.settings, self.hparams["text"], self.model.text_encoder)
        given = getattr(self.data, "text", None)
        if stage == "fit" and isinstance(given, TextSettings):
            self.hparams["text_fields"] = asdict(given)
            self.hparams["title_as_query"] = bool(getattr(self.data, "title_as_query", False))

    def on_fit_start(self) -> None:
        """Solve the ridge regression on the training videos, unless a checkpoint brought it."""
        if self.model.ridge is not None and not self.model.ridge.solved:
            self.solve_ridge(self.data.dataset("train"))

    @torch.no_grad()
    def solve_ridge(self, dataset: SummarizeDataset) -> None:
        """Fit the ridge regression beside the head to whole videos."""
        ridge = self.model.ridge
        assert ridge is not None
        videos = []
        training = self.training
        self.eval()
        for number, video in enumerate(dataset.items):
            batch = collate(dataset[number])
            frames, mask = batch.frames.to(self.device), batch.frame_mask.to(self.device)
            words = (batch.tokens, batch.token_mask, batch.has_text)
            text = self.model.read(*(None if part is None else part.to(self.device) for part in words))
            rows = ridge.rows(frames, mask, self.model.sentence_fit(frames, mask, text))[0].cpu()
            users = None if video.annotations is None else video.annotations.user_scores_at_picks
            videos.append(RidgeVideo.of(rows, batch.target[0], users))
        self.train(training)
        weights, strength = fit_ridge(ridge, videos)
        ridge.weight.copy_(weights[:, 0].to(ridge.weight))
        _log.info("ridge regression of %d columns on %d videos, strength %g", len(weights), len(videos), strength)

    def train(self, mode: bool = True) -> "SummarizeTask":
        """As torch has it, but a frozen video tower stays in evaluation mode."""
        super().train(mode)
        if self.freeze_encoder:
            self.model.video_encoder.eval()
        return self

    def optimizer_groups(self) -> list[dict[str, Any]]:
        """The trained parameters: heads, the layers of the video tower, the text tower."""
        return parameter_groups(self, self.optim, layer_wise(self.optim, self.model.video_encoder.settings.num_layers))
