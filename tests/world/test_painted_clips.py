"""Painted clips: the pictures themselves, and the file of captioned clips that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from sspvs.errors import DatasetError, OutputError
from sspvs.features.backbones import Backbone, load_backbone
from sspvs.types import FloatArray, ImageArray, Resize
from sspvs.video import open_video
from sspvs.world.canvas import Brush, Canvas, Look
from sspvs.world.captioned import CaptionedClips
from sspvs.world.film import draw_video
from sspvs.world.painted import PLACES, PaintedClip, PaintedSettings, paintings, write_painted_clips
from sspvs.world.things import THINGS

ALL = range(len(THINGS))
NAMED = [thing.name for thing in THINGS]


class MeanColours(Backbone):
    """Mean colours of the quarters of a picture."""

    name, feature_dim, resize = "mean-colours", 12, Resize("squash", 32, "area")
    transform, normalisation, weights_digest = "squash to 32x32, area", "none", "0" * 64

    def encode(self, frames: ImageArray) -> FloatArray:
        assert frames.shape[1:] == (32, 32, 3)
        means: FloatArray = frames.reshape(-1, 2, 16, 2, 16, 3).mean(axis=(2, 4)).reshape(-1, 12).astype(np.float32)
        return means


class Recorder:
    """A canvas that remembers corners."""

    def __init__(self) -> None:
        self.corners: list[FloatArray] = []

    def polygon(self, points: FloatArray | Sequence[tuple[float, float]], colour: Any) -> None:
        assert all(0 <= part <= 1 for part in colour), "a colour beyond black or white"
        self.corners.append(np.asarray(points))


def test_the_same_clip_has_the_same_pictures_and_another_variant_others() -> None:
    for thing in (0, 9, 23):
        once, again = (PaintedClip(thing, 3).picture(64, 36, 1.5) for _ in range(2))
        assert once.shape == (36, 64, 3)
        assert once.dtype == np.uint8
        assert np.array_equal(once, again)
        for other in (PaintedClip(thing, 4), PaintedClip(thing, 3, seed=1), PaintedClip((thing + 1) % 24, 3)):
            assert np.abs(once - other.picture(64, 36, 1.5).astype(float)).mean() > 5


def test_things_move() -> None:
    for thing in ALL:
        clip = PaintedClip(thing, 0)
        assert np.abs(clip.picture(160, 90, 0.0) - clip.picture(160, 90, 2.0).astype(float)).mean() > 0.2, NAMED[thing]


def test_a_square_picture_is_the_wide_one_squashed() -> None:
    """What a backbone sees of a video is what it saw of the clips."""
    for thing in range(0, 24, 5):
        clip = PaintedClip(thing, 1)
        wide = Image.fromarray(clip.picture(480, 270, 1.0)).resize((96, 96), Image.Resampling.BOX)
        assert np.abs(np.asarray(wide, dtype=float) - clip.picture(96, 96, 1.0)).mean() < 3, NAMED[thing]


@pytest.mark.parametrize("thing", ALL, ids=NAMED)
def test_the_thing_is_seen_and_nothing_else_tells_it(thing: int) -> None:
    for variant in range(3):
        clip, empty = PaintedClip(thing, variant), PaintedClip(thing, variant)
        empty.thing = replace(empty.thing, paint=lambda brush, look, t: None)
        for seconds in (0.0, 4.0):
            with_it, without = clip.picture(112, 112, seconds), empty.picture(112, 112, seconds)
            changed = (np.abs(with_it - without.astype(float)).max(axis=2) > 15).mean()
            assert 0.001 < changed < 0.7, (variant, seconds, changed)
    # The place is painted alike for all its things.
    neighbour = PaintedClip(thing, 0)
    neighbour.thing = replace(THINGS[(thing // 4) * 4], paint=lambda brush, look, t: None)
    bare = PaintedClip(thing, 0)
    bare.thing = replace(bare.thing, paint=lambda brush, look, t: None)
    assert np.array_equal(neighbour.picture(64, 36, 1.0), bare.picture(64, 36, 1.0))


@pytest.mark.parametrize("thing", THINGS, ids=NAMED)
def test_painters_stay_in_their_box(thing: Any) -> None:
    generator = np.random.default_rng(0)
    for seconds in (0.0, 0.7, 1.9, 3.3, 5.0):
        recorder: Any = Recorder()
        thing.paint(Brush(recorder, np.eye(2), np.zeros(2)), Look.draw(generator), seconds)
        corners = np.concatenate(recorder.corners)
        assert np.abs(corners).max() <= 1.25
        assert np.ptp(corners, axis=0).min() > 0.5  # and make use of it


def test_names_are_words_that_no_two_things_share() -> None:
    names = [name for thing in THINGS for name in thing.names]
    assert len(set(names)) == len(names)
    assert all(name.isalpha() and name.islower() for name in names)
    assert {thing.place for thing in THINGS} == set(range(len(PLACES)))
    doings = {doing for thing in THINGS for doing in thing.doings}
    assert not doings & set(names)


def test_captions_of_a_thing_differ() -> None:
    seen: dict[str, set[str]] = {}
    for painting in paintings(PaintedSettings(variants=12)):
        seen.setdefault(painting.clip.thing.name, set()).add(painting.caption)
    assert len(seen) == len(THINGS)
    assert min(map(len, seen.values())) > 6


def test_shapes_lie_where_they_are_put() -> None:
    canvas = Canvas(160, 90)
    canvas.shade((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    canvas.brush((16 / 9 / 2, 0.5), 0.25).rectangle(-1, -1, 1, 1, (1.0, 0.5, 0.0))
    picture = canvas.pixels()
    assert tuple(picture[45, 80]) == (255, 128, 0)
    lit = picture[..., 0] > 128
    assert lit.sum() == pytest.approx(45 * 45, rel=0.06)  # half the height each way
    assert lit[:, 57:103].sum() == lit.sum()
    turned = Canvas(160, 90)
    turned.brush((16 / 9 / 2, 0.5), 0.25, np.pi / 4).rectangle(-1, -1, 1, 1, (1.0, 1.0, 1.0))
    assert (turned.pixels()[..., 0] > 128).sum() == pytest.approx(lit.sum(), rel=0.06)
    assert turned.pixels()[45 - 30, 80, 0] == 255  # a corner, where the side was nearer


def test_what_cannot_be_painted_is_refused() -> None:
    for arguments in ((24, 0), (-1, 0), (0, -1), (0, 0, 0.0), (0, 0, 1.0, -1)):
        with pytest.raises(ValueError, match="must"):
            PaintedClip(*arguments)
    for settings in ({"variants": 0}, {"clip_seconds": (3.0, 2.0)}, {"rate_hz": 0.0}, {"seed": -1}):
        with pytest.raises(ValueError, match="must be"):
            PaintedSettings(**settings)


def test_a_video_of_clips_is_drawn_with_sound(tmp_path: Path) -> None:
    clips = [PaintedClip(5, 0, 1.0), PaintedClip(6, 0, 0.5)]
    path = draw_video(tmp_path / "v.mp4", scenes=clips, width=160, height=90, fps=24)
    with open_video(path) as reader:
        assert reader.info.has_audio
        (chunk,) = reader.sample(2.0, Resize("none"), chunk_frames=8)
    assert len(chunk.frames) == 3
    for picture, (clip, seconds) in zip(chunk.frames, ((0, 0.0), (0, 0.5), (1, 0.0)), strict=True):
        assert np.abs(picture - clips[clip].picture(160, 90, seconds).astype(float)).mean() < 6


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("painted") / "clips.h5"
    write_painted_clips(path, MeanColours(), PaintedSettings(variants=2, clip_seconds=(1.0, 2.0)))
    return path


def test_the_clip_file_has_what_the_backbone_gives_of_the_pictures(clip_file: Path) -> None:
    backbone, planned = MeanColours(), list(paintings(PaintedSettings(variants=2, clip_seconds=(1.0, 2.0))))
    assert len(planned) == 48
    with h5py.File(clip_file) as file:
        assert sorted(file) == sorted(painting.name for painting in planned)
        for painting in planned[::7]:
            group = file[painting.name]
            pictures = [painting.clip.picture(32, 32, index / 2) for index in range(len(group["features"]))]
            assert 2 <= len(pictures) <= 4
            assert np.allclose(group["features"][()], backbone.encode(np.stack(pictures)))
            words = group.attrs["caption"].split()
            assert words[2] in painting.clip.thing.names
            assert group.attrs["concept"] == painting.clip.thing.name
            assert group.attrs["category"] == PLACES[painting.clip.thing.place].name


def test_what_is_made_of_the_clips_has_the_backbone_s_fingerprint(clip_file: Path) -> None:
    source = CaptionedClips(clip_file)
    assert source.fingerprint == MeanColours().fingerprint(2.0)
    assert len(source.concepts) == 24
    for concept in source.concepts:
        thing = THINGS[NAMED.index(concept.name)]
        assert all(name.split()[-1] in thing.names for name in concept.names)


def test_fingerprints_that_contradict_are_refused(clip_file: Path, tmp_path: Path) -> None:
    def changed(name: str, attribute: str, value: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(clip_file.read_bytes())
        with h5py.File(path, "r+") as file:
            if value is None:
                del file.attrs[attribute]
            else:
                file.attrs[attribute] = value
        return path

    # Half a fingerprint is none.
    half = CaptionedClips(changed("half.h5", "fingerprint_transform", None))
    assert half.fingerprint.backbone == "synthetic:clips of mean-colours"
    with pytest.raises(DatasetError, match="rate_hz says 2 picks per second, the fingerprint 1"):
        CaptionedClips(changed("rate.h5", "fingerprint_rate_hz", 1.0))
    changed("both/a.h5", "fingerprint_backbone", "another")
    (tmp_path / "both" / "b.h5").write_bytes(clip_file.read_bytes())
    with pytest.raises(DatasetError, match="another fingerprint"):
        CaptionedClips(tmp_path / "both")


def test_nothing_is_left_where_the_backbone_fails(tmp_path: Path) -> None:
    class Broken(MeanColours):
        def encode(self, frames: ImageArray) -> FloatArray:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        write_painted_clips(tmp_path / "clips.h5", Broken(), PaintedSettings(variants=1))
    with pytest.raises(OutputError):
        write_painted_clips(tmp_path / "none" / "clips.h5", MeanColours(), PaintedSettings(variants=1))
    assert list(tmp_path.iterdir()) == []


def test_a_linear_map_of_real_features_names_unseen_variants() -> None:
    """Seen, and not for nothing: most of them, from five examples each."""
    backbone = load_backbone("efficientnet-lite0", device="cpu")
    pictures = np.stack([PaintedClip(t, v).picture(224, 224, 1.0) for v in range(7) for t in ALL])
    features = backbone.encode(pictures)
    train, test = features[: 5 * 24], features[5 * 24 :]
    train, test = ((part - features[: 5 * 24].mean(0)) / (features[: 5 * 24].std(0) + 1e-3) for part in (train, test))
    wanted = np.tile(np.eye(24) - 1 / 24, (5, 1))
    found = test @ train.T @ np.linalg.solve(train @ train.T + 1280 * np.eye(len(train)), wanted)
    accuracy = (found.argmax(axis=1).reshape(2, 24) == np.arange(24)).mean()
    assert 0.6 < accuracy < 1.0
