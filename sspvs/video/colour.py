"""Colour: which colours a frame's numbers stand for, by its tags or the usual rule, and tone mapping of HDR.

Numbers are the code points of ITU-T H.273 (ISO/IEC 23091-2), as FFmpeg, H.264 and MP4 use them.
"""

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import av
import av.filter
import numpy as np
from av.video.reformatter import VideoReformatter

from sspvs.atomic import temporary_folder
from sspvs.types import FloatArray, ImageArray

UNSTATED = 2
LIMITED, FULL = 1, 2  # FFmpeg's AVCOL_RANGE_MPEG, brightness from 16 to 235, and AVCOL_RANGE_JPEG, from 0 to 255
YCGCO = 8
HD_LINES = 720  # untagged pictures with at least so many lines are BT.709, others BT.601, for players as for us
_RESERVED = (0, 3)
SWSCALE_TARGETS = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""The matrices that swscale supports, and its own numbers for them."""
_SIMILAR_MATRICES = {10: 9}  # BT.2020 with constant luminance, which nothing writes, read as without
_HDR = {16: "PQ", 18: "HLG"}
DEEP_RGB = "gbrp12le"  # the format of frames before and after tone mapping: colours that are not yet rounded to 8 bits
LUT_STEPS = 65
WHITE_NITS = 203.0  # diffuse white in HDR (ITU-R BT.2408), which becomes what SDR can show at most
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
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


class Colour(NamedTuple):
    """How RGB became YUV: the tags that a stream and its container carry."""

    matrix: int = UNSTATED
    primaries: int = UNSTATED
    transfer: int = UNSTATED

    def filled_from(self, other: "Colour") -> "Colour":
        """This one, with the other's values where it states none."""
        return Colour(*(theirs if own == UNSTATED else own for own, theirs in zip(self, other, strict=True)))


BT709 = Colour(1, 1, 1)
BT601 = Colour(6, 6, 6)
_COMPANIONS = {1: BT709, 5: Colour(5, 5, 6), 7: Colour(7, 7, 7), 9: Colour(9, 9, 14)}


def usual_colour(lines: int) -> Colour:
    """What an untagged picture of so many lines is taken for."""
    return BT709 if lines >= HD_LINES else BT601


def whole_colour(frame: Any) -> Colour:
    """A frame's colour with the usual value for each tag that is missing: MP4 has a place for all three or none."""
    return stated_colour(frame).filled_from(_COMPANIONS.get(matrix_of(frame), BT601)._replace(matrix=matrix_of(frame)))


def stated_colour(frame: Any) -> Colour:
    """A frame's tags; reserved values count as unstated."""
    tags = (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc))
    return Colour(*(UNSTATED if tag in _RESERVED else tag for tag in tags))


def matrix_of(frame: Any) -> int:
    """The matrix by which a player turns a frame into RGB."""
    matrix = stated_colour(frame).matrix
    matrix = _SIMILAR_MATRICES.get(matrix, matrix)
    if matrix in (*SWSCALE_TARGETS, YCGCO):
        return matrix
    if hdr_kind(frame):
        return 9
    return usual_colour(frame.height).matrix


def hdr_kind(frame: Any) -> str:
    """`PQ`, `HLG`, or nothing for standard dynamic range."""
    return _HDR.get(int(frame.color_trc), "")


def is_rgb(frame: Any) -> bool:
    """Whether a frame holds RGB rather than YUV."""
    return bool(frame.format.is_rgb or frame.format.has_palette or frame.format.name.startswith("xyz"))


def reformat(reformatter: VideoReformatter, frame: Any, matrix: int, **wanted: Any) -> Any:
    """`VideoReformatter.reformat` of a frame whose matrix is `matrix`, whatever its tag states."""
    tag = frame.colorspace
    # swscale refuses a frame with a tag that it does not support, even where no matrix is applied.
    frame.colorspace = matrix if matrix in SWSCALE_TARGETS else UNSTATED
    try:
        return reformatter.reformat(frame, **wanted)
    finally:
        frame.colorspace = tag


def rgb_of_ycgco(frame: Any) -> ImageArray:
    """The (H, W, 3) uint8 RGB of a yuv444p frame in YCgCo, which swscale does not support."""
    y, cg, co = (np.float32(plane) for plane in frame.to_ndarray())
    if frame.color_range != FULL:
        y, cg, co = (y - 16) * 255 / 219, (cg - 128) * 255 / 224, (co - 128) * 255 / 224
    else:
        cg, co = cg - 128, co - 128
    rgb = np.stack([y - cg + co, y + cg, y - cg - co], axis=-1)
    return np.asarray(np.clip(np.rint(rgb), 0, 255), dtype=np.uint8)


def coloured(reformatter: VideoReformatter, frame: Any) -> Any:
    """The same frame, but as yuv420p where it is grey with limited range, which swscale takes for full range."""
    if not frame.format.name.startswith("gray") or frame.color_range != LIMITED:
        return frame
    grey = reformat(reformatter, frame, UNSTATED, format="gray").to_ndarray()  # (H, W)
    yuv = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for plane in yuv.planes:
        pixels = np.full((plane.height, plane.line_size), 128, np.uint8)
        if plane.height == len(grey) and plane.width == grey.shape[1]:
            pixels[:, : plane.width] = grey
        plane.update(pixels.tobytes())
    yuv.color_range = LIMITED
    return yuv


class ToneMapper:
    """Maps RGB frames of high dynamic range to BT.709; one filter graph for all frames of a size."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._made_for: tuple[Any, ...] = ()

    def __call__(self, frame: Any, kind: str, primaries: int) -> Any:
        """The frame as SDR."""
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
        graph.link_nodes(source, graph.add("lut3d", file=str(cube)), graph.add("buffersink")).configure()
    return graph


@lru_cache(maxsize=4)
def sdr_table(kind: str, primaries: int) -> FloatArray:
    """SDR colours for a grid of HDR ones: (B, G, R, 3) in [0, 1], red running fastest as .cube files have it."""
    axis = np.linspace(0.0, 1.0, LUT_STEPS)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    return tone_map(np.stack([red, green, blue], axis=-1), kind, primaries)


def tone_map(signal: FloatArray, kind: str, primaries: int) -> FloatArray:
    """HDR signal values as BT.709, by the knee of ITU-R BT.2390 (5.4.1) on the brightest channel, so that hues stay."""
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
