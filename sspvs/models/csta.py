"""CSTA as published: attention over frames and columns from an ImageNet CNN that looks at the features as an image.

Axis letters: B batch, T picks, D width, C channels of the CNN.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from sspvs.models.layers import SinusoidalPositions
from sspvs.models.summarizer_heads import HEADS, SingleStageHead
from sspvs.registry import Registry
from sspvs.schema import Choice, Probability, Range

Positions = Literal["none", "sinusoidal", "relative", "learned", "conditional"]
SoftmaxOver = Literal["frames", "columns", "both"]
AFTER_MAPS = ("avgpool", "classifier", "fc")  # children of torchvision's CNNs that come after the last maps


@dataclass(frozen=True)
class Cnn:
    """A CNN for `csta`: its children are run one after the other, up to the first of `AFTER_MAPS`."""

    make: Callable[[], nn.Module]  # with drawn weights
    channels: int  # C of the last maps
    least: int = 1  # rows of the smallest image it takes


def _of_torchvision(name: str, **how: bool) -> nn.Module:
    from torchvision.models import get_model

    network: nn.Module = get_model(name, weights=None, **how)
    return network


CNNS: Registry[Cnn] = Registry("cnn")  # the CNNs of `csta`, by name
# torchvision's auxiliary heads are for training on ImageNet; five poolings leave something of 15 rows.
CNNS.register("googlenet")(Cnn(partial(_of_torchvision, "googlenet", aux_logits=False, init_weights=True), 1024, 15))
CNNS.register("resnet18")(Cnn(partial(_of_torchvision, "resnet18"), 512))
CNNS.register("mobilenet_v2")(Cnn(partial(_of_torchvision, "mobilenet_v2"), 1280))
CNNS.register("efficientnet_b0")(Cnn(partial(_of_torchvision, "efficientnet_b0"), 1280))


@HEADS.register("csta")
class CstaHead(SingleStageHead):
    """CSTA (Son et al., CVPR 2024): 9.78 million parameters of 1024 columns, ImageNet's classifier among them.

    X are the features of T frames under a row of zeros, the CLS row; T + 1 rows, D columns.

        K = Linear(X);   A = pool(CNN([K, K, K])) + BatchNorm(K);   A = A + positions
        M = dropout(softmax of A over rows) * V + dropout(softmax of A over columns) * V,   V = Linear(X)
        score of frame t = sigmoid(Linear(LayerNorm(Dropout(ReLU(Linear(mean of rows t and t + 1 of M))))))

    `pool` is adaptive: it makes T + 1 rows of the CNN's, and one column of each channel, so that the C channels become
    the columns of A. GoogLeNet has 1024 of them; where C is not D, a linear layer makes D of them. The mean of two rows
    is the adaptive pooling of T + 1 rows to T, by which the CLS row leaves.

    Videos are computed one by one, whatever the batch: as published, norms are over one video at a time, and padding
    has no part in anything. Videos that are too short for the CNN have rows of zeros below them in its image.

    Args:
        embed_dim: D.
        cnn: A name of `CNNS`. Its weights are drawn; `SummarizeTask` loads ImageNet's (`cnn_weights`).
        positions: What is added to A. `sinusoidal` as published; `relative`: sinusoids of a row's distance to a column;
            `learned`: a table of `learned_rows` rows; `conditional`: a 3 x 3 convolution of A (Chu et al., 2023). Only
            the kinds are named in the paper: the formula of `relative` is our own.
        softmax: Over which axes the softmax of A is taken: `both` as published, `frames` or `columns`.
        map_dropout: Of the softmax.
        hidden_dropout: Of the classifier's hidden layer.
        learned_rows: Of the table of `learned` positions, which is stretched over longer videos.
    """

    exportable = False

    def __init__(
        self,
        embed_dim: int,
        cnn: Annotated[str, Choice(CNNS)] = "googlenet",
        positions: Positions = "sinusoidal",
        softmax: SoftmaxOver = "both",
        map_dropout: Probability = 0.6,
        hidden_dropout: Probability = 0.5,
        learned_rows: Annotated[int, Range(least=2, most=100_000)] = 1024,
    ) -> None:
        super().__init__(embed_dim, dropout=0.0)
        kind = CNNS[cnn]
        self.cnn_name, self.softmax = cnn, softmax
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.cnn = kind.make()
        self._least = kind.least
        self.to_width = nn.Identity() if kind.channels == embed_dim else nn.Linear(kind.channels, embed_dim)
        self.skip_norm = nn.BatchNorm2d(1)
        self.positions = _MapPositions(positions, embed_dim, learned_rows)
        self.map_dropout = nn.Dropout(map_dropout)
        self.hidden = nn.Linear(embed_dim, embed_dim)
        self.hidden_dropout = nn.Dropout(hidden_dropout)
        self.hidden_norm = nn.LayerNorm(embed_dim, eps=1e-6)
        for layer in (self.hidden, *self.stages):
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight, gain=math.sqrt(2.0))
            nn.init.constant_(layer.bias, 0.1)

    def frame_states(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        states = frames.new_zeros(frames.shape)  # (B, T, D)
        for video, there in enumerate(frame_mask):
            if there.any():
                mixed = self._mixed(frames[video, there])  # (T, D)
                hidden = self.hidden_dropout(functional.relu(self.hidden(mixed)))
                states[video, there] = self.hidden_norm(hidden).to(states.dtype)
        return states

    def _mixed(self, frames: Tensor) -> Tensor:
        """(T, D) frames of a video -> (T, D) values, weighted."""
        rows = functional.pad(frames, (0, 0, 1, 0))  # (1 + T, D)
        logits, values = self.attention_map(self.key(rows)), self.value(rows)  # (1 + T, D) each
        axes = {"frames": (0,), "columns": (1,), "both": (0, 1)}[self.softmax]
        mixed = torch.stack([self.map_dropout(logits.softmax(dim=axis)) * values for axis in axes]).sum(dim=0)
        return (mixed[:-1] + mixed[1:]) / 2  # (T, D)

    def attention_map(self, key: Tensor) -> Tensor:
        """(1 + T, D) float32 logits of a (1 + T, D) key image."""
        image = functional.pad(key, (0, 0, 0, max(0, self._least - len(key)))).expand(1, 3, -1, -1)
        maps = self._maps(image.contiguous(memory_format=torch.channels_last))  # (1, C, rows, columns)
        pooled = functional.adaptive_avg_pool2d(maps, (len(key), 1))[0, :, :, 0].T  # (1 + T, C)
        with torch.autocast(key.device.type, enabled=False):
            logits = self.to_width(pooled.float()) + self.skip_norm(key.float()[None, None])[0, 0]
            positioned: Tensor = self.positions(logits)
        return positioned

    def _maps(self, image: Tensor) -> Tensor:
        """(1, 3, rows, D) image -> (1, C, fewer rows, fewer columns) of the CNN's last convolution."""
        for name, layer in self.cnn.named_children():
            if name in AFTER_MAPS:
                break
            image = layer(image)
        return image


