"""Pretraining data for Lightning: from paths to the loaders of every rank."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import pytorch_lightning as pl
import torch

from sspvs.data.loader import LengthBuckets, padding_share
from sspvs.data.pretrain.dataset import MaskSettings, PretrainDataset, PretrainLoader, pretrain_loader
from sspvs.data.pretrain.items import PretrainItem
from sspvs.data.pretrain.raw_videos import ExtractionSettings
from sspvs.data.pretrain.sources import Pairs, feature_dim_of, load_pairs, split_pairs
from sspvs.errors import DatasetError, FingerprintMismatchError
from sspvs.models.tokenizers import load_tokenizer
from sspvs.table.text import TextSettings, TokenFields
from sspvs.types import Fingerprint
from sspvs.world.writing import WorldSource, manifests_of_world

logger = logging.getLogger(__name__)
_TEXT, _MASKS, _EXTRACTION = TextSettings(), MaskSettings(), ExtractionSettings()
_BERT_VOCAB_SIZE = 30522
_MEASURED = 1 << 17  # longest epoch whose padding is counted to be told


class PretrainDataModule(pl.LightningDataModule):
    """Video-text pairs from an SSPVS release folder, a manifest of features or raw videos, or shards.

    Batches are planned for all ranks from the seed and the epoch (`sspvs.data.loader`): the same whatever
    the number of workers, no item on two ranks, and after a restart from a checkpoint the epoch goes on at the batch
    where it stopped.

    Args:
        train: Release folder, manifest (.csv, .jsonl) or folder of shards to train on; or give a `world`.
        val: The same to validate on. Null: the release's validation list, the rows whose `split` is `val`, or else
            `val_share` of `train`, held out.
        predict: The same for `predict` and `test`; null: the validation pairs, or all where nothing is held out.
        encoder: The text tower's name, whose tokenizer is used; the model's own setting, linked.
        vocab_size: Ids of the text tower `small`; the model's own setting, linked. Null: its default.
        text: Tokens of each text field.
        masks: Which frames are masked and recovered.
        max_frames: Longest run of a video's frames, drawn at random while training; null: whole videos.
        batch_size: Videos of a batch on one device.
        val_batch_size: The same in validation; null: as `batch_size`.
        repeats: How often the list is gone through in an epoch, each time drawn anew.
        negative_probability: How often a video is given another's text. Contrastive losses over the batch want 0.
        bucket_batches: Batches among which videos of like length are sought, so that little padding is computed; 1
            takes them as they come.
        resample: Of shards: draw shards with repetition instead of each once an epoch.
        val_share: Of the videos, held out where nothing else says what to validate on; two at least, and none of
            fewer than four. 0 for none.
        num_workers: Processes that read, for each device.
        seed: Of everything that is drawn.
        extraction: How raw videos are looked at.
        download: Fetch the tokenizer's files when they are not on this machine.
        world: A synthetic world to train and validate on instead, made unless it is there.

    Raises:
        DatasetError: The data is not what it should be (when it is first needed).
    """

    def __init__(
        self,
        train: str | None = None,
        val: str | None = None,
        predict: str | None = None,
        encoder: str = "bert-base-uncased",
        vocab_size: int | None = None,
        text: TextSettings = _TEXT,
        masks: MaskSettings = _MASKS,
        max_frames: int | None = 256,
        batch_size: int = 8,
        val_batch_size: int | None = None,
        repeats: int = 1,
        negative_probability: float = 0.5,
        bucket_batches: int = 16,
        resample: bool = False,
        val_share: float = 0.1,
        num_workers: int = 2,
        seed: int = 0,
        extraction: ExtractionSettings = _EXTRACTION,
        download: bool = False,
        world: WorldSource | None = None,
    ) -> None:
        super().__init__()
        if (train is None) == (world is None):
            raise ValueError("give data.train (a release folder, a manifest or shards) or data.world, and not both")
        if world is not None:
            train, own_val = map(str, manifests_of_world(world))
            val = own_val if val is None else val
        if not 0 <= val_share < 1:
            raise ValueError(f"val_share must be at least 0 and below 1, got {val_share}")
        if num_workers < 0:
            raise ValueError(f"num_workers must not be negative, got {num_workers}")
        self.paths = {
            "train": Path(str(train)),
            "val": None if val is None else Path(val),
            "predict": None if predict is None else Path(predict),
        }
        self.encoder, self.vocab_size, self.download = encoder, vocab_size, download
        self.text, self.masks = text, masks
        self.max_frames, self.batch_size = max_frames, batch_size
        self.val_batch_size = batch_size if val_batch_size is None else val_batch_size
        self.repeats, self.negative_probability = repeats, negative_probability
        self.bucket_batches, self.resample, self.val_share = bucket_batches, resample, val_share
        self.num_workers, self.seed = num_workers, seed
        self.extraction = extraction
        self._pairs: dict[Path, Pairs] = {}
        self._feature_dim: int | None = None

    @property
    def feature_dim(self) -> int:
        """D, as the data has it; known before `setup`, from the first video."""
        if self._feature_dim is None:
            path = self.paths["train"]
            assert path is not None
            known = self._pairs.get(path)
            self._feature_dim = feature_dim_of(path, self.extraction) if known is None else known.feature_dim
        return self._feature_dim

    @property
    def feature_fingerprint(self) -> Fingerprint | None:
        """What made the features, after `setup`; None when unknown."""
        known = [pairs.fingerprint for pairs in self._pairs.values()]
        return known[0] if known else None

    def prepare_data(self) -> None:
        """On one process of each machine: extract raw videos, and look at all features."""
        self._load()

    def setup(self, stage: str | None = None) -> None:
        """Read what `prepare_data` has prepared, and check that all of it fits together."""
        self._load()
        pairs = list(self._pairs.values())
        widths = sorted({one.feature_dim for one in pairs})
        if len(widths) > 1:
            raise DatasetError(f"features of different widths in {', '.join(map(str, self._pairs))}: {widths}")
        known = {one.fingerprint for one in pairs if one.fingerprint is not None}
        if len(known) > 1:
            raise FingerprintMismatchError(
                f"the features of {', '.join(map(str, self._pairs))} were not made alike: "
                f"{', '.join(sorted(one.backbone for one in known))}; extract them with the same settings"
            )
        shared = {item.id for item in self._items("train")} & {item.id for item in self._items("val")}
        if shared:
            raise DatasetError(
                f"{len(shared)} videos are in training and in validation, such as '{min(shared)}'; take them out of one"
            )
        if stage in (None, "fit") and self.paths["val"] is None and self.val_share and not self._items("val"):
            logger.warning(
                "nothing is validated on: the %d videos are too few to hold out data.val_share %g of them (it takes "
                "four with different titles and texts); give data.val, or set data.val_share to 0",
                len(self._items("train")),
                self.val_share,
            )

    def dataset(self, mode: Literal["train", "val", "predict"]) -> PretrainDataset:
        """The examples of training, validation or prediction, after `setup`.

        Raises:
            DatasetError: There are none, or they are token ids of another vocabulary than the text tower's.
        """
        items = self._items(mode)
        if not items:
            raise DatasetError(f"no videos for {mode}; give {mode}, or a val_share above 0")
        tokenizer = load_tokenizer(self.encoder, download=self.download, vocab_size=self.vocab_size)
        if tokenizer.vocab_size != _BERT_VOCAB_SIZE and any(isinstance(item.text, TokenFields) for item in items):
            raise DatasetError(
                f"the texts are token ids of BERT's vocabulary, which the text tower '{self.encoder}' does not have; "
                "take bert-base-uncased or minilm, or a manifest with the texts themselves"
            )
        return PretrainDataset(
            items,
            tokenizer,
            text=self.text,
            masks=self.masks,
            max_frames=self.max_frames,
            negative_probability=self.negative_probability,
            seed=self.seed,
            mode=mode,
        )

    def train_dataloader(self) -> PretrainLoader:
        """Batches of this rank."""
        return self._loader(self.dataset("train"), self.batch_size, training=True)

    def val_dataloader(self) -> PretrainLoader | list[PretrainLoader]:
        """Batches of this rank, the same in every epoch; none where nothing is held out."""
        if not self._items("val"):
            return []
        return self._loader(self.dataset("val"), self.val_batch_size, training=False)

    def test_dataloader(self) -> PretrainLoader:
        """The pairs of `predict`, drawn as in validation."""
        dataset = self.dataset("val")
        if self.paths["predict"] is not None:
            dataset = PretrainDataset(
                self._items("predict"),
                dataset.tokenizer,
                text=self.text,
                masks=self.masks,
                max_frames=self.max_frames,
                negative_probability=self.negative_probability,
                seed=self.seed,
                mode="val",
            )
        return self._loader(dataset, self.val_batch_size, training=False)

    def predict_dataloader(self) -> PretrainLoader:
        """Whole videos with their own texts, nothing masked."""
        return self._loader(self.dataset("predict"), self.val_batch_size, training=False)

    def _load(self) -> None:
        for path in self.paths.values():
            if path is not None and path not in self._pairs:
                self._pairs[path] = load_pairs(path, self.extraction, progress=True)

    def _items(self, mode: str) -> list[PretrainItem]:
        if mode == "predict" and self.paths["predict"] is not None:
            return list(self._pairs[self.paths["predict"]].items)
        train_path, val_path = self.paths["train"], self.paths["val"]
        assert train_path is not None
        everything = self._pairs[train_path].items
        if val_path is not None:
            if mode == "train":
                return [item for item in everything if item.part != "val"]
            return [item for item in self._pairs[val_path].items if item.part != "train"]
        train, val = split_pairs(everything, self.val_share)
        return train if mode == "train" or (mode == "predict" and not val) else val

    def _loader(self, dataset: PretrainDataset, batch_size: int, *, training: bool) -> PretrainLoader:
        trainer = self.trainer
        sampler = LengthBuckets(
            dataset.lengths,
            batch_size,
            training=training,
            seed=self.seed,
            repeats=self.repeats,
            bucket_batches=self.bucket_batches,
            shards=dataset.shards,
            resample=self.resample,
            world_size=1 if trainer is None else trainer.world_size,
            rank=0 if trainer is None else trainer.global_rank,
        )
        if training and len(sampler) * batch_size <= _MEASURED:
            share = padding_share(list(sampler), dataset.lengths)
            logger.info("%d videos, %.1f %% of the frames computed are padding", len(dataset), 100 * share)
        return pretrain_loader(dataset, sampler, num_workers=self.num_workers, pin_memory=torch.cuda.is_available())
