"""The things that clips are painted of, with their names, and the places where they are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sspvs.video.drawing import backdrops, indoors, sky_and_sea, street_and_garden
from sspvs.video.drawing.canvas import Canvas
from sspvs.video.drawing.look import Look, Painter


@dataclass(frozen=True)
class Place:
    """Where things are found; their category.

    Attributes:
        name: What it is called.
        where: Phrases that say it.
        paint: Paints it all over a canvas, in a look, at a time.
    """

    name: str
    where: tuple[str, ...]
    paint: Callable[[Canvas, Look, float], None]


@dataclass(frozen=True)
class Thing:
    """What a clip shows.

    Attributes:
        names: What it is called, its own name first; no two things share one.
        doings: Words for what it does.
        place: Index of its place.
        paint: Paints it.
        upright: Whether it stands: it sways, and does not turn.
    """

    names: tuple[str, ...]
    doings: tuple[str, ...]
    place: int
    paint: Painter
    upright: bool = False

    @property
    def name(self) -> str:
        """Its own name."""
        return self.names[0]


PLACES = (
    Place("sky", ("in the sky", "above the hills", "among the clouds"), backdrops.sky),
    Place("sea", ("at sea", "on the waves", "off the coast"), backdrops.sea),
    Place("street", ("in the street", "in town", "at the kerb"), backdrops.street),
    Place("garden", ("in the garden", "on the meadow", "by the fence"), backdrops.garden),
    Place("home", ("at home", "on the table", "in the kitchen"), backdrops.home),
    Place("playroom", ("in the playroom", "on the rug", "at playtime"), backdrops.playroom),
)


def _thing(words: str, doings: str, place: int, paint: Painter, *, upright: bool = False) -> Thing:
    return Thing(tuple(words.split()), tuple(doings.split()), place, paint, upright)


THINGS = (
    _thing("kite lozenge dragon", "rising swooping tugging", 0, sky_and_sea.kite),
    _thing("balloon airship aerostat", "floating climbing drifting", 0, sky_and_sea.balloon),
    _thing("rainbow arc spectrum", "shining fading glowing", 0, sky_and_sea.rainbow, upright=True),
    _thing("plane aircraft jet", "flying landing soaring", 0, sky_and_sea.plane),
    _thing("sailboat yacht dinghy", "sailing rocking tacking", 1, sky_and_sea.sailboat),
    _thing("lighthouse beacon pharos", "blinking standing warning", 1, sky_and_sea.lighthouse, upright=True),
    _thing("whale orca cetacean", "spouting breaching basking", 1, sky_and_sea.whale),
    _thing("fish herring mackerel", "swimming darting gliding", 1, sky_and_sea.fish),
    _thing("car saloon automobile", "passing parking braking", 2, street_and_garden.car, upright=True),
    _thing("bus coach omnibus", "arriving waiting leaving", 2, street_and_garden.bus, upright=True),
    _thing("bicycle bike cycle", "rolling leaning racing", 2, street_and_garden.bicycle, upright=True),
    _thing("signal stoplight semaphore", "switching gleaming stopping", 2, street_and_garden.signal, upright=True),
    _thing("flower blossom daisy", "blooming nodding opening", 3, street_and_garden.flower, upright=True),
    _thing("tree oak maple", "swaying rustling growing", 3, street_and_garden.tree, upright=True),
    _thing("butterfly moth swallowtail", "fluttering hovering dancing", 3, street_and_garden.butterfly),
    _thing("mushroom toadstool fungus", "sprouting hiding swelling", 3, street_and_garden.mushroom, upright=True),
    _thing("cup mug teacup", "steaming cooling brimming", 4, indoors.cup, upright=True),
    _thing("clock dial timepiece", "ticking striking hurrying", 4, indoors.clock),
    _thing("lamp lantern nightlight", "burning dimming brightening", 4, indoors.lamp, upright=True),
    _thing("cake gateau tart", "tempting towering flickering", 4, indoors.cake, upright=True),
    _thing("ball football beachball", "bouncing spinning tumbling", 5, indoors.ball),
    _thing("blocks bricks cubes", "wobbling stacking tottering", 5, indoors.blocks, upright=True),
    _thing("pinwheel windmill whirligig", "whirling turning humming", 5, indoors.pinwheel, upright=True),
    _thing("robot android automaton", "waving marching buzzing", 5, indoors.robot, upright=True),
)
