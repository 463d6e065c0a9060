"""Any open_clip model: its image tower for features, its text tower to compare frames with a sentence."""

from typing import Any

import numpy as np

from sspvs.features.backbones.base import BACKBONES, Backbone, BackboneStatus, frame_encoder
from sspvs.types import FloatArray, ImageArray, Resize
from sspvs.weights.clip import PREFIX, find, find_source, hub_folder, load_model, open_clip_tokenizer
from sspvs.weights.digest import file_digest

# (tag, repository on the Hugging Face hub) of the ViT-B-32 weights that `auto` looks for, best first by the
# ImageNet zero-shot accuracy that open_clip publishes for them; 512-D
VIT_B_32 = (
    ("datacomp_xl_s13b_b90k", "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K/"),
    ("laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K/"),
    ("openai", "timm/vit_base_patch32_clip_224.openai/"),
)


@BACKBONES.register(PREFIX[:-1])
class OpenClip(Backbone):
    """An open_clip model's image tower, and its text tower for `text_similarity`."""

    rank = 30
    forms = (f"{PREFIX}MODEL/TAG",)

    @classmethod
    def status(cls) -> list[BackboneStatus]:
        """Which of the ViT-B-32 weights are on this machine, best first; one that is not, where none is."""
        found = [(f"{PREFIX}ViT-B-32/{tag}", find(repository)) for tag, repository in VIT_B_32]
        here = [BackboneStatus(name, True, str(path), feature_dim=512) for name, path in found if path is not None]
        missing = f"{hub_folder()}/models--laion--CLIP-ViT-B-32-*"
        remedy = "give a file (open_clip:ViT-B-32//path/to/weights.safetensors) or allow the download (--download)"
        return here or [BackboneStatus(found[1][0], False, missing, remedy, 512)]

    def __init__(
        self,
        weights: str,
        *,
        device: str = "auto",
        precision: str = "auto",
        download: bool = False,
        threads: int | None = None,
    ) -> None:
        import open_clip

        dtype = self.compute_on(device, precision, threads)
        source = find_source(weights, download=download)
        self.name = f"{PREFIX}{source.model}/{source.label}"
        self._source, self._download = source, download
        self.feature_dim = int(open_clip.get_model_config(source.model)["embed_dim"])
        model = load_model(source, download=download)
        self.weights_digest = random_digest(model) if source.path is None else file_digest(source.path)
        self._model = model.to(self.device)
        self._model.visual.to(dtype)
        self._set_preprocessing(dict(model.visual.preprocess_cfg), dtype)

    def _set_preprocessing(self, settings: dict[str, Any], dtype: Any) -> None:
        """Resize, crop and normalisation from the model's own settings."""
        size = settings["size"]
        height, width = (size, size) if isinstance(size, int) else size
        mode, interpolation = settings["resize_mode"], settings["interpolation"]
        if height != width or mode not in ("shortest", "squash"):
            raise ValueError(f"{self.name}: preprocessing with {mode} to {width}x{height} is not supported")
        kind = "bilinear" if interpolation == "bilinear" else "bicubic"  # open_clip takes `random` as bicubic
        self.resize = Resize("squash" if mode == "squash" else "short_side", int(height), kind)  # type: ignore[arg-type]
        cut = f"short side to {height} {kind}, centre crop {height}x{height}"
        self.transform = f"squash to {height}x{height} {kind}" if mode == "squash" else cut
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
        return self._encode(frames) if len(frames) else np.zeros((0, self.feature_dim), np.float32)

    def check_text(self) -> None:
        """The model's tokenizer must be here."""
        self._tokenize("")

    def text_similarity(self, features: FloatArray, text: str) -> FloatArray:
        """Cosine between each frame's features and the text tower's embedding of `text`, (T,) float32."""
        import torch

        with torch.inference_mode():
            tokens = self._tokenize(text).to(self.device)
            embedding = self._model.encode_text(tokens)[0].float().cpu().numpy()  # (D,)
        norms = np.linalg.norm(features, axis=1) * np.linalg.norm(embedding)
        similarity: FloatArray = (features.astype(np.float32) @ embedding) / np.maximum(norms, 1e-12)
        return similarity.astype(np.float32)

    def _tokenize(self, text: str) -> Any:
        return open_clip_tokenizer(self._source.model, download=self._download)([text])


def random_digest(model: Any) -> str:
    """SHA-256 over a model's tensors in the order of their names, for weights that come from no file."""
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.hexdigest()


def _short(values: Any) -> str:
    same = len(set(values)) == 1
    return f"{values[0]:g}" if same else "(" + ", ".join(f"{value:g}" for value in values) + ")"
