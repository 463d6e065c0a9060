"""EfficientNet-Lite0 as an ONNX graph, built straight from its weights.

Why not `torch.onnx.export`: its two exporters differ between torch versions, need further packages and take
seconds; the network is a plain chain of convolutions, so building the graph takes milliseconds and always
gives the same one. Batch normalisation is folded into the convolutions, pixel normalisation is inside.

Architecture: EfficientNet-B0 (Tan & Le, ICML 2019, table 1) without squeeze-and-excitation and with ReLU6,
stem and head of fixed width (the Lite variant of the TensorFlow TPU repository). Padding is TensorFlow's `SAME`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sspvs.types import FloatArray

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


def same_padding(kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding before and after, for the even sizes met here (224 down to 7)."""
    total = kernel - stride
    return total // 2, total - total // 2


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
        before, after = same_padding(kernel, stride)
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
    """The network from uint8 frames to pooled features, as a serialised ONNX model.

    Args:
        weights: The arrays of `efficientnet-lite0-57934424.pth`, by their names there.

    Returns:
        An ONNX model with input `frames` (B, 224, 224, 3) uint8 RGB and output `features` (B, 1280) float32.
    """
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
