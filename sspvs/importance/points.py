"""What goes into and comes out of the pairwise computation, on a CPU or a GPU."""

from __future__ import annotations

from typing import NamedTuple

from sspvs.types import BoolArray, FloatArray


class Terms(NamedTuple):
    """A and G before normalisation."""

    dissimilarity: FloatArray  # (T,) float64; empty when not asked for
    consistency: FloatArray  # (T,) float64; empty when not asked for


class Points(NamedTuple):
    """Frames as points on the unit sphere, moved by their mean.

    Distances do not change by the move, and the less the frames differ the more digits it saves.
    """

    rows: FloatArray  # (T, D) float64
    squares: FloatArray  # (T,) squared norms of the rows
    absent: BoolArray  # (T,) frames of zeros, which have no direction and stay at the origin of the sphere
