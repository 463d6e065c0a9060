"""GoogLeNet pool5: 1024 features, the kind that the SumMe and TVSum files of the community hold.

The network is torchvision's; its weights (50 MB) are taken from torch hub's cache or from a file, and
downloaded only where that is allowed.
"""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import WeightsNotFoundError, first_line
from sspvs.features.backbones.base import BACKBONES, BackboneStatus, ImageNetBackbone, frame_encoder
from sspvs.features.text import Classifier
from sspvs.types import FloatArray, ImageArray, Resize
from sspvs.weights.digest import check_weights, file_digest

NAME = "googlenet"
URL = "https://download.pytorch.org/models/googlenet-1378be20.pth"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's transform of the weights
CROP = 224
REMEDY = (
    "give a file (googlenet:/path/to/googlenet-1378be20.pth), put it there, "
    f"or allow the download (--download) of {URL}"
)


def checkpoint_folder() -> Path:
    """Torch hub's folder of weight files, as `torch.hub.get_dir` finds it, without importing torch."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    home = Path(os.environ["TORCH_HOME"]).expanduser() if os.environ.get("TORCH_HOME") else cache / "torch"
    return home / "hub" / "checkpoints"


def cached_weights() -> Path | None:
    """The GoogLeNet weights in torch hub's cache, if there are any."""
    return next(iter(sorted(checkpoint_folder().glob("googlenet-*.pth"))), None)


def find_weights(file: str = "", *, download: bool = False) -> Path:
    """The weights file: the one given, else the one in torch hub's cache, else, where that is allowed, downloaded."""
    path = Path(file).expanduser() if file else cached_weights()
    if path is None and download:
        return _download()
    if path is None:
        raise WeightsNotFoundError(f"{NAME}: no weights in {checkpoint_folder()}/googlenet-*.pth; {REMEDY}")
    if not path.is_file():
        raise WeightsNotFoundError(f"{NAME}: no weights file at {path}; {REMEDY}")
    return path


def _download() -> Path:
    import torch

    path = checkpoint_folder() / URL.rpartition("/")[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = URL.rpartition("-")[2].removesuffix(".pth")
    try:
        torch.hub.download_url_to_file(URL, str(path), hash_prefix=prefix)
    except (OSError, RuntimeError) as error:
        raise WeightsNotFoundError(f"{NAME}: downloading {URL} failed ({first_line(error)}); {REMEDY}") from error
    return path


@BACKBONES.register(NAME)
class GoogLeNet(ImageNetBackbone):
    """GoogLeNet up to its fifth pooling (1024 features), before dropout and classifier."""

    name = NAME
    feature_dim = 1024
    resize = Resize("short_side", 256, "bilinear")
    transform = "short side to 256 bilinear, centre crop 224x224"
    normalisation = "(x / 255 - 0.5) / 0.5"  # ImageNet's, then undone by transform_input: what the weights expect
    rank = 20
    forms = (NAME, f"{NAME}:/path/to/weights.pth")

    @classmethod
    def status(cls) -> list[BackboneStatus]:
        """Whether the weights are in torch hub's cache."""
        path = cached_weights()
        where = str(path or f"{checkpoint_folder()}/googlenet-*.pth")
        return [BackboneStatus(NAME, path is not None, where, "" if path else REMEDY, cls.feature_dim)]

    def __init__(
        self,
        file: str = "",
        *,
        device: str = "auto",
        precision: str = "auto",
        download: bool = False,
        threads: int | None = None,
    ) -> None:
        import torch

        dtype = self.compute_on(device, precision, threads)
        path = find_weights(file, download=download)
        check_weights(path)
        self.weights_digest = file_digest(path)
        prefix = re.fullmatch(r"googlenet-([0-9a-f]{8,})\.pth", path.name)
        if prefix and not self.weights_digest.startswith(prefix[1]):
            raise WeightsNotFoundError(
                f"{path} is damaged: its SHA-256 should begin with {prefix[1]}, "
                f"got {self.weights_digest[:16]}; {REMEDY}"
            )
        network = _network(path)
        self.classifier = Classifier(network.fc.weight.detach().numpy(), network.fc.bias.detach().numpy())
        network.fc, network.dropout = torch.nn.Identity(), torch.nn.Identity()
        self._encode = frame_encoder(
            network.to(self.device, dtype, memory_format=torch.channels_last),
            mean=[255 * value for value in IMAGENET_MEAN],
            scale=[255 * value for value in IMAGENET_STD],
            device=self.device,
            dtype=dtype,
            crop=CROP,
        )

    def encode(self, frames: ImageArray) -> FloatArray:
        """Features of (B, H, W, 3) uint8 RGB frames whose shorter side is 256, (B, 1024) float32."""
        return self._encode(frames) if len(frames) else np.zeros((0, self.feature_dim), np.float32)


def _network(path: Path) -> Any:
    """Torchvision's GoogLeNet with the weights of `path`, without its two training-time heads."""
    import torch
    from torchvision.models import GoogLeNet as TorchvisionGoogLeNet

    network = TorchvisionGoogLeNet(aux_logits=False, transform_input=True, init_weights=False)
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        kept = {name: tensor for name, tensor in weights.items() if not name.startswith(("aux1.", "aux2."))}
        network.load_state_dict(kept, strict=True)
    except Exception as error:  # unpickling and loading raise many kinds
        raise WeightsNotFoundError(
            f"{path} does not hold weights of torchvision's GoogLeNet: {first_line(error)}"
        ) from error
    return network.eval()
