"""Painted clips: the same pictures for the same arguments, things a backbone can tell apart, files that are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sspvs.data.synthetic.captioned import CaptionedClips
from sspvs.data.synthetic.painted import PaintedSettings, paintings, write_painted_clips
from sspvs.features.backbones import load_backbone
from sspvs.video.drawing import PLACES, THINGS, PaintedClip


@pytest.mark.parametrize("thing", range(len(THINGS)), ids=lambda number: THINGS[number].name)
def test_a_clip_is_the_same_at_every_call_and_no_other_variant(thing: int) -> None:
    first = PaintedClip(thing, 3, seed=1).picture(64, 36, 1.5)
    assert first.shape == (36, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, PaintedClip(thing, 3, seed=1).picture(64, 36, 1.5))
    for other in (PaintedClip(thing, 4, seed=1), PaintedClip(thing, 3, seed=2)):
        assert not np.array_equal(first, other.picture(64, 36, 1.5))


def test_a_larger_picture_shows_the_same() -> None:
    clip = PaintedClip(0, 0)
    small, large = clip.picture(80, 45, 0.5), clip.picture(320, 180, 0.5)
    shrunk = large.reshape(45, 4, 80, 4, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < 8  # of 255: edges alone differ


@pytest.mark.parametrize(
    "wrong", [{"thing": len(THINGS)}, {"thing": -1}, {"variant": -1}, {"seconds": 0.0}, {"seed": -1}]
)
def test_what_cannot_be_painted_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        PaintedClip(**{"thing": 0, "variant": 0, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"variants": 0}, {"seed": -1}, {"clip_seconds": (3.0, 1.0)}, {"rate_hz": 0.0}])
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|above 0"):
        PaintedSettings(**wrong)  # type: ignore[arg-type]


def test_captions_name_the_thing_by_one_of_its_names() -> None:
    seen: dict[str, set[str]] = {}
    for painting in paintings(PaintedSettings(variants=12)):
        assert any(name in painting.caption for name in painting.thing.names), painting.caption
        seen.setdefault(painting.thing.name, set()).add(painting.caption)
    assert len(seen) == len(THINGS)
    assert min(map(len, seen.values())) > 6


def test_a_backbone_tells_the_things_of_unseen_variants_apart(tmp_path: Path) -> None:
    """By the nearest mean of three variants; the file has the backbone's own fingerprint."""
    backbone = load_backbone("efficientnet-lite0", device="cpu")
    settings = PaintedSettings(variants=4, clip_seconds=(1.0, 1.5))
    write_painted_clips(tmp_path / "clips.h5", backbone, settings)
    clips = CaptionedClips(tmp_path / "clips.h5")
    assert clips.fingerprint == backbone.fingerprint(2.0)
    assert len(clips.clips) == 4 * len(THINGS)
    assert {concept.category for concept in clips.concepts} == {place.name for place in PLACES}
    generator = np.random.default_rng(0)
    style = clips.draw_style(generator)
    means = np.stack([clips.window(clip, 0, clip.n_picks, style, generator).mean(axis=0) for clip in clips.clips])
    means -= means.mean(axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    concepts = np.array([clip.concept for clip in clips.clips])
    unseen = np.array([clip.name.endswith("_003") for clip in clips.clips])
    centres = np.stack([means[(concepts == concept) & ~unseen].mean(axis=0) for concept in range(len(THINGS))])
    right = (means[unseen] @ centres.T).argmax(axis=1) == concepts[unseen]
    assert right.mean() > 5 / len(THINGS), f"{right.mean():.2f} right"  # five times chance
