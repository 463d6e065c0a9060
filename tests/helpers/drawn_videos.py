"""Videos made for the tests: every frame carries its own number, so that a test can recognise it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT = 64, 48
BLOCKS = 4  # the number is written as 4 x 4 black or white blocks


def numbered_picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    bits = np.array([number >> bit & 1 for bit in range(BLOCKS * BLOCKS)], dtype=np.uint8).reshape(BLOCKS, BLOCKS)
    rows = np.arange(height) * BLOCKS // height
    columns = np.arange(width) * BLOCKS // width
    return np.repeat(bits[rows][:, columns, None] * np.uint8(255), 3, axis=2)


def number_of(picture: np.ndarray) -> int:
    height, width = picture.shape[:2]
    rows = (2 * np.arange(BLOCKS) + 1) * height // (2 * BLOCKS)
    columns = (2 * np.arange(BLOCKS) + 1) * width // (2 * BLOCKS)
    bits = picture[rows][:, columns].mean(axis=2) > 127
    return int(sum(int(bit) << place for place, bit in enumerate(bits.reshape(-1))))


def write_video(
    path: Path,
    seconds: Sequence[float],
    *,
    picture: Callable[[int], np.ndarray] = numbered_picture,
    gop: int = 12,
    b_frames: int = 2,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    time_base: Fraction = Fraction(1, 90_000),
    rate: int = 25,
    rotation: int = 0,
    sound: np.ndarray | None = None,
    sound_rate: int = 44_100,
    sound_codec: str = "aac",
    sound_start: float = 0.0,
    faststart: bool = True,
    interlaced: bool = False,
) -> Path:
    """A video whose frame k is `picture(k)` shown at `seconds[k]`; sound is (channels, samples) float32."""
    options = {"movflags": "+faststart"} if faststart and path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as output:
        stream = output.add_stream(codec, rate=rate)
        first = picture(0)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = gop
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "veryfast", "bf": str(b_frames), "sc_threshold": "0"}
        if interlaced:
            stream.codec_context.flags |= 1 << 18 | 1 << 29  # AV_CODEC_FLAG_INTERLACED_DCT and _ME
        if rotation:
            stream.set_display_rotation(rotation)
        heard = None
        if sound is not None:
            heard = output.add_stream(sound_codec, rate=sound_rate)
            heard.codec_context.layout = "mono" if len(sound) == 1 else "stereo"
            heard.codec_context.format = "s16" if sound_codec.startswith("pcm") else "fltp"
        for number, shown in enumerate(seconds):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = round(shown / time_base), time_base
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if heard is not None and sound is not None:
            _write_sound(output, heard, sound, sound_rate, sound_start)
    return path


def remux(source: Path, out: Path, stamp: Callable[[int, int], int], options: dict[str, str] | None = None) -> Path:
    """The same packets of pictures, the k-th with the timestamp `stamp(k, old)`, in ticks; of an unordered stream."""
    with av.open(str(source)) as container, av.open(str(out), "w", options=options or {}) as output:
        stream = container.streams.video[0]
        copy = output.add_stream_from_template(stream)
        for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
            packet.pts, packet.stream = stamp(number, packet.pts), copy
            output.mux(packet)
    return out


def glued(out: Path, *parts: Path) -> Path:
    """Files one after the other, as `cat` does it."""
    out.write_bytes(b"".join(part.read_bytes() for part in parts))
    return out


def _write_sound(output: Any, stream: Any, sound: np.ndarray, rate: int, start: float) -> None:
    layout = "mono" if len(sound) == 1 else "stereo"
    for at in range(0, sound.shape[1], 1024):
        block = np.ascontiguousarray(sound[:, at : at + 1024])
        if stream.codec_context.format.name == "s16":
            packed = (block.T.reshape(1, -1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        else:
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, round(start * rate) + at
        frame.time_base = Fraction(1, rate)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


BARS = np.array(
    [(12, 220, 2), (180, 180, 180), (180, 178, 16), (16, 180, 178), (178, 16, 180), (180, 14, 12), (20, 16, 180)]
)
KR_KB = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Weights of red and blue in the luma of each matrix of ITU-T H.273."""


