"""From high to standard dynamic range: HLG or PQ as BT.709, by one table of colours that FFmpeg applies."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np

from sspvs.atomic import temporary_folder
from sspvs.types import FloatArray

DEEP_RGB = "gbrp12le"
"""The format of frames before and after tone mapping: colours that are not yet rounded to 8 bits."""
LUT_STEPS = 65
WHITE_NITS = 203.0
"""Diffuse white in HDR (ITU-R BT.2408), which becomes what SDR can show at most."""
PEAK_NITS = 1000.0
"""The brightest highlights that are kept apart: the display HLG is defined for, and most PQ is mastered on."""
SDR_GAMMA = 2.4  # ITU-R BT.1886
_P3, _BT2020, _BT709 = (
    ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
)
_D65 = (0.3127, 0.3290)
_PRIMARIES = {1: _BT709, 11: _P3, 12: _P3}  # others: BT.2020


class ToneMapper:
    """Maps RGB frames of high dynamic range to BT.709; one filter graph for all frames of a size."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._made_for: tuple[Any, ...] = ()

    def __call__(self, frame: Any, kind: str, primaries: int) -> Any:
        """The frame as SDR.

        Args:
            frame: A PyAV frame in `DEEP_RGB`.
            kind: `HLG` or `PQ`.
            primaries: Its primaries' code point of ITU-T H.273.

        Returns:
            A frame in `DEEP_RGB`, tagged as nothing.
        """
        made_for = (frame.width, frame.height, kind, primaries)
        if made_for != self._made_for:
            self._graph, self._made_for = _graph(*made_for), made_for
        frame.pts = None
        self._graph.push(frame)
        return self._graph.pull()


def _graph(width: int, height: int, kind: str, primaries: int) -> Any:
    graph = av.filter.Graph()
    with temporary_folder(Path(tempfile.gettempdir())) as folder:
        cube = folder / "sdr.cube"
        values = sdr_table(kind, primaries).reshape(-1).tolist()
        cube.write_text(f"LUT_3D_SIZE {LUT_STEPS}\n" + "%.5f %.5f %.5f\n" * (len(values) // 3) % tuple(values))
        source = graph.add("buffer", video_size=f"{width}x{height}", pix_fmt=DEEP_RGB, time_base="1/1")
        table = graph.add("lut3d", file=str(cube))
        sink = graph.add("buffersink")
        source.link_to(table)
        table.link_to(sink)
        graph.configure()
    return graph


@lru_cache(maxsize=4)
def sdr_table(kind: str, primaries: int) -> FloatArray:
    """SDR colours for a grid of HDR ones: (B, G, R, 3) in [0, 1], red running fastest as .cube files have it."""
    axis = np.linspace(0.0, 1.0, LUT_STEPS)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    return tone_map(np.stack([red, green, blue], axis=-1), kind, primaries)


def tone_map(signal: FloatArray, kind: str, primaries: int) -> FloatArray:
    """HDR signal values as BT.709 ones.

    The brightest of red, green and blue is brought into range by the knee of ITU-R BT.2390 (5.4.1) and the others in
    proportion, so that hues stay; what BT.709 cannot show is clipped.

    Args:
        signal: (..., 3) non-linear RGB in [0, 1].
        kind: `HLG` or `PQ`.
        primaries: Code point of its primaries.

    Returns:
        (..., 3) non-linear RGB in [0, 1].
    """
    source = _PRIMARIES.get(primaries, _BT2020)
    light = hlg_nits(signal, source) if kind == "HLG" else pq_nits(signal)  # (..., 3)
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    light = light * (compressed(brightest) / brightest) / WHITE_NITS
    light = light @ (np.linalg.inv(_to_xyz(_BT709)) @ _to_xyz(source)).T
    table: FloatArray = np.clip(light, 0, 1) ** (1 / SDR_GAMMA)
    return table


def hlg_nits(signal: FloatArray, primaries: tuple[tuple[float, float], ...] = _BT2020) -> FloatArray:
    """Light of a 1000-nit display for an HLG signal: inverse OETF and OOTF of ITU-R BT.2100, table 5."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    luminance = scene @ _to_xyz(primaries)[1, :, None]
    light: FloatArray = PEAK_NITS * luminance**0.2 * scene
    return light


_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def pq_nits(signal: FloatArray) -> FloatArray:
    """The EOTF of SMPTE ST 2084."""
    root = signal ** (1 / _M2)
    light: FloatArray = 10_000 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1)
    return light


def pq_signal(nits: FloatArray) -> FloatArray:
    """The inverse of `pq_nits`."""
    power = (nits / 10_000) ** _M1
    signal: FloatArray = ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2
    return signal


def compressed(nits: FloatArray) -> FloatArray:
    """Light of up to `PEAK_NITS` brought below `WHITE_NITS`: straight up to a knee, then a Hermite spline."""
    peak, white = pq_signal(np.array([PEAK_NITS, WHITE_NITS]))
    level = np.minimum(pq_signal(nits) / peak, 1.0)
    top = white / peak
    knee = 1.5 * top - 0.5
    t = np.maximum(level - knee, 0) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * top
    return pq_nits(np.where(level < knee, level, spline) * peak)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> FloatArray:
    """(3, 3): linear RGB of these primaries and white D65 to CIE XYZ (SMPTE RP 177)."""
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]).T
    x, y = _D65
    white = np.array([x / y, 1.0, (1 - x - y) / y])
    matrix: FloatArray = columns * np.linalg.solve(columns, white)
    return matrix