class _MapPositions(nn.Module):
    """Adds positions of one kind to a map of rows and columns; see `CstaHead`."""

    def __init__(self, kind: Positions, embed_dim: int, learned_rows: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "sinusoidal":
            self.sinusoids = SinusoidalPositions(embed_dim)
        elif kind == "learned":
            self.table = nn.Parameter(torch.randn(learned_rows, embed_dim) * 0.02)
        elif kind == "conditional":
            self.convolution = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, logits: Tensor) -> Tensor:
        """(rows, D) -> (rows, D)."""
        rows, columns = logits.shape
        if self.kind == "sinusoidal":
            return logits + self.sinusoids.table(rows, logits.device)
        if self.kind == "relative":
            column = torch.arange(columns, device=logits.device)
            angles = torch.arange(rows, device=logits.device)[:, None] - column  # (rows, D)
            angles = angles * 10000.0 ** ((column % 2 - column) / columns)
            return logits + torch.where(column % 2 == 0, angles.sin(), angles.cos())
        if self.kind == "learned":
            table: Tensor = self.table
            if rows > len(table):
                table = functional.interpolate(table.T[None], size=rows, mode="linear", align_corners=True)[0].T
            return logits + table[:rows]
        if self.kind == "conditional":
            added: Tensor = logits + self.convolution(logits[None, None])[0, 0]
            return added
        return logits