def write_bars(
    path: Path,
    bars: np.ndarray = BARS,
    *,
    matrix: int = 6,
    tags: tuple[int, int, int] = (2, 2, 2),
    full: bool = False,
    height: int = 48,
    pix_fmt: str = "yuv420p",
    codec: str = "ffv1",
    n_frames: int = 4,
) -> Path:
    """Vertical bars, 32 pixels wide, of 8-bit RGB `bars`, coded as YUV by `matrix`, or as RGB; tagged with `tags`."""
    kind = av.VideoFormat(pix_fmt, 1, 1)
    if kind.is_rgb:
        image = np.repeat(bars[None].astype(np.uint8), height, axis=0).repeat(32, axis=1)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
    else:
        depth = kind.components[0].bits
        frame = av.VideoFrame(32 * len(bars), height, pix_fmt)
        for plane, values in zip(frame.planes, yuv_of(bars, matrix, full, depth).T, strict=False):
            row = np.repeat(values, 32 * plane.width // frame.width).astype(np.uint8 if depth == 8 else np.uint16)
            padded = np.zeros((plane.height, plane.line_size // row.itemsize), row.dtype)
            padded[:, : len(row)] = row
            plane.update(padded.tobytes())
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, height, pix_fmt
        if codec == "libx264":
            stream.options = {"crf": "1"}
        coded = stream.codec_context
        coded.colorspace, coded.color_primaries, coded.color_trc = tags
        coded.color_range = 2 if full else 1 if tags != (2, 2, 2) else 0
        for number in range(n_frames):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def yuv_of(rgb: np.ndarray, matrix: int, full: bool = False, depth: int = 8) -> np.ndarray:
    """(K, 3) 8-bit RGB as rounded YUV by the formulas of ITU-T H.273; 8 is YCgCo."""
    r, g, b = rgb.T / 255
    if matrix == 8:
        y, u, v = (r + 2 * g + b) / 4, (2 * g - r - b) / 4, (r - b) / 2
    else:
        kr, kb = KR_KB[matrix]
        y = kr * r + (1 - kr - kb) * g + kb * b
        u, v = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    y_scale, uv_scale, black = (255, 255, 0) if full else (219, 224, 16)
    return np.rint(2 ** (depth - 8) * np.stack([black + y_scale * y, 128 + uv_scale * u, 128 + uv_scale * v], axis=1))


def bars_seen(path: Path) -> tuple[np.ndarray, tuple[int, int, int], int]:
    """(K, 3) RGB of the bars of a yuv420p file as a player that goes by the tags shows them; tags and range."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        coded = stream.codec_context
        tags = (int(coded.colorspace), int(coded.color_primaries), int(coded.color_trc))
        color_range = int(coded.color_range)
    assert frame.format.name == "yuv420p"
    planes = [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width].astype(float)
        for plane in frame.planes
    ]
    n_bars = len(BARS)
    middles = [
        plane[:, [int(plane.shape[1] * (k + 0.5) / n_bars) for k in range(n_bars)]].mean(axis=0) for plane in planes
    ]
    y, u, v = (middles[0] - 16) / 219, (middles[1] - 128) / 224, (middles[2] - 128) / 224
    assert color_range != 2
    matrix = tags[0] if tags[0] != 2 else 1 if frame.height >= 720 else 6
    if matrix == 8:
        rgb = np.stack([y - u + v, y + u, y - u - v], axis=1)
    else:
        kr, kb = KR_KB[matrix]
        r, b = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
        rgb = np.stack([r, (y - kr * r - kb * b) / (1 - kr - kb), b], axis=1)
    return 255 * rgb.clip(0, 1), tags, color_range


def bars_of(picture: np.ndarray) -> np.ndarray:
    """(K, 3) mean RGB in the middle of each bar of a picture."""
    middles = [int(picture.shape[1] * (k + 0.5) / len(BARS)) for k in range(len(BARS))]
    return picture[:, middles].mean(axis=0)


def regular(n_frames: int, fps: float = 25.0, start: float = 0.0) -> list[float]:
    return [start + number / fps for number in range(n_frames)]


def uneven(n_frames: int, seed: int = 0) -> list[float]:
    """Variable frame rate: steps of 10 to 200 ms, in whole milliseconds so that every container keeps them."""
    steps = np.random.default_rng(seed).integers(10, 200, size=n_frames - 1)
    return [0.0, *(float(step) / 1000 for step in np.cumsum(steps))]


def read_all(path: Path) -> tuple[list[np.ndarray], list[float], float]:
    """Plain sequential decoding, the reference: pictures, their times, and when the last one ends."""
    pictures, seconds, end = [], [], 0.0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            pictures.append(frame.to_ndarray(format="rgb24"))
            seconds.append(float(frame.pts * stream.time_base))
        if stream.duration:
            end = float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    return pictures, seconds, end


def read_sound(path: Path) -> tuple[np.ndarray, int, float]:
    """Plain sequential decoding of the sound: (samples,) of the first channel, its rate, and its first time."""
    blocks, first = [], None
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        for frame in container.decode(stream):
            first = float(frame.pts * frame.time_base) if first is None else first
            blocks.append(frame.to_ndarray()[0])
        return np.concatenate(blocks), int(stream.codec_context.sample_rate), first or 0.0


def picks_by_hand(seconds: list[float], end: float, rate: float) -> list[int]:
    """For every tick, look through all frames for the one on screen."""
    found: list[int] = []
    tick = 0
    while tick / rate < end - 1e-6:
        shown = [index for index, start in enumerate(seconds) if start <= tick / rate + 1e-6][-1]
        if shown not in found:
            found.append(shown)
        tick += 1
    return found
