"""The interface of backbones and their registry; devices, precisions and preprocessing that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sspvs.features.text import PURPOSE, Classifier, class_fit, conse_similarity
from sspvs.registry import Registry
from sspvs.types import Fingerprint, FloatArray, ImageArray, Resize
from sspvs.weights.digest import model_folder

if TYPE_CHECKING:
    import torch

BACKBONES: Registry[type[Backbone]] = Registry("backbone", home="sspvs.features.backbones")
"""Backbones by the first word of their names."""
UNRELATED_COSINES = 0.025
"""Standard deviation of the cosines of pictures and texts that have nothing to do with each other, of CLIP models."""
PRECISIONS = ("auto", "fp32", "fp16", "bf16")


@dataclass(frozen=True)
class BackboneStatus:
    """Whether a backbone can be used on this machine, for `sspvs doctor`.

    Attributes:
        name: What to write after `--backbone`.
        available: Whether its weights and packages are here.
        looked_in: Where they were searched for.
        remedy: How to provide what is missing; empty when available.
        feature_dim: D, the width of its features; None when that is not known before it is loaded.
    """

    name: str
    available: bool
    looked_in: str
    remedy: str = ""
    feature_dim: int | None = None


class Backbone(ABC):
    """A named frame encoder with its own preprocessing and weights.

    A new one is a class that is registered under the first word of its name:

        @BACKBONES.register("dinov2")
        class DinoV2(Backbone): ...

    `load_backbone("dinov2:REST", ...)` calls it with REST (empty without a colon) and the keywords `device`,
    `precision`, `download` and `threads`. Heavy packages are imported by the constructor, not by the module. Another
    package adds one through the entry-point group `sspvs.backbones`, or by importing the module that registers it.

    Attributes:
        name: What made the features, as in the fingerprint.
        feature_dim: D, the width of a feature vector.
        resize: How frames must be resized before `encode`.
        transform: The whole way from a frame to the network's input, in words.
        normalisation: What is done to pixel values, in words.
        weights_digest: SHA-256 of the weights, hexadecimal.
        engine: What runs the network: `onnxruntime` or `torch`.
        device: Where it runs, such as `cpu` or `cuda`.
        reason: Why this backbone was taken, in words.
        rank: Of the class: `auto` takes the highest whose weights are here, and none of rank 0.
        forms: Of the class: the names that can be loaded, for messages; those with a colon take something after it.
    """

    name: str
    feature_dim: int
    resize: Resize
    transform: str
    normalisation: str
    weights_digest: str
    engine: str = "torch"
    device: str = "cpu"
    reason: str = "chosen by name"
    rank: ClassVar[int] = 0
    forms: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def status(cls) -> list[BackboneStatus]:
        """The sets of weights to list, best first; without this method, one that needs no file.

        Nothing heavy may be imported here.
        """
        return [BackboneStatus(cls.name, True, cls.__module__, feature_dim=cls.feature_dim)]

    @abstractmethod
    def encode(self, frames: ImageArray) -> FloatArray:
        """Feature vectors of frames; a frame's vector does not depend on the others in the batch.

        Args:
            frames: (B, H, W, 3) uint8 RGB, resized as by `resize`, B >= 0.

        Returns:
            (B, D) float32.
        """

    def compute_on(self, device: str, precision: str, threads: int | None = None) -> torch.dtype:
        """Take a device, and so many CPU threads of torch unless None; returns the number type to compute in.

        `auto` is the GPU where there is one, and fp16 on a GPU, fp32 on a CPU.
        """
        import torch

        self.device = choose_device(device)
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if precision == "auto":
            precision = "fp32" if self.device == "cpu" else "fp16"
        if self.device == "cpu" and precision != "fp32":
            raise ValueError(f"precision {precision} needs a GPU; on a CPU use fp32")
        if threads is not None:
            if threads < 1:
                raise ValueError(f"threads must be at least 1, got {threads}")
            torch.set_num_threads(threads)
        return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]

    def check_text(self) -> None:
        """Refuse what `text_similarity` would refuse of any features and text, before anything is computed.

        Raises:
            ValueError: This backbone cannot compare frames with text.
            SspvsError: A package or a file that it takes is not on this machine.
        """
        raise ValueError(
            f"backbone {self.name} cannot compare frames with text; "
            "use efficientnet-lite0, googlenet or open_clip:MODEL/TAG"
        )

    def text_similarity(self, features: FloatArray, text: str) -> FloatArray:
        """How well each frame fits a text.

        Args:
            features: (T, D) as `encode` gives them.
            text: A title or sentence.

        Returns:
            (T,) float32 cosine similarities in [-1, 1].

        Raises:
            ValueError: This backbone cannot compare frames with text.
            SspvsError: A package or a file that it takes is not on this machine.
        """
        del features, text
        self.check_text()
        raise NotImplementedError(f"{type(self).__name__} has check_text, but no text_similarity")

    def check_fit(self) -> None:
        """As `check_text`, for `text_fit`."""
        self.check_text()

    def text_fit(self, features: FloatArray, text: str) -> FloatArray:
        """How well each frame fits a text, on one scale for all backbones; `text_similarity` has each its own.

        Args:
            features: (T, D) as `encode` gives them.
            text: A title or sentence.

        Returns:
            (T,) in standard deviations of what texts give that have nothing to do with a frame; only differences count.

        Raises:
            ValueError: This backbone cannot compare frames with text.
            SspvsError: A package or a file that it takes is not on this machine.
        """
        return self.text_similarity(features, text) / UNRELATED_COSINES

    def fingerprint(self, rate_hz: float) -> Fingerprint:
        """What made these features, when sampled at `rate_hz` picks per second."""
        return Fingerprint(self.name, self.weights_digest, self.transform, self.normalisation, float(rate_hz))


class ImageNetBackbone(Backbone):
    """An ImageNet classifier up to its pooled features; its last layer compares them with text (ConSE, weak)."""

    classifier: Classifier  # the last layer

    def check_text(self) -> None:
        """MiniLM must be installed."""
        model_folder(PURPOSE)

    def check_fit(self) -> None:
        """Without MiniLM words are compared."""

    def text_similarity(self, features: FloatArray, text: str) -> FloatArray:
        """ConSE similarity of each frame to a text (see `sspvs.features.text`), (T,) float32."""
        return conse_similarity(features, self.classifier, text)

    def text_fit(self, features: FloatArray, text: str) -> FloatArray:
        """How far the classes that a text names stand out, (T,) float32; without MiniLM by the words of their names."""
        return class_fit(features, self.classifier, text)


def check_frames(frames: ImageArray, height: int | None = None, width: int | None = None) -> ImageArray:
    """Check that `frames` is (B, H, W, 3) uint8 and of the given size where one is given."""
    good = frames.ndim == 4 and frames.shape[3] == 3 and frames.dtype == np.uint8
    good = good and height in (None, frames.shape[1]) and width in (None, frames.shape[2])
    if not good:
        raise ValueError(
            f"frames must be (B, {height or 'H'}, {width or 'W'}, 3) uint8 RGB, got {frames.shape} {frames.dtype}"
        )
    return frames


def choose_device(device: str) -> str:
    """`auto` becomes `cuda` where there is a GPU, else `cpu`; a device that is not there is refused."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda (or cuda:1, ...), got {device!r}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} is not there: torch {torch.__version__} sees no CUDA GPU; use cpu")
    return device


