"""The trace of every frame, against loops over the decoded planes."""

from collections import Counter

import av
import numpy as np
import pytest

from sspvs.video.trace import Tracer


def naive(planes):
    """Change aside: blocks, flat and detail of one frame of 8-bit planes, in loops."""
    luma, *chroma = planes
    blocks = []
    for plane, rows, columns, n_rows, n_columns in ((luma, 36, 64, 9, 16), *((c, 18, 32, 4, 8) for c in chroma)):
        down, across = max(1, plane.shape[0] // rows), max(1, plane.shape[1] // columns)
        sampled = plane[down // 2 :: down, across // 2 :: across].astype(float)
        if plane is luma:
            kept = sampled
        parts = [[[] for _ in range(n_columns)] for _ in range(n_rows)]
        for y, row in enumerate(sampled):
            for x, value in enumerate(row):
                parts[y * n_rows // len(sampled)][x * n_columns // len(row)].append(value)
        blocks += [np.mean(part) for line in parts for part in line]
    counts = Counter(kept.ravel().tolist())
    flat = max(sum(counts[level + away] for away in range(-2, 3)) for level in range(256)) / kept.size
    rows = luma[luma.shape[0] // 24 :: max(1, luma.shape[0] // 12)].astype(float)
    return np.array(blocks), flat, np.abs(np.diff(rows, axis=1)).mean()


def planes_of(frame):
    found = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(plane.height, -1)
        found.append(rows[:, : plane.width])
    return found


def drawn(pixel_format, width, height, count=5):
    rng = np.random.default_rng(0)
    for number in range(count):
        picture = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
        picture = np.ascontiguousarray(picture[:height, :width].astype(np.uint8) // (1 + number % 2))
        yield av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuvj420p"])
@pytest.mark.parametrize(("width", "height"), [(640, 360), (128, 72), (200, 96), (66, 38)])
def test_planar_frames(pixel_format, width, height):
    tracer, frames = Tracer(), list(drawn(pixel_format, width, height))
    for frame in frames:
        tracer.add(frame)
    trace = tracer.trace()
    for index, frame in enumerate(frames):
        blocks, flat, detail = naive(planes_of(frame))
        np.testing.assert_allclose(trace.blocks[index], blocks, atol=0.51)
        assert trace.flat[index] == pytest.approx(flat)
        assert trace.detail[index] == pytest.approx(detail, rel=1e-5)


@pytest.mark.parametrize("pixel_format", ["nv12", "p010le", "yuv420p10le", "rgb24", "yuv422p16le"])
def test_other_formats_look_the_same(pixel_format):
    plain, other = Tracer(), Tracer()
    for frame, same in zip(drawn("yuv420p", 640, 360), drawn(pixel_format, 640, 360), strict=True):
        plain.add(frame)
        other.add(same)
    np.testing.assert_allclose(
        plain.trace().blocks.astype(float).mean(0), other.trace().blocks.astype(float).mean(0), atol=12
    )


def test_gray_has_no_colour_and_a_video_may_change_its_size():
    tracer = Tracer()
    for frame in (*drawn("gray", 640, 360, 2), *drawn("gray", 320, 180, 3), *drawn("yuv420p", 16, 8, 2)):
        tracer.add(frame)
    trace = tracer.trace()
    assert trace.blocks.shape == (7, 208)
    assert (trace.blocks[:5, 144:] == 128).all()
    assert trace.change[3] > 0  # 36 x 64 samples of both sizes
    assert trace.change[5] == 0  # nothing to compare with


def test_more_frames_than_are_measured_at_a_time():
    frames = [frame for _ in range(12) for frame in drawn("yuv420p", 64, 36)]
    together, apart = Tracer(), []
    for frame in frames:
        together.add(frame)
        alone = Tracer()
        alone.add(frame)
        apart.append(alone.trace())
    trace = together.trace()
    assert len(trace.change) == len(frames)
    np.testing.assert_array_equal(trace.blocks, np.concatenate([one.blocks for one in apart]))
    luma = [planes_of(frame)[0].astype(float) for frame in frames]
    expected = [0.0, *(np.abs(one - other).mean() for one, other in zip(luma[1:], luma[:-1], strict=True))]
    np.testing.assert_allclose(trace.change, expected, rtol=1e-5)
