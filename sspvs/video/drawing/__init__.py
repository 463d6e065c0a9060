"""Drawn pictures: a short video of scenes for the demo and for tests, and clips of things that have names.

scenes.py       seven scenes, painted by formula: the same pictures at every call
film.py         scenes, one after the other, as a video file with sound

canvas.py       shapes on a picture, in coordinates that do not depend on its size
backdrops.py    what is behind things: a place a category
look.py         colours and proportions of one variant of a thing
sky_and_sea.py, street_and_garden.py, indoors.py    painters of things
things.py       the table of them, with their names and places
painted.py      a clip of a thing, in one of many variants: colours, way, size, light
"""

from sspvs.video.drawing.film import Drawable, draw_scene_frames, draw_video
from sspvs.video.drawing.painted import PaintedClip
from sspvs.video.drawing.scenes import SCENES, Scene
from sspvs.video.drawing.things import PLACES, THINGS, Place, Thing

__all__ = [
    "PLACES",
    "SCENES",
    "THINGS",
    "Drawable",
    "PaintedClip",
    "Place",
    "Scene",
    "Thing",
    "draw_scene_frames",
    "draw_video",
]
