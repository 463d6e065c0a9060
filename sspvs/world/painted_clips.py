"""Captioned clips out of painted pictures: what `CaptionedClips` reads, with the features of a real backbone.

Axis letters: T picks of a clip, D feature width.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import h5py
import numpy as np

import sspvs
from sspvs.atomic import atomic_h5
from sspvs.features.backbones import Backbone
from sspvs.schema import Positive, Range, Settings
from sspvs.table.layout import write_fingerprint_attrs
from sspvs.types import FloatArray
from sspvs.world.painted import PLACES, PaintedClip
from sspvs.world.settings import Count, InOrder
from sspvs.world.things import THINGS, Thing

_CLIP = 51  # what the generator is for, beside the seed
_VIEW = (1280, 720)  # the picture that a backbone's resizing is computed for: the shape alone counts
_AHEAD = 4  # clips that are painted while others are encoded
_MANNERS = ("little", "lone", "bright", "pretty", "small", "fine")


@dataclass(frozen=True)
class PaintedSettings(Settings):
    """How many clips, and of what length."""

    group = "painted clips"

    variants: Count = 20
    """Different clips of each thing."""
    clip_seconds: Annotated[tuple[float, float], InOrder(Range(above=0))] = (4.0, 6.0)
    """Shortest and longest clip."""
    rate_hz: Positive = 2.0
    """Pictures per second."""
    seed: Annotated[int, Range(least=0)] = 0
    """Another seed, other variants."""


@dataclass(frozen=True)
class CaptionedPainting:
    """A clip before it is painted."""

    name: str  # its group in the file
    thing: Thing  # what it shows
    caption: str
    clip: PaintedClip  # gives its pictures


def paintings(settings: PaintedSettings) -> Iterator[CaptionedPainting]:
    """Every clip, thing by thing; the same ones for the same settings.

    Captions call a thing by any of its names, so that words and pictures meet in the thing alone: neither colours nor
    a caption's words for manner and doing can be seen.
    """
    for number, thing in enumerate(THINGS):
        for variant in range(settings.variants):
            generator = np.random.default_rng([settings.seed, _CLIP, number, variant])
            seconds = round(float(generator.uniform(*settings.clip_seconds)) * settings.rate_hz) / settings.rate_hz
            clip = PaintedClip(number, variant, max(seconds, 1 / settings.rate_hz), settings.seed)
            words = (_MANNERS, thing.names, thing.doings, PLACES[thing.place].where)
            chosen = [choices[int(generator.integers(len(choices)))] for choices in words]
            yield CaptionedPainting(f"{thing.name}_{variant:03d}", thing, f"a {' '.join(chosen)}", clip)


def write_painted_clips(
    path: str | Path, backbone: Backbone, settings: PaintedSettings | None = None, *, progress: bool = False
) -> None:
    """Paint clips, encode their pictures with a backbone, and write features and captions with its fingerprint."""
    settings = PaintedSettings() if settings is None else settings
    width, height = backbone.resize.target_size(*_VIEW)
    from tqdm import tqdm

    total = len(THINGS) * settings.variants
    bar = tqdm(total=total, desc="painting", unit="clip", disable=None if progress else True, leave=False)
    with atomic_h5(Path(path)) as file, bar, ThreadPoolExecutor(1) as looking:
        write_fingerprint_attrs(file.attrs, backbone.fingerprint(settings.rate_hz))
        file.attrs["rate_hz"] = settings.rate_hz
        file.attrs["backbone"] = backbone.name
        made_by = {"tool": "sspvs painted clips", "version": sspvs.__version__, **asdict(settings)}
        file.attrs["made_by"] = json.dumps(made_by)
        waiting: deque[tuple[CaptionedPainting, Future[FloatArray]]] = deque()
        for painting in paintings(settings):
            instants = [index / settings.rate_hz for index in range(round(painting.clip.seconds * settings.rate_hz))]
            pictures = np.stack([painting.clip.picture(width, height, seconds) for seconds in instants])
            waiting.append((painting, looking.submit(backbone.encode, pictures)))
            if len(waiting) > _AHEAD:
                _put(file, *waiting.popleft())
                bar.update()
        while waiting:
            _put(file, *waiting.popleft())
            bar.update()


def _put(file: h5py.File, painting: CaptionedPainting, looked: Future[FloatArray]) -> None:
    group = file.create_group(painting.name)
    group["features"] = looked.result().astype(np.float32, copy=False)  # (T, D)
    group.attrs["caption"] = painting.caption
    group.attrs["concept"] = painting.thing.name
    group.attrs["category"] = PLACES[painting.thing.place].name
