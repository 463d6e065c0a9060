"""Trained models for Python: `Summarizer` scores frames, `VideoTextModel` embeds videos and texts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sspvs.errors import FeatureFileError
from sspvs.types import FloatArray, FrameFeatures

if TYPE_CHECKING:
    from torch import Tensor

    from sspvs.importance.contrastive import Importance
    from sspvs.scorers import Scorer
    from sspvs.table.text import TextFields, TextSettings
    from sspvs.tasks.pretrain import PretrainTask


def frame_features(features: Any) -> FrameFeatures:
    """Features of one video as every scorer takes them.

    Args:
        features: `FrameFeatures`, or a (T, D) array or tensor of one feature vector a pick.

    Raises:
        ValueError: They are no (T, D) array of finite numbers.
    """
    if isinstance(features, FrameFeatures):
        return features
    if hasattr(features, "detach"):  # a tensor, also on a GPU
        features = features.detach().float().cpu().numpy()
    array = np.asarray(features, np.float32)
    if array.ndim != 2 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"expected (T, D) finite features of one video, got an array of shape {array.shape}")
    return FrameFeatures("features", array, np.arange(len(array), dtype=np.int64), len(array))


class Summarizer:
    """Something that scores the frames of videos: a trained summarizer, a refined checkpoint, or `contrastive`.

    Args:
        scorer: What scores; `from_pretrained` loads one.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    @classmethod
    def from_pretrained(
        cls, source: str | Path = "contrastive", *, device: str = "auto", download: bool = False
    ) -> Summarizer:
        """Load a checkpoint.

        Args:
            source: A checkpoint folder, a `.ckpt` file of fine-tuning or refinement, a Hugging Face hub id, or
                `contrastive`, which needs no training.
            device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.
            download: Fetch a hub id, or a tokenizer, that is not on this machine.

        Raises:
            WeightsNotFoundError: Nothing is there.
            CheckpointError: What is there cannot be read, or does not score frames.

        Example:
            >>> import numpy as np, sspvs
            >>> summarizer = sspvs.Summarizer.from_pretrained("contrastive")
            >>> frames = np.random.default_rng(0).standard_normal((8, 16))
            >>> summarizer.score(frames).shape
            (8,)
        """
        from sspvs.scorers import load_scorer

        return cls(load_scorer(source, device=device, download=download))

    def score(self, features: Any, *, title: str = "", query: str = "", category: str = "") -> FloatArray:
        """Importance of each pick of one video.

        Args:
            features: (T, D) array or tensor, or `FrameFeatures`, made by the backbone that it was trained on.
            title: Text that guides the scores, for checkpoints that were trained with text.
            query: Likewise: what somebody might search for to find the video.
            category: Likewise: the kind of video, in a word or two.

        Returns:
            (T,) float64, larger for frames that matter more.

        Raises:
            ValueError: There is text and the scorer reads none, or the features are no (T, D) finite numbers.
            FeatureFileError: They have another width than those it was trained on.
            FingerprintMismatchError: They were made by another backbone.
        """
        return self.importance(features, title=title, query=query, category=category).scores

    def importance(self, features: Any, *, title: str = "", query: str = "", category: str = "") -> Importance:
        """As `score`, with the curves that the scores are made of: terms or stages, by name."""
        from sspvs.table.text import TextFields

        video = self.scorer.joined(frame_features(features))
        text = TextFields(category=category, query=query, title=title)
        self.scorer.check_text(text)
        unchecked = self.scorer.check_features(video.fingerprint, video.name)
        if unchecked and self.scorer.expects is not None:  # an array has no fingerprint; only a checkpoint needs one
            warnings.warn(unchecked, stacklevel=3)
        return self.scorer.score(video, text)

    def __repr__(self) -> str:
        return f"Summarizer({self.scorer.name!r})"


