"""Multimodal self-supervised pretraining as a LightningModule.

Axis letters: B batch, T picks, L tokens, M masked frames, D feature width.
"""

import logging
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sspvs.data.batch import PretrainBatch, pad_rows, stack_tokens
from sspvs.evaluation.retrieval import retrieval_metrics
from sspvs.models.pretrain_model import PretrainModel, PretrainOutput
from sspvs.models.settings import TextEncoderSettings, VideoEncoderSettings
from sspvs.models.text_towers import build_text_encoder
from sspvs.models.video_encoder import VideoEncoder
from sspvs.schema import Probability, Range, check_arguments
from sspvs.tasks.checkpoint import PRETRAIN
from sspvs.tasks.data_facts import refuse_single_pairs
from sspvs.tasks.objectives import LossSettings, Objectives, Pairs, embed, evidence, pair_scorer
from sspvs.tasks.saved_task import STAGES, SavedTask
from sspvs.tasks.settings import OptimSettings, plain_arguments, settings_from
from sspvs.tasks.validation import Retrieval, ValidationRecords

_log = logging.getLogger(__name__)
_VIDEO, _TEXT, _LOSSES, _OPTIM = VideoEncoderSettings(), TextEncoderSettings(), LossSettings(), OptimSettings()


class Embeddings(NamedTuple):
    """Vectors of a batch, in the space that retrieval compares in; D = W with a contrastive objective."""

    ids: tuple[str, ...]  # the videos
    video: Tensor  # (B, D) float32 in the space that retrieval compares in
    text: Tensor  # (B, W) float32, of the text that came with each video; D = W in the contrastive objectives


