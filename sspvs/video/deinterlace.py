"""Frames made of two fields, taken at two instants, as whole pictures of one instant."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import av
import av.filter


class Deinterlacer:
    """Deinterlaces the frames that are flagged as interlaced: as many as before, each at its own time.

    The filter is bwdif (motion adaptive: what stands still keeps its lines) in its mode that makes one picture of a
    frame, from the field that comes first. It looks at the neighbours of a frame, so frames come one later.

    Attributes:
        used: Whether any frame was interlaced.
    """

    def __init__(self) -> None:
        self.used = False

    def __call__(self, frames: Iterable[Any]) -> Iterator[Any]:
        """The frames of one run of decoding, in order; progressive ones untouched."""
        graph: Any = None
        inside: deque[Any] = deque()  # what went into the filter and has not come out
        made_for: tuple[Any, ...] = ()
        alone = True
        for frame in frames:
            layout = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
            if graph is not None and layout != made_for:
                yield from _drained(graph, inside, alone)
                graph = None
            if graph is None and frame.interlaced_frame:
                graph, made_for, alone = _graph(frame), layout, True
                self.used = True
            if graph is None:
                yield frame
                continue
            graph.push(frame)
            inside.append(frame)
            if len(inside) > 1:
                yield _paired(graph.pull(), inside)
                alone = False
        if graph is not None:
            yield from _drained(graph, inside, alone)


def _graph(frame: Any) -> Any:
    graph = av.filter.Graph()
    source = graph.add(
        "buffer",
        video_size=f"{frame.width}x{frame.height}",
        pix_fmt=frame.format.name,
        time_base="1/90000",  # unused: times are kept beside the filter
        colorspace=str(int(frame.colorspace)),
        range=str(int(frame.color_range)),
    )
    nodes = [source, graph.add("bwdif", mode="send_frame", deint="interlaced"), graph.add("buffersink")]
    for one, after in pairwise(nodes):
        one.link_to(after)
    graph.configure()
    return graph


def _drained(graph: Any, inside: deque[Any], alone: bool) -> Iterator[Any]:
    if alone:  # a frame with no neighbour at all would come out with both its fields
        graph.push(inside[0])
    graph.push(None)
    while inside:
        yield _paired(graph.pull(), inside)


def _paired(made: Any, inside: deque[Any]) -> Any:
    """The next frame out of the filter, with the time of the frame that it was made of."""
    frame = inside.popleft()
    if not frame.interlaced_frame:
        return frame
    made.pts, made.time_base = frame.pts, frame.time_base
    return made