def frame_encoder(
    forward: Callable[[Any], Any],
    *,
    mean: Sequence[float],
    scale: Sequence[float],
    device: str,
    dtype: torch.dtype,
    crop: int | None = None,
) -> Callable[[ImageArray], FloatArray]:
    """A function from (B, H, W, 3) uint8 RGB frames to (B, D) float32 features.

    Frames are cut to the central `crop` x `crop`, normalised by (3,) `mean` and `scale` of pixel values 0..255, and
    given as (B, 3, H, W) of `dtype` on `device` to `forward`.
    """
    import torch

    offset = torch.tensor(mean, dtype=torch.float32, device=device).view(1, 3, 1, 1)
    divisor = torch.tensor(scale, dtype=torch.float32, device=device).view(1, 3, 1, 1)

    @torch.inference_mode()
    def encode(frames: ImageArray) -> FloatArray:
        height, width = check_frames(frames).shape[1:3]
        if crop is not None:  # placed as torchvision's CenterCrop places it
            if min(height, width) < crop:
                raise ValueError(f"frames must be at least {crop}x{crop} for the centre crop, got {width}x{height}")
            top, left = round((height - crop) / 2), round((width - crop) / 2)
            frames = frames[:, top : top + crop, left : left + crop]
        pixels = torch.from_numpy(np.ascontiguousarray(frames)).to(device)
        pixels = pixels.permute(0, 3, 1, 2)  # (B, 3, H, W), channels last in memory
        output = forward(((pixels.float() - offset) / divisor).to(dtype))
        features: FloatArray = output.float().cpu().numpy()
        return features

    return encode