class PretrainTask(SavedTask):
    """Coarse alignment, fine alignment and masked-frame recovery (Li et al., WACV 2023, arXiv 2201.02494).

    The arguments are the config, and in plain form the hyperparameters of every checkpoint.

    Args:
        video: The video tower. `feature_dim` is a fact of the data.
        text: The text tower.
        losses: The objectives and their weights.
        optim: The optimiser and its learning rate.
        dropout: Of the heads.
        local_radius: Frames on each side that recover a masked one.
        retrieval_candidates: Validation retrieves among so many videos at most.
        compile_model: Compile the model with torch.compile when training starts.
        feature_fingerprint: What made the features, when known; taken from the data where it has one.

    Example:
        >>> task = sspvs.PretrainTask.from_pretrained("pretrained")
        >>> task.model.video_encoder.settings.feature_dim
        16
    """

    kind = PRETRAIN
    model: PretrainModel
    losses: LossSettings
    records: ValidationRecords

    def __init__(
        self,
        video: VideoEncoderSettings = _VIDEO,
        text: TextEncoderSettings = _TEXT,
        losses: LossSettings = _LOSSES,
        optim: OptimSettings = _OPTIM,
        dropout: Probability = 0.1,
        local_radius: Annotated[int, Range(least=0, most=1024)] = 4,
        retrieval_candidates: Annotated[int, Range(least=1)] = 1000,
        compile_model: bool = False,
        feature_fingerprint: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_arguments(PretrainTask, locals())
        # Checkpoints bring the plain form.
        video, text = settings_from(VideoEncoderSettings, video), settings_from(TextEncoderSettings, text)
        self.losses, self.optim = settings_from(LossSettings, losses), settings_from(OptimSettings, optim)
        tower = build_text_encoder(text)
        # With the tower's sizes written down it can be built again without its stored weights.
        text = replace(text, config=tower.config) if tower.config is not None else text
        width = self.losses.contrastive_dim if self.losses.projects else None
        self.model = PretrainModel(
            VideoEncoder(video),
            tower,
            dropout,
            local_radius,
            width,
            frames_alone=self.losses.frames_alone,
            linear_path=self.losses.linear_path != "none",
            residual=self.losses.mask_target == "residual",
            align_whole=self.losses.aligned_video == "whole",
        )
        if self.losses.linear_path == "canonical":
            for parameter in self.model.linear_parameters():
                parameter.requires_grad_(False)
        self.objectives = Objectives(self.losses)
        settled = {"text": replace(text, download=False), "losses": self.losses, "optim": self.optim}
        self.save_hyperparameters(plain_arguments(PretrainTask, {**locals(), **settled}))
        self.retrieval_candidates = retrieval_candidates
        self.compile_model = compile_model
        self.records = ValidationRecords()
        self.retrieval: Retrieval | None = None
        self.freeze_unreached()

    def setup(self, stage: str) -> None:
        """As for every task; refuse batches that have nothing to contrast, and solve what is solved in closed form."""
        if stage == "fit":
            refuse_single_pairs(self.data, self.losses.over_batch, self.trainer.world_size)
            if self.losses.linear_path == "canonical":
                self._start_canonical()
        super().setup(stage)

    def batch_terms(self, batch: PretrainBatch) -> dict[str, Tensor]:
        return self._forward(batch)[1]

    def predict_step(self, batch: PretrainBatch, batch_idx: int) -> Embeddings:  # noqa: ARG002
        """Embeddings of a batch's videos, nothing masked, and of its texts."""
        video, text = embed(self.model, self.losses, batch.frames, batch.frame_mask, batch.tokens, batch.token_mask)
        self.refuse_not_finite("the embeddings", video, text, ids=batch.ids)
        return Embeddings(tuple(batch.ids), video, text)

    def keep(self, batch: PretrainBatch, stage: Literal["val", "test"]) -> None:
        """Logs the terms as `val/...` or `test/...` and keeps what the figures at the end are made of."""
        out, terms = self._forward(batch)
        for ids, columns in evidence(self.model, self.losses, batch, out):
            self.refuse_not_finite("the outputs", *columns.values(), ids=ids)
            self.records.add(ids, columns)
        total = self.total(terms)
        self.refuse_not_finite(f"the {STAGES[stage]} losses", total)
        alone = len(batch.frames) == 1 and bool(self.losses.over_batch)  # with nothing beside it its loss is constant
        self.log_terms(stage, terms, total, 0 if alone else len(batch.frames))

    def log_figures(self, stage: Literal["val", "test"]) -> None:
        if stage == "val" and len(self.records) == 1 and self.losses.over_batch:
            raise ValueError(
                f"there is one video to validate on, and {' and '.join(self.losses.over_batch)} tell a text from those "
                "of others; hold out more (data.val_share), give data.val more, or set data.val_share to 0"
            )
        scorer = pair_scorer(self.model, self.losses)
        self.retrieval = None if scorer is None else self.records.retrieval(scorer, self.retrieval_candidates)
        figures = self.records.figures()
        if self.retrieval is not None:
            self.refuse_not_finite("the scores of videos and texts", torch.from_numpy(self.retrieval.scores))
            figures |= retrieval_metrics(self.retrieval.scores)
        self.refuse_not_finite(f"the {STAGES[stage]} figures", torch.tensor(list(figures.values())))
        # Every process has the same figures: the mean over them is the figure.
        self.log_dict({f"{stage}/{name}": value for name, value in figures.items()}, sync_dist=True)

    def retrieval_table(self) -> list[dict[str, Any]]:
        """Per video of the last pass of validation or test: ranks both ways and which text fits best.

        Empty before a pass has ended (callbacks: `on_validation_end`), and without retrieval.
        """
        return [] if self.retrieval is None else self.retrieval.table()

    def smallest_batch(self) -> PretrainBatch:
        """Two videos of one frame, which is masked, with two words each."""
        everything = torch.ones(2, 2, dtype=torch.bool)
        return PretrainBatch(
            frames=torch.ones(2, 1, self.model.video_encoder.settings.feature_dim),
            frame_mask=everything[:, :1],
            tokens=torch.zeros(2, 2, dtype=torch.long),
            token_mask=everything,
            masked_index=torch.zeros(2, 1, dtype=torch.long),
            masked_counted=everything[:, :1],
            is_match=torch.tensor([True, False]),
            ids=("", ""),
        )

    def _start_canonical(self) -> None:
        """From the training pairs, with all that is written about each; a checkpoint that is resumed has its own."""
        source = getattr(self.data, "dataset", None)
        if source is None:
            raise ValueError("losses.linear_path canonical needs the videos that the data module trains on")
        dataset, size = source("predict", "train"), self.data.batch_size
        parts = [range(len(dataset))[start : start + size] for start in range(0, len(dataset), size)]
        self.model.eval()
        texts = []
        for part in parts:
            captions = [dataset.texts_of(number) for number in part]
            tokens, mask = stack_tokens([text for each in captions for text in each])
            with torch.no_grad():
                pooled = self.model.text_encoder.encode(tokens, mask).pooled
            texts += [own.mean(dim=0) for own in torch.split(pooled, [len(each) for each in captions])]
        correlations = self.model.start_canonical(
            (pad_rows([dataset.example(number).frames for number in part]) for part in parts),
            torch.stack(texts),
            video_shrinkage=self.losses.video_shrinkage,
            text_shrinkage=self.losses.text_shrinkage,
        )
        self.model.train()
        _log.info(
            "canonical correlations of %d videos and their texts, shrunk: %s",
            len(dataset),
            [round(float(one), 2) for one in correlations[:5]],
        )

    def _forward(self, batch: PretrainBatch) -> tuple[PretrainOutput, dict[str, Tensor]]:
        frames, token_mask = batch.frames, batch.token_mask
        index = batch.masked_index[:, None] if batch.masked_index.ndim == 1 else batch.masked_index  # (B, M)
        counted, frame_mask = batch.masked_counted, batch.frame_mask
        if not self.losses.mask:
            index = index[:, :0]  # nothing is hidden without the objective
        elif not index.shape[1]:  # every video has a single frame: a place in the padding, so that DDP meets the head
            frames, frame_mask = functional.pad(frames, (0, 0, 0, 1)), functional.pad(frame_mask, (0, 1))
            index = torch.full_like(batch.tokens[:, :1], frames.shape[1] - 1)
            counted = torch.zeros_like(index, dtype=torch.bool)
        out = self.model(frames, frame_mask, batch.tokens, token_mask, index)
        original = frames.gather(1, index[..., None].expand(-1, -1, frames.shape[-1]))  # (B, M, D)
        projected = self.model.contrastive_vectors(out.pooled_text, out.video)
        group = None if self.losses.duplicates == "negatives" else batch.text_group
        return out, self.objectives(Pairs(out, projected, token_mask, batch.is_match, original, counted, group))
