"""Every open_clip model as a frame encoder, with its own preprocessing and its text tower.

Names: `open_clip:MODEL/TAG` (weights from the Hugging Face cache), `open_clip:MODEL` (the first tag found there),
`open_clip:MODEL//absolute/path` or `open_clip:MODEL/relative/path.safetensors` (a file: .pt, .pth, .bin or
.safetensors), `open_clip:MODEL/random` (random weights from a fixed seed, for speed measurements and tests).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sspvs.errors import MissingExtraError, WeightsNotFoundError, first_line
from sspvs.features.backbones import clip_cache
from sspvs.features.backbones.base import Backbone, choose_device, choose_dtype, file_digest, use_threads
from sspvs.features.backbones.clip_source import PREFIX, Source, find_source
from sspvs.features.backbones.torch_engine import frame_encoder
from sspvs.types import FloatArray, ImageArray
from sspvs.video.sampling import Resize

RANDOM_SEED = 0


class OpenClip(Backbone):
    """An open_clip model's image tower, and its text tower for `text_similarity`.

    Args:
        name: As the module says, beginning with `open_clip:`.
        device: `auto`, `cpu` or `cuda`.
        precision: Of the image tower: `auto`, `fp32`, or on a GPU `fp16` or `bf16`. The text tower stays fp32.
        download: Whether missing weights may be downloaded.
        threads: Threads of torch; None leaves them.

    Raises:
        ValueError: An unknown model, tag, device or precision.
        WeightsNotFoundError: The weights are missing or do not fit the model.
    """

    def __init__(
        self,
        name: str,
        *,
        device: str = "auto",
        precision: str = "auto",
        download: bool = False,
        threads: int | None = None,
    ) -> None:
        import open_clip

        self.device = choose_device(device)
        dtype = choose_dtype(precision, self.device)
        use_threads(threads)
        source = find_source(name, download=download)
        self.name = f"{PREFIX}{source.model}/{source.label}"
        self._source, self._download = source, download
        self.feature_dim = int(open_clip.get_model_config(source.model)["embed_dim"])
        model = load_model(source, download=download)
        self.weights_digest = random_digest(model) if source.path is None else file_digest(source.path)
        self._model = model.to(self.device)
        self._model.visual.to(dtype)
        self._set_preprocessing(dict(model.visual.preprocess_cfg), dtype)

    def _set_preprocessing(self, settings: dict[str, Any], dtype: Any) -> None:
        """Resize, crop and normalisation as the model's own settings say."""
        size = settings["size"]
        height, width = (size, size) if isinstance(size, int) else size
        mode, interpolation = settings["resize_mode"], settings["interpolation"]
        if height != width or mode not in ("shortest", "squash"):
            raise ValueError(f"{self.name}: preprocessing with {mode} to {width}x{height} is not supported")
        kind = "bilinear" if interpolation == "bilinear" else "bicubic"  # open_clip takes `random` as bicubic
        squash = mode == "squash"
        self.resize = Resize("squash" if squash else "short_side", int(height), kind)  # type: ignore[arg-type]
        self.transform = (
            f"squash to {height}x{height} {kind}"
            if squash
            else f"short side to {height} {kind}, centre crop {height}x{height}"
        )
        mean, std = settings["mean"], settings["std"]
        self.normalisation = f"(x / 255 - {_short(mean)}) / {_short(std)}"
        self._encode = frame_encoder(
            self._model.encode_image,
            mean=[255 * value for value in mean],
            scale=[255 * value for value in std],
            device=self.device,
            dtype=dtype,
            crop=int(height),
        )

    def encode(self, frames: ImageArray) -> FloatArray:
        """Image embeddings (not normalised) of (B, H, W, 3) uint8 RGB frames, (B, D) float32."""
        if len(frames) == 0:
            return np.zeros((0, self.feature_dim), np.float32)
        return self._encode(frames)

    def text_similarity(self, features: FloatArray, text: str) -> FloatArray:
        """Cosine between each frame's features and the text tower's embedding of `text`, (T,) float32."""
        import torch

        with quietly(offline=not self._download), torch.inference_mode():
            tokens = self._tokenize(text).to(self.device)
            embedding = self._model.encode_text(tokens)[0].float().cpu().numpy()  # (D,)
        norms = np.linalg.norm(features, axis=1) * np.linalg.norm(embedding)
        similarity: FloatArray = (features.astype(np.float32) @ embedding) / np.maximum(norms, 1e-12)
        return similarity.astype(np.float32)

    def _tokenize(self, text: str) -> Any:
        import open_clip

        try:
            return open_clip.get_tokenizer(self._source.model)([text])
        except ImportError as error:
            raise MissingExtraError(
                f"{self.name}: its tokenizer needs another package ({first_line(error)}): pip install transformers"
            ) from error
        except OSError as error:
            raise WeightsNotFoundError(
                f"{self.name}: its tokenizer is not in the Hugging Face cache ({clip_cache.hub_folder()}); "
                "allow the download (--download)"
            ) from error


def load_model(source: Source, *, download: bool = False) -> Any:
    """The open_clip model of `source` in evaluation mode on the CPU.

    Raises:
        WeightsNotFoundError: The file does not hold weights of this model, or the text tower's own settings are
            not on this machine.
    """
    import open_clip
    import torch

    preprocess = {
        key: source.settings[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in source.settings
    }
    with quietly(offline=not download), torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        try:
            model = open_clip.create_model(
                source.model,
                force_quick_gelu=bool(source.settings.get("quick_gelu")),
                force_preprocess_cfg=preprocess,
                pretrained_hf=False,
            )
            if source.path is not None:
                open_clip.load_checkpoint(model, str(source.path), weights_only=True)
        except Exception as error:  # unpickling, shapes, the hub: many kinds
            remedy = "; allow the download (--download)" if isinstance(error, OSError) and not download else ""
            raise WeightsNotFoundError(
                f"{PREFIX}{source.model}: cannot load {source.path or 'the model'}: {first_line(error)}{remedy}"
            ) from error
    return model.eval()


def random_digest(model: Any) -> str:
    """SHA-256 over a model's tensors in the order of their names, for weights that come from no file."""
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.hexdigest()


@contextmanager
def quietly(*, offline: bool) -> Iterator[None]:
    """Keep open_clip from configuring the root logger, and the Hugging Face hub from using the network."""
    import logging

    import huggingface_hub.constants as hub

    root, handler, level = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    was_offline = hub.HF_HUB_OFFLINE
    root.addHandler(handler)  # logging.warning() installs a handler for good where there is none
    logging.disable(logging.WARNING)
    hub.HF_HUB_OFFLINE = was_offline or offline
    try:
        yield
    finally:
        hub.HF_HUB_OFFLINE = was_offline
        logging.disable(level)
        root.removeHandler(handler)


def _short(values: Any) -> str:
    same = len(set(values)) == 1
    return f"{values[0]:g}" if same else "(" + ", ".join(f"{value:g}" for value in values) + ")"