class VideoTextModel:
    """A pretrained video-text model: videos and texts as vectors of one space.

    Args:
        task: What was pretrained; `from_pretrained` loads it.
        text: Tokens of each text field, as in the `data.text` of the training's config.
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.
        download: Fetch a tokenizer that is not on this machine.

    Example:
        >>> model = sspvs.VideoTextModel.from_pretrained("pretrained")
        >>> videos = model.encode_video([video.features for video in sspvs.read_features("features.h5").values()])
        >>> texts = model.encode_text(["a dog on the beach", "a parade"])
        >>> model.similarity(videos, texts).shape
        (6, 2)
    """

    def __init__(
        self, task: PretrainTask, *, text: TextSettings | None = None, device: str = "auto", download: bool = False
    ) -> None:
        from sspvs.features.backbones.base import choose_device
        from sspvs.models.tokenizers import load_tokenizer
        from sspvs.table.text import TextSettings

        self.task = task.eval().to(choose_device(device))
        self.text = TextSettings() if text is None else text
        encoder = task.model.text_encoder
        self._tokenizer = load_tokenizer(
            task.hparams["text"]["encoder"], download=download, vocab_size=encoder.vocab_size
        )

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        text: TextSettings | None = None,
        device: str = "auto",
        download: bool = False,
    ) -> VideoTextModel:
        """Load a checkpoint of pretraining.

        Args:
            source: A checkpoint folder, a Lightning `.ckpt` file, or a Hugging Face hub id.
            text: Tokens of each text field, as in training; None: the defaults.
            device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1`.
            download: Fetch a hub id, or a tokenizer, that is not on this machine.

        Raises:
            WeightsNotFoundError: Nothing is there.
            CheckpointError: What is there cannot be read, or is not of pretraining.
        """
        from sspvs.tasks.pretrain import PretrainTask

        task = PretrainTask.from_pretrained(source, download=download)
        return cls(task, text=text, device=device, download=download)

    def encode_video(self, videos: Any) -> FloatArray:
        """Vectors of videos, in the space that the objectives of pretraining compare them in.

        Args:
            videos: (T, D) features of one video (array, tensor or `FrameFeatures`), or a list of such.

        Returns:
            (N, W) float32, a row a video; (W,) for a single one. Compare them by `similarity`.

        Raises:
            ValueError: They are no (T, D) arrays of finite numbers.
            FeatureFileError: They have another width than those it was trained on.
        """
        import torch

        from sspvs.data.batch import pad_rows

        single = not isinstance(videos, (list, tuple))
        rows = [frame_features(video).features for video in ([videos] if single else videos)]
        width = self.task.model.video_encoder.settings.feature_dim
        for row in rows:
            if row.shape[1] != width:
                raise FeatureFileError(f"features of width {row.shape[1]}; the model was trained on {width}")
        frames, mask = pad_rows(rows)
        token = torch.zeros(1, 1, dtype=torch.int64)
        vectors = self._embed(frames, mask, token, torch.ones(1, 1, dtype=torch.bool))[0]
        return vectors[0] if single else vectors

    def encode_text(self, texts: str | TextFields | Sequence[str | TextFields]) -> FloatArray:
        """Vectors of texts, in the same space.

        Args:
            texts: A title, or `TextFields` (title, query, category, description), or a list of such.

        Returns:
            (N, W) float32, a row a text; (W,) for a single one.
        """
        import torch

        from sspvs.data.batch import stack_tokens
        from sspvs.table.text import TextFields, assemble_tokens

        single = isinstance(texts, (str, TextFields))
        wanted: list[Any] = [texts] if single else list(texts)
        fields = [TextFields(title=text) if isinstance(text, str) else text for text in wanted]
        rows = [assemble_tokens(field, self._tokenizer, self.text) for field in fields]
        tokens, mask = stack_tokens(rows)
        frame = torch.zeros(1, 1, self.task.model.video_encoder.settings.feature_dim)
        vectors = self._embed(frame, torch.ones(1, 1, dtype=torch.bool), tokens, mask)[1]
        return vectors[0] if single else vectors

    def similarity(self, videos: FloatArray, texts: FloatArray) -> FloatArray:
        """How well each text fits each video, as retrieval ranks them.

        Args:
            videos: (N, W) from `encode_video`.
            texts: (P, W) from `encode_text`.

        Returns:
            (N, P) float32: cosines, or the logits of the matching head where that is what was trained.

        Raises:
            ValueError: No objective of its training compares videos and texts.
        """
        import torch

        from sspvs.tasks.objectives import pair_scorer

        compare = pair_scorer(self.task.model, self.task.losses)
        if compare is None:
            raise ValueError("the model was pretrained without an objective that compares videos and texts")
        scores: FloatArray = compare(torch.from_numpy(videos), torch.from_numpy(texts)).detach().cpu().numpy()
        return scores

    def _embed(self, *inputs: Tensor) -> tuple[FloatArray, FloatArray]:
        """(N, W) of frames (N, T, D) and their mask, and (P, W) of tokens (P, L) and their mask."""
        import torch

        from sspvs.tasks.objectives import embed

        with torch.inference_mode():
            found = embed(self.task.model, self.task.losses, *(part.to(self.task.device) for part in inputs))
        video, text = (part.float().cpu().numpy() for part in found)
        return video, text
